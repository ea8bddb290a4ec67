//! A connection to an SQLite file.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lodestore_types::{Error, ErrorKind, Result, Value};
use rusqlite::config::DbConfig;
use rusqlite::{OpenFlags, params_from_iter};

use super::bulk;
use super::column::push;
use super::error::translate;
use super::functions::register;
use super::value::{Bound, read};
use crate::{Answer, Bulk, Column, ColumnSpec, ColumnVisitor, Connection, Refused, RowVisitor, interrupt};

/// After so many steps of the virtual machine a running statement asks whether to stop.
const STEPS_BETWEEN_CHECKS: i32 = 200_000;

/// Columns of more bytes than this are handed over early, where they are handed over in parts at all.
const BATCH_BYTES: usize = 32 << 20;

pub(super) struct SqliteConnection {
    inner: rusqlite::Connection,
    path: PathBuf,
    patience: Duration,
}

thread_local! {
    /// How the statement of this thread waits for a lock: SQLite's busy callback takes a bare function, and a connection
    /// never leaves its thread.
    static WAIT: Cell<Wait> = const { Cell::new(Wait { until: None, patience: Duration::ZERO, stopped: false }) };
}

#[derive(Clone, Copy)]
struct Wait {
    /// Until when; nothing before the statement finds a lock.
    until: Option<Instant>,
    patience: Duration,
    /// The user stopped it.
    stopped: bool,
}

impl SqliteConnection {
    pub(super) fn open(path: &Path, patience: Duration) -> Result<Self> {
        #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
        super::locks::install();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let inner = rusqlite::Connection::open_with_flags(path, flags).map_err(|error| translate(error, path))?;
        let mut connection = SqliteConnection { inner, path: path.to_owned(), patience };
        connection.prepare_session().map_err(|error| translate(error, path))?;
        Ok(connection)
    }

    fn prepare_session(&mut self) -> rusqlite::Result<()> {
        self.start_waiting();
        self.inner.busy_handler(Some(wait_for_lock))?;
        self.inner.progress_handler(STEPS_BETWEEN_CHECKS, Some(interrupt::interrupted))?;
        // An unknown name in double quotes is an error, not a text.
        self.inner.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        self.inner.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        // On a network file system the shared memory of write-ahead logging is not shared.
        let journal = if is_on_network(&self.path) { "DELETE" } else { "WAL" };
        let current: String = self.inner.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if !current.eq_ignore_ascii_case(journal) {
            self.set_journal_mode(journal)?;
        }
        self.inner.pragma_update(None, "synchronous", "FULL")?;
        self.inner.pragma_update(None, "foreign_keys", "ON")?;
        self.inner.pragma_update(None, "temp_store", "MEMORY")?;
        self.inner.pragma_update(None, "cache_size", -65_536)?;
        self.inner.set_prepared_statement_cache_capacity(128);
        register(&self.inner)
    }

    /// The switch needs the file for itself for a moment, and SQLite does not always wait for it.
    fn set_journal_mode(&self, journal: &str) -> rusqlite::Result<()> {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.inner.pragma_update_and_check(None, "journal_mode", journal, |row| row.get::<_, String>(0)) {
                Err(error)
                    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                        && Instant::now() < deadline =>
                {
                    std::thread::sleep(Duration::from_millis(5));
                }
                outcome => return outcome.map(drop),
            }
        }
    }

    fn start_waiting(&self) {
        WAIT.set(Wait { until: None, patience: self.patience, stopped: false });
    }

    fn run(&mut self, sql: &str) -> Result<()> {
        self.start_waiting();
        self.inner.execute_batch(sql).map_err(|error| translate(error, &self.path))
    }
}

/// Called by SQLite each time it finds the file locked; true means: try again.
fn wait_for_lock(_attempt: i32) -> bool {
    let wait = WAIT.get();
    let until = wait.until.unwrap_or_else(|| Instant::now() + wait.patience);
    let stopped = interrupt::interrupted();
    WAIT.set(Wait { until: Some(until), stopped, ..wait });
    if stopped || Instant::now() >= until {
        return false;
    }
    std::thread::sleep(Duration::from_millis(2));
    true
}

/// True if the user stopped this thread's last statement while it waited for a lock, which its error does not say.
pub(super) fn was_stopped() -> bool {
    WAIT.get().stopped
}

/// True for NFS, SMB and their like.
fn is_on_network(path: &Path) -> bool {
    const NETWORK: [u64; 6] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x0bd0_0bd0];
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The magic number's type differs between architectures; the low 32 bits are what counts.
    rustix::fs::statfs(folder).is_ok_and(|found| NETWORK.contains(&(found.f_type as u64 & 0xffff_ffff)))
}

