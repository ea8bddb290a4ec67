"""Kinds of stores that packages add: any file system of fsspec, under a protocol of its own.

    class FtpAdapter(dj.StorageAdapter):
        protocol = "ftp"
        required_keys = ("protocol", "location", "host")
        allowed_keys = ("user", "password")

        def create_filesystem(self, spec):
            return fsspec.filesystem("ftp", host=spec["host"], username=spec.get("user"))

A package names the class as an entry point of the group ``lodestore.storage`` or ``datajoint.storage``;
stores whose settings say ``"protocol": "ftp"`` are made by it from then on.
"""

import datetime
import uuid
from abc import ABC, abstractmethod

from . import _lodestore
from .logs import logger

_GROUPS = ("lodestore.storage", "datajoint.storage")
_BUILTIN = frozenset(["file", "s3", "gcs", "azure"])
#: What every store may say of itself.
_COMMON = frozenset(
    [
        "protocol",
        "location",
        "subfolding",
        "partition_pattern",
        "token_length",
        "hash_prefix",
        "schema_prefix",
        "filepath_prefix",
        "stage",
    ]
)
_registry = {}
_loaded = False


class StorageAdapter(ABC):
    """A kind of store over a file system of fsspec."""

    #: What settings name it by, in lower case.
    protocol = None
    #: The settings that a store must have,
    required_keys = ()
    #: and those that it may have beside what every store may.
    allowed_keys = ()

    @abstractmethod
    def create_filesystem(self, spec):
        """The file system of fsspec for a store with these settings."""

    def validate_spec(self, spec):
        """Raises `DataJointError` for settings that do not make a store."""
        missing = [key for key in self.required_keys if spec.get(key) is None]
        if missing:
            raise _lodestore.error(
                "invalid-config", f"{self.protocol} store is missing: {', '.join(missing)}"
            )
        unknown = [key for key in spec if key not in {*_COMMON, *self.required_keys, *self.allowed_keys}]
        if unknown:
            raise _lodestore.error(
                "invalid-config", f"Invalid key(s) for {self.protocol}: {', '.join(unknown)}"
            )

    def full_path(self, spec, relpath):
        """The path in the file system of what has this path in the store."""
        location = str(spec.get("location") or "").rstrip("/")
        return f"{location}/{relpath}" if location else relpath

    def get_url(self, spec, path):
        """The URL of a path in the file system."""
        return f"{self.protocol}://{path}"


def register_storage_adapter(adapter):
    """Adds a kind of store without an entry point. Raises `DataJointError` if its protocol is taken."""
    adapter = adapter() if isinstance(adapter, type) else adapter
    name = adapter.protocol
    if not isinstance(name, str) or not name:
        raise _lodestore.error("invalid-request", f"a storage adapter needs a protocol, not {name!r}")
    if name in _BUILTIN or type(_registry.get(name, adapter)) is not type(adapter):
        raise _lodestore.error("invalid-request", f"there is a protocol {name!r} already")
    _registry[name] = adapter


def get_storage_adapter(protocol):
    """The adapter of a protocol; None if nobody adds it, and for those that Lodestore brings along."""
    global _loaded
    if protocol in _BUILTIN:
        return None
    if protocol not in _registry and not _loaded:
        _loaded = True
        _load_entry_points()
    return _registry.get(protocol)


def _load_entry_points():
    from importlib.metadata import entry_points

    from .in_place import load

    for group in _GROUPS:
        for entry in entry_points(group=group):
            if entry.name in _registry:
                continue
            try:
                register_storage_adapter(load(entry))
            except Exception as error:
                logger.warning("cannot load the storage adapter %r: %s", entry.name, error)


def _find(protocol):
    """What the core asks for a protocol that it does not know."""
    return get_storage_adapter(protocol)


def _check(adapter, spec):
    adapter.validate_spec(spec)


class _AdapterStore:
    """A store of an adapter, as the core uses it. Paths are those in the store."""

    def __init__(self, adapter, spec):
        self._adapter = adapter
        self._spec = spec
        self._root = str(adapter.full_path(spec, "")).rstrip("/")
        self._fs = None

    @property
    def fs(self):
        """The file system, made when it is first needed."""
        if self._fs is None:
            self._fs = self._adapter.create_filesystem(self._spec)
        return self._fs

    def _full(self, path):
        return self._adapter.full_path(self._spec, path)

    def url(self, path):
        """The URL of an object, or of the root."""
        return self._adapter.get_url(self._spec, self._full(path) if path else self._root)

    def put(self, path, content, replace):
        """Writes an object whole or not at all; false if one is there and may not be replaced."""
        full = self._full(path)
        if not replace and self.head(path) is not None:
            return False
        folder = full.rpartition("/")[0]
        if folder:
            self.fs.makedirs(folder, exist_ok=True)
        # Few file systems promise that a file appears only when it is complete; all can give it another name.
        scratch = (
            f"{folder}/.lodestore-{uuid.uuid4().hex}.part"
            if folder
            else f".lodestore-{uuid.uuid4().hex}.part"
        )
        try:
            with self.fs.open(scratch, "wb") as file:
                content.write_to(file)
            if replace and self.head(path) is not None:
                self.fs.rm_file(full)
            elif not replace and self.head(path) is not None:
                self.fs.rm_file(scratch)
                return False
            self.fs.mv(scratch, full)
        except BaseException:
            self._forget(scratch)
            raise
        return True

    def _forget(self, full):
        try:
            self.fs.rm_file(full)
        except Exception as error:
            logger.debug("left behind: %s (%s)", full, error)

    def get(self, path):
        """The bytes of an object; None if it is not there."""
        try:
            return bytes(self.fs.cat_file(self._full(path)))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None if self.head(path) is None else bytes(self.fs.cat_file(self._full(path)))

    def get_range(self, path, start, end):
        """A part of an object."""
        return bytes(self.fs.cat_file(self._full(path), start=start, end=end))

    def head(self, path):
        """Size and age of an object, in bytes and microseconds since 1970; None if it is not there."""
        self.fs.invalidate_cache()
        try:
            info = self.fs.info(self._full(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _told(info) if info["type"] == "file" else None

    def list(self, folder):
        """All objects in a folder and below, as path, size and age."""
        self.fs.invalidate_cache()
        try:
            found = self.fs.find(self._full(folder) if folder else self._root, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        start = len(self.fs._strip_protocol(self._root).rstrip("/"))
        listed = []
        for full, info in found.items():
            path = full[start:].lstrip("/")
            name = path.rpartition("/")[2]
            if path and not (name.startswith(".lodestore-") and name.endswith(".part")):
                listed.append((path, *_told(info)))
        return [item for item in listed if not folder or item[0].startswith(f"{folder}/")]

    def delete(self, path):
        """Removes an object, if it is there."""
        if self.head(path) is not None:
            try:
                self.fs.rm_file(self._full(path))
            except FileNotFoundError:
                return


def _told(info):
    """Size and age of a file. One whose age is not told is as young as can be: nobody takes it for old."""
    modified = next(
        (
            info[key]
            for key in ("mtime", "LastModified", "last_modified", "modified", "created")
            if info.get(key)
        ),
        None,
    )
    if isinstance(modified, str):
        try:
            modified = datetime.datetime.fromisoformat(modified)
        except ValueError:
            modified = None
    if isinstance(modified, datetime.datetime):
        modified = (modified if modified.tzinfo else modified.replace(tzinfo=datetime.UTC)).timestamp()
    if not isinstance(modified, (int, float)):
        modified = datetime.datetime.now(datetime.UTC).timestamp()
    return int(info["size"]), int(modified * 1e6)
