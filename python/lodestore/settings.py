"""Settings: ``lodestore.config``, and where its values come from.

For every key alike: environment variables outrank ``.secrets/``, which outranks ``datajoint.json``,
which outranks the defaults. What a program sets outranks them all.
"""

import os
from collections.abc import Mapping, MutableMapping
from contextlib import contextmanager

from . import _lodestore
from .errors import DataJointError, ThreadSafetyError
from .legacy import OlderSettings, load_old_file
from .logs import logger

_GROUPS = frozenset(name.split(".")[0] for name in _lodestore.Config.keys() if "." in name)  # noqa: SIM118
_THREAD_SAFE = "Global DataJoint state is disabled in thread-safe mode. Use dj.Instance() to create an isolated instance."


def is_thread_safe_mode():
    """True if the environment asks that there be no process-wide settings and connection."""
    return os.environ.get("DJ_THREAD_SAFE", "").lower() in ("true", "1", "yes", "on")


def refuse_if_thread_safe():
    """Raises `ThreadSafetyError` in thread-safe mode."""
    if is_thread_safe_mode():
        raise ThreadSafetyError(_THREAD_SAFE)


class Config(OlderSettings, MutableMapping):
    """The settings of a project, as a mapping of their names to their values.

    ``config["database.host"]``, ``config["database"]["host"]`` and ``config.database.host`` read and
    write the same setting; ``config.stores`` is a mapping of store names to their settings. Writing
    checks the value and raises `DataJointError` if the setting does not exist or cannot hold it.
    Deleting a setting resets it to its default. Secrets are masked when settings are shown.
    """

    def __init__(self, core=None):
        object.__setattr__(self, "_core", _lodestore.Config.load() if core is None else core)
        # What older programs keep here although it is no setting.
        object.__setattr__(self, "_kept", {})

    @classmethod
    def load_sources(cls):
        """The settings that environment, secrets and file give."""
        core = _lodestore.Config.load()
        for warning in core.warnings():
            logger.warning(warning)
        settings = cls(core)
        if core.get("legacy") and core.file() is None:
            load_old_file(settings)
        return settings

    def __getitem__(self, name):
        if name == "stores":
            return self.stores
        if name in _GROUPS:
            return _Group(self, name)
        core = self._core
        try:
            return core.get(name)
        except DataJointError as error:
            if name in self._kept:
                return self._kept[name]
            raise KeyError(f"Setting '{name}' not found") from error

    def __setitem__(self, name, value):
        if name in _GROUPS and isinstance(value, Mapping):
            self[name]._replace(value)
            return
        if (
            _lodestore.Config.variable(name) is None
            and not name.startswith("stores")
            and self._keep(name, value)
        ):
            return
        self._core.set(name, _plain(value))
        if name == "loglevel":
            logger.setLevel(self._core.get(name))

    def __delitem__(self, name):
        if name in self._kept:
            del self._kept[name]
        elif name == "stores":
            self.stores.clear()
        elif name in _GROUPS:
            self[name].clear()
        else:
            self._core.set(name, None)

    def __iter__(self):
        yield from (*_lodestore.Config.keys(), "stores", *self._kept)

    def __len__(self):
        return sum(1 for _ in self)

    def __getattr__(self, name):
        if name.startswith("_") or name not in self:
            raise AttributeError(f"there is no setting {name!r}")
        return self[name]

    def __setattr__(self, name, value):
        self[name] = value

    def setdefault(self, name, default=None):
        """Returns the value of a setting; sets it to `default` first if it has none."""
        if self.get(name) is None:
            self[name] = default
        return self[name]

    def update(self, other=(), /, **values):
        """Sets several settings. A `copy` restores all of them."""
        if isinstance(other, Config):
            self._core.restore(other._core)
            self._kept.clear()
            self._kept.update(other._kept)
            other = ()
        super().update(other, **values)

    def clear(self):
        """Resets all settings to their defaults."""
        for name in list(self):
            del self[name]

    def copy(self):
        """Returns a copy of the settings, which no connection follows; `update` restores it."""
        settings = Config(self._core.snapshot())
        settings._kept.update(self._kept)
        return settings

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    @property
    def stores(self):
        """The stores by name, and the names of the default ones."""
        return Stores(self, "stores")

    def get_store_spec(self, store=None, *, use_filepath_default=False):
        """The settings of a store, defaults filled in, as a dict. Without a name: of the default one.

        Raises `DataJointError` if it is not configured, or wrongly.
        """
        return self._core.store_spec(store, use_filepath_default)

    def set_database(self, given):
        """Sets those of the settings ``database.*`` that are given, by their names, and not None.

        A host may have its port behind a colon, which counts then.
        """
        given = {name: value for name, value in given.items() if value is not None}
        host, colon, port = str(given.get("host", "")).rpartition(":")
        # An address of IPv6 has several colons.
        if colon and port.isdigit() and ":" not in host:
            given |= {"host": host, "port": int(port)}
        for name, value in given.items():
            self[f"database.{name}"] = value

    def load(self, filename):
        """Applies a file of settings: all of it, or nothing if any of it is wrong. What the environment sets stays."""
        core = self._core
        if not os.path.isfile(filename):
            raise FileNotFoundError(f"Config file not found: {filename}")
        core.load_file(filename)

    @contextmanager
    def override(self, **settings):
        """A context in which settings are different; ``__`` stands for the dot in their names."""
        snapshot = self._core.snapshot()
        try:
            for name, value in settings.items():
                self[name.replace("__", ".")] = value
            yield self
        finally:
            self._core.restore(snapshot)

    def save_template(self, path="datajoint.json", minimal=True, create_secrets_dir=True):
        """Writes a file of settings to begin with; returns its path. A file that is there is kept.

        The settings are those of the embedded project if these settings mean one that exists; otherwise
        they are an example for a server, with a folder of secrets unless `create_secrets_dir` is false.
        """
        if os.path.exists(path):
            raise FileExistsError(f"File already exists: {path}. Remove it first or choose a different path.")
        project = None if is_thread_safe_mode() else self._core
        return _lodestore.Config.save_template(project, path, minimal, create_secrets_dir)

    def __repr__(self):
        shown = (f"  {name} = {value!r}" for name, value in self._core.masked().items())
        return "\n".join(("Config:", *shown))


