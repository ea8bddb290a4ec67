"""What fetching gives for each type, in each form, beside what was recorded from the peer.

The recorded types come from the values that happen to be there; ours come from the heading. So a
result keeps its types without rows and with nothing but NULL. The rules below say what becomes of
each type, and where that departs from the record, why; the record must agree everywhere else.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj

pd, pl, pa = pytest.importorskip("pandas"), pytest.importorskip("polars"), pytest.importorskip("pyarrow")

CASES = json.loads((Path(__file__).parent / "golden/fetch.json").read_text(encoding="utf-8"))["cases"]

#: Where we depart: (form, type) -> (what we give, why); `mode` narrows it where it is named.
WHOLE = "int8 int16 int32 int64".split()  # noqa: SIM905
DATES = {"date": "datetime64[D]", "datetime": "datetime64[us]", "datetime(3)": "datetime64[us]"}


def departure(form, kind, mode):
    """What we give instead of what was recorded, and why; None where we agree."""
    null = mode != "notnull"
    absent = mode in ("mixed", "allnull")
    if form == "python" and kind == "bool":
        return ["bool", "NoneType"] if mode == "mixed" else None, "MySQL has no bool"
    if form in ("to_arrays_column", "to_arrays_record") and kind in DATES:
        return DATES[kind], "no object for each date; not-a-time is their NULL"
    if (
        form in ("to_arrays_column", "to_arrays_record", "to_arrow")
        and kind == "bool"
        and not (absent or (null and form == "to_arrays_record"))
    ):
        return "bool", "MySQL has no bool"
    if form == "to_arrays_column" and kind == "bytes":
        return "object", "NumPy's bytes of fixed width lose zeros at their end"
    if form == "to_arrays_record" and kind == "bool" and null:
        return "object", "as other attributes that may be NULL"
    if form == "to_pandas":
        if kind in WHOLE:
            return "Int64" if null else "int64", "NULL does not make floats of integers"
        if kind == "bool":
            return "boolean" if null else "bool", "MySQL has no bool, and NULL does not make objects of bools"
        if kind in ("float32", "float64"):
            return "float64", "also if all are NULL"
        if kind == "date":
            return "datetime64[s]", "no object for each date"
        if kind.startswith("datetime"):
            return "datetime64[us]", "also if all are NULL"
        if kind.startswith(("char", "varchar", "enum")):
            return "str", "also if all are NULL"
        return "object", "whatever is no column of the database's own"
    typed = {
        "bool": ("Boolean", "bool"),
        "float32": ("Float64", "double"),
        "float64": ("Float64", "double"),
        "decimal(6,2)": ("Decimal(precision=6, scale=2)", "decimal128(6, 2)"),
        "date": ("Date", "date32[day]"),
        "datetime": ("Datetime(time_unit='us', time_zone=None)", "timestamp[us]"),
        "datetime(3)": ("Datetime(time_unit='us', time_zone=None)", "timestamp[us]"),
        "uuid": ("Binary", "extension<arrow.uuid>"),
        "bytes": ("Binary", "binary"),
        **dict.fromkeys(WHOLE, ("Int64", "int64")),
        **dict.fromkeys(["char(3)", "varchar(10)", "enum('x','yy')"], ("String", "string")),
    }
    if form in ("to_polars", "to_arrow") and kind == "json" and mode == "allnull":
        return "String" if form == "to_polars" else "string", "documents whose members nobody knows are text"
    if form in ("to_polars", "to_arrow") and kind in typed:
        return typed[kind][form == "to_arrow"], "the declared type, also if all are NULL"
    return None


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    instance = dj.Instance(path=tmp_path_factory.mktemp("golden"))
    yield instance.Schema("gold")
    instance.connection.close()


def table_of(schema, number, case):
    nullable = "" if case["mode"] == "notnull" else " = null"
    definition = f"id : int32\n---\nx{nullable} : {case['type']}"
    cls = schema(type(f"Case{number}", (dj.Manual,), {"definition": definition}), context={})
    scope = {"np": np, "uuid": __import__("uuid"), "datetime": __import__("datetime")}
    value = eval(case["value"], {**scope, "Decimal": __import__("decimal").Decimal})
    second = None if case["mode"] == "mixed" else value
    values = [None, None] if case["mode"] == "allnull" else [value, second]
    cls.insert({"id": index, "x": item} for index, item in enumerate(values))
    return cls, values


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=lambda n: f"{CASES[n]['type']}-{CASES[n]['mode']}-{n}"
)
def test_every_form_of_every_type(schema, number):
    case = CASES[number]
    kind, mode = case["type"], case["mode"]
    recorded = list((case.get("results") or {"": case.get("result")}).values())
    # PostgreSQL does not know what the peer calls a uuid: its error is all that was recorded.
    recorded = [result for result in recorded if isinstance(result, dict) and "heading" in result]
    table, values = table_of(schema, number, case)
    dicts = [row["x"] for row in table.to_dicts(order_by="KEY")]
    assert all(np.array_equal(found, value) for found, value in zip(dicts, values, strict=True))
    column = table.to_arrays("x", order_by="KEY")
    record = table.to_arrays(order_by="KEY")
    try:
        arrow = str(table.to_arrow().schema.field("x").type)
    except dj.DataJointError as error:
        arrow = {"error": type(error).__name__}
    found = {
        "python": [type(value).__name__ for value in dicts],
        "to_arrays_column": str(column.dtype),
        "to_arrays_record": str(record.dtype["x"]),
        "to_pandas": str(table.to_pandas()["x"].dtype),
        "to_polars": str(table.to_polars()["x"].dtype),
        "to_arrow": arrow,
        "empty": str((table & False).to_arrays().dtype["x"]),
    }
    for form, ours in found.items():
        rule = departure(form, kind, mode)
        expected = [result.get("empty_record_dtype" if form == "empty" else form) for result in recorded]
        expected = [
            result["dtype"] if isinstance(result, dict) and "dtype" in result else result
            for result in expected
        ]
        if form == "empty":
            assert ours == found["to_arrays_record"]
        elif rule is not None and rule[0] is not None:
            assert ours == rule[0], (form, rule[1])
        elif form == "to_arrow" and kind == "<blob>" and "arange" not in case["value"]:
            # Arrays of several dimensions were refused; here they are lists of lists.
            assert isinstance(ours, str)
        else:
            assert ours in expected, form


@pytest.mark.parametrize("kind", sorted({case["type"] for case in CASES}))
def test_types_are_there_without_rows(schema, kind):
    name = "Empty" + "".join(c for c in kind.title() if c.isalnum())
    cls = schema(type(name, (dj.Manual,), {"definition": f"id : int32\n---\nx : {kind}"}), context={})
    assert cls.to_dicts() == [] and len(cls.to_arrays("x")) == 0
    frame = cls.to_pandas()
    assert list(frame.columns) == ["x"] and frame.index.name == "id" and frame.index.dtype == "int64"
    assert cls.to_polars().columns == cls.to_arrow().column_names == ["id", "x"]
    assert cls.to_polars()["id"].dtype == pl.Int64 and cls.to_arrow().schema.field("id").type == pa.int64()
