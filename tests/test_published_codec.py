"""A codec that a package publishes for DataJoint, ``<zarr@>``: built, installed aside, and found by its entry point."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which the package is installed, as pip does it, from its own files alone."""
    source = tmp_path_factory.mktemp("source") / "zarr_plugin"
    shutil.copytree(PROGRAMS / "zarr_plugin", source)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--target", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    assert list(folder.glob("dj_chunked_arrays-*.dist-info"))
    return folder


def run(words, site, environment, folder):
    paths = os.pathsep.join([str(site), *filter(None, [environment.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env={**environment, "PYTHONPATH": paths, "DJ_LOG_LEVEL": "ERROR"},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


#: What the program tells.
TOLD = {
    "codecs": True,
    "is_ours": True,
    "array": True,
    "types": ["uint16", [30, 40, 50], True],
    "mask": [2, 40, 50],
    "null": True,
    "heading": "zarr",
    "preview": True,
    "refused": True,
    "in_table": True,
    "orphans": 0,
    "updated": 9,
    "rows": 2,
    "after": 2,
}


def test_a_program_uses_it_as_it_is(project, database, store_settings, site, tmp_path):
    words = ["-m", "lodestore", "run", PROGRAMS / "chunked_arrays.py", json.dumps(store_settings)]
    told = json.loads(run(words, site, database.environment(project), tmp_path))
    stored = told.pop("stored")
    assert told == TOLD
    # Four objects: three of `frames`, one of `mask`; nothing is left of the row that was refused.
    assert len(stored) == 4
    place = "_schema/imaging/Movie/subject=m1/take=1/"
    assert sum(path.startswith(place) and path.endswith(".zarr") for path in stored) == 2
    # What the rows name is known to the command, also where the package is not installed.
    stores = {"default": "main", "main": store_settings, "chunks": store_settings}
    known = {**database.environment(project), "DJ_STORES": json.dumps(stores)}
    report = json.loads(run(["-m", "lodestore", "verify", "--json"], tmp_path, known, tmp_path))
    assert report["values"] == 2 and not any(report["counts"].values()) and report["objects"] > 2


@pytest.mark.databases("sqlite")
def test_a_program_may_call_lodestore_by_its_name(project, database, store_settings, site, tmp_path):
    # The package still says `datajoint`.
    program = tmp_path / "program.py"
    text = (PROGRAMS / "chunked_arrays.py").read_text()
    program.write_text(text.replace("import datajoint as dj", "import lodestore as dj"))
    told = json.loads(
        run([program, json.dumps(store_settings)], site, database.environment(project), tmp_path)
    )
    assert len(told.pop("stored")) == 4 and told == TOLD


DATAJOINT_TOO = """
import datajoint, dj_of_ones_own
import lodestore as dj
assert issubclass(type(dj.get_codec("zarr")), dj.SchemaCodec) and not dj_of_ones_own.is_ours
import datajoint as again
assert again is datajoint and again.errors is datajoint.errors and "lodestore" not in again.__file__
print("both")
"""


def test_datajoint_itself_stays_what_it_is(site, tmp_path):
    (tmp_path / "dj_of_ones_own.py").write_text(
        "import datajoint\nis_ours = 'lodestore' in datajoint.__file__\n"
    )
    (tmp_path / "program.py").write_text(DATAJOINT_TOO)
    environment = {**os.environ, "DJ_IGNORE_CONFIG_FILE": "1"}
    assert run([tmp_path / "program.py"], site, environment, tmp_path) == "both\n"
