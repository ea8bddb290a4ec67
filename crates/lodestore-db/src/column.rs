//! Columns of a result, typed: the numbers, texts and moments of many rows side by side.

use std::fmt;
use std::mem::take;
use std::ops::Range;

use bytes::Bytes;
use lodestore_types::{
    CoreType, Decimal, Uuid, Value, date_from_days, datetime_from_microseconds, days_from_date,
    microseconds_from_datetime,
};

/// What a column of a result is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// True or false.
    Bool,
    /// Integers of up to 64 bits.
    Int,
    /// Floats.
    Float,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// Days.
    Date,
    /// Moments.
    DateTime,
    /// Decimal numbers.
    Decimal {
        /// Digits in all.
        precision: u32,
        /// Digits behind the point.
        scale: u32,
    },
    /// UUIDs.
    Uuid,
    /// Whatever the database gives, a value for each cell.
    Value,
}

impl ColumnKind {
    /// What the cells of a core type are.
    pub fn of(core: &CoreType) -> ColumnKind {
        match core {
            CoreType::Int8 | CoreType::Int16 | CoreType::Int32 | CoreType::Int64 => ColumnKind::Int,
            CoreType::Float32 | CoreType::Float64 => ColumnKind::Float,
            CoreType::Bool => ColumnKind::Bool,
            CoreType::Uuid => ColumnKind::Uuid,
            CoreType::Json => ColumnKind::Value,
            CoreType::Bytes => ColumnKind::Bytes,
            CoreType::Date => ColumnKind::Date,
            CoreType::DateTime(_) => ColumnKind::DateTime,
            CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_) => ColumnKind::Text,
            CoreType::Decimal { precision, scale } => ColumnKind::Decimal { precision: *precision, scale: *scale },
        }
    }
}

/// A column to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSpec {
    /// The attribute, for messages.
    pub name: String,
    /// What its cells are.
    pub kind: ColumnKind,
}

/// Texts or byte strings, end to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strings {
    /// Where each begins, and where the last one ends.
    pub offsets: Vec<i64>,
    /// All of them.
    pub bytes: Vec<u8>,
}

/// The cells of a column. Where a cell is NULL, something of no meaning stands.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// True or false.
    Bool(Vec<bool>),
    /// Integers.
    Int(Vec<i64>),
    /// Floats.
    Float(Vec<f64>),
    /// Text in UTF-8.
    Text(Strings),
    /// Bytes.
    Bytes(Strings),
    /// Days since 1970-01-01.
    Date(Vec<i32>),
    /// Microseconds since 1970-01-01 00:00.
    DateTime(Vec<i64>),
    /// Decimal numbers in fixed point, as ASCII text.
    Decimal(Strings),
    /// UUIDs.
    Uuid(Vec<[u8; 16]>),
    /// Values; NULL is one of them.
    Values(Vec<Value>),
}

/// One column of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The cells.
    pub data: ColumnData,
    /// Which of them are NULL; `None` if none is. Columns of values leave it out: there NULL is a value.
    pub nulls: Option<Vec<bool>>,
}

impl Default for Strings {
    fn default() -> Self {
        Strings { offsets: vec![0], bytes: Vec::new() }
    }
}

impl Strings {
    /// Adds one.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.offsets.push(self.bytes.len() as i64);
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.offsets.windows(2).map(|ends| &self.bytes[ends[0] as usize..ends[1] as usize])
    }
}

/// Does the same to the vector of any kind of column but strings, and another thing to those.
macro_rules! each {
    ($data:expr, $cells:ident => $plain:expr, $strings:ident => $other:expr) => {
        match $data {
            ColumnData::Bool($cells) => $plain,
            ColumnData::Int($cells) | ColumnData::DateTime($cells) => $plain,
            ColumnData::Float($cells) => $plain,
            ColumnData::Date($cells) => $plain,
            ColumnData::Uuid($cells) => $plain,
            ColumnData::Values($cells) => $plain,
            ColumnData::Text($strings) | ColumnData::Bytes($strings) | ColumnData::Decimal($strings) => $other,
        }
    };
}

