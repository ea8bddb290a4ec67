"""Stores of every kind, as a user meets them."""

from pathlib import Path

import numpy as np
import pytest

import lodestore as dj
import services

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
