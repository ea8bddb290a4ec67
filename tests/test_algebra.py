"""Every operator of the algebra, and every kind of condition, as a user types them."""

import datetime
import uuid
from decimal import Decimal

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import QueryError, UnknownAttributeError


@pytest.fixture
def lab(schema):
    """Subjects, their sessions, and a table without rows."""

    class Lab:
        pass

    @schema
    class Subject(dj.Manual):
        definition = """
        subject_id : int32
        ---
        species : varchar(10)
        sex = null : enum('M', 'F')
        weight = null : float64
        born = null : date
        tag = null : uuid
        price = null : decimal(6,2)
        meta = null : json
        """

    @schema
    class Session(dj.Manual):
        definition = """
        -> Subject
        session : int16
        ---
        length : float64
        """

    @schema
    class Note(dj.Manual):
        definition = """
        -> Subject
        ---
        note : varchar(40)
        """

    Subject.insert(
        [
            {
                "subject_id": 1, "species": "mouse", "sex": "M", "weight": 20.0, "born": "2024-01-01",
                "tag": uuid.UUID(int=1), "price": "10.50", "meta": {"a": {"b": 1}, "name": "x", "ok": True},
            },
            {"subject_id": 2, "species": "mouse", "sex": "F", "weight": 22.5, "born": "2024-02-01", "meta": {"a": {"b": 2}}},
            {"subject_id": 3, "species": "rat"},
            {"subject_id": 4, "species": "it's", "price": "0.10"},
        ]
    )  # fmt: skip
    Session.insert([(1, 1, 10.0), (1, 2, 30.0), (3, 1, 5.0)])
    Lab.Subject, Lab.Session, Lab.Note = Subject, Session, Note
    return Lab


def ids(expression):
    """The subjects in a result, in order."""
    return [key["subject_id"] for key in (dj.U("subject_id") & expression).to_dicts(order_by="KEY")]


def test_mappings(lab):
    S = lab.Subject
    cases = [
        ({"subject_id": 1}, [1]),
        ({"subject_id": "3"}, [3]),
        ({"subject_id": np.int64(2)}, [2]),
        ({"species": "it's"}, [4]),
        ({"species": ["mouse", "rat"]}, [1, 2, 3]),
        ({"species": []}, []),
        ({"weight": None}, [3, 4]),
        ({"weight": 22.5, "sex": "F"}, [2]),
        ({"born": datetime.date(2024, 2, 1)}, [2]),
        ({"born": "2024-02-01"}, [2]),
        ({"tag": uuid.UUID(int=1)}, [1]),
        ({"tag": str(uuid.UUID(int=1))}, [1]),
        ({"price": Decimal("10.5")}, [1]),
        ({"meta.a.b": 2}, [2]),
        ({"meta.name": "x"}, [1]),
        ({"meta.ok": True}, [1]),
        ({"meta.a.b": None}, [3, 4]),
        ({"species": "100000000000"}, []),
        ({"subject_id": 10**12}, []),
        ({"unknown": 1}, [1, 2, 3, 4]),
        ({}, [1, 2, 3, 4]),
    ]
    for condition, expected in cases:
        assert ids(S & condition) == expected, condition
        rest = [] if not condition or "unknown" in condition else None
        if rest is not None:
            assert ids(S - condition) == rest
    for condition in [{"tag": "nope"}, {"subject_id": "x"}, {"born": 5}]:
        with pytest.raises(dj.DataJointError):
            S & condition


def test_text(lab):
    S = lab.Subject
    assert ids(S & "weight > 20 and sex = 'F'") == [2]
    assert ids(S & "species like 'm%'") == [1, 2]
    assert ids(S & "species = 'it''s'") == [4]
    assert ids(S & "weight IS NULL") == [3, 4]
    assert ids(S & "born > '2024-01-15'") == [2]
    assert ids(S - "weight > 21") == [1]
    with pytest.raises(UnknownAttributeError) as caught:
        S & "wieght > 2"
    assert "weight" in caught.value.hint
    with pytest.raises(dj.DataJointError):
        len(S & "weight >")


def test_hostile_text_stays_text(lab):
    S = lab.Subject
    for evil in ["x'; DROP TABLE subject; --", '"', "`", "%s", "?", "\\", "' OR 1=1 --", "é😀"]:
        assert ids(S & {"species": evil}) == [] and ids(S & [{"species": evil}]) == []
        assert evil not in (S & {"species": evil}).make_sql() or evil in '"?`'
    with pytest.raises(dj.DataJointError):
        (S & "subject_id = 1) OR (subject_id = 2").to_dicts()
    with pytest.raises(dj.DataJointError):
        (S & "1=1; DELETE FROM x").to_dicts()
    assert len(S) == 4


