"""Tables that fill themselves."""

import pytest

import lodestore as dj
from lodestore.errors import DuplicateError


@pytest.fixture
def pipeline(schema):
    @schema
    class Session(dj.Manual):
        definition = "session : int16"

    @schema
    class Doubled(dj.Computed):
        definition = """
        -> Session
        ---
        value : int32
        """
        calls = []

        def make(self, key, factor=2):
            type(self).calls.append(key)
            if key["session"] == 13:
                self.insert1({**key, "value": 0})
                raise ValueError("bad luck")
            Doubled.insert1({**key, "value": factor * key["session"]})
            self.Note.insert1({**key, "note": 1})

        class Note(dj.Part):
            definition = """
            -> master
            note : int8
            """

    Session.insert({"session": n} for n in (1, 2, 3))
    return Session, Doubled


def test_each_key_is_made_once(pipeline):
    session, doubled = pipeline
    assert doubled.progress() == (3, 3)
    assert doubled.populate() == {"success_count": 3, "error_list": []}
    assert doubled.populate() == {"success_count": 0, "error_list": []}
    assert len(doubled.calls) == 3 and len(doubled.Note) == 3
    assert doubled.to_dicts() == [{"session": n, "value": 2 * n} for n in (1, 2, 3)]
    session.insert1({"session": 4})
    assert doubled.progress() == (1, 4)
    assert doubled().populate(make_kwargs={"factor": 10}) == {"success_count": 1, "error_list": []}
    assert (doubled & "session = 4").fetch1("value") == 40


def test_restrictions_and_limits(pipeline):
    _, doubled = pipeline
    assert doubled.populate("session > 1", max_calls=1)["success_count"] == 1
    assert doubled.populate({"session": 1})["success_count"] == 1
    assert len(doubled) == 2
    with pytest.raises(dj.DataJointError, match="restricted"):
        (doubled & "session = 1").populate()


def test_what_make_raises_comes_out_and_leaves_nothing(pipeline):
    session, doubled = pipeline
    session.insert1({"session": 13})
    with pytest.raises(ValueError, match="bad luck"):
        doubled.populate("session = 13")
    assert len(doubled & "session = 13") == 0
    result = doubled.populate(suppress_errors=True)
    assert result == {"success_count": 3, "error_list": [({"session": 13}, "ValueError: bad luck")]}
    assert len(doubled) == 3


def test_ctrl_c_in_make_stops_and_leaves_nothing(pipeline, monkeypatch):
    _, doubled = pipeline

    def make(self, key):
        self.insert1({**key, "value": 1})
        raise KeyboardInterrupt

    monkeypatch.setattr(doubled, "make", make)
    with pytest.raises(KeyboardInterrupt):
        doubled.populate(suppress_errors=True)
    assert len(doubled) == 0 and not doubled.connection.in_transaction


def test_rows_are_made_by_make_only(pipeline):
    _, doubled = pipeline
    with pytest.raises(dj.DataJointError, match="populate"):
        doubled.insert1({"session": 1, "value": 1})
    doubled.insert1({"session": 1, "value": 1}, allow_direct_insert=True)
    with pytest.raises(dj.DataJointError, match="transaction"), doubled.connection.transaction:
        doubled.populate()


def test_a_class_without_make_says_so(schema, pipeline):
    assert pipeline

    @schema
    class Unmade(dj.Computed):
        # Not among the names seen here: found by its name in the schema.
        definition = "-> Session"

    with pytest.raises(dj.DataJointError, match="has no `make`"):
        Unmade.populate()


def test_a_transaction_is_whole(pipeline):
    session, _ = pipeline
    connection = session.connection
    with pytest.raises(DuplicateError), connection.transaction:
        session.insert1({"session": 50})
        session.insert1({"session": 1})
    assert not session & "session = 50"
    with connection.transaction:
        session.insert1({"session": 50})
        assert connection.in_transaction
        with pytest.raises(dj.DataJointError, match="already"):
            connection.start_transaction()
    assert len(session & "session = 50") == 1
    connection.cancel_transaction()
