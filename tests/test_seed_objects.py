"""What is told about objects, run as it is printed: in our documentation, and in that which people come with."""

import re
import uuid
from pathlib import Path

import numpy as np
import pytest
import zarr

import lodestore as dj

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def test_the_documentation_of_objects_runs(project, schema, tmp_path, monkeypatch):
    text = (Path(__file__).parents[1] / "docs" / "objects.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 8
    # As printed, but smaller.
    blocks = [re.sub(r"\b1000\b(?!:)", "20", block).replace("512", "8") for block in blocks]
    key = {"scan_id": 0}
    names = {
        "dj": dj,
        "np": np,
        "zarr": zarr,
        "schema": schema,
        "key": key,
        "data": np.arange(12).reshape(3, 4),
        "acquire_frame": lambda: np.ones((8, 8), "uint16"),
        "recording": lambda scan_id: [np.full((5, 32), scan_id, "f4")] * 3,
    }
    exec(blocks[0], names)
    scans = names["Scan"]
    row = scans.staged_insert1
    with row as staged:
        staged.rec.update(key)
        zarr.open(staged.store("frames", ".zarr"), mode="w", shape=(4, 4), dtype="i4")[:] = 1
        with staged.array("trace", "f8", (None, 8)) as trace:
            trace.append(np.arange(24_000.0).reshape(3000, 8))
    monkeypatch.chdir(tmp_path)
    folder = (
        blocks[3]
        .replace("ref.read()", "ref.open('zarr.json').read()")
        .replace("with ref.open()", "with ref.open('zarr.json')")
    )
    folder = folder.replace("/tmp/data", str(tmp_path / "data"))
    for block in (blocks[1], blocks[2], folder, *blocks[4:]):
        exec(block, names)
    assert len(scans) == 5 and (scans & "scan_id = 1").fetch1("frame_count") == 20
    assert (scans & "scan_id = 11").fetch1("trace").shape == (15, 32)
    assert zarr.open((scans & key).fetch1("frames").fsmap, mode="r")[2, 3] == 11


def test_blobs_become_zarr(schema):
    @schema
    class Recording(dj.Manual):
        definition = """
        recording_id : uuid
        ---
        data_blob : <blob@>        # Old: full download
        data_stream = null : <object@>    # New: streaming access
        """

    for n in range(3):
        Recording.insert1({"recording_id": uuid.uuid4(), "data_blob": np.full((10, 4), n)})

    # Convert and store as Zarr
    import zarr

    for key in Recording.fetch("KEY"):
        data = (Recording & key).fetch1("data_blob")

        # Create Zarr array
        ref = (Recording & key).create_object_ref("data_stream", ".zarr")
        z = zarr.open(ref.fsmap, mode="w", shape=data.shape, dtype=data.dtype)
        z[:] = data

        # Update row
        (Recording & key).update1({**key, "data_stream": ref})

    for row in Recording.to_dicts():
        assert row["data_stream"].verify()
        assert np.array_equal(zarr.open(row["data_stream"].fsmap, mode="r")[:], row["data_blob"])


def test_references_are_opened_and_downloaded(schema, tmp_path):
    @schema
    class Dataset(dj.Manual):
        definition = """
        dataset_id : uuid
        ---
        zarr_array : <object@>      # Zarr array stored by path
        """

    key = {"dataset_id": uuid.uuid4()}
    with Dataset.staged_insert1 as staged:
        staged.rec.update(key)
        z = zarr.open(
            staged.store("zarr_array", ".zarr"), mode="w", shape=(300, 5, 5), chunks=(100, 5, 5), dtype="i4"
        )
        z[:] = np.arange(300)[:, None, None]

    ref = (Dataset & key).fetch1("zarr_array")

    # Open for streaming access
    with ref.open() as f:
        data = zarr.open(f)
        assert data[7, 0, 0] == 7

    # Or download to local path
    local_path = ref.download(tmp_path / "data")
    assert zarr.open(local_path, mode="r")[299, 4, 4] == 299

    # Stream specific chunks
    z = zarr.open(ref.fsmap, mode="r")
    slice_data = z[100:200, :, :]  # Fetch only this slice
    assert slice_data[:, 0, 0].tolist() == list(range(100, 200))
