"""Staged insert: objects are written straight into their store, and the row goes in when they are complete."""

import io
import os

from . import _lodestore

# A child may write what was staged by its parent.
os.register_at_fork(before=_lodestore.staged_is_shared)


class Staging:
    """What inserts rows whose objects are written beforehand."""

    @property
    def staged_insert1(self):
        """A context in which the objects of one row are written, straight into their store.

            with Scan.staged_insert1 as staged:
                staged.rec["scan_id"] = 1
                store = staged.store("frames", ".zarr")
                ...
                staged.rec["frame_count"] = 1000

        The primary key comes first. The row goes in at the end of the block, with size, checksums and
        manifest of what was written. If the block fails, or the row is refused, nothing is left.
        """
        return _Context(self, single=True)

    def staged_insert(self):
        """Like `staged_insert1`, for any number of rows, which go in together or not at all.

        with Scan.staged_insert() as staged:
            for scan_id in range(3):
                row = staged.row(scan_id=scan_id)
                with row.open("frames", ".raw") as file:
                    ...
        """
        return _Context(self, single=False)

    def create_object_ref(self, field, ext=""):
        """A new object for an attribute of this one row, to be written; `update1` makes it the row's.

            ref = (Scan & key).create_object_ref("frames", ".zarr")
            zarr.open(ref.fsmap, mode="w", ...)
            (Scan & key).update1({**key, "frames": ref})

        Until then it is pending: nobody sees it, and it is removed by ``ref.discard()``, or when the
        program ends.
        """
        from .pending import PendingObjectRef

        return PendingObjectRef(self._query.create_object_ref(field, ext))


class StagedRow:
    """A row that is being filled in: its values in `rec`, its objects by `store`, `open` and `array`."""

    def __init__(self, table):
        self.rec = {}
        self._table = table
        self._handles = {}
        self._open = []

    def store(self, field, ext=""):
        """The folder that an ``<object@>`` attribute gets, as a mapping of paths to bytes, which zarr opens."""
        from .filesystem import FolderMapping, LodestoreFileSystem

        handle = self._handle(field, ext)
        fs = LodestoreFileSystem.of(handle.open_store(), writable=[handle.path])
        return FolderMapping(handle.path, fs)

    def open(self, field, ext="", mode="wb"):
        """The file that an attribute gets, for writing, reading and seeking; complete when it is closed.

        It is one of ``<object@>``; of ``<npy@>``, which takes what `numpy.save` writes; or of ``<attach@>``
        or ``<hash@>``, where `ext` is the name of the attached file, or nothing. If the block around an
        open file fails, what was written to it counts for nothing.
        """
        if mode not in ("wb", "w", "w+b", "wb+", "xb"):
            raise _lodestore.error(
                "invalid-request",
                f"a staged file cannot be opened with mode {mode!r}",
                "use 'wb': the file can be read and written anywhere",
            )
        return self._opened(StagedStream(self._handle(field, ext).create()))

    def array(self, field, dtype, shape):
        """The array that an ``<npy@>`` attribute gets, to be written slab by slab with `append`.

        Of `shape` the first extent is None, or how many rows there must be in the end.
        """
        import numpy

        rows, *row_shape = shape
        core = self._handle(field, "").create_array(numpy.dtype(dtype), row_shape)
        return self._opened(StagedArray(core, numpy.dtype(dtype), rows))

    @property
    def fs(self):
        """The store in which objects of this row are staged, as a file system of fsspec, writable there."""
        from .filesystem import LodestoreFileSystem

        handles = list(self._handles.values())
        if not handles:
            store = _lodestore.StoreHandle.open(self._table.connection._core, "")
            return LodestoreFileSystem.of(store, writable=[])
        store = handles[0].store
        paths = [handle.path for handle in handles if handle.store == store]
        return LodestoreFileSystem.of(handles[0].open_store(), writable=paths)

    def _opened(self, stream):
        self._open.append(stream)
        return stream

    def _handle(self, field, ext):
        if field not in self._handles:
            key = {name: self.rec[name] for name in self._table.primary_key if name in self.rec}
            self._handles[field] = self._table._table.stage(field, key, ext or "")
        return self._handles[field]

    def _row(self):
        for field in self._handles:
            if self.rec.get(field) is not None:
                raise _lodestore.error(
                    "invalid-request",
                    f"attribute `{field}` was staged, and has a value in `rec` too",
                    "leave it out of `rec`",
                )
        return {**self.rec, **{field: _Staged(handle) for field, handle in self._handles.items()}}

    def _discard(self):
        for stream in self._open:
            stream.give_up()
        for handle in self._handles.values():
            handle.discard()


