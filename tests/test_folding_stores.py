"""Stores on file systems that ignore letter case: exFAT in a file, mounted by FUSE.

Without the rights, or the programs, to mount one (Debian: ``exfat-fuse exfatprogs``) these tests are skipped.
"""

import os
import shutil
import subprocess

import numpy as np
import pytest

import lodestore as dj

pytestmark = pytest.mark.databases("sqlite")

TOOLS = ("mkfs.exfat", "mount.exfat-fuse", "losetup")


@pytest.fixture(scope="module")
def folding_folder(tmp_path_factory):
    """A folder in which `a` and `A` are one name."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not all(map(shutil.which, TOOLS)):
        pytest.skip("no file system that ignores letter case can be mounted here")
    folder = tmp_path_factory.mktemp("folding")
    image, mounted = folder / "image", folder / "mounted"
    mounted.mkdir()
    with open(image, "wb") as file:
        file.truncate(32 << 20)

    def run(*command):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    run("mkfs.exfat", str(image))
    device = run("losetup", "-f", "--show", str(image))
    try:
        run("mount.exfat-fuse", device, str(mounted))
        try:
            (mounted / "Probe").touch()
            assert (mounted / "pROBE").exists()
            yield mounted
        finally:
            run("umount", str(mounted))
    finally:
        run("losetup", "-d", device)


@pytest.fixture
def location(folding_folder, tmp_path):
    folder = folding_folder / tmp_path.name
    folder.mkdir()
    return folder


@pytest.fixture
def scan(project, location):
    project.config.stores["main"] = {"protocol": "file", "location": str(location)}
    project.config.stores["default"] = "main"

    @project.Schema("lab")
    class Scan(dj.Manual):
        definition = """
        name : varchar(20)
        ---
        trace : <npy@>
        shared : <blob@>
        file : <object@>
        """

    return Scan


NAMES = ["a1", "A1", "é", "e\u0301", "É", "K", "\u212a", "k"]


def row(number, name, tmp_path):
    folder = tmp_path / f"folder{number}"
    folder.mkdir()
    (folder / "inner.txt").write_text(name)
    return {"name": name, "trace": np.full(3, number), "shared": name, "file": str(folder)}


def whole(table):
    for found in table.to_dicts():
        assert found["trace"].load()[0] == NAMES.index(found["name"]) and found["shared"] == found["name"]
        assert found["file"].open("inner.txt").read().decode() == found["name"]
    return len(table)


def full(project):
    project.config["gc.age"] = 0
    return dj.gc.GarbageCollector(project.Schema("lab")).collect(dry_run=False, full=True)


def files(location):
    found = (path.relative_to(location) for path in location.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if not str(path).startswith(".lodestore"))


def test_keys_that_fold_to_one_name_have_folders_of_their_own(scan, project, location, tmp_path):
    for number, name in enumerate(NAMES):
        scan.insert1(row(number, name, tmp_path))
    paths = [found["trace"].path for found in scan.to_dicts()]
    assert len({os.path.dirname(path).lower() for path in paths}) == len(NAMES)
    assert all(path.isascii() for path in paths)
    found = full(project)
    assert (found["deleted"], found["failures"], whole(scan)) == (0, [], len(NAMES))
    assert dj.verify(project.Schema("lab"), deep=True).sound
    (scan & {"name": "a1"}).delete(prompt=False)
    assert whole(scan) == len(NAMES) - 1
    scan.delete(prompt=False)
    assert files(location) == []


def test_folders_that_earlier_versions_shared_lose_nothing(scan, project, location, tmp_path):
    """Their rows say other names than listings show."""
    scan.insert([row(number, name, tmp_path) for number, name in enumerate(NAMES[:2])])
    first = next((location / "_schema/lab/Scan").iterdir())
    for path in list((location / "_schema/lab/Scan").iterdir()):
        for inner in list(path.iterdir()):
            os.makedirs(location / "_schema/lab/Scan/name=a1", exist_ok=True)
            shutil.move(inner, location / "_schema/lab/Scan/name=a1" / inner.name)
        if path.name != "name=a1":
            path.rmdir()
    del first
    project.connection.query(
        """UPDATE "lab.scan" SET trace = replace(trace, 'name=%%41', 'name=A'), file = replace(file, 'name=%%41', 'name=A')"""
    )
    assert whole(scan) == 2 and {os.path.dirname(found["trace"].path)[-2:] for found in scan.to_dicts()} == {
        "a1",
        "A1",
    }
    found = full(project)
    assert (found["deleted"], found["failures"], whole(scan)) == (0, [], 2)
    assert dj.verify(project.Schema("lab"), deep=True).sound
    (location / "_schema/lab/Scan/name=a1/trace.AAAABBBB.npy").write_bytes(b"nobody's")
    assert full(project)["deleted"] == 1 and whole(scan) == 2
    (scan & {"name": "A1"}).delete(prompt=False)
    assert whole(scan) == 1
    scan.delete(prompt=False)
    assert files(location) == []
