//! Values to Python objects.

use lodestore::{Date, Error, ErrorKind, Time, Value};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyComplex, PyDict, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};

use super::from_python::classes;
use super::numpy;
use crate::codec::foreign_to_python;
use crate::error::to_py_err;
use crate::memory::to_bytes;

/// The Python object of a value.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(flag) => flag.into_bound_py_any(py),
        Value::Int(number) => number.into_bound_py_any(py),
        Value::BigInt(number) => {
            let keywords = PyDict::new(py);
            keywords.set_item("signed", true)?;
            let bytes = PyBytes::new(py, number.as_le_bytes());
            py.get_type::<PyInt>().call_method("from_bytes", (bytes, "little"), Some(&keywords))
        }
        Value::Float(number) => number.into_bound_py_any(py),
        Value::Complex(number) => Ok(PyComplex::from_doubles(py, number.re, number.im).into_any()),
        Value::Decimal(number) => classes(py)?.decimal.bind(py).call1((number.as_str(),)),
        Value::Text(text) => Ok(PyString::new(py, text).into_any()),
        Value::Bytes(bytes) => Ok(to_bytes(py, bytes)?.into_any()),
        Value::Uuid(id) => {
            let keywords = PyDict::new(py);
            keywords.set_item("bytes", PyBytes::new(py, id.as_bytes()))?;
            classes(py)?.uuid.bind(py).call((), Some(&keywords))
        }
        Value::Date(day) => {
            let (year, month, day) = date_parts(*day);
            classes(py)?.date.bind(py).call1((year, month, day))
        }
        Value::Time(clock) => classes(py)?.time.bind(py).call1(time_parts(*clock)),
        Value::DateTime(moment) => {
            let (year, month, day) = date_parts(moment.date());
            let (hour, minute, second, microsecond) = time_parts(moment.time());
            classes(py)?.datetime.bind(py).call1((year, month, day, hour, minute, second, microsecond))
        }
        Value::Json(document) => json_to_python(py, document),
        // Without dimensions it is a scalar, as NumPy itself gives them out.
        Value::Array(array) if array.shape().is_empty() => {
            numpy::array_to_python(py, array)?.get_item(PyTuple::empty(py))
        }
        Value::Array(array) => numpy::array_to_python(py, array),
        Value::Objects(array) => numpy::objects_to_python(py, array),
        Value::Struct(array) => numpy::structure_to_python(py, array),
        Value::Records(array) => numpy::records_to_python(py, array),
        Value::List(items) => Ok(PyList::new(py, all(py, items)?)?.into_any()),
        Value::Tuple(items) => Ok(PyTuple::new(py, all(py, items)?)?.into_any()),
        Value::Set(items) => {
            let items = items.iter().map(|item| hashable(py, item)).collect::<PyResult<Vec<_>>>()?;
            Ok(PySet::new(py, items)?.into_any())
        }
        Value::Dict(items) => {
            let dict = PyDict::new(py);
            for (key, item) in items {
                dict.set_item(hashable(py, key)?, to_python(py, item)?)?;
            }
            Ok(dict.into_any())
        }
        Value::Foreign(object) => foreign_to_python(py, object),
        Value::Reference(_) => Err(to_py_err(
            py,
            Error::new(ErrorKind::Internal, "a reference reached Python without the store that opens it"),
        )),
    }
}

/// The Python object of a JSON document.
pub(crate) fn json_to_python<'py>(py: Python<'py>, document: &serde_json::Value) -> PyResult<Bound<'py, PyAny>> {
    match document {
        serde_json::Value::Null => Ok(py.None().into_bound(py)),
        serde_json::Value::Bool(flag) => flag.into_bound_py_any(py),
        serde_json::Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                whole.into_bound_py_any(py)
            } else if let Some(whole) = number.as_u64() {
                whole.into_bound_py_any(py)
            } else {
                number.as_f64().into_bound_py_any(py)
            }
        }
        serde_json::Value::String(text) => Ok(PyString::new(py, text).into_any()),
        serde_json::Value::Array(items) => {
            let items = items.iter().map(|item| json_to_python(py, item)).collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, items)?.into_any())
        }
        serde_json::Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, item) in map {
                dict.set_item(key, json_to_python(py, item)?)?;
            }
            Ok(dict.into_any())
        }
    }
}

fn all<'py>(py: Python<'py>, items: &[Value]) -> PyResult<Vec<Bound<'py, PyAny>>> {
    items.iter().map(|item| to_python(py, item)).collect()
}

/// A member of a set or a key: sets inside become frozen ones, which can be members.
fn hashable<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    let inner = |items: &[Value]| items.iter().map(|item| hashable(py, item)).collect::<PyResult<Vec<_>>>();
    match value {
        Value::Set(items) => Ok(PyFrozenSet::new(py, inner(items)?)?.into_any()),
        Value::Tuple(items) => Ok(PyTuple::new(py, inner(items)?)?.into_any()),
        other => to_python(py, other),
    }
}

fn date_parts(day: Date) -> (i16, i8, i8) {
    (day.year(), day.month(), day.day())
}

fn time_parts(clock: Time) -> (i8, i8, i8, i32) {
    (clock.hour(), clock.minute(), clock.second(), clock.subsec_nanosecond() / 1000)
}
