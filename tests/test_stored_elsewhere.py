"""Staged inserts and references on every kind of store: what works in a folder works in a bucket."""

import io
import pickle

import h5py
import numpy as np
import pytest
import zarr

import lodestore as dj
from lodestore import _lodestore
from lodestore.errors import DuplicateError, MissingExternalFile

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def scans(stored_project):
    @stored_project.Schema("lab")
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        frames = null : <object@>
        movie = null : <object@>
        trace = null : <npy@>
        report = null : <attach@>
        raw = null : <hash@>
        """

    return Scan


@pytest.fixture
def objects(stored_project):
    """The paths of all objects in the store."""

    def listed():
        store = _lodestore.StoreHandle.open(stored_project.connection._core, "main")
        return sorted(name for name, _ in store.list(None) if not name.startswith(".lodestore"))

    return listed


def test_zarr_is_written_in_place_and_read_lazily(scans):
    movie = np.random.default_rng(1).integers(0, 4000, (40, 16, 16)).astype("uint16")
    with scans.staged_insert1 as staged:
        staged.rec["id"] = 1
        store = staged.store("frames", ".zarr")
        z = zarr.open(store, mode="w", shape=movie.shape, chunks=(10, 16, 16), dtype="uint16")
        for i in range(0, len(movie), 5):
            z[i : i + 5] = movie[i : i + 5]
    ref = scans.fetch1("frames")
    assert ref.is_dir and ref.item_count == 5 and ref.verify()
    for source in (ref.fsmap, ref.zarr_store, pickle.loads(pickle.dumps(ref)).fsmap):
        assert np.array_equal(zarr.open(source, mode="r")[3:7], movie[3:7])
    with ref.open() as opened:
        assert zarr.open(opened, mode="r").shape == movie.shape
    with pytest.raises(PermissionError):
        z[0] = 0
    assert ref.listdir() == ["c", "zarr.json"] and ref.fs.isdir(f"{ref.path}/c")


def test_h5py_writes_in_place_and_reads_lazily(scans):
    data = np.random.default_rng(2).random((500, 400))
    with scans.staged_insert1 as staged:
        staged.rec["id"] = 1
        with staged.open("movie", ".h5") as stream, h5py.File(stream, "w") as file:
            file.create_dataset("data", data=data, chunks=(10, 400))
            file.create_group("deep/er").attrs["rate"] = 30.0
    ref = scans.fetch1("movie")
    assert ref.ext == ".h5" and ref.size > data.nbytes and ref.verify()
    for opened in (ref.open(), ref.fs.open(ref.path)):
        with opened as stream, h5py.File(stream, "r") as file:
            assert (
                np.array_equal(file["data"][200:210], data[200:210]) and file["deep/er"].attrs["rate"] == 30
            )


def test_arrays_and_attachments(scans, tmp_path):
    data = np.arange(60_000.0).reshape(600, 100)
    with scans.staged_insert1 as staged:
        staged.rec["id"] = 1
        with staged.array("trace", "f8", (None, 100)) as array:
            for start in range(0, 600, 100):
                array.append(data[start : start + 100])
        with staged.open("report", "report.pdf") as file:
            file.write(b"page" * 1000)
        with staged.open("raw") as file:
            file.write(b"raw")
    row = scans.fetch1(download_path=tmp_path / "down")
    assert (tmp_path / "down" / "report.pdf").read_bytes() == b"page" * 1000 and row["raw"] == b"raw"
    ref = row["trace"]
    assert np.array_equal(ref[50:60, ::7], data[50:60, ::7]) and not ref.is_loaded
    assert np.array_equal(dj.load_all([ref])[0], data)
    again = scans.fetch1("trace")
    assert np.array_equal(again.load(mmap_mode="r")[3], data[3])


def test_nothing_is_left_of_what_fails(scans, objects):
    scans.insert1({"id": 1, "movie": b"kept"})
    before = objects()
    for kind in (ValueError, KeyboardInterrupt):
        with pytest.raises(kind), scans.staged_insert1 as staged:
            staged.rec["id"] = 2
            staged.store("frames", ".zarr")["c/0"] = b"chunk"
            with staged.open("movie") as file:
                file.write(b"x")
            raise kind
    with pytest.raises(DuplicateError), scans.staged_insert1 as staged:
        staged.rec["id"] = 1
        staged.store("frames", ".zarr")["c/0"] = b"chunk"
    with pytest.raises(dj.DataJointError, match="never written"), scans.staged_insert1 as staged:
        staged.rec["id"] = 3
        staged.store("frames", ".zarr")
    assert len(scans) == 1 and objects() == before


def test_a_pending_reference(scans):
    key = {"id": 1}
    data = np.arange(200).reshape(20, 10)
    scans.insert1(key)
    ref = (scans & key).create_object_ref("frames", ".zarr")
    z = zarr.open(ref.fsmap, mode="w", shape=data.shape, dtype=data.dtype)
    z[:] = data
    (scans & key).update1({**key, "frames": ref})
    assert ref.verify() and np.array_equal(zarr.open(scans.fetch1("frames").fsmap, mode="r")[:], data)


def test_folders_are_downloaded(scans, tmp_path):
    source = tmp_path / "x.zarr"
    (source / "a").mkdir(parents=True)
    for n in range(30):
        (source / "a" / str(n)).write_text(str(n))
    scans.insert1({"id": 1, "frames": source})
    ref = scans.fetch1("frames")
    home = ref.download(tmp_path / "out")
    assert all((tmp_path / "out" / "a" / str(n)).read_text() == str(n) for n in range(30)), home
    with ref.open("a/7") as stream:
        assert stream.read() == b"7"
    with pytest.raises(IsADirectoryError):
        ref.open("a").read()
    with pytest.raises(MissingExternalFile):
        ref.open("none").read()


@pytest.mark.stores("s3")
def test_objects_of_another_machine_are_cached(stored_project, scans, tmp_path):
    stored_project.config["read.cache"] = str(tmp_path / "cache")
    data = np.random.default_rng(3).random(1000)
    scans.insert1({"id": 1, "trace": data, "movie": b"movie"})
    row = scans.fetch1()
    assert np.array_equal(row["trace"].load(), data) and row["movie"].read() == b"movie"
    mapped = scans.fetch1("trace").load(mmap_mode="r")
    assert isinstance(mapped, np.memmap) and np.array_equal(mapped, data)
    store = _lodestore.StoreHandle.open(stored_project.connection._core, "main")
    for name in (row["trace"].path, row["movie"].path):
        store.delete(name)
    row = scans.fetch1()
    assert np.array_equal(row["trace"].load(), data) and row["trace"][5] == data[5]
    assert row["movie"].open().read() == row["movie"].read() == b"movie"


@pytest.mark.stores("s3")
def test_a_stream_is_read_in_few_requests(scans):
    content = bytes(range(256)) * 40_000
    scans.insert1({"id": 1, "movie": content})
    with scans.fetch1("movie").open() as stream:
        assert stream.read(10) == content[:10] and stream.seek(-10, io.SEEK_END)
        assert stream.read() == content[-10:] and stream.seek(1000) == 1000
        assert stream.read(5_000_000) == content[1000:5_001_000] and stream.read() == content[5_001_000:]