impl Connection for SqliteConnection {
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        self.start_waiting();
        let run = || {
            let mut statement = self.inner.prepare_cached(sql)?;
            if statement.column_count() > 0 {
                // A pragma or a RETURNING clause: its rows do not matter here.
                let mut rows = statement.query(params_from_iter(parameters.iter().map(Bound)))?;
                while rows.next()?.is_some() {}
                return Ok(0);
            }
            statement.execute(params_from_iter(parameters.iter().map(Bound)))
        };
        run().map(|count| count as u64).map_err(|error| translate(error, &self.path))
    }

    fn statement(&mut self, sql: &str, parameters: &[Value]) -> Result<Answer> {
        self.start_waiting();
        let run = || {
            let mut statement = self.inner.prepare(sql)?;
            let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
            if columns.is_empty() {
                let count = statement.execute(params_from_iter(parameters.iter().map(Bound)))? as u64;
                return Ok(Answer { columns, rows: Vec::new(), count });
            }
            let mut found = statement.query(params_from_iter(parameters.iter().map(Bound)))?;
            let mut rows = Vec::new();
            while let Some(row) = found.next()? {
                rows.push((0..columns.len()).map(|index| row.get_ref(index).map(read)).collect::<Result<_, _>>()?);
            }
            let count = rows.len() as u64;
            Ok(Answer { columns, rows, count })
        };
        run().map_err(|error| translate(error, &self.path))
    }

    fn insert(&mut self, bulk: &Bulk<'_>) -> std::result::Result<u64, Refused> {
        self.start_waiting();
        bulk::insert(&self.inner, bulk, &self.path)
    }

    fn query_each(&mut self, sql: &str, parameters: &[Value], visit: &mut RowVisitor<'_>) -> Result<()> {
        self.start_waiting();
        let fail = |error| translate(error, &self.path);
        let mut statement = self.inner.prepare_cached(sql).map_err(fail)?;
        let width = statement.column_count();
        let mut rows = statement.query(params_from_iter(parameters.iter().map(Bound))).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let mut values = Vec::with_capacity(width);
            for index in 0..width {
                values.push(read(row.get_ref(index).map_err(fail)?));
            }
            visit(values)?;
        }
        Ok(())
    }

    fn query_columns(
        &mut self,
        sql: &str,
        parameters: &[Value],
        columns: &[ColumnSpec],
        batch_rows: usize,
        visit: &mut ColumnVisitor<'_>,
    ) -> Result<()> {
        self.start_waiting();
        let fail = |error| translate(error, &self.path);
        let mut statement = self.inner.prepare_cached(sql).map_err(fail)?;
        if statement.column_count() != columns.len() {
            let found = statement.column_count();
            let message = format!("the query gives {found} columns, {} were expected", columns.len());
            return Err(Error::new(ErrorKind::Internal, message));
        }
        let mut rows = statement.query(params_from_iter(parameters.iter().map(Bound))).map_err(fail)?;
        let start = || columns.iter().map(|column| Column::new(column.kind)).collect::<Vec<_>>();
        let (mut batch, mut count, mut bytes) = (start(), 0, 0);
        while let Some(row) = rows.next().map_err(fail)? {
            for (index, (column, spec)) in batch.iter_mut().zip(columns).enumerate() {
                let raw = row.get_ref(index).map_err(fail)?;
                bytes += push(column, raw, spec.kind).map_err(|error| error.with("attribute", &spec.name))?;
            }
            count += 1;
            if count == batch_rows || (bytes > BATCH_BYTES && batch_rows != usize::MAX) {
                if visit(std::mem::replace(&mut batch, start()))?.is_break() {
                    return Ok(());
                }
                (count, bytes) = (0, 0);
            }
        }
        if count > 0 {
            visit(batch)?.is_break();
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        if self.in_transaction() {
            return Err(Error::new(ErrorKind::InvalidRequest, "a transaction is open already")
                .with_hint("end it first: transactions do not nest"));
        }
        self.run("BEGIN IMMEDIATE")
    }

    fn begin_snapshot(&mut self) -> Result<()> {
        if self.in_transaction() {
            return self.begin();
        }
        // Its moment is that of its first statement.
        self.run("BEGIN")
    }

    fn commit(&mut self) -> Result<()> {
        let outcome = self.run("COMMIT");
        if outcome.is_err() && self.in_transaction() {
            self.rollback()?;
        }
        outcome
    }

    fn rollback(&mut self) -> Result<()> {
        if self.in_transaction() { self.run("ROLLBACK") } else { Ok(()) }
    }

    fn in_transaction(&self) -> bool {
        !self.inner.is_autocommit()
    }
}

impl std::fmt::Debug for SqliteConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteConnection({})", self.path.display())
    }
}
