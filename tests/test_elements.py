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


#: The variants of the elements of electrodes and of calcium, which exclude each other, with their numbers of tables.
VARIANTS = [
    ("ephys_acute", 21, "imaging", 25),
    ("ephys_chronic", 21, "imaging_no_curation", 24),
    ("ephys_no_curation", 20, "imaging_preprocess", 31),
    ("ephys_precluster", 27, "imaging", 25),
]


@pytest.mark.databases("sqlite", "postgresql", "mariadb")
@pytest.mark.parametrize(("ephys", "ephys_tables", "imaging", "imaging_tables"), VARIANTS)
def test_elements_of_recordings_run_as_published(
    project, database, tmp_path, ephys, ephys_tables, imaging, imaging_tables
):
    done = subprocess.run(
        [sys.executable, "-m", "lodestore", "run", PROGRAMS / "elements_recording.py", ephys, imaging],
        env={**database.environment(project), "DJ_LOG_LEVEL": "ERROR"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("tables") == {
        "lab": 16,
        "subject": 15,
        "surgery": 6,
        "session_with_datetime": 6,
        "event": 5,
        "trial": 7,
        ephys: ephys_tables,
        imaging: imaging_tables,
        "analysis": 4,
        "miniscope": 29,
        "train": 5,
        "model": 10,
        "facial_behavior_estimation": 10,
        "optogenetics": 8,
        "volume": 6,
        "bossdb": 3,
        "probe": 5,
        "scan": 9,
        "electrode_localization": 2,
        "coordinate_framework": 6,
        "ephys_report": 5,
        "miniscope_report": 1,
        "imaging_report": 2,
    }
    sessions = [] if ephys == "ephys_chronic" else ["session.session"]
    above = ["ephys.probe_insertion", "probe.#probe", "probe.#probe_type", *sessions, "subject.subject"]
    assert [name.replace('"."', ".").replace("`.`", ".") for name in found.pop("above")] == above
    assert found == {
        "electrodes": 8704,
        "joined": 1,
        "probe": "p1",
        "params": {"fs": 30.0, "nchannels": 1},
        "scan": "ScanImage",
        "config": "00000000-0000-0000-0000-000000000007",
        "counted": [1],
        "frame": 8704,
        "array": [True],
        "drawn": [True, True, True],
        # What was recorded went with the animal.
        "left": [0, 0, 0, 0],
    }
