"""Many processes, or whatever else runs functions, making keys at the same time."""

import collections
import concurrent.futures
import multiprocessing
import os
import pickle
import sys
import types
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from . import _lodestore
from .making import Maker, message_of
from .settings import config

#: So many keys for each worker are handed out ahead of what is done.
_AHEAD = 4

#: How often the one that waits looks how far the others are, in seconds.
_PERIOD = 0.2


def populate(table, source, chosen, options, make_kwargs, processes, executor, bar):
    """Populates by an executor, or by processes; gives the number of successes, and keys with their exceptions."""
    if executor is not None:
        work = _Keys(table, source, chosen, options, make_kwargs, bar)
        return work.run(executor_of(executor), None)
    count = processes or os.cpu_count() or 1
    if count < 0:
        raise _lodestore.error("invalid-value", f"`processes` cannot be {processes}")
    with _class_to_send(type(table)) as (cls, method):
        return _by_processes(table, cls, method, source, chosen, options, make_kwargs, count, bar)


def _by_processes(table, cls, method, source, chosen, options, make_kwargs, count, bar):
    if not options["reserve_jobs"]:
        work = _Keys(table, source, chosen, options, make_kwargs, bar, cls)
        count = min(count, max(len(work.keys), 1))
        with _Processes(count, method) as pool:
            return work.run(pool, count)
    jobs = table.jobs
    wants = options["refresh"]
    if table.connection.config["jobs.auto_refresh"] if wants is None else wants:
        jobs._core.refresh(source._query, chosen._query, 0.0, None, None, None)
    with _Processes(count, method, options["max_calls"]) as pool:
        return _by_jobs(table, cls, chosen, options, make_kwargs, pool, count, bar)


class _Processes(concurrent.futures.ProcessPoolExecutor):
    """Processes with the settings of this one, fresh (by ``spawn``) or copies of it (by ``fork``). They heed a flag to stop,
    a number of calls, and tell how far they are.
    """

    def __init__(self, count, method, max_calls=None):
        context = multiprocessing.get_context(method)
        self.stop = context.Event()
        self.tally = context.Array("q", 3)
        budget = None if max_calls is None else context.Semaphore(max_calls)
        shared = (_settings(), self.stop, self.tally, budget)
        super().__init__(count, mp_context=context, initializer=_adopt, initargs=shared)

    def __exit__(self, kind, value, trace):
        if kind is not None:
            # Those at work finish the key that they have, and no more.
            self.stop.set()
            self.shutdown(wait=True, cancel_futures=True)
        return super().__exit__(kind, value, trace)


#: In a process of a pool: the flag to stop, the tally, and the calls that are left.
_stop = _tally = _budget = None


def _settings():
    """The process-wide settings, if there are any by now."""
    if config._loaded is None:
        return None
    keys = _lodestore.Config.keys()
    return {key: config._core.get(key) for key in [*keys, "stores"] if key != "ignore_config_file"}


def _adopt(settings, stop, tally, budget):
    """Makes a fresh process like the one that started it."""
    global _stop, _tally, _budget
    _stop, _tally, _budget = stop, tally, budget
    for name, value in (settings or {}).items():
        if config._core.get(name) != value:
            config._core.set(name, value)


def _goes_on():
    return not _stop.is_set() and (_budget is None or _budget.acquire(block=False))


def _by_jobs(table, cls, chosen, options, make_kwargs, pool, count, bar):
    """Has each process empty the queue, until nothing is left."""
    restrictions = None if chosen is None else _as_keys(table, chosen)
    arguments = (cls, table.connection.place, restrictions, options, make_kwargs)
    total = None
    if bar is not None:
        total = len(table.jobs.pending)
    made, errors = 0, []
    waiting = {pool.submit(_empty_queue, *arguments) for _ in range(count)}
    failure = None
    while waiting:
        done, waiting = concurrent.futures.wait(
            waiting, timeout=_PERIOD, return_when=concurrent.futures.FIRST_COMPLETED
        )
        if bar is not None:
            bar(*pool.tally[:], total)
        for future in done:
            try:
                more, failed, raised = future.result()
            except BrokenProcessPool as error:
                raise _broken() from error
            made += more
            errors += failed
            if raised is not None:
                failure = failure or raised
                pool.stop.set()
    if failure is not None:
        raise failure
    return made, errors


def _as_keys(table, chosen):
    """What chooses among the jobs, in a form that another process understands: the keys, or None for all."""
    source = table._sources(())[0]
    if source._query.sql() == chosen._query.sql():
        return None
    return chosen.keys()


def _empty_queue(cls, place, keys, options, make_kwargs):
    """In a process of a pool: takes jobs until none is left."""
    from .autopopulate import populate_here

    table = _here(cls, place)
    source = table._sources(())[0]
    chosen = source if keys is None else source & keys

    def tell(made, failed, skipped, _):
        with _tally.get_lock():
            for index, now in enumerate((made, failed, skipped)):
                _tally[index] += now - told[index]
                told[index] = now

    told = [0, 0, 0]
    maker = Maker(table, make_kwargs, tell, _goes_on)
    maker.is_watched = False
    options = {**options, "max_calls": None, "refresh": False}
    try:
        made, errors = populate_here(table, source, chosen, options, maker)
    except BaseException as error:
        return told[0], [], _sendable(error)
    return made, [(key, _sendable(error)) for key, error in errors], None


