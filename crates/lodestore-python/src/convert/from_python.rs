//! Python objects to values.

use bytes::Bytes;
use jiff::civil::{Date, DateTime, Time};
use lodestore::{BigInt, Complex, Decimal, Error, ErrorKind, Result, Value};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping, PySet, PyString,
    PyTuple,
};

use super::numpy;
use crate::error::from_py_err;
use crate::reference::value_in_store;

/// Deeper nesting is refused: it would exhaust the stack of whoever reads it.
const MAX_DEPTH: usize = 200;

/// The value of a Python object.
///
/// # Errors
/// `InvalidType` or `InvalidValue` for what cannot be kept, with the place inside the object.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> Result<Value> {
    convert(object, 0).map_err(Refusal::into_error)
}

/// The JSON document of a Python object.
pub(crate) fn json_from_python(object: &Bound<'_, PyAny>) -> Result<serde_json::Value> {
    match lodestore::CoreType::Json.check(from_python(object)?)? {
        Value::Json(document) => Ok(document),
        _ => Ok(serde_json::Value::Null),
    }
}

/// An error with the place inside the value where it happened, gathered on the way out.
pub(super) struct Refusal {
    place: String,
    error: Error,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal { place: String::new(), error }
    }
}

impl From<PyErr> for Refusal {
    fn from(error: PyErr) -> Self {
        from_py_err(error).into()
    }
}

impl Refusal {
    fn within(mut self, step: impl std::fmt::Display) -> Self {
        self.place = format!("{step}{}", self.place);
        self
    }

    fn into_error(self) -> Error {
        if self.place.is_empty() { self.error } else { self.error.with("at", self.place) }
    }
}

pub(super) type Converted = std::result::Result<Value, Refusal>;

/// The classes that tell what an object is, looked up once.
pub(super) struct Classes {
    pub date: Py<PyAny>,
    pub time: Py<PyAny>,
    pub datetime: Py<PyAny>,
    pub decimal: Py<PyAny>,
    pub uuid: Py<PyAny>,
    path: Py<PyAny>,
    mapping: Py<PyAny>,
    mutable_sequence: Py<PyAny>,
    sequence: Py<PyAny>,
    set: Py<PyAny>,
}

pub(super) fn classes(py: Python<'_>) -> PyResult<&Classes> {
    static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
    CLASSES.get_or_try_init(py, || {
        let class = |module: &str, name: &str| py.import(module)?.getattr(name).map(Bound::unbind);
        Ok(Classes {
            date: class("datetime", "date")?,
            time: class("datetime", "time")?,
            datetime: class("datetime", "datetime")?,
            decimal: class("decimal", "Decimal")?,
            uuid: class("uuid", "UUID")?,
            path: class("pathlib", "PurePath")?,
            mapping: class("collections.abc", "Mapping")?,
            mutable_sequence: class("collections.abc", "MutableSequence")?,
            sequence: class("collections.abc", "Sequence")?,
            set: class("collections.abc", "Set")?,
        })
    })
}

pub(super) fn convert(object: &Bound<'_, PyAny>, depth: usize) -> Converted {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::InvalidValue, format!("it is nested more than {MAX_DEPTH} deep")).into());
    }
    // Exact built-in classes first: they are nearly all there is, and the cheapest to tell.
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = object.cast_exact::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if let Ok(number) = object.cast_exact::<PyInt>() {
        return integer(number);
    }
    if let Ok(number) = object.cast_exact::<PyFloat>() {
        return Ok(Value::Float(number.value()));
    }
    if let Ok(text) = object.cast_exact::<PyString>() {
        return string(text);
    }
    if let Ok(items) = object.cast_exact::<PyList>() {
        return sequence(items.iter(), items.len(), depth).map(Value::List);
    }
    if let Ok(items) = object.cast_exact::<PyTuple>() {
        return sequence(items.iter(), items.len(), depth).map(Value::Tuple);
    }
    if let Ok(items) = object.cast_exact::<PyDict>() {
        let pairs = items.iter().map(|(key, value)| pair(&key, &value, depth));
        return pairs.collect::<std::result::Result<_, _>>().map(Value::Dict);
    }
    if let Some(found) = numpy::from_python(object, depth) {
        return found;
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        // Python bytes never change: they are shared as long as someone needs them.
        return Ok(Value::Bytes(shared_bytes(bytes)));
    }
    if let Some(value) = value_in_store(object) {
        return Ok(value);
    }
    subclass(object, depth)
}

