//! The work of a migration: batches of values, then the switch.

use lodestore_db::Connection;
use lodestore_objects::interrupted;
use lodestore_sql::migration::{NEW, OLD};
use lodestore_sql::{Shadow, Statement, Swap, SwapScript, Way};
use lodestore_types::{Error, ErrorKind, Result, Value};

use super::carry::{Carrier, Item};
use super::plan::Plan;
use super::record::{Record, State};
use super::{MigrateOptions, MigrateProgress, Migration, end};
use crate::instance::run_all;
use crate::{Instance, Query, Schema, Table};

/// So many bytes of values are carried together; a greater one goes alone.
const BATCH_BYTES: i64 = 64 << 20;
/// So often is tried to switch while others keep writing.
const SWITCHES: usize = 500;

/// A migration at work.
pub(super) struct Work<'a> {
    pub(super) instance: &'a Instance,
    pub(super) table: Table,
    pub(super) plan: Plan,
    pub(super) record: &'a mut Record,
}

/// Writes a migration down, with the rows that it has to do.
pub(super) fn begin(table: &Table, plan: &Plan, rows: Option<&[Query]>, told: String) -> Result<Record> {
    let instance = table.instance();
    let stores = plan.stores(instance, NEW)?;
    let mut record = Record::new(table.name(), plan, told);
    let shadow = Shadow::new(instance.dialect(), table.heading(), record.shadow_name()?, &record.attribute);
    instance.open_journal(&table.name().schema)?;
    // Written down first: what a program leaves that is killed in between is then known.
    record.add(instance)?;
    let fill = || -> Result<()> {
        make_shadow(instance, &shadow, plan)?;
        let names: Vec<String> = table.heading().full_primary_key().map(|attribute| attribute.name.clone()).collect();
        let columns = [names, vec![record.attribute.clone()]].concat();
        let whole = [(**table).clone()];
        let mut adds = Vec::new();
        for rows in rows.unwrap_or(&whole) {
            let rows = rows.expression().table_columns(instance.dialect(), &columns)?;
            adds.push(shadow.add(&rows, &stores));
        }
        instance.write(Vec::new(), |connection| {
            // From the beginning, if another program was faster.
            record.step(instance, connection, None)?;
            run_all(connection, &adds)
        })
    };
    if let Err(error) = fill() {
        end::close(instance, &mut record)?;
        return Err(error);
    }
    Ok(record)
}

fn make_shadow(instance: &Instance, shadow: &Shadow<'_>, plan: &Plan) -> Result<()> {
    let declaration = shadow.declaration(&plan.old.kind, &plan.new.kind);
    Schema::new(instance.clone(), shadow.name().schema.clone()).make_table(&declaration)
}

