"""Schemas: tables under one name, declared by decorated classes."""

import os
import sys
import warnings
from collections import ChainMap

from . import _lodestore, legacy_adapter
from .connection import conn
from .jobs import jobs_of_schema, overview
from .prompts import agreed
from .settings import refuse_if_thread_safe
from .table import FreeTable, Table
from .user_tables import TIERS, Part, UserTable, declared
from .verification import usage, verify


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
        #: The names of the virtual module that this is the schema of.
        self._module_names = {}
        self._create_schema, self._create_tables = create_schema, create_tables
        #: The masters that it was applied to, with the names that their definitions see, by class name.
        self._decorated = {}
        #: The classes that it has taken in, by full table name.
        self._classes = {}
        if connection is None:
            refuse_if_thread_safe()
        if schema_name is not None:
            self.activate(schema_name)

    def activate(
        self, schema_name=None, *, connection=None, create_schema=None, create_tables=None, add_objects=None
    ):
        """Binds the schema to a database, and with it the classes that were decorated before.

        Definitions find the names that the module has by now, not those of when a class was
        decorated. Without a name, a schema that is bound already stays as it is. A schema that was
        dropped is created again, with the tables of its classes.

        Raises `DataJointError` if the schema does not exist and must not be made, if this object
        is bound to another name, or if there is no name yet.
        """
        if self._core is not None and self.exists:
            if schema_name in (None, self.database):
                return
            raise _lodestore.error(
                "invalid-request",
                f"The schema is already activated for schema {self.database}",
                "make another `dj.Schema` for another name",
            )
        if schema_name is None:
            if self._core is None:
                raise _not_activated()
            raise _lodestore.error(
                "invalid-request",
                f"Please provide a schema_name to activate the schema: `{self.database}` is not there any more",
            )
        connection = connection or self.connection or conn()
        create_schema = self._create_schema if create_schema is None else create_schema
        self._core = connection._core.schema(schema_name, create_schema)
        self.connection, self.database, self._create_schema = connection, schema_name, create_schema
        self._create_tables = self._create_tables if create_tables is None else create_tables
        self._add_objects.update(add_objects or {})
        connection.register(self)
        if connection.config["legacy"]:
            legacy_adapter.adopt_all(self._add_objects)
        self._classes.clear()
        # Before Python 3.13 the names of a function are read anew only when they are asked for.
        _names_of_caller()
        for cls, context in self._decorated.values():
            self._bind_with_parts(cls, context)

    def is_activated(self):
        """True once the schema has a name."""
        return self._core is not None

    def __call__(self, cls, *, context=None):
        """Takes a class in: makes its table, and those of its parts, unless they are there."""
        if not (isinstance(cls, type) and issubclass(cls, UserTable)):
            raise _lodestore.error(
                "invalid-type",
                "the schema decorator takes classes derived from dj.Manual, dj.Lookup, dj.Imported or dj.Computed",
            )
        if issubclass(cls, Part):
            raise _lodestore.error(
                "invalid-request",
                "The schema decorator should not be applied to Part tables",
                "decorate the master",
            )
        if "_" in cls.__name__.lstrip("_"):
            warnings.warn(
                f"Table class name `{cls.__name__}` contains underscores: write it in CamelCase",
                UserWarning,
                stacklevel=2,
            )
        context = context or self.context or _names_of_caller()
        self._decorated[cls.__name__] = cls, context
        if self._core is not None:
            self._bind_with_parts(cls, context)
        return cls

    @property
    def _activated(self):
        """The schema of the core."""
        if self._core is None:
            raise _not_activated()
        return self._core

    def _bind_with_parts(self, cls, context):
        # Views, not copies: a module assigns names after its classes were decorated.
        context = ChainMap(self._add_objects, context, self._module_names)
        self._bind(cls, context.new_child({"self": cls, cls.__name__: cls}))
        self._bind_parts(cls, context.new_child({cls.__name__: cls}))

    def _bind_parts(self, master, context):
        for part in _parts(master):
            part.master = master
            self._bind(part, context.new_child({"self": part, "master": master}), master=master)
            self._bind_parts(part, context.new_child({part.__name__: part}))

    def _bind(self, cls, context, master=None):
        cls.connection = self.connection
        # An instance that looks for its names, as it may for its definition, finds them.
        cls._full_name = name = self._activated.table_name(
            cls.__name__, cls._tier, None if master is None else master.__dict__["_full_name"]
        )
        definition = declared(cls, "definition")
        create = self._create_tables
        if create is None:
            create = self.connection.config["database.create_tables"]

        def resolve(path):
            return _find(path, context)

        if definition is None and create and not self._core.has(name.split(".", 1)[1]):
            raise _lodestore.error(
                "unsupported",
                f'class `{cls.__name__}` must implement the property "definition"',
                "give it a class attribute `definition`",
            )
        if isinstance(definition, str) and self.connection.config["legacy"]:
            legacy_adapter.adopt(definition, context)
        cls._context = context
        self._classes[name] = cls
        # Without a definition the table is there already.
        declares = create and definition is not None
        cls._bound = self._core.declare(name, cls.__name__, definition, resolve if declares else None)
        if isinstance(definition, str):
            _tell_definition(cls, definition)
        if cls._tier == "Lookup" and create:
            _insert_contents(cls)

    @property
    def exists(self):
        """True if the database has the schema."""
        core = self._activated
        return core.name() in self.connection._core.schemas()

    def drop(self, prompt=None):
        """Drops the schema with all its tables and their rows, after a question.

        - `prompt`: whether to show what would be dropped, and ask; by default the setting ``safemode``.

        A schema that is not there is none to drop. Raises `IntegrityError` if tables of other schemas
        refer to its tables, `DataJointError` inside a transaction, or if nobody is there to answer.
        """
        if prompt is None:
            prompt = self.connection.config["safemode"]
        question = f"Drop the entire schema `{self.database}`?"
        if self._core.drop((lambda losses: agreed(losses, question)) if prompt else None):
            self.connection.schemas.pop(self.database, None)

    @property
    def jobs(self):
        """The queues that there are of the schema's tables, a list of `Job` objects."""
        return jobs_of_schema(self)

    def progress(self):
        """How far the auto-populated tables with a queue are: a list of dicts, each with the table's name and how
        many of its jobs there are of each status.
        """
        return overview(self)

    def verify(self, **options):
        """Compares rows with objects, and objects with rows; takes the options of `lodestore.verify`."""
        return verify(self, **options)

    def usage(self):
        """What the rows of the schema own in stores; see `lodestore.usage`."""
        return usage(self)

    def list_tables(self):
        """The names of the schema's tables in the database, parents first."""
        return self._activated.tables()

    def make_classes(self, into=None):
        """Makes a class for each table of the database that has none in `into`.

        `into` is a dict of names, by default the schema's context, or else the names of the caller.
        Parts go into the class of their master. Tables whose names no class has are left out; a
        name that is taken already is left as it is.

        Raises `DataJointError` for a part whose master has no class in `into`.
        """
        if into is None:
            into = (
                self.context
                if self.context is not None
                else self._module_names or _frame_of_caller().f_locals
            )
        known = {}
        for cls in list(into.values()):
            _note_classes(cls, known)
        for name, path, tier in self._activated.classes():
            full_name = f"{self.database}.{name}"
            if full_name in known:
                continue
            outer, _, own = path.rpartition(".")
            if not outer and own in into:
                continue
            cls = type(
                own, (TIERS[tier],), {"__module__": into.get("__name__", __name__), "__qualname__": path}
            )
            if outer:
                master = known.get(f"{self.database}.{name[: name.rindex('__')]}")
                if master is None:
                    raise _lodestore.error(
                        "invalid-request",
                        f"the part `{full_name}` has no class to stand in",
                        f"give `into` the class `{outer}` of its master, or let it be made too",
                    )
                cls.master = master
                setattr(master, own, cls)
            else:
                into[own] = cls
            cls.connection, cls._full_name = self.connection, full_name
            cls._bound = self.connection._core.table(full_name)
            known[full_name] = cls

    def spawn_missing_classes(self, context=None, into=None):
        """The name of `make_classes` in earlier programs, where `into` was called `context`."""
        self.make_classes(into if context is None else context)

    @property
    def external(self):
        """Refused: the tables of objects that DataJoint kept before 2.0."""
        raise _lodestore.error(
            "unsupported",
            "`schema.external` was removed in DataJoint 2.0: there are no tables of external objects",
            "`dj.gc.GarbageCollector(schema)` lists and deletes objects that no row names; `dj.usage(schema)` counts them",
        )

    @property
    def code(self):
        """Python code that makes the schema again, empty; see `save`."""
        return self._activated.code()

    def save(self, python_filename=None):
        """Writes Python code that makes the schema again, empty, to a file; without one, gives the code.

        There is a class for each table, with the definition that the database tells, and a virtual
        module for each other schema that definitions refer to. The `make` of computed tables is
        not known to the database, nor are the contents of lookup tables part of the code.
        """
        if python_filename is None:
            return self.code
        code = self.code
        with open(python_filename, "w", encoding="utf-8") as file:
            file.write(code)
        return None

    @property
    def lineage(self):
        """Where attributes were first declared: a dict from ``schema.table.attribute`` to the same form."""
        return dict(self._activated.lineage())

    @property
    def lineage_table_exists(self):
        """True if the schema records where its attributes were declared."""
        return self._activated.has_lineage()

    def rebuild_lineage(self):
        """Records anew where attributes were declared, as keys and foreign keys tell.

        Raises `DataJointError`, and changes nothing, if a schema that this one refers to records
        none: rebuild it first.
        """
        self._activated.rebuild_lineage()

    def get_table(self, name):
        """The table of a class name or of a name in the database, without a class of its own.

        Raises `MissingTableError` if there is none.
        """
        return FreeTable(self.connection, self._activated.find(name))

    __getitem__ = get_table

    def __contains__(self, name):
        return self._activated.has(name)

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


