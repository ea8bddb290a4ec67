"""Staged inserts that fail, are refused, interrupted or killed: neither a row nor an object is left."""

import signal

import numpy as np
import pytest
from writer import files_of, start

import lodestore as dj
from lodestore.errors import (
    DuplicateError,
    InvalidTypeError,
    InvalidValueError,
    MissingAttributeError,
    UnknownAttributeError,
)


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
