"""Rows of the table of the tests here."""

import datetime

import pyarrow

DAY = datetime.date(2024, 2, 29)
MOMENT = datetime.datetime(2024, 2, 29, 13, 14, 15, 123456)


ROWS = [
    {"id": 1, "value": 0.5, "word": "é", "day": DAY, "moment": MOMENT, "flag": True, "level": 1},
    {"id": 2, "value": None, "word": None, "day": None, "moment": None, "flag": None, "level": 2},
    {"id": 3, "value": -1.0, "word": "", "day": DAY, "moment": MOMENT, "flag": False, "level": 3},
]


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
