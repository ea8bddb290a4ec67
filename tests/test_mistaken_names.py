"""Mappings with names that are no attributes restrict nothing, and say so."""

import warnings

import pytest

import lodestore as dj
from lodestore.condition import UnknownNameWarning

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def subject(schema):
    @schema
    class Subject(dj.Manual):
        definition = "subject_id : int32\n---\nspecies : varchar(20)\nmeta=null : json"

    Subject.insert([{"subject_id": 1, "species": "mouse"}, {"subject_id": 2, "species": "rat"}])
    return Subject


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ({"subjectid": 1}, r"`subjectid` \(did you mean `subject_id`\?\)"),
        ({"subject_id": 1, "specie": "rat"}, r"`specie` \(did you mean `species`\?\)"),
        ([{"speceis": "rat"}, {"speceis": "mouse"}], "`speceis`"),
        (dj.AndList([{"subject_id": 1}, {"Species": "rat"}]), "did you mean `species`"),
        (dj.Not({"nothing": 1}), "`nothing`"),
        ({"nothing": 1}, "restricts nothing: `nothing`$"),
        ({"meat.name": 1}, "`meat.name`"),
    ],
)
def test_a_mistake_is_told(subject, condition, text):
    with pytest.warns(UnknownNameWarning, match=text) as told:
        subject & condition
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    "condition",
    [
        {"subject_id": 1, "session": 3, "note": "a whole row of another table"},
        {"subject_id": 1, "meta.name": "x"},
        {},
        [],
        "subject_id = 1",
        [{"subject_id": 1, "session": 3}],
        True,
    ],
)
def test_what_is_no_mistake_is_not(subject, condition):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        subject & condition


def test_it_is_told_once_for_each_line(subject):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(5):
            rows = subject & {"subjectid": 1}
        rows = subject - {"subjectid": 1}
    assert len([warning for warning in told if warning.category is UnknownNameWarning]) == 2
    assert len(rows) == 0
