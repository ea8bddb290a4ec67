//! Many rows for one table, by columns: what an insert hands to a connection.

use std::ops::Range;

use lodestore_types::{Error, Result, Value};

use crate::{Column, ColumnData, Connection};

/// Without a better way, a statement takes no more rows than this.
const MOST_ROWS: usize = 500;

/// Rows to insert into one table.
///
/// The cells are those of checked values: numbers, texts and bytes as they are, days, moments, uuids and decimals typed, as
/// reading gives them; columns of [`Value`]s are in the form in which values are bound. All columns are equally long.
pub struct Bulk<'a> {
    /// The quoted name of the table.
    pub table: &'a str,
    /// The quoted names of the columns that are filled.
    pub columns: &'a [String],
    /// The cells of each of them.
    pub cells: &'a [Column],
    /// Which of the rows go in now.
    pub rows: Range<usize>,
    /// The text of the statement that inserts so many rows, with parameters row by row.
    pub statement: &'a dyn Fn(usize) -> Result<String>,
    /// True if the statement says no more than to put these cells into these columns: then a bulk load of the database may
    /// take its place. False if it tells what to do with a row that is there, or fills further columns.
    pub is_plain: bool,
    /// The most parameters of a statement.
    pub max_parameters: usize,
    /// Brings a value of a typed cell of a column to the form in which it is bound, for connections that know no typed
    /// cells.
    pub stored: &'a dyn Fn(usize, Value) -> Result<Value>,
}

/// Why rows were refused, and which of them, as its cells are counted, if the database tells.
#[derive(Debug)]
pub struct Refused {
    /// What the database says.
    pub error: Error,
    /// The row that it refused.
    pub row: Option<usize>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused { error, row: None }
    }
}

impl Bulk<'_> {
    /// The values of one row, in the form in which they are bound.
    ///
    /// # Errors
    /// Those of [`Bulk::stored`].
    pub fn row(&self, row: usize) -> impl Iterator<Item = Result<Value>> {
        self.cells.iter().enumerate().map(move |(index, column)| match &column.data {
            ColumnData::Values(values) => Ok(values[row].clone()),
            _ => (self.stored)(index, column.value(row)),
        })
    }

    /// Inserts the rows by statements of many rows each: what a connection does that knows nothing better.
    ///
    /// # Errors
    /// As [`Connection::insert`].
    pub fn run_by_statements<C: Connection + ?Sized>(&self, connection: &mut C) -> std::result::Result<u64, Refused> {
        let most = (self.max_parameters / self.columns.len().max(1)).clamp(1, MOST_ROWS);
        // Without columns there is nothing but defaults, one row a statement.
        let most = if self.columns.is_empty() { 1 } else { most };
        let (mut first, mut count) = (self.rows.start, 0);
        let mut text = (0, String::new());
        while first < self.rows.end {
            let rows = most.min(self.rows.end - first);
            if text.0 != rows {
                text = (rows, (self.statement)(rows)?);
            }
            let parameters: Vec<Value> = (first..first + rows).flat_map(|row| self.row(row)).collect::<Result<_>>()?;
            let single = |error| Refused { error, row: (rows == 1).then_some(first) };
            count += connection.execute(&text.1, &parameters).map_err(single)?;
            first += rows;
        }
        Ok(count)
    }
}
