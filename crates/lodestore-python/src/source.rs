//! Where rows to insert come from: Python objects, arrays, data frames and files.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use lodestore::{Batch, Column, ColumnKind, Error, ErrorKind, Result};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyIterator, PyList, PyString, PyTuple};

use crate::convert::{CellReader, from_python};
use crate::error::{IntoPyResult, from_py_err, to_py_err};
use crate::interrupt;
use crate::query::Table;

/// So many rows of an iterator are in memory at a time, or so many bytes of large values.
const BATCH_ROWS: usize = 16_384;
const BATCH_BYTES: usize = 64 << 20;

type Batches = Box<dyn Iterator<Item = Result<Batch>> + Send>;

/// A row that is none, with its number.
pub(crate) type Faults = Arc<Mutex<Vec<(usize, Error)>>>;

/// Rows for a table, to be taken once.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Source {
    batches: Mutex<Option<Batches>>,
    /// Rows that are none, where they are to be told instead of ending it all.
    pub faults: Faults,
}

impl Source {
    fn new(batches: impl Iterator<Item = Result<Batch>> + Send + 'static) -> Self {
        Source { batches: Mutex::new(Some(Box::new(batches))), faults: Faults::default() }
    }

    /// The batches, which can be taken once.
    pub fn take(&self) -> Result<Batches> {
        let taken = self.batches.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| Error::new(ErrorKind::InvalidRequest, "the rows were taken already"))
    }
}

#[pymethods]
impl Source {
    /// Rows one by one: dicts, sequences, records. All at once if they are there already (`whole`), else as many at a time
    /// as fit. Rows that are none are gathered with `gather`, and end it otherwise.
    #[staticmethod]
    #[pyo3(signature = (table, rows, whole, chunk_size, ignore_extra_fields, gather))]
    fn rows(
        table: &Table,
        rows: &Bound<'_, PyAny>,
        whole: bool,
        chunk_size: Option<usize>,
        ignore_extra_fields: bool,
        gather: bool,
    ) -> PyResult<Self> {
        let py = rows.py();
        let of_python = table.0.foreign_attributes().into_py(py)?;
        let attributes: Vec<_> = table.0.heading().visible().collect();
        let columns = attributes.iter().map(|attribute| RowColumn {
            name: PyString::intern(py, &attribute.name).unbind(),
            kind: match attribute.kind.codec {
                Some(_) => ColumnKind::Value,
                None => ColumnKind::of(&attribute.kind.core),
            },
            of_python: of_python.contains(&attribute.name),
            is_span: attribute.kind.is_span(),
        });
        let faults = Faults::default();
        let source = Rows {
            table: table.0.clone(),
            iterator: rows.try_iter()?.unbind(),
            columns: columns.collect(),
            most: chunk_size.unwrap_or(if whole { usize::MAX } else { BATCH_ROWS }),
            is_bounded: !whole && chunk_size.is_none(),
            is_alone: whole && rows.len().is_ok_and(|rows| rows == 1),
            ignore_extra_fields,
            number: 0,
            faults: gather.then(|| faults.clone()),
            is_done: false,
            is_positional: Cell::new(false),
        };
        Ok(Source { batches: Mutex::new(Some(Box::new(Attached(Some(source))))), faults })
    }

    /// Columns: names, cells, and for each cell whether it is missing (or None). Cells are NumPy arrays, what gives one
    /// column of Arrow, or any sequences of objects.
    #[staticmethod]
    #[pyo3(signature = (table, columns))]
    fn columns(
        table: &Table,
        columns: Vec<(String, Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)>,
        py: Python<'_>,
    ) -> PyResult<Self> {
        let of_python = table.0.foreign_attributes().into_py(py)?;
        let column = |(name, cells, missing): (String, Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)| {
            let attribute = table.0.heading().get(&name);
            let kind = match attribute.filter(|attribute| attribute.kind.codec.is_none()) {
                Some(attribute) => ColumnKind::of(&attribute.kind.core),
                None => ColumnKind::Value,
            };
            let missing = missing.map(|missing| mask_of(&missing)).transpose()?;
            let reader = CellReader {
                instance: table.0.instance(),
                of_python: of_python.contains(&name),
                is_span: attribute.is_some_and(|attribute| attribute.kind.is_span()),
            };
            let column = column_of(&cells, kind, &reader, missing)
                .map_err(|error| error.with("attribute", &name).with("table", table.0.name()))
                .into_py(py)?;
            Ok((name, column))
        };
        let columns = columns.into_iter().map(column).collect::<PyResult<Vec<_>>>()?;
        let batch = Batch::new(columns).map_err(|error| error.with("table", table.0.name())).into_py(py)?;
        Ok(Source::new(std::iter::once(Ok(batch))))
    }

