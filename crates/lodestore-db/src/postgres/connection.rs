//! A connection to a PostgreSQL server.

use std::cell::RefCell;
use std::collections::HashSet;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::{Stream, StreamExt};
use lodestore_types::{Error, ErrorKind, Result, Value};
use tokio::runtime::Handle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::column::push;
use super::config::{session, wire_config};
use super::copy::write_cells;
use super::error::{is_lost, refused, translate};
use super::runtime::{driver, send, wait};
use super::tls::connector;
use super::value::{Bound, Raw, Wire, read};
use crate::interrupt::interrupted;
use crate::server::{lost_in_commit, lost_in_transaction};
use crate::{Answer, Column, ColumnSpec, ColumnVisitor, Connection, RowVisitor, ServerConfig};

/// Columns of more bytes than this are handed over early, where they are handed over in parts at all.
const BATCH_BYTES: usize = 32 << 20;

/// From so many rows on they go in by `COPY`.
const MANY: usize = 50;

/// Rows that nobody wants any more are read off for so long; then the statement is cancelled.
const READ_OFF: Duration = Duration::from_millis(10);

/// A cancelled statement has so long to end.
const GIVE_UP: Duration = Duration::from_secs(10);

/// So many texts of queries are remembered.
const KNOWN: usize = 4096;

/// A failed query must not break a transaction off, so each runs behind a savepoint of its own.
const GUARD: &str = "SAVEPOINT lodestore_query";
const UNGUARD: &str = "RELEASE SAVEPOINT lodestore_query";
const BACK: &str = "ROLLBACK TO SAVEPOINT lodestore_query; RELEASE SAVEPOINT lodestore_query";

pub(super) struct PostgresConnection {
    server: ServerConfig,
    tls: MakeRustlsConnect,
    driver: Handle,
    pub(super) client: Client,
    transaction: Transaction,
    /// The texts, as hashes, of queries whose columns' types the driver knows.
    known: RefCell<HashSet<u64>>,
    hasher: RandomState,
}

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    /// There is none.
    None,
    Open,
    /// A statement failed, and nothing else works until one goes back.
    Broken,
    /// It went with its connection.
    Lost,
}

/// Why an answer did not come.
pub(super) enum Failure {
    Server(tokio_postgres::Error),
    /// The user wants no answer any more.
    Interrupted,
    /// An error of ours.
    Own(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Server(error) => translate(error),
            Failure::Interrupted => Error::new(ErrorKind::Interrupted, "the statement was interrupted"),
            Failure::Own(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Own(error)
    }
}

impl Failure {
    fn is_lost(&self) -> bool {
        matches!(self, Failure::Server(error) if is_lost(error))
    }
}

impl PostgresConnection {
    pub(super) fn open(server: ServerConfig) -> Result<Self> {
        let tls = connector(&server)?;
        let driver = driver()?;
        let client = connect(&server, &tls, &driver)?;
        let (known, hasher) = Default::default();
        Ok(PostgresConnection { server, tls, driver, client, transaction: Transaction::None, known, hasher })
    }

    /// Sees that there is somebody to talk to: a connection that was lost outside a transaction is opened again.
    pub(super) fn be_ready(&mut self) -> Result<()> {
        match self.transaction {
            Transaction::Lost => Err(lost_in_transaction()),
            _ if !self.client.is_closed() => Ok(()),
            Transaction::None => self.reconnect(),
            _ => {
                self.transaction = Transaction::Lost;
                Err(lost_in_transaction())
            }
        }
    }

    fn reconnect(&mut self) -> Result<()> {
        if !self.server.reconnect {
            return Err(Error::new(ErrorKind::LostConnection, "the connection to the database server was lost")
                .with_hint("close the connection and use it again, or set `database.reconnect`"));
        }
        self.client = connect(&self.server, &self.tls, &self.driver)?;
        self.known.get_mut().clear();
        Ok(())
    }

    /// Asks the server to stop the statement that runs.
    fn cancel(&self) {
        let (token, tls) = (self.client.cancel_token(), self.tls.clone());
        self.driver.spawn(async move { token.cancel_query(tls).await });
    }

    /// Waits for an answer. Ctrl-C cancels the statement, and then there is none, even if the statement was quicker.
    pub(super) fn answer<T>(
        &self,
        future: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let mut cancelled: Option<Instant> = None;
        let answer = wait(async { Some(future.await) }, || {
            match cancelled {
                None if interrupted() => {
                    self.cancel();
                    cancelled = Some(Instant::now());
                }
                Some(since) if since.elapsed() > GIVE_UP => return Some(None),
                _ => {}
            }
            None
        });
        match (answer, cancelled) {
            (Some(Ok(value)), None) => Ok(value),
            (Some(Err(error)), None) => Err(Failure::Server(error)),
            (_, Some(_)) | (None, _) => Err(Failure::Interrupted),
        }
    }

