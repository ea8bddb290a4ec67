//! A connection to a server: statements, and one transaction at a time.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as Failure, MySqlError, Params, QueryResult, Value as Raw, prelude::Protocol};
use lodestore_types::{Error, ErrorKind, Result, Value};

use super::bulk;
use super::column::push;
use super::error::{ends_transaction, is_lost, translate, unique_conflict};
use super::transaction::{Transaction, is_definition};
use super::value::{Meta, bind, read};
use super::worker::{Parts, Trouble, Worker, stopped};
use crate::server::{lost_in_commit, lost_in_transaction};
use crate::{Answer, Bulk, Column, ColumnSpec, ColumnVisitor, Connection, Refused, RowVisitor, ServerConfig};

/// A connection that was idle for longer is asked whether it still lives before a statement is trusted to it.
const IDLE: Duration = Duration::from_secs(30);
/// The same before a statement that cannot be sent again if the connection turns out to be lost.
const IDLE_BEFORE_CHANGES: Duration = Duration::from_millis(500);
/// Rows that are handed over one by one come from the other thread in bundles of so many.
const BUNDLE: usize = 256;
/// Columns of more bytes than this are handed over early, where they are handed over in parts at all.
const BATCH_BYTES: usize = 32 << 20;

pub(super) struct MysqlConnection {
    config: Arc<ServerConfig>,
    worker: Option<Worker>,
    transaction: Transaction,
    used: Instant,
}

/// The server's number for "this statement cannot be prepared".
const NOT_PREPARABLE: u16 = 1295;

/// The server's number for "this packet is too large".
const PACKET_TOO_LARGE: u16 = 1153;
/// A value of less bytes is taken by every server that one meets: the least of the usual limits is a mebibyte.
const ALWAYS_TAKEN: u64 = 1 << 19;
/// What a packet holds beside a value.
const ROOM_BESIDE: u64 = 1 << 10;

/// How a statement is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Once: it may change something.
    Once,
    /// Again on a new connection, if the old one was lost before an answer came: it changes nothing.
    Again,
    /// Once, and the user cannot stop it.
    ToTheEnd,
}

impl MysqlConnection {
    pub(super) fn open(config: Arc<ServerConfig>) -> Result<Self> {
        let worker = Some(Worker::start(config.clone())?);
        Ok(MysqlConnection { config, worker, transaction: Transaction::None, used: Instant::now() })
    }

    /// The connection, opened again if it was lost meanwhile.
    fn ready(&mut self, how: Run) -> Result<&Worker> {
        self.transaction.check()?;
        let idle = if how == Run::Again { IDLE } else { IDLE_BEFORE_CHANGES };
        if let Some(worker) = &self.worker
            && self.transaction == Transaction::None
            && self.used.elapsed() > idle
            && worker.run::<()>(true, |conn, _| conn.ping().map(|()| 0), &mut |()| Ok(ControlFlow::Break(()))).is_err()
        {
            self.worker = None;
        }
        if self.worker.is_none() && !self.config.reconnect {
            return Err(Error::new(ErrorKind::LostConnection, "the connection to the database was lost")
                .with_hint("close the connection and use it anew, or set `database.reconnect` to true"));
        }
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.config.clone())?,
        };
        self.used = Instant::now();
        Ok(self.worker.insert(worker))
    }

    /// Runs what `make` gives, which is asked for it again if it runs again.
    fn run<M: Send + 'static, W>(
        &mut self,
        how: Run,
        make: &dyn Fn() -> Result<W>,
        each: &mut dyn FnMut(M) -> Result<ControlFlow<()>>,
    ) -> Result<u64>
    where
        W: FnOnce(&mut Conn, &Parts<M>) -> std::result::Result<u64, Failure> + Send + 'static,
    {
        let mut again = how == Run::Again && self.transaction == Transaction::None && self.config.reconnect;
        loop {
            let mut heard = false;
            let work = make()?;
            let outcome = self.ready(how)?.run(how != Run::ToTheEnd, work, &mut |part| {
                heard = true;
                each(part)
            });
            match outcome {
                Ok(count) => return Ok(count),
                Err(Trouble::Visitor(error)) => return Err(error),
                Err(Trouble::Stopped) => return Err(stopped()),
                Err(Trouble::GivenUp(error)) => {
                    self.worker = None;
                    self.transaction.lose();
                    return Err(error);
                }
                Err(Trouble::Failed(failure)) if is_lost(&failure) => {
                    self.worker = None;
                    if self.transaction.lose() && how != Run::ToTheEnd {
                        return Err(lost_in_transaction().with_source(failure));
                    }
                    if !again || heard {
                        return Err(translate(failure));
                    }
                    again = false;
                }
                Err(Trouble::Failed(failure)) => {
                    if ends_transaction(&failure) {
                        self.transaction.lose();
                    }
                    return Err(translate(failure));
                }
            }
        }
    }

    fn command(&mut self, how: Run, sql: &str) -> Result<u64> {
        let make = || {
            let sql = sql.to_owned();
            Ok(move |conn: &mut Conn, _: &Parts<()>| conn.query_iter(sql).map(|result| result.affected_rows()))
        };
        self.run(how, &make, &mut |()| Ok(ControlFlow::Continue(())))
    }

    fn send(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        // Without parameters one round trip does, and some statements cannot be prepared. What may be several statements
        // is, because then the server takes one only.
        if parameters.is_empty() && !sql.contains(';') {
            return self.command(Run::Once, sql);
        }
        let make = || Ok(prepared(sql.to_owned(), bind_all(parameters)?));
        let outcome = self.run(Run::Once, &make, &mut |()| Ok(ControlFlow::Continue(())));
        outcome.map_err(|error| unique_conflict(error, sql))
    }
}

