"""Migration: values from codec to codec and from store to store, while others work; and tiers."""

import contextlib
import datetime
import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import DataJointError


@pytest.fixture
def archive(project, tmp_path):
    """A second store, and a third."""
    for name in ("archive", "cold"):
        (tmp_path / name).mkdir()
        project.config.stores[name] = {"protocol": "file", "location": str(tmp_path / name)}
    return tmp_path / "archive"


def files(folder):
    """What lies in a store, but for what it tells of itself, and scratch files of killed writers, which it does not list."""
    found = (path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
    return sorted(
        str(path) for path in found if not any(part.startswith(".lodestore") for part in path.parts)
    )


def declare(schema, kind, *, nullable=True):
    head = "x=null" if nullable else "x"

    class Trace(dj.Manual):
        definition = f"""
        animal : varchar(20)
        session : int32
        ---
        {head} : {kind}
        note='' : varchar(20)
        """

    return schema(Trace)


def value(number):
    """Distinct arrays, of which every third is that of another row."""
    return np.arange(number % 7, dtype="float64") + number // 3


ROWS = [("ünï", 1), ("ünï", 2), ("b'\"c", 1), ("日本", -5), ("zebra", 7)]


def fill(Trace, count=5):
    rows = [{"animal": a, "session": s, "x": value(n)} for n, (a, s) in enumerate(ROWS[:count])]
    Trace.insert(rows)
    Trace.insert1({"animal": "null", "session": 0, "x": None})


def array(found):
    return None if found is None else np.asarray(found.load() if hasattr(found, "load") else found)


def assert_filled(Trace, count=5):
    for number, (animal, session) in enumerate(ROWS[:count]):
        found = array((Trace & {"animal": animal, "session": session}).fetch1("x"))
        assert found.dtype == "float64" and np.array_equal(found, value(number))
    assert (Trace & "animal = 'null'").fetch1("x") is None


def assert_clean(schema, *stores):
    """Nothing is lost or left over, anywhere."""
    schema.connection._core.collect([schema.database], None, False, False)
    report = schema.verify(deep=True)
    assert report.sound and not any(report.counts.values()), str(report)
    assert not dj.migrations(schema)
    assert hidden(schema) == []


def hidden(schema):
    """The tables that a migration leaves behind."""
    connection = schema.connection
    backend = connection.adapter.backend
    ask = {
        "sqlite": "SELECT name FROM sqlite_schema WHERE instr(name, '~migrated') > 0",
        "mysql": "SELECT table_name FROM information_schema.tables WHERE locate('~migrated', table_name) > 0",
        "postgresql": "SELECT tablename FROM pg_tables WHERE strpos(tablename, '~migrated') > 0",
    }[backend]
    return [row[0] for row in connection.query(ask)]


PAIRS = [
    ("<blob>", "<blob@>"),
    ("<blob@>", "<blob>"),
    ("<blob>", "<npy@archive>"),
    ("<npy@>", "<blob>"),
    ("<blob@>", "<npy@>"),
    ("<npy@>", "<blob@archive>"),
    ("<blob@>", "<blob@archive>"),
    ("<npy@>", "<npy@archive>"),
]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_values_go_from_type_to_type_and_back(schema, archive, objects, source, target):
    Trace = declare(schema, source)
    fill(Trace)
    before = objects()
    migration = Trace.migrate("x", to=target)
    assert (migration.state, migration.rows, migration.done) == ("switched", 6, 6)
    assert target in Trace.describe() and [m.id for m in dj.migrations(schema)] == [migration.id]
    assert_filled(Trace)
    # The old objects are still there, and a collection leaves them alone.
    schema.connection._core.collect([schema.database], None, False, True)
    assert set(before) <= set(objects())

    Trace.insert1({"animal": "late", "session": 1, "x": value(20)})
    Trace.update1({"animal": "zebra", "session": 7, "x": value(21)})
    migration.revert()
    assert migration.state == "done" and source in Trace.describe()
    assert np.array_equal(array((Trace & "animal = 'late'").fetch1("x")), value(20))
    assert np.array_equal(array((Trace & "animal = 'zebra'").fetch1("x")), value(21))
    assert_filled(Trace, 4)
    assert files(archive) == []
    assert_clean(schema)

    Trace.migrate("x", to=target).confirm()
    assert target in Trace.describe()
    assert_filled(Trace, 4)
    assert_clean(schema)
    if "archive" in target or "@" not in target:
        assert objects() == []
    order = [name for name in Trace().heading.names]
    assert order == ["animal", "session", "x", "note"]


@pytest.mark.parametrize(("source", "target"), [("<blob>", "<npy@>"), ("<npy@>", "<npy@archive>")])
def test_an_empty_table_and_a_table_without_key_migrate(schema, archive, source, target):
    Trace = declare(schema, source, nullable=False)
    Trace.migrate("x", to=target, confirm=True)
    assert target in Trace.describe()

    @schema
    class Only(dj.Lookup):
        definition = f"""
        ---
        x : {source}
        """

    Only.insert1({"x": value(5)})
    Only.migrate("x", to=target, confirm=True)
    assert np.array_equal(array(Only.fetch1("x")), value(5))
    assert_clean(schema)


def test_some_rows_go_to_another_store(schema, archive, objects):
    Trace = declare(schema, "<npy@>")
    fill(Trace)
    chosen = Trace & "session > 0" & "animal <> 'zebra'"
    migration = chosen.migrate("x", to="<npy@archive>")
    assert (migration.rows, migration.all_rows, migration.state) == (3, False, "switched")
    assert "<npy@>" in Trace.describe() and len(files(archive)) == 3
    assert_filled(Trace)
    # A row that was changed since keeps what it has.
    Trace.update1({"animal": "ünï", "session": 1, "x": value(9)})
    migration.revert()
    assert files(archive) == [] and len(objects()) == 5
    assert np.array_equal(array((Trace & {"animal": "ünï", "session": 1}).fetch1("x")), value(9))
    Trace.update1({"animal": "ünï", "session": 1, "x": value(0)})

    chosen.migrate("x", to="<npy@archive>", confirm=True)
    assert len(files(archive)) == 3 and len(objects()) == 2
    assert_filled(Trace)
    # All rows: those that are there already are left alone.
    first = set(files(archive))
    moved = Trace.migrate("x", to="<npy@archive>", confirm=True)
    assert moved.rows == 2 or moved.state == "done"
    assert first < set(files(archive)) and objects() == []
    assert "<npy@archive>" in Trace.describe()
    assert_filled(Trace)
    # And back, where the declared type is what brings rows of both stores together.
    Trace.migrate("x", to="<npy@>", confirm=True)
    assert files(archive) == [] and len(objects()) == 5
    assert_clean(schema)


def test_folders_files_and_attachments_move_as_they_are(schema, archive, objects, tmp_path):
    @schema
    class Files(dj.Manual):
        definition = """
        id : int32
        ---
        folder : <object@>
        file : <object@>
        inside : <attach>
        outside : <attach@>
        """

    folder = tmp_path / "given"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("α")
    (folder / "deep" / "b.bin").write_bytes(bytes(1000))
    note = tmp_path / "note.txt"
    note.write_text("hello")
    other = tmp_path / "other.txt"
    other.write_text("welcome")
    Files.insert1({"id": 1, "folder": folder, "file": note, "inside": note, "outside": other})
    for name, to in [
        ("folder", "<object@archive>"),
        ("file", "<object@archive>"),
        ("inside", "<attach@archive>"),
        ("outside", "<attach>"),
    ]:
        Files.migrate(name, to=to, confirm=True)
    assert objects() == []
    row = Files.fetch1()
    row["folder"].verify()
    assert sorted(row["folder"].listdir()) == ["a.txt", "deep"]
    assert row["file"].read() == b"hello"
    assert Path(row["inside"]).read_text() == "hello" and Path(row["outside"]).read_text() == "welcome"
    assert_clean(schema)


def test_what_cannot_be_done_is_told_before_anything_is_written(schema, archive, objects):
    Trace = declare(schema, "<blob@>")

    @schema
    class Other(dj.Manual):
        definition = """
        id : int32
        ---
        number : int32
        raw : <filepath@>
        thing : <object@>
        """

    fill(Trace)
    before = objects()
    for table, name, to, said in [
        (Trace, "y", "<npy@>", "no attribute `y`"),
        (Trace, "x", "<npz@>", "npz"),
        (Trace, "x", "<blob@nowhere>", "nowhere"),
        (Trace, "x", "blob@", "not a codec type"),
        (Trace, "animal", "<blob@>", "primary key"),
        (Trace, "x", "<npy>", "npy"),
        (Trace, "x", "<object@>", "holds files"),
        (Trace & "session = 1", "x", "<npy@>", "some rows"),
        (Other, "number", "<blob>", "no codec"),
        (Other, "raw", "<filepath@archive>", "files that a user manages"),
        (Other, "thing", "<blob@>", "holds files"),
    ]:
        with pytest.raises(DataJointError, match=said):
            table.migrate(name, to=to)
    with schema.connection.transaction, pytest.raises(DataJointError, match="inside a transaction"):
        Trace.migrate("x", to="<npy@>")
    assert objects() == before and dj.migrations(schema) == []
    idle = declare_blob_in_table(schema)
    assert idle.migrate("x", to="<blob>").state == "unchanged"

    first = Trace.migrate("x", to="<blob@archive>")
    with pytest.raises(DataJointError, match="not confirmed yet"):
        Trace.migrate("x", to="<npy@>")
    with pytest.raises(DataJointError, match="not confirmed yet"):
        (Trace & "session = 1").migrate("x", to="<blob@cold>")
    # Asked for again it is the same one.
    assert Trace.migrate("x", to="<blob@archive>").id == first.id
    first.confirm()
    with pytest.raises(DataJointError, match="over"):
        first.revert()
    assert_clean(schema)


def declare_blob_in_table(schema):
    @schema
    class Inside(dj.Manual):
        definition = """
        id : int32
        ---
        x : <blob>
        """

    Inside.insert1({"id": 1, "x": [1, 2]})
    return Inside


@pytest.mark.parametrize("source", ["<blob>", "<blob@>"])
def test_a_value_that_does_not_fit_is_told_with_its_key(schema, archive, objects, source):
    Trace = declare(schema, source)
    fill(Trace)
    Trace.insert1({"animal": "odd", "session": 3, "x": {"no": "array"}})
    before = objects()
    with pytest.raises(DataJointError) as told:
        Trace.migrate("x", to="<npy@archive>")
    assert "odd" in str(told.value) and "session=3" in str(told.value)
    assert source in Trace.describe() and objects() == before and files(archive) == []
    assert_clean(schema)


def test_a_damaged_object_stops_it_and_it_goes_on_when_it_is_whole(schema, archive, objects, tmp_path):
    Trace = declare(schema, "<npy@>")
    fill(Trace)
    victim = tmp_path / "project" / "objects" / objects()[2]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DataJointError, match="not what its row says"):
        Trace.migrate("x", to="<npy@archive>", batch=1)
    [migration] = dj.migrations(schema)
    assert migration.state == "copying"
    victim.write_bytes(whole)
    migration.resume(confirm=True)
    assert_filled(Trace)
    assert objects() == []
    assert_clean(schema)


