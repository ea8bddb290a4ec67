"""The command ``python -m lodestore worker``: computes what there is to compute, and leaves when it is done."""

import argparse
import importlib
import os
import signal
import sys
import time
import traceback

from . import _lodestore
from .autopopulate import AutoPopulate, populate_here
from .errors import DataJointError
from .logs import logger
from .making import Maker, message_of
from .user_tables import UserTable

DESCRIPTION = """
Imports modules, and populates their computed and imported tables, parents first, from their queues. Any number of
workers on any number of hosts share them. A worker leaves when nothing is left to do, also what others had begun
and did not finish; with --forever it waits for more. SIGTERM (and the first Ctrl-C) lets it finish the key that it
has; a second one makes it give the key back at once. Exit status: 0, or 1 if keys failed, or 2 for a wrong call.
"""


def main(words):
    """Runs the command; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lodestore worker", description=DESCRIPTION)
    parser.add_argument("module", nargs="+", help="a module with table classes, such as `pipeline.ephys`")
    parser.add_argument("--schema", action="append", help="only tables of this schema; may be given again")
    parser.add_argument("--table", action="append", help="only the table of this class; may be given again")
    parser.add_argument("--priority", type=int, help="only jobs of this priority and more urgent ones")
    parser.add_argument("--max-calls", type=int, help="leave after so many keys")
    parser.add_argument("--forever", action="store_true", help="wait for more when nothing is left")
    parser.add_argument("--poll", type=float, default=5.0, help="seconds between looks when it waits (5)")
    options = parser.parse_args(words)
    # Modules are looked for where a program in this folder would find them.
    sys.path.insert(0, os.getcwd())
    try:
        tables = tables_of(options.module, options.schema, options.table)
        worker = Worker(tables, options)
        with worker.heeding_signals():
            worker.run()
    except (DataJointError, ImportError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    worker.report()
    return 1 if worker.failed else 0


def tables_of(modules, schemas=None, classes=None):
    """The tables that fill themselves of some modules, parents before children."""
    found = {}
    for name in modules:
        module = importlib.import_module(name)
        for member in list(vars(module).values()):
            is_own = (
                isinstance(member, type)
                and issubclass(member, AutoPopulate)
                and issubclass(member, UserTable)
            )
            if is_own and member._full_name is not None:
                found.setdefault(member._full_name, member)
    if schemas:
        found = {name: cls for name, cls in found.items() if name.partition(".")[0] in schemas}
    if classes:
        found = {name: cls for name, cls in found.items() if cls.__name__ in classes}
    if not found:
        raise _lodestore.error(
            "invalid-request",
            f"there is no computed or imported table in {', '.join(modules)}"
            + (" that was asked for" if schemas or classes else ""),
            "name the modules with the classes; they must be bound to a schema",
        )
    rank = {}
    for name, cls in found.items():
        ancestors = {table.replace("`", "").replace('"', "") for table in cls().ancestors()}
        rank[name] = len(ancestors & found.keys())
    return [cls() for name, cls in sorted(found.items(), key=lambda item: rank[item[0]])]


class Worker:
    """Populates tables in turns, until nothing is left."""

    def __init__(self, tables, options):
        self._tables, self._options = tables, options
        self._left = options.max_calls
        self._stopping = False
        self._began = time.monotonic()
        self.made = {table.full_table_name: 0 for table in tables}
        self.failed = 0

    def heeding_signals(self):
        """A context in which signals let the worker leave."""
        return _Signals(self._stop)

    def _stop(self, number, _frame):
        if self._stopping:
            raise KeyboardInterrupt
        self._stopping = True
        logger.info(f"{signal.Signals(number).name}: leaving after the key in hand")

    def run(self):
        """Works until nothing is left, or until it is told to leave."""
        try:
            while not self._stopping and self._left != 0:
                if self._round() or self._stopping or self._left == 0:
                    continue
                waits = self._options.forever or any(table.jobs._core.is_at_work() for table in self._tables)
                if not waits:
                    return
                self._sleep()
        except KeyboardInterrupt:
            logger.info("the key in hand was given back")

    def _sleep(self):
        end = time.monotonic() + max(self._options.poll, 0.01)
        while not self._stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _round(self):
        """Goes through the tables once; True if anything was done."""
        done = False
        for table in self._tables:
            if self._stopping or self._left == 0:
                break
            source = table._sources(())[0]
            maker = Maker(table, goes_on=lambda: not self._stopping, gives_back=True)
            options = {
                "suppress_errors": True,
                "max_calls": self._left,
                "order": "original",
                "reserve_jobs": True,
                "priority": self._options.priority,
                "refresh": True,
            }
            made, errors = populate_here(table, source, source, options, maker)
            for key, error in errors:
                logger.error(f"Error making {key} -> {table.full_table_name} - {message_of(error)}")
                logger.debug("".join(traceback.format_exception(error)))
            self.made[table.full_table_name] += made
            self.failed += len(errors)
            if self._left is not None:
                self._left -= min(self._left, made + len(errors))
            done = done or bool(made or errors)
        return done

    def report(self):
        """Tells what was done."""
        for name, count in self.made.items():
            print(f"{name}: {count} made")
        print(
            f"{sum(self.made.values())} made, {self.failed} failed in {time.monotonic() - self._began:.1f} s"
        )


class _Signals:
    """A context in which SIGTERM and SIGINT call a function."""

    def __init__(self, call):
        self._call = call

    def __enter__(self):
        self._before = {
            number: signal.signal(number, self._call) for number in (signal.SIGTERM, signal.SIGINT)
        }

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)
