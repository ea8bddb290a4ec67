"""Complaints carry the words by which programs for DataJoint tell them apart, and deprecated forms warn."""

import warnings

import numpy as np
import pandas as pd
import pytest

import lodestore as dj


@pytest.fixture
def tables(schema):
    @schema
    class Animal(dj.Manual):
        definition = """
        animal : int32
        ---
        weight=null : float64
        note='' : varchar(20)
        """

    @schema
    class Visit(dj.Manual):
        definition = """
        -> Animal
        visit : int32
        """

    @schema
    class Cage(dj.Manual):
        definition = """
        cage : int32
        ---
        weight=null : float64
        image=null : <object@>
        """

        class Place(dj.Part):
            definition = """
            -> master
            place : int32
            ---
            -> Animal
            """

    @schema
    class Mean(dj.Computed):
        definition = "-> Animal"

        def make(self, key):
            self.insert1(key)

    return Animal, Visit, Cage, Mean


def words(question, expected, kind=dj.DataJointError):
    with pytest.raises(kind) as caught:
        question()
    assert isinstance(caught.value, dj.DataJointError)
    text = str(caught.value)
    assert all(word in text for word in expected), text


@pytest.mark.databases("sqlite")
def test_queries_complain_in_known_words(tables):
    animal, visit, cage, _ = tables
    words(lambda: animal & cage, ["Cannot join on attribute `weight`", "lineage"])
    words(lambda: animal * cage, ["Cannot join on attribute `weight`", "lineage", ".proj()"])
    words(
        lambda: animal.proj(cage="animal") & cage,
        ["different lineages", "lab.animal.animal", "lab.cage.cage"],
    )
    words(lambda: animal ^ visit, ["removed", "restrict(..., semantic_check=False)"])
    words(lambda: animal @ visit, ["removed", "join(..., semantic_check=False)"])
    for product in (
        lambda: dj.U("animal") * animal,
        lambda: animal * dj.U("animal"),
        lambda: animal.join(dj.U("animal")),
    ):
        words(product, ["no longer supported", "dj.U"])
    words(lambda: dj.U("animal") - animal, ["infinite set", "not supported"])
    words(
        lambda: dj.U("animal").aggr(animal, exclude_nonmatching=False),
        ["exclude_nonmatching=False", "universal set"],
    )
    words(lambda: animal * 3, ["join must be a QueryExpression", "int"])
    words(lambda: animal.aggr(3), ["must be a QueryExpression"])
    words(lambda: animal + 3, ["can only be unioned with another QueryExpression"])
    words(lambda: animal & 3, ["Invalid restriction type"])
    words(lambda: animal + cage, ["union", "share the same primary key"])
    words(lambda: animal.join(visit, left=True), ["Left join", "determine", "visit"])
    words(lambda: animal.extend(visit), ["Left join", "determine", "visit"])


@pytest.mark.databases("sqlite")
def test_inserts_complain_in_known_words(tables):
    animal, _, cage, mean = tables
    warnings.simplefilter("ignore", DeprecationWarning)
    words(lambda: animal.insert1((1, 2)), ["Incorrect number of attributes", "2 given; 3 expected"])
    words(lambda: animal.insert1({}), ["Cannot insert empty row", "require values: animal"])
    words(lambda: animal.insert([{}, {"animal": 1}]), ["Cannot insert empty row"])
    words(lambda: animal.insert1(5), ["Invalid row type"], TypeError)
    frame = pd.DataFrame({"weight": [1.0]}, index=pd.Index([9], name="other"))
    words(
        lambda: animal.insert_dataframe(frame, index_as_pk=True),
        ["index columns", "do not match", "primary key"],
    )
    words(lambda: animal.insert_dataframe([1]), ["requires a pandas DataFrame"])
    words(
        lambda: animal.insert(animal.proj(), chunk_size=3),
        ["chunk_size is not supported for QueryExpression"],
    )
    words(
        lambda: mean.insert1({"animal": 1}), ["auto-populated", "inside its make", "allow_direct_insert=True"]
    )
    words(lambda: mean().upstream, ["only available inside make", "dj.Diagram.trace"])
    words(lambda: (mean & "animal = 1").populate(), ["Cannot call populate on a restricted table"])

    def stage_without_key():
        with cage.staged_insert1 as staged, staged.open("image", ".bin"):
            pass

    words(stage_without_key, ["Primary key values must be set", "Missing", "cage"])
    assert len(animal) == len(cage) == len(mean) == 0


