"""Arrays of <npy@>: inserted, loaded and sliced, beside numpy.save and numpy.load."""

import os
import tempfile

import numpy as np

import lodestore as dj

from .harness import in_turns, table


def run():
    with tempfile.TemporaryDirectory() as folder:
        schema = dj.Instance(path=folder).Schema("bench")

        @schema
        class Trace(dj.Manual):
            definition = """
            id : int32
            ---
            trace : <npy@>
            """

        array = np.random.default_rng(0).standard_normal(25_000_000)
        numbers = iter(range(1000))
        file = os.path.join(folder, "numpy.npy")

        def save():
            with open(file, "wb") as out:
                np.save(out, array)
                os.fsync(out.fileno())

        def insert():
            Trace.insert1({"id": next(numbers), "trace": array})

        ours, theirs = in_turns(insert, save)
        rows = [
            ("write 200 MB, durable", f"{ours * 1e3:.0f}", f"{theirs * 1e3:.0f}", f"{theirs / ours:.2f}x")
        ]

        def reference():
            return (Trace & "id = 0").fetch1("trace")

        ours, theirs = in_turns(lambda: reference().load(), lambda: np.load(file))
        rows.append(("read 200 MB", f"{ours * 1e3:.0f}", f"{theirs * 1e3:.0f}", f"{theirs / ours:.2f}x"))
        ref = reference()
        ours, theirs = in_turns(
            lambda: ref[10**6 : 10**6 + 1000], lambda: np.load(file)[10**6 : 10**6 + 1000], rounds=20
        )
        rows.append(
            ("read 1000 elements of it", f"{ours * 1e3:.2f}", f"{theirs * 1e3:.2f}", f"{theirs / ours:.0f}x")
        )
        table(("", "ms", "numpy", "ratio"), rows)
