"""A table whose objects are staged."""

import pytest

import lodestore as dj


@pytest.fixture
def scans(schema):
    @schema
    class Scan(dj.Manual):
        definition = """
        subject_id : int32
        session : varchar(20)
        ---
        frame_count = 0 : int32
        frames = null : <object@>
        movie = null : <object@>
        trace = null : <npy@>
        report = null : <attach@>
        raw = null : <hash@>
        thing = null : <blob@>
        inside = null : <attach>
        """

    return Scan


@pytest.fixture
def key():
    return {"subject_id": 1, "session": "é 2"}
