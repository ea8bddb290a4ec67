"""The page "Object Storage Overview"."""

from pathlib import Path

import numpy as np
import pytest


@pytest.mark.parametrize("name", ["in-table", "hash-addressed", "schema-addressed", "filepath"])
def test_attributes(world, name):
    tables = world.attributes("overview", name)
    file = world.folder / "notes.txt"
    file.write_bytes(b"notes")
    world.store("acquisition").put_buffer(b"raw", "raw/a.bin")
    values = {"metadata": {"a": 1}, "waveform": np.arange(3), "document": file, "traces": np.arange(4.0)}
    values |= {"volume": b"volume", "raw_data": "raw/a.bin"}
    for table in tables:
        (attribute,) = table.heading.secondary_attributes
        table.insert1({"id": 1, attribute: values[attribute]})
        found = table.fetch1(attribute)
        match attribute:
            case "metadata":
                assert found == {"a": 1}
            case "document":
                assert Path(found).read_bytes() == b"notes"
            case "waveform" | "traces":
                assert np.array_equal(found, values[attribute])
            case "volume" | "raw_data":
                assert found.read() == values[attribute][:6] if attribute == "volume" else b"raw"
    stored = {"in-table": (), "hash-addressed": ("_hash/experiment/",) * 2}
    stored["schema-addressed"], stored["filepath"] = ("_schema/experiment/",) * 2, ()
    paths = world.objects("main")
    assert len(paths) == len(stored[name])
    assert all(path.startswith(start) for path, start in zip(paths, stored[name], strict=True))
