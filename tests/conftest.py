"""What all tests share: a fresh project for each, and nothing from the environment."""

import os

import pytest

for name in [name for name in os.environ if name.upper().startswith("DJ_")]:
    del os.environ[name]

import lodestore as dj  # noqa: E402


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An embedded project of its own, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    instance = dj.Instance(path=tmp_path / "project")
    yield instance
    instance.connection.close()


@pytest.fixture
def schema(project):
    """A schema of its own."""
    return project.Schema("lab")


@pytest.fixture
def objects(project, tmp_path):
    """The files in the project's store, as relative paths."""

    def listed():
        root = tmp_path / "project" / "objects"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    return listed
