"""Lodestore and DataJoint 2.3.5 on one PostgreSQL database: what one declares and inserts, the other reads.

What the peer itself cannot do there is shown by the tests that begin with `test_the_peer_cannot`.
"""

import datetime
import json
import os
import subprocess
import sys
import textwrap
from decimal import Decimal

import numpy as np
import pytest

import lodestore as dj

pytestmark = pytest.mark.databases("postgresql")

#: Columns of all core types and codecs that both programs can use, with a value for each.
COLUMNS = {
    "i8": ("int8", -128),
    "i16": ("int16", 32767),
    "i32": ("int32", -(2**31)),
    "i64": ("int64", 2**62),
    "f32": ("float32", 0.5),
    "f64": ("float64", 1e-300),
    "flag": ("bool", True),
    "day": ("date", datetime.date(2024, 2, 29)),
    "moment": ("datetime", datetime.datetime(2024, 2, 29, 23, 59, 59, 123456)),
    "milli": ("datetime(3)", datetime.datetime(2024, 2, 29, 23, 59, 59, 123000)),
    "letters": ("char(3)", "abc"),
    "words": ("varchar(40)", "naïve 'quoted' \"text\" \\ 50 %"),
    "side": ("enum('left','right')", "right"),
    "cost": ("decimal(10,3)", Decimal("-1234567.125")),
    "doc": ("json", {"a": [1, 2.5, None, "x"], "b": {"c": True}}),
    "raw": ("bytes", b"\x00\xff'\\"),
    "inside": ("<blob>", {"a": np.arange(6).reshape(2, 3), "b": [1, "two", None]}),
    "outside": ("<blob@main>", {"c": np.linspace(0, 1, 5)}),
    "array": ("<npy@main>", np.arange(12, dtype="i4").reshape(3, 4)),
    "object": ("<object@main>", b"object"),
    "content": ("<hash@main>", b"content"),
}
PARENT = "subject_id : int32  # the subject\n---\nname : varchar(30)"
CHILD = "-> Subject\n---\n" + "\n".join(
    f"{name} = null : {kind}  # a {name}" for name, (kind, _) in COLUMNS.items()
)

#: The peer's half of a test, which finds `project`'s database and stores by its environment.
PROLOGUE = """
import datetime, json, sys, uuid, warnings
from decimal import Decimal
warnings.simplefilter("ignore")
import numpy as np
import datajoint as dj
assert dj.__version__.startswith("2.3")
dj.config["safemode"] = False
schema = dj.Schema("lab")
"""


def peer(database, project, code, **told):
    """Runs code with the peer, in a process of its own; gives the last line that it prints, from JSON."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(code)],
        input=json.dumps(told),
        env={**database.environment(project), "DJ_LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def same(found, value):
    if isinstance(found, dj.NpyRef):
        found = found.load()
    if isinstance(found, dj.ObjectRef):
        found = found.read()
    if isinstance(value, dict):
        return found.keys() == value.keys() and all(same(found[name], value[name]) for name in value)
    if isinstance(value, list):
        return len(found) == len(value) and all(map(same, found, value))
    return np.array_equal(found, value) and type(found) is type(value)


def ours(schema):
    """The two tables, as Lodestore declares them."""

    @schema
    class Subject(dj.Manual):
        definition = PARENT

    @schema
    class Everything(dj.Manual):
        definition = CHILD

    return Subject, Everything


DECLARE = f"""
class Subject(dj.Manual):
    definition = {PARENT!r}
class Everything(dj.Manual):
    definition = {CHILD!r}
Subject = schema(Subject)
Everything = schema(Everything)
"""


INSERT = """
told = json.load(sys.stdin)
values = {name: eval(text, {"array": np.array, "int32": "int32", "datetime": datetime, "Decimal": Decimal})
          for name, text in told["values"].items()}
Subject.insert1({"subject_id": 7, "name": "seven"})
Everything.insert1({"subject_id": 7, **values})
print(json.dumps(len(Everything())))
"""

#: Prints what the peer reads, in a form that compares.
READ = """
def plain(value):
    if hasattr(value, "load"):
        value = value.load()
    elif hasattr(value, "read"):
        value = value.read()
    if isinstance(value, memoryview):
        value = bytes(value)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.tolist()]
    return value if isinstance(value, (int, float, str, type(None))) else repr(value)
