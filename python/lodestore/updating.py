"""Changing rows where they are."""

from contextlib import ExitStack

from . import _lodestore
from .sources import prepare


class Updating:
    """What changes a row of a table."""

    def update1(self, row):
        """Changes one row: a dict, or another mapping, of the primary key and of new values.

        On a table restricted to one row the key may be left out. None stands for the default. Every
        value is checked before anything is written. An object that the row names already can be given
        as the reference that was fetched, and is left as it is; objects of old values stay in the store.

        Raises `DataJointError` if the key is not complete, or if not exactly one row is meant; for a
        wrong value what `insert` raises.
        """
        if not hasattr(row, "keys"):
            raise _lodestore.error(
                "invalid-type",
                f"an object of class `{type(row).__name__}` is no row to update",
                "give a dict",
            )
        heading = self._table.query().heading()
        objects = {attribute.name for attribute in heading if (attribute.codec or "").startswith("<object@")}
        with ExitStack() as folders:
            values = {name: prepare(row[name], folders) if name in objects else row[name] for name in row}
            self._table.update1(self._query, values)
