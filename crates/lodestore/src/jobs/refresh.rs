//! Bringing a queue up to date, in a few statements whatever its length.

use lodestore_db::Connection;
use lodestore_sql::{Dialect, Statement};
use lodestore_types::{Error, ErrorKind, Result};

use super::text::{Text, agree, columns};
use super::{JobStatus, Jobs};
use crate::Query;
use crate::populate::todo::Todo;

/// So often a refresh is tried that meets another program's in the middle.
const ATTEMPTS: u32 = 8;

/// How a queue is brought up to date.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RefreshOptions {
    /// New jobs may be taken so many seconds from now.
    pub delay: f64,
    /// The priority of new jobs, smaller is more urgent; by default the setting `jobs.default_priority`.
    pub priority: Option<i64>,
    /// Jobs whose key has left the source are deleted when they are so many seconds old, 0 for never; by default the setting
    /// `jobs.stale_timeout`.
    pub stale_timeout: Option<f64>,
    /// Reservations of which nothing has been heard for so many seconds are taken back, also those of other programs, which
    /// have no lease. By default only those are whose lease is over.
    pub orphan_timeout: Option<f64>,
}

/// What a refresh did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Jobs made.
    pub added: u64,
    /// Jobs deleted, whose key has left the source.
    pub removed: u64,
    /// Jobs taken back from workers that are gone.
    pub orphaned: u64,
    /// Jobs that were done, and whose rows have been deleted since: they wait again.
    pub re_pended: u64,
}

impl Jobs {
    /// Brings the queue up to date with `source`, the keys to compute, of which `chosen` are to be made jobs now; all in one
    /// transaction.
    ///
    /// Keys without a row in the table and without a job become jobs. Jobs of keys that have left the source go: those that
    /// are done or failed at once unless their rows are there, others when they are old, those to be ignored and those at
    /// which a worker is never. Jobs of workers that are gone wait again.
    ///
    /// # Errors
    /// `InvalidRequest` if the source lacks an attribute of the queue's key or for a priority out of range; otherwise the
    /// database's.
    pub fn refresh(&self, source: &Query, chosen: &Query, options: RefreshOptions) -> Result<Refreshed> {
        let priority = match options.priority {
            Some(priority) => self.check_priority(priority)?,
            None => self.default_priority()?,
        };
        let chosen = self.todo(chosen)?;
        let source = self.todo(source)?;
        let work = Work { jobs: self, dialect: self.instance().dialect(), priority, options };
        let mut attempt = 1;
        loop {
            match work.run(&source, &chosen) {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS && !self.instance().in_transaction() => {
                    attempt += 1;
                }
                outcome => return outcome.map_err(|error| error.with("table", self.rows.name())),
            }
        }
    }

    pub(super) fn default_priority(&self) -> Result<i64> {
        self.check_priority(self.instance().config().get_int("jobs.default_priority"))
    }

    fn check_priority(&self, priority: i64) -> Result<i64> {
        match i8::try_from(priority) {
            Ok(_) => Ok(priority),
            Err(_) => Err(Error::new(ErrorKind::InvalidValue, format!("priority {priority} is out of range"))
                .with("table", self.rows.name())
                .with_hint("priorities are whole numbers from -128 to 127; smaller is more urgent")),
        }
    }

    /// The keys of a source that the table lacks.
    fn todo(&self, source: &Query) -> Result<Todo<'_>> {
        let todo = Todo::new(&self.target, source)?;
        match self.key.iter().find(|name| !todo.names().contains(name)) {
            Some(name) => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the key source has no key attribute `{name}`, by which jobs are told apart"),
            )
            .with("table", self.target.name())
            .with_hint("let the key source have all key attributes that come from foreign keys")),
            None => Ok(todo),
        }
    }
}

struct Work<'a> {
    jobs: &'a Jobs,
    dialect: &'a dyn Dialect,
    priority: i64,
    options: RefreshOptions,
}

