//! Drop: tables with all that depends on them, and whole schemas.
//!
//! The objects that the rows of a dropped table own are released in the same transaction, and collected after it. What was
//! kept of rows deleted before goes with the table.

use lodestore_sql::Statement;
use lodestore_types::{Error, ErrorKind, FullTableName, Result, TableName, Tier};

use crate::delete::survey;
use crate::graph::master_of;
use crate::instance::run_all;
use crate::migrate::Abandoned;
use crate::{Affected, Instance, PartIntegrity, Schema, Table};

impl Table {
    /// Drops this table and all tables that depend on it, with their rows; gives their names, parents first.
    ///
    /// # Errors
    /// As [`Table::drop_if`].
    pub fn drop(&self) -> Result<Vec<FullTableName>> {
        self.drop_if(PartIntegrity::Enforce, |_| Ok(true))
    }

    /// Like [`Table::drop`], if `confirm` agrees to what it is shown: the tables with their rows, parents first. Parts
    /// are dropped with their master only, unless `part_integrity` is to be ignored.
    ///
    /// # Errors
    /// `InvalidRequest` inside a transaction, if a part would go without its master, or for
    /// [`PartIntegrity::Cascade`]; `Unsupported` if the tables refer to each other in a circle; those of `confirm`.
    pub fn drop_if(
        &self,
        part_integrity: PartIntegrity,
        confirm: impl FnOnce(&[Affected]) -> Result<bool>,
    ) -> Result<Vec<FullTableName>> {
        let instance = self.instance();
        let run = || {
            refuse_in_transaction(instance)?;
            if part_integrity == PartIntegrity::Cascade {
                return Err(Error::new(ErrorKind::InvalidRequest, "a table is not dropped for one of its parts")
                    .with_hint("drop the master, or set `part_integrity` to \"ignore\""));
            }
            let tables = instance.dependencies_below(&self.name().schema)?.descendants(self.name())?;
            if part_integrity == PartIntegrity::Enforce {
                tables.iter().try_for_each(|table| refuse_part(instance, table, &tables))?;
            }
            match confirm(&survey_all(instance, &tables)?)? {
                true => drop_all(instance, &tables, instance.kept_of(&tables)?).map(|()| tables),
                false => Ok(Vec::new()),
            }
        };
        run().map_err(|error| error.with("table", self.name()))
    }

    /// Drops this table alone.
    ///
    /// # Errors
    /// `InvalidRequest` inside a transaction; `StillReferenced` if other tables refer to it.
    pub fn drop_quick(&self) -> Result<()> {
        let instance = self.instance();
        let run = || {
            refuse_in_transaction(instance)?;
            let graph = instance.dependencies_below(&self.name().schema)?;
            let others = graph.children(self.name()).map(|key| &key.child).filter(|child| *child != self.name());
            refuse_children(others.collect())?;
            let tables = std::slice::from_ref(self.name());
            drop_all(instance, tables, instance.kept_of(tables)?)
        };
        run().map_err(|error| error.with("table", self.name()))
    }
}

impl Schema {
    /// Drops this schema with all its tables and their rows.
    ///
    /// # Errors
    /// As [`Schema::drop_if`].
    pub fn drop(&self) -> Result<()> {
        self.drop_if(|_| Ok(true)).map(drop)
    }

    /// Like [`Schema::drop`], if `confirm` agrees to what it is shown: the tables with their rows, parents first. Tells
    /// whether the schema was dropped; one that is not there is not.
    ///
    /// # Errors
    /// `InvalidRequest` inside a transaction; `StillReferenced` if tables of other schemas refer to one of this one;
    /// `Unsupported` if its tables refer to each other in a circle; those of `confirm`.
    pub fn drop_if(&self, confirm: impl FnOnce(&[Affected]) -> Result<bool>) -> Result<bool> {
        let instance = self.instance();
        let run = || -> Result<bool> {
            refuse_in_transaction(instance)?;
            if instance.existing_schema(self.name())?.is_none() {
                return Ok(false);
            }
            let full = |table| FullTableName { schema: self.schema_name().clone(), table };
            let tables: Vec<FullTableName> = self.tables()?.into_iter().map(full).collect();
            let graph = instance.dependencies_below(self.schema_name())?;
            let inside = |table: &FullTableName| table.schema == *self.schema_name();
            let keys = graph.foreign_keys().iter().filter(|key| inside(&key.key.parent) && !inside(&key.child));
            refuse_children(keys.map(|key| &key.child).collect())?;
            let tables = graph.topological_order(&tables)?;
            if !confirm(&survey_all(instance, &tables)?)? {
                return Ok(false);
            }
            drop_all(instance, &tables, instance.kept_tables(self.schema_name())?)?;
            // With the journal goes what it knows: now, whatever the grace period. What cannot be reached stays.
            instance.collect_all_of(self.schema_name());
            // The schema goes last: until then a drop that was interrupted here can be repeated.
            instance.unclaim(self.schema_name())?;
            let statements = instance.dialect().drop_schema(self.schema_name());
            instance.write(Vec::new(), |connection| run_all(connection, &statements))?;
            instance.lifecycle().forget(self.schema_name());
            Ok(true)
        };
        run().map_err(|error| error.with("schema", self.name()))
    }
}

