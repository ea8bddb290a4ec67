"""The blob format: Python objects as bytes, and back.

`pack` and `unpack` are what ``<blob>`` and ``<blob@>`` attributes use. The bytes are those of
DataJoint, which reads ours as we read its.

The format keeps numbers, text, bytes, dates, decimals, UUIDs, lists, tuples, sets, dicts and arrays,
nested as one likes, with their types, except that

- a `bytearray` or `memoryview` comes back as `bytes`, a `frozenset` as a `set`, a named tuple or a
  `range` as a tuple, a `deque` as a list, a path as text, and a subclass of a dict or a number as
  the plain one;
- arrays of text come back as arrays of objects, structured ones as `numpy.recarray`, other subclasses
  of arrays as plain arrays, and big-endian numbers in the order of this machine.

What would lose more is refused, with the place inside the value: masked elements, half and extended
precision, arrays of bytes, times with a zone or nanoseconds.
"""

import numpy as np

from . import _lodestore

__all__ = ["MatCell", "MatStruct", "pack", "unpack"]

#: How packed values begin.
PACKED = (b"mYm\0", b"dj0\0", b"ZL123\0")

#: Set to read blobs of old MATLAB clients, whose lengths have 32 bits.
use_32bit_dims = False


class MatCell(np.ndarray):
    """A MATLAB cell array: an array of objects."""


class MatStruct(np.recarray):
    """A MATLAB structure array."""


def pack(obj, compress=True):
    """The bytes of a blob that holds `obj`; compressed if that makes more than 1000 bytes shorter.

    Raises `InvalidTypeError` or `InvalidValueError` for what the format cannot hold.
    """
    return _lodestore.pack(obj, compress)


def unpack(blob, squeeze=False):
    """What the bytes of a blob hold; None for None.

    With `squeeze`, arrays lose the dimensions of extent one, and those without any dimension left
    become plain values. Raises `CorruptError` for bytes that are no blob.
    """
    if blob is None:
        return None
    value = _lodestore.unpack(blob, use_32bit_dims)
    return _squeezed(value) if squeeze else value


def _squeezed(value):
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            for index in np.ndindex(value.shape):
                item = value[index]
                value[index] = (
                    tuple(_squeezed(part) for part in item) if value.dtype.names else _squeezed(item)
                )
        value = value.squeeze()
        plain = not isinstance(value, (MatCell, MatStruct)) and value.dtype.names is None
        return value.item() if value.ndim == 0 and plain else value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {_squeezed(key): _squeezed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(_squeezed(item) for item in value)
    return value
