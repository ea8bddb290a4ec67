"""The order that `Top` sets: it stays with the rows, and limits without an order of their own follow it."""

import random
from itertools import islice

import pytest

import lodestore as dj


@pytest.fixture
def tables(schema):
    """Two tables with many ties, and one whose attributes are called like words of SQL."""

    @schema
    class Trial(dj.Manual):
        definition = (
            "id : int32\n---\na : int32\nb=null : int32\nname : varchar(9)\nsex : enum('z', 'm', 'a')"
        )

    @schema
    class Event(dj.Manual):
        definition = "-> Trial\nn : int32\n---\nc=null : int32"

    @schema
    class Word(dj.Manual):
        definition = (
            "id : int32\n---\ndesc : int32\nasc : int32\norder : int32\nselect : int32\nlimit : int32"
        )

    chance = random.Random(7)
    Trial.insert(
        {
            "id": id,
            "a": chance.randrange(4),
            "b": chance.choice([None, 1, 2, 3]),
            "name": f"n{chance.randrange(5)}",
            "sex": chance.choice("zma"),
        }
        for id in range(20)
    )
    Event.insert(
        {"id": id, "n": n, "c": chance.choice([None, 5, 6, 7])} for id in range(0, 20, 2) for n in range(3)
    )
    Word.insert(
        {"id": id, "desc": -id, "asc": id % 2, "order": 9 - id, "select": id % 3, "limit": -id}
        for id in range(6)
    )
    return Trial, Event, Word


def ids(rows):
    return [row["id"] for row in rows]


def test_every_way_to_fetch_follows_the_order_of_the_query(tables):
    trial = tables[0]
    wanted = sorted(trial.to_dicts(), key=lambda row: (-row["a"], row["id"]))[:10]
    first = [row["id"] for row in wanted[:5]]
    top = trial & dj.Top(10, "a desc")
    assert ids(top.to_dicts()) == ids(wanted)
    assert ids(top.to_dicts(limit=5)) == first
    assert ids(top.keys(limit=5)) == first
    assert ids(top.keys(limit=5, offset=2)) == ids(wanted[2:7])
    assert list(top.to_arrays("id", limit=5)) == first
    assert [row["id"] for row in top.to_arrays(limit=5)] == first
    keys, a = top.to_arrays("a", include_key=True, limit=5)
    assert ids(keys) == first and list(a) == [row["a"] for row in wanted[:5]]
    assert list(top.to_arrays("name", limit=5, offset=5)) == [row["name"] for row in wanted[5:]]
    assert list(top.to_arrays("name", order_by="b desc", limit=3)) == [
        row["name"] for row in sorted(wanted, key=lambda row: -(row["b"] or -9))[:3]
    ]
    with pytest.warns(DeprecationWarning):
        assert list(top.fetch("id", limit=5)) == first
        assert ids(top.fetch("KEY", limit=5)) == first
        assert ids(top.fetch(limit=5, as_dict=True)) == first
        assert ids(top.fetch("a", limit=5, as_dict=True)) == first
    assert list(top.to_pandas(limit=5).index) == first
    assert top.to_polars(limit=5)["id"].to_list() == first
    assert top.to_arrow(limit=5)["id"].to_pylist() == first
    assert ids(islice(top, 5)) == first
    assert [row[0] for row in islice(top.cursor(), 5)] == first
    assert ids(top.head(5)) == first
    assert ids(top.tail(3)) == ids(wanted[-3:])
    assert ids(trial.head(3)) == [0, 1, 2] and ids(trial.tail(3)) == [17, 18, 19]
    assert ids((trial & "a = 1").tail(2)) == ids((trial & "a = 1").to_dicts(order_by="KEY"))[-2:]


def test_a_preview_shows_the_first_rows_of_the_query(project, tables):
    trial = tables[0]
    project.config["display.limit"] = 4
    top = trial & dj.Top(10, "a desc")
    first = [str(id) for id in ids(top.to_dicts()[:4])]
    assert [line.split()[0] for line in top.preview().splitlines()[2:6]] == first
    html = [
        line.split("</td>")[0].split("<td>")[1] for line in top._repr_html_().splitlines() if "<td>" in line
    ]
    assert html == first
    shown = [line.split()[0] for line in top.proj("name").preview().splitlines()[2:6]]
    assert shown == first


