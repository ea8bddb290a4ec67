"""Undelete: rows, parts and objects of a delete come back together, for as long as `gc.undelete` says."""

import datetime
import decimal
import json
import subprocess
import sys
import textwrap
import threading
import time
import uuid

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import DataJointError, DuplicateError, IntegrityError


@pytest.fixture
def kept(project):
    """A project whose deletes can be undone for an hour."""
    project.config["gc.undelete"] = 3600
    return project


@pytest.fixture
def lab(kept):
    """A schema, and a second one whose tables refer to it: a master with a part, keys of all sorts, all codecs."""
    schema, other = kept.Schema("lab"), kept.Schema("analysis")

    @schema
    class Rig(dj.Lookup):
        definition = "rig : varchar(20)"
        contents = [("übung",), ("b",)]

    @schema
    class Session(dj.Manual):
        definition = """
        session : int32
        at : datetime(6)
        kind : enum('good', 'bad')
        token : uuid
        ---
        -> Rig
        note = null : varchar(100)
        weight = null : float64
        price = null : decimal(8, 3)
        day = null : date
        raw = null : bytes
        extra = null : json
        """

        class Trial(dj.Part):
            definition = """
            -> master
            trial : varchar(20)
            ---
            trace = null : <npy@>
            shared = null : <blob@>
            file = null : <object@>
            paper = null : <attach@>
            inline = null : <blob>
            content = null : <hash@>
            """

    @other
    class Spikes(dj.Manual):
        definition = """
        -> Session
        unit : int16
        ---
        times : <npy@>
        """

    yield schema, other, Rig, Session, Spikes


TOKENS = [uuid.UUID(int=number) for number in (1, 2**127 + 5, 3)]


def fill(lab, folder, sessions=(0, 1, 2)):
    _, _, _, session, spikes = lab
    for number in sessions:
        key = {
            "session": number,
            "at": datetime.datetime(2026, 1, 2, 3, 4, 5, 678901),
            "kind": "good" if number % 2 else "bad",
            "token": TOKENS[number],
        }
        session.insert1(
            {**key, "rig": "übung", "note": "Ω ' \" \\ 🧠", "weight": 0.1, "price": decimal.Decimal("12.345")}
            | {"day": datetime.date(2026, 2, 3), "raw": b"\x00\xff'", "extra": {"ä": [1, None]}}
            if number
            else {**key, "rig": "b"}
        )
        paper = folder / "paper.txt"
        paper.write_text(f"paper {number}")
        session.Trial.insert1({**key, "trial": "empty"})
        session.Trial.insert1(
            {**key, "trial": "größe", "trace": np.arange(5.0) + number, "shared": {"the": "same"}}
            | {
                "file": (".bin", b"x" * (number + 1)),
                "paper": paper,
                "inline": [1, None, "ü"],
                "content": b"same",
            }
        )
        spikes.insert1({**key, "unit": 1, "times": np.full(3, number)})


def state(lab):
    """All that the rows hold, objects and all."""

    def plain(value):
        if isinstance(value, dj.NpyRef):
            return value.load().tolist()
        if isinstance(value, dj.ObjectRef):
            return value.read()
        if isinstance(value, str) and value.endswith("paper.txt"):
            return open(value).read()
        return repr(value)

    _, _, _, session, spikes = lab
    tables = [session(), session.Trial(), spikes()]
    return [
        [{k: plain(v) for k, v in row.items()} for row in table.to_dicts(order_by="KEY")] for table in tables
    ]


def collect(*schemas, **options):
    return dj.gc.GarbageCollector(*schemas).collect(dry_run=False, **options)


def full(*schemas):
    config = schemas[0].connection._config
    config["gc.age"] = 0
    try:
        return collect(*schemas, full=True)
    finally:
        config["gc.age"] = 86400


