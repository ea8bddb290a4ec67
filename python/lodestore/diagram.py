"""Diagrams: sets of tables in the graph of foreign keys, and conditions that follow its edges."""

import operator
import types

from . import _lodestore
from .drawing import Drawable
from .expression import as_expression
from .logs import logger
from .names import class_names, unquoted
from .schemas import Schema, _names_of_caller
from .table import Table
from .trace import ForeignKeys, Rows, cascade, down, seed_of, trace

#: True: nothing optional is needed.
diagram_active = True


def _is_count(item):
    """True for a whole number, also one of NumPy."""
    return hasattr(item, "__index__")


class Diagram(Drawable):
    """Some tables, and the foreign keys between them. A notebook shows it as a picture; `save` writes it to a file.

    `source` is a table (class or instance), a schema, or a module with a name `schema`; `context` says what
    tables are called, by default the caller's names.

    ``diagram + 1`` adds the tables that depend on those directly, ``- 1`` those that they depend on; ``+``, ``-`` and
    ``*`` with another diagram or a table unite, take away, and keep what is in both. Iterating gives the tables, parents
    first, as `FreeTable` objects.

    `Diagram.trace` and `Diagram.cascade` give a diagram whose tables are restricted to what rows depend on, or to what
    depends on them; `restrict` restricts all tables below one.
    """

    #: The tables that are shown as one node for each schema.
    _collapsed = frozenset()

    def __init__(self, source, context=None):
        self._context = dict(_names_of_caller() if context is None else context)
        self._rows = None
        self._kind = None
        if isinstance(source, types.ModuleType):
            source = getattr(source, "schema", source)
        if isinstance(source, Schema):
            self._keys = ForeignKeys(source.connection)
            names = [f"{source.database}.{table}" for table in source.list_tables()]
            self._names = self._keys._order(names)
            return
        source = as_expression(source)
        if not isinstance(source, Table):
            raise _lodestore.error(
                "invalid-request",
                f"there is no diagram of a {type(source).__name__}",
                "give a table, a schema, or a module with a `schema`",
            )
        self._keys = ForeignKeys(source.connection)
        self._names = [unquoted(source.full_table_name)]

    @classmethod
    def from_sequence(cls, items):
        """The sum of diagrams of several tables or schemas."""
        context = _names_of_caller()
        diagrams = [item if isinstance(item, Diagram) else cls(item, context) for item in items]
        if not diagrams:
            raise _lodestore.error(
                "invalid-request", "there is no diagram of nothing", "give a table at least"
            )
        return sum(diagrams[1:], diagrams[0])

    @classmethod
    def trace(cls, rows):
        """What rows depend on: their table and its ancestors, each with those rows that they refer to.

        ``trace[Session]`` gives these rows of one table. They are exact, whatever the rows are restricted by.
        """
        return cls._of_rows(trace(rows), "trace", _names_of_caller())

    @classmethod
    def cascade(cls, rows, part_integrity="enforce"):
        """What depends on rows: their table and its descendants, each with those rows that refer to them.

        With ``part_integrity="cascade"`` also the masters of parts that are reached, and what depends on these.
        """
        return cls._of_rows(cascade(rows, part_integrity), "cascade", _names_of_caller())

    @classmethod
    def _of_rows(cls, rows, kind, context):
        diagram = object.__new__(cls)
        diagram._keys, diagram._context = rows._keys, dict(context)
        diagram._rows, diagram._kind = rows, kind
        diagram._names = rows._keys._order(list(rows._found))
        return diagram

    def _with(self, names, other=None):
        diagram = object.__new__(type(self))
        diagram.__dict__.update(self.__dict__)
        diagram._names = self._keys._order(list(dict.fromkeys(names)))
        diagrams = [self] if other is None else [self, other]
        collapsed = {name for each in diagrams for name in each._collapsed}
        # What one of them shows is shown.
        expanded = {name for each in diagrams for name in each._names if name not in each._collapsed}
        diagram._collapsed = frozenset((collapsed - expanded).intersection(diagram._names))
        if other is not None:
            diagram._context = {**other._context, **self._context}
        return diagram

    def _other(self, item):
        return item if isinstance(item, Diagram) else Diagram(item, self._context)

    def _steps(self, count, next_of):
        names = list(self._names)
        for _ in range(operator.index(count)):
            names += [other for name in names for other in next_of(name)]
            names = list(dict.fromkeys(names))
        return self._with(names)

    def __add__(self, item):
        if _is_count(item):
            return self._steps(item, lambda name: [child for child, _, _ in self._keys.below(name)])
        other = self._other(item)
        return self._with([*self._names, *other._names], other)

    def __sub__(self, item):
        if _is_count(item):
            return self._steps(item, lambda name: [parent for _, parent, _ in self._keys.above(name)])
        taken = set(self._other(item)._names)
        return self._with([name for name in self._names if name not in taken])

    def __mul__(self, item):
        kept = set(self._other(item)._names)
        return self._with([name for name in self._names if name in kept])

    def add_parts(self):
        """With the parts of the tables that are shown."""
        masters = set(self._names)
        parts = [
            child
            for child, parent, _ in self._keys.edges
            if parent in masters and child.startswith(f"{parent}__")
        ]
        return self._with([*self._names, *parts])

    def collapse(self):
        """Returns the same tables, drawn as one node for each schema.

        In a sum with another diagram, the tables that the other one shows are drawn one by one.
        """
        diagram = self._with(self._names)
        diagram._collapsed = frozenset(self._names)
        return diagram

    def restrict(self, rows):
        """The tables that depend on those of `rows` restricted to what refers to them, also to those of earlier calls.

        A table with two foreign keys to them must satisfy both. Gives another diagram.
        """
        if self._kind in ("trace", "cascade"):
            raise _lodestore.error(
                "invalid-request",
                f"a {self._kind} is restricted already",
                "restrict the rows that it begins with, or an ordinary diagram",
            )
        name, rows = seed_of(rows)
        order = self._keys.descendants(name)
        if name not in self._names:
            raise _lodestore.error(
                "invalid-request",
                f"`{name}` is not in the diagram",
                f"there are {', '.join(self._names)}",
            )
        found = {name: rows}
        for table in order[1:]:
            conditions = [down(edge, found[edge[1]]) for edge in self._keys.above(table) if edge[1] in found]
            restricted = self._keys.table(table)
            for condition in conditions:
                restricted = restricted.restrict(condition, semantic_check=False)
            found[table] = restricted
        earlier = self._rows._found if self._rows is not None else {}
        for table, before in earlier.items():
            found[table] = before.restrict(found[table].proj()) if table in found else before
        diagram = self._with(self._names)
        diagram._rows, diagram._kind = Rows(self._keys, found), "restrict"
        return diagram

    def counts(self):
        """How many rows each of the tables has here, by quoted full name; they are told in the log, too."""
        if self._rows is None:
            raise _lodestore.error(
                "invalid-request",
                "the diagram has no conditions to count the rows of",
                "`Diagram.trace`, `Diagram.cascade` and `restrict` make some",
            )
        counts = {}
        for name in self._names:
            if name in self._rows._found:
                rows = self._rows._found[name]
                counts[rows.full_table_name] = len(rows)
                logger.info(f"{rows.full_table_name}: {counts[rows.full_table_name]:,} rows")
        return counts

    def prune(self):
        """Without the tables that have no rows here: of those that are restricted, or else of all that are shown."""
        if self._kind in ("trace", "cascade"):
            raise _lodestore.error(
                "invalid-request", f"a {self._kind} is not pruned", "prune what `restrict` gives"
            )
        found = self._rows._found if self._rows is not None else None

        def stays(name):
            if found is None:
                return bool(self._keys.table(name))
            return name not in found or bool(found[name])

        return self._with([name for name in self._names if stays(name)])

    def __getitem__(self, table):
        if self._rows is None:
            name = Rows(self._keys, {name: None for name in self._names})._name(table)
            return self._keys.table(name)
        return self._rows[table]

    def __contains__(self, table):
        if isinstance(table, str):
            return unquoted(table) in self._names
        return unquoted(as_expression(table).full_table_name) in self._names

    def _tables(self, names):
        rows = self._rows._found if self._rows is not None else {}
        return (rows[name] if name in rows else self._keys.table(name) for name in names)

    def __iter__(self):
        return self._tables(self._names)

    def __reversed__(self):
        return self._tables(self._names[::-1])

    def __len__(self):
        return len(self._names)

    @property
    def nodes_to_show(self):
        """The quoted full names of the tables that are shown, as a set."""
        return {table.full_table_name for table in self}

    @property
    def edges(self):
        """The foreign keys between the tables: child, parent, and pairs of their columns."""
        shown = set(self._names)
        return [edge for edge in self._keys.edges if edge[0] in shown and edge[1] in shown]

    def labels(self):
        """What each table is called: its class in the context, else its full name."""
        known = class_names(self._context)
        return {name: known.get(name, name) for name in self._names}

    def __repr__(self):
        labels = self.labels()
        lines = []
        for name in self._names:
            parents = dict.fromkeys(
                labels[parent] for child, parent, _ in self.edges if child == name and parent != name
            )
            lines.append(f"{labels[name]} <- {', '.join(parents)}" if parents else labels[name])
        return "\n".join(lines)
