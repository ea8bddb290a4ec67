"""Changing one row where it is."""

import datetime
import pickle

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import (
    IntegrityError,
    InvalidTypeError,
    InvalidValueError,
    MissingAttributeError,
    UnknownAttributeError,
)


@pytest.fixture
def Session(schema):
    @schema
    class Subject(dj.Manual):
        definition = "subject : int32"

    @schema
    class Session(dj.Manual):
        definition = """
        -> Subject
        session : int32
        ---
        note="none" : varchar(20)
        weight=null : float64
        count       : int16
        made=CURRENT_TIMESTAMP : datetime
        kind="a"    : enum('a', 'b')
        -> [nullable] Subject.proj(guest="subject")
        """

    Subject.insert([{"subject": 1}, {"subject": 2}])
    Session.insert([{"subject": 1, "session": n, "count": n, "note": f"n{n}"} for n in (1, 2, 3)])
    return Session


def test_the_given_attributes_change_and_no_others(Session):
    before = Session.to_dicts(order_by="KEY")
    Session.update1({"subject": 1, "session": 2, "note": "new", "weight": 2.5})
    after = Session.to_dicts(order_by="KEY")
    assert after[1] == {**before[1], "note": "new", "weight": 2.5}
    assert [after[0], after[2]] == [before[0], before[2]]
    assert Session.update1({"subject": 1, "session": 2}) is None
    assert Session.to_dicts(order_by="KEY") == after


def test_none_is_the_default(Session):
    key = {"subject": 1, "session": 1}
    Session.update1(
        {**key, "note": "x", "weight": 3.0, "kind": "b", "made": "2001-01-01 00:00:00", "guest": 2}
    )
    Session.update1({**key, "note": None, "weight": None, "kind": None, "made": None, "guest": None})
    row = (Session & key).fetch1()
    assert (row["note"], row["weight"], row["kind"], row["guest"]) == ("none", None, "a", None)
    assert abs(row["made"] - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)) < datetime.timedelta(
        minutes=5
    )
    with pytest.raises(MissingAttributeError, match="count"):
        Session.update1({**key, "count": None})


def test_what_is_wrong_is_told_and_nothing_changes(Session):
    before = Session.to_dicts(order_by="KEY")
    key = {"subject": 1, "session": 1}
    cases = [
        ({**key, "noet": "x"}, UnknownAttributeError, "noet"),
        ({**key, "count": 10**6}, InvalidValueError, "count"),
        ({**key, "count": "many"}, InvalidValueError, "count"),
        ({**key, "weight": [1]}, InvalidTypeError, "weight"),
        ({**key, "kind": "c", "note": "x"}, InvalidValueError, "kind"),
        ({**key, "guest": 9}, IntegrityError, "refer"),
        ({"subject": 1, "note": "x"}, dj.DataJointError, "session"),
        ({"subject": 1, "session": None, "note": "x"}, dj.DataJointError, "session"),
        ({"note": "x"}, dj.DataJointError, "key"),
        ({"subject": 9, "session": 1, "note": "x"}, dj.DataJointError, "no row"),
        ([("subject", 1)], dj.DataJointError, "dict"),
        (("subject", "session"), dj.DataJointError, "dict"),
    ]
    for row, error, text in cases:
        with pytest.raises(error, match=text) as caught:
            Session.update1(row)
        if isinstance(row, dict):
            assert caught.value.context["table"] == "lab.session"
    assert Session.to_dicts(order_by="KEY") == before


