"""What the documents say of stores: where they lie, what they may be told, and where in them objects lie."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj
from lodestore.settings import Config

ON_SQLITE = pytest.mark.databases("sqlite")
ON_A_FOLDER = pytest.mark.stores("file")
EVERY_KIND = pytest.mark.stores("file", "s3", "gcs", "azure")

THING = '''
@schema
class Thing(dj.Manual):
    definition = """
    id : int32
    ---
    hashed = null : <blob@>
    placed = null : <npy@>
    given = null : <object@>
    file = null : <filepath@>
    """
'''


@pytest.fixture
def things(world):
    world.project.config.stores["filepath_default"] = "main"
    world.do(THING)
    return world["Thing"]


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Settings of their own, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    return Config.load_sources()


def with_store(config, **options):
    config.stores["main"] = {"protocol": "file", "location": "/data", **options}
    config.stores["default"] = "main"
    return config


def root_of(settings):
    """Where a store begins, as a URL."""
    if settings["protocol"] == "file":
        return Path(settings["location"]).as_uri()
    return f"s3://{settings['bucket']}/{settings['location']}"


def test_paths_begin_with_the_location(world, things):
    things.insert1({"id": 1, "hashed": [1, 2], "placed": np.arange(3), "given": b"x"})
    hashed, *by_key = world.objects("main")
    assert re.fullmatch(r"_hash/experiment/[a-z2-7]{26}", hashed)
    root = root_of(world.stores["main"])
    assert world.store("main").get_url(hashed) == f"{root}/{hashed}"
    assert things.fetch1("given").url in [f"{root}/{path}" for path in by_key]
    assert all(path.startswith("_schema/experiment/Thing/id=1/") for path in by_key)


@EVERY_KIND
@ON_SQLITE
def test_urls_of_every_kind(stored_project, store_settings, store_server):
    schema = stored_project.Schema("experiment")

    @schema
    class Thing(dj.Manual):
        definition = "id : int32\n---\ngiven : <object@>"

    Thing.insert1({"id": 1, "given": b"x"})
    ref = Thing.fetch1("given")
    scheme = {"file": "file", "s3": "s3", "gcs": "gs", "azure": "az"}[store_server.name]
    place = [store_settings.get(name) for name in ("bucket", "container") if name in store_settings]
    location = store_settings["location"].strip("/")
    assert ref.url == f"{scheme}://{'/'.join(['' if scheme == 'file' else place[0], location, ref.path])}"
    # The same program reads it wherever it lies, and through fsspec as well.
    assert ref.read() == b"x" and ref.fs.cat_file(ref.path) == b"x"


@ON_A_FOLDER
@ON_SQLITE
def test_a_location_may_be_a_url(project, tmp_path):
    (tmp_path / "new data").mkdir()
    project.config.stores["main"] = {"protocol": "file", "location": (tmp_path / "new data").as_uri()}
    schema = project.Schema("experiment")

    @schema
    class Thing(dj.Manual):
        definition = "id : int32\n---\ngiven : <object@>"

    Thing.insert1({"id": 1, "given": b"x"})
    assert (tmp_path / "new data" / Thing.fetch1("given").path).read_bytes() == b"x"


@pytest.mark.parametrize("written", ["plain", "url"])
def test_paths_and_urls_mean_the_same_file(world, things, written):
    world.store("main").put_buffer(b"mine", "raw/a b.bin")
    name = "raw/a b.bin" if written == "plain" else f"{root_of(world.stores['main'])}/raw/a b.bin"
    things.insert1({"id": 1, "file": name})
    ref = things.fetch1("file")
    assert (ref.path, ref.read()) == ("raw/a b.bin", b"mine")


PROGRAM = """
import lodestore as dj
schema = dj.Schema("experiment")
@schema
class Thing(dj.Manual):
    definition = "id : int32\\n---\\ndata : <blob@>"
