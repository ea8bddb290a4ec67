"""A project of one's own: settings, a database and stores, apart from the process-wide ones."""

import os

from . import _lodestore
from .connection import Connection
from .schemas import Schema
from .settings import Config
from .table import FreeTable


class Instance:
    """A project with its own settings and its own connection.

    ``dj.Instance()`` opens what the settings (environment, ``.secrets/``, ``datajoint.json``)
    describe; ``dj.Instance(path="folder")`` opens the embedded project in that folder. Any setting
    can be given by keyword, with ``__`` for the dot: ``database__create_tables=False``.

    ``with dj.Instance(...) as instance:`` closes its connection at the end of the block; an instance
    that is no longer referenced gives its connections back when it is garbage collected.

    Raises `DataJointError` for settings that do not exist or do not fit.
    """

    def __init__(
        self,
        host=None,
        user=None,
        password=None,
        port=None,
        use_tls=None,
        backend=None,
        *,
        path=None,
        **settings,
    ):
        self.config = Config.load_sources()
        if path is not None:
            if host is not None or backend not in (None, "sqlite"):
                raise _lodestore.error(
                    "invalid-request", "`path` names an embedded project, which has no host"
                )
            settings = {"database__backend": "sqlite", "database__path": os.fspath(path), **settings}
        given = {
            "host": host,
            "user": user,
            "password": password,
            "port": port,
            "use_tls": use_tls,
            "backend": backend,
        }
        self.config.set_database(given)
        for name, value in settings.items():
            self.config[name.replace("__", ".")] = value
        self.connection = Connection.of(self.config)

    def Schema(self, schema_name, context=None, *, create_schema=True, create_tables=None, add_objects=None):
        """A schema of this project; see `lodestore.Schema`."""
        return Schema(
            schema_name,
            context,
            connection=self.connection,
            create_schema=create_schema,
            create_tables=create_tables,
            add_objects=add_objects,
        )

    def FreeTable(self, full_table_name):
        """A table of this project by its full name, without a class."""
        return FreeTable(self.connection, full_table_name)

    def close(self):
        """Close this thread's connection; an open transaction is rolled back. The next use opens another."""
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"Instance({self.connection!r})"
