"""Computations in three parts: nothing is open while they compute, and what they came from is looked at again."""

import threading
import time

import numpy as np
import pytest

import lodestore as dj


@pytest.fixture
def session(schema):
    @schema
    class Session(dj.Manual):
        definition = "session : int16\n---\nvalue : float64\ndata=null : <blob>"

    Session.insert({"session": n, "value": n / 2, "data": {"a": np.arange(n)}} for n in (1, 2))
    return Session


def declared(schema, parent, /, **members):
    """A computed table with these methods."""
    cls = type("Result", (dj.Computed,), {"definition": "-> Session\n---\nvalue : float64", **members})
    return schema(cls, context={"Session": parent})


def fetch(self, key, factor=1):
    self.seen.append(("fetch", self.connection.in_transaction))
    row = (self.session & key).fetch1()
    return row["value"], row["data"], factor


def compute(self, key, value, data, factor):
    self.seen.append(("compute", self.connection.in_transaction))
    data["a"] += 1  # What was fetched may be changed where it is.
    return (value * factor + data["a"].sum(),)


def insert(self, key, result):
    self.seen.append(("insert", self.connection.in_transaction))
    self.insert1({**key, "value": result})


def in_one(self, key, factor=1):
    value, data, factor = fetched = fetch(self, key, factor)
    yield fetched
    (result,) = compute(self, key, value, data, factor)
    yield result
    insert(self, key, result)


def with_send(self, key, factor=1):
    """As DataJoint has it: what was computed comes back from the second `yield`, or from the first one."""
    fetched = fetch(self, key, factor)
    computed = yield fetched
    if computed is None:
        computed = compute(self, key, *fetched)
        yield computed
    insert(self, key, *computed)
    yield


def with_bare_yields(self, key, factor=1):
    fetched = fetch(self, key, factor)
    yield
    (result,) = compute(self, key, *fetched)
    yield
    insert(self, key, result)


FORMS = {
    "methods": {"make_fetch": fetch, "make_compute": compute, "make_insert": insert},
    "generator": {"make": in_one},
    "send": {"make": with_send},
    "bare": {"make": with_bare_yields},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reserve", [False, True])
def test_only_the_last_part_is_in_a_transaction(schema, session, form, reserve):
    result = declared(schema, session, session=session, seen=[], **FORMS[form])
    done = result.populate("session = 2", make_kwargs={"factor": 10}, reserve_jobs=reserve)
    assert done == {"success_count": 1, "error_list": []}
    assert result.fetch1("value") == 10 + 3
    assert result.seen == [("fetch", False), ("compute", False), ("fetch", True), ("insert", True)]


@pytest.mark.parametrize("form", ["methods", "generator", "send"])
def test_what_has_changed_meanwhile_is_noticed(schema, session, form):
    def changing(self, key, value, data, factor):
        self.session.update1({**key, "data": {"a": np.arange(9)}})
        return compute(self, key, value, data, factor)

    members = dict(FORMS[form])
    if form == "methods":
        members["make_compute"] = changing
    else:

        def make(self, key, original=members["make"]):
            run = original(self, key)
            yield next(run)
            if self.changes:
                self.session.update1({**key, "data": {"a": np.arange(9)}})
            yield next(run)
            for _ in run:
                pass

        members["make"] = make
    result = declared(schema, session, session=session, seen=[], changes=True, **members)
    with pytest.raises(dj.DataJointError, match="has changed"):
        result.populate("session = 1")
    assert len(result) == 0 and not result.connection.in_transaction
    type(result).changes = False
    if form != "methods":
        result.changes = False
        assert result.populate("session = 2")["success_count"] == 1


def test_a_compute_that_gives_nothing_says_so(schema, session):
    members = {**FORMS["methods"], "make_compute": lambda self, key, *data: None}
    result = declared(schema, session, session=session, seen=[], **members)
    with pytest.raises(dj.DataJointError, match="`make_compute` of `Result` gave None"):
        result.populate()
    done = result.populate(reserve_jobs=True, suppress_errors=True)
    assert done["success_count"] == 0 and len(done["error_list"]) == 2
    assert result.jobs.progress()["error"] == 2 and len(result) == 0


def test_one_yield_is_too_few(schema, session):
    def make(self, key):
        value = (session & key).fetch1("value")
        yield value
        self.insert1({**key, "value": value})

    result = declared(schema, session, make=make)
    with pytest.raises(dj.DataJointError, match="before its last part"):
        result.populate()

    def ends(self, key):
        yield 1

    result.make = ends
    with pytest.raises(dj.DataJointError, match="second `yield`"):
        result.populate()
    assert len(result) == 0


def test_what_cannot_be_compared_is_refused(schema, session):
    members = {**FORMS["methods"], "make_fetch": lambda self, key: (session & key,)}
    result = declared(schema, session, session=session, seen=[], **members)
    with pytest.raises(dj.DataJointError, match="cannot be compared"):
        result.populate()


def test_sets_and_equal_texts_are_the_same(schema, session):
    calls = []

    def make(self, key):
        calls.append(key)
        words = [f"w{n}" for n in range(20)]
        first = "".join(["t", "ext"])
        if len(calls) % 2:
            words.reverse()
            again = first
        else:
            again = "".join(["te", "xt"])
        yield {"set": set(words), "texts": [first, again], "nan": float("nan")}
        yield
        self.insert1({**key, "value": 1})

    result = declared(schema, session, make=make)
    assert result.populate()["success_count"] == 2


def test_a_make_wrapped_away_is_noticed(schema, session):
    result = declared(schema, session, make=lambda self, key: in_one(self, key))
    with pytest.raises(dj.DataJointError, match="nobody runs"):
        result.populate()


class Slow:
    """A `make` that computes until it is told to go on; what it holds meanwhile is looked at from outside."""

    def __init__(self):
        self.began, self.may_end = threading.Event(), threading.Event()

    def plain(self, table, key):
        value = table.fetch_value(key)
        self.wait()
        table.insert1({**key, "value": value})

    def parts(self, table, key):
        value = table.fetch_value(key)
        yield value
        self.wait()
        yield
        table.insert1({**key, "value": value})

    def wait(self):
        self.began.set()
        assert self.may_end.wait(60)


TRANSACTIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
    "pid <> pg_backend_pid() AND (state <> 'idle' OR xact_start IS NOT NULL)",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_trx",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx",
}
LOCKS = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = "
    "current_database()) AND pid <> pg_backend_pid()",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_locks",
    "mysql": "SELECT count(*) FROM performance_schema.data_locks",
}
KILL = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
    "pid <> pg_backend_pid()",
    "mariadb": "SELECT concat('KILL ', id) FROM information_schema.processlist WHERE id <> connection_id() AND "
    "user <> 'system user' AND command = 'Sleep'",
    "mysql": "SELECT concat('KILL ', id) FROM information_schema.processlist WHERE id <> connection_id() AND "
    "command = 'Sleep'",
}


