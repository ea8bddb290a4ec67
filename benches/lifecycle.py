"""Collecting: by the journal and by listing, on S3 beside DataJoint; what the journal costs an insert."""

import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from tests import services

import lodestore as dj

from .harness import table

#: Live rows beside the garbage, and the garbage.
LIVE, GARBAGE = int(os.environ.get("LODESTORE_BENCH_LIVE", "200000")), 1_000
#: Files of the great scan.
FILES = int(os.environ.get("LODESTORE_BENCH_FILES", "1000000"))


def declared(folder):
    schema = dj.Instance(path=folder).Schema("bench")

    @schema
    class Thing(dj.Manual):
        definition = """
        id : int32
        ---
        trace = null : <object@>
        """

    return schema, Thing


def planted(folder, schema, thing, count):
    """Rows and their files, made behind Lodestore's back: it would take minutes to flush each of them."""
    thing.insert1({"id": count, "trace": b"x"})
    root = Path(folder) / "objects"
    for first in range(0, count, 1000):
        (root / f"_schema/bench/Thing/{first}").mkdir(parents=True)
        for number in range(first, min(first + 1000, count)):
            (root / f"_schema/bench/Thing/{first}/{number}.bin").write_bytes(b"x")
    connection = thing.connection
    for first in range(0, count, 10_000):
        rows = ", ".join(
            f"""({n}, '{{"path": "_schema/bench/Thing/{n // 1000 * 1000}/{n}.bin", "store": "main", "size": 1, "is_dir": false}}')"""
            for n in range(first, min(first + 10_000, count))
        )
        connection.query(f"INSERT INTO {thing.full_table_name} (id, trace) VALUES {rows}")


def timed(work):
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def collections():
    with tempfile.TemporaryDirectory() as folder:
        schema, thing = declared(folder)
        planted(folder, schema, thing, LIVE + GARBAGE)
        collector = dj.gc.GarbageCollector(schema)
        whole, found = timed(lambda: collector.collect(dry_run=False, full=True))
        assert found["deleted"] == 0, found
        schema.connection._config["gc.automatic"] = False
        (thing & f"id < {GARBAGE}").delete(prompt=False)
        by_journal, found = timed(lambda: collector.collect(dry_run=False))
        assert found["deleted"] == GARBAGE, found
        again, _ = timed(lambda: collector.collect(dry_run=False))
        # As many files of rows that stay: nothing looks at these any more.
        files = list((Path(folder) / f"objects/_schema/bench/Thing/{2 * GARBAGE}").iterdir())
        bare, _ = timed(lambda: [file.unlink() for file in files])
    return whole, by_journal, again, bare


SCAN = """
import resource, sys, time
import lodestore as dj
schema = dj.Instance(path=sys.argv[1]).Schema("bench")
began = time.perf_counter()
found = dj.gc.GarbageCollector(schema).collect(dry_run=False, full=True)
assert found["deleted"] == 0
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def great_scan():
    with tempfile.TemporaryDirectory() as folder:
        schema, thing = declared(folder)
        planted(folder, schema, thing, FILES)
        done = subprocess.run(
            [sys.executable, "-c", SCAN, folder], capture_output=True, text=True, check=True
        )
    return [float(word) for word in done.stdout.split()]


#: Objects on S3, and how many of them are garbage; the delay of each request in seconds.
STORED, LOOSE, LATENCY = 20_000, 2_000, 0.005


def beside_datajoint():
    """A full collection on S3 by both programs: seconds and requests of each."""
    import datajoint as peer

    database, proxy = services.service("postgresql"), services.proxy("s3")
    settings = services.store("s3").settings(port=proxy.port)
    lines = []
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            writer = database.open(folder)
            for name, module, project in (
                ("Lodestore", dj, database.open(folder)),
                ("DataJoint", peer, peer.Instance(**database.settings)),
            ):
                location = {**settings, "location": f"{settings['location']}-{name.lower()}"}
                for each in (writer, project):
                    each.config.stores["bench"] = location
                schema = project.Schema(f"bench_{name.lower()}")
                made = schema(
                    type("Thing", (module.Manual,), {"definition": "id : int32\n---\ntrace : <blob@bench>"})
                )
                # Lodestore writes for both: DataJoint would take an hour with this delay.
                written = writer.Schema(f"bench_{name.lower()}")["Thing"]
                written.insert({"id": id, "trace": f"content {id}"} for id in range(STORED))
                if module is dj:
                    project.config["gc.automatic"] = False
                (made & f"id < {LOOSE}").delete(prompt=False)
                proxy.fail(latency=LATENCY)
                proxy.forget()
                options = {"full": True} if module is dj else {}
                taken, found = timed(
                    lambda: module.gc.GarbageCollector(schema, store="bench").collect(  # noqa: B023
                        dry_run=False,
                        **options,  # noqa: B023
                    )
                )
                proxy.fail()
                assert found["deleted"] == LOOSE, found
                lines.append((name, f"{taken:.2f}", proxy.counts()["requests"]))
    finally:
        database.clean()
        proxy.stop()
    table((f"{STORED:,} objects on S3, {LOOSE:,} garbage", "seconds", "requests"), lines)


def inserts():
    """A batch of 100 objects, and what its notes in the journal cost by themselves: a flushed file of as many bytes."""
    with tempfile.TemporaryDirectory() as folder:
        _, thing = declared(folder)
        content = os.urandom(10_000)
        taken, noted = [], []
        for batch in range(30):
            rows = [{"id": batch * 100 + n, "trace": content + bytes([batch, n])} for n in range(100)]
            began = time.perf_counter()
            thing.insert(rows)
            between = time.perf_counter()
            with open(Path(folder) / f"notes{batch}", "wb") as file:
                file.write(b"x" * 8000)
                file.flush()
                os.fsync(file.fileno())
            noted.append(time.perf_counter() - between)
            taken.append(between - began)
    return sorted(taken)[15], sorted(noted)[15]


def run():
    whole, by_journal, again, bare = collections()
    seconds, megabytes = great_scan()
    batch, note = inserts()
    table(
        ("what", "figure"),
        [
            (f"full collection beside {LIVE:,} live objects", f"{whole:.3f} s"),
            (f"collection of {GARBAGE:,} among them by the journal", f"{by_journal:.3f} s"),
            ("the same with nothing to do", f"{again:.4f} s"),
            ("full / journal", f"{whole / by_journal:.1f}"),
            (f"{GARBAGE:,} files removed by a bare loop", f"{bare:.3f} s"),
            (f"full scan of {FILES:,} files", f"{seconds:.1f} s, {megabytes:.0f} MB"),
            ("insert of 100 objects of 10 kB", f"{batch * 1000:.1f} ms"),
            ("a flushed note of as many intents", f"{note * 1000:.2f} ms ({note / batch:.1%})"),
        ],
    )
    beside_datajoint()
