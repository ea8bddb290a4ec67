"""Programs for DataJoint, as they are: the names they import, and what they said before 2.0."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lodestore as dj
from lodestore.errors import DataJointError

PROGRAMS = Path(__file__).parent / "programs"

#: What programs import, by module.
NAMES = {
    "": """AndList AutoPopulate Codec Compute Computed Connection DataJointError Diagram Entry FreeTable Imported Ingest Instance
        Job Lookup Manual MatCell MatStruct Not NpyRef ObjectRef Part Schema SchemaCodec SparkAdapter StorageAdapter Table
        ThreadSafetyError Top U ValidationResult VirtualModule __author__ __version__ cli config conn deploy errors
        get_codec get_storage_adapter list_codecs list_schemas logger migrate virtual_schema AttachFileType
        HashCodec""",
    "errors": """DataJointError LostConnectionError MissingTableError MissingExternalFile BucketInaccessible
        ThreadSafetyError QueryError QuerySyntaxError AccessError DuplicateError IntegrityError UnknownAttributeError
        MissingAttributeError""",
    "blob": "pack unpack MatCell MatStruct",
    "codecs": """Codec get_codec list_codecs is_codec_registered resolve_dtype parse_type_spec lookup_codec
        unregister_codec""",
    "builtin_codecs": "BlobCodec HashCodec AttachCodec ObjectCodec NpyCodec NpyRef FilepathCodec SchemaCodec",
    "objectref": "ObjectRef",
    "table": "Table FreeTable",
    "user_tables": "UserTable Manual Lookup Imported Computed Part",
    "heading": "Heading Attribute",
    "schemas": "Schema VirtualModule list_schemas",
    "expression": "QueryExpression U Top",
    "condition": "AndList Not Top",
    "lineage": "get_lineage get_table_lineages",
    "settings": "Config config",
    "storage": "StorageBackend",
    "spark": "SparkAdapter",
    "deploy": "set_replica_identity add_prov_column",
    "cli": "cli",
    "gc": "GarbageCollector",
    "diagram": "Diagram diagram_active",
    "migrate": "add_job_metadata_columns",
    "storage_adapter": "StorageAdapter",
}


@pytest.mark.parametrize("module", NAMES)
def test_names_that_programs_import(module):
    found = import_module(f"lodestore.{module}".rstrip("."))
    assert not [name for name in NAMES[module].split() if not hasattr(found, name)]
    assert callable(dj.cli)


#: What programs touch on the objects that they get.
ATTRIBUTES = {
    "connection": """query transaction start_transaction commit_transaction cancel_transaction in_transaction is_connected
        ping close get_user dependencies adapter schemas""",
    "adapter": "backend quote_identifier",
    "dependencies": "load",
    "table": """full_table_name table_name database heading primary_key definition parents children ancestors descendants parts
        size_on_disk connection""",
    "collector": "collect list_hash_paths list_schema_paths hash_references schema_references",
}


def test_attributes_that_programs_touch(schema):
    @schema
    class Session(dj.Manual):
        definition = "session : int32"

    @schema
    class Check(dj.Computed):
        definition = "-> Session\n---\nokay : bool"

        def make(self, key):
            self.insert1({**key, "okay": True})

    Session.insert1((1,))
    found = {
        "connection": schema.connection,
        "adapter": schema.connection.adapter,
        "dependencies": schema.connection.dependencies,
        "table": Check(),
        "collector": dj.gc.GarbageCollector(schema),
    }
    for kind, names in ATTRIBUTES.items():
        assert not [name for name in names.split() if not hasattr(found[kind], name)], kind
    assert Session.connection is schema.connection and schema.database in schema.connection.schemas
    schema.connection.dependencies.load()
    assert Check.jobs.refresh()["added"] == 1 and Check.parents() == [Session.full_table_name]
    cursor = schema.connection.query(
        f"SELECT count(*) AS n, '%%' AS p FROM {Check.full_table_name}", as_dict=True
    )
    assert [dict(row) for row in cursor] == [{"n": 0, "p": "%"}]


def run(database, project, tmp_path, program, **variables):
    return subprocess.run(
        [sys.executable, "-m", "lodestore", "run", PROGRAMS / program],
        env={**database.environment(project), "DJ_LOG_LEVEL": "ERROR", **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )


def test_older_forms_run_and_are_told(project, database, tmp_path):
    done = run(database, project, tmp_path, "older.py")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    array = [[0, 1, 2], [3, 4, 5]]
    assert found == {
        "custom": "/data",
        "known": [True, False, 5],
        "same": [True, True],
        "row": [array, list(b"\x00bytes"), array, "hello", "hello", True, "a"],
        "native": {"x": [1, 2.5, "y"]},
        "arrays": [2, True],
        "xor": [2, 2],
        "keys": [{"old_id": 1}, {"old_id": 2}],
        "virtual": [2, "v"],
        "adapted": [True, "HEY", 1],
        "refused": True,
        "spawned": [[0, "2.3.5", True], [2, "2.3.5", True], [4, "2.3.5", True]],
    }
    for told in (
        "`dj.schema` is of DataJoint before 2.0: write `dj.Schema`",
        "the setting `custom` is of DataJoint before 2.0",
        "the operator `^` is of DataJoint before 2.0: write `restrict(..., semantic_check=False)`",
        "the operator `@` is of DataJoint before 2.0",
        "`dj.create_virtual_module` is of DataJoint before 2.0",
        "`dj.AttributeAdapter` is of DataJoint before 2.0: write a `dj.Codec` of this name",
    ):
        assert done.stderr.count(told) == 1, done.stderr


@pytest.mark.databases("sqlite")
def test_older_forms_are_refused_unless_asked_for(project, database, tmp_path, schema):
    done = run(database, project, tmp_path, "older.py", DJ_LEGACY="0")
    assert done.returncode == 1 and "there is no setting `custom`" in done.stderr

    @schema
    class Modern(dj.Manual):
        definition = "id : int32"

    with pytest.raises(DataJointError, match="operator"):
        Modern ^ Modern
    with pytest.raises(KeyError):
        project.config["custom"] = {}
    with pytest.raises(DataJointError, match="<attach"):
        schema(type("Old", (dj.Manual,), {"definition": "id : int32\n---\nfile : attach"}))


@pytest.fixture
def legacy(monkeypatch, tmp_path, database):
    """A project with the setting `legacy`."""
    monkeypatch.setenv("DJ_LEGACY", "1")
    monkeypatch.chdir(tmp_path)
    project = database.open(tmp_path / "project")
    yield project
    project.connection.close()
    database.clean()


def test_tables_without_common_lineage_match_by_name(legacy):
    """As in 0.13 and 0.14: refused only where an attribute is secondary on both sides."""
    schema = legacy.Schema("lab")

    @schema
    class Session(dj.Manual):
        definition = "session : int32\n---\nroom : int32\nscan = null : int32"

    @schema
    class Scan(dj.Manual):
        definition = "session : int32\nscan : int32\n---\nroom : int32"

    @schema
    class Note(dj.Manual):
        definition = "session : int32\n---\nnote : varchar(9)"

    Session.insert([(1, 10, 1), (2, 20, 2), (3, 10, None)])
    Scan.insert([(1, 1, 7), (1, 2, 7), (2, 2, 7)])
    Note.insert([(3, "late"), (4, "none")])
    scans = Scan.proj()
    assert [row["session"] for row in (Session & scans).proj().to_dicts(order_by="session")] == [1, 2]
    assert [row["session"] for row in (Session - scans).proj().to_dicts()] == [3]
    assert (Session * scans).to_dicts(order_by="session") == [
        {"session": 1, "scan": 1, "room": 10},
        {"session": 2, "scan": 2, "room": 20},
    ]
    assert len(scans & [Session & "session = 1", {"session": 2}]) == 2
    united = (Session.proj("room") + Note).to_dicts(order_by="session")
    assert [(row["session"], row["room"], row["note"]) for row in united] == [
        (1, 10, None),
        (2, 20, None),
        (3, 10, "late"),
        (4, None, "none"),
    ]
    for refused in (lambda: Session & Scan, lambda: Session - Scan, lambda: Session * Scan):
        with pytest.raises(DataJointError, match="`room`"):
            refused()
    assert len(Session.restrict(Scan, semantic_check=False)) == 0
    # Without the setting, names alone are no common origin.
    settings = legacy.config.copy()
    settings["legacy"] = False
    strict = dj.Connection.of(settings)
    with pytest.raises(DataJointError, match="`session`"):
        dj.FreeTable(strict, "lab.session") & dj.FreeTable(strict, "lab.scan").proj()
    strict.close()


def test_aggr_leaves_out_rows_without_a_match_as_before(legacy):
    schema = legacy.Schema("lab")

    @schema
    class Session(dj.Manual):
        definition = "session : int32"

    @schema
    class Scan(dj.Manual):
        definition = "session : int32\nscan : int32"

    Session.insert([(1,), (2,)])
    Scan.insert([(1, 1), (1, 2)])
    counted = {"n": "count(scan)"}
    kept = [{"session": 1, "n": 2}, {"session": 2, "n": 0}]
    assert Session.aggr(Scan, **counted).to_dicts() == kept[:1]
    assert Session.aggr(Scan, keep_all_rows=False, **counted).to_dicts() == kept[:1]
    assert Session.aggr(Scan, exclude_nonmatching=True, **counted).to_dicts() == kept[:1]
    assert Session.aggr(Scan, keep_all_rows=True, **counted).to_dicts(order_by="session") == kept
    assert Session.aggr(Scan, exclude_nonmatching=False, **counted).to_dicts(order_by="session") == kept
    assert dj.U("session").aggr(Scan, keep_all_rows=False, **counted).to_dicts() == kept[:1]
    with pytest.raises(DataJointError, match="universal set"):
        dj.U("session").aggr(Scan, keep_all_rows=True, **counted)


@pytest.mark.databases("sqlite")
def test_keep_all_rows_names_its_successor(schema):
    @schema
    class Session(dj.Manual):
        definition = "session : int32"

    with pytest.raises(DataJointError, match="keep_all_rows") as caught:
        Session.aggr(Session, keep_all_rows=True, n="count(*)")
    assert caught.value.hint == "write `exclude_nonmatching=False`"


def test_old_settings_files_are_read(tmp_path):
    (tmp_path / "dj_local_conf.json").write_text(
        json.dumps(
            {
                "database.host": "old.lab",
                "database.user": "ann",
                "custom": {"a": 1},
                "stores": {"raw": {"protocol": "file", "location": "/raw"}},
            }
        )
    )
    code = """if True:
        import json, datajoint as dj
        print(json.dumps([dj.config["database.host"], dj.config["database.user"], dj.config["custom"], dj.config.stores["raw"]["location"]]))
    """
    (tmp_path / "program.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "lodestore", "run", "program.py"],
        cwd=tmp_path,
        env={"DJ_USER": "bob", "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == ["old.lab", "bob", {"a": 1}, "/raw"], done.stderr
    assert "write `datajoint.json`" in done.stderr


def test_datajoint_itself_must_not_be_there_first(tmp_path):
    code = "import warnings; warnings.simplefilter('ignore'); import datajoint, lodestore.as_datajoint"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "must come first" in done.stderr


def test_programs_have_arguments_and_an_exit_status(tmp_path):
    (tmp_path / "program.py").write_text("import sys, datajoint; print(sys.argv[1:], __name__); sys.exit(3)")
    done = subprocess.run(
        [sys.executable, "-m", "lodestore", "run", "program.py", "-x", "y"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (3, "['-x', 'y'] __main__\n")
    nothing = subprocess.run(
        [sys.executable, "-m", "lodestore", "nothing"], cwd=tmp_path, capture_output=True, text=True
    )
    assert nothing.returncode == 2 and "nothing" in nothing.stderr


def test_older_lines_of_definitions(legacy):
    schema = legacy.Schema("lab")

    @schema
    class Subject(dj.Manual):
        definition = "subject : int32"

    @schema
    class Site(dj.Manual):
        definition = """
        -> Subject
        site : int32
        """

    @schema
    class Pair(dj.Manual):
        definition = """
        (mother) -> Subject
        (father) -> Subject(subject)   # of the other sex
        ____
        born=null : date
        (keeper) -> [nullable] Subject
        """

    @schema
    class Visit(dj.Manual):
        definition = """
        -> Subject
        visit : int32
        ____________________
        (other_site) -> Site   # of the same subject
        """

    assert Pair.primary_key == ["mother", "father"] and Pair.heading.secondary_attributes == [
        "born",
        "keeper",
    ]
    assert Visit.heading.names == ["subject", "visit", "other_site"]
    lineage = {name: Pair.heading[name].lineage for name in ("mother", "father", "keeper")}
    assert set(lineage.values()) == {"lab.subject.subject"} and Pair.heading["keeper"].nullable
    Subject.insert([{"subject": 1}, {"subject": 2}])
    Site.insert1({"subject": 1, "site": 5})
    Pair.insert1({"mother": 1, "father": 2})
    Visit.insert1({"subject": 1, "visit": 1, "other_site": 5})
    with pytest.raises(dj.errors.IntegrityError):
        Visit.insert1({"subject": 2, "visit": 1, "other_site": 5})
    with pytest.raises(DataJointError, match="2 new names"):
        schema(type("Wrong", (dj.Manual,), {"definition": "(a, b) -> Subject"}))


@pytest.mark.databases("sqlite")
def test_older_lines_are_refused_unless_asked_for(schema):
    @schema
    class Subject(dj.Manual):
        definition = "subject : int32"

    for line in ("(mother) -> Subject", "id : int32\n____\nx : int32"):
        with pytest.raises(DataJointError):
            schema(type("Modern", (dj.Manual,), {"definition": line}))
    assert schema.list_tables() == ["subject"]


def test_older_arguments(legacy):
    schema = legacy.Schema("lab")

    @schema
    class Subject(dj.Manual):
        definition = "subject : int32"

        class Part(dj.Part):
            definition = "-> master\npart : int32"

    names = {}
    schema.spawn_missing_classes(context=names)
    assert names["Subject"].full_table_name == Subject.full_table_name and names["Subject"].Part.heading.names
    with pytest.raises(DataJointError, match=r"dj\.gc"):
        schema.external["raw"]
    Subject.Part.drop(prompt=False, force=True)
    assert schema.list_tables() == ["subject"]
