"""Rows that somebody changed: where they point, nothing is read or deleted that is not theirs."""

import io
import json
import os
import pickle

import numpy as np
import pytest

import lodestore as dj
from lodestore import _lodestore, gc
from lodestore.errors import CorruptError, DataJointError


@pytest.fixture
def tables(stored_project):
    definition = """
    id : int32
    ---
    trace = null : <npy@>
    note = null : <blob@>
    file = null : <object@>
    path = null : <filepath@>
    attached = null : <attach@>
    """

    def declare(name):
        class Scan(dj.Manual):
            pass

        Scan.definition = definition
        return stored_project.Schema(name)(Scan)

    return declare("lab"), declare("mallory")


@pytest.fixture
def raw(stored_project):
    return _lodestore.StoreHandle.open(stored_project.connection._core, "main")


def document(Scan, name, number=0):
    """What a row holds, as JSON."""
    ref = (Scan & {"id": number}).fetch1(name)
    return {"path": ref.path, "store": ref.store, **ref._core.metadata()}


def change(Scan, name, told, number=0):
    """Another program writes JSON into a row."""
    text = json.dumps(told).replace("'", "''")
    Scan.connection.query(f"UPDATE {Scan.full_table_name} SET {name} = '{text}' WHERE id = {number}")


def test_a_row_that_points_to_another_schema_does_not_delete_there(tables, raw, stored_project):
    lab, mallory = tables
    lab.insert1({"id": 0, "trace": np.arange(9.0), "note": "victim" * 1000, "file": b"victim"})
    victims = {name: document(lab, name) for name in ("trace", "file")}
    mallory.insert1({"id": 0, "trace": np.arange(3.0), "file": b"mine"})
    mallory.insert1({"id": 1, "trace": np.arange(4.0), "file": b"mine too"})
    for name, told in victims.items():
        change(mallory, name, told)
    change(
        mallory,
        "file",
        {**victims["file"], "path": victims["file"]["path"].rsplit("/", 1)[0], "is_dir": True},
        1,
    )
    before = {path for path, _ in raw.list("_schema/lab")} | {path for path, _ in raw.list("_hash/lab")}
    assert len(before) == 3
    mallory.update1({"id": 1, "file": None})
    mallory.delete(prompt=False)
    gc.GarbageCollector(stored_project.Schema("mallory")).collect(dry_run=False)
    gc.GarbageCollector(stored_project.Schema("mallory")).collect(dry_run=False, full=True)
    assert {path for path, _ in raw.list("_schema/lab")} | {
        path for path, _ in raw.list("_hash/lab")
    } == before
    row = lab.fetch1()
    assert row["trace"].load()[-1] == 8 and row["file"].read() == b"victim" and row["note"][:6] == "victim"


@pytest.mark.parametrize("path", [".lodestore/secret", "../outside", "/etc/passwd", "a//b", "a/../../b"])
def test_a_row_that_points_out_of_its_store_is_not_read(tables, raw, path):
    lab, _ = tables
    raw.put(".lodestore/secret", b"\x93NUMPY secret")
    lab.insert1({"id": 0, "trace": np.arange(3.0), "file": b"mine"})
    for name in ("trace", "file"):
        change(lab, name, {**document(lab, name), "path": path, "size": 14, "checksum": None})
    for read in [
        lambda: lab.fetch1("trace").load(),
        lambda: lab.fetch1("trace")[0],
        lambda: lab.fetch1("trace").load(mmap_mode="r"),
        lambda: lab.fetch1("file").read(),
        lambda: lab.fetch1("file").open().read(),
        lambda: lab.fetch1("file").download("copy"),
        lambda: lab.fetch1("file").fs.cat_file(path),
        lambda: dj.load_all(lab.to_arrays("trace")),
    ]:
        with pytest.raises((DataJointError, FileNotFoundError)):
            read()
    assert raw.get(".lodestore/secret") == b"\x93NUMPY secret"


def test_blobs_and_attachments_do_not_point_there_either(tables, raw):
    lab, _ = tables
    raw.put(".lodestore/secret", b"name\0content")
    told = {"hash": "a" * 26, "path": ".lodestore/secret", "store": "main", "schema": "lab", "size": 12}
    lab.insert1({"id": 0})
    for name in ("note", "attached"):
        change(lab, name, told)
        with pytest.raises(CorruptError, match="store's own folder"):
            lab.fetch1(name)
        change(lab, name, {**told, "path": "_hash/x", "store": "elsewhere"})
        with pytest.raises(DataJointError, match="elsewhere"):
            lab.fetch1(name)


