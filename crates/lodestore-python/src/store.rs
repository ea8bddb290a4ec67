//! Stores and the objects in them for Python.

use std::io::Seek;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lodestore::store::Store;
use lodestore::{FileSegment, ObjectRef, Payload, StorePath};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::codec::at_work_or;
use crate::convert::json_to_python;
use crate::error::{IntoPyResult, run};
use crate::instance::Instance;
use crate::memory::{read_into, seek_from_python, to_bytes};

/// A store of a project.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct StoreHandle {
    instance: lodestore::Instance,
    store: Arc<dyn Store>,
}

impl StoreHandle {
    pub(crate) fn of(instance: lodestore::Instance, store: Arc<dyn Store>) -> Self {
        StoreHandle { instance, store }
    }
}

#[pymethods]
impl StoreHandle {
    /// The store of this name (`""` for the default one) of the project at work, or else of this one.
    #[staticmethod]
    fn open(py: Python<'_>, project: Option<&Instance>, name: &str) -> PyResult<Self> {
        let instance = at_work_or(py, project)?;
        let store = run(py, || instance.store(name))?;
        Ok(StoreHandle { instance, store })
    }

    #[getter]
    fn name(&self) -> &str {
        self.store.name()
    }

    /// Where the project's database lies.
    #[getter]
    fn place(&self) -> &str {
        self.instance.place()
    }

    fn url(&self, py: Python<'_>, path: Option<&str>) -> PyResult<String> {
        let path = path.map(StorePath::new).transpose().into_py(py)?;
        Ok(self.store.url(path.as_ref()))
    }

    /// Reads an object like a file.
    fn stream(&self, py: Python<'_>, path: &str) -> PyResult<ObjectStream> {
        run(py, || self.instance.stream(self.store.name(), &StorePath::new(path)?))
            .map(|stream| ObjectStream(Mutex::new(stream)))
    }

    fn local_path(&self, py: Python<'_>, path: &str) -> PyResult<Option<PathBuf>> {
        Ok(self.store.local_path(&StorePath::new(path).into_py(py)?))
    }

    fn size(&self, py: Python<'_>, path: &str) -> PyResult<Option<u64>> {
        run(py, || self.store.size(&StorePath::new(path)?))
    }

    fn get<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let found = run(py, || self.store.get(&StorePath::new(path)?))?;
        found.map(|bytes| to_bytes(py, &bytes)).transpose()
    }

    fn get_range<'py>(
        &self,
        py: Python<'py>,
        path: &str,
        start: u64,
        end: u64,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let range = start..end;
        let found = run(py, || self.store.get_ranges(&StorePath::new(path)?, std::slice::from_ref(&range)))?;
        found.and_then(|mut parts| parts.pop()).map(|bytes| to_bytes(py, &bytes)).transpose()
    }

    /// Writes an object in one step, over one that is there.
    fn put(&self, py: Python<'_>, path: &str, content: &Bound<'_, PyBytes>) -> PyResult<()> {
        let payload = Payload::from(Bytes::copy_from_slice(content.as_bytes()));
        run(py, || self.instance.put_object(&self.store, &StorePath::new(path)?, payload))
    }

    /// Like `put`, with the content of a file of this machine.
    fn put_file(&self, py: Python<'_>, path: &str, file: PathBuf) -> PyResult<()> {
        run(py, || {
            let payload = Payload(vec![FileSegment::open(file)?.into()]);
            self.instance.put_object(&self.store, &StorePath::new(path)?, payload)
        })
    }

    /// All objects in a folder and below, with their sizes.
    fn list(&self, py: Python<'_>, folder: Option<&str>) -> PyResult<Vec<(String, u64)>> {
        run(py, || {
            let folder = folder.map(StorePath::new).transpose()?;
            let entries = self.store.list(folder.as_ref())?;
            entries.map(|entry| entry.map(|entry| (entry.path.to_string(), entry.size))).collect()
        })
    }

    /// What lies directly in a folder: the objects with their sizes, and the folders.
    #[expect(clippy::type_complexity, reason = "two lists, as Python takes them")]
    fn list_level(&self, py: Python<'_>, folder: Option<&str>) -> PyResult<(Vec<(String, u64)>, Vec<String>)> {
        let level = run(py, || self.store.list_level(folder.map(StorePath::new).transpose()?.as_ref()))?;
        let objects = level.objects.iter().map(|entry| (entry.path.to_string(), entry.size)).collect();
        Ok((objects, level.folders.iter().map(StorePath::to_string).collect()))
    }

    /// True if there are objects in a folder or below.
    fn is_folder(&self, py: Python<'_>, path: &str) -> PyResult<bool> {
        run(py, || Ok(self.store.list(Some(&StorePath::new(path)?))?.next().transpose()?.is_some()))
    }

    /// True if an object is being staged at this path or above it.
    fn is_staged(&self, path: &str) -> bool {
        self.instance.is_staged(self.store.name(), path)
    }

    /// Removes an object; false if it was not there.
    fn delete(&self, py: Python<'_>, path: &str) -> PyResult<bool> {
        run(py, || {
            let path = StorePath::new(path)?;
            let there = self.store.head(&path)?.is_some();
            self.store.delete(&path)?;
            Ok(there)
        })
    }
}

