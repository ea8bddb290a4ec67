//! Columns to Python objects, cell by cell: what dicts are made of.

use std::collections::HashMap;

use lodestore::{Column, ColumnData, Instance};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::to_python;
use crate::query::object_of;

/// So many different days or texts of a column are remembered, to be one object each.
const REMEMBERED: usize = 1 << 12;

/// The cells of a column as Python objects.
pub(crate) fn objects_of<'py>(
    py: Python<'py>,
    instance: &Instance,
    column: &Column,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let none = py.None().into_bound(py);
    let mut objects = Vec::with_capacity(column.len());
    macro_rules! each {
        ($cells:expr, $make:expr) => {
            for (index, cell) in $cells.enumerate() {
                objects.push(if column.is_null(index) { none.clone() } else { $make(cell)? });
            }
        };
    }
    match &column.data {
        ColumnData::Bool(flags) => each!(flags.iter(), |flag: &bool| flag.into_bound_py_any(py)),
        ColumnData::Int(numbers) => each!(numbers.iter(), |number: &i64| number.into_bound_py_any(py)),
        ColumnData::Float(numbers) => each!(numbers.iter(), |number: &f64| number.into_bound_py_any(py)),
        ColumnData::Bytes(all) => each!(all.iter(), |bytes: &[u8]| PyResult::Ok(PyBytes::new(py, bytes).into_any())),
        ColumnData::Text(texts) => {
            let text = |bytes: &[u8]| PyResult::Ok(PyString::from_bytes(py, bytes)?.into_any());
            each!(texts.iter(), text);
        }
        // Days repeat, and making one costs more than finding it.
        ColumnData::Date(days) => {
            let mut known: HashMap<i32, Bound<'py, PyAny>> = HashMap::new();
            for (index, day) in days.iter().enumerate() {
                objects.push(match known.get(day) {
                    _ if column.is_null(index) => none.clone(),
                    Some(object) => object.clone(),
                    None => {
                        let object = to_python(py, &column.value(index))?;
                        if known.len() < REMEMBERED {
                            known.insert(*day, object.clone());
                        }
                        object
                    }
                });
            }
        }
        ColumnData::Values(values) => each!(values.iter(), |value| object_of(py, instance, value)),
        ColumnData::DateTime(_) | ColumnData::Decimal(_) | ColumnData::Uuid(_) => {
            each!(0..column.len(), |index| to_python(py, &column.value(index)));
        }
    }
    Ok(objects)
}