def expire(project, *schemas):
    """As if the time were over for all that is kept."""
    for schema in schemas:
        name = f'"{schema}.~deletions"' if project.connection.adapter.backend == "sqlite" else None
        quote = "`" if project.connection.adapter.backend == "mysql" else '"'
        name = name or f"{quote}{schema}{quote}.{quote}~deletions{quote}"
        project.connection.query(f"UPDATE {name} SET expires = since - 1")


def test_all_of_it_comes_back(lab, kept, objects, tmp_path):
    schema, other, _, session, spikes = lab
    fill(lab, tmp_path)
    before, files = state(lab), objects()
    assert (session & "session > 0").delete(prompt=False) == 2
    assert (len(session), len(session.Trial()), len(spikes)) == (1, 2, 1)
    # Nothing goes, and nothing seems to be left over, while it can come back.
    for _ in range(2):
        assert full(schema)["deleted"] == full(other)["deleted"] == 0
    assert objects() == files
    assert dj.verify(schema, other).sound and dj.verify(schema).counts["unreferenced"] == 0
    usage = dj.usage(schema, other)
    assert usage["kept"]["objects"] >= 6 and usage["kept"]["bytes"] > 0
    assert (
        usage["objects"] + usage["kept"]["objects"]
        == dj.verify(schema, other).objects + usage["kept"]["objects"]
    )

    listed = dj.deletions(schema)
    assert [d["deletion"] for d in listed] == [d["deletion"] for d in dj.deletions(spikes)]
    assert listed[0]["table"] == "lab.session" and listed[0]["user"]
    assert list(listed[0]["rows"].values()) == [2, 4, 2]
    assert 3590 < (listed[0]["until"] - listed[0]["at"]).total_seconds() < 3610
    assert abs(listed[0]["at"] - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=5)

    back = dj.undelete(schema)
    assert back == {"lab.session": 2, "lab.session__trial": 4, "analysis.spikes": 2}
    assert state(lab) == before and objects() == files
    assert dj.deletions(schema) == dj.deletions(other) == []
    assert dj.verify(schema, other, deep=True).sound and dj.usage(schema, other)["kept"]["objects"] == 0
    full(schema, other)
    assert state(lab) == before
    with pytest.raises(DataJointError, match="no deletion to undo"):
        dj.undelete(schema)
    # And when it goes for good, nothing stays.
    session.delete(prompt=False)
    expire(kept, "lab", "analysis")
    assert dj.deletions(schema) == []
    with pytest.raises(DataJointError, match="no deletion to undo"):
        dj.undelete(session)
    assert dj.gc.GarbageCollector(schema).collect()["expired"] == 1
    assert collect(schema, other)["expired"] == 2
    assert objects() == [] and dj.verify(schema, other).sound


def test_content_that_others_share_outlives_the_time(lab, kept, objects, tmp_path):
    schema, other, _, session, _ = lab
    fill(lab, tmp_path)
    (session & "session = 1").delete(prompt=False)
    expire(kept, "lab", "analysis")
    collect(schema, other)
    assert len(state(lab)[1]) == 4
    (session & "session = 2").delete(prompt=False)
    kept.config["gc.undelete"] = 0
    (session & "session = 0").delete(prompt=False)
    # What the kept rows name is all that there is.
    assert dj.usage(schema, other)["objects"] == 0 and dj.usage(schema, other)["kept"]["objects"] > 0
    full(schema)
    dj.undelete(schema)
    assert [row["session"] for row in state(lab)[0]] == ["2"] and len(state(lab)[2]) == 1
    assert dj.verify(schema, other, deep=True).sound


def test_two_deletions_and_their_names(lab, kept, tmp_path):
    _schema, _, _, session, spikes = lab
    fill(lab, tmp_path)
    before = state(lab)
    (spikes & "session = 0").delete(prompt=False)
    (session & "session = 1").delete(prompt=False)
    (session & "session = 5").delete(prompt=False)
    newest, oldest = dj.deletions(spikes)
    assert oldest["rows"] == {"analysis.spikes": 1}
    assert [d["deletion"] for d in dj.deletions(session)] == [newest["deletion"]]
    dj.undelete(spikes, oldest["deletion"])
    with pytest.raises(DataJointError, match="no deletion `"):
        dj.undelete(spikes, oldest["deletion"])
    dj.undelete(session.Trial)
    assert state(lab) == before


