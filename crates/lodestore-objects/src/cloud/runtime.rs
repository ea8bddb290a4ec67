//! The runtime that drives all requests, and how others wait for it.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use lodestore_types::{Error, ErrorKind, PerProcess, Result};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::interrupt::{LOOK_UP, interrupted, stopped};

/// The runtime of this process.
static RUNTIME: PerProcess<Mutex<Option<Runtime>>> = PerProcess::new();

/// The runtime's handle; it is started if need be.
pub(super) fn runtime() -> Result<Handle> {
    let mut runtime = RUNTIME.get().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = runtime.as_ref() {
        return Ok(runtime.handle().clone());
    }
    // Whoever was first, another library of this program perhaps, has chosen for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    let made = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("lodestore-objects")
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, "no thread can be started").with_source(error))?;
    Ok(runtime.insert(made).handle().clone())
}

/// Waits for the future.
///
/// # Errors
/// Its own; `Interrupted` if the user pressed Ctrl-C meanwhile: the future is dropped then.
pub(super) fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    if Handle::try_current().is_ok() {
        return Err(Error::new(ErrorKind::InvalidRequest, "a store blocks: it cannot be used by asynchronous code")
            .with_hint("call it on a thread of its own, such as `tokio::task::spawn_blocking` gives"));
    }
    runtime()?.block_on(async {
        let mut future = pin!(future);
        loop {
            match tokio::time::timeout(LOOK_UP, &mut future).await {
                Ok(done) => return done,
                Err(_) if interrupted() => return Err(stopped()),
                Err(_) => {}
            }
        }
    })
}
