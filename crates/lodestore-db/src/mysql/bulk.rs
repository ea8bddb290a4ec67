//! Many rows by statements of many rows each, straight from typed cells.

use std::ops::Range;

use ::mysql::Value as Raw;
use lodestore_types::{Result, date_from_days, datetime_from_microseconds};

use super::value::{bind, day, moment_of};
use crate::{Bulk, Column, ColumnData};

/// A statement takes no more rows than this.
const MOST_ROWS: usize = 1000;
/// A statement holds no more bytes than this, unless a single row does.
const MOST_BYTES: usize = 4 << 20;

/// The rows of the next statement, from `first` on.
pub(super) fn next_rows(bulk: &Bulk<'_>, first: usize) -> Range<usize> {
    if bulk.columns.is_empty() {
        return first..first + 1;
    }
    let most = (bulk.max_parameters / bulk.columns.len()).clamp(1, MOST_ROWS);
    let end = (first + most).min(bulk.rows.end);
    let mut bytes = 0;
    let fits = |row: &usize| {
        bytes += bulk.cells.iter().map(|column| size(column, *row)).sum::<usize>();
        bytes <= MOST_BYTES
    };
    first..(first + (first..end).take_while(fits).count().max(1))
}

fn size(column: &Column, row: usize) -> usize {
    match &column.data {
        ColumnData::Text(all) | ColumnData::Bytes(all) | ColumnData::Decimal(all) => all.get(row).len(),
        ColumnData::Values(values) => values[row].as_str().map_or(0, str::len) + 16,
        _ => 8,
    }
}

/// The cells of some rows, row by row, as they are bound.
pub(super) fn parameters(bulk: &Bulk<'_>, rows: Range<usize>) -> Result<Vec<Raw>> {
    let mut all = Vec::with_capacity(rows.len() * bulk.cells.len());
    for row in rows {
        for (index, column) in bulk.cells.iter().enumerate() {
            all.push(match &column.data {
                // The shortest spelling of the largest float of 32 bits is larger than it is, which the servers refuse.
                ColumnData::Float(numbers) if numbers[row].abs() > f64::from(f32::MAX) && !column.is_null(row) => {
                    bind(&(bulk.stored)(index, numbers[row].into())?)?
                }
                _ => cell(column, row)?,
            });
        }
    }
    Ok(all)
}

fn cell(column: &Column, row: usize) -> Result<Raw> {
    if column.is_null(row) {
        return Ok(Raw::NULL);
    }
    Ok(match &column.data {
        ColumnData::Bool(flags) => Raw::Int(flags[row].into()),
        ColumnData::Int(numbers) => Raw::Int(numbers[row]),
        ColumnData::Text(all) | ColumnData::Bytes(all) | ColumnData::Decimal(all) => Raw::Bytes(all.get(row).to_vec()),
        ColumnData::Uuid(ids) => Raw::Bytes(ids[row].to_vec()),
        // What is no day was refused when it was checked.
        ColumnData::Date(days) => date_from_days(days[row]).map_or(Raw::NULL, day),
        ColumnData::DateTime(moments) => datetime_from_microseconds(moments[row]).map_or(Raw::NULL, moment_of),
        ColumnData::Float(numbers) => return bind(&numbers[row].into()),
        ColumnData::Values(values) => return bind(&values[row]),
    })
}