impl Column {
    /// A column without cells.
    pub fn new(kind: ColumnKind) -> Self {
        let data = match kind {
            ColumnKind::Bool => ColumnData::Bool(Vec::new()),
            ColumnKind::Int => ColumnData::Int(Vec::new()),
            ColumnKind::Float => ColumnData::Float(Vec::new()),
            ColumnKind::Text => ColumnData::Text(Strings::default()),
            ColumnKind::Bytes => ColumnData::Bytes(Strings::default()),
            ColumnKind::Date => ColumnData::Date(Vec::new()),
            ColumnKind::DateTime => ColumnData::DateTime(Vec::new()),
            ColumnKind::Decimal { .. } => ColumnData::Decimal(Strings::default()),
            ColumnKind::Uuid => ColumnData::Uuid(Vec::new()),
            ColumnKind::Value => ColumnData::Values(Vec::new()),
        };
        Column { data, nulls: None }
    }

    /// A column of values; where they are all of one plain type, of that type.
    pub fn from_values(values: Vec<Value>) -> Self {
        let plain = |value: &Value| matches!(value, Value::Null | Value::Int(_) | Value::Float(_));
        let of = |kind| (Column::new(kind), kind);
        let whole = |value: &Value| matches!(value, Value::Null | Value::Int(_));
        let (mut column, kind) = if values.iter().all(Value::is_null) {
            return Column { data: ColumnData::Values(values), nulls: None };
        } else if values.iter().all(whole) {
            of(ColumnKind::Int)
        } else if values.iter().all(plain) {
            of(ColumnKind::Float)
        } else if values.iter().all(|value| matches!(value, Value::Null | Value::Text(_))) {
            of(ColumnKind::Text)
        } else {
            return Column { data: ColumnData::Values(values), nulls: None };
        };
        for value in values {
            match (&mut column.data, value) {
                (ColumnData::Int(numbers), Value::Int(number)) => numbers.push(number),
                (ColumnData::Float(numbers), Value::Int(number)) => numbers.push(number as f64),
                (ColumnData::Float(numbers), Value::Float(number)) => numbers.push(number),
                (ColumnData::Text(texts), Value::Text(text)) => texts.push(text.as_bytes()),
                _ => {
                    column.push_null();
                    continue;
                }
            }
            column.push_valid();
        }
        debug_assert!(kind != ColumnKind::Value);
        column
    }

    /// The number of cells.
    pub fn len(&self) -> usize {
        each!(&self.data, cells => cells.len(), strings => strings.len())
    }

    /// True without cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a NULL.
    pub fn push_null(&mut self) {
        each!(&mut self.data, cells => cells.push(Default::default()), strings => strings.push(&[]));
        if !matches!(self.data, ColumnData::Values(_)) {
            let before = self.len() - 1;
            self.nulls.get_or_insert_with(|| vec![false; before]).push(true);
        }
    }

    /// To be called behind each cell that was pushed to the data and is not NULL.
    pub fn push_valid(&mut self) {
        if let Some(nulls) = &mut self.nulls {
            nulls.push(false);
        }
    }