    /// What gives record batches of Arrow: all at once if they are there already (`whole`), else one by one.
    #[staticmethod]
    fn arrow(table: &Table, stream: &Bound<'_, PyAny>, whole: bool) -> PyResult<Self> {
        let mut batches = arrow_batches(stream)?;
        if !whole {
            return Ok(Source::new(batches));
        }
        let py = stream.py();
        let all = py.detach(|| -> Result<Option<Batch>> {
            let Some(mut all) = batches.next().transpose()? else { return Ok(None) };
            batches.try_for_each(|batch| all.append(batch?))?;
            Ok(Some(all))
        });
        let all = all.map_err(|error| to_py_err(py, error.with("table", table.0.name())))?;
        Ok(Source::new(all.map(Ok).into_iter()))
    }

    /// The rows of a CSV file.
    #[staticmethod]
    fn csv(py: Python<'_>, table: &Table, path: PathBuf) -> PyResult<Self> {
        table.0.read_csv(&path).map(Source::new).into_py(py)
    }
}

struct RowColumn {
    name: Py<PyString>,
    kind: ColumnKind,
    of_python: bool,
    is_span: bool,
}

/// An iterator that is dropped with the GIL held. References that are dropped without it are queued behind a mutex of
/// pyo3, for which a child that is forked at that moment would wait for ever.
struct Attached<T>(Option<T>);

impl<T: Iterator> Iterator for Attached<T> {
    type Item = T::Item;

    fn next(&mut self) -> Option<T::Item> {
        self.0.as_mut()?.next()
    }
}

impl<T> Drop for Attached<T> {
    fn drop(&mut self) {
        Python::attach(|_| drop(self.0.take()));
    }
}

/// Rows of an iterator of Python.
struct Rows {
    table: lodestore::Table,
    iterator: Py<PyIterator>,
    columns: Vec<RowColumn>,
    most: usize,
    is_bounded: bool,
    is_alone: bool,
    ignore_extra_fields: bool,
    number: usize,
    faults: Option<Faults>,
    is_done: bool,
    /// True once a row without names was met.
    is_positional: Cell<bool>,
}

impl Iterator for Rows {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.is_done {
            return None;
        }
        let outcome = Python::attach(|py| self.gather(py)).transpose();
        self.is_done |= matches!(outcome, None | Some(Err(_)));
        outcome
    }
}

impl Rows {
    fn gather(&mut self, py: Python<'_>) -> Result<Option<Batch>> {
        let names: Vec<Bound<'_, PyString>> = self.columns.iter().map(|column| column.name.bind(py).clone()).collect();
        let mut cells: Vec<Column> = self.columns.iter().map(|column| Column::new(column.kind)).collect();
        let mut given = vec![false; cells.len()];
        let (mut rows, mut weight, mut numbers) = (0, 0, Vec::new());
        let first = self.number;
        while rows < self.most && (weight < BATCH_BYTES || !self.is_bounded) {
            let Some(row) = self.iterator.bind(py).clone().next() else {
                self.is_done = true;
                break;
            };
            let row = row.map_err(from_py_err)?;
            let number = self.number;
            self.number += 1;
            match self.read(&row, &names, &mut cells, &mut given) {
                Ok(more) => weight += more,
                Err(error) if self.faults.is_none() || error.kind() == ErrorKind::Interrupted => {
                    return Err(if self.is_alone { error } else { error.with("row", number) });
                }
                Err(error) => {
                    cells.iter_mut().for_each(|column| column.truncate(rows));
                    if let Some(faults) = &self.faults {
                        faults.lock().unwrap_or_else(PoisonError::into_inner).push((number, error));
                    }
                    continue;
                }
            }
            rows += 1;
            if self.faults.is_some() {
                numbers.push(number);
            }
        }
        if rows == 0 && (self.is_done || first == self.number) {
            return Ok(None);
        }
        let named = self.columns.iter().zip(cells).zip(given).filter(|(_, given)| *given);
        let named: Vec<(String, Column)> = named
            .map(|((column, cells), _)| Ok((column.name.bind(py).to_str()?.to_owned(), cells)))
            .collect::<PyResult<_>>()
            .map_err(from_py_err)?;
        let batch = Batch::of_rows(named, rows)?;
        Ok(Some(if self.faults.is_some() { batch.with_numbers(numbers) } else { batch }))
    }

