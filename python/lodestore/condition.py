"""Conditions: what rows can be restricted by."""

import sys
import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from operator import itemgetter

from . import _lodestore

#: The largest number of rows that databases take as a limit.
MOST = 2**63 - 1


class AndList(list):
    """Conditions that must all hold; a plain list needs only one of them."""

    def append(self, item):
        """Adds a condition; those of another `AndList` are added one by one."""
        if isinstance(item, AndList):
            self.extend(item)
        else:
            super().append(item)


class Not:
    """The opposite of a condition."""

    def __init__(self, restriction):
        self.restriction = restriction


class Top:
    """The first rows in some order: ``Session & dj.Top(5, order_by="session_start desc")``.

    - `limit`: at most so many rows; None for all;
    - `order_by`: a term or a list of terms such as ``"weight desc"``; ``"KEY"`` is the primary key;
      None keeps the order of an earlier `Top`, else takes that of the key;
    - `offset`: so many rows are passed over first.

    Rows keep this order through restrictions, projections, joins and aggregations of the query.
    Ties are broken by the primary key.

    Raises `TypeError` for arguments of other types.
    """

    __slots__ = ("limit", "offset", "order_by")

    def __init__(self, limit=1, order_by="KEY", offset=0):
        self.limit = count("limit", limit)
        self.offset = count("offset", offset) or 0
        self.order_by = _terms(order_by)

    def __repr__(self):
        return f"Top(limit={self.limit}, order_by={self.order_by}, offset={self.offset})"


def count(name, number):
    """A number of rows, checked; None stands for all."""
    if number is None:
        return None
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"`{name}` is a whole number, not a {type(number).__name__}")
    number = number.__index__()
    if number < 0:
        raise _lodestore.error("invalid-request", f"`{name}` cannot be negative: {number}")
    return min(number, MOST)


def _terms(order_by):
    if order_by is None:
        return None
    terms = [order_by] if isinstance(order_by, str) else order_by
    if not isinstance(terms, (list, tuple)) or not all(isinstance(term, str) for term in terms):
        raise TypeError("`order_by` is a text or a list of texts")
    return list(terms)


def condition(item):
    """What the core understands of a condition: a pair of a word and a content.

    Raises `DataJointError` for what is no condition.
    """
    from .expression import QueryExpression, U, as_expression

    expression = as_expression(item)
    if isinstance(expression, QueryExpression):
        return ("in", expression._query)
    if isinstance(item, U):
        return ("universal", None)
    if isinstance(item, Not):
        return ("not", condition(item.restriction))
    if isinstance(item, AndList):
        return ("all", [condition(part) for part in item])
    if isinstance(item, bool):
        return ("bool", item)
    if isinstance(item, str):
        return ("sql", item)
    if isinstance(item, Mapping):
        return ("map", dict(item))
    names = getattr(getattr(item, "dtype", None), "names", None)
    if names and getattr(item, "shape", None) == ():
        return ("map", {name: item[name] for name in names})
    rows = _rows_of_frame(item) or (names and _rows_of_records(item))
    if rows:
        return ("rows", rows)
    if hasattr(item, "__iter__") and not isinstance(item, (bytes, bytearray, memoryview)):
        try:
            items = list(item)
            rows = _rows_of_dicts(items)
            return ("rows", rows) if rows else ("any", [condition(part) for part in items])
        except _lodestore_errors():
            raise
        except TypeError as error:
            raise _no_condition(item) from error
    raise _no_condition(item)


def mistaken(described, heading):
    """The names in mappings that are probably meant for attributes and are none, each with the one that it resembles.

    A row of another table is a good condition, so a name that is unknown here is no mistake by itself: only one that
    is nearly an attribute which the mapping does not name, or one of a mapping that names no attribute at all.
    """
    word, content = described
    if word in ("all", "any"):
        for part in content:
            yield from mistaken(part, heading)
    elif word == "not":
        yield from mistaken(content, heading)
    elif word in ("map", "rows"):
        attributes = heading.attributes
        names = [name for name in (content if word == "map" else content[0]) if isinstance(name, str)]
        firsts = {name: name.split(".")[0].split(":")[0] for name in names}
        unknown = [name for name in names if firsts[name] not in attributes]
        if not unknown:
            return
        free = [name for name in attributes if name not in firsts.values()]
        alone = len(unknown) == len(names)
        for name in unknown:
            near = get_close_matches(firsts[name], free, 1, 0.85)
            if near or alone:
                yield name, near[0] if near else None


def warn_of_names(unknown):
    """Warns of names in mappings that restrict nothing, once for each line of a program."""
    texts = [
        f"`{name}`" + (f" (did you mean `{near}`?)" if near else "") for name, near in dict(unknown).items()
    ]
    # The line of the user's that says it.
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("lodestore."):
        frame, level = frame.f_back, level + 1
    message = f"the condition names what is no attribute here, which restricts nothing: {', '.join(texts)}"
    warnings.warn(message, UnknownNameWarning, stacklevel=level)


class UnknownNameWarning(UserWarning):
    """A mapping in a condition names what is no attribute, and so restricts nothing."""


def _rows_of_frame(item):
    """The names and rows of a data frame of pandas or polars or of an Arrow table; None for anything else.

    Nothing is imported: whoever has such an object has its library.
    """
    if hasattr(item, "columns") and hasattr(item, "reset_index"):
        if any(name is not None for name in item.index.names):
            item = item.reset_index()
        columns = [_without_missing(item[name]) for name in item.columns]
        return [str(name) for name in item.columns], list(zip(*columns, strict=True))
    if hasattr(item, "iter_rows") and hasattr(item, "get_columns"):
        return item.columns, item.rows()
    if hasattr(item, "to_pylist") and hasattr(item, "column_names"):
        columns = [column.to_pylist() for column in item.columns]
        return item.column_names, list(zip(*columns, strict=True))
    return None


def _rows_of_records(item):
    """The names and rows of a structured array of NumPy, if all of its fields are plain numbers or texts."""
    plain = all(
        dtype.kind == "U" or (dtype.kind in "biuf" and dtype.itemsize <= 8)
        for dtype, *_ in item.dtype.fields.values()
    )
    return (list(item.dtype.names), item.ravel().tolist()) if plain else None


def _rows_of_dicts(items):
    """The names and rows of many dicts that have the same names; None for anything else."""
    first = items[0] if len(items) > 1 else None
    if type(first) is not dict or not first or not all(isinstance(name, str) for name in first):
        return None
    if not all(type(item) is dict and len(item) == len(first) for item in items):
        return None
    try:
        rows = list(map(itemgetter(*first), items))
    except KeyError:
        return None
    return list(first), rows if len(first) > 1 else [(value,) for value in rows]


def _without_missing(series):
    """The values of a pandas column as Python's own, with None for what is missing."""
    values = series.astype(object).tolist()
    return [None if missing else value for value, missing in zip(values, series.isna(), strict=True)]


def _lodestore_errors():
    from .errors import DataJointError

    return DataJointError


def _no_condition(item):
    return _lodestore.error(
        "invalid-condition",
        f"Invalid restriction type: an object of class `{type(item).__name__}` is no condition",
        "restrict by a dict, SQL text, a list of these, or another table or query",
    )
