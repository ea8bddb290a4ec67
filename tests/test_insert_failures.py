"""However an insert fails, rows and objects are as before."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import (
    BucketInaccessible,
    DuplicateError,
    IntegrityError,
    InvalidTypeError,
    LostConnectionError,
    QueryError,
)

DEFINITION = """
id : int32
---
trace = null : <npy@>
shared = null : <blob@>
"""


@pytest.fixture
def trace(schema):
    @schema
    class Trace(dj.Manual):
        definition = DEFINITION

    Trace.insert([{"id": 5, "trace": np.zeros(2)}])
    return Trace


def rows(count, bad=None):
    """Rows with objects; the ``bad`` one holds what no array is."""
    for number in range(100, 100 + count):
        yield {"id": number, "trace": "no array" if number == bad else np.full(100, number), "shared": number}


def fails(table, objects, error, made, **options):
    """Inserts what is refused, in every way, and looks whether all is as before."""

    def own():
        # Content that is shared stays: another writer may rely on it already.
        return [path for path in objects() if not path.startswith("_hash/")]

    before, known, made = own(), len(table), list(made)
    for form in (list, iter):
        with pytest.raises(error):
            table.insert(form(made), **options)
        with pytest.raises(error), table.connection.transaction:
            table.insert(form(made), **options)
        assert len(table) == known and own() == before


def test_a_duplicate(trace, objects):
    fails(trace, objects, DuplicateError, [*rows(9), {"id": 5}])
    fails(trace, objects, DuplicateError, [*rows(3), *rows(1)])


def test_a_missing_parent(trace, schema, objects):
    @schema
    class Child(dj.Manual):
        definition = "-> Trace\n---\nsamples : <npy@>"

    Child.insert1({"id": 5, "samples": np.zeros(1)})
    fails(Child, objects, IntegrityError, [{"id": number, "samples": np.zeros(3)} for number in (4, 6, 7)])


def test_a_wrong_type_in_row_7_of_10(trace, objects):
    fails(trace, objects, InvalidTypeError, rows(10, bad=107))
    with pytest.raises(InvalidTypeError, match="row `7`"):
        trace.insert(rows(10, bad=107))


def test_a_codec_that_fails_when_it_encodes(schema, objects):
    class Picky(dj.Codec):
        name = "picky_of_insert"

        def get_dtype(self, is_store):
            return "<npy@>"

        def encode(self, value, *, key=None, store_name=None):
            if value == 7:
                raise ZeroDivisionError("seven")
            return np.arange(value)

        def decode(self, stored, *, key=None):
            return stored

    @schema
    class Picked(dj.Manual):
        definition = "id : int32\n---\nfirst : <npy@>\nvalue : <picky_of_insert@>"

    made = [{"id": number, "first": np.zeros(3), "value": number} for number in range(10)]
    fails(Picked, objects, ZeroDivisionError, made)


def mounted(folder, size):
    """A small file system of memory at a folder; skips where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system of one's own needs rights that this user has not")


@pytest.fixture
def tiny(tmp_path):
    """A store on a file system of one megabyte."""
    folder = tmp_path / "tiny"
    mounted(folder, "1m")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_of_the_store(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = dj.Instance(
        path=tmp_path / "project", stores={"tiny": {"protocol": "file", "location": str(tiny)}}
    )

    @project.Schema("lab")
    class Trace(dj.Manual):
        definition = "id : int32\n---\ntrace : <npy@tiny>"

    def left():
        return sorted(
            path.name for path in tiny.rglob("*") if path.is_file() and not path.name.startswith("lodestore")
        )

    Trace.insert1({"id": 0, "trace": np.zeros(10_000)})
    before = left()
    made = [{"id": number, "trace": np.zeros(30_000)} for number in range(1, 9)]
    for form in (made, iter(made)):
        with pytest.raises(BucketInaccessible):
            Trace.insert(form)
        assert len(Trace) == 1 and left() == before
    Trace.insert(made[:2])
    assert len(Trace) == 3
    project.connection.close()


def test_a_full_disk_of_the_database(tmp_path):
    """The database rolls back the whole transaction by itself: nothing of it may come in later."""
    folder = tmp_path / "project"
    mounted(folder, "3m")
    try:
        project = dj.Instance(path=folder)

        @project.Schema("lab")
        class Text(dj.Manual):
            definition = "id : int32\n---\nword : varchar(2000)"

        Text.insert1((0, "first"))
        many = [(number, "x" * 2000) for number in range(2, 5000)]
        # Found out when all is to become visible ...
        with pytest.raises(QueryError, match="full"), project.connection.transaction:
            Text.insert1((1, "second"))
            Text.insert(many)
        assert not project.connection.in_transaction and Text.to_arrays("id").tolist() == [0]
        with pytest.raises(QueryError, match="full"):
            Text.insert(iter(many))
        # ... or in the middle, when memory holds no more of it.
        with pytest.raises(LostConnectionError, match="lost"), project.connection.transaction:
            Text.insert1((1, "second"))
            with pytest.raises(QueryError, match="full"):
                Text.insert((number, "x" * 2000) for number in range(2, 50_000))
            Text.insert1((2, "third"))
        assert not project.connection.in_transaction and Text.to_arrays("id").tolist() == [0]
        Text.insert1((1, "second"))
        project.connection.close()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


SCRIPT = """
import sys, time
import numpy as np
import lodestore as dj

project = dj.Instance(path="project")
trace = project.FreeTable("lab.trace")

def rows():
    for number in range(1_000_000):
        if number == {announce}:
            print("going", flush=True)
        yield {{"id": 1000 + number, "trace": np.full(100, number) if number < 20 else None, "shared": None}}

with project.connection.transaction if {inside} else __import__("contextlib").nullcontext():
    trace.insert({form}(rows()))
print("done", flush=True)
"""


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize(("form", "announce"), [("iter", 30_000), ("list", 999_999)])
def test_ctrl_c_in_the_middle(trace, objects, tmp_path, inside, form, announce):
    before = objects()
    child = start(SCRIPT.format(inside=inside, form=form, announce=announce), tmp_path)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    output, complaint = child.communicate(timeout=120)
    assert child.returncode != 0 and "done" not in output and "KeyboardInterrupt" in complaint
    assert len(trace) == 1 and objects() == before


@pytest.mark.databases("sqlite")
def test_kill_in_the_middle(trace, objects, tmp_path):
    child = start(SCRIPT.format(inside=False, form="iter", announce=30_000), tmp_path)
    time.sleep(0.3)
    child.kill()
    child.communicate(timeout=120)
    # No row is there; what was written for those that came first is for the collector to find.
    assert len(trace) == 1
    trace.insert(rows(3))
    assert len(trace) == 4
    assert all(row["trace"].load().size for row in trace)


def start(script, folder):
    """A process that runs the script, once it says that it is going."""
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "going\n", child.stderr.read()
    return child
