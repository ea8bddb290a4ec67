"""Taking rows and tables away."""

from . import _lodestore
from .legacy import warn
from .prompts import agreed


class Removal:
    """What deletes the rows of a table, and the table."""

    def delete(
        self,
        transaction=True,
        prompt=None,
        part_integrity="enforce",
        *,
        safemode=None,
        force_parts=False,
        force_masters=False,
    ):
        """Deletes these rows, and all rows of other tables that depend on them.

        All of it happens, or nothing. Gives the number of rows deleted from this table.

        - `prompt`: whether to show what would be deleted, and ask; by default the setting
          ``safemode``. Nothing is locked meanwhile; what is added meanwhile is not deleted unseen.
        - `part_integrity`: what becomes of a row of a master whose parts would go without it:
          ``"enforce"`` refuses, ``"ignore"`` lets it stay, ``"cascade"`` deletes it too.
        - `transaction`: inside a transaction a delete is part of it, and only with ``False`` asks.
        - `safemode`: an older name of `prompt`; `force_parts` and `force_masters` are older names of
          `part_integrity` ``"ignore"`` and ``"cascade"``.

        Raises `DataJointError` if rows of a part would go without their master's, if a mapping among
        the restrictions names no attribute, or if there is a question and nobody to answer it.
        """
        for given, name, modern in (
            (force_parts, "force_parts", "ignore"),
            (force_masters, "force_masters", "cascade"),
        ):
            if given:
                warn(f"`delete({name}=True)`", f'write `delete(part_integrity="{modern}")`')
                part_integrity = modern
        asks = self._asks(safemode if prompt is None else prompt)
        if asks and transaction and self.connection.in_transaction:
            raise _lodestore.error(
                "invalid-request",
                "there is a transaction open, and a question would keep others waiting for its end",
                "delete with `prompt=False`, or before the transaction",
            )
        confirm = (lambda losses: agreed(losses, "Delete these rows?")) if asks else None
        return self._query.delete(part_integrity, confirm)

    def delete_quick(self, get_count=False):
        """Deletes these rows by one statement, without a question and without regard to other tables.

        Gives the number of rows with `get_count`. Raises `IntegrityError` if other rows refer to one
        of these; then none is deleted.
        """
        count = self._query.delete_quick()
        return count if get_count else None

    def drop(self, prompt=None, part_integrity="enforce", *, force=False):
        """Drops the table and all tables that depend on it, with all their rows.

        - `prompt`: whether to show what would be dropped, and ask; by default the setting ``safemode``.
        - `part_integrity`: ``"enforce"`` refuses to drop a part without its master, ``"ignore"`` does not;
        - `force`: an older name of `part_integrity` ``"ignore"``.

        Raises `DataJointError` for a restricted table, inside a transaction, or if there is a question
        and nobody to answer it.
        """
        self._refuse_restricted()
        if force:
            warn("`drop(force=True)`", 'write `drop(part_integrity="ignore")`')
            part_integrity = "ignore"
        if part_integrity not in ("enforce", "ignore"):
            raise _lodestore.error(
                "invalid-value",
                f"part_integrity must be 'enforce' or 'ignore' for drop, got {part_integrity!r}",
                "'cascade' is for `delete` alone",
            )
        confirm = (lambda losses: agreed(losses, "Drop these tables?")) if self._asks(prompt) else None
        self._table.drop(part_integrity, confirm)

    def drop_quick(self):
        """Drops this table alone, without a question.

        Raises `IntegrityError` if other tables refer to it, `DataJointError` as `drop` does.
        """
        self._refuse_restricted()
        self._table.drop_quick()

    def _asks(self, prompt):
        return self.connection.config["safemode"] if prompt is None else bool(prompt)

    def _refuse_restricted(self):
        if self._restricted is not None:
            raise _lodestore.error(
                "invalid-request",
                "a table with an applied restriction cannot be dropped",
                "call `drop` on the unrestricted table; `delete` takes rows away",
            )
