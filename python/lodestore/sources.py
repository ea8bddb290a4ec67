"""What ``<object@>`` takes beside bytes and paths: open files and Zarr groups."""

import os
import tempfile

from . import _lodestore
from .objectref import ObjectRef


def prepare(value, folders):
    """A value in the form that the core takes: bytes, a path, or a tuple of extension and one of them.

    What has no path yet is written to a temporary folder, piece by piece; `folders` is an
    `contextlib.ExitStack` that removes it in the end.
    """
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        extension, content = value
        return (extension, _content(content, folders))
    return _content(value, folders)


def _content(value, folders):
    if isinstance(value, (bytes, str, os.PathLike, ObjectRef)):
        return value
    if isinstance(getattr(value, "_core", None), (_lodestore.ObjectHandle, _lodestore.StagedHandle)):
        # A reference, or an object that is being staged: the core knows where it lies.
        return value
    if hasattr(value, "read") and not hasattr(value, "dtype"):
        return _spooled(value, folders)
    if hasattr(value, "store_path") or (
        type(value).__module__.startswith("zarr.") and hasattr(value, "store")
    ):
        return _zarr(value, folders)
    return value


def _scratch(folders):
    return folders.enter_context(tempfile.TemporaryDirectory(prefix="lodestore-"))


def _spooled(stream, folders):
    path = os.path.join(_scratch(folders), "stream")
    with open(path, "wb") as file:
        while piece := stream.read(1 << 20):
            if isinstance(piece, str):
                raise _lodestore.error(
                    "invalid-type",
                    "a file opened as text cannot be stored",
                    "open it as bytes: open(path, 'rb')",
                )
            file.write(piece)
    return path


def _zarr(node, folders):
    """The folder of a Zarr group or array: its own if it lies on this machine, else a copy."""
    inner = node.path.strip("/")
    store = node.store
    for name in ("root", "path", "dir_path"):
        root = getattr(store, name, None)
        root = root() if callable(root) else root
        if isinstance(root, (str, os.PathLike)) and os.path.isdir(os.path.join(root, inner)):
            return (".zarr", os.path.join(root, inner))
    target = os.path.join(_scratch(folders), "copy.zarr")
    os.makedirs(target)
    for name, content in _entries(store, inner):
        file = os.path.join(target, *name.split("/"))
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "wb") as opened:
            opened.write(content)
    return target


def _entries(store, inner):
    prefix = f"{inner}/" if inner else ""
    if hasattr(store, "list_prefix"):
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        async def collected():
            return [name async for name in store.list_prefix(prefix)]

        for name in sync(collected()):
            yield name[len(prefix) :], sync(store.get(name, default_buffer_prototype())).to_bytes()
    else:
        for name in list(store):
            if name.startswith(prefix):
                yield name[len(prefix) :], bytes(store[name])


__all__ = ["prepare"]
