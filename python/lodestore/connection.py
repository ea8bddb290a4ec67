"""Connections: the way to one database, with its transactions."""

import getpass
import os
import threading
import weakref
from contextlib import contextmanager

from . import _lodestore, statements
from .adapter import Adapter
from .dependencies import DependencyGraph
from .errors import DataJointError
from .logs import logger
from .settings import config, refuse_if_thread_safe


class Connection:
    """The way to one project's database.

    Each thread that uses a connection has a transaction of its own.

    - `host` (perhaps with ``:port``), `user`, `password`, `port`, `use_tls`: the server, as the settings
      ``database.*`` describe it;
    - `database_name`: the database of a PostgreSQL server; `backend`: ``"mysql"`` or ``"postgresql"``;
    - `config_override`: the settings to follow in all else, by default those of the process.

    Raises `DataJointError` if the server cannot be reached or lets nobody in.
    """

    def __init__(
        self,
        host,
        user,
        password,
        port=None,
        use_tls=None,
        *,
        database_name=None,
        backend=None,
        config_override=None,
    ):
        followed = _settings_of(config if config_override is None else config_override)
        # What is given here says where the database is, to this connection alone; all else follows the settings.
        settings = followed.copy()
        given = {
            "host": host,
            "user": user,
            "password": password,
            "port": port,
            "use_tls": use_tls,
            "name": database_name,
            "backend": backend,
        }
        settings.set_database(given)
        self._open(followed, settings)

    @classmethod
    def of(cls, settings):
        """The connection that settings describe, and that follows them."""
        connection = object.__new__(cls)
        connection._open(settings, None)
        return connection

    def _open(self, settings, database):
        self._config = settings
        self._core = _lodestore.Instance.open(settings._core, None if database is None else database._core)
        #: The settings ``database.*`` as they were when it was opened.
        self._database = (settings if database is None else database).database.copy()
        #: The schemas that were activated on it, by name.
        self.schemas = {}
        #: How its tables refer to each other.
        self.dependencies = DependencyGraph(self)
        #: What its database wants to be said otherwise.
        self.adapter = Adapter(self._core)
        _open[self.place] = self
        if (settings if database is None else database)._core.is_unconfigured():
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
    def conn_info(self):
        """Where the database is and who asks, as a dict. The password is not in it."""
        names = ("backend", "host", "port", "user", "use_tls", "name", "path")
        return {name: self._database[name] for name in names} | {"backend": self.adapter.backend}

    @property
    def connection_id(self):
        """The number by which the server knows this thread's connection; None where there is no server."""
        session = self._core.session()
        return None if session is None else session[1]

    @property
    def is_connected(self):
        """True if this thread has a connection, and the database answers."""
        if not self._core.is_open():
            return False
        try:
            self.ping()
        except DataJointError:
            return False
        return True

    def connect(self):
        """Opens this thread's connection, unless it is open."""
        self.ping()

    def ping(self):
        """Asks the database for an answer; raises `LostConnectionError` if there is none."""
        self.query("SELECT 1")

    def get_user(self):
        """Who the user is to the database: ``user@host`` on MySQL, else the user's name."""
        session = self._core.session()
        return getpass.getuser() if session is None else session[0]

    def register(self, schema):
        """Notes a schema that was activated on this connection."""
        self.schemas[schema.database] = schema
        self.dependencies.clear()

    def query(self, sql, args=(), *, as_dict=False, suppress_warnings=True, reconnect=None):
        """Sends one SQL statement of your own; gives a cursor (`fetchall`, `fetchone`, iteration,
        `description`, `rowcount`) of tuples, or of dicts with `as_dict`.

        ``%s`` in the text stands for the values of `args` in turn, ``%(name)s`` for those of a dict,
        and ``%%`` for ``%``. It runs in this thread's transaction if one is open. What it writes
        passes by codecs and stores. `suppress_warnings` and `reconnect` change nothing here: a
        connection is opened again as the setting ``database.reconnect`` says.

        Raises the database's complaint as a `QueryError` or one of its relatives.
        """
        return statements.run(self._core, sql, args, as_dict)

    def set_query_cache(self, query_cache=None):
        """Accepts the name of a query cache. Queries are not cached: every fetch reads the database."""
        if query_cache is not None:
            logger.warning(f"Queries are not cached: `{query_cache}` has no effect.")

    def purge_query_cache(self):
        """Does nothing: queries are not cached."""

    @property
    def in_transaction(self):
        """True while this thread has a transaction open."""
        return self._core.in_transaction()

    def start_transaction(self):
        """Begins a transaction. Raises `DataJointError` if this thread has one open."""
        self._core.begin(scoped=False)

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
        self._core.begin(scoped=True)
        try:
            yield self
        except BaseException:
            self.cancel_transaction()
            raise
        self.commit_transaction()

    def close(self):
        """Closes this thread's connection; the next use opens another.

        An open transaction is rolled back, with a warning. Inside of ``with connection.transaction`` nothing
        more is written then, and the block ends in a `LostConnectionError`.
        """
        if self._core.close():
            logger.warning(
                "The connection was closed within a transaction, which is rolled back: nothing of it is stored"
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        state = "connected" if self._core.is_open() else "disconnected"
        return f"Lodestore connection ({state}) {self._core.place}"


#: The connections of this process, by the place of their database.
_open = weakref.WeakValueDictionary()
#: Kept open for references that came from elsewhere.
_reopened = []
_default = None
#: Held while the process-wide connection is made, so that threads get the same one.
_making = threading.Lock()
_announced = False


def conn(host=None, user=None, password=None, *, reset=False, use_tls=None):
    """The process-wide connection, made from `lodestore.config` when first asked for.

    Arguments set the configuration first; once there is a connection they count only with
    ``reset=True``, which makes a new one.

    Raises `ThreadSafetyError` in thread-safe mode.
    """
    global _default
    refuse_if_thread_safe()
    with _making:
        if _default is None or reset:
            config.set_database({"host": host, "user": user, "password": password, "use_tls": use_tls})
            # Earlier programs find it as an attribute of this function, too.
            _default = conn.connection = Connection.of(config.current)
        return _default


def existing():
    """Returns the process-wide connection for code that only reads: it creates no embedded project.

    Raises `DataJointError` if there is no project.
    """
    if _default is None:
        folder = config.current._core.missing_project()
        if folder is not None:
            raise _lodestore.error(
                "invalid-config",
                f"there is no project in `{folder}`",
                "go to the folder of the project, or name its folder by `dj.config['database.path']`",
            )
    return conn()


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
    if known is None and config.current._core.is_unconfigured():
        raise _lodestore.error(
            "invalid-request",
            f"a reference of the project {place} reached a process that is not configured for it",
            "configure the database and the stores there: by `datajoint.json`, or by environment variables",
        )
    return (known or conn())._core


def project_of(settings):
    """The core's project that follows these settings; None for those of no open connection."""
    if settings is None:
        return None
    # Connections made by hand follow the process-wide settings too: the process-wide connection comes first.
    for known in (*([_default] if _default is not None else ()), *_open.values()):
        if known.config._core is settings._core:
            return known._core
    return None


def _settings_of(settings):
    """Returns the settings themselves: the process-wide ones are behind a proxy."""
    return config.current if settings is config else settings


def list_schemas(connection=None):
    """The names of all schemas; none where no embedded project was created yet."""
    if connection is None and _default is None and config.current._core.missing_project() is not None:
        return []
    return (connection or conn())._core.schemas()


def _announce(place):
    global _announced
    if not _announced:
        _announced = True
        folder = os.path.dirname(place)
        logger.info(f"Nothing is configured: using the embedded project in {folder}")
