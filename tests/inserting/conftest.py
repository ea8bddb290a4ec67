"""A table for rows of many forms."""

import pytest

import lodestore as dj


@pytest.fixture
def measurement(schema):
    @schema
    class Measurement(dj.Manual):
        definition = """
        id : int32
        ---
        value = null : float64
        word = null : varchar(9)
        day = null : date
        moment = null : datetime(6)
        flag = null : bool
        level = 7 : int16
        """

    return Measurement
