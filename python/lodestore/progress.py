"""How far a long task is, on the standard error stream."""

import sys
import time

#: The line is written anew at most so often, in seconds.
_PERIOD = 0.1


class Progress:
    """A line that tells how many rows are done, written anew as it goes on."""

    def __init__(self, title, total=None, stream=None):
        self._title, self._total = title, total
        self._stream = stream or sys.stderr
        self._began = time.monotonic()
        self._told = None
        self._rows = 0

    def __call__(self, rows, total=None):
        self._rows, self._total = rows, self._total if total is None else total
        now = time.monotonic()
        if self._told is None or now - self._told >= _PERIOD:
            self._told = now
            self._write(rows)

    def finish(self, rows=None):
        """The last line, with how long it took."""
        self._write(self._rows if rows is None else rows, end=f" in {time.monotonic() - self._began:.1f} s\n")

    def _write(self, rows, end=""):
        total = "" if self._total is None else f" of {self._total:,}"
        self._stream.write(f"\r{self._title}: {rows:,}{total} rows{end}")
        self._stream.flush()


class KeyProgress:
    """A line that tells how many keys are done, how fast, and how long the others will take."""

    def __init__(self, title, stream=None):
        self._title = title
        self._stream = stream or sys.stderr
        self._began = time.monotonic()
        self._told = None
        self._last = (0, 0, 0, None)

    def __call__(self, made, failed, skipped, total):
        self._last = (made, failed, skipped, total)
        now = time.monotonic()
        if self._told is None or now - self._told >= _PERIOD:
            self._told = now
            self._write()

    def finish(self):
        """The last line."""
        self._write(end=f" in {_duration(time.monotonic() - self._began)}\n", remaining=False)

    def _write(self, end="", remaining=True):
        made, failed, skipped, total = self._last
        done = made + failed + skipped
        parts = [f"{done:,}" if total is None else f"{done:,} of {max(total, done):,}"]
        parts[0] += " keys"
        if failed:
            parts.append(f"{failed:,} failed")
        seconds = time.monotonic() - self._began
        if done and seconds > 0:
            rate = done / seconds
            parts.append(f"{rate:,.1f} /s" if rate >= 0.1 else f"{60 * rate:,.1f} /min")
            if remaining and total is not None:
                parts.append(f"{_duration(max(total - done, 0) / rate)} left")
        # What a longer line has left behind is wiped out.
        self._stream.write(f"\r{self._title}: {', '.join(parts)}{end or '   '}")
        self._stream.flush()


def _duration(seconds):
    """So many seconds, for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