def test_quick_deletes_and_transactions(lab, kept, tmp_path):
    schema, _, _, session, spikes = lab
    fill(lab, tmp_path)
    before = state(lab)
    assert (spikes & "session < 2").delete_quick(get_count=True) == 2
    with pytest.raises(IntegrityError):
        session.delete_quick()
    with pytest.raises(ZeroDivisionError), kept.connection.transaction:
        session.delete(prompt=False)
        raise ZeroDivisionError
    assert len(dj.deletions(schema)) == 0 and len(session) == 3
    with kept.connection.transaction:
        dj.undelete(spikes)
        session.delete(prompt=False)
        dj.undelete(schema)
        (session & "session = 1").delete(prompt=False)
    dj.undelete(schema)
    assert state(lab) == before


def test_what_stands_in_the_way_is_told(lab, kept, objects, tmp_path):
    schema, other, rig, session, spikes = lab
    fill(lab, tmp_path)
    (session & "session = 1").delete(prompt=False)
    # A row with the same key.
    key = {"session": 1, "at": "2026-01-02 03:04:05.678901", "kind": "good", "token": TOKENS[1]}
    session.insert1({**key, "rig": "b"})
    with pytest.raises(DuplicateError, match="inserted since: session=1") as caught:
        dj.undelete(schema)
    assert "lab.session" in str(caught.value)
    assert (len(session), len(session.Trial()), len(spikes)) == (3, 4, 2)
    kept.config["gc.undelete"] = 0
    (session & "session = 1").delete(prompt=False)
    # A row that it refers to.
    (rig & "rig = 'übung'").delete(prompt=False)
    with pytest.raises(IntegrityError, match=r"lab.#rig.* not there any more: rig=.übung"):
        dj.undelete(schema)
    assert (len(session), len(dj.deletions(schema))) == (1, 1)
    rig.insert1({"rig": "übung"})
    # A table that looks otherwise: until it looks the same again.
    was = spikes.definition
    spikes.definition = was + "more = null : int32\n"
    spikes().alter(prompt=False)
    with pytest.raises(DataJointError, match="altered since"):
        dj.undelete(schema)
    spikes.definition = was
    spikes().alter(prompt=False)
    assert sum(dj.undelete(schema).values()) == 4 and dj.verify(schema, other, deep=True).sound
    # A table that is gone, and what was kept with it.
    kept.config["gc.undelete"] = 3600
    (session & "session = 1").delete(prompt=False)
    spikes().drop(prompt=False)
    assert dj.deletions(schema) == []
    with pytest.raises(DataJointError, match="dropped since"):
        dj.undelete(schema)
    session().drop(prompt=False)
    assert objects() == []


def test_a_schema_goes_with_all_that_is_kept(lab, kept, objects, tmp_path):
    schema, other, _, session, _spikes = lab
    fill(lab, tmp_path)
    session.delete(prompt=False)
    other.drop(prompt=False)
    with pytest.raises(DataJointError, match="dropped since"):
        dj.undelete(schema)
    schema.drop(prompt=False)
    assert objects() == [] and kept.Schema("lab").list_tables() == []
    left = [name for name in tables(kept) if "~deleted" in name or name.endswith("~deletions")]
    assert left == []


