"""Objects on S3 behind a network with delay, beside DataJoint; one large array beside the bare client.

The server of the many is moto, of `tests/services`, behind its proxy, which delays every request and counts them.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from tests import services
from tests.services.stores import HERE, ObjectServer

from .harness import table

OBJECTS = 500
SIZE = 100_000
LATENCY = 0.02
LARGE = 2_000_000_000
DEFINITION = """
id : int32
---
trace : <blob@bench>
"""


def timed(work, proxy):
    """The seconds of a call, the requests that it made, and what it gave."""
    proxy.forget()
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, proxy.counts()["requests"], result


def many(folder, proxy):
    """Many objects in and out."""
    import datajoint as peer

    import lodestore

    # The peer has no embedded database.
    database = services.service("postgresql")
    settings = services.store("s3").settings(port=proxy.port)
    noise = np.random.default_rng(0)
    rows = [{"id": id, "trace": noise.bytes(SIZE)} for id in range(OBJECTS)]
    lines = []
    try:
        for name, module, project in (
            ("Lodestore", lodestore, database.open(folder)),
            ("DataJoint", peer, peer.Instance(**database.settings)),
        ):
            project.config.stores["bench"] = {
                **settings,
                "location": f"{settings['location']}-{name.lower()}",
            }
            schema = project.Schema(f"bench_{name.lower()}")
            made = schema(type("Recording", (module.Manual,), {"definition": DEFINITION}))
            # Connections and the like are made before the clock runs.
            made.insert1({"id": -1, "trace": b"warm"})
            into, put, _ = timed(lambda made=made: made.insert(rows), proxy)
            out, got, found = timed(lambda made=made: (made & "id >= 0").to_dicts(order_by="id"), proxy)
            assert [row["trace"] for row in found] == [row["trace"] for row in rows]
            lines.append((name, into, put, out, got))
    finally:
        database.clean()
    ours, theirs = lines
    faster = ("faster", theirs[1] / ours[1], theirs[2] / ours[2], theirs[3] / ours[3], theirs[4] / ours[4])
    table(
        (
            f"{OBJECTS} x {SIZE // 1000} kB, {1000 * LATENCY:.0f} ms",
            "insert s",
            "requests",
            "fetch s",
            "requests",
        ),
        [(name, f"{a:.2f}", b, f"{c:.2f}", d) for name, a, b, c, d in lines]
        + [tuple(f"{item:.1f}x" if isinstance(item, float) else item for item in faster)],
    )


def large(folder):
    """One large array in, and a slice of it out, beside a plain client of the same library.

    The server keeps nothing of what it is given but its size, so that neither disk nor memory is measured.
    """
    import lodestore

    size = int(os.environ.get("LODESTORE_BENCH_LARGE", LARGE))
    server = ObjectServer(sys.executable, HERE / "bucket_server.py", "--hollow")
    proxy = services.Proxy(server.port)
    try:
        settings = {
            "protocol": "s3",
            "endpoint": f"http://127.0.0.1:{server.port}",
            "bucket": "bench",
            "location": "",
            "access_key": "key",
            "secret_key": "secret",
        }
        project = lodestore.Instance(path=Path(folder) / "project")
        project.config.stores["bench"] = settings
        schema = project.Schema("bench")
        made = schema(
            type("Large", (lodestore.Manual,), {"definition": "id : int32\n---\ntrace : <npy@bench>\n"})
        )
        trace = np.empty(size // 8)
        trace.fill(0)
        url = f"http://key:secret@127.0.0.1:{server.port}/bench"
        command = ["cargo", "run", "--quiet", "--release", "-p", "lodestore-objects", "--all-features"]
        command += ["--example", "plain_client", str(size)]
        taken = {"insert": [], "plain client": []}
        for id in range(3):
            began = time.perf_counter()
            made.insert1({"id": id, "trace": trace})
            taken["insert"].append(time.perf_counter() - began)
            done = subprocess.run(
                command,
                env={**os.environ, "LODESTORE_TEST_S3": url},
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            taken["plain client"].append(float(done.stdout))
        ours, bare = (statistics.median(seconds) for seconds in taken.values())
        rate = size / 1e6
        table(
            (f"array of {size / 1e9:.1f} GB", "s", "MB/s", "of the plain client"),
            [
                ("insert", f"{ours:.2f}", f"{rate / ours:.0f}", f"{100 * bare / ours:.0f} %"),
                ("plain client", f"{bare:.2f}", f"{rate / bare:.0f}", ""),
            ],
        )
        proxy.fail(latency=LATENCY)
        project.config.stores["bench"]["endpoint"] = f"http://127.0.0.1:{proxy.port}"
        ref = (made & "id = 0").fetch1("trace")
        start, elements = size // 16, 1_000_000 // 8
        seconds, requests, part = timed(lambda: ref[start : start + elements], proxy)
        assert np.array_equal(part, trace[start : start + elements])
        print(
            f"a slice of 1 MB: {ref.bytes_read / 1e6:.2f} MB in {requests} requests, {1000 * seconds:.0f} ms"
        )
    finally:
        proxy.stop()
        server.stop()


def run():
    proxy = services.proxy("s3")
    proxy.fail(latency=LATENCY)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            many(folder, proxy)
            large(folder)
    finally:
        proxy.stop()
