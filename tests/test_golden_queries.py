"""The queries recorded from the peer, typed as printed there.

Headings and rows agree with what was recorded on one of its servers, or with the advice where an
entry has one; departures are listed with their reasons.
"""

import datetime
import json
import uuid
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj

pd = pytest.importorskip("pandas")

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "crates/lodestore-sql/tests/golden/queries.json").read_text(encoding="utf-8")
)

#: Entries in which we do otherwise, and why.
DEPARTURES = {
    "restrict-dict-030": "a list of values means one of them",
    "restrict-str-024": "comments are removed",
    "restrict-logic-009": "the negation of a conjunction negates all of it, not its first condition",
    "restrict-more-025": "a condition cannot break out of its parentheses",
    "class-level-010": "classes answer `make_sql` as their rows do",
}

#: Such entries on one database.
DEPARTURES_OF = {
    "sqlite": {
        "proj-restrict-034": "SQLite rounds 0.25 to 0.3, the recorded server to 0.2",
    },
    "mariadb": {},
    "mysql": {},
    "postgresql": {
        "proj-restrict-034": "a number of fixed point is rounded away from zero, as MySQL does with such",
        "restrict-more-031": "PostgreSQL compares no text with a number",
    },
}

#: Entries that the advice says to mend, and an expression that gives the right result already.
MENDED = {
    "restrict-dict-037": "Doc & 'doc_id = 1'",
    "restrict-query-035": "Subject",
    "proj-039": "Subject.proj(k='case when subject_id in (1, 3, 5) then 1 else 0 end')",
    "universal-031": "Species",
    "union-018": "Subject & 'subject_id < 3'",
    "top-022": "(Subject & 'subject_id < 3') * Session & dj.Top(10)",
    "top-026": "bool(Subject & False)",
    "top-more-001": "Subject & 'subject_id = 2'",
    "top-more-006": "(Subject & 'subject_id < 3') * Session",
    "top-more-007": "Session * (Subject & 'subject_id < 3')",
    "top-more-012": "bool(Subject & False)",
    "left-join-restricted-001": "Session.extend(Scan.proj(n_frames='case when n_frames > 150 then n_frames end'))",
    "left-join-restricted-002": "Session.extend(Scan.proj(n_frames='case when n_frames > 150 then n_frames end'))",
    "left-join-restricted-004": "Session.extend(Scan.proj(nf='case when n_frames > 150 then n_frames end'))",
    "left-join-restricted-005": "Session.extend(Scan.proj(nf='case when n_frames > 150 then n_frames end'))",
    "left-join-restricted-006": "Session.extend(Experimenter.proj("
    "full_name=\"case when experimenter = 'ann' then full_name end\", "
    "email=\"case when experimenter = 'ann' then email end\"))",
    "left-join-restricted-008": "len(Session())",
    "proj-restrict-029": "Subject.proj(p=\"note like '50%%'\")",
    "restrict-more-021": "Subject & 'subject_id = 5'",
    "restrict-more-022": "Subject",
    "restrict-more-030": "Subject & 'subject_id = 4'",
    "restrict-more-031": "Subject & 'subject_id = 1'",
    "class-level-001": "len(Subject())",
    "class-level-003": "bool(Empty())",
    "class-level-004": "{'subject_id': 1} in Subject()",
    "class-level-006": "Subject & 'subject_id = 1'",
    "class-level-007": "Subject.aggr(Session, n='count(*)')",
    "extra-002": "Experimenter * (Subject.proj() + Badge.proj()).proj()",
    "extra-024": "Subject & Session",
    "extra2-001": "dj.U('sex').aggr(Subject, m='max(weight * 2)')",
    "extra2-002": "dj.U().aggr(Subject, m='max(weight * 2)')",
    "extra2-004": "dj.U('sex').aggr(Subject, m='max(weight)')",
}


@pytest.fixture(scope="module")
def names(tmp_path_factory, database):
    """The recorded tables with their rows, and whatever else the expressions mention."""
    instance = database.open(tmp_path_factory.mktemp("golden"))
    schema = instance.Schema("gold")
    names = {
        "dj": dj,
        "np": np,
        "pd": pd,
        "datetime": datetime,
        "date": datetime.date,
        "time": datetime.time,
        "Decimal": Decimal,
        "uuid": uuid,
        "UUID": uuid.UUID,
    }
    for table in GOLDEN["schema"]["tables"]:
        base = getattr(dj, table["tier"])
        parts = {
            part["class"]: type(part["class"], (dj.Part,), {"definition": part["definition"]})
            for part in table.get("parts", ())
        }
        cls = type(table["class"], (base,), {"definition": table["definition"], **parts})
        schema(cls, context=names)
        names[table["class"]] = cls
        insert(cls, table["rows"])
        for part in table.get("parts", ()):
            insert(parts[part["class"]], part["rows"])
    yield names
    instance.connection.close()
    database.clean()


def insert(cls, rows):
    cls.insert(
        [{name: native(value) for name, value in row.items()} for row in rows], allow_direct_insert=True
    )