@pytest.mark.databases("sqlite")
def test_an_empty_row_goes_in_where_nothing_is_required(schema):
    @schema
    class Mark(dj.Manual):
        definition = "mark=7 : int32"

    Mark.insert1({})
    assert Mark.to_dicts() == [{"mark": 7}]


@pytest.mark.databases("sqlite")
def test_validation_counts_its_errors(tables):
    animal = tables[0]
    found = animal.validate([{"animal": number, "bad": 1} for number in range(20)])
    lines = found.summary().splitlines()
    assert (
        lines[0] == "Validation failed: 20 error(s) in 20 rows"
        and lines[-1].strip() == "... and 10 more errors"
    )
    assert "Row 0" in lines[1] and "'bad'" in lines[1] and len(lines) == 12
    found = animal.validate([{"animal": 1}, {"weight": 2}, {"animal": 3, "other": 1}])
    assert "2 error(s)" in found.summary() and "more errors" not in found.summary()
    words(found.raise_if_invalid, ["Validation failed", "2 error(s)"])


@pytest.mark.databases("sqlite")
def test_deletes_and_drops_complain_in_known_words(tables):
    animal, _, cage, _ = tables
    animal.insert1({"animal": 1})
    cage.insert1({"cage": 1})
    cage.Place.insert1({"cage": 1, "place": 1, "animal": 1})
    misspelt = ["part_integrity must be", "'enforce'", "'ignore'", "enforced"]
    words(lambda: animal.delete(part_integrity="enforced"), misspelt, ValueError)
    words(lambda: (animal & "animal = 9").delete(part_integrity="enforced"), misspelt, ValueError)
    words(lambda: dj.Diagram.cascade(animal & "animal = 1", part_integrity="enforced"), misspelt, ValueError)
    words(lambda: animal.drop(part_integrity="cascade"), ["part_integrity must be", "drop"], ValueError)
    words(lambda: cage.Place.delete(), ["Cannot delete from a Part directly", "part_integrity"])
    words(lambda: cage.Place.drop(), ["Cannot drop a Part directly", "part_integrity"])
    words(lambda: animal.delete(prompt=False), ["before its master", "part_integrity"])
    assert len(animal) == len(cage) == len(cage.Place) == 1


@pytest.mark.databases("sqlite")
def test_rows_without_names_warn_at_the_line_that_inserts_them(tables, schema):
    animal = tables[0]
    for insert in (
        lambda: animal.insert1((1, 2.0, "x")),
        lambda: animal.insert([(2, 2.0, "x"), (3, 2.0, "x")]),
        lambda: animal.insert(iter([[4, 2.0, "x"]])),
    ):
        with pytest.warns(DeprecationWarning, match="Positional inserts") as caught:
            insert()
        assert len(caught) == 1 and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        animal.insert1({"animal": 5})
        animal.insert(np.array([(6, 1.0)], dtype=[("animal", int), ("weight", float)]))

        # Tables of constants are written so.
        @schema
        class Kind(dj.Lookup):
            definition = "kind : int32\n---\nlegs : int32"
            contents = [(1, 4), (2, 2)]

    assert len(animal) == 6 and len(Kind) == 2


@pytest.mark.databases("sqlite")
def test_a_class_name_with_underscores_warns(schema):
    with pytest.warns(UserWarning, match="`Under_Score` contains underscores") as caught:

        @schema
        class Under_Score(dj.Manual):
            definition = "id : int32"

    assert caught[0].filename == __file__ and Under_Score.table_name == "under_score"


def test_a_native_blob_takes_bytes_alone(schema, database):
    @schema
    class Raw(dj.Manual):
        definition = "id : int32\n---\nraw : bytes"

    Raw.insert1({"id": 1, "raw": b"abc"})
    for value in ("abc", [1, 2], np.arange(3), 5):
        words(
            lambda value=value: Raw.insert1({"id": 2, "raw": value}), ["bytes", "`raw`", "<blob>"], TypeError
        )
    assert Raw.to_dicts() == [{"id": 1, "raw": b"abc"}]
    if database.name != "postgresql":

        @schema
        class Native(dj.Manual):
            definition = "id : int32\n---\nraw : longblob"

        words(lambda: Native.insert1({"id": 1, "raw": np.arange(3)}), ["bytes", "`raw`", "<blob>"], TypeError)
        assert len(Native) == 0
