//! Rows on their way in, by columns.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use lodestore_db::{Column, ColumnKind};
use lodestore_types::{Error, ErrorKind, Result, Value};

use crate::Row;

/// Rows to insert, column by column: a data frame, a piece of a file, or rows that were gathered.
///
/// ```
/// use lodestore::{Batch, Column, ColumnData, Instance, Tier};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
/// let weight = lab.declare("Weight", Tier::Manual, "id : int32\n---\ngrams = null : float64")?;
/// let id = Column { data: ColumnData::Int(vec![1, 2]), nulls: None };
/// let grams = Column { data: ColumnData::Float(vec![20.5, 0.0]), nulls: Some(vec![false, true]) };
/// weight.insert_batch(Batch::new([("id", id), ("grams", grams)])?)?;
/// assert_eq!(weight.len()?, 2);
/// # Ok::<(), lodestore::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
    /// The row in which each name was first met, where rows have names of their own.
    pub(super) met: Option<Vec<usize>>,
    /// The number of each row in the whole insert, where they do not simply follow each other.
    pub(super) numbers: Option<Vec<usize>>,
}

impl Batch {
    /// Columns with their names.
    ///
    /// # Errors
    /// `InvalidValue` if they are not equally long, or if a name stands twice.
    pub fn new<N: Into<String>>(columns: impl IntoIterator<Item = (N, Column)>) -> Result<Self> {
        let (names, columns): (Vec<String>, Vec<Column>) =
            columns.into_iter().map(|(name, column)| (name.into(), column)).unzip();
        let rows = columns.first().map_or(0, Column::len);
        for (index, (name, column)) in names.iter().zip(&columns).enumerate() {
            if column.len() != rows {
                let message = format!("column `{name}` has {} rows, `{}` has {rows}", column.len(), names[0]);
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
            if names[..index].contains(name) {
                return Err(Error::new(ErrorKind::InvalidValue, format!("column `{name}` stands twice")));
            }
        }
        Ok(Batch { names, columns, rows, met: None, numbers: None })
    }

    /// Like [`Batch::new`], for so many rows, of which perhaps no column tells.
    ///
    /// # Errors
    /// As [`Batch::new`].
    pub fn of_rows<N: Into<String>>(columns: impl IntoIterator<Item = (N, Column)>, rows: usize) -> Result<Self> {
        let batch = Batch::new(columns)?;
        match batch.columns.first() {
            Some(column) if column.len() != rows => {
                let message = format!("the columns have {} rows, {rows} were told", column.len());
                Err(Error::new(ErrorKind::InvalidValue, message))
            }
            _ => Ok(Batch { rows, ..batch }),
        }
    }

    /// The columns by themselves.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// Rows, which need not have the same names: where a row lacks a name, NULL stands.
    pub fn from_rows(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut batch = Batch { met: Some(Vec::new()), ..Batch::default() };
        let mut places: HashMap<String, usize> = HashMap::new();
        // Rows of one source mostly share their names, or at least repeat them.
        let mut known: Option<(Arc<[String]>, Vec<usize>)> = None;
        for row in rows {
            let columns = match known.take() {
                Some((names, columns)) if *names == *row.names() => columns,
                _ => row.names().iter().map(|name| batch.column_of(name, &mut places)).collect(),
            };
            let names = row.shared_names().clone();
            for (column, value) in columns.iter().zip(row.into_values()) {
                batch.columns[*column].push(value);
            }
            batch.rows += 1;
            if columns.len() < batch.columns.len() {
                let rows = batch.rows;
                batch.columns.iter_mut().filter(|column| column.len() < rows).for_each(Column::push_null);
            }
            known = Some((names, columns));
        }
        batch
    }

    /// Says which row of the whole insert each row is, where some of them were left out.
    pub fn with_numbers(mut self, numbers: Vec<usize>) -> Self {
        self.numbers = Some(numbers);
        self
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Some of the rows.
    pub fn slice(&self, rows: Range<usize>) -> Batch {
        Batch {
            names: self.names.clone(),
            columns: self.columns.iter().map(|column| column.slice(rows.clone())).collect(),
            met: None,
            numbers: self.numbers.as_ref().map(|numbers| numbers[rows.clone()].to_vec()),
            rows: rows.len(),
        }
    }

    fn column_of(&mut self, name: &str, places: &mut HashMap<String, usize>) -> usize {
        if let Some(place) = places.get(name) {
            return *place;
        }
        let mut column = Column::new(ColumnKind::Value);
        (0..self.rows).for_each(|_| column.push(Value::Null));
        self.names.push(name.to_owned());
        self.columns.push(column);
        self.met.get_or_insert_default().push(self.rows);
        places.insert(name.to_owned(), self.columns.len() - 1);
        self.columns.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row;

    #[test]
    fn rows_of_different_names_become_columns() {
        let batch = Batch::from_rows([row! { "a" => 1 }, row! { "b" => "x", "a" => 2 }, row! {}]);
        assert_eq!((batch.names.as_slice(), batch.rows), (&["a".to_owned(), "b".to_owned()][..], 3));
        let cells = |index: usize| (0..3).map(|row| batch.columns[index].value(row)).collect::<Vec<_>>();
        assert_eq!(cells(0), [1.into(), 2.into(), Value::Null]);
        assert_eq!(cells(1), [Value::Null, "x".into(), Value::Null]);
        assert_eq!(batch.met, Some(vec![0, 1]));
        assert_eq!(batch.slice(1..2).columns[0].value(0), 2.into());
    }

    #[test]
    fn columns_must_be_equally_long_and_named_once() {
        let column = |cells: &[i64]| Column::from_values(cells.iter().map(|cell| Value::from(*cell)).collect());
        assert!(Batch::new([("a", column(&[1])), ("b", column(&[1, 2]))]).is_err());
        assert!(Batch::new([("a", column(&[1])), ("a", column(&[2]))]).is_err());
        assert_eq!(Batch::new([("a", column(&[1])), ("b", column(&[2]))]).unwrap().len(), 1);
    }
}
