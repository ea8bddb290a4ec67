"""Conditions as SQL text, for programs that build SQL of their own from them."""

import datetime
import decimal
import numbers
import re
import uuid
from collections.abc import Mapping

from . import _lodestore
from .condition import AndList, Not

#: Texts in single or double quotes, which hold no names.
_TEXT = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
#: A name, perhaps in backticks, that is not a function's.
_NAME = re.compile(r"`([^`]+)`|\b([a-zA-Z_]\w*)\b(?!\s*\()")
_WORDS = frozenset(
    [
        "and",
        "or",
        "not",
        "in",
        "is",
        "null",
        "like",
        "between",
        "regexp",
        "rlike",
        "true",
        "false",
        "interval",
        "as",
        "div",
        "mod",
        "xor",
    ]
)


def make_condition(query_expression, condition, columns, semantic_check=True):
    """Returns a condition as text that restricts `query_expression`, or as a bool if it holds for all rows or for none.

    Adds the names of the attributes that it uses to the set `columns`.

    Raises `DataJointError` for what text cannot say, such as another query.
    """
    heading = query_expression.heading
    if isinstance(condition, Not):
        made = make_condition(query_expression, condition.restriction, columns, semantic_check)
        return not made if isinstance(made, bool) else f"NOT ({made})"
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, str):
        columns.update(name for name in extract_column_names(condition) if name in heading.names)
        return condition.strip()
    if isinstance(condition, Mapping):
        paths = [name for name in condition if "." in name and name.split(".")[0] in heading.names]
        if paths:
            raise _no_text(f"the path `{paths[0]}` in a JSON attribute")
        known = {name: value for name, value in condition.items() if name in heading.names}
        columns.update(known)
        return _joined(
            [_equal(query_expression, name, value) for name, value in known.items()], " AND ", True
        )
    if isinstance(condition, (list, tuple, set, frozenset)):
        made = [make_condition(query_expression, item, columns, semantic_check) for item in condition]
        every = isinstance(condition, AndList)
        return _joined(made, " AND " if every else " OR ", every)
    raise _no_text(f"a condition of class `{type(condition).__name__}`")


def extract_column_names(sql_expression):
    """Returns the set of names in SQL text that could be attributes: neither keywords nor functions."""
    found = (quoted or plain for quoted, plain in _NAME.findall(_TEXT.sub(" ", sql_expression)))
    return {name for name in found if name.lower() not in _WORDS}


def assert_join_compatibility(expr1, expr2, semantic_check=True):
    """Raises `DataJointError` if two queries cannot be joined."""
    expr1.join(expr2, semantic_check=semantic_check)


def _joined(parts, word, every):
    """Returns parts with a word between them; `every` tells which bool decides nothing."""
    if (not every) in [part for part in parts if isinstance(part, bool)]:
        return not every
    texts = [part for part in parts if not isinstance(part, bool)]
    return word.join(f"({text})" for text in texts) if texts else every


def _equal(query, name, value):
    if value is None:
        return f"`{name}` IS NULL"
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"`{name}` IN ({', '.join(_literal(query, item) for item in value)})" if value else False
    return f"`{name}` = {_literal(query, value)}"


def _literal(query, value):
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, uuid.UUID):
        return f"X'{value.hex}'" if query.connection.adapter.backend == "mysql" else f"'{value}'"
    if isinstance(value, (numbers.Real, decimal.Decimal)):
        return repr(value) if isinstance(value, (int, float)) else str(value)
    if isinstance(value, (str, datetime.date, datetime.time)):
        return "'" + str(value).replace("'", "''") + "'"
    raise _no_text(f"a value of class `{type(value).__name__}`")


def _no_text(what):
    return _lodestore.error(
        "invalid-condition",
        f"{what} cannot be written as SQL text",
        "restrict by it directly: `table & condition`",
    )
