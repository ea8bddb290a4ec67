"""What a table refers to, and what refers to it."""

from . import _lodestore


class Dependencies:
    """The place of a table in the graph of foreign keys."""

    def parents(self, primary=None, as_objects=False, foreign_key_info=False):
        """The tables that this one refers to, one for each foreign key.

        - `primary`: True for foreign keys inside the primary key, False for all others;
        - `as_objects`: give `FreeTable` objects instead of quoted names;
        - `foreign_key_info`: give pairs of a table and what is known of the foreign key, a dict of

          - ``attr_map``: the attributes here with those of the parent;
          - ``aliased``: whether one of them is renamed;
          - ``primary``: whether all of them belong to this table's primary key;
          - ``multi``: whether many rows here may refer to one row there.
        """
        return self._linked(self._table.parents(), primary, as_objects, foreign_key_info)

    def children(self, primary=None, as_objects=False, foreign_key_info=False):
        """The tables that refer to this one, one for each foreign key. Takes what `parents` takes."""
        return self._linked(self._table.children(), primary, as_objects, foreign_key_info)

    def ancestors(self, as_objects=False):
        """This table, then all that it refers to, directly or not, nearest first.

        Names are quoted, or `FreeTable` objects with `as_objects`. Raises `DataJointError` if tables
        refer to each other in a circle.
        """
        return self._named(self._table.ancestors(), as_objects)

    def descendants(self, as_objects=False):
        """This table, then all that refer to it, directly or not, parents before children.

        Takes and raises what `ancestors` does.
        """
        return self._named(self._table.descendants(), as_objects)

    def parts(self, as_objects=False):
        """The part tables of this one, as quoted names, or as `FreeTable` objects with `as_objects`."""
        return self._named(self._table.parts(), as_objects)

    def _linked(self, links, primary, as_objects, foreign_key_info):
        links = [link for link in links if primary is None or link[3] == bool(primary)]
        tables = self._named([link[0] for link in links], as_objects)
        if not foreign_key_info:
            return tables
        return [
            (table, {"attr_map": dict(columns), "aliased": aliased, "primary": in_key, "multi": multi})
            for table, (_, columns, aliased, in_key, multi) in zip(tables, links, strict=True)
        ]

    def _named(self, names, as_objects):
        if not as_objects:
            return names
        from .table import FreeTable

        return [FreeTable(self.connection, name) for name in names]


class DependencyGraph:
    """How the tables of a connection's schemas refer to each other, by quoted full names.

    What is known is read when first asked for, and again after `load` or `clear`, or when a schema
    was activated.
    """

    def __init__(self, connection):
        self._connection = connection
        self._links = None

    def load(self, force=True, schema_names=None):
        """Reads the foreign keys of the schemas that were activated, or of those named."""
        if self._links is not None and not force:
            return
        from .table import FreeTable

        core = self._connection._core
        names = list(schema_names if schema_names is not None else self._connection.schemas)
        tables = [
            FreeTable(self._connection, f"{name}.{table}")
            for name in names
            for table in core.schema(name, False).tables()
        ]
        self._links = {
            table.full_table_name: (
                set(table.primary_key),
                table.parents(foreign_key_info=True),
                table.children(foreign_key_info=True),
            )
            for table in tables
        }

    @property
    def _loaded(self):
        """True if it was read; programs look before they `load`."""
        return self._links is not None

    def clear(self):
        """Forgets what was read."""
        self._links = None

    @property
    def _known(self):
        self.load(force=False)
        return self._links

    @property
    def nodes(self):
        """The tables, each with a dict that tells its ``primary_key``."""
        return {name: {"primary_key": key} for name, (key, _, _) in self._known.items()}

    def to_networkx(self):
        """Returns the graph as a `networkx.DiGraph` from parents to children, its edges with what is known of the
        foreign keys. Needs the package `networkx`.
        """
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(self.nodes.items())
        for name, (_, parents, children) in self._known.items():
            graph.add_edges_from((parent, name, told) for parent, told in parents)
            graph.add_edges_from((name, child, told) for child, told in children)
        return graph

    def __getattr__(self, name):
        # To programs that work with graphs of networkx it is one.
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return getattr(self.to_networkx(), name)
        except ImportError as error:
            raise _lodestore.error(
                "unsupported", f"`{name}` of the dependencies needs networkx", "pip install networkx"
            ) from error

    def __getitem__(self, table_name):
        return self.to_networkx()[table_name]

    def parents(self, table_name, primary=None):
        """The tables that one refers to, each with what is known of the foreign key (see `Table.parents`)."""
        return self._of(table_name, 1, primary)

    def children(self, table_name, primary=None):
        """The tables that refer to one, each with what is known of the foreign key."""
        return self._of(table_name, 2, primary)

    def ancestors(self, table_name):
        """A table, then all that it refers to, directly or not, nearest first."""
        return self._table(table_name).ancestors()

    def descendants(self, table_name):
        """A table, then all that refer to it, directly or not, parents before children."""
        return self._table(table_name).descendants()

    def _table(self, name):
        from .table import FreeTable

        return FreeTable(self._connection, name)

    def _of(self, name, side, primary):
        return {
            other: told
            for other, told in self._known[name][side]
            if primary is None or told["primary"] == primary
        }

    def __contains__(self, table_name):
        return table_name in self._known

    def __iter__(self):
        return iter(self._known)

    def __len__(self):
        return len(self._known)
