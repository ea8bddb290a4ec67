//! The thread that drives all connections, and how others wait for it.
//!
//! A connection belongs to the thread that uses it, and may be dropped while that thread ends, when little of it is
//! left: so nothing of the wire lives there. A forked child has no such thread and starts its own.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use lodestore_types::{Error, ErrorKind, PerProcess, Result};
use tokio::runtime::{Builder, Handle};

/// How often one who waits looks up.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The handle of this process's thread.
static DRIVER: PerProcess<Mutex<Option<Handle>>> = PerProcess::new();

/// The thread that drives connections, started if need be.
pub(super) fn driver() -> Result<Handle> {
    let mut driver = DRIVER.get().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = driver.as_ref() {
        return Ok(handle.clone());
    }
    let fail = |error| Error::new(ErrorKind::Internal, "no thread can be started").with_source(error);
    let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(fail)?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("lodestore-postgres".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(fail)?;
    Ok(driver.insert(handle).clone())
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for the future; meanwhile `look_up` is called now and then, and ends the waiting if it gives something.
pub(super) fn wait<T>(future: impl Future<Output = T>, mut look_up: impl FnMut() -> Option<T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut last = Instant::now();
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::park_timeout(LOOK_UP);
        if last.elapsed() >= LOOK_UP {
            last = Instant::now();
            if let Some(value) = look_up() {
                return value;
            }
        }
    }
}

/// Lets the future send what it has to send, without waiting for the answer.
pub(super) fn send<T>(future: impl Future<Output = T>) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}
