"""Schemas as objects: listing, classes for tables that have none, code that makes a schema again, lineage."""

import types
from pathlib import Path

import pytest

import lodestore as dj
import raw_sqlite
from lodestore.errors import MissingTableError, UnsupportedError

#: They open the embedded project a second time, and look into its file.


@pytest.fixture
def lab(project, schema):
    """Two schemas with every sort of line in their definitions."""
    people = project.Schema("people")

    @people
    class Person(dj.Lookup):
        definition = """
        # who does it
        person : varchar(20)   # a \\ and \"\"\" in a comment
        """
        contents = (("ann",), ("bob",))

    @schema
    class Subject(dj.Manual):
        definition = """
        # animals # and other marks #
        subject : int32
        ---
        species='mus "m"' : varchar(30)  # Latin, ':' and 100 %
        born=null : date
        weight=12.5 : float32
        made=CURRENT_TIMESTAMP : datetime(3)
        grade='a' : enum('a','b')
        unique index (species, born)
        index (weight)
        """

    @schema
    class Session(dj.Imported):
        definition = """
        -> Subject
        session : int16
        ---
        -> [nullable, unique] Person.proj(operator='person')
        -> [nullable] Subject.proj(partner='subject')
        trace=null : <npy@>
        notes=null : <blob>
        """

        class Trial(dj.Part):
            definition = """
            -> master
            trial : int16
            """

            class Event(dj.Part):
                definition = """
                -> master
                event : uuid
                """

    @schema
    class Nothing(dj.Manual):
        definition = ""

    return types.SimpleNamespace(**{name: value for name, value in locals().items() if name != "project"})


def summary(schema):
    """Everything that a schema's tables promise: headings, indexes and foreign keys."""
    found = {}
    for table in schema:
        name = table.table_name
        found[name] = (
            [
                (a.name, a.type, a.in_key, a.nullable, a.default, a.comment, a.is_hidden, a.lineage)
                for a in table.heading._attributes.values()
            ],
            table.heading.indexes,
            table.heading.table_status["comment"],
            sorted(table.describe({}).splitlines()),
        )
    return found


@pytest.mark.databases("sqlite")
def test_saved_code_makes_the_schema_again(project, lab, tmp_path, monkeypatch):
    file = tmp_path / "lab.py"
    lab.schema.save(file)
    assert file.read_text() == lab.schema.save() == lab.schema.code
    people_code = lab.people.code

    # In another project, as the process-wide one.
    monkeypatch.setenv("DJ_DATABASE_PATH", str(tmp_path / "other"))
    other = dj.Instance(path=tmp_path / "other")
    monkeypatch.setattr("lodestore.connection._default", other.connection)
    exec(compile(people_code, "people.py", "exec"), {"__name__": "people"})
    names = {"__name__": "lab"}
    exec(compile(file.read_text(), file, "exec"), names)
    assert summary(other.Schema("lab")) == summary(lab.schema)
    assert summary(other.Schema("people")) == summary(lab.people)
    assert issubclass(names["Session"].Trial.Event, dj.Part)
    # And what is made again says the same of itself.
    assert names["schema"].code == lab.schema.code


def test_a_part_that_refers_to_what_depends_on_its_master_is_saved(project, schema, tmp_path, monkeypatch):
    @schema
    class Scan(dj.Manual):
        definition = "scan : int8"

    @schema
    class Mask(dj.Manual):
        definition = """
        -> Scan
        mask : int8
        """

    class Roi(dj.Part):
        definition = """
        -> master
        roi : int8
        ---
        -> Mask
        """

    Scan.Roi = Roi
    schema(Scan)
    other = dj.Instance(path=tmp_path / "other")
    monkeypatch.setattr("lodestore.connection._default", other.connection)
    exec(schema.code, {"__name__": "x"})
    assert summary(other.Schema("lab")) == summary(schema)


def test_described_tables_are_the_same_again(lab, project):
    """A definition that the database tells declares a table of which it tells the same."""
    again = project.Schema("again")
    for Table in (lab.Person, lab.Subject, lab.Nothing, lab.Session):
        for context in ({}, {"Subject": lab.Subject, "people": lab.people, "Person": lab.Person}):
            definition = Table.describe(context)
            cls = type(f"{Table.__name__}{len(context)}", (dj.Manual,), {"definition": definition})
            again(cls, context={"Subject": lab.Subject, "Person": lab.Person, "x": 1})
            assert cls.describe(context) == definition
            assert [repr(a) for a in cls.heading.attributes.values()] == [
                repr(a) for a in Table.heading.attributes.values()
            ]


