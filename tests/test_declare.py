"""Classes become tables."""

import datetime
import decimal
import types

import numpy as np
import pandas as pd
import pytest

import lodestore as dj
from lodestore.errors import DefinitionError, MissingTableError


def test_a_class_becomes_a_table(schema):
    @schema
    class SessionTrial(dj.Manual):
        definition = """
        # one trial
        trial : int16        # counts from 1
        ---
        note = '' : varchar(20)
        """

    assert SessionTrial.table_name == "session_trial"
    assert schema.list_tables() == ["session_trial"]
    assert SessionTrial.primary_key == ["trial"]
    assert [repr(attribute) for attribute in SessionTrial.heading.attributes.values()] == [
        "*trial : int16",
        "note : varchar(20)",
    ]
    assert len(SessionTrial) == 0 and not SessionTrial()
    assert "Total: 0" in repr(SessionTrial())


def test_tiers_have_their_prefixes(schema):
    @schema
    class Method(dj.Lookup):
        definition = "method : varchar(9)"
        contents = (("a",), {"method": "b"})

    @schema
    class Raw(dj.Imported):
        definition = "-> Method"

    @schema
    class Cooked(dj.Computed):
        definition = "-> Raw"

        class Piece(dj.Part):
            definition = """
            -> master
            piece : int8
            """

    assert schema.list_tables() == ["#method", "_raw", "__cooked", "__cooked__piece"]
    assert Cooked.Piece.master is Cooked
    assert Cooked.Piece.primary_key == ["method", "piece"]
    assert [row["method"] for row in Method] == ["a", "b"]
    # Declared again, as in another process, the contents are not inserted again.
    schema(Method)
    assert len(Method) == 2


def test_definitions_find_their_parents(project, schema):
    @schema
    class Subject(dj.Manual):
        definition = "subject : int32"

    class lab:
        pass

    lab.Subject = Subject
    other = project.Schema("other")

    @other
    class Litter(dj.Manual):
        definition = """
        -> lab.Subject
        ---
        -> [nullable] lab.Subject.proj(mother='subject')
        """

    assert Litter.heading.names[1] == "mother" and Litter.heading["mother"].nullable
    Subject.insert([{"subject": 1}, {"subject": 2}])
    Litter.insert([{"subject": 1, "mother": 2}, {"subject": 2}])
    assert Litter.to_dicts(order_by="KEY") == [{"subject": 1, "mother": 2}, {"subject": 2, "mother": None}]


def test_a_schema_waits_for_its_name(project):
    schema = dj.Schema()

    @schema
    class Thing(dj.Manual):
        definition = "id : int8"

    assert not schema.is_activated()
    with pytest.raises(MissingTableError, match="schema decorator"):
        len(Thing())
    schema.activate("later", connection=project.connection)
    Thing.insert1({"id": 1})
    assert len(Thing) == 1
    with pytest.raises(dj.DataJointError, match="already activated"):
        schema.activate("another")


def test_a_broken_definition_shows_the_place(schema):
    with pytest.raises(DefinitionError) as caught:

        @schema
        class Wrong(dj.Manual):
            definition = """
            id : int32
            ---
            weight float64
            """

    text = str(caught.value)
    assert "weight float64" in text and "^" in text and "lab.wrong" in text
    assert caught.value.kind == "invalid-definition"
    assert schema.list_tables() == []


@pytest.mark.parametrize(
    ("definition", "mention"),
    [
        ("id : int33", "int33"),
        ("id : int32\n---\nx : <nump@>", "nump"),
        ("-> Nobody", "Nobody"),
        (None, "definition"),
    ],
)
def test_what_a_definition_gets_wrong_is_told(schema, definition, mention):
    with pytest.raises(dj.DataJointError, match=mention):
        schema(type("Wrong", (dj.Manual,), {"definition": definition}))
    assert schema.list_tables() == []


def test_what_is_no_table_class_is_refused(schema):
    with pytest.raises(dj.DataJointError, match=r"dj\.Manual"):
        schema(int)
    with pytest.raises(dj.DataJointError, match="Part"):
        schema(type("Piece", (dj.Part,), {"definition": "id : int8"}))


def test_tables_are_found_without_their_classes(database, project, schema, tmp_path):
    @schema
    class Thing(dj.Lookup):
        definition = "id : int8"
        contents = ((1,),)

    again = database.open(tmp_path / "project")
    found = again.Schema("lab", create_schema=False)["Thing"]
    assert found.to_dicts() == [{"id": 1}]
    assert "Thing" in schema and "Nothing" not in schema
    with pytest.raises(MissingTableError):
        schema["Nothing"]
    with pytest.raises(MissingTableError):
        again.Schema("missing", create_schema=False)


#: A module of a pipeline, which assigns names after its classes are decorated.
LINKED = '''
schema = dj.Schema()
upstream = None

@schema
class Unit(dj.Manual):
    definition = """
    -> upstream.Probe
    unit : int32
    """

    class Spike(dj.Part):
        definition = """
        -> master
        -> Clock
        """

def activate(name, linked, connection):
    global upstream, Clock
    upstream, Clock = linked, linked.Clock
    schema.activate(name, connection=connection)
'''


