"""Collecting: objects that no row names any more.

Deleting, changing and replacing rows, and dropping tables, frees their objects by itself. A collector is for what that
could not do: objects of programs that were killed meanwhile or, with ``full=True``, whatever else lies in the stores.
"""

from .errors import DataJointError
from .logs import logger


class GarbageCollector:
    """Finds and deletes the objects of schemas that no row names.

        collector = dj.gc.GarbageCollector(schema)
        collector.collect()                      # tells what would go
        collector.collect(dry_run=False)         # deletes it

    It may run while others insert and delete. If a reference cannot be read, or a store be listed, nothing is
    deleted.
    """

    def __init__(self, *schemas, store=None, config=None):
        if not schemas:
            raise DataJointError("At least one schema must be provided")
        self.schemas = schemas
        self._connection = schemas[0].connection
        if any(schema.connection is not self._connection for schema in schemas):
            raise DataJointError("all schemas of a collector must be of one connection; make one for each")
        self.store = store

    def _names(self):
        return [schema.database for schema in self.schemas]

    def collect(self, dry_run=True, verbose=False, *, full=None):
        """Deletes what no row names, or tells what that is.

        In a dry run the objects that rows name are counted, too, and those that the stores hold.

        Without ``full`` it looks at what the journal knows: the cost grows with the garbage. With ``full=True``
        it lists the stores as well, and finds what no journal tells of, if it is older than ``gc.age`` (a day) by
        the store's clock.

        Gives a dict: for ``hash`` and ``schema`` paths ``{kind}_paths_referenced``, ``_stored``, ``_orphaned``,
        ``_orphaned_bytes``, ``_deleted`` and ``orphaned_{kind}_paths``; ``deleted``, ``bytes_freed``,
        ``errors``, ``scan_errors``, ``dry_run``; and ``waiting`` (released objects that are kept for now), ``intended``
        (those that somebody is about to use), ``young``, ``expired`` (deletions that can be undone no more) and
        ``failures`` (texts).
        """
        found = self._connection._core.collect(self._names(), self.store, dry_run, bool(full))
        result = {}
        for kind in ("hash", "schema"):
            section = found[kind]
            referenced, stored = section["referenced"], section["stored"]
            if dry_run and not full:
                referenced, stored = self._counts(kind == "hash")
            result |= {
                f"{kind}_paths_referenced": referenced,
                f"{kind}_paths_stored": stored,
                f"{kind}_paths_orphaned": len(section["orphaned"]),
                f"{kind}_paths_orphaned_bytes": section["orphaned_bytes"],
                f"orphaned_{kind}_paths": section["orphaned"],
                f"{kind}_paths_deleted": section["deleted"],
            }
        failures = found["failures"]
        result |= {
            "deleted": found["hash"]["deleted"] + found["schema"]["deleted"],
            "bytes_freed": found["hash"]["bytes_freed"] + found["schema"]["bytes_freed"],
            "errors": len(failures),
            "scan_errors": [],
            "dry_run": dry_run,
            "full": bool(full),
            "waiting": found["waiting"],
            "intended": found["intended"],
            "young": found["young"],
            "expired": found["expired"],
            "failures": failures,
        }
        if verbose:
            what = "would be deleted" if dry_run else "deleted"
            count = result["hash_paths_orphaned"] + result["schema_paths_orphaned"]
            logger.info("%s: %d objects %s", ", ".join(self._names()), count, what)
            for failure in failures:
                logger.warning(failure)
        return result

    def _counts(self, is_hash):
        """How many objects rows name, and how many the stores hold."""
        return (
            len(self._references(0 if is_hash else 1)),
            sum(len(self._list(name, is_hash)) for name in self._names()),
        )

    def _list(self, schema_name, is_hash):
        listed = self._connection._core.list_objects(schema_name, self.store)
        return {path: size for _, path, size, hashed in listed if hashed == is_hash}

    def list_hash_paths(self, schema_name):
        """The hash-addressed objects of a schema that lie in the stores, with their sizes."""
        return self._list(schema_name, True)

    def list_schema_paths(self, schema_name):
        """The other objects of a schema that lie in the stores, with their sizes; folders file by file."""
        return self._list(schema_name, False)

    def _references(self, at):
        core = self._connection._core
        return set().union(*(core.referenced_paths(name)[at] for name in self._names()))

    def hash_references(self, verbose=False):
        """The hash-addressed objects of the schemas that rows name, in whichever schema these are."""
        return self._references(0)

    def schema_references(self, verbose=False):
        """The other objects of the schemas that rows name."""
        return self._references(1)


def scan(*schemas, store_name=None, verbose=False, config=None):
    """Counts what the rows of schemas name and what their stores hold, and lists what no row names; deletes nothing.

    Gives what `GarbageCollector.collect` gives, and the sums ``referenced``, ``stored``, ``orphaned``,
    ``orphaned_bytes`` and ``orphaned_paths``.
    """
    return _with_sums(GarbageCollector(*schemas, store=store_name).collect(True, verbose, full=True))


def collect(*schemas, store_name=None, dry_run=True, verbose=False, config=None):
    """Deletes the objects of schemas that no row names, or tells in a dry run what they are. Gives what `scan` gives."""
    return _with_sums(GarbageCollector(*schemas, store=store_name).collect(dry_run, verbose, full=True))


def _with_sums(found):
    kinds = ("hash", "schema")
    sums = {
        name: sum(found[f"{kind}_paths_{name}"] for kind in kinds)
        for name in ("referenced", "stored", "orphaned", "orphaned_bytes")
    }
    # The names under which earlier programs look for those of objects by content.
    hashes = {
        name.replace("hash_paths", "hash"): found[name] for name in found if name.startswith("hash_paths")
    }
    orphans = [*found["orphaned_hash_paths"], *found["orphaned_schema_paths"]]
    return {
        **found,
        **hashes,
        "orphaned_hashes": found["orphaned_hash_paths"],
        **sums,
        "orphaned_paths": orphans,
    }
