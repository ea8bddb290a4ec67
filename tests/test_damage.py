"""Reads notice damage: what comes out of a store is what went in, or an error."""

import hashlib
import os
import shutil
import threading

import numpy as np
import pytest

import lodestore as dj
from lodestore import _lodestore
from lodestore.errors import CorruptError, DataJointError, MissingExternalFile

SMALL, LARGE = 100, 400_000


@pytest.fixture
def Scan(stored_project):
    @stored_project.Schema("lab")
    class Scan(dj.Manual):
        definition = """
        id : int32
        ---
        trace = null : <npy@>
        note = null : <blob@>
        file = null : <object@>
        folder = null : <object@>
        """

    return Scan


@pytest.fixture
def raw(stored_project):
    """The default store, as bytes by path: how damage is done."""
    return _lodestore.StoreHandle.open(stored_project.connection._core, "main")


def fetch(Scan, name, **row):
    Scan.insert1({"id": len(Scan), **row})
    return (Scan & {"id": len(Scan) - 1}).fetch1(name)


def again(ref):
    """The same reference, of which nothing was read."""
    return dj.ObjectRef._of(ref._core) if isinstance(ref, dj.ObjectRef) else type(ref)(ref._core)


def flip(raw, path, at=-1):
    content = bytearray(raw.get(path))
    content[at] ^= 1
    raw.put(path, bytes(content))


def cut(raw, path):
    raw.put(path, raw.get(path)[:-1])


def lengthen(raw, path):
    raw.put(path, raw.get(path) + b"\0")


