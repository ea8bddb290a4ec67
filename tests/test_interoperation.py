"""One database, two programs: what DataJoint 2.3 declares and inserts Lodestore reads, and the other way round."""

import datetime
import decimal
import logging
import uuid
import warnings

import numpy as np
import pytest

import lodestore as dj

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import datajoint

logging.getLogger("datajoint").setLevel("CRITICAL")

pytestmark = [
    pytest.mark.databases("postgresql", "mariadb", "mysql"),
    pytest.mark.filterwarnings("ignore"),
]

ARRAY = np.arange(12, dtype=np.float32).reshape(3, 4)

# Attribute types, each with a value that puts it to the test.
VALUES = {
    "int8": -128,
    "int16": 32767,
    "int32": -(2**31),
    "int64": 2**63 - 1,
    "float32": 0.1,
    "float64": -1.5e-300,
    "bool": True,
    "uuid": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
    "json": {"b": [1, None, "ü"], "a": {"x": 2.5}},
    "bytes": bytes(range(256)),
    "date": datetime.date(2024, 2, 29),
    "datetime": datetime.datetime(2024, 2, 29, 23, 59, 59),
    "datetime(6)": datetime.datetime(2024, 2, 29, 23, 59, 59, 123457),
    "char(4)": "abcd",
    "varchar(40)": "naïve 'q' \"d\" \\n % 😀",
    "enum('left','it''s','b')": "it's",
    "enum('a','b,c')": "b,c",
    "decimal(12,4)": decimal.Decimal("-12345678.1250"),
    "<blob>": {"array": ARRAY, "text": "ü", "none": None},
    "<blob@main>": {"array": ARRAY, "list": [1, 2.5]},
    "<npy@main>": ARRAY,
    "<hash@main>": b"content",
    "<attach>": "notes.txt",
    "<attach@main>": "notes.txt",
    "<filepath@main>": "raw/notes.txt",
}

#: What files hold: enough to be worth compressing.
NOTES = "some text\n" * 500

# What the peer itself cannot do, by server and type: what to do, and why it fails. The test shows each.
PEER_CANNOT = {
    ("postgresql", "uuid"): ("insert and read", "it takes uuids for bytes"),
    ("postgresql", "enum('a','b,c')"): ("declare", "it splits members at every comma"),
    ("postgresql", "<attach>"): ("read", "it does not know bytes that the driver gives"),
    ("postgresql", "bytes"): ("read", "it gives the driver's view of them, not bytes"),
    # MariaDB tells json as longtext, so that the peer does not write what its codecs give as text.
    **{("mariadb", f"<{codec}@main>"): ("insert", "it binds a dict") for codec in ("blob", "attach")},
}


@pytest.fixture
def peer(project, database, tmp_path):
    """The other program on the same database, with the same store."""
    instance = datajoint.Instance(**database.settings)
    location = str(tmp_path / "project" / "objects")
    instance.config.stores = {
        "default": "main",
        "filepath_default": "main",
        "main": {"protocol": "file", "location": location},
    }
    instance.config["safemode"] = False
    instance.config["download_path"] = str(tmp_path)
    project.config["safemode"] = False
    project.config["download_path"] = str(tmp_path)
    project.config["stores.filepath_default"] = "main"
    yield instance
    instance.connection.close()


@pytest.fixture
def programs(project, peer):
    """Both programs by name: the project, and the module with the classes."""
    return {"lodestore": (project, dj), "datajoint": (peer, datajoint)}


def table_of(programs, program, name, definition, *, schema="lab", tier="Manual", **context):
    """A table of a program's, declared unless it is there."""
    project, module = programs[program]
    made = type(name, (getattr(module, tier),), {"definition": definition})
    return project.Schema(schema, context=context)(made)


def prepared(kind, value, tmp_path):
    """A value that an insert takes."""
    if "attach" in kind or "filepath" in kind:
        root = tmp_path / "project" / "objects" if "filepath" in kind else tmp_path / "given"
        path = root / value
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NOTES)
        return value if "filepath" in kind else str(path)
    return value


