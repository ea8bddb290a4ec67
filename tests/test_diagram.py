"""Diagrams: which tables, and which of their rows, depend on which."""

import pytest

import lodestore as dj
from lodestore.diagram import diagram_active


@pytest.fixture
def lab(schema):
    """A pipeline with a renamed key, two ways to one table, parts, and a secondary foreign key."""

    @schema
    class Person(dj.Lookup):
        definition = "person : varchar(9)\n---\nweight : int8"
        contents = (("ann", 1), ("bob", 2), ("cyd", 3))

    @schema
    class Session(dj.Manual):
        definition = """
        subject : int8
        session : int8
        ---
        -> [nullable] Person.proj(operator="person")
        weight : int8
        """

    @schema
    class Pair(dj.Manual):
        definition = """
        -> Session.proj(first="session")
        -> Session.proj(second="session")
        """

    @schema
    class Unit(dj.Imported):
        definition = "-> Session\n---\nn : int8"

        class Spike(dj.Part):
            definition = "-> master\nspike : int8"

        def make(self, key):
            self.insert1({**key, "n": 0})

    @schema
    class Quality(dj.Computed):
        definition = "-> Unit\n-> Pair\n---\nvalue : int8"
        seen = []

        def make(self, key):
            self.seen.append({table.table_name: keys(table) for table in self.upstream})
            rows = (self.upstream[Session] & "weight >= 0").to_dicts()
            self.insert1({**key, "value": len(rows)})

    Session.insert(
        {"subject": subject, "session": session, "operator": [None, "ann", "bob"][session], "weight": session}
        for subject in (1, 2)
        for session in (0, 1, 2)
    )
    Pair.insert([{"subject": 1, "first": 0, "second": 2}, {"subject": 2, "first": 1, "second": 1}])
    Unit.populate("session > 0")
    Unit.Spike.insert([{"subject": 1, "session": 1, "spike": n} for n in (1, 2)])
    return {name: value for name, value in locals().items() if isinstance(value, type)}


ORDER = ["#person", "session", "pair", "_unit", "_unit__spike", "__quality"]


def names(diagram):
    """The tables in an order of the tests' own: there may be several with parents first."""
    found = [table.table_name for table in diagram]
    for child, parent, _ in diagram.edges:
        assert found.index(parent.partition(".")[2]) < found.index(child.partition(".")[2])
    return sorted(found, key=ORDER.index)


def keys(rows):
    return sorted(tuple(row.values()) for row in rows.proj().to_dicts())


def test_sets_of_tables(lab, schema):
    whole = dj.Diagram(schema)
    assert names(whole) == ["#person", "session", "pair", "_unit", "_unit__spike", "__quality"]
    assert names(dj.Diagram(lab["Session"]) + 1) == ["session", "pair", "_unit"]
    assert names(dj.Diagram(lab["Session"]) + 2) == ["session", "pair", "_unit", "_unit__spike", "__quality"]
    assert names(dj.Diagram(lab["Quality"]()) - 1) == ["pair", "_unit", "__quality"]
    assert names((dj.Diagram(lab["Quality"]) - 1).add_parts()) == [
        "pair",
        "_unit",
        "_unit__spike",
        "__quality",
    ]
    assert names(whole - lab["Session"] - lab["Pair"]) == ["#person", "_unit", "_unit__spike", "__quality"]
    assert names(whole * (dj.Diagram(lab["Session"]) + lab["Unit"])) == ["session", "_unit"]
    assert names(dj.Diagram.from_sequence([lab["Session"], lab["Person"]])) == ["#person", "session"]
    backwards = [table.table_name for table in reversed(whole)]
    assert backwards[::-1] == [table.table_name for table in whole]
    assert len(whole) == 6 and lab["Pair"] in whole and lab["Unit"]() not in dj.Diagram(lab["Session"])
    assert diagram_active and len(whole.collapse()) == 6 and len(dj.Diagram(lab["Session"]) + -1) == 1
    for nothing in (3, lab["Session"] * lab["Person"].proj(operator="person")):
        with pytest.raises(dj.DataJointError, match="no diagram"):
            dj.Diagram(nothing)
    with pytest.raises(dj.DataJointError, match="nothing"):
        dj.Diagram.from_sequence([])


def test_as_text(lab, schema):
    Session, Pair = lab["Session"], lab["Pair"]
    text = repr(dj.Diagram(schema, {"Session": Session, "Pair": Pair}))
    assert "Pair <- Session\n" in text and "lab._unit <- Session\n" in text
    drawn = dj.Diagram(schema, lab).make_mermaid()
    assert drawn.startswith("flowchart LR\n") and '  subgraph lab["lab"]' in drawn
    assert 'lab__unit(["Unit"]):::imported' in drawn and 'lab__unit__spike["Spike"]:::part' in drawn
    assert "lab_session --> lab__unit\n" in drawn and "lab__person -.-> lab_session\n" in drawn
    assert drawn.count("linkStyle") == 7 and "#C2700A" in drawn


