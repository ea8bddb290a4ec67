"""SQLite, which needs no server."""

import json
import os
import subprocess
import sys

#: Another copy of SQLite, in a process of its own: two copies in one take each other's locks away.
STATEMENT = """
import json, sqlite3, sys
path, sql, parameters = json.load(sys.stdin)
parameters = [bytes.fromhex(item["hex"]) if isinstance(item, dict) else item for item in parameters]
with sqlite3.connect(path) as database:
    print(json.dumps(database.execute(sql, parameters).fetchall()))
"""


class Embedded:
    """Projects in folders of their own."""

    name = "sqlite"
    has_index_on_paths = True
    address = None
    #: What text is called in a cast.
    text = "TEXT"

    @staticmethod
    def install():
        """Nothing is missing."""

    def open(self, folder):
        """The project in a folder."""
        import lodestore as dj

        return dj.Instance(path=folder)

    def table(self, schema, table):
        """The quoted name of a table."""
        return f'"{schema}.{table}"'

    def execute(self, project, sql, parameters=()):
        """Runs a statement behind Lodestore's back; gives its rows."""
        project.connection.close()
        parameters = [{"hex": item.hex()} if isinstance(item, bytes) else item for item in parameters]
        told = json.dumps([project.connection.place, sql.replace("%s", "?"), parameters])
        done = subprocess.run(
            [sys.executable, "-c", STATEMENT], input=told, stdout=subprocess.PIPE, check=True, text=True
        )
        return json.loads(done.stdout)

    def environment(self, project):
        """The environment in which another process finds the project of its own accord."""
        return dict(os.environ)

    def clean(self):
        """Nothing is left behind but the folder."""

    def stop(self):
        """Nothing runs."""
