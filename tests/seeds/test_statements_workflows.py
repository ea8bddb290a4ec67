"""The ways of working that the documents describe: a pipeline gets stores, its data moves, by hand."""

import numpy as np
import pytest

import lodestore as dj


@pytest.fixture
def trace(world):
    """A table whose arrays lie in the database, with rows."""
    world.do('''
@schema
class Trace(dj.Manual):
    definition = """
    id : int32
    ---
    samples : <blob>
    """
Trace.insert({'id': n, 'samples': np.full((20, 3), n)} for n in range(5))
''')
    return world["Trace"]


def alter(table, *attributes):
    table.definition = "\n".join(["id : int32", "---", *attributes])
    table.alter(prompt=False)


def test_a_pipeline_gets_object_storage(world, trace):
    alter(trace, "samples : <blob>", "movie = null : <object@>", "report = null : <blob@archive>")
    trace.insert1({"id": 9, "samples": [1], "movie": ("mp4", b"frames"), "report": {"mean": 1.5}})
    row = (trace & "id = 9").fetch1()
    assert (row["samples"], row["movie"].read(), row["report"]) == ([1], b"frames", {"mean": 1.5})
    assert len(world.objects("main")) == len(world.objects("archive")) == 1
    # The rows from before are what they were.
    before = (trace & "id = 3").fetch1()
    assert before["movie"] is None and (before["samples"] == 3).all()


@pytest.mark.parametrize("to", ["<blob@>", "<npy@>", "<npy@archive>", "<object@>"])
def test_a_column_moves_by_hand(world, trace, to):
    alter(trace, "samples : <blob>", f"moved = null : {to}")
    keys = trace.keys()
    for key in keys:
        samples = (trace & key).fetch1("samples")
        trace.update1({**key, "moved": samples.tobytes() if to == "<object@>" else samples})
    # Verified before the old one goes.
    assert dj.verify("experiment", deep=True, connection=world.project.connection).sound
    for row in trace:
        moved = row["moved"]
        moved = (
            np.frombuffer(moved.read(), "int64").reshape(20, 3) if to == "<object@>" else np.asarray(moved)
        )
        assert np.array_equal(moved, row["samples"])
    alter(trace, f"moved = null : {to}")
    store = "archive" if "archive" in to else "main"
    assert trace.heading.names == ["id", "moved"] and len(world.objects(store)) == 5
    # What is dropped takes its objects along.
    alter(trace, "note = null : varchar(5)")
    assert world.objects(store) == [] and len(trace) == 5


def test_data_is_moved_to_another_tier_by_hand(world):
    world.do('''
@schema
class Scan(dj.Manual):
    definition = """
    id : int32
    ---
    hot = null : <npy@main>
    cold = null : <npy@archive>
    """
Scan.insert({'id': n, 'hot': np.full(4, n)} for n in range(6))
for key in (Scan & 'id < 4').keys():
    Scan.update1({**key, 'cold': (Scan & key).fetch1('hot').load(), 'hot': None})
''')
    assert len(world.objects("main")) == 2 and len(world.objects("archive")) == 4
    arrays = [
        row["cold"] if row["hot"] is None else row["hot"] for row in world["Scan"].to_dicts(order_by="id")
    ]
    assert [int(ref[0]) for ref in arrays] == list(range(6))


def test_changed_data_is_a_new_object(world):
    world.do('''
@schema
class Scan(dj.Manual):
    definition = """
    id : int32
    ---
    shared : <blob@>
    own : <npy@>
    """
Scan.insert({'id': n, 'shared': 'same', 'own': np.zeros(3)} for n in range(2))
before = (Scan & 'id = 0').fetch1('own')
Scan.update1({'id': 0, 'shared': 'other', 'own': np.ones(3)})
''')
    scan = world["Scan"]
    assert (scan & "id = 1").fetch1("shared") == "same" and (scan & "id = 0").fetch1("shared") == "other"
    assert (scan & "id = 0").fetch1("own").path != world["before"].path
    # Two of the blobs, two of the arrays: what nobody names any more is gone.
    assert len(world.objects("main")) == 4
