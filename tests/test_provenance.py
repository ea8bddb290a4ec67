"""Where rows came from, as `provenance.capture` keeps it beside them."""

import datetime
import json

import pytest

import lodestore as dj


@pytest.fixture
def kept(project, schema):
    project.config["provenance.capture"] = True
    project.config["provenance.source"] = {"rig": "2 é"}

    @schema
    class Session(dj.Manual):
        definition = """
        session : int32
        ---
        note = "" : varchar(20)
        """

    return Session


def told(table):
    """What is kept, by key."""
    sql = f"SELECT session, _prov FROM {table.full_table_name} ORDER BY session"
    rows = table.connection.query(sql).fetchall()
    return {key: json.loads(text) if isinstance(text, str | bytes) else text for key, text in rows}


def test_rows_tell_when_by_whom_and_whence(kept):
    kept.insert([{"session": 1}, {"session": 2, "note": "b"}])
    kept.insert1({"session": 2, "note": "c"}, replace=True)
    found = told(kept)
    assert list(found) == [1, 2]
    for each in found.values():
        age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(each["time"])
        assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=2)
        assert each["source"] == {"rig": "2 é"} and each["agent"]["user"] and each["agent"]["host"]
        assert "context" not in each
    # It is hidden: nobody need know of it.
    assert kept.heading.names == ["session", "note"] and kept.to_dicts()[0] == {"session": 1, "note": ""}


def test_rows_that_a_computation_inserts_name_it(kept, schema):
    kept.insert1({"session": 1})

    @schema
    class Check(dj.Computed):
        definition = "-> Session"

        def make(self, key):
            self.insert1(key)
            kept.insert1({"session": 10 + key["session"]})

    Check.populate({"session": 1})
    context = told(kept)[11]["context"]
    assert context["key"] == {"session": 1} and "check" in context["table"]
    assert "context" not in told(kept)[1]


def test_nothing_is_kept_unless_it_is_wanted(kept, project, schema):
    project.config["provenance.capture"] = False
    kept.insert1({"session": 3})
    assert told(kept) == {3: None}

    @schema
    class Plain(dj.Manual):
        definition = "session : int32"

    project.config["provenance.capture"] = True
    Plain.insert1({"session": 1})
    assert len(Plain) == 1
