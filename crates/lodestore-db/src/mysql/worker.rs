//! A thread that waits for the server, so that its caller can watch for Ctrl-C meanwhile.
//!
//! The client library blocks in the socket until the server answers. So the connection lives on a thread of its own;
//! who sends a statement waits for the answer in small steps, and has another connection kill the statement if the
//! user wants to stop.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as Failure};
use lodestore_types::{Error, ErrorKind, Result};

use super::config;
use crate::{ServerConfig, interrupted};

/// How often a waiting caller looks whether its user wants to stop.
const STEP: Duration = Duration::from_millis(50);
/// How long a statement of which nobody wants more rows may take to end before it is killed.
const GRACE: Duration = Duration::from_millis(100);
/// How long a killed statement may take to end; then its connection is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many parts of a result lie ready while one is worked on.
const READ_AHEAD: usize = 2;

type Job = Box<dyn FnOnce(&mut Conn) + Send>;

/// A connection and the thread that it lives on, which ends when this is dropped.
pub(super) struct Worker {
    config: Arc<ServerConfig>,
    jobs: Sender<Job>,
    id: u32,
}

/// Why a statement did not come to its end.
pub(super) enum Trouble {
    /// The server or the connection.
    Failed(Failure),
    /// Whoever receives the parts.
    Visitor(Error),
    /// The user.
    Stopped,
    /// The user, or the thread is gone; the connection is of no use any more.
    GivenUp(Error),
}

enum Message<M> {
    Part(M),
    Done(std::result::Result<u64, Failure>),
}

/// Where a statement leaves the parts of its result.
pub(super) struct Parts<M> {
    sender: SyncSender<Message<M>>,
    stop: Arc<AtomicBool>,
}

impl<M> Parts<M> {
    /// Hands over a part; false if nobody wants more.
    pub fn send(&self, part: M) -> bool {
        !self.stop.load(Ordering::Relaxed) && self.sender.send(Message::Part(part)).is_ok()
    }
}

impl Worker {
    /// Connects.
    pub fn start(config: Arc<ServerConfig>) -> Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let (told, answer) = channel();
        let own = config.clone();
        let work = move || {
            let mut conn = match config::connect(&own) {
                Ok(conn) => conn,
                Err(error) => return drop(told.send(Err(error))),
            };
            // A caller that is gone has no use for the connection either.
            if told.send(Ok(conn.connection_id())).is_ok() {
                queue.into_iter().for_each(|job| job(&mut conn));
            }
        };
        spawn("lodestore-mysql", work)?;
        let id = loop {
            match answer.recv_timeout(STEP) {
                Ok(outcome) => break outcome?,
                Err(RecvTimeoutError::Timeout) if interrupted() => return Err(stopped()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        };
        Ok(Worker { config, jobs, id })
    }

    /// Lets the thread do `work` and hands each part of its result to `each`; gives what `work` gives. With `watch`,
    /// the user may stop it.
    pub fn run<M: Send + 'static>(
        &self,
        watch: bool,
        work: impl FnOnce(&mut Conn, &Parts<M>) -> std::result::Result<u64, Failure> + Send + 'static,
        each: &mut dyn FnMut(M) -> Result<ControlFlow<()>>,
    ) -> std::result::Result<u64, Trouble> {
        let (sender, messages) = sync_channel(READ_AHEAD);
        let stop = Arc::new(AtomicBool::new(false));
        let parts = Parts { sender, stop: stop.clone() };
        let job = move |conn: &mut Conn| {
            let outcome = work(conn, &parts);
            // A caller that gave up does not listen.
            let _ = parts.sender.send(Message::Done(outcome));
        };
        self.jobs.send(Box::new(job)).map_err(|_| Trouble::GivenUp(gone()))?;
        let mut refusal = None;
        let mut enough: Option<Instant> = None;
        let mut kill: Option<(Instant, JoinHandle<()>)> = None;
        let mut interrupt = false;
        let outcome = loop {
            match messages.recv_timeout(STEP) {
                Ok(Message::Done(outcome)) => break outcome,
                Ok(Message::Part(part)) if enough.is_none() && !interrupt => match each(part) {
                    Ok(ControlFlow::Continue(())) => {}
                    other => {
                        refusal = other.err();
                        enough = Some(Instant::now());
                    }
                },
                Ok(Message::Part(_)) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Trouble::GivenUp(gone())),
            }
            interrupt |= watch && !interrupt && interrupted();
            stop.store(interrupt || enough.is_some(), Ordering::Relaxed);
            let long = enough.is_some_and(|since| since.elapsed() > GRACE);
            if (interrupt || long) && kill.is_none() {
                kill = self.kill().map(|thread| (Instant::now(), thread));
            }
            if kill.as_ref().is_some_and(|(since, _)| since.elapsed() > PATIENCE) {
                return Err(Trouble::GivenUp(stopped()));
            }
        };
        if let Some((_, thread)) = kill {
            // A kill that comes late would hit the next statement: it is waited for, and spent on a statement that
            // does nothing.
            let _ = thread.join();
            let _ = self.jobs.send(Box::new(|conn| drop(conn.query_drop("DO 0"))));
        }
        match (refusal, outcome) {
            (Some(error), _) => Err(Trouble::Visitor(error)),
            _ if interrupt => Err(Trouble::Stopped),
            (None, Err(_)) if enough.is_some() => Ok(0),
            (None, outcome) => outcome.map_err(Trouble::Failed),
        }
    }

    /// Kills what the server does for this connection; the connection stays. In its own time: a server that does not
    /// answer must not keep the user waiting.
    fn kill(&self) -> Option<JoinHandle<()>> {
        let (config, id) = (self.config.clone(), self.id);
        let work = move || {
            if let Ok(mut conn) = config::connect(&config) {
                let _ = conn.query_drop(format!("KILL QUERY {id}"));
            }
        };
        spawn("lodestore-kill", work).ok()
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| Error::new(ErrorKind::Internal, "no thread can be started").with_source(error))
}

pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::Interrupted, "the statement was interrupted")
}

fn gone() -> Error {
    Error::new(ErrorKind::LostConnection, "the connection to the database is closed")
}
