//! Letting a user's Ctrl-C stop a statement that runs or waits.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

type Check = Box<dyn Fn() -> bool + Send + Sync>;

static CHECK: OnceLock<Check> = OnceLock::new();

/// Names the function that drivers ask, now and then while a statement runs or waits, whether to
/// stop. The first one named stays; a program without one is never interrupted.
pub fn set_interrupt_check(check: impl Fn() -> bool + Send + Sync + 'static) {
    let _ = CHECK.set(Box::new(check));
}

thread_local! {
    static FLAG: RefCell<Option<StopFlag>> = const { RefCell::new(None) };
}

/// Tells the statements of another thread to stop.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Tells them to stop.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// From now on the statements of this thread heed the flag, and nothing else: a thread that reads ahead for another
    /// is none of the user's.
    pub fn heed(&self) {
        FLAG.set(Some(self.clone()));
    }
}

/// True if what runs on this thread should stop; drivers ask it now and then.
pub fn interrupted() -> bool {
    let flagged = FLAG.with_borrow(|flag| flag.as_ref().map(|flag| flag.0.load(Ordering::Relaxed)));
    flagged.unwrap_or_else(|| CHECK.get().is_some_and(|check| check()))
}
