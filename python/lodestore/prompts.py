"""Questions to the user."""

import builtins
import sys
import types

from . import _lodestore


def ask(question, choices, default=None):
    """The user's choice, asked for until it is one of `choices`; nothing typed means `default`, if there is one.

    Raises `DataJointError` if there is nobody to ask.
    """
    shown = ", ".join(choice.title() if choice == default else choice for choice in choices)
    while True:
        if not somebody_is_there():
            raise _nobody(question)
        try:
            answer = input(f"{question} [{shown}]: ").strip().lower()
        except EOFError:
            raise _nobody(question) from None
        answer = answer or default
        if answer in choices:
            return answer


def agreed(losses, question):
    """Shows what would be lost and asks whether to go on; no is the default.

    `losses` are tuples of a table, and how many rows, objects and bytes it loses. Raises
    `DataJointError` if there is nobody to ask.
    """
    print(table_of(losses))
    return ask(question, ["yes", "no"], "no") == "yes"


def somebody_is_there():
    """True on a terminal, and where a program such as Jupyter asks in its own way.

    Whatever waits in a pipe was written before the question was known: it is no answer.
    """
    if not isinstance(builtins.input, types.BuiltinFunctionType):
        return True
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:
        # It is closed.
        return False


def table_of(losses):
    """The losses as lines of text."""
    width = max((len(loss[0]) for loss in losses), default=0)
    lines = []
    for table, rows, objects, size in losses:
        line = f"{table:<{width}}  {_counted(rows, 'row')}"
        if objects:
            line += f", {_counted(objects, 'object')} ({_bytes(size)})"
        lines.append(line)
    return "\n".join(lines)


def _nobody(question):
    return _lodestore.error(
        "invalid-request",
        f"there is nobody to answer: {question}",
        "nothing was changed; give `prompt=False`, or set `dj.config['safemode'] = False`",
    )


def _counted(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _bytes(size):
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.{1 if size < 100 and units[0] != 'B' else 0}f} {units[0]}"
