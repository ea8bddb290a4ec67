"""Queries that nest thousands of operators: an error, never the end of the process."""

import threading

import pytest

import lodestore as dj
from lodestore.errors import DataJointError

_STEPS = {
    "text": lambda query, table, n: query & f"number <> {n + 10}",
    "mapping": lambda query, table, n: query & {"number": 1},
    "without": lambda query, table, n: query - f"number = {n + 10}",
    "query": lambda query, table, n: query & table.proj(),
    "projection": lambda query, table, n: query.proj(...),
    "top": lambda query, table, n: query & dj.Top(5),
    "join": lambda query, table, n: query * table.proj(),
    "inside": lambda query, table, n: table & query.proj(),
}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("step", _STEPS)
def test_deep_queries_are_refused(schema, step):
    @schema
    class Number(dj.Manual):
        definition = "number : int32"

    Number.insert((n,) for n in range(5))

    def work():
        query = Number()
        with pytest.raises(DataJointError, match="nests too many operators"):
            for n in range(5000):
                query = _STEPS[step](query, Number(), n)
        # What came before is sent: it may be more than the database takes.
        try:
            assert len(query) in (1, 5)
        except DataJointError as error:
            assert "too" in str(error)
        del query
        done.append(step)

    done = []
    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(done) == 2


@pytest.mark.databases("sqlite")
def test_a_query_restricted_often_is_sent(schema):
    @schema
    class Number(dj.Manual):
        definition = "number : int32"

    Number.insert((n,) for n in range(5))
    query = Number()
    for n in range(500):
        query = query & f"number <> {n + 4}"
    assert query.to_arrays("number").tolist() == [0, 1, 2, 3]