def test_hostile_names_stay_names(lab):
    rows = lab.Subject & "subject_id = 1"
    for name in ['a"b', "a'; --", "a`b", "é ü", "select", "a.b", "a?b", "%s"]:
        renamed = rows.proj(**{name: "weight"})
        assert renamed.fetch1() == {"subject_id": 1, name: 20.0}
        if "." not in name:  # which would lead into a document
            assert (renamed & {name: 20.0}).fetch1(name) == 20.0
        assert renamed.to_dicts(order_by="KEY", limit=1) == renamed.to_dicts()
        assert rows.proj(**{name: "weight * 2"}).fetch1(name) == 40.0
        assert (renamed * lab.Session).to_arrays(name).tolist() == [20.0, 20.0]
    for name in ["", "_hidden", "a\nb"]:
        with pytest.raises(dj.DataJointError):
            rows.proj(**{name: "weight"})


def test_lists_and_logic(lab):
    S = lab.Subject
    one, rat = {"subject_id": 1}, "species = 'rat'"
    assert ids(S & [one, rat]) == ids(S & (one, rat)) == ids(S & (c for c in (one, rat))) == [1, 3]
    assert ids(S & {rat}) == [3]
    assert ids(S & dj.AndList([one, rat])) == [] and ids(S & dj.AndList()) == [1, 2, 3, 4]
    assert ids(S & dj.AndList([one, [one, rat]])) == [1]
    assert ids(S & dj.Not(one)) == ids(S - one) == [2, 3, 4]
    assert ids(S & dj.Not(dj.Not(one))) == [1]
    assert ids(S & []) == [] and ids(S - []) == [1, 2, 3, 4]
    assert ids(S & True) == [1, 2, 3, 4] and ids(S & False) == [] and ids(S - False) == [1, 2, 3, 4]
    everything = dj.AndList([one])
    everything.append(dj.AndList([rat]))
    assert list(everything) == [one, rat]
    for wrong in [
        None,
        5,
        1.5,
        np.True_,
        np.arange(3),
        object(),
        [dj.Top()],
        dj.Not(dj.Top()),
        b"x",
        [[None]],
    ]:
        with pytest.raises(dj.DataJointError):
            S & wrong
    with pytest.raises(TypeError):
        -dj.Not(one)


def test_records_and_frames(lab):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    pa = pytest.importorskip("pyarrow")
    S = lab.Subject
    records = np.array([(1, 7.0), (3, 8.0)], dtype=[("subject_id", "i4"), ("other", "f8")])
    assert ids(S & records) == [1, 3] and ids(S & records[1]) == [3]
    rows = {"subject_id": [2, 3]}
    assert ids(S & pd.DataFrame(rows)) == ids(S & pl.DataFrame(rows)) == ids(S & pa.table(rows)) == [2, 3]
    assert ids(S & pd.DataFrame(rows).set_index("subject_id")) == [2, 3]
    assert ids(S & pd.DataFrame({"sex": ["F", None]})) == [2, 3, 4]
    assert ids(S & pd.DataFrame({"born": pd.to_datetime(["2024-01-01"])})) == [1]
    assert ids(S & pd.DataFrame({"subject_id": []})) == []
    with pytest.raises(dj.DataJointError):
        S & pd.Series([1, 2])


def test_expressions_as_conditions(lab):
    S, T = lab.Subject, lab.Session
    assert ids(S & T) == ids(S & T()) == ids(S & [T]) == [1, 3] and ids(S - T) == [2, 4]
    assert ids(S & (T & "length > 7")) == [1]
    assert ids(S & dj.Not(T)) == [2, 4]
    assert ids(S & (S & "weight > 21").proj()) == [2]
    assert ids(S & lab.Note) == []
    # Without shared attributes it is a question whether there are rows, asked when the query runs.
    rows = S & T.proj(a="subject_id", b="session")
    assert ids(rows) == [1, 2, 3, 4]
    T.delete(prompt=False)
    assert ids(rows) == []


def test_semantic_matching(lab):
    S = lab.Subject
    with pytest.raises(dj.DataJointError, match="species"):
        S & S
    with pytest.raises(dj.DataJointError, match="lineage"):
        S * S
    assert ids(S.restrict((S & "species='rat'").proj("species"), semantic_check=False)) == [3]
    assert ids(S.join(S.proj("species"), semantic_check=False)) == [1, 2, 3, 4]
    for refused in (lambda: S ^ "x", lambda: S @ S, lambda: S() ^ "x", lambda: S() @ S):
        with pytest.raises(dj.DataJointError, match="removed"):
            refused()


