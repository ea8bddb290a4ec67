"""A forked child: every verb works in it, whatever its parent's threads were doing at that moment."""

import multiprocessing
import os
import pickle
import select
import signal
import threading
import time
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import lodestore as dj
from lodestore import gc

#: Seconds after which a child counts as hanging.
PATIENCE = 60


def in_child(work):
    """Runs `work` in a forked child and returns what it returns; fails if it raises or hangs."""
    receiver, sender = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 and later warn about forking while threads run, which is what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            outcome = (True, work())
        except BaseException:
            outcome = (False, traceback.format_exc())
        with os.fdopen(sender, "wb") as pipe:
            pipe.write(pickle.dumps(outcome))
        os._exit(0)
    os.close(sender)
    told, deadline = b"", time.monotonic() + PATIENCE
    while select.select([receiver], [], [], max(0, deadline - time.monotonic()))[0]:
        piece = os.read(receiver, 1 << 20)
        if not piece:
            break
        told += piece
    else:
        os.kill(child, signal.SIGKILL)
    os.close(receiver)
    os.waitpid(child, 0)
    assert told, "the child hangs"
    worked, value = pickle.loads(told)
    assert worked, value
    return value


def declare(schema):
    @schema
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        name : varchar(20)
        trace : <npy@>
        note : <blob@>
        inside : <blob>
        frames = null : <object@>
        """

    @schema
    class Mean(dj.Computed):
        definition = """
        -> Scan
        ---
        mean : float64
        copy : <npy@>
        """

        def make(self, key):
            trace = (Scan & key).fetch1("trace").load()
            self.insert1({**key, "mean": trace.mean(), "copy": trace})

    return Scan, Mean


def row(number, folder=None):
    return {
        "id": number,
        "name": f"scan {number}",
        "trace": np.full(5_000, number, "f8"),
        "note": {"text": "n" * 2_000, "number": number},
        "inside": np.arange(20_000) + number,
        "frames": folder,
    }


def check(rows):
    for found in rows:
        number = found["id"]
        assert (found["trace"].load() == number).all()
        assert found["note"]["number"] == number and found["inside"][0] == number


class Verbs:
    """Each method is run in a child of its own."""

    def __init__(self, project, Scan, Mean, folder):
        self.project, self.Scan, self.Mean, self.folder = project, Scan, Mean, folder

    def fetch(self):
        check(self.Scan.to_dicts())

    def iterate(self):
        check(iter(self.Scan))

    def load(self):
        assert [ref.load()[0] for ref in self.Scan.to_arrays("trace", order_by="id")] == list(range(6))

    def load_all(self):
        arrays = dj.load_all(self.Scan.to_arrays("trace", order_by="id"))
        assert [array[0] for array in arrays] == list(range(6))
        each = dj.load_each(self.Scan.to_arrays("trace", order_by="id"))
        assert [array[0] for array in each] == list(range(6))

    def slice(self):
        assert (self.Scan & {"id": 3}).fetch1("trace")[100:200].sum() == 300

    def folder_of_files(self):
        ref = (self.Scan & {"id": 0}).fetch1("frames")
        assert ref.fsmap["a"] == b"a" * 1000 and ref.listdir() == ["a", "b", "c"]
        assert ref.verify() and ref.open("b").read() == b"b" * 1000
        assert sorted(os.listdir(ref.download(str(self.folder / "copy")))) == ["a", "b", "c"]

    def insert(self):
        self.Scan.insert([row(number) for number in range(100, 112)])
        check((self.Scan & "id >= 100").to_dicts())

    def insert_large(self):
        large = np.random.default_rng(1).random(1_000_000)
        self.Scan.insert(
            [
                {**row(number), "trace": large, "note": {"number": number, "more": large}}
                for number in (115, 116)
            ]
        )
        assert (self.Scan & {"id": 116}).fetch1("trace").load()[-1] == large[-1]
        assert (self.Scan & {"id": 116}).fetch1("note")["more"][-1] == large[-1]

    def insert_a_folder(self):
        self.Scan.insert1(row(120, str(self.folder / "frames")))
        assert (self.Scan & {"id": 120}).fetch1("frames").verify()

    def update(self):
        self.Scan.update1({"id": 1, "note": {"text": "new", "number": 1}})
        assert (self.Scan & {"id": 1}).fetch1("note")["text"] == "new"

    def transaction(self):
        with self.project.connection.transaction:
            self.Scan.insert([row(130), row(131)])
        with pytest.raises(RuntimeError), self.project.connection.transaction:
            self.Scan.insert([row(132), row(133)])
            raise RuntimeError
        assert len(self.Scan & "id >= 130") == 2

    def staged(self):
        with self.Scan.staged_insert1 as staged:
            staged.rec.update({name: value for name, value in row(140).items() if name != "frames"})
            for name in ["x", "y", "z"]:
                staged.store("frames", ".d")[name] = name.encode() * 1000
        assert (self.Scan & {"id": 140}).fetch1("frames").verify()

    def populate(self):
        self.Mean.populate("id in (0, 1)")
        assert self.Mean.to_arrays("mean", order_by="id").tolist() == [0, 1]

    def populate_jobs(self):
        self.Mean.populate("id in (2, 3)", reserve_jobs=True)
        assert set(self.Mean.to_arrays("mean")) >= {2, 3}

    def delete(self):
        (self.Scan & "id >= 100").delete(prompt=False)
        assert len(self.Scan) == 6

    def verify(self):
        assert self.project.Schema("lab").verify(deep=True).sound

    def collect(self):
        gc.GarbageCollector(self.project.Schema("lab")).collect(dry_run=False)

    def declare(self):
        @self.project.Schema("child")
        class Other(dj.Manual):
            definition = "id : int32\n---\nvalue : <npy@>"

        Other.insert([{"id": number, "value": np.arange(10)} for number in range(3)])
        assert len(dj.load_all(Other.to_arrays("value"))) == 3

    def arrow(self):
        assert self.Scan.proj("name").to_arrow().num_rows == 6

    def settings(self):
        self.project.config["display.limit"] = 3
        assert "..." in repr(self.Scan())

    def drop(self):
        self.project.Schema("child").drop(prompt=False)


VERBS = [name for name, value in vars(Verbs).items() if callable(value) and not name.startswith("_")]


@pytest.fixture
def filled(stored_project, tmp_path):
    """A project whose parent process has used pools, runtimes and connections of every kind."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_bytes(name.encode() * 1000)
    Scan, Mean = declare(stored_project.Schema("lab"))
    Scan.insert([row(number, str(folder) if number == 0 else None) for number in range(6)])
    check(Scan.to_dicts())
    dj.load_all(Scan.to_arrays("trace"))
    assert (Scan & {"id": 0}).fetch1("frames").fsmap["a"]
    return Verbs(stored_project, Scan, Mean, tmp_path)


