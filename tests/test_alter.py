"""Tables that get another definition."""

import multiprocessing
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj
import raw_sqlite
from lodestore.errors import (
    DefinitionError,
    DuplicateError,
    IntegrityError,
    InvalidValueError,
    MissingAttributeError,
    UnknownAttributeError,
    UnsupportedError,
)

START = """
# sessions
-> Subject
session : int16        # counts from 1
---
note='' : varchar(20)  # what to say
depth=null : int32
scale=1.5 : float32
trace=null : <npy@>
extra=null : <blob>
index (depth)
"""


@pytest.fixture
def Subject(schema):
    @schema
    class Subject(dj.Manual):
        definition = "subject : int32"

    Subject.insert([{"subject": number} for number in range(3)])
    return Subject


@pytest.fixture
def Session(schema, Subject):
    @schema
    class Session(dj.Manual):
        definition = START

        class Trial(dj.Part):
            definition = """
            -> master
            trial : int8
            """

    return Session


@pytest.fixture
def rows(Session):
    rows = [
        {"subject": 0, "session": 1, "note": "a", "depth": 5, "scale": 0.1, "trace": None, "extra": [1, "x"]},
        {"subject": 1, "session": 1, "note": "", "depth": None, "scale": 2.0, "trace": None, "extra": None},
        {"subject": 1, "session": 2, "note": "ü", "depth": -7, "scale": 1.5, "trace": None, "extra": {}},
    ]
    Session.insert(rows)
    Session.Trial.insert([{"subject": 1, "session": 2, "trial": 1}])
    return rows


def change(Session, *pairs, definition=START):
    """Alters the table to the definition in which texts are replaced; gives the plan."""
    for old, new in pairs:
        assert old in definition
        definition = definition.replace(old, new)
    Session.definition = definition
    return Session.alter(prompt=False)


def dump(project):
    """All that the database holds, in a form that compares."""
    if os.path.isfile(project.connection.place):
        return raw_sqlite.dump(Path(project.connection.place).parent)
    schema = project.Schema("lab")
    tables = (schema[name] for name in ("Subject", "Session"))
    return [(table.describe(), table.heading.indexes, table.to_dicts(order_by="KEY")) for table in tables]


def ask(project, *statements):
    *script, query = statements
    return raw_sqlite.run(Path(project.connection.place).parent, ";".join(script), query)


def test_attributes_are_added_dropped_and_changed(database, project, Session, rows):
    plan = change(
        Session,
        ("# sessions", "# all sessions"),
        (
            "note='' : varchar(20)  # what to say\n",
            "made=CURRENT_TIMESTAMP : datetime\nnote='none' : varchar(40)\n",
        ),
        ("depth=null : int32", "depth=null : decimal(9,2)  # metres"),
        ("scale=1.5 : float32", "kind='b' : enum('a','b')"),
        ("index (depth)", "index (kind, note)"),
    )
    assert plan.splitlines() == [
        "alter `lab.session`:",
        '  set the table\'s comment to "all sessions"',
        "  drop `scale` with all its values",
        "  add `made=CURRENT_TIMESTAMP : datetime` behind `session`",
        '  change `note="" : varchar(20) # what to say` to `note="none" : varchar(40)`',
        "  change `depth=null : int32` to `depth=null : decimal(9,2) # metres`",
        "  add `kind=\"b\" : enum('a','b')` behind `depth`",
        "  drop index (depth)",
        "  add index (kind, note)",
    ]
    names = ["subject", "session", "made", "note", "depth", "kind", "trace", "extra"]
    if database.name == "postgresql":  # which adds columns at the end only
        names = ["subject", "session", "note", "depth", "trace", "extra", "made", "kind"]
    assert Session.heading.names == names
    found = Session.to_dicts(order_by="KEY")
    assert [row["note"] for row in found] == ["a", "", "ü"]
    assert [str(row["depth"]) for row in found] == ["5.00", "None", "-7.00"]
    assert [row["extra"] for row in found] == [[1, "x"], None, {}]
    assert {row["kind"] for row in found} == {"b"} and all(row["made"] for row in found)
    assert Session.heading.indexes == {("kind", "note"): {"unique": False, "nullable": False}}
    # What the definition says now is what the table is, and what the database keeps to.
    assert Session.alter(prompt=False).endswith("there is nothing to alter")
    Session.insert1({"subject": 2, "session": 1})
    assert (Session & {"subject": 2}).fetch1("note") == "none"
    with pytest.raises(Exception, match=r"(?i)constraint|enum|truncated|status"):
        database.execute(project, f"UPDATE {database.table('lab', 'session')} SET kind = 'c'")


