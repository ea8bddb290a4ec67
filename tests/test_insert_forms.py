"""Rows in every form that people have them in."""

import collections
import datetime
import pathlib
import uuid
from decimal import Decimal

import numpy as np
import pandas
import polars
import pyarrow
import pytest

import lodestore as dj
from lodestore.errors import (
    DuplicateError,
    IntegrityError,
    InvalidTypeError,
    InvalidValueError,
    MissingAttributeError,
    MissingFileError,
    UnknownAttributeError,
)

DAY = datetime.date(2024, 2, 29)
MOMENT = datetime.datetime(2024, 2, 29, 13, 14, 15, 123456)


@pytest.fixture
def measurement(schema):
    @schema
    class Measurement(dj.Manual):
        definition = """
        id : int32
        ---
        value = null : float64
        word = null : varchar(9)
        day = null : date
        moment = null : datetime(6)
        flag = null : bool
        level = 7 : int16
        """

    return Measurement


ROWS = [
    {"id": 1, "value": 0.5, "word": "é", "day": DAY, "moment": MOMENT, "flag": True, "level": 1},
    {"id": 2, "value": None, "word": None, "day": None, "moment": None, "flag": None, "level": 2},
    {"id": 3, "value": -1.0, "word": "", "day": DAY, "moment": MOMENT, "flag": False, "level": 3},
]


class Mapping(collections.abc.Mapping):
    def __init__(self, content):
        self._content = content

    def __getitem__(self, key):
        return self._content[key]

    def __iter__(self):
        return iter(self._content)

    def __len__(self):
        return len(self._content)


def arrow_table():
    return pyarrow.table(
        {
            "id": pyarrow.array([1, 2, 3], "int8"),
            "value": pyarrow.array([0.5, None, -1.0]),
            "word": pyarrow.array(["é", None, ""]).dictionary_encode(),
            "day": pyarrow.array([DAY, None, DAY]),
            "moment": pyarrow.array([MOMENT, None, MOMENT], pyarrow.timestamp("us")),
            "flag": pyarrow.array([True, None, False]),
            "level": pyarrow.array([1, 2, 3], "uint64"),
        }
    )


