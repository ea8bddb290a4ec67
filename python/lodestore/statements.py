"""SQL that the user writes: placeholders in, a cursor out."""

import re

from .fetching import Cursor

_MARK = re.compile(r"%(?:(%)|(s)|\((\w+)\)s)")


def run(core, sql, args=(), as_dict=False):
    """Sends one statement to the core's database; gives a `Cursor` of what it answers.

    ``%s`` stands for the values of `args` in turn, ``%(name)s`` for those of a dict, ``%%`` for ``%``.
    Raises `TypeError` if values and places for them do not match.
    """
    text, values = bind(core, sql, args)
    names, rows, count = core.statement(text, values)
    found = (dict(zip(names, row, strict=True)) for row in rows) if as_dict else iter(rows)
    return Cursor(names, (row for row in found), count)


def bind(core, sql, args=()):
    """The statement with the database's own placeholders, and the values for them in order."""
    by_name = isinstance(args, dict)
    given = None if by_name else iter(args if args is not None else ())
    values = []

    def place(found):
        percent, _, name = found.groups()
        if percent:
            return "%"
        if (name is not None) != by_name:
            raise TypeError("`%s` takes its values from a sequence, `%(name)s` from a dict")
        try:
            values.append(args[name] if by_name else next(given))
        except StopIteration:
            raise TypeError(
                "not enough arguments: the statement has more places (`%s`) than values"
            ) from None
        return core.placeholder(len(values))

    text = _MARK.sub(place, sql)
    if given is not None and next(given, given) is not given:
        raise TypeError("not all arguments have a place (`%s`) in the statement")
    return text, values
