"""Stores as file systems of fsspec, for programs that read and write through it."""

import asyncio
import hashlib
import io
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.mapping import FSMap

from . import _lodestore
from .connection import project_at
from .errors import CorruptError, MissingExternalFile

#: The stores of this process that file systems were made of, by project, name and root: zarr makes file
#: systems again from their text.
_handles = {}


def _make_pool():
    global _pool
    _pool = ThreadPoolExecutor(32, thread_name_prefix="lodestore-fs")


_make_pool()
# A forked child has none of the threads of its parent.
os.register_at_fork(after_in_child=_make_pool)


class LodestoreFileSystem(AsyncFileSystem):
    """A store, with the paths that rows tell.

    It is made again elsewhere from the one text that made it: which project, which store, and where
    in it writing is allowed. The store itself is opened when it is first needed.
    """

    protocol = "lodestore"
    cachable = True

    def __init__(self, spec, **options):
        super().__init__(spec, **options)
        self.spec = spec
        self._told = json.loads(spec)

    @classmethod
    def of(cls, handle, *, writable=False, inside=None):
        """The file system of a store of the core.

        It is `writable` everywhere, nowhere, or only below the paths in a list, as long as objects are
        staged there. What is read of the object whose row says `inside` is verified.
        """
        # Projects on one server may mean different stores by one name.
        told = {"place": handle.place, "store": handle.name, "root": handle.url("x")}
        _handles[tuple(told.values())] = handle
        if isinstance(writable, list):
            writable = {"below": writable, "process": os.getpid()}
        made = cls(json.dumps({**told, "writable": writable, "inside": inside}))
        # One that was made before may follow settings that have changed since.
        made.__dict__["_store"] = handle
        return made

    @cached_property
    def _store(self):
        known = _handles.get((self._told["place"], self._told["store"], self._told["root"]))
        if known is not None:
            return known
        return _lodestore.StoreHandle.open(project_at(self._told["place"]), self._told["store"])

    @cached_property
    def _object(self):
        """The object whose files are verified, or None."""
        inside = self._told.get("inside")
        if inside is None:
            return None
        row = {name: value for name, value in inside.items() if name != "codec"}
        return _lodestore.ObjectHandle.from_metadata(project_at(self._told["place"]), inside["codec"], row)

    def _within(self, inner):
        """The path in the object whose files are verified ("" for a file itself); None for what lies elsewhere."""
        if self._object is None:
            return None
        path = self._object.path
        if inner == path and not self._object.is_dir:
            return ""
        return inner[len(path) + 1 :] if inner.startswith(f"{path}/") and self._object.is_dir else None

    def _get(self, path):
        within = self._within(path)
        return self._store.get(path) if within is None else self._object.find(within or None)

    def _get_range(self, path, start, end):
        within = self._within(path)
        if within is None:
            return self._store.get_range(path, start, end)
        return self._object.find_range(within or None, start, end)

    @cached_property
    def _root(self):
        inside = self._store.local_path("x")
        return os.path.dirname(inside) if inside else None

    def __reduce__(self):
        if self._told["writable"]:
            # Whoever gets it may write what is staged here.
            _lodestore.staged_is_shared()
        return type(self), (self.spec,)

    def _inner(self, path):
        """The path in the store; absolute paths of files that lie in it are taken too."""
        path = self._strip_protocol(path)
        if path.startswith("/"):
            path = path[len(self._root) :] if self._root and path.startswith(f"{self._root}/") else path
        return path.strip("/")

    def _refuse_if_read_only(self, path):
        if not self._may_write(self._inner(path)):
            raise PermissionError(f"stored objects are read only: {path}")

    def _may_write(self, inner):
        writable = self._told["writable"]
        if isinstance(writable, bool):
            return writable
        if not any(inner == root or inner.startswith(f"{root}/") for root in writable["below"]):
            return False
        # Only the process that stages an object knows how long it is pending.
        return os.getpid() != writable["process"] or self._store.is_staged(inner)

    async def _run(self, work, *arguments):
        return await asyncio.get_running_loop().run_in_executor(_pool, work, *arguments)

    async def _cat_file(self, path, start=None, end=None, **_):
        return await self._run(self._read, self._inner(path), start, end)

    def _read(self, path, start, end):
        if start is None and end is None:
            return self._there(self._get(path), path)
        if start is not None and end is not None and 0 <= start <= end:
            try:
                return self._there(self._get_range(path, start, end), path)
            except CorruptError:
                # It ends before the range does, which is no fault to fsspec; or it is damaged, and fails again.
                pass
        size = self._store.size(path)
        begin, stop, _ = slice(start, end).indices(size or 0)
        return self._there(self._get_range(path, begin, max(begin, stop)), path)

    @staticmethod
    def _there(found, path):
        if found is None:
            raise FileNotFoundError(path)
        return found

    async def _pipe_file(self, path, value, mode="overwrite", **_):
        self._refuse_if_read_only(path)
        await self._run(self._store.put, self._inner(path), bytes(value))

    async def _put_file(self, lpath, rpath, mode="overwrite", **_):
        self._refuse_if_read_only(rpath)
        if not os.path.isdir(lpath):
            await self._run(self._store.put_file, self._inner(rpath), lpath)

    async def _get_file(self, rpath, lpath, **_):
        path = self._inner(rpath)
        if await self._isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
            return
        size = await self._run(self._store.size, path)
        if size is None:
            raise FileNotFoundError(path)
        os.makedirs(os.path.dirname(lpath) or ".", exist_ok=True)
        with open(lpath, "wb") as file:
            for start in range(0, size, 1 << 24):
                file.write(await self._run(self._read, path, start, min(size, start + (1 << 24))))

    async def _rm_file(self, path, **_):
        self._refuse_if_read_only(path)
        if not await self._run(self._store.delete, self._inner(path)):
            raise FileNotFoundError(path)

    async def _rm(self, path, recursive=False, batch_size=None, **_):
        paths = [path] if isinstance(path, str) else path
        for item in paths:
            self._refuse_if_read_only(item)
            inner = self._inner(item)
            below = [name for name, _ in await self._run(self._store.list, inner)] if recursive else []
            for name in {*below, inner}:
                await self._run(self._store.delete, name)

    async def _cp_file(self, path1, path2, **_):
        await self._pipe_file(path2, await self._cat_file(path1))

    async def _info(self, path, **_):
        inner = self._inner(path)
        size = await self._run(self._store.size, inner) if inner else None
        if size is not None:
            return {"name": inner, "size": size, "type": "file"}
        if inner == "" or await self._run(self._store.is_folder, inner):
            return {"name": inner, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    async def _ls(self, path, detail=True, **_):
        inner = self._inner(path)
        objects, folders = await self._run(self._store.list_level, inner or None)
        found = [{"name": name, "size": size, "type": "file"} for name, size in objects]
        found += [{"name": name, "size": 0, "type": "directory"} for name in folders]
        if not found and inner:
            found = [await self._info(path)]
        return found if detail else [item["name"] for item in found]

    async def _find(self, path, maxdepth=None, withdirs=False, detail=False, **options):
        if maxdepth is not None or withdirs:
            return await super()._find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        inner = self._inner(path)
        listed = dict(await self._run(self._store.list, inner or None))
        if not listed and inner:
            size = await self._run(self._store.size, inner)
            listed = {} if size is None else {inner: size}
        found = {name: {"name": name, "size": listed[name], "type": "file"} for name in sorted(listed)}
        return found if detail else list(found)

    async def _mkdir(self, path, create_parents=True, **_):
        self._refuse_if_read_only(path)

    async def _makedirs(self, path, exist_ok=False):
        self._refuse_if_read_only(path)

    def _open(self, path, mode="rb", **_):
        inner = self._inner(path)
        if mode == "rb":
            within = self._within(inner)
            if within is not None and (within == "" or self._store.size(inner) is not None):
                return open_object(self._object, within or None)
            local = self._store.local_path(inner)
            if local is not None:
                return open(local, "rb")
            try:
                return reader(self._store.stream(inner))
            except MissingExternalFile:
                raise FileNotFoundError(path) from None
        if mode != "wb":
            raise ValueError(f"files of a store are opened as 'rb' or 'wb', not {mode!r}")
        self._refuse_if_read_only(path)
        return _Writer(self._store, inner)

    def created(self, path):
        """Not kept by stores."""
        raise NotImplementedError("a store does not tell when an object was created")

    modified = created


class FolderMapping(FSMap):
    """A stored folder as a mapping of paths to bytes, which is also a context: what zarr opens."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def getitems(self, keys, on_error="raise"):
        """Many at once. What is damaged, or missing though the manifest names it, is an error in any case."""
        found = super().getitems(keys, on_error="return")
        for value in found.values():
            if isinstance(value, Exception) and (on_error == "raise" or not isinstance(value, KeyError)):
                raise value
        if on_error == "return":
            return found
        return {key: value for key, value in found.items() if not isinstance(value, Exception)}


def zarr_store(fs, path, *, read_only):
    """The store of zarr 3 for a folder of a file system."""
    from zarr.storage import FsspecStore

    return FsspecStore(type(fs)(fs.spec, asynchronous=True), read_only=read_only, path=path)


class _Reader(io.RawIOBase):
    """A stored file, read in large steps by the core."""

    def __init__(self, core):
        self._core = core

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        return self._core.seek(offset, whence)

    def readinto(self, buffer):
        return self._core.readinto(memoryview(buffer).cast("B"))


class _File(io.FileIO):
    """A stored file of this machine, whose checksum is verified when all of it was read from front to back."""

    def __init__(self, path, size, checksum):
        super().__init__(path, "rb")
        self._size, self._checksum = size, checksum
        self._hash, self._read = hashlib.sha256(), 0

    def readinto(self, buffer):
        at = self.tell()
        count = super().readinto(buffer)
        self._note(at, memoryview(buffer).cast("B")[:count])
        return count

    def readall(self):
        at = self.tell()
        found = super().readall()
        self._note(at, found)
        return found

    def _note(self, at, piece):
        if at > self._read or at + len(piece) <= self._read:
            return
        self._hash.update(memoryview(piece)[self._read - at :])
        self._read = at + len(piece)
        if self._read < self._size:
            return
        found = f"sha256:{self._hash.hexdigest()}"
        if found != self._checksum:
            raise _lodestore.error(
                "corrupt",
                f"checksum mismatch: expected `{self._checksum}`, got `{found}`: {self.name} is damaged",
                "restore it from a backup",
            )


def open_object(core, inner):
    """The file of an object, or a file in it, for reading. Damage is an error."""
    local = core.local_path(inner)
    if local is None or not os.path.isfile(local):
        return reader(core.stream(inner))
    expected = core.expected(inner)
    if expected is None or not expected[1].startswith("sha256:"):
        return open(local, "rb")
    return io.BufferedReader(_File(local, *expected), 1 << 18)


def reader(core):
    """A stream of the core as a file, for reading."""
    return io.BufferedReader(_Reader(core), 1 << 16)


class _Writer(io.FileIO):
    """A file that becomes an object when it is closed, whole; not if the block around it fails."""

    def __init__(self, store, path):
        descriptor, self._scratch = tempfile.mkstemp(prefix="lodestore-")
        super().__init__(descriptor, "w+b")
        self._store, self._path, self._dropped = store, path, False

    def __exit__(self, kind, *rest):
        self._dropped = self._dropped or kind is not None
        return super().__exit__(kind, *rest)

    def close(self):
        if self.closed:
            return
        super().close()
        try:
            if not self._dropped:
                self._store.put_file(self._path, self._scratch)
        finally:
            os.unlink(self._scratch)


fsspec.register_implementation("lodestore", LodestoreFileSystem, clobber=True)
