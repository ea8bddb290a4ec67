"""Every code block of the guides that Lodestore comes from, as printed, on each database and store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GUIDES = {"use_object_storage": 12, "migration": 7}


@pytest.mark.databases("sqlite", "postgresql", "mariadb")
@pytest.mark.parametrize("guide", GUIDES)
def test_blocks_run_as_printed(guide, project, database, store_settings, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "lodestore",
            "run",
            HERE / "runner.py",
            HERE / f"{guide}.md",
            json.dumps(store_settings),
        ],
        env={**database.environment(project), "DJ_LOG_LEVEL": "ERROR", "DJ_LEGACY": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("OUTCOMES ")]
    assert told, done.stderr
    outcomes = json.loads(told[0].removeprefix("OUTCOMES "))
    failed = {title: outcome for title, outcome in outcomes.items() if outcome != "ok"}
    assert not failed, "\n".join(f"{title}:\n{outcome}" for title, outcome in failed.items())
    assert len(outcomes) == GUIDES[guide]