/// Everything that is not exactly a built-in class.
fn subclass(object: &Bound<'_, PyAny>, depth: usize) -> Converted {
    if let Ok(number) = object.cast::<PyInt>() {
        return integer(number);
    }
    if let Ok(number) = object.cast::<PyComplex>() {
        return Ok(Value::Complex(Complex { re: number.real(), im: number.imag() }));
    }
    if let Ok(number) = object.cast::<PyFloat>() {
        return Ok(Value::Float(number.value()));
    }
    let py = object.py();
    let classes = classes(py)?;
    if object.is_instance(classes.datetime.bind(py))? {
        return Ok(Value::DateTime(DateTime::from_parts(date(object)?, time(object)?)));
    }
    if object.is_instance(classes.date.bind(py))? {
        return Ok(Value::Date(date(object)?));
    }
    if object.is_instance(classes.time.bind(py))? {
        return Ok(Value::Time(time(object)?));
    }
    if object.is_instance(classes.decimal.bind(py))? {
        return Ok(Value::Decimal(object.str()?.to_string().parse::<Decimal>()?));
    }
    if object.is_instance(classes.uuid.bind(py))? {
        let bytes: [u8; 16] = object.getattr("bytes")?.extract()?;
        return Ok(Value::Uuid(lodestore::Uuid::from_bytes(bytes)));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return string(text);
    }
    if object.is_instance(classes.path.bind(py))? {
        return string(&object.str()?);
    }
    if let Ok(bytes) = object.cast::<PyByteArray>() {
        return Ok(Value::Bytes(bytes.to_vec().into()));
    }
    if object.is_instance_of::<pyo3::types::PyMemoryView>() {
        let bytes = object.call_method0("tobytes")?;
        return Ok(Value::Bytes(shared_bytes(bytes.cast::<PyBytes>().map_err(PyErr::from)?)));
    }
    if object.is_instance_of::<PySet>()
        || object.is_instance_of::<PyFrozenSet>()
        || object.is_instance(classes.set.bind(py))?
    {
        return iterate(object, depth).map(Value::Set);
    }
    if object.is_instance(classes.mapping.bind(py))? {
        let mapping = object.cast::<PyMapping>().map_err(PyErr::from)?;
        let pairs =
            mapping.items()?.iter().map(|item| pair(&item.get_item(0)?, &item.get_item(1)?, depth)).collect::<Vec<_>>();
        return pairs.into_iter().collect::<std::result::Result<_, _>>().map(Value::Dict);
    }
    if object.is_instance(classes.mutable_sequence.bind(py))? {
        return iterate(object, depth).map(Value::List);
    }
    if object.is_instance(classes.sequence.bind(py))? {
        return iterate(object, depth).map(Value::Tuple);
    }
    let class = object.get_type().fully_qualified_name()?;
    let class = class.to_string();
    let error = Error::new(ErrorKind::InvalidType, format!("an object of class `{class}` cannot be stored"));
    Err(match class.rsplit('.').next() {
        Some("NAType") => error.with_hint("write None for a missing value"),
        Some("Series" | "Index") if class.starts_with("pandas") => error.with_hint("store `.to_numpy()` of it"),
        Some("DataFrame") => error.with_hint("store `.to_dict(\"list\")` of it, or a table of its own"),
        _ => error,
    }
    .into())
}

fn integer(number: &Bound<'_, PyInt>) -> Converted {
    if let Ok(small) = number.extract::<i64>() {
        return Ok(Value::Int(small));
    }
    let bits: usize = number.call_method0("bit_length")?.extract()?;
    let keywords = PyDict::new(number.py());
    keywords.set_item("signed", true)?;
    let bytes = number.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&keywords))?;
    Ok(Value::BigInt(BigInt::from_le_bytes(bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes())))
}

