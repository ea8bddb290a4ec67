//! NumPy arrays and scalars, both ways.

use bytes::Bytes;
use lodestore::{
    DType, Error, ErrorKind, NdArray, ObjectArray, ObjectArrayKind, Order, RecordArray, Result, StructArray, Value,
};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::from_python::{Converted, convert};
use super::to_python::to_python;
use crate::error::from_py_err;
use crate::interrupt;
use crate::memory::copied;

struct Classes {
    ndarray: Py<PyAny>,
    generic: Py<PyAny>,
    text: Py<PyAny>,
    bytes: Py<PyAny>,
    void: Py<PyAny>,
    masked: Py<PyAny>,
}

/// NumPy's classes, if the program has loaded NumPy: without it nothing can be an array.
fn classes(py: Python<'_>) -> PyResult<Option<&Classes>> {
    static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
    if let Some(classes) = CLASSES.get(py) {
        return Ok(Some(classes));
    }
    let loaded = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?.get_item("numpy")?;
    // While NumPy is being imported its module is there, but not yet its classes.
    let Some(numpy) = loaded else { return Ok(None) };
    for name in ["ndarray", "ma"] {
        // NumPy imports `ma` when it is first asked for: Ctrl-C at this moment is raised here.
        match numpy.hasattr(name) {
            Ok(true) => {}
            Err(error) if !error.is_instance_of::<PyException>(py) => return Err(error),
            _ => return Ok(None),
        }
    }
    let class = |name: &str| numpy.getattr(name).map(Bound::unbind);
    CLASSES
        .get_or_try_init(py, || {
            Ok(Classes {
                ndarray: class("ndarray")?,
                generic: class("generic")?,
                text: class("str_")?,
                bytes: class("bytes_")?,
                void: class("void")?,
                masked: numpy.getattr("ma")?.getattr("MaskedArray")?.unbind(),
            })
        })
        .map(Some)
}

/// The value of a NumPy array or scalar; nothing for other objects.
pub(super) fn from_python(object: &Bound<'_, PyAny>, depth: usize) -> Option<Converted> {
    let py = object.py();
    let classes = match classes(py) {
        Ok(classes) => classes?,
        Err(error) => return Some(Err(error.into())),
    };
    let is = |class: &Py<PyAny>| interrupt::ok(py, object.is_instance(class.bind(py))) == Some(true);
    if is(&classes.ndarray) {
        return Some(array(object, classes, depth));
    }
    // NumPy's text and bytes are Python's, and go the way of those.
    if !is(&classes.generic) || is(&classes.text) || is(&classes.bytes) {
        return None;
    }
    if is(&classes.void) {
        let error = Error::new(ErrorKind::InvalidType, "a single record (`numpy.void`) cannot be stored")
            .with_hint("store an array of one record, or a dict");
        return Some(Err(error.into()));
    }
    Some(object.call_method0("__array__").map_err(Into::into).and_then(|scalar| array(&scalar, classes, depth)))
}

fn array(object: &Bound<'_, PyAny>, classes: &Classes, depth: usize) -> Converted {
    let py = object.py();
    if object.is_instance(classes.masked.bind(py))? {
        let masked: bool = py.import("numpy")?.getattr("ma")?.call_method1("is_masked", (object,))?.extract()?;
        if masked {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                "an array with masked elements cannot be stored: the mask would be lost",
            )
            .with_hint("fill it first: `array.filled(value)`, and store the mask beside it")
            .into());
        }
        return array(&object.getattr("data")?, classes, depth);
    }
    let dtype = object.getattr("dtype")?;
    // Texts of any length (`StringDType`) are objects to all who read them.
    if dtype.getattr("kind")?.extract::<char>()? == 'T' {
        return array(&object.call_method1("astype", ("O",))?, classes, depth);
    }
    let shape: Vec<usize> = object.getattr("shape")?.extract()?;
    let matlab = matlab_class(object)?;
    if matlab == Some(Matlab::Struct) {
        return structure(object, &dtype, shape, depth);
    }
    if matlab == Some(Matlab::Cell) || dtype.getattr("kind")?.extract::<char>()? == 'O' {
        let kind = if matlab.is_some() { ObjectArrayKind::Cell } else { ObjectArrayKind::Object };
        return Ok(Value::Objects(ObjectArray { kind, items: items(object, &shape, depth)?, shape }));
    }
    if dtype.getattr("hasobject")?.extract()? {
        let names: Vec<String> = dtype.getattr("names")?.extract()?;
        let mut fields = Vec::new();
        for name in names {
            let field = convert(&object.get_item(&name)?, depth + 1)?;
            fields.push((name, field));
        }
        return Ok(Value::Records(RecordArray { shape, fields }));
    }
    Ok(Value::Array(plain(object, &dtype, shape)?))
}

