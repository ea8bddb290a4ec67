"""Dropping tables and schemas."""

import pytest

import lodestore as dj
import raw_sqlite


@pytest.fixture
def tables(schema):
    @schema
    class Subject(dj.Manual):
        definition = """
        # whoever is studied
        subject : int32  # a number
        """

    @schema
    class Session(dj.Manual):
        definition = """
        -> Subject
        session : int32
        """

        class Trial(dj.Part):
            definition = """
            -> master
            trial : int32
            """

    @schema
    class Report(dj.Computed):
        definition = "-> Session"

    @schema
    class Other(dj.Manual):
        definition = "other : int32"

    Subject.insert1({"subject": 1})
    Session.insert1({"subject": 1, "session": 1})
    return locals()


def hidden_rows(tmp_path):
    """The tables that comments and lineage tell of."""
    query = 'SELECT table_name FROM "lab.~comments" UNION SELECT table_name FROM "lab.~lineage"'
    rows = raw_sqlite.run(tmp_path / "project", query=query)
    return {name for (name,) in rows}


@pytest.mark.databases("sqlite")
def test_a_dropped_table_leaves_nothing_behind(tables, tmp_path):
    tables["Session"].drop(prompt=False)
    assert hidden_rows(tmp_path) == {"subject", "other"}
    tables["Subject"].drop(prompt=False)
    assert hidden_rows(tmp_path) == {"other"}


def test_a_table_is_dropped_with_what_depends_on_it(tables, schema):
    tables["Session"].drop(prompt=False)
    assert sorted(schema.list_tables()) == ["other", "subject"]
    with pytest.raises(dj.errors.MissingTableError):
        len(tables["Session"])
    tables["Subject"].drop(prompt=False)
    assert schema.list_tables() == ["other"]
    # The same classes make their tables again.
    schema(tables["Subject"])
    schema(tables["Session"])
    assert len(tables["Session"]) == 0 and len(tables["Session"].Trial) == 0


def test_one_is_asked_before_a_drop(tables, schema, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "no")
    tables["Subject"].drop()
    assert asked == ["Drop these tables? [yes, No]: "] and len(schema.list_tables()) == 5
    assert capsys.readouterr().out.splitlines()[:2] == [
        "lab.subject         1 row",
        "lab.session         1 row",
    ]
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    tables["Subject"].drop()
    assert schema.list_tables() == ["other"]


def test_nothing_is_dropped_unasked(tables, schema):
    with pytest.raises(dj.DataJointError, match="nobody to answer"):
        tables["Subject"].drop()
    with pytest.raises(dj.DataJointError, match="nobody to answer"):
        schema.drop()
    assert len(schema.list_tables()) == 5


def test_what_cannot_be_dropped(tables, schema, project):
    with pytest.raises(dj.DataJointError, match="restriction"):
        (tables["Subject"] & "subject = 1").drop(prompt=False)
    with pytest.raises(dj.DataJointError, match="restriction"):
        (tables["Subject"] & "subject = 1").drop_quick()
    with pytest.raises(dj.DataJointError, match="part of"):
        tables["Session"].Trial.drop()
    with pytest.raises(dj.errors.IntegrityError, match=r"lab\.session"):
        tables["Subject"].drop_quick()
    with pytest.raises(dj.DataJointError, match="part_integrity"):
        tables["Subject"].drop(prompt=False, part_integrity="perhaps")
    with pytest.raises(dj.DataJointError, match="transaction"), project.connection.transaction:
        tables["Other"].drop(prompt=False)
    with pytest.raises(dj.DataJointError, match="transaction"), project.connection.transaction:
        tables["Other"].drop_quick()
    assert len(schema.list_tables()) == 5
    tables["Session"].Trial.drop(prompt=False, part_integrity="ignore")
    tables["Report"].drop_quick()
    assert sorted(schema.list_tables()) == ["other", "session", "subject"]


def test_a_part_reached_from_elsewhere_is_not_dropped_without_its_master(schema):
    @schema
    class Method(dj.Lookup):
        definition = "method : int32"

    @schema
    class Session(dj.Manual):
        definition = "session : int32"

        class Trial(dj.Part):
            definition = """
            -> master
            -> Method
            """

    with pytest.raises(dj.DataJointError, match=r"`lab\.session__trial` is a part of `lab\.session`"):
        Method.drop(prompt=False)
    Method.drop(prompt=False, part_integrity="ignore")
    assert schema.list_tables() == ["session"]


def test_a_schema_is_dropped_whole(tables, schema, project):
    other = project.Schema("other")
    Subject = tables["Subject"]

    @other
    class Note(dj.Manual):
        definition = "-> Subject"

    with pytest.raises(dj.errors.IntegrityError, match=r"other\.note"):
        schema.drop(prompt=False)
    assert len(schema.list_tables()) == 5 and len(Subject) == 1
    other.drop(prompt=False)
    assert not other.exists and schema.exists
    schema.drop(prompt=False)
    assert not schema.exists
    # A schema that is gone is none to drop; another of that name is a new one.
    schema.drop(prompt=False)
    again = project.Schema("lab")
    again(tables["Other"])
    assert again.list_tables() == ["other"]


@pytest.mark.databases("sqlite")
def test_a_dropped_schema_leaves_nothing_behind(tables, schema, project, tmp_path):
    schema.drop(prompt=False)
    assert dj.list_schemas(project.connection) == []
    left = raw_sqlite.run(tmp_path / "project", query="SELECT name FROM sqlite_schema WHERE name LIKE '%.%'")
    assert left == []