fn string(text: &Bound<'_, PyString>) -> Converted {
    match text.to_cow() {
        Ok(text) => Ok(Value::Text(text.into_owned())),
        Err(_) => Err(Error::new(
            ErrorKind::InvalidValue,
            "text with a lone surrogate cannot be stored: it is no Unicode text",
        )
        .into()),
    }
}

fn sequence<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    len: usize,
    depth: usize,
) -> std::result::Result<Vec<Value>, Refusal> {
    let mut values = Vec::with_capacity(len);
    for (index, item) in items.enumerate() {
        values.push(convert(&item, depth + 1).map_err(|refusal| refusal.within(format_args!("[{index}]")))?);
    }
    Ok(values)
}

fn iterate(object: &Bound<'_, PyAny>, depth: usize) -> std::result::Result<Vec<Value>, Refusal> {
    let items = object.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    sequence(items.into_iter(), 0, depth)
}

fn pair(
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
    depth: usize,
) -> std::result::Result<(Value, Value), Refusal> {
    let step = |refusal: Refusal| match key.repr() {
        Ok(shown) => refusal.within(format_args!("[{}]", shown.to_string_lossy())),
        Err(_) => refusal.within("[?]"),
    };
    Ok((convert(key, depth + 1).map_err(step)?, convert(value, depth + 1).map_err(step)?))
}

fn shared_bytes(bytes: &Bound<'_, PyBytes>) -> Bytes {
    const WORTH_SHARING: usize = 4096;
    if bytes.as_bytes().len() < WORTH_SHARING {
        return Bytes::copy_from_slice(bytes.as_bytes());
    }
    Bytes::from_owner(SharedBytes(bytes.as_bytes(), bytes.clone().unbind()))
}

/// Python bytes kept alive; the slice points into the object beside it.
struct SharedBytes(*const [u8], #[expect(dead_code, reason = "keeps the bytes alive")] Py<PyBytes>);

// SAFETY: the bytes of a Python bytes object never change and do not move while it lives.
unsafe impl Send for SharedBytes {}
// SAFETY: as above; they are only read.
unsafe impl Sync for SharedBytes {}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `self.1` keeps the object alive, and with it the bytes.
        unsafe { &*self.0 }
    }
}

fn date(object: &Bound<'_, PyAny>) -> std::result::Result<Date, Refusal> {
    let py = object.py();
    let part = |name| object.getattr(pyo3::types::PyString::intern(py, name))?.extract::<i16>();
    // NaT calls itself a datetime and has no parts.
    let year = part("year").map_err(|_| {
        Error::new(ErrorKind::InvalidValue, "a missing time (NaT) cannot be stored here").with_hint("use None")
    })?;
    let (month, day) = (part("month")?, part("day")?);
    Date::new(year, month as i8, day as i8)
        .map_err(|error| Error::new(ErrorKind::InvalidValue, error.to_string()).into())
}

fn time(object: &Bound<'_, PyAny>) -> std::result::Result<Time, Refusal> {
    let py = object.py();
    let get = |name| object.getattr(pyo3::types::PyString::intern(py, name));
    if !get("tzinfo")?.is_none() {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            "a time with a time zone cannot be stored: the zone would be lost",
        )
        .with_hint("convert it first: `.astimezone(datetime.timezone.utc).replace(tzinfo=None)`")
        .into());
    }
    if let Ok(nanosecond) = object.getattr("nanosecond")
        && nanosecond.extract::<i64>().is_ok_and(|nanosecond| nanosecond != 0)
    {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            "a time with nanoseconds cannot be stored: they would be lost",
        )
        .with_hint("round it to microseconds first: `.floor('us').to_pydatetime()`")
        .into());
    }
    let part = |name| -> PyResult<i32> { get(name)?.extract() };
    Time::new(part("hour")? as i8, part("minute")? as i8, part("second")? as i8, part("microsecond")? * 1000)
        .map_err(|error| Error::new(ErrorKind::InvalidValue, error.to_string()).into())
}