@pytest.mark.parametrize(("source", "target"), [("<blob>", "<npy@archive>"), ("<npy@>", "<npy@archive>")])
def test_readers_and_writers_go_on(schema, archive, source, target):
    Trace = declare(schema, source)
    Trace.insert([{"animal": "a", "session": n, "x": value(n)} for n in range(60)])
    stop, failures, added = threading.Event(), [], []

    def read():
        failed = False
        while not stop.is_set():
            number = random.randrange(60)
            try:
                found = array((Trace & {"animal": "a", "session": number}).fetch1("x"))
            except Exception as error:
                # The type may change between asking what it is and reading: the next query knows the new one.
                if failed or type(error).__name__ != "CorruptError":
                    failures.append(error)
                failed = True
                continue
            failed = False
            if not np.array_equal(found, value(number)) and not np.array_equal(found, value(number + 500)):
                failures.append((number, found))

    def write():
        number = 100
        while not stop.is_set() and number < 400:
            row = {"animal": "b", "session": number, "x": value(number)}
            try:
                Trace.insert1(row)
                Trace.update1({"animal": "a", "session": number % 60, "x": value(number % 60 + 500)})
            except Exception:
                time.sleep(0.01)
                continue
            added.append(number)
            number += 1
            time.sleep(0.005)

    workers = [threading.Thread(target=work) for work in (read, write)]
    [worker.start() for worker in workers]
    try:
        migration = Trace.migrate("x", to=target, batch=7)
        time.sleep(0.1)
    finally:
        stop.set()
        [worker.join() for worker in workers]
    assert not failures and added
    migration.confirm()
    for number in added:
        assert np.array_equal(array((Trace & {"animal": "b", "session": number}).fetch1("x")), value(number))
    for number in range(60):
        found = array((Trace & {"animal": "a", "session": number}).fetch1("x"))
        assert np.array_equal(found, value(number)) or np.array_equal(found, value(number + 500))
    assert target in Trace.describe()
    assert_clean(schema)