class _ProcessConfig(Config):
    """The process-wide settings, loaded when first asked for."""

    def __init__(self):
        object.__setattr__(self, "_loaded", None)

    @property
    def current(self):
        """The settings themselves, for those who keep them."""
        refuse_if_thread_safe()
        if self._loaded is None:
            object.__setattr__(self, "_loaded", Config.load_sources())
        return self._loaded

    @property
    def _core(self):
        return self.current._core

    @property
    def _kept(self):
        return self.current._kept

    def __repr__(self):
        if is_thread_safe_mode():
            return "ConfigProxy (thread-safe mode - use dj.Instance())"
        return super().__repr__()


class _Group(MutableMapping):
    """The settings whose names begin alike: ``config.database``."""

    def __init__(self, config, name):
        object.__setattr__(self, "_config", config)
        object.__setattr__(self, "_name", name)

    def __getitem__(self, name):
        return self._config[f"{self._name}.{name}"]

    def __setitem__(self, name, value):
        self._config[f"{self._name}.{name}"] = value

    def __delitem__(self, name):
        del self._config[f"{self._name}.{name}"]

    def __iter__(self):
        prefix = f"{self._name}."
        return (name.removeprefix(prefix) for name in self._config if name.startswith(prefix))

    def __len__(self):
        return sum(1 for _ in self)

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no setting '{self._name}.{name}'") from None

    def __setattr__(self, name, value):
        self[name] = value

    def __dir__(self):
        return [*super().__dir__(), *self]

    def clear(self):
        """Resets the settings to their defaults."""
        self._replace({})

    def copy(self):
        """Returns a dict of the settings."""
        return dict(self)

    def _replace(self, values):
        """Sets some of the settings, and resets the others to their defaults: all or none."""
        before = self._config._core.snapshot()
        try:
            for name in {*self, *values}:
                self[name] = values.get(name)
        except BaseException:
            self._config._core.restore(before)
            raise

    def __repr__(self):
        prefix = f"{self._name}."
        shown = {
            key[len(prefix) :]: value
            for key, value in self._config._core.masked().items()
            if key.startswith(prefix)
        }
        return f"{self._name}({shown})"


class Stores(MutableMapping):
    """The stores, or one of them, as a mapping; writing to it changes the settings."""

    def __init__(self, config, path):
        self._config = config
        self._path = path

    def _content(self):
        return self._config._core.get(self._path)

    def __getitem__(self, name):
        value = self._content()[name]
        return (
            Stores(self._config, f"{self._path}.{name}")
            if isinstance(value, dict) and self._path == "stores"
            else value
        )

    def __setitem__(self, name, value):
        if "." in str(name):
            raise _lodestore.error(
                "invalid-config",
                f"`{name}` cannot name a store or an attribute of one",
                "leave out the dot: dots stand between the parts of a setting's name",
            )
        self._config._core.set(f"{self._path}.{name}", _plain(value))

    def __delitem__(self, name):
        if name not in self._content():
            raise KeyError(name)
        self._config._core.set(f"{self._path}.{name}", None)

    def __iter__(self):
        return iter(self._content())

    def __len__(self):
        return len(self._content())

    def pop(self, name, *default):
        """Removes an entry and returns it as a plain value, for a view of it would be of nothing."""
        removed = self._content().get(name)
        value = super().pop(name, *default)
        return removed if isinstance(value, Stores) else value

    def copy(self):
        """Returns a dict of the stores, or of the settings of one store."""
        return self._content()

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __or__(self, other):
        return {**self.copy(), **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other):
        return {**other, **self.copy()} if isinstance(other, Mapping) else NotImplemented

    def __repr__(self):
        shown = self._config._core.masked()
        for part in self._path.split("."):
            shown = shown[part]
        return repr(shown)


def _plain(value):
    """Returns a value as settings hold it: paths as text, mappings as dicts."""
    if isinstance(value, Stores):
        return value._content()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return os.fspath(value) if isinstance(value, os.PathLike) else value


#: The process-wide settings.
config = _ProcessConfig()
