"""Whatever a value or a name holds, the statement keeps its shape."""

import re
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lodestore as dj

EVIL = [
    'x\'; DROP TABLE "lab.subject"; --',
    '"; DELETE FROM "lab.subject"; --',
    "' OR '1'='1",
    "`",
    '"',
    "''",
    "\\",
    "\\'",
    "%s",
    "%(x)s",
    "?",
    "?1",
    ":name",
    "$1",
    "{0}",
    ";",
    "--",
    "/* */",
    "é😀\u202e",
    "NULL",
    "a\nb\tc",
]


@pytest.fixture
def subject(schema):
    @schema
    class Subject(dj.Manual):
        definition = """
        subject : varchar(60)
        ---
        note = null : varchar(60)
        meta = null : json
        """

    Subject.insert({"subject": text, "note": text, "meta": {"k": text, "all": [text]}} for text in EVIL)
    return Subject


def shapes(table, value):
    """The statements that take a value, in each way to restrict by one."""
    conditions = {
        "mapping": {"subject": value},
        "two": {"subject": value, "note": value},
        "list": [{"subject": value}, {"subject": "other"}],
        "mixed": [{"subject": value}, {"note": None}],
        "values": {"subject": [value, "other"]},
        "path": {"meta.k": value},
        "wildcard": {"meta.all[*]": value},
        "not": dj.Not({"note": value}),
        "all": dj.AndList([{"subject": value}, {"note": value}]),
    }
    return {name: (table & condition).make_sql() for name, condition in conditions.items()}


def test_hostile_values_come_back(database, subject):
    plain = {name: str(sql) for name, sql in shapes(subject, "plain").items()}
    for text in EVIL:
        found = shapes(subject, text)
        assert {name: str(sql) for name, sql in found.items()} == plain, text
        assert all(text in sql.parameters for sql in found.values())
        for condition in (
            {"subject": text},
            [{"subject": text}, {"subject": "no"}],
            {"subject": [text]},
            {"meta.k": text},
            {"meta.all[*]": text},
        ):
            assert (subject & condition).fetch1("note") == text, condition
        assert len(subject - {"note": text}) == len(EVIL) - 1
        assert {"subject": text} in subject()
        literal = text.replace("'", "''")
        assert (subject & f"note = '{literal}'").fetch1("subject") == text
        assert (subject & {"subject": text}).proj(same=f"note = '{literal}'").fetch1("same") == 1
        assert (dj.U("note") & (subject & {"note": text})).to_dicts() == [{"note": text}]
    assert len(subject & [{"subject": text} for text in EVIL] * 100) == len(EVIL)
    many = [{"subject": text, "note": text} for text in EVIL] * 100
    assert len(subject & many) == len(EVIL) and len(subject - many) == 0
    # Where the database takes a long list as one value, or as one for each column.
    if database.name in {"sqlite", "postgresql"}:
        assert len((subject & many).make_sql().parameters) <= 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=60))
def test_a_value_never_changes_the_shape_of_a_statement(subject, value):
    plain = {name: str(sql) for name, sql in shapes(subject, "plain").items()}
    assert {name: str(sql) for name, sql in shapes(subject, value).items()} == plain
    assert len(subject & {"subject": value}) == (value in EVIL)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.one_of(
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False),
        st.booleans(),
        st.binary(max_size=9),
        st.dates(),
        st.datetimes(),
        st.decimals(allow_nan=False),
        st.uuids(),
        st.text(string.printable, max_size=9),
    )
)
def test_a_value_of_any_type_is_bound_or_refused(subject, value):
    try:
        statements = shapes(subject, value)
    except dj.DataJointError:
        return
    # The only literals are the paths and the words that belong to them.
    words = {"$.k", "$.all", "true", "false", "integer", "object", "array"}
    words |= {"null", "INTEGER", "DOUBLE", "$", "$[*]", "$.all[*]"}
    words |= {"k", "null", "{}", 'strict $."all"[*]'}
    for sql in statements.values():
        assert set(re.findall("'([^']*)'", sql)) <= words and not re.search(r"\bX'", sql)


@pytest.mark.parametrize("name", ['a"b', "a'; --", "a`b", "é ü", "select", "a?b", "%s", "?1", "x;y", "a\\b"])
def test_hostile_names_stay_names(subject, name):
    rows = subject & {"subject": EVIL[0]}
    renamed = rows.proj(**{name: "note"})
    assert renamed.fetch1() == {"subject": EVIL[0], name: EVIL[0]}
    assert (renamed & {name: EVIL[0]}).fetch1(name) == EVIL[0]
    assert (renamed & [{name: EVIL[0]}, {name: "x"}]).fetch1(name) == EVIL[0]
    assert (dj.U(name) & renamed).to_dicts() == [{name: EVIL[0]}]
    assert dj.U(name).aggr(renamed, n="count(*)").fetch1("n") == 1
    assert rows.aggr(subject.proj(), **{name: "count(*)"}).fetch1(name) == 1
    assert list(renamed.to_pandas().columns) == [name] and renamed.to_arrow().column_names[1] == name
    assert name in renamed.preview(width=40) and "<script>" not in renamed._repr_html_()
    assert len(subject) == len(EVIL)


def test_previews_escape_names_and_values(schema):
    @schema
    class Page(dj.Manual):
        definition = """
        # <script>alert(1)</script>
        page : int32  # <img src=x onerror=alert(2)>
        ---
        body : varchar(80)
        """

    Page.insert1((1, "<script>alert('3')</script>"))
    html = Page.proj(..., **{"<b>": "body"})._repr_html_() + Page()._repr_html_()
    assert "<script" not in html and "<img" not in html and "<b>" not in html and "&lt;script&gt;" in html
