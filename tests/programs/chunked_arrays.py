"""A program for DataJoint that uses a codec of an installed package; it is run as it is.

Told are the lines of a JSON object: what it saw. The first argument names the setting of the store.
"""

import json
import sys

import datajoint as dj
import numpy as np
import zarr

dj.config.stores["chunks"] = json.loads(sys.argv[1])
dj.config["safemode"] = False
schema = dj.Schema("imaging")


@schema
class Movie(dj.Manual):
    definition = """
    subject : varchar(8)
    take : int32
    ---
    frames : <zarr@chunks>
    mask = null : <zarr@chunks>
    """


told = {
    "codecs": "zarr" in dj.list_codecs(),
    "is_ours": issubclass(type(dj.get_codec("zarr")), dj.SchemaCodec),
}
frames = np.arange(60_000, dtype="u2").reshape(30, 40, 50)
chunked = zarr.array(frames[:6] > 3000, chunks=(2, 40, 50))
Movie.insert1({"subject": "m1", "take": 1, "frames": frames, "mask": chunked})
Movie.insert({"subject": "m1", "take": take, "frames": frames[:take]} for take in (2, 3))

found = (Movie & "take = 1").fetch1("frames")
told["array"] = isinstance(found, zarr.Array) and bool((found[7:9, :, 3] == frames[7:9, :, 3]).all())
told["types"] = [str(found.dtype), list(found.shape), type(found.store).__name__ != "MemoryStore"]
told["mask"] = list((Movie & "take = 1").fetch1("mask").chunks)
told["null"] = (Movie & "take = 2").fetch1("mask") is None
told["heading"] = Movie.heading.attributes["frames"].codec.name
told["preview"] = "zarr" in repr(Movie())

try:
    Movie.insert(
        [{"subject": "m2", "take": 1, "frames": frames}, {"subject": "m2", "take": 2, "frames": [1]}]
    )
except dj.DataJointError as error:
    told["refused"] = "takes arrays, got list" in str(error)
try:
    schema(type("Near", (dj.Manual,), {"definition": "id : int32\n---\nx : <zarr>"}))
except dj.DataJointError as error:
    told["in_table"] = "requires @" in str(error)

told["stored"] = sorted(
    {
        path.split("/c/")[0].rsplit("/zarr.json")[0]
        for path in dj.gc.GarbageCollector(schema, store="chunks").list_schema_paths("imaging")
    }
)
told["orphans"] = dj.gc.GarbageCollector(schema, store="chunks").collect()["schema_paths_orphaned"]
Movie.update1({"subject": "m1", "take": 2, "frames": frames[:9]})
told["updated"] = (Movie & "take = 2").fetch1("frames").shape[0]
(Movie & "take = 1").delete()
told["rows"] = len(Movie())
told["after"] = len(
    {
        path.split(".zarr/")[0]
        for path in dj.gc.GarbageCollector(schema, store="chunks").list_schema_paths("imaging")
    }
)
print(json.dumps(told))
