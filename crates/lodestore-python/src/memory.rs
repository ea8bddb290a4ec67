//! Bytes between Rust and Python: memory of Rust that Python reads and writes by the buffer protocol, and copies.

use std::ffi::c_int;
use std::io::SeekFrom;
use std::mem::MaybeUninit;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
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
        target.par_chunks_mut(LARGE).zip(bytes.par_chunks(LARGE)).for_each(|(target, source)| {
            // SAFETY: both are of the same length, and one of them is nobody else's.
            unsafe { target.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(source.as_ptr(), source.len()) }
        });
    });
    Ok(object)
}

/// The bytes of a buffer that Python holds for us, to be read without the interpreter.
///
/// Whoever writes to it meanwhile gets what they ask for, as with any file that a buffer is written to.
pub(crate) fn readable(buffer: &PyBuffer<u8>) -> PyResult<&[u8]> {
    if !buffer.is_c_contiguous() {
        return Err(PyValueError::new_err("the buffer is not contiguous"));
    }
    // SAFETY: the buffer is contiguous, and is held as long as it is borrowed.
    Ok(unsafe { slice_of(buffer.buf_ptr().cast(), buffer.len_bytes()) })
}

/// Like [`readable`], to be written.
#[expect(clippy::mut_from_ref, reason = "the memory is Python's: what Rust may do to it is told by its flags")]
pub(crate) fn writable(buffer: &PyBuffer<u8>) -> PyResult<&mut [u8]> {
    if !buffer.is_c_contiguous() || buffer.readonly() {
        return Err(PyValueError::new_err("the buffer is not contiguous, or is read only"));
    }
    let length = buffer.len_bytes();
    let start = if length == 0 { std::ptr::NonNull::dangling().as_ptr() } else { buffer.buf_ptr().cast() };
    // SAFETY: as in `readable`; the buffer is writable.
    Ok(unsafe { std::slice::from_raw_parts_mut(start, length) })
}

/// # Safety
/// As of `std::slice::from_raw_parts`, but nothing may lie anywhere.
unsafe fn slice_of<'a>(start: *const u8, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(start, length) }
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
