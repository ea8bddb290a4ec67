"""Paths into json attributes, with wildcards."""

import pytest

import lodestore as dj


@pytest.fixture
def probe(schema):
    @schema
    class Probe(dj.Manual):
        definition = "id : int32\n---\nmeta = null : json"

    Probe.insert(
        [
            {
                "id": 1,
                "meta": {
                    "tags": ["a", "b"],
                    "sites": [{"depth": 1.5, "ok": True}, {"depth": 3}],
                    "by": {"x": 1},
                },
            },
            {
                "id": 2,
                "meta": {"tags": ["b"], "sites": [{"depth": 2, "ok": False}, "bare"], "by": {"x": 2, "y": 1}},
            },
            {"id": 3, "meta": {"tags": "a", "sites": [], "by": {"z": {"a": [7]}}}},
            {"id": 4, "meta": {"tags": [None, "it's", {"a": 1}]}},
            {"id": 5},
        ]
    )
    return Probe


def ids(rows):
    return rows.to_arrays("id", order_by="KEY").tolist()


def test_restriction_by_any_value_at_a_path(probe):
    for condition, expected in [
        ({"meta.tags[*]": "b"}, [1, 2]),
        ({"meta.tags[*]": "a"}, [1]),
        ({"meta.tags[*]": "it's"}, [4]),
        ({"meta.tags[*]": {"a": 1}}, [4]),
        ({"meta.sites[*].depth": 3}, [1]),
        ({"meta.sites[*].depth": 2}, [2]),
        ({"meta.sites[*].ok": True}, [1]),
        ({"meta.by.*": 1}, [1, 2]),
        ({"meta.by.*.a[*]": 7}, [3]),
        ({"meta.sites[*].depth:int": 1}, [1]),
        ({"meta.tags[*]": None}, [3, 5]),
        ([{"meta.tags[*]": "a"}, {"meta.by.*": 2}], [1, 2]),
        ({"meta.tags[*]": "b", "id": 2}, [2]),
    ]:
        assert ids(probe & condition) == expected, condition
        # Nothing is left open, so the rest are all others.
        assert ids(probe - condition) == [n for n in range(1, 6) if n not in expected], condition


def test_projection_gives_a_list(probe):
    rows = probe.proj(
        tags="meta.tags[*]", depths="meta.sites[*].depth", oks="meta.sites[*].ok", by="meta.by.*"
    )
    assert rows.to_dicts(order_by="KEY") == [
        {"id": 1, "tags": ["a", "b"], "depths": [1.5, 3], "oks": [True], "by": [1]},
        {"id": 2, "tags": ["b"], "depths": [2], "oks": [False], "by": [2, 1]},
        {"id": 3, "tags": None, "depths": None, "oks": None, "by": [{"a": [7]}]},
        {"id": 4, "tags": [None, "it's", {"a": 1}], "depths": None, "oks": None, "by": None},
        {"id": 5, "tags": None, "depths": None, "oks": None, "by": None},
    ]
    assert rows.heading["tags"].json


def test_what_is_no_path_is_refused(probe):
    for path in ("meta.a*", "meta.**", "meta.[*", "meta.tags[*"):
        with pytest.raises(dj.DataJointError, match="no path"):
            probe & {path: 1}