    /// Adds the cells of a row to the columns.
    fn read(
        &self,
        row: &Bound<'_, PyAny>,
        names: &[Bound<'_, PyString>],
        cells: &mut [Column],
        given: &mut [bool],
    ) -> Result<usize> {
        let mut weight = 0;
        let mut push = |index: usize, cell: &Bound<'_, PyAny>, column: &mut Column| -> Result<()> {
            let RowColumn { of_python, is_span, .. } = self.columns[index];
            let reader = CellReader { instance: self.table.instance(), of_python, is_span };
            let heavy = reader.push(column, cell).map_err(|error| error.with("attribute", &names[index]))?;
            weight += heavy;
            given[index] = true;
            Ok(())
        };
        if let Ok(row) = row.cast::<PyDict>() {
            let mut found = 0;
            for (index, column) in cells.iter_mut().enumerate() {
                match row.get_item(&names[index]).map_err(from_py_err)? {
                    Some(cell) => {
                        push(index, &cell, column)?;
                        found += 1;
                    }
                    None => column.push_null(),
                }
            }
            if row.is_empty() {
                self.check_empty()?;
            }
            return if found == row.len() { Ok(weight) } else { self.check_names(row, names).map(|()| weight) };
        }
        if let Ok(row) = row.cast_exact::<PyTuple>() {
            self.check_positional(row.py(), row.len())?;
            for (index, cell) in row.iter_borrowed().enumerate() {
                push(index, &cell, &mut cells[index])?;
            }
            return Ok(weight);
        }
        if let Ok(row) = row.cast_exact::<PyList>() {
            self.check_positional(row.py(), row.len())?;
            for (index, cell) in row.iter().enumerate() {
                push(index, &cell, &mut cells[index])?;
            }
            return Ok(weight);
        }
        let py = row.py();
        let named = || py.import("lodestore.rows")?.call_method1("named", (row,));
        let named = named().map_err(from_py_err)?;
        if !named.is_none() {
            return self.read(&named, names, cells, given);
        }
        let is_text = row.is_instance_of::<PyString>() || row.is_instance_of::<PyBytes>();
        let Some(length) = interrupt::ok(row.py(), row.len()).filter(|_| !is_text) else {
            let class = row.get_type().name().map_err(from_py_err)?;
            let message = format!("Invalid row type: an object of class `{class}` cannot be inserted");
            return Err(Error::new(ErrorKind::InvalidType, message).with_hint("give a dict"));
        };
        self.check_positional(py, length)?;
        for (index, cell) in row.try_iter().map_err(from_py_err)?.enumerate() {
            push(index, &cell.map_err(from_py_err)?, &mut cells[index])?;
        }
        Ok(weight)
    }

