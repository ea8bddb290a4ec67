"""Timing in turns, and tables."""

import statistics
import time


def in_turns(*functions, rounds=5):
    """The median seconds of each function, called in turns so that all meet the same machine."""
    taken = [[] for _ in functions]
    for _ in range(rounds):
        for function, times in zip(functions, taken, strict=True):
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in taken]


def table(header, rows):
    """Prints rows of text under a header, columns aligned."""
    rows = [header, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )
