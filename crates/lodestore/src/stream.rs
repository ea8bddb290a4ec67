//! Streams: the rows of a query in batches, in bounded memory.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use lodestore_db::{Column, StopFlag, interrupted};
use lodestore_types::{Error, ErrorKind, Result};

use crate::fetch::BATCH_ROWS;
use crate::reader::Reader;
use crate::{Columns, FetchOptions, Query};

/// So many batches lie ready while one is worked on.
const READ_AHEAD: usize = 2;

/// How often a waiting reader looks whether its user wants to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// The rows of a query in batches of columns, as an iterator.
///
/// Another thread reads ahead on a connection of its own, so that this thread is free to send other statements
/// meanwhile; the rows are those of one moment, the one in which the first batch was read. Inside a transaction, whose
/// rows no other connection sees, all rows are read at once instead.
///
/// Columns whose type only the database knows (computed ones) keep a value for each cell.
pub struct Stream {
    query: Query,
    reader: Reader,
    source: Source,
    first: usize,
}

enum Source {
    /// What was read already, the next batch last.
    Read(Vec<Vec<Column>>),
    Thread {
        batches: Receiver<Result<Vec<Column>>>,
        stop: StopFlag,
        thread: Option<JoinHandle<()>>,
        /// The process in which the thread runs.
        process: u32,
    },
    Finished,
}

impl Query {
    /// The rows in batches of up to `batch_rows`, in bounded memory.
    ///
    /// # Errors
    /// As [`Query::fetch`]; more of them may come with the batches.
    pub fn stream(&self, batch_rows: usize) -> Result<Stream> {
        self.stream_opts(batch_rows, &FetchOptions::default())
    }

    /// Like [`Query::stream`], with options.
    ///
    /// # Errors
    /// As [`Query::stream`].
    pub fn stream_opts(&self, batch_rows: usize, options: &FetchOptions) -> Result<Stream> {
        self.stream_with(Reader::new(self, options)?, batch_rows)
    }

    /// Like [`Query::stream`], with what codecs wrote as it stands in the database.
    pub(crate) fn stream_undecoded(&self, batch_rows: usize) -> Result<Stream> {
        self.stream_with(Reader::undecoded(self)?, batch_rows)
    }

    fn stream_with(&self, reader: Reader, batch_rows: usize) -> Result<Stream> {
        let most = if reader.decodes() { BATCH_ROWS } else { usize::MAX - 1 };
        let batch_rows = batch_rows.clamp(1, most);
        let source = match self.instance().in_transaction() {
            true => Source::Read(read_all(self, &reader, batch_rows)?),
            false => read_ahead(self, &reader, batch_rows)?,
        };
        Ok(Stream { query: self.clone(), reader, source, first: 0 })
    }
}

fn read_all(query: &Query, reader: &Reader, batch_rows: usize) -> Result<Vec<Vec<Column>>> {
    let mut batches = Vec::new();
    query.instance().with_connection(|connection| {
        let statement = &reader.statement;
        connection.query_columns(&statement.sql, &statement.parameters, &reader.specs, batch_rows, &mut |batch| {
            batches.push(batch);
            Ok(ControlFlow::Continue(()))
        })
    })?;
    batches.reverse();
    Ok(batches)
}

fn read_ahead(query: &Query, reader: &Reader, batch_rows: usize) -> Result<Source> {
    let (sender, batches): (SyncSender<Result<Vec<Column>>>, _) = sync_channel(READ_AHEAD);
    let stop = StopFlag::default();
    let (instance, statement, specs, flag) =
        (query.instance().clone(), reader.statement.clone(), reader.specs.clone(), stop.clone());
    let work = move || {
        flag.heed();
        let outcome = instance.with_connection(|connection| {
            connection.query_columns(&statement.sql, &statement.parameters, &specs, batch_rows, &mut |batch| {
                // Nobody listens any more: the stream was dropped.
                Ok(if sender.send(Ok(batch)).is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
        });
        if let Err(error) = outcome {
            // As above.
            let _ = sender.send(Err(error));
        }
    };
    let thread = std::thread::Builder::new()
        .name("lodestore-stream".into())
        .spawn(work)
        .map_err(|error| Error::new(ErrorKind::Internal, "no thread can be started").with_source(error))?;
    Ok(Source::Thread { batches, stop, thread: Some(thread), process: std::process::id() })
}

impl Stream {
    /// True if the type of some column is not known before all rows are.
    pub fn is_untyped(&self) -> bool {
        self.reader.is_untyped()
    }

    /// Columns like those of the batches, without rows.
    pub fn empty(&self) -> Columns {
        self.reader.empty()
    }

    /// All that is left, at once, with the types that all values have.
    ///
    /// # Errors
    /// As [`Query::fetch`].
    pub fn gather(self) -> Result<Columns> {
        let mut all = self.empty();
        for batch in self {
            all.append(batch?);
        }
        all.settle();
        Ok(all)
    }

    fn receive(&mut self) -> Option<Result<Vec<Column>>> {
        let received = match &mut self.source {
            Source::Finished => None,
            Source::Read(batches) => batches.pop().map(Ok),
            Source::Thread { process, .. } if *process != std::process::id() => Some(Err(inherited())),
            // Whoever takes one batch after the other (Arrow's readers do) may never look for signals itself.
            Source::Thread { .. } if interrupted() => Some(Err(stopped())),
            Source::Thread { batches, .. } => loop {
                match batches.recv_timeout(PATIENCE) {
                    Ok(batch) => break Some(batch),
                    Err(RecvTimeoutError::Disconnected) => break None,
                    Err(RecvTimeoutError::Timeout) if interrupted() => break Some(Err(stopped())),
                    Err(RecvTimeoutError::Timeout) => {}
                }
            },
        };
        if !matches!(received, Some(Ok(_))) {
            self.finish();
        }
        received
    }

    fn finish(&mut self) {
        let source = std::mem::replace(&mut self.source, Source::Finished);
        if matches!(&source, Source::Thread { process, .. } if *process != std::process::id()) {
            // A forked child has no such thread to wait for.
            return std::mem::forget(source);
        }
        if let Source::Thread { batches, stop, thread, .. } = source {
            stop.stop();
            drop(batches);
            // It stops within a few thousand steps, and its connection is closed when this returns. Its panic, if any,
            // was printed.
            let _ = thread.map(JoinHandle::join);
        }
    }
}

fn inherited() -> Error {
    Error::new(ErrorKind::InvalidRequest, "these rows are being read by another process, the parent of this one")
        .with_hint("run the query again in this process")
}

fn stopped() -> Error {
    Error::new(ErrorKind::Interrupted, "the statement was interrupted")
}

impl Iterator for Stream {
    type Item = Result<Columns>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.receive()?.and_then(|batch| {
            let rows = batch.first().map_or(0, Column::len);
            let decoded = self.reader.decode(batch, self.first);
            self.first += rows;
            decoded
        });
        if outcome.is_err() {
            self.finish();
        }
        Some(outcome.map_err(|error| self.query.locate(error)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.finish();
    }
}
