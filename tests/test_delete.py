"""Deleting rows and what depends on them."""

import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import lodestore as dj
import raw_sqlite


@pytest.fixture
def family(schema):
    """Subjects, their litters (two renamed foreign keys) and sessions with parts and scans."""

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
            ---
            samples=null : <npy@>
            """

    @schema
    class Scan(dj.Imported):
        definition = "-> Session"

    Subject.insert([{"subject": n} for n in range(1, 5)])
    Litter.insert(
        [
            {"litter": 1, "mother": 1, "father": 2},
            {"litter": 2, "mother": 3, "father": 1},
            {"litter": 3, "mother": 3},
        ]
    )
    Session.insert([{"subject": n, "session": 1} for n in range(1, 4)])
    Session.Trial.insert(
        [{"subject": n, "session": 1, "trial": t, "samples": np.zeros(10)} for n in (1, 2) for t in (1, 2)]
    )
    Scan.insert([{"subject": n, "session": 1} for n in (1, 3)], allow_direct_insert=True)
    return locals()


def lengths(family):
    session = family["Session"]
    return [
        len(family["Subject"]),
        len(family["Litter"]),
        len(session),
        len(session.Trial),
        len(family["Scan"]),
    ]


@pytest.fixture
def answers(monkeypatch):
    """Answers to the questions to come; gives the questions asked."""
    waiting, asked = [], []

    def reply(question):
        asked.append(question)
        return waiting.pop(0)

    monkeypatch.setattr("builtins.input", reply)
    return waiting, asked


def test_a_delete_takes_all_that_depends(family):
    Subject = family["Subject"]
    assert (Subject & "subject = 1").delete(prompt=False) == 1
    assert lengths(family) == [3, 1, 2, 2, 1]
    assert Subject.delete(prompt=False) == 3
    assert lengths(family) == [0, 0, 0, 0, 0]
    assert Subject.delete(prompt=False) == 0


def test_by_default_one_is_asked(family, answers, capsys):
    waiting, asked = answers
    Subject = family["Subject"]
    waiting.extend(["", "y", "NO", "what", " YES "])
    one = Subject & "subject = 1"
    assert one.delete() == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "lab.subject         1 row"
    assert sorted(shown[1:]) == [
        "lab._scan           1 row",
        "lab.litter          2 rows",
        "lab.session         1 row",
        "lab.session__trial  2 rows, 2 objects (416 B)",
    ]
    # Only a whole yes is one.
    assert one.delete() == 0 and len(asked) == 3
    assert lengths(family) == [4, 3, 3, 4, 2]
    assert one.delete() == 1 and len(asked) == 5
    assert asked[0] == "Delete these rows? [yes, No]: "
    assert lengths(family) == [3, 1, 2, 2, 1]
    # There is nothing to ask about nothing.
    assert one.delete() == 0 and len(asked) == 5


def test_the_setting_decides_unless_the_call_does(family, project, answers):
    waiting, asked = answers
    project.config["safemode"] = False
    assert (family["Subject"] & "subject = 1").delete() == 1 and not asked
    waiting.append("no")
    assert (family["Subject"] & "subject = 2").delete(prompt=True) == 0 and len(asked) == 1
    waiting.append("no")
    assert (family["Subject"] & "subject = 2").delete(safemode=True) == 0 and len(asked) == 2


@pytest.mark.databases("sqlite")
def test_without_anybody_to_answer_nothing_is_deleted_and_nothing_hangs(family, tmp_path):
    code = """
    import sys, lodestore as dj
    subject = dj.Instance(path=sys.argv[1]).FreeTable("lab.subject")
    try:
        subject.delete()
    except dj.DataJointError as error:
        print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "project")]
    for stdin in (subprocess.DEVNULL, subprocess.PIPE):
        with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, text=True) as process:
            # The pipe stays open and silent.
            assert process.wait(timeout=60) == 0
            assert "nobody to answer" in process.stdout.read()
    assert lengths(family) == [4, 3, 3, 4, 2]