    /// Waits for an answer, whatever the user presses.
    fn insist<T>(&self, future: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failure> {
        wait(future, || None).map_err(Failure::Server)
    }

    /// Notes what a failure means for the transaction.
    pub(super) fn note(&mut self, failure: &Failure) {
        if self.transaction != Transaction::None {
            let lost = failure.is_lost() || self.client.is_closed();
            self.transaction = if lost { Transaction::Lost } else { Transaction::Broken };
        }
    }

    fn fail(&mut self, failure: Failure) -> Error {
        self.note(&failure);
        if self.transaction == Transaction::Lost {
            return lost_in_transaction().with_source(Error::from(failure));
        }
        failure.into()
    }

    /// Runs a query and hands over its rows; `start` gets the forms of its columns first.
    fn rows(
        &mut self,
        sql: &str,
        parameters: &[Value],
        start: &mut dyn FnMut(&[Wire]) -> Result<()>,
        each: &mut dyn FnMut(&Row) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.be_ready()?;
        let guarded = self.transaction == Transaction::Open;
        if guarded {
            send(self.client.batch_execute(GUARD));
        }
        let mut any = false;
        let mut noting = |row: &Row| {
            any = true;
            each(row)
        };
        let mut outcome = self.stream(sql, parameters, start, &mut noting);
        if outcome.as_ref().is_err_and(Failure::is_lost) && self.transaction == Transaction::None && !any {
            // Nothing was read yet, and reading changes nothing: once more.
            self.reconnect()?;
            outcome = self.stream(sql, parameters, start, each);
        }
        self.leave(guarded, outcome)
    }

    /// Leaves the savepoint behind which something ran, if there is one.
    fn leave<T>(&mut self, guarded: bool, outcome: Result<T, Failure>) -> Result<T> {
        if !guarded {
            return outcome.map_err(Error::from);
        }
        match outcome {
            Ok(value) => {
                send(self.client.batch_execute(UNGUARD));
                Ok(value)
            }
            Err(failure) => {
                if self.insist(self.client.batch_execute(BACK)).is_err() {
                    return Err(self.fail(failure));
                }
                Err(failure.into())
            }
        }
    }

    fn stream(
        &self,
        sql: &str,
        parameters: &[Value],
        start: &mut dyn FnMut(&[Wire]) -> Result<()>,
        each: &mut dyn FnMut(&Row) -> Result<ControlFlow<()>>,
    ) -> Result<(), Failure> {
        self.learn_types(sql, parameters.len())?;
        let bound = parameters.iter().map(|value| (Bound(value), Type::UNKNOWN));
        let mut rows = pin!(self.answer(self.client.query_typed_raw(sql, bound))?);
        let mut wires: Option<Vec<Wire>> = None;
        loop {
            // What has arrived already is taken without the effort of waiting.
            let ready = rows.as_mut().poll_next(&mut Context::from_waker(Waker::noop()));
            let row = match ready {
                Poll::Ready(Some(row)) => row.map_err(Failure::Server)?,
                Poll::Ready(None) => return Ok(()),
                Poll::Pending => match self.answer(async { rows.next().await.transpose() })? {
                    Some(row) => row,
                    None => return Ok(()),
                },
            };
            if wires.is_none() {
                let forms: Vec<Wire> = row.columns().iter().map(|column| Wire::of(column.type_())).collect();
                start(&forms)?;
                wires = Some(forms);
            }
            match each(&row) {
                Ok(ControlFlow::Continue(())) => {}
                outcome => {
                    self.read_off(rows.as_mut())?;
                    return outcome.map(drop).map_err(Failure::Own);
                }
            }
        }
    }

    /// Runs a statement of any kind.
    fn any(&self, sql: &str, parameters: &[Value]) -> Result<Answer, Failure> {
        let statement = self.answer(self.client.prepare_typed(sql, &vec![Type::UNKNOWN; parameters.len()]))?;
        let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let wires: Vec<Wire> = statement.columns().iter().map(|column| Wire::of(column.type_())).collect();
        let mut found = pin!(self.answer(self.client.query_raw(&statement, parameters.iter().map(Bound)))?);
        let mut rows = Vec::new();
        while let Some(row) = self.answer(async { found.next().await.transpose() })? {
            let values = wires.iter().enumerate().map(|(index, wire)| read(*wire, cell(&row, index)?));
            rows.push(values.collect::<Result<Vec<_>>>()?);
        }
        let count = found.rows_affected().unwrap_or(rows.len() as u64);
        Ok(Answer { columns, rows, count })
    }

    /// Lets the driver know the types of a query's columns before its rows come. It asks the server for those that it does
    /// not know, the enums of a schema, and if it does so in the middle of an answer which is too long for its buffers, each
    /// waits for the other for ever. A text whose types it was told of needs no second asking.
    fn learn_types(&self, sql: &str, parameters: usize) -> Result<(), Failure> {
        let text = self.hasher.hash_one(sql);
        if self.known.borrow().contains(&text) {
            return Ok(());
        }
        self.answer(self.client.prepare_typed(sql, &vec![Type::UNKNOWN; parameters]))?;
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(text);
        Ok(())
    }

    /// Brings a query to its end whose rows nobody wants any more.
    fn read_off(&self, mut rows: std::pin::Pin<&mut RowStream>) -> Result<(), Failure> {
        let began = Instant::now();
        let mut cancelled = false;
        loop {
            let next = wait(async { Some(rows.next().await) }, || (!cancelled).then_some(None));
            match next {
                Some(None) => break,
                // The end that was asked for.
                Some(Some(Err(error))) if cancelled && !is_lost(&error) => return Ok(()),
                Some(Some(Err(error))) => return Err(Failure::Server(error)),
                None | Some(Some(Ok(_))) => {}
            }
            if !cancelled && began.elapsed() > READ_OFF {
                let (token, tls) = (self.client.cancel_token(), self.tls.clone());
                // Until it has arrived: it must not meet the next statement.
                let _ = wait(self.driver.spawn(async move { token.cancel_query(tls).await }), || None);
                cancelled = true;
            }
        }
        if cancelled {
            // The query was quicker; what was sent to stop it may meet this instead.
            let _ = wait(self.client.batch_execute(""), || None);
        }
        Ok(())
    }

    /// Sends a statement that only succeeds or breaks what follows, without waiting for the answer.
    fn send_ahead(&self, sql: &str) -> bool {
        let ahead = sql.starts_with("SAVEPOINT ") || sql.starts_with("RELEASE SAVEPOINT ");
        if ahead {
            send(self.client.batch_execute(sql));
        }
        ahead
    }

    /// Sends what begins a transaction.
    fn start(&mut self, sql: &str) -> Result<()> {
        if self.transaction != Transaction::None {
            return Err(Error::new(ErrorKind::InvalidRequest, "a transaction is open already")
                .with_hint("end it first: transactions do not nest"));
        }
        self.be_ready()?;
        let mut outcome = self.answer(self.client.batch_execute(sql));
        if outcome.as_ref().is_err_and(Failure::is_lost) {
            self.reconnect()?;
            outcome = self.answer(self.client.batch_execute(sql));
        }
        if let Err(failure) = outcome {
            if matches!(failure, Failure::Interrupted) {
                // It may have begun all the same.
                let _ = self.insist(self.client.batch_execute("ROLLBACK"));
            }
            return Err(failure.into());
        }
        self.transaction = Transaction::Open;
        Ok(())
    }
}

fn connect(server: &ServerConfig, tls: &MakeRustlsConnect, driver: &Handle) -> Result<Client> {
    let (config, session, tls) = (wire_config(server), session(server), tls.clone());
    let opening = driver.spawn(async move {
        let (client, connection) = config.connect(tls).await?;
        // It ends when the client is dropped, or with an error that the next statement meets.
        tokio::spawn(async move { drop(connection.await) });
        client.batch_execute(&session).await?;
        Ok(client)
    });
    let stopped = || Error::new(ErrorKind::Interrupted, "connecting to the database server was interrupted");
    match wait(async { Some(opening.await) }, || interrupted().then_some(None)) {
        None => Err(stopped()),
        Some(Ok(outcome)) => outcome.map_err(|error| refused(error, server)),
        Some(Err(error)) => Err(Error::new(ErrorKind::Internal, "connecting came to no end").with_source(error)),
    }
}

impl Connection for PostgresConnection {
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        self.be_ready()?;
        if self.transaction != Transaction::None && self.send_ahead(sql) {
            return Ok(0);
        }
        let bound: Vec<Bound<'_>> = parameters.iter().map(Bound).collect();
        let bound: Vec<(&(dyn ToSql + Sync), Type)> =
            bound.iter().map(|value| (value as &(dyn ToSql + Sync), Type::UNKNOWN)).collect();
        match self.answer(self.client.execute_typed(sql, &bound)) {
            Ok(count) => {
                if self.transaction == Transaction::Broken && sql.starts_with("ROLLBACK TO ") {
                    self.transaction = Transaction::Open;
                }
                Ok(count)
            }
            Err(failure) => Err(self.fail(failure)),
        }
    }