def test_two_connections_do_not_mix(lab, tmp_path):
    other = dj.Instance(path=tmp_path / "other")

    class Thing(dj.Manual):
        definition = "subject_id : int32"

    other.Schema("lab")(Thing)
    for refused in (lambda: lab.Subject * Thing, lambda: lab.Subject & Thing, lambda: lab.Subject & [dj.Not(Thing)],
                    lambda: lab.Subject.aggr(Thing, n="count(*)"), lambda: lab.Note.proj() + Thing):  # fmt: skip
        with pytest.raises(dj.DataJointError, match="different"):
            refused()
    other.connection.close()


def test_projection(lab):
    S = lab.Subject
    one = S & {"subject_id": 1}
    assert one.proj().to_dicts() == [{"subject_id": 1}]
    assert list(one.proj("weight", "sex").fetch1()) == ["subject_id", "sex", "weight"]
    assert one.proj(..., "-meta", "- tag").heading.names == [
        "subject_id",
        "species",
        "sex",
        "weight",
        "born",
        "price",
    ]
    assert one.proj(w="weight").fetch1() == {"subject_id": 1, "w": 20.0}
    assert one.proj(subject="subject_id").heading.primary_key == ["subject"]
    assert one.proj(double="weight * 2").fetch1("double") == 40.0
    assert one.proj(k="(weight)", j="(weight)").fetch1("k", "j") == (20.0, 20.0)
    assert one.proj(b="meta.a.b").fetch1("b") in (1, "1")
    assert one.proj(n="NULL").fetch1("n") is None
    assert (one.proj(double="weight * 2") & "double > 39").fetch1("double") == 40.0
    for wrong in (lambda: S.proj("nope"), lambda: S.proj(k="nope"), lambda: S.proj("-subject_id"), lambda: S.proj(5),
                  lambda: S.proj(k=5), lambda: S.proj(..., weight="weight * 2"), lambda: S.proj(sex="weight", species="sex", weight="sex", x="y")):  # fmt: skip
        with pytest.raises(dj.DataJointError):
            wrong()


def test_joins(lab):
    S, T = lab.Subject, lab.Session
    assert (S * T).heading.names[:3] == ["subject_id", "session", "length"]
    assert len(S * T) == 3 and (S * T).heading.primary_key == ["subject_id", "session"]
    assert len(S.proj() * dj.FreeTable(T.connection, "lab.session").proj(a="subject_id", b="session")) == 12
    extended = T.extend(lab.Note)
    assert len(extended) == 3 and set(extended.to_arrays("note")) == {None}
    with pytest.raises(dj.DataJointError, match="Left join"):
        S.extend(T)
    assert len(S.join(T, left=True, allow_nullable_pk=True)) == 5
    # A condition on the right side does not lose rows of the left one.
    assert len(T.extend(S.proj("weight") & "weight > 100")) == 3
    for wrong in (5, "x", dj.U("a"), None):
        with pytest.raises(dj.DataJointError):
            S * wrong
    with pytest.raises(AttributeError):
        (S * T).insert1({})


def test_aggregation(lab):
    S, T = lab.Subject, lab.Session
    counts = S.aggr(T, n="count(session)", total="sum(length)")
    assert counts.to_dicts(order_by="KEY") == [
        {"subject_id": 1, "n": 2, "total": 40.0},
        {"subject_id": 2, "n": 0, "total": None},
        {"subject_id": 3, "n": 1, "total": 5.0},
        {"subject_id": 4, "n": 0, "total": None},
    ]
    assert ids(S.aggr(T, n="count(*)", exclude_nonmatching=True)) == [1, 3]
    assert ids(counts & "n > 1") == ids(counts & {"n": 2}) == [1]
    assert S.aggregate(T, ..., n="count(session)").heading.names[-1] == "n"
    assert ids(S & (counts & "n = 0")) == [2, 4]
    assert len(S.aggr(T & "length > 1000", n="count(session)")) == 4
    with pytest.raises(dj.DataJointError, match="session"):
        T.aggr(S, n="count(*)")
    with pytest.raises(dj.DataJointError):
        S.aggr(5, n="count(*)")
    with pytest.raises(dj.DataJointError):
        S.proj(n="count(*)")


def test_universal_set(lab):
    S = lab.Subject
    assert (dj.U("species") & S).to_dicts(order_by="KEY") == [
        {"species": s} for s in ("it's", "mouse", "rat")
    ]
    assert len(dj.U("sex") & S) == 3 and (dj.U("sex") & S).primary_key == ["sex"]
    by = {row["species"]: row["n"] for row in dj.U("species").aggr(S, n="count(*)")}
    assert by == {"mouse": 2, "rat": 1, "it's": 1}
    assert dj.U().aggr(S, n="count(*)", m="max(weight)").fetch1() == {"n": 4, "m": 22.5}
    assert len(dj.U().aggr(S & False, n="count(*)")) == 1
    assert ids(S & dj.U("species")) == [1, 2, 3, 4] and ids(S - dj.U()) == []
    assert dj.U("a", "b").primary_key == ["a", "b"]
    for wrong in (lambda: dj.U("a") - S, lambda: dj.U("a") * S, lambda: S * dj.U("a"), lambda: dj.U("nope") & S,
                  lambda: dj.U() & S, lambda: dj.U("sex") & 5, lambda: dj.U("nope").aggr(S, n="count(*)"),
                  lambda: dj.U("sex").aggr(S, exclude_nonmatching=False, n="count(*)")):  # fmt: skip
        with pytest.raises(dj.DataJointError):
            wrong()


