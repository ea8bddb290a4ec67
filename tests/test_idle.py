"""Connections that the server ends while they are idle."""

import time

import numpy as np
import pytest

import lodestore as dj

pytestmark = pytest.mark.databases("postgresql", "mariadb", "mysql")


def _end_sessions(database):
    """What a server does with connections that it has not heard of for long."""
    if type(database).__name__ == "PostgreSQL":
        database._run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
            "backend_type = 'client backend'"
        )
        return
    own = database._run("SELECT connection_id()")[0][0]
    listed = "SELECT id FROM information_schema.processlist WHERE id <> %s AND command = 'Sleep'"
    for (session,) in database._run(listed, (own,)):
        database._run(f"KILL {session}")


@pytest.fixture
def sample(schema):
    @schema
    class Sample(dj.Manual):
        definition = """
        sample : int32
        ---
        trace=null : <npy@>
        note="" : varchar(20)
        """

    Sample.insert1({"sample": 0, "trace": np.arange(3)})
    return Sample


def test_every_verb_opens_the_connection_again(project, database, sample):
    connection = project.connection
    table = sample.full_table_name
    verbs = [
        lambda: sample.insert1({"sample": 1, "trace": np.arange(3)}),
        lambda: sample.insert1({"sample": 2}),
        lambda: connection.query(f"INSERT INTO {table} (sample, note) VALUES (3, 'x')"),
        lambda: connection.query(f"UPDATE {table} SET note = %s WHERE sample = 3", ("y",)),
        lambda: sample.update1({"sample": 1, "note": "z"}),
        lambda: sample.update1({"sample": 1, "trace": np.arange(4)}),
        lambda: len(sample()),
        lambda: sample.to_dicts(),
        lambda: (sample & "sample = 2").delete(prompt=False),
        lambda: (sample & "sample = 1").delete(prompt=False),
        lambda: project.Schema("other"),
        lambda: connection.start_transaction(),
    ]
    for verb in verbs:
        for _ in range(2):
            len(sample())
        _end_sessions(database)
        time.sleep(0.6)
        verb()
    sample.insert1({"sample": 4})
    connection.commit_transaction()
    assert sorted(sample.to_arrays("sample").tolist()) == [0, 3, 4]
    assert (sample & "sample = 3").fetch1("note") == "y"
