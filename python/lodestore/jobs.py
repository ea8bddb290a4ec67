"""The queue of a table: which keys wait, which are at work, which failed."""

from . import _lodestore
from .condition import AndList
from .expression import Expression
from .table import FreeTable, Table


class Job(Table):
    """The queue of an auto-populated table, as a table of its own: one row for each key.

    It is made when it is first asked for. A job is ``pending``, ``reserved``, ``success`` (if completed jobs are
    kept), ``error`` or ``ignore``. Workers of any host, and those of DataJoint, may share it: times are those
    of the database's clock. `error_message` and `error_stack` tell what went wrong.
    """

    def __init__(self, target):
        self.connection = target.connection
        self._target = target
        self._core = _lodestore.Jobs.of(target._table)

    @property
    def _table(self):
        return self._core.table()

    def refresh(self, *restrictions, delay=0, priority=None, stale_timeout=None, orphan_timeout=None):
        """Brings the queue up to date with the table's key source, in a few statements whatever its length.

        Keys of the source without rows in the table become jobs; jobs of keys that have left the source go;
        jobs whose worker is gone wait again.

        - `restrictions`: conditions on the keys that become jobs;
        - `delay`: new jobs may be taken so many seconds from now;
        - `priority`: of new jobs, -128 to 127, smaller is more urgent; by default ``jobs.default_priority``;
        - `stale_timeout`: jobs whose key has left the source go when they are so many seconds old, 0 for never;
          by default ``jobs.stale_timeout``. Those that failed or are done go at once;
        - `orphan_timeout`: reservations of which nothing was heard for so many seconds are taken back, also those
          of DataJoint's workers. Those of Lodestore's have leases, and come back by themselves.

        Gives how many jobs were ``added``, ``removed``, ``orphaned`` (taken back) and ``re_pended`` (done once,
        but their rows are gone).
        """
        source = self._key_source()
        chosen = source & AndList(restrictions) if restrictions else source
        counts = self._core.refresh(
            source._query, chosen._query, float(delay), priority, stale_timeout, orphan_timeout
        )
        return dict(zip(("added", "removed", "orphaned", "re_pended"), counts, strict=True))

    def reserve(self, key):
        """Reserves a job for this process; False if it is not pending, or not due, or if another was faster."""
        return self._core.reserve(dict(key))

    def complete(self, key, duration=None):
        """Notes that a job is done: it is deleted, or kept if ``jobs.keep_completed`` is set."""
        self._core.complete(dict(key), duration)

    def error(self, key, error_message, error_stack=None):
        """Notes that a job failed. Raises `DataJointError` if there is no such job."""
        self._core.error(dict(key), str(error_message), error_stack)

    def ignore(self, key):
        """Marks a key as not to be computed; its job is made if it is not there."""
        self._core.ignore(dict(key))

    @property
    def pending(self):
        """The jobs that wait for a worker."""
        return self & {"status": "pending"}

    @property
    def reserved(self):
        """The jobs that workers have."""
        return self & {"status": "reserved"}

    @property
    def errors(self):
        """The jobs that failed. They stay until they are deleted; then `refresh` makes them anew."""
        return self & {"status": "error"}

    @property
    def completed(self):
        """The jobs that are done, if they are kept."""
        return self & {"status": "success"}

    @property
    def ignored(self):
        """The jobs that are not to be done."""
        return self & {"status": "ignore"}

    def progress(self):
        """How many jobs there are of each status, and in all: a dict."""
        counts = dict(self._core.progress())
        return {**counts, "total": sum(counts.values())}

    def delete(self, **_options):
        """Deletes these jobs, without a question; gives their number."""
        return self.delete_quick(get_count=True)

    def drop(self, **_options):
        """Drops the queue, without a question; the next use makes it anew."""
        self._refuse_restricted()
        self._core.drop()

    def _key_source(self):
        if isinstance(self._target, FreeTable):
            return Expression(self.connection, self._target._table.key_source())
        return self._target._sources(())[0]

    @property
    def definition(self):
        """The definition that would make the queue's table."""
        return self._table.describe({})


def jobs_of_schema(schema):
    """The queues that there are of a schema's tables."""
    return [
        Job(schema._classes[name]() if name in schema._classes else FreeTable(schema.connection, name))
        for name in (jobs.target() for jobs in schema._activated.jobs())
    ]


def overview(schema):
    """How far the auto-populated tables of a schema are: for each with a queue a dict of its name and counts."""
    return [{"table": job._target.full_table_name, **job.progress()} for job in jobs_of_schema(schema)]
