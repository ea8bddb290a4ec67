//! Errors across the border: one function each way.

use std::borrow::Borrow;

use lodestore::{Error, ErrorKind, mask_urls};
use pyo3::exceptions::{PyException, PyKeyboardInterrupt};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::{interrupt, task};

/// The Python exception of an error. One that began as a Python exception comes back as itself.
pub(crate) fn to_py_err(py: Python<'_>, error: impl Borrow<Error>) -> PyErr {
    let error = error.borrow();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        if let Some(original) = source.downcast_ref::<PyErr>() {
            return original.clone_ref(py);
        }
        cause = source.source();
    }
    if error.kind() == ErrorKind::Interrupted {
        return interrupt::raised().unwrap_or_else(|| PyKeyboardInterrupt::new_err(()));
    }
    classify(py, error).unwrap_or_else(|failure| failure)
}

fn classify(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let context = PyDict::new(py);
    for (key, value) in error.context() {
        context.set_item(key, value)?;
    }
    let errors = py.import("lodestore.errors")?;
    let exception =
        errors.call_method1("_classify", (error.kind().code(), error.to_string(), error.hint(), context))?;
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        exception.call_method1("add_note", (mask_urls(&format!("caused by: {source}")),))?;
        cause = source.source();
    }
    Ok(PyErr::from_value(exception))
}

/// An error that keeps the Python exception from which it comes.
pub(crate) fn from_py_err(error: PyErr) -> Error {
    let kind = Python::attach(|py| {
        let told = error.value(py).getattr("kind").and_then(|kind| kind.extract::<String>());
        match error.is_instance_of::<PyException>(py) {
            // KeyboardInterrupt and SystemExit are no faults: they must stop whatever goes on.
            false => ErrorKind::Interrupted,
            // What the database took back may be done again, also where a program of the user's did it.
            true if told.is_ok_and(|kind| kind == ErrorKind::LostConnection.code()) => ErrorKind::LostConnection,
            true => ErrorKind::User,
        }
    });
    Error::new(kind, error.to_string()).with_source(error)
}

/// Turns the core's results into Python's.
pub(crate) trait IntoPyResult<T> {
    fn into_py(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> IntoPyResult<T> for lodestore::Result<T> {
    fn into_py(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| to_py_err(py, error))
    }
}

/// Runs work of the core without holding the interpreter. A Ctrl-C that the work did not heed, being as good as done or
/// about to fail anyway, is raised after it.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> lodestore::Result<T> + Send) -> PyResult<T> {
    lodestore::set_task(task::current(py));
    let outcome = py.detach(work).into_py(py);
    match interrupt::raised() {
        Some(raised) => {
            raised.set_context(py, outcome.err());
            Err(raised)
        }
        None => outcome,
    }
}
