"""Stores as codecs of one's own use them."""

import os

from . import _lodestore
from .errors import MissingExternalFile


class StorageBackend:
    """A store: files by their paths in it.

    Writing is for codecs, under the paths that `SchemaCodec._build_path` gives.
    """

    def __init__(self, handle):
        if isinstance(handle, (str, type(None))):
            from .connection import conn

            handle = _lodestore.StoreHandle.open(conn()._core, handle or "")
        self._handle = handle

    @property
    def name(self):
        """The name of the store."""
        return self._handle.name

    @property
    def fs(self):
        """The store as a file system of fsspec."""
        from .filesystem import LodestoreFileSystem

        return LodestoreFileSystem.of(self._handle, writable=True)

    def get_fsmap(self, path):
        """A folder of the store as a mapping, to write and to read."""
        from .filesystem import FolderMapping

        return FolderMapping(str(path), self.fs)

    def put_buffer(self, buffer, path):
        """Writes bytes as a file, in one step."""
        self._handle.put(str(path), bytes(buffer))

    def get_buffer(self, path):
        """The bytes of a file. Raises `MissingExternalFile` if it is not there."""
        found = self._handle.get(str(path))
        if found is None:
            raise MissingExternalFile(f"Missing external file {self._handle.url(str(path))}")
        return found

    def put_file(self, local_path, remote_path, metadata=None):
        """Copies a file of this machine into the store, in one step and piece by piece."""
        self._handle.put_file(str(remote_path), os.fspath(local_path))

    def get_file(self, remote_path, local_path):
        """Copies a file out of the store, over what is there."""
        self.fs.get_file(str(remote_path), os.fspath(local_path))

    def put_folder(self, local_path, remote_path):
        """Copies a folder of this machine into the store."""
        local_path = os.fspath(local_path)
        for folder, _, names in os.walk(local_path, followlinks=True):
            for name in names:
                file = os.path.join(folder, name)
                inner = os.path.relpath(file, local_path).replace(os.sep, "/")
                self._handle.put_file(f"{remote_path}/{inner}", file)

    def exists(self, path):
        """True if a file or folder is there."""
        return self._handle.size(str(path)) is not None or self.isdir(path)

    def isdir(self, path):
        """True if there is anything below."""
        return bool(self._handle.list(str(path)))

    def size(self, path):
        """The size of a file in bytes. Raises `MissingExternalFile` if it is not there."""
        found = self._handle.size(str(path))
        if found is None:
            raise MissingExternalFile(f"Missing external file {self._handle.url(str(path))}")
        return found

    def open(self, path, mode="rb"):
        """A file of the store as a stream: to read, or (``"wb"``) to write it whole."""
        return self.fs.open(str(path), mode)

    def remove(self, path):
        """Removes a file; one that is not there is no error."""
        self._handle.delete(str(path))

    def remove_folder(self, path):
        """Removes all files of a folder, and the manifest beside it."""
        for name, _ in self._handle.list(str(path)):
            self._handle.delete(name)
        self._handle.delete(f"{path}.manifest.json")

    def get_url(self, path):
        """The URL of a file."""
        return self._handle.url(str(path))

    def __repr__(self):
        return f"StorageBackend({self.name!r})"
