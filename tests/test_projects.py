"""Where projects are: folders of embedded ones, paths with `~`, templates of settings, and code that only looks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lodestore as dj
from lodestore.settings import Config

SQLITE = pytest.mark.databases("sqlite")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home directory of its own."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_paths_in_the_home_directory(home):
    project = dj.Instance(path="~/project")
    assert project.connection.place == str(home / "project" / "lodestore.db")
    (home / "data").mkdir()
    (home / "notes.txt").write_text("at home")
    project.config.stores["raw"] = {"protocol": "file", "location": "~/data"}
    project.config["download_path"] = "~/downloads"

    @project.Schema("lab")
    class Note(dj.Manual):
        definition = "note : int32\n---\nfile : <attach>\ncopy : <object@raw>\narray : <blob@raw>"

    Note.insert1((1, "~/notes.txt", "~/notes.txt", np.arange(3)))
    row = Note.fetch1()
    assert (
        Path(row["file"]) == home / "downloads" / "notes.txt" and Path(row["file"]).read_text() == "at home"
    )
    assert row["copy"].read() == b"at home" and row["array"].tolist() == [0, 1, 2]
    assert any((home / "data").rglob("*")) and not Path("~").exists()
    project.connection.close()


LOOKING = {
    "dj.list_schemas()": "[]",
    "dj.verify()": "there is no project in",
    "dj.usage()": "there is no project in",
    "dj.migrations()": "there is no project in",
    "dj.tier()": "there is no project in",
}


@pytest.mark.parametrize("code", LOOKING)
def test_looking_creates_no_project(code, tmp_path):
    program = f"import lodestore as dj\ntry: print({code})\nexcept dj.DataJointError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert LOOKING[code] in done.stdout, done.stderr
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("command", ["doctor", "verify", "usage", "gc", "migrate", "tier"])
def test_commands_that_look_create_no_project(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lodestore", command], cwd=tmp_path, capture_output=True, text=True
    )
    assert "there is no project in" in done.stdout + done.stderr
    assert not os.listdir(tmp_path)


def test_the_template_of_an_embedded_project_is_its_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Before there is a project it is an example for a server.
    dj.Instance(path="project").config.copy()
    fresh = Config.load_sources()
    fresh.save_template("server.json", create_secrets_dir=False)
    assert json.loads(Path("server.json").read_text()) == {"database": {"host": "localhost", "port": 3306}}
    project = dj.Instance(path="project")
    project.config["display.limit"] = 5
    project.config.stores["cloud"] = {
        "protocol": "s3",
        "endpoint": "s3.lab",
        "bucket": "b",
        "location": "",
        "access_key": "k",
        "secret_key": "s3cret",
    }
    project.config.save_template("datajoint.json", minimal=False)
    text = Path("datajoint.json").read_text()
    assert "s3cret" not in text and "***" not in text and not Path(".secrets").exists()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = dj.Instance()
    assert again.connection.place == project.connection.place and again.config["display.limit"] == 5
    assert again.config.stores["main"]["location"] == str(tmp_path / "project" / "objects")
    assert "secret_key" not in again.config.stores["cloud"]


@pytest.mark.parametrize("name", ["a\nb.txt", "c\\d.txt", "bell\a"])
def test_names_that_stores_do_not_take_are_refused(stored_project, tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "plain").write_text("1")
    (folder / name).write_text("2")

    @stored_project.Schema("lab")
    class Scan(dj.Manual):
        definition = "scan : int32\n---\nfiles : <object@>"

    with pytest.raises(dj.errors.InvalidValueError, match="cannot be stored") as told:
        Scan.insert1((1, folder))
    assert "rename" in told.value.hint and "\n" not in str(told.value).splitlines()[0]
    assert len(Scan()) == 0
    (folder / name).rename(folder / "renamed")
    Scan.insert1((1, folder))
    assert sorted(Scan.fetch1("files").listdir()) == ["plain", "renamed"]


def test_what_blobs_take_of_numpy_and_pandas(schema):
    @schema
    class Value(dj.Manual):
        definition = "value : int32\n---\nblob : <blob>"

    texts = np.array(["a", "long " * 20, "é"], dtype=np.dtypes.StringDType())
    missing = np.array(["a", np.nan], dtype=np.dtypes.StringDType(na_object=np.nan))
    Value.insert([(1, texts), (2, {"texts": texts}), (3, Path("/data/x")), (4, missing)])
    found = Value.to_arrays("blob", order_by="value")
    assert found[0].tolist() == texts.tolist() == found[1]["texts"].tolist() and found[2] == "/data/x"
    assert found[3][0] == "a" and np.isnan(found[3][1])
    for value, hint in (
        ([1, pd.NA], "None"),
        (pd.Series([1, 2]), "to_numpy"),
        ({"table": pd.DataFrame({"a": [1]})}, "to_dict"),
        (np.array([pd.NA], dtype=object), "None"),
    ):
        with pytest.raises(dj.errors.InvalidTypeError, match="cannot be stored") as told:
            Value.insert1((9, value))
        assert hint in told.value.hint
    assert len(Value()) == 4


def test_alter_names_migrate(stored_project):
    schema = stored_project.Schema("lab")

    @schema
    class Scan(dj.Manual):
        definition = "scan : int32\n---\nframes : <blob>"

    Scan.insert1((1, [1, 2]))
    Scan.definition = "scan : int32\n---\nframes : <blob@>"
    with pytest.raises(dj.errors.UnsupportedError) as told:
        Scan.alter(prompt=False)
    assert "`migrate`" in told.value.hint
    Scan.migrate("frames", "<blob@>").confirm()
    assert Scan.heading["frames"].type == "<blob@>" and Scan.fetch1("frames") == [1, 2]