def test_other_tables_keep_their_foreign_keys(Session, rows):
    change(Session, ("depth=null : int32", "depth=null : int64"))
    with pytest.raises(IntegrityError):
        Session.Trial.insert1({"subject": 2, "session": 9, "trial": 1})
    with pytest.raises(IntegrityError):
        Session.insert1({"subject": 99, "session": 1})


@pytest.mark.databases("sqlite")
def test_the_file_is_sound_behind_an_alteration(project, Session, rows):
    change(Session, ("depth=null : int32", "depth=null : int64"))
    assert ask(project, "PRAGMA foreign_key_check") == []
    assert ask(project, "PRAGMA quick_check") == [["ok"]]
    ((sql,),) = ask(project, "SELECT sql FROM sqlite_schema WHERE name = 'lab.session__trial'")
    assert 'REFERENCES "lab.session"' in sql
    with pytest.raises(subprocess.CalledProcessError):
        ask(project, "PRAGMA foreign_keys = ON", 'DELETE FROM "lab.session" WHERE subject = 1')


def test_what_was_declared_needs_no_alteration(schema):
    attributes = """
        datetime, =null : datetime, ='2020-01-01' : datetime, =CURRENT_TIMESTAMP : datetime
        datetime(3), =CURRENT_TIMESTAMP : datetime(3), =CURRENT_TIMESTAMP(3) : datetime(3)
        date, ='2020-01-01' : date, =1 : float32, =0.1 : float64, =1 : bool, =true : bool, ='[1]' : json, ='1' : char(4)
        ='a;b' : varchar(9), =1 : decimal(5,2), =-5 : int64, ='b' : enum('a','b'), uuid, bytes, <blob>, =null : <npy@>
    """
    lines = ["id : int8", "---"]
    for number, text in enumerate(re.split(r", (?!')|\n", attributes.strip())):
        lines.append(f"x{number}{text.strip()}" if "=" in text else f"x{number} : {text.strip()}")
    Thing = schema(type("Thing", (dj.Manual,), {"definition": "\n".join(lines)}))
    assert len(Thing.heading.names) == 24
    assert Thing.alter(prompt=False).endswith("nothing to alter")


def test_native_types_need_no_alteration(schema):
    natives = (
        "int",
        "smallint unsigned",
        "bigint",
        "double",
        "float",
        "decimal(8,2)",
        "timestamp",
        "char(3)",
        "longblob",
    )
    lines = [f"x{number}=null : {native}" for number, native in enumerate(natives)]
    Thing = type("Thing", (dj.Manual,), {"definition": "\n".join(["id : int", "---", *lines])})
    schema(Thing)
    assert Thing.alter(prompt=False).endswith("nothing to alter")
    Thing.definition += "\nmore=null : int"
    Thing.alter(prompt=False)
    assert Thing.heading.names[-1] == "more"


def test_an_attribute_is_renamed_with_its_values(Session, rows):
    Session.insert1({"subject": 2, "session": 5, "trace": np.arange(4)})
    plan = change(
        Session,
        ("depth=null : int32", "depth_um=null : int64  # {depth} below the skin"),
        ("trace=null : <npy@>", "signal=null : <npy@>  # {trace}"),
        ("index (depth)", "index (depth_um)"),
    )
    assert "change `depth=null : int32` to `depth_um=null : int64 # below the skin`" in plan
    assert "index" not in plan and "drop" not in plan
    assert [row["depth_um"] for row in Session.to_dicts(order_by="KEY")] == [5, None, -7, None]
    assert (Session & {"subject": 2}).fetch1("signal")[1:3].tolist() == [1, 2]
    assert Session.heading["depth_um"].comment == "below the skin"
    # The same definition again: it has been done.
    assert "nothing to alter" in Session.alter(prompt=False)


