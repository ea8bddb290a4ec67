"""Objects go with their rows, and nothing else ever goes: also where collectors of other systems lose data."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import DataJointError
from test_servers import LosesAnswers


@pytest.fixture
def scan(schema):
    @schema
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        trace = null : <npy@>
        shared = null : <blob@>
        file = null : <object@>
        """

    return Scan


def everything(number):
    return {"id": number, "trace": np.full(3, number), "shared": "the same", "file": (".bin", b"x" * number)}


def collect(*schemas, **options):
    return dj.gc.GarbageCollector(*schemas).collect(dry_run=False, **options)


def full(*schemas):
    """A full collection for which no object is too young."""
    config = schemas[0].connection._config
    config["gc.age"] = 0
    try:
        return collect(*schemas, full=True)
    finally:
        config["gc.age"] = 86400


def readable(table):
    for row in table.to_dicts():
        for value in row.values():
            if isinstance(value, dj.NpyRef):
                value.load()
            elif isinstance(value, dj.ObjectRef):
                value.read()
    return len(table)


def test_a_delete_from_a_large_table_is_no_slower(scan, schema, objects, database):
    """Where paths have no index, objects of a few rows of many wait for more, or for a collection."""
    scan.insert({"id": number} for number in range(100, 40_000))
    scan.insert(everything(number) for number in range(50))
    if not database.has_index_on_paths:
        scan.connection.query(f"ANALYZE TABLE {scan.full_table_name}")
    (scan & "id = 1").delete(prompt=False)
    assert (len(objects()) == 101) == (not database.has_index_on_paths)
    (scan & "id < 41").delete(prompt=False)
    assert len(objects()) == 19 and readable(scan & "id < 50") == 9
    (scan & "id = 41").delete(prompt=False)
    collect(schema)
    assert len(objects()) == 17


def test_objects_go_with_their_rows(scan, schema, objects):
    scan.insert([everything(1), everything(2)])
    assert len(objects()) == 5
    (scan & "id = 1").delete(prompt=False)
    assert len(objects()) == 3 and readable(scan) == 1
    scan.update1({"id": 2, "trace": np.arange(4), "shared": "another"})
    assert len(objects()) == 3 and readable(scan) == 1
    scan.insert1({**everything(2), "shared": "a third"}, replace=True)
    assert len(objects()) == 3 and readable(scan) == 1
    with scan.connection.transaction:
        scan.delete_quick()
        assert len(objects()) == 3
    assert objects() == []
    scan.insert1(everything(3))
    scan.drop(prompt=False)
    assert objects() == []
    assert collect(schema)["deleted"] == 0


def test_a_rollback_keeps_what_was_deleted_and_removes_what_was_written(scan, objects):
    scan.insert1(everything(1))
    before = objects()
    with pytest.raises(ZeroDivisionError), scan.connection.transaction:
        (scan & "id = 1").delete(prompt=False)
        scan.insert1({**everything(2), "shared": "new"})
        raise ZeroDivisionError
    assert objects() == before and readable(scan) == 1


def test_the_same_content_comes_again(scan, objects):
    for number in range(4):
        scan.insert1({"id": number, "shared": "again"})
        scan.insert1({"id": 10 + number, "shared": "again"})
        assert len(objects()) == 1 and scan.to_arrays("shared").tolist() == ["again"] * 2
        scan.delete(prompt=False)
        assert objects() == []


def test_a_grace_period_keeps_objects(project, scan, schema, objects):
    project.config["gc.grace"] = 3600
    scan.insert1(everything(1))
    scan.delete(prompt=False)
    assert len(objects()) == 3
    found = collect(schema)
    assert (found["deleted"], found["waiting"]) == (0, 3)
    project.config["gc.grace"] = 0
    told = dj.gc.GarbageCollector(schema).collect()
    assert told["dry_run"] and told["schema_paths_orphaned"] == 2 and told["hash_paths_orphaned"] == 1
    assert len(objects()) == 3
    assert collect(schema)["deleted"] == 3 and objects() == []