def test_union(lab):
    S, T = lab.Subject, lab.Session
    keys = (S & "subject_id < 3").proj() + (S & "subject_id > 1").proj()
    assert ids(keys) == [1, 2, 3, 4] and len(keys) == 4
    lab.Note.insert1((1, "first"))
    both = (S & "subject_id = 2").proj("weight") + lab.Note
    assert sorted(both.to_dicts(), key=str) == [
        {"subject_id": 1, "weight": None, "note": "first"},
        {"subject_id": 2, "weight": 22.5, "note": None},
    ]
    assert ids(S & keys) == [1, 2, 3, 4]
    assert (keys & dj.Top(2)).to_dicts() == [{"subject_id": 1}, {"subject_id": 2}]
    for wrong in (lambda: S + T, lambda: S + S, lambda: S + 5):
        with pytest.raises(dj.DataJointError):
            wrong()


def test_top(lab):
    S = lab.Subject
    first = S & dj.Top(2, order_by="weight desc")
    assert [row["subject_id"] for row in first] == [2, 1]
    assert len(first) == 2 and bool(first)
    assert ids(S & dj.Top()) == [1]
    assert ids(S & dj.Top(None, offset=2)) == [3, 4]
    assert ids((S & dj.Top(3)) & "species = 'rat'") == [3] and ids((S & dj.Top(2)) & "species = 'rat'") == []
    assert ids(S & dj.Top(2) & dj.Top(3, order_by=None, offset=1)) == [2]
    assert len((S & dj.Top(1)) * lab.Session) == 2
    assert not bool(S & dj.Top(0))
    assert [r["subject_id"] for r in S & dj.Top(4, order_by=["species", "KEY desc"])] == [4, 2, 1, 3]
    for wrong in [{"limit": "x"}, {"limit": 1.5}, {"order_by": 5}, {"offset": "x"}, {"order_by": [1]}]:
        with pytest.raises(TypeError):
            dj.Top(**wrong)
    with pytest.raises(dj.DataJointError):
        S & dj.Top(order_by="nope")
    with pytest.raises(dj.DataJointError):
        S - dj.Top()


def test_classes_stand_for_their_rows(lab):
    S, T = lab.Subject, lab.Session
    assert len(S) == 4 and bool(S) and not bool(lab.Note)
    assert {"subject_id": 1} in S and {"subject_id": 9} not in S
    assert [row["subject_id"] for row in S] == [1, 2, 3, 4]
    assert ids(S.restrict("subject_id = 1")) == [1] and len(S.aggregate(T, n="count(*)")) == 4
    assert S.heading.primary_key == S.primary_key == ["subject_id"]
    assert len(S.extend(lab.Note)) == 4 and len(S.join(T)) == 3
    assert isinstance(-S, dj.Not) and len(S.proj() + S.proj()) == 4
    assert S.connection is S().connection


def test_restrict_in_place(lab):
    rows = lab.Subject()
    assert rows.restrict_in_place("subject_id > 1") is rows
    rows.restrict_in_place({"species": "rat"})
    assert ids(rows) == [3] and len(lab.Subject) == 4
    joined = lab.Subject * lab.Session
    joined.restrict_in_place("session = 2")
    assert len(joined) == 1


def test_a_condition_that_names_nothing_deletes_nothing(lab):
    lab.Session.delete(prompt=False)
    for rows in (
        lab.Subject & {"subjct_id": 1},
        lab.Subject & [{"x": 1}, {"subject_id": 1}],
        lab.Subject.proj() & {"weight": 1},
    ):
        with pytest.raises(dj.DataJointError, match="restricts nothing"):
            rows.delete(prompt=False)
    assert len(lab.Subject) == 4
    assert (lab.Subject & {"subject_id": 1, "other": 5}).delete(prompt=False) == 1


def test_expressions_do_not_change(lab):
    S = lab.Subject()
    before = S.make_sql()
    _ = S & "subject_id = 1", S.proj(), S * lab.Session, S & dj.Top(1)
    assert S.make_sql() == before
    sql = (S & {"species": "rat"}).make_sql()
    values = sql.parameters
    assert values == ["rat"] and "rat" not in sql


def test_errors_of_the_database_are_ours(lab):
    with pytest.raises(QueryError):
        (lab.Subject & "weight > nosuchfunction(3)").to_dicts()
