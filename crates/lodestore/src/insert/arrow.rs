//! Arrow record batches as rows: what data frames of every library give.
//!
//! Integers, floats, bools, texts, bytes, dates and timestamps without a zone become typed cells; dictionaries become what
//! they stand for; lists of numbers become arrays, structs and maps become dicts.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch, downcast_dictionary_array};
use arrow_schema::{DataType, TimeUnit};
use lodestore_db::{Column, ColumnData, ColumnKind};
use lodestore_types::{DType, Decimal, Error, ErrorKind, NdArray, Order, Result, Time, Value};

use super::Batch;

impl Batch {
    /// The rows of a record batch.
    ///
    /// # Errors
    /// `Unsupported` for types that no attribute takes; `InvalidValue` for times with a zone, or finer than a microsecond.
    pub fn from_record_batch(batch: &RecordBatch) -> Result<Self> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
            let column = column_of(&**array).map_err(|error| error.with("attribute", field.name()))?;
            Ok((field.name().clone(), column))
        });
        Batch::new(columns.collect::<Result<Vec<_>>>()?)
    }

    /// Adds the rows of another batch of the same columns.
    ///
    /// # Errors
    /// `InvalidValue` if it has other columns.
    pub fn append(&mut self, other: Batch) -> Result<()> {
        if self.names != other.names {
            return Err(Error::new(ErrorKind::InvalidValue, "batches of other columns follow each other"));
        }
        for (column, more) in self.columns.iter_mut().zip(other.columns) {
            column.append(more);
        }
        self.rows += other.rows;
        Ok(())
    }
}

fn column_of(array: &dyn Array) -> Result<Column> {
    fn ints<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &dyn Array) -> ColumnData {
        ColumnData::Int(array.as_primitive::<T>().values().iter().map(|number| (*number).into()).collect())
    }
    fn times<T: ArrowPrimitiveType<Native = i64>>(
        array: &dyn Array,
        multiple: i64,
        divisor: i64,
    ) -> Result<ColumnData> {
        let array = array.as_primitive::<T>();
        let moment = |row: usize| match array.is_null(row) {
            true => Ok(0),
            false => microseconds(array.value(row), multiple, divisor),
        };
        (0..array.len()).map(moment).collect::<Result<_>>().map(ColumnData::DateTime)
    }
    let data = match array.data_type() {
        DataType::Null => return values(array, |_| Ok(Value::Null)),
        DataType::Boolean => ColumnData::Bool(array.as_boolean().values().iter().collect()),
        DataType::Int8 => ints::<Int8Type>(array),
        DataType::Int16 => ints::<Int16Type>(array),
        DataType::Int32 => ints::<Int32Type>(array),
        DataType::Int64 => ints::<Int64Type>(array),
        DataType::UInt8 => ints::<UInt8Type>(array),
        DataType::UInt16 => ints::<UInt16Type>(array),
        DataType::UInt32 => ints::<UInt32Type>(array),
        DataType::UInt64 => {
            let numbers = array.as_primitive::<UInt64Type>();
            return values(array, |row| Ok(Value::from(numbers.value(row))));
        }
        DataType::Float16 => {
            ColumnData::Float(array.as_primitive::<Float16Type>().values().iter().map(|n| n.to_f64()).collect())
        }
        DataType::Float32 => {
            ColumnData::Float(array.as_primitive::<Float32Type>().values().iter().map(|n| f64::from(*n)).collect())
        }
        DataType::Float64 => ColumnData::Float(array.as_primitive::<Float64Type>().values().to_vec()),
        DataType::Date32 => ColumnData::Date(array.as_primitive::<Date32Type>().values().to_vec()),
        DataType::Date64 => times::<Date64Type>(array, 1000, 1)?,
        DataType::Timestamp(_, Some(zone)) => {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                format!("times with the time zone {zone} cannot be stored: the zone would be lost"),
            )
            .with_hint("convert them to times without a zone first"));
        }
        DataType::Timestamp(TimeUnit::Second, None) => times::<TimestampSecondType>(array, 1_000_000, 1)?,
        DataType::Timestamp(TimeUnit::Millisecond, None) => times::<TimestampMillisecondType>(array, 1000, 1)?,
        DataType::Timestamp(TimeUnit::Microsecond, None) => times::<TimestampMicrosecondType>(array, 1, 1)?,
        DataType::Timestamp(TimeUnit::Nanosecond, None) => times::<TimestampNanosecondType>(array, 1, 1000)?,
        DataType::Utf8 => {
            return strings(array, ColumnKind::Text, |row| array.as_string::<i32>().value(row).as_bytes());
        }
        DataType::LargeUtf8 => {
            return strings(array, ColumnKind::Text, |row| array.as_string::<i64>().value(row).as_bytes());
        }
        DataType::Utf8View => {
            return strings(array, ColumnKind::Text, |row| array.as_string_view().value(row).as_bytes());
        }
        DataType::Binary => return strings(array, ColumnKind::Bytes, |row| array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => return strings(array, ColumnKind::Bytes, |row| array.as_binary::<i64>().value(row)),
        DataType::BinaryView => return strings(array, ColumnKind::Bytes, |row| array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => {
            return strings(array, ColumnKind::Bytes, |row| array.as_fixed_size_binary().value(row));
        }
        _ => return values(array, |row| value_of(array, row)),
    };
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    Ok(Column { data, nulls: nulls.map(|nulls| nulls.iter().map(|valid| !valid).collect()) })
}

