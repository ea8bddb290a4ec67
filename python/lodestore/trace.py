"""How conditions on rows follow foreign keys, down to what depends on them and up to what they depend on."""

from . import _lodestore
from .expression import QueryExpression, U, as_expression
from .names import unquoted
from .table import FreeTable, Table


class ForeignKeys:
    """The foreign keys of all schemas of a connection, as they are at one moment."""

    def __init__(self, connection):
        self.connection = connection
        #: Each as child, parent, and pairs of a column of the child and one of the parent. Names are ``schema.table``.
        self.edges = connection._core.foreign_keys()

    def above(self, name):
        """Those by which a table refers to others."""
        return [edge for edge in self.edges if edge[0] == name and edge[1] != name]

    def below(self, name):
        """Those by which others refer to a table."""
        return [edge for edge in self.edges if edge[1] == name and edge[0] != name]

    def ancestors(self, name):
        """The table, then all that it depends on, children before parents."""
        return self._order(self._reach(name, lambda table: [parent for _, parent, _ in self.above(table)]))[
            ::-1
        ]

    def descendants(self, name):
        """The table, then all that depend on it, parents before children."""
        return self._order(self._reach(name, lambda table: [child for child, _, _ in self.below(table)]))

    def _reach(self, name, next_of):
        met, waiting = {name: None}, [name]
        while waiting:
            for other in next_of(waiting.pop()):
                if other not in met:
                    met[other] = None
                    waiting.append(other)
        return list(met)

    def _order(self, names):
        return self.connection._core.in_order(names)

    def table(self, name):
        """All rows of a table."""
        return FreeTable(self.connection, name)


def down(edge, rows):
    """What rows of a parent are to the rows of a child: a condition on these."""
    return rows.proj(**{own: other for own, other in edge[2] if own != other})


def up(edge, rows):
    """What rows of a child are to the rows of a parent: a condition on these. References that are NULL lead nowhere."""
    # Only the columns of the foreign key: the others may have names that mean something else up there.
    distinct = U(*(own for own, _ in edge[2])) & rows
    return distinct.proj(**{other: own for own, other in edge[2] if own != other})


def any_of(table, conditions):
    """The rows of a table of which one of the conditions holds; all their names are known to mean the same."""
    return table.restrict(list(conditions), semantic_check=False)


class Rows:
    """The rows that each of some tables has to do with some others: ``rows[Session]``, by class, instance, or name."""

    def __init__(self, keys, found):
        self._keys, self._found = keys, found

    def __getitem__(self, table):
        return self._found[self._name(table)]

    def __contains__(self, table):
        try:
            return self._name(table) in self._found
        except _lodestore_error():
            return False

    def __iter__(self):
        return iter(self._found.values())

    def __len__(self):
        return len(self._found)

    def _name(self, table):
        if isinstance(table, str):
            return self._of_text(table)
        table = as_expression(table)
        if not isinstance(table, Table):
            raise _lodestore.error(
                "invalid-type", f"a {type(table).__name__} is no table", "give a table class or a name"
            )
        name = table._table.name()
        if name not in self._found:
            raise self._unknown(name)
        return name

    def _of_text(self, text):
        wanted = unquoted(text).lower()
        if wanted in self._found:
            return wanted
        plain = wanted.replace("_", "")

        def fits(name):
            schema, _, table = name.lower().partition(".")
            bare = table.lstrip("#_~")
            forms = (
                table,
                bare,
                bare.replace("_", ""),
                f"{schema}.{bare}",
                f"{schema}.{bare.replace('_', '')}",
            )
            return wanted in forms or plain in forms

        near = [name for name in self._found if fits(name)]
        near = near or [name for name in self._found if name.lower().endswith(wanted)]
        if len(near) != 1:
            raise self._unknown(text, near)
        return near[0]

    def _unknown(self, name, near=()):
        if near:
            return _lodestore.error(
                "invalid-request", f"`{name}` may be {' or '.join(near)}", "give the full name, or the class"
            )
        known = ", ".join(self._found)
        return _lodestore.error("invalid-request", f"`{name}` is not among them", f"there are {known}")


