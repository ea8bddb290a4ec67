"""Servers that answer a commit before it is durable: a crash undoes deletes, and their rows still have their objects."""

import numpy as np
import pytest

import lodestore as dj
import services
from test_copies import again as open_again
from test_gc import collect


@pytest.fixture
def server():
    """A server that flushes commits seconds after it has answered them."""
    if "postgresql" not in services.selected():
        pytest.skip("PostgreSQL is not tested")
    server = services.private("postgresql", "synchronous_commit=off", "wal_writer_delay=10s")
    yield server
    server.stop()


def test_no_row_comes_back_without_its_objects(server, tmp_path):
    project = server.open(tmp_path / "project")

    @project.Schema("lab")
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        trace : <npy@>
        """

    Scan.insert({"id": number, "trace": np.full(3, number)} for number in range(20))
    server.execute(project, "CHECKPOINT")
    for number in range(20):
        (Scan & {"id": number}).delete(prompt=False)
    server.kill()
    server.start()
    for row in Scan.to_dicts():
        row["trace"].load()
    assert dj.verify(project.Schema("lab"), deep=True).counts.get("missing", 0) == 0
    project.connection.close()


@pytest.fixture
def late(project, database):
    """Sets how late the server flushes commits; afterwards it does so as before, for the other tests."""
    ((before,),) = database.execute(project, "SELECT @@global.innodb_flush_log_at_trx_commit")

    def late(setting):
        database.execute(project, f"SET GLOBAL innodb_flush_log_at_trx_commit = {setting}")

    yield late
    late(before)


@pytest.mark.databases("mariadb", "mysql")
@pytest.mark.parametrize("may_flush", [False, True])
@pytest.mark.parametrize("setting", [0, 1, 2])
def test_objects_go_after_a_flush(project, schema, objects, database, late, setting, may_flush):
    """A user who may not make the server flush waits a minute, unless it flushes each commit."""

    @schema
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        trace : <npy@>
        """

    Scan.insert1({"id": 1, "trace": np.zeros(3)})
    before = objects()
    database.execute(project, "CREATE USER late_reader IDENTIFIED BY 'gc'")
    try:
        database.execute(project, f"GRANT SELECT{', RELOAD' if may_flush else ''} ON *.* TO late_reader")
        database.execute(project, "GRANT ALL ON lab.* TO late_reader")
        late(setting)
        reader = open_again(project, user="late_reader", password="gc")
        reader.FreeTable("lab.scan").delete(prompt=False)
        if setting != 1 and not may_flush:
            assert objects() == before
            assert collect(reader.Schema("lab"))["deleted"] == 0
            assert objects() == before
            database.execute(project, "UPDATE lab.`~released` SET since = since - 61")
            collect(reader.Schema("lab"))
        assert objects() == []
        reader.connection.close()
    finally:
        database.execute(project, "DROP USER late_reader")
