"""Objects that are written straight into their store, before the row that owns them goes in."""

import io
import signal
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
import zarr

import lodestore as dj
from lodestore.errors import (
    DuplicateError,
    InvalidTypeError,
    InvalidValueError,
    MissingAttributeError,
    UnknownAttributeError,
)


@pytest.fixture
def scans(schema):
    @schema
    class Scan(dj.Manual):
        definition = """
        subject_id : int32
        session : varchar(20)
        ---
        frame_count = 0 : int32
        frames = null : <object@>
        movie = null : <object@>
        trace = null : <npy@>
        report = null : <attach@>
        raw = null : <hash@>
        thing = null : <blob@>
        inside = null : <attach>
        """

    return Scan


@pytest.fixture
def key():
    return {"subject_id": 1, "session": "é 2"}


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


def test_a_slab_that_does_not_fit_is_refused(scans, key, objects):
    with pytest.raises(InvalidValueError, match="does not continue"), scans.staged_insert1 as staged:
        staged.rec.update(key)
        with staged.array("trace", "i4", (None, 3)) as array:
            array.append(np.zeros((2, 4), "i4"))
    with (
        pytest.raises(InvalidValueError, match="has 2 rows, 3 were announced"),
        scans.staged_insert1 as staged,
    ):
        staged.rec.update(key)
        with staged.array("trace", "i4", (3,)) as array:
            array.append([1, 2])
    assert len(scans) == 0 and objects() == []


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


def stage(staged, key, field="movie", ext=".bin", content=b"abc"):
    staged.rec.update(key)
    with staged.open(field, ext) as file:
        file.write(content)


def refused_at_once():
    """What is wrong with a call: the exception, what it says, and the call."""
    return {
        "unknown": (UnknownAttributeError, "nothing", lambda s: s.open("nothing")),
        "core type": (dj.DataJointError, "is not an <object> type", lambda s: s.store("frame_count")),
        "blob": (dj.DataJointError, "cannot be written directly", lambda s: s.open("thing")),
        "in the table": (dj.DataJointError, "cannot be written directly", lambda s: s.open("inside", "x")),
        "npy as folder": (PermissionError, None, lambda s: s.store("trace").__setitem__("0", b"")),
        "extension": (InvalidValueError, "not a file extension", lambda s: s.store("frames", "/../x")),
        "npy extension": (InvalidValueError, "stored as `.npy`", lambda s: s.open("trace", ".bin")),
        "attachment's name": (InvalidValueError, "name of an attachment", lambda s: s.open("report")),
        "array of object": (
            dj.DataJointError,
            "not written as an array",
            lambda s: s.array("movie", "f4", (None,)),
        ),
        "mode": (dj.DataJointError, "mode 'rb'", lambda s: s.open("movie", mode="rb")),
        "outside": (PermissionError, "read only", lambda s: s.fs.pipe_file("_schema/x", b"")),
        "above": (dj.DataJointError, None, lambda s: s.store("frames").__setitem__("../x", b"")),
    }


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("case", refused_at_once())
def test_what_cannot_be_staged_is_refused(scans, key, objects, case):
    kind, says, call = refused_at_once()[case]
    with (
        pytest.raises(kind if kind is not PermissionError else Exception, match=says),
        scans.staged_insert1 as staged,
    ):
        staged.rec.update(key)
        call(staged)
    assert len(scans) == 0 and objects() == []


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("rec", [{}, {"subject_id": 1}, {"session": "x"}, {"subject_id": 1, "session": None}])
def test_the_key_comes_first(scans, rec):
    with (
        pytest.raises(dj.DataJointError, match=r"(?i)primary key values must be set .* Missing: {"),
        scans.staged_insert1 as staged,
    ):
        staged.rec.update(rec)
        staged.store("frames", ".zarr")
    with pytest.raises(InvalidValueError), scans.staged_insert1 as staged:
        staged.rec.update({"subject_id": 1 << 40, "session": "x"})
        staged.store("frames", ".zarr")
    assert len(scans) == 0


