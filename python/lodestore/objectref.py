"""References to files and folders in a store: what ``<object@>`` and ``<filepath@>`` give back."""

import datetime
import io
import json
import os

from . import _lodestore
from .connection import project_at
from .errors import CorruptError, DataJointError, MissingExternalFile
from .reference import Reference

#: What `ObjectRef.verify` raises.
IntegrityError = CorruptError


#: What `open` may mean by its first argument, for a file.
_MODES = frozenset(["r", "rt", "rb", "w", "wb", "w+b", "xb", "a", "ab", "r+", "r+b"])


class ObjectRef(Reference):
    """A file or folder in a store, not yet read.

    What its row tells of it is known for nothing. It is for reading: nothing here changes what is
    stored.
    """

    #: What a program that made the reference itself gave.
    _as_given = None

    def __init__(
        self,
        path,
        size=None,
        hash=None,
        ext=None,
        is_dir=False,
        timestamp=None,
        url=None,
        store=None,
        mime_type=None,
        item_count=None,
    ):
        """Describes the object at `path` of a store (the default one) of the process-wide project, which is opened when
        the object is.
        """
        told = {"path": path, "size": size, "hash": hash, "ext": ext, "is_dir": is_dir}
        told["timestamp"] = timestamp.isoformat() if isinstance(timestamp, datetime.datetime) else timestamp
        optional = {"url": url, "store": store, "mime_type": mime_type, "item_count": item_count}
        told |= {name: value for name, value in optional.items() if value is not None}
        self._as_given = self._told = told

    def __getattr__(self, name):
        if name != "_core" or self._as_given is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._core = _lodestore.ObjectHandle.from_metadata(None, "object", self._as_given)
        return self._core

    @property
    def path(self):
        """Where it lies in its store."""
        return self._core.path if self._as_given is None else self._as_given["path"]

    @property
    def store(self):
        """The name of the store."""
        return self._core.store if self._as_given is None else self._as_given.get("store")

    def _attach(self, core):
        super().__init__(core)
        self._told = core.metadata()

    @classmethod
    def _of(cls, core):
        """The reference of a handle of the core."""
        reference = object.__new__(cls)
        reference._attach(core)
        return reference

    @classmethod
    def from_json(cls, document, backend=None):
        """The reference that a dict or a JSON text tells of, in the default project."""
        told = json.loads(document) if isinstance(document, str) else dict(document)
        told["path"], told["size"]  # a KeyError for what is no reference
        codec = told.pop("codec", "object")
        return cls._of(_lodestore.ObjectHandle.from_metadata(None, codec, told))

    def to_json(self):
        """What the row tells, as a dict."""
        if self._as_given is not None:
            return dict(self._as_given)
        return {"path": self.path, "store": self.store, **self._told}

    @property
    def size(self):
        """The size in bytes, of a folder that of all files; None if the row does not tell."""
        return self._told.get("size")

    @property
    def hash(self):
        """The checksum of a file, or None."""
        return self._told.get("checksum") or self._told.get("hash")

    @property
    def ext(self):
        """The extension with its dot, or None."""
        return self._told.get("ext")

    @property
    def is_dir(self):
        """True for a folder."""
        return self._core.is_dir if self._as_given is None else self._as_given["is_dir"]

    @property
    def item_count(self):
        """The number of files of a folder, or None."""
        return self._told.get("item_count")

    @property
    def mime_type(self):
        """The type of the content, if the row tells it."""
        return self._told.get("mime_type")

    @property
    def timestamp(self):
        """When it was stored, or None."""
        told = self._told.get("timestamp")
        return datetime.datetime.fromisoformat(told) if told else None

    @property
    def url(self):
        """Its URL, such as ``file:///data/...`` or ``s3://bucket/...``."""
        return self._core.url(None)

    @property
    def full_path(self):
        """Its path on this machine, or its URL if it is not on this machine."""
        local = self._core.local_path(None)
        return self.url if local is None else os.fspath(local)

    @property
    def fs(self):
        """The store as a file system of fsspec, for reading; what it reads of this object is verified."""
        from .filesystem import LodestoreFileSystem

        store = _lodestore.StoreHandle.open(self._core.project, self.store)
        return LodestoreFileSystem.of(store, inside={"codec": self._core.codec, **self.to_json()})

    @property
    def fsmap(self):
        """The folder as a mapping of paths to bytes, which zarr opens; for reading."""
        from .filesystem import FolderMapping

        return FolderMapping(self.path, self.fs)

    @property
    def zarr_store(self):
        """The folder as the store that zarr 3 works with itself; for reading."""
        from .filesystem import zarr_store

        return zarr_store(self.fs, self.path, read_only=True)

    def read(self):
        """The whole file as bytes.

        Raises `MissingExternalFile` if it is gone, `CorruptError` if it is damaged, `DataJointError` for a folder.
        """
        if self.is_dir:
            raise self._refusal("Cannot read() a directory. Use listdir() or walk() instead.")
        return self._core.read(None)

    def open(self, subpath=None, mode="rb"):
        """The file, or a file of the folder, as a seekable stream for reading: of bytes, or with mode ``"r"`` of text.

        The mode of a file may also be the first argument.

        A folder without `subpath` gives a context with the mapping that zarr opens:
        ``with ref.open() as f: zarr.open(f, mode="r")``.

        Raises `CorruptError` if the file does not have the size that it was stored with, or when all of it was
        read from front to back and its checksum is another.
        """
        if subpath in _MODES and not self.is_dir:
            subpath, mode = None, subpath
        if mode == "rt":
            mode = "r"
        if mode not in ("rb", "r"):
            raise self._refusal(f"Cannot open() a stored object with mode {mode!r}: it is read only")
        if subpath is not None and not self.is_dir:
            raise self._refusal("Cannot use subpath on a file object")
        if subpath is None and self.is_dir:
            return self.fsmap
        if mode == "r":
            return io.TextIOWrapper(self.open(subpath), encoding="utf-8")
        from .filesystem import open_object

        try:
            return open_object(self._core, subpath)
        except MissingExternalFile:
            if subpath is not None and self._core.files(subpath):
                raise IsADirectoryError(f"{self.path}/{subpath}") from None
            raise

    def listdir(self, subpath=""):
        """The names in the folder, or in a folder of it, sorted."""
        if not self.is_dir:
            raise self._refusal("Cannot listdir() on a file. Use read() or open() instead.")
        return sorted({name.split("/", 1)[0] for name, _ in self._core.files(subpath or None)})

    def walk(self):
        """For each folder its path in this one, the folders in it and the files in it."""
        if not self.is_dir:
            raise self._refusal("Cannot walk() on a file.")
        folders = {"": (set(), [])}
        for name, _ in self._core.files(None):
            *above, file = name.split("/")
            for depth, folder in enumerate(above):
                folders.setdefault("/".join(above[:depth]), (set(), []))[0].add(folder)
            folders.setdefault("/".join(above), (set(), []))[1].append(file)
        for path, (inner, files) in sorted(folders.items()):
            yield path, sorted(inner), sorted(files)

    def exists(self, subpath=None):
        """True if it, or what is at a path in it, is in the store."""
        return self._core.exists(subpath)

    def download(self, destination=".", subpath=None):
        """Copies it out of the store; gives the path that holds it, as a `str`.

        A file goes to `destination`, or into it if that is a folder. The content of a folder goes
        to `destination`; if that holds other things, to a folder of its own in it. An earlier
        download is replaced, in one step.
        """
        return os.fspath(self._core.download(os.fspath(destination), subpath))

    def verify(self):
        """True if every byte is still what was stored.

        Raises `CorruptError` with what is missing, damaged or too much.
        """
        self._core.verify()
        return True

    def _refusal(self, message):
        error = DataJointError(message)
        error.context = {"store": self.store, "path": self.path}
        return error

    def __eq__(self, other):
        if not isinstance(other, ObjectRef):
            return NotImplemented
        return self._names_the_same(other)

    __hash__ = Reference.__hash__

    def __reduce__(self):
        return _reopen, (self._core.place, self._core.codec, self.to_json())

    def __str__(self):
        return self.path

    def __repr__(self):
        if self.is_dir:
            return f"ObjectRef(folder: {self.path}, items={self.item_count})"
        return f"ObjectRef(file: {self.path}, size={self.size})"


def _reopen(place, codec, told):
    """A reference that was sent here from another process."""
    return ObjectRef._of(_lodestore.ObjectHandle.from_metadata(project_at(place), codec, told))