def test_names_are_resolved_when_the_schema_is_activated(project):
    linked = types.SimpleNamespace()
    lab = project.Schema("lab")
    for name in ("Probe", "Clock"):
        cls = type(name, (dj.Lookup,), {"definition": f"{name.lower()} : int32", "contents": [[1]]})
        setattr(linked, name, lab(cls))
    module = types.ModuleType("pipeline")
    module.dj = dj
    exec(LINKED, module.__dict__)
    module.activate("units", linked, project.connection)
    assert module.Unit.parents() == [linked.Probe.full_table_name]
    assert set(module.Unit.Spike.primary_key) == {"probe", "unit", "clock"}

    # So are the names of functions.
    later = dj.Schema()

    @later
    class Sorted(dj.Manual):
        definition = "-> Source"

    Source = linked.Probe
    later.activate("sorted", connection=project.connection)
    assert Sorted.primary_key == ["probe"] and Source is linked.Probe


def test_definition_and_contents_may_be_attributes_of_any_kind(schema, tmp_path):
    rows = [{"number": 1}, {"number": 2}]
    (tmp_path / "rows.csv").write_text("number\n1\n2\n")

    @schema
    class Plain(dj.Lookup):
        definition = "number : int32"
        contents = rows

    kinds = {
        "Property": property(lambda self: rows),
        "Method": lambda self: rows,
        "Static": staticmethod(lambda: rows),
        "OfClass": classmethod(lambda cls: rows),
        "Generated": (row for row in rows),
        "Generator": property(lambda self: (row for row in rows)),
        "Mapped": map(dict, rows),
        "Records": np.array([(1,), (2,)], dtype=[("number", "i4")]),
        "Frame": pd.DataFrame(rows),
        "File": tmp_path / "rows.csv",
        "Query": Plain & "number > 0",
        "Class": Plain,
        "Counted": property(lambda self: [{"number": n} for n in range(1, len(Plain()) + 1)]),
    }
    for name, contents in kinds.items():
        body = {"definition": "number : int32", "contents": contents}
        table = schema(type(name, (dj.Lookup,), body))
        assert table.to_dicts(order_by="number") == rows, name
    for name, definition in {
        "DefinedProperty": property(lambda self: "number : int32"),
        "DefinedMethod": lambda self: "number : int32",
        "DefinedOfClass": classmethod(lambda cls: "number : int32"),
    }.items():
        body = {"definition": definition, "contents": property(lambda self: rows)}
        assert len(schema(type(name, (dj.Lookup,), body))) == 2, name


@pytest.mark.databases("sqlite")
def test_an_error_in_a_property_is_not_hidden(schema):
    class Broken(dj.Lookup):
        definition = "number : int32"

        @property
        def contents(self):
            return self.nothing

    with pytest.raises(AttributeError, match="nothing"):
        schema(Broken)


def test_a_schema_that_was_dropped_is_activated_with_its_tables(project):
    schema = project.Schema("lab")

    @schema
    class Rig(dj.Lookup):
        definition = "rig : int32"
        contents = [[1]]

        class Camera(dj.Part):
            definition = "-> master\ncamera : int32"

    schema.drop(prompt=False)
    schema.activate("lab")
    assert schema.list_tables() == ["#rig", "#rig__camera"] and len(Rig) == 1
    Rig.Camera.insert1((1, 2))
    schema.drop(prompt=False)
    schema.activate("other")
    assert Rig.database == "other" and len(Rig) == 1 and len(Rig.Camera) == 0


@pytest.mark.parametrize(
    "member", ["a:b", "a: 'b'", "it's", "a, b", "x # y", "(z)", 'say "x"', "'", "::", "-> x", "a\\b", "---"]
)
def test_members_of_an_enum_may_hold_any_sign(schema, member):
    quoted = member.replace("'", "''")

    @schema
    class Choice(dj.Manual):
        definition = f"""
        choice : int32
        ---
        kind = 'plain' : enum('plain', '{quoted}')  # a comment: 'with' signs
        """

    Choice.insert([{"choice": 1, "kind": member}, {"choice": 2}])
    fresh = dj.FreeTable(schema.connection, "lab.choice")
    for table in (Choice(), fresh):
        assert table.to_dicts(order_by="choice")[0]["kind"] == member and len(table & {"kind": member}) == 1
        assert table.heading["kind"].comment == "a comment: 'with' signs"
        assert table.heading["kind"].type == f"enum('plain', '{quoted}')"
    with pytest.raises(dj.errors.InvalidValueError, match="the members are"):
        Choice.insert1((3, "other"))
    again = schema(type("Copy", (dj.Manual,), {"definition": Choice.describe()}))
    again.insert1((1, member))
    assert again.fetch1("kind") == member


def test_numbers_become_text_as_in_datajoint(schema):
    @schema
    class Label(dj.Manual):
        definition = "name : varchar(6)\n---\ncode = null : char(4)"

    Label.insert(
        [(1, 2), (-5, 1.5), (np.int64(12), np.float64(2.0)), (decimal.Decimal("1.50"), None), ("x", 7)]
    )
    found = {row["name"]: row["code"] for row in Label.to_dicts()}
    assert found == {"1": "2", "-5": "1.5", "12": "2.0", "1.50": None, "x": "7"}
    Label.insert(pd.DataFrame({"name": [21, 22], "code": [0.5, 1.5]}))
    assert len(Label & {"name": 21}) == len(Label & {"code": 0.5}) == len(Label & "code = '0.5'") == 1
    assert len(Label & [{"name": 1}, {"name": "x"}]) == 2
    for value in (1234567, 0.1234567, True, datetime.date(2020, 1, 2), b"x"):
        with pytest.raises((dj.errors.InvalidValueError, dj.errors.InvalidTypeError), match="name"):
            Label.insert1((value, None))