def test_classes_are_made_for_tables_without_one(database, project, lab, tmp_path):
    lab.Subject.insert1({"subject": 1})
    again = database.open(tmp_path / "project")
    schema = again.Schema("lab")
    names = {"__name__": "here"}
    schema.make_classes(names)
    assert sorted(name for name in names if name != "__name__") == ["Nothing", "Session", "Subject"]
    assert names["Subject"].to_dicts()[0]["species"] == 'mus "m"'
    assert issubclass(names["Session"], dj.Imported) and issubclass(names["Session"].Trial, dj.Part)
    assert names["Session"].Trial.master is names["Session"]
    assert names["Session"].Trial.Event.master is names["Session"].Trial
    assert names["Session"].Trial.full_table_name == lab.Session.Trial.full_table_name
    # Classes that are there stay, and get the parts they lack.
    before = dict(names)
    schema.spawn_missing_classes(names)
    assert names == before
    fresh = {"Session": type("Session", (dj.Imported,), {"definition": lab.Session.definition})}
    schema(fresh["Session"], context={"Subject": lab.Subject, "Person": lab.Person})
    schema.make_classes(fresh)
    assert fresh["Session"].Trial.Event.heading.names == ["subject", "session", "trial", "event"]
    # Without `into` they go where the caller stands.
    exec("schema.make_classes()", here := {"schema": schema, "__name__": "elsewhere"})
    assert here["Subject"].full_table_name == lab.Subject.full_table_name


def test_a_part_whose_master_has_no_class_is_refused(lab):
    with pytest.raises(dj.DataJointError, match=r"lab\._session__trial"):
        lab.schema.make_classes({"Session": int})


def test_virtual_modules(project, lab):
    module = dj.VirtualModule("some", "lab", connection=project.connection, add_objects={"extra": 5})
    assert isinstance(module, types.ModuleType) and module.__name__ == "some"
    assert module.extra == 5 and module.schema.database == "lab"
    assert len(module.Subject) == 0 and module.Session.Trial.table_name == "_session__trial"
    same = dj.virtual_schema("lab", connection=project.connection)
    assert same.__name__ == "lab" and same.Subject.full_table_name == module.Subject.full_table_name
    with pytest.raises(MissingTableError, match="create_schema"):
        dj.VirtualModule("some", "missing", connection=project.connection)
    assert dj.list_schemas(project.connection) == ["lab", "people"]

    # Its classes are parents like any others.
    @project.Schema("new")
    class Child(dj.Manual):
        definition = "-> module.Session.Trial"

    assert Child.primary_key == ["subject", "session", "trial"]


def test_what_must_not_be_made_is_left_undeclared(project, schema):
    reader = project.Schema("lab", create_tables=False)

    @reader
    class Thing(dj.Manual):
        definition = "id : int8"

        class Piece(dj.Part):
            definition = """
            -> master
            piece : int8
            """

    assert schema.list_tables() == []
    for table in (Thing, Thing.Piece):
        with pytest.raises(MissingTableError, match=r"lab\.thing"):
            table().to_dicts()
        with pytest.raises(MissingTableError, match="not defined"):
            repr(table().heading)
    # When somebody else has made it, it is there.
    schema(type("Thing", (dj.Manual,), {"definition": "id : int8"}))
    assert Thing().to_dicts() == []
    assert len(Thing) == 0


def test_a_schema_without_a_name_says_so(project):
    schema = dj.Schema()
    for use in (
        schema.list_tables,
        lambda: schema.exists,
        lambda: schema["X"],
        lambda: schema.code,
        schema.activate,
    ):
        with pytest.raises(dj.DataJointError, match="must be activated first"):
            use()
    schema.activate("lab", connection=project.connection)
    schema.activate()
    schema.activate("lab")
    assert schema.exists and project.connection.schemas["lab"] is schema
    with pytest.raises(dj.DataJointError, match="already activated"):
        schema.activate("other")
    missing = dj.Schema()
    with pytest.raises(MissingTableError, match="missing"):
        missing.activate("missing", connection=project.connection, create_schema=False)
    assert not missing.is_activated()


def test_further_names_for_definitions(project, lab):
    """`add_objects` counts whether the schema is bound at once or later."""
    at_once = project.Schema("one", {}, add_objects={"Above": lab.Subject})
    cls = at_once(type("Below", (dj.Manual,), {"definition": "-> Above"}))
    assert cls.primary_key == ["subject"]
    later = dj.Schema(None, {})
    cls = later(type("Below", (dj.Manual,), {"definition": "-> Above"}))
    later.activate("two", connection=project.connection, add_objects={"Above": lab.Subject})
    assert cls.primary_key == ["subject"]


