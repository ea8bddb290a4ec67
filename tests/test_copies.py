"""Copies of a database that share a store, stores that are swapped for others, and schemas that are dropped halfway."""

import json
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import DataJointError
from test_gc import collect, full, readable, shared_store

STORES = pytest.mark.stores("file", "s3")


def again(project, **others):
    """The same project, opened by another program; on a server maybe with other settings."""
    config = project.config
    stores = config._core.get("stores")
    if project.connection.adapter.backend == "sqlite":
        return dj.Instance(path=config["database.path"], stores=stores)
    settings = {
        "stores": stores,
        "backend": config["database.backend"],
        "host": config["database.host"],
        "port": config["database.port"],
        "user": config["database.user"],
        "password": str(config["database.password"]),
        "database__name": config["database.name"],
    }
    return dj.Instance(**{**settings, **others})


def declared(project):
    @project.Schema("lab")
    class Scan(dj.Manual):
        definition = "id : int32\n---\ntrace = null : <npy@>\nshared = null : <blob@>"

    return Scan


def insert(project, number):
    table = declared(project)
    table.insert1({"id": number, "trace": np.full(3, number), "shared": f"content {number}"})
    return table


class Journal:
    """The epoch as the journal of the schema has it."""

    def __init__(self, project):
        self.project = project
        backend = project.connection.adapter.backend
        names = {"sqlite": '"lab.~lifecycle"', "postgresql": 'lab."~lifecycle"', "mysql": "lab.`~lifecycle`"}
        self.name = names[backend]

    def read(self, kind="epoch"):
        rows = self.project.connection.query(
            f"SELECT property, value FROM {self.name} WHERE property LIKE '{kind}:%'"
        ).fetchall()
        ((name, value),) = [tuple(row) for row in rows]
        return name, value

    def write(self, value):
        name, _ = self.read()
        self.project.connection.query(f"UPDATE {self.name} SET value = '{value}' WHERE property = '{name}'")

    def forget(self):
        self.project.connection.query(
            f"DELETE FROM {self.name} WHERE property LIKE 'epoch:%' OR property LIKE 'store:%'"
        )


@STORES
def test_of_two_copies_the_second_is_refused(stored_project):
    """On every database: the copy is what the journal said before the original went on."""
    project = stored_project
    insert(project, 1)
    journal = Journal(project)
    before = journal.read()[1]
    other = again(project)
    insert(other, 2)
    other.connection.close()
    now = journal.read()[1]
    assert now != before
    journal.write(before)
    copy = again(project)
    scan = dj.FreeTable(copy.connection, "lab.scan")
    for attempt in (lambda: insert(copy, 3), lambda: full(copy.Schema("lab"))):
        with pytest.raises(DataJointError, match="this is a copy of it") as caught:
            attempt()
        assert "delete the object at this path" in caught.value.hint
    (scan & "id = 1").delete(prompt=False)
    copy.connection.close()
    # The original goes on, and nothing of its objects is gone.
    journal.write(now)
    original = again(project)
    scan = insert(original, 4)
    assert sorted(row["shared"] for row in scan.to_dicts()) == ["content 2", "content 4"]
    assert readable(scan) == 2
    full(original.Schema("lab"))
    original.connection.close()


@STORES
def test_a_copy_is_noticed_while_both_are_at_work(stored_project):
    project = stored_project
    project.config["gc.lease"] = 1
    insert(project, 1)
    journal = Journal(project)
    before = journal.read()[1]
    copy = again(project)
    insert(copy, 2)
    # The original, whose journal the copy does not change, comes back to its store.
    current = journal.read()[1]
    journal.write(before)
    import time

    time.sleep(0.5)
    with pytest.raises(DataJointError, match="this is a copy of it"):
        insert(project, 3)
    journal.write(current)
    assert insert(project, 3)
    copy.connection.close()


@pytest.mark.databases("sqlite")
def test_a_copy_at_the_same_path_of_a_machine_of_the_same_name(database, tmp_path):
    location = tmp_path / "store"
    location.mkdir()
    here = dj.Instance(path=tmp_path / "here", stores=shared_store(location))
    insert(here, 1)
    here.connection.close()
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    here = dj.Instance(path=tmp_path / "here", stores=shared_store(location))
    insert(here, 2)
    here.connection.close()
    (tmp_path / "here").rename(tmp_path / "original")
    (tmp_path / "copy").rename(tmp_path / "here")
    copy = dj.Instance(path=tmp_path / "here", stores=shared_store(location))
    with pytest.raises(DataJointError, match="an earlier state of it"):
        insert(copy, 3)
    with pytest.raises(DataJointError, match="an earlier state of it"):
        full(copy.Schema("lab"))
    copy.connection.close()
    (tmp_path / "here").rename(tmp_path / "copy")
    (tmp_path / "original").rename(tmp_path / "here")
    here = dj.Instance(path=tmp_path / "here", stores=shared_store(location))
    assert readable(insert(here, 4)) == 3
    here.connection.close()


@STORES
def test_a_program_that_was_killed_between_database_and_store(stored_project):
    """The journal has a token that the claim never got: the next program completes it."""
    project = stored_project
    insert(project, 1)
    journal = Journal(project)
    for number in range(2, 6):
        current, following = journal.read()[1].split(" ")
        assert current != following
        journal.write(f"{following} {number:032x}")
        other = again(project)
        assert readable(insert(other, number)) == number
        other.connection.close()


