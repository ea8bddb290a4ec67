"""How programs connect: through the process-wide connection, by hand, several at once."""

import json
import subprocess
import sys
import threading

import pytest

import lodestore as dj
from lodestore.errors import AccessError, LostConnectionError

SERVERS = pytest.mark.databases("postgresql", "mariadb", "mysql")

PROGRAM = """
import json, os, sys, threading
import lodestore as dj

host, port, user, password = json.loads(sys.argv[1])
found = {}
first = dj.conn(f"{host}:{port}", user, password)
found["conn"] = [dj.conn() is first, dj.conn("elsewhere.invalid") is first, dj.config["database.port"] == port]
schema = dj.Schema("lab")

@schema
class Number(dj.Manual):
    definition = "number : int32"

Number.insert1((1,))
second = dj.conn(host, user, password, reset=True)
found["reset"] = [second is dj.conn(), second is not first, len(Number()), len(dj.FreeTable("lab.number"))]

dj.config["database.host"] = "elsewhere.invalid"
found["kept"] = [dj.conn() is second, second.is_connected]
try:
    dj.conn(reset=True)
except dj.errors.LostConnectionError:
    found["kept"].append(dj.conn() is second)
dj.config.database.host, dj.config["database.port"] = host, port
found["again"] = dj.conn(reset=True).query("SELECT 1").fetchall()

made = []
threads = [threading.Thread(target=lambda: made.append(dj.conn(reset=False))) for _ in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
found["threads"] = len(set(map(id, made)))
print(json.dumps(found))
"""


@SERVERS
def test_the_process_wide_connection(project, database, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = database.environment(project)
    for name in ("DJ_HOST", "DJ_PORT", "DJ_USER", "DJ_PASS"):
        environment.pop(name)
    parts = [database.settings[name] for name in ("host", "port", "user", "password")]
    done = subprocess.run(
        [sys.executable, "program.py", json.dumps(parts)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "conn": [True, True, True],
        "reset": [True, True, 1, 1],
        "kept": [True, True, True],
        "again": [[1]],
        "threads": 1,
    }


def by_hand(database, project, **changes):
    """A connection made by hand, to the project's database."""
    parts = {name: database.settings[name] for name in ("host", "user", "password", "port", "backend")}
    name = database.settings.get("database__name")
    return dj.Connection(**parts | changes, database_name=name, config_override=project.config)


@SERVERS
def test_a_connection_made_by_hand_follows_the_settings(project, database, tmp_path):
    connection = by_hand(database, project)
    (tmp_path / "late").mkdir()
    project.config.stores["late"] = {"protocol": "file", "location": tmp_path / "late"}
    project.config.update({"safemode": False, "display.limit": 1, "jobs.keep_completed": True})
    schema = dj.Schema("lab", connection=connection)

    @schema
    class Source(dj.Lookup):
        definition = "source : int32"
        contents = [[1], [2]]

    @schema
    class Result(dj.Computed):
        definition = "-> Source\n---\nvalue : <blob@late>"

        def make(self, key):
            self.insert1({**key, "value": [key["source"]]})

    Result.populate(reserve_jobs=True)
    assert len(Result.jobs.completed) == 2 and any((tmp_path / "late").rglob("*"))
    assert "1" in repr(Source) and " 2 " not in repr(Source).split("(Total")[0]
    Result.drop()
    assert schema.list_tables() == ["#source"]
    # Where the database is stays what it was told.
    project.config["database.host"] = "elsewhere.invalid"
    assert connection.conn_info["host"] == database.settings["host"] and len(Source()) == 2
    connection.close()
    assert len(Source()) == 2


@SERVERS
def test_several_connections_at_once(project, database):
    one, two = by_hand(database, project), by_hand(database, project)
    schema = dj.Schema("lab", connection=one)

    @schema
    class Number(dj.Manual):
        definition = "number : int32"

    other = dj.VirtualModule("lab", "lab", connection=two)
    with one.transaction:
        Number.insert1((1,))
        assert len(Number()) == 1 and len(other.Number()) == 0 and not two.in_transaction
    assert len(other.Number()) == 1
    failures = []

    def insert(number):
        try:
            (Number if number % 2 else other.Number).insert1((number,))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=insert, args=(number,)) for number in range(2, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(Number()) == len(other.Number()) == 11
    with pytest.raises(dj.DataJointError, match="different projects"):
        Number * other.Number
    one.close()
    assert len(other.Number()) == 11


@SERVERS
def test_users_without_rights_get_an_access_error(project, database):
    dj.Schema("lab", connection=project.connection)
    postgres = database.name == "postgresql"
    create = "CREATE ROLE poor LOGIN PASSWORD 'poor'" if postgres else "CREATE USER poor IDENTIFIED BY 'poor'"
    project.connection.query(create)
    try:
        connection = by_hand(database, project, user="poor", password="poor")
        with pytest.raises(AccessError) as told:
            dj.Schema("fresh", connection=connection)
        assert told.value.hint
        connection.close()
        with pytest.raises(AccessError):
            by_hand(database, project, user="poor", password="wrong")
    finally:
        project.connection.query("DROP ROLE poor" if postgres else "DROP USER poor")
    with pytest.raises(LostConnectionError):
        by_hand(database, project, port=1)
