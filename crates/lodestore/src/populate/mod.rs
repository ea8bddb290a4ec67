//! Populate: computing the rows that are missing.
//!
//! [`todo`] finds the keys, [`make`] says what computes them, [`one`] takes one key from there to its rows. Without jobs the
//! keys are those that are missing at the beginning; with jobs they come from the table's queue, which other processes
//! empty as well.

mod make;
mod one;
pub(crate) mod todo;

pub use make::{Make, Parts, Progress};

use lodestore_sql::Projection;
use lodestore_types::{Error, ErrorKind, Result};

use crate::jobs::{Jobs, Keeper, RefreshOptions, Reservation, Worker};
use crate::{Query, Row, Table};
use one::{One, Outcome};
use todo::Todo;

/// How a table is populated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PopulateOptions {
    /// After an error go on with the next key, and report the error at the end.
    pub suppress_errors: bool,
    /// Stop after so many calls.
    pub max_calls: Option<usize>,
    /// In which order; jobs go by priority and time.
    pub order: KeyOrder,
    /// Take the keys from the table's queue, so that other processes can work on others at the same time.
    pub reserve_jobs: bool,
    /// Take only jobs of this priority and more urgent ones, which have smaller numbers.
    pub priority: Option<i64>,
    /// Bring the queue up to date first; by default as the setting `jobs.auto_refresh` says.
    pub refresh: Option<bool>,
    /// Find out at the beginning how many keys there are, for those who are told of the progress.
    pub count_ahead: bool,
}

/// In which order keys are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyOrder {
    /// As the database gives them.
    #[default]
    Original,
    /// The other way round.
    Reverse,
    /// By chance, so that processes without jobs seldom meet.
    Random,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct PopulateReport {
    /// How many calls succeeded.
    pub success_count: u64,
    /// How many keys others had made by then.
    pub skipped: u64,
    /// The keys whose calls failed, with their errors.
    pub errors: Vec<(Row, Error)>,
}