def test_a_dropped_table_takes_its_migration_along(schema, archive, objects):
    Trace = declare(schema, "<blob@>")
    fill(Trace)
    Trace.migrate("x", to="<npy@archive>")
    Trace.drop(prompt=False)
    assert objects() == [] and files(archive) == []
    assert_clean(schema)


@pytest.mark.stores("s3")
@pytest.mark.databases("sqlite", "postgresql")
def test_between_s3_and_a_folder(stored_project, tmp_path):
    (tmp_path / "archive").mkdir()
    stored_project.config.stores["archive"] = {"protocol": "file", "location": str(tmp_path / "archive")}
    schema = stored_project.Schema("lab")
    Trace = declare(schema, "<npy@>")
    fill(Trace)
    Trace.migrate("x", to="<npy@archive>", confirm=True)
    assert_filled(Trace)
    Trace.migrate("x", to="<blob@>", confirm=True)
    assert files(tmp_path / "archive") == []
    assert_filled(Trace)
    assert_clean(schema)


KILLED = """
import sys
import lodestore as dj
table = dj.FreeTable("lab.trace")
len(table)
print("ready", flush=True)
table.migrate("x", to=sys.argv[1], batch=100)
print("done", flush=True)
"""


def killed_ten_times(database, project, tmp_path, target):
    """Runs a migration in processes that are killed at random; gives how often that was, and the seconds at work."""
    environment = {
        **database.environment(project),
        "DJ_STORES": json.dumps(project.config._core.get("stores")),
    }
    if project.connection.adapter.backend == "sqlite":
        environment["DJ_DATABASE_PATH"] = str(tmp_path / "project")
    chance = random.Random(11)
    kills, seconds = 0, 0.0
    while True:
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, target], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        began = time.monotonic()
        if kills < 10:
            time.sleep(chance.uniform(0.02, 0.35))
            child.send_signal(signal.SIGKILL)
            kills += child.wait() == -signal.SIGKILL
            seconds += time.monotonic() - began
            continue
        assert child.stdout.readline() == "done\n"
        assert child.wait() == 0
        return kills, seconds + time.monotonic() - began


