"""Several processes, and what is left when one dies."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import lodestore as dj

CLASS = """
import sys, numpy as np, lodestore as dj
project = dj.Instance(path=sys.argv[1])
schema = project.Schema("lab")

@schema
class Trace(dj.Manual):
    definition = '''
    writer : int32
    number : int32
    ---
    samples : <npy@>
    extra : <blob@>
    '''
"""


def start(folder, body, *arguments):
    code = CLASS + textwrap.dedent(body)
    command = [sys.executable, "-c", code, str(folder), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check(folder):
    """Every row has its whole objects; gives the number of rows."""
    table = dj.Instance(path=folder).Schema("lab")["Trace"]
    rows = table.to_dicts()
    for row in rows:
        samples = row["samples"].load()
        assert samples.shape == (500_000,) and (samples == row["number"]).all()
        assert row["extra"] == {"number": row["number"]}
    return len(rows)


WRITE_LARGE = """
for number in range(200):
    Trace.insert1({"writer": 0, "number": number, "samples": np.full(500_000, number, "f8"), "extra": {"number": number}})
    print(number, flush=True)
"""


def test_a_killed_process_leaves_no_row_without_its_whole_object(tmp_path):
    rng = random.Random(7)
    total = 0
    for round in range(6):
        folder = tmp_path / f"project{round}"
        writer = start(folder, WRITE_LARGE)
        for _ in range(rng.randrange(1, 12)):
            assert writer.stdout.readline(), writer.stderr.read()
        time.sleep(rng.random() * 0.05)
        writer.send_signal(signal.SIGKILL)
        seen = len(writer.stdout.read().splitlines())
        assert writer.wait() == -signal.SIGKILL
        rows = check(folder)
        assert rows >= seen
        total += rows
        # The next one goes on where it was killed.
        table = dj.Instance(path=folder).Schema("lab")["Trace"]
        table.insert1({"writer": 1, "number": 3, "samples": np.full(500_000, 3.0), "extra": {"number": 3}})
        assert check(folder) == rows + 1
    assert total > 6


def test_two_hundred_inserts_with_a_kill_among_them(tmp_path):
    """The loop of all 200 inserts, killed again and again until all rows are there."""
    rng = random.Random(11)
    folder = tmp_path / "project"
    body = """
    done = {row["number"] for row in Trace.proj().to_dicts()}
    for number in range(200):
        if number not in done:
            Trace.insert1({"writer": 0, "number": number, "samples": np.full(500_000, number, "f8"), "extra": {"number": number}})
    """
    kills = 0
    while True:
        writer = start(folder, body)
        try:
            assert writer.wait(timeout=0.4 + rng.random() * 1.5) == 0, writer.stderr.read()
            break
        except subprocess.TimeoutExpired:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            kills += 1
            assert kills < 200
    assert kills > 0 and check(folder) == 200


def test_two_processes_insert_at_once(tmp_path):
    folder = tmp_path / "project"
    body = """
    me = int(sys.argv[2])
    for number in range(60):
        Trace.insert1({"writer": me, "number": number, "samples": np.arange(3), "extra": "shared"})
    """
    # Nothing is there yet: they also race to make the database, the schema and the table.
    writers = [start(folder, body, me) for me in range(4)]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    table = dj.Instance(path=folder).Schema("lab")["Trace"]
    assert len(table) == 240
    hashed = [path for path in (folder / "objects" / "_hash").rglob("*") if path.is_file()]
    assert len(hashed) == 1


def test_ctrl_c_stops_waiting_for_a_lock(tmp_path):
    folder = tmp_path / "project"
    holder = dj.Instance(path=folder)
    start(folder, "").communicate()
    with holder.connection.transaction:
        holder.Schema("lab")["Trace"].insert1({"writer": 9, "number": 9, "samples": np.zeros(1), "extra": 1})
        body = """
        print("waiting", flush=True)
        Trace.insert1({"writer": 1, "number": 1, "samples": np.arange(3), "extra": 1})
        """
        waiting = start(folder, body)
        assert waiting.stdout.readline() == "waiting\n", waiting.stderr.read()
        time.sleep(0.3)
        began = time.monotonic()
        waiting.send_signal(signal.SIGINT)
        _, errors = waiting.communicate(timeout=20)
        assert "KeyboardInterrupt" in errors and time.monotonic() - began < 5
    assert len(holder.Schema("lab")["Trace"]) == 1


LONG = {
    "count": "len(pairs)",
    "fetch": "pairs.to_arrays('a')",
    "dicts": "pairs.to_dicts()",
    "loop": "sum(1 for row in pairs)",
    "arrow": "pyarrow.table(pairs)",
}


@pytest.mark.parametrize("form", LONG)
def test_ctrl_c_stops_a_long_fetch(tmp_path, form):
    body = f"""
    # A signal that comes while it is imported gets lost there.
    import pyarrow

    schema = dj.Instance(path=sys.argv[1]).Schema("long")

    @schema
    class Number(dj.Manual):
        definition = "n : int32"

    Number.insert({{"n": n}} for n in range(3000))
    pairs = Number.proj(a="n") * Number.proj(b="n") * Number.proj(c="n") & "a * b + c = -1 or a < 2000"
    print("reading", flush=True)
    try:
        {LONG[form]}
    except (KeyboardInterrupt, pyarrow.ArrowException, OSError) as error:
        # pyarrow tells no more of our error than its text.
        assert isinstance(error, KeyboardInterrupt) or "interrupted" in str(error), error
        # Whatever comes next works as ever.
        assert len(Number) == 3000 and Number.insert1({{"n": -1}}) is None and len(Number.to_dicts()) == 3001
        print("stopped", flush=True)
    """
    reading = start(tmp_path / "project", body)
    assert reading.stdout.readline() == "reading\n", reading.stderr.read()
    time.sleep(0.5)
    began = time.monotonic()
    reading.send_signal(signal.SIGINT)
    try:
        output, errors = reading.communicate(timeout=60)
    finally:
        reading.kill()
    assert (output, errors) == ("stopped\n", "") and time.monotonic() - began < 10


def test_a_forked_child_has_a_connection_of_its_own(schema):
    @schema
    class Thing(dj.Manual):
        definition = "id : int32"

    Thing.insert1({"id": 1})
    child = os.fork()
    if child == 0:
        try:
            Thing.insert1({"id": 2})
            os._exit(0 if len(Thing) == 2 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    Thing.insert1({"id": 3})
    assert len(Thing) == 3


def test_threads_work_side_by_side(schema):
    @schema
    class Thing(dj.Manual):
        definition = """
        id : int32
        ---
        data : <npy@>
        """

    def work(start):
        for number in range(start, start + 10):
            Thing.insert1({"id": number, "data": np.full(10, number)})

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Thing) == 40
    assert all(row["data"][3] == row["id"] for row in Thing)


def test_importing_is_light(tmp_path):
    code = "import sys, lodestore; print([name for name in ('numpy', 'pandas', 'fsspec', 'matplotlib') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["MatCell", "NpyRef", "Manual", "config"])
def test_names_are_there(name):
    assert getattr(dj, name) is not None and name in dir(dj)