row = (Everything & {"subject_id": 7}).fetch1()
print(json.dumps({name: plain(value) for name, value in row.items()}))
"""


def plain(value):
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.tolist()]
    return value if isinstance(value, (int, float, str, type(None))) else repr(value)


def spelled():
    return {name: repr(value) for name, (_, value) in COLUMNS.items()}


def read_by_us(Everything):
    row = (Everything & {"subject_id": 7}).fetch1()
    for name, (_, value) in COLUMNS.items():
        assert same(row[name], value), name


def read_by_the_peer(found):
    assert {**found, "subject_id": 7} == {
        "subject_id": 7,
        **{name: plain(value) for name, (_, value) in COLUMNS.items()},
    }


@pytest.mark.parametrize("declares", ["ours", "peer"])
@pytest.mark.parametrize("inserts", ["ours", "peer"])
def test_every_type_passes_between_the_programs(database, project, schema, declares, inserts):
    """Declared by one, inserted by the same or the other, and read by both."""
    if declares == "ours":
        ours(schema)
    else:
        peer(database, project, DECLARE + "print(1)")
    if inserts == "ours":
        Subject, Everything = ours(schema)
        Subject.insert1({"subject_id": 7, "name": "seven"})
        Everything.insert1({"subject_id": 7, **{name: value for name, (_, value) in COLUMNS.items()}})
    else:
        assert peer(database, project, DECLARE + INSERT, values=spelled()) == 1
    read_by_us(schema["Everything"])
    read_by_the_peer(peer(database, project, DECLARE + READ))
    # Without the classes, too.
    assert schema["Everything"].heading["side"].type == "enum('left','right')"
    assert [schema["Everything"].heading[name].type for name in COLUMNS] == [
        kind for kind, _ in COLUMNS.values()
    ]
    assert schema["Everything"].heading["i8"].comment == "a i8"
    assert schema["Everything"].heading["subject_id"].type == "int32"


def test_foreign_keys_cross_from_one_program_to_the_other(database, project, schema):
    Subject, _ = ours(schema)
    Subject.insert([{"subject_id": 1, "name": "a"}, {"subject_id": 2, "name": "b"}])
    code = """
        class Subject(dj.Manual):
            definition = "subject_id : int32\\n---\\nname : varchar(30)"
        Subject = schema(Subject)
        other = dj.Schema("other")
        @other
        class Session(dj.Manual):
            definition = '''
            -> Subject
            session : int16
            ---
            -> [nullable] Subject.proj(partner='subject_id')
            note='' : varchar(20)
            '''
        Session.insert1({"subject_id": 1, "session": 1, "partner": 2})
        print(json.dumps({name: attribute.lineage for name, attribute in Session.heading.attributes.items()}))
    """
    lineage = peer(database, project, code)
    other = project.Schema("other", context={"Subject": Subject})
    session = other["Session"]
    assert {name: session.heading[name].lineage for name in session.heading.names} == lineage
    assert lineage["partner"] == "lab.subject.subject_id" and session.heading["partner"].nullable
    assert len(Subject * session.proj()) == 1 and ids(Subject - session) == [2]

    @other
    class Trial(dj.Manual):
        definition = "-> Session\ntrial : int16\n---\nok = 1 : bool"

    Trial.insert1({"subject_id": 1, "session": 1, "trial": 5})
    with pytest.raises(dj.errors.IntegrityError):
        Trial.insert1({"subject_id": 2, "session": 9, "trial": 5})
    with pytest.raises(dj.errors.IntegrityError):
        (Subject & {"subject_id": 1}).delete_quick()
    code = """
        other = dj.Schema("other")
        other.make_classes()
        schema.make_classes()
        rows = (Subject * Session * Trial).to_dicts()
        print(json.dumps([len(rows), rows[0]["ok"], Trial.heading.attributes["subject_id"].lineage]))
    """
    assert peer(database, project, code) == [1, True, "lab.subject.subject_id"]


def ids(query):
    return sorted(query.to_arrays("subject_id"))


def test_defaults_and_comments_are_read_from_the_peers_tables(database, project, schema):
    peer(
        database,
        project,
        """
        @schema
        class Settings(dj.Lookup):
            definition = '''
            # settings of "all" sorts, it's said
            id : int32  # the 'key'
            ---
            a = 5 : int16
            b = 1.5e-3 : float64
            c = "it's" : varchar(20)
            d = 'b' : enum('a','b')
            e = '2020-01-31' : date
            f = CURRENT_TIMESTAMP : datetime
            g = 2.50 : decimal(5,2)
            h = 1 : bool
            i = null : uuid  # say "hi"
            index (a, b)
            unique index (c)
            '''
        Settings.insert1({"id": 1})
        print(1)
        """,
    )
    settings = schema["Settings"]
    settings.insert1({"id": 2})
    rows = settings.to_dicts(order_by="KEY")
    for row in rows:
        assert datetime.datetime.now() - row.pop("f") < datetime.timedelta(days=2)
    assert {**rows[0], "id": 2} == rows[1]
    assert (rows[0]["b"], rows[0]["g"], rows[0]["h"], rows[0]["c"]) == (0.0015, Decimal("2.50"), True, "it's")
    text = settings.describe()
    for line in ("# settings of", "a=5", "index (a, b)", "unique index (c)", 'say "hi"', "the 'key'"):
        assert line.replace(" ", "") in text.replace(" ", ""), (line, text)


PEER_CANNOT = {
    "insert a uuid": """
        @schema
        class A(dj.Manual):
            definition = "id : uuid"
        A.insert1({"id": uuid.uuid4()})
    """,
    "replace a row": """
        @schema
        class B(dj.Manual):
            definition = "id : int32\\n---\\nx : int32"
        B.insert1({"id": 1, "x": 1})
        B.insert1({"id": 1, "x": 2}, replace=True)
    """,
    "index an expression": """
        @schema
        class C(dj.Manual):
            definition = "id : int32\\n---\\nd : date\\nindex ((year(d)))"
    """,
    "keep a comment with a percent sign": """
        @schema
        class D(dj.Manual):
            definition = "id : int32  # 50 % of it"
    """,
    "insert NaN for a missing float64": """
        @schema
        class E(dj.Manual):
            definition = "id : int32\\n---\\nx = null : float64"
        E.insert1({"id": 1, "x": float("nan")})
        assert E.fetch1("x") is None
    """,
    "compare text with a backslash": """
        @schema
        class F(dj.Manual):
            definition = "id : int32\\n---\\nx : varchar(10)"
        F.insert1({"id": 1, "x": "a\\\\b"})
        assert len(F & {"x": "a\\\\b"}) == 1
    """,
    "insert nothing but defaults": """
        @schema
        class G(dj.Manual):
            definition = "id = 1 : int32"
        G.insert1({})
    """,
}


@pytest.mark.parametrize("what", PEER_CANNOT)
def test_the_peer_cannot(database, project, schema, what):
    """The same code fails with the peer, and works here."""
    code = textwrap.dedent(PEER_CANNOT[what])
    with pytest.raises(AssertionError, match="Traceback"):
        peer(database, project, code + "\nprint(1)")
    database.clean()
    import uuid

    schema = project.Schema("lab2")
    exec(code, {"dj": dj, "schema": schema, "uuid": uuid})


def test_our_uuids_and_attachments_lie_as_the_peer_means_them(database, project, schema, tmp_path):
    """Where the peer fails to write or to read, the columns are still of its types."""

    @schema
    class Item(dj.Manual):
        definition = "item_id : uuid\n---\nfile = null : <attach>"

    (tmp_path / "notes.txt").write_text("hello")
    Item.insert1(
        {"item_id": "00000000-0000-0000-0000-000000000007", "file": os.fspath(tmp_path / "notes.txt")}
    )
    name = database.table("lab", "item")
    rows = database.execute(project, f"SELECT item_id::text, file, pg_typeof(item_id)::text FROM {name}")
    assert [(row[0], bytes(row[1]), row[2]) for row in rows] == [
        ("00000000-0000-0000-0000-000000000007", b"notes.txt\0hello", "uuid")
    ]
    code = "schema.make_classes()\nprint(json.dumps([len(Item()), str(Item.heading.attributes['item_id'].uuid)]))"
    assert peer(database, project, code) == [1, "True"]