def test_a_restriction_to_one_row_names_it(Session):
    (Session & "session = 2").update1({"note": "two"})
    (Session & "session < 3").update1({"session": 1, "note": "one"})
    assert Session.to_arrays("note", order_by="KEY").tolist() == ["one", "two", "n3"]
    with pytest.raises(dj.DataJointError, match="more than one row"):
        (Session & "session < 3").update1({"note": "x"})
    with pytest.raises(dj.DataJointError, match="no row"):
        (Session & "session = 2").update1({"subject": 1, "session": 3, "note": "x"})
    with pytest.raises(dj.DataJointError, match="no row"):
        (Session & "session = 9").update1({"note": "x"})
    with pytest.raises(dj.DataJointError, match="restricts nothing"):
        (Session & {"sesion": 2}).update1({"note": "x"})
    # Projections and limits.
    Session.proj("note").update1({"subject": 1, "session": 3, "note": "three"})
    (Session & dj.Top(1, "session desc")).update1({"weight": 3.0})
    with pytest.raises(dj.DataJointError, match="weight"):
        Session.proj("note").update1({"subject": 1, "session": 3, "weight": 3.0})
    with pytest.raises(dj.DataJointError, match="computed"):
        Session.proj(text="note").update1({"subject": 1, "session": 3, "text": "x"})
    with pytest.raises(dj.DataJointError):
        Session.proj(s="session").update1({"subject": 1, "s": 3})
    assert Session.to_arrays("note", order_by="KEY").tolist() == ["one", "two", "three"]
    assert (Session & "session = 3").fetch1("weight") == 3.0


def test_other_keys(schema, project):
    @schema
    class Only(dj.Manual):
        definition = """
        ---
        x : int32
        """

    @schema
    class Day(dj.Manual):
        definition = """
        day : date
        who : varchar(20)
        ---
        x : int32
        """

    Only.insert1({"x": 1})
    Only.update1({"x": 2})
    assert Only.fetch1("x") == 2
    day = datetime.date(2024, 2, 29)
    Day.insert([{"day": day, "who": "Ünal; --", "x": 1}, {"day": day, "who": "b", "x": 1}])
    Day.update1({"day": "2024-02-29", "who": "Ünal; --", "x": 5})
    project.FreeTable("lab.day").update1({"day": day, "who": "b", "x": 6})
    assert {row["who"]: row["x"] for row in Day} == {"Ünal; --": 5, "b": 6}


@pytest.fixture
def Scan(schema):
    @schema
    class Scan(dj.Manual):
        definition = """
        scan : int32
        ---
        frames=null : <npy@>
        extra=null  : <blob@>
        small=null  : <blob>
        files=null  : <object@>
        """

    Scan.insert1({"scan": 1, "frames": np.arange(5), "extra": {"a": 1}, "small": [1], "files": b"bytes"})
    return Scan


def test_codecs_and_objects(Scan, objects):
    Scan.update1({"scan": 1, "frames": np.arange(3.0), "small": {"b": 2}, "files": b"other"})
    row = Scan.fetch1()
    assert row["frames"].load().tolist() == [0, 1, 2] and row["files"].read() == b"other"
    assert row["small"] == {"b": 2} and row["extra"] == {"a": 1}
    # The old objects are gone.
    assert len(objects()) == 3
    Scan.update1({"scan": 1, "frames": None})
    assert Scan.fetch1("frames") is None and len(objects()) == 2


def test_a_refused_update_leaves_no_object(Scan, objects, project):
    before = objects()
    with pytest.raises(InvalidTypeError):
        Scan.update1({"scan": 1, "frames": np.zeros(3), "files": 3.5})
    with pytest.raises(dj.DataJointError, match="no row"):
        Scan.update1({"scan": 2, "frames": np.zeros(3)})
    assert objects() == before
    with pytest.raises(RuntimeError), project.connection.transaction:
        Scan.update1({"scan": 1, "frames": np.zeros(3), "files": b"new"})
        assert len(objects()) == len(before) + 2
        assert Scan.fetch1("frames").load().tolist() == [0, 0, 0]
        raise RuntimeError
    assert objects() == before
    assert Scan.fetch1("frames").load().tolist() == [0, 1, 2, 3, 4]


def test_the_reference_that_was_fetched_stays_what_it_is(Scan, objects):
    before = objects()
    row = Scan.fetch1()
    Scan.update1({"scan": 1, "frames": row["frames"], "files": row["files"], "small": "new"})
    assert objects() == before
    after = Scan.fetch1()
    assert after["frames"] == row["frames"] and after["files"].path == row["files"].path
    assert after["small"] == "new"
    sent = pickle.loads(pickle.dumps(row["frames"]))
    Scan.update1({"scan": 1, "frames": sent})
    assert objects() == before and Scan.fetch1("frames") == row["frames"]