def test_an_order_stays_behind_operators(tables):
    trial, event, _ = tables
    top = trial & dj.Top(10, "a desc")
    wanted = top.to_dicts()
    assert ids((top & "b is not null").to_dicts()) == [row["id"] for row in wanted if row["b"] is not None]
    assert ids((top - {"sex": "z"}).keys(limit=3)) == [row["id"] for row in wanted if row["sex"] != "z"][:3]
    assert ids(top.proj().to_dicts()) == ids(wanted)
    assert ids(top.proj(a="b").to_dicts(limit=4)) == ids(wanted[:4])
    assert [row["k"] for row in top.proj(k="id", id2="a + 1").to_dicts(limit=4)] == ids(wanted[:4])
    rows = (top * event).to_dicts(limit=7)
    assert [(row["id"], row["n"]) for row in rows] == [
        (row["id"], n) for row in wanted if row["id"] % 2 == 0 for n in range(3)
    ][:7]
    assert ids(top.aggr(event, n="count(n)").to_dicts(limit=4)) == ids(wanted[:4])
    assert ids(top.aggr(event & dj.Top(9, "c"), s="sum(c)").to_dicts()) == ids(wanted)
    assert ids(top.extend(trial.proj(other="name")).to_dicts(limit=4)) == ids(wanted[:4])
    assert (
        list((dj.U("a") & top).to_arrays("a", limit=2))
        == sorted({row["a"] for row in wanted}, reverse=True)[:2]
    )
    assert [row["a"] for row in dj.U("a").aggr(top, n="count(*)").to_dicts()] == sorted(
        {row["a"] for row in wanted}, reverse=True
    )
    # An order without a limit is one as well.
    ordered = trial & dj.Top(None, "b desc, name")
    assert ids(ordered & "a > 1") == [row["id"] for row in ordered.to_dicts() if row["a"] > 1]
    assert len(ordered & "a > 1") == len(trial & "a > 1")
    # Inside a condition only the choice of rows matters.
    assert set(ids((event & top).to_dicts())) == {id for id in ids(wanted) if id % 2 == 0}
    # A computed value sees the rows there are.
    assert max((top.proj(place="row_number() over (order by id)")).to_arrays("place")) == 10


def test_terms_may_be_called_like_words_of_sql(tables):
    word = tables[2]
    rows = word.to_dicts()

    def sorted_ids(*terms):
        return ids(sorted(rows, key=lambda row: [row[name] * sign for name, sign in terms] + [row["id"]]))

    cases = {
        "id desc": [("id", -1)],
        "desc": [("desc", 1)],
        "desc desc": [("desc", -1)],
        "DESC desc": None,
        "asc": [("asc", 1)],
        "asc desc, id DESC": [("asc", -1), ("id", -1)],
        "order": [("order", 1)],
        "select desc, limit": [("select", -1), ("limit", 1)],
        "`desc` asc": [("desc", 1)],
        "limit ASC nulls last": [("limit", 1)],
        "asc, KEY desc": [("asc", 1), ("id", -1)],
        "abs(id - 3) desc": None,
    }
    for term, wanted in cases.items():
        if wanted:
            assert ids(word.to_dicts(order_by=term)) == sorted_ids(*wanted), term
            assert ids((word & dj.Top(4, term)).to_dicts()) == sorted_ids(*wanted)[:4], term
    assert ids(word.to_dicts(order_by="abs(id - 3) desc")) == [0, 1, 5, 2, 4, 3]
    assert ids(word.to_dicts(order_by=["select", "`order` desc"])) == sorted_ids(("select", 1), ("order", -1))
    with pytest.raises(dj.DataJointError, match="nosuch"):
        word & dj.Top(1, "nosuch desc")


def test_missing_values_come_where_they_are_asked_for(tables):
    trial = tables[0]
    missing = {row["id"] for row in trial if row["b"] is None}
    for term, last in [("b", False), ("b desc", True), ("b nulls last", True), ("b desc nulls first", False)]:
        found = ids(trial.to_dicts(order_by=term))
        assert set(found[-len(missing) :] if last else found[: len(missing)]) == missing, term


class Model:
    """Rows in memory, each with what it is sorted by."""

    def __init__(self, names, key, rows, places=None):
        self.names, self.key, self.rows = names, key, rows
        self.places = places or [()] * len(rows)

    def pairs(self):
        return list(zip(self.rows, self.places, strict=True))

    def of(self, pairs, names=None, key=None):
        rows, places = [row for row, _ in pairs], [place for _, place in pairs]
        return Model(names or self.names, key or self.key, rows, places)

    def top(self, term, limit, offset):
        name, descending = term or (None, False)

        def place(row, old):
            new = () if name is None else (sortable(row[name], descending),)
            return (*new, *old, *(sortable(row[part], False) for part in self.key))

        pairs = sorted(((row, place(row, old)) for row, old in self.pairs()), key=lambda pair: pair[1])
        return self.of(pairs[offset : None if limit is None else offset + limit])

    def last(self, limit):
        return self.of(self.top(None, None, 0).pairs()[::-1][:limit][::-1])


