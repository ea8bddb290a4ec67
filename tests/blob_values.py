"""The vocabulary of the golden blobs: helpers in its expressions, and values described by tags."""

import collections
import datetime
import hashlib
import uuid
from decimal import Decimal

import numpy as np

from lodestore.blob import MatCell, MatStruct


def obj(shape, *items):
    """An object array filled in C order, one element per item."""
    array = np.empty(shape, dtype=object)
    flat = array.reshape(-1)
    for index, item in enumerate(items):
        flat[index] = item
    return flat.reshape(shape)


def cell(shape, *items):
    """The same as a MATLAB cell array."""
    return obj(shape, *items).view(MatCell)


def st(shape, names, *rows):
    """A MATLAB structure array of object fields, rows in C order."""
    array = np.empty(shape, dtype=[(name, object) for name in names])
    flat = array.reshape(-1)
    for index, row in enumerate(rows):
        for name, value in zip(names, row, strict=True):
            flat[name][index] = value
    return flat.reshape(shape).view(MatStruct)


def prng(count):
    """The first bytes of a chain of hashes: random-looking, always the same."""
    blocks = (
        hashlib.sha256(b"seed" + number.to_bytes(4, "little")).digest() for number in range(count // 32 + 1)
    )
    return b"".join(blocks)[:count]


NAMES = {
    "np": np,
    "datetime": datetime,
    "collections": collections,
    "uuid": uuid,
    "Decimal": Decimal,
    "MatCell": MatCell,
    "MatStruct": MatStruct,
    **{function.__name__: function for function in (obj, cell, st, prng)},
}


def describe(value):
    """The tagged description of a value."""
    if value is None:
        return {"t": "none"}
    if isinstance(value, np.ndarray):
        return describe_array(value)
    if isinstance(value, np.generic):
        return {"t": "npscalar", "dtype": value.dtype.str, "hex": value.tobytes().hex()}
    if isinstance(value, bool):
        return {"t": "bool", "v": value}
    if isinstance(value, int):
        return {"t": "int", "v": hex(value)}
    if isinstance(value, float):
        return {"t": "float", "hex_le": np.float64(value).tobytes().hex()}
    if isinstance(value, complex):
        return {"t": "complex", "hex_le": np.complex128(value).tobytes().hex()}
    if isinstance(value, str):
        return {"t": "str", "v": value}
    if isinstance(value, bytes):
        return {"t": "bytes", "hex": value.hex()}
    if isinstance(value, (Decimal, uuid.UUID)):
        return {"t": type(value).__name__.lower(), "v": str(value)}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return {"t": type(value).__name__, "v": value.isoformat()}
    if isinstance(value, dict):
        return {"t": "dict", "pairs": [[describe(key), describe(item)] for key, item in value.items()]}
    if isinstance(value, (set, frozenset)):
        return {"t": "set", "items_sorted": sorted((describe(item) for item in value), key=str)}
    if isinstance(value, (list, tuple)):
        return {"t": type(value).__name__, "items": [describe(item) for item in value]}
    raise AssertionError(f"no description of {type(value)}")


def describe_array(array):
    """The tagged description of an array."""
    shape = list(array.shape)
    tag = {MatCell: "MatCell", MatStruct: "MatStruct", np.recarray: "recarray"}.get(type(array), "ndarray")
    if array.dtype.names is not None:
        plain = array.view(np.ndarray)
        return {
            "t": tag,
            "shape": shape,
            "fields": [[name, describe_array(plain[name])] for name in array.dtype.names],
        }
    if array.dtype.kind == "O":
        return {"t": tag, "dtype": "O", "shape": shape, "items": [describe(item) for item in array.flat]}
    if array.dtype.kind == "U":
        return {"t": tag, "dtype": "U", "shape": shape, "items": [str(item) for item in array.flat]}
    return {"t": tag, "dtype": array.dtype.str, "shape": shape, "c_order_hex": array.tobytes().hex()}
