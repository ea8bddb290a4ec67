//! Python objects into columns, cell by cell: the plain ones without a value in between.

use lodestore::{Column, ColumnData, Instance, NpyRef, Result, Value};
use lodestore::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use super::from_python::{classes, from_python};
use super::span::span_from_python;
use crate::codec::foreign;
use crate::interrupt;
use crate::reference::located_reference;

/// Python counts days from year 1.
const DAYS_BEFORE_1970: i64 = 719_163;

/// What takes the cells of a column.
pub(crate) struct CellReader<'a> {
    /// The project that the rows are for.
    pub instance: &'a Instance,
    /// True for a codec of Python: its objects stay what they are.
    pub of_python: bool,
    /// True for SQL's `time`, which takes spans of time.
    pub is_span: bool,
}

impl CellReader<'_> {
    /// Adds an object to a column; tells about how many bytes it takes besides.
    ///
    /// # Errors
    /// `InvalidType` or `InvalidValue` for what cannot be kept.
    #[inline]
    pub fn push(&self, column: &mut Column, object: &Bound<'_, PyAny>) -> Result<usize> {
        if object.is_none() {
            column.push_null();
            return Ok(0);
        }
        let quick = match &mut column.data {
            ColumnData::Int(numbers) => match object.cast_exact::<PyInt>().map(|number| number.extract::<i64>()) {
                Ok(Ok(number)) => {
                    numbers.push(number);
                    true
                }
                _ => false,
            },
            ColumnData::Float(numbers) => match object.cast_exact::<PyFloat>() {
                Ok(number) => {
                    numbers.push(number.value());
                    true
                }
                Err(_) => false,
            },
            ColumnData::Text(texts) => match object.cast_exact::<PyString>().map(|text| text.to_str()) {
                Ok(Ok(text)) => {
                    texts.push(text.as_bytes());
                    true
                }
                _ => false,
            },
            ColumnData::Bool(flags) => match object.cast_exact::<PyBool>() {
                Ok(flag) => {
                    flags.push(flag.is_true());
                    true
                }
                Err(_) => false,
            },
            ColumnData::Date(days) => match day_of(object) {
                Some(day) => {
                    days.push(day);
                    true
                }
                None => false,
            },
            _ => false,
        };
        if quick {
            column.push_valid();
            return Ok(0);
        }
        let value = self.value(object)?;
        let weight = value.weight();
        column.push(value);
        Ok(weight)
    }

    fn value(&self, object: &Bound<'_, PyAny>) -> Result<Value> {
        if is_missing(object) {
            return Ok(Value::Null);
        }
        if self.of_python {
            return Ok(foreign(object));
        }
        if self.is_span
            && let Some(span) = span_from_python(object)?
        {
            return Ok(Value::Text(span.to_string()));
        }
        let Some((reference, instance)) = located_reference(object) else { return from_python(object) };
        if instance.place() == self.instance.place() {
            return Ok(Value::Reference(reference));
        }
        match reference.codec.as_str() {
            "npy" => {
                let load = || NpyRef::open(&instance, reference)?.load();
                object.py().detach(load).map(Value::Array)
            }
            _ => Err(Error::new(
                ErrorKind::InvalidType,
                format!("the reference belongs to another project, that of {}", instance.place()),
            )
            .with_hint("download the object first, and insert its path")),
        }
    }
}

/// The days since 1970 of an object of `datetime.date`, of no class derived from it.
fn day_of(object: &Bound<'_, PyAny>) -> Option<i32> {
    let py = object.py();
    let classes = interrupt::ok(py, classes(py))?;
    if !object.get_type().is(classes.date.bind(py)) {
        return None;
    }
    let ordinal: i64 = object.call_method0(pyo3::intern!(py, "toordinal")).ok()?.extract().ok()?;
    i32::try_from(ordinal - DAYS_BEFORE_1970).ok()
}

/// True for pandas' NaT and NA, which stand for no value.
fn is_missing(object: &Bound<'_, PyAny>) -> bool {
    let class = object.get_type();
    class.name().is_ok_and(|name| matches!(name.to_str(), Ok("NaTType" | "NAType")))
        && class
            .module()
            .is_ok_and(|module| module.to_str().is_ok_and(|module| module.split('.').next() == Some("pandas")))
}