def test_what_rows_depend_on(lab):
    Session, Unit, Pair, Person, Quality = (lab[n] for n in ("Session", "Unit", "Pair", "Person", "Quality"))
    Quality.populate()
    assert keys(Quality()) == [(1, 1, 0, 2), (1, 2, 0, 2), (2, 1, 1, 1), (2, 2, 1, 1)]
    above = dj.Diagram.trace(Quality & "subject = 1" & "session = 1")
    assert names(above) == ["#person", "session", "pair", "_unit", "__quality"]
    assert keys(above[Pair]) == [(1, 0, 2)] and keys(above["unit"]) == [(1, 1)]
    # By the unit, and by both foreign keys of the pair.
    assert keys(above[Session]) == [(1, 0), (1, 1), (1, 2)]
    assert keys(above["lab.Person"]) == [("ann",), ("bob",)]
    # Exact also for a part of the key: only sessions that were used.
    assert keys(dj.Diagram.trace(Unit & "subject = 2")["Session"]) == [(2, 1), (2, 2)]
    assert keys(dj.Diagram.trace(Pair() & "subject = 2")[Session]) == [(2, 1)]
    assert keys(dj.Diagram.trace(Unit)[Person]) == [("ann",), ("bob",)]
    assert above.counts()[Session.full_table_name] == 3
    with pytest.raises(dj.DataJointError, match="not among"):
        dj.Diagram.trace(Unit)[Pair]
    with pytest.raises(dj.DataJointError, match="not among"):
        dj.Diagram.trace(Unit)["nothing"]
    with pytest.raises(dj.DataJointError, match="no place"):
        dj.Diagram.trace("x")
    with pytest.raises(dj.DataJointError, match="pruned"):
        above.prune()


def test_what_depends_on_rows(lab, project):
    project.config["safemode"] = False
    Session, Unit, Pair, Person, Quality = (lab[n] for n in ("Session", "Unit", "Pair", "Person", "Quality"))
    Quality.populate()
    below = dj.Diagram.cascade(Session & "session = 1")
    assert names(below) == ["session", "pair", "_unit", "_unit__spike", "__quality"]
    told = below.counts()
    assert told == {
        Session.full_table_name: 2,
        Pair.full_table_name: 1,
        Unit.full_table_name: 2,
        Unit.Spike.full_table_name: 2,
        # By the unit, or by the pair.
        Quality.full_table_name: 3,
    }
    assert keys(dj.Diagram.cascade(Person & "person = 'bob'")[Pair]) == [(1, 0, 2)]
    lost = {name: len(dj.FreeTable(project.connection, name)) for name in told}
    (Session & "session = 1").delete()
    assert {name: rows - len(dj.FreeTable(project.connection, name)) for name, rows in lost.items()} == told


def test_parts_may_take_their_masters_along(lab):
    Session, Unit, Quality = lab["Session"], lab["Unit"], lab["Quality"]
    Quality.populate()
    spike = Unit.Spike & "spike = 1"
    assert dj.Diagram.cascade(spike).counts() == {Unit.Spike.full_table_name: 1}
    assert dj.Diagram.cascade(spike, part_integrity="cascade").counts() == {
        Unit.full_table_name: 1,
        Unit.Spike.full_table_name: 2,
        Quality.full_table_name: 1,
    }
    assert Session not in dj.Diagram.cascade(spike, part_integrity="cascade")
    with pytest.raises(dj.DataJointError, match="part_integrity"):
        dj.Diagram.cascade(spike, part_integrity="x")


def test_restrictions_go_down_together(lab, schema):
    Session, Unit, Pair, Quality = (lab[n] for n in ("Session", "Unit", "Pair", "Quality"))
    Quality.populate()
    whole = dj.Diagram(schema)
    some = whole.restrict(Session & "session = 1")
    # Both sessions of a pair must be one of them.
    assert keys(some[Pair]) == [(2, 1, 1)] and keys(some["quality"]) == [(2, 1, 1, 1)]
    both = some.restrict(Session & "subject = 1")
    assert keys(both[Session]) == [(1, 1)] and keys(both[Pair]) == [] and keys(both[Unit]) == [(1, 1)]
    assert names(both.prune()) == ["#person", "session", "_unit", "_unit__spike"]
    (Unit & "subject = 2").delete(prompt=False)
    Quality.delete(prompt=False)
    assert names(whole.prune()) == ["#person", "session", "pair", "_unit", "_unit__spike"]
    with pytest.raises(dj.DataJointError, match="not in the diagram"):
        dj.Diagram(Session).restrict(Unit & "n = 0")
    with pytest.raises(dj.DataJointError, match="conditions"):
        whole.counts()
    with pytest.raises(dj.DataJointError, match="already"):
        dj.Diagram.trace(Unit).restrict(Session())


