"""The page "Choose a Storage Type"."""

import itertools
import re

import numpy as np
import pytest
from world import blocks


def first_part(code, upto):
    """What stands in a block before a line."""
    return code[: code.index(upto)]


def test_objects_of_python(world):
    world.do("""
@schema
class Experiment(dj.Manual):
    definition = "experiment_id : uuid"
key = {'experiment_id': uuid.uuid4()}
Experiment.insert1(key)
""")
    # The block declares, and fetches what was computed meanwhile.
    world.do(first_part(blocks("choose")["blob-objects"], "# Fetch"))
    world.do("Analysis.populate()")
    world.run("choose", "blob-objects")
    assert world["data"]["accuracy"] == 0.95
    assert np.array_equal(world["data"]["confusion_matrix"], [[10, 2], [1, 15]])
    assert world["data"]["metadata"] == {"method": "SVM", "params": [1, 2, 3]}
    assert re.fullmatch(r"_hash/experiment/[a-z2-7]{26}", *world.objects("main"))


def test_arrays(world):
    world.do(first_part(blocks("choose")["npy-objects"], "# Insert: Just"))
    world.do(
        "key = {'recording_id': uuid.uuid4()}; Recording.insert1({**key, 'traces': np.ones((1000, 32))})"
    )
    world.run("choose", "npy-objects")
    assert (
        world["ref"].shape == (1000, 32) and world["subset"].shape == (100, 32) and not world["ref"].is_loaded
    )
    assert len(world["Recording"]) == 2


def test_sizes(world):
    world.run("choose", "sizes")
    world.do(
        "Experiment.insert1({'experiment_id': uuid.uuid4(), 'metadata': {}, 'thumbnail': np.zeros((9, 9)), 'raw_data': b'x'})"
    )
    assert len(world.objects("main")) == 1


def test_full_access(world):
    world.do("""
@schema
class RawImage(dj.Manual):
    definition = "image_id : int32"
RawImage.insert1({'image_id': 1})
key = {'image_id': 1}
""")
    world.run("choose", "full-access-table")
    table = world.declare("ProcessedImage")
    table.make = lambda self, key: self.insert1({**key, "processed": np.eye(3)})
    table.populate()
    world.run("choose", "full-access")
    assert np.array_equal(world["img"], np.eye(3))


def test_partial_reads(world):
    world.run("choose", "partial-reads-table")
    world.declare("ScanVolume")
    world.do("""
import zarr
key = {'scan_id': uuid.uuid4()}
with ScanVolume.staged_insert1 as staged:
    staged.rec.update(key)
    z = zarr.open(staged.store('volume', '.zarr'), mode='w', shape=(300, 4, 5), chunks=(50, 4, 5), dtype='int16')
    z[:] = np.arange(300)[:, None, None]
""")
    world.run("choose", "partial-reads")
    assert world["slice_data"].shape == (100, 4, 5) and world["slice_data"][0, 0, 0] == 100


def test_lazy_arrays(world):
    world.do("""
@schema
class Recording(dj.Manual):
    definition = "recording_id : int32"
Recording.insert1({'recording_id': 1})
key = {'recording_id': 1}
""")
    world.run("choose", "lazy-table")
    table = world.declare("NeuralActivity")
    table.make = lambda self, key: self.insert1({**key, "traces": np.arange(2000.0).reshape(500, 4)})
    table.populate()
    world.run("choose", "lazy")
    assert world["shape"] == (500, 4) and world["subset"][99, 3] == 399 and not world["ref"].is_loaded


def test_managed_objects_go_with_their_rows(world):
    world.run("choose", "managed")
    table = world.declare("ManagedData")
    world.do("ManagedData.insert1({'data_id': uuid.uuid4(), 'content': np.arange(9)})")
    assert len(world.objects("main")) == 1
    table.delete(prompt=False)
    assert not world.objects("main")


def test_files_of_the_users_stay(world):
    world.run("choose", "user-managed")
    table = world.declare("ExternalData")
    store = world.store("acquisition")
    store.put_buffer(b"raw", "microscope/a.tif")
    world.do("ExternalData.insert1({'data_id': uuid.uuid4(), 'raw_file': 'microscope/a.tif'})")
    assert table.fetch1("raw_file").read() == b"raw"
    table.delete(prompt=False)
    assert world.objects("acquisition") == ["microscope/a.tif"]


