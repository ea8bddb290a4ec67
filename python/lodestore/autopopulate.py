"""Tables that fill themselves: `populate` calls `make` for each key that is missing."""

import threading

from . import _lodestore
from .expression import Expression, Not, QueryExpression
from .logs import logger

#: The classes whose `make` runs on this thread.
_making = threading.local()


class AutoPopulate:
    """What Imported and Computed tables share."""

    def make(self, key):
        """Computes and inserts the row of one key. Every such class writes its own."""
        raise _lodestore.error(
            "invalid-request",
            f"class `{type(self).__name__}` has no `make`",
            "write `def make(self, key)`, which computes the row of one key and inserts it",
        )

    @property
    def key_source(self):
        """The keys to compute: the join of the parents in the primary key."""
        return Expression(self.connection, self._table.key_source())

    def populate(self, *restrictions, suppress_errors=False, max_calls=None, make_kwargs=None):
        """Calls `make` for each key of `key_source` that the table lacks.

        Each call is a transaction of its own: what it inserts goes in whole or not at all.

        - `restrictions`: conditions on the keys;
        - `suppress_errors`: go on after an error, and report it;
        - `max_calls`: stop after so many calls;
        - `make_kwargs`: further arguments for `make`.

        Gives ``{"success_count": n, "error_list": [(key, message), ...]}``. Raises what `make`
        raises, unless errors are suppressed; `DataJointError` inside a transaction.
        """
        source = self.key_source
        if isinstance(source, type) and issubclass(source, QueryExpression):
            source = source()
        for restriction in restrictions:
            source = source & restriction
        if self._restricted is not None:
            raise _lodestore.error(
                "invalid-request",
                "a restricted table cannot be populated",
                "give the restriction to `populate`",
            )

        def make(key):
            outer = getattr(_making, "classes", ())
            _making.classes = (*outer, type(self))
            try:
                self.make(key, **(make_kwargs or {}))
            finally:
                _making.classes = outer

        done, errors = self._table.populate(source._query, make, suppress_errors, max_calls)
        for key, message in errors:
            logger.error(f"Error making {key} -> {self.full_table_name} - {message}")
        return {"success_count": done, "error_list": errors}

    def progress(self, *restrictions):
        """How many keys are yet to compute, and how many there are in all."""
        source = self.key_source
        for restriction in restrictions:
            source = source & restriction
        source = source.proj()
        remaining = source.restrict(Not(self.proj()))
        return len(remaining), len(source)

    def _check_insert(self, allow_direct_insert):
        if not allow_direct_insert and type(self) not in getattr(_making, "classes", ()):
            raise _lodestore.error(
                "invalid-request",
                f"rows of `{type(self).__name__}` are inserted by its `make`",
                "call `populate`, or insert with `allow_direct_insert=True`",
            )