def native(value):
    """The Python object of a tagged value; documents keep what is tagged inside."""
    if isinstance(value, list):
        return [native(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$bytes": digits}:
            return bytes.fromhex(digits)
        case {"$date": text}:
            return datetime.date.fromisoformat(text)
        case {"$datetime": text}:
            return datetime.datetime.fromisoformat(text)
        case {"$decimal": text}:
            return Decimal(text)
        case {"$uuid": text}:
            return uuid.UUID(text)
        case {"$ndarray": items, "dtype": dtype}:
            return np.array(items, dtype)
        case {"$tuple": items}:
            return tuple(native(item) for item in items)
    return {name: native(item) for name, item in value.items()}


def canonical(value):
    """A text by which values compare: numbers by value, moments by their digits.

    A full table name is written as SQLite has it, to which a schema is but the beginning of a name.
    """
    if isinstance(value, (bool, int, float, Decimal, np.bool_, np.integer, np.floating)):
        return repr(float(value))
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    if isinstance(value, str):
        value = value.replace('"gold"."', '"gold.')
        try:
            return datetime.datetime.fromisoformat(value).isoformat(" ") if len(value) > 10 else value
        except ValueError:
            return value
    if isinstance(value, np.ndarray):
        return canonical(value.tolist())
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(canonical, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{name}: {canonical(item)}' for name, item in value.items()))}}}"
    return str(value)


def evaluate(text, names):
    """What an expression comes to: heading and rows, a plain value, or the error."""
    try:
        outcome = eval(text, dict(names))
        if isinstance(outcome, type) and issubclass(outcome, dj.Table):
            outcome = outcome()
        if not hasattr(outcome, "to_dicts"):
            return {"value": outcome}
        rows = outcome.to_dicts()
        assert len(outcome) == len(rows) and bool(outcome) == bool(rows), text
        attributes = outcome.heading.attributes.values()
        heading = [[attribute.name, attribute.in_key] for attribute in attributes]
        assert all(list(row) == [name for name, _ in heading] for row in rows), text
        return {"heading": heading, "rows": [list(row.values()) for row in rows]}
    except (dj.DataJointError, TypeError, AttributeError, ValueError) as error:
        return {"error": type(error).__name__}


def difference(found, expected, ordered):
    """Why an outcome is not the expected one; None if it is."""
    if "error" in expected or "error" in found:
        return None if "error" in expected and "error" in found else f"{found}, not {expected}"
    if "value" in expected:
        if "value" not in found:
            return f"{found}, not the value {expected['value']}"
        values = [found["value"], native(expected["value"])]
        if not ordered:
            values = [
                sorted(map(canonical, value)) if isinstance(value, (list, tuple)) else value
                for value in values
            ]
        return None if canonical(values[0]) == canonical(values[1]) else f"{values[0]}, not {values[1]}"
    if "rows" not in found:
        return f"{found}, not rows"
    if "heading" in expected and found["heading"] != expected["heading"]:
        return f"heading {found['heading']}, not {expected['heading']}"
    rows = [[canonical(value) for value in row] for row in found["rows"]]
    wanted = [[canonical(native(value)) for value in row] for row in expected["rows"]]
    if not ordered:
        rows, wanted = sorted(rows), sorted(wanted)
    return None if rows == wanted else f"rows {rows}, not {wanted}"


def expectations(entry):
    """The results that are right for an entry: one of them is enough."""
    advice = entry.get("advice", {})
    for what in ("rows", "value", "error"):
        if f"expected_{what}" in advice:
            return [{what: advice[f"expected_{what}"]}]
    recorded = entry.get("results") or {"both": entry["result"]}
    if advice.get("expected_from") in recorded:
        return [recorded[advice["expected_from"]]]
    return list(recorded.values())


@pytest.mark.filterwarnings("ignore:`fetch` is deprecated")
def test_golden_queries(names, database):
    wrong, kinds = [], Counter()
    departures = DEPARTURES | DEPARTURES_OF[database.name]
    for entry in GOLDEN["queries"]:
        name, text = entry["id"], entry["expr"]
        found = evaluate(text, names)
        if isinstance(found.get("value"), dj.U):
            found["value"] = {"$U": found["value"].primary_key}
        if isinstance(found.get("value"), dj.Not):
            found["value"] = {"$repr": "Not"}
        if name in MENDED:
            same = evaluate(MENDED[name], names)
            reasons = [
                difference(found, {**same, "value": same["value"]} if "value" in same else same, False)
            ]
        else:
            ordered = entry.get("ordered", False)
            reasons = [difference(found, expected, ordered) for expected in expectations(entry)]
        agrees = None in reasons
        if agrees == (name in departures):
            why = "agrees, though it is listed as a departure" if agrees else reasons[0]
            wrong.append(f"{name}: {text}\n    {why}")
        kinds["departs" if name in departures else next(iter(found))] += 1
    assert not wrong, f"{len(wrong)} of {sum(kinds.values())} do not agree:\n" + "\n".join(wrong)
    assert sum(kinds.values()) == 700 and kinds["error"] < 200
