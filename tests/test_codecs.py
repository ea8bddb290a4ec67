"""Codecs of one's own."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

import lodestore as dj
from lodestore import codecs
from lodestore.errors import CorruptError


@pytest.fixture(autouse=True)
def clean():
    before = dict(codecs._registry)
    yield
    codecs._registry.clear()
    codecs._registry.update(before)


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


class PointCodec(dj.Codec, register=False):
    name = "point"

    def get_dtype(self, is_store):
        return "<blob>"

    def validate(self, value):
        if not isinstance(value, Point):
            raise TypeError(f"expected a Point, got {type(value).__name__}")

    def encode(self, value, *, key=None, store_name=None):
        self.seen = (key["id"], store_name)
        return [value.x, np.asarray(value.y)]

    def decode(self, stored, *, key=None):
        self.read = (key.get("id"), key["_field"])
        return Point(stored[0], stored[1])


def declare(schema, codec):
    class Thing(dj.Manual):
        definition = f"""
        id : int32
        ---
        value = null : {codec}
        """

    return schema(Thing)


@pytest.mark.parametrize(
    ("spec", "store"), [("<point>", None), ("<point@>", "main"), ("<point@main>", "main")]
)
def test_a_codec_chains_to_another_and_hands_its_store_down(schema, objects, spec, store):
    codec = PointCodec()
    codecs._register("point", codec)
    things = declare(schema, spec)
    things.insert1({"id": 7, "value": Point(1, [2.5, 3])})
    things.insert1({"id": 8})
    found = (things & "id = 7").fetch1("value")
    assert isinstance(found, Point) and found.x == 1 and found.y.tolist() == [2.5, 3]
    assert (things & "id = 8").fetch1("value") is None
    assert codec.seen == (7, store) and codec.read == (7, "value")
    assert len(things.proj(other="value").to_arrays("other")) == 2 and codec.read == (7, "other")
    assert len(objects()) == (0 if store is None else 1)
    with pytest.raises(TypeError, match="expected a Point, got int"):
        things.insert([{"id": 1, "value": Point(1, 2)}, {"id": 2, "value": 3}])
    assert len(things) == 2 and len(objects()) <= 1


def test_a_subclass_is_registered_when_it_is_defined():
    class Mine(dj.Codec):
        name = "mine"

    assert "mine" in dj.list_codecs() and dj.get_codec("<mine@somewhere>").name == "mine"
    assert repr(dj.get_codec("mine")) == "<Mine(name='mine')>"

    class Mine(dj.Codec):  # noqa: F811  # as a notebook does when a cell runs again
        name = "mine"

    class Other(dj.Codec, register=False):
        name = "other"

    assert "other" not in dj.list_codecs()
    with pytest.raises(dj.DataJointError, match="Codec <mine> already registered by"):
        type("Thief", (dj.Codec,), {"name": "mine"})
    with pytest.raises(dj.DataJointError, match="already registered"):
        type("Thief", (dj.Codec,), {"name": "blob"})
    with pytest.raises(dj.DataJointError, match="non-empty string"):
        type("Nameless", (dj.Codec,), {"name": ""})
    codecs.unregister_codec("mine")
    assert not codecs.is_codec_registered("mine")
    with pytest.raises(dj.DataJointError, match="Unknown codec: <mine>"):
        dj.get_codec("mine")
    assert set(dj.list_codecs()) >= {"attach", "blob", "filepath", "hash", "npy", "object"}


def test_a_codec_gets_only_what_it_declares(schema):
    seen = {}

    class Curious(dj.Codec):
        name = "curious"

        def get_dtype(self, is_store):
            return "varchar(100)"

        def encode(self, value, *, key, context, store_name):
            seen.update(key=key, context=context, store_name=store_name)
            return str(value)

        def decode(self, stored, *, key=None, context=None):
            seen["config"] = context["config"]
            return float(stored)

    class Plain(dj.Codec):
        name = "plain"

        def get_dtype(self, is_store):
            return "json"

        def encode(self, value, **keywords):
            seen["plain"] = set(keywords)
            return {"n": value}

        def decode(self, stored, **keywords):
            return stored["n"]

    @schema
    class Both(dj.Manual):
        definition = """
        id : int32
        day : date
        ---
        a : <curious>
        b : <plain>
        """

    Both.insert1({"id": 1, "day": "2024-05-06", "a": 2.5, "b": [1, 2]})
    assert Both.fetch1("a", "b") == (2.5, [1, 2])
    key = {name: value for name, value in seen["key"].items() if not name.startswith("_")}
    assert key["id"] == 1 and str(key["day"]) == "2024-05-06" and list(key) == ["id", "day"]
    assert (seen["context"]["schema"], seen["context"]["table"], seen["context"]["field"]) == (
        "lab",
        "both",
        "a",
    )
    assert (
        seen["context"]["config"]["stores.default"] == "main" and seen["config"]["stores.default"] == "main"
    )
    assert seen["store_name"] is None and seen["plain"] == {"key"}


def test_bytes_by_hash(schema, objects):
    class Text(dj.HashCodec):
        name = "long_text"

        def encode(self, value, *, key=None):
            return value.encode()

        def decode(self, stored, *, key=None):
            return stored.decode()

    things = declare(schema, "<long_text@>")
    things.insert([{"id": number, "value": "é" * 1000} for number in range(3)])
    assert len(objects()) == 1 and objects()[0].startswith("_hash/lab/")
    assert {row["value"] for row in things.to_dicts()} == {"é" * 1000}


def test_an_object_by_schema_goes_when_its_row_does_not_come(schema, objects, tmp_path):
    class Csv(dj.SchemaCodec):
        name = "csv"

        def encode(self, value, *, key=None, context=None, store_name=None):
            schema_name, table, field, primary_key = self._extract_context(key, context)
            path, token = self._build_path(
                schema_name,
                table,
                field,
                primary_key,
                ext=".csv",
                store_name=store_name,
                config=context["config"],
            )
            assert f"{field}.{token}.csv" in path
            self._get_backend(store_name, config=context["config"]).put_buffer(value.encode(), path)
            if value == "bad":
                raise ValueError("no good")
            return {"path": path, "store": store_name, "rows": value.count("\n")}

        def decode(self, stored, *, key=None, context=None):
            return self._get_backend(stored["store"]).get_buffer(stored["path"]).decode()

    things = declare(schema, "<csv@>")
    things.insert1({"id": 1, "value": "a,b\n1,2\n"})
    assert things.fetch1("value") == "a,b\n1,2\n"
    (path,) = objects()
    assert path.startswith("_schema/lab/Thing/id=1/value.") and path.endswith(".csv")
    with pytest.raises(ValueError, match="no good"):
        things.insert([{"id": 2, "value": "x"}, {"id": 3, "value": "bad"}])
    with pytest.raises(dj.DataJointError):
        things.insert([{"id": 2, "value": "x"}, {"id": 1, "value": "twice"}])
    with pytest.raises(ZeroDivisionError), schema.connection.transaction:
        things.insert1({"id": 4, "value": "x"})
        raise ZeroDivisionError
    assert objects() == [path] and len(things) == 1
    with pytest.raises(dj.DataJointError, match="requires @"):
        declare_other = type("Other", (dj.Manual,), {"definition": "id : int32\n---\nx : <csv>"})
        schema(declare_other)


def test_a_column_of_an_unknown_codec_is_seen_but_not_used(schema):
    codecs._register("point", PointCodec())
    things = declare(schema, "<point>")
    things.insert1({"id": 1, "value": Point(1, 2)})
    codecs.unregister_codec("point")
    table = schema.get_table("Thing")
    assert table.heading["value"].codec_type == "<point>"
    assert table.proj().to_dicts() == [{"id": 1}]
    table.insert1({"id": 2})
    for use in (table.to_dicts, lambda: table.insert1({"id": 3, "value": 1})):
        with pytest.raises(dj.DataJointError, match="codec `<point>` is not registered"):
            use()
    codecs._register("point", PointCodec())
    assert (table & "id = 1").fetch1("value").x == 1


def test_packages_bring_codecs(schema, monkeypatch, tmp_path):
    (tmp_path / "a_plugin.py").write_text(
        "import lodestore as dj\n"
        "class Shout(dj.Codec):\n"
        "    name = 'shout'\n"
        "    def get_dtype(self, is_store): return 'varchar(20)'\n"
        "    def encode(self, value, *, key=None): return value.upper()\n"
        "    def decode(self, stored, *, key=None): return stored\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    entries = {
        "lodestore.codecs": [EntryPoint("shout", "a_plugin:Shout", "lodestore.codecs")],
        "datajoint.codecs": [EntryPoint("broken", "no_such_module:X", "datajoint.codecs")],
    }
    monkeypatch.setattr(codecs, "entry_points", lambda group: entries.get(group, []))
    monkeypatch.setattr(codecs, "_loaded", False)
    things = declare(schema, "<shout>")
    things.insert1({"id": 1, "value": "hey"})
    assert things.fetch1("value") == "HEY" and "shout" in dj.list_codecs()
    sys.modules.pop("a_plugin")


def test_types_are_resolved():
    codecs._register("point", PointCodec())
    assert codecs.parse_type_spec("<blob @ cold>") == ("blob", "cold") and codecs.parse_type_spec(
        "<blob>"
    ) == ("blob", None)
    column, chain, store = codecs.resolve_dtype("<point@cold>")
    assert (
        column == "json" and [codec.name for codec in chain] == ["point", "blob", "hash"] and store == "cold"
    )
    assert codecs.resolve_dtype("<point>")[0] == "bytes" and codecs.resolve_dtype("int32") == (
        "int32",
        [],
        None,
    )
    assert codecs.lookup_codec("<npy@x>")[1] == "x"
    assert codecs.get_codec("blob").decode(codecs.get_codec("blob").encode([1, "a"])) == [1, "a"]
    stored = {"path": "a/b", "store": "main"}
    assert (
        PointCodec().referenced_paths(stored) == [("a/b", "main")]
        and PointCodec().referenced_paths(b"x") == []
    )

    class A(dj.Codec):
        name = "circle_a"

        def get_dtype(self, is_store):
            return "<circle_b>"

    class B(dj.Codec):
        name = "circle_b"

        def get_dtype(self, is_store):
            return "<circle_a>"

    with pytest.raises(dj.DataJointError, match="circle"):
        codecs.resolve_dtype("<circle_a>")


def test_a_codec_on_top_of_references(schema):
    class Mean(dj.Codec):
        name = "mean_of"

        def get_dtype(self, is_store):
            return "<npy@>"

        def encode(self, value, *, key=None):
            return np.asarray(value, dtype="f8")

        def decode(self, stored, *, key=None):
            assert isinstance(stored, dj.NpyRef)
            return float(np.mean(stored))

    things = declare(schema, "<mean_of@>")
    things.insert1({"id": 1, "value": [1, 2, 6]})
    assert things.fetch1("value") == 3.0


def test_damage_under_a_codec_is_told(schema, objects, tmp_path):
    codecs._register("point", PointCodec())
    things = declare(schema, "<point@>")
    things.insert1({"id": 1, "value": Point(1, 2)})
    (tmp_path / "project" / "objects" / objects()[0]).write_bytes(b"damaged")
    with pytest.raises(CorruptError):
        things.fetch1("value")
