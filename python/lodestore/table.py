"""Tables: where rows go in and come out."""

from contextlib import ExitStack

from . import _lodestore
from .dependencies import Dependencies
from .expression import Expression, QueryExpression
from .removal import Removal
from .updating import Updating


class Table(Dependencies, Removal, Updating, QueryExpression):
    """A table in a database. Restricting it gives the same class with fewer rows."""

    #: The text that declares the table.
    definition = None
    #: Set when a schema takes the class in.
    connection = None
    _restricted = None

    @property
    def _table(self):
        """The table of the core."""
        raise NotImplementedError

    @property
    def _query(self):
        return self._restricted if self._restricted is not None else self._table.query()

    def _derived(self, query):
        if query.is_table():
            other = object.__new__(type(self))
            other.__dict__.update(self.__dict__)
            other._restricted = query
            return other
        return Expression(self.connection, query)

    @property
    def full_table_name(self):
        """The quoted name of schema and table."""
        return self._table.quoted_name()

    @property
    def table_name(self):
        """The name in the database, prefix included."""
        return self._table.name().split(".", 1)[1]

    def _become(self, query):
        self._restricted = query

    def __reduce_ex__(self, protocol):
        # A table class is found again by its name; what was chosen of its rows is not.
        return (
            object.__reduce_ex__(self, protocol)
            if self._restricted is None
            else super().__reduce_ex__(protocol)
        )

    def insert1(self, row, **options):
        """Inserts one row: a dict, or another mapping, of attributes and values.

        Takes the options of `insert`.
        """
        self.insert((row,), **options)

    def insert(
        self, rows, replace=False, skip_duplicates=False, ignore_extra_fields=False, allow_direct_insert=None
    ):
        """Inserts rows: all of them, or none.

        Every value is checked before anything is written.

        - `replace`: a row whose key is there takes its place;
        - `skip_duplicates`: a row whose key is there is left out;
        - `ignore_extra_fields`: fields that are no attributes are left out instead of refused.

        Raises `UnknownAttributeError`, `MissingAttributeError`, `InvalidTypeError`,
        `InvalidValueError` before anything is written, `DuplicateError` and `IntegrityError` if the
        database refuses.
        """
        if replace and skip_duplicates:
            raise _lodestore.error("invalid-request", "`replace` and `skip_duplicates` exclude each other")
        self._check_insert(allow_direct_insert)
        if isinstance(rows, (dict, str)):
            raise _lodestore.error(
                "invalid-request",
                f"insert takes a list of rows, not a {type(rows).__name__}",
                "use `insert1` for a single row",
            )
        heading = self._table.query().heading()
        names = [attribute.name for attribute in heading if not attribute.hidden]
        rows = [_mapping(row, names) for row in rows]
        objects = [attribute.name for attribute in heading if (attribute.codec or "").startswith("<object@")]
        with ExitStack() as folders:
            if objects:
                rows = [_prepared(row, objects, folders) for row in rows]
            self._table.insert(rows, replace, skip_duplicates, ignore_extra_fields)

    def _check_insert(self, allow_direct_insert):
        pass

    def describe(self, context=None, printout=False):
        """The definition that would make this table again, as the database tells it.

        Tables it refers to are called by the names of their classes in `context` (a dict of names,
        by default those of the caller), else by their full names. Prints it with `printout`.
        """
        from .names import class_names
        from .schemas import _names_of_caller

        names = class_names(_names_of_caller() if context is None else context)
        text = self._table.describe(names)
        if printout:
            print(text)
        return text

    def __repr__(self):
        return f"{self.full_table_name}\n{self.preview()}"


def _prepared(row, objects, folders):
    """A row whose open files and Zarr groups were brought to where the core reads them."""
    from .sources import prepare

    return {**row, **{name: prepare(row[name], folders) for name in objects if name in row}}


def _mapping(row, names):
    """A row as a dict: mappings by name, records by field, sequences by position."""
    if type(row) is dict:
        return row
    if hasattr(row, "keys") and hasattr(row, "__getitem__"):
        return {name: row[name] for name in row.keys()}  # noqa: SIM118
    fields = getattr(getattr(row, "dtype", None), "names", None)
    if fields:
        return {name: row[name] for name in fields}
    if isinstance(row, (str, bytes)) or not hasattr(row, "__len__"):
        raise _lodestore.error(
            "invalid-type", f"an object of class `{type(row).__name__}` is no row", "give a dict"
        )
    if len(row) != len(names):
        raise _lodestore.error(
            "invalid-value",
            f"the row has {len(row)} values, the table {len(names)} attributes",
            f"give a dict, or values for {', '.join(names)}",
        )
    return dict(zip(names, row, strict=True))


class FreeTable(Table):
    """A table by its full name, ``schema.table``, without a class of its own."""

    def __init__(self, connection, full_name=None):
        if full_name is None:
            from .connection import conn

            connection, full_name = conn(), connection
        self.connection = connection
        self._free = connection._core.table(full_name)

    @property
    def _table(self):
        self._free = self._free.renewed() or self._free
        return self._free
