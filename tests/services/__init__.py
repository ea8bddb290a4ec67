"""Private database servers for tests: started when first asked for, stopped when the tests end.

``LODESTORE_TEST_DATABASES`` says which databases are tested (all by default: ``sqlite,postgresql``).
A server that is asked for and cannot be started fails the tests; nothing is skipped.
``LODESTORE_TEST_POSTGRESQL`` (``postgresql://user:password@host:port``) names a running server to
use instead of a private one; tests make databases of their own there.

``python -m tests.services install`` installs what is missing, and ``python -m tests.services run
COMMAND`` runs a command with the servers' addresses in those variables.
"""

import atexit
import os

from .embedded import Embedded
from .postgresql import PostgreSQL

KINDS = {"sqlite": Embedded, "postgresql": PostgreSQL}
_started = {}


def selected():
    """The names of the databases to test."""
    names = [name.strip() for name in os.environ.get("LODESTORE_TEST_DATABASES", ",".join(KINDS)).split(",")]
    unknown = set(names) - set(KINDS)
    if unknown:
        raise ValueError(f"LODESTORE_TEST_DATABASES names {sorted(unknown)}, of {sorted(KINDS)}")
    return names


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
