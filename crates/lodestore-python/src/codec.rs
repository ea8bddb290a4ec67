//! Codecs written in Python.

use std::fmt;
use std::sync::Arc;

use lodestore::codec::{Codec, Context, Encoded, Inner, Stored, TypeSpec};
use lodestore::{CoreType, Error, ErrorKind, Foreign, ForeignObject, Result, Value};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::convert::{from_python, to_python};
use crate::error::{IntoPyResult, from_py_err, to_py_err};
use crate::instance::Instance;
use crate::reference::reference_to_python;

/// A Python object that a codec of Python takes or gives.
struct PythonObject(Py<PyAny>);

impl ForeignObject for PythonObject {
    fn to_value(&self) -> Result<Value> {
        Python::attach(|py| from_python(self.0.bind(py)))
    }

    fn class_name(&self) -> String {
        Python::attach(|py| self.0.bind(py).get_type().fully_qualified_name().map(|name| name.to_string()))
            .unwrap_or_else(|_| "object".to_owned())
    }
}

/// The value of an object that goes to a codec of Python: the object itself.
pub(crate) fn foreign(object: &Bound<'_, PyAny>) -> Value {
    if object.is_none() { Value::Null } else { Value::Foreign(Foreign::new(PythonObject(object.clone().unbind()))) }
}

/// The object in such a value.
pub(crate) fn foreign_to_python<'py>(py: Python<'py>, object: &Foreign) -> PyResult<Bound<'py, PyAny>> {
    object
        .downcast::<PythonObject>()
        .map(|found| found.0.bind(py).clone())
        .ok_or_else(|| to_py_err(py, Error::new(ErrorKind::Internal, "an object of another language reached Python")))
}

/// A codec of Python: an object with `get_dtype`, `validate`, `encode` and `decode`. The
/// interpreter is held only while one of them runs.
struct PythonCodec {
    name: String,
    object: Py<PyAny>,
}

impl fmt::Debug for PythonCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PythonCodec({})", self.name)
    }
}

impl PythonCodec {
    fn call<T>(&self, work: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>) -> Result<T> {
        Python::attach(|py| work(py, self.object.bind(py))).map_err(from_py_err)
    }
}

impl Codec for PythonCodec {
    fn name(&self) -> &str {
        &self.name
    }

    fn inner(&self, in_store: bool) -> Result<Inner> {
        let text: String = self.call(|_, codec| codec.call_method1("get_dtype", (in_store,))?.extract())?;
        inner_of(&text).map_err(|error| error.with("codec", &self.name))
    }

    fn takes_foreign(&self) -> bool {
        true
    }

    fn wants_key(&self) -> bool {
        true
    }

    fn validate(&self, value: &Value) -> Result<()> {
        self.call(|py, codec| codec.call_method1("validate", (object_of(py, value)?,)).map(drop))
    }

    fn encode(&self, value: Value, context: &Context) -> Result<Encoded> {
        self.call(|py, codec| {
            let key = key_of(py, context)?;
            let place = (&context.schema, &context.table, &context.attribute);
            let arguments = (codec, object_of(py, &value)?, key, place, &context.store, config_at_work(py)?);
            let encoded = py.import("lodestore.codecs")?.call_method1("_encode", arguments)?;
            Ok(Encoded::Value(foreign(&encoded)))
        })
    }

    fn decode(&self, stored: Stored, context: &Context) -> Result<Value> {
        self.call(|py, codec| {
            let key = key_of(py, context)?;
            let arguments = (codec, object_of(py, &stored.value)?, key, &context.attribute, config_at_work(py)?);
            let decoded = py.import("lodestore.codecs")?.call_method1("_decode", arguments)?;
            Ok(foreign(&decoded))
        })
    }
}

fn key_of<'py>(py: Python<'py>, context: &Context) -> PyResult<Bound<'py, PyDict>> {
    let key = PyDict::new(py);
    for (name, value) in &context.key {
        key.set_item(name, to_python(py, value)?)?;
    }
    Ok(key)
}

fn object_of<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match (value, lodestore::Instance::at_work()) {
        (Value::Reference(reference), Some(instance)) => reference_to_python(py, &instance, reference),
        (value, _) => to_python(py, value),
    }
}