/// A statement that gives the number of rows that it changed.
fn prepared(
    sql: String,
    parameters: Vec<Raw>,
) -> impl FnOnce(&mut Conn, &Parts<()>) -> std::result::Result<u64, Failure> + Send + 'static {
    move |conn, _| {
        refuse_too_large(conn, &parameters)?;
        let statement = conn.prep(sql)?;
        conn.exec_iter(statement, Params::Positional(parameters)).map(|result| result.affected_rows())
    }
}

/// Refuses a value that the server does not take. Some servers would hang up on it, and one could not tell why.
fn refuse_too_large(conn: &mut Conn, parameters: &[Raw]) -> std::result::Result<(), Failure> {
    let size = |value: &Raw| if let Raw::Bytes(bytes) = value { bytes.len() as u64 } else { 0 };
    let largest = parameters.iter().map(size).max().unwrap_or_default();
    if largest < ALWAYS_TAKEN {
        return Ok(());
    }
    let limit: Option<u64> = conn.query_first("SELECT @@max_allowed_packet")?;
    match limit.filter(|limit| largest + ROOM_BESIDE > *limit) {
        Some(limit) => Err(Failure::MySqlError(MySqlError {
            state: "08S01".to_owned(),
            message: format!("it has {largest} bytes, `max_allowed_packet` is {limit}"),
            code: PACKET_TOO_LARGE,
        })),
        None => Ok(()),
    }
}

/// Runs a statement of any kind. Some cannot be prepared: they go as text, if nothing is bound to them.
fn any(conn: &mut Conn, sql: String, parameters: Vec<Raw>) -> std::result::Result<Answer, Failure> {
    match conn.prep(&sql) {
        Ok(statement) => gather(conn.exec_iter(statement, Params::Positional(parameters))?),
        Err(Failure::MySqlError(refused)) if refused.code == NOT_PREPARABLE && parameters.is_empty() => {
            gather(conn.query_iter(sql)?)
        }
        Err(failure) => Err(failure),
    }
}

/// All that a statement gives.
fn gather<P: Protocol>(result: QueryResult<'_, '_, '_, P>) -> std::result::Result<Answer, Failure> {
    let metas: Vec<Meta> = result.columns().as_ref().iter().map(Meta::of).collect();
    let columns: Vec<String> = result.columns().as_ref().iter().map(|column| column.name_str().into_owned()).collect();
    let changed = result.affected_rows();
    let mut rows = Vec::new();
    for row in result {
        let cells = row?.unwrap_raw().into_iter().map(|cell| cell.unwrap_or(Raw::NULL));
        rows.push(cells.zip(&metas).map(|(cell, meta)| read(cell, *meta)).collect());
    }
    let count = if columns.is_empty() { changed } else { rows.len() as u64 };
    Ok(Answer { columns, rows, count })
}

