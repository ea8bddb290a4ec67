"""The ways to get rows out of a query."""

import copy
import datetime
import gc
import pickle
import threading
import uuid
from decimal import Decimal

import duckdb
import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import CorruptError, MissingExternalFile


@pytest.fixture
def table(schema):
    @schema
    class Subject(dj.Manual):
        definition = """
        # subjects <of> the lab
        subject_id : int32   # number & name
        ---
        species : varchar(20)
        weight = null : float64
        count = null : int64
        born = null : date
        seen = null : datetime(3)
        tag = null : uuid
        price = null : decimal(6,2)
        alive = null : bool
        meta = null : json
        raw = null : bytes
        data = null : <blob@>
        trace = null : <npy@>
        """

    Subject.insert(
        [
            {
                "subject_id": 2,
                "species": "mouse é😀",
                "weight": 1.5,
                "count": 2**60 + 1,
                "born": "2024-02-29",
                "seen": "2024-02-29 01:02:03.5",
                "tag": uuid.UUID(int=7),
                "price": "1.50",
                "alive": True,
                "meta": {"a": [1]},
                "raw": b"\0\xff\0",
                "data": np.ones((1, 3)),
                "trace": np.zeros((5, 2)),
            },
            {"subject_id": 1, "species": "<b>rat</b>"},
            {"subject_id": 3, "species": ""},
        ]
    )
    return Subject


def test_dicts_and_keys(table):
    rows = table.to_dicts(order_by="KEY")
    assert [row["subject_id"] for row in rows] == [1, 2, 3] and list(rows[0]) == table.heading.names
    row = rows[1]
    assert row["born"] == datetime.date(2024, 2, 29) and type(row["born"]) is datetime.date
    assert row["seen"] == datetime.datetime(2024, 2, 29, 1, 2, 3, 500000)
    assert row["tag"] == uuid.UUID(int=7) and row["price"] == Decimal("1.50") and row["alive"] is True
    assert row["count"] == 2**60 + 1 and row["meta"] == {"a": [1]} and row["raw"] == b"\0\xff\0"
    assert set(list(rows[0].values())[2:]) == {None}
    assert table.keys(order_by="subject_id desc", limit=2) == [{"subject_id": 3}, {"subject_id": 2}]
    assert table.keys(limit=1, offset=1) == [{"subject_id": 2}]
    assert table.to_dicts("weight desc", 1)[0]["subject_id"] == 2
    assert [row["subject_id"] for row in table.head(2)] == [1, 2]
    assert [row["subject_id"] for row in table.tail(2)] == [2, 3]


def test_fetch1(table):
    two = table & {"subject_id": 2}
    assert two.fetch1()["species"] == "mouse é😀"
    assert two.fetch1("weight") == 1.5 and two.fetch1("weight", "KEY", "alive") == (
        1.5,
        {"subject_id": 2},
        True,
    )
    assert two.fetch1("KEY") == {"subject_id": 2}
    assert two.fetch1("data").shape == (1, 3) and two.fetch1("data", squeeze=True).shape == (3,)
    assert two.fetch1("trace", squeeze=True).shape == (5, 2)
    for rows in (table, table & False):
        with pytest.raises(dj.DataJointError, match="one row"):
            rows.fetch1()
    assert (table & dj.Top(1, "KEY desc")).fetch1("KEY") == {"subject_id": 3}
    for name in ("nope", "-weight", ..., 3):
        with pytest.raises(dj.DataJointError, match=str(name)):
            two.fetch1(name)
        with pytest.raises(dj.DataJointError, match=str(name)):
            two.to_arrays(name)