/// The settings of the project for which a codec is at work.
fn config_at_work(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let Some(instance) = lodestore::Instance::at_work() else { return Ok(None) };
    let core = Py::new(py, crate::config::Config::of(&instance))?;
    py.import("lodestore.settings")?.getattr("Config")?.call1((core,)).map(Some)
}

/// What a codec says that it is stored as: `<name>`, `<name@store>`, `name@store` or a core type.
fn inner_of(text: &str) -> Result<Inner> {
    let text = text.trim();
    if text.starts_with('<') {
        return TypeSpec::parse(text).map(Inner::Codec);
    }
    if text.contains('@') {
        return TypeSpec::parse(&format!("<{text}>")).map(Inner::Codec);
    }
    CoreType::parse(text)?.map(Inner::Core).ok_or_else(|| {
        Error::new(ErrorKind::InvalidDefinition, format!("`{text}` is neither a core type nor a codec"))
            .with_hint("give a core type such as `bytes` or `json`, or another codec such as `<blob>`")
    })
}

/// Looks among the codecs of Python for one that the core does not know.
pub(crate) fn find(name: &str) -> Result<Option<Arc<dyn Codec>>> {
    let found = Python::attach(|py| -> PyResult<Option<Py<PyAny>>> {
        let found = py.import("lodestore.codecs")?.call_method1("_find", (name,))?;
        Ok((!found.is_none()).then(|| found.unbind()))
    });
    let found = found.map_err(from_py_err)?;
    Ok(found.map(|object| Arc::new(PythonCodec { name: name.to_owned(), object }) as Arc<dyn Codec>))
}

/// The final column type, the names of the codecs from outside in, and the store of a codec type.
#[pyfunction]
pub(crate) fn resolve_codec<'py>(
    py: Python<'py>,
    text: &str,
    store: Option<String>,
) -> PyResult<(String, Bound<'py, PyList>, Option<String>)> {
    let mut spec = TypeSpec::parse(text).into_py(py)?;
    spec.store = spec.store.or(store);
    let chain = lodestore::codec::Registry::builtin().resolve_with(&spec, &find).into_py(py)?;
    let names = PyList::new(py, chain.codecs().iter().map(|codec| codec.name()))?;
    Ok((chain.core_type().to_string(), names, chain.store().map(str::to_owned)))
}

/// The path of a new object, for a codec that writes it by itself.
#[pyfunction]
#[pyo3(signature = (project, schema, table, field, key, extension, store))]
#[expect(clippy::too_many_arguments, reason = "the Python half calls it, from one place")]
pub(crate) fn new_object_path(
    py: Python<'_>,
    project: Option<&Instance>,
    schema: String,
    table: String,
    field: String,
    key: &Bound<'_, PyDict>,
    extension: &str,
    store: Option<&str>,
) -> PyResult<String> {
    let instance = at_work_or(py, project)?;
    let pair = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| -> PyResult<(String, Value)> {
        Ok((name.extract()?, from_python(&value).into_py(py)?))
    };
    let key = key.iter().map(pair).collect::<PyResult<_>>()?;
    let context = Context { schema, table, attribute: field, key, store: None, compress_files: false };
    let path = instance.new_object_path(store.unwrap_or_default(), &context, extension).into_py(py)?;
    Ok(path.to_string())
}

/// The project of the row that is being stored or fetched; else the one that is given.
pub(crate) fn at_work_or(py: Python<'_>, project: Option<&Instance>) -> PyResult<lodestore::Instance> {
    match (lodestore::Instance::at_work(), project) {
        (Some(instance), _) => Ok(instance),
        (None, Some(project)) => Ok(project.0.clone()),
        (None, None) => {
            let connection = py.import("lodestore.connection")?.call_method0("conn")?;
            Ok(connection.getattr("_core")?.cast::<Instance>()?.get().0.clone())
        }
    }
}

/// The names of the built-in codecs.
#[pyfunction]
pub(crate) fn builtin_codecs(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let registry = lodestore::codec::Registry::builtin();
    PyTuple::new(py, registry.names().collect::<Vec<_>>())
}
