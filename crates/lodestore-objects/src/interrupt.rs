//! Letting a user's Ctrl-C end transfers that run or wait.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lodestore_types::{Error, ErrorKind};

type Check = Box<dyn Fn() -> bool + Send + Sync>;

static CHECK: OnceLock<Check> = OnceLock::new();

thread_local! {
    static FLAG: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// How often one who waits looks up.
pub(crate) const LOOK_UP: Duration = Duration::from_millis(50);

/// Names the function that transfers ask, now and then while they wait, whether to stop. The first one named stays; a
/// program without one is never interrupted.
pub fn set_interrupt_check(check: impl Fn() -> bool + Send + Sync + 'static) {
    let _ = CHECK.set(Box::new(check));
}

/// True if what runs on this thread should stop. Stores ask it now and then while they wait.
pub fn interrupted() -> bool {
    FLAG.with_borrow(|flag| flag.as_ref().map(|flag| flag.load(Ordering::Relaxed)))
        .unwrap_or_else(|| CHECK.get().is_some_and(|check| check()))
}

/// From now on this thread, which works for another one, stops when the flag says so, and for nothing else.
pub(crate) fn heed(flag: Arc<AtomicBool>) {
    FLAG.set(Some(flag));
}

/// The error of what was stopped.
pub(crate) fn stopped() -> Error {
    Error::new(ErrorKind::Interrupted, "the transfer was interrupted")
}