/// An array without objects. Its memory is a copy: a program may change the NumPy array while it is being stored, and
/// checksum, hash and object must be those of the same bytes.
fn plain(object: &Bound<'_, PyAny>, dtype: &Bound<'_, PyAny>, shape: Vec<usize>) -> Result<NdArray> {
    let py = object.py();
    let element = parse_dtype(dtype)?;
    let contiguous = |flag: &str| -> PyResult<bool> { object.getattr("flags")?.getattr(flag)?.extract() };
    let read = || -> PyResult<(Order, Bytes)> {
        let (order, array, is_shared) = if contiguous("c_contiguous")? {
            (Order::C, object.clone(), true)
        } else if contiguous("f_contiguous")? {
            (Order::Fortran, object.clone(), true)
        } else {
            (Order::C, object.call_method1("copy", ("C",))?, false)
        };
        if array.getattr("nbytes")?.extract::<usize>()? == 0 {
            return Ok((order, Bytes::new()));
        }
        // As bytes in memory order: neither a copy nor a question of what the buffer protocol knows.
        let base = py.import("numpy")?.getattr("ndarray")?;
        let keywords = PyDict::new(py);
        keywords.set_item("order", "K")?;
        let flat = array
            .call_method1("view", (base,))?
            .call_method("ravel", (), Some(&keywords))?
            .call_method1("view", ("u1",))?;
        let buffer = PyBuffer::<u8>::get(&flat)?;
        Ok((order, if is_shared { copied(py, &buffer)? } else { Bytes::from_owner(OwnBuffer(buffer)) }))
    };
    let (order, data) = read().map_err(from_py_err)?;
    NdArray::new(element, shape, order, data)
}

/// The buffer of an array that was made here.
struct OwnBuffer(PyBuffer<u8>);

impl AsRef<[u8]> for OwnBuffer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the buffer is contiguous bytes (see `plain`) and is held until it is dropped; nobody else knows the
        // array, so nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }
}

fn items(
    object: &Bound<'_, PyAny>,
    shape: &[usize],
    depth: usize,
) -> std::result::Result<Vec<Value>, super::from_python::Refusal> {
    let flat = object.getattr("flat")?.try_iter()?;
    let mut items = Vec::with_capacity(shape.iter().product());
    for item in flat {
        items.push(convert(&item?, depth + 1)?);
    }
    Ok(items)
}

#[derive(PartialEq, Clone, Copy)]
enum Matlab {
    Cell,
    Struct,
}

/// Which of `lodestore.blob`'s MATLAB containers it is; without that module loaded it is none.
fn matlab_class(object: &Bound<'_, PyAny>) -> PyResult<Option<Matlab>> {
    let py = object.py();
    let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
    let Some(module) = modules.get_item("lodestore.blob")? else { return Ok(None) };
    if object.is_instance(&module.getattr("MatStruct")?)? {
        return Ok(Some(Matlab::Struct));
    }
    Ok(object.is_instance(&module.getattr("MatCell")?)?.then_some(Matlab::Cell))
}

