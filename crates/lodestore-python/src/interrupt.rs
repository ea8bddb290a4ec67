//! A Ctrl-C that comes while the core works is never lost: what stops for it, or fails to, the user's program is told.

use std::cell::RefCell;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

thread_local! {
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// True once for each exception that a signal raises. Python forgets a signal as it is asked for, so the exception is
/// kept until the work ends.
pub(crate) fn check() -> bool {
    Python::attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(raised) => {
            RAISED.set(Some(raised));
            true
        }
    })
}

/// The exception that a signal raised on this thread since it was last asked.
pub(crate) fn raised() -> Option<PyErr> {
    RAISED.take()
}

/// What a call of Python's returned; `None` if it raised. What is no fault (`KeyboardInterrupt`, `SystemExit`) is kept, and
/// raised when the work ends.
pub(crate) fn ok<T>(py: Python<'_>, outcome: PyResult<T>) -> Option<T> {
    match outcome {
        Err(raised) if !raised.is_instance_of::<PyException>(py) => {
            RAISED.set(Some(raised));
            None
        }
        outcome => outcome.ok(),
    }
}
