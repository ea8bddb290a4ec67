"""The codecs that come with Lodestore. The work is done in Rust; these classes tell of it."""

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


class AttachCodec(_Builtin, register=False):
    """``<attach>``, ``<attach@>``: a file with its name."""

    name = "attach"
    _in_table, _in_store = "bytes", "<hash>"


class HashCodec(_Builtin, register=False):
    """``<hash@>``: bytes, named by their content."""

    name = "hash"


class ObjectCodec(_Builtin, SchemaCodec, register=False):
    """``<object@>``: a file or a folder in a place of its own."""

    name = "object"


class NpyCodec(_Builtin, SchemaCodec, register=False):
    """``<npy@>``: an array as a ``.npy`` file, read in parts."""

    name = "npy"


class FilepathCodec(_Builtin, register=False):
    """``<filepath@>``: a file or folder that its user manages."""

    name = "filepath"


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