def assert_same(kind, got, value):
    if "attach" in kind:
        with open(got) as file:
            assert file.read() == NOTES
    elif "filepath" in kind:
        with got.open() as file:
            assert file.read() in (NOTES, NOTES.encode())
    elif "npy" in kind:
        np.testing.assert_array_equal(np.asarray(got.load() if hasattr(got, "load") else got), value)
    elif "blob" in kind:
        assert set(got) == set(value)
        np.testing.assert_array_equal(got["array"], value["array"])
        assert got["array"].dtype == value["array"].dtype
        for name in set(value) - {"array"}:
            assert got[name] == value[name]
    elif kind == "float32":
        assert np.float32(got) == np.float32(value)
    else:
        assert got == value
        if kind != "bool":
            assert type(got) is type(value)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("writer", ["lodestore", "datajoint"])
@pytest.mark.parametrize("declarer", ["lodestore", "datajoint"])
def test_what_one_writes_the_other_reads(programs, database, tmp_path, kind, declarer, writer):
    definition = f"id : int32\n---\nx=null : {kind}"
    value = VALUES[kind]
    verbs, _ = PEER_CANNOT.get((database.name, kind), ("", None))
    tables = {declarer: table_of(programs, declarer, "Item", definition)}
    tables.setdefault("lodestore", None)
    for program in programs:
        tables[program] = tables.get(program) or table_of(programs, program, "Item", definition)
    row = {"id": 1, "x": prepared(kind, value, tmp_path)}
    if "declare" in verbs and declarer == "datajoint":
        with pytest.raises(dj.DataJointError):
            tables["lodestore"]().insert1(row)
        return
    if writer == "datajoint" and "insert" in verbs:
        with pytest.raises(Exception):  # noqa: B017  whatever it is, it is the peer's
            tables[writer]().insert1(row)
        return
    tables[writer]().insert1(row)
    tables[writer]().insert1({"id": 2, "x": None})
    for program, table in tables.items():
        if program == "datajoint" and "read" in verbs:
            with pytest.raises(Exception):  # noqa: B017
                assert_same(kind, (table() & {"id": 1}).fetch1("x"), value)
            continue
        assert_same(kind, (table() & {"id": 1}).fetch1("x"), value)
        assert (table() & {"id": 2}).fetch1("x") is None
    own = tables["lodestore"]().heading
    assert own["x"].type == kind or own["x"].original_type == kind


