//! References to arrays for Python.

use lodestore::{Error, ErrorKind, Reference, Value};
use lodestore::{Index, NpyRef, ObjectRef, load_all_into};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyEllipsis, PyInt, PyList, PySlice, PyTuple};
use std::path::PathBuf;

use crate::convert::{FreshArray, array_to_python, dtype_to_python, json_from_python, json_to_python};
use crate::error::{IntoPyResult, run, to_py_err};
use crate::instance::Instance;
use crate::interrupt;
use crate::memory::to_bytes;
use crate::staged::StagedHandle;
use crate::store::ObjectHandle;

/// An array in a store, not yet read.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct ArrayRef(NpyRef);

#[pymethods]
impl ArrayRef {
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.shape())
    }

    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        dtype_to_python(py, self.0.dtype())
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.0.nbytes()
    }

    #[getter]
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.chunks())
    }

    #[getter]
    fn bytes_read(&self) -> u64 {
        self.0.bytes_read()
    }

    #[getter]
    fn path(&self) -> &str {
        self.0.reference().path.as_str()
    }

    #[getter]
    fn store(&self) -> &str {
        &self.0.reference().store
    }

    /// Where the project's database lies.
    #[getter]
    fn place(&self) -> &str {
        self.0.instance().place()
    }

    /// What a row tells of it, from which `from_metadata` makes it again.
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (key, value) in &self.0.reference().metadata {
            dict.set_item(key, json_to_python(py, value)?)?;
        }
        dict.set_item("path", self.path())?;
        dict.set_item("store", self.store())?;
        Ok(dict)
    }

    /// What a row tells, opened by a project.
    #[staticmethod]
    fn from_metadata(py: Python<'_>, project: &Instance, metadata: &Bound<'_, PyAny>) -> PyResult<Self> {
        let reference = reference_of_metadata(py, "npy".to_owned(), metadata)?;
        NpyRef::open(&project.0, reference).map(ArrayRef).into_py(py)
    }

    /// The file of this machine that holds the array, where its elements begin in it, and whether
    /// they are in Fortran order; None if the store keeps no files here.
    fn local_file(&self, py: Python<'_>) -> PyResult<Option<(PathBuf, usize, bool)>> {
        run(py, || self.0.local_file())
    }

    fn load<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(load_arrays(py, &[&self.0])?.swap_remove(0))
    }

    /// The part that an index names; None if only NumPy knows what the index means.
    fn slice<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(indices) = indices_from_python(index)? else { return Ok(None) };
        let array = run(py, || self.0.slice(&indices))?;
        let array_object = array_to_python(py, &array)?;
        // As in NumPy, an element by itself is a scalar, unless `...` was there to leave dimensions.
        if array.shape().is_empty() && !indices.contains(&Index::Ellipsis) {
            return array_object.get_item(PyTuple::empty(py)).map(Some);
        }
        Ok(Some(array_object))
    }
}

/// Reads whole arrays, many at once, straight into NumPy's memory.
#[pyfunction]
pub(crate) fn load_all<'py>(py: Python<'py>, arrays: Vec<PyRef<'py, ArrayRef>>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let arrays: Vec<&NpyRef> = arrays.iter().map(|array| &array.0).collect();
    load_arrays(py, &arrays)
}

fn load_arrays<'py>(py: Python<'py>, arrays: &[&NpyRef]) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let mut fresh = arrays.iter().map(|array| FreshArray::new(py, array.nbytes())).collect::<PyResult<Vec<_>>>()?;
    let orders = {
        let targets = arrays.iter().copied().zip(fresh.iter_mut().map(FreshArray::memory)).collect();
        run(py, || load_all_into(targets))?
    };
    let made = fresh.into_iter().zip(arrays).zip(orders);
    made.map(|((fresh, array), order)| fresh.become_array(py, array.dtype(), array.shape(), order)).collect()
}

/// Reads files whole, many at once.
#[pyfunction]
pub(crate) fn read_all<'py>(
    py: Python<'py>,
    objects: Vec<PyRef<'py, ObjectHandle>>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let objects: Vec<&ObjectRef> = objects.iter().map(|object| &object.0).collect();
    let found = run(py, || ObjectRef::read_all(&objects))?;
    found.iter().map(|bytes| to_bytes(py, bytes)).collect()
}

fn indices_from_python(index: &Bound<'_, PyAny>) -> PyResult<Option<Vec<Index>>> {
    match index.cast::<PyTuple>() {
        Ok(items) => items.iter().map(|item| index_from_python(&item)).collect(),
        Err(_) => Ok(index_from_python(index)?.map(|index| vec![index])),
    }
}

