//! References to arrays in a store: what they are, for nothing; what they hold, part by part.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use lodestore_codec::npy::{Header, Index, PlanOptions, header_of, plan, read};
use lodestore_types::{DType, Error, ErrorKind, NdArray, Order, Reference, Result, Value};

use crate::Instance;
use crate::reader::missing_object;

/// So much of a file is read to find its header, where the row does not tell it.
const FIRST_BYTES: u64 = 256;

/// An array in a store, not yet read.
///
/// Type, shape and size come with the row. Reading takes the whole array ([`NpyRef::load`]) or
/// just the parts that an index names ([`NpyRef::slice`]). The store is opened only then.
#[derive(Debug, Clone)]
pub struct NpyRef {
    instance: Instance,
    reference: Reference,
    dtype: DType,
    shape: Vec<usize>,
    header: Arc<OnceLock<Header>>,
    bytes_read: Arc<AtomicU64>,
}

impl NpyRef {
    /// The array that a reference of a row of `instance` stands for. Nothing is read.
    ///
    /// # Errors
    /// `InvalidType` if it refers to something else; `Corrupt` if it tells no sound type and shape.
    pub fn open(instance: &Instance, reference: Reference) -> Result<Self> {
        if reference.codec != "npy" {
            return Err(Error::new(
                ErrorKind::InvalidType,
                format!("a reference of `<{}@>` is no array", reference.codec),
            ));
        }
        let known = header_of(&reference)?;
        let header = known.header.map_or_else(OnceLock::new, OnceLock::from);
        Ok(NpyRef {
            instance: instance.clone(),
            reference,
            dtype: known.dtype,
            shape: known.shape,
            header: Arc::new(header),
            bytes_read: Arc::default(),
        })
    }

    /// Like [`NpyRef::open`], for what a fetched row holds.
    ///
    /// # Errors
    /// As [`NpyRef::open`]; `InvalidType` if the value is no reference.
    pub fn from_value(instance: &Instance, value: &Value) -> Result<Self> {
        match value {
            Value::Reference(reference) => NpyRef::open(instance, reference.clone()),
            other => Err(Error::new(ErrorKind::InvalidType, format!("{other} is no reference to an array"))),
        }
    }

    /// The project that it belongs to.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Where the array lies.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The element type.
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// The extents.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of bytes of all elements.
    pub fn nbytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.itemsize()
    }

    /// How many bytes were read from the store through this reference and its clones.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Reads the whole array.
    ///
    /// # Errors
    /// `MissingObject` if it is gone, `Corrupt` if it is not what the row says, `Storage` if the
    /// store cannot be read.
    pub fn load(&self) -> Result<NdArray> {
        let file = self.store()?.get(&self.reference.path)?.ok_or_else(|| self.missing())?;
        self.count(file.len());
        let array = read(file).map_err(|error| self.locate(error))?;
        if array.dtype() != &self.dtype || array.shape() != self.shape {
            return Err(self.locate(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the object holds an array of {} and shape {:?}, its row says {} and {:?}",
                    array.dtype(),
                    array.shape(),
                    self.dtype,
                    self.shape
                ),
            )));
        }
        Ok(array)
    }

    /// Reads the part that an index names, and no more than lies between its elements in the file.
    ///
    /// # Errors
    /// `InvalidIndex` if the index does not fit the array, and those of [`NpyRef::load`].
    pub fn slice(&self, index: &[Index]) -> Result<NdArray> {
        let header = self.header()?;
        let plan = plan(header, index, PlanOptions::default())?;
        let parts = if plan.ranges().is_empty() { Vec::new() } else { self.read(plan.ranges())? };
        plan.gather(&parts).map_err(|error| self.locate(error))
    }

    /// The file of this machine that holds the array, where its elements begin in it, and whether
    /// they are in Fortran order; `None` if the store keeps no files here. For reading only.
    ///
    /// # Errors
    /// As [`NpyRef::load`].
    pub fn local_file(&self) -> Result<Option<(PathBuf, usize, bool)>> {
        let store = self.store()?;
        let Some(file) = store.local_path(&self.reference.path) else { return Ok(None) };
        let header = self.header()?;
        let size = store.size(&self.reference.path)?.ok_or_else(|| self.missing())?;
        if size < (header.length + self.nbytes()) as u64 {
            return Err(self.locate(Error::new(ErrorKind::Corrupt, format!("the file ends early, after {size} bytes"))));
        }
        Ok(Some((file, header.length, header.order == Order::Fortran)))
    }

    /// The header of the file, which rows of other programs do not tell.
    fn header(&self) -> Result<&Header> {
        if let Some(header) = self.header.get() {
            return Ok(header);
        }
        let size = self.store()?.size(&self.reference.path)?.ok_or_else(|| self.missing())?;
        let start = self.read_start(FIRST_BYTES.min(size))?;
        let length = Header::length_of(&start).map_err(|error| self.locate(error))? as u64;
        let start = if length <= start.len() as u64 { start } else { self.read_start(length.min(size))? };
        let header = Header::parse(&start).map_err(|error| self.locate(error))?;
        Ok(self.header.get_or_init(|| header))
    }

    fn read_start(&self, length: u64) -> Result<Bytes> {
        Ok(self.read(std::slice::from_ref(&(0..length)))?.swap_remove(0))
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let parts = self.store()?.get_ranges(&self.reference.path, ranges)?.ok_or_else(|| self.missing())?;
        self.count(parts.iter().map(Bytes::len).sum());
        Ok(parts)
    }

    fn count(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn store(&self) -> Result<Arc<dyn lodestore_objects::Store>> {
        self.instance.store(&self.reference.store)
    }

    fn missing(&self) -> Error {
        missing_object(&self.reference.store, &self.reference.path)
    }

    fn locate(&self, error: Error) -> Error {
        error.with("store", &self.reference.store).with("path", &self.reference.path)
    }
}