def _insert_contents(cls):
    """Inserts the contents of a lookup table that its rows lack."""
    rows = declared(cls, "contents")
    if not isinstance(rows, os.PathLike) and not hasattr(rows, "__len__"):
        rows = list(rows)
    if isinstance(rows, os.PathLike) or len(rows) > len(cls()):
        cls().insert(rows, skip_duplicates=True)


def _note_classes(cls, known):
    """Notes table classes, and those of their parts, by full table name."""
    if not (isinstance(cls, type) and issubclass(cls, UserTable)):
        return
    if cls._full_name is not None:
        known.setdefault(cls._full_name, cls)
    for part in _parts(cls):
        _note_classes(part, known)


def _tell_definition(cls, definition):
    """Puts the definition at the end of the class's own docstring."""
    told = f"\nTable definition:\n\n{definition}"
    own = cls.__dict__.get("__doc__") or ""
    if not own.endswith(told):
        cls.__doc__ = own + told


def _not_activated():
    return _lodestore.error(
        "invalid-request", "Schema must be activated first", "call `schema.activate(schema_name)`"
    )


def _frame_of_caller():
    """The frame of the code outside this package that called it."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("lodestore."):
        frame = frame.f_back
    return frame


def _names_of_caller():
    """Returns the names that the code which called the decorator sees, as they change: its locals, then its globals."""
    frame = _frame_of_caller()
    return ChainMap(frame.f_locals, frame.f_globals)


def _find(path, context):
    """The full name of the table that a definition calls `path`; None if the context has no such table."""
    head, *rest = path.split(".")
    found = context.get(head)
    for name in rest:
        found = getattr(found, name, None)
    if isinstance(found, type) and issubclass(found, Table):
        found = found()
    return found._table.name() if isinstance(found, Table) else None


def __getattr__(name):
    # They stand on this module, and programs look for them here.
    if name == "VirtualModule":
        from .virtual import VirtualModule

        return VirtualModule
    if name == "list_schemas":
        from .connection import list_schemas

        return list_schemas
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