fn refuse_in_transaction(instance: &Instance) -> Result<()> {
    match instance.in_transaction() {
        true => Err(Error::new(ErrorKind::InvalidRequest, "tables cannot be dropped inside a transaction")
            .with_hint("end the transaction first: not every database can take a drop back")),
        false => Ok(()),
    }
}

/// Refuses to drop a part whose master is not among the tables to drop.
fn refuse_part(instance: &Instance, table: &FullTableName, tables: &[FullTableName]) -> Result<()> {
    match master_of(table).filter(|master| !tables.contains(master)) {
        Some(master) if instance.find_table(&master)?.is_some() => Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("Cannot drop a Part directly: `{table}` is a part of `{master}`, which would remain"),
        )
        .with_hint("drop the master first, or set `part_integrity` to \"ignore\" to force it")),
        _ => Ok(()),
    }
}

fn refuse_children(mut children: Vec<&FullTableName>) -> Result<()> {
    children.dedup();
    if children.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = children.iter().map(|child| format!("`{child}`")).collect();
    Err(Error::new(ErrorKind::StillReferenced, format!("other tables refer to it: {}", names.join(", ")))
        .with_hint("drop those first; `drop` of a table drops all that depend on it"))
}

fn survey_all(instance: &Instance, tables: &[FullTableName]) -> Result<Vec<Affected>> {
    let headings =
        tables.iter().map(|table| Ok(instance.table(table)?.heading().clone())).collect::<Result<Vec<_>>>()?;
    instance.with_connection(|connection| {
        headings.iter().map(|heading| survey(instance, connection, heading, "1 = 1")).collect()
    })
}

/// Drops tables, children first, with the job tables that belong to them, and those that keep deleted rows.
fn drop_all(instance: &Instance, tables: &[FullTableName], kept: Vec<FullTableName>) -> Result<()> {
    let dialect = instance.dialect();
    let mut jobs = Vec::new();
    for table in tables {
        if let Some(name) = job_table(instance, table, tables)? {
            jobs.push(name);
        }
    }
    let dropped = jobs.iter().chain(tables.iter().rev()).chain(&kept);
    let statements: Vec<Statement> = dropped.flat_map(|table| dialect.drop_table(table)).collect();
    let owners = tables.iter().chain(&kept);
    let headings = owners.map(|table| Ok(instance.table(table)?.heading().clone())).collect::<Result<Vec<_>>>()?;
    for heading in &headings {
        instance.prepare_release(&[heading])?;
    }
    let abandoned = Abandoned::of(instance, tables)?;
    let outcome = instance.write(Vec::new(), |connection| {
        for heading in &headings {
            instance.release_all(connection, heading)?;
        }
        abandoned.iter().try_for_each(|migration| migration.go(instance, connection))?;
        run_all(connection, &statements)
    });
    for table in tables.iter().chain(&kept) {
        instance.forget_heading(table);
    }
    outcome
}

/// The table of the jobs of an auto-populated table, if there is one that no other table shares.
fn job_table(instance: &Instance, table: &FullTableName, dropped: &[FullTableName]) -> Result<Option<FullTableName>> {
    let bare = table.table.as_str().trim_start_matches('_');
    let named = |prefix: &str| {
        TableName::existing(format!("{prefix}{bare}"))
            .map(|name| FullTableName { schema: table.schema.clone(), table: name })
    };
    let exists =
        |name: &FullTableName| Ok::<_, Error>(!instance.query(&instance.dialect().table_exists(name))?.is_empty());
    let other = match table.table.tier() {
        Some(Tier::Imported) => named("__")?,
        Some(Tier::Computed) => named("_")?,
        _ => return Ok(None),
    };
    let jobs = named("~~")?;
    let shared = !dropped.contains(&other) && exists(&other)?;
    // Of two tables that share one, the first drops it.
    let first = !dropped.iter().take_while(|name| *name != table).any(|name| *name == other);
    Ok((!shared && first && exists(&jobs)?).then_some(jobs))
}
