"""Transactions: all becomes visible at once, or nothing of it, objects among it."""

import asyncio
import sqlite3

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import DataJointError, DuplicateError, IntegrityError, LostConnectionError


@pytest.fixture
def trace(schema):
    @schema
    class Trace(dj.Manual):
        definition = """
        id : int32
        ---
        samples = null : <npy@>
        """

    return Trace


def row(number):
    return {"id": number, "samples": np.arange(number)}


@pytest.mark.databases("sqlite")
def test_what_is_done_together_is_seen_together(trace, objects, tmp_path):
    conn = trace.connection
    other = dj.Instance(path=tmp_path / "project").FreeTable("lab.trace")
    with conn.transaction:
        assert conn.in_transaction
        trace.insert1(row(1))
        trace.insert([row(2)])
        assert len(trace) == 2
        import threading

        seen = []
        thread = threading.Thread(target=lambda: seen.append(len(other)))
        thread.start()
        thread.join()
        assert seen == [0]
    assert not conn.in_transaction and len(trace) == 2 and len(objects()) == 2
    other.connection.close()


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_takes_rows_and_objects_back(trace, objects, failure):
    trace.insert1(row(1))
    with pytest.raises(failure), trace.connection.transaction:
        trace.insert([row(2), row(3)])
        (trace & "id = 1").delete(prompt=False)
        raise failure("stop")
    assert trace.to_arrays("id").tolist() == [1] and len(objects()) == 1
    assert not trace.connection.in_transaction


def test_the_three_steps_by_hand(trace, objects):
    conn = trace.connection
    conn.start_transaction()
    trace.insert1(row(1))
    conn.cancel_transaction()
    assert len(trace) == 0 and objects() == [] and not conn.in_transaction
    conn.start_transaction()
    trace.insert1(row(1))
    conn.commit_transaction()
    assert len(trace) == 1
    # Without a transaction nothing happens.
    conn.commit_transaction()
    conn.cancel_transaction()
    assert len(trace) == 1


def test_an_inner_transaction_is_refused_and_leaves_the_outer_alone(trace):
    conn = trace.connection
    with conn.transaction:
        trace.insert1(row(1))
        with pytest.raises(dj.DataJointError, match="do not nest"), conn.transaction:
            pass
        with pytest.raises(dj.DataJointError):
            conn.start_transaction()
        assert conn.in_transaction
        trace.insert1(row(2))
    assert len(trace) == 2


def test_a_refused_insert_leaves_the_transaction_usable(trace, objects):
    with trace.connection.transaction:
        trace.insert1(row(1))
        with pytest.raises(DuplicateError):
            trace.insert([row(2), row(1)])
        with pytest.raises(DuplicateError):
            trace.insert(row(number % 20_000) for number in range(20_001))
        assert len(trace) == 1 and len(objects()) == 1
        trace.insert1(row(3))
    assert trace.to_arrays("id").tolist() == [1, 3] and len(objects()) == 2


def test_closing_in_the_middle_takes_all_back(trace, objects):
    conn = trace.connection
    conn.start_transaction()
    trace.insert1(row(1))
    conn.close()
    assert not conn.in_transaction and len(trace) == 0 and objects() == []
    with pytest.raises(dj.DataJointError), conn.transaction:
        trace.insert1(row(1))
        conn.close()
        raise dj.DataJointError("as the connection broke")
    assert len(trace) == 0 and objects() == []


@pytest.mark.databases("sqlite")
def test_a_commit_that_fails_leaves_nothing_open(schema, tmp_path):
    """A deferred foreign key is refused when all is to become visible."""

    @schema
    class Plain(dj.Manual):
        definition = "id : int32"

    file = sqlite3.connect(tmp_path / "project" / "lodestore.db")
    file.execute(
        'CREATE TABLE "lab.late" (id INTEGER PRIMARY KEY REFERENCES "lab.plain" (id) DEFERRABLE INITIALLY DEFERRED)'
    )
    file.execute(
        'CREATE TRIGGER late AFTER INSERT ON "lab.plain" BEGIN INSERT INTO "lab.late" VALUES (new.id + 1); END'
    )
    file.commit()
    with pytest.raises(IntegrityError), Plain.connection.transaction:
        Plain.insert1((1,))
    assert not Plain.connection.in_transaction and len(Plain) == 0
    with pytest.raises(IntegrityError):
        Plain.insert([(1,)])
    assert len(Plain) == 0
    Plain.insert([(2,), (1,)][:0])
    file.close()


def test_closing_within_a_transaction_rolls_all_of_it_back(project, schema, caplog):
    @schema
    class Number(dj.Manual):
        definition = "number : int32"

    connection = project.connection
    with pytest.raises(LostConnectionError), connection.transaction:
        Number.insert1((1,))
        connection.close()
        assert "rolled back" in caplog.text
        # Its second half must not stand alone.
        with pytest.raises(LostConnectionError):
            Number.insert1((2,))
    assert not connection.in_transaction and len(Number()) == 0
    with connection.transaction:
        Number.insert1((3,))
    # Without a block there is nobody who would end it.
    caplog.clear()
    connection.start_transaction()
    Number.insert1((4,))
    connection.close()
    assert "rolled back" in caplog.text and not connection.in_transaction
    Number.insert1((5,))
    caplog.clear()
    connection.close()
    assert sorted(Number.to_arrays("number").tolist()) == [3, 5] and not caplog.text


def test_a_transaction_belongs_to_one_asyncio_task(project, schema):
    @schema
    class Number(dj.Manual):
        definition = "number : int32"

    async def roll_back():
        with pytest.raises(ZeroDivisionError), project.connection.transaction:
            Number.insert1((1,))
            begun.set()
            await tried.wait()
            raise ZeroDivisionError

    async def insert():
        await begun.wait()
        # It would go with the other task's transaction.
        with pytest.raises(DataJointError, match="another task"):
            Number.insert1((2,))
        with pytest.raises(DataJointError, match="another task"):
            len(Number())
        with pytest.raises(DataJointError, match="another task"), project.connection.transaction:
            pass
        with pytest.raises(DataJointError, match="another task"):
            project.connection.commit_transaction()
        # In a thread of its own it has a connection of its own: on SQLite it waits for the writer, if it writes.
        assert await asyncio.to_thread(lambda: len(Number())) == 0
        tried.set()

    async def both():
        nonlocal begun, tried
        begun, tried = asyncio.Event(), asyncio.Event()
        await asyncio.gather(roll_back(), insert())
        with project.connection.transaction:
            Number.insert1((3,))
            await asyncio.sleep(0)
            Number.insert1((4,))

    begun = tried = None
    asyncio.run(both())
    assert sorted(Number.to_arrays("number").tolist()) == [3, 4]
