//! Delete: rows, and all rows that depend on them.
//!
//! [`plan`] finds the tables that a delete reaches, and the order of their statements; [`cascade`] sets the keys of the
//! rows aside, table by table, before the first is deleted: a condition may speak of rows that go before it is asked
//! again. Everything happens in one transaction, by a number of statements that grows with the foreign keys between
//! the tables and not with rows.
//!
//! The objects that the rows own are released in the same transaction, and collected after it; or the rows are kept with
//! them for some time ([`crate::undelete`]).

mod cascade;
mod plan;
mod preview;

#[cfg(test)]
mod tests;

use lodestore_db::Connection;
use lodestore_sql::Heading;
use lodestore_types::{Error, ErrorKind, FullTableName, Result};

use crate::Query;
use crate::graph::master_of;
use crate::undelete::changed;
use cascade::Cascade;
use plan::Plan;
pub use preview::Affected;
pub(crate) use preview::survey;

/// So often a delete is tried if other processes insert rows that refer to the ones to delete.
const ATTEMPTS: usize = 3;

/// How rows are deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// What becomes of masters whose parts are deleted.
    pub part_integrity: PartIntegrity,
}

/// What becomes of a master's row when rows of its parts are to be deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PartIntegrity {
    /// Rows of parts go with their master's row or not at all: else nothing is deleted, and that is an error.
    #[default]
    Enforce,
    /// It stays, without some of its parts.
    Ignore,
    /// It is deleted too, and with it all its parts.
    Cascade,
}

impl Query {
    /// Deletes these rows of the table, and all rows of other tables that depend on them; gives the number of rows
    /// deleted from the table itself.
    ///
    /// All of it happens, or nothing. Objects that no other row names go after it is committed.
    ///
    /// # Errors
    /// `InvalidRequest` if this is more than a restricted table, or if rows of a part would go without their master's;
    /// `InvalidCondition` after a mapping of which no name is an attribute; `StillReferenced` if rows that the foreign keys
    /// do not tell of, or that other processes keep inserting, refer to one of these.
    ///
    /// ```
    /// use lodestore::{DeleteOptions, Instance, PartIntegrity, Tier, row};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
    /// let session = lab.declare("Session", Tier::Manual, "session : int32")?;
    /// let trial = lab.declare_part(&session, "Trial", "-> master\ntrial : int32")?;
    /// session.insert([row! { "session" => 1 }, row! { "session" => 2 }])?;
    /// trial.insert([row! { "session" => 1, "trial" => 1 }, row! { "session" => 2, "trial" => 1 }])?;
    ///
    /// assert_eq!(session.restrict("session = 1")?.delete()?, 1);
    /// assert_eq!(trial.len()?, 1);
    /// // A part goes with its master only, unless one says otherwise.
    /// assert!(trial.delete().is_err());
    /// assert_eq!(trial.delete_opts(DeleteOptions { part_integrity: PartIntegrity::Ignore })?, 1);
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    pub fn delete(&self) -> Result<u64> {
        self.delete_opts(DeleteOptions::default())
    }

    /// Like [`Query::delete`], with options.
    ///
    /// # Errors
    /// As [`Query::delete`].
    pub fn delete_opts(&self, options: DeleteOptions) -> Result<u64> {
        self.delete_unless_more(options, None)
    }

    /// Like [`Query::delete_opts`], keeping nothing: for a transaction that will be rolled back.
    pub(crate) fn delete_for_good(&self, options: DeleteOptions) -> Result<u64> {
        self.retrying(|| {
            let plan = self.plan_delete(options)?;
            self.prepare_release(&plan)?;
            self.cascade(&plan, |cascade, connection| cascade.delete(connection, None))
        })
    }

    fn prepare_release(&self, plan: &Plan) -> Result<()> {
        let headings: Vec<&Heading> = plan.nodes.iter().map(|node| &*node.heading).collect();
        self.instance().prepare_release(&headings)
    }

    /// Like [`Query::delete_opts`], if `confirm` agrees to what it is shown: the tables that lose rows, parents first.
    /// Without rows it is not asked.
    ///
    /// Nothing is locked while it makes up its mind; if there is more to delete by then, nothing is deleted.
    ///
    /// # Errors
    /// As [`Query::delete`], and those of `confirm`; `InvalidRequest` if rows were added since it was asked.
    pub fn delete_if(&self, options: DeleteOptions, confirm: impl FnOnce(&[Affected]) -> Result<bool>) -> Result<u64> {
        let shown = self.preview_delete(options)?;
        match !shown.is_empty() && confirm(&shown)? {
            true => self.delete_unless_more(options, Some(&shown)),
            false => Ok(0),
        }
    }

    /// What [`Query::delete_opts`] would delete: the tables that would lose rows, parents first.
    ///
    /// # Errors
    /// As [`Query::delete`].
    pub fn preview_delete(&self, options: DeleteOptions) -> Result<Vec<Affected>> {
        let mut affected = self.retrying(|| {
            let plan = self.plan_delete(options)?;
            self.cascade(&plan, |cascade, connection| cascade.preview(connection))
        })?;
        affected.retain(|table| table.rows > 0);
        Ok(affected)
    }

