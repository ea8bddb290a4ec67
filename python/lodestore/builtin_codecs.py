"""The codecs that come with Lodestore. The work is done in Rust; these classes tell of it."""

import os

import numpy as np

from . import _lodestore
from .codecs import Codec, SchemaCodec
from .references import NpyRef


class _Builtin(Codec, register=False):
    """A codec of the core: it is used by declaring attributes of its type."""

    _in_table = None
    _in_store = "json"

    def get_dtype(self, is_store):
        """What the encoded value is stored as."""
        dtype = self._in_store if is_store else self._in_table
        if dtype is None:
            raise _lodestore.error(
                "invalid-definition", f"`<{self.name}>` requires @ (in-store storage only)"
            )
        return dtype

    def encode(self, value, *, key=None, context=None, store_name=None):
        """Only the core encodes by this codec: its objects belong to a row."""
        raise self._only_in_a_table("encodes values when rows are inserted")

    def decode(self, stored, *, key=None, context=None):
        """Only the core decodes by this codec."""
        raise self._only_in_a_table("decodes values when rows are fetched")

    def _expect(self, value, classes, what):
        if not isinstance(value, classes):
            message = f"`<{self.name}>` expects {what}, got {type(value).__name__}"
            raise _lodestore.error("invalid-type", message)

    def _only_in_a_table(self, what):
        return _lodestore.error("invalid-request", f"`<{self.name}>` {what}, and not by itself")


class BlobCodec(_Builtin, register=False):
    """``<blob>``, ``<blob@>``: any value, packed."""

    name = "blob"
    _in_table, _in_store = "bytes", "<hash>"

    def encode(self, value, *, key=None, context=None, store_name=None):
        """The packed bytes of a value."""
        return _lodestore.pack(value, True)

    def decode(self, stored, *, key=None, context=None):
        """The value of packed bytes."""
        return _lodestore.unpack(stored, False)

    def validate(self, value):
        """Refuses what cannot be packed."""
        _lodestore.pack(value, False)


class AttachCodec(_Builtin, register=False):
    """``<attach>``, ``<attach@>``: a file with its name."""

    name = "attach"
    _in_table, _in_store = "bytes", "<hash>"

    def validate(self, value):
        """Takes the path of a file."""
        self._expect(value, (str, os.PathLike), "a file path")


class HashCodec(_Builtin, register=False):
    """``<hash@>``: bytes, named by their content."""

    name = "hash"

    def validate(self, value):
        """Takes bytes."""
        self._expect(value, (bytes, bytearray, memoryview), "bytes")


class ObjectCodec(_Builtin, SchemaCodec, register=False):
    """``<object@>``: a file or a folder in a place of its own."""

    name = "object"

    def validate(self, value):
        """Takes bytes, a path, a pair of extension and content, a stream, what was stored before, or a Zarr group."""
        pair = isinstance(value, tuple) and len(value) == 2
        if not pair and not hasattr(value, "read") and not hasattr(value, "store"):
            self._expect(value, (bytes, bytearray, memoryview, str, os.PathLike, dict), "bytes or path")


class NpyCodec(_Builtin, SchemaCodec, register=False):
    """``<npy@>``: an array as a ``.npy`` file, read in parts."""

    name = "npy"

    def validate(self, value):
        """Takes an array without objects."""
        self._expect(value, (np.ndarray, NpyRef), "numpy.ndarray")
        if getattr(getattr(value, "dtype", None), "hasobject", False):
            raise _lodestore.error(
                "invalid-value", "`<npy>` does not support object dtype arrays", "use `<blob@>`"
            )


class FilepathCodec(_Builtin, register=False):
    """``<filepath@>``: a file or folder that its user manages."""

    name = "filepath"

    def validate(self, value):
        """Takes a path in the store."""
        self._expect(value, (str, os.PathLike), "a path string or Path")


_BY_NAME = {
    codec.name: codec() for codec in (BlobCodec, AttachCodec, HashCodec, ObjectCodec, NpyCodec, FilepathCodec)
}


def by_name(name):
    """The built-in codec of this name."""
    return _BY_NAME[name]


__all__ = [
    "AttachCodec",
    "BlobCodec",
    "FilepathCodec",
    "HashCodec",
    "NpyCodec",
    "NpyRef",
    "ObjectCodec",
    "SchemaCodec",
]
