"""Objects that are written straight into their store, before the row that owns them goes in."""

import io
import subprocess
import sys

import h5py
import numpy as np
import pytest
import zarr

import lodestore as dj
from lodestore.errors import (
    DuplicateError,
)


def test_zarr_is_written_frame_by_frame(schema, objects):
    @schema
    class ImagingSession(dj.Manual):
        definition = """
        subject_id : int32
        session_id : int32
        ---
        n_frames : int32
        frame_rate : float32
        frames : <object@>
        """

    movie = np.random.default_rng(1).integers(0, 4000, (40, 16, 16)).astype("uint16")

    with ImagingSession.staged_insert1 as staged:
        staged.rec["subject_id"] = 1
        staged.rec["session_id"] = 1
        store = staged.store("frames", ".zarr")
        z = zarr.open(store, mode="w", shape=movie.shape, chunks=(10, 16, 16), dtype="uint16")
        for i in range(len(movie)):
            z[i] = movie[i]
        assert len(ImagingSession) == 0
        staged.rec["n_frames"] = 40
        staged.rec["frame_rate"] = 30.0

    assert ImagingSession.fetch1("n_frames") == 40
    ref = ImagingSession.fetch1("frames")
    assert ref.path.startswith("_schema/lab/ImagingSession/subject_id=1/session_id=1/frames.")
    assert ref.is_dir and ref.ext == ".zarr" and ref.path.endswith(".zarr") and ref.store == "main"
    files = [path for path in objects() if path.startswith(f"{ref.path}/")]
    assert ref.item_count == len(files) == 5 and ref.verify()
    assert f"{ref.path}.manifest.json" in objects()
    assert np.array_equal(zarr.open(ref.fsmap, mode="r")[3:7], movie[3:7])
    # What a row owns is not written any more, by whoever still holds the store.
    with pytest.raises(PermissionError):
        z[0] = 0
    with pytest.raises(PermissionError):
        store["more"] = b""
    assert ref.verify()


def test_a_manifest_tells_what_is_there_in_the_end(scans, key):
    with scans.staged_insert1 as staged:
        staged.rec.update(key)
        store = staged.store("frames")
        store["gone"] = b"1"
        store["twice"] = b"first"
        store["deep/er/file"] = b"x" * 1000
        store["twice"] = b"other"
        del store["gone"]
        fs = staged.fs
        fs.pipe_file(f"{store.root}/piped", b"piped")
        with fs.open(f"{store.root}/opened", "wb") as file:
            file.write(b"opened")
        assert sorted(store) == ["deep/er/file", "opened", "piped", "twice"]
        assert staged.store("frames", ".other").root == store.root
    ref = scans.fetch1("frames")
    assert (ref.item_count, ref.size, ref.ext) == (4, 1016, None) and ref.verify()
    assert ref.open("twice").read() == b"other"


def test_h5py_writes_and_reads(scans, key):
    data = np.random.default_rng(2).random((100, 50))
    with scans.staged_insert1 as staged:
        staged.rec.update(key)
        with staged.open("movie", ".h5") as stream, h5py.File(stream, "w") as file:
            file.create_dataset("data", data=data, chunks=(10, 50), compression="gzip")
            file.attrs["rate"] = 30.0
            for n in range(50):
                file[f"group{n}/x"] = n
    ref = scans.fetch1("movie")
    assert ref.ext == ".h5" and not ref.is_dir and ref.hash.startswith("sha256:") and ref.verify()
    with ref.open() as stream, h5py.File(stream, "r") as file:
        assert np.array_equal(file["data"][20:30], data[20:30]) and file["group49/x"][()] == 49


def test_all_kinds_of_fields_in_one_row(scans, key, tmp_path, objects):
    with scans.staged_insert1 as staged:
        staged.rec.update(key)
        staged.store("frames", "zarr")["0"] = b"chunk"
        with staged.open("movie", ".bin") as file:
            file.write(b"abc")
            file.write(memoryview(b"defg"))
            file.seek(1)
            file.write(np.frombuffer(b"XY", "u1"))
            file.seek(0)
            assert file.read() == b"aXYdefg" and file.tell() == 7
            assert file.truncate(6) == 6
        with staged.array("trace", "f4", (None, 3)) as array:
            array.append(np.arange(6.0).reshape(2, 3))
            array.append([[6, 7, 8]])
            assert array.shape == (3, 3)
        with staged.open("report", "report é.pdf") as file:
            file.write(b"page")
        with staged.open("raw") as file:
            file.write(b"raw bytes")
        staged.rec["thing"] = {"a": 1}
        staged.rec["inside"] = __file__
    row = scans.fetch1(download_path=tmp_path / "down")
    assert row["frames"].open("0").read() == b"chunk" and row["frames"].ext == ".zarr"
    assert row["movie"].read() == b"aXYdef" and row["movie"].verify()
    assert np.array_equal(row["trace"].load(), np.arange(9, dtype="f4").reshape(3, 3))
    assert row["trace"][1:, 0].tolist() == [3, 6] and row["trace"].dtype == np.float32
    report = tmp_path / "down" / "report é.pdf"
    assert row["report"] == str(report) and report.read_bytes() == b"page"
    assert row["raw"] == b"raw bytes" and row["thing"] == {"a": 1}
    # What is placed by its hash is what an insert would have placed.
    before = objects()
    scans.insert1({"subject_id": 2, "session": "", "raw": b"raw bytes"})
    assert objects() == before and sum(path.startswith("_hash/") for path in before) == 3


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 2), (0, 4)])
@pytest.mark.parametrize("dtype", ["f8", ">i2", "U3", [("a", "i4"), ("b", "f8", (2,))]])
def test_slabs_become_the_file_that_numpy_writes(scans, key, tmp_path, shape, dtype):
    whole = np.zeros(shape, dtype)
    if whole.size:
        whole[2:] = np.ones((), dtype) if dtype != "U3" else "é"
    with scans.staged_insert1 as staged:
        staged.rec.update(key)
        with staged.array("trace", dtype, shape) as array:
            array.append(whole[:1])
            array.append(np.asfortranarray(whole[1:4]))
            array.append(whole[4:])
    np.save(tmp_path / "x.npy", whole)
    ref = scans.fetch1("trace")
    stored = tmp_path / "project" / "objects" / ref.path
    assert stored.read_bytes() == (tmp_path / "x.npy").read_bytes()
    assert ref.shape == shape and ref.dtype == whole.dtype and ref.load().tobytes() == whole.tobytes()


