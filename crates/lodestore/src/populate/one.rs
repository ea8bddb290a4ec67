//! One key, from its computation to its rows.

use std::time::{Duration, Instant};

use lodestore_sql::Statement;
use lodestore_types::{Error, ErrorKind, Result, Value};

use super::Make;
use crate::insert::making;
use crate::jobs::worker_version;
use crate::{Row, Table};

/// So often a key is tried whose transaction the database takes back.
const ATTEMPTS: u32 = 4;

/// A pause between attempts, longer each time.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of a key.
pub(super) enum Outcome {
    /// Its rows were made.
    Made,
    /// Others had made them, or are about to.
    Skipped,
}

/// What makes one key after the other.
pub(super) struct One<'a, M> {
    pub table: &'a Table,
    pub make: M,
    /// The version of the program, if rows record it.
    version: Option<String>,
}

impl<'a, M: Make> One<'a, M> {
    pub fn new(table: &'a Table, make: M) -> Self {
        let records = ["_job_start_time", "_job_duration", "_job_version"];
        let records = records.iter().all(|name| table.heading().get_any(name).is_some());
        One { table, make, version: records.then(|| worker_version(table.instance())) }
    }

    /// Makes a key in a transaction, which `finish` ends: it gets the seconds that it took, and tells whether the rows may
    /// stay. What the database took back for no fault of the key's, because two transactions stood in each other's way or
    /// the connection broke, is made again.
    pub fn run(&mut self, key: &Row, finish: impl Fn(f64) -> Result<bool>) -> Result<Outcome> {
        let mut attempt = 1;
        loop {
            match self.attempt(key, &finish) {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => {
                    std::thread::sleep(PAUSE * attempt);
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn attempt(&mut self, key: &Row, finish: &impl Fn(f64) -> Result<bool>) -> Result<Outcome> {
        // Another process may have computed it since.
        if self.is_there(key)? {
            return Ok(Outcome::Skipped);
        }
        let instance = self.table.instance();
        let began = Instant::now();
        let (make, table) = (&mut self.make, self.table);
        let prepared = making(table, key, || make.prepare(key))?;
        let mut is_mine = true;
        let (table, version, make) = (self.table, &self.version, &mut self.make);
        let verifies = make.verifies();
        let work = || {
            making(table, key, || make.store(key, prepared))?;
            let seconds = began.elapsed().as_secs_f64();
            if let Some(version) = version {
                record(table, key, seconds, version)?;
            }
            is_mine = finish(seconds)?;
            match is_mine {
                true => Ok(()),
                false => Err(Error::new(ErrorKind::InvalidRequest, "another worker has taken the job over")),
            }
        };
        let outcome = match verifies {
            true => instance.transaction(work),
            false => instance.transaction_from_first_write(work),
        };
        match outcome {
            Ok(()) => Ok(Outcome::Made),
            Err(_) if !is_mine => Ok(Outcome::Skipped),
            // Two processes computed it at once, and the other was first.
            Err(error) if error.kind() == ErrorKind::Duplicate && self.is_there(key)? => Ok(Outcome::Skipped),
            Err(error) => Err(error),
        }
    }

    fn is_there(&self, key: &Row) -> Result<bool> {
        Ok(!self.table.restrict(key)?.is_empty()?)
    }
}

/// Fills the hidden attributes of the rows of a key.
fn record(table: &Table, key: &Row, seconds: f64, version: &str) -> Result<()> {
    let instance = table.instance();
    let dialect = instance.dialect();
    let mut parameters: Vec<Value> = vec![seconds.into(), version.into()];
    let mut conditions = Vec::new();
    for attribute in table.heading().primary_key() {
        let Some(value) = key.get(&attribute.name) else { continue };
        let core = &attribute.kind.core;
        parameters.push(dialect.encode(core.check(value.clone())?, core)?);
        conditions.push(format!("{} = {}", dialect.quote(&attribute.name), dialect.placeholder(parameters.len())));
    }
    let sql = format!(
        "UPDATE {} SET {} = {}, {} = {}, {} = {} WHERE {}",
        dialect.table(table.name()),
        dialect.quote("_job_start_time"),
        dialect.moment(-seconds),
        dialect.quote("_job_duration"),
        dialect.placeholder(1),
        dialect.quote("_job_version"),
        dialect.placeholder(2),
        conditions.join(" AND "),
    );
    let statement = Statement { sql, parameters };
    instance.write(Vec::new(), |connection| connection.execute(&statement.sql, &statement.parameters)).map(drop)
}
