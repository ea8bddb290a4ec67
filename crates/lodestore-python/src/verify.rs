//! Verification, usage, undelete and the command line for Python.

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

/// The deletions that can be undone that took rows of a schema, or of one table of it (its name in the database), the
/// newest first: what each is called, when it happened and until when it can be undone (seconds since 1970), who ran the
/// program, the table that was asked for, and the number of rows of each table.
#[pyfunction]
#[expect(clippy::type_complexity, reason = "a tuple is what Python takes apart")]
pub(crate) fn deletions(
    py: Python<'_>,
    project: &Instance,
    schema: &str,
    table: Option<&str>,
) -> PyResult<Vec<(String, i64, i64, String, String, Vec<(String, u64)>)>> {
    let found = run(py, || match scope(&project.0, schema, table)? {
        (_, Some(table)) => table.deletions(),
        (schema, None) => schema.deletions(),
    })?;
    let told = found.into_iter().map(|deletion| {
        let (at, until) = (deletion.at.as_second(), deletion.until.as_second());
        (deletion.id, at, until, deletion.user, deletion.table.to_string(), named(deletion.rows))
    });
    Ok(told.collect())
}

/// Undoes a deletion, or the newest one that took rows of a schema, or of one table of it; gives the rows of each table.
#[pyfunction]
pub(crate) fn undelete(
    py: Python<'_>,
    project: &Instance,
    schema: &str,
    table: Option<&str>,
    deletion: Option<&str>,
) -> PyResult<Vec<(String, u64)>> {
    let rows = run(py, || match scope(&project.0, schema, table)? {
        (_, Some(table)) => table.undelete(deletion),
        (schema, None) => schema.undelete(deletion),
    })?;
    Ok(named(rows))
}

fn scope(
    project: &lodestore::Instance,
    schema: &str,
    table: Option<&str>,
) -> lodestore::Result<(lodestore::Schema, Option<lodestore::Table>)> {
    let missing = || {
        lodestore::Error::new(lodestore::ErrorKind::MissingTable, format!("there is no schema `{schema}`"))
            .with_hint("it may have been dropped: what was deleted from its tables went with it")
    };
    let schema = project.existing_schema(schema)?.ok_or_else(missing)?;
    let table = table.map(|table| schema.existing(&lodestore::TableName::existing(table)?)).transpose()?;
    Ok((schema, table))
}

fn named(rows: Vec<(lodestore::FullTableName, u64)>) -> Vec<(String, u64)> {
    rows.into_iter().map(|(table, rows)| (table.to_string(), rows)).collect()
}

/// Runs the command `lodestore` with these arguments, the first of which is its name; gives its status.
#[pyfunction]
pub(crate) fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| lodestore_cli::run(arguments))
}
