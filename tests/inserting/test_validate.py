"""`validate`: what an insert would refuse, told without inserting."""

import numpy as np
import pandas
import polars
import pytest
from measurements import ROWS, arrow_table

import lodestore as dj


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
    assert "Row 1 in field 'level'" in found.summary()
    with pytest.raises(dj.DataJointError, match=r"9 error\(s\)"):
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
