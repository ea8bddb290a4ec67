"""Migration: an attribute's values get another codec, or another store, while others read and write."""

from . import _lodestore
from .progress import Progress
from .verification import _of


class Migration:
    """Values of an attribute on their way from one type to another.

    - ``id``, ``table``, ``attribute``, ``from_`` and ``to``: which they are;
    - ``all_rows``: whether it is the whole table;
    - ``state``: ``copying``, ``switched`` (to be confirmed or reverted), ``reverting``, ``closing``, ``done``, or
      ``unchanged`` if there was nothing to do;
    - ``rows`` and ``done``: how many rows it has, and how many of them are ready.
    """

    def __init__(self, core):
        self._core = core
        self._over = None

    def to_dict(self):
        """All of it, as a plain dict."""
        told = self._core.told()
        return told | {"state": self._over} if self._over and told["state"] != "unchanged" else told

    def __getattr__(self, name):
        told = self.to_dict()
        key = "from" if name == "from_" else name
        if key not in told:
            raise AttributeError(f"a migration has no `{name}`")
        return told[key]

    def __repr__(self):
        told = self.to_dict()
        return "Migration of `{attribute}` of {table} from {from} to {to}: {state}, {done} of {rows} rows".format(
            **told
        )

    def confirm(self):
        """Releases what the rows had before; there is no way back then."""
        self._core.confirm()
        self._over = "done"

    def revert(self, *, batch=500, display_progress=False):
        """Gives the rows back what they had, and the attribute its type.

        Rows that were added or changed meanwhile are migrated backwards.
        """
        with _telling(self.table, display_progress) as progress:
            self._core.revert(batch, progress)

    def resume(self, *, confirm=False, batch=500, display_progress=False):
        """Goes on after an interruption, whichever way it went."""
        with _telling(self.table, display_progress) as progress:
            self._core.resume(confirm, batch, progress)


class Migrating:
    """What moves the values of a table's rows."""

    def migrate(self, attribute, to, *, confirm=False, batch=500, display_progress=False):
        """Gives an attribute of these rows another codec or store: `to` is a type such as ``"<npy@archive>"``.

        All rows of a table may get any type that can hold their values. Some rows, as in
        ``(Recording & "day < '2026-01-01'").migrate("trace", to="<npy@archive>")``, may get another store of the
        same codec: each row says where its object lies, and the declared type stays.

        Others may read and write meanwhile. Every copy is read back and compared before it counts. The old values
        stay until the `Migration` that this gives is confirmed; it can be reverted until then.

        - `confirm`: release the old values as soon as all is verified;
        - `batch`: so many rows at a time;
        - `display_progress`: tells on the standard error stream how far it is.

        After an interruption, even a kill, the same call goes on from there.

        Raises `UnknownAttributeError`, `UnknownCodecError`, `UnknownStoreError`, `UnsupportedError` or
        `DataJointError` before anything is written, and `InvalidTypeError` or `InvalidValueError`, which tell the
        key, for a value that the new type cannot hold: then nothing stays changed.
        """
        with _telling(self.full_table_name, display_progress) as progress:
            return Migration(_lodestore.migrate(self._query, attribute, to, confirm, batch, progress))


def migrations(*schemas, connection=None):
    """The migrations that are neither confirmed nor reverted: a list of `Migration`.

    `schemas` are schemas or their names; all schemas of the connection if there are none.
    """
    connection, names = _of(schemas, connection)
    return [Migration(core) for core in _lodestore.migrations(connection._core, names)]


def tier(*, apply=False, keep_old=False, connection=None):
    """Moves old or large values to other stores, as ``config["tiers"]`` says; or tells what would move.

    With `apply` values are moved; each migration is confirmed once it is verified, unless `keep_old`.

    Gives a dict for each rule: ``rule``, ``to``, ``rows``, ``objects`` and ``bytes``.
    """
    connection, _ = _of((), connection)
    return _lodestore.tier(connection._core, apply, keep_old)


class _telling:
    """A line of progress around a call, if one is wanted."""

    def __init__(self, title, wanted):
        self._progress = Progress(title) if wanted else None

    def __enter__(self):
        return self._told if self._progress is not None else None

    def _told(self, rows, done):
        self._progress(done, rows)

    def __exit__(self, kind, *_):
        if self._progress is not None and kind is None:
            self._progress.finish()