def test_arrays(table):
    ids, names = table.to_arrays("subject_id", "species", order_by="KEY")
    assert ids.dtype == np.int64 and ids.tolist() == [1, 2, 3]
    assert names.dtype == "<U10" and names.tolist() == ["<b>rat</b>", "mouse é😀", ""]
    ids[0] = 100  # the memory is the caller's own
    assert table.to_arrays("subject_id", order_by="KEY")[0] == 1
    born = table.to_arrays("born", order_by="KEY")
    assert born.dtype == "datetime64[D]" and np.isnat(born).tolist() == [True, False, True]
    assert table.to_arrays("count", order_by="KEY").tolist() == [None, 2**60 + 1, None]
    keys, weight = table.to_arrays("weight", include_key=True, order_by="KEY")
    assert keys[0] == {"subject_id": 1} and weight.dtype == object
    same, again = table.to_arrays("subject_id", "subject_id")
    assert np.array_equal(same, again)
    records = table.to_arrays(order_by="KEY")
    assert records["subject_id"].tolist() == [1, 2, 3] and np.isnan(records["weight"][0])
    assert records["meta"][1] == {"a": [1]} and records.dtype.names == tuple(table.heading.names)
    assert records.dtype == table.heading.as_dtype
    filled = table & "subject_id = 2"
    assert filled.to_arrays("data").shape == (1, 1, 3) and filled.to_arrays("data", squeeze=True).shape == (
        1,
        3,
    )
    assert filled.to_arrays("raw").tolist() == [b"\0\xff\0"]
    assert filled.to_arrays("weight").dtype == float and filled.to_arrays("alive").dtype == bool
    with pytest.raises(dj.DataJointError, match="nope"):
        table.to_arrays("nope")
    table.insert1({"subject_id": 4, "species": "x", "data": np.ones(2)})
    ragged = (table & "subject_id in (2, 4)").to_arrays("data")
    assert ragged.dtype == object and ragged.shape == (2,)


def test_one_long_text_does_not_widen_all(schema):
    @schema
    class Text(dj.Manual):
        definition = "id : int32\n---\nword : varchar(16000)"

    Text.insert([(n, "x" * (15_000 if n == 7 else 1)) for n in range(2000)])
    words = Text.to_arrays("word")
    assert words.dtype == object and len(words[7]) == 15_000


def test_pandas(table):
    pd = pytest.importorskip("pandas")
    frame = table.to_pandas(order_by="KEY")
    assert frame.index.name == "subject_id" and frame.index.tolist() == [1, 2, 3]
    assert (
        str(frame["count"].dtype) == "Int64" and frame["count"][2] == 2**60 + 1 and frame["count"][1] is pd.NA
    )
    assert str(frame["alive"].dtype) == "boolean" and frame["born"][2] == pd.Timestamp("2024-02-29")
    assert frame["species"].tolist() == ["<b>rat</b>", "mouse é😀", ""]
    assert frame["data"][2].shape == (1, 3) and frame["price"][2] == Decimal("1.50")
    assert (dj.U().aggr(table, n="count(*)")).to_pandas()["n"].tolist() == [3]
    assert table.proj().to_pandas(order_by="KEY").index.tolist() == [1, 2, 3]


def test_polars_and_arrow(table):
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    frame = table.to_polars(order_by="KEY")
    assert frame.columns == table.heading.names
    assert frame["born"].to_list() == [None, datetime.date(2024, 2, 29), None]
    assert frame["price"].to_list()[1] == Decimal("1.50") and frame["count"][1] == 2**60 + 1
    arrow = table.to_arrow(order_by="KEY")
    assert arrow.column("species").to_pylist() == ["<b>rat</b>", "mouse é😀", ""]
    assert arrow.column("tag").to_pylist()[1] == uuid.UUID(int=7)
    assert arrow.schema.field("subject_id").nullable is False
    # Whatever reads Arrow takes queries, and classes, as they are.
    plain = table.proj("species", "born", "meta")
    assert pa.table(plain).num_rows == 3 and pl.DataFrame(plain)["meta"].to_list().count('{"a":[1]}') == 1
    assert pa.table(table.proj("trace")).column("trace").to_pylist().count(None) == 2
    assert (
        pa.RecordBatchReader.from_stream(table.proj("species", twice="weight * 2")).read_all().num_rows == 3
    )
    assert pa.table(table & False).num_rows == 0
    with pytest.raises(dj.DataJointError, match="Arrow"):
        pa.table(table)


