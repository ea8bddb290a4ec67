//! Migration: an attribute's values get another codec, or another store, while others go on reading and writing.
//!
//! [`plan`] finds out whether the values can be carried, and how; [`record`] keeps in the schema's hidden table
//! `~migrations` which migrations there are; [`carry`] makes the new values and reads them back; [`run`] does the work,
//! batch by batch; [`end`] confirms or reverts. [`tier`] has values moved by [`rules`] of the settings.
//!
//! # The shadow
//!
//! The rows of a migration lie in a hidden table, `~migrated_...`: key, old value, new value, done or not. The comments of
//! both columns tell their types, so that collectors count the objects of both as named by rows: nothing of what follows
//! needs an addition to the lifecycle's protocol.
//!
//! 1. **List** the keys of the rows in the shadow.
//! 2. **Pin**, for a batch, the values that the rows have now, as the old ones.
//! 3. **Carry** them: objects are intended, written, read back and compared. Then, in one transaction, the intents are
//!    settled and the new values noted in the shadow.
//! 4. **Switch.** If only the store changes: rows that still have the old value get the new one, each of which names its
//!    store. If the codec changes, all rows at once, with the attribute's type, under a lock, and only if every row is in
//!    the shadow with the value that it has. Rows that were changed or added meanwhile are done again first.
//! 5. **Confirm** releases the old objects, **revert** goes back the same way; both empty the shadow in the transaction in
//!    which objects are released.
//!
//! Each step may be done again, by whoever comes after a kill: that program writes its name into the migration, and from
//! then on every transaction of an earlier one fails.

mod carry;
mod end;
mod plan;
mod record;
mod rules;
mod run;
mod tier;

use std::fmt;

use lodestore_sql::Shadow;
use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName};
use serde_json::{Value as Json, json};

use crate::{Instance, Query, Table};
pub(crate) use end::Abandoned;
use plan::Plan;
use record::{Record, State};
pub use tier::{TierMove, TierOptions};

/// How values are migrated.
#[derive(Debug, Clone)]
pub struct MigrateOptions {
    /// Release what the rows had before as soon as all is verified: there is no way back then.
    pub confirm: bool,
    /// So many rows at a time, unless their values are large.
    pub batch: usize,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        MigrateOptions { confirm: false, batch: 500 }
    }
}

/// Told now and then how many rows are done, of how many.
pub type MigrateProgress<'a> = dyn FnMut(u64, u64) + 'a;

/// A migration, finished or not.
#[derive(Clone)]
pub struct Migration {
    instance: Instance,
    record: Record,
    /// How many rows it has, and how many are done.
    rows: u64,
    done: u64,
}

impl Query {
    /// Gives an attribute of these rows another codec or store: `to` is a type such as `<npy@archive>`. Others may read and
    /// write meanwhile.
    ///
    /// All rows of a table may get any type that can hold their values; some rows, only another store, while the declared
    /// type stays. Every copy is read back and compared before it counts. The old values stay until
    /// [`Migration::confirm`]; [`Migration::revert`] brings them back. A migration that was interrupted goes on when it is
    /// asked for again, or by [`Migration::resume`].
    ///
    /// # Errors
    /// Before anything is written: `UnknownAttribute`, `UnknownCodec`, `UnknownStore`; `Unsupported` for values that cannot
    /// be carried; `InvalidRequest` inside a transaction, for a key attribute, for some rows and another codec, and while
    /// another migration of the attribute is not finished. `InvalidType` or `InvalidValue`, with the key of the row, for a
    /// value that the new type cannot hold: then nothing stays changed. `MissingObject`, `Corrupt`, `Storage`: then it can be
    /// resumed.
    ///
    /// ```
    /// use lodestore::{Instance, MigrateOptions, NdArray, NpyRef, Tier, row};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
    /// let scan = lab.declare("Scan", Tier::Manual, "scan : int32\n---\nframes : <blob>")?;
    /// scan.insert1(row! { "scan" => 1, "frames" => NdArray::from_f64(&[0.5, 1.5]) })?;
    ///
    /// let migration = scan.migrate("frames", "<npy@>", &MigrateOptions::default(), &mut |_, _| {})?;
    /// let scan = lab.table("Scan")?.unwrap();
    /// let row = scan.fetch1()?;
    /// let frames = NpyRef::from_value(scan.instance(), row.get("frames").unwrap())?;
    /// assert_eq!(frames.load()?, NdArray::from_f64(&[0.5, 1.5]));
    /// migration.confirm()?;
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    pub fn migrate(
        &self,
        attribute: &str,
        to: &str,
        options: &MigrateOptions,
        progress: &mut MigrateProgress<'_>,
    ) -> Result<Migration> {
        let locate = |error: Error| self.locate(error.with("attribute", attribute));
        let mut run = || {
            self.refuse_vacuous()?;
            let table = self.instance().table(self.expression().table_of_rows("migrate")?)?;
            let rows = (!self.expression().is_whole_table()).then(|| vec![self.clone()]);
            start(&table, attribute, to, rows, self.told(), options, progress)
        };
        run().map_err(locate)
    }

    /// The condition as it is remembered: a resumed migration must be the same one.
    fn told(&self) -> String {
        match self.expression().is_whole_table() {
            true => String::new(),
            false => self.sql().map(|(sql, parameters)| format!("{sql} {parameters:?}")).unwrap_or_default(),
        }
    }
}

