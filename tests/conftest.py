"""What all tests share: a fresh project for each, on each database, and nothing from the environment.

A test that asks for `project` or `schema` runs on every database (see `services`). One that can
only mean some of them says so: ``@pytest.mark.databases("sqlite")``.

A test that asks for `store_settings` runs on a folder and on S3, or on the kinds that it names:
``@pytest.mark.stores("file", "s3", "gcs", "azure")``. It gets the settings of a fresh store:
``project.config.stores["raw"] = store_settings``. One that asks for `stored_project` gets a project
whose default store `main` is such a one.
"""

import os
import signal

import pytest

for name in [name for name in os.environ if name.upper().startswith("DJ_")]:
    del os.environ[name]

# A shell tells what it runs in the background to ignore Ctrl-C, which some tests press.
signal.signal(signal.SIGINT, signal.default_int_handler)

import conformance  # noqa: E402
import printed  # noqa: E402
import services  # noqa: E402


def pytest_addoption(parser):
    parser.addoption(
        "--conformance", action="store_true", help="run and record what the documents' statements name"
    )


def pytest_configure(config):
    if config.getoption("conformance"):
        config.pluginmanager.register(conformance.Recorder(), "conformance")
    config.pluginmanager.register(printed.Watch(), "printed-secrets")
    config.addinivalue_line("markers", "databases(*names): the databases on which a test makes sense")
    config.addinivalue_line("markers", "stores(*names): the kinds of stores on which a test runs")


def pytest_generate_tests(metafunc):
    if "database" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("databases")
        names = [name for name in services.selected() if marker is None or name in marker.args]
        metafunc.parametrize("database", names, indirect=True, scope="session")
    if "store_server" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("stores")
        wanted = marker.args if marker else ("file", "s3")
        names = [name for name in services.selected_stores() if name in wanted]
        metafunc.parametrize("store_server", names, indirect=True, scope="session")


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


@pytest.fixture(scope="session")
def store_server(request):
    """Where the stores of a test lie: a `services` one."""
    return services.store(request.param)


@pytest.fixture
def store_settings(store_server, tmp_path):
    """The settings of a fresh store."""
    return store_server.settings(tmp_path)


@pytest.fixture
def stored_project(project, store_settings):
    """A project of its own whose default store, `main`, is a fresh one."""
    project.config.stores["main"] = store_settings
    project.config.stores["default"] = "main"
    return project


@pytest.fixture
def schema(project):
    """A schema of its own."""
    return project.Schema("lab")


@pytest.fixture
def objects(project, tmp_path):
    """The files in the project's store, as relative paths; but for what the store tells of itself."""

    def listed():
        root = tmp_path / "project" / "objects"
        files = (str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        return sorted(file for file in files if not file.startswith(".lodestore/"))

    return listed