KEYS = {
    "int32": [1, 2],
    "bool": [False, True],
    "varchar(20)": ["a", "ü"],
    "date": [datetime.date(2024, 1, 1), datetime.date(2024, 2, 29)],
    "datetime(3)": [datetime.datetime(2024, 1, 1, 0, 0, 0, 5000), datetime.datetime(2024, 1, 2)],
    "decimal(6,2)": [decimal.Decimal("-1.50"), decimal.Decimal("2.25")],
    "enum('x','y')": ["x", "y"],
    "uuid": [uuid.UUID(int=1), uuid.UUID(int=2)],
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("first", ["lodestore", "datajoint"])
def test_schemas_of_both_are_mixed_by_foreign_keys(programs, database, kind, first):
    second = "datajoint" if first == "lodestore" else "lodestore"

    def parent(program):
        return table_of(programs, program, "Parent", f"k : {kind}  # the key", schema="one")

    def child(program):
        return table_of(
            programs, program, "Child", "-> Parent\nn : int16", schema="two", Parent=parent(program)
        )

    def grandchild(program):
        definition = "-> Child\n---\n-> [nullable] Parent.proj(other='k')\nx : float64"
        context = {"Child": child(program), "Parent": parent(program)}
        return table_of(programs, program, "Grandchild", definition, schema="three", **context)

    parent(first), child(second)
    if first == "datajoint" and (database.name, kind) == ("postgresql", "enum('x','y')"):
        # It looks for the type in the schema of the child, which has it from the parent's.
        with pytest.raises(Exception):  # noqa: B017
            grandchild(first)
        grandchild("lodestore")
    else:
        grandchild(first)
    writer = "lodestore" if (database.name, kind) in PEER_CANNOT_KEYS else second
    for number, key in enumerate(KEYS[kind]):
        parent(writer)().insert1({"k": key})
        child(writer)().insert1({"k": key, "n": number})
        grandchild("lodestore")().insert1({"k": key, "n": number, "other": key, "x": 0.5})
    # The peer reads no uuids on PostgreSQL.
    readers = ["lodestore"] if (database.name, kind) == ("postgresql", "uuid") else list(programs)
    for program in readers:
        tables = [make(program) for make in (parent, child, grandchild)]
        for table in tables:
            assert sorted(table().to_arrays("k").tolist(), key=str) == sorted(KEYS[kind], key=str)
        # The same origin everywhere: the join is over the key.
        assert len(tables[0]() * tables[1]() * tables[2]()) == 2
        assert {row["k"]: row["n"] for row in tables[1]().to_dicts()} == dict(
            zip(KEYS[kind], (0, 1), strict=True)
        )
        heading = tables[2]().heading
        assert heading["k"].lineage == heading["other"].lineage == "one.parent.k"
    assert len(child("lodestore")() & {"k": KEYS[kind][1]}) == 1
    # What a foreign key brings along says less of its type than what it refers to.
    assert grandchild("lodestore")().heading["other"].type == kind
    if kind == "int32":
        with pytest.raises(dj.errors.IntegrityError, match="refer"):
            child("lodestore")().insert1({"k": 77, "n": 1})


# Keys that the peer cannot insert, by server.
PEER_CANNOT_KEYS = {("postgresql", "uuid"), ("postgresql", "enum('x','y')")}


@pytest.mark.parametrize("declarer", ["lodestore", "datajoint"])
def test_headings_and_defaults_agree(programs, database, declarer):
    definition = """
    # the comment
    a : int32            # first
    b = "x" : varchar(8)
    ---
    c = 5 : int16        # a number
    d = 1.5 : float64
    e = "2024-01-02" : date
    f = null : varchar(20)
    g = CURRENT_TIMESTAMP : datetime
    h = "it's" : varchar(10)
    i = 1 : bool
    j = 2.50 : decimal(6,2)
    k = "v" : enum('u','v')
    index (c, d)
    unique index (f)
    """
    other = "datajoint" if declarer == "lodestore" else "lodestore"
    table_of(programs, declarer, "Defaults", definition)
    ours, theirs = (
        table_of(programs, program, "Defaults", definition) for program in ("lodestore", "datajoint")
    )
    assert ours().heading.names == theirs().heading.names
    assert ours().heading.primary_key == theirs().heading.primary_key == ["a", "b"]
    assert [ours().heading[name].comment for name in "ac"] == ["first", "a number"]
    for writer, key in (("lodestore", 1), ("datajoint", 2)):
        programs[writer][0].FreeTable("lab.defaults").insert1({"a": key})
    first, second = ours().to_dicts(order_by="a")
    for name in "bcdefhijk":
        assert first[name] == second[name], name
    assert (
        first["c"] == 5
        and first["h"] == "it's"
        and first["i"] is True
        and first["j"] == decimal.Decimal("2.50")
    )
    assert abs(first["g"] - second["g"]) < datetime.timedelta(minutes=1)
    described = ours().describe()
    assert "index (c, d)" in described.lower() and "unique index (f)" in described.lower()
    assert other != declarer


def test_lineage_is_the_same_text(programs):
    subject = "subject_id : int32\n---\nname : varchar(20)"
    session = "-> Subject\nsession : int16\n---\n-> [nullable] Subject.proj(partner='subject_id')"
    told = {}
    for program in programs:
        parent = table_of(programs, program, "Subject", subject, schema=program)
        table_of(programs, program, "Session", session, schema=program, Subject=parent)
        told[program] = {other: dict(programs[other][0].Schema(program).lineage) for other in programs}
    for program, by_reader in told.items():
        assert by_reader["lodestore"] == by_reader["datajoint"]
        assert set(by_reader["lodestore"].values()) == {
            f"{program}.subject.subject_id",
            f"{program}.session.session",
        }


def test_both_populate_one_table(programs):
    def tables(program):
        project, module = programs[program]
        schema = project.Schema("lab")

        @schema
        class Number(module.Manual):
            definition = "number : int32"

        class Square(module.Computed):
            definition = "-> Number\n---\nsquare : int64\nwhole : <blob>"

            def make(self, key):
                self.insert1({**key, "square": key["number"] ** 2, "whole": np.arange(key["number"])})

        schema.context = {"Number": Number}
        return Number, schema(Square, context={"Number": Number})

    (number, square), (peer_number, peer_square) = tables("lodestore"), tables("datajoint")
    number.insert([{"number": n} for n in range(4)])
    square.populate(max_calls=2)
    peer_square.populate()
    peer_number.insert([{"number": n} for n in range(4, 6)])
    square.populate()
    for table in (square, peer_square):
        rows = table().to_dicts(order_by="number")
        assert [row["square"] for row in rows] == [n * n for n in range(6)]
        assert all(np.array_equal(row["whole"], np.arange(row["number"])) for row in rows)
    assert square().progress() == (0, 6)


@pytest.mark.databases("mariadb", "mysql")
@pytest.mark.parametrize("declarer", ["lodestore", "datajoint"])
def test_what_one_alters_the_other_sees(programs, declarer):
    before = "id : int32\n---\na : int16\nb = 'x' : varchar(4)  # old\nd = 1 : int8"
    after = (
        "# new\nid : int32\n---\na : int64\nc = null : date  # added\nbb = 'x' : varchar(20)  # {b} longer"
    )
    table_of(programs, declarer, "Thing", before)
    ours = table_of(programs, "lodestore", "Thing", before)
    ours.insert1({"id": 1, "a": 5, "b": "y"})
    ours.definition = after
    ours.alter(prompt=False)
    ours.insert1({"id": 2, "a": 2**40, "c": "2024-02-29", "bb": "longer than four"})
    theirs = table_of(programs, "datajoint", "Thing", after)
    for table in (ours, theirs):
        assert table().heading.names == ["id", "a", "c", "bb"]
        assert table().to_dicts(order_by="id") == [
            {"id": 1, "a": 5, "c": None, "bb": "y"},
            {"id": 2, "a": 2**40, "c": datetime.date(2024, 2, 29), "bb": "longer than four"},
        ]
        assert table().heading["a"].original_type == "int64"


@pytest.mark.databases("postgresql", "mysql")
def test_deleted_rows_that_are_kept_do_not_disturb(project, peer, programs, objects):
    """DataJoint neither sees nor needs to know what Lodestore keeps of deleted rows; its own rows come back as well."""
    project.config["gc.undelete"] = 3600
    session = table_of(programs, "datajoint", "Session", "session : int32\n---\nnote = '' : varchar(20)")
    definition = "-> Session\ntrace : int32\n---\nshared : <blob@main>\nraw = null : <npy@main>"
    trace = table_of(programs, "datajoint", "Trace", definition, Session=session)
    session.insert([(1, "one"), (2, "two")])
    trace.insert([{"session": 1, "trace": 1, "shared": ARRAY, "raw": ARRAY}])
    ours = project.FreeTable("lab.session")
    project.FreeTable("lab.trace").insert1({"session": 2, "trace": 1, "shared": "ours", "raw": ARRAY})
    visible = peer.Schema("lab").list_tables()
    files = objects()
    assert ours.delete(prompt=False) == 2

    theirs = peer.Schema("lab")
    assert theirs.list_tables() == visible and len(session()) == 0
    context = {}
    theirs.make_classes(context)
    assert set(context) == {"Session", "Trace"}
    peer.connection.dependencies.load(force=True)
    session.insert1((3, "three"))
    trace.insert1({"session": 3, "trace": 1, "shared": "theirs", "raw": None})
    (session & "session = 3").delete()
    assert (len(session()), len(trace())) == (0, 0)

    assert dj.undelete(project.Schema("lab")) == {"lab.session": 2, "lab.trace": 2}
    assert set(files) <= set(objects())
    rows = trace().to_dicts(order_by="session")
    np.testing.assert_array_equal(rows[0]["shared"], ARRAY)
    assert rows[1]["shared"] == "ours"
    np.testing.assert_array_equal(rows[1]["raw"].load(), ARRAY)
    trace().drop_quick()
    theirs.drop(prompt=False)
    left = "SELECT 1 FROM information_schema.schemata WHERE schema_name = 'lab'"
    assert project.connection.query(left).fetchone() is None
