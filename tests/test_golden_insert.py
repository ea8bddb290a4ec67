"""What one inserted value becomes, beside what was recorded from the peer on two databases.

Where the two agree we do as they do, and where they differ as one of them does, unless it is listed
below with a reason. What they refuse by whatever exception we refuse by a `DataJointError`.
"""

import datetime
import json
import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj

pd = pytest.importorskip("pandas")

GOLDEN = json.loads((Path(__file__).parent / "golden/insert.json").read_text(encoding="utf-8"))
NAMES = {"datetime": datetime, "uuid": uuid, "np": np, "pd": pd, "Decimal": Decimal}

REFUSED = object()

TEXT = "text is not made of other things: the mistake would be found too late"
ZONE = "the zone would be lost without a word"

#: Where we depart: column and value -> what we give, and why.
DEPARTURES = {
    ("dec", "Decimal('1.239')"): (REFUSED, "digits of an exact number would be lost; floats are rounded"),
    ("v", "True"): (REFUSED, TEXT),
    ("v", "[1]"): (REFUSED, TEXT),
    ("d", "datetime.datetime(2020, 1, 2, 3, 4)"): (REFUSED, "the time of day would be lost"),
    ("d", "pd.NaT"): (None, "missing values of any type become NULL"),
    ("dt", "datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)"): (REFUSED, ZONE),
    (
        "dt",
        "datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))",
    ): (REFUSED, ZONE),
    ("j", "np.int64(1)"): (1, "a number of NumPy is a number"),
}


def plain(told):
    """What is recorded as the value that it stands for."""
    if isinstance(told, list):
        return [plain(item) for item in told]
    if not isinstance(told, dict):
        return told
    match told:
        case {"$date": text}:
            return datetime.date.fromisoformat(text)
        case {"$datetime": text}:
            return datetime.datetime.fromisoformat(text)
        case {"$decimal": text}:
            return Decimal(text)
        case {"$float": text}:
            return float(text)
        case {"$bytes": text} if not text.startswith("<"):
            return bytes.fromhex(text)
        case {"$uuid": text}:
            return uuid.UUID(text)
        case {"$complex": [real, imaginary]}:
            return complex(real, imaginary)
        case {"$tuple": items}:
            return tuple(plain(item) for item in items)
        case {"$set": items}:
            return {plain(item) for item in items}
        case {"$ndarray": items, "dtype": dtype}:
            return np.array(items, dtype=dtype)
        case {"$np": dtype, "value": value}:
            return np.dtype(dtype).type(value)
    return {name: plain(item) for name, item in told.items()}


def recorded(case):
    """The outcomes that were recorded: one, or one for each of two databases."""
    results = case.get("results", {"both": case.get("result")}).values()
    return [REFUSED if "error" in result else plain(result["stored"]) for result in results]


def same(found, expected):
    if found is REFUSED or expected is REFUSED:
        return found is expected
    if isinstance(expected, np.ndarray):
        return isinstance(found, np.ndarray) and found.tolist() == expected.tolist()
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[name], expected[name]) for name in expected)
    if isinstance(expected, float) and expected != expected:
        return isinstance(found, float) and found != found
    return found == expected and isinstance(found, type(expected)) | isinstance(expected, (bool, int))


@pytest.fixture
def table(schema):
    @schema
    class Golden(dj.Manual):
        definition = GOLDEN["definition"]

    return Golden


def test_every_value_is_stored_or_refused_as_recorded(table):
    wrong, listed = [], dict(DEPARTURES)
    for case in GOLDEN["cases"]:
        column, text = case["column"], case["value"]
        value = eval(text, dict(NAMES))
        table.delete_quick() if hasattr(table, "delete_quick") else table.delete()
        try:
            table.insert1({"k": 1, column: value})
            found = table.fetch1(column)
        except dj.DataJointError:
            found = REFUSED
            assert len(table) == 0
        departure = listed.pop((column, text), None)
        expected = recorded(case) if departure is None else [departure[0]]
        if not any(same(found, outcome) for outcome in expected):
            wrong.append((column, text, "refused" if found is REFUSED else found, expected))
    assert not wrong, "\n".join(map(str, wrong))
    assert not listed, f"nothing of the kind is recorded: {list(listed)}"
