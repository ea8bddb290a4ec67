//! Queues of jobs for Python.

use lodestore::{JobStatus, RefreshOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::condition::key_from_python;
use crate::error::{IntoPyResult, run};
use crate::query::{Query, Table};

/// The queue of a table.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Jobs(pub(crate) lodestore::Jobs);

#[pymethods]
impl Jobs {
    /// The queue of a table, made if it is not there.
    #[staticmethod]
    fn of(py: Python<'_>, table: &Table) -> PyResult<Jobs> {
        run(py, || table.0.jobs()).map(Jobs)
    }

    /// The queue as a table.
    fn table(&self) -> Table {
        Table(self.0.table().clone())
    }

    /// The full name of the table whose rows the jobs compute.
    fn target(&self) -> String {
        self.0.target().name().to_string()
    }

    /// Brings it up to date; gives how many jobs were added, removed, taken back from dead workers, and made to wait again.
    #[pyo3(signature = (source, chosen, delay, priority, stale_timeout, orphan_timeout))]
    #[expect(clippy::too_many_arguments, reason = "one for each option, given by place by one caller")]
    fn refresh(
        &self,
        py: Python<'_>,
        source: &Query,
        chosen: &Query,
        delay: f64,
        priority: Option<i64>,
        stale_timeout: Option<f64>,
        orphan_timeout: Option<f64>,
    ) -> PyResult<(u64, u64, u64, u64)> {
        let options = RefreshOptions { delay, priority, stale_timeout, orphan_timeout };
        let done = run(py, || self.0.refresh(&source.0, &chosen.0, options))?;
        Ok((done.added, done.removed, done.orphaned, done.re_pended))
    }

    fn reserve(&self, py: Python<'_>, key: &Bound<'_, PyDict>) -> PyResult<bool> {
        let key = key_from_python(key).into_py(py)?;
        run(py, || self.0.reserve(&key))
    }

    fn complete(&self, py: Python<'_>, key: &Bound<'_, PyDict>, duration: Option<f64>) -> PyResult<()> {
        let key = key_from_python(key).into_py(py)?;
        run(py, || self.0.complete(&key, duration))
    }

    fn error(&self, py: Python<'_>, key: &Bound<'_, PyDict>, message: &str, stack: Option<&str>) -> PyResult<()> {
        let key = key_from_python(key).into_py(py)?;
        run(py, || self.0.error(&key, message, stack))
    }

    fn ignore(&self, py: Python<'_>, key: &Bound<'_, PyDict>) -> PyResult<()> {
        let key = key_from_python(key).into_py(py)?;
        run(py, || self.0.ignore(&key))
    }

    /// How many jobs there are of each status, by its word.
    fn progress(&self, py: Python<'_>) -> PyResult<Vec<(&'static str, u64)>> {
        let counts = run(py, || self.0.progress())?;
        Ok(JobStatus::ALL.map(|status| (status.name(), counts.of(status))).into())
    }

    /// True if a worker with a lease has one of the jobs.
    fn is_at_work(&self, py: Python<'_>) -> PyResult<bool> {
        run(py, || self.0.is_at_work())
    }

    fn drop(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.0.drop())
    }
}
