"""``<filepath@>``: references to files that the user manages, inside the store and nowhere else."""

import os

import pytest

import lodestore as dj
from lodestore import codecs


@pytest.fixture
def root(project, tmp_path):
    project.config["stores.filepath_default"] = "main"
    return tmp_path / "project" / "objects"


@pytest.fixture
def raw(root, schema):
    (root / "raw" / "day 1").mkdir(parents=True)
    (root / "raw" / "day 1" / "e.bin").write_bytes(b"signal")
    (root / "_hash" / "lab").mkdir(parents=True)
    (root / "_hash" / "lab" / "x").write_bytes(b"managed")

    @schema
    class Raw(dj.Manual):
        definition = """
        id : int32
        ---
        file : <filepath@>
        """

    return Raw


def test_every_spelling_of_a_path_in_the_store_is_one_path(raw, root):
    file = root / "raw" / "day 1" / "e.bin"
    spellings = [
        "raw/day 1/e.bin",
        "./raw//day 1/../day 1/e.bin",
        str(file),
        file,
        file.as_uri(),
        file.relative_to(root),
    ]
    raw.insert([{"id": number, "file": path} for number, path in enumerate(spellings)])
    for row in raw.to_dicts():
        ref = row["file"]
        assert isinstance(ref, dj.ObjectRef)
        assert (ref.path, ref.store, ref.size, ref.is_dir) == ("raw/day 1/e.bin", "main", 6, False)
        assert ref.read() == b"signal" and ref.full_path == os.path.realpath(file) and ref.verify()
        assert ref.url == file.resolve().as_uri()


def test_a_folder_is_referred_to_as_it_is(raw, root):
    raw.insert1({"id": 1, "file": "raw/day 1"})
    ref = raw.fetch1("file")
    assert ref.is_dir and ref.size is None and ref.listdir() == ["e.bin"]
    assert ref.open("e.bin").read() == b"signal"


def test_nothing_outside_and_nothing_managed_is_named(raw, root, tmp_path):
    (tmp_path / "secret").write_text("x")
    os.symlink(tmp_path / "secret", root / "raw" / "out")
    os.symlink(root / "_hash", root / "raw" / "in")
    os.symlink(tmp_path, root / "raw" / "up")
    for path in [
        "../../secret",
        "raw/../../../secret",
        str(tmp_path / "secret"),
        (tmp_path / "secret").as_uri(),
        f"file://{root}/%2e%2e/%2e%2e/secret",
        "s3://bucket/x",
        "raw/out",
        "raw/up/secret",
        "",
        ".",
        "raw\\e.bin",
        "raw/\0e.bin",
    ]:
        with pytest.raises(ValueError):
            raw.insert1({"id": 1, "file": path})
    for path in [
        "_hash",
        "_hash/lab/x",
        "./_hash/lab/x",
        "raw/../_hash/lab/x",
        str(root / "_hash" / "lab" / "x"),
        "raw/in/lab/x",
    ]:
        with pytest.raises(ValueError, match="reserved section"):
            raw.insert1({"id": 1, "file": path})
    with pytest.raises(FileNotFoundError, match="file not found in store `main`: `raw/none`") as caught:
        raw.insert1({"id": 1, "file": "raw/none"})
    assert caught.value.context["attribute"] == "file" and isinstance(caught.value, dj.DataJointError)
    for value in (12, b"raw", {"path": "_hash/lab/x"}):
        with pytest.raises(TypeError):
            raw.insert1({"id": 1, "file": value})
    assert len(raw) == 0


def test_a_prefix_can_be_required(raw, project, root):
    project.config["stores.main.filepath_prefix"] = "imported"
    (root / "imported").mkdir()
    (root / "imported" / "x").write_text("x")
    raw.insert1({"id": 1, "file": "imported/x"})
    with pytest.raises(ValueError, match="must use prefix `imported`"):
        raw.insert1({"id": 2, "file": "raw/day 1/e.bin"})


def test_the_default_store_of_files_is_its_own(raw, project, tmp_path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "x").write_text("archived")
    project.config["stores.archive"] = {"protocol": "file", "location": str(tmp_path / "archive")}
    project.config["stores.filepath_default"] = "archive"
    raw.insert1({"id": 1, "file": "x"})
    ref = raw.fetch1("file")
    assert ref.store == "archive" and ref.read() == b"archived"
    # Without a default of their own, files are in the default store, as all other attributes with `@`.
    project.config["stores.filepath_default"] = None
    raw.insert1({"id": 2, "file": "raw/day 1/e.bin"})
    refs = raw.to_arrays("file", order_by="id")
    assert [ref.store for ref in refs] == ["archive", "main"] and refs[1].read() == b"signal"
    project.config["stores.default"] = None
    with pytest.raises(dj.DataJointError, match=r"filepath_default.*<filepath@store>"):
        raw.insert1({"id": 3, "file": "x"})
    assert (raw & "id = 1").fetch1("file").read() == b"archived"


def test_deleting_the_row_leaves_the_file(raw, root):
    raw.insert1({"id": 1, "file": "raw/day 1/e.bin"})
    raw.delete(prompt=False)
    assert (root / "raw" / "day 1" / "e.bin").read_bytes() == b"signal"


@pytest.mark.parametrize("as_path", [str, os.fspath, lambda path: path])
def test_a_codec_of_ones_own_may_chain_to_it(root, schema, as_path):
    class Recording(dj.Codec, register=False):
        """Names a recording by its session; the file is the user's."""

        name = "recording"

        def get_dtype(self, is_store):
            return "<filepath@>"

        def encode(self, value, *, key=None, store_name=None):
            return as_path(root / "raw" / f"{value}.bin")

        def decode(self, stored, *, key=None):
            assert isinstance(stored, dj.ObjectRef)
            return os.path.basename(stored.path).removesuffix(".bin")

    (root / "raw").mkdir()
    (root / "raw" / "s1.bin").write_bytes(b"signal")
    codecs._register("recording", Recording())

    @schema
    class Session(dj.Manual):
        definition = """
        id : int32
        ---
        recording : <recording>
        """

    try:
        Session.insert1({"id": 1, "recording": "s1"})
        assert Session.fetch1("recording") == "s1"
        with pytest.raises(FileNotFoundError, match=r"raw/s2\.bin"):
            Session.insert([{"id": 2, "recording": "s1"}, {"id": 3, "recording": "s2"}])
        with pytest.raises(dj.DataJointError, match="outside"):
            Session.insert1({"id": 4, "recording": "../../../etc"})
        assert len(Session) == 1
    finally:
        codecs._registry.pop("recording")
