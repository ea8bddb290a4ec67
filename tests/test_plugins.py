"""The three styles of codecs that packages publish, as the examples show them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import lodestore as dj
from lodestore import codecs

FOLDER = Path(__file__).parents[1] / "examples" / "codecs"


@pytest.fixture
def plugin():
    """Loads an example; its codec is gone after the test."""
    before = dict(codecs._registry)

    def load(name):
        spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load
    codecs._registry.clear()
    codecs._registry.update(before)


def test_a_graph_chained_to_a_blob(plugin, schema, objects):
    nx = pytest.importorskip("networkx")
    plugin("graph")

    @schema
    class Network(dj.Manual):
        definition = """
        id : int32
        ---
        near = null : <graph>
        far = null : <graph@>
        """

    graph = nx.DiGraph([("a", "b", {"weight": 0.5}), ("b", 3)])
    graph.add_node("alone", position=np.arange(3))
    Network.insert1({"id": 1, "near": graph, "far": graph})
    for found in Network.fetch1("near", "far"):
        assert found.is_directed() and list(found.edges(data=True)) == list(graph.edges(data=True))
        assert found.nodes["alone"]["position"].tolist() == [0, 1, 2]
    assert len(objects()) == 1 and objects()[0].startswith("_hash/lab/")
    with pytest.raises(TypeError, match="simple networkx graph"):
        Network.insert1({"id": 2, "near": nx.MultiGraph()})


def test_a_data_frame_in_a_file_of_its_own(plugin, schema, objects, tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    plugin("parquet")

    @schema
    class Events(dj.Manual):
        definition = """
        id : int32
        ---
        events : <parquet@main>
        """

    frame = pd.DataFrame({"time": [0.5, 1.5], "label": ["lick", "reward"]})
    Events.insert1({"id": 1, "events": frame})
    pd.testing.assert_frame_equal(Events.fetch1("events"), frame)
    (path,) = objects()
    assert path.startswith("_schema/lab/Events/id=1/events.") and path.endswith(".parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "project" / "objects" / path), frame)
    with pytest.raises(TypeError, match="DataFrame"):
        Events.insert([{"id": 2, "events": frame}, {"id": 3, "events": [1]}])
    with pytest.raises(dj.DataJointError):
        Events.insert([{"id": 2, "events": frame}, {"id": 1, "events": frame}])
    assert objects() == [path] and len(Events) == 1


def test_an_array_in_chunks(plugin, schema, objects):
    pytest.importorskip("zarr")
    plugin("zarr_array")

    @schema
    class Movie(dj.Manual):
        definition = """
        id : int32
        ---
        frames : <zarr@>
        """

    frames = np.arange(24_000, dtype="u2").reshape(10, 40, 60)
    Movie.insert1({"id": 1, "frames": frames})
    found = Movie.fetch1("frames")
    assert found.shape == frames.shape and found.dtype == frames.dtype
    assert np.array_equal(found[3:5, :, 7], frames[3:5, :, 7])
    written = objects()
    assert len(written) > 1 and all(".zarr/" in path for path in written)
    with pytest.raises(ZeroDivisionError), schema.connection.transaction:
        Movie.insert1({"id": 2, "frames": frames})
        raise ZeroDivisionError
    assert objects() == written
