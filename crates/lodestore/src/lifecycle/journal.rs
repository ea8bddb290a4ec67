//! The journal of a schema: opening it, and the statements that are sent.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lodestore_codec::path::Spelling;
use lodestore_db::{Connection, Pool};
use lodestore_sql::journal::{JOURNAL_FORMAT, Journal};
use lodestore_sql::{Heading, Statement};
use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName, Uuid};

use super::claim::Claims;
use super::files::IntentFolder;
use super::renew::Renewals;
use crate::Instance;
use crate::instance::run_all;

/// What an instance knows of the journals of its schemas.
pub(crate) struct Lifecycle {
    /// Connections beside those of the threads' transactions.
    outside: Pool,
    /// Where intents lie in files.
    pub(super) folder: Option<IntentFolder>,
    pub(super) renewals: Renewals,
    pub(super) claims: Claims,
    /// The places that journals are known to remember: schema, URL of the store, prefixes.
    pub(super) noted: Mutex<HashSet<(SchemaName, String, super::object::Prefixes)>>,
    /// How stores tell names apart, by URL.
    pub(super) spellings: Mutex<HashMap<String, Spelling>>,
    /// The identities of schemas whose journals are known to be there.
    opened: Mutex<HashMap<SchemaName, Arc<str>>>,
    /// The schemas whose journals were made in a transaction that may still be open.
    tentative: Mutex<HashSet<SchemaName>>,
    /// The schemas that were looked through for what others left.
    pub(super) recovered: Mutex<Vec<SchemaName>>,
    /// Intents that could not be given up when that was due.
    pub(super) late: Mutex<Vec<Arc<super::Intent>>>,
}

impl Lifecycle {
    /// `pool` is that of the threads' own connections; `folder` is where intents are kept in files, if they are.
    pub(crate) fn new(pool: &Pool, folder: Option<PathBuf>) -> Self {
        Lifecycle {
            outside: pool.twin(),
            folder: folder.map(IntentFolder::new),
            renewals: Renewals::default(),
            claims: Claims::default(),
            noted: Mutex::default(),
            spellings: Mutex::default(),
            opened: Mutex::default(),
            tentative: Mutex::default(),
            recovered: Mutex::default(),
            late: Mutex::default(),
        }
    }

    /// Forgets what it knows of a schema that was dropped.
    pub(crate) fn forget(&self, schema: &SchemaName) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).remove(schema);
        self.claims.forget(schema);
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _, _)| known != schema);
    }

    /// Runs `work` on the connection beside this thread's own, where it sees what others have committed.
    pub(super) fn beside<T>(&self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        self.outside.with(work)
    }

    /// Closes the connection beside this thread's own.
    pub(crate) fn close(&self) {
        self.outside.close();
    }
}

impl Instance {
    pub(crate) fn journal<'a>(&'a self, schema: &'a SchemaName) -> Journal<'a> {
        Journal::new(self.dialect(), schema)
    }

    /// Runs `work` on a connection on which each statement is committed by itself, also while this thread has a
    /// transaction open; except where that would wait for the transaction itself (SQLite): there it runs inside.
    pub(crate) fn outside<T>(&self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        match self.in_transaction() && self.lifecycle().folder.is_none() {
            true => self.lifecycle().outside.with(work),
            false => self.with_connection(work),
        }
    }

    /// Makes the journal of a schema if it is not there; gives the identity of the schema, which is none as long as it
    /// is not certain to stay.
    ///
    /// # Errors
    /// `Unsupported` for a journal of a newer format; `Access` for a user who may not make tables; the database's.
    pub(crate) fn open_journal(&self, schema: &SchemaName) -> Result<Option<Arc<str>>> {
        if let Some(identity) = self.identity(schema) {
            return Ok(Some(identity));
        }
        let inside = self.in_transaction() && self.lifecycle().folder.is_some();
        let mut tentative = self.lifecycle().tentative.lock().unwrap_or_else(PoisonError::into_inner);
        if !inside {
            tentative.remove(schema);
        }
        let found = match self.read_journal(schema)? {
            Some(found) => Some(found),
            None => {
                if inside {
                    tentative.insert(schema.clone());
                }
                let statements = self.journal(schema).create(&Uuid::new_v4().simple().to_string())?;
                let make = || {
                    if let Some(found) = self.read_journal(schema)? {
                        return Ok(Some(found));
                    }
                    let made = self.outside(|connection| run_all(connection, &statements));
                    // Another program may have made it at the same moment.
                    match self.read_journal(schema)? {
                        None => made.map(|()| None),
                        found => Ok(found),
                    }
                };
                self.making(schema, make).map_err(|error| unwritable(error).with("schema", schema))?
            }
        };
        let Some(identity) = found else {
            return Err(Error::new(ErrorKind::Internal, "the journal was made and is not there").with("schema", schema));
        };
        // Made in a transaction, it may yet vanish.
        if tentative.contains(schema) {
            return Ok(None);
        }
        let mut opened = self.lifecycle().opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.insert(schema.clone(), identity.clone());
        Ok(Some(identity))
    }

    /// The identity of a schema, if it has a journal.
    ///
    /// # Errors
    /// As [`Instance::open_journal`].
    pub(crate) fn known_identity(&self, schema: &SchemaName) -> Result<Option<Arc<str>>> {
        match self.identity(schema) {
            Some(identity) => Ok(Some(identity)),
            None => self.read_journal(schema),
        }
    }

