"""``<object@>``: files and folders in, references out."""

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import CorruptError, InvalidTypeError, InvalidValueError, MissingExternalFile


@pytest.fixture
def scans(schema):
    @schema
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        data : <object@>
        """

    return Scan


@pytest.fixture
def put(scans):
    def put(value):
        number = len(scans)
        scans.insert1({"id": number, "data": value})
        return (scans & {"id": number}).fetch1("data")

    return put


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "movie.zarr"
    (root / "a" / "b").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "top").write_bytes(b"top")
    (root / "a" / "0.0").write_bytes(b"x" * 1000)
    (root / "a" / "b" / "é ü").write_bytes(b"deep")
    return root


def test_bytes_files_and_streams_become_files(put, tmp_path):
    path = tmp_path / "movie.tar.gz"
    path.write_bytes(b"content")
    for value, ext in [
        (b"content", None),
        (str(path), ".gz"),
        (path, ".gz"),
        ((".tar.gz", b"content"), ".tar.gz"),
        (("bin", io.BytesIO(b"content")), ".bin"),
        (io.BytesIO(b"content"), None),
        ((".tiff", path), ".tiff"),
    ]:
        ref = put(value)
        assert isinstance(ref, dj.ObjectRef)
        assert (ref.size, ref.ext, ref.is_dir, ref.item_count, ref.store) == (7, ext, False, None, "main")
        assert ref.path.startswith(f"_schema/lab/Scan/id={len(put.__closure__[0].cell_contents) - 1}/data.")
        assert ref.path.endswith(ext or "") and ref.hash.startswith("sha256:") and ref.timestamp.tzinfo
        assert ref.read() == b"content" and ref.verify() is True and ref.exists()
        assert ref.url.startswith("file:///") and Path(ref.full_path).read_bytes() == b"content"
        assert repr(ref) == f"ObjectRef(file: {ref.path}, size=7)" and str(ref) == ref.path


def test_a_file_is_a_seekable_stream(put):
    ref = put(b"0123456789")
    with ref.open() as stream:
        stream.seek(-3, io.SEEK_END)
        assert stream.read() == b"789"
        stream.seek(2)
        assert stream.read(3) == b"234" and stream.tell() == 5
        assert stream.seekable() and stream.readable() and not stream.writable()
    with ref.fs.open(ref.path) as stream:
        assert stream.seek(-2, io.SEEK_END) == 8 and stream.read() == b"89"
    for mode in ("wb", "r+b", "ab"):
        with pytest.raises(dj.DataJointError, match="read only"):
            ref.open(mode=mode)
    for refused, says in [
        (lambda: ref.open("x"), "subpath on a file"),
        (ref.listdir, "listdir.. on a file"),
        (lambda: list(ref.walk()), "walk.. on a file"),
    ]:
        with pytest.raises(dj.DataJointError, match=says):
            refused()


def test_a_folder_keeps_its_files_and_extension(put, folder, tmp_path):
    ref = put(folder)
    assert ref.is_dir and ref.ext == ".zarr" and ref.path.endswith(".zarr")
    assert (ref.size, ref.item_count) == (1007, 3)
    assert ref.listdir() == ["a", "top"] and ref.listdir("a") == ["0.0", "b"]
    assert list(ref.walk()) == [("", ["a"], ["top"]), ("a", ["b"], ["0.0"]), ("a/b", [], ["é ü"])]
    assert ref.exists("a/b") and ref.exists("top") and not ref.exists("none")
    assert ref.open("a/b/é ü").read() == b"deep"
    assert ref.fsmap["top"] == b"top" and sorted(ref.fsmap) == ["a/0.0", "a/b/é ü", "top"]
    assert sorted(name.rsplit("/", 1)[-1] for name in ref.fs.ls(ref.path, detail=False)) == ["a", "top"]
    assert ref.verify() is True
    with pytest.raises(dj.DataJointError, match="Cannot read"):
        ref.read()
    for outside in ("../x", "/etc/passwd", "a/../../x", "a//b"):
        with pytest.raises(dj.DataJointError):
            ref.open(outside)
    with pytest.raises(IsADirectoryError):
        ref.open("a")
    with pytest.raises(MissingExternalFile):
        ref.open("a/none")


def test_the_manifest_tells_size_and_checksum_of_each_file(put, folder, tmp_path):
    import hashlib
    import json

    ref = put(folder)
    manifest = json.loads(Path(ref.full_path + ".manifest.json").read_text())
    assert manifest["total_size"] == 1007 and manifest["item_count"] == 3
    for entry in manifest["files"]:
        content = (folder / entry["path"]).read_bytes()
        assert entry["size"] == len(content)
        assert entry["checksum"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_verify_finds_every_damage(put, folder):
    single, many = put(b"x" * 5000), put(folder)
    file = Path(single.full_path)
    content = bytearray(file.read_bytes())
    content[4000] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptError, match="checksum mismatch"):
        single.verify()
    file.write_bytes(b"short")
    with pytest.raises(CorruptError, match="size mismatch"):
        single.verify()
    file.unlink()
    with pytest.raises(CorruptError, match="does not exist"):
        single.verify()
    root = Path(many.full_path)
    (root / "a" / "0.0").write_bytes(b"x" * 999 + b"y")
    (root / "top").unlink()
    (root / "extra").write_bytes(b"")
    with pytest.raises(CorruptError) as caught:
        many.verify()
    for part in ("checksum mismatch for `a/0.0`", "missing file `top`", "unknown file `extra`"):
        assert part in str(caught.value)


def test_download_replaces_what_is_stale_and_nothing_else(put, folder, tmp_path):
    ref = put(b"new")
    target = tmp_path / "out" / "x.bin"
    assert ref.download(target) == str(target) and target.read_bytes() == b"new"
    target.write_bytes(b"stale and longer")
    assert ref.download(target) == str(target) and target.read_bytes() == b"new"
    assert ref.download(target.parent) == str(target.parent / Path(ref.path).name)

    many = put(folder)
    home = tmp_path / "data"
    assert many.download(home) == str(home)
    assert (home / "a" / "b" / "é ü").read_bytes() == b"deep"
    (home / "a" / "0.0").write_bytes(b"stale")
    assert many.download(home) == str(home) and (home / "a" / "0.0").read_bytes() == b"x" * 1000
    (home / "mine").write_text("keep")
    beside = many.download(home)
    assert beside == str(home / Path(many.path).name) and (Path(beside) / "top").read_bytes() == b"top"
    assert (home / "mine").read_text() == "keep"
    assert many.download(tmp_path / "part", "a") == str(tmp_path / "part")
    assert sorted(os.listdir(tmp_path / "part")) == ["0.0", "b"]
    Path(ref.full_path).write_bytes(b"bad")
    with pytest.raises(CorruptError):
        ref.download(target)
    assert target.read_bytes() == b"new"
    assert not [name for name in os.listdir(target.parent) if name.startswith(".lodestore")]


def test_what_cannot_be_stored_is_refused_before_anything_is_written(scans, folder, objects):
    os.symlink(folder, folder / "a" / "up")
    circle = folder
    for bad, kind in [
        (np.arange(3), InvalidTypeError),
        ([1], InvalidTypeError),
        (bytearray(b"x"), None),
        ("/no/such/file", FileNotFoundError),
        ((".txt", "some text"), FileNotFoundError),
        (("/../../x", b""), InvalidValueError),
        ((".a/b", b""), InvalidValueError),
        ({"path": "_schema/lab/other", "size": 1}, InvalidTypeError),
        (circle, InvalidValueError),
        (io.StringIO("text"), InvalidTypeError),
    ]:
        if kind is None:
            continue
        with pytest.raises(kind):
            scans.insert([{"id": 1, "data": b"good"}, {"id": 2, "data": bad}])
    assert len(scans) == 0 and objects() == []


def test_a_failing_insert_leaves_no_folder_behind(scans, put, folder, objects):
    put(b"")
    before = objects()
    with pytest.raises(dj.DataJointError):
        scans.insert([{"id": 5, "data": folder}, {"id": 0, "data": b"twice"}])
    assert objects() == before


def test_keys_of_any_text_stay_in_their_place(schema, objects):
    @schema
    class Odd(dj.Manual):
        definition = """
        name : varchar(80)
        ---
        data : <object@>
        """

    names = [
        "../../x",
        "/etc/passwd",
        "a/b",
        "a%2Fb",
        "..",
        ".",
        "é ü",
        "%",
        "a=b",
        "x" * 80,
        "\\",
        "~",
        "*?",
    ]
    Odd.insert([{"name": name, "data": name.encode()} for name in names])
    assert len(objects()) == len(names)
    assert all(path.startswith("_schema/lab/Odd/name=") and path.count("/") == 4 for path in objects())
    for row in Odd.to_dicts():
        assert row["data"].read() == row["name"].encode()


def test_references_travel(database, project, put, folder, tmp_path):
    ref, other = put(folder), put(b"x")
    again = pickle.loads(pickle.dumps(ref))
    assert again == ref and again != other and hash(again) == hash(ref) and again.fsmap["top"] == b"top"
    assert ref == type(ref)._of(ref._core) and ref.to_json()["item_count"] == 3
    script = (
        "import pickle, sys; ref = pickle.load(sys.stdin.buffer); print(ref.open('top').read(), ref.verify())"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(ref),
        capture_output=True,
        check=True,
        env=database.environment(project),
    )
    assert found.stdout == b"b'top' True\n"


def test_a_reader_cannot_alter_what_is_stored(put, folder):
    ref = put(folder)
    for attempt in (
        lambda: ref.fsmap.__setitem__("top", b"changed"),
        lambda: ref.fs.rm(ref.path, recursive=True),
        lambda: ref.fs.pipe_file(f"{ref.path}/top", b"changed"),
        lambda: ref.fs.open(f"{ref.path}/top", "wb"),
    ):
        with pytest.raises(PermissionError):
            attempt()
    assert ref.verify()


def test_zarr_opens_what_was_stored(put, tmp_path):
    zarr = pytest.importorskip("zarr")
    array = np.arange(600).reshape(20, 30)
    group = zarr.open_group(str(tmp_path / "recording.zarr"), mode="w")
    stored = group.create_dataset("movie", shape=array.shape, chunks=(5, 30), dtype=array.dtype)
    stored[:] = array
    for value in (tmp_path / "recording.zarr", group, stored):
        ref = put(value)
        assert ref.ext == ".zarr" and ref.verify()
        with ref.open() as opened:
            node = zarr.open(opened, mode="r")
            node = node if value is stored else node["movie"]
            assert np.array_equal(node[3:7], array[3:7])
        node = zarr.open(ref.fsmap, mode="r")
        assert np.array_equal((node if value is stored else node["movie"])[:], array)


def test_a_zarr_group_in_memory_is_stored(put):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(zarr.storage.MemoryStore(), mode="w")
    group.create_dataset("x", shape=(10,), chunks=(3,), dtype="i4")[:] = np.arange(10)
    ref = put(group)
    assert ref.is_dir and np.array_equal(zarr.open(ref.fsmap, mode="r")["x"][:], np.arange(10))


def test_h5py_opens_what_was_stored(put, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "session.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        series = file.create_group("acquisition/series")
        series.create_dataset("data", data=np.arange(10_000.0), chunks=(1000,), compression="gzip")
    ref = put(path)
    assert ref.ext == ".nwb"
    with ref.open() as stream, h5py.File(stream, "r") as file:
        assert file.attrs["nwb_version"] == "2.6.0"
        assert file["acquisition/series/data"][5000:5003].tolist() == [5000, 5001, 5002]
    with ref.fs.open(ref.path) as stream, h5py.File(stream, "r") as file:
        assert file["acquisition/series/data"].shape == (10_000,)
