"""A codec that chains to another: graphs of networkx, stored as packed lists.

``<graph>`` keeps a graph in the table, ``<graph@>`` as a hash-addressed object in the default store:
the codec says what a graph is made of, ``<blob>`` does the rest.
"""

import networkx as nx

import lodestore as dj


class GraphCodec(dj.Codec):
    """Graphs with any attributes on nodes and edges."""

    name = "graph"

    def get_dtype(self, is_store):
        """A blob, wherever this stands."""
        return "<blob>"

    def validate(self, value):
        """Only graphs are taken, and only simple ones: a multigraph has edges with names."""
        if not isinstance(value, nx.Graph) or value.is_multigraph():
            raise TypeError(f"expected a simple networkx graph, got {type(value).__name__}")

    def encode(self, graph, *, key=None, store_name=None):
        """Nodes and edges, with what is known of each."""
        return {
            "directed": graph.is_directed(),
            "nodes": [[node, dict(told)] for node, told in graph.nodes(data=True)],
            "edges": [[start, end, dict(told)] for start, end, told in graph.edges(data=True)],
        }

    def decode(self, stored, *, key=None):
        """The graph again."""
        graph = nx.DiGraph() if stored["directed"] else nx.Graph()
        graph.add_nodes_from((node, told) for node, told in stored["nodes"])
        graph.add_edges_from((start, end, told) for start, end, told in stored["edges"])
        return graph
