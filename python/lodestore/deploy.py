"""What is done to a schema's tables once, when a project is set up."""

import re

from . import _lodestore
from .schemas import Schema
from .table import FreeTable, Table


def set_replica_identity(target, mode="full", dry_run=True):
    """Makes PostgreSQL's replication log tell whole rows (``"full"``), or keys only (``"default"``).

    `target` is a schema, with all its tables, or a table's class or instance. Nothing is changed in a dry run.
    Gives ``tables_analyzed``, ``tables_modified`` (0 in a dry run) and ``ddl``, the statements.

    Raises `DataJointError` for another mode or target, and on other databases.
    """
    tables = _tables(target)
    if str(mode).lower() not in ("default", "full"):
        raise _lodestore.error("invalid-request", f"mode must be 'default' or 'full'; got {mode!r}")
    connection = target.connection
    backend = connection.adapter.backend
    if backend != "postgresql":
        raise _lodestore.error(
            "invalid-request",
            f"set_replica_identity is PostgreSQL-only; the {backend} adapter does not support REPLICA IDENTITY",
        )
    ddl = [f"ALTER TABLE {table.full_table_name} REPLICA IDENTITY {mode.upper()}" for table in tables]
    if not dry_run:
        for statement in ddl:
            connection.query(statement.replace("%", "%%"))
    return {"tables_analyzed": len(tables), "tables_modified": 0 if dry_run else len(ddl), "ddl": ddl}


def add_prov_column(target, dry_run=True):
    """Gives Manual tables that were declared without it the hidden column ``_prov``, which says where a
    row came from (the setting ``provenance.capture``).

    `target` is a schema, or a table's class or instance; nothing is changed in a dry run. Gives
    ``tables_analyzed``, ``tables_modified``, ``columns_added``, ``ddl`` and ``details``: a dict of
    ``table`` and ``status`` (``pending``, ``added`` or ``already_present``) for each table.

    Raises `DataJointError` for another target, and on the embedded database.
    """
    if isinstance(target, Schema) and not target.is_activated():
        raise _lodestore.error(
            "invalid-request",
            "Schema is not activated. Call schema.activate(...) before add_prov_column()",
        )
    tables = [table for table in _tables(target) if _MANUAL.fullmatch(table.table_name)]
    connection = target.connection
    if connection.adapter.backend == "sqlite":
        raise _lodestore.error(
            "unsupported",
            "add_prov_column changes tables on servers only",
            "declare the table anew and copy its rows",
        )
    ddl, details = [], []
    for table in tables:
        present = "_prov" in table.heading._attributes
        details.append(
            {
                "table": f"{table.database}.{table.table_name}",
                "status": "already_present" if present else "pending" if dry_run else "added",
            }
        )
        if present:
            continue
        statements = _prov_statements(connection.adapter, table.full_table_name)
        ddl.extend(statements)
        if not dry_run:
            for statement in statements:
                connection.query(statement.replace("%", "%%"))
    added = sum(told["status"] == "added" for told in details)
    return {
        "tables_analyzed": len(tables),
        "tables_modified": added,
        "columns_added": added,
        "ddl": ddl,
        "details": details,
    }


#: Names of Manual tables; parts have two underscores.
_MANUAL = re.compile(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")
_PROV = ":json:extrinsic provenance for a row that entered from outside"


def _prov_statements(adapter, table):
    """What adds the column, as a declaration would make it."""
    column = adapter.quote_identifier("_prov")
    if adapter.backend == "mysql":
        return [f'ALTER TABLE {table} ADD COLUMN {column} json DEFAULT NULL COMMENT "{_PROV}"']
    return [
        f"ALTER TABLE {table} ADD COLUMN {column} jsonb DEFAULT NULL",
        f"COMMENT ON COLUMN {table}.{column} IS '{_PROV}'",
    ]


def _tables(target):
    """The tables that are meant, as objects."""
    if isinstance(target, Schema):
        return list(target)
    table = target() if isinstance(target, type) and issubclass(target, Table) else target
    if not isinstance(table, Table):
        raise _lodestore.error(
            "invalid-request", f"target must be a Schema or Table class/instance; got {type(target).__name__}"
        )
    return [FreeTable(table.connection, table.full_table_name)]
