"""Rows that end up in no table leave no object behind; rows that are copied take theirs along."""

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import CorruptError, DuplicateError, InvalidTypeError, MissingExternalFile


@pytest.fixture
def scan(schema):
    @schema
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        trace = null : <npy@>
        shared = null : <blob@>
        near = null : <blob>
        file = null : <object@>
        word = null : varchar(9)
        """

    return Scan


def arrays(numbers):
    return [{"id": number, "trace": np.full(3, number)} for number in numbers]


def test_nothing_is_stored_for_rows_that_are_skipped(scan, objects):
    scan.insert(arrays(range(3)))
    before = objects()
    scan.insert(arrays(range(3)), skip_duplicates=True)
    assert objects() == before
    scan.insert(arrays([2, 3, 3, 4]), skip_duplicates=True)
    assert len(scan) == len(objects()) == 5
    scan.insert(({"id": n, "trace": np.zeros(2), "shared": n} for n in range(5)), skip_duplicates=True)
    assert len(objects()) == 5


@pytest.mark.databases("sqlite")
def test_rows_that_another_is_faster_with_are_cleaned(scan, project, objects, tmp_path):
    """The other inserts between the look at the keys and the insert: a codec lets it in."""
    other = dj.Instance(path=tmp_path / "project")

    class Slow(dj.Codec):
        name = "slow_insert_race"

        def get_dtype(self, is_store):
            return "<npy@>"

        def encode(self, value, *, key=None, store_name=None):
            import threading

            def insert():
                other.FreeTable("lab.racing").insert1({"id": 1, "trace": "first"}, skip_duplicates=True)

            if value == "late":
                thread = threading.Thread(target=insert)
                thread.start()
                thread.join()
            return np.arange(5)

        def decode(self, stored, *, key=None):
            return stored.load()

    @project.Schema("lab")
    class Racing(dj.Manual):
        definition = """
        id : int32
        ---
        trace : <slow_insert_race@>
        """

    Racing.insert([{"id": 1, "trace": "late"}, {"id": 2, "trace": "late"}], skip_duplicates=True)
    assert len(Racing) == 2 and len(objects()) == 2
    assert [row["trace"].tolist() for row in Racing] == [[0, 1, 2, 3, 4]] * 2
    other.connection.close()


def test_nothing_is_left_of_rows_that_are_refused(scan, objects, tmp_path):
    scan.insert1({"id": 5})
    folder = tmp_path / "folder.zarr"
    folder.mkdir()
    (folder / "0.0").write_text("abc")
    rows = [{"id": number, "trace": np.zeros(3), "file": str(folder)} for number in range(7)]
    with pytest.raises(DuplicateError, match=r"row `5`|key `id=5`"):
        scan.insert(rows)
    assert len(scan) == 1 and objects() == []
    with pytest.raises(DuplicateError):
        scan.insert(row for row in rows)
    assert len(scan) == 1 and objects() == []


def test_the_old_object_of_a_replaced_row_goes(scan, objects):
    scan.insert(arrays([1]))
    old = objects()
    scan.insert([{"id": 1, "trace": np.arange(9)}], replace=True)
    assert scan.fetch1("trace").load().tolist() == list(range(9))
    assert not set(old) & set(objects()) and len(objects()) == 1


def test_a_copied_row_has_objects_of_its_own(scan, schema, objects, tmp_path):
    folder = tmp_path / "folder.zarr"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "0.0").write_text("abc")
    (folder / "empty").write_text("")
    scan.insert1({"id": 1, "trace": np.arange(6.0).reshape(2, 3), "shared": [1, 2], "file": str(folder)})
    scan.insert1({"id": 2, "trace": np.arange(3), "file": (".bin", b"bytes")})

    @schema
    class Copy(dj.Manual):
        definition = scan.definition

    before = objects()
    Copy.insert(scan.to_dicts())
    added = sorted(set(objects()) - set(before))
    assert all(path.startswith("_schema/lab/Copy/id=") for path in added)
    # The shared content is not stored again.
    assert [path for path in objects() if path.startswith("_hash/")] == [
        path for path in before if path.startswith("_hash/")
    ]
    (scan & "id > 0").delete(prompt=False)
    assert sorted(objects()) == sorted([*added, *(path for path in before if path.startswith("_hash/"))])
    first, second = Copy.to_dicts()
    assert first["trace"].load().tolist() == [[0, 1, 2], [3, 4, 5]] and first["shared"] == [1, 2]
    assert first["trace"][1, 1:].tolist() == [4, 5]
    assert first["file"].is_dir and first["file"].ext == ".zarr" and first["file"].verify()
    assert first["file"].open("inner/0.0").read() == b"abc"
    assert second["file"].read() == b"bytes" and second["file"].ext == ".bin" and second["file"].verify()

    # Again, now as a query: the rows pass through this program, because each needs objects of its own.
    @schema
    class Third(dj.Manual):
        definition = scan.definition

    Third.insert(Copy)
    assert len(Third) == 2
    paths = {row["trace"].path for row in Third} | {row["trace"].path for row in Copy}
    assert len(paths) == 4
    with pytest.raises(DuplicateError):
        Third.insert(Copy)
    assert len(objects()) == 2 * len([path for path in objects() if "Copy" in path]) + 1


def test_a_reference_goes_only_where_its_codec_is(scan, objects):
    scan.insert1({"id": 1, "trace": np.arange(3), "file": b"x"})
    row = scan.fetch1()
    for name, value in [
        ("file", row["trace"]),
        ("trace", row["file"]),
        ("near", row["trace"]),
        ("shared", row["file"]),
    ]:
        with pytest.raises(InvalidTypeError, match="load it first"):
            scan.insert1({"id": 2, name: value})
    assert len(objects()) == 2


def test_a_damaged_or_missing_object_is_not_copied(scan, objects, tmp_path):
    scan.insert1({"id": 1, "trace": np.arange(3)})
    row = scan.fetch1()
    [path] = objects()
    file = tmp_path / "project" / "objects" / path
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(content[:-1] + b"\1")
    with pytest.raises(CorruptError, match="damaged"):
        scan.insert1({**row, "id": 2})
    file.unlink()
    with pytest.raises(MissingExternalFile):
        scan.insert1({**row, "id": 2})
    assert len(scan) == 1 and objects() == []


def test_references_of_another_project(scan, objects, tmp_path):
    other = dj.Instance(path=tmp_path / "other")

    @other.Schema("lab")
    class Scan(dj.Manual):
        definition = scan.definition

    Scan.insert1({"id": 1, "trace": np.arange(4), "file": b"x"})
    row = Scan.fetch1()
    scan.insert1({"id": 1, "trace": row["trace"]})
    assert scan.fetch1("trace").load().tolist() == [0, 1, 2, 3]
    with pytest.raises(InvalidTypeError, match="another project"):
        scan.insert1({"id": 2, "file": row["file"]})
    assert len(objects()) == 1
    other.connection.close()


def test_content_is_copied_within_a_schema_and_stored_anew_in_another(scan, project, objects):
    scan.insert1({"id": 1, "shared": list(range(50))})
    elsewhere = project.Schema("elsewhere")

    @elsewhere
    class Scan(dj.Manual):
        definition = scan.definition

    Scan.insert(scan)
    Scan.insert(scan.to_dicts(), skip_duplicates=True)
    assert Scan.fetch1("shared") == list(range(50))
    assert [path.split("/")[1] for path in objects()] == ["elsewhere", "lab"]
