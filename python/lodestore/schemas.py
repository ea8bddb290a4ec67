"""Schemas: tables under one name, declared by decorated classes."""

import sys

from . import _lodestore
from .connection import conn
from .table import FreeTable, Table
from .user_tables import Part, UserTable


class Schema:
    """A schema of the database, which takes classes in as its tables.

    - `schema_name`: the name; the schema is made if it is not there and `create_schema` is true;
    - `context`: where definitions look up the tables they refer to, by default the caller's names;
    - `connection`: the process-wide one unless given;
    - `create_tables`: whether decorated classes may make their tables (``database.create_tables``);
    - `add_objects`: further names for `context`.
    """

    def __init__(
        self,
        schema_name=None,
        context=None,
        *,
        connection=None,
        create_schema=True,
        create_tables=None,
        add_objects=None,
    ):
        self.context = context
        self.connection = connection
        self.database = None
        self._core = None
        self._add_objects = dict(add_objects or {})
        self._create_schema, self._create_tables = create_schema, create_tables
        self._waiting = []
        if schema_name is not None:
            self.activate(schema_name)

    def activate(
        self, schema_name=None, *, connection=None, create_schema=None, create_tables=None, add_objects=None
    ):
        """Binds the schema to a database, and with it the classes that were decorated before.

        Raises `DataJointError` if the schema does not exist and must not be made, or if this object
        is bound to another name.
        """
        if self._core is not None and schema_name in (None, self.database):
            return
        if self._core is not None:
            raise _lodestore.error(
                "invalid-request", f"The schema is already activated for schema {self.database}"
            )
        if schema_name is None:
            raise _lodestore.error("invalid-request", "Schema must be activated first", "give a schema name")
        self.connection = connection or self.connection or conn()
        self._create_schema = self._create_schema if create_schema is None else create_schema
        self._create_tables = self._create_tables if create_tables is None else create_tables
        self._add_objects.update(add_objects or {})
        self._core = self.connection._core.schema(schema_name, self._create_schema)
        self.database = schema_name
        self.connection.schemas[schema_name] = self
        waiting, self._waiting = self._waiting, []
        for cls, context in waiting:
            self._bind_with_parts(cls, context)

    def is_activated(self):
        """True once the schema has a name."""
        return self._core is not None

    def __call__(self, cls, *, context=None):
        """Takes a class in: makes its table, and those of its parts, unless they are there."""
        if not (isinstance(cls, type) and issubclass(cls, UserTable)):
            raise _lodestore.error(
                "invalid-request",
                "the schema decorator takes classes derived from dj.Manual, dj.Lookup, dj.Imported or dj.Computed",
            )
        if issubclass(cls, Part):
            raise _lodestore.error(
                "invalid-request",
                "The schema decorator should not be applied to Part tables",
                "decorate the master",
            )
        context = context or self.context or _names_of_caller()
        if self._core is None:
            self._waiting.append((cls, context))
        else:
            self._bind_with_parts(cls, context)
        return cls

    def _bind_with_parts(self, cls, context):
        context = {**context, **self._add_objects}
        self._bind(cls, {**context, "self": cls, cls.__name__: cls})
        for part in _parts(cls):
            part.master = cls
            self._bind(part, {**context, "self": part, "master": cls, cls.__name__: cls}, master=cls)

    def _bind(self, cls, context, master=None):
        definition = cls.definition() if callable(cls.definition) else cls.definition
        if isinstance(definition, property):
            definition = definition.fget(object.__new__(cls))
        create = self._create_tables
        if create is None:
            create = self.connection.config["database.create_tables"]
        cls.connection = self.connection

        def resolve(path):
            return _find(path, context)

        cls._bound = self._core.declare(
            cls.__name__,
            cls._tier,
            definition,
            None if master is None else master._bound,
            resolve if create else None,
        )
        contents = getattr(cls, "contents", ())
        if cls._tier == "Lookup" and create:
            rows = contents if hasattr(contents, "__len__") else list(contents)
            if len(rows) > len(cls()):
                cls().insert(rows, skip_duplicates=True)

    @property
    def exists(self):
        """True if the database has the schema."""
        return self.database in self.connection._core.schemas()

    def list_tables(self):
        """The names of the schema's tables in the database."""
        return self._core.tables()

    def get_table(self, name):
        """The table of a class name or of a name in the database, without a class of its own.

        Raises `MissingTableError` if there is none.
        """
        return FreeTable(self.connection, self._core.find(name))

    __getitem__ = get_table

    def __contains__(self, name):
        return self._core.has(name)

    def __iter__(self):
        return (FreeTable(self.connection, f"{self.database}.{name}") for name in self.list_tables())

    def __repr__(self):
        return f"Schema `{self.database}`\n"


def _parts(cls):
    """The parts nested in a class, in the order in which they are declared, those of its bases first."""
    members = {name: member for base in reversed(cls.__mro__) for name, member in vars(base).items()}
    return [
        member
        for name, member in members.items()
        if name[:1].isupper() and isinstance(member, type) and issubclass(member, Part) and member is not Part
    ]


def _names_of_caller():
    """The names that the code which called the decorator sees: globals, then its locals."""
    frame = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("lodestore."):
        frame = frame.f_back
    return {} if frame is None else {**frame.f_globals, **frame.f_locals}


def _find(path, context):
    """The full name of the table that a definition calls `path`; None if the context has no such table."""
    head, *rest = path.split(".")
    found = context.get(head)
    for name in rest:
        found = getattr(found, name, None)
    if isinstance(found, type) and issubclass(found, Table):
        found = found()
    return found._table.name() if isinstance(found, Table) else None
