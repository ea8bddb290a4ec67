"""Private servers for tests, of databases and of objects: started when first asked for, stopped when the tests end.

``LODESTORE_TEST_DATABASES`` says which databases are tested (all by default:
``sqlite,postgresql,mariadb,mysql``). A server that is asked for and cannot be started fails the
tests; nothing is skipped. ``LODESTORE_TEST_POSTGRESQL`` (``postgresql://user:password@host:port``),
``LODESTORE_TEST_MARIADB`` and ``LODESTORE_TEST_MYSQL`` (``mysql://...``) name running servers to use
instead of private ones, for nothing but tests: what tests make there is dropped after them.

``LODESTORE_TEST_STORES`` says in the same way which kinds of stores are tested (``file,s3,gcs,azure``),
and ``LODESTORE_TEST_S3``, ``LODESTORE_TEST_GCS`` and ``LODESTORE_TEST_AZURE``
(``http://name:key@host:port/bucket``) name running servers of objects.

``python -m tests.services install`` installs what is missing, and ``python -m tests.services run
COMMAND`` runs a command with the servers' addresses in those variables, and in ``LODESTORE_TEST_S3_PROXY``
(``host:port``) that of a failing network before S3 (see `proxy_server`).
"""

import atexit
import os

from . import stores
from .embedded import Embedded
from .mysql import MariaDB, MySQL
from .postgresql import PostgreSQL
from .stores import Proxy

KINDS = {"sqlite": Embedded, "postgresql": PostgreSQL, "mariadb": MariaDB, "mysql": MySQL}
_started = {}


def selected():
    """The names of the databases to test."""
    return _selected("LODESTORE_TEST_DATABASES", KINDS)


def selected_stores():
    """The kinds of stores to test."""
    return _selected("LODESTORE_TEST_STORES", stores.KINDS)


def _selected(variable, kinds):
    names = [name.strip() for name in os.environ.get(variable, ",".join(kinds)).split(",")]
    unknown = set(names) - set(kinds)
    if unknown:
        raise ValueError(f"{variable} names {sorted(unknown)}, of {sorted(kinds)}")
    return names


def private(name, *options):
    """A server of its own, which a test may kill. Whoever asks for it stops it."""
    return KINDS[name](private=True, options=options)


def service(name):
    """The database of that name, started if it is not running yet."""
    return _started_of(name, KINDS)


def store(name):
    """The server of that kind of store, started if it is not running yet."""
    return _started_of(name, stores.KINDS)


def proxy(name):
    """A failing network before the server of that kind of store. Whoever asks for it stops it."""
    return Proxy(store(name).port)


def _started_of(name, kinds):
    if name not in _started:
        _started[name] = kinds[name]()
    return _started[name]


@atexit.register
def stop():
    """Stops what was started."""
    while _started:
        _started.popitem()[1].stop()
