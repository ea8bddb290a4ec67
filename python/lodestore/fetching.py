"""The ways to get rows out of a query."""

import warnings

from . import _lodestore
from .condition import MOST, Top, count

#: So many rows are read ahead when rows are asked for one by one.
_BATCH_ROWS = 10_000


class Fetching:
    """What gives the rows of a query. Each call asks the database anew.

    Most calls share their options:

    - `order_by`: a term or a list of terms such as ``"weight desc"``; ``"KEY"`` is the primary key;
    - `limit`, `offset`: return at most `limit` rows, after skipping `offset`; in the order that a
      `Top` gave the query, else in the order of the primary key;
    - `squeeze`: decoded arrays lose their dimensions of extent 1;
    - `on_error`: what becomes of a row with a value that cannot be read, because its object is gone
      or damaged: ``"raise"`` raises an error that names it, ``"skip"`` leaves the row out, ``"null"`` (or
      ``"none"``) puts None in the place of the value, ``"reference"`` an `ObjectRef` that can be read later;
    - `download_path`: the folder for files that fetching brings (``download_path`` of the settings).
    """

    __slots__ = ()

    def _ordered(self, order_by=None, limit=None, offset=None):
        """These rows in an order, or some of them."""
        if order_by is None and limit is None and not offset:
            return self
        top = Top(limit, order_by, offset)
        return self._derived(self._query.top(top.limit, top.order_by, top.offset))

    def _last(self, limit):
        """The last rows in the order that they have, the very last one first."""
        limit = count("limit", limit)
        return self._derived(self._query.last(MOST if limit is None else limit))

    def _chosen(self, attributes):
        """These attributes, and the key."""
        names = list(attributes)
        for name in names:
            if not isinstance(name, str) or name == "..." or name.startswith("-"):
                raise _lodestore.error("unknown-attribute", f"{name!r} is no name of an attribute")
        return self.proj(*names)

    def _columns(self, order_by, limit, offset, squeeze, on_error, download_path):
        return self._ordered(order_by, limit, offset)._query.columns(on_error, squeeze, download_path)

    def __iter__(self):
        """The rows one by one as dicts, in bounded memory."""
        return self._stream(_BATCH_ROWS, "dicts")

    def _stream(self, batch_rows, form, on_error="raise", squeeze=False, download_path=None):
        stream = self._query.stream(batch_rows, on_error, squeeze, download_path)
        try:
            while (batch := stream.next()) is not None:
                yield from getattr(batch, form)()
        finally:
            stream.close()

    def to_dicts(
        self, order_by=None, limit=None, offset=None, squeeze=False, *, on_error="raise", download_path=None
    ):
        """All rows as a list of dicts.

        Arrays of ``<npy@>`` come as references (`NpyRef`), the rest as values.
        """
        return self._columns(order_by, limit, offset, squeeze, on_error, download_path).dicts()

    def to_arrays(
        self,
        *attributes,
        include_key=False,
        order_by=None,
        limit=None,
        offset=None,
        squeeze=False,
        on_error="raise",
        download_path=None,
    ):
        """NumPy arrays: one for each named attribute, or a structured one of all.

        A single attribute gives its array, several a tuple of arrays; with `include_key` the tuple
        begins with the keys as a list of dicts. Dates and datetimes are ``datetime64``. NULL is
        not-a-time there, NaN among floats of a structured array, and None elsewhere, in an array of
        objects. Arrays of one shape, from a codec, are stacked.

        Raises `DataJointError` for an attribute that does not exist.
        """
        options = (order_by, limit, offset, squeeze, on_error, download_path)
        return self._arrays(attributes, include_key, options)

    def _arrays(self, attributes, include_key, options, plain_dates=False):
        from . import arrays

        order_by, limit, offset, squeeze, on_error, download_path = options
        rows = self._ordered(order_by, limit, offset)
        columns = (rows._chosen(attributes) if attributes else rows)._query.columns(
            on_error, squeeze, download_path
        )
        if not attributes:
            return arrays.structured(columns, plain_dates)
        # The keys first: what becomes an array is taken out of the columns.
        keys = [arrays.keys(columns, self.primary_key)] if include_key else []
        made, found = {}, []
        for name in attributes:
            made[name] = made[name].copy() if name in made else arrays.column(columns, name, plain_dates)
            found.append(made[name])
        return found[0] if len(found) == 1 and not keys else (*keys, *found)

    def to_pandas(
        self, order_by=None, limit=None, offset=None, squeeze=False, *, on_error="raise", download_path=None
    ):
        """A pandas DataFrame with the primary key as its index.

        Attributes that may be NULL have pandas' nullable types (``Int64``, ``boolean``), or, among
        floats and dates, its NaN and NaT. Without rows the columns have their types all the same.
        """
        from . import frames

        columns = self._columns(order_by, limit, offset, squeeze, on_error, download_path)
        return frames.pandas(columns, self.primary_key)

    def to_polars(
        self, order_by=None, limit=None, offset=None, squeeze=False, *, on_error="raise", download_path=None
    ):
        """A polars DataFrame."""
        from . import frames

        return frames.polars(self._columns(order_by, limit, offset, squeeze, on_error, download_path))

    def to_arrow(
        self, order_by=None, limit=None, offset=None, squeeze=False, *, on_error="raise", download_path=None
    ):
        """A pyarrow Table.

        Whatever else reads Arrow takes the query itself, which gives its rows in bounded memory:
        ``polars.DataFrame(query)``, ``duckdb.from_arrow(query)``.
        """
        from . import frames

        return frames.arrow(self._columns(order_by, limit, offset, squeeze, on_error, download_path))

    def __arrow_c_stream__(self, requested_schema=None):
        """The rows by Arrow's C stream interface."""
        return self._query.stream(1 << 16).arrow().__arrow_c_stream__(requested_schema)

    def keys(self, order_by=None, limit=None, offset=None):
        """The primary keys of all rows as a list of dicts."""
        return self._ordered(order_by, limit, offset).proj().to_dicts()

    def fetch1(self, *attributes, squeeze=False, on_error="raise", download_path=None):
        """The one row there is: as a dict, or the values of the named attributes.

        ``"KEY"`` among the attributes stands for the primary key as a dict.

        Raises `DataJointError` if there is no row, or more than one, and for unknown attributes.
        """
        options = (on_error, squeeze, download_path)
        if not attributes:
            return self._query.fetch1(*options)
        key = self.primary_key
        row = self._chosen(name for name in attributes if name != "KEY")._query.fetch1(*options)
        values = [{name: row[name] for name in key} if name == "KEY" else row[name] for name in attributes]
        return values[0] if len(values) == 1 else tuple(values)

    def head(self, limit=25, **options):
        """The first rows as `to_dicts`, in the order of a `Top` if there is one, else of the primary key."""
        return self.to_dicts(limit=limit, **options)

    def tail(self, limit=25, **options):
        """The last rows as `to_dicts`, in the order of a `Top` if there is one, else of the primary key."""
        return self._last(limit).to_dicts(**options)[::-1]

    def cursor(self, as_dict=False, *, squeeze=False, on_error="raise", download_path=None):
        """The rows one by one as tuples, or as dicts, in bounded memory: see `Cursor`."""
        form = "dicts" if as_dict else "tuples"
        return Cursor(self.heading.names, self._stream(_BATCH_ROWS, form, on_error, squeeze, download_path))

    def fetch(
        self,
        *attributes,
        offset=None,
        limit=None,
        order_by=None,
        format=None,
        as_dict=None,
        squeeze=False,
        download_path=None,
    ):
        """The old way to fetch, which depends on its arguments: see `to_dicts` and its relatives.

        Dates in arrays are objects of `datetime`, as they were.
        """
        warnings.warn(
            "`fetch` is deprecated: use `to_dicts`, `to_arrays`, `to_pandas`, `keys` or `fetch1`",
            DeprecationWarning,
            stacklevel=2,
        )
        options = {"order_by": order_by, "limit": limit, "offset": offset, "squeeze": squeeze}
        options["download_path"] = download_path
        if format == "frame":
            if attributes or as_dict:
                raise _lodestore.error(
                    "invalid-request", '`format="frame"` takes neither attributes nor `as_dict`'
                )
            return self.to_pandas(**options)
        names = [name for name in attributes if name != "KEY"]
        if as_dict:
            rows = self._ordered(order_by, limit, offset)
            return (rows.proj(*names) if attributes else rows).to_dicts(
                squeeze=squeeze, download_path=download_path
            )
        if attributes and not names:
            return self.keys(order_by, limit, offset)
        options = (order_by, limit, offset, squeeze, "raise", download_path)
        if "KEY" not in attributes:
            return self._arrays(names, False, options, plain_dates=True)
        keys, *found = self._arrays(names, True, options, plain_dates=True)
        found = iter(found)
        values = tuple(keys if name == "KEY" else next(found) for name in attributes)
        return values[0] if len(values) == 1 else values


class Cursor:
    """The rows of a query one by one, as Python's database cursors give them, decoded.

    Closing it, or dropping it, stops reading.
    """

    def __init__(self, names, rows, rowcount=-1):
        #: For each attribute its name, and six times None; None for a statement that gives no rows.
        self.description = [(name, None, None, None, None, None, None) for name in names] or None
        #: How many rows there are, or were changed; -1 if that is not known before all are read.
        self.rowcount = rowcount
        self._rows = rows

    def fetchone(self):
        """The next row; None if there is none."""
        return next(self._rows, None)

    def fetchmany(self, size=1):
        """The next rows, `size` of them or fewer."""
        return [row for _, row in zip(range(size), self._rows, strict=False)]

    def fetchall(self):
        """The rows that are left."""
        return list(self._rows)

    def close(self):
        """Stops reading."""
        self._rows.close()

    def __iter__(self):
        return self._rows

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
