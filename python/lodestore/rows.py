"""Rows to insert, in the many forms in which people have them."""

import os
import sys
import warnings
from contextlib import ExitStack, contextmanager

from . import _lodestore
from .expression import QueryExpression, as_expression


@contextmanager
def source(table, rows, *, chunk_size=None, ignore_extra_fields=False, gather=False):
    """The core's source of rows for a table of the core; copies that had to be made go in the end.

    `rows` are a sequence or an iterator of rows, an array of records, a data frame of pandas or
    polars, what else gives Arrow, or the path of a CSV file.
    """
    objects = [
        attribute.name
        for attribute in table.query().heading()
        if (attribute.codec or "").startswith("<object@") and not attribute.hidden
    ]
    with ExitStack() as folders:
        yield _source(table, rows, objects, folders, chunk_size, ignore_extra_fields, gather)


def _source(table, rows, objects, folders, chunk_size, ignore_extra_fields, gather):
    if isinstance(rows, os.PathLike):
        return _lodestore.Source.csv(table, rows)
    if isinstance(rows, (dict, str, bytes)):
        raise _lodestore.error(
            "invalid-request",
            f"insert takes a list of rows, not a {type(rows).__name__}",
            "use `insert1` for a single row, and `pathlib.Path(...)` for a CSV file",
        )
    if not gather:
        columns = _columns(rows, objects)
        if columns is not None:
            return _lodestore.Source.columns(table, columns)
        if not objects and hasattr(rows, "__arrow_c_stream__"):
            whole = hasattr(rows, "__len__") or hasattr(rows, "num_rows")
            return _lodestore.Source.arrow(table, rows, whole)
    rows = _iterable(rows)
    whole = hasattr(rows, "__len__")
    if objects:
        names = [attribute.name for attribute in table.query().heading() if not attribute.hidden]
        prepared = (_prepared(row, names, objects, folders) for row in rows)
        rows = list(prepared) if whole else prepared
    try:
        iter(rows)
    except TypeError:
        raise _lodestore.error(
            "invalid-type",
            f"insert takes rows, not an object of class `{type(rows).__name__}`",
            "give a list of dicts, a data frame, a query, or the path of a CSV file",
        ) from None
    return _lodestore.Source.rows(table, rows, whole, chunk_size, ignore_extra_fields, gather)


def _iterable(rows):
    """Data frames row by row, where their columns cannot be taken."""
    if _is_pandas(rows):
        columns = _columns(rows, ())
        names = [name for name, _, _ in columns]
        cells = [_objects(cells, missing) for _, cells, missing in columns]
        return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
    if hasattr(rows, "iter_rows") and hasattr(rows, "schema"):
        return list(rows.iter_rows(named=True))
    if hasattr(rows, "to_pylist") and hasattr(rows, "schema"):
        return rows.to_pylist()
    if _is_structured(rows):
        return [{name: row[name] for name in rows.dtype.names} for row in rows.reshape(-1)]
    return rows


def _objects(cells, missing):
    cells = cells["x"].to_pylist() if hasattr(cells, "to_pylist") or hasattr(cells, "column") else list(cells)
    if missing is None:
        return cells
    return [None if lacks else cell for cell, lacks in zip(cells, missing, strict=True)]


def _columns(rows, objects):
    """Name, cells, and which of them are missing, for each column; None for what has no columns."""
    if _is_structured(rows) and rows.ndim == 1 and not objects:
        import numpy

        return [(name, numpy.ascontiguousarray(rows[name]), None) for name in rows.dtype.names]
    if _is_pandas(rows):
        return _columns_of_pandas(rows)
    return None


def _is_structured(rows):
    return getattr(getattr(rows, "dtype", None), "names", None) is not None and hasattr(rows, "reshape")


def _is_pandas(rows):
    root = type(rows).__module__.partition(".")[0]
    return root == "pandas" and hasattr(rows, "iloc") and hasattr(rows, "columns")


