"""A million rows of (int, float, text, date) into SQLite from every form, beside sqlite3 and pandas.to_sql."""

import datetime
import itertools
import sqlite3
import tempfile
import time
from pathlib import Path

import pandas
import polars
import pyarrow

import lodestore as dj

from .harness import in_turns, table

ROWS = 1_000_000
#: So many rows go in one by one.
FEW = 20_000
COLUMNS = ("id", "value", "word", "day")


def run():
    first = datetime.date(2000, 1, 1)
    days = [first + datetime.timedelta(days=number) for number in range(5000)]
    tuples = [(n, n * 0.37, f"word {n % 1000}", days[n % 5000]) for n in range(ROWS)]
    dicts = [dict(zip(COLUMNS, row, strict=True)) for row in tuples]
    texts = [(n, value, word, str(day)) for n, value, word, day in tuples]
    frame = pandas.DataFrame(tuples, columns=COLUMNS).astype({"day": "datetime64[s]"})
    polar = polars.DataFrame(tuples, schema=list(COLUMNS), orient="row")
    with tempfile.TemporaryDirectory() as folder:
        instance = dj.Instance(path=folder)
        schema = instance.Schema("bench")
        # A file of its own: two copies of SQLite in one process take each other's locks away.
        plain = sqlite3.connect(Path(folder) / "plain.db")
        plain.execute("PRAGMA journal_mode=WAL")
        plain.execute("PRAGMA synchronous=FULL")
        plain.execute("PRAGMA foreign_keys=ON")
        plain.execute("CREATE TABLE free (id INTEGER PRIMARY KEY, value REAL, word TEXT, day TEXT)")
        numbers = itertools.count()

        def fresh():
            """A table of its own: what goes in before must not matter."""
            members = {
                "definition": "id : int32\n---\nvalue : float64\nword : varchar(20)\nday : date\n",
                "__module__": __name__,
            }
            return schema(type(f"Measurement{next(numbers)}", (dj.Manual,), members))()

        def ours(rows):
            def insert():
                target = fresh()
                began = time.perf_counter()
                target.insert(rows())
                taken.append(time.perf_counter() - began)
                target.delete_quick()

            return insert

        def executemany():
            began = time.perf_counter()
            plain.executemany("INSERT INTO free VALUES (?, ?, ?, ?)", texts)
            plain.commit()
            taken.append(time.perf_counter() - began)
            plain.execute("DELETE FROM free")
            plain.commit()

        def to_sql():
            began = time.perf_counter()
            frame.to_sql("by_pandas", plain, index=False, if_exists="replace")
            plain.commit()
            taken.append(time.perf_counter() - began)

        def one_by_one():
            target = fresh()
            began = time.perf_counter()
            with instance.connection.transaction:
                for row in dicts[:FEW]:
                    target.insert1(row)
            # As long as all of them would take.
            taken.append((time.perf_counter() - began) * ROWS / FEW)

        taken = []
        forms = {
            "sqlite3.executemany, a table without rules": executemany,
            "pandas.to_sql, a table without rules": to_sql,
            "insert(pandas)": ours(lambda: frame),
            "insert(polars)": ours(lambda: polar),
            "insert(pyarrow.Table)": ours(lambda: pyarrow.table(polar)),
            "insert(dicts)": ours(lambda: dicts),
            "insert(tuples)": ours(lambda: tuples),
            "insert(generator of dicts)": ours(lambda: (row for row in dicts)),
            "insert1 in a loop, in a transaction": one_by_one,
        }
        in_turns(*forms.values(), rounds=3)
        times = {name: sorted(taken[place :: len(forms)])[1] for place, name in enumerate(forms)}
        base = times["sqlite3.executemany, a table without rules"]
        rows = [
            (name, f"{seconds * 1e3:.0f}", f"{ROWS / seconds:,.0f}", f"{base / seconds:.2f}x")
            for name, seconds in times.items()
        ]
        table(("form", "ms", "rows/s", "than executemany"), rows)
        plain.close()
        instance.connection.close()