def test_numpy_saves_into_a_staged_file(scans, key):
    array = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    with scans.staged_insert1 as staged:
        staged.rec.update(key)
        with staged.open("trace") as file:
            np.save(file, array)
    ref = scans.fetch1("trace")
    assert ref.path.endswith(".npy") and np.array_equal(ref[:, 1], array[:, 1])


def test_many_rows_go_in_together(scans, objects):
    with scans.staged_insert() as staged:
        for number in range(5):
            row = staged.row(subject_id=number, session="x")
            with row.open("movie", ".bin") as file:
                file.write(bytes([number]) * 10)
            row.rec["frame_count"] = number
        assert len(scans) == 0
    assert len(scans) == 5
    assert all(row["movie"].read() == bytes([row["frame_count"]]) * 10 for row in scans.to_dicts())
    before = objects()
    with pytest.raises(DuplicateError), scans.staged_insert() as staged:
        for number in (7, 3):
            staged.row(subject_id=number, session="x").store("frames")["a"] = b"1"
    assert len(scans) == 5 and objects() == before
    with scans.staged_insert() as staged:
        pass
    assert len(scans) == 5


def test_make_inserts_what_it_stages(schema, scans, objects):
    @schema
    class Mean(dj.Computed):
        definition = """
        -> Scan
        ---
        volume : <object@>
        """

        def make(self, key):
            with self.staged_insert1 as staged:
                staged.rec.update(key)
                z = zarr.open(staged.store("volume", ".zarr"), mode="w", shape=(4,), dtype="f8")
                z[:] = key["subject_id"]
                if key["subject_id"] == 2:
                    raise ValueError("no volume")

    scans.insert([{"subject_id": n, "session": "x"} for n in range(4)])
    Mean.populate(suppress_errors=True)
    rows = Mean.to_dicts()
    assert [row["subject_id"] for row in rows] == [0, 1, 3]
    assert all((zarr.open(row["volume"].fsmap, mode="r")[:] == row["subject_id"]).all() for row in rows)
    assert not [path for path in objects() if "subject_id=2" in path]
    with pytest.raises(dj.DataJointError), Mean.staged_insert1:
        pass


def test_another_process_may_write_what_is_staged(database, project, scans, key):
    """As the workers of dask do: they are sent the store."""
    import pickle

    with scans.staged_insert1 as staged:
        staged.rec.update(key)
        store = staged.store("frames", ".zarr")
        z = zarr.open(store, mode="w", shape=(4, 10), chunks=(1, 10), dtype="i4")
        z[0], z[1] = 1, 5
        script = (
            "import pickle, sys, zarr; z = zarr.open(pickle.load(sys.stdin.buffer), mode='r+'); z[1:] = 2"
        )
        subprocess.run(
            [sys.executable, "-c", script],
            input=pickle.dumps(store),
            check=True,
            env=database.environment(project),
        )
    ref = scans.fetch1("frames")
    assert ref.verify()
    assert zarr.open(ref.fsmap, mode="r")[:, 0].tolist() == [1, 2, 2, 2]


def test_zarr_2_and_3_formats_are_written(scans):
    for number, form in enumerate((2, 3)):
        with scans.staged_insert1 as staged:
            staged.rec.update(subject_id=number, session="x")
            root = zarr.open_group(staged.store("frames", ".zarr"), mode="w", zarr_format=form)
            root.create_array("a/b", shape=(7, 5), chunks=(3, 5), dtype="f4")[:] = number
            root.attrs["rate"] = 30
        ref = (scans & {"subject_id": number}).fetch1("frames")
        found = zarr.open_group(ref.fsmap, mode="r")
        assert found["a/b"][6].tolist() == [number] * 5 and found.attrs["rate"] == 30 and ref.verify()


def test_a_stream_is_a_stream(scans, key):
    with scans.staged_insert1 as staged:
        staged.rec.update(key)
        file = staged.open("movie")
        text = io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8")
        text.write("héllo\n" * 1000)
        text.close()
        assert file.closed
        file.close()
    assert scans.fetch1("movie").read() == "héllo\n".encode() * 1000
