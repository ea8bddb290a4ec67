//! Columns of rows that were fetched.

use std::sync::Arc;

use lodestore_db::{Column, ColumnData};
use lodestore_sql::Attribute;
use lodestore_types::{Error, ErrorKind, Result, nearest};

use crate::{Instance, Row};

/// Rows that were fetched, column by column: numbers, dates, uuids and texts lie side by side, without a
/// [`Value`](lodestore_types::Value) for each.
///
/// ```
/// use lodestore::{ColumnData, Instance, Tier, row};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
/// let weight = lab.declare("Weight", Tier::Manual, "id : int32\n---\ngrams = null : float64")?;
/// weight.insert([row! { "id" => 1, "grams" => 20.5 }, row! { "id" => 2 }])?;
/// let columns = weight.fetch_columns()?;
/// let grams = columns.column("grams")?;
/// assert_eq!(grams.nulls, Some(vec![false, true]));
/// assert!(matches!(&grams.data, ColumnData::Float(numbers) if numbers[0] == 20.5));
/// # Ok::<(), lodestore::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Columns {
    pub(crate) instance: Instance,
    pub(crate) names: Arc<[String]>,
    pub(crate) attributes: Arc<[Attribute]>,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: usize,
}

impl Columns {
    /// The project that the rows belong to.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The names in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What is known of each column, in order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of an attribute.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAttribute`].
    pub fn column(&self, name: &str) -> Result<&Column> {
        let position = self.names.iter().position(|known| known == name);
        position.map(|index| &self.columns[index]).ok_or_else(|| {
            let error = Error::new(ErrorKind::UnknownAttribute, format!("there is no column `{name}`"));
            match nearest(name, self.names.iter().map(String::as_str)) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error.with_hint(format!("the columns are {}", self.names.join(", "))),
            }
        })
    }

    /// The columns by themselves.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// Takes a column out; one of its kind without cells stays in its place.
    pub fn take_column(&mut self, index: usize) -> Column {
        self.columns[index].take_all()
    }

    /// The same as rows.
    pub fn into_rows(mut self) -> Vec<Row> {
        let row = |index| {
            let values = self.columns.iter_mut().map(|column| column.take(index)).collect();
            Row::new(self.names.clone(), values)
        };
        (0..self.rows).map(row).collect()
    }

    /// Adds the rows of another batch of the same query.
    pub(crate) fn append(&mut self, other: Columns) {
        self.rows += other.rows;
        for (column, more) in self.columns.iter_mut().zip(other.columns) {
            column.append(more);
        }
    }

    /// Gives columns whose type only the database knew the type that all their values have.
    pub(crate) fn settle(&mut self) {
        for (column, attribute) in self.columns.iter_mut().zip(&*self.attributes) {
            if crate::reader::is_untyped(attribute)
                && let ColumnData::Values(values) = &mut column.data
            {
                *column = Column::from_values(std::mem::take(values));
            }
        }
    }
}