    /// Adds a value. A column that has no such cells becomes one of values.
    pub fn push(&mut self, value: Value) {
        match (&mut self.data, value) {
            (ColumnData::Values(values), value) => return values.push(value),
            (_, Value::Null) => return self.push_null(),
            (ColumnData::Bool(flags), Value::Bool(flag)) => flags.push(flag),
            (ColumnData::Int(numbers), Value::Int(number)) => numbers.push(number),
            (ColumnData::Float(numbers), Value::Float(number)) => numbers.push(number),
            (ColumnData::Text(texts), Value::Text(text)) => texts.push(text.as_bytes()),
            (ColumnData::Bytes(all), Value::Bytes(bytes)) => all.push(&bytes),
            (ColumnData::Date(days), Value::Date(day)) => days.push(days_from_date(day)),
            (ColumnData::DateTime(moments), Value::DateTime(moment)) => {
                moments.push(microseconds_from_datetime(moment))
            }
            (ColumnData::Decimal(texts), Value::Decimal(number)) => texts.push(number.as_str().as_bytes()),
            (ColumnData::Uuid(ids), Value::Uuid(id)) => ids.push(id.into_bytes()),
            (_, value) => {
                let mut values: Vec<Value> = (0..self.len()).map(|index| self.value(index)).collect();
                values.push(value);
                *self = Column { data: ColumnData::Values(values), nulls: None };
                return;
            }
        }
        self.push_valid();
    }

    /// Makes these cells NULL.
    pub fn set_nulls(&mut self, nulls: &[bool]) {
        match &mut self.data {
            ColumnData::Values(values) => {
                values.iter_mut().zip(nulls).filter(|(_, null)| **null).for_each(|(value, _)| *value = Value::Null);
            }
            _ if nulls.contains(&true) => {
                let known = self.nulls.take().unwrap_or_else(|| vec![false; nulls.len()]);
                self.nulls = Some(known.into_iter().zip(nulls).map(|(known, null)| known || *null).collect());
            }
            _ => {}
        }
    }

    /// The cells of some rows.
    pub fn slice(&self, rows: Range<usize>) -> Column {
        let strings = |all: &Strings| {
            let ends = &all.offsets[rows.start..=rows.end];
            let (start, end) = (ends[0], ends[ends.len() - 1]);
            Strings {
                offsets: ends.iter().map(|offset| offset - start).collect(),
                bytes: all.bytes[start as usize..end as usize].to_vec(),
            }
        };
        let rows = rows.clone();
        let data = match &self.data {
            ColumnData::Bool(cells) => ColumnData::Bool(cells[rows.clone()].to_vec()),
            ColumnData::Int(cells) => ColumnData::Int(cells[rows.clone()].to_vec()),
            ColumnData::Float(cells) => ColumnData::Float(cells[rows.clone()].to_vec()),
            ColumnData::Text(cells) => ColumnData::Text(strings(cells)),
            ColumnData::Bytes(cells) => ColumnData::Bytes(strings(cells)),
            ColumnData::Date(cells) => ColumnData::Date(cells[rows.clone()].to_vec()),
            ColumnData::DateTime(cells) => ColumnData::DateTime(cells[rows.clone()].to_vec()),
            ColumnData::Decimal(cells) => ColumnData::Decimal(strings(cells)),
            ColumnData::Uuid(cells) => ColumnData::Uuid(cells[rows.clone()].to_vec()),
            ColumnData::Values(cells) => ColumnData::Values(cells[rows.clone()].to_vec()),
        };
        Column { data, nulls: self.nulls.as_ref().map(|nulls| nulls[rows].to_vec()) }
    }

    /// Leaves only the cells of the first rows.
    pub fn truncate(&mut self, rows: usize) {
        each!(&mut self.data, cells => cells.truncate(rows), strings => {
            strings.offsets.truncate(rows + 1);
            strings.bytes.truncate(strings.offsets[rows] as usize);
        });
        if let Some(nulls) = &mut self.nulls {
            nulls.truncate(rows);
        }
    }

    /// True if a cell is NULL.
    pub fn is_null(&self, index: usize) -> bool {
        match &self.data {
            ColumnData::Values(values) => values[index].is_null(),
            _ => self.nulls.as_ref().is_some_and(|nulls| nulls[index]),
        }
    }

    /// The number of NULLs.
    pub fn null_count(&self) -> usize {
        match &self.data {
            ColumnData::Values(values) => values.iter().filter(|value| value.is_null()).count(),
            _ => self.nulls.as_ref().map_or(0, |nulls| nulls.iter().filter(|null| **null).count()),
        }
    }

