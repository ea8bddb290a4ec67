"""The page "Configure Object Stores"."""

import re

import numpy as np
import pytest

SETTINGS = ["file", "s3", "minio", "several", "subfolding", "sections", "hierarchy"]


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_read_as_printed(world, name):
    config = world.settings("configure", f"{name}-settings")
    for store in (name for name in config.stores if name != "default"):
        spec = config.get_store_spec(store)
        assert spec["protocol"] in ("file", "s3") and spec["location"]


def test_several_stores(world):
    world.run("configure", "several")
    world.project.config.stores["raw"] = {**world.stores["raw"], "subfolding": [2, 2]}
    world.do("""
key = {'recording_id': uuid.uuid4()}
Recording.insert1({**key, 'raw_data': b'raw', 'zarr_scan': ('.zarr', b'scan'), 'summary': {'a': 1}, 'old_data': [1, 2]})
""")
    row = world["Recording"].to_dicts()[0]
    assert (row["raw_data"], row["zarr_scan"].read(), row["summary"], row["old_data"]) == (
        b"raw",
        b"scan",
        {"a": 1},
        [1, 2],
    )
    hashed, scan = world.objects("raw")
    assert re.fullmatch(r"_hash/experiment/(..)/(..)/\1\2[a-z2-7]{22}", hashed)
    id = world["key"]["recording_id"]
    assert re.fullmatch(rf"_schema/experiment/Recording/recording_id={id}/zarr_scan\.[\w-]{{8}}\.zarr", scan)
    assert re.fullmatch(r"_hash/experiment/[a-z2-7]{26}", *world.objects("main"))
    assert re.fullmatch(r"_hash/experiment/[a-z2-7]{26}", *world.objects("archive"))


def test_partitions(world):
    world.project.config.stores["main"] = {
        **world.stores["main"],
        "partition_pattern": "subject_id/session_date",
    }
    world.do('''
@schema
class Recording(dj.Manual):
    definition = """
    subject_id : varchar(8)
    session_date : date
    recording_id : uuid
    ---
    zarr_scan : <object@>
    """

@schema
class Other(dj.Manual):
    definition = """
    recording_id : uuid
    ---
    zarr_scan : <object@>
    """
id = uuid.uuid4()
Recording.insert1({'subject_id': '042', 'session_date': '2024-01-15', 'recording_id': id, 'zarr_scan': ('.zarr', b'1')})
Other.insert1({'recording_id': id, 'zarr_scan': ('.zarr', b'2')})
''')
    plain, parted = world.objects("main")
    id = world["id"]
    assert re.fullmatch(rf"_schema/experiment/Other/recording_id={id}/zarr_scan\.[\w-]{{8}}\.zarr", plain)
    start = "_schema/subject_id=042/session_date=2024-01-15/experiment/Recording"
    assert re.fullmatch(rf"{start}/recording_id={id}/zarr_scan\.[\w-]{{8}}\.zarr", parted)


def test_verify(world, monkeypatch, capsys):
    monkeypatch.setattr("lodestore.config", world.project.config)
    world.run("configure", "verify")
    assert world["spec"]["location"] == world.stores["archive"]["location"]
    told = capsys.readouterr().out
    assert "main" in told and "archive" in told and "secret" not in told.lower().replace("secret_key", "")


def test_urls(world):
    plain, url = (eval(line) for line in world.code("configure", "urls").splitlines()[1:])
    world.do('''
@schema
class Raw(dj.Manual):
    definition = """
    id : int32
    ---
    file : <object@>
    """
''')
    file = world.folder / "myfile.dat"
    file.write_bytes(b"data")
    for id, text in enumerate((plain, url)):
        world["Raw"].insert1({"id": id, "file": text.replace("/data/myfile.dat", str(file))})
    assert [row["file"].read() for row in world["Raw"]] == [b"data"] * 2
    start = {"file": "file://", "s3": "s3://"}[world.stores["main"]["protocol"]]
    assert all(row["file"].url.startswith(start) for row in world["Raw"])


def test_sections(world):
    settings = world.settings("configure", "sections-settings").get_store_spec("legacy")
    prefixes = {name: settings[name] for name in ("hash_prefix", "schema_prefix", "filepath_prefix")}
    world.project.config.stores["main"] = {**world.stores["main"], **prefixes}
    world.project.config.stores["filepath_default"] = "main"
    world.do('''
@schema
class Thing(dj.Manual):
    definition = """
    id : int32
    ---
    hashed : <blob@>
    placed : <npy@>
    raw = null : <filepath@>
    """
''')
    world.store("main").put_buffer(b"raw", "raw_files/a.bin")
    thing = {"hashed": b"x", "placed": np.arange(3)}
    world["Thing"].insert1({"id": 1, **thing, "raw": "raw_files/a.bin"})
    tops = [path.split("/")[0] for path in world.objects("main")]
    assert tops == ["content_addressed", "raw_files", "structured_data"]
    for id, path in enumerate(("content_addressed/file.dat", "structured_data/x", "elsewhere/a.bin"), 2):
        with pytest.raises(ValueError):
            world["Thing"].insert1({"id": id, **thing, "raw": path})


def test_files_of_the_users(world):
    world.run("configure", "filepath")
    world["table"] = world["RawData"]
    store = world.store("acquisition")
    for path in ("subject01/session001/data.bin", "raw/experiment_2024/data.nwb"):
        store.put_buffer(path.encode(), path)
    with pytest.raises(ValueError, match="reserved section"):
        world.run("configure", "filepath-paths")
    assert len(world["RawData"]) == 2
    with pytest.raises(ValueError, match="reserved section"):
        world["table"].insert1({"session_id": 4, "recording": "_schema/myschema/..."})
    with pytest.raises(world["dj"].DataJointError):
        world["table"].insert1({"session_id": 5, "recording": "not/there.bin"})
    ref = (world["RawData"] & "session_id = 1").fetch1("recording")
    assert isinstance(ref, world["dj"].ObjectRef) and ref.read() == b"subject01/session001/data.bin"
    # They are the user's: what becomes of the rows does not touch them.
    world["RawData"].delete(prompt=False)
    assert len(world.objects("acquisition")) == 2
