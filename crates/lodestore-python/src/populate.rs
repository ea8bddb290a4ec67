//! Populate for Python: the core finds keys and keeps transactions, Python computes.

use lodestore::{Error, KeyOrder, Make, PopulateOptions, PopulateProgress, Row};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::condition::key_from_python;
use crate::error::{from_py_err, run, to_py_err};
use crate::query::{Query, Table};

/// What computes, in Python: an object with the methods of [`Make`].
struct Maker<'a> {
    object: &'a Py<PyAny>,
    source: &'a Query,
    verifies: bool,
}

impl Maker<'_> {
    fn call<T>(&self, method: &str, work: impl FnOnce(&Bound<'_, PyAny>, &str) -> PyResult<T>) -> lodestore::Result<T> {
        Python::attach(|py| work(self.object.bind(py), method)).map_err(from_py_err)
    }
}

impl Make for Maker<'_> {
    type Prepared = Py<PyAny>;

    fn prepare(&mut self, key: &Row) -> lodestore::Result<Py<PyAny>> {
        let source = self.source;
        self.call("prepare", |maker, method| {
            Ok(maker.call_method1(method, (key_dict(maker.py(), source, key)?,))?.unbind())
        })
    }

    fn store(&mut self, key: &Row, prepared: Py<PyAny>) -> lodestore::Result<()> {
        let source = self.source;
        self.call("store", |maker, method| {
            maker.call_method1(method, (key_dict(maker.py(), source, key)?, prepared)).map(drop)
        })
    }

    fn verifies(&self) -> bool {
        self.verifies
    }

    fn fault(&self, error: &Error) -> Option<(String, Option<String>)> {
        let told = Python::attach(|py| {
            let exception = exception_of(py, error);
            self.object.bind(py).call_method1("fault", (exception,))?.extract::<Option<(String, Option<String>)>>()
        });
        told.unwrap_or_else(|_| Some((error.to_string(), Some(error.report()))))
    }

    fn told(&mut self, progress: &PopulateProgress) -> lodestore::Result<()> {
        let PopulateProgress { made, failed, skipped, total } = *progress;
        self.call("told", |maker, method| maker.call_method1(method, (made, failed, skipped, total)).map(drop))
    }

    fn goes_on(&mut self) -> bool {
        self.call("goes_on", |maker, method| maker.call_method0(method)?.is_truthy()).unwrap_or(false)
    }
}

fn key_dict<'py>(py: Python<'py>, source: &Query, key: &Row) -> PyResult<Bound<'py, PyDict>> {
    let names: Vec<_> = key.names().iter().map(|name| PyString::intern(py, name)).collect();
    source.dict(py, &names, key)
}

/// The exception of an error that stays.
fn exception_of(py: Python<'_>, error: &Error) -> Py<PyAny> {
    to_py_err(py, error).into_value(py).into_any()
}

/// Has `maker` make the missing keys of `chosen`; gives the number of successes, that of keys that others made, and
/// pairs of a key and an exception.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each option, given by place by one caller")]
pub(crate) fn populate_table<'py>(
    py: Python<'py>,
    table: &Table,
    source: &Query,
    chosen: &Query,
    maker: Py<PyAny>,
    verifies: bool,
    suppress_errors: bool,
    max_calls: Option<usize>,
    order: &str,
    reserve_jobs: bool,
    priority: Option<i64>,
    refresh: Option<bool>,
    count_ahead: bool,
) -> PyResult<(u64, u64, Bound<'py, PyList>)> {
    let order = match order {
        "reverse" => KeyOrder::Reverse,
        "random" => KeyOrder::Random,
        _ => KeyOrder::Original,
    };
    let options = PopulateOptions { suppress_errors, max_calls, order, reserve_jobs, priority, refresh, count_ahead };
    let report = run(py, || {
        let maker = Maker { object: &maker, source: chosen, verifies };
        table.0.populate_from(&source.0, &chosen.0, options, maker)
    })?;
    let errors = PyList::empty(py);
    for (key, error) in report.errors {
        errors.append((key_dict(py, chosen, &key)?, exception_of(py, &error)))?;
    }
    Ok((report.success_count, report.skipped, errors))
}

/// Has `maker` make one key; false if it was made already, or if its job could not be reserved.
#[pyfunction]
pub(crate) fn make_key(
    py: Python<'_>,
    table: &Table,
    source: &Query,
    key: &Bound<'_, PyDict>,
    maker: Py<PyAny>,
    verifies: bool,
    reserve: bool,
) -> PyResult<bool> {
    let key = key_from_python(key).map_err(|error| to_py_err(py, &error))?;
    run(py, || table.0.make_key(&key, reserve, Maker { object: &maker, source, verifies })).map(|made| made.is_some())
}

/// How many keys of `chosen` are missing, and how many there are.
#[pyfunction]
pub(crate) fn progress(py: Python<'_>, table: &Table, chosen: &Query) -> PyResult<(u64, u64)> {
    run(py, || table.0.progress(&chosen.0))
}

/// The missing keys of `chosen`.
#[pyfunction]
pub(crate) fn missing_keys<'py>(
    py: Python<'py>,
    table: &Table,
    chosen: &Query,
    at_most: Option<usize>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let keys = run(py, || table.0.missing_keys(&chosen.0, at_most))?;
    keys.iter().map(|key| key_dict(py, chosen, key)).collect()
}
