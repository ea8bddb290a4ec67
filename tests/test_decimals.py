"""Decimal numbers are computed with to the last digit."""

from decimal import Decimal

import pytest

import lodestore as dj


@pytest.fixture
def price(schema):
    @schema
    class Price(dj.Manual):
        definition = """
        item : int32
        ---
        kind : varchar(10)
        price = null : decimal(30,10)
        """

    schema.context = {"Price": Price}
    Price.insert(
        [
            (1, "a", Decimal("0.1")),
            (2, "a", Decimal("0.2")),
            (3, "a", Decimal("12345678901234567890.0000000001")),
            (4, "b", Decimal("-9")),
            (5, "b", Decimal("10.5")),
            (6, "b", None),
            (7, "c", None),
        ]
    )
    return Price


def test_aggregates_are_exact(price):
    all_of = dj.U("kind").aggr(
        price, total="sum(price)", mean="AVG(price)", least="min(price)", most="max(price)", n="count(price)"
    )
    rows = {row["kind"]: row for row in all_of.to_dicts()}
    assert rows["a"] == {
        "kind": "a",
        "total": Decimal("12345678901234567890.3000000001"),
        "mean": Decimal("4115226300411522630.10000000003333"),
        "least": Decimal("0.1"),
        "most": Decimal("12345678901234567890.0000000001"),
        "n": 3,
    }
    # By value, not as text: -9 is less than 10.5, which begins with a smaller digit.
    assert (rows["b"]["least"], rows["b"]["most"], rows["b"]["total"]) == (
        Decimal(-9),
        Decimal("10.5"),
        Decimal("1.5"),
    )
    assert rows["b"]["mean"] == Decimal("0.75") and set(rows["c"].values()) == {"c", None, 0}
    assert all(type(rows["a"][name]) is Decimal for name in ("total", "mean", "least", "most"))


def test_results_are_compared_and_sorted_as_numbers(price):
    totals = dj.U("kind").aggr(price, total="sum(price)", least="min(price)")
    assert (totals & "total > 9.5").to_arrays("kind").tolist() == ["a"]
    assert (totals & "least < 0").to_arrays("kind").tolist() == ["b"]
    assert (totals & {"total": Decimal("1.5")}).to_arrays("kind").tolist() == ["b"]
    assert totals.to_dicts(order_by="total desc")[0]["kind"] == "a"
    assert [row["kind"] for row in totals.to_dicts(order_by="least")] == ["c", "b", "a"]
    nested = dj.U().aggr(totals, all="sum(total)", most="max(total)").fetch1()
    assert nested == {
        "all": Decimal("12345678901234567891.8000000001"),
        "most": Decimal("12345678901234567890.3000000001"),
    }


def test_frames_know_the_type(price):
    pa = pytest.importorskip("pyarrow")
    totals = dj.U("kind").aggr(price, total="sum(price)", mean="avg(price)")
    schema = totals.to_arrow().schema
    assert schema.field("total").type == pa.decimal128(38, 10) and schema.field("mean").type == pa.decimal128(
        38, 14
    )
    assert (totals & False).to_arrow().schema == schema
    once = dj.U().aggr(price, s="sum(distinct price)").fetch1("s")
    assert once == Decimal("12345678901234567891.8000000001")