Thing.insert1({"id": 1, "data": "stored"})
print(Thing.fetch1("data"), dj.config.get_store_spec()["location"], dj.config)
"""


@pytest.mark.stores("s3")
@ON_SQLITE
def test_credentials_come_from_the_folder_of_secrets(database, project, tmp_path, store_settings):
    home = tmp_path / "home"
    secrets = home / ".secrets"
    secrets.mkdir(parents=True)
    keys = {name: store_settings.pop(name) for name in ("access_key", "secret_key")}
    for name, key in keys.items():
        (secrets / f"stores.main.{name}").write_text(key + "\n")
        (secrets / f"stores.main.{name}").chmod(0o600)
    settings = {"stores": {"default": "main", "main": store_settings}}
    (home / "datajoint.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=home,
        env=database.environment(project),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"stored {store_settings['location']}")
    assert not any(key in done.stdout + done.stderr for key in keys.values())


@pytest.mark.stores("s3")
@ON_SQLITE
def test_a_server_of_ones_own_without_tls(project, store_settings):
    # As the section on MinIO has it: host and port, and `secure` off.
    endpoint = store_settings["endpoint"].removeprefix("http://")
    project.config.stores["main"] = {**store_settings, "endpoint": endpoint, "secure": False}
    schema = project.Schema("experiment")

    @schema
    class Thing(dj.Manual):
        definition = "id : int32\n---\ndata : <blob@>"

    Thing.insert1({"id": 1, "data": [1]})
    assert Thing.fetch1("data") == [1]


@pytest.mark.parametrize(
    ("option", "default"),
    [
        ("subfolding", None),
        ("partition_pattern", None),
        ("token_length", 8),
        ("hash_prefix", "_hash"),
        ("schema_prefix", "_schema"),
        ("filepath_prefix", None),
    ],
)
def test_options_have_their_defaults(config, option, default):
    assert with_store(config).get_store_spec()[option] == default


def test_secure_is_the_default(config):
    config.stores["far"] = {"protocol": "s3", "endpoint": "e", "bucket": "b", "location": "l"}
    assert config.get_store_spec("far")["secure"] is True


@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        ("file", {}),
        ("s3", {"bucket": "b", "endpoint": "e"}),
        ("gcs", {"bucket": "b"}),
        ("azure", {"container": "c"}),
    ],
)
def test_what_each_protocol_requires(config, protocol, options):
    whole = {"protocol": protocol, "location": "l", **options}
    config.stores["main"] = whole
    assert config.get_store_spec("main")["protocol"] == protocol
    for name in whole:
        config.stores["main"] = {key: value for key, value in whole.items() if key != name}
        if name == "endpoint":
            # The documents' own example leaves it out: then it is Amazon's.
            assert config.get_store_spec("main")["endpoint"] == "s3.amazonaws.com"
            continue
        with pytest.raises(dj.DataJointError, match=name):
            config.get_store_spec("main")


def test_other_protocols_are_refused(config):
    with pytest.raises(dj.DataJointError, match="Unknown protocol"):
        with_store(config, protocol="gopher").get_store_spec()


def test_a_default_store_must_be_named(config):
    config.stores["main"] = {"protocol": "file", "location": "/data"}
    with pytest.raises(dj.DataJointError, match=r"stores\.default"):
        config.get_store_spec()


def test_a_project_name_is_taken(config):
    assert with_store(config, project_name="my_project").get_store_spec()["location"] == "/data"


@pytest.mark.parametrize("length", [None, 4, 16])
@ON_SQLITE
@ON_A_FOLDER
def test_tokens_have_the_length_that_is_set(world, things, length):
    if length is not None:
        world.project.config.stores["main"] = {**world.stores["main"], "token_length": length}
    things.insert1({"id": 1, "placed": np.arange(3)})
    (path,) = world.objects("main")
    assert re.fullmatch(rf".*/placed\.[A-Za-z0-9_-]{{{length or 8}}}\.npy", path)


def test_subfolding_is_for_hashes_alone(world, things):
    world.project.config.stores["main"] = {**world.stores["main"], "subfolding": [2, 2]}
    things.insert1({"id": 1, "hashed": [1, 2], "placed": np.arange(3)})
    hashed, placed = world.objects("main")
    assert re.fullmatch(r"_hash/experiment/(..)/(..)/\1\2[a-z2-7]{22}", hashed)
    assert re.fullmatch(r"_schema/experiment/Thing/id=1/placed\.[\w-]{8}\.npy", placed)
    row = things.fetch1()
    assert row["hashed"] == [1, 2] and row["placed"].load().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "prefixes",
    [
        {"hash_prefix": "managed", "schema_prefix": "managed"},
        {"hash_prefix": "managed", "schema_prefix": "managed/arrays"},
        {"hash_prefix": "a/b", "filepath_prefix": "a"},
        {"schema_prefix": "raw//", "filepath_prefix": "raw/files"},
        {"hash_prefix": "_schema"},
    ],
)
def test_sections_may_not_lie_in_each_other(config, prefixes):
    with pytest.raises(dj.DataJointError, match="mutually exclusive"):
        with_store(config, **prefixes).get_store_spec()


def test_sections_of_ones_own(world, things):
    settings = world.settings("configure", "hierarchy-settings").get_store_spec("organized")
    prefixes = {name: settings[name] for name in ("hash_prefix", "schema_prefix", "filepath_prefix")}
    world.project.config.stores["main"] = {**world.stores["main"], **prefixes}
    world.store("main").put_buffer(b"mine", "imported/day1/a.bin")
    things.insert1({"id": 1, "hashed": [1], "placed": np.arange(3), "file": "imported/day1/a.bin"})
    imported, placed, hashed = world.objects("main")
    assert imported == "imported/day1/a.bin"
    assert re.fullmatch(r"managed/blobs/experiment/[a-z2-7]{26}", hashed)
    assert re.fullmatch(r"managed/arrays/experiment/Thing/id=1/placed\.[\w-]{8}\.npy", placed)
    root = root_of(world.stores["main"])
    assert things.fetch1("file").url == f"{root}/imported/day1/a.bin"
    world.store("main").put_buffer(b"mine", "elsewhere/a.bin")
    for path in ("managed/blobs/x", "managed/arrays/x", "elsewhere/a.bin"):
        with pytest.raises(ValueError, match=r"prefix|reserved section"):
            things.insert1({"id": 2, "file": path})


def test_files_of_the_users_are_new_or_were_there(world, things):
    store = world.store("main")
    store.put_buffer(b"was there", "raw/old.bin")
    with store.open("raw/new.bin", "wb") as file:
        file.write(b"made now")
    for id, path in enumerate(("raw/old.bin", "raw/new.bin")):
        things.insert1({"id": id, "file": path})
    assert [row["file"].read() for row in things.to_dicts(order_by="id")] == [b"was there", b"made now"]
    with pytest.raises(FileNotFoundError, match="raw/none"):
        things.insert1({"id": 3, "file": "raw/none.bin"})
    for path in ("_hash/abc", "_schema/experiment/x"):
        with pytest.raises(ValueError, match="conflicts with reserved section"):
            things.insert1({"id": 3, "file": path})


def test_each_attribute_goes_to_the_store_it_names(world):
    tables = world.attributes("choose", "production")
    world.store("acquisition").put_buffer(b"raw", "a.tif")
    for table, value in zip(tables, ("a.tif", [1], [2]), strict=True):
        table.insert1({"id": 1, table.heading.secondary_attributes[0]: value})
    assert world.objects("acquisition") == ["a.tif"]
    assert len(world.objects("main")) == len(world.objects("archive")) == 1


def test_equal_content_is_stored_once_in_each_store(world):
    world.do('''
@schema
class Pair(dj.Manual):
    definition = """
    id : int32
    ---
    hot : <blob@main>
    cold : <blob@archive>
    """
data = np.zeros(1000)
Pair.insert({'id': n, 'hot': data, 'cold': data} for n in range(3))
''')
    assert len(world.objects("main")) == len(world.objects("archive")) == 1
    (world["Pair"] & "id < 2").delete(prompt=False)
    assert len(world.objects("main")) == len(world.objects("archive")) == 1
    assert not world["Pair"].fetch1("cold").any()
