"""Writers, deleters and collectors that are killed again and again lose nothing that is stored, and leave nothing.

The short form runs with the tests; `LODESTORE_SOAK=600` (seconds for each database and store) is the long one: `make soak`.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import checker
import lodestore as dj

SECONDS = float(os.environ.get("LODESTORE_SOAK", "4"))

BODY = """
import json, os, random, sys, time
import numpy as np
import lodestore as dj

role, seed = sys.argv[1], int(sys.argv[2])
chance = random.Random(seed)
# Some write under other prefixes than the others.
other = {"hash_prefix": "content", "schema_prefix": "arrays"} if chance.random() < 0.3 else {}
dj.config.stores["main"] = {**json.loads(sys.argv[3]), **other}
dj.config.stores["default"] = "main"
connection = dj.conn()
schema = dj.Schema("kills")
table = dj.FreeTable("kills.thing")
os.makedirs(f"tree{seed}/inner")
for name in ("a", "inner/b"):
    with open(f"tree{seed}/{name}", "w") as file:
        file.write(name)
while True:
    try:
        number = chance.randrange(60)
        content = f"content {chance.randrange(8)}"
        row = {"id": number, "trace": np.full(50, number), "shared": content, "tree": f"tree{seed}"}
        if role == "write":
            chance.choice([
                lambda: table.insert1(row, skip_duplicates=True),
                lambda: table.insert([row, {**row, "id": number + 1}], skip_duplicates=True),
                lambda: table.insert1(row, replace=True),
                lambda: table.update1(row) if table & {"id": number} else None,
            ])()
        elif role == "delete":
            # In the long form some deletes can be undone, for long or for a moment.
            dj.config["gc.undelete"] = chance.choice(json.loads(sys.argv[4]))
            (table & {"id": number}).delete(prompt=False)
            if chance.random() < 0.3 and dj.config["gc.undelete"] and dj.deletions(schema):
                dj.undelete(schema)
            if chance.random() < 0.1:
                with connection.transaction:
                    (table & f"id < {number}").delete_quick()
                    table.insert1(row, skip_duplicates=True)
            if chance.random() < 0.1:
                # Two deletes that come back together, or a part of another transaction.
                with connection.transaction:
                    (table & {"id": number + 1}).delete(prompt=False)
                    (table & {"id": number + 2}).delete(prompt=False)
                    if chance.random() < 0.3 and dj.config["gc.undelete"] and dj.deletions(schema):
                        dj.undelete(schema)
        else:
            dj.gc.GarbageCollector(schema).collect(dry_run=False, full=chance.random() < 0.3)
    except dj.DataJointError as error:
        # A row that another was faster with, or changes again and again, a transaction that the server broke off for
        # another's.
        known = ("DuplicateError", "IntegrityError", "LostConnectionError", "QueryError", "DataJointError")
        if type(error).__name__ not in known:
            raise
"""


def check(row):
    """True if the objects of a row are whole."""
    return row["trace"].load().shape == (50,) and row["tree"].verify()


@pytest.mark.databases("sqlite", "postgresql", "mariadb")
def test_kills(database, stored_project, store_server, store_settings, tmp_path):
    project = stored_project
    schema = project.Schema("kills")

    @schema
    class Thing(dj.Manual):
        definition = """
        id : int32
        ---
        trace : <npy@>
        shared : <blob@>
        tree : <object@>
        """

    environment = {**database.environment(project), "DJ_GC_AGE": "0", "DJ_GC_LEASE": "1"}
    if project.connection.adapter.backend == "sqlite":
        environment["DJ_DATABASE_PATH"] = str(tmp_path / "project")
    chance = random.Random(7)
    roles = ["write", "write", "write", "delete", "collect"]
    kept = [0, 1, 3600] if SECONDS > 10 else [0]
    children = {}
    kills = 0
    complaints = []
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            for place, role in enumerate(roles):
                if place not in children:
                    command = [
                        sys.executable,
                        "-c",
                        textwrap.dedent(BODY),
                        role,
                        str(chance.randrange(10**9)),
                        json.dumps(store_settings),
                        json.dumps(kept),
                    ]
                    children[place] = subprocess.Popen(
                        command,
                        env=environment,
                        cwd=tmp_path,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.PIPE,
                        text=True,
                    )
            time.sleep(chance.random() * 0.8 + 0.3)
            place = chance.choice(list(children))
            child = children.pop(place)
            if child.poll() is not None:
                complaints.append(child.stderr.read()[-2000:])
                break
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stderr.close()
            kills += 1
            # What is stored can be read, whatever is going on: rows may be gone by the time.
            for key in Thing.proj().to_dicts():
                try:
                    check((Thing & key).fetch1())
                except dj.DataJointError as error:
                    rows = (Thing & key).to_dicts()
                    assert not rows or check(rows[0]), error
    finally:
        for child in children.values():
            child.kill()
            child.wait()
            child.stderr.close()
    assert not complaints, complaints[0]
    assert kills > 0
    # All are gone, and their leases with them: what is left is what rows name.
    project.config["gc.lease"] = 1
    time.sleep(2.5)
    collector = dj.gc.GarbageCollector(schema)
    for pause in (1.5, 1.5, 0):
        assert collector.collect(dry_run=False)["errors"] == 0
        time.sleep(pause)
    project.config["gc.age"] = 0
    # What it deletes no journal told of. There is nothing but scratch files, which it does not count.
    assert collector.collect(dry_run=False, full=True)["deleted"] == 0
    # What is still kept can come back, unless a row of its key is there again.
    undone = 0
    for deletion in dj.deletions(schema):
        with contextlib.suppress(dj.errors.DuplicateError):
            undone += dj.undelete(schema, deletion["deletion"])["kills.thing"]
    rows = Thing.to_dicts()
    for row in rows:
        assert check(row) and row["shared"].startswith("content ")
    named = collector.hash_references() | collector.schema_references()
    stored = set(collector.list_hash_paths("kills")) | set(collector.list_schema_paths("kills"))
    print(
        f"{database.name}, {store_server.name}: {kills} kills, {len(rows)} rows, {undone} of them undeleted, {len(named)} objects"
    )
    # A row names a folder, and by that what is in it and its manifest.
    folders = {path.removesuffix(".manifest.json") for path in stored if path.endswith(".manifest.json")}
    whole = {
        path: path.removesuffix(".manifest.json").split("/inner/")[0].removesuffix("/a") for path in stored
    }
    assert {folder if (folder := whole[path]) in folders else path for path in stored} == named
    # The same, seen by nothing of ours.
    project.connection.close()
    if project.connection.adapter.backend == "sqlite":
        rows = checker.rows_of_sqlite(tmp_path / "project" / "lodestore.db", "kills")
    elif project.connection.adapter.backend == "postgresql":
        rows = checker.rows_of_postgresql(database.connect(database.database), "kills")
    else:
        rows = None
    objects = (
        checker.objects_of_folder(store_settings["location"])
        if store_server.name == "file"
        else checker.objects_of_bucket(store_settings)
    )
    if rows is not None:
        assert checker.compare(checker.references(rows), objects) == []
    if store_server.name == "file":
        files = Path(store_settings["location"]).rglob("*")
        assert [file for file in files if file.name.endswith(".part")] == []