def test_a_full_collection_finds_what_no_journal_tells_of(scan, schema, objects, tmp_path):
    scan.insert1(everything(1))
    root = tmp_path / "project" / "objects"
    for path in [
        "_schema/lab/Scan/id=9/lost.abcd.npy",
        "_hash/lab/abcdefghijklmnopqrstuvwxyz",
        "_schema/other/x",
        "own/file",
    ]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"?")
    assert collect(schema, full=True)["young"] == 2
    assert len(objects()) == 7
    found = full(schema)
    assert (found["deleted"], found["schema_paths_deleted"], found["errors"]) == (2, 1, 0)
    assert {"_schema/other/x", "own/file"} < set(objects()) and len(objects()) == 5
    assert readable(scan) == 1


def test_listings_and_references_agree(scan, schema, objects):
    scan.insert([everything(1), everything(2)])
    collector = dj.gc.GarbageCollector(schema)
    listed = set(collector.list_hash_paths("lab")) | set(collector.list_schema_paths("lab"))
    assert listed == set(objects()) == collector.hash_references() | collector.schema_references()
    with pytest.raises(DataJointError, match="At least one schema"):
        dj.gc.GarbageCollector()


# What collectors lose elsewhere: each is a race or a blind spot that a reviewer of DataJoint's could reproduce.


def test_h1_h2_objects_of_an_open_transaction_stay(scan, schema, project):
    scan.insert1({"id": 1, "shared": "payload"})
    with project.connection.transaction:
        scan.insert1(everything(7))
        scan.insert1({"id": 8, "shared": "payload"})
        failures = []

        def other():
            try:
                full(schema)
            except Exception as error:
                failures.append(error)

        # On SQLite it would wait for the transaction.
        if project.connection.adapter.backend != "sqlite":
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
    assert not failures and readable(scan) == 3
    full(schema)
    assert readable(scan) == 3


class Chained(dj.Codec):
    name = "gc_chained"

    def get_dtype(self, is_store):
        return "<blob@>"

    def encode(self, value, *, key=None, store_name=None):
        return value

    def decode(self, stored, *, key=None):
        return stored


class Written(dj.Codec):
    """Writes by itself, and tells in a form of its own."""

    name = "gc_written"

    def get_dtype(self, is_store):
        return "json"

    def encode(self, value, *, key=None, store_name=None):
        return {"parts": [{"at": value}]}

    def decode(self, stored, *, key=None):
        return stored


def test_h3_codecs_that_chain_or_are_not_known_here(schema, project, objects, tmp_path):
    @schema
    class Chain(dj.Manual):
        definition = """
        id : int32
        ---
        data : <gc_chained@>
        told : <gc_written@>
        """

    lost = "_schema/lab/Chain/told.abcd.bin"
    root = tmp_path / "project" / "objects"
    (root / lost).parent.mkdir(parents=True)
    (root / lost).write_bytes(b"?")
    Chain.insert1({"id": 1, "data": [1, 2], "told": lost})
    assert full(schema)["deleted"] == 0 and len(objects()) == 2
    # In another program, which has not imported them.
    code = """
    import sys, lodestore as dj
    project = dj.Instance(path=sys.argv[1])
    project.config["gc.age"] = 0
    print(dj.gc.GarbageCollector(project.Schema("lab")).collect(dry_run=False, full=True)["deleted"])
    """
    if project.connection.adapter.backend == "sqlite":
        command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "project")]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"
    assert len(objects()) == 2


def test_h4_rows_of_another_schema_name_the_same_object(scan, schema, project, objects):
    scan.insert1(everything(1))
    elsewhere = project.Schema("elsewhere")

    @elsewhere
    class Copy(dj.Manual):
        definition = scan.definition

    # As a program copies that knows of no owners.
    columns = "id, trace, shared, file"
    project.connection.query(
        f"INSERT INTO {Copy.full_table_name} ({columns}) SELECT {columns} FROM {scan.full_table_name}"
    )
    scan.delete(prompt=False)
    full(schema)
    assert len(objects()) == 3 and readable(Copy) == 1
    Copy.delete(prompt=False)
    full(schema)
    assert objects() == []


