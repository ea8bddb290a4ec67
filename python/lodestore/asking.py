"""Asking the user before something is lost."""

import builtins
import sys
import types

from . import _lodestore


def agreed(losses, question):
    """Shows what would be lost and asks for a yes.

    `losses` are tuples of a table, and how many rows, objects and bytes it loses. Raises
    `DataJointError` if nobody is there to answer.
    """
    print(table_of(losses))
    return answer(question) == "yes"


def answer(question):
    """The answer to a question: ``"yes"`` or ``"no"``; no if it is empty."""
    if not somebody_is_there():
        raise _lodestore.error(
            "invalid-request",
            f"there is nobody to answer the question: {question}",
            "nothing was changed; say `prompt=False`, or set `dj.config.safemode = False`",
        )
    while True:
        try:
            text = input(f"{question} [yes, No]: ").strip().lower()
        except EOFError:
            return "no"
        if text in ("yes", "no", ""):
            return text or "no"
        print("Please answer with yes or no.")


def somebody_is_there():
    """True on a terminal, and where a program such as Jupyter asks in its own way."""
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


def _counted(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _bytes(size):
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.{1 if size < 100 and units[0] != 'B' else 0}f} {units[0]}"