def test_every_verb_works_in_a_child(filled):
    failures = {}
    for name in VERBS:
        try:
            in_child(getattr(filled, name))
        except AssertionError as error:
            failures[name] = str(error)
    assert not failures, "\n".join(f"{name}: {text}" for name, text in failures.items())
    # The parent was not disturbed: its connections, pools and journal are its own.
    check(filled.Scan.to_dicts())
    filled.Scan.insert([row(200), row(201)])
    assert filled.project.Schema("lab").verify(deep=True).sound


def test_children_of_a_parent_at_work(filled):
    """Other threads of the parent insert and fetch while it forks: no lock of theirs is waited for."""
    stop = threading.Event()
    trouble = []

    def write(start):
        number = start
        try:
            while not stop.is_set():
                filled.Scan.insert([row(number), row(number + 1)])
                check((filled.Scan & f"id >= {number}" & f"id < {number + 2}").to_dicts())
                number += 2
        except BaseException:
            trouble.append(traceback.format_exc())
        finally:
            filled.project.connection.close()

    threads = [threading.Thread(target=write, args=[start]) for start in (1_000, 2_000)]
    for thread in threads:
        thread.start()

    def work(number):
        filled.Scan.insert([row(number), row(number + 1)])
        check((filled.Scan & f"id >= {number}" & f"id < {number + 2}").to_dicts())
        return os.getpid()

    try:
        children = {in_child(lambda number=number: work(number)) for number in range(10_000, 10_020, 2)}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not trouble, trouble[0]
    assert len(children) == 10
    assert len(filled.Scan & "id >= 10000") == 20
    assert filled.project.Schema("lab").verify(deep=True).sound


def test_a_child_is_not_in_the_transaction_of_its_parent(filled):
    def work():
        assert not filled.project.connection.in_transaction
        return len(filled.Scan)

    with filled.project.connection.transaction:
        filled.Scan.insert([row(10), row(11)])
        assert in_child(work) == 6
        filled.Scan.insert([row(12), row(13)])
    assert in_child(work) == 10


def test_an_iteration_of_the_parent_is_refused_in_a_child(filled):
    rows = iter(filled.Scan.proj("name"))
    next(rows)

    def work():
        with pytest.raises(dj.DataJointError, match="another process"):
            for _ in rows:
                pass
        check(filled.Scan.to_dicts())

    in_child(work)
    assert len(list(rows)) == 5


def _summed(numbers):
    table = _summed.table
    return [
        float(array[0])
        for array in dj.load_all((table & f"id in {numbers}").to_arrays("trace", order_by="id"))
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pools_of_forked_workers(filled):
    _summed.table = filled.Scan
    batches = [(0, 1, 2), (3, 4, 5)] * 3
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        found = pool.map_async(_summed, batches).get(timeout=PATIENCE)
    assert found == [[0, 1, 2], [3, 4, 5]] * 3
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(_summed, batches, timeout=PATIENCE)) == found


def test_a_new_instance_in_a_child(tmp_path, filled):
    def work():
        Scan, Mean = declare(dj.Instance(path=tmp_path / "other").Schema("lab"))
        Scan.insert([row(number) for number in range(5)])
        check(Scan.to_dicts())
        Mean.populate()
        return len(Mean)

    assert in_child(work) == 5
