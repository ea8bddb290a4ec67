"""References to arrays: known without reading, read in parts."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lodestore as dj
from lodestore.errors import CorruptError, MissingExternalFile


@pytest.fixture
def store(schema):
    @schema
    class Trace(dj.Manual):
        definition = """
        id : int32
        ---
        trace : <npy@>
        """

    def put(array):
        number = len(Trace)
        Trace.insert1({"id": number, "trace": array})
        return (Trace & {"id": number}).fetch1("trace")

    return put


DTYPES = [
    "?",
    "i1",
    "u1",
    ">i2",
    "<u2",
    "i4",
    ">u4",
    "i8",
    "u8",
    "f2",
    "f4",
    ">f8",
    "f8",
    "c8",
    "c16",
    "S3",
    "U2",
    ">U2",
    "M8[D]",
    "M8[ns]",
    "m8[s]",
    "V3",
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 3, 4)])
def test_every_type_and_shape_comes_back(store, dtype, shape):
    rng = np.random.default_rng(0)
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = rng.integers(0, 2 if dtype == "?" else 100, count, dtype=np.uint8).tobytes()
    array = np.frombuffer(raw, "u1").view("u1")
    array = (
        np.zeros(shape, dtype) if dtype.endswith("U2") or count == 0 else array.view(dtype).reshape(shape)
    ).copy()
    for layout in (array, np.array(array, order="F")):
        ref = store(layout)
        assert (ref.shape, ref.dtype, ref.nbytes, ref.ndim, ref.size) == (
            array.shape,
            array.dtype,
            array.nbytes,
            array.ndim,
            array.size,
        )
        assert not ref.is_loaded
        loaded = ref.load()
        assert (
            loaded.dtype == array.dtype
            and loaded.shape == array.shape
            and loaded.tobytes() == array.tobytes()
        )
        assert ref.is_loaded and ref.load() is loaded
        assert loaded.flags.writeable


def test_structured_arrays_come_back(store):
    dtype = np.dtype([("a", "i4"), ("b", ">f8", (2,)), ("c", [("x", "u1"), ("y", "U3")])], align=True)
    array = np.zeros(4, dtype)
    array["a"], array["c"]["y"] = range(4), "é"
    ref = store(array)
    assert ref.dtype == np.dtype(dtype.descr) or ref.dtype.names == dtype.names
    loaded = ref.load()
    assert loaded["a"].tolist() == [0, 1, 2, 3] and loaded["c"]["y"][0] == "é" and loaded["b"].shape == (4, 2)


def test_the_file_is_what_numpy_writes(store, tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    ref = store(array)
    np.save(tmp_path / "numpy.npy", array)
    ours = tmp_path / "project" / "objects" / ref.path
    assert ours.read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_slices_read_only_what_they_need(store):
    array = np.arange(1_000_000, dtype="f8").reshape(10_000, 100)
    ref = store(array)
    part = ref[1000:1010]
    assert np.array_equal(part, array[1000:1010])
    assert ref.bytes_read == part.nbytes and not ref.is_loaded
    assert ref[-1, -1] == array[-1, -1] and isinstance(ref[0, 0], np.float64)
    assert ref.bytes_read == part.nbytes + 16
    with pytest.raises(IndexError):
        ref[10_000]
    with pytest.raises(IndexError):
        ref[0, 0, 0]


items = st.one_of(st.integers(-4, 3), st.slices(4), st.just(Ellipsis), st.none())


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    index=st.one_of(hnp.basic_indices((4, 3, 5), allow_newaxis=True), st.lists(items, max_size=4).map(tuple)),
    order=st.sampled_from("CF"),
)
def test_an_index_means_what_it_means_to_numpy(store, index, order):
    array = np.arange(60, dtype="i2").reshape(4, 3, 5)
    ref = store(np.array(array, order=order))
    try:
        expected = array[index]
    except IndexError:
        with pytest.raises(IndexError):
            ref[index]
        return
    found = ref[index]
    assert (
        type(found) is type(expected)
        and np.array_equal(found, expected)
        and np.shape(found) == np.shape(expected)
    )


def test_fancy_indices_give_what_numpy_gives(store):
    array = np.arange(60).reshape(4, 3, 5)
    ref = store(array)
    for index in (
        [3, 0, 3],
        np.array([True, False, True, True]),
        ([0, 1], [2, 2]),
        (slice(None), [0, 2]),
        array > 30,
        True,
    ):
        assert np.array_equal(ref[index], array[index])


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    index=st.one_of(
        hnp.arrays("bool", st.sampled_from([(4,), (4, 3), (4, 3, 5)])),
        hnp.integer_array_indices((4, 3, 5), result_shape=hnp.array_shapes(max_dims=2, max_side=4)),
        st.lists(st.integers(-4, 3), max_size=5),
        st.tuples(st.slices(4), st.lists(st.integers(-3, 2), min_size=1, max_size=4)),
        st.tuples(st.lists(st.integers(-4, 3), min_size=1, max_size=3), st.slices(3), st.integers(-5, 4)),
    ),
    order=st.sampled_from("CF"),
)
def test_a_fancy_index_means_what_it_means_to_numpy(store, index, order):
    array = np.arange(60, dtype="i2").reshape(4, 3, 5)
    ref = store(np.array(array, order=order))
    found, expected = ref[index], array[index]
    assert np.array_equal(found, expected) and found.shape == expected.shape and found.dtype == expected.dtype
    assert not ref.is_loaded


def test_fancy_indices_read_only_what_they_need(store):
    array = np.arange(1_000_000, dtype="f8").reshape(10_000, 100)
    ref = store(array)
    mask = np.zeros(10_000, bool)
    mask[[5, 9000]] = True
    for index in ([5, 9000], np.array([5, 9000]), mask):
        before = ref.bytes_read
        assert np.array_equal(ref[index], array[index])
        assert ref.bytes_read - before == 1600
    with pytest.raises(IndexError):
        ref[[10_000]]
    with pytest.raises(IndexError):
        ref[np.ones(3, bool)]
    with pytest.raises(IndexError):
        ref[["a"]]
    assert not ref.is_loaded or ref.load() is not None


def test_an_index_over_a_million_places_apart_reads_all(store):
    array = np.asfortranarray(np.arange(6_000_000, dtype="u1").reshape(3_000_000, 2))
    ref = store(array)
    picked = np.arange(0, 3_000_000, 2)
    assert np.array_equal(ref[picked], array[picked]) and ref.is_loaded
    with pytest.raises(IndexError):
        store(array)[3_000_000]


@pytest.mark.parametrize("dtype", ["f8", ">i4", "U3", "M8[ns]", [("a", "i4"), ("b", "f8", (2,))]])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_local_file_is_mapped_read_only(store, dtype, order):
    array = np.zeros((30, 4), dtype)
    array[3] = np.ones((), dtype) if not isinstance(dtype, str) or dtype[0] not in "UM" else array[0]
    ref = store(np.array(array, order=order))
    mapped = ref.load(mmap_mode="r")
    assert isinstance(mapped, np.memmap) and mapped.dtype == array.dtype and not ref.is_loaded
    assert mapped.tobytes() == array.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = mapped[1]
    copy = ref.load(mmap_mode="c")
    copy[:] = copy[::-1].copy()
    assert ref.load().tobytes() == array.tobytes()
    for mode in ("r+", "w+", "x"):
        with pytest.raises(ValueError, match="cannot be mapped"):
            ref.load(mmap_mode=mode)


def test_arrays_that_cannot_be_mapped_come_read_only_too(store):
    for array in (np.array(5.0), np.zeros((0, 3))):
        found = store(array).load(mmap_mode="r")
        assert np.array_equal(found, array) and found.shape == array.shape and not found.flags.writeable


def test_references_travel_and_compare(database, project, store):
    import copy
    import pickle
    import subprocess
    import sys

    array = np.arange(12).reshape(3, 4)
    ref, other = store(array), store(array)
    again = pickle.loads(pickle.dumps(ref))
    assert again == ref and ref != other and copy.deepcopy(ref) == ref and len({ref, again, other}) == 2
    assert np.array_equal(again[1:], array[1:]) and np.array_equal(ref == array, np.ones((3, 4), bool))
    script = "import pickle, sys; ref = pickle.load(sys.stdin.buffer); print(ref[1].tolist(), ref.shape)"
    found = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(ref),
        capture_output=True,
        check=True,
        env=database.environment(project),
    )
    assert found.stdout == b"[4, 5, 6, 7] (3, 4)\n"


def test_a_reference_is_like_an_array(store):
    array = np.arange(6.0).reshape(2, 3)
    ref = store(array)
    assert repr(ref) == "NpyRef(shape=(2, 3), dtype=float64, not loaded)"
    assert len(ref) == 2 and [row.tolist() for row in ref] == array.tolist()
    assert np.mean(ref) == 2.5 and np.array_equal(ref + 1, array + 1) and np.array_equal(1 - ref, 1 - array)
    assert np.asarray(ref, dtype="i4").dtype == np.int32
    assert np.array(ref, copy=True) is not ref.load()
    assert repr(ref).endswith("loaded)") and "not" not in repr(ref)


def test_what_is_gone_or_damaged_is_told(store, tmp_path, project):
    ref, other = store(np.arange(100)), store(np.arange(100))
    file = tmp_path / "project" / "objects" / ref.path
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(CorruptError):
        ref.load()
    file.unlink()
    with pytest.raises(MissingExternalFile, match=r"trace\.") as caught:
        ref[5]
    assert caught.value.context["store"] == "main"
    assert other[5] == 5
