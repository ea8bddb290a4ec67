"""Another copy of SQLite, Python's own, at work on the database of an embedded project: in the same process."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

import lodestore as dj

pytestmark = pytest.mark.databases("sqlite")

_DEFINITION = """
writer : int32
n : int32
"""


def _look(path):
    """Opens, reads and closes the database, as pandas would."""
    other = sqlite3.connect(path, timeout=60)
    try:
        return other.execute('SELECT count(*) FROM "lab.event"').fetchone()[0]
    finally:
        other.close()


def _elsewhere(path, program=""):
    """Another program opens the database, and closes it again as the last one that has it open."""
    code = (
        "import sqlite3, sys; other = sqlite3.connect(sys.argv[1], timeout=60)\n"
        f"{program}\n"
        "print(other.execute('SELECT count(*) FROM \"lab.event\"').fetchone()[0]); other.close()"
    )
    command = [sys.executable, "-c", code, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.fixture
def event(schema):
    @schema
    class Event(dj.Manual):
        definition = _DEFINITION

    return Event


@pytest.fixture
def path(tmp_path):
    return tmp_path / "project" / "lodestore.db"


def test_reading_by_another_copy_keeps_our_rows(event, path):
    event.insert1((0, 0))
    assert _look(path) == 1
    # It must not believe that nobody else has the file open, and take the log away.
    assert _elsewhere(path) == 1
    event.insert((0, n) for n in range(1, 21))
    assert len(event()) == 21
    assert _elsewhere(path) == 21


def test_writing_by_another_copy_waits_for_us_and_we_for_it(event, path, project):
    with project.connection.transaction:
        event.insert1((0, 0))
        other = sqlite3.connect(path, timeout=0.1)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute('INSERT INTO "lab.event" VALUES (1, 0)')
        # Closing another connection of it releases nothing of ours either.
        _look(path)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute('INSERT INTO "lab.event" VALUES (1, 0)')
    other.rollback()
    other.execute('INSERT INTO "lab.event" VALUES (1, 1)')

    inserted = threading.Event()

    def insert():
        event.insert1((0, 2))
        inserted.set()

    thread = threading.Thread(target=insert)
    thread.start()
    assert not inserted.wait(0.5)
    other.commit()
    other.close()
    thread.join(60)
    assert inserted.is_set() and _elsewhere(path) == 3


def test_closing_our_connection_keeps_the_locks_of_another_copy(event, path, project):
    event.insert1((0, 0))
    other = sqlite3.connect(path, timeout=60, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute('INSERT INTO "lab.event" VALUES (1, 1)')
    project.connection.close()
    # Another program must still find the file locked for writing.
    refused = "other.execute('PRAGMA busy_timeout = 100')\n" + (
        "try:\n    other.execute('INSERT INTO \"lab.event\" VALUES (2, 2)')\n"
        "except sqlite3.OperationalError: pass\n"
        "else: raise SystemExit('two writers at once')\n"
    )
    assert _elsewhere(path, refused) == 1
    other.execute("COMMIT")
    for n in range(2, 22):
        other.execute('INSERT INTO "lab.event" VALUES (1, ?)', (n,))
    assert _elsewhere(path) == 22
    other.close()
    # Nothing stays open for good.
    assert len(event()) == 22
    project.connection.close()
    targets = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert [target for target in targets if target.startswith(str(path))] == []


def _write(folder, writer, rows):
    """Inserts rows in two threads, while another copy of SQLite comes and goes in this process."""
    instance = dj.Instance(path=folder)
    lab = instance.Schema("lab")

    @lab
    class Event(dj.Manual):
        definition = _DEFINITION

    stop = threading.Event()

    def say(name, count):
        # In one piece: several threads speak.
        os.write(1, f"{name} {count}\n".encode())

    def meddle():
        path = folder / "lodestore.db"
        n = 0
        while not stop.is_set():
            _look(path)
            other = sqlite3.connect(path, timeout=60)
            other.execute('INSERT INTO "lab.event" VALUES (?, ?)', (writer + 100, n))
            other.commit()
            other.close()
            n += 1
            say(writer + 100, n)
            time.sleep(0.002)

    def insert(of):
        for n in range(rows):
            Event.insert1((writer * 2 + of, n))
            say(writer * 2 + of, n + 1)
            if n % 5 == 4:
                instance.connection.close()

    threads = [threading.Thread(target=insert, args=(of,)) for of in (0, 1)]
    meddler = threading.Thread(target=meddle)
    for thread in (meddler, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    meddler.join()


def test_programs_with_two_copies_lose_nothing(event, path, project):
    """Three programs, each with two threads of ours and one of Python's `sqlite3`; all that was acknowledged is there."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import pathlib, test_other_sqlite as t;"
        "t._write(pathlib.Path(sys.argv[2]), int(sys.argv[3]), 40)"
    )
    tests = os.path.dirname(__file__)
    command = [sys.executable, "-c", program, tests, str(path.parent)]
    running = [
        subprocess.Popen([*command, str(writer)], stdout=subprocess.PIPE, text=True) for writer in (0, 1, 2)
    ]
    # One more comes and goes all the time.
    while any(program.poll() is None for program in running[:1]):
        _elsewhere(path)
    acknowledged = {}
    for program in running:
        out, _ = program.communicate(timeout=300)
        assert program.returncode == 0
        for line in out.splitlines():
            writer, count = map(int, line.split())
            acknowledged[writer] = max(acknowledged.get(writer, 0), count)
    assert [acknowledged[writer] for writer in range(6)] == [40] * 6
    found = {}
    for writer in event.to_arrays("writer").tolist():
        found[writer] = found.get(writer, 0) + 1
    assert found == acknowledged
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_a_forked_child_locks_for_itself(event, path, project):
    """The locks of a parent are not its child's: neither to release nor to keep."""
    event.insert1((0, 0))
    with project.connection.transaction:
        event.insert1((0, 1))
        child = os.fork()
        if child == 0:
            # It must find the parent's lock, and must not write past it.
            try:
                other = sqlite3.connect(path, timeout=0.1)
                try:
                    other.execute('INSERT INTO "lab.event" VALUES (9, 9)')
                    os._exit(1)
                except sqlite3.OperationalError:
                    pass
                other.close()
                os._exit(0)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert _elsewhere(path) == 1
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_insert_some, args=(event, n)) for n in (1, 2)]
    for worker in workers:
        worker.start()
    event.insert((0, n) for n in range(2, 40))
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    assert _elsewhere(path) == 40 + 2 * 40


def _insert_some(event, writer):
    for n in range(40):
        event.insert1((writer, n))


def test_a_child_keeps_no_lock_of_a_killed_parent(event, path, project):
    program = """
import os, signal, sys, time
import lodestore as dj
instance = dj.Instance(path=sys.argv[1])
event = instance.FreeTable("lab.event")
instance.connection.start_transaction()
event.insert1((5, 5))
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print("ready", flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(path.parent)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        # The child is alive, and sleeps.
        start = time.monotonic()
        event.insert1((0, 0))
        assert time.monotonic() - start < 30
        assert _elsewhere(path) == 1
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.stdout.close()