def incomplete():
    def never(staged):
        staged.store("frames", ".zarr")

    def still_open(staged):
        staged.kept = staged.open("movie", ".bin")
        staged.kept.write(b"x")

    def not_closed(staged):
        staged.open("movie", ".bin").write(b"x")
        staged._open.clear()

    def failed(staged):
        with pytest.raises(ZeroDivisionError), staged.open("movie") as file:
            file.write(b"half")
            raise ZeroDivisionError

    def both(staged):
        with staged.open("movie") as file:
            file.write(b"x")
        staged.store("movie")["a"] = b"y"

    def no_array(staged):
        with staged.open("trace") as file:
            file.write(b"x" * 100)

    def too_long(staged):
        with staged.open("trace") as file:
            np.save(file, np.arange(3))
            file.write(b"x")

    def moved(staged):
        stage(staged, {})
        staged.rec["subject_id"] = 2

    def twice(staged):
        stage(staged, {})
        staged.rec["movie"] = b"x"

    def removed(staged):
        store = staged.store("frames")
        store["a"] = b"x"
        del store["a"]

    return {
        never: "never written",
        still_open: "is still open",
        not_closed: "opened and not closed",
        failed: "opened and not closed",
        both: "both as a file and as a folder|a file and a folder claim the same path",
        no_array: "no `.npy` file",
        too_long: "has 153 bytes, its header tells of 152",
        moved: "was staged for the row with subject_id=1",
        twice: "has a value in `rec` too",
        removed: "never written",
    }


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("fault", "says"), incomplete().items(), ids=lambda part: getattr(part, "__name__", "")
)
def test_what_is_not_whole_does_not_go_in(scans, key, objects, fault, says):
    with pytest.raises(dj.DataJointError, match=says), scans.staged_insert1 as staged:
        staged.rec.update(key)
        fault(staged)
    assert len(scans) == 0 and objects() == []


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_nothing_is_left_on_any_way_out(scans, key, objects, kind):
    with pytest.raises(kind), scans.staged_insert1 as staged:
        stage(staged, key)
        staged.store("frames", ".zarr")["c/0"] = b"chunk"
        stage(staged, key, "raw", "")
        staged.kept = staged.open("report", "x.pdf")
        staged.kept.write(b"x")
        raise kind
    assert len(scans) == 0 and objects() == []
    with pytest.raises(ValueError, match="closed file"):
        staged.kept.write(b"more")
    with pytest.raises(PermissionError):
        staged.store("frames")["c/1"] = b"late"
    assert objects() == []


def test_nothing_is_left_of_a_refused_row(scans, key, objects):
    scans.insert1({**key, "movie": b"first"})
    before = objects()
    with pytest.raises(DuplicateError), scans.staged_insert1 as staged:
        stage(staged, key)
    with pytest.raises(UnknownAttributeError), scans.staged_insert1 as staged:
        stage(staged, {"subject_id": 9, "session": "x"})
        staged.rec["nothing"] = 1
    with pytest.raises((InvalidTypeError, InvalidValueError)), scans.staged_insert1 as staged:
        stage(staged, {"subject_id": 10, "session": "x"})
        staged.rec["frame_count"] = "many"
    assert len(scans) == 1 and objects() == before and scans.fetch1("movie").read() == b"first"


def test_a_missing_attribute_is_told(schema, objects):
    @schema
    class Movie(dj.Manual):
        definition = """
        id : int32
        ---
        frames : <object@>
        rate : float32
        """

    with pytest.raises(MissingAttributeError, match="rate"), Movie.staged_insert1 as staged:
        staged.rec["id"] = 1
        staged.store("frames")["a"] = b"1"
    assert len(Movie) == 0 and objects() == []