@pytest.mark.databases("sqlite")
def test_h5_references_in_a_column_that_was_renamed(scan, schema, project, objects):
    """By another tool: the hidden table of comments does not know the column by this name."""
    scan.insert([everything(1), everything(2)])
    elsewhere = project.Schema("elsewhere")

    @elsewhere
    class Other(dj.Manual):
        definition = "id : int32\n---\ntrace = null : <npy@>"

    project.connection.query(
        f"INSERT INTO {Other.full_table_name} SELECT id, trace FROM {scan.full_table_name}"
    )
    project.connection.query(f"ALTER TABLE {Other.full_table_name} RENAME COLUMN trace TO trail")
    scan.delete(prompt=False)
    full(schema)
    assert len([path for path in objects() if path.startswith("_schema/lab")]) == 2


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_h5_a_user_who_may_not_read_everything(scan, schema, project, database, objects):
    """Rows that the collector's user cannot see name objects all the same."""
    scan.insert([everything(1), everything(2)])
    query, backend = project.connection.query, project.connection.adapter.backend

    @schema
    class Secret(dj.Manual):
        definition = scan.definition

    Secret.insert1(everything(3))
    before = objects()
    columns = "id, trace, shared, file"
    query(
        f"INSERT INTO {Secret.full_table_name} ({columns}) SELECT {columns} FROM {scan.full_table_name} WHERE id = 1"
    )
    if backend == "postgresql":
        query("CREATE ROLE gc_reader LOGIN PASSWORD 'gc'")
        query("GRANT USAGE ON SCHEMA lab TO gc_reader")
        tables = ["scan", "~lineage", "~lifecycle", "~intents", "~released", "~condemned"]
        named = ", ".join(f'lab."{name}"' for name in tables)
        query(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {named} TO gc_reader")
    else:
        query("CREATE USER gc_reader IDENTIFIED BY 'gc'")
        for name in ["scan", "~lineage", "~lifecycle", "~intents", "~released", "~condemned"]:
            query(f"GRANT SELECT, INSERT, UPDATE, DELETE ON lab.`{name}` TO gc_reader")
    settings = {**database.settings, "user": "gc_reader", "password": "gc"}
    reader = dj.Instance(**settings)
    try:
        reader.config["stores"] = project.config["stores"]
        (reader.FreeTable("lab.scan") & "id = 1").delete_quick()
        with pytest.raises(DataJointError, match="nothing is deleted"):
            collect(reader.Schema("lab", create_schema=False))
        assert objects() == before
    finally:
        reader.connection.close()
        Secret.drop(prompt=False)
        schema.drop(prompt=False)
        query("DROP OWNED BY gc_reader" if backend == "postgresql" else "SELECT 1")
        query("DROP ROLE gc_reader" if backend == "postgresql" else "DROP USER gc_reader")


def test_h6_one_place_under_two_names(scan, schema, project, objects, tmp_path):
    scan.insert1(everything(1))
    location = str(tmp_path / "project" / "objects")
    project.config["stores.alias"] = {"protocol": "file", "location": location}
    for store in ("main", "alias", None):
        project.config["gc.age"] = 0
        dj.gc.GarbageCollector(schema, store=store).collect(dry_run=False, full=True)
    assert len(objects()) == 3 and readable(scan) == 1


def test_h7_another_database_with_the_same_schema_on_one_store(scan, schema, project, objects, tmp_path):
    scan.insert1(everything(1))
    other = dj.Instance(path=tmp_path / "other")
    other.config["stores"] = {
        "default": "main",
        "main": {"protocol": "file", "location": str(tmp_path / "project" / "objects")},
    }

    @other.Schema("lab")
    class Scan(dj.Manual):
        definition = scan.definition

    with pytest.raises(DataJointError, match="belong to"):
        Scan.insert1(everything(2))
    with pytest.raises(DataJointError, match="belong to"):
        full(other.Schema("lab"))
    assert len(objects()) == 3 and readable(scan) == 1 and len(Scan) == 0
    other.connection.close()


def shared_store(folder):
    return {"default": "main", "main": {"protocol": "file", "location": str(folder)}}


def things(instance, number):
    """A table, and a row of it with objects, in a database whose store is elsewhere."""

    @instance.Schema("lab")
    class Thing(dj.Manual):
        definition = "id : int32\n---\ntrace : <npy@>\nshared : <blob@>"

    Thing.insert1({"id": number, "trace": np.full(3, number), "shared": f"content {number}"})
    return Thing


def assert_a_copy_is_refused(original, copy, schema_of_copy):
    """A copy of a database that shares its store takes nothing of the original's objects, and adds none."""
    for attempt in (
        lambda: copy.insert1({"id": 9, "trace": np.zeros(1), "shared": "x"}),
        lambda: full(schema_of_copy),
    ):
        with pytest.raises(DataJointError, match="this is a copy of it") as caught:
            attempt()
        assert "delete the object at this path" in caught.value.hint
    # Its rows may go: their objects are the original's.
    copy.delete(prompt=False)
    assert len(copy) == 0 and sorted(row["trace"].load()[0] for row in original.to_dicts()) == [1, 2]


@pytest.mark.databases("sqlite")
def test_h7_a_copy_of_a_database_on_one_store(database, tmp_path):
    location = tmp_path / "store"
    location.mkdir()
    here = dj.Instance(path=tmp_path / "here", stores=shared_store(location))
    thing = things(here, 1)
    here.connection.close()
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    here = dj.Instance(path=tmp_path / "here", stores=shared_store(location))
    thing = things(here, 2)
    copy = dj.Instance(path=tmp_path / "copy", stores=shared_store(location))
    assert_a_copy_is_refused(thing, copy.FreeTable("lab.thing"), copy.Schema("lab"))
    copy.Schema("lab").drop(prompt=False)
    copy.connection.close()
    full(here.Schema("lab"))
    assert dj.verify(here.Schema("lab"), deep=True).sound and len(thing) == 2
    here.connection.close()

    # What was moved, restored where it was, or copied with its store, is no copy.
    (tmp_path / "here").rename(tmp_path / "there")
    there = dj.Instance(path=tmp_path / "there", stores=shared_store(location))
    thing = things(there, 3)
    there.connection.close()
    shutil.copytree(tmp_path / "there", tmp_path / "backup")
    shutil.rmtree(tmp_path / "there")
    shutil.copytree(tmp_path / "backup", tmp_path / "there")
    there = dj.Instance(path=tmp_path / "there", stores=shared_store(location))
    thing = things(there, 4)
    there.connection.close()
    shutil.copytree(tmp_path / "there", tmp_path / "both")
    shutil.copytree(location, tmp_path / "store too")
    both = dj.Instance(path=tmp_path / "both", stores=shared_store(tmp_path / "store too"))
    assert len(things(both, 5)) == 5 and full(both.Schema("lab"))["errors"] == 0
    both.connection.close()

    # And what has come for good takes over, when it is told so.
    gone = dj.Instance(path=tmp_path / "backup", stores=shared_store(location))
    with pytest.raises(DataJointError, match="this is a copy of it") as caught:
        things(gone, 6)
    (location / caught.value.context["path"]).unlink()
    assert len(things(gone, 6)) == 4
    gone.connection.close()
    there = dj.Instance(path=tmp_path / "there", stores=shared_store(location))
    with pytest.raises(DataJointError, match="this is a copy of it"):
        things(there, 7)
    there.connection.close()


@pytest.mark.databases("postgresql")
def test_h7_a_copy_of_a_servers_database_on_one_store(project, database, tmp_path):
    location = tmp_path / "store"
    location.mkdir()
    settings = database.settings
    here = dj.Instance(**settings, stores=shared_store(location))
    things(here, 1)
    here.connection.close()
    project.connection.close()
    with database.copied() as name:
        here = dj.Instance(**settings, stores=shared_store(location))
        copy = dj.Instance(**{**settings, "database__name": name}, stores=shared_store(location))
        assert_a_copy_is_refused(things(here, 2), copy.FreeTable("lab.thing"), copy.Schema("lab"))
        copy.connection.close()
        here.connection.close()


def test_h8_empty_prefixes_are_refused(project):
    project.config["stores.flat"] = {
        "protocol": "file",
        "location": "/tmp",
        "hash_prefix": "",
        "schema_prefix": "",
    }
    with pytest.raises(DataJointError, match="overlap"):
        project.config.get_store_spec("flat")


def test_h9_a_collection_during_a_staged_insert(scan, schema, objects):
    with scan.staged_insert1 as staged:
        staged.rec["id"] = 1
        with staged.open("file", ".bin") as file:
            file.write(b"x" * 1000)
        full(schema)
    full(schema)
    assert len(scan.fetch1("file").read()) == 1000


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_h10_a_staged_row_whose_commit_is_not_answered(scan, schema, project, database, objects):
    """The program reports that the outcome is unknown, and removes nothing that the row, which exists, names."""
    line = LosesAnswers(database.settings["host"], database.settings["port"])
    settings = {**database.settings, "port": line.port, "use_tls": False}
    with dj.Instance(**settings, stores=project.config._core.get("stores")).connection as connection:
        far = dj.FreeTable(connection, "lab.scan")
        # What a program commits when it first writes to a store is answered.
        far.insert1({"id": 9, "file": (".bin", b"y")}, skip_duplicates=True)
        far.delete(prompt=False)
        line.cuts = True
        with pytest.raises(dj.errors.LostConnectionError, match="not known"), far.staged_insert1 as staged:
            staged.rec["id"] = 1
            with staged.open("file", ".bin") as file:
                file.write(b"x" * 1000)
        line.cuts = False
    line.door.close()
    for _ in range(2):
        full(schema)
        assert scan.fetch1("file").read() == b"x" * 1000
    scan.delete(prompt=False)
    assert objects() == []


def test_h11_metadata_that_tells_no_path(scan, schema, project, objects):
    scan.insert([everything(1), everything(2), everything(3)])
    project.config["gc.automatic"] = False
    (scan & "id = 1").delete(prompt=False)
    strange = json.dumps({"url": "file:///x", "size": 3}).replace("'", "''")
    project.connection.query(f"UPDATE {scan.full_table_name} SET trace = '{strange}' WHERE id = 2")
    before = objects()
    with pytest.raises(DataJointError, match="tells no path"):
        collect(schema)
    with pytest.raises(DataJointError, match="tells no path"):
        full(schema)
    assert set(objects()) == set(before)


def test_clocks_that_are_wrong_by_a_day(scan, schema, objects, tmp_path):
    scan.insert1(everything(1))
    root = tmp_path / "project" / "objects"
    for shift in (-86400, 86400):
        for path in objects():
            os.utime(root / path, (time.time() + shift, time.time() + shift))
        collect(schema, full=True)
        assert len(objects()) == 3 and readable(scan) == 1


# What a clock is asked by: whoever loads this in front of the system's own library lives at another time.
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { const char *text = getenv("CLOCK_SHIFT"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += shift();
    return status;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    int status = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec; now->tv_usec = precise.tv_nsec / 1000;
    return status;
}
time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
"""

ELSEWHEN = """
import sys, time
import numpy as np
import lodestore as dj

shift = int(sys.argv[1])
assert abs(time.time() - float(sys.argv[2]) - shift) < 600, "the clock is not shifted"
schema = dj.Schema("lab")
scan = dj.FreeTable("lab.scan")
collector = dj.gc.GarbageCollector(schema)

def full():
    assert collector.collect(dry_run=False, full=True)["errors"] == 0

full()
with dj.conn().transaction:
    scan.insert1({"id": 2, "trace": np.full(3, 2), "shared": "the same"})
    # Others look while the row is not committed yet.
    print("inserted", flush=True)
    sys.stdin.readline()
with scan.staged_insert1 as staged:
    staged.rec["id"] = 3
    with staged.open("file", ".bin") as file:
        file.write(b"y" * 500)
    print("staged", flush=True)
    sys.stdin.readline()
(scan & "id = 4").delete(prompt=False)
scan.insert1({"id": 5, "shared": "new"})
full()
"""


@pytest.fixture(scope="module")
def other_clock(tmp_path_factory):
    """A library with which a program lives at another time."""
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(CLOCK)
    library = folder / "clock.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(folder / "clock.c"), "-ldl"], check=True
    )
    return library


@pytest.mark.parametrize("shift", [-86400, 86400])
def test_a_program_whose_clock_is_wrong_by_a_day(
    shift, scan, schema, database, project, objects, other_clock, tmp_path
):
    """Two programs, a day apart, insert and collect: neither takes what the other names, or is about to name."""
    scan.insert([everything(1), everything(4)])
    environment = {**os.environ, **database.environment(project)}
    environment |= {"LD_PRELOAD": str(other_clock), "CLOCK_SHIFT": str(shift)}
    is_sqlite = project.connection.adapter.backend == "sqlite"
    if is_sqlite:
        environment["DJ_DATABASE_PATH"] = str(tmp_path / "project")
    child = subprocess.Popen(
        [sys.executable, "-c", ELSEWHEN, str(shift), str(time.time())],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for step in ("inserted", "staged"):
            assert child.stdout.readline() == step + "\n", child.stderr.read()
            # On SQLite a collector would wait for the transaction.
            if step == "staged" or not is_sqlite:
                full(schema)
            child.stdin.write("\n")
            child.stdin.flush()
        _, complaints = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 0, complaints
    full(schema)
    assert sorted(scan.to_arrays("id")) == [1, 2, 3, 5] and readable(scan) == 4
    assert scan.to_arrays("shared", order_by="id").tolist() == ["the same", "the same", None, "new"]
    assert dj.verify(schema, deep=True).sound
    scan.delete(prompt=False)
    collect(schema)
    assert objects() == []


def test_a_store_that_cannot_be_listed(scan, schema, objects, tmp_path):
    scan.insert1(everything(1))
    root = tmp_path / "project" / "objects"
    root.rename(tmp_path / "away")
    with pytest.raises(DataJointError):
        full(schema)
    (tmp_path / "away").rename(root)
    assert len(objects()) == 3 and readable(scan) == 1


def test_a_collection_is_refused_inside_a_transaction(scan, schema):
    with scan.connection.transaction, pytest.raises(DataJointError, match="transaction"):
        collect(schema)


@pytest.mark.databases("sqlite")
@pytest.mark.stores("file", "s3")
def test_on_every_kind_of_store(stored_project):
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

    collector = dj.gc.GarbageCollector(schema)

    def listed():
        return set(collector.list_hash_paths("lab")) | set(collector.list_schema_paths("lab"))

    Scan.insert([everything(1), everything(2)])
    assert len(listed()) == 5
    (Scan & "id = 1").delete(prompt=False)
    assert listed() == collector.hash_references() | collector.schema_references()
    assert len(listed()) == 3 and readable(Scan) == 1
    assert full(schema)["deleted"] == 0
    stored_project.config["gc.automatic"] = False
    Scan.delete(prompt=False)
    assert len(listed()) == 3
    assert full(schema)["deleted"] == 3 and listed() == set()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("listed", [False, True])
def test_a_collection_tells_how_much_it_frees(stored_project, listed):
    schema = stored_project.Schema("lab")

    @schema
    class Scan(dj.Manual):
        definition = "id : int32\n---\nfile : <object@>\nshared : <attach@>"

    note = Path("note.txt")
    note.write_bytes(b"n" * 500)
    Scan.insert({"id": n, "file": (".bin", b"x" * 1000), "shared": note} for n in range(20))
    stored_project.config["gc.automatic"] = False
    Scan.delete(prompt=False)
    planned = dj.gc.GarbageCollector(schema).collect()
    done = collect(schema)
    assert (
        planned["schema_paths_orphaned_bytes"] == 20_000 and 500 <= planned["hash_paths_orphaned_bytes"] < 600
    )
    assert done["deleted"] == 21 and done["bytes_freed"] == 20_000 + planned["hash_paths_orphaned_bytes"]


def test_rows_that_two_change_at_once_leave_nothing(scan, schema, project, objects):
    """Of all that was ever the row's, only what it names in the end stays."""

    def work(role):
        # Each thread has a connection of its own.
        for number in range(12):
            row = {"id": number % 3, "trace": np.full(3, number), "file": (".bin", bytes([role, number]))}
            work = [
                lambda row=row: scan.insert1(row, replace=True),
                lambda row=row: scan.update1(row) if scan & {"id": row["id"]} else None,
                lambda row=row: (scan & {"id": row["id"]}).delete(prompt=False),
            ]
            for attempt in range(20):
                try:
                    work[(number + role) % 3]()
                    break
                except DataJointError:
                    # The other was faster, or both stood in each other's way.
                    time.sleep(0.002 * attempt)

    threads = [threading.Thread(target=work, args=(role,)) for role in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    collect(schema)
    report = schema.verify()
    assert report.sound and report.counts["unreferenced"] == 0 and readable(scan) == len(scan)
    assert len(objects()) == 2 * len(scan)


@pytest.mark.databases("sqlite")
def test_a_clock_that_is_eight_days_ahead_ends_no_period(
    scan, schema, project, objects, other_clock, database, tmp_path
):
    """A machine opens the project, and collects, with a wrong clock: what is kept for a week stays."""
    project.config["gc.grace"] = 7 * 86400
    project.config["gc.undelete"] = 7 * 86400
    scan.insert([everything(1), everything(2)])
    collect(schema)
    scan.update1({"id": 2, "trace": np.zeros(2), "shared": "new", "file": (".bin", b"new")})
    (scan & "id = 1").delete(prompt=False)
    kept = set(objects())
    assert len(kept) == 8
    program = """
import lodestore as dj
dj.config["gc.grace"] = dj.config["gc.undelete"] = 7 * 86400
schema = dj.Schema("lab")
for _ in range(3):
    found = dj.gc.GarbageCollector(schema).collect(dry_run=False, full=True)
    assert "clock" in found["failures"][0], found
(dj.FreeTable("lab.scan") & "id = 2").delete(prompt=False)
"""
    environment = {
        **os.environ,
        **database.environment(project),
        "DJ_DATABASE_PATH": str(tmp_path / "project"),
    }
    environment |= {"LD_PRELOAD": str(other_clock), "CLOCK_SHIFT": str(8 * 86400)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert set(objects()) == kept
    found = collect(schema, full=True)
    assert found["failures"] == [] and set(objects()) == kept
    assert len(dj.deletions(schema)) == 2
    dj.undelete(schema)
    dj.undelete(schema)
    assert readable(scan) == 2


def test_a_recorded_time_that_is_behind_postpones(scan, schema, project, database, objects):
    """As the database of a server whose clock jumps: what is over only by the new time is kept for a day more."""
    project.config["gc.grace"] = 3600
    scan.insert1(everything(1))
    collect(schema)
    scan.delete(prompt=False)
    assert len(objects()) == 3
    released, times = database.table("lab", "~released"), database.table("lab", "~lifecycle")
    ask = project.connection.query
    ask(f"UPDATE {released} SET since = since - 864000")
    set_clock = f"UPDATE {times} SET value = '%d' WHERE property = 'clock'"
    now = time.time()
    ask(set_clock % (now - 10 * 86400 + 1800))
    found = collect(schema)
    assert len(objects()) == 3 and "clock" in found["failures"][0]
    # A day later the clock is believed.
    ask(f"UPDATE {times} SET value = '%d' WHERE property = 'jump'" % (now - 86401))
    assert collect(schema)["failures"] == [] and objects() == []
