"""References to objects in a store: what they are, for nothing; what they hold, when asked."""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from . import _lodestore
from .connection import project_at
from .errors import InvalidIndexError
from .reference import Reference


class NpyRef(Reference, NDArrayOperatorsMixin):
    """An array in a store, not yet read: what fetching an ``<npy@>`` attribute gives.

    Shape, type and size are known without reading. Indexing reads only the parts it names;
    `load`, or anything that needs the values, reads the whole array once and keeps it.
    """

    def __init__(self, core):
        super().__init__(core)
        self._loaded = None

    @property
    def shape(self):
        """The extents."""
        return self._core.shape

    @property
    def dtype(self):
        """NumPy's type of the elements."""
        return self._core.dtype

    @property
    def ndim(self):
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self):
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self):
        """The number of bytes of all elements."""
        return self._core.nbytes

    @property
    def chunks(self):
        """The extents of a part that is well read at once: what dask cuts the array into.

        As many whole rows as make some megabytes, counting by the first axis, or by the last one of an
        array in Fortran order.
        """
        return self._core.chunks

    @property
    def bytes_read(self):
        """How many bytes were read from the store so far."""
        return self._core.bytes_read

    @property
    def is_loaded(self):
        """True once the whole array was read."""
        return self._loaded is not None

    def load(self, mmap_mode=None):
        """The whole array, read once and then kept.

        With ``mmap_mode="r"`` a file of this machine is mapped into memory instead, read only; with
        ``"c"`` changes stay in memory. An array that lies elsewhere, or that was read already, is
        given as it is, read only too.

        Raises `MissingExternalFile` if the object is gone, `CorruptError` if it is damaged.
        """
        if mmap_mode is not None:
            return self._mapped(mmap_mode)
        if self._loaded is None:
            self._loaded = self._core.load()
        return self._loaded

    def _mapped(self, mode):
        if mode not in ("r", "c"):
            raise _lodestore.error(
                "invalid-value",
                f"a stored array cannot be mapped with mode {mode!r}",
                "use 'r', or 'c' for a copy on write",
            )
        found = self._core.local_file() if self.size else None
        if found is None:
            array = np.array(self.load()) if mode == "c" else self.load().view()
            array.flags.writeable = mode == "c"
            return array
        path, offset, is_fortran = found
        return np.memmap(path, self.dtype, mode, offset, self.shape, "F" if is_fortran else "C")

    def __eq__(self, other):
        if not isinstance(other, NpyRef):
            return super().__eq__(other)
        return self._names_the_same(other)

    def __ne__(self, other):
        if not isinstance(other, NpyRef):
            return super().__ne__(other)
        return not self == other

    __hash__ = Reference.__hash__

    def __dask_tokenize__(self):
        # A path is never written twice with different content.
        return type(self).__name__, self._core.place, self.store, self.path

    def __reduce__(self):
        return _reopen, (self._core.place, self._core.metadata())

    def __array__(self, dtype=None, copy=None):
        array = self.load()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError("the array has another type, and a copy was not allowed")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        inputs = [item.load() if isinstance(item, NpyRef) else item for item in inputs]
        return getattr(ufunc, method)(*inputs, **options)

    def __getitem__(self, index):
        if self._loaded is None:
            try:
                part = self._core.slice(index)
            except InvalidIndexError:
                # Wrong for NumPy too, or one that picks from so many places that reading all is better?
                np.broadcast_to(np.empty((), self.dtype), self.shape)[index]
                part = None
            if part is not None:
                return part
        return self.load()[index]

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of an array without dimensions")
        return self.shape[0]

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over an array without dimensions")
        return (self[index] for index in range(len(self)))

    def __repr__(self):
        state = "loaded" if self.is_loaded else "not loaded"
        return f"NpyRef(shape={self.shape}, dtype={self.dtype}, {state})"


def _reopen(place, told):
    """A reference that was sent here from another process."""
    return NpyRef(_lodestore.ArrayRef.from_metadata(project_at(place), told))
