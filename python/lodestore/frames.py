"""Fetched columns as data frames of pandas and polars, and as Arrow tables. None of them is imported before it is asked for."""

from . import arrays


def _library(name, module=None):
    from importlib import import_module

    try:
        return import_module(module or name)
    except ImportError as error:
        text = f"`to_{'arrow' if name == 'pyarrow' else name}` needs {name}: install it with `pip install {name}`"
        raise ImportError(text) from error


def pandas(columns, primary_key):
    """A pandas DataFrame with the primary key as its index."""
    library = _library("pandas")
    cells = {name: _pandas_column(library, columns, index) for index, name in enumerate(columns.names())}
    frame = library.DataFrame(cells, index=range(len(columns)), copy=False)
    return frame.set_index(list(primary_key)) if primary_key else frame


def _pandas_column(library, columns, index):
    kind = columns.kinds()[index]
    if kind in ("float", "datetime"):
        return arrays.numbers(columns, index)
    if kind == "date":
        # pandas counts in seconds, milliseconds, microseconds or nanoseconds.
        return arrays.numbers(columns, index).astype("datetime64[s]")
    if kind in ("int", "bool"):
        if not columns.nullable(index):
            return arrays.numbers(columns, index)
        made = library.arrays.IntegerArray if kind == "int" else library.arrays.BooleanArray
        mask = arrays.mask(columns, index).copy()
        return made(arrays.numbers(columns, index), mask)
    if kind == "text":
        return _pandas_text(library, columns, index)
    return library.Series(arrays.objects(columns, index), dtype=object)


def _pandas_text(library, columns, index):
    """Text in pandas' own type for it; with pyarrow at hand, without an object for each cell."""
    default = library.Series(["x"]).dtype
    if default.kind != "O" or str(default) != "object":
        try:
            import pyarrow
        except ImportError:
            pass
        else:
            table = pyarrow.table(columns.arrow([index]))
            text = table.column(0).cast(pyarrow.large_string())
            return library.Series(library.array(text, dtype=default))
    return library.Series(columns.values(index), dtype=default)


def polars(columns):
    """A polars DataFrame."""
    library = _library("polars")
    plain = [index for index, kind in enumerate(columns.kinds()) if kind != "value"]
    frame = library.DataFrame(columns.arrow(plain)) if plain else library.DataFrame()
    names = columns.names()
    values = [_polars_values(library, columns, index) for index in range(len(names)) if index not in plain]
    return frame.with_columns(values).select(names) if values else frame


def _polars_values(library, columns, index):
    """Decoded values in the type that polars finds for them, or as objects."""
    name, values = columns.names()[index], columns.values(index)
    if all(value is None for value in values):
        return library.DataFrame(columns.arrow([index]))[name]
    try:
        return library.DataFrame([{name: value} for value in values], infer_schema_length=None)[name]
    except (TypeError, ValueError, OverflowError, library.exceptions.PolarsError):
        return library.Series(name, values, dtype=library.Object)


def arrow(columns):
    """A pyarrow Table."""
    library = _library("pyarrow")
    plain = [index for index, kind in enumerate(columns.kinds()) if kind != "value"]
    table = library.table(columns.arrow(plain)) if plain else None
    fields, cells = [], []
    for index, name in enumerate(columns.names()):
        if index in plain:
            fields.append(table.schema.field(name))
            cells.append(table.column(name))
        else:
            cells.append(_arrow_values(library, columns, index))
            fields.append(library.field(name, cells[-1].type))
    return library.Table.from_arrays(cells, schema=library.schema(fields))


def _arrow_values(library, columns, index):
    """Decoded values in the type that pyarrow finds for them: documents as structs, arrays as lists, in as many
    levels as they have dimensions, references as the paths of their objects."""
    values = columns.values(index)
    if all(value is None for value in values):
        return library.table(columns.arrow([index])).column(0)
    unfit = (library.ArrowInvalid, library.ArrowTypeError, library.ArrowNotImplementedError, OverflowError)
    try:
        return library.array(values)
    except unfit:
        pass
    try:
        return library.array([value.tolist() if hasattr(value, "tolist") else value for value in values])
    except unfit:
        return library.table(columns.arrow([index])).column(0)
