"""What a table refers to, and what refers to it."""

import pytest

import lodestore as dj
import raw_sqlite


@pytest.fixture
def family(schema, project):
    """Tables with renamed, nullable and several foreign keys, over two schemas."""

    @schema
    class Subject(dj.Manual):
        definition = "subject : int32"

    @schema
    class Litter(dj.Manual):
        definition = """
        litter : int32
        ---
        -> Subject.proj(mother="subject")
        -> [nullable] Subject.proj(father="subject")
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

        class Event(dj.Part):
            definition = """
            -> Session.Trial
            event : int32
            """

    other = project.Schema("other")

    @other
    class Best(dj.Computed):
        definition = """
        -> Session.Trial.proj(best="trial")
        """

    return locals()


def bare(names):
    return [name.replace('"', "").replace("`", "") for name in names]


def test_parents_and_children(family):
    Subject, Litter, Session = family["Subject"], family["Litter"], family["Session"]
    assert bare(Litter.parents()) == ["lab.subject", "lab.subject"]
    assert bare(Litter().parents(primary=True)) == []
    assert sorted(bare(Subject.children())) == ["lab.litter", "lab.litter", "lab.session"]
    assert bare(Subject.children(primary=True)) == ["lab.session"]
    assert bare(Subject.children(primary=False)) == ["lab.litter", "lab.litter"]
    assert Subject.parents() == [] and Litter.children() == []
    assert bare(Session.Event.parents()) == ["lab.session__trial"]
    (trial,) = family["Best"].parents(as_objects=True)
    assert isinstance(trial, dj.FreeTable) and trial.full_table_name == Session.Trial.full_table_name


def test_foreign_key_info(family):
    father, mother = sorted(
        family["Litter"].parents(foreign_key_info=True), key=lambda item: list(item[1]["attr_map"])
    )
    expected = {"aliased": True, "primary": False, "multi": True}
    assert mother == (family["Subject"].full_table_name, {"attr_map": {"mother": "subject"}, **expected})
    assert father[1]["attr_map"] == {"father": "subject"}
    ((_, info),) = family["Best"].parents(foreign_key_info=True)
    assert info == {
        "attr_map": {"subject": "subject", "session": "session", "best": "trial"},
        "aliased": True,
        "primary": True,
        "multi": False,
    }
    ((child, info),) = family["Session"].children(as_objects=True, foreign_key_info=True)
    assert len(child) == 0 and info["multi"] and not info["aliased"]


def test_ancestors_descendants_parts(family):
    Subject, Session = family["Subject"], family["Session"]
    descendants = bare(Subject.descendants())
    assert descendants[0] == "lab.subject" and set(descendants[1:]) == {
        "lab.litter",
        "lab.session",
        "lab.session__trial",
        "lab.session__event",
        "other.__best",
    }
    order = [name for name in descendants if name.startswith("lab.session")]
    assert order == ["lab.session", "lab.session__trial", "lab.session__event"]
    assert bare(family["Best"].ancestors()) == [
        "other.__best",
        "lab.session__trial",
        "lab.session",
        "lab.subject",
    ]
    assert sorted(bare(Session.parts())) == ["lab.session__event", "lab.session__trial"]
    assert bare(Session.Trial.parts()) == []
    assert [len(table) for table in Session.parts(as_objects=True)] == [0, 0]
    # A restriction has no part in it.
    assert (Session & "session = 1").descendants() == Session.descendants()
    assert bare(family["Litter"].descendants()) == ["lab.litter"]


@pytest.mark.databases("sqlite")
def test_tables_of_other_programs_may_refer_to_each_other_in_a_circle(schema, project, tmp_path):
    @schema
    class First(dj.Manual):
        definition = "first : int32"

    raw_sqlite.run(
        tmp_path / "project",
        """
        CREATE TABLE "lab.b" (b INTEGER PRIMARY KEY REFERENCES "lab.c" (c));
        CREATE TABLE "lab.c" (c INTEGER PRIMARY KEY REFERENCES "lab.b" (b));
        """,
    )
    with pytest.raises(dj.DataJointError, match=r"circle: .lab.[bc]. -> .lab.[bc]. -> .lab.[bc]."):
        project.FreeTable("lab.b").descendants()
    assert bare(First.descendants()) == ["lab.first"]
