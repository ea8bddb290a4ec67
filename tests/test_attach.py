"""``<attach>``, ``<attach@>`` and ``<hash@>``: a file goes in, a file of the same name comes out."""

import os
from pathlib import Path

import pytest

import lodestore as dj
from lodestore.errors import CorruptError, InvalidTypeError, MissingExternalFile


@pytest.fixture
def documents(schema, project, tmp_path):
    project.config["download_path"] = str(tmp_path / "downloads")

    @schema
    class Document(dj.Manual):
        definition = """
        id : int32
        ---
        near = null : <attach>
        far = null : <attach@>
        raw = null : <hash@>
        """

    return Document


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report é.tar.gz"
    path.write_bytes(bytes(range(256)) * 40)
    return path


@pytest.mark.parametrize("column", ["near", "far"])
@pytest.mark.parametrize("given", [str, Path, dj.AttachFileType])
def test_a_file_comes_back_under_its_name(documents, report, tmp_path, column, given):
    documents.insert1({"id": 1, column: given(report)})
    found = documents.fetch1(column)
    assert type(found) is str and found == str(tmp_path / "downloads" / report.name)
    assert Path(found).read_bytes() == report.read_bytes()
    # The same content is used as it is, a different one stays and the attachment gets a number.
    assert documents.fetch1(column) == found
    Path(found).write_text("mine")
    other = documents.fetch1(column)
    assert other == str(tmp_path / "downloads" / "report é.tar_1.gz")
    assert Path(found).read_text() == "mine" and Path(other).read_bytes() == report.read_bytes()
    assert len(os.listdir(tmp_path / "downloads")) == 2


def test_the_stored_bytes_are_the_peers(documents, tmp_path, objects):
    (tmp_path / "notes.txt").write_bytes(b"hello")
    documents.insert1({"id": 1, "far": tmp_path / "notes.txt"})
    (name,) = objects()
    assert name.startswith("_hash/lab/")
    assert (tmp_path / "project" / "objects" / name).read_bytes() == b"notes.txt\0hello"


def test_equal_content_is_stored_once_and_damage_is_repaired(documents, report, tmp_path, objects):
    documents.insert([{"id": number, "far": report, "raw": b"abc"} for number in range(3)])
    assert len(objects()) == 2
    for name in objects():
        file = tmp_path / "project" / "objects" / name
        whole = file.read_bytes()
        # The size is the same, and still it is not what it should be.
        file.write_bytes(b"x" + whole[1:])
        column = "raw" if whole == b"abc" else "far"
        with pytest.raises(CorruptError):
            (documents & "id = 0").fetch1(column)
    assert len(objects()) == 2
    documents.insert1({"id": 9, "far": report, "raw": b"abc"})
    row = (documents & "id = 0").fetch1()
    assert row["raw"] == b"abc" and Path(row["far"]).read_bytes() == report.read_bytes()
    for name in objects():
        (tmp_path / "project" / "objects" / name).unlink()
    for column in ("raw", "far"):
        with pytest.raises(MissingExternalFile, match="_hash/lab"):
            (documents & "id = 1").fetch1(column)
    assert os.listdir(tmp_path / "downloads") == [report.name]


def test_what_cannot_be_attached_is_refused_before_anything_is_written(documents, report, tmp_path, objects):
    good = {"id": 1, "far": report, "raw": b"abc"}
    for bad, kind, says in [
        (tmp_path / "none", FileNotFoundError, "there is no file"),
        (tmp_path, IsADirectoryError, "does not support directories"),
        (b"bytes", InvalidTypeError, "expects a file path, got bytes"),
        (12, InvalidTypeError, "expects a file path, got int"),
        ("", FileNotFoundError, "no file"),
    ]:
        for column in ("near", "far"):
            with pytest.raises(kind, match=says) as caught:
                documents.insert([good, {"id": 2, column: bad}])
            context = caught.value.context
            assert (context["table"], context["attribute"], context["row"]) == ("lab.document", column, "1")
    with pytest.raises(TypeError, match="`<hash>` expects bytes"):
        documents.insert([good, {"id": 2, "raw": "text"}])
    assert len(documents) == 0 and objects() == []


def test_a_stored_name_never_leaves_the_folder(database, project, documents, report, tmp_path):
    """A name in a store is what others wrote; the peer wrote it out as it is."""
    documents.insert1({"id": 1, "near": report})
    for name, safe in [
        ("../../x", "x"),
        ("/etc/evil", "evil"),
        ("..", "attachment"),
        ("a\\b", "b"),
        ("a\nb", "ab"),
    ]:
        payload = name.encode() + b"\0" + name.encode()
        database.execute(project, f"UPDATE {database.table('lab', 'document')} SET near = %s", (payload,))
        found = Path(documents.fetch1("near"))
        assert (found.parent, found.name) == (tmp_path / "downloads", safe)
        assert found.read_bytes() == name.encode()
    assert not (tmp_path / "x").exists()
