"""Verifying: rows against objects, and objects against rows."""

import json
import os

from . import _lodestore
from .progress import Progress

#: So many findings are printed.
_SHOWN = 20


class VerifyReport:
    """What a verification looked at and found.

    - ``sound``: true if no object is missing or damaged, and everything could be read;
    - ``counts``: how many findings there are of each kind (``missing``, ``damaged``, ``unreadable``,
      ``unverifiable``, ``unreferenced``, ``foreign``);
    - ``findings``: a dict for each, with ``kind``, ``problem`` and ``hint``, and as far as they apply ``table``,
      ``attribute``, ``key``, ``store``, ``path``, ``size``;
    - ``omitted``: how many findings were counted and not kept;
    - ``tables``, ``values``, ``objects``, ``bytes``: what was looked at; ``skipped`` values are not in the
      sample, ``resumed`` ones were found sound by an earlier run;
    - ``both_ways``: whether the stores were searched for objects that no row names, and
      ``unreferenced_bytes``, their sizes.
    """

    def __init__(self, core):
        self._core = core
        self._report = core.report()

    def __getattr__(self, name):
        try:
            return self.__dict__["_report"][name]
        except KeyError:
            raise AttributeError(f"a report has no `{name}`") from None

    def __dir__(self):
        return [*super().__dir__(), *self._report]

    def to_dict(self):
        """All of it, as plain dicts and lists."""
        return dict(self._report)

    def to_json(self, indent=2):
        """All of it, as JSON."""
        return json.dumps(self._report, indent=indent)

    def repair(self, apply=False):
        """Looks for the content of missing and damaged objects elsewhere; with `apply`, writes it where its rows say.

        The content may lie at the same path of another configured store, at the place of the same hash in any
        schema and store, or among the objects that no row names. It counts only if its checksum, or
        content hash, is what the row tells. Rows, and files that their users manage, are not changed.

        Gives a dict for each object: ``store``, ``path``, ``source`` (where the content was found, or None)
        and ``problem`` (why it was not brought back, or None).
        """
        names = ("store", "path", "source", "problem")
        return [dict(zip(names, repaired, strict=True)) for repaired in self._core.repair(apply)]

    def __str__(self):
        lines = [
            f"{self.tables:,} tables, {self.values:,} values, {self.objects:,} objects ({self.bytes:,} bytes) looked at"
        ]
        lines += self._core.lines()[:_SHOWN]
        more = sum(self.counts.values()) - min(len(self.findings), _SHOWN)
        if more:
            lines.append(f"... and {more:,} more in `findings`")
        found = [f"{count:,} {kind}" for kind, count in self.counts.items() if count]
        lines.append(", ".join(found) if found else "all is well")
        return "\n".join(lines)

    def __repr__(self):
        return f"VerifyReport\n{self}"


class Verifying:
    """What looks after the objects of a table's rows."""

    def verify(self, *, deep=False, subset=None, state=None, keep=10_000, display_progress=False):
        """Compares these rows with the objects that they name; takes the options of `lodestore.verify`.

        Stores are not searched for other objects: that is for whole schemas. Gives a `VerifyReport`.
        """
        return _verify(self.connection, [], self._query, deep, subset, False, state, keep, display_progress)

    def usage(self, *, of_delete=False):
        """What these rows own in stores, as `lodestore.usage` tells it.

        With `of_delete`, what deleting them and all rows that depend on them would free: the objects that no
        row would name any more. Nothing is deleted.
        """
        return _lodestore.usage(self.connection._core, [], self._query, of_delete)


def verify(
    *schemas,
    deep=False,
    subset=None,
    both_ways=True,
    state=None,
    keep=10_000,
    display_progress=False,
    connection=None,
):
    """Compares the rows of schemas with the objects that they name, and the objects with the rows. Nothing is changed.

    `schemas` are schemas or their names; all schemas of the connection if there are none.

    - `deep`: reads every byte and compares checksums; otherwise objects must be there, and of the right size;
    - `subset`: only some objects, chosen at random: a fraction (0.1), or a count (500);
    - `both_ways`: whether to search the stores for objects that no row names (not for a subset);
    - `state`: the path of a file that keeps what was found sound: after an interruption the same
      verification goes on from there; it is removed at the end;
    - `keep`: no more findings than this are kept; all are counted;
    - `display_progress`: tells on the standard error stream how far it is.

    Gives a `VerifyReport`.
    """
    connection, names = _of(schemas, connection)
    return _verify(connection, names, None, deep, subset, both_ways, state, keep, display_progress)


def usage(*schemas, connection=None):
    """What the rows of schemas own in stores: a dict.

    ``attributes`` has a dict for each attribute and store (``schema``, ``table``, ``attribute``, ``store``,
    ``values``, ``objects``, ``bytes``); ``tables``, ``schemas`` and ``stores`` have ``objects`` and ``bytes`` by
    name; ``values``, ``objects``, ``bytes`` are those of all. An object that several rows share counts once
    in each of these. ``kept`` has the ``objects`` and ``bytes`` that only deleted rows name which may come back
    (see `lodestore.undelete`); they are in none of the sums.
    """
    connection, names = _of(schemas, connection)
    return _lodestore.usage(connection._core, names, None, False)


def _verify(connection, names, query, deep, subset, both_ways, state, keep, display_progress):
    if isinstance(subset, bool) or not isinstance(subset, (int, float, str, type(None))):
        raise _lodestore.error(
            "invalid-request",
            f"`subset` is {subset!r}",
            "give a fraction such as 0.1, or a count such as 500",
        )
    progress = Progress("verify") if display_progress else None
    core = _lodestore.verify(
        connection._core,
        names,
        query,
        deep,
        None if subset is None else str(subset),
        both_ways,
        None if state is None else os.fspath(state),
        keep,
        progress,
    )
    if progress is not None:
        progress.finish()
    return VerifyReport(core)


def _of(schemas, connection):
    """The connection of schemas, and their names."""
    from .connection import existing

    for schema in schemas:
        if not isinstance(schema, str):
            connection = connection or schema.connection
            if schema.connection is not connection:
                raise _lodestore.error("invalid-request", "the schemas belong to different connections")
    names = [schema if isinstance(schema, str) else schema._activated.name() for schema in schemas]
    return connection or existing(), names