impl Migration {
    /// Does what is left of it.
    pub(super) fn advance(&mut self, options: &MigrateOptions, progress: &mut MigrateProgress<'_>) -> Result<()> {
        let instance = self.instance.clone();
        match self.record.state {
            State::Closing => return end::close(&instance, &mut self.record),
            State::Done | State::Unchanged => return Ok(()),
            _ => {}
        }
        if let Err(error) = Work::new(&instance, &mut self.record)?.carry_out(options, progress) {
            if self.record.state == State::Copying
                && matches!(error.kind(), ErrorKind::InvalidType | ErrorKind::InvalidValue)
            {
                // No second try can come to another end.
                self.revert(&MigrateOptions::default(), &mut |_, _| {})?;
            }
            return Err(error);
        }
        match self.record.state {
            State::Closing => end::close(&instance, &mut self.record),
            State::Switched => {
                self.count()?;
                if options.confirm { self.confirm_now() } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(instance: &'a Instance, record: &'a mut Record) -> Result<Self> {
        instance.forget_heading(&record.table);
        let table = instance.table(&record.table)?;
        let declared = table.heading().attribute(&record.attribute)?;
        let plan = Plan::between(instance, declared, &record.source, &record.target)?;
        instance.open_journal(&record.table.schema)?;
        Ok(Work { instance, table, plan, record })
    }

    pub(super) fn shadow(&self) -> Result<Shadow<'_>> {
        let name = self.record.shadow_name()?;
        Ok(Shadow::new(self.instance.dialect(), self.table.heading(), name, &self.record.attribute))
    }

    /// Runs `work` in a transaction of this migration, perhaps to another state.
    pub(super) fn step<T>(
        &self,
        fresh: Vec<crate::transaction::Fresh>,
        state: Option<State>,
        work: impl FnOnce(&mut dyn Connection) -> Result<T>,
    ) -> Result<T> {
        self.instance.write(fresh, |connection| {
            self.record.step(self.instance, connection, state)?;
            work(connection)
        })
    }

    /// Releases the objects of a column of the shadow that a query gives.
    pub(super) fn release(&self, connection: &mut dyn Connection, column: &str, rows: &Statement) -> Result<()> {
        match self.plan.owning(self.instance, column) {
            Some(owning) => self.instance.release_query(connection, &self.record.table, &[owning], rows).map(drop),
            None => Ok(()),
        }
    }

    /// True if values are switched and the program was killed before it could say so.
    pub(super) fn is_swapped(&self) -> Result<bool> {
        let declared = &self.table.heading().attribute(&self.record.attribute)?.kind.declared;
        let reached = if self.record.way() == Way::Forward { &self.record.target } else { &self.record.source };
        Ok(!self.plan.kept && declared == reached)
    }

    fn carry_out(mut self, options: &MigrateOptions, progress: &mut MigrateProgress<'_>) -> Result<()> {
        if self.record.state == State::Switched {
            return Ok(());
        }
        let reached = match self.record.way() {
            Way::Forward => State::Switched,
            Way::Back => State::Closing,
        };
        if self.is_swapped()? {
            return self.reach(reached);
        }
        make_shadow(self.instance, &self.shadow()?, &self.plan)?;
        match self.plan.kept {
            true => self.move_all(options, progress)?,
            false => {
                self.swap_all(options, progress)?;
                self.instance.forget_heading(&self.record.table);
            }
        }
        self.reach(reached)
    }

    /// Notes that all rows are switched.
    fn reach(&mut self, state: State) -> Result<()> {
        if state == State::Closing {
            return end::release(self);
        }
        if self.record.state != state {
            self.step(Vec::new(), Some(state), |_| Ok(()))?;
            self.record.state = state;
        }
        Ok(())
    }

    /// Only the store changes: rows get their new values as soon as they are there, whoever writes.
    fn move_all(&self, options: &MigrateOptions, progress: &mut MigrateProgress<'_>) -> Result<()> {
        let (shadow, way) = (self.shadow()?, self.record.way());
        let stores = self.plan.stores(self.instance, way.to())?;
        let put = |work: &Self| work.step(Vec::new(), None, |connection| run_all(connection, &[shadow.put(way)]));
        if way == Way::Back {
            put(self)?;
            if !self.record.is_whole() {
                return Ok(());
            }
        }
        self.copy_all(options, progress)?;
        if self.record.is_whole() {
            // Before the last rows are looked for: from now on others add none to the store that is left.
            self.retype()?;
        }
        for _ in 0..SWITCHES {
            put(self)?;
            if !self.refresh(&stores)? {
                return Ok(());
            }
            self.copy_all(options, progress)?;
        }
        Err(busy())
    }

    /// The codec changes: all rows are switched at once.
    fn swap_all(&mut self, options: &MigrateOptions, progress: &mut MigrateProgress<'_>) -> Result<()> {
        for _ in 0..SWITCHES {
            self.copy_all(options, progress)?;
            if self.refresh(&[])? {
                continue;
            }
            if self.swap()? {
                return Ok(());
            }
            self.refresh(&[])?;
        }
        Err(busy())
    }

    /// Has rows done again that were changed, and those done that were added. Tells whether there are any to do.
    fn refresh(&self, stores: &[String]) -> Result<bool> {
        let (shadow, way, kept) = (self.shadow()?, self.record.way(), self.plan.kept);
        let whole = self.record.is_whole();
        self.step(Vec::new(), None, |connection| {
            run_all(connection, &[shadow.mark_stale(way, kept)])?;
            for column in [OLD, NEW] {
                self.release(connection, column, &shadow.stale(column))?;
            }
            run_all(connection, &[shadow.reset()])?;
            if whole {
                run_all(connection, &[shadow.add_missing(stores)])?;
            }
            Ok(())
        })?;
        Ok(!self.instance.query(&shadow.is_open())?.is_empty())
    }

    /// Carries all values that are to do.
    fn copy_all(&self, options: &MigrateOptions, progress: &mut MigrateProgress<'_>) -> Result<()> {
        let (shadow, way) = (self.shadow()?, self.record.way());
        let carrier = Carrier::new(&self.table, &self.plan, way)?;
        let number = |row: &[Value], at: usize| row.get(at).and_then(Value::as_i64).unwrap_or(0);
        let counts = self.instance.query(&shadow.count())?;
        let (rows, mut done) = counts.first().map_or((0, 0), |row| (number(row, 0), number(row, 1)));
        progress(rows as u64, done as u64);
        loop {
            if interrupted() {
                return Err(Error::new(ErrorKind::Interrupted, "the migration was interrupted; it can be resumed"));
            }
            let found = self.instance.query(&shadow.next(options.batch.clamp(1, 5000)))?;
            let numbers: Vec<i64> = found.iter().map(|row| number(row, 0)).collect();
            if numbers.is_empty() {
                return Ok(());
            }
            self.step(Vec::new(), None, |connection| {
                self.release(connection, way.from(), &shadow.noted(way, &numbers))?;
                run_all(connection, &[shadow.pin(way, &numbers)])
            })?;
            for part in self.parts(&shadow, &numbers)? {
                self.copy(&shadow, &carrier, &part)?;
                done += part.len() as i64;
                progress(rows as u64, done as u64);
            }
        }
    }

    /// Rows in parts of bounded size, as far as their sizes are known beforehand.
    fn parts(&self, shadow: &Shadow<'_>, numbers: &[i64]) -> Result<Vec<Vec<i64>>> {
        let way = self.record.way();
        let in_table = self.plan.chain(way.from()).store().is_none();
        let rows = match in_table {
            true => self.instance.query(&shadow.sizes(way, numbers))?,
            // The documents of references are small.
            false => self.instance.query(&shadow.read(way, numbers))?,
        };
        let mut parts: Vec<Vec<i64>> = Vec::new();
        let mut bytes = BATCH_BYTES;
        for mut row in rows {
            let Some(number) = row[0].as_i64() else { continue };
            let size = match in_table {
                true => row[1].as_i64().unwrap_or(0),
                false => {
                    let value =
                        self.instance.dialect().decode(std::mem::take(&mut row[1]), self.plan.core(way.from()))?;
                    match value {
                        Value::Json(document) => document["size"].as_i64().unwrap_or(0),
                        _ => 0,
                    }
                }
            };
            bytes += size;
            if bytes >= BATCH_BYTES {
                parts.push(Vec::new());
                bytes = size;
            }
            if let Some(part) = parts.last_mut() {
                part.push(number);
            }
        }
        Ok(parts)
    }

    /// Carries the values of some rows, and notes the new ones.
    fn copy(&self, shadow: &Shadow<'_>, carrier: &Carrier<'_>, numbers: &[i64]) -> Result<()> {
        let (way, dialect) = (self.record.way(), self.instance.dialect());
        let key: Vec<_> = self.table.heading().full_primary_key().collect();
        let mut items = Vec::new();
        let mut empty = Vec::new();
        for mut row in self.instance.query(&shadow.read(way, numbers))? {
            let keys = row.split_off(2);
            let (Some(number), Some(value)) = (row[0].as_i64(), row.pop()) else { continue };
            if value.is_null() {
                empty.push(number);
                continue;
            }
            let value = dialect.decode(value, self.plan.core(way.from()))?;
            let keys = key.iter().zip(keys).filter(|(attribute, _)| !attribute.hidden);
            let key = keys
                .map(|(attribute, value)| Ok((attribute.name.clone(), dialect.decode_attribute(value, attribute)?)))
                .collect::<Result<_>>()?;
            items.push(Item { number, key, value });
        }
        let mut fresh = Vec::new();
        let core = self.plan.core(way.to());
        let carried = carrier.carry(&items, &mut fresh).and_then(|values| {
            values.into_iter().map(|value| dialect.encode(value, core)).collect::<Result<Vec<Value>>>()
        });
        let values = carried.inspect_err(|_| self.instance.discard(std::mem::take(&mut fresh)))?;
        let finish = shadow.finish(way);
        self.step(fresh, None, |connection| {
            for (item, value) in items.iter().zip(values) {
                connection.execute(&finish, &[value, item.number.into()])?;
            }
            if !empty.is_empty() {
                run_all(connection, &[shadow.finish_empty(&empty)])?;
            }
            Ok(())
        })
    }

    fn swap_of<'s>(&'s self, shadow: &'s Shadow<'s>, keys: &'s [lodestore_sql::ForeignKey]) -> Swap<'s> {
        let way = self.record.way();
        let new = if way == Way::Forward { &self.plan.new } else { &self.plan.old };
        let current = self.table.heading();
        Swap { shadow, way, current, foreign_keys: keys, new: new.clone() }
    }

    fn foreign_keys(&self) -> Result<Vec<lodestore_sql::ForeignKey>> {
        let graph = self.instance.dependencies_of([&self.table.name().schema])?;
        Ok(graph.parents(self.table.name()).map(|edge| edge.key.clone()).collect())
    }

    /// Lets the attribute tell its new store.
    fn retype(&self) -> Result<()> {
        let (shadow, keys) = (self.shadow()?, self.foreign_keys()?);
        let statements = self.instance.dialect().retype(&self.swap_of(&shadow, &keys))?;
        self.step(Vec::new(), None, |connection| run_all(connection, &statements))?;
        self.instance.forget_heading(&self.record.table);
        Ok(())
    }

    /// Gives the attribute its new type and all rows their new values, unless one of them has changed meanwhile.
    fn swap(&mut self) -> Result<bool> {
        // It may have the hidden attribute of an earlier try.
        self.instance.forget_heading(&self.record.table);
        self.table = self.instance.table(&self.record.table)?;
        let (way, keys) = (self.record.way(), self.foreign_keys()?);
        let state = if way == Way::Forward { State::Switched } else { State::Reverting };
        let (script, unsettled) = {
            let shadow = self.shadow()?;
            let script = self.instance.dialect().swap(&self.swap_of(&shadow, &keys))?;
            let unsettled = shadow.unsettled(way, script.spare.as_deref());
            (script, unsettled)
        };
        self.check_none(&script.obstacles)?;
        self.instance.with_connection(|connection| run_all(connection, &script.prepare))?;
        let swapped = match &script.around {
            Some((before, after)) => {
                let outcome = self
                    .instance
                    .with_connection(|connection| run_all(connection, before))
                    .and_then(|()| self.swap_in_transaction(&script, &unsettled, state));
                // A connection that cannot be brought back to its settings is not used again.
                if self.instance.with_connection(|connection| run_all(connection, after)).is_err() {
                    self.instance.close();
                }
                outcome?
            }
            None => self.swap_under_lock(&script, &unsettled)?,
        };
        if swapped && script.around.is_some() {
            self.record.state = state;
        }
        Ok(swapped)
    }

    fn swap_in_transaction(&self, script: &SwapScript, unsettled: &Statement, state: State) -> Result<bool> {
        self.instance.transaction(|| {
            let settled = self.instance.with_connection(|connection| {
                run_all(connection, &script.lock)?;
                if !connection.query(&unsettled.sql, &unsettled.parameters)?.is_empty() {
                    return Ok(false);
                }
                self.record.step(self.instance, connection, Some(state))?;
                run_all(connection, &script.statements).map(|()| true)
            })?;
            if settled {
                self.check_none(&script.proofs)?;
            }
            Ok(settled)
        })
    }

    /// Where a definition ends the transaction, it is one statement, and the lock is one of the connection.
    fn swap_under_lock(&self, script: &SwapScript, unsettled: &Statement) -> Result<bool> {
        let instance = self.instance;
        // Nobody is to have taken over; the list itself is not among what gets locked.
        self.step(Vec::new(), None, |_| Ok(()))?;
        let outcome = instance.with_connection(|connection| {
            run_all(connection, &script.lock)?;
            if !connection.query(&unsettled.sql, &unsettled.parameters)?.is_empty() {
                return Ok(false);
            }
            run_all(connection, &script.statements).map(|()| true)
        });
        if instance.with_connection(|connection| run_all(connection, &script.unlock)).is_err() {
            instance.close();
        }
        outcome
    }

    fn check_none(&self, queries: &[(Statement, String)]) -> Result<()> {
        for (query, meaning) in queries {
            if let Some(row) = self.instance.query(query)?.first() {
                let found = row.first().cloned().unwrap_or_default();
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("cannot change the table: {meaning} ({found})"),
                )
                .with_hint("revert the migration, or take that away and resume it"));
            }
        }
        Ok(())
    }
}

fn busy() -> Error {
    Error::new(ErrorKind::LostConnection, "others write to the table faster than its values can be carried")
        .with_hint("resume the migration when there is less to do")
}