@pytest.mark.stores("file")
def test_filepaths_reach_neither_what_is_managed_nor_other_files_by_links(
    tables, raw, tmp_path, stored_project
):
    lab, _ = tables
    stored_project.config.stores["filepath_default"] = "main"
    root = stored_project.config.stores["main"]["location"]
    (tmp_path / "private").mkdir()
    (tmp_path / "private/key").write_text("secret")
    lab.insert1({"id": 0, "file": b"managed"})
    managed = lab.fetch1("file").path
    raw.put("mine/a.txt", b"mine")
    raw.put(".lodestore/secret", b"secret")
    with pytest.raises(DataJointError, match="reserved"):
        lab.insert1({"id": 1, "path": ".lodestore/secret"})
    lab.insert1({"id": 1, "path": "mine/a.txt"})
    lab.insert1({"id": 2, "path": "mine"})
    assert (lab & "id = 1").fetch1("path").read() == b"mine"
    assert (lab & "id = 2").fetch1("path").listdir() == ["a.txt"]
    told = document(lab, "path", 1)
    os.symlink(tmp_path / "private", f"{root}/link")
    os.symlink(tmp_path / "private/key", f"{root}/mine/key")
    os.symlink(f"{root}/{managed}", f"{root}/mine/managed")
    for path in (managed, ".lodestore/secret", "link/key", "mine/key", "mine/managed"):
        change(lab, "path", {**told, "path": path, "size": 6}, 1)
        ref = (lab & "id = 1").fetch1("path")
        for read in (ref.read, lambda: ref.open().read(), lambda: ref.download(tmp_path / "out"), ref.exists):  # noqa: B023
            with pytest.raises(CorruptError, match="points to"):
                read()
    folder = (lab & "id = 2").fetch1("path")
    for name in ("key", "managed"):
        with pytest.raises(CorruptError, match="points to"):
            folder.open(name).read()
        with pytest.raises(CorruptError, match="points to"):
            folder._core.read(name)
        with pytest.raises(CorruptError, match="points to"):
            folder.fsmap[name]
    assert folder.fsmap["a.txt"] == b"mine"
    assert not (tmp_path / "out").exists()
    # Of a folder nothing is copied that lies behind a link.
    with pytest.raises(CorruptError, match="points to"):
        folder.download(tmp_path / "out")


class Evil:
    def __reduce__(self):
        return print, ("UNPICKLED",)


@pytest.mark.databases("sqlite")
def test_arrays_are_never_unpickled(tables, raw, capfd):
    lab, _ = tables
    lab.insert1({"id": 0, "trace": np.arange(3.0)})
    told = document(lab, "trace")
    file = io.BytesIO()
    np.save(file, np.array([Evil(), Evil(), Evil()], dtype=object), allow_pickle=True)
    raw.put(told["path"], file.getvalue())
    short = {"path": told["path"], "store": "main", "shape": [3]}
    for dtype in ("|O", "object", "float64"):
        change(lab, "trace", {**short, "dtype": dtype})
        with pytest.raises(DataJointError):
            lab.fetch1("trace").load()
        with pytest.raises(DataJointError):
            lab.fetch1("trace")[0]
    assert "UNPICKLED" not in capfd.readouterr().out
    assert pickle.dumps(Evil()) in file.getvalue() or b"print" in file.getvalue()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("shape", [[10**9, 10**9], [2**62, 4], [10**11], [-1], ["x"], [1.5]])
def test_what_a_row_claims_of_an_array_is_compared_with_the_object(tables, raw, shape):
    lab, _ = tables
    lab.insert1({"id": 0, "trace": np.arange(3.0)})
    told = document(lab, "trace")
    change(lab, "trace", {"path": told["path"], "store": "main", "dtype": "float64", "shape": shape})
    for read in (lambda: lab.fetch1("trace").load(), lambda: lab.fetch1("trace")[0]):
        with pytest.raises((DataJointError, MemoryError)):
            read()
    # And what its file claims.
    content = bytearray(raw.get(told["path"]))
    at = content.index(b"(3,)")
    content[at : at + 13] = b"(99999999999,"[:13] + b""
    raw.put(told["path"], bytes(content))
    change(lab, "trace", {"path": told["path"], "store": "main", "dtype": "float64", "shape": [3]})
    with pytest.raises(DataJointError):
        lab.fetch1("trace").load()


@pytest.mark.databases("sqlite")
def test_what_a_manifest_claims_is_compared_with_the_files(tables, raw, tmp_path):
    lab, _ = tables
    (tmp_path / "x.d").mkdir()
    (tmp_path / "x.d/a").write_bytes(b"abc")
    lab.insert1({"id": 0, "file": str(tmp_path / "x.d")})
    told = document(lab, "file")
    told.pop("manifest")
    change(lab, "file", told)
    manifest = json.loads(raw.get(f"{told['path']}.manifest.json"))
    for files in ([{"path": "a", "size": 2**60}], [{"path": "../../../../etc/passwd", "size": 3}]):
        total = {"total_size": sum(file["size"] for file in files), "item_count": len(files)}
        raw.put(f"{told['path']}.manifest.json", json.dumps({**manifest, "files": files, **total}).encode())
        for read in (
            lambda: lab.fetch1("file")._core.read("a"),
            lambda: lab.fetch1("file").download(tmp_path / "out"),
        ):
            with pytest.raises(CorruptError):
                read()
        assert not (tmp_path / "out").exists()
