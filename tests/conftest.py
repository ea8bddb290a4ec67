"""What all tests share: a fresh project for each, on each database, and nothing from the environment.

A test that asks for `project` or `schema` runs on every database (see `services`). One that can
only mean some of them says so: ``@pytest.mark.databases("sqlite")``.
"""

import os

import pytest

for name in [name for name in os.environ if name.upper().startswith("DJ_")]:
    del os.environ[name]

import services  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "databases(*names): the databases on which a test makes sense")


def pytest_generate_tests(metafunc):
    if "database" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("databases")
        names = [name for name in services.selected() if marker is None or name in marker.args]
        metafunc.parametrize("database", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def database(request):
    """The database of a test: a `services` one."""
    return services.service(request.param)


@pytest.fixture
def project(tmp_path, monkeypatch, database):
    """A project of its own, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    instance = database.open(tmp_path / "project")
    yield instance
    instance.connection.close()
    database.clean()


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
