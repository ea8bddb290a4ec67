//! Columns for Python: as buffers for NumPy, as a stream for Arrow, as objects for dicts.

use std::sync::{Mutex, PoisonError};

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatchIterator, RecordBatchReader};
use lodestore::{Column, ColumnData, Error, ErrorKind, Strings};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList, PyString, PyTuple};

use crate::convert::Cells;
use crate::error::{run, to_py_err};
use crate::interrupt;
use crate::memory::Memory;

/// NumPy's "not a time".
const NOT_A_TIME: i64 = i64::MIN;

/// A column of text becomes an array of fixed width only if that is not much more than the text itself.
const WIDE: usize = 64 << 20;

/// Rows that were fetched, column by column.
///
/// What becomes an array or goes to Arrow is taken out: it is not there a second time.
#[pyclass(module = "lodestore._lodestore")]
pub(crate) struct Columns(lodestore::Columns);

impl Columns {
    pub fn new(columns: lodestore::Columns) -> Self {
        Columns(columns)
    }

    fn cells<'py>(&self, py: Python<'py>) -> Vec<Cells<'_, 'py>> {
        (0..self.0.columns().len()).map(|index| self.cells_of(py, index, &self.0.columns()[index])).collect()
    }

    fn cells_of<'a, 'py>(&'a self, py: Python<'py>, index: usize, column: &'a Column) -> Cells<'a, 'py> {
        Cells::new(py, self.0.instance(), column, self.is_span(index))
    }

    /// True for a column of SQL's `time`.
    fn is_span(&self, index: usize) -> bool {
        self.0.attributes()[index].kind.is_span()
    }

    /// A column with all its cells, or the error that it was taken.
    fn column(&self, py: Python<'_>, index: usize) -> PyResult<&Column> {
        let column = &self.0.columns()[index];
        if column.len() == self.0.len() { Ok(column) } else { Err(taken(py)) }
    }
}

fn taken(py: Python<'_>) -> PyErr {
    to_py_err(py, Error::new(ErrorKind::Internal, "this column was taken already"))
}

#[pymethods]
impl Columns {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn names(&self) -> Vec<String> {
        self.0.names().to_vec()
    }

    /// What the cells of each column are.
    fn kinds(&self) -> Vec<&'static str> {
        let kind = |(index, column): (usize, &Column)| match column.data {
            ColumnData::Text(_) if self.is_span(index) => "span",
            ColumnData::Bool(_) => "bool",
            ColumnData::Int(_) => "int",
            ColumnData::Float(_) => "float",
            ColumnData::Text(_) => "text",
            ColumnData::Bytes(_) => "bytes",
            ColumnData::Date(_) => "date",
            ColumnData::DateTime(_) => "datetime",
            ColumnData::Decimal(_) => "decimal",
            ColumnData::Uuid(_) => "uuid",
            ColumnData::Values(_) => "value",
        };
        self.0.columns().iter().enumerate().map(kind).collect()
    }

    /// True if a cell of the column is NULL.
    fn has_nulls(&self, py: Python<'_>, index: usize) -> PyResult<bool> {
        Ok(self.column(py, index)?.null_count() > 0)
    }

    /// True if the attribute may be NULL.
    fn nullable(&self, index: usize) -> bool {
        self.0.attributes()[index].nullable
    }

    /// Takes the numbers of a column, 64 bits each (bools: 8). NULL is NaN, not-a-time or a zero of no meaning.
    fn numbers(&mut self, py: Python<'_>, index: usize) -> PyResult<Memory> {
        self.column(py, index)?;
        let Column { data, nulls } = self.0.take_column(index);
        let nulls = nulls.as_deref();
        py.detach(|| match data {
            ColumnData::Bool(flags) => Ok(Memory::new(flags)),
            ColumnData::Int(numbers) => Ok(Memory::new(numbers)),
            ColumnData::Float(numbers) => Ok(Memory::new(filled(numbers, nulls, f64::NAN))),
            ColumnData::DateTime(moments) => Ok(Memory::new(filled(moments, nulls, NOT_A_TIME))),
            ColumnData::Date(days) => {
                let days = days.iter().map(|day| i64::from(*day)).collect();
                Ok(Memory::new(filled(days, nulls, NOT_A_TIME)))
            }
            _ => Err(Error::new(ErrorKind::Internal, "this column holds no numbers")),
        })
        .map_err(|error| to_py_err(py, error))
    }

    /// One byte a cell, 1 where it is NULL; None if no cell is.
    fn mask(&self, py: Python<'_>, index: usize) -> PyResult<Option<Memory>> {
        Ok(self.column(py, index)?.nulls.as_ref().map(|nulls| Memory::new(nulls.clone())))
    }

    /// Texts as NumPy keeps them, and the width in characters; None if one is much longer than the others.
    fn unicode(&self, py: Python<'_>, index: usize) -> PyResult<Option<(Memory, usize)>> {
        let ColumnData::Text(texts) = &self.column(py, index)?.data else { return Ok(None) };
        Ok(py.detach(|| characters(texts)))
    }

    /// The cells of a column as Python objects.
    fn values<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.cells_of(py, index, self.column(py, index)?).objects()?)
    }

    /// Puts the cells of a column as Python objects into an array of objects.
    fn fill<'py>(&self, py: Python<'py>, index: usize, array: &Bound<'py, PyAny>) -> PyResult<()> {
        self.cells_of(py, index, self.column(py, index)?).fill(array)
    }

    /// All rows as dicts.
    fn dicts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let names: Vec<_> = self.0.names().iter().map(|name| PyString::intern(py, name)).collect();
        // A copy has room for all names at once.
        let template = PyDict::new(py);
        for name in &names {
            template.set_item(name, py.None())?;
        }
        let mut cells = self.cells(py);
        let rows = (0..self.0.len()).map(|row| {
            let dict = template.copy()?;
            for (name, cells) in names.iter().zip(&mut cells) {
                dict.set_item(name, cells.object(row)?)?;
            }
            Ok(dict)
        });
        PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)
    }

    /// All rows as tuples.
    fn tuples<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut cells = self.cells(py);
        let rows = (0..self.0.len()).map(|row| {
            let objects = cells.iter_mut().map(|cells| cells.object(row)).collect::<PyResult<Vec<_>>>()?;
            PyTuple::new(py, objects)
        });
        PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)
    }

    /// Takes some of the columns for whatever reads Arrow. Decoded values stay here too.
    fn arrow(&mut self, py: Python<'_>, indices: Vec<usize>) -> PyResult<ArrowStream> {
        for index in &indices {
            self.column(py, *index)?;
        }
        let batch = run(py, || self.0.take_record_batch(&indices))?;
        let schema = batch.schema();
        Ok(ArrowStream::new(RecordBatchIterator::new([Ok(batch)], schema)))
    }
}

