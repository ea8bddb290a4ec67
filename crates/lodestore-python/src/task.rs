//! Which asyncio task makes a call.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// A number of the asyncio task that runs on this thread; 0 if none does.
pub(crate) fn current(py: Python<'_>) -> usize {
    found(py).ok().flatten().map_or(0, |task| task.as_ptr() as usize)
}

fn found(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let modules = MODULES.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.unbind())
    })?;
    // A program that has not imported it runs no task, and need not wait for the import.
    let Some(asyncio) = modules.bind(py).get_item("asyncio")? else { return Ok(None) };
    let running = asyncio.call_method0("_get_running_loop")?;
    if running.is_none() {
        return Ok(None);
    }
    let task = asyncio.call_method1("current_task", (running,))?;
    Ok((!task.is_none()).then_some(task))
}
