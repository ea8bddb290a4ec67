//! Keeping: rows that are deleted are moved aside, in the transaction of the delete.

use std::sync::Arc;

use lodestore_db::Connection;
use lodestore_sql::deletions::KEPT;
use lodestore_sql::{Deletions, Heading, KeptRows, Statement};
use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName, TableName, Uuid};

use super::content::{Content, Part};
use crate::Instance;
use crate::graph::Graph;
use crate::instance::run_all;
use crate::references::fingerprint;

/// The characters of a table's name that are part of the name of the table that keeps its rows.
const READABLE: usize = 30;

/// What the transaction that is open has deleted and kept so far.
#[derive(Debug, Clone)]
pub(crate) struct KeptSoFar {
    id: String,
    content: Content,
}

/// A deletion that is about to be kept.
pub(crate) struct Keeping {
    id: String,
    /// The deletes of the same transaction before, which can only be undone with this one, and what refers to what.
    before: Option<(Arc<KeptSoFar>, Graph)>,
    seconds: i64,
    root: FullTableName,
    tables: Vec<Target>,
}

/// Where rows of a table go.
struct Target {
    table: FullTableName,
    kept: FullTableName,
    columns: Vec<String>,
    key: Vec<String>,
    shape: String,
    late: Vec<String>,
}

impl Instance {
    /// True if deletes are to be kept.
    pub(crate) fn keeps_deleted(&self) -> bool {
        self.config().get_int("gc.undelete") > 0
    }

    /// Prepares to keep what a delete takes from some tables, parents first, each with the attributes that are to be put
    /// back late; `None` if nothing is to be kept. Called before the delete's transaction: what it makes ends transactions
    /// on MySQL.
    ///
    /// # Errors
    /// `Access` for a user who may not make tables; the database's.
    pub(crate) fn keeping(
        &self,
        root: &FullTableName,
        tables: &[(&FullTableName, Vec<String>)],
    ) -> Result<Option<Keeping>> {
        let seconds = self.config().get_int("gc.undelete");
        // Jobs and their like are no data.
        if !self.keeps_deleted() || root.table.as_str().starts_with('~') {
            return Ok(None);
        }
        let mut targets = Vec::with_capacity(tables.len());
        for (table, late) in tables {
            targets.push(self.target(table, late.clone()).map_err(|error| error.with("table", table))?);
        }
        let before = self.kept_so_far().map_or(Ok(None), |before| match self.meets_again(&before, &targets) {
            Ok(false) => Ok(Some((before, self.dependencies()?))),
            Ok(true) => Ok(None),
            Err(error) => Err(error),
        })?;
        let id = match &before {
            Some((before, _)) => before.id.clone(),
            None => Uuid::new_v4().simple().to_string()[..16].to_owned(),
        };
        Ok(Some(Keeping { id, before, seconds, root: root.clone(), tables: targets }))
    }

