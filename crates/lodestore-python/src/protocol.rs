//! Kinds of stores written in Python, over file systems of fsspec: `lodestore.storage_adapter`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use lodestore::store::{Entries, Entry, PutMode, PutOutcome, Store};
use lodestore::{Error, ErrorKind, Protocol, Result, Segment, StorePath, Timestamp};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Map, Value as Json};

use crate::convert::json_to_python;
use crate::error::from_py_err;

const MODULE: &str = "lodestore.storage_adapter";

/// Looks among the adapters of Python for a protocol that the core does not know.
pub(crate) fn find(name: &str) -> Result<Option<Arc<dyn Protocol>>> {
    Python::attach(|py| {
        let adapter = py.import(MODULE)?.call_method1("_find", (name,))?;
        let protocol = || Arc::new(PythonProtocol { name: name.to_owned(), adapter: adapter.clone().unbind() });
        Ok((!adapter.is_none()).then(|| protocol() as Arc<dyn Protocol>))
    })
    .map_err(from_py_err)
}

struct PythonProtocol {
    name: String,
    adapter: Py<PyAny>,
}

impl Protocol for PythonProtocol {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: &str, settings: &Map<String, Json>) -> Result<()> {
        Python::attach(|py| {
            let spec = json_to_python(py, &Json::Object(told(settings)))?;
            py.import(MODULE)?.call_method1("_check", (&self.adapter, spec)).map(drop)
        })
        .map_err(from_py_err)
    }

    fn open(&self, store: &str, settings: &Map<String, Json>) -> Result<Arc<dyn Store>> {
        Python::attach(|py| {
            let spec = json_to_python(py, &Json::Object(settings.clone()))?;
            let object = py.import(MODULE)?.call_method1("_AdapterStore", (&self.adapter, spec))?.unbind();
            Ok(Arc::new(PythonStore { name: store.to_owned(), object }) as Arc<dyn Store>)
        })
        .map_err(from_py_err)
    }
}

/// The settings without those that were left out and have no default.
fn told(settings: &Map<String, Json>) -> Map<String, Json> {
    settings.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A store of Python. The interpreter is held only while one of its methods runs.
struct PythonStore {
    name: String,
    object: Py<PyAny>,
}

impl PythonStore {
    fn call<T>(&self, doing: &str, work: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>) -> Result<T> {
        Python::attach(|py| work(py, self.object.bind(py))).map_err(|cause| self.fail(doing, cause))
    }

    fn fail(&self, doing: &str, cause: PyErr) -> Error {
        let error = from_py_err(cause);
        if error.kind() == ErrorKind::Interrupted {
            return error;
        }
        Error::new(ErrorKind::Storage, format!("cannot {doing}: {}", error.message())).with("store", &self.name)
    }

    fn entry(&self, path: StorePath, size: u64, microseconds: i64) -> Entry {
        Entry { path, size, modified: Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MAX) }
    }
}

impl fmt::Debug for PythonStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PythonStore({})", self.name)
    }
}

impl Store for PythonStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn url(&self, path: Option<&StorePath>) -> String {
        let path = path.map(StorePath::as_str);
        let url = self.call("name the object", |_, store| store.call_method1("url", (path,))?.extract::<String>());
        url.unwrap_or_else(|_| path.unwrap_or_default().to_owned())
    }

    fn put(&self, path: &StorePath, payload: &[Segment], mode: PutMode) -> Result<PutOutcome> {
        let doing = "write the object";
        let written = self.call(doing, |py, store| {
            let content = Bound::new(py, Content(payload.to_vec()))?;
            store.call_method1("put", (path.as_str(), content, mode == PutMode::Replace))?.extract::<bool>()
        });
        match written.map_err(|error| error.with("path", path))? {
            true => Ok(PutOutcome::Written),
            false => Ok(PutOutcome::AlreadyThere),
        }
    }

    fn get(&self, path: &StorePath) -> Result<Option<Bytes>> {
        self.call("read the object", |_, store| {
            let found: Option<Vec<u8>> = store.call_method1("get", (path.as_str(),))?.extract()?;
            Ok(found.map(Bytes::from))
        })
        .map_err(|error| error.with("path", path))
    }

    fn get_ranges(&self, path: &StorePath, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        let Some(entry) = self.head(path)? else { return Ok(None) };
        let part = |range: &Range<u64>| {
            if range.start > range.end {
                let message = format!("the range {range:?} ends before it starts");
                return Err(Error::new(ErrorKind::InvalidRequest, message)
                    .with("store", &self.name)
                    .with("path", path));
            }
            if range.end > entry.size {
                let message =
                    format!("the object ends too early: expected at least {} bytes, found {}", range.end, entry.size);
                return Err(Error::new(ErrorKind::Corrupt, message).with("store", &self.name).with("path", path));
            }
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            let read = self.call("read the object", |_, store| {
                store.call_method1("get_range", (path.as_str(), range.start, range.end))?.extract::<Vec<u8>>()
            });
            Ok(Bytes::from(read.map_err(|error| error.with("path", path))?))
        };
        ranges.iter().map(part).collect::<Result<_>>().map(Some)
    }

    fn head(&self, path: &StorePath) -> Result<Option<Entry>> {
        let found = self.call("look at the object", |_, store| {
            store.call_method1("head", (path.as_str(),))?.extract::<Option<(u64, i64)>>()
        });
        let found = found.map_err(|error| error.with("path", path))?;
        Ok(found.map(|(size, modified)| self.entry(path.clone(), size, modified)))
    }

    fn list(&self, folder: Option<&StorePath>) -> Result<Entries<'_>> {
        let listed = self.call("list a folder of the store", |_, store| {
            let folder = folder.map(StorePath::as_str);
            store.call_method1("list", (folder,))?.extract::<Vec<(String, u64, i64)>>()
        })?;
        Ok(Box::new(listed.into_iter().filter_map(|(path, size, modified)| {
            // An object whose name no path can hold is none of ours.
            Some(Ok(self.entry(StorePath::new(path).ok()?, size, modified)))
        })))
    }

    fn delete(&self, path: &StorePath) -> Result<()> {
        self.call("delete the object", |_, store| store.call_method1("delete", (path.as_str(),)).map(drop))
            .map_err(|error| error.with("path", path))
    }
}

/// The content of an object that Python is to write.
#[pyclass(frozen, module = "lodestore._lodestore")]
struct Content(Vec<Segment>);

#[pymethods]
impl Content {
    /// Writes all of it to a file of Python's, piece by piece.
    fn write_to(&self, py: Python<'_>, file: &Bound<'_, PyAny>) -> PyResult<()> {
        const PIECE: usize = 4 << 20;
        let mut fault = None;
        for segment in &self.0 {
            let read = segment.read_pieces(&mut |bytes| {
                for piece in bytes.chunks(PIECE) {
                    if let Err(error) = file.call_method1("write", (PyBytes::new(py, piece),)) {
                        fault = Some(error);
                        return Err(std::io::Error::other("the file cannot be written"));
                    }
                }
                Ok(())
            });
            if let Some(error) = fault.take() {
                return Err(error);
            }
            read?;
        }
        Ok(())
    }
}
