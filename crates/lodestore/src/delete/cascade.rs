//! Setting aside the keys of the rows that go, and deleting them.

use lodestore_db::Connection;
use lodestore_sql::{Dependency, Dialect, Statement};
use lodestore_types::{Error, ErrorKind, Result, Value};

use super::plan::{Guard, Node, Plan};
use super::{Affected, refused};
use crate::undelete::{Keeping, changed};
use crate::{Instance, Query};

/// The rows that depend on some rows.
///
/// The keys of each table's rows lie in a scratch table, except for tables whose rows are told by their parent's. So
/// every row counts once, whatever the number of ways that lead to it.
pub(super) struct Cascade<'a> {
    pub(super) instance: &'a Instance,
    pub(super) plan: &'a Plan,
    dialect: &'a dyn Dialect,
    scratch: Vec<String>,
    seed: Statement,
}

impl<'a> Cascade<'a> {
    pub(super) fn new(query: &'a Query, plan: &'a Plan) -> Result<Self> {
        let dialect = query.instance().dialect();
        let scratch = plan.nodes.iter().enumerate().map(|(at, node)| dialect.scratch(&node.name, at)).collect();
        let seed = query.expression().table_columns(dialect, &plan.nodes[plan.root].columns)?;
        Ok(Cascade { instance: query.instance(), plan, dialect, scratch, seed })
    }

    fn list(&self, columns: &[String]) -> String {
        columns.iter().map(|name| self.dialect.quote(name)).collect::<Vec<_>>().join(", ")
    }

    fn table(&self, node: &Node) -> String {
        self.dialect.table(&node.name)
    }

    /// The condition that a table's row refers by `key` to a row set aside of its parent.
    fn refers(&self, parent: usize, key: &Dependency) -> String {
        let (own, others) = (self.list(&key.key.columns), self.list(&key.key.parent_columns));
        format!("({own}) IN (SELECT {others} FROM {})", self.scratch[parent])
    }

    /// The condition that a row of a table is one of those to delete.
    pub(super) fn is_doomed(&self, at: usize) -> String {
        let node = &self.plan.nodes[at];
        match (&node.incoming[..], node.is_leaf) {
            ([(parent, key)], true) => self.refers(*parent, key),
            _ => {
                let key = self.list(&node.columns[..node.key]);
                format!("({key}) IN (SELECT {key} FROM {})", self.scratch[at])
            }
        }
    }

    /// Sets aside the keys of the rows, and of those that depend on them, until there are no more.
    pub(super) fn mark(&self, connection: &mut dyn Connection) -> Result<()> {
        let nodes = || self.plan.nodes.iter().enumerate().filter(|(_, node)| !node.is_leaf);
        for (at, node) in nodes() {
            for statement in self.dialect.make_scratch(&self.scratch[at], &node.name, &node.columns, node.key) {
                connection.execute(&statement.sql, &statement.parameters)?;
            }
        }
        self.fill(connection, self.plan.root, self.seed.clone())?;
        loop {
            let mut found = 0;
            for (at, node) in nodes() {
                let select = format!("SELECT {} FROM {} WHERE ", self.list(&node.columns), self.table(node));
                for (parent, key) in &node.incoming {
                    found += self.fill(connection, at, bare(select.clone() + &self.refers(*parent, key)))?;
                }
                if let Some((master, way)) = &node.master {
                    let master_node = &self.plan.nodes[*master];
                    let doomed = self.select_up(way, self.is_doomed(at));
                    let sql = format!(
                        "SELECT {} FROM {} WHERE {doomed}",
                        self.list(&master_node.columns),
                        self.table(master_node)
                    );
                    found += self.fill(connection, *master, bare(sql))?;
                }
            }
            if found == 0 || !self.plan.goes_round() {
                return Ok(());
            }
        }
    }

    fn fill(&self, connection: &mut dyn Connection, at: usize, query: Statement) -> Result<u64> {
        let statement = self.dialect.fill_scratch(&self.scratch[at], query);
        connection.execute(&statement.sql, &statement.parameters)
    }

    /// The condition on the rows at the upper end of a way of foreign keys that rows at its lower end, of which
    /// `condition` holds, lead to them.
    fn select_up(&self, way: &[Dependency], condition: String) -> String {
        way.iter().fold(condition, |condition, key| {
            format!(
                "({}) IN (SELECT {} FROM {} WHERE {condition})",
                self.list(&key.key.parent_columns),
                self.list(&key.key.columns),
                self.dialect.table(&key.child)
            )
        })
    }

    /// The condition on the rows at the lower end of a way that they lead to rows at its upper end of which
    /// `condition` holds.
    fn select_down(&self, way: &[Dependency], condition: String) -> String {
        way.iter().rev().fold(condition, |condition, key| {
            format!(
                "({}) IN (SELECT {} FROM {} WHERE {condition})",
                self.list(&key.key.columns),
                self.list(&key.key.parent_columns),
                self.dialect.table(&key.key.parent)
            )
        })
    }

    /// Refuses to delete rows of parts whose master's row stays.
    pub(super) fn check_parts(&self, connection: &mut dyn Connection) -> Result<()> {
        for (at, node) in self.plan.nodes.iter().enumerate() {
            let orphans = match &node.guard {
                None => 0,
                Some(Guard::Never) => self.count(connection, at)?,
                Some(Guard::WithAny(master)) if self.count(connection, *master)? > 0 => 0,
                Some(Guard::WithAny(_)) => self.count(connection, at)?,
                Some(Guard::With(master, way)) => {
                    // Asked this way round, only rows of masters that go are looked through, and not all that stay.
                    let goes = self.select_down(way, self.is_doomed(*master));
                    let refers = way.first().into_iter().flat_map(|key| &key.key.columns);
                    let refers: String =
                        refers.map(|name| format!(" AND {} IS NOT NULL", self.dialect.quote(name))).collect();
                    self.count_where(connection, node, &format!("{} AND NOT ({goes}){refers}", self.is_doomed(at)))?
                }
            };
            if orphans > 0 {
                return Err(orphaned(node, orphans));
            }
        }
        Ok(())
    }