    /// A cell as a value.
    pub fn value(&self, index: usize) -> Value {
        if self.is_null(index) {
            return Value::Null;
        }
        let text = |strings: &Strings| String::from_utf8_lossy(strings.get(index)).into_owned();
        match &self.data {
            ColumnData::Bool(flags) => Value::Bool(flags[index]),
            ColumnData::Int(numbers) => Value::Int(numbers[index]),
            ColumnData::Float(numbers) => Value::Float(numbers[index]),
            ColumnData::Text(texts) => Value::Text(text(texts)),
            ColumnData::Bytes(all) => Value::Bytes(Bytes::copy_from_slice(all.get(index))),
            // What does not fit was refused when it was read.
            ColumnData::Date(days) => date_from_days(days[index]).map_or(Value::Null, Value::Date),
            ColumnData::DateTime(moments) => {
                datetime_from_microseconds(moments[index]).map_or(Value::Null, Value::DateTime)
            }
            ColumnData::Decimal(texts) => {
                text(texts).parse::<Decimal>().map_or_else(|_| Value::Text(text(texts)), Value::Decimal)
            }
            ColumnData::Uuid(ids) => Value::Uuid(Uuid::from_bytes(ids[index])),
            ColumnData::Values(values) => values[index].clone(),
        }
    }

    /// Takes a cell out as a value; what stays in its place has no meaning.
    pub fn take(&mut self, index: usize) -> Value {
        match &mut self.data {
            ColumnData::Values(values) => take(&mut values[index]),
            _ => self.value(index),
        }
    }

    /// Takes all cells out; none stays.
    pub fn take_all(&mut self) -> Column {
        let nulls = self.nulls.take();
        let data = match &mut self.data {
            ColumnData::Bool(cells) => ColumnData::Bool(take(cells)),
            ColumnData::Int(cells) => ColumnData::Int(take(cells)),
            ColumnData::Float(cells) => ColumnData::Float(take(cells)),
            ColumnData::Text(cells) => ColumnData::Text(take(cells)),
            ColumnData::Bytes(cells) => ColumnData::Bytes(take(cells)),
            ColumnData::Date(cells) => ColumnData::Date(take(cells)),
            ColumnData::DateTime(cells) => ColumnData::DateTime(take(cells)),
            ColumnData::Decimal(cells) => ColumnData::Decimal(take(cells)),
            ColumnData::Uuid(cells) => ColumnData::Uuid(take(cells)),
            ColumnData::Values(cells) => ColumnData::Values(take(cells)),
        };
        Column { data, nulls }
    }

    /// Leaves only the cells of the rows to keep.
    pub fn retain(&mut self, keep: &[bool]) {
        fn filter<T>(cells: &mut Vec<T>, keep: &[bool]) {
            let mut flags = keep.iter();
            cells.retain(|_| flags.next().copied().unwrap_or(true));
        }
        each!(&mut self.data, cells => filter(cells, keep), strings => {
            let mut kept = Strings::default();
            strings.iter().zip(keep).filter(|(_, keep)| **keep).for_each(|(bytes, _)| kept.push(bytes));
            *strings = kept;
        });
        if let Some(nulls) = &mut self.nulls {
            filter(nulls, keep);
        }
    }