@pytest.mark.parametrize(
    ("old", "new", "error", "mention"),
    [
        ("session : int16 ", "session : int32 ", UnsupportedError, "session"),
        ("session : int16 ", "session : int16\nrun : int8 ", UnsupportedError, "primary key"),
        ("-> Subject", "subject : int32", UnsupportedError, "foreign key"),
        ("index", "-> [nullable] Subject.proj(other='subject')\nindex", UnsupportedError, "foreign key"),
        ("depth=null : int32", "depth=null : int8", InvalidValueError, "300"),
        ("depth=null : int32", "depth=0 : int32", MissingAttributeError, "1 rows"),
        ("note='' : varchar(20)", "note='' : varchar(3)", InvalidValueError, "long one"),
        ("note='' : varchar(20)", "note='a' : enum('a','b')", InvalidValueError, "long one"),
        ("note='' : varchar(20)", "note=null : int32", InvalidValueError, "session=1"),
        ("extra=null : <blob>", "extra=null : <blob@>", UnsupportedError, "migrate"),
        ("extra=null : <blob>", "extra=null : json", UnsupportedError, "<blob>"),
        ("depth=null : int32", "depth=null : int32\nmore : int8", MissingAttributeError, "more"),
        ("index (depth)", "unique index (scale)", DuplicateError, "unique"),
        ("scale=1.5 : float32", "size=1.5 : float32  # {nothing}", DefinitionError, "nothing"),
        ("depth=null : int32", "depth=null : int33", DefinitionError, "int33"),
        ("depth=null : int32", "depth=null : <npy@nowhere>", dj.DataJointError, "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(project, Session, old, new, error, mention):
    Session.insert1({"subject": 0, "session": 1, "note": "a long one", "depth": 300, "extra": "x"})
    Session.insert1({"subject": 1, "session": 1, "note": "5"})
    before = dump(project)
    with pytest.raises(error) as caught:
        change(Session, (old, new))
    assert mention in str(caught.value) + str(caught.value.context)
    assert dump(project) == before
    assert caught.value.context["table"] == "lab.session"
    # The connection looks at foreign keys again.
    with pytest.raises(IntegrityError):
        Session.insert1({"subject": 99, "session": 1})


def test_a_misfit_names_row_and_value(Session, rows):
    with pytest.raises(InvalidValueError, match='"a"') as caught:
        change(Session, ("note='' : varchar(20)  # what to say", "note=null : int32"))
    assert caught.value.context == {
        "table": "lab.session",
        "attribute": "note",
        "key": "subject=0, session=1",
    }


# The others convert less.
@pytest.mark.databases("sqlite", "postgresql")
def test_an_empty_table_can_become_anything(Session):
    change(
        Session,
        ("note='' : varchar(20)", "note : int32"),
        ("extra=null : <blob>", "extra=null : <npy@>"),
        ("depth=null : int32", "depth : date\nmore : uuid"),
    )
    assert Session.heading["extra"].codec_type == "<npy@>" and not Session.heading["depth"].nullable


@pytest.mark.databases("sqlite", "postgresql")
def test_types_that_hold_more_take_everything_over(schema):
    cases = [
        ("int8", "varchar(5)", -5, "-5"),
        ("bool", "int8", True, 1),
        ("float32", "float64", 0.1, 0.1),
        ("date", "datetime", "2024-02-29", "2024-02-29 00:00:00"),
        ("varchar(40)", "date", "2024-02-29", "2024-02-29"),
        ("varchar(40)", "uuid", "0" * 32, "00000000-0000-0000-0000-000000000000"),
        ("decimal(5,2)", "float64", "1.25", 1.25),
        ("float64", "int32", 12.0, 12),
        ("varchar(40)", "json", '{"a": [1]}', {"a": [1]}),
        ("enum('a','b')", "enum('b','c','a')", "a", "a"),
    ]
    lines = [f"x{number}=null : {old}" for number, (old, _, _, _) in enumerate(cases)]
    Thing = schema(type("Thing", (dj.Manual,), {"definition": "\n".join(["id : int8", "---", *lines])}))
    Thing.insert1({"id": 1, **{f"x{number}": value for number, (_, _, value, _) in enumerate(cases)}})
    Thing.insert1({"id": 2})
    lines = [f"x{number}=null : {new}" for number, (_, new, _, _) in enumerate(cases)]
    Thing.definition = "\n".join(["id : int8", "---", *lines])
    Thing.alter(prompt=False)
    row = (Thing & "id = 1").fetch1()
    for number, (old, new, _, expected) in enumerate(cases):
        found = row[f"x{number}"]
        assert found == expected or str(found) == expected, (old, new)
    assert set((Thing & "id = 2").fetch1().values()) == {2, None}


@pytest.mark.databases("sqlite")
def test_counting_goes_on(schema):
    @schema
    class Event(dj.Manual):
        definition = """
        id : int auto_increment
        ---
        what : varchar(9)
        """

    Event.insert([{"what": "a"}, {"what": "b"}])
    (Event & "id = 2").delete(prompt=False)
    Event.definition += "more=null : int8\n"
    Event.alter(prompt=False)
    Event.insert1({"what": "c"})
    assert sorted(row["id"] for row in Event.to_dicts()) == [1, 3]


def test_hidden_attributes_stay(project, schema, Subject):
    with project.config.override(jobs__add_job_metadata=True):

        @schema
        class Result(dj.Computed):
            definition = """
            -> Subject
            ---
            x : int32
            """

    Result.insert1({"subject": 1, "x": 5}, allow_direct_insert=True)
    Result.definition = "-> Subject\n---\nx : int64\ny=null : int8"
    Result.alter(prompt=False)
    assert [name for name in Result.heading._attributes if name.startswith("_")] == [
        "_job_start_time",
        "_job_duration",
        "_job_version",
    ]
    assert Result.to_dicts() == [{"subject": 1, "x": 5, "y": None}]


def test_a_table_without_key_attributes(schema):
    Setting = schema(type("Setting", (dj.Manual,), {"definition": "x : int8"}))
    Only = schema(type("Only", (dj.Manual,), {"definition": "---\nx : int8"}))
    Only.insert1({"x": 5})
    Only.definition = "---\nx : int16\ny=null : int8"
    Only.alter(prompt=False)
    assert Only.to_dicts() == [{"x": 5, "y": None}]
    assert Setting.alter(prompt=False).endswith("nothing to alter")


def test_objects_of_a_dropped_attribute_go(Session, objects):
    Session.insert1({"subject": 0, "session": 1, "trace": np.arange(3), "note": "x"})
    before = objects()
    assert len(before) == 1
    change(Session, ("trace=null : <npy@>\n", ""))
    assert Session.to_dicts()[0]["note"] == "x"
    assert objects() == []


def test_the_plan_is_shown_and_asked_about(project, Session, monkeypatch, capsys):
    Session.definition = START.replace("depth=null : int32", "depth=null : int64")
    plan = Session.alter(dry_run=True)
    assert "change `depth=null : int32` to `depth=null : int64`" in plan
    assert Session.heading["depth"].type == "int32"
    asked, answers = [], iter(["", "perhaps", "no", "YES"])

    def answer(text):
        asked.append(text)
        return next(answers)

    monkeypatch.setattr("builtins.input", answer)
    Session.alter()  # safemode is on
    assert Session.heading["depth"].type == "int32"
    assert asked == ["Execute? [yes, no]: "] * 3 and plan in capsys.readouterr().out
    Session.alter(prompt=True)
    assert Session.heading["depth"].type == "int64"
    with project.config.override(safemode=False):
        Session.definition = START
        Session.alter()
    assert Session.heading["depth"].type == "int32"
    Session.definition = START.replace("depth=null : int32", "depth=null : int64")

    def nobody(text):
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(dj.DataJointError, match="nobody to answer"):
        Session.alter()


def test_a_transaction_is_no_place_for_it(project, Session):
    Session.definition = START.replace("int32", "int64")
    with pytest.raises(dj.DataJointError, match="transaction"), project.connection.transaction:
        Session.alter(prompt=False)
    with pytest.raises(dj.DataJointError, match="no definition"):
        type(
            "Bare", (dj.Manual,), {"_full_name": Session._full_name, "connection": project.connection}
        ).alter(prompt=False)


@pytest.mark.databases("sqlite")
def test_comments_change_without_touching_the_rows(project, Session, rows):
    def pages():
        return ask(project, "SELECT rootpage FROM sqlite_schema WHERE name = 'lab.session'")

    before = pages()
    change(Session, ("# sessions", "# ü"), ("# what to say", '# it\'s "new" # {x}'), ("# counts", "# begins"))
    assert pages() == before
    assert Session.heading["note"].comment == 'it\'s "new" # {x}'
    assert Session.heading["session"].comment == "begins from 1"
    assert Session.heading.table_status["comment"] == "ü"


@pytest.mark.databases("sqlite")
def test_headings_elsewhere_follow(project, Session, rows):
    """Other classes, free tables and other programs see the change with their next use."""
    free = dj.FreeTable(project.connection, "lab.session")
    other = dj.Instance(path=project.config["database.path"])
    there = other.FreeTable("lab.session")
    module = dj.VirtualModule("lab", "lab", connection=project.connection)
    assert all("depth" in table.heading.names for table in (free, there, module.Session))
    restricted = Session & {"subject": 0}
    change(Session, ("depth=null : int32", "deep=null : int32  # {depth}"), ("index (depth)\n", ""))
    for table in (free, there, module.Session):
        assert "deep" in table.heading.names and "depth" not in table.heading.names
        table.insert1({"subject": 2, "session": len(Session), "deep": 1})
    with pytest.raises(UnknownAttributeError):
        there.insert1({"subject": 2, "session": 8, "depth": 1})
    # What was made of the old table says that it does not fit any more.
    with pytest.raises(dj.DataJointError, match="depth"):
        restricted.to_dicts()


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_another_program_follows_once_it_was_refused(database, project, Session, rows, tmp_path):
    with database.open(tmp_path / "other").connection as connection:
        there = dj.FreeTable(connection, "lab.session")
        assert "depth" in there.heading.names
        change(Session, ("depth=null : int32", "deep=null : int32  # {depth}"), ("index (depth)\n", ""))
        with pytest.raises(UnknownAttributeError):
            there.insert1({"subject": 2, "session": 8, "depth": 1})
        there.insert1({"subject": 2, "session": 8, "deep": 1})
    assert (Session & {"subject": 2}).fetch1("deep") == 1


def _alter(folder, started, count):
    project = dj.Instance(path=folder)
    schema = project.Schema("lab")
    Subject = schema(type("Subject", (dj.Manual,), {"definition": "subject : int32"}))
    definition = START.replace("int32", "int64").replace("index (depth)", "more='x' : varchar(9)")
    Session = type("Session", (dj.Manual,), {"definition": definition})
    schema(Session, context={"Subject": Subject})
    with started.get_lock():
        started.value += 1
    while started.value < count:
        time.sleep(0.001)
    Session.alter(prompt=False)
    assert Session.heading.names[-1] == "more"


@pytest.mark.databases("sqlite")
def test_two_programs_at_once(project, Session, rows):
    context = multiprocessing.get_context("spawn")
    started = context.Value("i", 0)
    workers = [
        context.Process(target=_alter, args=(project.config["database.path"], started, 3)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert Session.heading.names[-1] == "more"
    assert len(Session) == 3 and Session.heading["depth"].type == "int64"


def _alter_for_ever(folder, ready):
    project = dj.Instance(path=folder)
    schema = project.Schema("lab")
    definitions = [
        "id : int32\n---\nx : int32\ny : varchar(30)",
        "id : int32\n---\nx : decimal(12,0)\ny : varchar(40)",
    ]
    Big = type("Big", (dj.Manual,), {"definition": definitions[0]})
    schema(Big)
    ready.set()
    for turn in range(1, 1000):
        Big.definition = definitions[turn % 2]
        Big.alter(prompt=False)


@pytest.mark.databases("sqlite")
def test_a_killed_program_leaves_the_old_table_or_the_new_one(project, schema):
    Big = schema(type("Big", (dj.Manual,), {"definition": "id : int32\n---\nx : int32\ny : varchar(30)"}))
    Big.insert([{"id": number, "x": number, "y": f"row {number}"} for number in range(20_000)])
    context = multiprocessing.get_context("spawn")
    for round_ in range(6):
        ready = context.Event()
        worker = context.Process(target=_alter_for_ever, args=(project.config["database.path"], ready))
        worker.start()
        assert ready.wait(60)
        time.sleep(0.02 + 0.03 * round_)
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        assert schema.list_tables() == ["big"]
        heading = Big.heading
        assert (heading["x"].type, heading["y"].type) in [
            ("int32", "varchar(30)"),
            ("decimal(12,0)", "varchar(40)"),
        ]
        values = Big.to_arrays("x", order_by="id")
        assert [int(value) for value in values] == list(range(20_000))
    assert ask(project, "PRAGMA quick_check") == [["ok"]]
    assert not any("~new~" in name for (name,) in ask(project, "SELECT name FROM sqlite_schema"))


@pytest.mark.databases("sqlite")
def test_what_others_hung_on_the_table_is_not_lost(project, Session, rows):
    ask(
        project,
        'CREATE TRIGGER mine AFTER INSERT ON "lab.session" BEGIN SELECT 1; END',
        'CREATE VIEW seen AS SELECT note FROM "lab.session"',
    )
    with pytest.raises(dj.DataJointError, match="trigger"):
        change(Session, ("int32", "int64"))
    ask(project, "DROP TRIGGER mine")
    change(Session, ("int32", "int64"))
    assert len(ask(project, "SELECT * FROM seen")) == 3