impl Work<'_> {
    fn run(&self, source: &Todo<'_>, chosen: &Todo<'_>) -> Result<Refreshed> {
        let instance = self.jobs.instance();
        let lock = self.dialect.named_lock(&format!("lodestore refresh {}", self.jobs.rows.quoted_name()));
        if let Some(before) = self.dialect.queue().before_transaction.filter(|_| !instance.in_transaction()) {
            instance.with_connection(|connection| connection.execute(before, &[]))?;
        }
        let outcome = instance.write(Vec::new(), |connection| {
            if let Some(lock) = &lock {
                // Of two that refresh at once the second finds nothing to do, instead of the first's rows in its way.
                connection.query(&lock.take.sql, &lock.take.parameters)?;
            }
            self.steps(connection, source, chosen)
        });
        if let Some(give_back) = lock.and_then(|lock| lock.give_back) {
            // A connection that is lost has given it back.
            let _ = instance.query(&give_back);
        }
        outcome
    }

    fn steps(&self, connection: &mut dyn Connection, source: &Todo<'_>, chosen: &Todo<'_>) -> Result<Refreshed> {
        let mut run = |statement: Statement| connection.execute(&statement.sql, &statement.parameters);
        let re_pended = run(self.pend_undone(source)?)?;
        let removed = run(self.remove(source)?)?;
        let added = run(self.add(chosen)?)?;
        let orphaned = run(self.take_back())?;
        Ok(Refreshed { added, removed, orphaned, re_pended })
    }

    fn queue(&self) -> String {
        self.dialect.table(self.jobs.rows.name())
    }

    fn quote(&self, name: &str) -> String {
        self.dialect.quote(name)
    }

    fn status(&self, status: JobStatus) -> String {
        format!("{} = '{}'", self.quote("status"), status.name())
    }

    /// Makes jobs of the keys that have neither rows nor a job.
    fn add(&self, todo: &Todo<'_>) -> Result<Statement> {
        let key = &self.jobs.key;
        let (queue, missing, known) = (self.queue(), self.quote("m"), self.quote("j"));
        let own = columns(self.dialect, "", key);
        let times = columns(self.dialect, "", &["status", "priority", "scheduled_time"].map(str::to_owned));
        // Of several keys that one job stands for, one counts.
        let distinct = if todo.names().len() == key.len() { "" } else { "DISTINCT " };
        let mut text = Text::new(self.dialect);
        text.push(&format!(
            "INSERT INTO {queue} ({own}, {times}) SELECT {}, 'pending', {}, {} FROM (SELECT {distinct}{own} FROM (",
            columns(self.dialect, &missing, key),
            self.priority,
            self.dialect.moment(self.options.delay),
        ));
        text.first(todo.missing()?);
        text.push(&format!(
            ") AS {}) AS {missing} LEFT JOIN {queue} AS {known} ON {} WHERE {known}.{} IS NULL",
            self.quote("n"),
            agree(self.dialect, &known, &missing, key),
            self.quote(&key[0]),
        ));
        match self.dialect.queue().on_conflict {
            true => text.push(" ON CONFLICT DO NOTHING"),
            false => text.push(&format!(" ON DUPLICATE KEY UPDATE {0} = {queue}.{0}", self.quote(&key[0]))),
        };
        Ok(text.finish())
    }

    /// Lets jobs wait again that were done and whose rows are gone.
    fn pend_undone(&self, todo: &Todo<'_>) -> Result<Statement> {
        let mut text = Text::new(self.dialect);
        text.push(&format!(
            "UPDATE {} SET {}",
            self.queue(),
            self.jobs.marks_pending(&self.dialect.moment(self.options.delay))
        ));
        text.push(&format!(", {} = {}", self.quote("priority"), self.priority));
        text.push(&format!(" WHERE {} AND ", self.status(JobStatus::Success)));
        let gone = self.quote("m");
        text.push("EXISTS (SELECT 1 FROM (").first(todo.missing()?);
        text.push(&format!(") AS {gone} WHERE {})", agree(self.dialect, &gone, &self.queue(), &self.jobs.key)));
        Ok(text.finish())
    }

    /// Deletes jobs whose key has left the source.
    fn remove(&self, todo: &Todo<'_>) -> Result<Statement> {
        let (queue, key) = (self.queue(), &self.jobs.key);
        let (source, target) = (self.quote("s"), self.quote("t"));
        let is_over = format!("{} IN ('success', 'error')", self.quote("status"));
        let set = || self.jobs.instance().config().get_int("jobs.stale_timeout") as f64;
        let stale = match self.options.stale_timeout.unwrap_or_else(set) {
            seconds if seconds > 0.0 => {
                format!(" OR {} < {}", self.quote("created_time"), self.dialect.moment(-seconds))
            }
            _ => String::new(),
        };
        let mut text = Text::new(self.dialect);
        text.push(&format!("DELETE FROM {queue} WHERE NOT {} AND NOT (", self.status(JobStatus::Ignore)));
        text.push(&self.status(JobStatus::Reserved));
        text.push(&format!(" AND {} > {})", self.quote("scheduled_time"), self.dialect.moment(0.0)));
        // What follows looks at other tables: seldom is there a job for which it must.
        text.push(&format!(" AND ({is_over}{stale}) AND NOT EXISTS (SELECT 1 FROM (")).first(todo.all()?);
        text.push(&format!(") AS {source} WHERE {})", agree(self.dialect, &source, &queue, key)));
        text.push(&format!(
            " AND (({is_over} AND NOT EXISTS (SELECT 1 FROM {} AS {target} WHERE {})){stale})",
            self.dialect.table(self.jobs.target.name()),
            agree(self.dialect, &target, &queue, key),
        ));
        Ok(text.finish())
    }

    /// Lets jobs wait again whose workers are gone.
    fn take_back(&self) -> Statement {
        let (scheduled, reserved) = (self.quote("scheduled_time"), self.quote("reserved_time"));
        let now = self.dialect.moment(0.0);
        let mut text = Text::new(self.dialect);
        text.push(&format!("UPDATE {} SET {}", self.queue(), self.jobs.marks_pending(&now)));
        text.push(&format!(" WHERE {} AND (", self.status(JobStatus::Reserved)));
        text.push(&format!("({scheduled} > {reserved} AND {scheduled} <= {now})"));
        if let Some(orphan) = self.options.orphan_timeout.filter(|seconds| *seconds > 0.0) {
            text.push(&format!(" OR {reserved} < {}", self.dialect.moment(-orphan)));
        }
        text.push(")");
        text.finish()
    }
}
