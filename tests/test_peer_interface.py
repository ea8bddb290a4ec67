"""The public interface of DataJoint in what its users rely on beside tables and queries."""

import datetime
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import MissingExternalFile, ThreadSafetyError


@pytest.fixture
def stored(stored_project):
    schema = stored_project.Schema("lab")

    @schema
    class Item(dj.Manual):
        definition = """
        id : int32
        ---
        file=null : <object@>
        data=null : <blob@>
        """

    return stored_project, schema, Item


# References.


def test_a_reference_can_be_constructed():
    stamp = datetime.datetime(2020, 1, 2, 3, 4, 5)
    ref = dj.ObjectRef(
        path="a/b.bin", size=3, hash=None, ext=".bin", is_dir=False, timestamp=stamp, store="main"
    )
    assert (ref.path, ref.size, ref.ext, ref.is_dir, ref.store) == ("a/b.bin", 3, ".bin", False, "main")
    assert ref.timestamp == stamp and ref.hash is None and repr(ref) == "ObjectRef(file: a/b.bin, size=3)"
    assert ref.to_json() == {
        "path": "a/b.bin",
        "size": 3,
        "hash": None,
        "ext": ".bin",
        "is_dir": False,
        "timestamp": "2020-01-02T03:04:05",
        "store": "main",
    }
    folder = dj.ObjectRef(path="a/b", size=9, hash=None, ext=None, is_dir=True, timestamp=stamp, item_count=4)
    assert folder.to_json()["item_count"] == 4 and "store" not in folder.to_json() and folder.is_dir


