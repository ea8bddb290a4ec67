"""Private database servers for tests: started when first asked for, stopped when the tests end.

``LODESTORE_TEST_DATABASES`` says which databases are tested (all by default:
``sqlite,postgresql,mariadb,mysql``). A server that is asked for and cannot be started fails the
tests; nothing is skipped. ``LODESTORE_TEST_POSTGRESQL`` (``postgresql://user:password@host:port``),
``LODESTORE_TEST_MARIADB`` and ``LODESTORE_TEST_MYSQL`` (``mysql://...``) name running servers to use
instead of private ones, for nothing but tests: what tests make there is dropped after them.

``python -m tests.services install`` installs what is missing, and ``python -m tests.services run
COMMAND`` runs a command with the servers' addresses in those variables.
"""

import atexit
import os

from .embedded import Embedded
from .mysql import MariaDB, MySQL
from .postgresql import PostgreSQL

KINDS = {"sqlite": Embedded, "postgresql": PostgreSQL, "mariadb": MariaDB, "mysql": MySQL}
_started = {}


def selected():
    """The names of the databases to test."""
    names = [name.strip() for name in os.environ.get("LODESTORE_TEST_DATABASES", ",".join(KINDS)).split(",")]
    unknown = set(names) - set(KINDS)
    if unknown:
        raise ValueError(f"LODESTORE_TEST_DATABASES names {sorted(unknown)}, of {sorted(KINDS)}")
    return names


def private(name, *options):
    """A server of its own, which a test may kill. Whoever asks for it stops it."""
    return KINDS[name](private=True, options=options)


def service(name):
    """The database of that name, started if it is not running yet."""
    if name not in _started:
        _started[name] = KINDS[name]()
    return _started[name]


@atexit.register
def stop():
    """Stops what was started."""
    while _started:
        _started.popitem()[1].stop()
