//! References to arrays in a store: what they are, for nothing; what they hold, part by part.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use lodestore_codec::npy::{Header, Index, PlanOptions, header_of, plan, read};
use lodestore_objects::in_parallel;
use lodestore_types::{DType, Error, ErrorKind, NdArray, Order, Reference, Result, Value};

use crate::Instance;
use crate::filepath::check_named;
use crate::reader::missing_object;
use crate::reading::{Expected, Fill, Reading, fill_all};

/// So much of a file is read to find its header, where the row does not tell it.
const FIRST_BYTES: u64 = 256;

/// A part of so many bytes is well read at once.
const CHUNK: usize = 64 << 20;

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
        let known = header_of(&reference).inspect_err(|_| {
            // Another program may have given the attribute another type: the next query asks again.
            instance.forget_headings();
        })?;
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

    /// The extents of a part that is well read at once: whole rows, some megabytes of them. Of a column-major array they
    /// are counted along the last axis, if its row tells the order.
    pub fn chunks(&self) -> Vec<usize> {
        let mut chunks = self.shape.clone();
        let is_fortran = self.header.get().is_some_and(|header| header.order == Order::Fortran);
        let axes: Vec<usize> = if is_fortran { (0..chunks.len()).rev().collect() } else { (0..chunks.len()).collect() };
        // Outermost first: one of it where that alone is too much, and then as many of the next as fit.
        for axis in axes {
            let row = chunks.iter().product::<usize>().saturating_mul(self.dtype.itemsize()) / chunks[axis].max(1);
            chunks[axis] = (CHUNK / row.max(1)).clamp(1, chunks[axis].max(1));
            if row <= CHUNK {
                break;
            }
        }
        chunks
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
        self.check_claim()?;
        let mut data = vec![0; self.nbytes()];
        let order = self.load_into(&mut data)?;
        NdArray::new(self.dtype.clone(), self.shape.clone(), order, data)
    }

    /// Compares the size that type and shape make with that of the object, before memory is allocated for it.
    fn check_claim(&self) -> Result<()> {
        let size = match self.reference.size() {
            Some(size) => size,
            None => self.reading()?.store.size(&self.reference.path)?.ok_or_else(|| self.missing())?,
        };
        if self.nbytes() as u64 <= size {
            return Ok(());
        }
        let message = format!("the row says {} bytes of elements, the object has {size} bytes", self.nbytes());
        Err(self.locate(Error::new(ErrorKind::Corrupt, message)))
    }

    /// Like [`NpyRef::load`], into memory of the caller's, which must have the size of all elements; tells their order.
    ///
    /// # Errors
    /// As [`NpyRef::load`]; `InvalidRequest` for a buffer of another size.
    pub fn load_into(&self, buffer: &mut [u8]) -> Result<Order> {
        load_all_into(vec![(self, buffer)]).map(|orders| orders[0])
    }

    /// Compares the header of the file with what the row says.
    fn check(&self, dtype: &DType, shape: &[usize]) -> Result<()> {
        if *dtype == self.dtype && shape == self.shape {
            return Ok(());
        }
        let message = format!(
            "the object holds an array of {} and shape {:?}, its row says {} and {:?}",
            dtype, shape, self.dtype, self.shape
        );
        Err(self.locate(Error::new(ErrorKind::Corrupt, message)))
    }

    /// Reads the part that an index names, and no more than lies between its elements in the file.
    ///
    /// # Errors
    /// `InvalidIndex` if the index does not fit the array, and those of [`NpyRef::load`].
    pub fn slice(&self, index: &[Index]) -> Result<NdArray> {
        let header = self.header()?;
        let reading = self.reading()?;
        let plan = plan(header, index, PlanOptions { largest_gap: reading.gap() })?;
        let parts = if plan.ranges().is_empty() { Vec::new() } else { self.read(&reading, plan.ranges())? };
        plan.gather(&parts).map_err(|error| self.locate(error))
    }

    /// The file of this machine that holds the array, where its elements begin in it, and whether
    /// they are in Fortran order; `None` if neither the store nor a cache keeps files here. For reading only.
    ///
    /// # Errors
    /// As [`NpyRef::load`].
    pub fn local_file(&self) -> Result<Option<(PathBuf, usize, bool)>> {
        let Some(file) = self.reading()?.local_file()? else { return Ok(None) };
        let header = self.header()?;
        let size = std::fs::metadata(&file).map_err(|_| self.missing())?.len();
        Expected::of(&self.reference).check_size(size).map_err(|error| self.locate(error))?;
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
        let (header, _) = self.read_header(&self.reading()?)?;
        Ok(self.header.get_or_init(|| header))
    }

    /// The header as the file has it, and its bytes.
    fn read_header(&self, reading: &Reading) -> Result<(Header, Bytes)> {
        let size = match self.nbytes() as u64 {
            // A file that has more than this cannot end within.
            data if data >= FIRST_BYTES => FIRST_BYTES,
            _ => reading.store.size(&self.reference.path)?.ok_or_else(|| self.missing())?,
        };
        let start = self.read_start(reading, FIRST_BYTES.min(size))?;
        let length = Header::length_of(&start).map_err(|error| self.locate(error))?;
        let start = if length <= start.len() { start } else { self.read_start(reading, length as u64)? };
        let header = Header::parse(&start).map_err(|error| self.locate(error))?;
        Ok((header, start.slice(..length)))
    }

    fn read_start(&self, reading: &Reading, length: u64) -> Result<Bytes> {
        Ok(self.read(reading, std::slice::from_ref(&(0..length)))?.swap_remove(0))
    }

    fn read(&self, reading: &Reading, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let parts = reading.get_ranges(ranges)?.ok_or_else(|| self.missing())?;
        self.count(parts.iter().map(Bytes::len).sum());
        Ok(parts)
    }

    fn count(&self, bytes: usize) {
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn reading(&self) -> Result<Reading> {
        check_named(&self.instance, &self.reference, &self.reference.path).map_err(|error| self.locate(error))?;
        Reading::of(&self.instance, &self.reference)
    }

    fn missing(&self) -> Error {
        missing_object(&self.reference.store, &self.reference.path)
    }

    fn locate(&self, error: Error) -> Error {
        error.with("store", &self.reference.store).with("path", &self.reference.path)
    }
}

