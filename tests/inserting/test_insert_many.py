"""Rows that come in large numbers, piece by piece, or from a query."""

import pandas
import polars
import pytest
from measurements import ROWS

import lodestore as dj
from lodestore.errors import (
    DuplicateError,
    IntegrityError,
    InvalidValueError,
    MissingAttributeError,
    UnknownAttributeError,
)


def test_a_long_generator_goes_in_whole_or_not_at_all(measurement):
    count = 40_000
    measurement.insert({"id": number, "value": number / 2} for number in range(count))
    assert len(measurement) == count
    measurement.delete(prompt=False)
    with pytest.raises(InvalidValueError, match=f"row `{count - 1}`"):
        measurement.insert({"id": n, "level": 1 if n < count - 1 else 99_999} for n in range(count))
    assert len(measurement) == 0

    def broken():
        yield from ({"id": number} for number in range(count))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        measurement.insert(broken())
    assert len(measurement) == 0 and not measurement.connection.in_transaction
    with measurement.connection.transaction:
        measurement.insert1({"id": -1})
        with pytest.raises(RuntimeError):
            measurement.insert(broken())
        # The generator may read and write meanwhile.
        measurement.insert({"id": -2 - len(measurement & "id < 0")} for _ in range(1))
    assert sorted(measurement.to_arrays("id")) == [-3, -1]


def test_chunks_go_in_each_for_itself(measurement):
    with pytest.raises(DuplicateError):
        measurement.insert(({"id": number % 7} for number in range(8)), chunk_size=3)
    assert sorted(measurement.to_arrays("id")) == [0, 1, 2, 3, 4, 5]
    measurement.delete(prompt=False)
    for rows in (ROWS, pandas.DataFrame(ROWS), polars.DataFrame(ROWS), iter(ROWS)):
        measurement.insert(rows, chunk_size=2)
        assert measurement.to_dicts() == ROWS
        measurement.delete(prompt=False)
    for wrong in (0, -1):
        with pytest.raises(dj.DataJointError, match="chunk_size"):
            measurement.insert(ROWS, chunk_size=wrong)
    with pytest.raises(dj.DataJointError, match="chunk_size"):
        measurement.insert(measurement, chunk_size=2)


def test_progress_is_told(measurement, capsys):
    measurement.insert(ROWS, display_progress=True)
    measurement.insert(({"id": number} for number in range(10, 20_010)), display_progress=True)
    told = capsys.readouterr().err
    assert "measurement" in told and "3 of 3 rows" in told and "20,000 rows in" in told


def test_rows_of_a_query(schema, project):
    @schema
    class Source(dj.Manual):
        definition = """
        id : int16
        ---
        word = null : varchar(9)
        note = null : <blob>
        """

    @schema
    class Target(dj.Manual):
        definition = """
        id : int32
        ---
        word = "none" : varchar(20)
        note = null : <blob>
        level = 7 : int16
        """

    Source.insert([{"id": n, "word": f"w{n}" if n else None, "note": {"n": n}} for n in range(4)])
    Target.insert(Source & "id < 2")
    assert Target.to_dicts() == [
        {"id": 0, "word": "none", "note": {"n": 0}, "level": 7},
        {"id": 1, "word": "w1", "note": {"n": 1}, "level": 7},
    ]
    with pytest.raises(DuplicateError):
        Target.insert(Source.proj("note"))
    assert len(Target) == 2
    Target.insert(Source.proj("note"), skip_duplicates=True)
    assert len(Target) == 4
    Target.insert(Source.proj("word", level="id + 10"), replace=True)
    assert (Target & "id = 3").fetch1("level", "word", "note") == (13, "w3", None)
    Target.insert(dj.U().aggr(Source, id="max(id) + 1"))
    assert 4 in Target.to_arrays("id")
    Target.insert(Source & dj.Top(1, "id DESC"), replace=True)
    with pytest.raises(UnknownAttributeError, match="other"):
        Target.insert(Source.proj(other="id * 2"))
    Target.insert(Source.proj(other="id * 2"), ignore_extra_fields=True, skip_duplicates=True)

    @schema
    class Strict(dj.Manual):
        definition = """
        id : int32
        ---
        word : varchar(9)
        """

    with pytest.raises(MissingAttributeError, match="word"):
        Strict.insert(Source.proj())
    with pytest.raises(MissingAttributeError, match="word"):
        Strict.insert(Source.proj("word"))
    assert len(Strict) == 0
    elsewhere = dj.Instance(path="elsewhere")
    with pytest.raises(dj.DataJointError, match="another connection"):
        elsewhere.Schema("lab")(type("Source", (dj.Manual,), {"definition": Source.definition})).insert(
            Source
        )


def test_the_database_copies_rows_by_itself(schema):
    statements = []

    @schema
    class Source(dj.Manual):
        definition = "id : int32\n---\nword : varchar(9)"

    @schema
    class Target(dj.Manual):
        definition = "id : int32\n---\nword : varchar(9)"

    Source.insert((n, str(n)) for n in range(1000))
    # A value that the table's own check would refuse goes as it is only if nobody looks at it on the way.
    Target.insert(Source)
    assert len(Target) == 1000 and not statements
    with pytest.raises(DuplicateError):
        Target.insert(Source)
    (Target & "id < 5").delete(prompt=False)
    Target.insert(Source, skip_duplicates=True)
    assert len(Target) == 1000


def test_replace_resets_what_is_left_out(measurement):
    measurement.insert(ROWS)
    measurement.insert1({"id": 1, "word": "new"}, replace=True)
    assert (measurement & "id = 1").fetch1() == {
        "id": 1,
        "value": None,
        "word": "new",
        "day": None,
        "moment": None,
        "flag": None,
        "level": 7,
    }


# Servers take many rows at once, and name the key alone.
@pytest.mark.databases("sqlite")
def test_the_refused_row_is_named(schema):
    @schema
    class Parent(dj.Manual):
        definition = "id : int32"

    @schema
    class Child(dj.Manual):
        definition = "-> Parent\nn : int32"

    Parent.insert([(1,), (2,)])
    with pytest.raises(IntegrityError) as caught:
        Child.insert([(1, 1), (2, 2), (3, 3), (1, 4)])
    assert (
        "row `2`" in str(caught.value)
        and "id=3, n=3" in str(caught.value)
        and "lab.parent" in str(caught.value)
    )
    Child.insert1((1, 1))
    with pytest.raises(DuplicateError) as caught:
        Child.insert([(2, 1), (1, 1)])
    assert "row `1`" in str(caught.value) and "id=1, n=1" in str(caught.value)
    assert len(Child) == 1
