"""New objects for rows that are there: pending until an update stores them."""

import h5py
import numpy as np
import pytest
import zarr
from writer import files_of, start

import lodestore as dj


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