/// Files up to this size are read in one step and copied, where reading costs little.
const SMALL_HERE: u64 = 128 << 10;

/// Reads whole arrays, many at once, each into a buffer of the size of its elements; tells the order of the elements of
/// each.
///
/// # Errors
/// As [`NpyRef::load_into`]. What the buffers hold is of no use then.
pub fn load_all_into(targets: Vec<(&NpyRef, &mut [u8])>) -> Result<Vec<Order>> {
    struct Target<'a> {
        array: &'a NpyRef,
        reading: Reading,
        buffer: Mutex<&'a mut [u8]>,
    }
    let mut all = Vec::with_capacity(targets.len());
    for (array, buffer) in targets {
        if buffer.len() != array.nbytes() {
            let message = format!("a buffer of {} bytes does not take {} bytes", buffer.len(), array.nbytes());
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        all.push(Target { array, reading: array.reading()?, buffer: Mutex::new(buffer) });
    }
    // Of small ones the whole file in one request; of large ones the header first, and then the elements in parts.
    let begin = |target: &Target<'_>| -> Result<(Order, Option<Bytes>)> {
        let Target { array, reading, buffer } = target;
        if !reading.is_small(array.reference.size().unwrap_or(array.nbytes() as u64), SMALL_HERE) {
            let (header, head) = array.read_header(reading)?;
            array.check(&header.dtype, &header.shape)?;
            return Ok((header.order, Some(head)));
        }
        let file = reading.get()?.ok_or_else(|| array.missing())?;
        array.count(file.len());
        let read = read(file).map_err(|error| array.locate(error))?;
        array.check(read.dtype(), read.shape())?;
        buffer.lock().unwrap_or_else(PoisonError::into_inner).copy_from_slice(read.data());
        Ok((read.order(), None))
    };
    let at_once = all.iter().map(|target| target.reading.store.at_once()).max().unwrap_or(0);
    let begun = in_parallel(&all, at_once, begin)?;
    let mut fills = Vec::new();
    for (target, (_, header)) in all.iter_mut().zip(&begun) {
        let Some(head) = header.clone() else { continue };
        let buffer = target.buffer.get_mut().unwrap_or_else(PoisonError::into_inner);
        target.array.count(buffer.len());
        fills.push(Fill { reading: &target.reading, head, buffer });
    }
    fill_all(fills)?;
    Ok(begun.into_iter().map(|(order, _)| order).collect())
}
