"""Rows in every form that people have them in."""

import collections
import pathlib
import uuid
from decimal import Decimal

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from measurements import DAY, MOMENT, ROWS, arrow_table

import lodestore as dj
from lodestore.errors import (
    InvalidTypeError,
    InvalidValueError,
    MissingAttributeError,
    MissingFileError,
    UnknownAttributeError,
)


class Mapping(collections.abc.Mapping):
    def __init__(self, content):
        self._content = content

    def __getitem__(self, key):
        return self._content[key]

    def __iter__(self):
        return iter(self._content)

    def __len__(self):
        return len(self._content)


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
        ("word", [True, False, True], InvalidTypeError),
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
