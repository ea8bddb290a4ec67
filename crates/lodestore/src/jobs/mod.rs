//! Jobs: the queue beside an auto-populated table, from which many processes take keys, each key once.
//!
//! The queue of a table is a table itself, named `~~` and the name: a row for each key, with a status, a priority and
//! times by the database's clock. Columns and life cycle are DataJoint's, so that both programs work on one queue.
//!
//! A worker holds a lease on what it has reserved: `scheduled_time`, the moment from which a job may be taken, lies ahead of
//! `reserved_time` then, and the worker keeps moving both. When it dies, that moment comes, and the next worker takes the
//! job. DataJoint's reservations have no lease: theirs are taken back by an orphan timeout alone, as ours are there, which
//! a living worker never reaches.

mod declare;
mod lease;
mod refresh;
mod reserve;
mod status;
pub(crate) mod text;
mod worker;

pub use refresh::{RefreshOptions, Refreshed};
pub use status::{JobCounts, JobStatus};

pub(crate) use lease::Keeper;
pub(crate) use reserve::Reservation;
pub(crate) use worker::{Worker, host_and_user, user, version as worker_version};

use std::sync::Arc;

use lodestore_sql::{Attribute, Condition};
use lodestore_types::{Error, ErrorKind, FullTableName, Result, TableName, Value};

use crate::{Instance, Query, Row, Schema, Table};

/// The queue of an auto-populated table.
#[derive(Clone)]
pub struct Jobs {
    target: Table,
    rows: Table,
    key: Vec<String>,
}

impl Table {
    /// The queue of this auto-populated table, made if it is not there.
    ///
    /// # Errors
    /// `InvalidRequest` for a table of another tier, for one whose primary key refers to no other table, or if the queue
    /// would have to be made inside a transaction.
    pub fn jobs(&self) -> Result<Jobs> {
        match self.existing_jobs()? {
            Some(jobs) => Ok(jobs),
            None => {
                declare::declare(self)?;
                self.existing_jobs()?.ok_or_else(|| {
                    Error::new(ErrorKind::Internal, "the job table was made and is not there")
                        .with("table", self.name())
                })
            }
        }
    }

    /// The queue of this table, if there is one.
    ///
    /// # Errors
    /// `InvalidRequest` for a table of another tier; otherwise the database's.
    pub fn existing_jobs(&self) -> Result<Option<Jobs>> {
        let name = queue_name(self)?;
        let Some(heading) = self.instance().heading(&name)? else { return Ok(None) };
        declare::check_target(self, &name, &heading.comment)?;
        // The columns of the key say less of their types than the attributes that they stand for.
        let mut told = (*heading).clone();
        let mut key = Vec::new();
        for attribute in told.attributes.iter_mut().filter(|attribute| attribute.in_key) {
            let Some(own) = self.heading().get(&attribute.name) else {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!(
                        "the job table `{name}` has the key attribute `{}`, which its table does not have",
                        attribute.name
                    ),
                )
                .with("table", self.name())
                .with_hint("drop the job table: it is made anew when it is needed"));
            };
            key.push(own.name.clone());
            *attribute = Attribute { in_key: true, ..own.clone() };
        }
        let rows = Table::new(self.instance().clone(), name, Arc::new(told))?;
        Ok(Some(Jobs { target: self.clone(), rows, key }))
    }
}

impl Schema {
    /// The queues that there are of the schema's tables, in the order of the tables.
    ///
    /// # Errors
    /// The database's.
    pub fn jobs(&self) -> Result<Vec<Jobs>> {
        let mut found: Vec<Jobs> = Vec::new();
        for name in self.tables()? {
            if !name.tier().is_some_and(|tier| tier.is_auto_populated()) {
                continue;
            }
            let table = self.existing(&name)?;
            match table.existing_jobs() {
                Ok(jobs) => found.extend(jobs),
                // It is the queue of the other table of this name.
                Err(error) if error.kind() == ErrorKind::InvalidRequest => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

impl Jobs {
    /// The table whose rows the jobs compute.
    pub fn target(&self) -> &Table {
        &self.target
    }

    /// The queue as a table: one row for each job.
    pub fn table(&self) -> &Table {
        &self.rows
    }

    /// The names of its key attributes: those of the table that come from foreign keys.
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// The jobs of a status.
    ///
    /// # Errors
    /// None that is known; those of [`Query::restrict`].
    pub fn with_status(&self, status: JobStatus) -> Result<Query> {
        self.rows.restrict(Condition::Map(vec![("status".into(), status.name().into())]))
    }

    /// How many jobs there are of each status.
    ///
    /// # Errors
    /// The database's.
    pub fn progress(&self) -> Result<JobCounts> {
        let dialect = self.instance().dialect();
        let status = dialect.quote("status");
        let sql = format!("SELECT {status}, count(*) FROM {} GROUP BY {status}", dialect.table(self.rows.name()));
        let mut counts = JobCounts::default();
        for row in self.instance().query(&lodestore_sql::Statement { sql, parameters: Vec::new() })? {
            if let [Value::Text(name), Value::Int(count)] = &row[..] {
                counts.add(name, *count as u64);
            }
        }
        Ok(counts)
    }

    /// True if a worker with a lease has one of the jobs: should it die, the job can be taken when the lease is over.
    ///
    /// # Errors
    /// The database's.
    pub fn is_at_work(&self) -> Result<bool> {
        let leased = Condition::Sql("status = 'reserved' AND scheduled_time > reserved_time".to_owned());
        Ok(!self.rows.restrict(leased)?.is_empty()?)
    }

    /// Drops the queue; the next use makes it anew.
    ///
    /// # Errors
    /// `InvalidRequest` inside a transaction; otherwise the database's.
    pub fn drop(&self) -> Result<()> {
        self.rows.drop_quick()
    }

    pub(crate) fn instance(&self) -> &Instance {
        self.target.instance()
    }

    /// The values of a row for the key, in stored form.
    pub(crate) fn stored_key(&self, row: &Row) -> Result<Vec<Value>> {
        let stored = |name: &String| {
            let attribute = self.rows.heading().attribute(name)?;
            let value = row.get(name).ok_or_else(|| {
                Error::new(ErrorKind::MissingAttribute, format!("the key of a job has no `{name}`"))
                    .with_hint(format!("it takes {}", self.key.join(", ")))
            })?;
            let core = &attribute.kind.core;
            let value = core.check(value.clone()).and_then(|value| self.instance().dialect().encode(value, core));
            value.map_err(|error| error.with("attribute", name))
        };
        self.key.iter().map(stored).collect::<Result<_>>().map_err(|error| error.with("table", self.rows.name()))
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jobs({})", self.target.name())
    }
}

/// The name of the queue of a table.
fn queue_name(target: &Table) -> Result<FullTableName> {
    if !target.tier().is_some_and(|tier| tier.is_auto_populated()) {
        return Err(Error::new(ErrorKind::InvalidRequest, "only computed and imported tables have jobs")
            .with("table", target.name())
            .with_hint("jobs are the keys that `populate` has yet to compute"));
    }
    let FullTableName { schema, table } = target.name();
    let name = format!("~~{}", table.as_str().trim_start_matches('_'));
    Ok(FullTableName { schema: schema.clone(), table: TableName::existing(name)? })
}
