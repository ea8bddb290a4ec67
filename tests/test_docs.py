"""Every code block of the documentation runs, and prints what the page shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import run_page

ROOT = Path(__file__).parent.parent
FOLDERS = ("tutorials", "how-to", "explanation")
GUIDES = sorted(
    str(page.relative_to(ROOT)) for name in FOLDERS for page in (ROOT / "docs" / name).glob("*.md")
)
PAGES = ["README.md", "docs/index.md", *GUIDES]


def runnable(page):
    return any(True for _ in run_page.blocks((ROOT / page).read_text()))


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)])
def test_page_runs(page, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DJ_")}
    environment["COLUMNS"] = "100"
    ran = subprocess.run(
        [sys.executable, ROOT / "tests" / "run_page.py", ROOT / page],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
