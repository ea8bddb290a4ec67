"""Connections: the way to one database, with its transactions."""

import os
import weakref
from contextlib import contextmanager

from . import _lodestore
from .logs import logger
from .settings import config, refuse_if_thread_safe


class Connection:
    """The way to one project's database.

    Each thread that uses a connection has a transaction of its own.
    """

    def __init__(self, settings):
        self._config = settings
        self._core = _lodestore.Instance.open(settings._core)
        self.schemas = {}
        _open[self.place] = self
        if settings._core.is_unconfigured():
            _announce(self._core.place)

    @property
    def place(self):
        """Where the database lies."""
        return self._core.place

    @property
    def config(self):
        """The settings that this connection follows."""
        return self._config

    @property
    def in_transaction(self):
        """True while this thread has a transaction open."""
        return self._core.in_transaction()

    def start_transaction(self):
        """Begins a transaction. Raises `DataJointError` if this thread has one open."""
        self._core.begin()

    def commit_transaction(self):
        """Makes all since the start visible at once; without a transaction nothing happens."""
        if self.in_transaction:
            self._core.commit()

    def cancel_transaction(self):
        """Forgets all since the start; without a transaction nothing happens."""
        self._core.rollback()

    @property
    @contextmanager
    def transaction(self):
        """A context in which all that is written becomes visible at its end, or nothing of it."""
        self.start_transaction()
        try:
            yield self
        except BaseException:
            self.cancel_transaction()
            raise
        self.commit_transaction()

    def close(self):
        """Closes this thread's connection; the next use opens another."""
        self._core.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"Lodestore connection {self._core.place}"


#: The connections of this process, by the place of their database.
_open = weakref.WeakValueDictionary()
#: Kept open for references that came from elsewhere.
_reopened = []
_default = None
_announced = False


def conn(host=None, user=None, password=None, *, reset=False, use_tls=None):
    """The process-wide connection, made from `lodestore.config` when first asked for.

    Arguments set the configuration first; once there is a connection they count only with
    ``reset=True``, which makes a new one.

    Raises `ThreadSafetyError` in thread-safe mode.
    """
    global _default
    refuse_if_thread_safe()
    if _default is None or reset:
        given = {"host": host, "user": user, "password": password, "use_tls": use_tls}
        for name, value in given.items():
            if value is not None:
                config[f"database.{name}"] = value
        _default = Connection(config.current)
    return _default


def project_at(place):
    """The core's project whose database lies at `place`, for a reference that was sent here.

    It is one that this process has open, or the embedded project at that place, or else the one
    that this process is configured for.
    """
    known = _open.get(place)
    if known is None and os.path.isfile(place):
        from .instance import Instance

        known = Instance(path=os.path.dirname(place)).connection
        _reopened.append(known)
    return (known or conn())._core


def project_of(settings):
    """The core's project that follows these settings; None for those of no open connection."""
    if settings is None:
        return None
    for known in list(_open.values()):
        if known.config._core is settings._core:
            return known._core
    return None


def list_schemas(connection=None):
    """The names of all schemas."""
    return (connection or conn())._core.schemas()


def _announce(place):
    global _announced
    if not _announced:
        _announced = True
        folder = os.path.dirname(place)
        logger.info(f"Nothing is configured: using the embedded project in {folder}")
