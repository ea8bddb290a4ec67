//! Undelete: for some time after a delete, its rows, parts and objects can come back together.
//!
//! The setting `gc.undelete` says for how many seconds; 0, the default, keeps nothing. A delete then moves its rows into
//! hidden tables of the same schemas, in its own transaction and by a statement for each table ([`keep`]); undelete moves
//! them back ([`restore`]); and whoever next collects in the schema after the time is over deletes them ([`expire`]).
//!
//! # What is written down
//!
//! | table | columns | what it holds |
//! |---|---|---|
//! | `~deletions` | `id`, `deletion`, `since`, `expires`, `who`, `content` | one row for each deletion that took rows of the schema; all schemas of a deletion have the same `deletion` and `content` |
//! | `~deleted_{table and shape}_{name}` | `~deletion`, and those of the table | the rows, as the table stored them |
//!
//! All deletes of one transaction are one deletion: half of what it took may contradict the other half. But if a row that it
//! deleted came again and is deleted again, what follows is a deletion of its own.
//!
//! A table that keeps rows has neither keys nor defaults of its own. Its name tells the table and the *shape* (names and
//! types of the columns) by hashes: after an alteration rows go into another one, and those of the former shape stay
//! until they expire, or come back if the table gets its shape again. Such a table stays when it is empty: whether
//! another program is about to use it is not to be known. It goes when its table or schema is dropped.
//!
//! # Objects
//!
//! Columns that name objects are marked as those of visible tables are, so kept rows own their objects like all
//! others: nothing is released before they expire, and the protocol of the lifecycle knows no difference. A row that moves
//! is named throughout, because collectors read all references as of one moment. When a deletion expires, the objects of
//! its rows are released in the transaction in which the rows go.
//!
//! # What two programs cannot both do
//!
//! Whoever strikes a deletion from `~deletions` has its rows, undelete or expiry, and only if by the database's clock it
//! has not expired, or has. A row that is changed or added while it is deleted makes the delete begin anew. What a table
//! looks like is read when its rows are locked, so that no column is forgotten that another program has just added.

mod content;
mod expire;
mod keep;
mod restore;

use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName, Timestamp};

use crate::{Instance, Schema, Table};
use content::Content;
pub(crate) use keep::{Keeping, KeptSoFar, changed, whole};

/// A deletion that can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// By which it is called.
    pub id: String,
    /// When it happened, by the database's clock.
    pub at: Timestamp,
    /// Until when it can be undone.
    pub until: Timestamp,
    /// Who ran the program.
    pub user: String,
    /// The table whose rows were to be deleted.
    pub table: FullTableName,
    /// How many rows went from each table, parents first.
    pub rows: Vec<(FullTableName, u64)>,
}

/// A row of the list.
struct Listed {
    id: String,
    since: i64,
    expires: i64,
    who: String,
    content: Content,
    expired: bool,
}

impl Schema {
    /// The deletions that took rows of this schema and can be undone, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub fn deletions(&self) -> Result<Vec<Deletion>> {
        self.instance().deletions(self.schema_name(), None)
    }

    /// Brings back what a deletion took, from all tables and schemas: the one of this name, or else the newest that took
    /// rows of this schema. All of it comes back, or nothing; gives how many rows of each table, parents first.
    ///
    /// # Errors
    /// `InvalidRequest` if there is no such deletion, if it has expired, or if a table has been altered or dropped since;
    /// `Duplicate` if a row has the same key by now; `MissingParent` if a row that one refers to is gone; the database's.
    ///
    /// ```
    /// use lodestore::{Instance, NdArray, Tier, row};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let project = Instance::embedded(folder.path())?;
    /// # let lab = project.schema("lab")?;
    /// project.configure(|config| config.set("gc.undelete", 86_400.into()))?;
    /// let session = lab.declare("Session", Tier::Manual, "session : int32\n---\ntrace : <npy@>")?;
    /// session.insert([row! { "session" => 1, "trace" => NdArray::from_f64(&[1.0]) }])?;
    ///
    /// session.delete()?;
    /// assert_eq!(lab.deletions()?[0].rows[0].1, 1);
    /// lab.undelete(None)?;
    /// assert_eq!(session.len()?, 1);
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    pub fn undelete(&self, deletion: Option<&str>) -> Result<Vec<(FullTableName, u64)>> {
        self.instance().undelete(self.schema_name(), None, deletion)
    }
}

impl Table {
    /// The deletions that took rows of this table and can be undone, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub fn deletions(&self) -> Result<Vec<Deletion>> {
        self.instance().deletions(&self.name().schema, Some(self.name()))
    }

    /// Like [`Schema::undelete`], without a name for the newest deletion that took rows of this table.
    ///
    /// # Errors
    /// As [`Schema::undelete`].
    pub fn undelete(&self, deletion: Option<&str>) -> Result<Vec<(FullTableName, u64)>> {
        let undone = self.instance().undelete(&self.name().schema, Some(self.name()), deletion);
        undone.map_err(|error| error.with("table", self.name()))
    }
}

impl Instance {
    fn deletions(&self, schema: &SchemaName, table: Option<&FullTableName>) -> Result<Vec<Deletion>> {
        let mut found = Vec::new();
        for listed in self.listed(schema)? {
            let Listed { id, since, expires, who, content, expired } = listed;
            if expired || table.is_some_and(|table| !content.has(table)) || !self.is_whole(&content)? {
                continue;
            }
            let moment = |seconds| Timestamp::from_second(seconds).map_err(|_| strange());
            let rows = content.tables.iter().map(|part| (part.table.clone(), part.rows)).collect();
            found.push(Deletion {
                id,
                at: moment(since)?,
                until: moment(expires)?,
                user: who,
                table: content.root,
                rows,
            });
        }
        Ok(found)
    }

    /// The list of a schema, the newest first.
    fn listed(&self, schema: &SchemaName) -> Result<Vec<Listed>> {
        if !self.has_deletions(schema)? {
            return Ok(Vec::new());
        }
        let rows = self.query(&self.deletions_of(schema).list()?)?;
        rows.iter()
            .map(|row| match (&row[0].as_str(), row[1].as_i64(), row[2].as_i64(), row[3].as_str(), row[4].as_str()) {
                (Some(id), Some(since), Some(expires), Some(who), Some(content)) => Ok(Listed {
                    id: (*id).to_owned(),
                    since,
                    expires,
                    who: who.to_owned(),
                    content: Content::from_text(content)?,
                    expired: row[5].as_i64() != Some(0),
                }),
                _ => Err(strange()),
            })
            .collect()
    }
}

fn strange() -> Error {
    Error::new(ErrorKind::Corrupt, "the list of deletions holds what no such list holds")
        .with_hint("a newer Lodestore may understand it")
}