fn index_from_python(item: &Bound<'_, PyAny>) -> PyResult<Option<Index>> {
    if item.is_none() {
        return Ok(Some(Index::NewAxis));
    }
    if item.is_instance_of::<PyEllipsis>() {
        return Ok(Some(Index::Ellipsis));
    }
    if let Ok(slice) = item.cast::<PySlice>() {
        let bound = |name: &str| slice.getattr(name)?.extract::<Option<i64>>();
        let step = bound("step")?.unwrap_or(1);
        if step == 0 {
            let error = Error::new(ErrorKind::InvalidValue, "slice step cannot be zero");
            return Err(to_py_err(item.py(), error));
        }
        return Ok(Some(Index::Range { start: bound("start")?, stop: bound("stop")?, step }));
    }
    // True is an integer to Python, a mask without dimensions to NumPy.
    if item.is_instance_of::<PyBool>() {
        return Ok(None);
    }
    if item.is_instance_of::<PyInt>() {
        return Ok(Some(Index::At(item.extract()?)));
    }
    // NumPy's integers, and only they among its scalars and arrays without dimensions.
    let whole = item.hasattr("dtype")?
        && item.getattr("dtype")?.getattr("kind")?.extract::<char>().is_ok_and(|kind| matches!(kind, 'i' | 'u'));
    if whole && item.getattr("shape")?.len()? == 0 {
        return Ok(Some(Index::At(item.call_method0("__int__")?.extract()?)));
    }
    fancy_from_python(item)
}

/// A list, or an array of integers or truth values.
fn fancy_from_python(item: &Bound<'_, PyAny>) -> PyResult<Option<Index>> {
    let numpy = item.py().import("numpy")?;
    let is_array = item.is_instance(&numpy.getattr("ndarray")?)?;
    if !is_array && !item.is_instance_of::<PyList>() {
        return Ok(None);
    }
    let array = numpy.call_method1("asarray", (item,))?;
    let shape: Vec<usize> = array.getattr("shape")?.extract()?;
    let flat =
        |class: &str| array.call_method1("ravel", ("C",))?.call_method1("astype", (class,))?.call_method0("tolist");
    if array.len().unwrap_or_default() == 0 && !is_array {
        // To NumPy an empty list is one of floats, and stands for no positions.
        return Ok(Some(Index::Array { shape, positions: Vec::new() }));
    }
    match array.getattr("dtype")?.getattr("kind")?.extract::<char>()? {
        'b' if !shape.is_empty() => Ok(Some(Index::Mask { shape, truth: flat("?")?.extract()? })),
        'i' | 'u' => Ok(Some(Index::Array { shape, positions: flat("i8")?.extract()? })),
        // NumPy says what is wrong with it.
        _ => Ok(None),
    }
}

/// The reference that a row's JSON stands for.
pub(crate) fn reference_of_metadata(py: Python<'_>, codec: String, metadata: &Bound<'_, PyAny>) -> PyResult<Reference> {
    let document = json_from_python(metadata).into_py(py)?;
    lodestore::codec::reference_of(codec, document).into_py(py)
}

/// The value of a Python object that stands for something in a store: a reference, or an object that is being staged.
pub(crate) fn value_in_store(object: &Bound<'_, PyAny>) -> Option<Value> {
    let core = core_of(object)?;
    match core.cast::<StagedHandle>() {
        Ok(staged) => Some(staged.get().0.clone().into()),
        Err(_) => reference_in(&core).map(|(reference, _)| Value::Reference(reference)),
    }
}

fn core_of<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    interrupt::ok(object.py(), object.getattr_opt(pyo3::intern!(object.py(), "_core")))?
}

/// The reference in a Python object, if it is one, and the project that it belongs to.
pub(crate) fn located_reference(object: &Bound<'_, PyAny>) -> Option<(Reference, lodestore::Instance)> {
    reference_in(&core_of(object)?)
}

fn reference_in(core: &Bound<'_, PyAny>) -> Option<(Reference, lodestore::Instance)> {
    match core.cast::<ArrayRef>() {
        Ok(found) => Some((found.get().0.reference().clone(), found.get().0.instance().clone())),
        Err(_) => {
            let found = core.cast::<ObjectHandle>().ok()?;
            Some((found.get().0.reference().clone(), found.get().0.instance().clone()))
        }
    }
}

/// The Python object of a reference that a query of `instance` gave.
pub(crate) fn reference_to_python<'py>(
    py: Python<'py>,
    instance: &lodestore::Instance,
    reference: &Reference,
) -> PyResult<Bound<'py, PyAny>> {
    if reference.codec != "npy" {
        let core = ObjectHandle(ObjectRef::open(instance, reference.clone()));
        return py.import("lodestore.objectref")?.getattr("ObjectRef")?.call_method1("_of", (Py::new(py, core)?,));
    }
    let core = NpyRef::open(instance, reference.clone()).into_py(py)?;
    py.import("lodestore.references")?.getattr("NpyRef")?.call1((Py::new(py, ArrayRef(core))?,))
}
