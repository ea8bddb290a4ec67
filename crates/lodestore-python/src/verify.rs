//! Verification, usage and the command line for Python.

use std::ffi::OsString;
use std::path::PathBuf;

use lodestore::{DeleteOptions, Depth, Subset, VerifyOptions, VerifyProgress, VerifyReport};
use pyo3::prelude::*;

use crate::convert::json_to_python;
use crate::error::{IntoPyResult, run};
use crate::instance::Instance;
use crate::query::Query;

/// What a verification found.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Verification {
    instance: lodestore::Instance,
    report: VerifyReport,
}

#[pymethods]
impl Verification {
    /// All of it.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_to_python(py, &self.report.to_json())
    }

    /// Each finding on a line.
    fn lines(&self) -> Vec<String> {
        self.report.findings.iter().map(ToString::to_string).collect()
    }

    /// Looks for whole copies of what is missing or damaged, and with `apply` brings them back: of each object store, path,
    /// where its content was found, and why it was not.
    #[expect(clippy::type_complexity, reason = "a tuple is what Python takes apart")]
    fn repair(&self, py: Python<'_>, apply: bool) -> PyResult<Vec<(String, String, Option<String>, Option<String>)>> {
        let repaired = run(py, || self.instance.repair(&self.report, apply))?;
        Ok(repaired.into_iter().map(|of| (of.store, of.path, of.source, of.problem)).collect())
    }
}

/// Compares rows with objects: those of `query`, or else of schemas. `progress` is called now and then with the rows read
/// and all rows.
#[pyfunction]
#[pyo3(signature = (project, schemas, query, deep, subset, both_ways, state, keep, progress))]
#[expect(clippy::too_many_arguments, reason = "they are the options, under their names in Python")]
pub(crate) fn verify(
    py: Python<'_>,
    project: &Instance,
    schemas: Vec<String>,
    query: Option<&Query>,
    deep: bool,
    subset: Option<&str>,
    both_ways: bool,
    state: Option<PathBuf>,
    keep: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Verification> {
    let subset = subset.map(str::parse::<Subset>).transpose().into_py(py)?;
    let depth = if deep { Depth::Deep } else { Depth::Fast };
    let options = VerifyOptions { depth, subset, both_ways, state, keep };
    let instance = project.0.clone();
    let mut failure = None;
    let report = run(py, || {
        let mut tell = |told: &VerifyProgress| {
            if let Some(progress) = progress.as_ref().filter(|_| failure.is_none()) {
                failure = Python::attach(|py| progress.call1(py, (told.rows, told.of)).err());
            }
        };
        match query {
            Some(query) => query.0.verify(&options, &mut tell),
            None => {
                let schemas: Vec<&str> = schemas.iter().map(String::as_str).collect();
                instance.verify(&schemas, &options, &mut tell)
            }
        }
    })?;
    match failure {
        Some(error) => Err(error),
        None => Ok(Verification { instance, report }),
    }
}

/// What the rows of `query` own, or those of schemas; or what deleting the rows would free.
#[pyfunction]
pub(crate) fn usage<'py>(
    py: Python<'py>,
    project: &Instance,
    schemas: Vec<String>,
    query: Option<&Query>,
    of_delete: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let usage = run(py, || match query {
        Some(query) if of_delete => query.0.usage_of_delete(DeleteOptions::default()),
        Some(query) => query.0.usage(),
        None => project.0.usage(&schemas.iter().map(String::as_str).collect::<Vec<_>>()),
    })?;
    json_to_python(py, &usage.to_json())
}

/// Runs the command `lodestore` with these arguments, the first of which is its name; gives its status.
#[pyfunction]
pub(crate) fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| lodestore_cli::run(arguments))
}
