"""Objects that are written for a row that is there: pending until the row names them."""

import atexit

from . import _lodestore
from .objectref import ObjectRef

#: What no row owns yet: kept until then, for a program may hold no more than a file system of it.
_pending = set()


class PendingObjectRef(ObjectRef):
    """A new object of a row: written through `fsmap`, `fs` or `open`, then stored by `update1`.

    From then on it is the reference that fetching the row gives, for reading.
    """

    def __init__(self, handle):
        self._handle = handle
        self._object = None
        _pending.add(self)

    @property
    def _core(self):
        if self._object is None and self._handle.is_stored:
            self._object = self._handle.reference()
            _pending.discard(self)
        return self._handle if self._object is None else self._object

    @property
    def is_pending(self):
        """True until a row owns it."""
        return self._core is self._handle

    @property
    def _told(self):
        return {} if self.is_pending else self._core.metadata()

    @property
    def is_dir(self):
        """True for a folder; None while it is pending."""
        return None if self.is_pending else super().is_dir

    @property
    def fs(self):
        """The store as a file system of fsspec; writable below `path` while it is pending."""
        if not self.is_pending:
            return super().fs
        from .filesystem import LodestoreFileSystem

        return LodestoreFileSystem.of(self._handle.open_store(), writable=[self.path])

    def open(self, subpath=None, mode="rb"):
        """While it is pending, ``"wb"`` writes it, or with `subpath` a file of it; otherwise as `ObjectRef.open`."""
        if not self.is_pending:
            return super().open(subpath, mode)
        if mode in ("wb", "w", "w+b", "xb") and subpath is None:
            from .staged import StagedStream

            return StagedStream(self._handle.create())
        path = self.path if subpath is None else f"{self.path}/{subpath}"
        return self.fs.open(path, "wb" if mode[0] in "wx" else "rb")

    def discard(self):
        """Removes what was written, unless a row owns it."""
        self._handle.discard()
        _pending.discard(self)

    def __eq__(self, other):
        return self is other if self.is_pending else super().__eq__(other)

    __hash__ = object.__hash__

    def __reduce__(self):
        if self.is_pending:
            raise _lodestore.error(
                "invalid-request",
                "a pending object cannot be sent to another process",
                "send its `fsmap` or `fs` there, and store it from here",
            )
        return super().__reduce__()

    def __getattribute__(self, name):
        if name in _NEEDS_OBJECT and self.is_pending:
            raise _lodestore.error(
                "invalid-request",
                f"`{name}` of an object that no row owns yet",
                "store it by `update1` first; until then use `fs`",
            )
        return super().__getattribute__(name)

    def __repr__(self):
        return f"PendingObjectRef({self.path})" if self.is_pending else super().__repr__()


#: What makes sense only when it is complete.
_NEEDS_OBJECT = frozenset(
    ["read", "listdir", "walk", "download", "verify", "exists", "url", "full_path", "to_json"]
)


@atexit.register
def _discard_all():
    for ref in list(_pending):
        ref.discard()


__all__ = ["PendingObjectRef"]
