"""Fetched columns as NumPy arrays, over the memory that the core filled."""

import numpy as np

#: The kinds of columns whose cells are numbers to NumPy.
NUMBERS = {
    "int": "int64",
    "float": "float64",
    "bool": "bool",
    "date": "datetime64[D]",
    "datetime": "datetime64[us]",
}


def numbers(columns, index):
    """The numbers of a column, taken out of it; where it is NULL: NaN, not-a-time, or a zero of no meaning."""
    return np.frombuffer(columns.numbers(index), NUMBERS[columns.kinds()[index]])


def mask(columns, index):
    """True where a column is NULL."""
    found = columns.mask(index)
    return np.zeros(len(columns), bool) if found is None else np.frombuffer(found, bool)


def objects(columns, index):
    """The cells of a column as Python objects, NULL as None."""
    array = np.empty(len(columns), object)
    columns.fill(index, array)
    return array


def _of_objects(values):
    # One by one: assigning a list would spread arrays over the elements.
    return np.fromiter(values, object, len(values))


def column(columns, name, plain_dates=False):
    """The array of one attribute; `plain_dates` leaves dates the objects that Python has for them."""
    index = columns.names().index(name)
    kind = columns.kinds()[index]
    if kind in ("date", "datetime"):
        return objects(columns, index) if plain_dates else numbers(columns, index)
    if kind == "value":
        return _stacked(columns.values(index))
    if columns.has_nulls(index):
        return objects(columns, index)
    if kind in NUMBERS:
        return numbers(columns, index)
    if kind == "text" and (found := columns.unicode(index)) is not None:
        memory, width = found
        return np.frombuffer(memory, f"<U{width}") if len(columns) else np.empty(0, "<U1")
    return objects(columns, index)


def _stacked(values):
    """Decoded values: arrays of one shape and type as one array, numbers and texts as NumPy takes them."""
    first = values[0] if values else None
    if isinstance(first, np.ndarray) and first.dtype != object:
        same = all(
            isinstance(value, np.ndarray) and value.shape == first.shape and value.dtype == first.dtype
            for value in values
        )
        return np.stack(values) if same else _of_objects(values)
    if isinstance(first, (bool, int, float, complex, str, np.generic)) and all(
        type(value) is type(first) for value in values
    ):
        return np.array(values)
    return _of_objects(values)


def keys(columns, primary_key):
    """The keys as a list of dicts."""
    names = columns.names()
    cells = [columns.values(names.index(name)) for name in primary_key]
    return [dict(zip(primary_key, row, strict=True)) for row in zip(*cells, strict=True)]


def structured(columns, plain_dates=False):
    """All columns in one structured array; `plain_dates` as in `column`."""
    fields = []
    for index, (name, kind) in enumerate(zip(columns.names(), columns.kinds(), strict=True)):
        exact = (
            kind == "float"
            or (kind in ("date", "datetime") and not plain_dates)
            or (kind in ("int", "bool") and not columns.nullable(index))
        )
        fields.append((name, NUMBERS[kind] if exact else object))
    # `empty` goes through Python for each record that holds objects.
    array = np.zeros(len(columns), fields)
    for index, (name, dtype) in enumerate(fields):
        if dtype is object:
            columns.fill(index, array[name])
        else:
            array[name] = numbers(columns, index)
    return array
