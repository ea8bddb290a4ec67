//! Conditions from Python.

use std::collections::HashSet;

use lodestore::{Condition, Error, ErrorKind, Heading, Instance, Row, Value};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::codec::foreign;
use crate::convert::{from_python, span_from_python};
use crate::error::{IntoPyResult, to_py_err};
use crate::query::Query;

/// The condition that the Python half describes as a pair of a word and a content, for rows of `instance`.
pub(crate) fn condition_from_python(described: &Bound<'_, PyAny>, instance: &Instance) -> PyResult<Condition> {
    let py = described.py();
    let (word, content): (String, Bound<'_, PyAny>) = described.extract()?;
    let parts =
        || content.try_iter()?.map(|part| condition_from_python(&part?, instance)).collect::<PyResult<Vec<_>>>();
    Ok(match word.as_str() {
        "bool" => content.extract::<bool>()?.into(),
        "sql" => Condition::Sql(content.extract()?),
        "universal" => Condition::Universal,
        "in" => {
            let query = &content.cast::<Query>()?.get().0;
            if !query.instance().is_same(instance) {
                return Err(to_py_err(py, other_connection()));
            }
            Condition::In(query.expression().clone())
        }
        "not" => Condition::Not(Box::new(condition_from_python(&content, instance)?)),
        "all" => Condition::All(parts()?),
        "any" => Condition::Any(parts()?),
        // Many mappings of the same names: the names, and the values of each as a tuple.
        "rows" => {
            let (names, rows): (Vec<String>, Vec<Bound<'_, PyTuple>>) = content.extract()?;
            let map = |row: &Bound<'_, PyTuple>| {
                let entry = |(name, value): (&String, Bound<'_, PyAny>)| {
                    let value = comparable(&value).map_err(|error| error.with("attribute", name))?;
                    Ok((name.clone(), value))
                };
                names.iter().zip(row.iter()).map(entry).collect::<lodestore::Result<_>>().map(Condition::Map)
            };
            Condition::Any(rows.iter().map(map).collect::<lodestore::Result<_>>().into_py(py)?)
        }
        "map" => {
            let row = key_from_python(content.cast::<PyDict>()?).into_py(py)?;
            Condition::Map(row.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect())
        }
        other => {
            return Err(to_py_err(py, Error::new(ErrorKind::Internal, format!("there is no condition `{other}`"))));
        }
    })
}

fn other_connection() -> Error {
    Error::new(ErrorKind::InvalidRequest, "queries of different connections cannot be combined")
        .with_hint("fetch from one of them, and use the rows as a condition on the other")
}

/// What a value is compared as: a span of time as SQL's `time` writes it.
fn comparable(value: &Bound<'_, PyAny>) -> lodestore::Result<Value> {
    match span_from_python(value)? {
        Some(span) => Ok(Value::Text(span.to_string())),
        None => from_python(value),
    }
}

/// The key, or the condition on several attributes, that a dict stands for.
pub(crate) fn key_from_python(key: &Bound<'_, PyDict>) -> lodestore::Result<Row> {
    row_of(key, |_, value| comparable(value))
}

/// The row of a table that a dict stands for; the values of attributes `of_python` stay as they are.
pub(crate) fn row_from_python(
    row: &Bound<'_, PyDict>,
    heading: &Heading,
    of_python: &HashSet<String>,
) -> lodestore::Result<Row> {
    row_of(row, |name, value| {
        if of_python.contains(name) {
            return Ok(foreign(value));
        }
        match heading.get(name).is_some_and(|attribute| attribute.kind.is_span()) {
            true => comparable(value),
            false => from_python(value),
        }
    })
}

fn row_of(
    row: &Bound<'_, PyDict>,
    read: impl Fn(&str, &Bound<'_, PyAny>) -> lodestore::Result<Value>,
) -> lodestore::Result<Row> {
    row.iter()
        .map(|(name, value)| {
            let Ok(name) = name.extract::<String>() else {
                let shown = name.repr().map_or("?".into(), |shown| shown.to_string());
                return Err(Error::new(ErrorKind::InvalidType, format!("the field name {shown} is not text")));
            };
            let value = read(&name, &value).map_err(|error| error.with("attribute", &name))?;
            Ok((name, value))
        })
        .collect()
}