@pytest.mark.databases("sqlite", "postgresql", "mariadb")
@pytest.mark.parametrize(
    ("source", "target", "count"), [("<blob@>", "<npy@archive>", 5000), ("<npy@>", "<npy@archive>", 1000)]
)
def test_a_migration_that_is_killed_ten_times_loses_nothing(
    database, project, schema, archive, objects, tmp_path, source, target, count
):
    """The second kind keeps its column, and rows switch one by one: that needs one database."""
    if count < 5000 and project.connection.adapter.backend != "postgresql":
        pytest.skip("the databases differ in how types are swapped")
    project.config._core.set("gc.lease", 1)
    Trace = declare(schema, source)
    Trace.insert([{"animal": f"a{n % 5}", "session": n, "x": value(n)} for n in range(count)])
    kills, seconds = killed_ten_times(database, project, tmp_path, target)
    assert kills == 10
    print(
        f"{source} -> {target}: {count} rows in {seconds:.1f} s, killed ten times: {count / seconds:.0f} rows/s"
    )
    [migration] = dj.migrations(schema)
    assert (migration.state, migration.rows, migration.done) == ("switched", count, count)
    # On servers a program learns of another one's new type by one failed query.
    with contextlib.suppress(dj.DataJointError):
        Trace.to_dicts()
    rows = Trace.to_dicts()
    for row, found in zip(rows, dj.load_all([row["x"] for row in rows]), strict=True):
        assert np.array_equal(found, value(row["session"]))
    migration.confirm()
    # What killed writers intended is theirs no more when their lease is over.
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and (objects() or len(files(archive)) != count):
        time.sleep(0.3)
        schema.connection._core.collect([schema.database], None, False, False)
    assert objects() == [] and len(files(archive)) == count
    assert_clean(schema)


def days_ago(days):
    return datetime.date.today() - datetime.timedelta(days=days)


