"""A project for the blocks, on each database and each kind of store."""

import pytest
from world import World

#: The stores that the pages name.
STORES = ("main", "raw", "archive", "mystore", "movies", "acquisition")


@pytest.fixture
def stores(store_server, tmp_path):
    """The settings of the stores that the pages name."""
    named = {name: store_server.settings(tmp_path) for name in STORES}
    return {"default": "main", "filepath_default": "acquisition", **named}


@pytest.fixture
def world(project, stores, tmp_path, monkeypatch, record_property):
    """A project with these stores."""
    project.config["stores"] = stores
    project.config["download_path"] = str(tmp_path / "downloads")
    return World(project, stores, tmp_path, monkeypatch, note=lambda name: record_property("block", name))
