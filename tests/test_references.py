"""Many references at once, and the programs that read through them: dask, xarray, zarr, fsspec."""

import io
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import fsspec
import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import InvalidTypeError, MissingExternalFile


@pytest.fixture
def recordings(schema):
    @schema
    class Recording(dj.Manual):
        definition = """
        id : int32
        ---
        trace = null : <npy@>
        data = null : <object@>
        """

    return Recording


@pytest.fixture
def traces(recordings):
    recordings.insert([{"id": n, "trace": np.arange(n * 10.0).reshape(n, 10)} for n in range(20)])
    return recordings.to_arrays("trace", order_by="id")


def test_many_references_are_loaded_together(recordings, traces):
    recordings.insert([{"id": 100, "data": b"bytes"}, {"id": 101}])
    file, nothing = recordings.to_arrays("data", order_by="id")[-2:]
    traces[3].load()
    kept = traces[3].load()
    refs = [*traces, file, nothing, traces[5], file]
    loaded = dj.load_all(refs)
    assert all(np.array_equal(loaded[n], np.arange(n * 10.0).reshape(n, 10)) for n in range(20))
    assert loaded[20:22] == [b"bytes", None] and loaded[22] is loaded[5] and loaded[23] == b"bytes"
    assert loaded[3] is kept and all(
        ref.is_loaded and ref.load() is loaded[n] for n, ref in enumerate(traces)
    )
    assert dj.load_all([]) == [] and dj.load_all(iter(traces[:2]))[1] is loaded[1]
    with pytest.raises(InvalidTypeError, match="no reference"):
        dj.load_all([traces[0], np.arange(3)])


def test_a_missing_one_among_many_is_told(recordings, traces, tmp_path):
    (tmp_path / "project" / "objects" / traces[7].path).unlink()
    with pytest.raises(MissingExternalFile, match=traces[7].path.rsplit("/", 1)[-1]):
        dj.load_all(traces)
    assert not traces[0].is_loaded


def test_references_are_loaded_ahead_of_their_turn(recordings, traces):
    seen = []

    def told():
        for ref in traces:
            seen.append(ref)
            yield ref

    arrays = dj.load_each(told(), ahead=3)
    for n, array in enumerate(arrays):
        assert np.array_equal(array, np.arange(n * 10.0).reshape(n, 10)) and len(seen) <= n + 4
        if n == 10:
            break
    arrays.close()
    assert len(seen) < 20 and not any(ref.is_loaded for ref in traces)
    assert [len(array) for array in dj.load_each(traces)] == list(range(20))
    with pytest.raises(dj.DataJointError, match="nothing would ever be read"):
        next(dj.load_each(traces, ahead=0))


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("order", ["C", "F"])
def test_dask_computes_through_ranges(recordings, order):
    import dask.array as da

    array = np.asarray(np.random.default_rng(0).random((2000, 100)), order=order)
    recordings.insert1({"id": 1, "trace": array})
    ref = recordings.fetch1("trace")
    lazy = da.from_array(ref, chunks=(500, 100))
    part = lazy[700:800, 3:6].sum(axis=0)
    assert not ref.is_loaded and ref.bytes_read == 0
    assert np.allclose(part.compute(scheduler="threads"), array[700:800, 3:6].sum(axis=0))
    assert not ref.is_loaded and ref.bytes_read < array.nbytes
    assert np.isclose(da.from_array(ref).mean().compute(), array.mean())
    if order == "C":
        assert np.isclose((lazy + 1).sum().compute(scheduler="processes", num_workers=1), (array + 1).sum())
    # The same row gives the same tasks, another one other tasks.
    again = recordings.fetch1("trace")
    recordings.insert1({"id": 2, "trace": array})
    other = (recordings & "id = 2").fetch1("trace")
    names = [da.from_array(item, chunks=(500, 100)).name for item in (ref, again, other)]
    assert names[0] == names[1] != names[2]


