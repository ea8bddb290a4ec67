"""Tables: where rows go in and come out."""

from . import _lodestore
from .dependencies import Dependencies
from .errors import MissingTableError
from .expression import Expression, QueryExpression
from .migration import Migrating
from .progress import Progress
from .removal import Removal
from .rows import frame_with_key, query_of, source
from .staged import Staging
from .updating import Updating
from .validation import ValidationResult
from .verification import Verifying


class Table(Dependencies, Migrating, Removal, Staging, Updating, Verifying, QueryExpression):
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
    def database(self):
        """The name of the schema."""
        return self._table.name().split(".", 1)[0]

    @property
    def table_name(self):
        """The name in the database, prefix included."""
        return self._table.name().split(".", 1)[1]

    @property
    def is_declared(self):
        """True if the database has the table."""
        try:
            return self._table is not None
        except MissingTableError:
            return False

    @property
    def size_on_disk(self):
        """The bytes that the table takes in the database, as that estimates them. Objects in stores are
        not among them.
        """
        return self._table.size_on_disk()

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
        self,
        rows,
        replace=False,
        skip_duplicates=False,
        ignore_extra_fields=False,
        allow_direct_insert=None,
        chunk_size=None,
        *,
        display_progress=False,
    ):
        """Inserts rows: all of them, or none.

        `rows` are dicts, sequences of values in the order of the attributes, or records, in a list or
        from an iterator; an array of records; a DataFrame of pandas or polars, a table of Arrow or
        whatever else gives Arrow; the path of a CSV file (`pathlib.Path`); or a query.

        Every value is checked before anything is written. The rows of an iterator are taken in
        batches, so that memory holds one of them; the database is locked for other writers from the
        first batch on. Of a query the rows are copied by the database itself where it can.

        - `replace`: a row whose key is there takes its place;
        - `skip_duplicates`: a row whose key is there is left out, and nothing is stored for it;
        - `ignore_extra_fields`: fields that are no attributes are left out instead of refused;
        - `allow_direct_insert`: rows of an auto-populated table, outside of its `make`;
        - `chunk_size`: so many rows at a time go in whole, each such chunk for itself: what went in
          before a failure stays;
        - `display_progress`: tells on the standard error stream how far it is.

        None, NaN and empty text in a column of numbers, NaT, and pandas' NA stand for the default.

        Raises `UnknownAttributeError`, `MissingAttributeError`, `InvalidTypeError`,
        `InvalidValueError` before anything is written, `DuplicateError` and `IntegrityError` if the
        database refuses.
        """
        if replace and skip_duplicates:
            raise _lodestore.error("invalid-request", "`replace` and `skip_duplicates` exclude each other")
        self._check_insert(allow_direct_insert)
        if chunk_size is not None and chunk_size < 1:
            raise _lodestore.error(
                "invalid-request",
                f"`chunk_size` is {chunk_size}: no rows would ever go in",
                "give a positive number, or leave it out to insert all rows or none",
            )
        duplicates = "replace" if replace else "skip" if skip_duplicates else "refuse"
        query = query_of(rows)
        if query is not None:
            if chunk_size is not None:
                raise _lodestore.error(
                    "invalid-request",
                    "chunk_size is not supported for QueryExpression inserts: a query is inserted whole",
                )
            self._table.insert_query(query, duplicates, ignore_extra_fields)
            return
        progress = None
        if display_progress:
            total = len(rows) if hasattr(rows, "__len__") else None
            progress = Progress(self.full_table_name, total)
        with source(
            self._table, rows, chunk_size=chunk_size, ignore_extra_fields=ignore_extra_fields
        ) as batches:
            count = self._table.insert(batches, duplicates, ignore_extra_fields, chunk_size, progress)
        if progress is not None:
            progress.finish(count)

    def insert_dataframe(self, df, index_as_pk=None, **options):
        """Inserts the rows of a pandas DataFrame, such as `to_pandas` gives.

        `index_as_pk` says whether its index is the primary key; by default it is if its names are
        those of the key, and is ignored otherwise. Takes the options of `insert`.
        """
        key = self._table.query().heading()
        key = [attribute.name for attribute in key if attribute.in_key and not attribute.hidden]
        self.insert(frame_with_key(df, key, index_as_pk), **options)

    def validate(self, rows, *, ignore_extra_fields=False):
        """Looks for what an insert of these rows would refuse before it writes; writes nothing.

        Gives a `ValidationResult`. Keys that are there already, and missing parents, only the
        database knows: they are found by inserting.
        """
        with source(self._table, rows, ignore_extra_fields=ignore_extra_fields, gather=True) as batches:
            rows_checked, errors = self._table.validate(batches, ignore_extra_fields)
        return ValidationResult(not errors, errors, rows_checked)

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


class FreeTable(Table):
    """A table by its full name, ``schema.table``, without a class of its own."""

    def __init__(self, conn_or_name, full_table_name=None):
        if full_table_name is None:
            from .connection import conn

            conn_or_name, full_table_name = conn(), conn_or_name
        self.connection = conn_or_name
        self._free = conn_or_name._core.table(full_table_name)

    @property
    def _table(self):
        self._free = self._free.renewed() or self._free
        return self._free

    def __repr__(self):
        return f"FreeTable({self.full_table_name})\n{self.preview()}"