def test_tiers_move_what_is_old_and_large(project, schema, archive, objects):
    @schema
    class Recording(dj.Manual):
        definition = """
        id : int32
        ---
        day : date
        trace=null : <npy@>
        image : <blob@>
        """

    # As <blob@>, equal images are one object.
    Recording.insert(
        {"id": n, "day": days_ago(10 * n), "trace": np.zeros(100 * n) if n else None, "image": n // 2}
        for n in range(8)
    )
    project.config["tiers"] = {
        "lab.recording.trace": [
            {"older_than": "35d", "by": "day", "larger_than": "5kB", "to": "cold"},
            {"older_than": "35d", "by": "day", "to": "archive"},
        ],
        "lab.Recording.image": [{"older_than": 3600, "to": "archive"}],
    }
    told = dj.tier(connection=project.connection)
    assert [(r["rule"], r["to"], r["rows"], r["objects"]) for r in told] == [
        ("lab.recording.trace[0]", "cold", 1, 1),
        ("lab.recording.trace[1]", "archive", 3, 3),
        ("lab.Recording.image[0]", "archive", 0, 0),
    ]
    assert told[0]["bytes"] == 5600 + 128 and files(archive) == []

    assert dj.tier(apply=True, connection=project.connection) == told
    assert len(files(archive)) == 3 and len(objects()) == 3 + 4
    assert [r["rows"] for r in dj.tier(connection=project.connection)] == [0, 0, 0]
    for row in Recording:
        assert row["trace"] is None or len(row["trace"].load()) == 100 * row["id"]
    assert "<npy@>" in Recording.describe()

    # By the age of the objects.
    project.config["tiers"] = {"lab.Recording.image": [{"older_than": 1, "to": "archive"}]}
    time.sleep(2.1)
    [moved] = dj.tier(apply=True, connection=project.connection)
    assert (moved["rows"], moved["objects"]) == (8, 4)
    assert len(objects()) == 3 and len(files(archive)) == 3 + 4
    assert_clean(schema)


def test_tier_rules_that_make_no_sense_move_nothing(project, schema, archive):
    Trace = declare(schema, "<npy@>")
    fill(Trace)
    good = {"larger_than": 1, "to": "archive"}
    for rules, said in [
        ({"lab.trace.x": [good, {"larger_than": 1, "to": "nowhere"}]}, "nowhere"),
        ({"lab.trace.y": [good]}, "no attribute `y`"),
        ({"lab.trick.x": [good]}, "no table `trick`"),
        ({"lab.trace.note": [good]}, "lies in no store"),
        ({"lab.trace.x": [good, {"older_than": "1d", "by": "note", "to": "archive"}]}, "tells no day"),
        ({"lab.trace.x": [good, {"larger_than": "1 parsec", "to": "archive"}]}, "parsec"),
    ]:
        project.config["tiers"] = rules
        with pytest.raises(DataJointError, match=said):
            dj.tier(apply=True, connection=project.connection)
    assert files(archive) == []


def command(environment, *arguments, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "lodestore", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def described(database, tmp_path):
    """What another program sees that comes now."""
    other = database.open(tmp_path / "project")
    told = dj.FreeTable(other.connection, "lab.trace").describe()
    other.connection.close()
    return told


@pytest.mark.databases("sqlite", "postgresql")
def test_the_command_line_does_all_of_it(database, project, schema, archive, objects, tmp_path):
    Trace = declare(schema, "<npy@>")
    fill(Trace)
    environment = {
        **database.environment(project),
        "DJ_STORES": json.dumps(project.config._core.get("stores")),
        "DJ_TIERS": json.dumps({"lab.Trace.x": [{"larger_than": 150, "to": "archive"}]}),
    }
    if project.connection.adapter.backend == "sqlite":
        environment["DJ_DATABASE_PATH"] = str(tmp_path / "project")
    assert "no migrations" in command(environment, "migrate", "--list")
    told = json.loads(command(environment, "migrate", "lab.Trace", "x", "--to", "<blob@>", "--json"))
    assert told[0]["state"] == "switched" and told[0]["done"] == 6
    identifier = told[0]["id"]
    assert identifier in command(environment, "migrate", "--list")
    command(environment, "migrate", "--resume")
    assert "done" in command(environment, "migrate", "--revert", identifier)
    assert "<npy@>" in described(database, tmp_path)
    command(environment, "migrate", "lab.Trace", "x", "--to", "<blob@>")
    assert "done" in command(environment, "migrate", "--confirm", identifier)
    assert "<blob@>" in described(database, tmp_path)
    command(environment, "migrate", "lab.Trace", "x", "--to", "<npy@>", "--confirm")
    some = command(
        environment,
        "migrate",
        "lab.Trace",
        "x",
        "--where",
        "session > 1",
        "--to",
        "<npy@archive>",
        "--confirm",
    )
    assert "3 of 3" in some or "done" in some
    dry = json.loads(command(environment, "tier", "--dry-run", "--json"))
    assert dry["applied"] is False and dry["rules"][0]["rows"] == len(objects()) - sum(
        path.stat().st_size <= 150 for path in (tmp_path / "project" / "objects").rglob("*.npy")
    )
    assert "Moved." in command(environment, "tier", "--apply")
    command(environment, "migrate", "--revert", "none", status=1)
    command(environment, "migrate", "lab.Trace", "x", status=2)
    assert_filled(Trace)
    assert_clean(schema)