@pytest.mark.databases("sqlite")
@pytest.mark.stores("file")
def test_a_constructed_reference_reads_what_the_store_holds(tmp_path, monkeypatch, store_settings):
    monkeypatch.chdir(tmp_path)
    code = """if True:
        import datetime, sys, lodestore as dj
        dj.config.stores["main"] = {settings}
        dj.config.stores["default"] = "main"
        schema = dj.Schema("lab")

        @schema
        class Item(dj.Manual):
            definition = "id : int32\\n---\\nfile : <object@>"

        Item.insert1({{"id": 1, "file": b"hello"}})
        ref = Item.fetch1("file")
        again = dj.ObjectRef(path=ref.path, size=ref.size, ext=None, is_dir=False, timestamp=None, store="main")
        print(again.read(), again.exists(), again.open("rb").read())
        print(dj.ObjectRef(path="nowhere", size=1, store="main").exists())
    """
    done = subprocess.run(
        [sys.executable, "-c", code.format(settings=store_settings)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout == "b'hello' True b'hello'\nFalse\n", done.stderr


def test_the_mode_of_a_file_is_the_first_argument_of_open(stored, tmp_path):
    _, _, item = stored
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "text").write_text("größer")
    item.insert([{"id": 1, "file": b"hello"}, {"id": 2, "file": folder}])
    ref = (item & "id = 1").fetch1("file")
    assert ref.open("rb").read() == ref.open(mode="rb").read() == ref.open().read() == b"hello"
    with ref.open("r") as file:
        assert file.read() == "hello"
    inside = (item & "id = 2").fetch1("file")
    assert inside.open("text", "r").read() == "größer" and inside.open("text").read() == "größer".encode()
    with pytest.raises(dj.DataJointError, match="read only"):
        ref.open("wb")
    with pytest.raises(MissingExternalFile):
        inside.open("rb")


# Stores.


def test_a_store_is_looked_up_when_it_is_used(project, tmp_path, caplog, monkeypatch):
    schema = project.Schema("lab")
    monkeypatch.setattr(dj.logger, "propagate", True)

    @schema
    class Late(dj.Manual):
        definition = """
        id : int32
        ---
        data=null : <blob@late>
        """

    assert any(
        "`<blob@late>`" in record.getMessage() and "'late'" in record.getMessage()
        for record in caplog.records
    )
    Late.insert1({"id": 1})
    with pytest.raises(dj.DataJointError, match="'late' is requested but not configured"):
        Late.insert1({"id": 2, "data": [1]})
    assert len(Late) == 1
    (tmp_path / "late").mkdir()
    project.config.stores["late"] = {"protocol": "file", "location": str(tmp_path / "late")}
    Late.insert1({"id": 2, "data": [1]})
    assert (Late & "id = 2").fetch1("data") == [1]


def test_scans_count_live_objects(stored, database, tmp_path):
    project, schema, item = stored
    item.insert(
        [{"id": 1, "file": b"a", "data": np.arange(500)}, {"id": 2, "file": b"b", "data": np.arange(500)}]
    )
    report = dj.gc.GarbageCollector(schema).collect()
    assert (report["hash_paths_referenced"], report["hash_paths_stored"]) == (1, 1)
    assert (report["schema_paths_referenced"], report["schema_paths_stored"]) == (2, 2)
    found = dj.gc.scan(schema)
    assert (found["hash_referenced"], found["referenced"], found["stored"], found["orphaned"]) == (1, 3, 3, 0)
    (item & "id = 2").delete(prompt=False)
    # By schemas of another connection, too.
    other = (
        dj.Instance(**database.settings, stores=project.config.stores.copy()) if database.address else None
    )
    if other is not None:
        found = dj.gc.scan(other.Schema("lab"), store_name="main")
        assert (found["hash_referenced"], found["schema_paths_referenced"], found["orphaned"]) == (1, 1, 0)
        other.connection.close()
    assert dj.gc.collect(schema, dry_run=False)["referenced"] == 2
    assert len(item.fetch1("data")) == 500 and item.fetch1("file").read() == b"a"


# Schemas and tables.


def test_the_schema_of_a_virtual_module_sees_the_names_of_its_caller(schema):
    @schema
    class Animal(dj.Manual):
        definition = "animal : int32"

    known = dj.VirtualModule("known", "lab", connection=schema.connection, create_tables=True)
    Elsewhere = Animal

    @known.schema
    class Visit(dj.Manual):
        definition = "-> Elsewhere\nvisit : int32"

    @known.schema
    class Note(dj.Manual):
        # A name of the module itself, and of the caller.
        definition = "-> Animal\n-> Visit"

    assert Visit.parents() == [Animal.full_table_name]
    assert set(Note.parents()) == {Animal.full_table_name, Visit.full_table_name}
    assert known.Animal.full_table_name == Animal.full_table_name and Elsewhere is Animal


def test_a_cascade_includes_the_masters_of_chains_of_parts(schema):
    @schema
    class Animal(dj.Manual):
        definition = "animal : int32"

    @schema
    class Session(dj.Manual):
        definition = "session : int32"

        class Group(dj.Part):
            definition = "-> master\ngroup_id : int32\n---\n-> Animal"

        class Member(dj.Part):
            definition = "-> Session.Group\nmember : int32"

    Animal.insert([{"animal": 1}, {"animal": 2}])
    Session.insert([{"session": 1}, {"session": 2}])
    Session.Group.insert([{"session": number, "group_id": 1, "animal": number} for number in (1, 2)])
    Session.Member.insert([{"session": number, "group_id": 1, "member": 1} for number in (1, 2)])
    tables = {cls.full_table_name: 1 for cls in (Session, Session.Group, Session.Member)}
    cascade = dj.Diagram.cascade(Session.Member & "session = 1", part_integrity="cascade")
    assert cascade.counts() == tables
    none = dj.Diagram.cascade(Session.Member & "session = 9", part_integrity="cascade")
    assert none.counts() == dict.fromkeys(tables, 0)
    assert set(dj.Diagram.cascade(Animal & "animal = 1", part_integrity="cascade").counts()) == {
        Animal.full_table_name,
        *tables,
    }
    assert (Session.Member & "session = 1").delete(prompt=False, part_integrity="cascade") == 1
    assert [len(cls()) for cls in (Session, Session.Group, Session.Member)] == [1, 1, 1]


def test_diagrams_are_added_and_subtracted(schema):
    @schema
    class One(dj.Manual):
        definition = "one : int32"

    @schema
    class Two(dj.Manual):
        definition = "-> One"

    @schema
    class Three(dj.Manual):
        definition = "-> Two"

    names = [cls.full_table_name for cls in (One, Two, Three)]
    assert (dj.Diagram(One) + 1).nodes_to_show == set(names[:2])
    assert (dj.Diagram(One) + np.int64(2)).nodes_to_show == set(names)
    assert (dj.Diagram(Three) - 1).nodes_to_show == set(names[1:])
    assert (dj.Diagram(schema) - Two).nodes_to_show == {names[0], names[2]}
    assert (dj.Diagram(schema) * (dj.Diagram(One) + Two)).nodes_to_show == set(names[:2])
    assert (dj.Diagram(One) - Two).nodes_to_show == {names[0]}
    with pytest.raises(dj.DataJointError, match="diagram"):
        dj.Diagram(One) * 2


def test_states_of_jobs_before_there_is_a_queue(schema):
    @schema
    class Item(dj.Manual):
        definition = "item : int32"

    @schema
    class Result(dj.Computed):
        definition = "-> Item"

        def make(self, key):
            self.insert1(key)

    for state in ("pending", "reserved", "errors", "completed", "ignored"):
        assert len(getattr(Result.jobs, state)) == 0 and getattr(Result().jobs, state).to_dicts() == []
    assert Result.jobs.progress()["total"] == 0
    Result.jobs.drop()
    assert len(Result.jobs.errors) == 0


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_adding_job_metadata_twice_changes_nothing_more(schema):
    @schema
    class Item(dj.Manual):
        definition = "item : int32"

    @schema
    class Result(dj.Computed):
        definition = "-> Item"

    def told(found):
        [detail] = found["details"]
        return (
            found["tables_modified"],
            found["columns_added"],
            detail["status"],
            len(detail["sql_statements"]) > 0,
        )

    assert told(dj.migrate.add_job_metadata_columns(schema)) == (1, 3, "pending", True)
    assert told(dj.migrate.add_job_metadata_columns(Result, dry_run=False)) == (1, 3, "migrated", True)
    for _ in range(2):
        assert told(dj.migrate.add_job_metadata_columns(schema, dry_run=False)) == (
            0,
            0,
            "already_migrated",
            False,
        )


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_a_connection_lost_inside_a_transaction_raises(schema, database, tmp_path):
    @schema
    class Item(dj.Manual):
        definition = "item : int32"

    connection = schema.connection
    killer = database.open(tmp_path).connection
    with pytest.raises(dj.errors.LostConnectionError), connection.transaction:
        Item.insert1({"item": 1})
        verb = "SELECT pg_terminate_backend" if database.name == "postgresql" else "KILL"
        killer.query(
            f"{verb}({connection.connection_id})" if verb != "KILL" else f"KILL {connection.connection_id}"
        )
        for number in range(2, 50):
            Item.insert1({"item": number})
    killer.close()
    assert not connection.in_transaction and len(Item) == 0
    Item.insert1({"item": 1})
    assert len(Item) == 1


def test_what_a_heading_tells_of_its_attributes(schema):
    @schema
    class Item(dj.Manual):
        definition = """
        item : int32  # number
        ---
        kind='a' : enum('a', 'b')
        weight=null : float64
        data=null : <blob>
        """

    heading = Item.heading
    weight = heading["weight"]
    assert (weight.sql_type, weight.sql_comment, weight.unsupported) == ("float64", "", False)
    assert heading["item"].comment == "number" and heading["item"].in_key and heading["kind"].string
    assert heading["data"].codec.name == "blob" and heading["data"].todict()["nullable"]
    assert heading["kind"].default == '"a"' and weight.default == "null" and heading["item"].default is None


# Settings.


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DJ_HOST", "of.environment")
    monkeypatch.setenv("DJ_DISPLAY_LIMIT", "33")
    monkeypatch.setenv("DJ_PASS", "secret of the environment")
    return dj.settings.Config.load_sources()


def test_the_environment_outranks_a_file_that_is_loaded(settings, tmp_path):
    file = tmp_path / "more.json"
    file.write_text(
        json.dumps({"database": {"host": "of.file", "user": "ann"}, "display.limit": 7, "display.width": 20})
    )
    settings.load(file)
    assert (settings["database.host"], settings["display.limit"]) == ("of.environment", 33)
    assert (settings["database.user"], settings["display.width"]) == ("ann", 20)
    settings["database.host"] = "of.program"
    settings.load(file)
    assert settings["database.host"] == "of.program"


def test_a_group_is_overridden_by_a_dict(settings):
    with settings.override(jobs={"auto_refresh": False}, display__limit=3):
        assert settings.jobs.auto_refresh is False and settings["display.limit"] == 3
    assert settings.jobs.auto_refresh is True and settings["display.limit"] == 33
    with pytest.raises(dj.DataJointError), settings.override(jobs={"auto_refreshed": False}):
        pass
    assert settings.jobs.auto_refresh is True


def test_no_secret_is_shown(settings, tmp_path):
    settings.stores["main"] = {
        "protocol": "s3",
        "endpoint": "e",
        "bucket": "b",
        "location": "l",
        "access_key": "access",
        "secret_key": "hidden key",
    }
    shown = [settings, settings.database, settings.stores, settings.stores["main"], settings.jobs]
    for text in [*map(repr, shown), *map(str, shown)]:
        assert "secret of the environment" not in text and "hidden key" not in text
    assert settings["database.password"] == "secret of the environment"


def test_thread_safe_mode_has_no_settings_of_the_process(monkeypatch, tmp_path):
    monkeypatch.setenv("DJ_THREAD_SAFE", "1")

    def override():
        with dj.config.override(safemode=True):
            pass

    for refused in (
        lambda: dj.config["safemode"],
        lambda: dj.config.safemode,
        lambda: dj.config.database.host,
        lambda: dj.config.get("safemode"),
        lambda: dj.config.__setitem__("safemode", False),
        lambda: setattr(dj.config, "safemode", False),
        lambda: dj.config.load(tmp_path / "nowhere.json"),
        lambda: dj.config.stores["main"],
        lambda: dj.config.get_store_spec("main"),
        override,
        dj.conn,
        dj.Schema,
        lambda: dj.Schema("lab"),
        lambda: dj.FreeTable("lab.item"),
        dj.list_schemas,
        lambda: dj.VirtualModule("lab", "lab"),
    ):
        with pytest.raises(ThreadSafetyError, match="thread-safe mode"):
            refused()
    assert "thread-safe mode" in repr(dj.config)
    instance = dj.Instance(path=tmp_path / "project")
    assert instance.Schema("lab").database == "lab" and instance.config["safemode"] is True


# The command line.


@pytest.mark.databases("sqlite")
def test_the_console_prints_what_that_of_the_peer_prints(schema, tmp_path):
    @schema
    class Item(dj.Manual):
        definition = "item : int32"

    environment = {**os.environ, "DJ_DATABASE_PATH": str(tmp_path / "project"), "DJ_LOG_LEVEL": "ERROR"}

    def run(*words, module="lodestore.cli", told=""):
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            input=told,
        )

    done = run("-s", "lab:l", told="print(len(l.Item()), sorted(n for n in dir() if n[0] != '_'))\n")
    assert done.returncode == 0 and "0 ['dj', 'l']" in done.stdout
    assert "REPL" in done.stderr and "Loaded schemas:\n  l -> lab" in done.stderr
    wrong = run("-s", "lab")
    assert wrong.returncode == 2 and "Invalid schema format 'lab'. Use schema_name:alias" in wrong.stderr
    assert run("-V").stdout == f"lodestore {dj.__version__}\n"
    helped = run("-h").stdout
    assert all(
        word in helped for word in ("usage: dj", "--host", "DB:ALIAS", "schema_name:alias", "Example: dj -s")
    )
    # In the place of DataJoint it says so.
    assert run("run", "-m", "datajoint.cli", "-V", module="lodestore").stdout == "datajoint 2.3.5\n"


def test_an_instance_that_gives_the_definition_knows_its_names(schema):
    seen = []

    class Mixed(dj.Manual):
        def __init__(self):
            # Mixins of published packages look here, before the table is made.
            seen.append((self.database, self.is_declared))

        @property
        def definition(self):
            seen.append(self.full_table_name)
            return "id : int32"

    assert Mixed().database is None and seen.pop() == (None, False)
    with pytest.raises(dj.DataJointError, match="not associated with a schema"):
        print(Mixed().full_table_name)
    seen.clear()
    schema(Mixed)
    assert ("lab", False) in seen and Mixed.full_table_name in seen
    assert Mixed().is_declared and seen[-1] == ("lab", True)