WORKER = """
import json, sys
import numpy as np
import lodestore as dj

settings, number = json.loads(sys.argv[1]), int(sys.argv[2])
project = dj.Instance(**settings)
project.config["gc.lease"] = 1
table = dj.FreeTable(project.connection, "lab.scan")
print("ready", flush=True)
sys.stdin.readline()
for turn in range(8):
    table.insert1({"id": 100 * number + turn, "trace": np.full(3, turn), "shared": f"{turn}"})
    (table & {"id": 100 * number + turn - 2}).delete(prompt=False)
"""


@STORES
def test_many_programs_open_one_database(stored_project, tmp_path):
    project = stored_project
    scan = declared(project)
    settings = {"stores": project.config._core.get("stores")}
    if project.connection.adapter.backend == "sqlite":
        settings["path"] = str(project.config["database.path"])
    else:
        for name in ("backend", "host", "port", "user", "name"):
            settings["database__name" if name == "name" else name] = project.config[f"database.{name}"]
        settings["password"] = str(project.config["database.password"])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), json.dumps(settings), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(1, 7)
    ]
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n", worker.stderr.read()
        for worker in workers:
            worker.stdin.write("\n")
            worker.stdin.flush()
        for worker in workers:
            _, complaints = worker.communicate(timeout=180)
            assert worker.returncode == 0, complaints
    finally:
        for worker in workers:
            worker.kill()
    assert len(scan) == readable(scan) == 12


def test_a_disk_that_is_not_mounted(project, objects, tmp_path):
    """Its mount point is an empty folder: nothing is written there, and nothing is believed to be gone."""
    scan = insert(project, 1)
    insert(project, 2)
    project.config["gc.automatic"] = False
    (scan & "id = 2").delete(prompt=False)
    root, away = tmp_path / "project" / "objects", tmp_path / "away"
    before = objects()
    root.rename(away)
    root.mkdir()
    other = again(project)
    for instance in (project, other):
        for attempt in (
            lambda instance=instance: insert(instance, 3),
            lambda instance=instance: collect(instance.Schema("lab")),
            lambda instance=instance: full(instance.Schema("lab")),
            lambda instance=instance: dj.gc.GarbageCollector(instance.Schema("lab")).collect(full=True),
        ):
            with pytest.raises(DataJointError, match="may be a disk that is not mounted") as caught:
                attempt()
            assert "mount the disk" in caught.value.hint
    assert list(root.rglob("*")) == [] or not [path for path in root.rglob("*") if path.is_file()]
    shutil.rmtree(root)
    away.rename(root)
    assert objects() == before
    assert readable(insert(other, 3)) == 2
    full(other.Schema("lab"))
    assert len(objects()) == 4
    other.connection.close()


def test_another_store_in_the_place_of_the_known_one(project, tmp_path):
    insert(project, 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".lodestore").mkdir()
    (elsewhere / ".lodestore" / "store.json").write_text('{"store": "another"}')
    project.config["stores.main"] = {"protocol": "file", "location": str(elsewhere)}
    with pytest.raises(DataJointError, match="not the store that the schema has used") as caught:
        insert(project, 2)
    # The hint says what accepts it.
    marker = caught.value.hint.split("by ")[-1]
    (elsewhere / caught.value.context["path"]).write_text(marker)
    insert(project, 2)


def test_a_store_without_a_marker_gets_one(project, objects, tmp_path):
    """One that an earlier version, or DataJoint, has filled; but not if it holds none of the objects."""
    scan = insert(project, 1)
    Journal(project).forget()
    root, away = tmp_path / "project" / "objects", tmp_path / "away"
    claim = root / ".lodestore" / "claims" / "lab.json"
    old = json.loads(claim.read_text())
    del old["epoch"]
    claim.write_text(json.dumps(old))
    (root / ".lodestore" / "store.json").unlink()
    root.rename(away)
    root.mkdir()
    other = again(project)
    with pytest.raises(DataJointError, match="none of the objects that rows name"):
        insert(other, 2)
    root.rmdir() if not list(root.iterdir()) else shutil.rmtree(root)
    away.rename(root)
    assert readable(insert(other, 2)) == 2
    assert (root / ".lodestore" / "store.json").exists() and "epoch" in json.loads(claim.read_text())
    other.connection.close()
    assert len(scan) == 2


def test_a_schema_that_is_dropped_while_its_store_is_away(project, objects, tmp_path):
    insert(project, 1)
    root, away = tmp_path / "project" / "objects", tmp_path / "away"
    root.rename(away)
    with pytest.raises(DataJointError, match="a store that the schema has used cannot be reached") as caught:
        project.Schema("lab").drop(prompt=False)
    assert "drop the schema again" in caught.value.hint
    away.rename(root)
    project.Schema("lab").drop(prompt=False)
    assert not (root / ".lodestore" / "claims" / "lab.json").exists()
    assert readable(insert(project, 2)) == 1


def test_a_drop_that_was_killed_after_the_claim_was_taken_back(project, objects, tmp_path):
    insert(project, 1).drop(prompt=False)
    (tmp_path / "project" / "objects" / ".lodestore" / "claims" / "lab.json").unlink()
    other = again(project)
    assert readable(insert(other, 2)) == 1
    other.Schema("lab").drop(prompt=False)
    assert readable(insert(other, 3)) == 1
    other.connection.close()
