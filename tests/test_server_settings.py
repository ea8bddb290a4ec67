"""Servers with other defaults: usual ones, and such as would change what statements mean."""

import datetime
import threading

import numpy as np
import pytest

import lodestore as dj
import services

MYSQL = {
    "mysql-collation": ["collation_server = utf8mb4_0900_ai_ci"],
    "general-collation": ["collation_server = utf8mb4_general_ci"],
    "latin1": ["character_set_server = latin1"],
    "autocommit-off": ["autocommit = 0"],
    "ansi": ["sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,NO_ZERO_DATE'"],
    "no-mode": ["sql_mode = ''"],
    "serializable": ["TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
    "uncommitted": ["TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"],
    "committed": ["TRANSACTION ISOLATION LEVEL READ COMMITTED"],
    "elsewhere": ["time_zone = '+09:00'", "div_precision_increment = 0", "completion_type = 'CHAIN'"],
    "limits": ["group_concat_max_len = 8", "sql_select_limit = 2", "sql_safe_updates = 1"],
}
#: `{database}` is that of the tests.
POSTGRESQL = {
    "serializable": ["default_transaction_isolation = 'serializable'"],
    "repeatable": ["default_transaction_isolation = 'repeatable read'"],
    "uncommitted": ["default_transaction_isolation = 'read uncommitted'"],
    "elsewhere": ["timezone = 'Asia/Tokyo'", "datestyle = 'SQL, DMY'", "intervalstyle = 'iso_8601'"],
    "texts": ["standard_conforming_strings = off", "bytea_output = 'escape'", "extra_float_digits = -9"],
    "words": ["quote_all_identifiers = on", "search_path = 'nowhere'", "array_nulls = off"],
    "nulls": ["transform_null_equals = on", "lock_timeout = '20s'"],
}
#: What some servers do not have.
ONLY = {"mysql-collation": "mysql"}
CASES = [
    (name, case)
    for name in services.selected()
    if name != "sqlite"
    for case in (POSTGRESQL if name == "postgresql" else MYSQL)
    if ONLY.get(case, name) == name
]


@pytest.fixture(scope="module")
def servers():
    """Servers of their own, whose defaults may be changed: started when asked for."""
    started = {}

    def server(name):
        if name not in started:
            started[name] = services.private(name)
        return started[name]

    yield server
    for server in started.values():
        server.stop()


@pytest.fixture(params=CASES, ids=["-".join(case) for case in CASES])
def hostile(request, servers):
    """A server with the defaults of a case."""
    name, case = request.param
    server = servers(name)
    if name == "postgresql":
        for setting in POSTGRESQL[case]:
            server._run(f"ALTER DATABASE {server.database} SET {setting}")
        yield server
        server.clean()
        server._run(f"ALTER DATABASE {server.database} RESET ALL")
        return
    variables = [setting.split(" = ")[0] for setting in MYSQL[case]]
    known = {}
    for variable in variables:
        if not variable.startswith("TRANSACTION"):
            known[variable] = server._run(f"SELECT @@global.{variable}")[0][0]
    charset = [
        server._run(f"SELECT @@global.{name}")[0][0] for name in ("character_set_server", "collation_server")
    ]
    for setting in MYSQL[case]:
        server._run(f"SET GLOBAL {setting}")
    yield server
    server.clean()
    for variable, value in known.items():
        server._admin.cursor().execute(f"SET GLOBAL {variable} = %s", [value])
    server._run("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    server._run(f"SET GLOBAL character_set_server = {charset[0]}")
    server._run(f"SET GLOBAL collation_server = {charset[1]}")


@pytest.fixture
def project(hostile, tmp_path):
    project = hostile.open(tmp_path / "project")
    yield project
    project.connection.close()


@pytest.fixture
def schema(project):
    return project.Schema("lab")


def test_work_is_the_same_under_all_defaults(project, schema, hostile):
    @schema
    class Subject(dj.Manual):
        definition = r"""
        name : varchar(20)  # it's "a" back\slash
        ---
        weight = 20.5 : float64
        mark = "it's" : varchar(20)
        born=null : date
        seen=CURRENT_TIMESTAMP : datetime
        meta=null : json
        raw=null : bytes
        data=null : <blob>
        array=null : <blob@>
        kind='b' : enum('b', 'a')
        price=null : decimal(8, 2)
        """

    @schema
    class Session(dj.Manual):
        definition = "-> Subject\nnumber : int32"

    @schema
    class Size(dj.Computed):
        definition = "-> Session\n---\nsize : int32"

        def make(self, key):
            self.insert1({**key, "size": len(key["name"])})

    names = ["a", "b'", 'c"', "d\\", "e%_"]
    rows = [
        {
            "name": name,
            "born": datetime.date(2024, 3, 4 + place),
            "meta": {"n": place, "text": f"{name}\\n", "flag": True},
            "raw": b"\x00\\'\xff",
            "data": np.arange(3) * place,
            "array": np.arange(1000) + place,
            "weight": 0.1 + place / 3,
            "price": place + 1,
        }
        for place, name in enumerate(names)
    ]
    Subject.insert(rows)
    Session.insert({"name": name, "number": number} for name in names for number in range(20))
    for name, row in zip(names, rows, strict=True):
        found = (Subject & {"name": name}).fetch1()
        for field in ("name", "born", "meta", "raw", "weight"):
            assert found[field] == row[field], field
        assert np.array_equal(found["data"], row["data"]) and np.array_equal(found["array"], row["array"])
        assert found["mark"] == "it's" and found["kind"] == "b"
        there = hostile.connect(*([hostile.database] if hostile.name == "postgresql" else []))
        cursor = there.cursor()
        cursor.execute("SELECT CURRENT_TIMESTAMP")
        now = cursor.fetchone()[0].replace(tzinfo=None)
        there.close()
        assert abs(found["seen"] - now) < datetime.timedelta(minutes=5), "the server's time zone"
    # The definition says the same when it is read from the database.
    declared = [line.strip() for line in Subject.describe().splitlines()]
    assert any(line.startswith(("mark='it\\'s'", 'mark="it\'s"', "mark='it''s'")) for line in declared), (
        declared
    )
    again = project.Schema("again")
    text = Subject.describe()

    @again
    class Copy(dj.Manual):
        definition = text

    assert Copy.describe() == text
    assert len(Subject & "name like 'd\\\\%'") <= 1
    assert len(Session) == 100 and len(Session.to_dicts()) == 100
    assert (Subject & "meta is not null").proj(n="meta.n:int").to_dicts(order_by="n")[3]["n"] == 3
    groups = Subject.aggr(Session, n="count(*)", mean="avg(number)", all="group_concat(number)")
    found = groups.to_dicts(order_by="KEY")
    assert [row["n"] for row in found] == [20] * 5
    assert [float(row["mean"]) for row in found] == [9.5] * 5
    assert all(sorted(map(int, row["all"].split(","))) == list(range(20)) for row in found)
    assert float(dj.U().aggr(Subject, mean="avg(price)").fetch1("mean")) == 3.0
    assert (Subject & {"born": "2024-03-05"}).fetch1("name") == "b'"
    # Many keys go as a list, in one parameter or as literals.
    keys = [{"name": name, "number": number} for name in names for number in range(-300, 20)]
    assert len(Session & keys) == 100
    Size.populate()
    assert len(Size) == 100
    Subject.update1({"name": "a", "weight": 3, "mark": None})
    assert (Subject & "name = 'a'").fetch1("weight", "mark") == (3.0, "it's")
    (Subject & {"name": names[3]}).delete(prompt=False)
    assert len(Session) == 80 and len(Size) == 80
    schema.drop(prompt=False)


def test_what_one_program_writes_another_one_sees(project, schema, hostile, tmp_path):
    @schema
    class Note(dj.Manual):
        definition = "id : int32\n---\ntext : varchar(20)"

    other = hostile.open(tmp_path / "other")
    table = dj.FreeTable(other.connection, "lab.note")
    assert len(table) == 0 and len(Note) == 0
    Note.insert1({"id": 1, "text": "a"})
    assert len(table) == 1, "a read that is not stale"
    name = hostile.table("lab", "note")
    other.connection.query(f"INSERT INTO {name} VALUES (2, 'b')")
    other.connection.close()
    assert len(Note) == 2, "a statement that was committed"
    with project.connection.transaction:
        Note.insert1({"id": 3, "text": "c"})
        assert hostile.execute(project, f"SELECT count(*) FROM {name}")[0][0] == 2, "not yet"
    assert hostile.execute(project, f"SELECT count(*) FROM {name}")[0][0] == 3
    with pytest.raises(RuntimeError), project.connection.transaction:
        Note.insert1({"id": 4, "text": "d"})
        raise RuntimeError
    assert len(Note) == 3
    # Nothing holds the table: a definition of somebody else's does not wait.
    done = threading.Event()

    def define():
        hostile.execute(project, f"ALTER TABLE {name} ADD extra INT NULL")
        done.set()

    thread = threading.Thread(target=define, daemon=True)
    thread.start()
    assert done.wait(30), "DDL waits for a transaction that nobody ends"
    thread.join()
    # One that begins behind a commit does not go on with the old one's moment.
    with project.connection.transaction:
        assert len(Note) == 3
    hostile.execute(project, f"DELETE FROM {name} WHERE id = 3")
    assert len(Note) == 2


def test_a_queue_works(project, schema):
    @schema
    class Item(dj.Lookup):
        definition = "id : int32"
        contents = [(id,) for id in range(12)]

    @schema
    class Work(dj.Computed):
        definition = "-> Item\n---\ndouble : int32"

        def make(self, key):
            if key["id"] == 5:
                raise ValueError("it's \\ 5")
            self.insert1({**key, "double": 2 * key["id"]})

    Work.populate(reserve_jobs=True, suppress_errors=True)
    assert len(Work) == 11
    assert [row["id"] for row in Work.jobs.errors.to_dicts()] == [5]
    assert "it's \\ 5" in Work.jobs.errors.fetch1("error_message")
    Work.jobs.errors.delete()
    Work.populate(reserve_jobs=True, suppress_errors=True, max_calls=0)


def test_keys_are_equal_where_the_servers_collation_says_so(project, schema, hostile, request):
    """A key is found, refused, skipped and replaced by the same rule, that of the column."""

    @schema
    class Word(dj.Manual):
        definition = "word : varchar(20)\n---\nn : int32\ndata=null : <blob@>"

    Word.insert1({"word": "Case", "n": 1, "data": np.arange(1000)})
    same = len(Word & {"word": "CASE"}) == 1
    if hostile.name == "postgresql":
        assert not same
    upper = {"word": "CASE", "n": 2, "data": np.ones(1000)}
    if not same:
        Word.insert1(upper)
        assert len(Word) == 2
        return
    with pytest.raises(dj.errors.DuplicateError):
        Word.insert1(upper)
    Word.insert([upper, {"word": "other", "n": 5}], skip_duplicates=True)
    assert dict(zip(*Word.to_arrays("word", "n"), strict=True)) == {"Case": 1, "other": 5}
    Word.insert1(upper, replace=True)
    assert (Word & {"word": "case"}).fetch1("n") == 2
    assert (Word & {"word": "case"}).fetch1("data").sum() == 1000
    Word.update1({"word": "cASE", "n": 3})
    assert (Word & "word = 'case'").fetch1("n") == 3
    assert [{"word": "x"}, {"word": "CASE"}] and len(Word & [{"word": "x"}, {"word": "CASE"}]) == 1
    (Word & {"word": "CASE"}).delete(prompt=False)
    assert list(Word.to_arrays("word")) == ["other"]


@pytest.mark.parametrize("name", [name for name in services.selected() if name != "sqlite"])
def test_a_default_of_reading_only_is_respected(servers, name, tmp_path):
    server = servers(name)
    lab = server.open(tmp_path / "project").Schema("lab")

    @lab
    class Note(dj.Manual):
        definition = "id : int32"

    Note.insert1({"id": 1})
    if name == "postgresql":
        server._run(f"ALTER DATABASE {server.database} SET default_transaction_read_only = on")
    else:
        server._run("SET GLOBAL TRANSACTION READ ONLY")
    try:
        reader = server.open(tmp_path / "reader")
        note = dj.FreeTable(reader.connection, "lab.note")
        assert len(note) == 1 and note.to_dicts() == [{"id": 1}]
        with pytest.raises(dj.DataJointError, match=r"(?i)read.only"):
            note.insert1({"id": 2})
        reader.connection.close()
    finally:
        if name == "postgresql":
            server._run(f"ALTER DATABASE {server.database} RESET default_transaction_read_only")
        else:
            server._run("SET GLOBAL TRANSACTION READ WRITE")
    assert len(Note) == 1
    server.clean()
