"""What is done to a schema's tables once, when a project is set up."""

from . import _lodestore
from .schemas import Schema
from .table import FreeTable, Table


def set_replica_identity(target, mode="full", dry_run=True):
    """Makes PostgreSQL's replication log tell whole rows (``"full"``), or keys only (``"default"``).

    `target` is a schema, or a table's class or instance; parts count. Nothing is changed in a dry run.
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


def _tables(target):
    """The tables that are meant, as objects."""
    if isinstance(target, Schema):
        return list(target)
    table = target() if isinstance(target, type) and issubclass(target, Table) else target
    if not isinstance(table, Table):
        raise _lodestore.error(
            "invalid-request", f"target must be a Schema or Table class/instance; got {type(target).__name__}"
        )
    return [FreeTable(table.connection, name) for name in [table.full_table_name, *table.parts()]]
