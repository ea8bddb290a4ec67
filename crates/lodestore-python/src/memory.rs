//! Bytes between Rust and Python: memory of Rust that Python reads and writes by the buffer protocol, and copies.

use std::ffi::c_int;
use std::io::SeekFrom;
use std::mem::MaybeUninit;

use bytes::Bytes;
use lodestore::codec::on_all_cores;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rayon::prelude::*;

/// From so many bytes on, all cores copy: most of a copy is the first touch of fresh memory.
const LARGE: usize = 4 << 20;

/// A copy of some bytes for Python.
pub(crate) fn to_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    if bytes.len() < LARGE {
        return Ok(PyBytes::new(py, bytes));
    }
    // `PyBytes::new_with` would write zeros first.
    // SAFETY: it gives bytes of this length, or NULL and an exception if there is no memory.
    let object = unsafe {
        let object = ffi::PyBytes_FromStringAndSize(std::ptr::null(), bytes.len() as ffi::Py_ssize_t);
        Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked::<PyBytes>()
    };
    // SAFETY: nobody else knows the object yet, and it has room for as many bytes.
    let target = unsafe {
        let start = ffi::PyBytes_AsString(object.as_ptr()).cast::<MaybeUninit<u8>>();
        std::slice::from_raw_parts_mut(start, bytes.len())
    };
    // Without the interpreter, for which the threads that are to help may be waiting.
    py.detach(|| {
        on_all_cores(2, || {
            target.par_chunks_mut(LARGE).zip(bytes.par_chunks(LARGE)).for_each(|(target, source)| {
                // SAFETY: both are of the same length, and one of them is nobody else's.
                unsafe { target.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(source.as_ptr(), source.len()) }
            });
        });
    });
    Ok(object)
}

/// A copy of the bytes of a buffer, which Python code may change at any time.
pub(crate) fn copied(py: Python<'_>, buffer: &PyBuffer<u8>) -> PyResult<Bytes> {
    let length = buffer.len_bytes();
    if length < LARGE || !buffer.is_c_contiguous() {
        return Ok(buffer.to_vec(py)?.into());
    }
    let mut copy: Vec<u8> = Vec::new();
    copy.try_reserve_exact(length).map_err(|_| PyMemoryError::new_err(()))?;
    let source = Source(buffer.buf_ptr().cast());
    let target = &mut copy.spare_capacity_mut()[..length];
    // As in `to_bytes`.
    py.detach(|| {
        on_all_cores(2, || {
            target.par_chunks_mut(LARGE).enumerate().for_each(|(number, target)| {
                // SAFETY: the buffer is contiguous and held while it is borrowed, and the target is as long as it and
                // nobody else's. Python code that changes the buffer meanwhile changes what is copied, and no more:
                // there is no reference to it.
                unsafe {
                    let start = source.at(number * LARGE);
                    target.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(start, target.len());
                }
            });
        });
    });
    // SAFETY: all of it was written.
    unsafe { copy.set_len(length) };
    Ok(copy.into())
}

/// Where a buffer of Python's begins.
struct Source(*const u8);

impl Source {
    /// # Safety
    /// The buffer is longer than `offset`.
    unsafe fn at(&self, offset: usize) -> *const u8 {
        // SAFETY: the caller's.
        unsafe { self.0.add(offset) }
    }
}

// SAFETY: it is only read from, while the buffer is held.
unsafe impl Sync for Source {}

/// Bytes read at most into a buffer of Python's in one call.
const MOST_READ: usize = 8 << 20;

/// Lets `read` fill memory of its own, and copies that into a buffer of Python's, which other Python code may use at the
/// same time. Reads less than the buffer holds if that is large; returns how much it was.
pub(crate) fn read_into<E>(
    _py: Python<'_>,
    buffer: &PyBuffer<u8>,
    read: impl FnOnce(&mut [u8]) -> std::result::Result<usize, E>,
) -> PyResult<usize>
where
    PyErr: From<E>,
{
    if !buffer.is_c_contiguous() || buffer.readonly() {
        return Err(PyValueError::new_err("the buffer is not contiguous, or is read only"));
    }
    let mut own = vec![0; buffer.len_bytes().min(MOST_READ)];
    let count = read(&mut own)?;
    // SAFETY: the buffer is contiguous, writable and held, and at least as long as what is copied; the interpreter is held
    // too, and there is no reference to this memory.
    unsafe { buffer.buf_ptr().cast::<u8>().copy_from(own[..count].as_ptr(), count) };
    Ok(count)
}

/// A position as Python's files take it.
pub(crate) fn seek_from_python(offset: i64, whence: u8) -> PyResult<SeekFrom> {
    match whence {
        0 => u64::try_from(offset)
            .map(SeekFrom::Start)
            .map_err(|_| PyValueError::new_err(format!("negative seek position {offset}"))),
        1 => Ok(SeekFrom::Current(offset)),
        2 => Ok(SeekFrom::End(offset)),
        other => Err(PyValueError::new_err(format!("invalid whence ({other}, should be 0, 1 or 2)"))),
    }
}

/// Numbers that Rust made and NumPy looks at: `numpy.frombuffer(memory, dtype)` copies nothing.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Memory {
    start: *mut u8,
    bytes: usize,
    /// Frees the memory.
    free: fn(*mut u8, usize),
}

// SAFETY: the memory belongs to this object alone; it is read and written through Python's buffers only, whose users
// answer for their threads as with any array.
unsafe impl Send for Memory {}
// SAFETY: as above; Rust itself never looks into the memory.
unsafe impl Sync for Memory {}

impl Memory {
    /// Takes numbers over. `T` has no padding: it is an integer, a float or a bool.
    pub fn new<T: Copy + 'static>(numbers: Vec<T>) -> Self {
        fn free<T>(start: *mut u8, bytes: usize) {
            let slice = std::ptr::slice_from_raw_parts_mut(start.cast::<T>(), bytes / size_of::<T>());
            // SAFETY: this is the box that `new` took apart, of the same type and length.
            drop(unsafe { Box::from_raw(slice) });
        }
        let bytes = size_of_val(&*numbers);
        let start = Box::into_raw(numbers.into_boxed_slice()).cast::<u8>();
        Memory { start, bytes, free: free::<T> }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        (self.free)(self.start, self.bytes);
    }
}

#[pymethods]
impl Memory {
    fn __len__(&self) -> usize {
        self.bytes
    }

    /// # Safety
    /// Called by the interpreter with a view to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let memory = slf.get();
        // SAFETY: the view holds a reference to this object, which keeps the memory where it is.
        let outcome = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), memory.start.cast(), memory.bytes as ffi::Py_ssize_t, 0, flags)
        };
        if outcome == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
