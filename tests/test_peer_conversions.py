"""Values in the forms that programs for DataJoint give, on every database alike."""

import datetime
from decimal import Decimal

import pytest

import lodestore as dj
from lodestore.errors import InvalidValueError, MissingAttributeError


@pytest.fixture
def clock(schema):
    @schema
    class Clock(dj.Manual):
        definition = """
        id : int32
        ---
        at=null : time
        """

    return Clock


def test_spans_of_time_are_timedeltas(clock, database):
    given = [
        datetime.timedelta(hours=10, minutes=11, seconds=12),
        datetime.time(1, 2, 3),
        "10:11:12",
        "4:5:6",
        None,
    ]
    expected = [
        datetime.timedelta(seconds=36672),
        datetime.timedelta(seconds=3723),
        datetime.timedelta(seconds=36672),
        datetime.timedelta(seconds=14706),
        None,
    ]
    clock.insert([{"id": number, "at": at} for number, at in enumerate(given)])
    assert [row["at"] for row in clock.to_dicts(order_by="id")] == expected
    assert list(clock.to_arrays("at", order_by="id")) == expected
    assert clock.to_pandas(order_by="id")["at"].tolist() == expected
    assert (clock & "id = 1").fetch1("at") == expected[1]
    # What was fetched is a condition, and a value to insert and update.
    assert (clock & {"at": expected[0]}).keys() == [{"id": 0}, {"id": 2}]
    assert (clock & [{"at": expected[1]}, {"at": expected[3]}]).keys() == [{"id": 1}, {"id": 3}]
    clock.update1({"id": 4, "at": datetime.timedelta(minutes=5)})
    assert (clock & "id = 4").fetch1("at") == datetime.timedelta(minutes=5)
    assert repr(clock & "id = 1").count("01:02:03") == 1
    if database.name != "postgresql":
        # PostgreSQL's time is one of a day.
        long = datetime.timedelta(days=4, hours=4)
        clock.insert([{"id": 10, "at": long}, {"id": 11, "at": -long}])
        assert (clock & "id >= 10").to_dicts(order_by="id") == [
            {"id": 10, "at": long},
            {"id": 11, "at": -long},
        ]
    for wrong in ("noon", "1:60", datetime.timedelta):
        with pytest.raises(dj.DataJointError, match="`at`"):
            clock.insert1({"id": 20, "at": wrong})
    assert len(clock & "id = 20") == 0


def test_a_blob_keeps_refusing_spans(schema):
    @schema
    class Packed(dj.Manual):
        definition = "id : int32\n---\nvalue : <blob>"

    with pytest.raises(dj.DataJointError, match="timedelta"):
        Packed.insert1({"id": 1, "value": datetime.timedelta(1)})


def test_members_of_an_enum_in_another_letter_case(schema):
    @schema
    class Kind(dj.Manual):
        definition = """
        kind : enum('Left', 'right')
        ---
        tone='Dark' : enum('Dark', 'dark', 'Light')
        """

    Kind.insert([{"kind": "LEFT", "tone": "light"}, {"kind": "Right", "tone": "dark"}])
    assert Kind.to_dicts(order_by="kind") == [
        {"kind": "Left", "tone": "Light"},
        {"kind": "right", "tone": "dark"},
    ]
    with pytest.raises(InvalidValueError, match="members"):
        # Two members differ in letter case alone: neither is meant.
        Kind.insert1({"kind": "left", "tone": "DARK"})
    with pytest.raises(InvalidValueError, match="'Left'"):
        Kind.insert1({"kind": "lefts"})


def test_an_enum_that_is_left_out_is_its_first_member(schema):
    @schema
    class Trial(dj.Manual):
        definition = """
        trial : int32
        side : enum('left', 'right')
        ---
        outcome : enum('hit', 'miss')
        speed=null : float64
        """

    Trial.insert1({"trial": 1})
    Trial.insert([{"trial": 2, "outcome": None}, {"trial": 3, "side": "right", "outcome": "miss"}])
    assert Trial.to_dicts(order_by="trial") == [
        {"trial": 1, "side": "left", "outcome": "hit", "speed": None},
        {"trial": 2, "side": "left", "outcome": "hit", "speed": None},
        {"trial": 3, "side": "right", "outcome": "miss", "speed": None},
    ]
    assert Trial.validate([{"trial": 4}]) and not Trial.validate([{"outcome": "hit"}])
    with pytest.raises(MissingAttributeError, match="`trial`"):
        Trial.insert1({"outcome": "hit"})


def test_numbers_as_defaults_and_as_text(schema):
    @schema
    class Default(dj.Manual):
        definition = """
        id : int32
        ---
        whole=1e3 : int32
        real=1e3 : float64
        point=2.0 : int16
        exact=1.5e1 : decimal(5,1)
        """

    Default.insert1({"id": 1})
    Default.insert1({"id": "2", "whole": "2e2", "real": "1e-3", "point": "7.0", "exact": "3"})
    assert Default.to_dicts(order_by="id") == [
        {"id": 1, "whole": 1000, "real": 1000.0, "point": 2, "exact": Decimal("15.0")},
        {"id": 2, "whole": 200, "real": 0.001, "point": 7, "exact": Decimal("3.0")},
    ]
    with pytest.raises(InvalidValueError, match="whole number"):
        Default.insert1({"id": 3, "whole": "1e-3"})
    with pytest.raises(dj.DataJointError, match="1e-3"):
        schema(type("Wrong", (dj.Manual,), {"definition": "id : int32\n---\nn=1e-3 : int32"}))


def test_dates_in_many_forms(schema):
    @schema
    class Day(dj.Manual):
        definition = """
        id : int32
        ---
        day=null : date
        moment=null : datetime
        """

    day, moment = datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5)
    forms = [
        ("2020-01-02", "2020-01-02 03:04:05"),
        ("2020-1-2", "2020-1-2 3:4:5"),
        ("2020/01/02", "2020/01/02 03:04:05"),
        ("20200102", "20200102030405"),
        ("2020-01-02 00:00:00", "2020-01-02T03:04:05"),
        (datetime.datetime(2020, 1, 2), moment),
    ]
    Day.insert([{"id": number, "day": form[0], "moment": form[1]} for number, form in enumerate(forms)])
    assert Day.to_dicts(order_by="id") == [
        {"id": number, "day": day, "moment": moment} for number in range(len(forms))
    ]
    assert len(Day & {"day": day}) == len(forms)
    # What would lose something, or mean one thing here and another there, is refused.
    for wrong in ("2020-01-02 03:04:05", "20-01-02", "02.01.2020", "Jan 2, 2020", "2020-13-01"):
        with pytest.raises(InvalidValueError, match="`day`"):
            Day.insert1({"id": 99, "day": wrong})
    with pytest.raises(InvalidValueError, match="time zone"):
        Day.insert1({"id": 99, "moment": "2020-01-02 03:04:05Z"})