def folder_of(tmp_path, **files):
    source = tmp_path / "source.d"
    for name, content in files.items():
        path = source / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(source)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("damage", [flip, cut, lengthen])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_whole_arrays_are_verified(Scan, raw, size, damage):
    ref = fetch(Scan, "trace", trace=np.arange(size, dtype="f8"))
    sound = fetch(Scan, "trace", trace=np.arange(size, dtype="f8"))
    assert (again(ref).load() == np.arange(size)).all()
    damage(raw, ref.path)
    for read in [
        lambda: again(ref).load(),
        lambda: np.asarray(again(ref)),
        lambda: again(ref) + 1,
        lambda: dj.load_all([again(sound), again(ref)]),
        lambda: list(dj.load_each([again(sound), again(ref)])),
    ]:
        if damage is lengthen and size == LARGE:
            continue
        with pytest.raises(CorruptError) as caught:
            read()
        assert ref.path in str(caught.value.context)
    assert (again(sound).load() == np.arange(size)).all()
    if damage is not flip:
        # A part is compared with the row by its size.
        with pytest.raises(CorruptError):
            again(ref)[3:5]
        with pytest.raises(CorruptError):
            again(ref).load(mmap_mode="r")


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("damage", [flip, cut, lengthen])
@pytest.mark.parametrize("size", [SMALL, 3_000_000])
def test_whole_files_are_verified(Scan, raw, tmp_path, size, damage):
    ref = fetch(Scan, "file", file=os.urandom(size))
    with again(ref).open() as stream:
        start = stream.read(10)
        assert start + stream.read() == ref.read()
    damage(raw, ref.path)

    def read_in_pieces():
        with again(ref).open() as stream:
            while stream.read(1000):
                pass

    def read_backwards_first():
        with again(ref).open() as stream:
            stream.seek(size // 2)
            stream.read(10)
            stream.seek(0)
            stream.read()

    for read in [
        lambda: again(ref).read(),
        lambda: again(ref).open().read(),
        read_in_pieces,
        read_backwards_first,
        lambda: dj.load_all([again(ref)]),
        lambda: again(ref).download(tmp_path / "copy"),
        lambda: again(ref).fs.cat_file(ref.path),
        lambda: again(ref).fs.open(ref.path).read(),
        lambda: again(ref).verify(),
    ]:
        with pytest.raises(CorruptError) as caught:
            read()
        assert ref.path.rsplit("/")[-1] in f"{caught.value} {caught.value.context}"
    assert not (tmp_path / "copy").exists()


@pytest.mark.databases("sqlite")
def test_a_lost_chunk_is_an_error_and_no_zeros(Scan, raw, tmp_path):
    zarr = pytest.importorskip("zarr")
    data = np.arange(1, 401, dtype="i4").reshape(20, 20)
    array = zarr.open(str(tmp_path / "x.zarr"), mode="w", shape=data.shape, chunks=(10, 10), dtype="i4")
    array[:] = data
    ref = fetch(Scan, "folder", folder=str(tmp_path / "x.zarr"))
    chunks = [name for name, _ in ref._core.files(None) if name.startswith("c/")]
    assert len(chunks) == 4
    for made in (
        lambda: zarr.open(again(ref).fsmap, mode="r"),
        lambda: zarr.open(again(ref).zarr_store, mode="r"),
    ):
        assert (made()[:] == data).all()
    flip(raw, f"{ref.path}/{chunks[0]}", 3)
    for made in (
        lambda: zarr.open(again(ref).fsmap, mode="r"),
        lambda: zarr.open(again(ref).zarr_store, mode="r"),
    ):
        with pytest.raises(CorruptError):
            made()[:]
    raw.delete(f"{ref.path}/{chunks[0]}")
    for made in (
        lambda: zarr.open(again(ref).fsmap, mode="r"),
        lambda: zarr.open(again(ref).zarr_store, mode="r"),
    ):
        with pytest.raises(MissingExternalFile):
            made()[:]
    # A chunk that was never written is none that is lost.
    sparse = zarr.open(str(tmp_path / "s.zarr"), mode="w", shape=(4,), chunks=(2,), dtype="i4", fill_value=7)
    sparse[:2] = 1
    ref = fetch(Scan, "folder", folder=str(tmp_path / "s.zarr"))
    assert zarr.open(ref.fsmap, mode="r")[:].tolist() == [1, 1, 7, 7]


@pytest.mark.databases("sqlite")
def test_files_of_folders_are_verified(Scan, raw, tmp_path):
    source = folder_of(tmp_path, a=b"a" * 1000, b=b"b" * 1000, c__d=b"d" * 1000)
    ref = fetch(Scan, "folder", folder=source)
    reads = [
        lambda name: again(ref)._core.read(name),
        lambda name: again(ref).fsmap[name],
        lambda name: again(ref).fsmap.getitems([name]),
        lambda name: again(ref).fsmap.getitems([name], on_error="omit")[name],
        lambda name: again(ref).fs.cat_file(f"{ref.path}/{name}"),
        lambda name: again(ref).open(name).read(),
        lambda name: again(ref).download(tmp_path / "copy"),
        lambda name: again(ref).download(tmp_path / "copy", name),
    ]
    for read in reads:
        read("b")
    shutil.rmtree(tmp_path / "copy")
    flip(raw, f"{ref.path}/b")
    for number, read in enumerate(reads):
        with pytest.raises(CorruptError):
            read("b")
            raise AssertionError(f"read {number} found nothing")
    cut(raw, f"{ref.path}/c/d")
    with pytest.raises(CorruptError):
        again(ref).fs.cat_file(f"{ref.path}/c/d", 10, 20)
    raw.delete(f"{ref.path}/b")
    for number, read in enumerate(reads):
        with pytest.raises(MissingExternalFile):
            read("b")
            raise AssertionError(f"read {number} found nothing")
    assert not (tmp_path / "copy").exists()
    assert again(ref).fsmap["a"] == b"a" * 1000
    # What the manifest does not name is not there, as ever.
    with pytest.raises(KeyError):
        again(ref).fsmap["none"]
    assert again(ref).fsmap.getitems(["a", "none"], on_error="omit") == {"a": b"a" * 1000}


@pytest.mark.databases("sqlite")
def test_a_folder_whose_manifest_is_forged_or_gone_is_damaged(Scan, raw, tmp_path):
    ref = fetch(Scan, "folder", folder=folder_of(tmp_path, a=b"abc"))
    manifest = f"{ref.path}.manifest.json"
    original = raw.get(manifest)
    assert again(ref).verify()
    # The file is replaced, and the manifest made to agree.
    raw.put(f"{ref.path}/a", b"abd")
    old, new = (hashlib.sha256(content).hexdigest().encode() for content in (b"abc", b"abd"))
    forged = original.replace(old, new)
    assert forged != original
    raw.put(manifest, forged)
    for read in (lambda: again(ref).verify(), lambda: again(ref).fsmap["a"]):
        with pytest.raises(CorruptError):
            read()
    raw.delete(manifest)
    for read in (lambda: again(ref).verify(), lambda: again(ref).fsmap["a"]):
        with pytest.raises(CorruptError):
            read()
    raw.put(manifest, original)
    with pytest.raises(CorruptError):
        again(ref).fsmap["a"]


@pytest.mark.databases("sqlite")
def test_a_folder_without_a_manifest_is_not_said_to_be_sound(Scan, raw, tmp_path):
    """As DataJoint's staged inserts leave them: neither a manifest nor a checksum of one."""
    ref = fetch(Scan, "folder", folder=folder_of(tmp_path, a=b"abc"))
    raw.delete(f"{ref.path}.manifest.json")
    row = {name: value for name, value in ref.to_json().items() if name != "manifest"}
    staged = reopened(Scan, row)
    assert staged.fsmap["a"] == b"abc"
    with pytest.raises(CorruptError, match="cannot be verified"):
        staged.verify()
    flip(raw, f"{ref.path}/a")
    with pytest.raises(CorruptError, match="cannot be verified"):
        staged.verify()


def reopened(Scan, row):
    return dj.ObjectRef._of(_lodestore.ObjectHandle.from_metadata(Scan.connection._core, "object", row))


@pytest.mark.databases("sqlite")
def test_the_setting_says_how_often(Scan, raw, stored_project):
    stored_project.config["read.verify"] = "first"
    ref = fetch(Scan, "trace", trace=np.arange(LARGE, dtype="f8"))
    file = fetch(Scan, "file", file=b"x" * 1000)
    other = fetch(Scan, "file", file=b"y" * 1000)
    again(ref).load(), again(file).read()
    for damaged in (ref, file, other):
        flip(raw, damaged.path)
    assert again(ref).load()[-1] != LARGE - 1 and again(file).read() != b"x" * 1000
    with pytest.raises(CorruptError):
        again(other).read()
    stored_project.config["read.verify"] = "always"
    for read in (again(ref).load, again(file).read, again(other).read):
        with pytest.raises(CorruptError):
            read()
    stored_project.config["read.verify"] = "never"
    assert again(other).read() != b"y" * 1000 and again(other).open().read() != b"y" * 1000
    with pytest.raises(DataJointError):
        stored_project.config["read.verify"] = "sometimes"


@pytest.mark.databases("sqlite")
@pytest.mark.stores("s3")
def test_a_damaged_file_of_the_cache_is_read_again(Scan, stored_project, tmp_path):
    stored_project.config["read.cache"] = str(tmp_path / "cache")
    ref = fetch(Scan, "trace", trace=np.arange(1000.0))
    again(ref).load()
    (cached,) = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    content = cached.read_bytes()
    for damaged in (content[:-1] + b"\xff", content[:-8]):
        cached.write_bytes(damaged)
        assert again(ref).load()[-1] == 999
        assert cached.read_bytes() == content
    cached.unlink()
    cached.write_bytes(content[:-1] + b"\xff")
    # A process that reads a part, or maps the file, looks at it once.
    assert again(ref)[-1] == 999 and again(ref).load(mmap_mode="r")[-1] == 999


@pytest.mark.databases("sqlite")
def test_an_array_that_changes_while_it_is_stored_has_the_checksum_of_what_was_stored(Scan, stored_project):
    array = np.zeros(2_000_000)
    stop = threading.Event()

    def change():
        number = 0
        while not stop.is_set():
            number += 1
            array[:] = number

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for number in range(8):
            Scan.insert1({"id": number, "trace": array, "note": array})
    finally:
        stop.set()
        thread.join()
    for row in Scan.to_dicts():
        row["trace"].load()
    assert stored_project.Schema("lab").verify(deep=True).sound
