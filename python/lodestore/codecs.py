"""Codecs of one's own: how values of a domain are stored, under a name between angle brackets.

    class GraphCodec(dj.Codec):
        name = "graph"

        def get_dtype(self, is_store):
            return "<blob>"

        def encode(self, value, *, key=None, store_name=None):
            return {"nodes": list(value.nodes), "edges": list(value.edges)}

        def decode(self, stored, *, key=None):
            graph = networkx.Graph()
            ...
            return graph

An attribute of type ``<graph>`` or ``<graph@store>`` takes graphs from then on. Codecs of installed
packages are found by the entry points of the groups ``lodestore.codecs`` and ``datajoint.codecs``.
"""

import inspect
import json
from functools import lru_cache

from . import _lodestore
from .logs import logger

_BUILTIN = frozenset(_lodestore.builtin_codecs())
_GROUPS = ("lodestore.codecs", "datajoint.codecs", "datajoint.types")
_registry = {}
_loaded = False


class Codec:
    """A translation between a value and what is stored.

    A subclass with a `name` is registered when it is defined, unless ``register=False`` is among
    the class keywords. Defining it again, as notebooks do, replaces it. `encode` and `decode` get
    of ``key``, ``context`` and ``store_name`` those that they declare:

    - ``key``: the primary key of the row, as a dict;
    - ``context``: ``schema``, ``table``, ``field`` and ``config``;
    - ``store_name``: the name of the store, None in the table.
    """

    #: The name between the angle brackets; None for a base of other codecs.
    name = None

    def __init_subclass__(cls, *, register=True, **keywords):
        super().__init_subclass__(**keywords)
        if register and cls.__dict__.get("name") is not None:
            _register(cls.name, cls())

    def get_dtype(self, is_store):
        """What the encoded value is stored as: a core type, or another codec such as ``"<blob>"``."""
        raise NotImplementedError(f"{type(self).__name__} must say by get_dtype() what it is stored as")

    def validate(self, value):
        """Raises `TypeError` or `ValueError` for a value that cannot be encoded."""

    def encode(self, value, *, key=None, context=None, store_name=None):
        """What is stored for a value, which is never None."""
        raise NotImplementedError(f"{type(self).__name__} has no encode()")

    def decode(self, stored, *, key=None, context=None):
        """The value of what is stored, which is never None."""
        raise NotImplementedError(f"{type(self).__name__} has no decode()")

    def referenced_paths(self, stored):
        """The objects that a column names, as pairs of path and store."""
        if isinstance(stored, str):
            try:
                stored = json.loads(stored)
            except ValueError:
                return []
        if isinstance(stored, dict) and stored.get("path"):
            return [(stored["path"], stored.get("store") or None)]
        return []

    @staticmethod
    def _codec_config(key=None, context=None):
        """The settings of the project that a value belongs to, if they were passed."""
        if context and context.get("config") is not None:
            return context["config"]
        return (key or {}).get("_config")

    def __repr__(self):
        return f"<{type(self).__name__}(name={self.name!r})>"


class SchemaCodec(Codec, register=False):
    """A base of codecs that write an object of their own for each row, under a path made of its key.

    `_build_path` gives that path, `_get_backend` the store to write to and to read from. What
    `encode` returns is kept in the row as JSON and must tell ``path`` and ``store``. If the row is
    not inserted in the end, whatever lies at the path is removed again.
    """

    def get_dtype(self, is_store):
        """JSON, in a store only."""
        if not is_store:
            raise _lodestore.error(
                "invalid-definition",
                f"`<{self.name}>` requires @ (store only)",
                f"write `<{self.name}@>` for the default store or `<{self.name}@store>`",
            )
        return "json"

    def _extract_context(self, key=None, context=None):
        """Schema, table, field and primary key of the row at hand."""
        key, context = key or {}, context or {}
        place = (
            context.get(name) or key.get(f"_{name}") or default
            for name, default in (("schema", "unknown"), ("table", "unknown"), ("field", "data"))
        )
        return (*place, {name: value for name, value in key.items() if not name.startswith("_")})

    def _build_path(self, schema, table, field, primary_key, ext=None, store_name=None, config=None):
        """A path for a new object of a row, which no other has, and the token that makes it so."""
        path = _lodestore.new_object_path(
            _project(config), schema, table, field, dict(primary_key), ext or "", store_name
        )
        token = path.rsplit("/", 1)[-1].removeprefix(f"{field}.").split(".", 1)[0]
        return path, token

    def _get_backend(self, store_name=None, config=None):
        """The store of this name, or the default one, to write to and to read from."""
        from .storage import StorageBackend

        return StorageBackend(_lodestore.StoreHandle.open(_project(config), store_name or ""))


class HashCodec(Codec, register=False):
    """A base of codecs that turn a value into bytes: in a store equal content is kept once.

    A subclass gives `encode` and `decode`, between its values and bytes.
    """

    def get_dtype(self, is_store):
        """Bytes in the table, a hash-addressed object in a store."""
        return "<hash@>" if is_store else "bytes"


def list_codecs():
    """The names of all codecs, sorted; those of installed packages are loaded first."""
    _load_entry_points()
    return sorted(_BUILTIN | set(_registry))


def get_codec(name):
    """The codec of a name; brackets and store are ignored.

    Raises `DataJointError` if there is none.
    """
    name = parse_type_spec(name)[0]
    found = _builtin(name) if name in _BUILTIN else _find(name)
    if found is None:
        raise _lodestore.error(
            "unknown-codec",
            f"Unknown codec: <{name}>. Ensure the codec is defined (inherit from dj.Codec with name='{name}').",
            f"known codecs: {', '.join(list_codecs())}",
        )
    return found