def test_ctrl_c_at_the_question_deletes_nothing(family, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    with pytest.raises(KeyboardInterrupt):
        family["Subject"].delete()
    assert lengths(family) == [4, 3, 3, 4, 2]


def test_inside_a_transaction(family, project):
    Subject = family["Subject"]
    connection = project.connection
    with pytest.raises(dj.DataJointError, match="question"), connection.transaction:
        Subject.delete()
    with pytest.raises(RuntimeError), connection.transaction:
        assert (Subject & "subject = 1").delete(prompt=False) == 1
        assert lengths(family) == [3, 1, 2, 2, 1]
        raise RuntimeError
    assert lengths(family) == [4, 3, 3, 4, 2]
    with connection.transaction:
        with pytest.raises(dj.DataJointError):
            family["Session"].Trial.delete(prompt=False)
        assert (Subject & "subject = 1").delete(prompt=False) == 1
    assert lengths(family) == [3, 1, 2, 2, 1]


def test_parts_go_with_their_master(family):
    Trial = family["Session"].Trial
    one = Trial & "subject = 1 and trial = 1"
    with pytest.raises(dj.DataJointError, match="part") as caught:
        one.delete(prompt=False)
    assert "part_integrity" in caught.value.hint
    with pytest.raises(ValueError, match="part_integrity"):
        one.delete(prompt=False, part_integrity="perhaps")
    assert one.delete(prompt=False, part_integrity="ignore") == 1
    assert lengths(family) == [4, 3, 3, 3, 2]
    # The master's row goes too, with its other parts and whatever else depends on it.
    assert (Trial & "subject = 1").delete(prompt=False, part_integrity="cascade") == 1
    assert lengths(family) == [4, 3, 2, 2, 1]


def test_a_restriction_that_restricts_nothing_deletes_nothing(family):
    with pytest.raises(dj.DataJointError, match="restricts nothing"):
        (family["Subject"] & {"sujbect": 1}).delete(prompt=False)
    with pytest.raises(dj.DataJointError, match="restricts nothing"):
        (family["Subject"] & {"sujbect": 1}).delete_quick()
    assert lengths(family) == [4, 3, 3, 4, 2]


def test_delete_quick(family):
    Subject = family["Subject"]
    with pytest.raises(dj.errors.IntegrityError, match="still refer") as caught:
        (Subject & "subject = 1").delete_quick()
    assert "`lab.litter`" in caught.value.hint and "`lab.session`" in caught.value.hint
    assert caught.value.context["table"] == "lab.subject"
    assert (Subject & "subject = 4").delete_quick(get_count=True) == 1
    assert (Subject & "subject = 4").delete_quick() is None
    assert lengths(family) == [3, 3, 3, 4, 2]


def test_a_free_table_deletes_the_same(family, project):
    free = project.FreeTable("lab.subject")
    assert (free & {"subject": 1}).delete(prompt=False) == 1
    assert lengths(family) == [3, 1, 2, 2, 1]
    assert (project.FreeTable("lab.litter") & "litter = 3").delete_quick(get_count=True) == 1


def test_tables_of_schemas_that_were_never_activated_lose_their_rows_too(family, tmp_path, project, database):
    other = project.Schema("other")
    Session = family["Session"]

    @other
    class Note(dj.Manual):
        definition = "-> Session"

    Note.insert(Session.keys())
    again = database.open(tmp_path / "project")
    assert (again.FreeTable("lab.subject") & "subject = 2").delete(prompt=False) == 1
    assert len(Note) == 2


@pytest.mark.databases("sqlite")
def test_rows_of_other_programs_may_refer_to_each_other(schema, tmp_path):
    """A table that refers to itself, and two that refer to each other."""

    @schema
    class Origin(dj.Manual):
        definition = "origin : int32"

    raw_sqlite.run(
        tmp_path / "project",
        """
    CREATE TABLE "lab.animal" (animal INTEGER NOT NULL PRIMARY KEY,
        mother INTEGER REFERENCES "lab.animal" (animal) ON DELETE RESTRICT,
        origin INTEGER REFERENCES "lab.origin" (origin) ON DELETE RESTRICT) STRICT;
    CREATE TABLE "lab.team" (team INTEGER NOT NULL PRIMARY KEY,
        head INTEGER REFERENCES "lab.person" (person) ON DELETE RESTRICT) STRICT;
    CREATE TABLE "lab.person" (person INTEGER NOT NULL PRIMARY KEY,
        team INTEGER NOT NULL REFERENCES "lab.team" (team) ON DELETE RESTRICT) STRICT;
    INSERT INTO "lab.origin" VALUES (1), (2);
    INSERT INTO "lab.animal" VALUES (1, NULL, 1), (2, 1, 2), (3, 2, NULL), (4, NULL, 2), (5, 5, 2), (6, 3, NULL);
    INSERT INTO "lab.team" VALUES (1, NULL), (2, NULL), (3, NULL);
    INSERT INTO "lab.person" VALUES (1, 1), (2, 1), (3, 2), (4, 3);
    UPDATE "lab.team" SET head = 1 WHERE team = 1;
    UPDATE "lab.team" SET head = 2 WHERE team = 2;
    UPDATE "lab.team" SET head = 4 WHERE team = 3;
        """,
    )
    connection = schema.connection
    animals = dj.FreeTable(connection, "lab.animal")
    # From animal 1 by its origin: its daughter 2, hers 3, and hers 6.
    assert (Origin & "origin = 1").delete(prompt=False) == 1
    assert sorted(animals.to_arrays("animal")) == [4, 5]
    assert (animals & "animal = 5").delete(prompt=False) == 1
    # Person 2, team 2 that she heads, and its person 3.
    people = dj.FreeTable(connection, "lab.person")
    assert (people & "person = 2").delete(prompt=False) == 2
    assert people.to_arrays("person").tolist() == [1, 4]
    assert (dj.FreeTable(connection, "lab.team") & "team = 1").delete(prompt=False) == 1
    assert people.to_arrays("person").tolist() == [4]


@pytest.mark.databases("sqlite")
def test_a_row_that_nothing_tells_of_is_named(schema, tmp_path):
    """A foreign key that the graph leaves out stops the delete; nothing is lost."""

    @schema
    class Thing(dj.Manual):
        definition = "thing : int32"

    Thing.insert1({"thing": 1})
    raw_sqlite.run(
        tmp_path / "project",
        """
        CREATE TABLE hidden (thing INTEGER REFERENCES "lab.thing" (thing) ON DELETE RESTRICT);
        INSERT INTO hidden VALUES (1);
        """,
    )
    with pytest.raises(dj.errors.IntegrityError):
        Thing.delete(prompt=False)
    assert len(Thing) == 1


def until_it_goes(work):
    """Does again what the database takes back because two transactions stood in each other's way."""
    for _ in range(20):
        try:
            return work()
        except dj.errors.LostConnectionError as error:
            assert "again" in error.hint
    raise AssertionError("it never went")


def test_two_threads_delete_and_insert_at_once(schema):
    """Whatever comes first: no row is left without its parent, and nothing fails but for its reason."""

    @schema
    class Top(dj.Manual):
        definition = "top : int32"

    @schema
    class Below(dj.Manual):
        definition = """
        -> Top
        below : int32
        """

    Top.insert([{"top": n} for n in range(30)])
    refused = []

    def insert():
        for n in range(30):
            for below in range(3):
                try:
                    until_it_goes(lambda: Below.insert1({"top": n, "below": below}))  # noqa: B023
                except dj.errors.IntegrityError:
                    refused.append(n)

    writer = threading.Thread(target=insert)
    writer.start()
    deleted = 0
    for n in range(0, 30, 2):
        deleted += until_it_goes(lambda: (Top & {"top": n}).delete(prompt=False))  # noqa: B023
    writer.join()
    assert deleted == 15 and len(Top) == 15
    assert len(Below) == 45 and len(Below & Top) == 45
    assert all(n % 2 == 0 for n in refused)
