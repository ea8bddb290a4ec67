"""What another program does to the database of an embedded project.

In a process of its own, as another program is.
"""

import json
import subprocess
import sys

_PROGRAM = """
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.executescript(sys.argv[2])
print(json.dumps(database.execute(sys.argv[3]).fetchall()))
database.close()
"""


def run(folder, script="", query="SELECT 1"):
    """Runs statements, then a query; gives its rows as lists."""
    command = [sys.executable, "-c", _PROGRAM, str(folder / "lodestore.db"), script, query]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def dump(folder):
    """All that the database holds, as SQL."""
    program = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).iterdump(), sep='\\n')"
    command = [sys.executable, "-c", program, str(folder / "lodestore.db")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