    /// Deletes these rows by one statement, without regard to others; gives their number.
    ///
    /// # Errors
    /// As [`Query::delete`]; `StillReferenced` if other rows refer to one of these.
    pub fn delete_quick(&self) -> Result<u64> {
        self.refuse_vacuous()?;
        let delete = || {
            let table = self.expression().table_of_rows("delete from")?;
            let instance = self.instance();
            if instance.keeps_deleted() {
                // What goes is told by its keys, which are found once: it is what is kept.
                let plan = Plan::alone(instance, table)?;
                let keeping = instance.keeping(table, &plan.tables())?;
                return self.cascade(&plan, |cascade, connection| cascade.delete(connection, keeping.as_ref()));
            }
            let statement = self.expression().delete(instance.dialect())?;
            let heading = instance.table(table)?.heading().clone();
            let owning = instance.owning(&heading);
            let columns: Vec<String> = owning.iter().map(|owning| owning.column.clone()).collect();
            let rows = match owning.is_empty() {
                true => None,
                false => {
                    instance.prepare_release(&[&heading])?;
                    Some(self.expression().table_columns(instance.dialect(), &columns)?)
                }
            };
            let delete = || {
                let mut is_other = false;
                let outcome = instance.write(Vec::new(), |connection| {
                    let released = match &rows {
                        Some(rows) => instance.release_query(connection, table, &owning, rows)?,
                        None => None,
                    };
                    let deleted = connection.execute(&statement.sql, &statement.parameters)?;
                    is_other = released.is_some_and(|released| released != deleted);
                    if is_other { Err(changed()) } else { Ok(deleted) }
                });
                (outcome, is_other)
            };
            let mut attempt = 1;
            loop {
                match delete() {
                    (Err(_), true) if attempt < ATTEMPTS => attempt += 1,
                    (outcome, _) => return outcome.map_err(|error| refused(error, table)),
                }
            }
        };
        delete().map_err(|error| self.still_referred_to(error))
    }

    /// Deletes, unless there is more to delete than was `shown`.
    fn delete_unless_more(&self, options: DeleteOptions, shown: Option<&[Affected]>) -> Result<u64> {
        self.retrying(|| {
            let plan = self.plan_delete(options)?;
            if shown.is_none() && plan.is_alone() {
                return self.delete_quick();
            }
            let root = &plan.nodes[plan.root].name;
            let keeping = self.instance().keeping(root, &plan.tables())?;
            if keeping.is_none() {
                self.prepare_release(&plan)?;
            }
            self.cascade(&plan, |cascade, connection| {
                if let Some(shown) = shown {
                    cascade.refuse_more_than(shown, connection)?;
                }
                cascade.delete(connection, keeping.as_ref())
            })
        })
    }

    fn plan_delete(&self, options: DeleteOptions) -> Result<Plan> {
        self.refuse_vacuous()?;
        let root = self.expression().table_of_rows("delete from")?;
        self.refuse_part(root, options)?;
        Plan::new(self.instance(), root, options)
    }

    /// Sets aside what a delete reaches, and does something with it, whole or not at all.
    fn cascade<T>(&self, plan: &Plan, work: impl FnOnce(&Cascade<'_>, &mut dyn Connection) -> Result<T>) -> Result<T> {
        let cascade = Cascade::new(self, plan)?;
        self.instance().write(Vec::new(), |connection| {
            cascade.mark(connection)?;
            cascade.check_parts(connection)?;
            let outcome = work(&cascade, connection)?;
            cascade.forget(connection)?;
            Ok(outcome)
        })
    }

    /// Tries again if between setting aside and deleting another process inserted a row that refers to one to delete.
    fn retrying<T>(&self, run: impl Fn() -> Result<T>) -> Result<T> {
        let mut attempt = 1;
        loop {
            match run() {
                Err(error) if error.kind() == ErrorKind::StillReferenced && attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome.map_err(|error| self.still_referred_to(error)),
            }
        }
    }

    pub(crate) fn refuse_vacuous(&self) -> Result<()> {
        if !self.is_vacuous() {
            return Ok(());
        }
        Err(self.locate(
            Error::new(
                ErrorKind::InvalidCondition,
                "none of the names in a condition is an attribute, so it restricts nothing",
            )
            .with_hint(format!("restrict by {}", self.heading().names().collect::<Vec<_>>().join(", "))),
        ))
    }

    fn refuse_part(&self, table: &FullTableName, options: DeleteOptions) -> Result<()> {
        let enforced = options.part_integrity == PartIntegrity::Enforce;
        match master_of(table).filter(|_| enforced).map(|master| self.instance().find_table(&master)).transpose()? {
            Some(Some(_)) => Err(Error::new(
                ErrorKind::InvalidRequest,
                "Cannot delete from a Part directly: its rows are deleted with their master's row",
            )
            .with_hint(
                "delete from the master; to delete from the part alone set `part_integrity` to \"ignore\", to \
                     delete the master's rows too, to \"cascade\"",
            )),
            _ => Ok(()),
        }
    }

    /// Adds to a refusal which tables refer to the one whose rows could not be deleted.
    fn still_referred_to(&self, error: Error) -> Error {
        let stuck = error.context().find(|(key, _)| *key == "table").map(|(_, table)| table.to_owned());
        let (ErrorKind::StillReferenced, Some(stuck)) = (error.kind(), stuck) else { return self.locate(error) };
        let schema = FullTableName::parse(&stuck).map(|table| table.schema);
        let Ok(graph) = schema.and_then(|schema| self.instance().dependencies_below(&schema)) else { return error };
        let keys = graph.foreign_keys().iter().filter(|key| key.key.parent.to_string() == stuck);
        let mut children: Vec<String> = keys.map(|key| format!("`{}`", key.child)).collect();
        children.dedup();
        match children.is_empty() {
            true => error,
            false => error.with_hint(format!(
                "the rows that refer to them are in {}: delete those first; `delete` does so, `delete_quick` does not",
                children.join(", ")
            )),
        }
    }
}

/// A refusal of the database to delete rows of `table`. What it says of tables may be about the others.
fn refused(error: Error, table: &FullTableName) -> Error {
    match error.kind() {
        ErrorKind::Integrity => Error::new(ErrorKind::StillReferenced, "other rows still refer to these")
            .with("table", table)
            .with_source(error),
        _ => error.with("table", table),
    }
}