def tables(project):
    if project.connection.adapter.backend == "sqlite":
        rows = project.connection.query("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    else:
        rows = project.connection.query("SELECT table_name FROM information_schema.tables").fetchall()
    return [row[0] for row in rows]


# MySQL does not delete such rows: it cannot read the list of keys while it adds to it.
@pytest.mark.databases("sqlite", "postgresql", "mariadb")
def test_rows_that_refer_to_each_other(kept):
    """A table that refers to itself, two that refer to each other, and one that refers twice under other names."""
    schema = kept.Schema("lab")
    query, sqlite = kept.connection.query, kept.connection.adapter.backend == "sqlite"
    name = (lambda table: f'"lab.{table}"') if sqlite else (lambda table: f"lab.{table}")
    strict = " STRICT" if sqlite else ""
    for table, columns in {
        "node": "node INTEGER NOT NULL PRIMARY KEY, up INTEGER, FOREIGN KEY (up) REFERENCES {node} (node)",
        "team": "team INTEGER NOT NULL PRIMARY KEY, head INTEGER",
        "person": "person INTEGER NOT NULL PRIMARY KEY, team INTEGER NOT NULL, FOREIGN KEY (team) REFERENCES {team} (team)",
        "pair": "a INTEGER NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b), FOREIGN KEY (a) REFERENCES {node} (node), "
        "FOREIGN KEY (b) REFERENCES {node} (node)",
    }.items():
        if table == "team" and sqlite:
            columns += ', FOREIGN KEY (head) REFERENCES "lab.person" (person)'
        query(f"CREATE TABLE {name(table)} ({columns.format(node=name('node'), team=name('team'))}){strict}")
    if not sqlite:
        query("ALTER TABLE lab.team ADD FOREIGN KEY (head) REFERENCES lab.person (person)")
    node, team, person, pair = (
        kept.FreeTable(f"lab.{table}") for table in ("node", "team", "person", "pair")
    )

    def everything():
        return [table.to_dicts(order_by="KEY") for table in (node, team, person, pair)]

    node.insert([{"node": 1, "up": None}])
    node.insert([{"node": number, "up": number - 1} for number in range(2, 30)])
    # The first refers to the last, and all to one another; one to itself.
    node.update1({"node": 1, "up": 29})
    node.insert1({"node": 99, "up": 99})
    pair.insert([{"a": number, "b": 30 - number} for number in range(1, 30)])
    team.insert([{"team": 1, "head": None}, {"team": 2, "head": None}])
    person.insert([{"person": 1, "team": 1}, {"person": 2, "team": 1}, {"person": 3, "team": 2}])
    team.update1({"team": 1, "head": 2})
    before = everything()
    assert (node & "node = 7").delete(prompt=False) == 29
    assert (len(node), len(pair)) == (1, 0)
    dj.undelete(schema)
    assert everything() == before
    (node & "node = 99").delete(prompt=False)
    (person & "person = 2").delete(prompt=False)
    assert (len(node), len(team), len(person)) == (29, 1, 1)
    dj.undelete(node)
    dj.undelete(team)
    assert everything() == before
    (pair & "a < 9").delete_quick()
    dj.undelete(pair)
    assert everything() == before


def test_hidden_attributes_singletons_and_empty_deletions(kept):
    kept.config["jobs.add_job_metadata"] = True
    schema = kept.Schema("lab")

    @schema
    class Source(dj.Manual):
        definition = "id : int32"

    @schema
    class Result(dj.Computed):
        definition = "-> Source\n---\nvalue : float64"

        def make(self, key):
            self.insert1({**key, "value": key["id"] / 3})

    @schema
    class Only(dj.Manual):
        definition = "---\nvalue : int32"

    Source.insert([{"id": number} for number in range(5)])
    Result.populate()
    hidden = f"SELECT * FROM {Result.full_table_name} ORDER BY id"
    before = list(kept.connection.query(hidden).fetchall())
    assert len(before[0]) > 2
    Only.insert1({"value": 7})
    assert (Source & "id > 100").delete(prompt=False) == 0
    assert dj.deletions(schema) == []
    Source.delete(prompt=False)
    Only.delete(prompt=False)
    dj.undelete(Source)
    dj.undelete(Only)
    assert list(kept.connection.query(hidden).fetchall()) == before
    assert Only.fetch1("value") == 7
    assert Result.populate() is not None and len(Result) == 5
    # Jobs are no data.
    Result.jobs.refresh()
    Result.jobs.delete()
    assert dj.deletions(schema) == []


def test_names_that_are_long(kept):
    schema = kept.Schema("lab")

    @schema
    class AVeryLongNameOfATableOfNearlyTheGreatestLengthThere(dj.Manual):
        definition = "id : int32\n---\nvalue : int32"

    table = AVeryLongNameOfATableOfNearlyTheGreatestLengthThere
    table.insert([(1, 2)])
    table.delete(prompt=False)
    assert sum(dj.undelete(schema).values()) == 1 and len(table) == 1


def test_ten_thousand_rows(kept, objects):
    schema = kept.Schema("lab")

    @schema
    class Batch(dj.Manual):
        definition = "batch : int32"

    @schema
    class Item(dj.Manual):
        definition = "-> Batch\nitem : int32\n---\nvalue : float64\nshared = null : <blob@>"

    Batch.insert1((1,))
    Item.insert([{"batch": 1, "item": n, "value": n / 7, "shared": n % 50} for n in range(10_000)])
    started = time.monotonic()
    Batch.delete(prompt=False)
    deleted = time.monotonic()
    full(schema)
    assert len(objects()) == 50 and len(Item) == 0
    collected = time.monotonic()
    assert dj.undelete(schema) == {"lab.batch": 1, "lab.item": 10_000}
    undone = time.monotonic()
    assert len(Item) == 10_000 and (Item & "item = 70").fetch1("value") == 10
    # One statement for each row would take ten times as long.
    assert deleted - started < 10 and undone - collected < 10


def test_a_collector_at_the_same_time(lab, kept, tmp_path):
    """Rows go and come back while objects that they share are collected without a pause."""
    schema, other, _, session, _ = lab
    fill(lab, tmp_path)
    before = state(lab)
    stop, failures, rounds = threading.Event(), [], []

    def collector():
        try:
            while not stop.is_set():
                full(schema, other)
                rounds.append(1)
        except Exception as error:
            failures.append(error)
        finally:
            kept.connection.close()

    thread = threading.Thread(target=collector)
    kept.config["gc.age"] = 0
    thread.start()
    try:
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline or len(rounds) < 2:
            (session & "session > 0").delete(prompt=False)
            dj.undelete(schema)
            if failures:
                break
    finally:
        stop.set()
        thread.join()
    assert not failures, failures[0]
    assert state(lab) == before and dj.verify(schema, other, deep=True).sound


CHILD = """
import sys
import lodestore as dj

connection = dj.conn()
schema = dj.Schema("lab")
table = dj.FreeTable("lab.thing")
print("ready", flush=True)
while True:
    table.delete(prompt=False)
    print("deleted", flush=True)
    dj.undelete(schema)
    print("undone", flush=True)
"""


def test_killed_anywhere(database, kept, objects, tmp_path):
    schema = kept.Schema("lab")

    @schema
    class Thing(dj.Manual):
        definition = "id : int32\n---\ntrace : <npy@>\nshared : <blob@>"

        class Piece(dj.Part):
            definition = "-> master\npiece : int32\n---\nfile : <object@>"

    Thing.insert([{"id": n, "trace": np.full(4, n), "shared": n % 3} for n in range(40)])
    Thing.Piece.insert([{"id": n, "piece": 0, "file": (".bin", b"%d" % n)} for n in range(40)])
    files = objects()
    environment = {
        **database.environment(kept),
        "DJ_GC_UNDELETE": "3600",
        "DJ_GC_LEASE": "1",
        "DJ_GC_AGE": "0",
    }
    if kept.connection.adapter.backend == "sqlite":
        environment["DJ_DATABASE_PATH"] = str(tmp_path / "project")
    seen = set()
    for number in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD)],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout.readline() == "ready\n", child.stderr.read()
        time.sleep(0.013 * number * number)
        child.kill()
        child.wait()
        child.stdout.close()
        child.stderr.close()
        full(schema)
        rows = len(Thing), len(Thing.Piece())
        seen.add(rows)
        assert rows in ((0, 0), (40, 40))
        if rows == (0, 0):
            dj.undelete(schema)
        assert [row["trace"].load()[0] for row in Thing.to_dicts(order_by="id")] == list(range(40))
        assert [row["file"].read() for row in Thing.Piece.to_dicts(order_by="id")] == [
            b"%d" % n for n in range(40)
        ]
        assert objects() == files
    assert dj.deletions(schema) == []


