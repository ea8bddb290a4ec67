"""What programs that write SQL of their own must know of a database."""


class Adapter:
    """The ways of one database."""

    def __init__(self, core):
        self._core = core

    @property
    def backend(self):
        """The kind of database: ``"sqlite"``, ``"postgresql"``, or ``"mysql"`` (MariaDB included)."""
        return {"postgres": "postgresql"}.get(self._core.dialect, self._core.dialect)

    def quote_identifier(self, name):
        """A name in the quotes of the database, ready to stand in SQL."""
        return self._core.quote(name)

    def make_full_table_name(self, schema, table):
        """The quoted name of a table, as it stands in SQL."""
        # In an SQLite database all schemas are one: the name of the schema is part of the table's.
        if self.backend == "sqlite":
            return self._core.quote(f"{schema}.{table}")
        return f"{self._core.quote(schema)}.{self._core.quote(table)}"

    def __repr__(self):
        return f"<adapter of {self.backend}>"