@pytest.mark.databases("sqlite")
def test_lineage(project, lab):
    assert lab.schema.lineage_table_exists
    lineage = lab.schema.lineage
    assert lineage["lab._session__trial.subject"] == "lab.subject.subject"
    assert lineage["lab._session.operator"] == "people.#person.person"
    assert lineage["lab._session.partner"] == "lab.subject.subject"
    assert "lab.subject.species" not in lineage
    lab.schema.rebuild_lineage()
    assert lab.schema.lineage == lineage
    # Lost rows come back, and headings that were read before know of it.
    place = Path(project.connection.place).parent
    raw_sqlite.run(place, 'DELETE FROM "lab.~lineage"')
    assert lab.schema.lineage == {}
    lab.schema.rebuild_lineage()
    assert lab.schema.lineage == lineage
    assert (
        dj.FreeTable(project.connection, "lab._session").heading["operator"].lineage
        == "people.#person.person"
    )
    raw_sqlite.run(place, 'DELETE FROM "people.~lineage"')
    other = dj.Instance(path=project.config["database.path"]).Schema("lab")
    with pytest.raises(dj.DataJointError, match=r"people\.#person\.person") as caught:
        other.rebuild_lineage()
    assert "`people`" in caught.value.hint
    assert other.lineage == lineage


def test_the_definition_ends_the_docstring(schema):
    @schema
    class Thing(dj.Manual):
        """Things."""

        definition = "id : int8"

    assert Thing.__doc__ == "Things.\nTable definition:\n\nid : int8"
    schema(Thing)
    assert Thing.__doc__.count("Table definition") == 1


@pytest.mark.databases("sqlite")
def test_a_newer_format_is_refused(project, lab):
    """A schema written by a later version of Lodestore is neither read nor written."""
    raw_sqlite.run(
        Path(project.connection.place).parent, "UPDATE \"~schemas\" SET format = 2 WHERE schema_name = 'lab'"
    )
    fresh = dj.Instance(path=project.config["database.path"])
    for use in (
        lambda: fresh.Schema("lab"),
        lambda: fresh.Schema("lab", create_schema=False),
        lambda: fresh.FreeTable("lab.subject"),
        lambda: dj.VirtualModule("lab", "lab", connection=fresh.connection),
    ):
        with pytest.raises(UnsupportedError, match="format 2") as caught:
            use()
        assert "newer Lodestore" in caught.value.hint
    # Its neighbours stay usable.
    assert len(fresh.Schema("people")["Person"]) == 2


def test_a_class_without_definition_stands_for_a_table_that_exists(project, schema):
    @schema
    class Experiment(dj.Imported):
        definition = "experiment : int32"

        class Trial(dj.Part):
            definition = "-> master\ntrial : int32"

    Experiment.insert1((1,), allow_direct_insert=True)

    class Again(dj.Imported):
        class Trial(dj.Part):
            pass

    Again.__name__ = "Experiment"
    project.Schema("lab")(Again)
    assert Again.to_dicts() == [{"experiment": 1}] and len(Again.Trial()) == 0
    Again.Trial.insert1((1, 2), allow_direct_insert=True)
    assert len(Experiment.Trial()) == 1
    with pytest.raises(dj.DataJointError, match="definition"):
        schema(type("Nothing", (dj.Manual,), {}))


def test_tables_are_found_without_the_prefix_of_their_tier(schema):
    tiers = {"Subject": dj.Manual, "Rig": dj.Lookup, "Experiment": dj.Imported, "FitResult": dj.Computed}
    for name, tier in tiers.items():
        schema(type(name, (tier,), {"definition": f"{name.lower()} : int32", "make": lambda self, key: None}))
    for plain, stored in {
        "subject": "subject",
        "rig": "#rig",
        "experiment": "_experiment",
        "fit_result": "__fit_result",
        "FitResult": "__fit_result",
    }.items():
        assert plain in schema and schema.get_table(plain).table_name == schema[stored].table_name == stored
    assert "nothing" not in schema and "Sub" not in schema


@pytest.mark.databases("sqlite")
def test_schemas_that_differ_in_letter_case_are_refused(project):
    """An embedded database ignores letter case: a table of one would be taken for that of the other."""
    project.Schema("lab")
    with pytest.raises(dj.DataJointError, match="letter case") as told:
        project.Schema("Lab")
    assert told.value.kind == "invalid-name" and "`lab`" in told.value.hint
    assert dj.list_schemas(project.connection) == ["lab"]