def test_a_transaction_that_is_rolled_back_takes_the_objects_along(project, scans, key, objects):
    with pytest.raises(RuntimeError), project.connection.transaction:
        with scans.staged_insert1 as staged:
            stage(staged, key)
            staged.store("frames")["a"] = b"1"
        assert len(scans) == 1 and len(objects()) == 3
        raise RuntimeError
    assert len(scans) == 0 and objects() == []
    with project.connection.transaction:
        with scans.staged_insert1 as staged:
            stage(staged, key)
        # A refused one takes only its own.
        with pytest.raises(DuplicateError), scans.staged_insert1 as staged:
            stage(staged, key, content=b"other")
    assert scans.fetch1("movie").read() == b"abc" and len(objects()) == 1


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


WRITER = """
import sys, lodestore as dj
schema = dj.Instance(path=sys.argv[1]).Schema("lab")

@schema
class Scan(dj.Manual):
    definition = '''
    id : int32
    ---
    frames : <object@>
    raw : <hash@>
    '''

def write(number):
    with Scan.staged_insert1 as staged:
        staged.rec["id"] = number
        with staged.open("raw") as raw:
            store = staged.store("frames", ".zarr")
            for chunk in range(20):
                store[str(chunk)] = bytes([chunk]) * 10_000
                raw.write(bytes([chunk]) * 10_000)
                print(number, chunk, flush=True)
"""


def start(folder, body):
    code = WRITER + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def files_of(folder):
    return sorted(
        str(path.relative_to(folder / "objects"))
        for path in (folder / "objects").rglob("*")
        if path.is_file()
    )


@pytest.mark.parametrize("chunks", [1, 7, 20])
def test_ctrl_c_in_a_staged_insert_leaves_nothing(tmp_path, chunks):
    writer = start(tmp_path / "p", "while True:\n    write(1)\n    (Scan & 'id = 1').delete_quick()")
    for _ in range(chunks):
        assert writer.stdout.readline(), writer.stderr.read()
    writer.send_signal(signal.SIGINT)
    _, errors = writer.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    table = dj.Instance(path=tmp_path / "p").Schema("lab")["Scan"]
    rows = table.to_dicts()
    # Wherever it hit: a row with all of its objects, or none of it.
    assert all(row["frames"].verify() for row in rows)
    owned = [row["frames"].path for row in rows]
    pending = [
        path
        for path in files_of(tmp_path / "p")
        if path.startswith("_schema/") and not any(map(path.startswith, owned))
    ]
    deleted = {path.split("/frames.")[1].split(".")[0] for path in pending}
    # Objects of rows that were deleted may stay for the collector; they are whole then.
    assert all(f"{token}.zarr.manifest.json" in " ".join(pending) for token in deleted)


def test_a_killed_staged_insert_leaves_no_row(tmp_path):
    for round, chunks in enumerate((1, 5, 12, 19)):
        folder = tmp_path / str(round)
        writer = start(folder, "write(1)\nwrite(2)")
        for _ in range(20 + chunks):
            assert writer.stdout.readline(), writer.stderr.read()
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        table = dj.Instance(path=folder).Schema("lab")["Scan"]
        rows = {row["id"]: row for row in table.to_dicts()}
        assert 1 in rows
        for row in rows.values():
            assert row["frames"].verify() and row["frames"].item_count == 20 and len(row["raw"]) == 200_000
        if 2 not in rows:
            with table.staged_insert1 as staged:
                staged.rec["id"] = 2
                staged.store("frames")["a"] = b"1"
                with staged.open("raw") as file:
                    file.write(b"x")
        assert len(table) == 2