fn structure(object: &Bound<'_, PyAny>, dtype: &Bound<'_, PyAny>, shape: Vec<usize>, depth: usize) -> Converted {
    let fields: Vec<String> = dtype.getattr("names")?.extract::<Option<Vec<String>>>()?.unwrap_or_default();
    let count = shape.iter().product();
    let mut rows: Vec<Vec<Value>> = (0..count).map(|_| Vec::with_capacity(fields.len())).collect();
    let base = object.py().import("numpy")?.getattr("ndarray")?;
    let bare = object.call_method1("view", (base,))?;
    for name in &fields {
        for (row, item) in rows.iter_mut().zip(items(&bare.get_item(name)?, &shape, depth)?) {
            row.push(item);
        }
    }
    Ok(Value::Struct(StructArray { shape, fields, items: rows }))
}

/// The element type of a dtype of NumPy.
pub(crate) fn parse_dtype(dtype: &Bound<'_, PyAny>) -> Result<DType> {
    let described = || -> PyResult<(bool, String)> {
        let structured = !dtype.getattr("names")?.is_none();
        let text =
            if structured { dtype.getattr("descr")?.str()?.to_string() } else { dtype.getattr("str")?.extract()? };
        Ok((structured, text))
    };
    let (structured, text) = described().map_err(from_py_err)?;
    if !structured && text.contains('T') {
        return Err(Error::new(ErrorKind::InvalidType, "arrays of NumPy's variable-width text cannot be stored")
            .with_hint("convert it first: `array.astype(str)` or a list"));
    }
    if structured { lodestore::codec::npy::parse_dtype(&text) } else { DType::parse(&text) }
}

/// NumPy's dtype of an element type.
pub(crate) fn dtype_to_python<'py>(py: Python<'py>, dtype: &DType) -> PyResult<Bound<'py, PyAny>> {
    let description = describe(py, dtype)?;
    if has_padding(dtype) {
        // Padding has no name: NumPy's own reader of descriptions knows how to leave it out.
        return py.import("numpy.lib.format")?.call_method1("descr_to_dtype", (description,));
    }
    py.import("numpy")?.call_method1("dtype", (description,))
}

fn describe<'py>(py: Python<'py>, dtype: &DType) -> PyResult<Bound<'py, PyAny>> {
    let fields = match dtype {
        DType::Scalar(scalar) => return Ok(PyString::new(py, &scalar.to_string()).into_any()),
        DType::Record(fields) => fields,
    };
    let list = PyList::empty(py);
    for field in fields {
        let name = match &field.title {
            Some(title) => PyTuple::new(py, [title, &field.name])?.into_any(),
            None => PyString::new(py, &field.name).into_any(),
        };
        let mut parts = vec![name, describe(py, &field.dtype)?];
        if !field.shape.is_empty() {
            parts.push(PyTuple::new(py, &field.shape)?.into_any());
        }
        list.append(PyTuple::new(py, parts)?)?;
    }
    Ok(list.into_any())
}

fn has_padding(dtype: &DType) -> bool {
    match dtype {
        DType::Scalar(_) => false,
        DType::Record(fields) => fields.iter().any(|field| field.name.is_empty() || has_padding(&field.dtype)),
    }
}

/// A NumPy array of its own memory, writable, in the order of `array`.
pub(crate) fn array_to_python<'py>(py: Python<'py>, array: &NdArray) -> PyResult<Bound<'py, PyAny>> {
    let mut fresh = FreshArray::new(py, array.nbytes())?;
    let memory = fresh.memory();
    py.detach(|| memory.copy_from_slice(array.data()));
    fresh.become_array(py, array.dtype(), array.shape(), array.order())
}

/// The memory of a NumPy array that nobody else knows yet.
pub(crate) struct FreshArray<'py> {
    flat: Bound<'py, PyAny>,
    /// None without bytes, for which NumPy's buffer need not point anywhere.
    buffer: Option<PyBuffer<u8>>,
}

impl<'py> FreshArray<'py> {
    pub(crate) fn new(py: Python<'py>, bytes: usize) -> PyResult<Self> {
        let flat = py.import("numpy")?.call_method1("empty", (bytes, "u1"))?;
        let buffer = if bytes == 0 { None } else { Some(PyBuffer::get(&flat)?) };
        Ok(FreshArray { flat, buffer })
    }

