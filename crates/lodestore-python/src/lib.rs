//! The compiled half of the Python package `lodestore`: conversion only.
//!
//! What it offers is for the Python half, in `python/lodestore`, and may change with it.

mod codec;
mod columns;
mod condition;
mod config;
mod convert;
mod diagram;
mod error;
mod heading;
mod instance;
mod interrupt;
mod jobs;
mod memory;
mod migrate;
mod populate;
mod protocol;
mod query;
mod reference;
mod source;
mod staged;
mod store;
mod task;
mod verify;

use pyo3::prelude::*;

#[pymodule]
mod _lodestore {
    use pyo3::prelude::*;
    use pyo3::types::PyBytes;

    #[pymodule_export]
    use crate::codec::{builtin_codecs, new_object_path, resolve_codec};
    #[pymodule_export]
    use crate::columns::{ArrowStream, Columns, Stream};
    #[pymodule_export]
    use crate::config::Config;
    #[pymodule_export]
    use crate::diagram::Drawing;
    #[pymodule_export]
    use crate::heading::Attribute;
    #[pymodule_export]
    use crate::instance::{Instance, Schema};
    #[pymodule_export]
    use crate::jobs::Jobs;
    #[pymodule_export]
    use crate::memory::Memory;
    #[pymodule_export]
    use crate::migrate::{Migration, migrate, migrations, tier};
    #[pymodule_export]
    use crate::populate::{make_key, missing_keys, populate_table, progress};
    #[pymodule_export]
    use crate::query::{Alteration, Query, Table};
    #[pymodule_export]
    use crate::reference::{ArrayRef, load_all, read_all};
    #[pymodule_export]
    use crate::source::Source;
    #[pymodule_export]
    use crate::staged::{StagedArray, StagedFile, StagedHandle, staged_is_shared};
    #[pymodule_export]
    use crate::store::{ObjectHandle, ObjectStream, StoreHandle};

    #[pymodule_export]
    use crate::verify::{Verification, deletions, run_command, undelete, usage, verify};

    use bytes::Bytes;
    use lodestore::codec::blob::{Compression, CountWidth, PackOptions, UnpackOptions, pack_opts, unpack_opts};

    use crate::convert::{from_python, to_python};
    use crate::error::{IntoPyResult, run};
    use crate::memory::to_bytes;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        lodestore::set_codec_finder(crate::codec::find);
        lodestore::set_protocol_finder(crate::protocol::find);
        lodestore::set_interrupt_check(crate::interrupt::check);
        lodestore::set_warning_hook(warn);
        Ok(())
    }

    /// Shows a warning by the logger. A failure to log stops no work.
    fn warn(message: &str) {
        Python::attach(|py| {
            let logger = py.import("logging").and_then(|logging| logging.call_method1("getLogger", ("lodestore",)));
            let _ = logger.and_then(|logger| logger.call_method1("warning", (message,)));
        });
    }

    /// The exception for a kind of error, with a message and perhaps a hint.
    #[pyfunction]
    #[pyo3(signature = (kind, message, hint=None))]
    fn error<'py>(py: Python<'py>, kind: &str, message: &str, hint: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        py.import("lodestore.errors")?.call_method1("_classify", (kind, message, hint, pyo3::types::PyDict::new(py)))
    }

    /// Packs an object into the bytes of a blob.
    #[pyfunction]
    fn pack<'py>(py: Python<'py>, object: &Bound<'py, PyAny>, compress: bool) -> PyResult<Bound<'py, PyBytes>> {
        let value = from_python(object).into_py(py)?;
        let compression = if compress { Compression::Zlib } else { Compression::None };
        let options = PackOptions { compression, ..PackOptions::default() };
        let bytes = run(py, move || pack_opts(&value, options))?;
        to_bytes(py, &bytes)
    }

    /// Unpacks the bytes of a blob.
    #[pyfunction]
    fn unpack<'py>(py: Python<'py>, blob: &Bound<'py, PyAny>, narrow: bool) -> PyResult<Bound<'py, PyAny>> {
        let counts = if narrow { CountWidth::Bits32 } else { CountWidth::Bits64 };
        let bytes = Bytes::try_from(from_python(blob).into_py(py)?).into_py(py)?;
        let value = run(py, move || unpack_opts(bytes, UnpackOptions { counts }))?;
        to_python(py, &value)
    }
}
