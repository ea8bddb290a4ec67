"""A queue of 100,000 jobs: bringing it up to date, and taking and finishing jobs, beside DataJoint.

Servers are those of the tests: private ones, or those that LODESTORE_TEST_DATABASES and its like name.
"""

import logging
import os
import tempfile
import time
import warnings

from tests import services

from .harness import table

JOBS = int(os.environ.get("LODESTORE_BENCH_JOBS", "100000"))
#: DataJoint inserts jobs one by one: so many tell how long all of them take.
PEER_JOBS = min(JOBS, int(os.environ.get("LODESTORE_BENCH_PEER_JOBS", "5000")))
MADE = 300


def declared(module, project, name):
    """Items, and what is computed of each, in a schema of its own."""
    schema = project.Schema(name)
    item = schema(type("Item", (module.Manual,), {"definition": "item : int32"}))
    members = {"definition": "-> Item\n---\nvalue : int32", "make": make}
    return item, schema(type("Result", (module.Computed,), members), context={"Item": item})


def make(self, key):
    self.insert1({**key, "value": 1})


def taken(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def reserve_all(jobs, keys):
    """Reserves jobs and completes them, by themselves."""

    def work():
        for key in keys:
            assert jobs.reserve(key)
        for key in keys:
            jobs.complete(key)

    return work


def measure(module, project, name, count):
    """Seconds for a refresh of `count` jobs, for another that finds nothing, and for each job."""
    item, result = declared(module, project, name)
    item.insert({"item": n} for n in range(count))
    jobs = result.jobs() if callable(result.jobs) else result.jobs
    first = taken(jobs.refresh)
    again = taken(jobs.refresh)
    assert len(jobs) == count
    keys = [{"item": n} for n in range(count - MADE, count)]
    alone = taken(reserve_all(jobs, keys)) / MADE
    populate = taken(lambda: result.populate(reserve_jobs=True, max_calls=MADE, refresh=False)) / MADE
    assert len(result()) == MADE
    return first, again, alone, populate


def compare(name):
    """One database; SQLite alone has no peer."""
    import datajoint as peer

    import lodestore

    logging.getLogger("datajoint").setLevel("ERROR")
    database = services.service(name)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = measure(lodestore, database.open(folder), "bench_ours", JOBS)
        theirs = None
        if name != "sqlite":
            theirs = measure(peer, peer.Instance(**database.settings), "bench_peer", PEER_JOBS)
        lines = []
        topics = (
            (f"refresh, {JOBS:,} jobs", 1e3, JOBS / PEER_JOBS),
            ("refresh, nothing new", 1e3, JOBS / PEER_JOBS),
            ("reserve and complete, each", 1e3, 1),
            ("populate with jobs, each", 1e3, 1),
        )
        for index, (topic, unit, scale) in enumerate(topics):
            line = [topic, f"{unit * ours[index]:.2f}"]
            if theirs is not None:
                seconds = theirs[index] * scale
                line += [f"{unit * seconds:.2f}", f"{seconds / ours[index]:.1f}x"]
            lines.append(line + [""] * (4 - len(line)))
        table((name, "ms", "DataJoint", "faster"), lines)
        database.clean()


def run():
    if PEER_JOBS < JOBS:
        print(f"DataJoint refreshes {PEER_JOBS:,} jobs; its figures are scaled to {JOBS:,}.")
    for name in services.selected():
        compare(name)
