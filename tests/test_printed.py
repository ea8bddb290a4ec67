"""The watch over all that the tests print."""

import os
import subprocess
import sys
from pathlib import Path

import printed

LEAKING = """
import logging

import lodestore as dj


def test_error():
    try:
        dj.config["display.limit"] = "s3cret"
    except dj.DataJointError:
        pass


def test_print():
    print("s3cret")


def test_log():
    logging.getLogger("x").warning("s3cret")


def test_sound():
    print("no secret")
"""


def test_what_tells_a_secret_fails_the_run(tmp_path):
    (tmp_path / "test_leaking.py").write_text(LEAKING)
    (tmp_path / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    path = str(Path(__file__).parent)
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("a secret")]
    assert done.returncode == 1, done.stdout
    assert [line.rpartition("::")[2] for line in told] == ["test_error", "test_print", "test_log"]


def test_known_secrets_are_those_of_the_servers(database):
    secrets = printed.known_secrets()
    assert "s3cret" in secrets
    assert database.address is None or len(secrets) > 1
    assert printed.leaked("x s3cret y", secrets) == ["s3cret"] and not printed.leaked("x", secrets)
