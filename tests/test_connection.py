"""SQL of one's own, and what a connection tells of itself."""

import datetime
import decimal
import gc
import os
import time

import pytest

import lodestore as dj
from lodestore.errors import (
    DuplicateError,
    LostConnectionError,
    MissingTableError,
    QueryError,
    QuerySyntaxError,
)


@pytest.fixture
def table(schema):
    @schema
    class Subject(dj.Manual):
        definition = """
        subject : int32
        ---
        name = "" : varchar(20)
        weight = null : decimal(5,2)
        born = null : date
        """

    Subject.insert([(1, "ann", "1.50", "2020-02-29"), (2, "50%", None, None)])
    return Subject


def test_a_query_gives_a_cursor(project, table):
    connection = project.connection
    cursor = connection.query(f"SELECT subject, name FROM {table.full_table_name} ORDER BY subject")
    assert [column[0] for column in cursor.description] == ["subject", "name"]
    assert cursor.rowcount == 2
    assert (
        cursor.fetchone() == (1, "ann") and cursor.fetchmany(5) == [(2, "50%")] and cursor.fetchone() is None
    )
    rows = connection.query(f"SELECT * FROM {table.full_table_name} ORDER BY subject", as_dict=True)
    assert [row["name"] for row in rows] == ["ann", "50%"]
    empty = connection.query(f"SELECT subject FROM {table.full_table_name} WHERE subject > 5")
    assert empty.fetchall() == [] and empty.rowcount == 0 and empty.description[0][0] == "subject"


def test_values_are_bound_and_percent_signs_doubled(project, table):
    def names(condition, args=()):
        sql = f"SELECT name FROM {table.full_table_name} WHERE {condition} ORDER BY name"
        return [name for (name,) in project.connection.query(sql, args)]

    assert names("name LIKE '50%%'") == ["50%"]
    assert names("name LIKE '50%%' OR subject = %s", [1]) == ["50%", "ann"]
    assert names("name = %(name)s AND subject = %(id)s", {"name": "ann", "id": 1}) == ["ann"]
    assert names("name = %s", ["x' OR '1' = '1"]) == []
    assert names("born = %s", [datetime.date(2020, 2, 29)]) == ["ann"]
    assert names("weight > %s", [decimal.Decimal("1.4")]) == ["ann"]
    for args in ([], [1, 2], {"x": 1}):
        with pytest.raises(TypeError):
            names("subject = %s", args)


def test_statements_that_give_no_rows(project, table):
    connection = project.connection
    cursor = connection.query(f"UPDATE {table.full_table_name} SET name = %s", ["x"])
    assert cursor.rowcount == 2 and cursor.description is None and cursor.fetchall() == []
    with pytest.raises(DuplicateError):
        connection.query(f"INSERT INTO {table.full_table_name} (subject, name) VALUES (1, 'x')")
    with pytest.raises(QuerySyntaxError):
        connection.query("SELECTT 1")
    with pytest.raises(MissingTableError):
        connection.query(f"SELECT * FROM {connection.adapter.make_full_table_name('lab', 'nothing')}")
    assert issubclass(QuerySyntaxError, QueryError)


def test_statements_take_part_in_transactions(project, table):
    connection = project.connection
    count = f"SELECT count(*) FROM {table.full_table_name}"
    delete = f"DELETE FROM {table.full_table_name} WHERE subject = 1"
    with pytest.raises(ZeroDivisionError), connection.transaction:
        connection.query(delete)
        assert connection.query(count).fetchone() == (1,)
        # What fails does not break the transaction off.
        with pytest.raises(QueryError):
            connection.query("SELECT nothing")
        assert connection.query(count).fetchone() == (1,)
        raise ZeroDivisionError
    assert len(table()) == 2
    connection.query("START TRANSACTION")
    assert connection.in_transaction
    connection.query(delete)
    connection.query("ROLLBACK")
    assert not connection.in_transaction and len(table()) == 2
    connection.query("BEGIN")
    connection.query(delete)
    connection.query("COMMIT;")
    assert len(table()) == 1


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_a_table_changed_by_hand_is_seen_as_it_is(project, table):
    assert "extra" not in table.heading
    project.connection.query(f"ALTER TABLE {table.full_table_name} ADD COLUMN extra int")
    assert "extra" in dj.FreeTable(project.connection, "lab.subject").heading


