"""DataJoint Elements as published, for versions of DataJoint that 2.x itself no longer runs: unmodified, on each database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


@pytest.mark.databases("sqlite", "postgresql", "mariadb")
def test_elements_run_as_published(project, database, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lodestore", "run", PROGRAMS / "elements.py"],
        env={**database.environment(project), "DJ_LOG_LEVEL": "ERROR"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["tables"] == {
        "el_lab": 16,
        "el_project": 8,
        "el_subject": 15,
        "el_genotyping": 11,
        "el_surgery": 6,
        "el_session": 6,
        "el_event": 5,
        "el_trial": 7,
    }
    assert found["born"] == "2020-01-02"
    assert found["keys"] == [{"subject": "s4"}, {"subject": "s5"}]
    assert found["experimenters"] == [["s0"], ["ann"]]
    assert found["blobs"] == [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], {"a": [1, "b"]}]
    assert found["trace"] == [0, 1, 2]
    assert found["frame"] == ["trial_type", "trial_start_time", "trial_stop_time"]
    assert found["dicts"] == [
        {"user": "bob", "user_email": "b@lab", "user_cellphone": "", "user_fullname": ""}
    ]
    assert found["counts"] == [1, 1]
    assert found["members"] == ["PI", "None"]
    assert found["directory"] == "s0/day1" and found["active"] is True
    assert found["licks"] == [1, [3.25]]
    assert found["drawn"] == [True, True, True]
    assert found["virtual"] == 6
    # The animal went with its sessions, events and trials, and with the pairs that it fathered.
    assert found["left"] == [5, 1, 0, 0]
    # Each older form is told once, with the form of today.
    for old in ("dj.schema", "dj.create_virtual_module", "the setting `custom`", "the operator `^`"):
        assert done.stderr.count(f"{old}` is of DataJoint before 2.0".replace("``", "`")) == 1, done.stderr
