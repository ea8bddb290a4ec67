//! Migrations and tiers for Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lodestore::{MigrateOptions, SchemaName, TierMove, TierOptions};
use pyo3::prelude::*;
use serde_json::Value as Json;

use crate::convert::json_to_python;
use crate::error::{IntoPyResult, run};
use crate::instance::Instance;
use crate::query::Query;

/// A migration.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Migration(Mutex<lodestore::Migration>);

impl Migration {
    fn get(&self) -> MutexGuard<'_, lodestore::Migration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to it, which takes long; it is as it was found if that fails.
    fn change(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut lodestore::Migration) -> lodestore::Result<()> + Send,
    ) -> PyResult<()> {
        // Not locked while Python code may run.
        let mut changed = self.get().clone();
        let outcome = run(py, || work(&mut changed));
        *self.get() = changed;
        outcome
    }
}

#[pymethods]
impl Migration {
    /// All that is known of it.
    fn told<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let told = self.get().to_json();
        json_to_python(py, &told)
    }

    fn resume(&self, py: Python<'_>, confirm: bool, batch: usize, progress: Option<Py<PyAny>>) -> PyResult<()> {
        let options = MigrateOptions { confirm, batch };
        telling(progress, |tell| self.change(py, |migration| migration.resume(&options, tell)))
    }

    fn confirm(&self, py: Python<'_>) -> PyResult<()> {
        let migration = self.get().clone();
        run(py, || migration.confirm())
    }

    fn revert(&self, py: Python<'_>, batch: usize, progress: Option<Py<PyAny>>) -> PyResult<()> {
        let options = MigrateOptions { confirm: false, batch };
        telling(progress, |tell| self.change(py, |migration| migration.revert(&options, tell)))
    }
}

/// Calls `work` with what tells Python how many rows there are and are done; what that raises comes out at the end.
fn telling<T>(
    progress: Option<Py<PyAny>>,
    work: impl FnOnce(&mut (dyn FnMut(u64, u64) + Send)) -> PyResult<T>,
) -> PyResult<T> {
    let mut failure = None;
    let outcome = work(&mut |rows, done| {
        if let Some(progress) = progress.as_ref().filter(|_| failure.is_none()) {
            failure = Python::attach(|py| progress.call1(py, (rows, done)).err());
        }
    });
    match failure {
        Some(error) => Err(error),
        None => outcome,
    }
}

/// Migrates an attribute of the rows of `query`.
#[pyfunction]
pub(crate) fn migrate(
    py: Python<'_>,
    query: &Query,
    attribute: &str,
    to: &str,
    confirm: bool,
    batch: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Migration> {
    let options = MigrateOptions { confirm, batch };
    let done = telling(progress, |tell| run(py, || query.0.migrate(attribute, to, &options, tell)))?;
    Ok(Migration(Mutex::new(done)))
}

/// The migrations that are neither confirmed nor reverted.
#[pyfunction]
pub(crate) fn migrations(py: Python<'_>, project: &Instance, schemas: Vec<String>) -> PyResult<Vec<Migration>> {
    let schemas = schemas.into_iter().map(SchemaName::new).collect::<lodestore::Result<Vec<_>>>().into_py(py)?;
    let found = run(py, || project.0.migrations(&schemas))?;
    Ok(found.into_iter().map(|migration| Migration(Mutex::new(migration))).collect())
}

/// Applies the tier rules of the settings, or tells what they would move.
#[pyfunction]
pub(crate) fn tier<'py>(
    py: Python<'py>,
    project: &Instance,
    apply: bool,
    keep_old: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let moves = run(py, || project.0.tier(&TierOptions { apply, keep_old }))?;
    json_to_python(py, &Json::Array(moves.iter().map(TierMove::to_json).collect()))
}