def test_missing_libraries_are_named(table, monkeypatch):
    import sys

    for name in ("pandas", "polars", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    for form, library in (("to_pandas", "pandas"), ("to_polars", "polars"), ("to_arrow", "pyarrow")):
        with pytest.raises(ImportError, match=f"pip install {library}"):
            getattr(table, form)()


def test_iteration_reads_in_batches(schema):
    @schema
    class Count(dj.Manual):
        definition = "n : int32\n---\nsquare : int64"

    Count.insert([(n, n * n) for n in range(25_000)])
    rows = iter(Count)
    assert next(rows) == {"n": 0, "square": 0}
    # The connection is free meanwhile, and what comes later is not seen.
    Count.insert([(n, 0) for n in range(25_000, 25_100)])
    assert len(Count) == 25_100 and len(list(rows)) == 24_999
    # Whoever stops early leaves no thread behind.
    for row in Count:
        if row["n"] == 5:
            break
    del row
    gc.collect()
    assert not [thread for thread in threading.enumerate() if "stream" in thread.name]
    with Count.connection.transaction:
        Count.insert1((-1, 1))
        assert next(iter(Count & dj.Top(None, "KEY")))["n"] == -1
        assert sum(1 for _ in Count) == 25_101


def test_cursor(table):
    rows = (table & dj.Top(None, "KEY")).proj("species")
    cursor = rows.cursor()
    assert [column[0] for column in cursor.description] == ["subject_id", "species"] and cursor.rowcount == -1
    assert cursor.fetchone() == (1, "<b>rat</b>") and cursor.fetchmany(1) == [(2, "mouse é😀")]
    assert cursor.fetchall() == [(3, "")] and cursor.fetchone() is None
    with rows.cursor(as_dict=True) as cursor:
        assert cursor.fetchone() == {"subject_id": 1, "species": "<b>rat</b>"}
    assert [row[0] for row in rows.cursor()] == [1, 2, 3]


def test_an_unreadable_value(table, tmp_path):
    table.insert1({"subject_id": 9, "species": "x", "data": "other"})
    for file in (tmp_path / "project/objects/_hash").rglob("*"):
        if file.is_file() and file.stat().st_size < 60:
            file.unlink()
    with pytest.raises((MissingExternalFile, CorruptError)) as caught:
        table.to_dicts()
    context = caught.value.context
    assert context["attribute"] == "data" and context["table"] == "lab.subject"
    number = int(context["row"].removeprefix("subject_id="))
    assert number in (2, 9)
    readable = [row["subject_id"] for row in table.to_dicts(on_error="skip")]
    assert number not in readable and 1 in readable and 3 in readable
    emptied = {row["subject_id"]: row["data"] for row in table.to_dicts(on_error="none")}
    assert len(emptied) == 4 and emptied[number] is None
    assert len(table.to_arrays("data", on_error="none")) == 4
    with pytest.raises(dj.DataJointError, match="on_error"):
        table.to_dicts(on_error="ignore")


def test_an_unreadable_value_in_every_form(table, tmp_path):
    pytest.importorskip("pandas"), pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    for file in (tmp_path / "project/objects/_hash").rglob("*"):
        if file.is_file():
            file.unlink()
    two = table & "subject_id = 2"
    forms = [
        two.to_dicts,
        two.to_arrays,
        two.to_pandas,
        two.to_polars,
        two.to_arrow,
        two.head,
        two.tail,
        lambda **options: two.to_arrays("data", include_key=True, **options)[1],
        lambda **options: two.cursor(**options).fetchall(),
    ]
    for form in forms:
        with pytest.raises(MissingExternalFile):
            form()
        assert len(form(on_error="skip")) == 0 and len(form(on_error="none")) == 1
    assert two.fetch1("data", on_error="none") is None and two.fetch1(on_error="none")["data"] is None
    with pytest.raises(dj.DataJointError, match="one row"):
        two.fetch1(on_error="skip")
    with pytest.raises(MissingExternalFile):
        list(two)
    # What does not read objects does not miss them.
    assert two.keys() == [{"subject_id": 2}] and len(two) == 1 and "<blob@>" in two.preview(width=20)


def test_downloads_go_where_they_should(schema, tmp_path):
    @schema
    class Paper(dj.Manual):
        definition = "id : int32\n---\nfile : <attach>"

    (tmp_path / "notes.txt").write_text("hello")
    Paper.insert1((1, str(tmp_path / "notes.txt")))
    for number, form in enumerate(
        [
            lambda **to: Paper.to_dicts(**to)[0]["file"],
            lambda **to: Paper.to_arrays("file", **to)[0],
            lambda **to: Paper.to_pandas(**to)["file"].iloc[0],
            lambda **to: Paper.fetch1("file", **to),
            lambda **to: Paper.head(**to)[0]["file"],
            lambda **to: Paper().cursor(**to).fetchone()[1],
        ]
    ):
        folder = tmp_path / f"folder {number}"
        path = form(download_path=folder)
        assert path == str(folder / "notes.txt") and (folder / "notes.txt").read_text() == "hello"
    assert not (tmp_path / "project" / "notes.txt").exists()


def test_copies_and_pickles(table):
    chosen = table & "subject_id > 1"
    for one in (copy.copy(chosen), copy.deepcopy(chosen), copy.deepcopy({"q": chosen.proj(x="weight")})["q"]):
        assert len(one) == 2 and one.primary_key == ["subject_id"]
    for query in (chosen, chosen.proj(x="weight"), table * table.proj()):
        with pytest.raises(TypeError, match="send its rows"):
            pickle.dumps(query)


def test_null_and_nothing_in_every_columnar_form(table):
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    pl = pytest.importorskip("polars")
    plain = [name for name in table.heading.names if name not in ("data", "subject_id", "species")]
    nulls = (table & "subject_id = 1").proj(*plain)
    for rows, count in ((nulls, 1), (nulls & False, 0)):
        arrow, frame = rows.to_arrow(), rows.to_polars()
        assert arrow.schema == pa.table(rows).schema and len(arrow) == count
        assert not any(pa.types.is_null(field.type) for field in arrow.schema) and pl.Null not in frame.dtypes
        assert all(arrow.column(name).null_count == count for name in plain)
        assert rows.to_pandas()[plain].isna().to_numpy().sum() == count * len(plain)
        assert str(rows.to_pandas()["count"].dtype) == "Int64" and rows.to_pandas().index.dtype == "int64"
        records = rows.to_arrays()
        assert len(records) == count and records.dtype == rows.heading.as_dtype
        for name in plain:
            found = rows.to_arrays(name)
            assert len(found) == count and pd.isna(found).all()
    assert (
        rows.to_dicts() == [] and rows.keys() == [] and list(rows) == [] and rows.head() == rows.tail() == []
    )
    assert rows.cursor().fetchall() == []


def test_a_stream_that_begins_with_nulls(schema):
    pa = pytest.importorskip("pyarrow")

    @schema
    class Late(dj.Manual):
        definition = "id : int32\n---\nmeta = null : json\ntrace = null : <npy@>\nraw = null : <blob>"

    Late.insert({"id": number} for number in range(66_000))
    Late.insert1({"id": 70_000, "meta": {"a": 1}, "trace": np.zeros(3), "raw": b"x"})
    for name in ("meta", "trace", "raw"):
        column = pa.table(Late.proj(name)).column(name)
        assert len(column) == 66_001 and column.null_count == 66_000


def test_duckdb_reads_queries(table):
    rows = table.proj("species", "born", "tag", "price", "seen", "meta")
    found = duckdb.sql(
        "SELECT subject_id, born, tag, price, seen, meta FROM rows WHERE born IS NOT NULL"
    ).fetchall()
    row = (table & "subject_id = 2").fetch1()
    assert found == [(2, row["born"], row["tag"], row["price"], row["seen"], '{"a":[1]}')]
    assert duckdb.sql("SELECT count(*) FROM rows").fetchall() == [(3,)] and len(rows) == 3


def test_threads_fetch_at_once(table):
    failures, wanted = [], table.to_dicts(order_by="KEY")[0]

    def work():
        try:
            for _ in range(20):
                assert table.to_dicts(order_by="KEY")[0] == wanted and len(list(table)) == 3
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failures


def test_edges_of_limits(table):
    assert table.head(0) == table.tail(0) == table.to_dicts(limit=0) == table.to_dicts(offset=9) == []
    assert (
        len(table.head(None)) == len(table.tail(10)) == 3
        and table.to_arrays("weight", limit=0).dtype == float
    )
    for limit in (-1, "x", 1.5, True):
        for form in (table.head, table.tail):
            with pytest.raises((dj.DataJointError, TypeError), match="limit"):
                form(limit)
    cursor = table.proj().cursor()
    assert cursor.fetchmany(0) == [] and cursor.fetchmany(2) and len(cursor.fetchmany(5)) == 1
    cursor.close()
    assert cursor.fetchone() is None and cursor.fetchall() == []


def test_the_old_fetch(table):
    one = table & "subject_id = 2"
    with pytest.warns(DeprecationWarning, match="to_dicts"):
        assert one.fetch(as_dict=True)[0].keys() == one.to_dicts()[0].keys()
    with pytest.warns(DeprecationWarning):
        assert one.fetch("KEY") == [{"subject_id": 2}]
        assert one.fetch("weight").tolist() == [1.5]
        keys, weight = one.fetch("KEY", "weight")
        assert keys == [{"subject_id": 2}] and weight.tolist() == [1.5]
        assert one.fetch("weight", as_dict=True) == [{"subject_id": 2, "weight": 1.5}]
        assert one.proj("weight").fetch().dtype.names == ("subject_id", "weight")
        assert table.fetch("subject_id", order_by="KEY desc", limit=1).tolist() == [3]
        with pytest.raises(dj.DataJointError):
            one.fetch("weight", format="frame")


def test_heading(table):
    heading = table.heading
    assert heading.primary_key == ["subject_id"] and heading.names[:2] == ["subject_id", "species"]
    assert heading.secondary_attributes == heading.names[1:] and heading.blobs == ["raw"]
    assert "meta" not in heading.non_blobs and "weight" in heading and len(heading) == 13
    assert list(heading) == heading.names == list(heading.attributes)
    with pytest.raises(KeyError):
        heading["nope"]
    weight, tag, data = heading["weight"], heading["tag"], heading["data"]
    assert weight.numeric and weight.nullable and weight.default == "null" and weight.type == "float64"
    assert tag.uuid and not tag.numeric and heading["species"].string and heading["meta"].json
    assert (
        data.codec_type == "<blob@>"
        and data.codec.name == "blob"
        and data.store == ""
        and not data.is_lazy
        and heading["trace"].is_lazy
    )
    assert heading["subject_id"].lineage == "lab.subject.subject_id" and weight.lineage is None
    renamed = table.proj(mass="weight", twice="weight * 2").heading
    assert renamed.new_attributes == ["mass", "twice"] and renamed["mass"].attribute_expression == "weight"
    assert renamed["twice"].type == "expression" and renamed["twice"].comment == "calculated attribute"
    assert heading.determines(renamed) and heading.table_status["comment"] == "subjects <of> the lab"
    assert "subject_id" in repr(heading) and "---" in repr(heading)


def test_previews(table, objects):
    stored = objects()
    text = table.preview(limit=2)
    lines = text.splitlines()
    assert lines[0].startswith("*subject_id") and set(lines[1]) <= set("+- ")
    assert "float64 (5, 2)" in table.preview(width=30) and "float64 (5, 2" in text
    assert "<blob@>" in text and "json" in text and "..." in lines[-2] and lines[-1] == " (Total: 3)"
    assert repr(table).endswith(table.preview()) and objects() == stored
    html = table()._repr_html_()
    assert "&lt;b&gt;rat&lt;/b&gt;" in html and "<b>rat" not in html
    assert "number &amp; name" in html and "float64 (5, 2)" in html and "Total: 3" in html
    # Not even a damaged object keeps rows from being shown.
    assert "Total: 0" in repr(table & False) and "<tbody>" in (table & False)._repr_html_()


def test_describe(schema, table, capsys):
    @schema
    class Session(dj.Manual):
        definition = """
        # sessions
        -> table
        session : int16   # of the day
        ---
        -> [nullable] table.proj(other="subject_id")
        note = "none" : varchar(30)
        index (note)
        """

    text = Session.describe(printout=True)
    assert capsys.readouterr().out.strip() == text.strip()
    assert text.splitlines()[0] == "# sessions" and "-> table\n" in text
    assert '-> [nullable] table.proj(other="subject_id")' in text and "index (note)" in text
    assert "session              : int16" in text and "# of the day" in text
    assert "-> `lab`.`subject`" in Session.describe({})
    assert (Session & "session = 1").describe({}) == Session.describe({})


def test_many_values_of_a_type_that_the_connection_has_not_met(schema, project):
    """PostgreSQL's driver asks for such a type in the middle of the answer: with many rows it came to no end."""

    @schema
    class Coloured(dj.Manual):
        definition = "id : int32\n---\ncolour : enum('red', 'green')\nnote : varchar(60)"

    Coloured.insert({"id": id, "colour": ("red", "green")[id % 2], "note": "x" * 60} for id in range(5000))
    project.connection.close()
    assert len(Coloured.to_dicts()) == 5000
    project.connection.close()
    assert Coloured.to_arrays("colour").tolist().count("red") == 2500