def test_what_a_connection_tells(project, table, database):
    connection = project.connection
    assert connection.is_connected
    assert connection.schemas["lab"].database == "lab"
    assert connection.adapter.quote_identifier("a") in ("`a`", '"a"')
    assert connection.adapter.make_full_table_name("lab", "subject") == table.full_table_name
    backend = {"Embedded": "sqlite", "PostgreSQL": "postgresql"}.get(type(database).__name__, "mysql")
    assert connection.adapter.backend == backend
    assert isinstance(connection.get_user(), str) and connection.get_user()
    if connection.adapter.backend != "sqlite":
        assert isinstance(connection.connection_id, int)
        assert "password" not in connection.conn_info and connection.conn_info["user"]
    assert table().size_on_disk > 0
    connection.close()
    assert not connection.is_connected
    connection.connect()
    assert connection.is_connected and len(table()) == 2
    assert "(connected)" in repr(connection)


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_a_connection_of_ones_own(project, table, database):
    parts = {name: database.settings[name] for name in ("host", "user", "password", "port", "backend")}
    name = database.settings.get("database__name")
    connection = dj.Connection(**parts, database_name=name, config_override=project.config)
    assert len(dj.FreeTable(connection, full_table_name="lab.subject")) == 2
    host = f"{parts['host']}:{parts.pop('port')}"
    with dj.Connection(**{**parts, "host": host}, database_name=name, use_tls=False) as other:
        assert other.query("SELECT 1").fetchone() == (1,)
    with pytest.raises(dj.DataJointError):
        dj.Connection(**{**parts, "host": host, "password": "wrong"}, database_name=name)
    with pytest.raises(LostConnectionError):
        dj.Connection(**{**parts, "host": "127.0.0.1:1"})


def test_dependencies(project, schema, table):
    Subject = table  # noqa: F841

    @schema
    class Session(dj.Manual):
        definition = """
        -> Subject
        session : int16
        """

        class Trial(dj.Part):
            definition = """
            -> master
            trial : int16
            """

    graph = project.connection.dependencies
    graph.load()
    subject, session, trial = table.full_table_name, Session.full_table_name, Session.Trial.full_table_name
    assert set(graph) == {subject, session, trial} and len(graph) == 3
    assert graph.nodes[session]["primary_key"] == {"subject", "session"}
    assert list(graph.children(subject)) == [session]
    assert graph.parents(session)[subject]["attr_map"] == {"subject": "subject"}
    assert graph.descendants(subject) == [subject, session, trial]
    assert graph.ancestors(trial) == [trial, session, subject]


def _open_files(expected=None):
    """How many files are open; the threads of servers' connections may take a moment to close theirs."""
    count = len(os.listdir("/proc/self/fd"))
    deadline = time.monotonic() + 20
    while expected is not None and count > expected and time.monotonic() < deadline:
        time.sleep(0.05)
        count = len(os.listdir("/proc/self/fd"))
    return count


def test_dropped_instances_give_their_connections_back(database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def use(name):
        instance = database.open(tmp_path / name)
        table = _numbers(instance)
        table.insert1((1,), skip_duplicates=True)
        assert len(table()) == 1
        return instance

    first = use("a")
    gc.collect()
    before = _open_files()
    for n in range(8):
        use(f"b{n}")
    gc.collect()
    assert _open_files(before) <= before
    with use("c") as instance:
        assert instance.connection.is_connected
    assert not instance.connection.is_connected and _open_files(before) <= before
    # The next use opens another.
    assert len(_numbers(instance)()) == 1
    instance.close()
    assert _open_files(before) <= before
    first.close()
    database.clean()


def _numbers(instance):
    @instance.Schema("lab")
    class Number(dj.Manual):
        definition = "number : int32"

    return Number