    /// Its bytes, to be filled without holding the interpreter.
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        match &self.buffer {
            None => &mut [],
            // SAFETY: the buffer is that of an array of bytes, which only this object knows, and is borrowed with it.
            Some(buffer) => unsafe { std::slice::from_raw_parts_mut(buffer.buf_ptr().cast(), buffer.len_bytes()) },
        }
    }

    /// The array of these bytes, writable.
    pub(crate) fn become_array(
        self,
        py: Python<'py>,
        dtype: &DType,
        shape: &[usize],
        order: Order,
    ) -> PyResult<Bound<'py, PyAny>> {
        let dtype = dtype_to_python(py, dtype)?;
        let shape = PyTuple::new(py, shape)?;
        let keywords = PyDict::new(py);
        keywords.set_item("order", if order == Order::C { "C" } else { "F" })?;
        if self.buffer.is_none() {
            return py.import("numpy")?.call_method("zeros", (shape, dtype), Some(&keywords));
        }
        self.flat.call_method1("view", (dtype,))?.call_method("reshape", (shape,), Some(&keywords))
    }
}

/// A NumPy array of objects, or one of MATLAB's containers.
pub(super) fn objects_to_python<'py>(py: Python<'py>, array: &ObjectArray) -> PyResult<Bound<'py, PyAny>> {
    let filled = object_array(py, &array.shape, array.items.iter())?;
    match array.kind {
        ObjectArrayKind::Object => Ok(filled),
        ObjectArrayKind::Cell => filled.call_method1("view", (py.import("lodestore.blob")?.getattr("MatCell")?,)),
    }
}

fn object_array<'py, 'v>(
    py: Python<'py>,
    shape: &[usize],
    items: impl Iterator<Item = &'v Value>,
) -> PyResult<Bound<'py, PyAny>> {
    let array = py.import("numpy")?.call_method1("empty", (PyTuple::new(py, shape)?, "O"))?;
    let flat = array.call_method1("reshape", (-1,))?;
    for (index, item) in items.enumerate() {
        // One by one: assigning a list to a slice would spread lists and arrays over the elements.
        flat.set_item(index, to_python(py, item)?)?;
    }
    Ok(array)
}

/// A MATLAB structure array.
pub(super) fn structure_to_python<'py>(py: Python<'py>, array: &StructArray) -> PyResult<Bound<'py, PyAny>> {
    let description: Vec<_> = array.fields.iter().map(|name| (name, "O")).collect();
    let dtype = py.import("numpy")?.call_method1("dtype", (description,))?;
    let made = py.import("numpy")?.call_method1("empty", (PyTuple::new(py, &array.shape)?, dtype))?;
    for (index, name) in array.fields.iter().enumerate() {
        let column = object_array(py, &array.shape, array.items.iter().map(|row| &row[index]))?;
        made.set_item(name, column)?;
    }
    made.call_method1("view", (py.import("lodestore.blob")?.getattr("MatStruct")?,))
}

/// A NumPy record array.
pub(super) fn records_to_python<'py>(py: Python<'py>, array: &RecordArray) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import("numpy")?;
    let mut columns = Vec::new();
    let mut description = Vec::new();
    for (name, field) in &array.fields {
        let column = match field {
            Value::Array(array) => array_to_python(py, array)?,
            field => to_python(py, field)?,
        };
        let shape: Vec<usize> = column.getattr("shape")?.extract()?;
        let inner = PyTuple::new(py, &shape[array.shape.len().min(shape.len())..])?;
        description.push((name.clone(), column.getattr("dtype")?, inner));
        columns.push((name, column));
    }
    let dtype = numpy.call_method1("dtype", (description,))?;
    let made = numpy.call_method1("empty", (PyTuple::new(py, &array.shape)?, dtype))?;
    for (name, column) in columns {
        made.set_item(name, column)?;
    }
    made.call_method1("view", (numpy.getattr("recarray")?,))
}
