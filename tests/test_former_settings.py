"""Settings of a store that change while objects stay where they are."""

import pathlib
import shutil

import numpy as np
import pytest

import lodestore as dj
from lodestore import _lodestore


@pytest.fixture
def scan(stored_project):
    schema = stored_project.Schema("lab")

    @schema
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        trace = null : <npy@>
        shared = null : <blob@>
        file = null : <object@>
        """

    Scan.insert([everything(number) for number in (1, 2)])
    return Scan


def everything(number):
    return {"id": number, "trace": np.full(3, number), "shared": f"{number}", "file": (".bin", b"x" * number)}


def listed(project, name="main"):
    store = _lodestore.StoreHandle.open(project.connection._core, name)
    return sorted(name for name, _ in store.list(None) if not name.startswith(".lodestore"))


def collect(project, **options):
    return dj.gc.GarbageCollector(project.Schema("lab")).collect(dry_run=False, **options)


def change(project, settings, **changes):
    """The project with other settings of its store, as another program opens it."""
    project.config.stores["main"] = {**settings, **changes}
    project.connection.close()


def test_objects_under_a_former_prefix_are_deleted(scan, stored_project, store_settings):
    change(stored_project, store_settings, hash_prefix="content", schema_prefix="arrays")
    assert len(listed(stored_project)) == 6
    scan.insert1(everything(3))
    (scan & "id = 1").delete(prompt=False)
    assert len(listed(stored_project)) == 6
    assert len({name.split("/")[0] for name in listed(stored_project)}) == 4
    assert dj.verify(stored_project.Schema("lab"), deep=True).sound
    scan.delete(prompt=False)
    assert listed(stored_project) == []


def test_a_full_collection_and_verify_look_under_former_prefixes(scan, stored_project, store_settings):
    store = _lodestore.StoreHandle.open(stored_project.connection._core, "main")
    store.put("_schema/lab/Scan/id=9/trace.AAAABBBB.npy", b"nobody's")
    store.put("_schema/lab/notes/readme.txt", b"a user's")
    change(stored_project, store_settings, schema_prefix="arrays")
    scan.insert1(everything(3))
    findings = dj.verify(stored_project.Schema("lab")).findings
    unnamed = [finding["path"] for finding in findings if finding["kind"] == "unreferenced"]
    assert unnamed == ["_schema/lab/Scan/id=9/trace.AAAABBBB.npy"]
    stored_project.config["gc.age"] = 0
    found = collect(stored_project, full=True)
    assert found["deleted"] == 1 and not found["failures"]
    assert "_schema/lab/notes/readme.txt" in listed(stored_project) and len(listed(stored_project)) == 10
    assert dj.verify(stored_project.Schema("lab"), deep=True).sound


def test_objects_under_an_unknown_prefix_stay_in_the_journal(scan, stored_project, store_settings, database):
    """As for a project whose prefix was changed before the journal remembered prefixes."""
    table = database.table("lab", "~lifecycle") if hasattr(database, "table") else '"lab.~lifecycle"'
    stored_project.connection.query(f"DELETE FROM {table} WHERE property LIKE 'place:%%'")
    change(stored_project, store_settings, hash_prefix="content", schema_prefix="arrays")
    scan.delete(prompt=False)
    found = collect(stored_project)
    assert found["deleted"] == 0 and len(listed(stored_project)) == 6
    assert len(found["failures"]) == 6 and "sections of this store" in found["failures"][0]
    change(stored_project, store_settings)
    found = collect(stored_project)
    assert (found["deleted"], found["failures"], listed(stored_project)) == (6, [], [])


@pytest.mark.stores("file")
def test_objects_at_a_former_location_stay_in_the_journal(scan, stored_project, store_settings, tmp_path):
    other = tmp_path / "other"
    (other / ".lodestore").mkdir(parents=True)
    (scan & "id = 2").delete(prompt=False)
    # As the hint says that names the marker: the store is to be here from now on.
    marker = ".lodestore/store.json"
    (other / marker).write_bytes((pathlib.Path(store_settings["location"]) / marker).read_bytes())
    change(stored_project, store_settings, location=str(other))
    scan.insert1(everything(3))
    scan.delete(prompt=False)
    assert listed(stored_project) == []
    found = collect(stored_project)
    assert found["deleted"] == 0 and len(found["failures"]) == 3
    assert store_settings["location"] in found["failures"][0]
    stored_project.config.stores["old"] = store_settings
    assert len(listed(stored_project, "old")) == 3
    found = collect(stored_project)
    assert (found["deleted"], found["failures"], listed(stored_project, "old")) == (3, [], [])


@pytest.mark.stores("file")
def test_a_store_that_moved_with_its_objects(scan, stored_project, store_settings, tmp_path):
    other = tmp_path / "other"
    shutil.move(store_settings["location"], other)
    change(stored_project, store_settings, location=str(other))
    (scan & "id = 1").delete(prompt=False)
    assert len(listed(stored_project)) == 3
    found = collect(stored_project)
    assert (found["deleted"], found["failures"]) == (0, [])