/// The server counts the rows of a statement where a value does not fit.
fn refused(error: Error, rows: &Range<usize>) -> Refused {
    let told = error.message().rsplit_once(" at row ").and_then(|(_, number)| number.trim().parse::<usize>().ok());
    let row = match told {
        Some(number) if error.kind() == ErrorKind::InvalidValue => Some(rows.start + number - 1),
        _ => (rows.len() == 1).then_some(rows.start),
    };
    Refused { error, row: row.filter(|row| rows.contains(row)) }
}

fn bind_all(parameters: &[Value]) -> Result<Vec<Raw>> {
    parameters.iter().map(bind).collect()
}

impl Connection for MysqlConnection {
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        if let Some(instead) = self.transaction.instead_of(sql) {
            instead.iter().try_for_each(|sql| self.command(Run::Once, sql).map(drop))?;
            return Ok(0);
        }
        let outcome = self.send(sql, parameters);
        // The servers end the transaction at each definition, whether it succeeds or not. What comes behind is one
        // again.
        if is_definition(sql) && self.transaction.ended_by_definition() {
            self.command(Run::Once, "START TRANSACTION")?;
        }
        outcome
    }

    fn statement(&mut self, sql: &str, parameters: &[Value]) -> Result<Answer> {
        let make = || {
            let (sql, parameters) = (sql.to_owned(), bind_all(parameters)?);
            Ok(move |conn: &mut Conn, parts: &Parts<Answer>| {
                let answer = any(conn, sql, parameters)?;
                let count = answer.count;
                parts.send(answer);
                Ok(count)
            })
        };
        let mut answer = Answer::default();
        let mut each = |found: Answer| {
            answer = found;
            Ok(ControlFlow::Continue(()))
        };
        let outcome = self.run(Run::Once, &make, &mut each);
        if is_definition(sql) && self.transaction.ended_by_definition() {
            self.command(Run::Once, "START TRANSACTION")?;
        }
        outcome.map_err(|error| unique_conflict(error, sql)).map(|_| answer)
    }

    fn insert(&mut self, bulk: &Bulk<'_>) -> std::result::Result<u64, Refused> {
        let (mut first, mut count) = (bulk.rows.start, 0);
        let mut text = (0, String::new());
        while first < bulk.rows.end {
            let rows = bulk::next_rows(bulk, first);
            if text.0 != rows.len() {
                text = (rows.len(), (bulk.statement)(rows.len())?);
            }
            let make = || Ok(prepared(text.1.clone(), bulk::parameters(bulk, rows.clone())?));
            let outcome = self.run(Run::Once, &make, &mut |()| Ok(ControlFlow::Continue(())));
            count += outcome.map_err(|error| refused(unique_conflict(error, &text.1), &rows))?;
            first = rows.end;
        }
        Ok(count)
    }

    fn query_each(&mut self, sql: &str, parameters: &[Value], visit: &mut RowVisitor<'_>) -> Result<()> {
        let make = || {
            let (sql, parameters) = (sql.to_owned(), bind_all(parameters)?);
            Ok(move |conn: &mut Conn, parts: &Parts<Vec<Vec<Value>>>| {
                let statement = conn.prep(sql)?;
                let result = conn.exec_iter(statement, Params::Positional(parameters))?;
                let columns: Vec<Meta> = result.columns().as_ref().iter().map(Meta::of).collect();
                let mut bundle = Vec::new();
                for row in result {
                    let cells = row?.unwrap_raw().into_iter().map(|cell| cell.unwrap_or(Raw::NULL));
                    bundle.push(cells.zip(&columns).map(|(cell, meta)| read(cell, *meta)).collect());
                    if bundle.len() == BUNDLE && !parts.send(std::mem::take(&mut bundle)) {
                        return Ok(0);
                    }
                }
                if !bundle.is_empty() {
                    parts.send(bundle);
                }
                Ok(0)
            })
        };
        let mut each = |rows: Vec<Vec<Value>>| {
            rows.into_iter().try_for_each(&mut *visit)?;
            Ok(ControlFlow::Continue(()))
        };
        self.run(Run::Again, &make, &mut each).map(drop)
    }

    fn query_columns(
        &mut self,
        sql: &str,
        parameters: &[Value],
        columns: &[ColumnSpec],
        batch_rows: usize,
        visit: &mut ColumnVisitor<'_>,
    ) -> Result<()> {
        let make = || {
            let (sql, parameters, specs) = (sql.to_owned(), bind_all(parameters)?, columns.to_vec());
            Ok(move |conn: &mut Conn, parts: &Parts<Result<Vec<Column>>>| {
                read_columns(conn, &sql, parameters, &specs, batch_rows, parts)
            })
        };
        let mut each = |batch: Result<Vec<Column>>| visit(batch?);
        self.run(Run::Again, &make, &mut each).map(drop)
    }

    fn begin(&mut self) -> Result<()> {
        if self.in_transaction() {
            return Err(Error::new(ErrorKind::InvalidRequest, "a transaction is open already")
                .with_hint("end it first: transactions do not nest"));
        }
        self.command(Run::Again, "START TRANSACTION")?;
        self.transaction = Transaction::open();
        Ok(())
    }

    fn begin_snapshot(&mut self) -> Result<()> {
        if self.in_transaction() {
            return self.begin();
        }
        // For the next transaction alone: the server's own level may be another.
        self.command(Run::Again, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
        self.command(Run::Once, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
        self.transaction = Transaction::open();
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if let Err(error) = self.transaction.check() {
            self.rollback()?;
            return Err(error);
        }
        // The transaction stays open until the answer: a connection that is found lost must not be replaced by another
        // one, on which a commit of nothing would succeed.
        let open = self.in_transaction();
        let outcome = self.command(Run::ToTheEnd, "COMMIT");
        self.transaction = Transaction::None;
        match outcome {
            Err(error) if open && self.worker.is_none() => Err(lost_in_commit().with_source(error)),
            Err(error) => {
                self.command(Run::ToTheEnd, "ROLLBACK")?;
                Err(error)
            }
            Ok(_) => Ok(()),
        }
    }

    fn rollback(&mut self) -> Result<()> {
        let open = std::mem::take(&mut self.transaction);
        // A server that lost the connection has taken the transaction back by itself.
        if open == Transaction::None || self.worker.is_none() {
            return Ok(());
        }
        match self.command(Run::ToTheEnd, "ROLLBACK") {
            Err(error) if error.kind() != ErrorKind::LostConnection => Err(error),
            _ => Ok(()),
        }
    }

    fn in_transaction(&self) -> bool {
        self.transaction != Transaction::None
    }
}

/// Reads a result into columns, on the thread of the connection.
fn read_columns(
    conn: &mut Conn,
    sql: &str,
    parameters: Vec<Raw>,
    specs: &[ColumnSpec],
    batch_rows: usize,
    parts: &Parts<Result<Vec<Column>>>,
) -> std::result::Result<u64, Failure> {
    let statement = conn.prep(sql)?;
    let result = conn.exec_iter(statement, Params::Positional(parameters))?;
    let columns: Vec<Meta> = result.columns().as_ref().iter().map(Meta::of).collect();
    if columns.len() != specs.len() {
        let message = format!("the query gives {} columns, {} were expected", columns.len(), specs.len());
        parts.send(Err(Error::new(ErrorKind::Internal, message)));
        return Ok(0);
    }
    let start = || specs.iter().map(|spec| Column::new(spec.kind)).collect::<Vec<_>>();
    let (mut batch, mut count, mut bytes) = (start(), 0, 0);
    for row in result {
        let cells = row?.unwrap_raw();
        for (((column, cell), spec), meta) in batch.iter_mut().zip(cells).zip(specs).zip(&columns) {
            match push(column, cell.unwrap_or(Raw::NULL), *meta, spec.kind) {
                Ok(size) => bytes += size,
                Err(error) => {
                    parts.send(Err(error.with("attribute", &spec.name)));
                    return Ok(0);
                }
            }
        }
        count += 1;
        if count == batch_rows || (bytes > BATCH_BYTES && batch_rows != usize::MAX) {
            if !parts.send(Ok(std::mem::replace(&mut batch, start()))) {
                return Ok(0);
            }
            (count, bytes) = (0, 0);
        }
    }
    if count > 0 {
        parts.send(Ok(batch));
    }
    Ok(0)
}

impl std::fmt::Debug for MysqlConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MysqlConnection({})", self.config)
    }
}