impl Table {
    /// The keys to compute: the natural join of the parents in the primary key.
    ///
    /// # Errors
    /// `InvalidRequest` if the primary key refers to no parent.
    pub fn key_source(&self) -> Result<Query> {
        let instance = self.instance();
        let graph = instance.dependencies_of([&self.name().schema])?;
        let in_key = |column: &String| self.heading().full_primary_key().any(|attribute| attribute.name == *column);
        let mut source: Option<Query> = None;
        for edge in graph.parents(self.name()).filter(|edge| edge.key.columns.iter().all(in_key)) {
            let parent = instance.table(&edge.key.parent)?;
            let named = edge.key.columns.iter().zip(&edge.key.parent_columns).filter(|(own, parent)| own != parent);
            let named = named.map(|(own, parent)| (own.clone(), parent.clone())).collect();
            let keys = parent.project_with(&Projection { attributes: Vec::new(), named })?;
            source = Some(match source {
                Some(source) => source.join(&keys)?,
                None => keys,
            });
        }
        source.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidRequest,
                "there is nothing to populate from: the primary key refers to no other table",
            )
            .with("table", self.name())
            .with_hint("begin the definition with a foreign key such as `-> Session`")
        })
    }

    /// Calls `make` for each key of [`Table::key_source`] that the table lacks.
    ///
    /// Each call is a transaction of its own, which locks the database from its first write on: what
    /// `make` inserts goes in whole or not at all. Stops at the first error.
    ///
    /// # Errors
    /// Those of `make`; `InvalidRequest` inside a transaction.
    pub fn populate(&self, make: impl FnMut(&Row) -> Result<()>) -> Result<PopulateReport> {
        self.populate_with(PopulateOptions::default(), make)
    }

    /// Like [`Table::populate`], with options, and with [`Parts`] or a closure.
    ///
    /// # Errors
    /// As [`Table::populate`].
    pub fn populate_with(&self, options: PopulateOptions, make: impl Make) -> Result<PopulateReport> {
        let source = self.key_source()?;
        self.populate_from(&source, &source, options, make)
    }

    /// Like [`Table::populate_with`], for the keys of `chosen`, which are some or all of those of `source`.
    ///
    /// With jobs, a queue that is brought up to date gets jobs for the chosen keys, and loses those whose keys have left the
    /// source.
    ///
    /// # Errors
    /// As [`Table::populate`]; `InvalidRequest` if the source has a key attribute that the table does not have.
    pub fn populate_from(
        &self,
        source: &Query,
        chosen: &Query,
        options: PopulateOptions,
        make: impl Make,
    ) -> Result<PopulateReport> {
        if self.instance().in_transaction() {
            return Err(Error::new(ErrorKind::InvalidRequest, "populate cannot be called during a transaction")
                .with("table", self.name()));
        }
        let todo = Todo::new(self, chosen)?;
        let mut run = Run::new(One::new(self, make), options);
        match options.reserve_jobs {
            false => run.directly(&todo)?,
            true => run.by_jobs(source, chosen, &todo)?,
        }
        Ok(run.report)
    }

    /// How many keys of `chosen` the table lacks, and how many there are.
    ///
    /// # Errors
    /// `InvalidRequest` if the source has a key attribute that the table does not have.
    pub fn progress(&self, chosen: &Query) -> Result<(u64, u64)> {
        Todo::new(self, chosen)?.progress()
    }

    /// The keys of `chosen` that the table lacks.
    ///
    /// # Errors
    /// As [`Table::progress`].
    pub fn missing_keys(&self, chosen: &Query, at_most: Option<usize>) -> Result<Vec<Row>> {
        Todo::new(self, chosen)?.keys(at_most)
    }

    /// Makes one key: with jobs only if its job can be reserved. `None` if it could not, or if others had made it.
    ///
    /// # Errors
    /// Those of `make`, noted in the queue if it came from there.
    pub fn make_key(&self, key: &Row, reserve: bool, make: impl Make) -> Result<Option<()>> {
        let one = One::new(self, make);
        let mut run = Run::new(one, PopulateOptions::default());
        if !reserve {
            run.key(key)?;
        } else {
            let jobs = self.jobs()?;
            let worker = Worker::new(self.instance())?;
            let keeper = Keeper::new(&jobs, &worker);
            let Some(reservation) = jobs.reserve_one(&worker, key)? else { return Ok(None) };
            run.job(&jobs, &worker, &keeper, &reservation, std::slice::from_ref(key))?;
        }
        Ok((run.report.success_count > 0).then_some(()))
    }
}

/// A populate under way.
struct Run<'a, M> {
    one: One<'a, M>,
    options: PopulateOptions,
    report: PopulateReport,
    total: Option<u64>,
}

impl<'a, M: Make> Run<'a, M> {
    fn new(one: One<'a, M>, options: PopulateOptions) -> Self {
        Run { one, options, report: PopulateReport::default(), total: None }
    }

    fn directly(&mut self, todo: &Todo<'_>) -> Result<()> {
        let most = self.options.max_calls.filter(|_| self.options.order == KeyOrder::Original);
        let mut keys = todo.keys(most)?;
        match self.options.order {
            KeyOrder::Original => {}
            KeyOrder::Reverse => keys.reverse(),
            KeyOrder::Random => shuffle(&mut keys),
        }
        keys.truncate(self.options.max_calls.unwrap_or(usize::MAX));
        self.total = Some(keys.len() as u64);
        for key in keys {
            if !self.one.make.goes_on() {
                break;
            }
            self.key(&key)?;
        }
        Ok(())
    }

    fn key(&mut self, key: &Row) -> Result<()> {
        let outcome = self.one.run(key, |_| Ok(true));
        self.note(key, outcome)
    }

