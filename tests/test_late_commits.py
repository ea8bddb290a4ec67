"""Servers that answer a commit before it is durable: a crash undoes deletes, and their rows still have their objects."""

import numpy as np
import pytest

import lodestore as dj
import services


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


@pytest.mark.databases("mariadb", "mysql")
@pytest.mark.parametrize("setting", [0, 2])
def test_objects_go_after_a_flush(project, schema, objects, database, setting):
    @schema
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        trace : <npy@>
        """

    Scan.insert1({"id": 1, "trace": np.zeros(3)})
    database.execute(project, f"SET GLOBAL innodb_flush_log_at_trx_commit = {setting}")
    try:
        Scan.delete(prompt=False)
        assert objects() == []
    finally:
        database.execute(project, "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
