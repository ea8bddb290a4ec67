"""Tables that fill themselves: `populate` calls `make` for each key that is missing."""

from . import _lodestore
from .condition import AndList
from .expression import Expression, QueryExpression
from .logs import logger
from .making import Maker, current, message_of
from .progress import KeyProgress


class AutoPopulate:
    """What Imported and Computed tables share."""

    def make(self, key):
        """Computes and inserts the rows of one key. Every such class writes its own.

        It runs in a transaction, which locks nothing before its first insert. A computation that must
        not be in a transaction at all is written in three parts: as `make_fetch(self, key)`, which gives
        a tuple, `make_compute(self, key, *fetched)`, which gives another, and
        `make_insert(self, key, *computed)`; or as a `make` that yields what it has fetched, computes,
        yields again, and inserts. In the transaction it is fetched again, and must be the same.
        """
        raise _lodestore.error(
            "unsupported",
            f"class `{type(self).__name__}` has no `make`",
            "write `def make(self, key)`, which computes the row of one key and inserts it",
        )

    @property
    def key_source(self):
        """The keys to compute: the join of the parents in the primary key.

        A class may have one of its own: a table or a query whose key attributes are attributes of this
        table.
        """
        return Expression(self.connection, self._table.key_source())

    @property
    def jobs(self):
        """The queue of this table, a `Job`; made if it is not there."""
        from .jobs import Job

        return Job(self)

    @property
    def upstream(self):
        """Inside `make`: what the key depends on, as `Diagram.trace` gives it.

        ``self.upstream[Session]`` are the rows of `Session` that the key comes from.
        """
        making = current(type(self))
        if making is None:
            raise _lodestore.error(
                "invalid-request",
                "`upstream` is only available inside make()",
                "elsewhere use `dj.Diagram.trace(table & key)`",
            )
        if making.upstream is None:
            from .trace import of_key

            making.upstream = of_key(self, making.key)
        return making.upstream

    def populate(
        self,
        *restrictions,
        suppress_errors=False,
        return_exception_objects=False,
        reserve_jobs=False,
        max_calls=None,
        display_progress=False,
        processes=1,
        make_kwargs=None,
        priority=None,
        refresh=None,
        order="original",
        limit=None,
        executor=None,
    ):
        """Calls `make` for each key of `key_source` that the table lacks.

        Each call is a transaction of its own: what it inserts goes in whole or not at all.

        - `restrictions`: conditions on the keys;
        - `suppress_errors`: go on after an error, and report it; Ctrl-C and `SystemExit` stop all the same;
        - `return_exception_objects`: report exceptions instead of their messages;
        - `reserve_jobs`: take the keys from the table's queue (see `jobs`), so that other processes, here or
          elsewhere, can work on other keys at the same time;
        - `priority`: with jobs, only those of this priority and more urgent ones (smaller numbers);
        - `refresh`: with jobs, whether to bring the queue up to date first, by default as the setting
          ``jobs.auto_refresh`` says;
        - `max_calls` (or `limit`): stop after so many calls;
        - `order`: ``"original"``, ``"reverse"`` or ``"random"``; jobs go by their priority;
        - `display_progress`: tell on the standard error stream how far it is, and how long it will take;
        - `processes`: how many processes work, None for one per core. A script must begin its work under
          ``if __name__ == "__main__":``; a class that is not at the top level of a module, as in a notebook, needs a
          system that can fork;
        - `executor`: what runs the calls instead: any `concurrent.futures.Executor`, a client of Dask's, or
          the module `ray`;
        - `make_kwargs`: further arguments for `make`, or for `make_fetch`.

        Gives ``{"success_count": n, "error_list": [(key, message), ...]}``. Raises what `make` raises, unless
        errors are suppressed; `DataJointError` inside a transaction or another `make`.
        """
        if current() is not None:
            raise _lodestore.error(
                "invalid-request",
                "populate cannot be called inside `make`",
                "populate the tables one after the other, parents first",
            )
        if order not in ("original", "reverse", "random"):
            raise _lodestore.error(
                "invalid-value",
                f"`order` cannot be {order!r}",
                'it is "original", "reverse" or "random"',
            )
        given = [count for count in (max_calls, limit) if count is not None]
        if any(count < 0 for count in given):
            raise _lodestore.error("invalid-value", f"`max_calls` cannot be {min(given)}")
        source, chosen = self._sources(restrictions)
        options = {
            "suppress_errors": bool(suppress_errors),
            "max_calls": min(given, default=None),
            "order": order,
            "reserve_jobs": bool(reserve_jobs),
            "priority": priority,
            "refresh": refresh,
        }
        bar = KeyProgress(self.full_table_name) if display_progress else None
        if executor is not None or processes != 1:
            from .parallel import populate

            made, errors = populate(self, source, chosen, options, make_kwargs, processes, executor, bar)
        else:
            made, errors = populate_here(self, source, chosen, options, Maker(self, make_kwargs, bar))
        if bar is not None:
            bar.finish()
        for key, error in errors:
            logger.error(f"Error making {key} -> {self.full_table_name} - {message_of(error)}")
        told = [(key, error if return_exception_objects else message_of(error)) for key, error in errors]
        return {"success_count": made, "error_list": told}

    def progress(self, *restrictions, display=False):
        """How many keys are yet to compute, and how many there are in all.

        With `display` a line tells it, too. Takes the restrictions of `populate`.
        """
        _, chosen = self._sources(restrictions)
        remaining, total = _lodestore.progress(self._table, chosen._query)
        if display:
            done = total - remaining
            share = 100 * done / total if total else 100.0
            logger.info(f"{type(self).__name__:20s} Completed {done} of {total} ({share:.1f}%)")
        return remaining, total

    def _sources(self, restrictions):
        """All keys to compute, and those that satisfy the restrictions."""
        if self._restricted is not None:
            raise _lodestore.error(
                "invalid-request",
                "Cannot call populate on a restricted table",
                "give the restriction to `populate`",
            )
        source = self.key_source
        if isinstance(source, type) and issubclass(source, QueryExpression):
            source = source()
        if not isinstance(source, QueryExpression):
            raise _lodestore.error(
                "invalid-request",
                f"the key source of `{type(self).__name__}` is a {type(source).__name__}",
                "let `key_source` be a table or a query",
            )
        return source, source & AndList(restrictions) if restrictions else source

    def _check_insert(self, allow_direct_insert):
        if allow_direct_insert:
            return
        making = current(type(self))
        if making is None:
            raise _lodestore.error(
                "invalid-request",
                f"Inserts into auto-populated `{type(self).__name__}` can only be done inside its make method during a populate call",
                "call `populate`, or insert with `allow_direct_insert=True`",
            )
        if not making.inserts:
            raise _lodestore.error(
                "invalid-request",
                f"`{type(self).__name__}` inserts before its last part, outside of the transaction",
                "insert in `make_insert`, or behind the second `yield`",
            )


def populate_here(table, source, chosen, options, maker):
    """Populates on this thread; gives the number of successes, and keys with their exceptions."""
    made, _, errors = _lodestore.populate_table(
        table._table,
        source._query,
        chosen._query,
        maker,
        maker.verifies,
        options["suppress_errors"],
        options["max_calls"],
        options["order"],
        options["reserve_jobs"],
        options["priority"],
        options["refresh"],
        maker.is_watched,
    )
    return made, errors
