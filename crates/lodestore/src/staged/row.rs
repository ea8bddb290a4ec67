//! Rows whose objects are written before they go in.

use lodestore_types::{Payload, Result, Value};

use super::StagedFile;
use super::object::StagedObject;
use crate::{Row, Table};

/// A row that is being filled in, and its objects.
///
/// The values of the primary key come first: the place of an object is told by them.
#[derive(Debug)]
pub struct StagedRow {
    table: Table,
    values: Row,
    objects: Vec<StagedObject>,
}

/// Rows that are being filled in; they go in together.
#[derive(Debug)]
pub struct StagedRows {
    table: Table,
    rows: Vec<StagedRow>,
}

impl StagedRow {
    fn new(table: &Table) -> Self {
        StagedRow { table: table.clone(), values: Row::default(), objects: Vec::new() }
    }

    /// Gives an attribute its value.
    pub fn set(&mut self, attribute: &str, value: impl Into<Value>) {
        self.values = std::mem::take(&mut self.values).with(attribute, value);
    }

    /// The object of an attribute, to write it; the same one each time. See [`Table::stage`].
    ///
    /// # Errors
    /// As [`Table::stage`].
    pub fn object(&mut self, attribute: &str, extension: &str) -> Result<StagedObject> {
        if let Some(known) = self.objects.iter().find(|object| object.attribute() == attribute) {
            return Ok(known.clone());
        }
        let staged = self.table.stage(attribute, &self.values, extension)?;
        self.objects.push(staged.clone());
        Ok(staged)
    }

    /// Writes a file of the folder that an attribute gets.
    ///
    /// # Errors
    /// As [`Table::stage`] and [`StagedObject::put`].
    pub fn put(&mut self, attribute: &str, extension: &str, inner: &str, payload: Payload) -> Result<()> {
        self.object(attribute, extension)?.put(inner, payload)
    }

    /// Opens the file that an attribute gets, for writing.
    ///
    /// # Errors
    /// As [`Table::stage`] and [`StagedObject::create`].
    pub fn create(&mut self, attribute: &str, extension: &str) -> Result<StagedFile> {
        self.object(attribute, extension)?.create()
    }

    /// The values, the objects among them.
    fn row(&self) -> Row {
        let staged = |row: Row, object: &StagedObject| row.with(object.attribute(), object.clone());
        self.objects.iter().fold(self.values.clone(), staged)
    }
}

impl StagedRows {
    /// Begins another row.
    pub fn row(&mut self) -> &mut StagedRow {
        self.rows.push(StagedRow::new(&self.table));
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }
}

impl Table {
    /// Inserts a row whose objects `work` writes beforehand, straight into their stores.
    ///
    /// When `work` returns, the row goes in with what it wrote. If it fails, or the row is refused, nothing is left.
    ///
    /// # Errors
    /// Those of `work`; `InvalidRequest` if an object was never written or is still open; as [`Table::insert`].
    ///
    /// ```
    /// use std::io::Write;
    /// use lodestore::{Instance, ObjectRef, Tier};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
    /// let scan = lab.declare("Scan", Tier::Manual, "id : int32\n---\nframes : <object@>\nnote : varchar(9)")?;
    /// scan.staged_insert1(|staged| {
    ///     staged.set("id", 1);
    ///     let mut file = staged.create("frames", ".raw")?;
    ///     for frame in 0..10u8 {
    ///         file.write_all(&[frame; 100]).expect("a disk that is not full");
    ///     }
    ///     staged.set("note", "done");
    ///     file.finish()
    /// })?;
    /// let frames = ObjectRef::from_value(scan.instance(), scan.fetch1()?.value("frames")?)?;
    /// assert_eq!(frames.read_range(None, 900..902)?, &[9u8, 9][..]);
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    pub fn staged_insert1<T>(&self, work: impl FnOnce(&mut StagedRow) -> Result<T>) -> Result<T> {
        self.staged_insert(|rows| work(rows.row()))
    }

    /// Like [`Table::staged_insert1`], for any number of rows, which go in together or not at all.
    ///
    /// # Errors
    /// As [`Table::staged_insert1`].
    pub fn staged_insert<T>(&self, work: impl FnOnce(&mut StagedRows) -> Result<T>) -> Result<T> {
        let mut staged = StagedRows { table: self.clone(), rows: Vec::new() };
        let value = work(&mut staged)?;
        self.insert(staged.rows.iter().map(StagedRow::row))?;
        Ok(value)
    }
}