def test_upstream_is_what_the_key_comes_from(lab):
    Quality = lab["Quality"]
    Quality.seen.clear()
    Quality.populate("subject = 1 and session = 1")
    assert Quality.seen == [
        {
            "_unit": [(1, 1)],
            "pair": [(1, 0, 2)],
            "session": [(1, 0), (1, 1), (1, 2)],
            "#person": [("ann",), ("bob",)],
        }
    ]
    assert Quality.fetch1("value") == 3
    with pytest.raises(dj.DataJointError, match="inside make"):
        Quality().upstream  # noqa: B018


def test_upstream_of_a_renamed_key_and_of_strangers(schema, lab):
    Session, Person = lab["Session"], lab["Person"]
    seen = {}

    class Report(dj.Computed):
        definition = "-> Session.proj(number='session', who='subject')\n---\nvalue : int8"

        def make(self, key):
            seen["rows"] = keys(self.upstream[Session])
            with pytest.raises(dj.DataJointError, match="not among"):
                self.upstream[lab["Unit"]]
            assert self.upstream is self.upstream and Person in self.upstream
            yield self.upstream["session"].to_dicts()
            yield
            self.insert1({**key, "value": 0})

    Report = schema(Report, context=lab)
    Report.populate("number = 2 and who = 1")
    assert seen["rows"] == [(1, 2)] and len(Report) == 1


def test_a_preview_with_masters_reports_what_a_delete_takes(project, schema):
    """By chains of parts, renamed foreign keys, and several masters: by the same ways as the delete."""

    @schema
    class Run(dj.Manual):
        definition = "run : int32"

        class Unit(dj.Part):
            definition = "-> master\nunit : int32"

        class Wave(dj.Part):
            definition = "-> Run.Unit.proj(one='unit')\nwave : int32"

        class Peak(dj.Part):
            definition = "peak : int32\n---\n-> Run.Wave.proj(r='run', w='wave')"

        class Note(dj.Part):
            definition = "-> master.proj(of='run')\nnote : int32"

    @schema
    class After(dj.Manual):
        definition = "-> Run\nafter : int32"

    @schema
    class Group(dj.Manual):
        definition = "group : int32"

        class Member(dj.Part):
            definition = "-> master\nmember : int32\n---\n-> [nullable] Run.Unit"

    runs = (1, 2, 3)
    Run.insert({"run": run} for run in runs)
    Run.Unit.insert({"run": run, "unit": unit} for run in runs for unit in (0, 1))
    Run.Wave.insert({"run": run, "one": unit, "wave": 0} for run in runs for unit in (0, 1))
    Run.Peak.insert({"peak": run, "r": run, "one": 1, "w": 0} for run in runs)
    Run.Note.insert({"of": run, "note": note} for run in runs for note in (0, 1))
    After.insert({"run": run, "after": 0} for run in runs)
    Group.insert({"group": group} for group in (1, 2, 3))
    Group.Member.insert(
        [
            {"group": 1, "member": 0, "run": 1, "unit": 0},
            {"group": 1, "member": 1, "run": None, "unit": None},
            {"group": 2, "member": 0, "run": 2, "unit": 0},
            {"group": 2, "member": 1, "run": 3, "unit": 0},
            {"group": 3, "member": 0, "run": None, "unit": None},
        ]
    )
    tables = [Run, Run.Unit, Run.Wave, Run.Peak, Run.Note, After, Group, Group.Member]
    seeds = [
        Run & "run = 1",
        Run.Unit & "run = 1 and unit = 0",
        Run.Wave & "run = 1 and one = 1",
        Run.Peak & "peak = 2",
        Run.Peak & "peak > 1",
        Run.Note & {"of": 3, "note": 1},
        After & "run = 2",
        Group & "group = 1",
        Group.Member & "member = 1",
        Run.Unit & "unit > 5",
    ]
    for seed in seeds:
        told = dj.Diagram.cascade(seed, part_integrity="cascade").counts()
        before = {table.full_table_name: len(table()) for table in tables}
        with pytest.raises(InterruptedError), project.connection.transaction:
            seed.delete(part_integrity="cascade", prompt=False)
            gone = {table.full_table_name: before[table.full_table_name] - len(table()) for table in tables}
            raise InterruptedError
        assert {name: rows for name, rows in told.items() if rows} == {
            name: rows for name, rows in gone.items() if rows
        }, seed