@pytest.mark.databases("sqlite")
@pytest.mark.stores("s3")
def test_on_another_kind_of_store(stored_project):
    stored_project.config["gc.undelete"] = 3600
    schema = stored_project.Schema("lab")

    @schema
    class Scan(dj.Manual):
        definition = "id : int32\n---\ntrace : <npy@>\nshared : <blob@>\nfile : <object@>"

    Scan.insert(
        [{"id": n, "trace": np.full(3, n), "shared": "same", "file": (".bin", b"x")} for n in range(3)]
    )
    Scan.delete(prompt=False)
    full(schema)
    dj.undelete(schema)
    assert dj.verify(schema, deep=True).sound and dj.verify(schema).objects == 7
    Scan.delete(prompt=False)
    expire(stored_project, "lab")
    collect(schema)
    collector = dj.gc.GarbageCollector(schema)
    assert not collector.list_hash_paths("lab") and not collector.list_schema_paths("lab")


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_a_change_meanwhile_is_not_lost(kept, database):
    """A row that another program changes while it is deleted comes back as it was changed."""
    schema = kept.Schema("lab")

    @schema
    class Thing(dj.Manual):
        definition = "id : int32\n---\nvalue : int32"

    Thing.insert([{"id": n, "value": 0} for n in range(3)])
    (Thing & "id = 2").delete(prompt=False)
    done = threading.Event()

    def other():
        table = kept.FreeTable("lab.thing")
        with kept.connection.transaction:
            table.update1({"id": 1, "value": 5})
            done.set()
            time.sleep(0.5)
        kept.connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    done.wait()
    try:
        Thing.delete(prompt=False)
    finally:
        thread.join()
    dj.undelete(schema)
    assert Thing.to_arrays("value", order_by="id").tolist() == [0, 5]