fn microseconds(ticks: i64, multiple: i64, divisor: i64) -> Result<i64> {
    if ticks % divisor != 0 {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            "a time with nanoseconds cannot be stored: they would be lost",
        )
        .with_hint("round the times to microseconds first"));
    }
    ticks
        .checked_mul(multiple)
        .map(|ticks| ticks / divisor)
        .ok_or_else(|| Error::new(ErrorKind::InvalidValue, "a time lies outside of the years 1 to 9999"))
}

fn strings<'a>(array: &'a dyn Array, kind: ColumnKind, cell: impl Fn(usize) -> &'a [u8]) -> Result<Column> {
    let mut column = Column::new(kind);
    for row in 0..array.len() {
        if array.is_null(row) {
            column.push_null();
            continue;
        }
        if let ColumnData::Text(strings) | ColumnData::Bytes(strings) = &mut column.data {
            strings.push(cell(row));
        }
        column.push_valid();
    }
    Ok(column)
}

fn values(array: &dyn Array, cell: impl Fn(usize) -> Result<Value>) -> Result<Column> {
    let nulls = array.logical_nulls();
    let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let values = (0..array.len()).map(|row| if is_null(row) { Ok(Value::Null) } else { cell(row) });
    Ok(Column { data: ColumnData::Values(values.collect::<Result<_>>()?), nulls: None })
}

/// A cell of a type that has no column of its own.
fn value_of(array: &dyn Array, row: usize) -> Result<Value> {
    let clock = |microseconds: i64| {
        let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
        Time::new((seconds / 3600) as i8, (seconds / 60 % 60) as i8, (seconds % 60) as i8, rest as i32 * 1000)
            .map(Value::Time)
            .map_err(|error| Error::new(ErrorKind::InvalidValue, error.to_string()))
    };
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    match array.data_type() {
        DataType::Decimal128(..) => {
            let text = array.as_primitive::<Decimal128Type>().value_as_string(row);
            text.parse::<Decimal>().map(Value::Decimal)
        }
        DataType::Time32(TimeUnit::Second) => {
            clock(i64::from(array.as_primitive::<Time32SecondType>().value(row)) * 1_000_000)
        }
        DataType::Time32(_) => clock(i64::from(array.as_primitive::<Time32MillisecondType>().value(row)) * 1000),
        DataType::Time64(TimeUnit::Microsecond) => clock(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Time64(_) => {
            microseconds(array.as_primitive::<Time64NanosecondType>().value(row), 1, 1000).and_then(clock)
        }
        DataType::Dictionary(..) => downcast_dictionary_array!(
            array => match array.key(row) {
                Some(key) => item_of(&**array.values(), key),
                None => Ok(Value::Null),
            },
            _ => Err(unsupported(array))
        ),
        DataType::List(_) => list_of(&*array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list_of(&*array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list_of(&*array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let items = columns.map(|(field, column)| Ok((field.name().as_str().into(), item_of(&**column, row)?)));
            items.collect::<Result<_>>().map(Value::Dict)
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let item = |at| Ok((item_of(&**entries.column(0), at)?, item_of(&**entries.column(1), at)?));
            (0..entries.len()).map(item).collect::<Result<_>>().map(Value::Dict)
        }
        _ => Err(unsupported(array)),
    }
}

/// A cell of any type.
fn item_of(array: &dyn Array, row: usize) -> Result<Value> {
    column_of(&*array.slice(row, 1)).map(|mut column| column.take(0))
}

/// Numbers as an array, anything else as a list.
fn list_of(array: &dyn Array) -> Result<Value> {
    if let Some(dtype) = element_type(array.data_type()).filter(|_| array.null_count() == 0) {
        let data = array.to_data();
        let size = dtype.itemsize();
        let bytes = data.buffers()[0].as_slice()[data.offset() * size..(data.offset() + data.len()) * size].to_vec();
        return NdArray::new(dtype, vec![array.len()], Order::C, bytes).map(Value::Array);
    }
    let mut column = column_of(array)?;
    Ok(Value::List((0..column.len()).map(|row| column.take(row)).collect()))
}

fn element_type(data_type: &DataType) -> Option<DType> {
    let text = match data_type {
        DataType::Int8 => "|i1",
        DataType::Int16 => "<i2",
        DataType::Int32 => "<i4",
        DataType::Int64 => "<i8",
        DataType::UInt8 => "|u1",
        DataType::UInt16 => "<u2",
        DataType::UInt32 => "<u4",
        DataType::UInt64 => "<u8",
        DataType::Float32 => "<f4",
        DataType::Float64 => "<f8",
        _ => return None,
    };
    DType::parse(text).ok()
}

fn unsupported(array: &dyn Array) -> Error {
    Error::new(ErrorKind::Unsupported, format!("no attribute takes Arrow's type {}", array.data_type()))
        .with_hint("convert the column first, or insert dicts")
}