    /// Adds the cells of another column. Columns of different kinds become one of values.
    pub fn append(&mut self, other: Column) {
        if std::mem::discriminant(&self.data) != std::mem::discriminant(&other.data) {
            let mut other = other;
            return (0..other.len()).for_each(|index| self.push(other.take(index)));
        }
        let (before, added) = (self.len(), other.len());
        if self.nulls.is_some() || other.nulls.is_some() {
            let nulls = self.nulls.get_or_insert_with(|| vec![false; before]);
            nulls.extend(other.nulls.unwrap_or_else(|| vec![false; added]));
        }
        match (&mut self.data, other.data) {
            (ColumnData::Bool(cells), ColumnData::Bool(more)) => cells.extend(more),
            (ColumnData::Int(cells), ColumnData::Int(more)) => cells.extend(more),
            (ColumnData::Float(cells), ColumnData::Float(more)) => cells.extend(more),
            (ColumnData::Date(cells), ColumnData::Date(more)) => cells.extend(more),
            (ColumnData::DateTime(cells), ColumnData::DateTime(more)) => cells.extend(more),
            (ColumnData::Uuid(cells), ColumnData::Uuid(more)) => cells.extend(more),
            (ColumnData::Values(cells), ColumnData::Values(more)) => cells.extend(more),
            (ColumnData::Text(cells), ColumnData::Text(more))
            | (ColumnData::Bytes(cells), ColumnData::Bytes(more))
            | (ColumnData::Decimal(cells), ColumnData::Decimal(more)) => {
                let start = cells.bytes.len() as i64;
                cells.bytes.extend(more.bytes);
                cells.offsets.extend(more.offsets.iter().skip(1).map(|offset| offset + start));
            }
            // Both are of one kind.
            (_, _) => {}
        }
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnKind::Bool => "a bool",
            ColumnKind::Int => "an integer",
            ColumnKind::Float => "a float",
            ColumnKind::Text => "text",
            ColumnKind::Bytes => "bytes",
            ColumnKind::Date => "a date",
            ColumnKind::DateTime => "a datetime",
            ColumnKind::Decimal { precision, scale } => return write!(f, "a decimal({precision},{scale})"),
            ColumnKind::Uuid => "a uuid",
            ColumnKind::Value => "a value",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_type_become_typed() {
        let typed = |values: Vec<Value>| Column::from_values(values).data;
        assert_eq!(typed(vec![1.into(), 2.into()]), ColumnData::Int(vec![1, 2]));
        assert_eq!(typed(vec![1.into(), 2.5.into()]), ColumnData::Float(vec![1.0, 2.5]));
        assert!(matches!(typed(vec!["a".into()]), ColumnData::Text(_)));
        assert!(matches!(typed(vec!["a".into(), 1.into()]), ColumnData::Values(_)));
        let column = Column::from_values(vec![Value::Null, 1.into(), Value::Null]);
        assert_eq!((column.nulls, column.data), (Some(vec![true, false, true]), ColumnData::Int(vec![0, 1, 0])));
    }

    #[test]
    fn rows_are_kept_and_added() {
        let mut column = Column::from_values(vec!["a".into(), Value::Null, "ccc".into()]);
        column.retain(&[false, true, true]);
        column.append(Column::from_values(vec!["d".into()]));
        let values: Vec<Value> = (0..column.len()).map(|index| column.value(index)).collect();
        assert_eq!(values, [Value::Null, "ccc".into(), "d".into()]);
        assert_eq!(column.null_count(), 1);
        let part = column.slice(1..2);
        assert_eq!((part.len(), part.value(0)), (1, "ccc".into()));
        column.truncate(1);
        assert_eq!((column.len(), column.value(0)), (1, Value::Null));
        // Columns of different kinds lose nothing.
        column.append(Column::from_values(vec![1.into(), Value::Null]));
        let values: Vec<Value> = (0..column.len()).map(|index| column.value(index)).collect();
        assert_eq!(values, [Value::Null, 1.into(), Value::Null]);
    }

    #[test]
    fn a_value_of_another_type_makes_a_column_of_values() {
        let mut column = Column::new(ColumnKind::Int);
        for value in [1.into(), Value::Null, "x".into(), 2.into()] {
            column.push(value);
        }
        assert_eq!(column.data, ColumnData::Values(vec![1.into(), Value::Null, "x".into(), 2.into()]));
        let mut days = Column::new(ColumnKind::Date);
        days.push(Value::Date(lodestore_types::parse_date("1970-01-03").unwrap()));
        assert_eq!(days.data, ColumnData::Date(vec![2]));
    }
}