    /// The number of rows to delete from a table.
    pub(super) fn count(&self, connection: &mut dyn Connection, at: usize) -> Result<u64> {
        let node = &self.plan.nodes[at];
        match node.is_leaf {
            true => self.count_where(connection, node, &self.is_doomed(at)),
            false => number(connection, &format!("SELECT count(*) FROM {}", self.scratch[at])),
        }
    }

    fn count_where(&self, connection: &mut dyn Connection, node: &Node, condition: &str) -> Result<u64> {
        number(connection, &format!("SELECT count(*) FROM {} WHERE {condition}", self.table(node)))
    }

    /// Refuses if there is more to delete than was shown.
    pub(super) fn refuse_more_than(&self, shown: &[Affected], connection: &mut dyn Connection) -> Result<()> {
        for (at, node) in self.plan.nodes.iter().enumerate() {
            let rows = self.count(connection, at)?;
            let agreed = shown.iter().find(|table| table.table == node.name).map_or(0, |table| table.rows);
            if rows > agreed {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!("there are {rows} rows to delete now where {agreed} were shown: nothing was deleted"),
                )
                .with("table", &node.name)
                .with_hint("another process has added rows since; delete again to see them"));
            }
        }
        Ok(())
    }

    /// Deletes the rows, children first; gives the number of those of the table that was asked for.
    ///
    /// First the rows are kept, where that is wanted, or else the objects that they own are released.
    pub(super) fn delete(&self, connection: &mut dyn Connection, keeping: Option<&Keeping>) -> Result<u64> {
        let mut kept = Vec::new();
        for (at, node) in self.plan.nodes.iter().enumerate() {
            match keeping {
                Some(keeping) => kept.push(Some(keeping.keep(self.instance, connection, at, &self.is_doomed(at))?)),
                None => kept.push(self.instance.release_where(connection, &node.heading, &self.is_doomed(at))?),
            }
        }
        self.untie(connection)?;
        let mut deleted = 0;
        for (at, node) in self.plan.nodes.iter().enumerate().rev() {
            let key = &node.columns[..node.key];
            let statement = match (&node.incoming[..], node.is_leaf) {
                ([(parent, edge)], true) => self.dialect.delete_by_scratch(
                    &node.name,
                    &edge.key.columns,
                    &self.scratch[*parent],
                    &edge.key.parent_columns,
                ),
                _ => self.dialect.delete_by_scratch(&node.name, key, &self.scratch[at], key),
            };
            let rows = connection
                .execute(&statement.sql, &statement.parameters)
                .map_err(|error| refused(error, &node.name))?;
            if kept[at].is_some_and(|kept| kept != rows) {
                return Err(changed());
            }
            if at == self.plan.root {
                deleted = rows;
            }
        }
        if let Some(keeping) = keeping {
            let kept: Vec<u64> = kept.into_iter().flatten().collect();
            keeping.list(self.instance, connection, &kept)?;
        }
        Ok(deleted)
    }

    /// Breaks circles of rows that refer to each other, which the database would not delete in any order. All rows
    /// involved are about to be deleted.
    fn untie(&self, connection: &mut dyn Connection) -> Result<()> {
        for key in &self.plan.untied {
            let Some(at) = self.plan.nodes.iter().position(|node| node.name == key.child) else { continue };
            let node = &self.plan.nodes[at];
            let clear: Vec<String> =
                node.clearable(key).map(|name| format!("{} = NULL", self.dialect.quote(name))).collect();
            if !clear.is_empty() {
                let sql = format!("UPDATE {} SET {} WHERE {}", self.table(node), clear.join(", "), self.is_doomed(at));
                connection.execute(&sql, &[]).map_err(|error| error.with("table", &node.name))?;
            }
        }
        Ok(())
    }

    /// Drops what was set aside.
    pub(super) fn forget(&self, connection: &mut dyn Connection) -> Result<()> {
        for (at, node) in self.plan.nodes.iter().enumerate() {
            if !node.is_leaf {
                let statement = self.dialect.drop_scratch(&self.scratch[at]);
                connection.execute(&statement.sql, &statement.parameters)?;
            }
        }
        Ok(())
    }
}

fn orphaned(part: &Node, rows: u64) -> Error {
    let master =
        part.name.table.master().map_or_else(String::new, |master| format!(" `{}.{master}`", part.name.schema));
    Error::new(
        ErrorKind::InvalidRequest,
        format!("Attempt to delete {rows} rows of a part before its master{master}: their rows there would remain"),
    )
    .with("table", &part.name)
    .with_hint(
        "delete from the master first; or set `part_integrity` to \"cascade\" to delete the master's rows too, to \
         \"ignore\" to leave them without these parts",
    )
}

fn bare(sql: String) -> Statement {
    Statement { sql, parameters: Vec::new() }
}

fn number(connection: &mut dyn Connection, sql: &str) -> Result<u64> {
    match connection.query(sql, &[])?.first().and_then(|row| row.first()) {
        Some(Value::Int(count)) => Ok(*count as u64),
        other => Err(Error::new(ErrorKind::Internal, format!("the database counted {other:?}"))),
    }
}