/// An object that is read like a file.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct ObjectStream(Mutex<lodestore::ObjectStream>);

#[pymethods]
impl ObjectStream {
    fn readinto(&self, py: Python<'_>, bytes: PyBuffer<u8>) -> PyResult<usize> {
        read_into(py, &bytes, |memory| run(py, || self.lock().read_bytes(memory)))
    }

    fn seek(&self, offset: i64, whence: u8) -> PyResult<u64> {
        Ok(self.lock().seek(seek_from_python(offset, whence)?)?)
    }
}

impl ObjectStream {
    fn lock(&self) -> MutexGuard<'_, lodestore::ObjectStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reference to a file or folder in a store.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct ObjectHandle(pub(crate) ObjectRef);

#[pymethods]
impl ObjectHandle {
    /// What a row tells, opened by the project at work, or else this one.
    #[staticmethod]
    fn from_metadata(
        py: Python<'_>,
        project: Option<&Instance>,
        codec: String,
        metadata: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let reference = crate::reference::reference_of_metadata(py, codec, metadata)?;
        Ok(ObjectHandle(ObjectRef::open(&at_work_or(py, project)?, reference)))
    }

    #[getter]
    fn place(&self) -> &str {
        self.0.instance().place()
    }

    #[getter]
    fn project(&self) -> Instance {
        Instance(self.0.instance().clone())
    }

    #[getter]
    fn codec(&self) -> &str {
        &self.0.reference().codec
    }

    #[getter]
    fn path(&self) -> &str {
        self.0.path().as_str()
    }

    #[getter]
    fn store(&self) -> &str {
        &self.0.reference().store
    }

    #[getter]
    fn is_dir(&self) -> bool {
        self.0.is_folder()
    }

    /// What the row tells beside path and store.
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (key, value) in &self.0.reference().metadata {
            dict.set_item(key, json_to_python(py, value)?)?;
        }
        Ok(dict)
    }

    fn url(&self, py: Python<'_>, inner: Option<&str>) -> PyResult<String> {
        run(py, || self.0.url(inner))
    }

    fn local_path(&self, py: Python<'_>, inner: Option<&str>) -> PyResult<Option<PathBuf>> {
        run(py, || self.0.local_path(inner))
    }

    fn read<'py>(&self, py: Python<'py>, inner: Option<&str>) -> PyResult<Bound<'py, PyBytes>> {
        to_bytes(py, &run(py, || self.0.read(inner))?)
    }

    /// Like `read`; None for a file that is not in the folder and that its manifest does not name.
    fn find<'py>(&self, py: Python<'py>, inner: Option<&str>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let found = run(py, || self.0.find(inner))?;
        found.map(|bytes| to_bytes(py, &bytes)).transpose()
    }

    fn find_range<'py>(
        &self,
        py: Python<'py>,
        inner: Option<&str>,
        start: u64,
        end: u64,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let found = run(py, || self.0.find_range(inner, start..end))?;
        found.map(|bytes| to_bytes(py, &bytes)).transpose()
    }

    /// The size and the checksum to verify when a file of this machine is read; None for what need not be verified.
    fn expected(&self, py: Python<'_>, inner: Option<&str>) -> PyResult<Option<(u64, String)>> {
        run(py, || self.0.to_verify(inner))
    }

    fn size_of(&self, py: Python<'_>, inner: Option<&str>) -> PyResult<Option<u64>> {
        run(py, || self.0.size_of(inner))
    }

    fn stream(&self, py: Python<'_>, inner: Option<&str>) -> PyResult<ObjectStream> {
        run(py, || self.0.stream(inner)).map(|stream| ObjectStream(Mutex::new(stream)))
    }

    /// The files of a folder by their paths in it, with their sizes.
    fn files(&self, py: Python<'_>, inner: Option<&str>) -> PyResult<Vec<(String, u64)>> {
        Ok(run(py, || self.0.files(inner))?.into_iter().collect())
    }

    fn exists(&self, py: Python<'_>, inner: Option<&str>) -> PyResult<bool> {
        run(py, || self.0.exists(inner))
    }

    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.0.verify())
    }

    fn download(&self, py: Python<'_>, destination: PathBuf, inner: Option<&str>) -> PyResult<PathBuf> {
        run(py, || self.0.download(&destination, inner))
    }
}
