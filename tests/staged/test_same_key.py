"""Stages of the same key, in one block, in two programs, and beside a row that is there."""

import json
import subprocess
import sys

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import DuplicateError


@pytest.fixture
def scans(stored_project):
    @stored_project.Schema("lab")
    class Scan(dj.Manual):
        definition = "scan : int32\n---\nframes : <npy@>"

    return Scan


def stage(row, values):
    with row.open("frames") as file:
        np.save(file, np.asarray(values))


def sound(project, rows):
    report = dj.verify(connection=project.connection, deep=True)
    return report.sound and report.objects == rows and not report.counts["unreferenced"]


def test_two_rows_of_one_key_in_one_block(stored_project, scans):
    with pytest.raises(DuplicateError), scans.staged_insert() as staged:
        for values in ([1], [2]):
            stage(staged.row(scan=1), values)
    assert len(scans()) == 0 and sound(stored_project, 0)


def test_two_stages_of_one_key_at_once(stored_project, scans):
    with pytest.raises(DuplicateError), scans.staged_insert1 as late:
        late.rec["scan"] = 1
        stage(late, [1])
        with scans.staged_insert1 as early:
            early.rec["scan"] = 1
            stage(early, [2])
    assert scans.fetch1("frames").load().tolist() == [2] and sound(stored_project, 1)


OTHER = """
import sys, numpy as np, lodestore as dj
scans = dj.Schema("lab", create_schema=False).get_table("Scan")
try:
    with scans.staged_insert1 as staged:
        staged.rec["scan"] = 1
        with staged.open("frames") as file:
            np.save(file, np.array([int(sys.argv[1])]))
        print("staged", flush=True)
        sys.stdin.readline()
    print("inserted")
except dj.errors.DuplicateError:
    print("duplicate")
"""


def test_two_programs_stage_the_same_key(stored_project, scans, database, tmp_path):
    environment = database.environment(stored_project)
    environment["DJ_STORES"] = json.dumps(stored_project.config._core.get("stores"))
    environment["DJ_DATABASE_PATH"] = stored_project.config["database.path"] or ""
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", OTHER, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        for number in (1, 2)
    ]
    assert [program.stdout.readline() for program in programs] == ["staged\n"] * 2
    told = [program.communicate("\n", timeout=60)[0].strip() for program in programs]
    assert sorted(told) == ["duplicate", "inserted"]
    assert scans.fetch1("frames").load().tolist() == [told.index("inserted") + 1]
    assert sound(stored_project, 1)