    fn statement(&mut self, sql: &str, parameters: &[Value]) -> Result<Answer> {
        self.be_ready()?;
        let guarded = self.transaction == Transaction::Open;
        if guarded {
            send(self.client.batch_execute(GUARD));
        }
        let outcome = self.any(sql, parameters);
        self.leave(guarded, outcome)
    }

    fn insert(&mut self, bulk: &crate::Bulk<'_>) -> std::result::Result<u64, crate::Refused> {
        if !bulk.is_plain || bulk.rows.len() < MANY || bulk.columns.is_empty() {
            return bulk.run_by_statements(self);
        }
        self.be_ready()?;
        let sql = format!("COPY {} ({}) FROM STDIN", bulk.table, bulk.columns.join(", "));
        let mut rows = bulk.rows.clone();
        let next = &mut |out: &mut BytesMut| rows.next().map(|row| write_cells(bulk.cells, row, out));
        self.copy(&sql, next).map_err(|failure| self.fail(failure).into())
    }

    fn query_each(&mut self, sql: &str, parameters: &[Value], visit: &mut RowVisitor<'_>) -> Result<()> {
        let wires = std::cell::RefCell::new(Vec::new());
        let mut start = |forms: &[Wire]| {
            *wires.borrow_mut() = forms.to_vec();
            Ok(())
        };
        self.rows(sql, parameters, &mut start, &mut |row| {
            let wires = wires.borrow();
            let values = wires.iter().enumerate().map(|(index, wire)| read(*wire, cell(row, index)?));
            visit(values.collect::<Result<_>>()?)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    fn query_columns(
        &mut self,
        sql: &str,
        parameters: &[Value],
        columns: &[ColumnSpec],
        batch_rows: usize,
        visit: &mut ColumnVisitor<'_>,
    ) -> Result<()> {
        let fresh = || columns.iter().map(|column| Column::new(column.kind)).collect::<Vec<_>>();
        let (mut batch, mut count, mut bytes) = (fresh(), 0, 0);
        let wires = std::cell::RefCell::new(Vec::new());
        let mut start = |forms: &[Wire]| {
            if forms.len() != columns.len() {
                let message = format!("the query gives {} columns, {} were expected", forms.len(), columns.len());
                return Err(Error::new(ErrorKind::Internal, message));
            }
            *wires.borrow_mut() = forms.to_vec();
            Ok(())
        };
        let mut stopped = false;
        self.rows(sql, parameters, &mut start, &mut |row| {
            let wires = wires.borrow();
            for (index, (column, spec)) in batch.iter_mut().zip(columns).enumerate() {
                let raw = cell(row, index)?;
                bytes +=
                    push(column, wires[index], raw, spec.kind).map_err(|error| error.with("attribute", &spec.name))?;
            }
            count += 1;
            if count == batch_rows || (bytes > BATCH_BYTES && batch_rows != usize::MAX) {
                (count, bytes) = (0, 0);
                if visit(std::mem::replace(&mut batch, fresh()))?.is_break() {
                    stopped = true;
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if count > 0 && !stopped {
            visit(batch)?.is_break();
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        self.start("BEGIN")
    }

    fn begin_snapshot(&mut self) -> Result<()> {
        // Its moment is that of its first statement.
        self.start("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn commit(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            // A statement of its own would have been committed already.
            Transaction::None => Ok(()),
            Transaction::Lost => Err(lost_in_transaction()),
            Transaction::Broken => {
                let _ = self.insist(self.client.batch_execute("ROLLBACK"));
                Err(Error::new(ErrorKind::InvalidRequest, "the transaction was broken off by an earlier error")
                    .with_hint("nothing of it took effect: begin again"))
            }
            Transaction::Open if self.client.is_closed() => Err(lost_in_transaction()),
            Transaction::Open => match self.insist(self.client.batch_execute("COMMIT")) {
                Ok(()) => Ok(()),
                Err(failure) if failure.is_lost() => Err(lost_in_commit().with_source(Error::from(failure))),
                Err(failure) => Err(failure.into()),
            },
        }
    }

    fn rollback(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None | Transaction::Lost => Ok(()),
            Transaction::Open | Transaction::Broken => match self.insist(self.client.batch_execute("ROLLBACK")) {
                // The server forgets what a lost connection began.
                Err(failure) if !failure.is_lost() => Err(failure.into()),
                _ => Ok(()),
            },
        }
    }

    fn in_transaction(&self) -> bool {
        self.transaction != Transaction::None
    }
}

fn cell(row: &Row, index: usize) -> Result<Option<&[u8]>> {
    row.try_get::<_, Raw<'_>>(index).map(|raw| raw.0).map_err(translate)
}

impl std::fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresConnection({})", self.server)
    }
}