class StagedRows:
    """Rows that are being filled in, begun by `row`."""

    def __init__(self, table):
        self._table = table
        self._rows = []

    def row(self, **values):
        """Begins another row, perhaps with some values."""
        row = StagedRow(self._table)
        row.rec.update(values)
        self._rows.append(row)
        return row


class _Context:
    """Inserts the rows at the end of the block, and removes what did not go in."""

    def __init__(self, table, *, single):
        self._table = table
        self._single = single
        self._rows = None

    def __enter__(self):
        self._table._check_insert(None)
        self._rows = StagedRows(self._table)
        return self._rows.row() if self._single else self._rows

    def __exit__(self, kind, *_):
        rows = self._rows._rows
        try:
            if kind is None:
                self._table.insert([row._row() for row in rows])
        finally:
            for row in rows:
                row._discard()


class _Staged:
    """An object that is being staged, as a value of its row."""

    __slots__ = ("_core",)

    def __init__(self, core):
        self._core = core


class StagedStream(io.RawIOBase):
    """A file on its way into a store: whole when it is closed, nothing if the block around it fails."""

    def __init__(self, core):
        self._core = core

    def readable(self):
        return True

    def writable(self):
        return True

    def seekable(self):
        return True

    def write(self, data):
        view = memoryview(data)
        return self._core.write(view.cast("B") if view.c_contiguous else view.tobytes())

    def readinto(self, buffer):
        return self._core.readinto(memoryview(buffer).cast("B"))

    def seek(self, offset, whence=io.SEEK_SET):
        return self._core.seek(offset, whence)

    def tell(self):
        return self._core.seek(0, io.SEEK_CUR)

    def truncate(self, size=None):
        size = self.tell() if size is None else size
        self._core.truncate(size)
        return size

    def close(self):
        """Completes the object."""
        if not self.closed:
            super().close()
            self._core.finish()

    def give_up(self):
        """Closes the file; what was written to it counts for nothing."""
        if not self.closed:
            super().close()
            self._core.give_up()

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.give_up()

    def __del__(self):
        # A file that nobody closed is not taken for complete.
        self.give_up()


class StagedArray:
    """An array on its way into a store: whole when it is closed, nothing if the block around it fails."""

    def __init__(self, core, dtype, rows):
        self._core, self._rows = core, rows
        #: NumPy's type of the elements.
        self.dtype = dtype

    @property
    def shape(self):
        """The extents of what was written so far."""
        return tuple(self._core.shape)

    def append(self, slab):
        """Writes more rows: an array of rows of this array's shape and type."""
        import numpy

        self._core.append(numpy.asarray(slab, dtype=self.dtype))

    def close(self):
        """Completes the array."""
        if self._core is None:
            return
        rows = self._core.shape[0]
        if self._rows is not None and rows != self._rows:
            self.give_up()
            raise _lodestore.error("invalid-value", f"the array has {rows} rows, {self._rows} were announced")
        core, self._core = self._core, None
        core.finish()

    def give_up(self):
        """Closes the array; what was written to it counts for nothing."""
        core, self._core = self._core, None
        if core is not None:
            core.give_up()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.give_up()


__all__ = ["StagedArray", "StagedRow", "StagedRows", "StagedStream", "Staging"]