impl Instance {
    /// The migrations of these schemas that are neither confirmed nor reverted; of all schemas, if none is named.
    ///
    /// # Errors
    /// The database's.
    pub fn migrations(&self, schemas: &[SchemaName]) -> Result<Vec<Migration>> {
        let mut found = Vec::new();
        let all = match schemas {
            [] => self.schemas()?.into_iter().map(SchemaName::new).collect::<Result<Vec<_>>>()?,
            some => some.to_vec(),
        };
        for schema in &all {
            for record in Record::all(self, schema)? {
                found.push(Migration::load(self, record)?);
            }
        }
        Ok(found)
    }
}

/// Begins a migration of rows (all of them, if `rows` is none), or goes on with it.
fn start(
    table: &Table,
    attribute: &str,
    to: &str,
    rows: Option<Vec<Query>>,
    told: String,
    options: &MigrateOptions,
    progress: &mut MigrateProgress<'_>,
) -> Result<Migration> {
    let instance = table.instance();
    if instance.in_transaction() {
        return Err(Error::new(ErrorKind::InvalidRequest, "values cannot be migrated inside a transaction")
            .with_hint("migrate before the transaction (or `populate`) begins"));
    }
    let known = Record::of(instance, table.name(), attribute)?;
    let record = match known {
        Some(mut record) if record.state == State::Closing => {
            end::close(instance, &mut record)?;
            return start(table, attribute, to, rows, told, options, progress);
        }
        Some(mut record) if record.is_for(to, &told)? && record.state != State::Reverting => {
            record.take(instance)?;
            record
        }
        Some(record) => {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "a migration of `{attribute}` from `{}` to `{}` is {}",
                    record.source,
                    record.target,
                    record.state.told()
                ),
            )
            .with("migration", &record.id)
            .with_hint("resume, confirm or revert that one first (`lodestore migrate --list`)"));
        }
        None => {
            let plan = Plan::new(table, attribute, to, rows.is_some())?;
            if plan.is_idle() {
                return Ok(Migration::unchanged(instance, table.name(), &plan));
            }
            run::begin(table, &plan, rows.as_deref(), told)?
        }
    };
    let mut migration = Migration::load(instance, record)?;
    migration.advance(options, progress)?;
    Ok(migration)
}

impl Migration {
    fn load(instance: &Instance, record: Record) -> Result<Self> {
        let mut migration = Migration { instance: instance.clone(), record, rows: 0, done: 0 };
        migration.count()?;
        Ok(migration)
    }

    fn unchanged(instance: &Instance, table: &FullTableName, plan: &Plan) -> Self {
        Migration { instance: instance.clone(), record: Record::unchanged(table, plan), rows: 0, done: 0 }
    }

    fn count(&mut self) -> Result<()> {
        if self.record.state == State::Unchanged {
            return Ok(());
        }
        // One that was killed between its first two steps has no shadow yet.
        let Some(table) = self.instance.find_table(&self.record.table)? else { return Ok(()) };
        let name = self.record.shadow_name()?;
        if self.instance.query(&self.instance.dialect().table_exists(&name))?.is_empty() {
            return Ok(());
        }
        let shadow = Shadow::new(self.instance.dialect(), table.heading(), name, &self.record.attribute);
        let rows = self.instance.query(&shadow.count())?;
        let number = |at: usize| rows.first().and_then(|row| row.get(at)?.as_i64()).unwrap_or(0) as u64;
        (self.rows, self.done) = (number(0), number(1));
        Ok(())
    }

    /// Goes on with it, whichever way it went.
    ///
    /// # Errors
    /// As [`Query::migrate`].
    pub fn resume(&mut self, options: &MigrateOptions, progress: &mut MigrateProgress<'_>) -> Result<()> {
        let table = self.record.table.clone();
        let mut run = || {
            self.refuse_in_transaction()?;
            self.record.take(&self.instance)?;
            self.advance(options, progress)
        };
        run().map_err(|error| error.with("table", table))
    }

    fn refuse_in_transaction(&self) -> Result<()> {
        match self.instance.in_transaction() {
            true => Err(Error::new(ErrorKind::InvalidRequest, "a migration goes on outside of transactions")
                .with_hint("end the transaction first")),
            false => Ok(()),
        }
    }

    /// Its identifier.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// The table.
    pub fn table(&self) -> &FullTableName {
        &self.record.table
    }

    /// Where it stands: `copying`, `switched` (to be confirmed or reverted), `reverting`, `closing`, `done`, or `unchanged`.
    pub fn state(&self) -> &'static str {
        self.record.state.word()
    }

    /// How many rows it has, and how many of them are done.
    pub fn rows(&self) -> (u64, u64) {
        (self.rows, self.done)
    }

    /// All that is known of it.
    pub fn to_json(&self) -> Json {
        let record = &self.record;
        json!({
            "id": record.id, "table": record.table.to_string(), "attribute": record.attribute,
            "from": record.source, "to": record.target, "all_rows": record.rows.is_empty(),
            "state": record.state.word(), "rows": self.rows, "done": self.done,
        })
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Migration({})", self.to_json())
    }
}
