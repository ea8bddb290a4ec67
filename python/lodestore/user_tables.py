"""The classes that a user's tables derive from, one for each tier."""

from . import _lodestore
from .autopopulate import AutoPopulate
from .logs import logger
from .prompts import ask
from .table import Table

#: What a class answers for all its rows, as an instance would.
_ANSWERED_BY_CLASS = frozenset(
    [
        "restrict",
        "proj",
        "join",
        "extend",
        "aggr",
        "aggregate",
        "heading",
        "primary_key",
        "preview",
        "_repr_html_",
        "make_sql",
        "describe",
        "to_dicts",
        "to_arrays",
        "to_pandas",
        "to_polars",
        "to_arrow",
        "keys",
        "fetch",
        "fetch1",
        "head",
        "tail",
        "cursor",
        "__arrow_c_stream__",
        "insert",
        "insert1",
        "insert_dataframe",
        "staged_insert",
        "staged_insert1",
        "create_object_ref",
        "update1",
        "validate",
        "verify",
        "usage",
        "migrate",
        "delete",
        "delete_quick",
        "drop",
        "drop_quick",
        "alter",
        "database",
        "table_name",
        "full_table_name",
        "is_declared",
        "parents",
        "children",
        "ancestors",
        "descendants",
        "parts",
        "size_on_disk",
        "populate",
        "progress",
        "key_source",
        "jobs",
    ]
)


#: What an unbound class has none of.
_NAMES = frozenset(["database", "table_name", "full_table_name"])


class TableMeta(type):
    """Lets a class stand for all rows of its table: ``Subject & "age > 3"``, ``len(Subject)``."""

    def __getattribute__(cls, name):
        if name in _ANSWERED_BY_CLASS:
            if type.__getattribute__(cls, "_full_name") is not None:
                return getattr(cls(), name)
            # A class that no schema has taken in has no name yet.
            if name in _NAMES:
                return None
        return type.__getattribute__(cls, name)

    def __and__(cls, restriction):
        return cls() & restriction

    def __sub__(cls, restriction):
        return cls() - restriction

    def __mul__(cls, other):
        return cls() * other

    def __add__(cls, other):
        return cls() + other

    def __xor__(cls, other):
        return cls() ^ other

    def __matmul__(cls, other):
        return cls() @ other

    def __neg__(cls):
        return -cls()

    def __len__(cls):
        return len(cls())

    def __bool__(cls):
        # An unbound class is just a class.
        return True if cls._full_name is None else bool(cls())

    def __contains__(cls, restriction):
        return restriction in cls()

    def __iter__(cls):
        return iter(cls())

    def __repr__(cls):
        return type.__repr__(cls) if cls._bound is None else repr(cls())


class UserTable(Table, metaclass=TableMeta):
    """A table declared by a class."""

    #: The table of the core, once a schema has taken the class in.
    _bound = None
    #: ``schema.table``, from then on.
    _full_name = None
    #: Where its definition looks up the tables that it refers to.
    _context = None
    _tier = None

    @property
    def _table(self):
        if self._bound is None and self._full_name is not None:
            # The schema may not make tables; another program may have made it by now.
            type(self)._bound = self.connection._core.table(self._full_name)
        if self._bound is None:
            raise _lodestore.error(
                "missing-table",
                f"Class {type(self).__name__} is not associated with a schema",
                "apply a schema decorator: `@schema` above the class",
            )
        renewed = self._bound.renewed()
        if renewed is not None:
            type(self)._bound = renewed
        return self._bound

    # The names are known before the table is there: an instance may look while the table is declared.

    @property
    def database(self):
        """The name of the schema; None before a schema takes the class in."""
        return None if self._full_name is None else self._full_name.split(".", 1)[0]

    @property
    def table_name(self):
        """The name in the database, prefix included."""
        return super().table_name if self._full_name is None else self._full_name.split(".", 1)[1]

    @property
    def full_table_name(self):
        """The quoted name of schema and table."""
        if self._full_name is None:
            return super().full_table_name
        return self.connection.adapter.make_full_table_name(self.database, self.table_name)

    def alter(self, prompt=None, context=None, *, dry_run=False):
        """Gives the table the definition of its class; gives the plan, as text.

        Secondary attributes can be added, dropped and changed; so can comments and indexes. A
        comment that begins with the name of another attribute in braces renames that attribute:
        ``weight_g : float32  # {weight} in grams``. The plan is shown first.

        - `prompt`: whether to ask before it is carried out, by default as ``config.safemode`` says;
        - `context`: where the definition looks up the tables it refers to, by default as when the
          class was declared;
        - `dry_run`: only give the plan.

        Objects that values of a dropped attribute own stay in their stores.

        Raises `UnsupportedError` if the primary key or a foreign key would change, an
        `InvalidValueError` or `MissingAttributeError` for a value that does not fit what the
        definition asks for, `DataJointError` inside a transaction; then nothing is changed.
        """
        from .schemas import _find

        table = self._table
        definition = declared(type(self), "definition")
        if definition is None:
            raise _lodestore.error(
                "invalid-request",
                f"class `{type(self).__name__}` has no definition",
                "give it a class attribute `definition`, or take the one that `describe` tells",
            )
        names = self._context if context is None else {**(self._context or {}), **context}
        plan = table.alteration(definition, lambda path: _find(path, names or {}))
        if dry_run:
            return str(plan)
        if plan.is_empty():
            logger.warning("Nothing to alter.")
            return str(plan)
        if self.connection.config["safemode"] if prompt is None else prompt:
            print(plan)
            if ask("Execute?", ["yes", "no"]) == "no":
                return str(plan)
        else:
            logger.info(str(plan))
        type(self)._bound = table.alter(plan)
        return str(plan)

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__


def declared(cls, name):
    """Returns what a class declares under `name`, which may be any class attribute, a property or a method."""
    value = getattr(cls(), name)
    return value if isinstance(value, type) or not callable(value) else value()


class Manual(UserTable):
    """Rows entered by people or their programs."""

    _tier = "Manual"


class Lookup(UserTable):
    """Small tables of constants: `contents` are inserted when the table is declared."""

    _tier = "Lookup"
    #: The rows that the table begins with.
    contents = ()


class Imported(AutoPopulate, UserTable):
    """Rows computed with data from outside the database; `populate` calls `make` for each."""

    _tier = "Imported"


class Computed(AutoPopulate, UserTable):
    """Rows computed from the database; `populate` calls `make` for each."""

    _tier = "Computed"


class Part(UserTable):
    """Rows that belong to a row of the master, in whose class this one is nested."""

    _tier = "Part"
    #: The class in which this one is nested.
    master = None


Entry, Ingest, Compute = Manual, Imported, Computed

#: The class of each tier.
TIERS = {cls._tier: cls for cls in (Manual, Lookup, Imported, Computed, Part)}