def _lodestore_error():
    from .errors import DataJointError

    return DataJointError


def seed_of(rows):
    """The table that rows are of, and the rows."""
    rows = as_expression(rows)
    if not isinstance(rows, QueryExpression) or not rows._query.is_table():
        raise _lodestore.error(
            "invalid-request",
            f"a {type(rows).__name__} has no place in a diagram",
            "give a table, restricted if need be",
        )
    return unquoted(rows.full_table_name), rows


def trace(rows):
    """What rows depend on: for their table and each of its ancestors those rows that they refer to, directly or not."""
    name, rows = seed_of(rows)
    keys = ForeignKeys(rows.connection)
    return Rows(keys, _upward(keys, {name: rows}, keys.ancestors(name)))


def _upward(keys, found, order):
    """Goes up from what is found; `order` has children before parents."""
    for name in order:
        if name in found:
            continue
        conditions = [up(edge, found[edge[0]]) for edge in keys.below(name) if edge[0] in found]
        if conditions:
            found[name] = any_of(keys.table(name), conditions)
    return found


def of_key(table, key):
    """What a row would depend on that is not there yet, as far as its key tells."""
    keys = ForeignKeys(table.connection)
    own = table._table.name()
    given = {}
    for _, parent, columns in keys.above(own):
        if all(column in key for column, _ in columns):
            condition = {other: key[column] for column, other in columns}
            given.setdefault(parent, []).append(condition)
    found = {parent: keys.table(parent) & conditions for parent, conditions in given.items()}
    # A parent may also be an ancestor by another way, which adds the rows that are reached so.
    for name in keys.ancestors(own)[1:]:
        conditions = [up(edge, found[edge[0]]) for edge in keys.below(name) if edge[0] in found]
        if conditions:
            conditions += given.get(name, [])
            found[name] = any_of(keys.table(name), conditions)
    return Rows(keys, found)


def cascade(rows, part_integrity="enforce"):
    """What depends on rows: for their table and each of its descendants those rows that refer to them."""
    if part_integrity not in ("enforce", "ignore", "cascade"):
        raise _lodestore.error(
            "invalid-value",
            f"part_integrity must be 'enforce', 'ignore' or 'cascade', got {part_integrity!r}",
        )
    name, rows = seed_of(rows)
    keys = ForeignKeys(rows.connection)
    frozen = {name: [rows]}
    while True:
        order = []
        for seed in frozen:
            order += [table for table in keys.descendants(seed) if table not in order]
        order = keys._order(order)
        found = {}
        for table in order:
            conditions = [down(edge, found[edge[1]]) for edge in keys.above(table) if edge[1] in found]
            conditions += frozen.get(table, [])
            found[table] = (
                any_of(keys.table(table), conditions) if table != name or len(conditions) > 1 else rows
            )
        if part_integrity != "cascade" or not _freeze_masters(keys, found, frozen):
            return Rows(keys, found)


def _freeze_masters(keys, found, frozen):
    """Adds the masters of parts whose rows go, by their keys; True if there are more than before.

    A master without such rows is added, too: it has none to go.
    """
    grown = False
    for part in list(found):
        master = _master(part)
        if master is None or master not in keys.ancestors(part)[1:]:
            continue
        # A part may refer to its master through other parts.
        family = [name for name in keys.ancestors(part) if name == master or _master(name) == master]
        wanted = _upward(keys, {part: found[part]}, family).get(master)
        if wanted is None:
            continue
        if master in found:
            wanted = wanted.restrict(_not(found[master]), semantic_check=False)
        more = wanted.keys()
        grown = grown or bool(more) or master not in frozen
        frozen.setdefault(master, []).extend(more)
    return grown


def _master(name):
    """The master of a part, by its name; None for a table that is no part."""
    schema, _, table = name.partition(".")
    tier = table[: len(table) - len(table.lstrip("_"))]
    master, separator, _ = table.removeprefix(tier).partition("__")
    return f"{schema}.{tier}{master}" if separator else None


def _not(rows):
    from .condition import Not

    return Not(rows.proj())