@pytest.mark.databases("sqlite")
def test_chunks_are_whole_rows(recordings):
    rows = 3 * (64 << 20) // 8000
    for number, (shape, dtype, expected) in enumerate(
        [
            ((5, 3), "f8", (5, 3)),
            ((), "f8", ()),
            ((0, 4), "f8", (0, 4)),
        ]
    ):
        recordings.insert1({"id": number, "trace": np.zeros(shape, dtype)})
        ref = (recordings & {"id": number}).fetch1("trace")
        assert tuple(min(a, b) for a, b in zip(ref.chunks, shape, strict=True)) == expected
    told = {"path": "x.npy", "store": "main", "dtype": "float64", "shape": [rows, 1000]}
    project = recordings.connection._core
    from lodestore._lodestore import ArrayRef

    assert ArrayRef.from_metadata(project, told).chunks == ((64 << 20) // 8000, 1000)
    told["shape"] = [10, 3, 1 << 24]
    assert ArrayRef.from_metadata(project, told).chunks == (1, 1, 1 << 23)


def test_xarray_opens_what_was_stored(recordings):
    xarray = pytest.importorskip("xarray")
    data = xarray.Dataset({"v": (("t", "x"), np.arange(200.0).reshape(20, 10))}, {"t": np.arange(20)})
    with recordings.staged_insert1 as staged:
        staged.rec["id"] = 1
        data.chunk({"t": 5}).to_zarr(staged.store("data", ".zarr"), mode="w", consolidated=False)
    ref = recordings.fetch1("data")
    assert ref.verify()
    found = xarray.open_zarr(ref.fsmap, consolidated=False)
    assert np.array_equal(found.v[7:9].compute(), data.v[7:9]) and found.identical(data)


def test_the_store_of_zarr_3(recordings):
    zarr = pytest.importorskip("zarr", minversion="3")
    with recordings.staged_insert1 as staged:
        staged.rec["id"] = 1
        root = zarr.open_group(staged.store("data", ".zarr"), mode="w")
        root.create_array("a/b", shape=(10, 4), chunks=(5, 4), dtype="i4")[:] = np.arange(40).reshape(10, 4)
    ref = recordings.fetch1("data")
    store = ref.zarr_store
    assert store.read_only and isinstance(store, zarr.abc.store.Store)
    root = zarr.open_group(store, mode="r")
    assert root["a/b"][7].tolist() == [28, 29, 30, 31] and list(root.group_keys()) == ["a"]
    with pytest.raises((ValueError, PermissionError)):
        zarr.open_group(store, mode="r+").create_group("more")
    again = zarr.open_group(pickle.loads(pickle.dumps(store)), mode="r")
    assert again["a/b"][1, 1] == 5 and ref.verify()


def test_a_file_system_of_fsspec(recordings, tmp_path):
    folder = tmp_path / "folder"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "top").write_bytes(b"0123456789")
    (folder / "a" / "b" / "deep").write_bytes(b"deep")
    recordings.insert1({"id": 1, "data": folder})
    ref = recordings.fetch1("data")
    fs, root = ref.fs, ref.path
    assert isinstance(fs, fsspec.AbstractFileSystem)
    assert fs.cat(f"{root}/top") == b"0123456789"
    for start, end in [(2, 5), (0, 0), (8, 100), (None, 3), (-3, None), (-4, -2), (20, 30), (5, 2)]:
        assert fs.cat_file(f"{root}/top", start=start, end=end) == b"0123456789"[start:end]
    assert fs.cat_ranges([f"{root}/top"] * 2, [0, 5], [2, 7]) == [b"01", b"56"]
    assert fs.info(f"{root}/top")["size"] == 10 and fs.isdir(f"{root}/a") and fs.isfile(f"{root}/a/b/deep")
    assert not fs.exists(f"{root}/none") and fs.exists(root)
    assert sorted(name.rsplit("/", 1)[-1] for name in fs.ls(root, detail=False)) == ["a", "top"]
    assert fs.ls(f"{root}/top", detail=False) == [f"{root}/top"]
    assert fs.find(root) == [f"{root}/a/b/deep", f"{root}/top"] and fs.find(f"{root}/top") == [f"{root}/top"]
    assert fs.glob(f"{root}/**/deep") == [f"{root}/a/b/deep"] and fs.du(root) == 14
    assert [sorted(names) for _, _, names in fs.walk(root)] == [["top"], [], ["deep"]]
    with fs.open(f"{root}/top") as stream:
        assert stream.seek(-3, io.SEEK_END) == 7 and stream.read() == b"789"
    fs.get(root, str(tmp_path / "copy"), recursive=True)
    assert (tmp_path / "copy" / "a" / "b" / "deep").read_bytes() == b"deep"
    for missing in (
        lambda: fs.cat(f"{root}/none"),
        lambda: fs.open(f"{root}/none"),
        lambda: fs.ls(f"{root}/none"),
    ):
        with pytest.raises(FileNotFoundError):
            missing()
    assert pickle.loads(pickle.dumps(fs)).cat(f"{root}/top") == b"0123456789"
    assert fsspec.AbstractFileSystem.from_json(fs.to_json()).cat(f"{root}/top") == b"0123456789"


def mean_of(ref):
    return float(np.mean(ref)), ref[-1, -1], ref.is_loaded


@pytest.mark.databases("sqlite", "mariadb")
def test_workers_are_sent_references(database, project, recordings, traces, monkeypatch):
    for name, value in database.environment(project).items():
        monkeypatch.setenv(name, value)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(mean_of, traces[1:5]))
    assert [last for _, last, _ in found] == [9, 19, 29, 39]


@pytest.mark.databases("postgresql", "mariadb")
def test_a_process_that_knows_nothing_of_the_project_says_so(recordings, traces, tmp_path):
    script = "import pickle, sys; pickle.load(sys.stdin.buffer)"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps(traces[1]), capture_output=True, cwd=empty
    )
    assert done.returncode and b"not configured for it" in done.stderr and not list(empty.iterdir())


def test_rows_are_fetched_where_their_store_is_not(database, project, recordings, traces, tmp_path):
    stores = project.config._core.get("stores")
    main = stores[stores.get("default", "main")]
    away = tmp_path / "elsewhere"
    os.rename(main["location"], away)
    project.config._core.set(
        "stores", {"default": "main", "main": {**main, "location": str(tmp_path / "nowhere")}}
    )
    rows = recordings.to_dicts(order_by="id")
    assert [row["trace"].shape for row in rows] == [(n, 10) for n in range(20)]
    assert pickle.loads(pickle.dumps(rows[4]["trace"])) == rows[4]["trace"]
    with pytest.raises(dj.DataJointError, match="nowhere"):
        rows[4]["trace"].load()
    project.config._core.set("stores", {"default": "main", "main": {**main, "location": str(away)}})
    assert rows[4]["trace"][3, 3] == 33
