"""Rows as DataJoint 2.3.5 wrote them: every recorded column is read, and our own say what the peer's say."""

import json
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj

CASES = json.loads((Path(__file__).parent / "golden" / "metadata.json").read_text())["cases"]
READABLE = [
    case
    for case in CASES
    if (case.get("type") or "") != ""
    and "s3" not in case["type"]
    and (case.get("column_text") or case.get("column_hex"))
]
STORES = {
    "main": {},
    "sub": {"subfolding": [2, 2]},
    "part": {"partition_pattern": "{subject}/{sdate}"},
    "pref": {
        "hash_prefix": "managed/blobs",
        "schema_prefix": "managed/arrays",
        "filepath_prefix": "imported",
    },
}


@pytest.fixture
def world(project, tmp_path):
    """The peer's stores, with the objects that it wrote; and rows for its columns, as it wrote them."""
    project.config["download_path"] = str(tmp_path / "downloads")
    project.config["stores.default"] = "main"
    for name, options in STORES.items():
        (tmp_path / name).mkdir()
        project.config[f"stores.{name}"] = {"protocol": "file", "location": str(tmp_path / name), **options}
    for case in READABLE:
        store = case["type"].strip("<>").partition("@")[2] or "main"
        for stored in case.get("objects", ()):
            file = tmp_path / store / stored["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(stored["text"].encode() if "text" in stored else bytes.fromhex(stored["hex"]))
    return project


def tables_of(database, project, schema, rows):
    """A table for each codec type, and the rows (type, text, hex) in them; gives a query for each."""
    tables, queries = {}, []
    for number, (spec, text, content) in enumerate(rows):
        if spec not in tables:
            name = f"Peer{len(tables)}"
            tables[spec] = schema(
                type(name, (dj.Manual,), {"definition": f"id : int32\n---\nx = null : {spec}"})
            )
        table = tables[spec]
        value = text if content is None else bytes.fromhex(content)
        name = database.table("lab", table().table_name)
        database.execute(project, f"INSERT INTO {name} (id, x) VALUES (%s, %s)", (number, value))
        queries.append((table, number))
    return [table & {"id": number} for table, number in queries]


def test_what_the_peer_wrote_is_read(database, world, tmp_path):
    schema = world.Schema("lab")
    rows = [(case["type"], case.get("column_text"), case.get("column_hex")) for case in READABLE]
    queries = tables_of(database, world, schema, rows)
    assert len(queries) >= 40
    plain = {"array": np.array, "float64": "float64", "int32": "int32"}
    for case, query in zip(READABLE, queries, strict=True):
        value = query.fetch1("x")
        expected = case.get("fetch1")
        if isinstance(value, dj.NpyRef):
            if expected is not None:
                assert repr(value) == expected
            stored = [item for item in case["objects"] if "hex" in item]
            if stored:
                assert value.load().shape == value.shape and value.load().dtype == value.dtype
                assert np.array_equal(value[...], value.load())
        elif isinstance(value, dj.ObjectRef):
            told = case["column_json"]
            assert (value.path, value.store, value.size, value.is_dir) == (
                told["path"],
                told["store"],
                told["size"],
                told["is_dir"],
            )
            assert value.ext == told.get("ext") and value.item_count == told.get("item_count")
            assert {name: value.to_json()[name] for name in told} == told
            files = [item for item in case.get("objects", ()) if "hex" in item and item["path"] == value.path]
            if files:
                assert value.read() == bytes.fromhex(files[0]["hex"]) and value.verify()
            elif value.is_dir and case["case"] == "object_folder":
                assert value.verify() and len(list(value.fsmap)) == value.item_count
        elif case["case"].startswith("attach"):
            assert value == str(tmp_path / "downloads" / "notes.txt") and Path(value).read_text() == "hello"
        elif expected is not None and "..." not in expected:
            assert repr(value) == repr(eval(expected, {}, plain)), case["case"]


def test_our_columns_tell_what_the_peers_tell(database, world, tmp_path):
    """The same keys, with values of the same types; ours tell checksums besides."""
    schema = world.Schema("lab")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "vol" / "sub").mkdir(parents=True)
    (tmp_path / "vol" / "a.txt").write_text("A")
    (tmp_path / "vol" / "sub" / "b.bin").write_text("BB")
    (tmp_path / "main" / "raw").mkdir(exist_ok=True)
    (tmp_path / "main" / "raw" / "d.bin").write_bytes(b"abc")
    (tmp_path / "pref" / "imported").mkdir()
    (tmp_path / "pref" / "imported" / "e.bin").write_bytes(b"abc")
    values = {
        "hash_named": b"abc",
        "blob_named": {"a": np.arange(3)},
        "attach_named": tmp_path / "notes.txt",
        "blob_subfolded": [1],
        "blob_custom_prefix": [1],
        "object_bytes": b"abc",
        "object_file": tmp_path / "notes.txt",
        "object_folder": tmp_path / "vol",
        "object_tuple": (".bin", b"xyz"),
        "object_partitioned": b"abc",
        "npy_2d": np.arange(6, dtype="i4").reshape(2, 3),
        "npy_struct": np.zeros(2, [("a", "<i4"), ("b", "<f8")]),
        "npy_partitioned": np.arange(2),
        "filepath_file": "raw/d.bin",
        "filepath_dir": "raw",
        "filepath_prefixed": "imported/e.bin",
    }
    compared = 0
    for case in CASES:
        if case["case"] not in values or not case.get("column_json") or "MariaDB" in case["database"]:
            continue
        name = "".join(word.title() for word in case["case"].split("_"))
        definition = f"subject : int32\nsdate : date\n---\nx : {case['type']}"
        table = schema(type(name, (dj.Manual,), {"definition": definition}))
        table.insert1({"subject": 7, "sdate": "2024-01-05", "x": values[case["case"]]})
        name = database.table("lab", table().table_name)
        ((column,),) = database.execute(world, f"SELECT CAST(x AS {database.text}) FROM {name}")
        ours, peers = json.loads(column), case["column_json"]
        assert set(ours) >= set(peers), case["case"]
        for key, told in peers.items():
            if key in ("path", "timestamp", "schema", "ext"):
                continue
            assert ours[key] == told, (case["case"], key)
        if "hash" in peers:
            assert ours["path"] == peers["path"].replace("/golden/", "/lab/")
        if not ours.get("is_dir") and not case["type"].startswith("<filepath"):
            assert ours["checksum"].startswith("sha256:") and ours["size"] > 0
        assert ours["store"] == case["type"].strip("<>").partition("@")[2]
        compared += 1
    assert compared == len(values)


def test_a_store_that_a_row_does_not_name_is_the_default_one(database, world, tmp_path):
    schema = world.Schema("lab")
    rows = []
    for store in ('""', "null"):
        for spec, case in (("<blob@>", "blob_named"), ("<npy@>", "npy_2d"), ("<object@>", "object_bytes")):
            told = next(found for found in READABLE if found["case"] == case)["column_text"]
            rows.append((spec, told.replace('"store": "main"', f'"store": {store}'), None))
    for query in tables_of(database, world, schema, rows):
        value = query.fetch1("x")
        if isinstance(value, (dj.NpyRef, dj.ObjectRef)):
            assert value.store == "main"
            value = value.load() if isinstance(value, dj.NpyRef) else value.read()
        assert value is not None
    Path(tmp_path / "other").mkdir()
    world.config["stores.other"] = {"protocol": "file", "location": str(tmp_path / "other")}
    world.config["stores.default"] = "other"
    with pytest.raises(dj.errors.MissingExternalFile):
        query.fetch1("x").read()
