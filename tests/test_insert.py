"""Rows go in: checked first, all or none."""

import datetime
import uuid
from decimal import Decimal

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import (
    DuplicateError,
    IntegrityError,
    InvalidTypeError,
    InvalidValueError,
    MissingAttributeError,
    UnknownAttributeError,
)

EVERYTHING = {
    "id": 1,
    "i64": -(2**63),
    "f32": 0.1,
    "f64": -1.7e308,
    "flag": True,
    "word": "é 😀",
    "pick": "b,c",
    "amount": Decimal("12345678.90"),
    "day": datetime.date(2024, 2, 29),
    "moment": datetime.datetime(2024, 2, 29, 13, 14, 15, 123000),
    "tag": uuid.UUID(int=5),
    "doc": {"z": [1, None, {"a": "x"}], "b": 1.5},
    "raw": b"\0\xff",
}


@pytest.fixture
def everything(schema):
    @schema
    class Everything(dj.Manual):
        definition = """
        id : int8
        ---
        i64 = null : int64
        f32 = null : float32
        f64 = null : float64
        flag = null : bool
        word = null : varchar(9)
        pick = null : enum('a', 'b,c')
        amount = null : decimal(10,2)
        day = null : date
        moment = null : datetime(3)
        tag = null : uuid
        doc = null : json
        raw = null : bytes
        obj = null : <blob>
        far = null : <blob@>
        arr = null : <npy@>
        """

    return Everything


def test_every_type_comes_back_as_itself(everything):
    everything.insert1(EVERYTHING)
    row = everything.fetch1()
    assert {name: row[name] for name in EVERYTHING} == EVERYTHING
    assert {type(row[name]) for name in ("id", "i64")} == {int} and row["flag"] is True
    everything.insert1({"id": 2})
    assert set((everything & "id = 2").fetch1().values()) == {2, None}


@pytest.mark.databases("sqlite", "postgresql")
def test_infinities_are_numbers(everything):
    everything.insert([{"id": 1, "f64": float("inf")}, {"id": 2, "f32": float("-inf")}])
    assert (everything & {"id": 1}).fetch1("f64") == float("inf") and len(
        everything & {"f32": float("-inf")}
    ) == 1


@pytest.mark.databases("mariadb", "mysql")
def test_infinities_are_refused_where_there_are_none(everything):
    for name in ("f32", "f64"):
        with pytest.raises(InvalidValueError, match="inf"):
            everything.insert([{"id": 1}, {"id": 2, name: float("inf")}])
    assert len(everything) == 0


def test_every_type_restricts(everything):
    everything.insert1(EVERYTHING)
    for name in ("i64", "f32", "flag", "word", "pick", "amount", "day", "moment", "tag"):
        assert len(everything & {name: EVERYTHING[name]}) == 1, name
        assert len(everything & {name: None}) == 0, name
    assert len(everything & {"tag": str(EVERYTHING["tag"])}) == 1
    assert len(everything & "day > '2024-01-01' AND amount > 9") == 1
    assert len(everything & [{"id": 5}, {"id": 1}]) == 1


def test_numpy_scalars_are_numbers(everything):
    everything.insert1(
        {
            "id": np.int64(3),
            "i64": np.uint8(200),
            "f32": np.float32(0.1),
            "flag": np.bool_(True),
            "word": np.str_("x"),
        }
    )
    assert everything.fetch1("id", "i64", "f32", "flag", "word") == (3, 200, 0.1, True, "x")


def test_nan_means_no_value_in_a_column_of_numbers(everything):
    everything.insert1({"id": 1, "f64": float("nan"), "i64": np.nan, "amount": ""})
    assert everything.fetch1("f64", "i64", "amount") == (None, None, None)


def test_rows_come_in_many_forms(everything):
    names = everything.heading.names
    everything.insert([{"id": 1}, [2] + [None] * (len(names) - 1)])
    records = np.array([(3, 7), (4, 8)], dtype=[("id", "i1"), ("i64", "i8")])
    everything.insert(records)
    assert everything.proj("i64").to_dicts() == [
        {"id": n, "i64": v} for n, v in [(1, None), (2, None), (3, 7), (4, 8)]
    ]
    everything.insert(dict(id=n) for n in range(5, 8))
    assert len(everything) == 7
    everything.insert([])
    for wrong in ({"id": 9}, "text"):
        with pytest.raises(dj.DataJointError, match="insert1"):
            everything.insert(wrong)
    with pytest.raises(InvalidValueError, match="attributes"):
        everything.insert([(1, 2)])
    with pytest.raises(InvalidTypeError, match="Invalid row type"):
        everything.insert([5])