def test_nothing_is_kept_unless_asked_for(project, objects):
    schema = project.Schema("lab")

    @schema
    class Thing(dj.Manual):
        definition = "id : int32\n---\nshared : <blob@>"

    Thing.insert([(1, "a")])
    Thing.delete(prompt=False)
    assert objects() == [] and dj.deletions(Thing) == []
    with pytest.raises(DataJointError, match="no deletion to undo") as caught:
        dj.undelete(schema)
    assert "gc.undelete" in str(
        caught.value.__notes__ if hasattr(caught.value, "__notes__") else caught.value
    )
    with pytest.raises(DataJointError, match="neither a schema nor a table"):
        dj.undelete("lab")
    assert not [name for name in tables(project) if "~delet" in name]


@pytest.mark.databases("sqlite")
def test_the_command_undeletes(lab, kept, tmp_path):
    _schema, _, _, session, spikes = lab
    fill(lab, tmp_path)
    before = state(lab)

    def command(*arguments):
        line = [sys.executable, "-m", "lodestore", *arguments, "--project", "project"]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    assert command("undelete", "--list") == (0, "No delete can be undone.\n", "")
    (spikes & "session = 0").delete(prompt=False)
    (session & "session = 1").delete(prompt=False)
    status, out, _ = command("undelete", "--list")
    assert status == 0 and "2 deletions can be undone" in out and "lab.session__trial: 2 rows" in out
    listed = json.loads(command("undelete", "--list", "lab", "--json")[1])["deletions"]
    assert [entry["rows"] for entry in listed] == [
        {"lab.session": 1, "lab.session__trial": 2, "analysis.spikes": 1}
    ]
    assert "more for deleted rows" in command("usage")[1]
    status, out, _ = command("undelete", "--table", "lab.Session", "--json")
    assert status == 0 and json.loads(out) == {"rows": listed[0]["rows"]}
    status, out, err = command("undelete", "lab")
    assert (status, out) == (1, "") and "no deletion to undo" in err
    (name,) = [entry["deletion"] for entry in dj.deletions(spikes)]
    status, out, _ = command("undelete", "analysis", "--deletion", name)
    assert status == 0 and out.endswith("All of it is back.\n")
    assert state(lab) == before
    for arguments in ([], ["lab", "--table", "lab.Session"], ["--list", "--deletion", name]):
        assert command("undelete", *arguments)[0] == 2


