"""What programs for DataJoint 0.13 and 0.14 say, and 2.x has no words for. Prints what it finds as one line of JSON."""

import json
import multiprocessing
import os
import pathlib

import datajoint as dj
import numpy as np
from datajoint.errors import DataJointError
from datajoint.schemas import Schema


def computed(number):
    """Runs in a process of its own, which imports this program anew."""
    import datajoint

    return [number * 2, datajoint.__version__, issubclass(datajoint.Manual, dj.Manual)]


class PairAdapter(dj.AttributeAdapter):
    """Complex numbers as pairs."""

    attribute_type = "longblob"

    def put(self, number):
        return [number.real, number.imag]

    def get(self, stored):
        return complex(*stored)


class UpperAdapter(dj.AttributeAdapter):
    attribute_type = "varchar(20)"

    def put(self, text):
        return text.lower()

    def get(self, stored):
        return stored.upper()


def main():
    found = {}
    dj.config["safemode"] = False
    found["custom"] = dj.config.setdefault("custom", {"root": "/data"})["root"]
    found["known"] = ["custom" in dj.config, "nothing" in dj.config, dj.config.get("nothing", 5)]
    pair, loud = PairAdapter(), UpperAdapter()
    schema = dj.schema("older", locals())
    found["same"] = [isinstance(schema, Schema), dj.errors.DataJointError is DataJointError]

    @schema
    class Old(dj.Manual):
        definition = """
        old_id : INT
        ---
        flag = 1        : boolean
        native = null   : longblob
        plain = null    : mediumblob
        stored = null   : blob@main
        notes = null    : attach
        kept = null     : attach@main
        raw = null      : filepath@main
        kind = 'a'      : ENUM('a', 'b')
        made = CURRENT_TIMESTAMP : timestamp
        """

    @schema
    class Other(dj.Manual):
        definition = """
        -> Old
        other : tinyint unsigned
        """

    pathlib.Path("notes.txt").write_text("hello")
    store = pathlib.Path(dj.config["stores"]["main"]["location"])
    (store / "raw.txt").write_text("raw")
    array = np.arange(6).reshape(2, 3)
    Old.insert1(
        {
            "old_id": 1,
            "native": array,
            "plain": b"\x00bytes",
            "stored": {"a": array},
            "notes": "notes.txt",
            "kept": "notes.txt",
            "raw": "raw.txt",
        }
    )
    Old.insert1({"old_id": 2, "native": {"x": [1, 2.5, "y"]}})
    Other.insert([(1, 200), (2, 7)])
    os.mkdir("down")
    row = (Old & "old_id=1").fetch(as_dict=True, download_path="down")[0]
    found["row"] = [
        row["native"].tolist(),
        list(row["plain"]),
        row["stored"]["a"].tolist(),
        pathlib.Path(row["notes"]).read_text(),
        pathlib.Path(row["kept"]).read_text(),
        bool(row["flag"]),
        row["kind"],
    ]
    found["native"] = (Old & "old_id=2").fetch1("native")
    found["arrays"] = [len(Old.fetch("native")), Old.fetch("made")[0].year > 2000]
    found["xor"] = [len(Old ^ Other), len(Old @ Other)]
    found["keys"] = Old.fetch(dj.key, order_by="old_id")
    virtual = dj.create_virtual_module("v", "older")
    found["virtual"] = [len(virtual.Old()), virtual.__name__]

    @schema
    class Adapted(dj.Manual):
        definition = """
        id : int
        ---
        number : <pair>
        word = null : <loud>   # what is said
        """

    Adapted.insert([{"id": 1, "number": 1 + 2j, "word": "Hey"}, {"id": 2, "number": 3j}])
    again = dj.create_virtual_module("w", "older", add_objects={"pair": pair, "loud": loud})
    number, word = (again.Adapted & "id=1").fetch1("number", "word")
    found["adapted"] = [number == 1 + 2j, word, len(Adapted & 'word = "hey"')]
    found["refused"] = None
    try:
        schema(type("Bad", (dj.Manual,), {"definition": "a : geometry"}))
    except DataJointError as error:
        found["refused"] = "geometry" in str(error)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found["spawned"] = pool.map(computed, range(3))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
