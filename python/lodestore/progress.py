"""How far a long insert is, on the standard error stream."""

import sys
import time

#: The line is written anew at most so often, in seconds.
_PERIOD = 0.1


class Progress:
    """A line that tells how many rows are done, written anew as they go in."""

    def __init__(self, title, total=None, stream=None):
        self._title, self._total = title, total
        self._stream = stream or sys.stderr
        self._began = time.monotonic()
        self._told = None

    def __call__(self, rows):
        now = time.monotonic()
        if self._told is None or now - self._told >= _PERIOD:
            self._told = now
            self._write(rows)

    def finish(self, rows):
        """The last line, with how long it took."""
        self._write(rows, end=f" in {time.monotonic() - self._began:.1f} s\n")

    def _write(self, rows, end=""):
        total = "" if self._total is None else f" of {self._total:,}"
        self._stream.write(f"\r{self._title}: {rows:,}{total} rows{end}")
        self._stream.flush()
