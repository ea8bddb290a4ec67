//! Columns to Python objects, cell by cell: what dicts and arrays of objects are made of.

use lodestore::{Column, ColumnData, Error, ErrorKind, Instance};
use pyo3::IntoPyObjectExt;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::span::span_to_python;
use super::to_python;
use crate::error::to_py_err;
use crate::query::object_of;

/// After so many cells a long conversion asks whether its user wants to stop.
const CELLS_BETWEEN_CHECKS: usize = 1 << 17;

/// The cells of a column, to be made objects of.
pub(crate) struct Cells<'a, 'py> {
    py: Python<'py>,
    instance: &'a Instance,
    column: &'a Column,
    is_span: bool,
    none: Bound<'py, PyAny>,
    repeats: Repeats<'py>,
}

impl<'a, 'py> Cells<'a, 'py> {
    /// The cells of a column; with `is_span` its texts are spans of time.
    pub fn new(py: Python<'py>, instance: &'a Instance, column: &'a Column, is_span: bool) -> Self {
        Cells { py, instance, column, is_span, none: py.None().into_bound(py), repeats: Repeats::default() }
    }

    /// The object of one cell.
    pub fn object(&mut self, index: usize) -> PyResult<Bound<'py, PyAny>> {
        let (py, column) = (self.py, self.column);
        if index.is_multiple_of(CELLS_BETWEEN_CHECKS) {
            py.check_signals()?;
        }
        if let ColumnData::Values(values) = &column.data {
            return object_of(py, self.instance, &values[index]);
        }
        if column.is_null(index) {
            return Ok(self.none.clone());
        }
        let slowly = || to_python(py, &column.value(index));
        match &column.data {
            ColumnData::Bool(flags) => flags[index].into_bound_py_any(py),
            ColumnData::Int(numbers) => numbers[index].into_bound_py_any(py),
            ColumnData::Float(numbers) => numbers[index].into_bound_py_any(py),
            ColumnData::Bytes(all) => Ok(PyBytes::new(py, all.get(index)).into_any()),
            ColumnData::Text(texts) => {
                let text = texts.get(index);
                let make = || match self.is_span {
                    true => span_to_python(py, text),
                    false => Ok(PyString::from_bytes(py, text)?.into_any()),
                };
                self.repeats.find(hash(text), index, |other| texts.get(other) == text, make)
            }
            ColumnData::Decimal(texts) => {
                let text = texts.get(index);
                self.repeats.find(hash(text), index, |other| texts.get(other) == text, slowly)
            }
            ColumnData::Date(days) => {
                self.repeats.find(days[index] as usize, index, |other| days[other] == days[index], slowly)
            }
            ColumnData::DateTime(moments) => {
                let moment = moments[index];
                self.repeats.find(hash(&moment.to_ne_bytes()), index, |other| moments[other] == moment, slowly)
            }
            ColumnData::Uuid(ids) => {
                self.repeats.find(hash(&ids[index]), index, |other| ids[other] == ids[index], slowly)
            }
            ColumnData::Values(_) => slowly(),
        }
    }

    /// The objects of all cells.
    pub fn objects(&mut self) -> PyResult<Vec<Bound<'py, PyAny>>> {
        (0..self.column.len()).map(|index| self.object(index)).collect()
    }

    /// Puts the objects of all cells into a NumPy array of objects, which may be a field of a structured one.
    pub fn fill(&mut self, array: &Bound<'py, PyAny>) -> PyResult<()> {
        let buffer = PyUntypedBuffer::get(array)?;
        let fits = buffer.dimensions() == 1
            && buffer.item_count() == self.column.len()
            && buffer.item_size() == size_of::<*mut ffi::PyObject>()
            && buffer.format() == c"O"
            && !buffer.readonly();
        if !fits {
            let error = Error::new(ErrorKind::Internal, "this is no array of objects of the length of the column");
            return Err(to_py_err(self.py, error));
        }
        let (start, stride) = (buffer.buf_ptr().cast::<u8>(), buffer.strides()[0]);
        for index in 0..self.column.len() {
            let object = self.object(index)?.into_ptr();
            // SAFETY: the buffer holds so many pointers to objects (or null), each `stride` behind the last, whose
            // references belong to the array. It stays where it is while the buffer is held. Fields of a structured
            // array may be unaligned.
            unsafe {
                let cell = start.offset(index as isize * stride).cast::<*mut ffi::PyObject>();
                let before = cell.read_unaligned();
                cell.write_unaligned(object);
                ffi::Py_XDECREF(before);
            }
        }
        Ok(())
    }
}

/// Objects of cells made before: texts, days and the like repeat, and to find an object costs less time and memory than
/// to make one. What is new takes the place of something else.
#[derive(Default)]
struct Repeats<'py> {
    /// Objects with the cells they were made of.
    slots: Vec<Option<(usize, Bound<'py, PyAny>)>>,
    found: usize,
    made: usize,
}

impl<'py> Repeats<'py> {
    const SLOTS: usize = 1 << 13;

    fn find(
        &mut self,
        hash: usize,
        index: usize,
        same: impl Fn(usize) -> bool,
        make: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Where most are new, looking is a waste.
        if self.made > 2 * Self::SLOTS && self.made > self.found {
            return make();
        }
        if self.slots.is_empty() {
            self.slots.resize_with(Self::SLOTS, || None);
        }
        let slot = &mut self.slots[hash % Self::SLOTS];
        if let Some((other, object)) = slot
            && same(*other)
        {
            self.found += 1;
            return Ok(object.clone());
        }
        let object = make()?;
        *slot = Some((index, object.clone()));
        self.made += 1;
        Ok(object)
    }
}

fn hash(bytes: &[u8]) -> usize {
    /// Multiplies eight bytes at a time: whoever makes them collide only makes a column slower.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, chunk: &[u8]| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR)
    };
    let hash = bytes.chunks(8).fold(bytes.len() as u64, mix);
    (hash >> 40) as usize
}
