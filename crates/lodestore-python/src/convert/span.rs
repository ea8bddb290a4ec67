//! Spans of time, which SQL's `time` holds and Python knows as `datetime.timedelta`.

use lodestore::{Error, ErrorKind, Result, Span};
use pyo3::prelude::*;
use pyo3::types::{PyDelta, PyDeltaAccess};

use super::from_python::classes;
use crate::error::{from_py_err, to_py_err};

const SECONDS_A_DAY: i64 = 86_400;

/// The span that a `timedelta` or a time of day is; nothing for anything else.
pub(crate) fn span_from_python(object: &Bound<'_, PyAny>) -> Result<Option<Span>> {
    if let Ok(delta) = object.cast::<PyDelta>() {
        let seconds = i64::from(delta.get_days()) * SECONDS_A_DAY + i64::from(delta.get_seconds());
        return Ok(Some(Span::from_microseconds(seconds * 1_000_000 + i64::from(delta.get_microseconds()))));
    }
    let py = object.py();
    if object.is_instance(classes(py).map_err(from_py_err)?.time.bind(py)).map_err(from_py_err)? {
        let text: String = object.call_method0("isoformat").and_then(|text| text.extract()).map_err(from_py_err)?;
        return text.parse().map(Some);
    }
    Ok(None)
}

/// The `timedelta` of a span's text.
pub(crate) fn span_to_python<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let malformed = || Error::new(ErrorKind::InvalidValue, "the database returned no span of time for a `time`");
    let span = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Span>().ok());
    let microseconds = span.ok_or_else(|| to_py_err(py, malformed()))?.microseconds();
    let (seconds, rest) = (microseconds.div_euclid(1_000_000), microseconds.rem_euclid(1_000_000));
    let (days, seconds) = (seconds.div_euclid(SECONDS_A_DAY), seconds.rem_euclid(SECONDS_A_DAY));
    Ok(PyDelta::new(py, days as i32, seconds as i32, rest as i32, false)?.into_any())
}