    fn by_jobs(&mut self, source: &Query, chosen: &Query, todo: &Todo<'_>) -> Result<()> {
        let table = self.one.table;
        let jobs = table.jobs()?;
        let auto = || table.instance().config().get_bool("jobs.auto_refresh");
        if self.options.refresh.unwrap_or_else(auto) {
            jobs.refresh(source, chosen, RefreshOptions::default())?;
        }
        let restriction = chosen_jobs(&jobs, source, chosen)?;
        if self.options.count_ahead {
            let due = jobs.count_due(restriction.as_ref(), self.options.priority)?;
            self.total = Some(self.options.max_calls.map_or(due, |most| due.min(most as u64)));
        }
        let worker = Worker::new(table.instance())?;
        let keeper = Keeper::new(&jobs, &worker);
        // A job for each key of the source, or one for several.
        let is_fine = todo.names().len() == jobs.key().len();
        let mut calls = 0;
        while self.options.max_calls.is_none_or(|most| calls < most) && self.one.make.goes_on() {
            let claimed = jobs.claim(&worker, restriction.as_ref(), self.options.priority, 1)?;
            let Some(reservation) = claimed.first() else { break };
            calls += 1;
            let keys = match is_fine {
                true => vec![reservation.key.clone()],
                false => Todo::new(table, &chosen.restrict(&reservation.key)?)?.keys(None)?,
            };
            self.job(&jobs, &worker, &keeper, reservation, &keys)?;
        }
        Ok(())
    }

    /// Makes the keys of a job that is reserved.
    fn job(
        &mut self,
        jobs: &Jobs,
        worker: &Worker,
        keeper: &Keeper,
        reservation: &Reservation,
        keys: &[Row],
    ) -> Result<()> {
        keeper.hold(reservation);
        let mut outcome = Ok(Outcome::Skipped);
        let mut last = &reservation.key;
        for (index, key) in keys.iter().enumerate() {
            last = key;
            let is_last = index + 1 == keys.len();
            outcome = self.one.run(key, |seconds| match is_last {
                true => jobs.finish(worker, reservation, seconds),
                false => Ok(true),
            });
            if outcome.is_err() {
                break;
            }
            if !is_last {
                self.note(key, std::mem::replace(&mut outcome, Ok(Outcome::Skipped)))?;
            }
        }
        keeper.let_go();
        match &outcome {
            Ok(Outcome::Made) => {}
            // Whoever made it may not have known of the job.
            Ok(Outcome::Skipped) => drop(jobs.finish(worker, reservation, 0.0)?),
            Err(error) => {
                let noted = match self.one.make.fault(error) {
                    Some((message, stack)) => jobs.fail(worker, reservation, &message, stack.as_deref()),
                    None => jobs.release(worker, reservation),
                };
                if noted.is_err() {
                    // The database is gone: what went wrong first tells more. The lease gives the job back.
                    return outcome.map(drop);
                }
            }
        }
        self.note(last, outcome)
    }

    fn note(&mut self, key: &Row, outcome: Result<Outcome>) -> Result<()> {
        match outcome {
            Ok(Outcome::Made) => self.report.success_count += 1,
            Ok(Outcome::Skipped) => self.report.skipped += 1,
            Err(error) if self.options.suppress_errors && error.kind() != ErrorKind::Interrupted => {
                self.report.errors.push((key.clone(), error));
            }
            Err(error) => return Err(error),
        }
        let PopulateReport { success_count, skipped, errors } = &self.report;
        let (made, skipped, failed) = (*success_count, *skipped, errors.len() as u64);
        self.one.make.told(&Progress { made, failed, skipped, total: self.total })
    }
}

/// The jobs of the chosen keys; `None` if these are all.
fn chosen_jobs(jobs: &Jobs, source: &Query, chosen: &Query) -> Result<Option<Query>> {
    let same = |left: &Query, right: &Query| Ok::<bool, Error>(left.sql()? == right.sql()?);
    if same(source, chosen)? {
        return Ok(None);
    }
    let names: Vec<&str> = jobs.key().iter().map(String::as_str).collect();
    let keys = chosen.project(&names)?;
    jobs.table().restrict(&keys).map(Some)
}

/// Puts keys in an order by chance.
fn shuffle(keys: &mut [Row]) {
    use std::hash::{BuildHasher, RandomState};
    let chance = RandomState::new();
    for index in (1..keys.len()).rev() {
        keys.swap(index, (chance.hash_one(index) % (index as u64 + 1)) as usize);
    }
}
