//! Memory of Rust that Python reads and writes by the buffer protocol.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::prelude::*;

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