/// Texts as NumPy keeps them: four bytes a character, padded to the width of the longest.
fn characters(texts: &Strings) -> Option<(Memory, usize)> {
    let ascii = texts.bytes.is_ascii();
    let length = |bytes: &[u8]| match ascii {
        true => bytes.len(),
        false => bytes.iter().filter(|byte| (**byte as i8) >= -0x40).count(),
    };
    let width = texts.iter().map(length).max().unwrap_or(0).max(1);
    let total = width
        .checked_mul(texts.len())
        .filter(|total| total * 4 <= WIDE || *total <= texts.bytes.len().saturating_mul(4))?;
    let mut characters = vec![0u32; total];
    for (cell, text) in characters.chunks_exact_mut(width).zip(texts.iter()) {
        if ascii {
            cell.iter_mut().zip(text).for_each(|(target, byte)| *target = u32::from(*byte));
        } else {
            let text = String::from_utf8_lossy(text);
            cell.iter_mut().zip(text.chars()).for_each(|(target, character)| *target = character.into());
        }
    }
    Some((Memory::new(characters), width))
}

fn filled<T: Copy>(mut numbers: Vec<T>, nulls: Option<&[bool]>, missing: T) -> Vec<T> {
    for (number, null) in numbers.iter_mut().zip(nulls.unwrap_or_default()) {
        if *null {
            *number = missing;
        }
    }
    numbers
}

/// The rows of a query in batches.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Stream(Mutex<Option<lodestore::Stream>>);

impl Stream {
    pub fn new(stream: lodestore::Stream) -> Self {
        Stream(Mutex::new(Some(stream)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<lodestore::Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Stream {
    /// The next batch; None when there is none.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Columns>> {
        let batch = run(py, || self.lock().as_mut().and_then(Iterator::next).transpose())?;
        Ok(batch.map(Columns::new))
    }

    /// What is left, for whatever reads Arrow.
    fn arrow(&self, py: Python<'_>) -> PyResult<ArrowStream> {
        let batches = run(py, || {
            let spent = || Error::new(ErrorKind::InvalidRequest, "the stream was read already");
            self.lock().take().ok_or_else(spent)?.into_record_batches()
        })?;
        Ok(ArrowStream::new(batches))
    }

    /// Stops reading.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.lock().take()));
    }
}

/// Record batches behind Arrow's C stream interface, to be read once.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct ArrowStream(Mutex<Option<Box<dyn RecordBatchReader + Send>>>);

impl ArrowStream {
    fn new(batches: impl RecordBatchReader + Send + 'static) -> Self {
        let schema = batches.schema();
        let told = batches.inspect(|batch| {
            if batch.is_err() {
                // The reader, who knows no exceptions, is told by the error's text.
                drop(interrupt::raised());
            }
        });
        ArrowStream(Mutex::new(Some(Box::new(RecordBatchIterator::new(told, schema)))))
    }
}

#[pymethods]
impl ArrowStream {
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface lets a producer that cannot convert give what it has.
        drop(requested_schema);
        let reader = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or_else(|| to_py_err(py, Error::new(ErrorKind::InvalidRequest, "the stream was read already")))?;
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), c"arrow_array_stream")
    }
}
