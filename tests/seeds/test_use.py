"""The page "Use Object Storage"."""

from pathlib import Path

import numpy as np
import pytest

RECORDING = """
Recording.insert1({'recording_id': (key := {'recording_id': uuid.uuid4()})['recording_id'], 'metadata': {'channels': 32},
                   'raw_data': np.arange(6.0).reshape(2, 3), 'waveforms': np.arange(4)})
"""


def test_in_table_or_in_a_store(world):
    world.run("use", "in-table-or-store")
    world.do(RECORDING)
    world.run("use", "fetch")
    assert np.array_equal(world["data"], np.arange(6.0).reshape(2, 3))
    paths = world.objects("main")
    assert len(paths) == 2 and paths[0].startswith("_hash/experiment/") and "_schema/experiment/" in paths[1]


def test_insert(world):
    world.run("use", "in-table-or-store")
    # As printed it leaves out `waveforms`, which the class above does not allow: refused by name, and nothing is stored.
    with pytest.raises(world["dj"].DataJointError, match="waveforms"):
        world.run("use", "insert")
    assert not world.objects("main")
    world.do("schema['Recording'].drop(prompt=False) if hasattr(schema['Recording'], 'drop') else None")
    world.do("del Recording")
    world.do('''
@schema
class Recording(dj.Manual):
    definition = """
    recording_id : uuid
    ---
    metadata : <blob>
    raw_data : <blob@>
    waveforms = null : <npy@>
    """
''')
    world.run("use", "insert")
    (row,) = world["Recording"].to_dicts()
    assert row["metadata"] == {"channels": 32, "rate": 30000} and row["raw_data"].shape == (32, 30000)


def test_named_stores(world):
    world.run("use", "named-stores")
    world.do(
        "Experiment.insert1({'experiment_id': uuid.uuid4(), 'raw_video': b'frames', 'processed': {'mean': 1}})"
    )
    assert len(world.objects("raw")) == len(world.objects("archive")) == 1 and not world.objects("main")
    assert world["Experiment"].fetch1("processed") == {"mean": 1}


@pytest.mark.parametrize("name", ["named-stores-settings", "tiers-settings"])
def test_settings(world, name):
    config = world.settings("use", name)
    default = config.stores["default"]
    assert config.get_store_spec()["location"] == config.get_store_spec(default)["location"]
    assert {config.get_store_spec(name)["protocol"] for name in config.stores if name != "default"} == {
        "file",
        "s3",
    }


def test_equal_content_is_stored_once(world):
    world.do('''
@schema
class Table(dj.Manual):
    definition = """
    id : int32
    ---
    array : <blob@>
    """
''')
    world.run("use", "deduplication")
    assert len(world["Table"]) == 2 and len(world.objects("main")) == 1
    world.do("Table.update1({'id': 2, 'array': data + 1})")
    assert np.array_equal((world["Table"] & "id = 1").fetch1("array"), world["data"])
    assert (world["Table"] & "id = 2").fetch1("array")[0, 0] == 1


def test_staged_insert(world, database, store_server):
    # All thousand frames where that takes least, and fewer elsewhere.
    count = 1000 if (database.name, store_server.name) == ("sqlite", "file") else 30
    frames = iter(range(count))
    world["acquire_frame"] = lambda: np.full((512, 512), next(frames), dtype="uint16")
    world.run("use", "staged-insert", places={"1000": count})
    (row,) = world["ImagingSession"].to_dicts()
    assert (row["n_frames"], row["frame_rate"]) == (count, 30.0)
    ref = row["frames"]
    assert ref.is_dir and ref.ext == ".zarr" and ref.verify()
    world["ref"] = ref
    world.do("z = zarr.open(ref.fsmap, mode='r')")
    assert world["z"].shape == (count, 512, 512)
    assert [world["z"][at, 5, 7] for at in (0, count - 1)] == [0, count - 1]
    manifest = [path for path in world.objects("main") if path.endswith(".manifest.json")]
    assert len(manifest) == 1
    # An error leaves neither a row nor an object.
    before = world.objects("main")
    with pytest.raises(ZeroDivisionError):
        world.do("""
with ImagingSession.staged_insert1 as staged:
    staged.rec.update(subject_id=1, session_id=2, n_frames=1, frame_rate=1.0)
    staged.store('frames', '.zarr')['a/b'] = b'chunk'
    1 / 0
""")
    assert len(world["ImagingSession"]) == 1 and world.objects("main") == before


def test_attachments(world):
    report = world.folder / "report.pdf"
    report.write_bytes(b"%PDF-1.4 all is well")
    world.run("use", "attachments", places={"/path/to/report.pdf": report})
    found = world["Document"].fetch1("report")
    assert found.endswith("/report.pdf") and Path(found).read_bytes() == report.read_bytes()


def test_npy(world):
    world.run("use", "npy")
    assert len(world.objects("mystore")) == 1
    ref = world["ref"]
    assert isinstance(ref, world["dj"].NpyRef) and not ref.is_loaded
    world["key"] = {"recording_id": 1}
    world.run("use", "npy-reference")
    ref = world["ref"]
    assert (ref.shape, ref.dtype, ref.nbytes, ref.is_loaded) == (
        (1000, 32),
        np.dtype("float64"),
        256000,
        True,
    )
    assert world["arr"].shape == (1000, 32) and np.allclose(world["result"], world["arr"] + 1)


def test_fetching_many_reads_nothing(world):
    world.run("use", "npy")
    world.do(
        "Recording.insert({'recording_id': i, 'waveform': np.full((i, 2), i)} for i in range(2, 1000, 50)); read = []; "
        "process = read.append"
    )
    world.run("use", "bulk-fetch")
    assert sorted(len(array) for array in world["read"]) == [
        502,
        552,
        602,
        652,
        702,
        752,
        802,
        852,
        902,
        952,
        1000,
    ]


def test_object_references(world):
    world.run("use", "schema-addressed")
    world.do("""
import zarr
key = {'dataset_id': uuid.uuid4()}
with Dataset.staged_insert1 as staged:
    staged.rec.update(key)
    zarr.open(staged.store('zarr_array', '.zarr'), mode='w', shape=(4, 3), dtype='int32')[:] = 7
""")
    world.run("use", "object-reference", places={"/tmp/data": world.folder / "data"})
    assert world["data"].shape == (4, 3)
    world.do("there = zarr.open(local_path, mode='r')")
    assert (world["there"][:] == 7).all()