    fn identity(&self, schema: &SchemaName) -> Option<Arc<str>> {
        self.lifecycle().opened.lock().unwrap_or_else(PoisonError::into_inner).get(schema).cloned()
    }

    /// True if a schema has a journal.
    ///
    /// # Errors
    /// As [`Instance::open_journal`].
    pub(super) fn has_journal(&self, schema: &SchemaName) -> Result<bool> {
        Ok(self.known_identity(schema)?.is_some())
    }

    /// The identity that the journal of a schema tells, if there is one.
    fn read_journal(&self, schema: &SchemaName) -> Result<Option<Arc<str>>> {
        let journal = self.journal(schema);
        let ask =
            |statement: &Statement| self.outside(|connection| connection.query(&statement.sql, &statement.parameters));
        if ask(&self.dialect().table_exists(&journal.name("~lifecycle")?))?.is_empty() {
            return Ok(None);
        }
        let rows = ask(&journal.properties()?)?;
        let told = |name: &str| {
            rows.iter().find(|row| row[0].as_str() == Some(name)).and_then(|row| row[1].as_str().map(str::to_owned))
        };
        // A program that was killed while it made the tables; they are completed.
        let (Some(format), Some(identity)) = (told("format"), told("identity")) else { return Ok(None) };
        match format.parse::<i64>() {
            Ok(format) if format <= JOURNAL_FORMAT => Ok(Some(identity.into())),
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                format!("the journal of objects has format {format}; this version of Lodestore knows {JOURNAL_FORMAT}"),
            )
            .with("schema", schema)
            .with_hint("install a newer Lodestore")),
        }
    }

    /// The attributes of a table whose values own objects.
    pub(crate) fn owning(&self, heading: &Heading) -> Vec<super::Owning> {
        heading.visible().filter_map(|attribute| super::Owning::of(self, attribute)).collect()
    }

    /// Sees to it that the objects of rows of these tables can be released.
    ///
    /// # Errors
    /// As [`Instance::open_journal`].
    pub(crate) fn prepare_release(&self, headings: &[&Heading]) -> Result<()> {
        for heading in headings {
            let schema = heading.table.as_ref().map(|table| &table.schema);
            if let Some(schema) = schema.filter(|_| !self.owning(heading).is_empty()) {
                self.open_journal(schema)?;
            }
        }
        Ok(())
    }

    /// Releases the objects that the rows of a table name of which `condition` holds. Called in the transaction in which
    /// they go, after [`Instance::prepare_release`].
    ///
    /// Gives their number, if only these rows were released and kept from others: where more go, another program has added
    /// some meanwhile.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn release_where(
        &self,
        connection: &mut dyn Connection,
        heading: &Heading,
        condition: &str,
    ) -> Result<Option<u64>> {
        let Some(table) = &heading.table else { return Ok(None) };
        let source = self.dialect().table(table);
        let rows = Statement { sql: format!("SELECT 1 FROM {source} WHERE ({condition})"), parameters: Vec::new() };
        self.release(connection, table, &self.owning(heading), &rows, &source, condition)
    }

    /// Releases the objects of all rows of a table, to which nobody else adds any before the transaction ends.
    ///
    /// # Errors
    /// As [`Instance::release_where`].
    pub(crate) fn release_all(&self, connection: &mut dyn Connection, heading: &Heading) -> Result<()> {
        let owns = !self.owning(heading).is_empty();
        if let Some(lock) = heading.table.as_ref().filter(|_| owns).and_then(|table| self.dialect().lock_rows_of(table))
        {
            connection.execute(&lock, &[])?;
        }
        self.release_where(connection, heading, "1 = 1").map(drop)
    }

    /// Like [`Instance::release_where`], for the rows of a query.
    ///
    /// # Errors
    /// As [`Instance::release_where`].
    pub(crate) fn release_query(
        &self,
        connection: &mut dyn Connection,
        table: &FullTableName,
        owning: &[super::Owning],
        query: &Statement,
    ) -> Result<Option<u64>> {
        let source = format!("({}) {}", query.sql, self.dialect().quote("$0"));
        self.release(connection, table, owning, query, &source, "1 = 1")
    }

    fn release(
        &self,
        connection: &mut dyn Connection,
        table: &FullTableName,
        owning: &[super::Owning],
        rows: &Statement,
        source: &str,
        condition: &str,
    ) -> Result<Option<u64>> {
        let journal = self.journal(&table.schema);
        let lock = journal.lock_rows(&rows.sql).filter(|_| !owning.is_empty());
        let locked = match lock {
            Some(lock) => connection.query(&lock, &rows.parameters)?.first().and_then(|row| row[0].as_i64()),
            None => None,
        };
        let mut released = 0;
        for owning in owning {
            let text = journal.release_where(&owning.column, owning.owned, source, condition)?;
            released += connection.execute(&text, &rows.parameters)?;
        }
        if released > 0 {
            self.note_released(&table.schema);
        }
        Ok(locked.and_then(|locked| u64::try_from(locked).ok()))
    }
}

fn unwritable(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Access => Error::new(ErrorKind::Access, "the journal of objects cannot be made in this schema")
            .with_hint("let a user who may create tables open the schema and insert an object once")
            .with_source(error),
        _ => error,
    }
}