def test_what_one_transaction_deleted_comes_back_together(kept, tmp_path):
    """Deletes of children before parents, of several schemas, and one that the transaction took back."""
    lab, other = kept.Schema("lab"), kept.Schema("analysis")

    @lab
    class Rig(dj.Manual):
        definition = "rig : int32"

    @lab
    class Scan(dj.Manual):
        definition = """
        -> Rig
        scan : int32
        ---
        trace : <npy@>
        """

    @other
    class Note(dj.Manual):
        definition = """
        note : int32
        ---
        -> [nullable] Scan
        """

    def fill():
        Rig.insert([(1,), (2,)], skip_duplicates=True)
        Scan.insert(
            [{"rig": rig, "scan": scan, "trace": np.full(3, scan)} for rig in (1, 2) for scan in (1, 2)],
            skip_duplicates=True,
        )
        Note.insert([{"note": 1, "rig": 1, "scan": 1}, {"note": 2}], skip_duplicates=True)

    def everything():
        return len(Rig()), len(Scan()), len(Note())

    fill()
    # MySQL refuses to write, in a transaction that has read, into a table that was made since.
    Rig.delete(prompt=False)
    dj.undelete(lab)
    (Note & "note = 2").delete(prompt=False)
    dj.undelete(other)
    with kept.connection.transaction:
        (Note & "note = 1").delete(prompt=False)
        (Scan & {"rig": 1, "scan": 1}).delete(prompt=False)
        (Rig & "rig = 1").delete(prompt=False)
        (Note & "note = 2").delete(prompt=False)
    assert everything() == (1, 2, 0)
    (deletion,) = dj.deletions(lab)
    (same,) = dj.deletions(other)
    assert (same["deletion"], same["rows"]) == (deletion["deletion"], deletion["rows"])
    assert deletion["rows"] == {"lab.rig": 1, "lab.scan": 2, "analysis.note": 2}
    dj.undelete(other)
    assert everything() == (2, 4, 2) and not dj.deletions(lab) and not dj.deletions(other)
    assert [row["trace"].load()[0] for row in Scan.to_dicts()] == [1, 2, 1, 2]

    # A row that comes again within the transaction: both cannot come back at once.
    with kept.connection.transaction:
        (Note & "note = 2").delete(prompt=False)
        Note.insert1({"note": 2, "rig": 1, "scan": 1})
        (Note & "note = 2").delete(prompt=False)
    _newer, older = dj.deletions(other)
    dj.undelete(other, older["deletion"])
    assert (Note & "note = 2").fetch1("rig") is None

    # An undelete in the middle: what follows is another deletion.
    with kept.connection.transaction:
        (Note & "note = 1").delete(prompt=False)
        dj.undelete(other)
        (Note & "note = 2").delete(prompt=False)
    assert [deletion["rows"] for deletion in dj.deletions(other)] == [{"analysis.note": 1}] * 2
    dj.undelete(other)
    assert everything() == (2, 4, 2)
