"""What brings tables of earlier declarations up to date."""

from . import _lodestore
from .deploy import _tables
from .names import tier_of

#: The hidden columns of rows that are computed: declared type, comment, and what MySQL and PostgreSQL make of it.
_JOB_COLUMNS = {
    "_job_start_time": (
        "datetime(3)",
        "when computation began",
        "datetime(3) DEFAULT NULL",
        "timestamp(3) DEFAULT NULL",
    ),
    "_job_duration": (
        "float32",
        "computation duration in seconds",
        "float DEFAULT NULL",
        "real DEFAULT NULL",
    ),
    "_job_version": (
        "varchar(64)",
        "code version",
        "varchar(64) NOT NULL DEFAULT ''",
        "varchar(64) NOT NULL DEFAULT ''",
    ),
}


def add_job_metadata_columns(target, dry_run=True):
    """Gives computed and imported tables that were declared without them the hidden columns in which
    `populate` records how rows were made (the setting ``jobs.add_job_metadata``).

    `target` is a schema, or a table's class or instance; nothing is changed in a dry run, which counts what
    would be. A table that has the columns stays as it is. Gives ``tables_analyzed``, ``tables_modified``,
    ``columns_added``, and ``details``: for each table a dict of ``table``, ``status`` (``pending``, ``migrated`` or
    ``already_migrated``), ``columns_added`` (their number), ``columns`` and ``sql_statements``. Programs see the columns
    when they open the project anew.

    Raises `DataJointError` for another target, and on the embedded database.
    """
    tables = [
        table
        for table in _tables(target)
        if tier_of(f"{table.database}.{table.table_name}") in ("computed", "imported")
    ]
    connection = target.connection
    adapter = connection.adapter
    if adapter.backend == "sqlite":
        raise _lodestore.error(
            "unsupported",
            "add_job_metadata_columns changes tables on servers only",
            "declare the table anew and copy its rows",
        )
    details = []
    for table in tables:
        # The database is asked: a heading that was read before is as it was.
        known = connection.query(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            (table.database, table.table_name),
        )
        known = {name for (name,) in known}
        missing = [name for name in _JOB_COLUMNS if name not in known]
        statements = [text for name in missing for text in _statements(adapter, table.full_table_name, name)]
        if not dry_run:
            for statement in statements:
                connection.query(statement.replace("%", "%%"))
        status = "already_migrated" if not missing else "pending" if dry_run else "migrated"
        details.append(
            {
                "table": f"{table.database}.{table.table_name}",
                "status": status,
                "columns_added": len(missing),
                "columns": missing,
                "sql_statements": statements,
            }
        )
    return {
        "tables_analyzed": len(tables),
        "tables_modified": sum(told["columns_added"] > 0 for told in details),
        "columns_added": sum(told["columns_added"] for told in details),
        "details": details,
    }


def _statements(adapter, table, name):
    """What adds a column, as a declaration would make it."""
    declared, comment, mysql, postgresql = _JOB_COLUMNS[name]
    column = adapter.quote_identifier(name)
    marked = f":{declared}:{comment}"
    if adapter.backend == "mysql":
        return [f'ALTER TABLE {table} ADD COLUMN {column} {mysql} COMMENT "{marked}"']
    return [
        f"ALTER TABLE {table} ADD COLUMN {column} {postgresql}",
        f"COMMENT ON COLUMN {table}.{column} IS '{marked}'",
    ]
