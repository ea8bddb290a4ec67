//! The end of a migration: confirmed, reverted, or gone with its table.

use lodestore_db::Connection;
use lodestore_sql::migration::{NEW, OLD, list, spare_name};
use lodestore_sql::{AttributeType, Shadow, Statement};
use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName};

use super::record::{Record, State};
use super::run::Work;
use super::{MigrateOptions, MigrateProgress, Migration};
use crate::Instance;
use crate::instance::run_all;
use crate::lifecycle::Owning;

impl Migration {
    /// Releases what the rows had before; there is no way back then.
    ///
    /// # Errors
    /// `InvalidRequest` before all rows are migrated; otherwise the database's.
    pub fn confirm(mut self) -> Result<()> {
        if matches!(self.record.state, State::Done | State::Unchanged) {
            return Ok(());
        }
        let table = self.record.table.clone();
        let mut run = || {
            self.record.take(&self.instance)?;
            match self.record.state {
                State::Switched => self.confirm_now(),
                State::Closing => close(&self.instance, &mut self.record),
                state => Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!("the migration is {}: there is nothing to confirm", state.told()),
                )
                .with("migration", &self.record.id)
                .with_hint("resume it, or revert it")),
            }
        };
        run().map_err(|error| error.with("table", table))
    }

    pub(super) fn confirm_now(&mut self) -> Result<()> {
        let instance = self.instance.clone();
        release(&mut Work::new(&instance, &mut self.record)?)?;
        close(&instance, &mut self.record)
    }

    /// Gives the rows back what they had, and the attribute its type; rows that were added meanwhile are migrated
    /// backwards.
    ///
    /// # Errors
    /// As [`crate::Query::migrate`]; `InvalidRequest` if it was confirmed.
    pub fn revert(&mut self, options: &MigrateOptions, progress: &mut MigrateProgress<'_>) -> Result<()> {
        let instance = self.instance.clone();
        let table = self.record.table.clone();
        let mut run = || {
            self.refuse_in_transaction()?;
            if self.record.state == State::Unchanged {
                return Ok(());
            }
            self.record.take(&instance)?;
            let mut work = Work::new(&instance, &mut self.record)?;
            match work.record.state {
                State::Copying if !work.plan.kept && !work.is_swapped()? => release(&mut work)?,
                State::Copying | State::Switched => work.turn()?,
                _ => {}
            }
            let options = MigrateOptions { confirm: false, ..options.clone() };
            self.advance(&options, progress)
        };
        run().map_err(|error| error.with("table", table))
    }
}

impl Work<'_> {
    /// Turns round.
    fn turn(&mut self) -> Result<()> {
        let shadow = self.shadow()?;
        self.step(Vec::new(), Some(State::Reverting), |connection| {
            for column in [OLD, NEW] {
                self.release(connection, column, &shadow.undone(column))?;
            }
            run_all(connection, &[shadow.unpin()])
        })?;
        self.record.state = State::Reverting;
        Ok(())
    }
}

/// Releases all that the shadow names, and empties it. What rows of the table name outlives that; it must be released all the
/// same, because a row may have been changed while the shadow still named what it had.
pub(super) fn release(work: &mut Work<'_>) -> Result<()> {
    let shadow = work.shadow()?;
    let exists = work.instance.dialect().table_exists(shadow.name());
    if !work.instance.query(&exists)?.is_empty() {
        work.step(Vec::new(), Some(State::Closing), |connection| {
            for column in [OLD, NEW] {
                work.release(connection, column, &shadow.values(column))?;
            }
            run_all(connection, &[shadow.clear()])
        })?;
    }
    work.record.state = State::Closing;
    Ok(())
}

/// Clears away what a migration leaves that owns nothing any more.
pub(super) fn close(instance: &Instance, record: &mut Record) -> Result<()> {
    let (dialect, name) = (instance.dialect(), record.shadow_name()?);
    let drop_shadow = || -> Result<()> {
        if instance.query(&dialect.table_exists(&name))?.is_empty() {
            return Ok(());
        }
        let statements = dialect.drop_table(&name);
        instance.write(Vec::new(), |connection| run_all(connection, &statements))
    };
    drop_shadow()?;
    // The hidden attribute of a swap that did not come to be.
    instance.forget_heading(&record.table);
    let spare = spare_name(&record.attribute);
    if let Some(table) = instance.find_table(&record.table)?
        && table.heading().get_any(&spare).is_some()
    {
        let sql = format!("ALTER TABLE {} DROP COLUMN {}", table.quoted_name(), dialect.quote(&spare));
        instance.with_connection(|connection| connection.execute(&sql, &[]))?;
        instance.forget_heading(&record.table);
    }
    record.forget(instance)?;
    record.state = State::Done;
    Ok(())
}

/// What goes with a table whose attributes are being migrated.
pub(crate) struct Abandoned {
    table: FullTableName,
    /// What the rows of a shadow name, by the owner of the column.
    releases: Vec<(Owning, Statement)>,
    statements: Vec<Statement>,
}

impl Abandoned {
    /// The migrations of some tables that are about to be dropped.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn of(instance: &Instance, tables: &[FullTableName]) -> Result<Vec<Self>> {
        let mut abandoned = Vec::new();
        let mut schemas: Vec<&SchemaName> = tables.iter().map(|table| &table.schema).collect();
        schemas.dedup();
        for schema in schemas {
            for record in Record::all(instance, schema)?.iter().filter(|record| tables.contains(&record.table)) {
                abandoned.push(Abandoned::of_one(instance, record)?);
            }
        }
        Ok(abandoned)
    }

    fn of_one(instance: &Instance, record: &Record) -> Result<Self> {
        let (dialect, name) = (instance.dialect(), record.shadow_name()?);
        let mut own = Abandoned { table: record.table.clone(), releases: Vec::new(), statements: Vec::new() };
        if !instance.query(&dialect.table_exists(&name))?.is_empty() {
            let table = instance.table(&record.table)?;
            let shadow = Shadow::new(dialect, table.heading(), name.clone(), &record.attribute);
            for (column, declared) in [(OLD, &record.source), (NEW, &record.target)] {
                let mut attribute = table.heading().attribute(&record.attribute)?.clone();
                let core = instance.codec_core(declared).unwrap_or(CoreType::Json);
                attribute.kind = AttributeType::codec(declared, core);
                if let Some(mut owning) = Owning::of(instance, &attribute) {
                    column.clone_into(&mut owning.column);
                    own.releases.push((owning, shadow.values(column)));
                }
            }
            own.statements = dialect.drop_table(&name);
        }
        own.statements.push(list::forget(dialect, &record.table.schema, &record.id)?);
        Ok(own)
    }

    /// Releases the objects and forgets the migration, in the transaction in which the table goes.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn go(&self, instance: &Instance, connection: &mut dyn Connection) -> Result<()> {
        for (owning, rows) in &self.releases {
            instance.release_query(connection, &self.table, std::slice::from_ref(owning), rows)?;
        }
        run_all(connection, &self.statements)
    }
}