@pytest.mark.parametrize("page, name", [("choose", "filepath"), ("overview", "filepath")])
def test_a_single_store_serves_filepaths(world, page, name):
    """The single-store configurations of the documents name no `filepath_default`: "all `@` codecs use this store"."""
    world.project.config["stores"] = {"default": "main", "main": world.stores["main"]}
    world.store("main").put_buffer(b"raw", "microscope/a.tif")
    tables = world.attributes(page, name)
    for table in tables:
        (attribute,) = table.heading.secondary_attributes
        table.insert1({"id": 1, attribute: "microscope/a.tif"})
        ref = table.fetch1(attribute)
        assert ref.store == "main" and ref.read() == b"raw"
    assert tables


@pytest.mark.parametrize(
    "name",
    [
        "in-table-blob",
        "in-table-attach",
        "hash-addressed",
        "schema-addressed",
        "filepath",
        "production",
        "deduplicated",
        "out-of-memory",
    ],
)
def test_attributes(world, name):
    for table in world.attributes("choose", name):
        (attribute,) = table.heading.secondary_attributes
        assert table.heading[attribute].codec_type in blocks("choose")[name]


@pytest.mark.parametrize("name", ["images", "electrophysiology", "calcium"])
def test_scenarios(world, name):
    world.run("choose", name)
    declared = re.findall(r"class (\w+)\(", blocks("choose")[name])
    assert len(world.schema.list_tables()) == len(declared)
    for upper, lower in itertools.pairwise(declared):
        assert world[upper].full_table_name in world[lower].parents()


@pytest.mark.parametrize("name", ["development", "production", "not-configured"])
def test_settings_are_read_as_printed(world, name):
    config = world.settings("choose", f"{name}-settings")
    assert all(config.get_store_spec(store)["location"] for store in config.stores if "default" not in store)
    if name == "production":
        assert config.get_store_spec(use_filepath_default=True)["location"] == "/mnt/microscope"


def test_from_the_table_to_a_store(world):
    world.do(first_part(blocks("choose")["migrate-to-store"], "# Migrate"))
    world.do(
        "MyTable.insert({'id': id, 'data_old': {'number': id}, 'data_new': None or 0} for id in range(5))"
    )
    world.run("choose", "migrate-to-store")
    assert [row["data_new"] for row in world["MyTable"].to_dicts(order_by="id")] == [
        {"number": id} for id in range(5)
    ]
    definition = re.sub(r"data_old.*\n", "", world["MyTable"].definition)
    world["MyTable"].definition = definition
    world["MyTable"].alter(prompt=False)
    assert world["MyTable"].heading.names == ["id", "data_new"]


def test_from_hashes_to_zarr(world):
    world.do(first_part(blocks("choose")["migrate-to-zarr"], "# Convert"))
    world.do(
        "Recording.insert({'recording_id': uuid.uuid4(), 'data_blob': np.full((3, n), n), 'data_stream': b''} for n in (1, 2))"
    )
    world.run("choose", "migrate-to-zarr")
    for row in world["Recording"]:
        z = world["zarr"].open(row["data_stream"].fsmap, mode="r")
        assert np.array_equal(z[:], row["data_blob"]) and row["data_stream"].ext == ".zarr"


def test_reserved_sections(world):
    world.do('''
@schema
class Raw(dj.Manual):
    definition = """
    id : int32
    ---
    file : <filepath@>
    """
table = Raw
''')
    world.store("acquisition").put_buffer(b"data", "raw/mydata.bin")
    with pytest.raises(ValueError, match=r"[Pp]ath conflicts with reserved section"):
        world.run("choose", "reserved")
    assert len(world["Raw"]) == 0
    world.do(blocks("choose")["reserved"].split("# Good")[1])
    assert world["Raw"].fetch1("file").read() == b"data"


@pytest.mark.stores("file")
def test_a_store_that_is_not_configured(world):
    del world.project.config.stores["default"]
    [table, *_] = world.attributes("choose", "out-of-memory")
    [attribute] = table.heading.secondary_attributes
    with pytest.raises(world["dj"].DataJointError, match=r"[Ss]tore not configured"):
        table.insert1({"id": 1, attribute: np.arange(3)})
    assert len(table) == 0