def _columns_of_pandas(frame):
    """The columns of a frame; those of its index too, unless that only counts the rows."""
    index = frame.index
    if index.nlevels > 1 or index.name is not None:
        frame = frame.reset_index()
    return [(str(name), *_column_of_pandas(frame.iloc[:, place])) for place, name in enumerate(frame.columns)]


def _column_of_pandas(series):
    dtype = series.dtype
    kind = getattr(dtype, "kind", "O")
    if getattr(dtype, "tz", None) is not None:
        raise _lodestore.error(
            "invalid-value",
            f"times with the time zone {dtype.tz} cannot be stored: the zone would be lost (attribute `{series.name}`)",
            "convert the column first: `.dt.tz_convert('UTC').dt.tz_localize(None)`",
        )
    if type(dtype).__module__.startswith("numpy"):
        if kind == "O":
            return series.to_numpy(), _missing(series)
        return series.to_numpy(), None
    missing = _missing(series)
    if kind in "iu":
        return series.to_numpy(dtype=f"{kind}8", na_value=0), missing
    if kind == "f":
        return series.to_numpy(dtype="f8", na_value=float("nan")), missing
    if kind == "b":
        return series.to_numpy(dtype="?", na_value=False), missing
    if getattr(dtype, "name", "") in ("str", "string") or str(dtype).startswith("string"):
        try:
            import pyarrow
        except ImportError:
            pass
        else:
            return pyarrow.table({"x": pyarrow.array(series.array, from_pandas=True)}), None
    return series.astype(object).to_numpy(), missing


def _missing(series):
    missing = series.isna().to_numpy()
    return missing if missing.any() else None


def _prepared(row, names, objects, folders):
    """A row whose open files and Zarr groups were brought to where the core reads them."""
    from .sources import prepare

    given = named(row)
    if given is None:
        if isinstance(row, (str, bytes)) or not hasattr(row, "__len__") or len(row) != len(names):
            # The core says what is wrong with it.
            return row
        given = dict(zip(names, row, strict=True))
    return {**given, **{name: prepare(given[name], folders) for name in objects if name in given}}


def warn_positional():
    """Warns of rows that are given as values without names, at the line of the program that inserts them."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("lodestore."):
        if frame.f_code.co_name == "_insert_contents":
            # Tables of constants are written so.
            return
        frame, level = frame.f_back, level + 1
    warnings.warn(
        "Positional inserts (rows as tuples or lists) are deprecated: give dicts of attributes and values",
        DeprecationWarning,
        stacklevel=level,
    )


def named(row):
    """A row that has names, as a mapping or a record, as a dict; None for any other."""
    if isinstance(row, dict):
        return row
    if hasattr(row, "keys") and hasattr(row, "__getitem__"):
        return {name: row[name] for name in row.keys()}  # noqa: SIM118
    fields = getattr(getattr(row, "dtype", None), "names", None)
    return {name: row[name] for name in fields} if fields else None


def query_of(rows):
    """The query of an expression or a table class; None for other rows."""
    rows = as_expression(rows)
    return rows._query if isinstance(rows, QueryExpression) else None


def frame_with_key(frame, primary_key, index_as_pk):
    """A pandas frame whose index counts as columns if it is the primary key.

    Raises `DataJointError` for what is no frame, or for an index that must be the key and is not.
    """
    if not _is_pandas(frame):
        raise _lodestore.error(
            "invalid-request", f"insert_dataframe requires a pandas DataFrame, not a {type(frame).__name__}"
        )
    names = [name for name in frame.index.names if name is not None]
    is_key = bool(names) and set(names) == set(primary_key)
    if index_as_pk and not is_key:
        raise _lodestore.error(
            "invalid-request",
            f"the DataFrame index columns ({', '.join(map(str, names)) or 'unnamed'}) do not match the table's "
            f"primary key ({', '.join(primary_key)})",
            "name the levels of the index as the key, or give `index_as_pk=False`",
        )
    keep = is_key if index_as_pk is None else index_as_pk
    return frame.reset_index() if keep else frame.reset_index(drop=True)
