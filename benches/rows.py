"""A million rows of (int, float, text, date) in every form, beside sqlite3 and pandas.read_sql."""

import sqlite3
import tempfile
from pathlib import Path

import pandas
import pyarrow

import lodestore as dj

from .harness import in_turns, table

ROWS = 1_000_000


def filled(folder, rows=ROWS):
    """The table of this topic with its rows, and a plain connection to the same file."""
    schema = dj.Instance(path=folder).Schema("bench")

    @schema
    class Measurement(dj.Manual):
        definition = """
        id : int32
        ---
        value : float64
        word : varchar(20)
        day : date
        """

    # By SQLite itself: how fast rows go in is another topic.
    plain = sqlite3.connect(Path(folder) / "lodestore.db")
    plain.execute(
        f"""INSERT INTO "bench.measurement"
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows - 1})
        SELECT i, i * 0.37, 'word ' || (i % 1000), date('2000-01-01', (i % 5000) || ' days') FROM n"""
    )
    plain.commit()
    return Measurement, plain


def run():
    with tempfile.TemporaryDirectory() as folder:
        measurement, plain = filled(folder)
        sql = 'SELECT id, value, word, day FROM "bench.measurement"'
        dated = {"parse_dates": ["day"]}
        names = ("id", "value", "word", "day")
        forms = {
            "sqlite3, list of tuples": lambda: plain.execute(sql).fetchall(),
            "pandas.read_sql": lambda: pandas.read_sql(sql, plain),
            "pandas.read_sql, days parsed": lambda: pandas.read_sql(sql, plain, **dated),
            "to_arrays('id', 'value', 'word', 'day')": lambda: measurement.to_arrays(*names),
            "to_arrays()": measurement.to_arrays,
            "to_arrow()": measurement.to_arrow,
            "to_polars()": measurement.to_polars,
            "to_pandas()": measurement.to_pandas,
            "Arrow stream (pyarrow.table(query))": lambda: pyarrow.table(measurement),
            "to_dicts()": measurement.to_dicts,
            "for row in table": lambda: sum(1 for _ in measurement),
        }
        times = dict(zip(forms, in_turns(*forms.values()), strict=True))
        base = times["pandas.read_sql"]
        rows = [
            (name, f"{seconds * 1e3:.0f}", f"{ROWS / seconds / 1e6:.2f}", f"{base / seconds:.1f}x")
            for name, seconds in times.items()
        ]
        table(("form", "ms", "M rows/s", "than read_sql"), rows)
        measurement.connection.close()
        plain.close()