def codec_of(text):
    """The codec of a type; a stand-in that can do nothing if there is none of its name."""
    name = parse_type_spec(text)[0]
    return get_codec(name) if is_codec_registered(name) else _Unknown(name)


class _Unknown(Codec, register=False):
    """Stands for a codec that is not registered: of no use but to tell so."""

    def __init__(self, name):
        self.name = name

    def _use(self, *_args, **_options):
        raise _lodestore.error(
            "unknown-codec",
            f"Codec <{self.name}> is not registered. Define a Codec subclass with name='{self.name}'.",
            "import the module, or install the package, that defines it",
        )

    get_dtype = encode = decode = validate = _use


def is_codec_registered(name):
    """True if there is a codec of this name; those of installed packages count."""
    name = parse_type_spec(name)[0]
    return name in _BUILTIN or _find(name) is not None


def unregister_codec(name):
    """Takes a codec of one's own out. Raises `DataJointError` if there is none of this name."""
    if _registry.pop(parse_type_spec(name)[0], None) is None:
        raise _lodestore.error("unknown-codec", f"Codec <{name}> is not registered")


def parse_type_spec(text):
    """Name and store of a codec type: ``("blob", "cold")`` of ``<blob@cold>``, None in the table."""
    inside = text.strip().strip("<>").strip()
    name, at, store = inside.partition("@")
    return name.strip(), store.strip() if at else None


def lookup_codec(text):
    """The codec of a type, and the store that it names."""
    name, store = parse_type_spec(text)
    return get_codec(name), store


def resolve_dtype(dtype, store_name=None):
    """Follows a type through its codecs: the column's type, the codecs from outside in, the store.

    Raises `DataJointError` for unknown codecs and for those that chain in a circle.
    """
    if not dtype.strip().startswith("<"):
        name, store = parse_type_spec(dtype)
        return name, [], store if store is not None else store_name
    column, names, store = _lodestore.resolve_codec(dtype, store_name)
    return column, [get_codec(name) for name in names], store


def _register(name, codec):
    if not isinstance(name, str) or not name:
        raise _lodestore.error("invalid-request", f"Codec name must be a non-empty string, got {name!r}")
    if any(letter in "<>@" or letter.isspace() for letter in name):
        raise _lodestore.error(
            "invalid-request", f"`{name}` cannot name a codec", "use a word without `<`, `>`, `@`"
        )
    known = _registry.get(name)
    owner = type(known) if known is not None else None
    again = owner is not None and _is_same(owner, type(codec))
    if name in _BUILTIN or (owner is not None and not again):
        where = f"{owner.__module__}.{owner.__qualname__}" if owner else "lodestore itself"
        raise _lodestore.error(
            "invalid-request",
            f"Codec <{name}> already registered by {where}",
            "choose another name, or `unregister_codec` the one that has it",
        )
    _registry[name] = codec


def _is_same(known, new):
    """True for one class defined again, such as in a notebook."""
    return (known.__module__, known.__qualname__) == (new.__module__, new.__qualname__)


def _find(name):
    """The codec of one's own of this name, or None; called by the core for names it does not know."""
    if name not in _registry:
        _load_entry_points()
    return _registry.get(name)


def entry_points(group):
    """The entry points of installed packages; asked for late, since that takes its time."""
    from importlib.metadata import entry_points

    return entry_points(group=group)


def _load_entry_points():
    global _loaded
    if _loaded:
        return
    _loaded = True
    from .in_place import load

    for group in _GROUPS:
        for entry in entry_points(group=group):
            if entry.name in _BUILTIN or entry.name in _registry:
                continue
            try:
                loaded = load(entry)
                # Defining the class has mostly registered it, under its own name.
                if entry.name not in _registry and getattr(loaded, "name", None):
                    _register(entry.name, loaded() if isinstance(loaded, type) else loaded)
            except Exception as error:
                logger.warning(f"codec {entry.name!r} of {entry.value!r} cannot be loaded: {error}")


def _builtin(name):
    from . import builtin_codecs

    return builtin_codecs.by_name(name)


def _project(config):
    """The core's project of some settings; the core knows by itself for which one a codec is at work."""
    from .connection import project_of

    return project_of(config)


@lru_cache(maxsize=512)
def _declared(function):
    """Of the keywords that a codec may get, those that a function declares."""
    names = inspect.signature(function).parameters
    return frozenset(name for name in ("key", "context", "store_name") if name in names)


def _call(method, value, **given):
    declared = _declared(getattr(method, "__func__", method)) | {"key"}
    return method(value, **{name: item for name, item in given.items() if name in declared})


def _encode(codec, value, key, place, store_name, config):
    """Calls `encode` with what it declares."""
    schema, table, field = place
    key = {**key, "_schema": schema, "_table": table, "_field": field, "_config": config}
    context = {"schema": schema, "table": table, "field": field, "config": config}
    encoded = _call(codec.encode, value, key=key, context=context, store_name=store_name)
    if encoded is None:
        raise _lodestore.error(
            "user", f"codec `{codec.name}` encoded a value as None", "return what is to be stored"
        )
    return encoded


def _decode(codec, stored, key, field, config):
    """Calls `decode` with what it declares."""
    key = {**key, "_field": field, "_config": config}
    return _call(codec.decode, stored, key=key, context={"field": field, "config": config})


__all__ = [
    "Codec",
    "HashCodec",
    "SchemaCodec",
    "get_codec",
    "is_codec_registered",
    "list_codecs",
    "lookup_codec",
    "parse_type_spec",
    "resolve_dtype",
    "unregister_codec",
]