class _Keys:
    """The keys to make, handed to an executor one by one."""

    def __init__(self, table, source, chosen, options, make_kwargs, bar, cls=None):
        self._cls = cls or type(table)
        self._table, self._source, self._chosen = table, source, chosen
        self._options, self._make_kwargs, self._bar = options, make_kwargs, bar
        self._reserve = options["reserve_jobs"]
        self.keys = self._jobs() if self._reserve else self._missing()

    def _missing(self):
        most, order = self._options["max_calls"], self._options["order"]
        keys = _lodestore.missing_keys(
            self._table._table, self._chosen._query, most if order == "original" else None
        )
        if order == "reverse":
            keys.reverse()
        elif order == "random":
            import random

            random.shuffle(keys)
        return keys[:most]

    def _jobs(self):
        jobs, wants = self._table.jobs, self._options["refresh"]
        if self._table.connection.config["jobs.auto_refresh"] if wants is None else wants:
            jobs._core.refresh(self._source._query, self._chosen._query, 0.0, None, None, None)
        pending = jobs.pending & self._chosen.proj() if len(jobs.primary_key) else jobs.pending
        if self._options["priority"] is not None:
            pending = pending & f"priority <= {int(self._options['priority'])}"
        from .condition import Top

        ordered = pending & Top(limit=self._options["max_calls"], order_by=["priority", "scheduled_time"])
        return ordered.proj().to_dicts()

    def run(self, executor, workers):
        """Makes all keys; gives the number of successes, and keys with their exceptions."""
        cls, place = self._cls, self._table.connection.place
        ahead = _AHEAD * (workers or getattr(executor, "_max_workers", None) or 64)
        keys = iter(self.keys)
        running = collections.deque()
        made, errors, skipped = 0, [], 0
        try:
            while True:
                for key in keys:
                    running.append(
                        (key, executor.submit(make_key, cls, place, key, self._make_kwargs, self._reserve))
                    )
                    if len(running) >= ahead:
                        break
                if not running:
                    return made, errors
                key, future = running.popleft()
                try:
                    is_made, error = future.result()
                except BrokenProcessPool as error:
                    raise _broken() from error
                if error is not None:
                    if not self._options["suppress_errors"] or not isinstance(error, Exception):
                        raise error
                    errors.append((key, error))
                else:
                    made, skipped = made + is_made, skipped + (not is_made)
                if self._bar is not None:
                    self._bar(made, len(errors), skipped, len(self.keys))
        finally:
            for _, future in running:
                future.cancel()


def make_key(cls, place, key, make_kwargs, reserve):
    """Makes one key of a table, wherever it runs; gives whether it was made, and what was raised."""
    table = _here(cls, place)
    maker = Maker(table, make_kwargs)
    try:
        source = table._sources(())[0]
        return _lodestore.make_key(table._table, source._query, key, maker, maker.verifies, reserve), None
    except BaseException as error:
        return False, _sendable(error)


def _here(cls, place):
    """The table of a class in this process, which must be the one that was meant."""
    if isinstance(cls, _Inherited):
        cls = _inherited[cls]
    table = cls()
    if table.connection is None or table.connection.place != place:
        found = "no database" if table.connection is None else table.connection.place
        raise _lodestore.error(
            "invalid-request",
            f"class `{cls.__name__}` is bound to {found} in the worker, and to {place} where it was populated",
            "let the module of the class, or its settings, name the database",
        )
    return table


def _sendable(error):
    """An exception as it can be sent to another process: itself where that is possible, with its trace as a note."""
    import traceback

    if multiprocessing.parent_process() is None and not hasattr(error, "__notes__"):
        return error
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = _lodestore.error("user", message_of(error))
    error.add_note(f"in a worker:\n{trace}")
    return error


@dataclass(frozen=True)
class _Inherited:
    """Stands for a class that forked processes have from their parent."""

    number: int


_inherited = {}


@contextmanager
def _class_to_send(cls):
    """A class, or what stands for it, as other processes find it, and how these are started.

    A class of a notebook, or of a function, is found by forked processes alone.
    """
    if _can_be_found(cls):
        yield cls, "spawn"
        return
    if "fork" not in multiprocessing.get_all_start_methods():
        raise _lodestore.error(
            "invalid-request",
            f"class `{cls.__name__}` cannot be found by other processes",
            "define it at the top level of a module, and import it from there; or use threads: "
            "`populate(executor=concurrent.futures.ThreadPoolExecutor())`",
        )
    known = _Inherited(id(cls))
    _inherited[known] = cls
    try:
        yield known, "fork"
    finally:
        del _inherited[known]


def _can_be_found(cls):
    """True if a fresh process would find a class by its name."""
    found = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    nowhere = cls.__module__ == "__main__" and not hasattr(sys.modules["__main__"], "__file__")
    return found is cls and not nowhere


def _broken():
    return _lodestore.error(
        "invalid-request",
        "a worker process died, or never began",
        'a script begins its work under `if __name__ == "__main__":`, because each worker imports it first',
    )


def executor_of(executor):
    """What runs functions, as a `concurrent.futures.Executor`: it may come as a client of Dask's or as the module `ray`."""
    if hasattr(executor, "get_executor"):
        return executor.get_executor()
    if isinstance(executor, types.ModuleType) and executor.__name__ == "ray":
        return RayExecutor(executor)
    if not callable(getattr(executor, "submit", None)):
        raise _lodestore.error(
            "invalid-type",
            f"a {type(executor).__name__} runs no functions",
            "give a `concurrent.futures.Executor`, a `dask.distributed.Client`, or the module `ray`",
        )
    return executor


class RayExecutor(concurrent.futures.Executor):
    """Ray, as an executor: each call is a task of its own."""

    def __init__(self, ray):
        if not ray.is_initialized():
            ray.init()
        self._ray = ray

    def submit(self, function, /, *arguments, **options):
        """Has Ray call the function; gives a future."""
        return self._ray.remote(function).remote(*arguments, **options).future()
