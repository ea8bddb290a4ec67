"""A restriction and a join of a million rows, beside the same SQL by sqlite3."""

import tempfile

import numpy as np
import pandas

import lodestore as dj

from .harness import in_turns, table
from .rows import filled


def run():
    with tempfile.TemporaryDirectory() as folder:
        measurement, plain = filled(folder)
        schema = dj.Schema("bench", connection=measurement.connection)
        schema.context = {"Measurement": measurement}

        @schema
        class Quality(dj.Manual):
            definition = """
            -> Measurement
            ---
            score : float64
            """

        plain.execute('INSERT INTO "bench.quality" SELECT id, id % 100 FROM "bench.measurement"')
        plain.commit()

        @schema
        class Pair(dj.Manual):
            definition = """
            session : int32
            trial : varchar(20)
            ---
            score : float64
            """

        plain.execute(
            """INSERT INTO "bench.pair" SELECT id / 1000, 'trial ' || (id % 1000), value FROM "bench.measurement\""""
        )
        plain.commit()
        pairs = [{"session": n // 1000, "trial": f"trial {n % 1000}"} for n in range(0, 1_000_000, 100)]
        literals = ", ".join(f"({pair['session']}, '{pair['trial']}')" for pair in pairs)
        keys = [{"id": number} for number in range(0, 1_000_000, 100)]
        numbers = ", ".join(str(key["id"]) for key in keys)
        rows = []

        def compare(name, ours, sql):
            mine, theirs = in_turns(ours, lambda: plain.execute(sql).fetchall())
            rows.append((name, f"{mine * 1e3:.0f}", f"{theirs * 1e3:.0f}", f"{theirs / mine:.1f}x"))

        source = '"bench.measurement" m'
        compare(
            "restrict by text, 10,000 of 1,000,000",
            lambda: (measurement & "value < 3700").to_arrays("value"),
            f"SELECT id, value FROM {source} WHERE value < 3700",
        )
        compare(
            "restrict by 10,000 keys",
            lambda: (measurement & keys).to_arrays("value"),
            f"SELECT id, value FROM {source} WHERE id IN ({numbers})",
        )
        records, frame = np.array([(key["id"],) for key in keys], [("id", int)]), pandas.DataFrame(keys)
        for name, given in (("records of NumPy", records), ("rows of a data frame", frame)):
            compare(
                f"restrict by 10,000 {name}",
                lambda given=given: (measurement & given).to_arrays("value"),
                f"SELECT id, value FROM {source} WHERE id IN ({numbers})",
            )
        compare(
            "restrict by 10,000 keys of two attributes",
            lambda: (Pair & pairs).to_arrays("score"),
            f'SELECT * FROM "bench.pair" WHERE (session, trial) IN (VALUES {literals})',
        )
        compare(
            "restrict by a query, 100,000 rows",
            lambda: (measurement & (Quality & "score < 10")).to_arrays("value"),
            f'SELECT id, value FROM {source} WHERE id IN (SELECT id FROM "bench.quality" WHERE score < 10)',
        )
        compare(
            "join, 1,000,000 rows",
            lambda: (measurement * Quality).to_arrays("id", "value", "word", "day", "score"),
            f'SELECT m.id, value, word, day, score FROM {source} JOIN "bench.quality" USING (id)',
        )
        compare(
            "aggregate by word",
            lambda: dj.U("word").aggr(measurement, n="count(*)", mean="avg(value)").to_arrays(),
            f"SELECT word, count(*), avg(value) FROM {source} GROUP BY word",
        )
        compare("count", lambda: len(measurement), f"SELECT count(*) FROM {source}")
        table(("query", "ms", "sqlite3 ms", "faster"), rows)
        measurement.connection.close()
        plain.close()