FORMS = {
    "dicts": lambda: ROWS,
    "tuples": lambda: [tuple(row.values()) for row in ROWS],
    "lists": lambda: tuple(list(row.values()) for row in ROWS),
    "mappings": lambda: [Mapping(row) for row in ROWS],
    "ordered dicts": lambda: [collections.OrderedDict(reversed(row.items())) for row in ROWS],
    "generator": lambda: (row for row in ROWS),
    "dict values": lambda: dict(enumerate(ROWS)).values(),
    "pandas": lambda: pandas.DataFrame(ROWS),
    "pandas, key as index": lambda: pandas.DataFrame(ROWS).set_index("id"),
    "pandas, converted": lambda: pandas.DataFrame(ROWS).convert_dtypes(),
    "pandas, of arrow": lambda: pandas.DataFrame(ROWS).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, categories": lambda: pandas.DataFrame(ROWS).astype({"word": "category"}),
    "pandas, times": lambda: pandas.DataFrame(ROWS).assign(
        day=lambda frame: pandas.to_datetime(frame["day"]),
        moment=lambda frame: pandas.to_datetime(frame["moment"]),
    ),
    "polars": lambda: polars.DataFrame(ROWS),
    "polars, lazy": lambda: polars.LazyFrame(ROWS).collect(),
    "polars, categories": lambda: polars.DataFrame(ROWS).with_columns(
        polars.col("word").cast(polars.Categorical)
    ),
    "arrow table": arrow_table,
    "arrow batch": lambda: arrow_table().to_batches()[0],
    "arrow stream": lambda: pyarrow.RecordBatchReader.from_batches(
        arrow_table().schema, arrow_table().to_batches(max_chunksize=2)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(measurement, form):
    measurement.insert(FORMS[form]())
    assert measurement.to_dicts() == ROWS
    assert [type(row["level"]) for row in measurement] == [int] * 3


def test_what_is_fetched_goes_in_again(measurement):
    measurement.insert(ROWS)
    for name in ("to_dicts", "to_pandas", "to_polars", "to_arrow", "to_arrays"):
        rows = getattr(measurement, name)()
        (measurement & "id > 0").delete(prompt=False)
        measurement.insert(rows)
        assert measurement.to_dicts() == ROWS, name


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_records_of_numpy(measurement, unit):
    moment = MOMENT.replace(microsecond=0)
    kinds = [
        ("id", "u2"),
        ("value", "f4"),
        ("word", "U3"),
        ("day", "M8[D]"),
        ("moment", f"M8[{unit}]"),
        ("flag", "?"),
    ]
    records = np.array([(1, 0.25, "é", DAY, moment, True), (2, np.nan, "", "NaT", "NaT", False)], dtype=kinds)
    measurement.insert(records)
    assert measurement.proj("value", "word", "day", "moment", "flag").to_dicts() == [
        {"id": 1, "value": 0.25, "word": "é", "day": DAY, "moment": moment, "flag": True},
        {"id": 2, "value": None, "word": "", "day": None, "moment": None, "flag": False},
    ]
    measurement.delete(prompt=False)
    measurement.insert([record for record in records])
    measurement.insert1(records[:1].view(np.recarray)[0], skip_duplicates=True)
    assert len(measurement) == 2
    measurement.insert(np.array([[5, 6], [7, 8]])[:, :0].reshape(2, 0).tolist()[:0])
    assert len(measurement) == 2


def test_a_plain_array_gives_positional_rows(schema):
    @schema
    class Point(dj.Manual):
        definition = """
        x : int16
        y : int16
        """

    Point.insert(np.arange(6).reshape(3, 2))
    assert Point.to_dicts() == [{"x": 0, "y": 1}, {"x": 2, "y": 3}, {"x": 4, "y": 5}]


def test_what_is_missing_becomes_the_default(measurement):
    missing = [None, float("nan"), np.nan, np.float32("nan"), pandas.NA, pandas.NaT, Decimal("nan"), ""]
    measurement.insert({"id": number, "level": value, "value": value} for number, value in enumerate(missing))
    assert set(measurement.to_arrays("level")) == {7}
    assert {row["value"] for row in measurement} == {None}
    times = [None, pandas.NaT, np.datetime64("NaT"), np.datetime64("NaT", "ns"), pandas.NA]
    measurement.insert(
        {"id": 100 + number, "day": value, "moment": value} for number, value in enumerate(times)
    )
    assert {(row["day"], row["moment"]) for row in measurement} == {(None, None)}


def test_a_missing_value_where_one_is_needed_is_refused_by_name(schema):
    @schema
    class Visit(dj.Manual):
        definition = """
        id : int32
        ---
        day : date
        moment : datetime
        weight : float64
        """

    good = {"id": 1, "day": DAY, "moment": MOMENT, "weight": 1.0}
    for name, value in [
        ("day", np.datetime64("NaT")),
        ("day", pandas.NaT),
        ("moment", np.datetime64("NaT", "us")),
        ("moment", None),
        ("weight", pandas.NA),
        ("weight", float("nan")),
        ("id", None),
    ]:
        with pytest.raises(MissingAttributeError) as caught:
            Visit.insert([good, {**good, "id": 2, name: value}])
        text = str(caught.value)
        assert f"`{name}`" in text and "row `1`" in text and "lab.visit" in text and "default" in text
    frame = pandas.DataFrame([good, {**good, "id": 2, "moment": None}])
    with pytest.raises(MissingAttributeError, match="row `1`"):
        Visit.insert(frame)
    assert len(Visit) == 0


def test_a_frame_is_checked_before_anything_is_written(measurement):
    frame = pandas.DataFrame(ROWS)
    for name, cells, error in [
        ("level", [1, 2, 40_000], InvalidValueError),
        ("word", ["a", "b", "0123456789"], InvalidValueError),
        ("word", [1, 2, 3], InvalidTypeError),
        ("value", ["1", "2", "x"], InvalidValueError),
        ("moment", [MOMENT, MOMENT, pandas.Timestamp("2024-01-01 00:00:00.000000001")], InvalidValueError),
    ]:
        with pytest.raises(error) as caught:
            measurement.insert(frame.assign(**{name: cells}))
        assert name in str(caught.value) and "lab.measurement" in str(caught.value)
    for wrong in (frame.assign(other=1), polars.DataFrame({"id": [1], "other": [2]})):
        with pytest.raises(UnknownAttributeError, match="other"):
            measurement.insert(wrong)
        measurement.insert(wrong, ignore_extra_fields=True, skip_duplicates=True)
    zoned = frame.assign(moment=pandas.to_datetime(["2024-01-01"] * 3, utc=True))
    for wrong in (zoned, pyarrow.table({"id": [9], "moment": zoned["moment"][:1]})):
        with pytest.raises(InvalidValueError, match="zone"):
            measurement.insert(wrong)
    assert len(measurement) == 3


def test_insert_dataframe_knows_its_index(measurement):
    frame = pandas.DataFrame(ROWS)
    measurement.insert_dataframe(frame.set_index("id"))
    assert measurement.to_dicts() == ROWS
    measurement.insert_dataframe(
        frame.set_index("word", drop=False).rename_axis("other"), skip_duplicates=True
    )
    with pytest.raises(dj.DataJointError, match="index"):
        measurement.insert_dataframe(frame.set_index("word"), index_as_pk=True)
    with pytest.raises(dj.DataJointError, match="pandas DataFrame"):
        measurement.insert_dataframe(ROWS)


def test_rows_of_a_csv_file(measurement, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(
        'id,word,value,day,moment,level\n1,"a, ""b""",0.5,2024-02-29,2024-02-29 13:14:15.5,\n2,,,,,5\n'
    )
    measurement.insert(file)
    assert measurement.proj("word", "value", "day", "moment", "level").to_dicts() == [
        {
            "id": 1,
            "word": 'a, "b"',
            "value": 0.5,
            "day": DAY,
            "moment": MOMENT.replace(microsecond=500_000),
            "level": 7,
        },
        {"id": 2, "word": "", "value": None, "day": None, "moment": None, "level": 5},
    ]
    file.write_text("id,word\n3,x\n4,y,z\n")
    with pytest.raises(InvalidValueError, match="line `3`"):
        measurement.insert(file)
    with pytest.raises(MissingFileError):
        measurement.insert(pathlib.Path("nowhere.csv"))
    with pytest.raises(dj.DataJointError, match=r"pathlib\.Path"):
        measurement.insert(str(file))
    assert len(measurement) == 2


def test_numbers_of_a_csv_file_and_of_frames_become_what_was_declared(schema):
    @schema
    class Thing(dj.Manual):
        definition = """
        tag : uuid
        ---
        amount : decimal(6,2)
        pick : enum('a', 'b')
        doc = null : json
        """

    tag = uuid.UUID(int=5)
    rows = [{"tag": tag, "amount": Decimal("1.50"), "pick": "b", "doc": {"x": [1, None]}}]
    for form in (
        rows,
        pandas.DataFrame(rows),
        polars.DataFrame({**rows[0], "tag": [str(tag)], "doc": [{"x": [1, None]}]}),
    ):
        Thing.insert(form)
        assert Thing.to_dicts() == rows
        Thing.delete(prompt=False)


def test_arrays_in_frames_and_records(schema, objects):
    @schema
    class Trace(dj.Manual):
        definition = """
        id : int32
        ---
        far : <npy@>
        near = null : <blob>
        """

    Trace.insert(
        pandas.DataFrame({"id": [1, 2], "far": [np.arange(3), np.zeros((2, 2))], "near": [{"a": 1}, None]})
    )
    Trace.insert(np.array([(3, [1.0, 2.0])], dtype=[("id", "i4"), ("far", "f8", (2,))]))
    Trace.insert(polars.DataFrame({"id": [4], "far": [[1, 2, 3]]}))
    assert [row["far"].load().tolist() for row in Trace] == [[0, 1, 2], [[0, 0], [0, 0]], [1, 2], [1, 2, 3]]
    assert [row["near"] for row in Trace] == [{"a": 1}, None, None, None]
    assert len(objects()) == 4


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


def test_the_contents_of_a_lookup(schema):
    @schema
    class Kind(dj.Lookup):
        definition = """
        kind : varchar(9)
        ---
        level = 1 : int8
        """
        contents = [("a", 2), {"kind": "b"}]

    assert Kind.to_dicts() == [{"kind": "a", "level": 2}, {"kind": "b", "level": 1}]

    Again = type(
        "Kind",
        (dj.Lookup,),
        {"definition": Kind.definition, "contents": iter([("a", 9), ("b", 9), ("c", 3)])},
    )
    schema(Again)
    assert Again.to_dicts() == [
        {"kind": "a", "level": 2},
        {"kind": "b", "level": 1},
        {"kind": "c", "level": 3},
    ]

    class Frame(dj.Lookup):
        definition = Kind.definition
        contents = pandas.DataFrame({"kind": ["x", "y"], "level": [1, 2]})

    schema(Frame)
    assert len(Frame) == 2


def test_validate_tells_all_that_is_wrong(measurement):
    good = measurement.validate(ROWS)
    assert good and good.is_valid and good.errors == [] and good.rows_checked == 3
    assert "3 rows" in good.summary()
    good.raise_if_invalid()
    rows = [
        ROWS[0],
        {"id": 2, "level": 99_999, "word": "0123456789"},
        {"word": "x"},
        {"id": 3, "other": 1},
        (1, 2),
        {"id": 4, "value": object()},
        {"id": "x"},
        5,
        {"id": 5, "day": "nope"},
    ]
    found = measurement.validate(rows)
    assert not found and found.rows_checked == len(rows)
    places = [(row, attribute) for row, attribute, _ in found.errors]
    expected = [
        (1, "level"),
        (1, "word"),
        (2, "id"),
        (3, "other"),
        (4, None),
        (5, "value"),
        (6, "id"),
        (7, None),
        (8, "day"),
    ]
    assert sorted(places, key=str) == sorted(expected, key=str)
    assert "row 1, attribute `level`" in found.summary()
    with pytest.raises(dj.DataJointError, match="9 errors"):
        found.raise_if_invalid()
    many = measurement.validate({"id": None} for _ in range(12))
    assert "and 2 more" in many.summary()
    for form in (pandas.DataFrame(ROWS), polars.DataFrame(ROWS), arrow_table(), (row for row in ROWS)):
        assert measurement.validate(form).is_valid
    frame = polars.DataFrame({"id": [1, 2], "word": ["x", "0123456789"]})
    assert [error[:2] for error in measurement.validate(frame).errors] == [(1, "word")]
    assert measurement.validate([{"id": 1, "other": 1}], ignore_extra_fields=True)
    assert len(measurement) == 0


def test_validate_asks_codecs(schema, objects):
    @schema
    class Trace(dj.Manual):
        definition = """
        id : int32
        ---
        trace : <npy@>
        """

    found = Trace.validate([{"id": 1, "trace": np.zeros(2)}, {"id": 2, "trace": "no array"}, {"id": 3}])
    assert [error[:2] for error in found.errors] == [(1, "trace"), (2, "trace")]
    assert objects() == [] and len(Trace) == 0


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
