"""Stores of every kind, as a user meets them."""

import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj
import services
from lodestore import storage_adapter

EVERY_KIND = pytest.mark.stores("file", "s3", "gcs", "azure")
ON_SQLITE = pytest.mark.databases("sqlite")


@pytest.fixture
def recording(stored_project, tmp_path):
    schema = stored_project.Schema("lab")

    @schema
    class Recording(dj.Manual):
        definition = """
        id : int32
        ---
        trace = null : <npy@>
        notes = null : <blob@>
        file = null : <attach@>
        folder = null : <object@>
        """

    return Recording


@EVERY_KIND
@ON_SQLITE
def test_every_codec_works_on_every_kind_of_store(recording, stored_project, tmp_path):
    trace = np.arange(3_000_000, dtype="f4").reshape(3, -1)
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "é b.txt").write_text("inner")
    (source / "top.bin").write_bytes(bytes(range(256)) * 1000)
    attached = tmp_path / "attached.txt"
    attached.write_text("attached")
    row = {"id": 1, "trace": trace, "notes": {"a": [1, 2]}, "file": attached, "folder": source}
    recording.insert1(row)
    recording.insert({"id": n, "trace": trace[:, :n], "notes": {"n": n}} for n in range(2, 30))

    stored_project.config["download_path"] = str(tmp_path / "downloads")
    fetched = (recording & "id = 1").fetch1()
    assert np.array_equal(fetched["trace"][1, 5:9], trace[1, 5:9])
    assert np.array_equal(fetched["trace"], trace)
    assert fetched["notes"] == {"a": [1, 2]}
    assert Path(fetched["file"]).read_text() == "attached"
    folder = fetched["folder"]
    assert folder.verify() and sorted(folder.listdir()) == ["deep", "top.bin"]
    assert folder.open("deep/é b.txt").read() == b"inner"
    copied = folder.download(tmp_path / "copy")
    assert Path(copied, "top.bin").read_bytes() == bytes(range(256)) * 1000
    rest = (recording & "id > 1").to_dicts(order_by="id")
    assert [item["notes"]["n"] for item in rest] == list(range(2, 30))
    assert all(np.array_equal(item["trace"], trace[:, : item["id"]]) for item in rest)


@ON_SQLITE
@pytest.mark.stores("s3", "gcs", "azure")
def test_what_cannot_be_reached_is_told_with_store_and_remedy(recording, stored_project, store_server):
    settings = store_server.settings(port=9)
    stored_project.config["transfer.retries"] = 0
    stored_project.config.stores["main"] = settings
    with pytest.raises(dj.DataJointError) as caught:
        recording.insert1({"id": 1, "notes": "x"})
    told = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "`main`" in told and "endpoint" in told
    for key in ("secret_key", "account_key"):
        assert key not in settings or settings[key] not in told
    assert len(recording) == 0


@ON_SQLITE
@pytest.mark.stores("s3")
def test_a_slice_moves_little_more_than_itself(recording, stored_project):
    trace = np.arange(8_000_000, dtype="f4")
    recording.insert1({"id": 1, "trace": trace})
    proxy = services.proxy("s3")
    try:
        stored_project.config.stores["main"]["endpoint"] = f"http://127.0.0.1:{proxy.port}"
        ref = (recording & "id = 1").fetch1("trace")
        proxy.forget()
        assert np.array_equal(ref[1_000_000:1_250_000], trace[1_000_000:1_250_000])
        counts = proxy.counts()
        assert counts["requests"] <= 3 and ref.bytes_read <= 1_200_000
    finally:
        proxy.stop()


@ON_SQLITE
@pytest.mark.stores("s3")
def test_objects_go_up_once(recording, stored_project):
    recording.insert1({"id": 0, "trace": np.zeros(3), "notes": "warm"})
    proxy = services.proxy("s3")
    try:
        stored_project.config.stores["main"]["endpoint"] = f"http://127.0.0.1:{proxy.port}"
        recording.insert({"id": n, "trace": np.arange(n), "notes": n} for n in range(1, 51))
        small = proxy.counts()
        assert small["PUT"] == 100 and small["requests"] <= 105
        proxy.forget()
        # A look whether it is there, the beginning, three parts of it, the end; no copy.
        recording.insert1({"id": 100, "trace": np.zeros(3_000_000)})
        assert proxy.counts()["PUT"] == 3 and proxy.counts()["requests"] <= 7
    finally:
        proxy.stop()