@pytest.mark.parametrize(
    ("row", "error", "mentions"),
    [
        ({"idd": 1}, UnknownAttributeError, ["idd", "did you mean `id`"]),
        ({"word": "x"}, MissingAttributeError, ["`id`"]),
        ({"id": 1, "word": True}, InvalidTypeError, ["`word`", "True", "needs text"]),
        ({"id": 200}, InvalidValueError, ["`id`", "200", "-128 to 127", "int16"]),
        ({"id": 1, "word": "0123456789"}, InvalidValueError, ["`word`", "10 characters, 9"]),
        ({"id": 1, "pick": "c"}, InvalidValueError, ["`pick`", "'a','b,c'"]),
        ({"id": 1, "amount": "1.234"}, InvalidValueError, ["`amount`", "1.234"]),
        ({"id": 1, "day": "2023-02-29"}, InvalidValueError, ["`day`", "2023-02-29", "YYYY-MM-DD"]),
        ({"id": 1, "tag": "nope"}, InvalidValueError, ["`tag`", "nope"]),
        ({"id": 1, "doc": {"a": [1, {2}]}}, InvalidValueError, ["`doc`", "a[1]"]),
        ({"id": 1, "obj": {"a": [1, object()]}}, InvalidTypeError, ["`obj`", "['a'][1]", "object"]),
        ({"id": 1, "arr": np.array([1, None])}, InvalidTypeError, ["`arr`", "object"]),
        ({"id": 1, "arr": [1, 2]}, InvalidTypeError, ["`arr`"]),
        ({"id": 1, "far": np.float16([1])}, InvalidTypeError, ["`far`", "float16"]),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(everything, objects, row, error, mentions):
    good = {"id": 100, "far": "x" * 10, "arr": np.zeros(3)}
    with pytest.raises(error) as caught:
        everything.insert([good, row])
    text = str(caught.value)
    for mention in [*mentions, "lab.everything", "row `1`"]:
        assert mention in text, text
    assert caught.value.context["table"] == "lab.everything"
    assert len(everything) == 0 and objects() == []


def test_errors_are_also_what_python_would_raise(everything):
    with pytest.raises(KeyError):
        everything.insert1({"idd": 1})
    with pytest.raises(ValueError, match="out of range"):
        everything.insert1({"id": 200})
    with pytest.raises(TypeError):
        everything.insert1({"id": 1, "word": True})


def test_duplicates(everything, objects):
    everything.insert1({"id": 1, "word": "old"})
    with pytest.raises(DuplicateError, match="skip_duplicates"):
        everything.insert([{"id": 2, "arr": np.zeros(3)}, {"id": 1}])
    assert len(everything) == 1 and objects() == []
    everything.insert([{"id": 1, "word": "new"}, {"id": 2}], skip_duplicates=True)
    assert everything.proj("word").to_dicts() == [{"id": 1, "word": "old"}, {"id": 2, "word": None}]
    everything.insert1({"id": 1, "word": "new"}, replace=True)
    assert (everything & "id = 1").fetch1("word") == "new"
    with pytest.raises(dj.DataJointError, match="exclude"):
        everything.insert1({"id": 1}, replace=True, skip_duplicates=True)
    everything.insert1({"id": 3, "other": 1}, ignore_extra_fields=True)
    assert len(everything) == 3


def test_a_missing_parent_is_told(schema):
    @schema
    class Parent(dj.Manual):
        definition = "id : int8"

    @schema
    class Child(dj.Manual):
        definition = "-> Parent"

    with pytest.raises(IntegrityError, match=r"lab\.parent"):
        Child.insert1({"id": 1})
    Parent.insert1({"id": 1})
    Child.insert1({"id": 1})
    with pytest.raises(IntegrityError, match=r"lab\.child"):
        (Parent & "id = 1").delete_quick()
    assert Child.delete(prompt=False) == 1 and Parent.delete(prompt=False) == 1


def test_objects_lie_where_their_rows_say(everything, objects):
    for number in (1, 2):
        everything.insert1({"id": number, "far": list(range(100)), "arr": np.arange(number)})
    hashed, *placed = objects()
    assert hashed.startswith("_hash/lab/") and len(hashed) == len("_hash/lab/") + 26
    assert [path.rsplit("/", 1)[0] for path in placed] == [f"_schema/lab/Everything/id={n}" for n in (1, 2)]
    first, second = everything.to_dicts()
    assert first["far"] == second["far"] == list(range(100))
    assert np.array_equal(second["arr"], [0, 1])


def test_a_large_batch_goes_in_whole(schema, objects):
    @schema
    class Trace(dj.Manual):
        definition = """
        id : int32
        ---
        trace : <npy@>
        """

    Trace.insert({"id": n, "trace": np.full(100, n)} for n in range(300))
    assert len(Trace) == len(objects()) == 300
    assert all(row["trace"][50] == row["id"] for row in Trace)


def test_numpy_times_are_dates_and_datetimes(everything):
    everything.insert1(
        {
            "id": 1,
            "day": np.datetime64("2024-02-29"),
            "moment": np.datetime64("2024-02-29T01:02:03.500", "ns"),
        }
    )
    assert everything.fetch1("day", "moment") == (
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 500000),
    )
    everything.insert1({"id": 2, "moment": np.datetime64("NaT")})
    assert (everything & "id = 2").fetch1("moment") is None
    with pytest.raises(InvalidValueError, match="finer than a microsecond"):
        everything.insert1({"id": 3, "moment": np.datetime64(1, "ns")})