def test_a_pending_reference_is_stored_by_an_update(scans, key, objects):
    scans.insert1({**key, "movie": b"kept"})
    before = objects()
    data = np.arange(20.0).reshape(4, 5)

    ref = (scans & key).create_object_ref("frames", ".zarr")
    z = zarr.open(ref.fsmap, mode="w", shape=data.shape, dtype=data.dtype)
    z[:] = data
    assert ref.is_pending and scans.fetch1("frames") is None and ref.store == "main"
    assert repr(ref) == f"PendingObjectRef({ref.path})"
    (scans & key).update1({**key, "frames": ref})

    assert not ref.is_pending and ref == scans.fetch1("frames") and ref.is_dir and ref.verify()
    assert np.array_equal(zarr.open(ref.fsmap, mode="r")[:], data)
    assert scans.fetch1("movie").read() == b"kept"
    with pytest.raises(PermissionError):
        z[:] = 0
    assert set(before) < set(objects())
    with pytest.raises(dj.DataJointError, match="belongs to a row already"):
        scans.update1({**key, "frames": ref}) if ref.is_pending else ref._handle.create()
    # The stored reference is one like any other: the row keeps it.
    scans.update1({**key, "frames": ref})
    assert scans.fetch1("frames") == ref


def test_a_pending_reference_as_a_file(scans, key):
    scans.insert1(key)
    ref = (scans & key).create_object_ref("movie", ".h5")
    with ref.open(mode="wb") as stream, h5py.File(stream, "w") as file:
        file["x"] = np.arange(10)
    scans.update1({**key, "movie": ref})
    with scans.fetch1("movie").open() as stream, h5py.File(stream) as file:
        assert file["x"][3] == 3
    array = (scans & key).create_object_ref("trace")
    with array.open(mode="wb") as stream:
        np.save(stream, np.arange(5))
    scans.update1({**key, "trace": array})
    assert scans.fetch1("trace")[2] == 2


def test_a_pending_reference_belongs_to_its_row(scans, key, objects):
    other = {"subject_id": 2, "session": "y"}
    scans.insert([key, other])
    ref = (scans & key).create_object_ref("movie", ".bin")
    with ref.open(mode="wb") as file:
        file.write(b"abc")
    for row, says in [
        ({**other, "movie": ref}, "was staged for the row with"),
        ({**key, "frames": ref}, "was staged for `movie`"),
    ]:
        with pytest.raises(dj.DataJointError, match=says):
            scans.update1(row)
    for name in ("read", "verify", "listdir", "to_json"):
        with pytest.raises(dj.DataJointError, match="no row owns"):
            getattr(ref, name)()
    # It is still pending: nothing was lost by what went wrong.
    assert ref.is_pending and objects() == [ref.path]
    scans.update1({**key, "movie": ref})
    assert ref.read() == b"abc"
    for rows in (scans, scans & "subject_id > 5"):
        with pytest.raises(dj.DataJointError):
            rows.create_object_ref("movie")


def test_a_pending_reference_is_removed_when_it_is_discarded(scans, key, objects, project):
    scans.insert1(key)
    ref = (scans & key).create_object_ref("frames", ".zarr")
    ref.fsmap["a"] = b"1"
    assert len(objects()) == 1
    ref.discard()
    assert objects() == []
    with pytest.raises(dj.DataJointError, match="was given up"):
        scans.update1({**key, "frames": ref})
    ref = (scans & key).create_object_ref("frames", ".zarr")
    ref.fsmap["a"] = b"1"
    with pytest.raises(RuntimeError), project.connection.transaction:
        scans.update1({**key, "frames": ref})
        raise RuntimeError
    assert objects() == [] and scans.fetch1("frames") is None


def test_a_pending_reference_is_removed_when_the_program_ends(tmp_path):
    body = """
    write(1)
    ref = (Scan & "id = 1").create_object_ref("frames", ".zarr")
    ref.fsmap["a"] = b"1"
    print(ref.path, flush=True)
    """
    writer = start(tmp_path / "p", body)
    output, errors = writer.communicate(timeout=30)
    path = output.splitlines()[-1]
    assert errors == "" and path.startswith("_schema/")
    assert not [name for name in files_of(tmp_path / "p") if name.startswith(path)]


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
