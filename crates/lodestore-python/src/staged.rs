//! Objects that are written before their rows go in, for Python.

use std::io::{Read, Seek, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lodestore::{Error, ErrorKind, ObjectRef, Value};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::convert::{dtype_from_python, from_python};
use crate::error::{IntoPyResult, run, to_py_err};
use crate::memory::{copied, read_into, seek_from_python};
use crate::store::{ObjectHandle, StoreHandle};

/// An object that is being staged.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct StagedHandle(pub(crate) lodestore::StagedObject);

#[pymethods]
impl StagedHandle {
    /// Where the project's database lies.
    #[getter]
    fn place(&self) -> &str {
        self.0.instance().place()
    }

    #[getter]
    fn store(&self) -> &str {
        self.0.store().name()
    }

    #[getter]
    fn path(&self) -> &str {
        self.0.path().as_str()
    }

    #[getter]
    fn is_stored(&self) -> bool {
        self.0.is_stored()
    }

    fn open_store(&self) -> StoreHandle {
        StoreHandle::of(self.0.instance().clone(), self.0.store().clone())
    }

    /// The reference that its row has now; None if there is none.
    fn reference(&self) -> Option<ObjectHandle> {
        self.0.reference().map(|reference| ObjectHandle(ObjectRef::open(self.0.instance(), reference)))
    }

    fn create(&self, py: Python<'_>) -> PyResult<StagedFile> {
        run(py, || self.0.create()).map(|file| StagedFile(Mutex::new(Some(file))))
    }

    fn create_array(&self, py: Python<'_>, dtype: &Bound<'_, PyAny>, row_shape: Vec<usize>) -> PyResult<StagedArray> {
        let dtype = dtype_from_python(dtype).into_py(py)?;
        run(py, || self.0.create_array(dtype, &row_shape)).map(|array| StagedArray(Mutex::new(Some(array))))
    }

    fn discard(&self, py: Python<'_>) {
        py.detach(|| self.0.discard());
    }
}

/// A file on its way to become a staged object; closed by `finish` or `give_up`.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct StagedFile(Mutex<Option<lodestore::StagedFile>>);

impl StagedFile {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut lodestore::StagedFile) -> std::io::Result<T> + Send,
    ) -> PyResult<T> {
        let outcome = py.detach(|| lock(&self.0).as_mut().map(work));
        outcome.ok_or_else(closed)?.map_err(PyErr::from)
    }
}

#[pymethods]
impl StagedFile {
    fn write(&self, py: Python<'_>, bytes: PyBuffer<u8>) -> PyResult<usize> {
        let content = copied(py, &bytes)?;
        self.with(py, |file| file.write_all(&content))?;
        Ok(content.len())
    }

    fn readinto(&self, py: Python<'_>, bytes: PyBuffer<u8>) -> PyResult<usize> {
        read_into(py, &bytes, |memory| self.with(py, |file| file.read(memory)))
    }

    fn seek(&self, py: Python<'_>, offset: i64, whence: u8) -> PyResult<u64> {
        let to = seek_from_python(offset, whence)?;
        self.with(py, |file| file.seek(to))
    }

    fn truncate(&self, py: Python<'_>, size: u64) -> PyResult<()> {
        self.with(py, |file| file.truncate(size))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        finish(py, &self.0, lodestore::StagedFile::finish)
    }

    fn give_up(&self, py: Python<'_>) {
        py.detach(|| drop(lock(&self.0).take()));
    }
}

/// An array on its way, slab by slab; closed by `finish` or `give_up`.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct StagedArray(Mutex<Option<lodestore::StagedArray>>);

#[pymethods]
impl StagedArray {
    fn append(&self, py: Python<'_>, slab: &Bound<'_, PyAny>) -> PyResult<()> {
        let Value::Array(slab) = from_python(slab).into_py(py)? else {
            return Err(to_py_err(py, Error::new(ErrorKind::InvalidType, "a slab is an array without objects")));
        };
        let outcome = py.detach(|| lock(&self.0).as_mut().map(|array| array.append(&slab)));
        outcome.ok_or_else(closed)?.into_py(py)
    }

    #[getter]
    fn shape(&self) -> PyResult<Vec<usize>> {
        lock(&self.0).as_ref().map(lodestore::StagedArray::shape).ok_or_else(closed)
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        finish(py, &self.0, lodestore::StagedArray::finish)
    }

    fn give_up(&self, py: Python<'_>) {
        py.detach(|| drop(lock(&self.0).take()));
    }
}

fn finish<T: Send>(
    py: Python<'_>,
    open: &Mutex<Option<T>>,
    finish: impl FnOnce(T) -> lodestore::Result<()> + Send,
) -> PyResult<()> {
    run(py, || lock(open).take().map_or(Ok(()), finish))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> PyErr {
    PyValueError::new_err("I/O operation on closed file.")
}

/// To be called before another process may write what is staged in this one.
#[pyfunction]
pub(crate) fn staged_is_shared() {
    lodestore::staged_is_shared();
}