def sortable(value, descending):
    """Missing values are the smallest."""
    number = -100 if value is None else value
    return -number if descending else number


def check(query, model):
    """The rows are those of the model, in an order that the model allows."""
    rows = query.to_dicts()
    by_row = {}
    for row, place in model.pairs():
        by_row.setdefault(tuple(row[name] for name in model.names), []).append(place)
    found = [by_row.get(tuple(row[name] for name in model.names), [None]).pop() for row in rows]
    assert None not in found and len(found) == len(model.rows)
    assert found == sorted(found)
    assert len(query) == len(model.rows)
    limited = model.top(None, 3, 1)
    assert query.to_dicts(limit=3, offset=1) == [
        {n: row[n] for n in query.heading.names} for row in limited.rows
    ]
    name = model.names[-1]
    assert list(query.to_arrays(name, limit=3, offset=1)) == [row[name] for row in limited.rows]
    assert ids(query.tail(2)) == [row["id"] for row in model.last(2).rows]


@pytest.mark.parametrize("seed", range(40))
def test_random_trees_agree_with_a_model(tables, seed):
    trial, event, _ = tables
    chance = random.Random(seed)
    pool = []
    for table, names in ((trial, ["id", "a", "b"]), (event, ["id", "n", "c"])):
        query = table.proj(*names)
        pool.append((query, Model(names, query.primary_key, query.to_dicts())))
    for step in range(7):
        query, model = chance.choice(pool)
        kind = chance.choice(
            ["top", "top", "keep", "restrict", "project", "join", "semijoin", "union", "compute"]
        )
        if kind == "top":
            term = (chance.choice(model.names), chance.random() < 0.5)
            limit, offset = chance.choice([None, 3, 8, 15]), chance.choice([0, 0, 2])
            query &= dj.Top(limit, term[0] + (" desc" if term[1] else ""), offset)
            model = model.top(term, limit, offset)
        elif kind == "keep":
            limit, offset = chance.choice([3, 8, 15]), chance.choice([0, 0, 2])
            query &= dj.Top(limit, None, offset)
            model = model.top(None, limit, offset)
        elif kind == "restrict":
            name, least = chance.choice(model.names), chance.randrange(8)
            query &= f"{name} >= {least}"
            model = model.of([p for p in model.pairs() if p[0][name] is not None and p[0][name] >= least])
        elif kind == "project":
            kept = [name for name in model.names if name in model.key or chance.random() < 0.5]
            query = query.proj(*(name for name in kept if name not in model.key))
            model = model.of(model.pairs(), kept)
        elif kind == "compute":
            new, old = f"x{step}", chance.choice(model.names)
            query = query.proj(..., **{new: f"{old} * -1"})
            pairs = [
                ({**row, new: None if row[old] is None else -row[old]}, place) for row, place in model.pairs()
            ]
            model = model.of(pairs, [*model.names, new])
        else:
            other, others = chance.choice(pool)
            if kind == "semijoin":
                others = {row["id"] for row in others.rows}
                query &= other.proj() if set(other.primary_key) == {"id"} else dj.U("id") & other
                model = model.of([pair for pair in model.pairs() if pair[0]["id"] in others])
            elif kind == "union":
                if model.key != others.key:
                    continue
                query, other = query.proj(), other.proj()
                both = {tuple(row[name] for name in model.key) for row in [*model.rows, *others.rows]}
                rows = [dict(zip(model.key, values, strict=True)) for values in both]
                query, model = query + other, Model(model.key, model.key, rows)
            else:
                shared = (set(model.names) & set(others.names)) - {"id", "n"}
                if shared:
                    continue
                both = [name for name in ("id", "n") if name in model.names and name in others.names]
                pairs = [
                    ({**left, **right}, (place, other_place))
                    for left, place in model.pairs()
                    for right, other_place in others.pairs()
                    if all(left[name] == right[name] for name in both)
                ]
                query = query * other
                sides = [(*left, *right) for _, (left, right) in pairs]
                rows = [row for row, _ in pairs]
                model = Model(query.heading.names, query.primary_key, rows, sides)
        check(query, model)
        pool.append((query, model))
