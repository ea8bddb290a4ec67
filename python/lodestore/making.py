"""What a `make` does on its thread: in one part inside a transaction, or in three of which the last is."""

import inspect
import threading
import traceback

from . import _lodestore
from .fingerprint import fingerprint
from .logs import logger

_local = threading.local()


class Making:
    """One call of a `make`: whose it is, for which key, and whether its rows may go in."""

    def __init__(self, table, key):
        self.table, self.key = table, key
        self.inserts = False
        #: What `upstream` gave, for the next time.
        self.upstream = None

    def __enter__(self):
        _local.stack = (*getattr(_local, "stack", ()), self)
        return self

    def __exit__(self, *_):
        _local.stack = _local.stack[:-1]


def current(cls=None):
    """The innermost call of a `make` on this thread, of a class if one is given; or None."""
    for making in reversed(getattr(_local, "stack", ())):
        if cls is None or type(making.table) is cls:
            return making
    return None


class Maker:
    """Has a table's `make` compute one key after the other, as the core's populate asks for it.

    `make(self, key)` runs in a transaction. A `make` that is a generator, or the methods `make_fetch`,
    `make_compute` and `make_insert`, run in three parts: what they fetch and compute comes before the
    transaction; in it, what they fetch is fetched again and must be the same, and rows are inserted.
    """

    def __init__(self, table, make_kwargs=None, tell=None, goes_on=None, gives_back=False):
        self._table = table
        self._options = dict(make_kwargs or {})
        self._tell = tell
        self._goes_on = goes_on
        #: True if a job that the user interrupts is no error, but waits for others.
        self._gives_back = gives_back
        self._making = None
        cls = type(table)
        # A method of this name in older programs comes before `make`.
        self._make = getattr(table, "_make_tuples", None) or table.make
        own = getattr(cls, "_make_tuples", None) is not None or cls.make is not _inherited_make()
        parts = all(hasattr(cls, name) for name in ("make_fetch", "make_compute", "make_insert"))
        if own:
            self._parts = _OfGenerator if inspect.isgeneratorfunction(self._make) else None
        else:
            self._parts = _OfMethods if parts else None
        self.verifies = self._parts is not None
        self.is_watched = tell is not None

    def prepare(self, key):
        """Fetches and computes, where that comes before the transaction."""
        logger.jobs(f"Making {key} -> {self._table.full_table_name}")
        self._making = Making(self._table, dict(key))
        if self._parts is None:
            return None
        with self._making:
            return self._parts(self._table, self._make, key, self._options)

    def store(self, key, parts):
        """Inserts, in the transaction."""
        with self._making as making:
            if parts is None:
                making.inserts = True
                if inspect.isgenerator(self._make(dict(key), **self._options)):
                    raise _lodestore.error(
                        "invalid-request",
                        f"`make` of `{type(self._table).__name__}` gave a generator that nobody runs",
                        "write it as `def make(self, key)` with `yield` in it, without a wrapper",
                    )
                return
            parts.verify()
            making.inserts = True
            parts.insert()

    def fault(self, error):
        """What to note of a failed job: message and stack; None to give it back."""
        if self._gives_back and isinstance(error, KeyboardInterrupt):
            return None
        return message_of(error), "".join(traceback.format_exception(error))

    def told(self, made, failed, skipped, total):
        """Hears how far it is."""
        if self._tell is not None:
            self._tell(made, failed, skipped, total)

    def goes_on(self):
        """True if a further key may be begun."""
        return self._goes_on is None or self._goes_on()


def message_of(error):
    """The class of an error, and what it says."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class _OfMethods:
    """A computation by `make_fetch`, `make_compute` and `make_insert`."""

    def __init__(self, table, _make, key, options):
        self._table, self._key, self._options = table, key, options
        data = self._fetch()
        self._fingerprint = fingerprint(data, type(table).__name__)
        self._result = _tuple(table, "make_compute", table.make_compute(dict(key), *data))

    def _fetch(self):
        data = self._table.make_fetch(dict(self._key), **self._options)
        return _tuple(self._table, "make_fetch", data)

    def verify(self):
        if fingerprint(self._fetch(), type(self._table).__name__) != self._fingerprint:
            raise _changed(self._table)

    def insert(self):
        self._table.make_insert(dict(self._key), *self._result)


class _OfGenerator:
    """A computation by a `make` that yields twice: behind what it fetches, and behind what it computes.

    It goes on where it is, so that what it has computed need not pass through `yield`. What it yields
    first is what it has fetched; a second run, which goes no further, tells whether that still holds.
    """

    def __init__(self, table, make, key, options):
        self._table = table
        self._begin = lambda: make(dict(key), **options)
        self._run = self._begin()
        self._fingerprint = fingerprint(self._step(self._run), type(table).__name__)
        self._step(self._run)

    def _step(self, run):
        try:
            return next(run)
        except StopIteration:
            raise _lodestore.error(
                "invalid-request",
                f"`make` of `{type(self._table).__name__}` ended before its second `yield`",
                "yield twice: behind what it fetches, and behind what it computes; then insert",
            ) from None

    def verify(self):
        again = self._begin()
        try:
            same = fingerprint(self._step(again), type(self._table).__name__) == self._fingerprint
        finally:
            again.close()
        if not same:
            raise _changed(self._table)

    def insert(self):
        for _ in self._run:
            # One more `yield` may stand at the end.
            self._run.close()


def _tuple(table, method, value):
    if value is None or not hasattr(value, "__iter__"):
        found = "None" if value is None else f"a {type(value).__name__}"
        raise _lodestore.error(
            "invalid-type",
            f"`{method}` of `{type(table).__name__}` gave {found} instead of a tuple",
            "return a tuple of what the next part takes, `()` if it takes nothing",
        )
    return tuple(value)


def _changed(table):
    return _lodestore.error(
        "invalid-request",
        f"what `{type(table).__name__}` was computed from has changed meanwhile",
        "nothing was inserted: populate again",
    )


def _inherited_make():
    from .autopopulate import AutoPopulate

    return AutoPopulate.make
