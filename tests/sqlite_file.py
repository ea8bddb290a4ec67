"""The file of an embedded project, looked at by another process.

Python's SQLite and Lodestore's are two copies. In one process, the one that closes the file drops the
locks of the other, and may take away its write-ahead log.
"""

import json
import sqlite3
import subprocess
import sys

_CODE = """
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
try:
    if sys.argv[2] == "dump":
        found = list(database.iterdump())
    else:
        for statement in json.loads(sys.argv[2]):
            found = database.execute(statement).fetchall()
    print(json.dumps({"found": found}))
except sqlite3.Error as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
database.close()
"""


def ask(place, *statements):
    """Runs statements on the file; gives the rows of the last one, as lists. Raises the errors of `sqlite3`."""
    return _run(place, json.dumps(statements))


def dump(place):
    """All that the database holds, as SQL."""
    return _run(place, "dump")


def _run(place, what):
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(place), what], capture_output=True, check=True, text=True
    )
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise getattr(sqlite3, answer["error"])(answer["message"])
    return answer["found"]
