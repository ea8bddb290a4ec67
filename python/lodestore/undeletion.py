"""Undelete: rows that were deleted come back, with their parts and objects."""

from datetime import UTC, datetime

from . import _lodestore


def undelete(what, deletion=None):
    """Brings back all that one delete took, from all tables and schemas; or nothing, if that cannot be.

        dj.config["gc.undelete"] = 7 * 86400     # from now on deletes can be undone for a week
        Session.delete()
        dj.undelete(schema)

    `what` is a schema or a table: the newest delete that took rows of it is undone, or the one that is called
    `deletion` (see `deletions`). Gives a dict: how many rows came back into each table, parents first.

    Raises `DataJointError` if there is no such deletion or its time is over, if a table was altered or dropped since,
    `DuplicateError` if a row has the same key by now, `IntegrityError` if a row that one refers to is gone.
    """
    return dict(_lodestore.undelete(*_scope(what), deletion))


def deletions(what):
    """What deletes of a schema's, or table's, rows can be undone: the newest first.

    Gives a dict for each: ``deletion`` (its name, for `undelete`), ``at`` and ``until`` when it can be undone (datetimes
    in UTC, by the database's clock), ``user``, ``table`` (whose rows were to be deleted) and ``rows``, a dict with the
    number of rows of each table.
    """
    found = []
    for name, at, until, user, table, rows in _lodestore.deletions(*_scope(what)):
        moments = {"at": datetime.fromtimestamp(at, UTC), "until": datetime.fromtimestamp(until, UTC)}
        found.append({"deletion": name, **moments, "user": user, "table": table, "rows": dict(rows)})
    return found


def _scope(what):
    """The project, the schema and the table that are meant."""
    if isinstance(what, type):
        what = what()
    if hasattr(what, "table_name"):
        return what.connection._core, what.database, what.table_name
    if hasattr(what, "database") and hasattr(what, "connection"):
        return what.connection._core, what.database, None
    raise _lodestore.error("invalid-type", f"{what!r} is neither a schema nor a table", "name one of them")