class FolderAdapter(dj.StorageAdapter):
    """A folder through fsspec's own file system."""

    protocol = "shelf"
    required_keys = ("protocol", "location", "shelf_key")

    def create_filesystem(self, spec):
        import fsspec

        assert spec["shelf_key"] == "s3cret-shelf"
        return fsspec.filesystem("file")


@pytest.fixture
def shelf(project, tmp_path):
    before = dict(storage_adapter._registry)
    dj.register_storage_adapter(FolderAdapter)
    (tmp_path / "shelf").mkdir()
    project.config.stores["shelf"] = {
        "protocol": "shelf",
        "location": str(tmp_path / "shelf"),
        "shelf_key": "s3cret-shelf",
    }
    yield tmp_path / "shelf"
    storage_adapter._registry.clear()
    storage_adapter._registry.update(before)


@ON_SQLITE
def test_a_store_of_an_adapter_works_like_any_other(project, shelf, tmp_path):
    schema = project.Schema("lab")

    @schema
    class Recording(dj.Manual):
        definition = """
        id : int32
        ---
        trace = null : <npy@shelf>
        notes = null : <blob@shelf>
        folder = null : <object@shelf>
        """

    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a.bin").write_bytes(bytes(9_000_000))
    trace = np.arange(1000).reshape(10, -1)
    Recording.insert({"id": n, "trace": trace, "notes": {"same": True}, "folder": source} for n in range(3))
    assert {"_hash", "_schema"} <= {path.name for path in shelf.iterdir()}
    assert len([path for path in shelf.rglob("*") if path.is_file() and "_hash" in str(path)]) == 1
    fetched = Recording.to_dicts()
    assert all(np.array_equal(row["trace"][3:5], trace[3:5]) for row in fetched)
    assert fetched[0]["notes"] == {"same": True}
    assert fetched[1]["folder"].verify()
    assert fetched[1]["folder"].open("deep/a.bin").read() == bytes(9_000_000)
    assert not list(shelf.rglob("*.part"))
    assert "s3cret" not in repr(project.config)


@ON_SQLITE
def test_an_adapter_refuses_what_it_does_not_know(project, shelf):
    entry = dict(project.config.stores["shelf"])
    project.config.stores["shelf"] = {**entry, "colour": "red"}
    with pytest.raises(dj.DataJointError, match="Invalid key\\(s\\) for shelf: colour"):
        project.config.get_store_spec("shelf")
    del entry["shelf_key"]
    project.config.stores["shelf"] = entry
    with pytest.raises(dj.DataJointError, match="shelf store is missing: shelf_key"):
        project.config.get_store_spec("shelf")
    project.config.stores["odd"] = {"protocol": "odd"}
    with pytest.raises(dj.DataJointError, match="Unknown protocol"):
        project.config.get_store_spec("odd")


def test_adapters_are_found_by_their_entry_points(tmp_path, monkeypatch):
    package = tmp_path / "shelves-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: shelves\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[datajoint.storage]\nother = shelves:Shelf\nbroken = shelves:Nothing\n"
    )
    (tmp_path / "shelves.py").write_text(
        "import lodestore as dj\n"
        "class Shelf(dj.StorageAdapter):\n"
        "    protocol = 'found'\n"
        "    def create_filesystem(self, spec): raise NotImplementedError\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(storage_adapter, "_loaded", False)
    monkeypatch.setattr(storage_adapter, "_registry", {})
    assert dj.get_storage_adapter("found").protocol == "found"
    assert dj.get_storage_adapter("unknown") is None and dj.get_storage_adapter("s3") is None
    with pytest.raises(dj.DataJointError, match="already"):
        dj.register_storage_adapter(type("Mine", (FolderAdapter,), {"protocol": "found"}))


@ON_SQLITE
@pytest.mark.stores("s3")
def test_ctrl_c_ends_an_insert_and_nothing_stays(stored_project, store_server, tmp_path):
    schema = stored_project.Schema("lab")

    @schema
    class Recording(dj.Manual):
        definition = """
        id : int32
        ---
        trace : <npy@>
        """

    proxy = services.proxy("s3")
    try:
        proxy.fail(latency=0.3)
        stored_project.config["transfer.requests"] = 4
        stored_project.config.stores["main"]["endpoint"] = f"http://127.0.0.1:{proxy.port}"
        timer = threading.Timer(0.6, signal.raise_signal, [signal.SIGINT])
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            Recording.insert({"id": n, "trace": np.arange(n)} for n in range(500))
        assert time.monotonic() - began < 20
        proxy.fail()
        assert len(Recording) == 0
    finally:
        proxy.stop()