@pytest.mark.databases("postgresql", "mariadb", "mysql")
@pytest.mark.parametrize("form", ["plain", "parts"])
@pytest.mark.parametrize("reserve", [False, True])
def test_a_long_make_holds_nothing_and_survives_a_lost_connection(
    project, schema, session, database, form, reserve
):
    project.config["jobs.lease_timeout"] = 2
    slow = Slow()

    def plain(self, key):
        slow.plain(self, key)

    def parts(self, key):
        yield from slow.parts(self, key)

    result = declared(
        schema,
        session,
        make=plain if form == "plain" else parts,
        fetch_value=lambda self, key: (session & key).fetch1("value"),
    )
    done = []
    thread = threading.Thread(
        target=lambda: done.append(result.populate("session = 1", reserve_jobs=reserve))
    )
    thread.start()
    assert slow.began.wait(30)
    for _ in range(8):
        # Seen again and again: a heartbeat takes a moment.
        time.sleep(0.2)
        held = [database.execute(project, sql[database.name])[0][0] for sql in (TRANSACTIONS, LOCKS)]
        if held == [0, 0]:
            break
    assert held == [0, 0]
    for row in database.execute(project, KILL[database.name]):
        if database.name != "postgresql":
            database.execute(project, row[0])
    slow.may_end.set()
    thread.join(60)
    assert done == [{"success_count": 1, "error_list": []}]
    assert result.fetch1("value") == 0.5
    if reserve:
        assert len(result.jobs) == 0


@pytest.mark.databases("sqlite")
def test_others_write_while_a_make_computes(schema, session):
    slow = Slow()

    def make(self, key):
        slow.plain(self, key)

    result = declared(
        schema, session, make=make, fetch_value=lambda self, key: (session & key).fetch1("value")
    )
    thread = threading.Thread(target=lambda: result.populate("session = 1"))
    thread.start()
    assert slow.began.wait(30)
    began = time.monotonic()
    session.insert1({"session": 50, "value": 1})
    assert time.monotonic() - began < 5
    slow.may_end.set()
    thread.join(60)
    assert len(result) == 1