    /// Refuses names that are no attributes.
    fn check_names(&self, row: &Bound<'_, PyDict>, names: &[Bound<'_, PyString>]) -> Result<()> {
        for name in row.keys() {
            let Ok(text) = name.extract::<String>() else {
                let shown = name.repr().map_or("?".into(), |shown| shown.to_string());
                return Err(Error::new(ErrorKind::InvalidType, format!("the field name {shown} is not text")));
            };
            let is_known = names.iter().any(|known| known.to_str().is_ok_and(|known| known == text));
            if !is_known && !self.ignore_extra_fields {
                return Err(self.table.heading().unknown(&text).with("attribute", text));
            }
        }
        Ok(())
    }

    /// Refuses a row without any field, unless the database can fill in all of them.
    fn check_empty(&self) -> Result<()> {
        let required: Vec<&str> = self.table.required().collect();
        match required.is_empty() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::MissingAttribute,
                format!("Cannot insert empty row: the following attributes require values: {}", required.join(", ")),
            )
            .with("attribute", required[0])),
        }
    }

    /// Warns of the first row of values without names, and refuses one of another length than that of the heading.
    fn check_positional(&self, py: Python<'_>, length: usize) -> Result<()> {
        if !self.is_positional.replace(true) {
            let warn = || py.import("lodestore.rows")?.call_method0("warn_positional");
            warn().map_err(from_py_err)?;
        }
        if length == self.columns.len() {
            return Ok(());
        }
        let names: Vec<&str> = self.table.heading().names().collect();
        Err(Error::new(
            ErrorKind::InvalidValue,
            format!("Incorrect number of attributes in a row: {length} given; {} expected", self.columns.len()),
        )
        .with_hint(format!("give a dict, or values for {}", names.join(", "))))
    }
}

/// The cells of a column of a data frame or an array of records.
fn column_of(
    cells: &Bound<'_, PyAny>,
    kind: ColumnKind,
    reader: &CellReader<'_>,
    missing: Option<Vec<bool>>,
) -> Result<Column> {
    if interrupt::ok(cells.py(), cells.hasattr("__arrow_c_stream__")) == Some(true) {
        let mut column: Option<Column> = None;
        for batch in arrow_batches(cells).map_err(from_py_err)? {
            let more = batch?.into_columns().swap_remove(0);
            match &mut column {
                Some(column) => column.append(more),
                None => column = Some(more),
            }
        }
        return Ok(column.unwrap_or_else(|| Column::new(kind)));
    }
    let holds_objects = || -> PyResult<bool> { cells.getattr("dtype")?.getattr("hasobject")?.extract() };
    let is_plain = !reader.of_python && holds_objects().is_ok_and(|holds| !holds);
    let converted = if is_plain { from_python(cells)? } else { lodestore::Value::Null };
    if let Some(mut column) = converted.as_array().and_then(Column::from_array) {
        if let Some(missing) = missing {
            column.set_nulls(&missing);
        }
        return Ok(column);
    }
    let mut column = Column::new(kind);
    for (row, cell) in cells.try_iter().map_err(from_py_err)?.enumerate() {
        match &missing {
            Some(missing) if missing.get(row) == Some(&true) => column.push_null(),
            _ => {
                reader.push(&mut column, &cell.map_err(from_py_err)?).map_err(|error| error.with("row", row))?;
            }
        }
    }
    Ok(column)
}

/// The flags of an array of truth values.
fn mask_of(mask: &Bound<'_, PyAny>) -> PyResult<Vec<bool>> {
    let py = mask.py();
    match from_python(mask).into_py(py)?.as_array() {
        Some(array) => Ok(array.data().iter().map(|byte| *byte != 0).collect()),
        None => Err(to_py_err(py, Error::new(ErrorKind::InvalidType, "a mask is an array of truth values"))),
    }
}

/// The record batches that an object gives by Arrow's C stream interface.
fn arrow_batches(stream: &Bound<'_, PyAny>) -> PyResult<Batches> {
    let py = stream.py();
    let capsule = stream.call_method0("__arrow_c_stream__")?;
    let pointer = capsule.cast::<PyCapsule>()?.pointer_checked(Some(c"arrow_array_stream"))?;
    // SAFETY: a capsule of this name holds such a stream; moving it out leaves a released one behind, as the interface
    // demands.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr().cast()) };
    let fail = |error: arrow_schema::ArrowError| {
        Error::new(ErrorKind::InvalidValue, format!("the Arrow data cannot be read: {error}"))
    };
    let reader = RecordBatchStreamReader::try_new(stream).map_err(fail).into_py(py)?;
    // Whoever made the stream may need the interpreter for it, and takes it then.
    Ok(Box::new(reader.map(move |batch| Batch::from_record_batch(&batch.map_err(fail)?))))
}