    /// True if a table has a row again that this transaction has deleted: both cannot come back together.
    fn meets_again(&self, before: &KeptSoFar, targets: &[Target]) -> Result<bool> {
        let dialect = self.dialect();
        for target in targets.iter().filter(|target| before.content.tables.iter().any(|part| part.kept == target.kept))
        {
            let rows = KeptRows { dialect, table: &target.table, kept: &target.kept, deletion: &before.id };
            if !self.query(&Statement { sql: rows.taken(&target.key), parameters: Vec::new() })?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn target(&self, table: &FullTableName, late: Vec<String>) -> Result<Target> {
        let heading = self.outside(|connection| self.heading_now(connection, table))?;
        let heading = heading
            .ok_or_else(|| Error::new(ErrorKind::MissingTable, format!("the table `{table}` is not defined")))?;
        let shape = shape_of(&heading);
        let kept = kept_name(table, &shape)?;
        self.open_deletions(&table.schema)?;
        if self.outside(|connection| missing(self, connection, &kept))? {
            let statements = self.dialect().keep_table(&kept, &heading)?;
            let made = self.outside(|connection| whole(connection, &statements));
            // Another program may have made it at the same moment.
            if let Err(error) = made
                && self.outside(|connection| missing(self, connection, &kept))?
            {
                return Err(unwritable(error));
            }
        }
        let columns = heading.attributes.iter().map(|attribute| attribute.name.clone()).collect();
        let key = heading.full_primary_key().map(|attribute| attribute.name.clone()).collect();
        Ok(Target { table: table.clone(), kept, columns, key, shape, late })
    }

    /// Makes the list of deletions of a schema if it is not there.
    fn open_deletions(&self, schema: &SchemaName) -> Result<()> {
        self.open_journal(schema)?;
        if !self.has_deletions(schema)? {
            let deletions = self.deletions_of(schema);
            // Whoever does not know what is kept must not collect any more.
            let statements = [self.journal(schema).raise_format()?, deletions.create()?];
            let made = self.outside(|connection| run_all(connection, &statements));
            if let Err(error) = made
                && !self.has_deletions(schema)?
            {
                return Err(unwritable(error));
            }
        }
        Ok(())
    }

    pub(super) fn deletions_of<'a>(&'a self, schema: &'a SchemaName) -> Deletions<'a> {
        Deletions::new(self.dialect(), schema)
    }

    /// True if there is a list of deletions.
    pub(super) fn has_deletions(&self, schema: &SchemaName) -> Result<bool> {
        let list = self.deletions_of(schema).name()?;
        self.outside(|connection| missing(self, connection, &list)).map(|missing| !missing)
    }

    /// The heading of a table as this connection sees it at this moment.
    pub(super) fn heading_now(
        &self,
        connection: &mut dyn Connection,
        table: &FullTableName,
    ) -> Result<Option<Arc<Heading>>> {
        let mut results = Vec::new();
        for statement in self.dialect().heading_queries(table) {
            results.push(match connection.query(&statement.sql, &statement.parameters) {
                Err(error) if error.kind() == ErrorKind::MissingTable && !results.is_empty() => Vec::new(),
                rows => rows?,
            });
            if results[0].is_empty() {
                return Ok(None);
            }
        }
        let heading = self.dialect().read_heading(table, &results, &|codec| self.codec_core(codec))?;
        Ok(heading.map(Arc::new))
    }
}

impl Keeping {
    /// Keeps the rows of the table at this place in the list of which `condition` holds; gives their number. Called in the
    /// transaction in which they go, before.
    ///
    /// # Errors
    /// `StillReferenced` if the table is not as it was; the database's.
    pub(crate) fn keep(
        &self,
        instance: &Instance,
        connection: &mut dyn Connection,
        at: usize,
        condition: &str,
    ) -> Result<u64> {
        let target = &self.tables[at];
        let in_table = |error: Error| error.with("table", &target.table);
        let (dialect, deletion) = (instance.dialect(), self.id.as_str());
        let rows = KeptRows { dialect, table: &target.table, kept: &target.kept, deletion };
        let sql = rows.keep(&target.columns, &dialect.table(&target.table), condition);
        let kept = connection.execute(&sql, &[]).map_err(in_table)?;
        // From here on nobody else can change what the table looks like.
        let shape = instance.heading_now(connection, &target.table)?.map(|heading| shape_of(&heading));
        match kept == 0 || shape.as_ref() == Some(&target.shape) {
            true => Ok(kept),
            false => Err(in_table(changed())),
        }
    }

    /// Lists the deletion, which took so many rows from each table. One that took none is none.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn list(&self, instance: &Instance, connection: &mut dyn Connection, rows: &[u64]) -> Result<()> {
        let parts = self.tables.iter().zip(rows).filter(|(_, rows)| **rows > 0).map(|(target, rows)| Part {
            table: target.table.clone(),
            kept: target.kept.clone(),
            shape: target.shape.clone(),
            rows: *rows,
            late: target.late.clone(),
        });
        let mut content = Content { root: self.root.clone(), tables: parts.collect() };
        if content.tables.is_empty() {
            return Ok(());
        }
        let mut listed = Vec::new();
        if let Some((before, graph)) = &self.before {
            let later = std::mem::replace(&mut content, before.content.clone());
            listed = before.content.schemas();
            content.add(&later, graph);
        }
        for schema in content.schemas() {
            let (deletions, text) = (instance.deletions_of(schema), content.to_text());
            let list = match listed.contains(&schema) {
                true => deletions.change(&self.id, text)?,
                false => deletions.add(&self.id, self.seconds, &crate::jobs::user(), text)?,
            };
            connection.execute(&list.sql, &list.parameters)?;
            // Whoever deletes looks after what has expired.
            instance.note_released(schema);
        }
        instance.keep_so_far(Some(Arc::new(KeptSoFar { id: self.id.clone(), content })));
        Ok(())
    }
}

/// Rows or columns came, went or changed between two steps of a delete: it is tried again.
pub(crate) fn changed() -> Error {
    Error::new(ErrorKind::StillReferenced, "other programs changed the table while its rows were being deleted")
        .with_hint("nothing was deleted: delete again")
}

/// What the columns of a table are called and of which types they are, in brief.
pub(super) fn shape_of(heading: &Heading) -> String {
    let columns = heading.attributes.iter();
    let told: Vec<&str> = columns.flat_map(|column| [column.name.as_str(), column.kind.declared.as_str()]).collect();
    format!("{:032x}", fingerprint(&told))[..8].to_owned()
}

/// How the names of all tables begin that keep rows of a table.
pub(super) fn kept_prefix(table: &FullTableName) -> String {
    let number = format!("{:032x}", fingerprint(&[table.schema.as_str(), table.table.as_str()]));
    format!("{KEPT}{}", &number[..10])
}

fn kept_name(table: &FullTableName, shape: &str) -> Result<FullTableName> {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let readable: String = table.table.as_str().chars().filter(is_plain).take(READABLE).collect();
    let name = format!("{}{shape}_{readable}", kept_prefix(table));
    Ok(FullTableName { schema: table.schema.clone(), table: TableName::existing(name)? })
}

fn missing(instance: &Instance, connection: &mut dyn Connection, table: &FullTableName) -> Result<bool> {
    let ask = instance.dialect().table_exists(table);
    Ok(connection.query(&ask.sql, &ask.parameters)?.is_empty())
}

/// Runs statements in one transaction: a table without its marked columns would lose the objects of its rows.
pub(crate) fn whole(connection: &mut dyn Connection, statements: &[Statement]) -> Result<()> {
    if connection.in_transaction() {
        return run_all(connection, statements);
    }
    connection.begin()?;
    match run_all(connection, statements) {
        Ok(()) => connection.commit(),
        Err(error) => {
            connection.rollback()?;
            Err(error)
        }
    }
}

fn unwritable(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Access => {
            Error::new(ErrorKind::Access, "the tables that keep deleted rows cannot be made in this schema")
                .with_hint("let a user who may create tables delete here once, or set `gc.undelete` to 0")
                .with_source(error)
        }
        _ => error,
    }
}
