//! Columns as Arrow record batches, for polars, pandas, pyarrow, DuckDB and whatever else reads Arrow.
//!
//! | attribute | Arrow |
//! |---|---|
//! | integers, floats, bool | `Int64` (`UInt64` beyond 2^63 - 1), `Float64`, `Boolean` |
//! | text, enum | `Utf8` |
//! | date, datetime | `Date32`, `Timestamp(Microsecond)` |
//! | decimal(p, s) | `Decimal128(p, s)`, of 38 digits at most |
//! | uuid | `FixedSizeBinary(16)`, extension `arrow.uuid` |
//! | bytes | `Binary` |
//! | json | `Utf8`, the document as text |
//! | codecs | one-dimensional arrays of numbers: `List`; references: `Utf8`, the path; bytes: `Binary` |
//!
//! Other decoded objects have no place in Arrow: project them away.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array,
    Int64Array, LargeBinaryArray, LargeStringArray, ListArray, NullArray, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use lodestore_db::{Column, ColumnData, Strings};
use lodestore_sql::Attribute;
use lodestore_types::{ByteOrder, CoreType, DType, Error, ErrorKind, Kind, NdArray, Result, Value};

use crate::{Columns, Stream};

impl Columns {
    /// These columns as one record batch.
    ///
    /// # Errors
    /// `Unsupported` for decoded objects that Arrow has no type for.
    pub fn to_record_batch(&self) -> Result<RecordBatch> {
        self.clone().into_record_batch()
    }

    /// Like [`Columns::to_record_batch`], without a copy of what Arrow keeps as we do.
    ///
    /// # Errors
    /// As [`Columns::to_record_batch`].
    pub fn into_record_batch(mut self) -> Result<RecordBatch> {
        self.take_record_batch(&(0..self.columns().len()).collect::<Vec<_>>())
    }

    /// Some of these columns as one record batch. They are taken out, except those of decoded values.
    ///
    /// # Errors
    /// As [`Columns::to_record_batch`].
    pub fn take_record_batch(&mut self, indices: &[usize]) -> Result<RecordBatch> {
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for index in indices {
            let array = match &self.columns[*index].data {
                ColumnData::Values(values) if values.iter().all(Value::is_null) => Ok(self.null_array(*index)),
                ColumnData::Values(values) => value_array(values),
                _ => {
                    let column = self.columns[*index].take_all();
                    array_of(column, &self.attributes[*index])
                }
            };
            let attribute = &self.attributes[*index];
            let array = array.map_err(|error| error.with("attribute", &attribute.name))?;
            fields.push(field_of(attribute, array.data_type().clone()));
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(from_arrow)
    }
}

impl Columns {
    /// NULL and nothing else, in the type that other values of the attribute would have, where that is certain.
    fn null_array(&self, index: usize) -> ArrayRef {
        let attribute = &self.attributes[index];
        let is_document = attribute.kind.codec.is_none() && attribute.stored_as() == Some(&CoreType::Json);
        match is_document || self.instance.refers(attribute) {
            true => Arc::new(StringArray::new_null(self.len())),
            false => Arc::new(NullArray::new(self.len())),
        }
    }
}

/// Record batches read from a stream, one schema for all.
pub struct RecordBatches {
    schema: SchemaRef,
    first: Option<RecordBatch>,
    rest: Option<Stream>,
}

impl Stream {
    /// The batches as Arrow record batches.
    ///
    /// Where a computed column has a type that only the database knows, or the first batch holds nothing but NULL of what a
    /// codec decodes, all rows are gathered first: Arrow wants to be told the type before the first row.
    ///
    /// # Errors
    /// As [`crate::Query::fetch`] and [`Columns::to_record_batch`].
    pub fn into_record_batches(mut self) -> Result<RecordBatches> {
        let (first, rest) = match self.is_untyped() {
            true => (self.gather()?, None),
            false => match self.next() {
                Some(first) => (first?, Some(self)),
                None => (self.empty(), None),
            },
        };
        match rest {
            Some(rest) if first.has_unknown_types() => {
                let mut all = first;
                all.append(rest.gather()?);
                RecordBatches::begin(all, None)
            }
            rest => RecordBatches::begin(first, rest),
        }
    }
}

impl Columns {
    /// True if Arrow cannot be told yet what a column will hold.
    fn has_unknown_types(&self) -> bool {
        let unknown = |(index, column): (usize, &Column)| match &column.data {
            ColumnData::Values(values) => {
                values.iter().all(Value::is_null) && *self.null_array(index).data_type() == DataType::Null
            }
            _ => false,
        };
        self.columns.iter().enumerate().any(unknown)
    }
}

impl RecordBatches {
    fn begin(first: Columns, rest: Option<Stream>) -> Result<Self> {
        let first = first.into_record_batch()?;
        Ok(RecordBatches { schema: first.schema(), first: Some(first), rest })
    }
}

impl Iterator for RecordBatches {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let batch = self.rest.as_mut()?.next()?;
        let batch = batch.and_then(Columns::into_record_batch);
        Some(match batch {
            Ok(batch) if batch.schema() == self.schema => Ok(batch),
            Ok(_) => Err(ArrowError::SchemaError("later rows hold values of another type".into())),
            Err(error) => Err(ArrowError::ExternalError(Box::new(error))),
        })
    }
}

impl arrow_array::RecordBatchReader for RecordBatches {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

fn field_of(attribute: &Attribute, data_type: DataType) -> Field {
    let nullable = attribute.nullable || data_type == DataType::Null;
    let field = Field::new(&attribute.name, data_type, nullable);
    match attribute.stored_as() {
        Some(CoreType::Uuid) if attribute.kind.codec.is_none() => {
            field.with_metadata(HashMap::from([("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())]))
        }
        _ => field,
    }
}

fn array_of(column: Column, attribute: &Attribute) -> Result<ArrayRef> {
    let nulls = column.nulls.map(|nulls| nulls.iter().map(|null| !null).collect::<NullBuffer>());
    Ok(match column.data {
        ColumnData::Bool(flags) => Arc::new(BooleanArray::new(flags.into(), nulls)),
        ColumnData::Int(numbers) => Arc::new(Int64Array::new(numbers.into(), nulls)),
        ColumnData::Float(numbers) => Arc::new(Float64Array::new(numbers.into(), nulls)),
        ColumnData::Date(days) => Arc::new(Date32Array::new(days.into(), nulls)),
        ColumnData::DateTime(moments) => Arc::new(TimestampMicrosecondArray::new(moments.into(), nulls)),
        ColumnData::Text(texts) => match short_offsets(&texts) {
            Some(offsets) => Arc::new(StringArray::try_new(offsets, texts.bytes.into(), nulls).map_err(from_arrow)?),
            None => {
                let offsets = OffsetBuffer::new(texts.offsets.into());
                Arc::new(LargeStringArray::try_new(offsets, texts.bytes.into(), nulls).map_err(from_arrow)?)
            }
        },
        ColumnData::Bytes(all) => match short_offsets(&all) {
            Some(offsets) => Arc::new(BinaryArray::try_new(offsets, all.bytes.into(), nulls).map_err(from_arrow)?),
            None => {
                let offsets = OffsetBuffer::new(all.offsets.into());
                Arc::new(LargeBinaryArray::try_new(offsets, all.bytes.into(), nulls).map_err(from_arrow)?)
            }
        },
        ColumnData::Uuid(ids) => {
            let bytes = Buffer::from_vec(ids.into_flattened());
            Arc::new(FixedSizeBinaryArray::try_new(16, bytes, nulls).map_err(from_arrow)?)
        }
        ColumnData::Decimal(texts) => decimal_array(&texts, nulls.as_ref(), attribute)?,
        ColumnData::Values(values) => value_array(&values)?,
    })
}

/// Offsets in 32 bits; nothing if the texts are too long for that.
fn short_offsets(strings: &Strings) -> Option<OffsetBuffer<i32>> {
    i32::try_from(strings.bytes.len()).ok()?;
    let offsets: Vec<i32> = strings.offsets.iter().map(|offset| *offset as i32).collect();
    Some(OffsetBuffer::new(offsets.into()))
}

fn decimal_array(texts: &Strings, nulls: Option<&NullBuffer>, attribute: &Attribute) -> Result<ArrayRef> {
    let Some(CoreType::Decimal { precision, scale }) = attribute.stored_as() else {
        return Err(Error::new(ErrorKind::Internal, "decimals of no declared size"));
    };
    let unscaled = |text: &[u8]| -> Option<i128> {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let missing = (*scale as usize).checked_sub(fraction.len())?;
        format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok()
    };
    let mut numbers: Vec<Option<i128>> = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        numbers.push(match nulls.is_some_and(|nulls| nulls.is_null(index)) {
            true => None,
            false => Some(unscaled(text).ok_or_else(|| {
                let text = String::from_utf8_lossy(text);
                Error::new(ErrorKind::Unsupported, format!("{text} has more digits than Arrow's decimals"))
            })?),
        });
    }
    let precision = (*precision).min(38) as u8;
    let array = numbers.into_iter().collect::<Decimal128Array>();
    let array = array.with_precision_and_scale(precision, *scale as i8).map_err(from_arrow)?;
    array.validate_decimal_precision(precision).map_err(from_arrow)?;
    Ok(Arc::new(array))
}

/// What was decoded, where Arrow has a type for it.
fn value_array(values: &[Value]) -> Result<ArrayRef> {
    let all = |wanted: fn(&Value) -> bool| values.iter().all(|value| value.is_null() || wanted(value));
    if all(|value| matches!(value, Value::Json(_) | Value::Reference(_) | Value::Text(_))) {
        let texts: StringArray = values
            .iter()
            .map(|value| match value {
                Value::Json(document) => Some(document.to_string()),
                Value::Reference(reference) => Some(reference.path.to_string()),
                Value::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        return Ok(Arc::new(texts));
    }
    if all(|value| matches!(value, Value::Bytes(_))) {
        let bytes = values.iter().map(|value| match value {
            Value::Bytes(bytes) => Some(&bytes[..]),
            _ => None,
        });
        return Ok(Arc::new(bytes.collect::<BinaryArray>()));
    }
    let unsigned = |value: &Value| match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BigInt(number) => number.to_string().parse().ok(),
        _ => None,
    };
    if values.iter().all(|value| value.is_null() || unsigned(value).is_some()) {
        return Ok(Arc::new(values.iter().map(unsigned).collect::<UInt64Array>()));
    }
    let found = values.iter().find(|value| !value.is_null()).map_or("null", Value::type_name);
    list_array(values)?.ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("Arrow has no type for these values, {found} among them"))
            .with_hint("project the attribute away, or fetch it as arrays or dicts")
    })
}

/// One-dimensional arrays of numbers of one type.
fn list_array(values: &[Value]) -> Result<Option<ArrayRef>> {
    let Some(dtype) = values.iter().find_map(Value::as_array).map(NdArray::dtype) else { return Ok(None) };
    let fits = |array: &NdArray| array.shape().len() == 1 && array.dtype() == dtype;
    if !values.iter().all(|value| value.is_null() || value.as_array().is_some_and(fits)) {
        return Ok(None);
    }
    let Some(data_type) = element_type(dtype) else { return Ok(None) };
    let (mut bytes, mut offsets, mut count) = (Vec::new(), vec![0i32], 0usize);
    for value in values {
        if let Some(array) = value.as_array() {
            bytes.extend_from_slice(array.data());
            count += array.len();
        }
        let Ok(end) = i32::try_from(count) else { return Ok(None) };
        offsets.push(end);
    }
    let data = arrow_array::make_array(
        ArrayData::builder(data_type.clone())
            .len(count)
            .add_buffer(Buffer::from_vec(bytes))
            .align_buffers(true)
            .build()
            .map_err(from_arrow)?,
    );
    let nulls = values.iter().any(Value::is_null).then(|| values.iter().map(|value| !value.is_null()).collect());
    let field = Arc::new(Field::new("item", data_type, false));
    let list = ListArray::try_new(field, OffsetBuffer::new(offsets.into()), data, nulls).map_err(from_arrow)?;
    Ok(Some(Arc::new(list)))
}

fn element_type(dtype: &DType) -> Option<DataType> {
    let scalar = dtype.as_scalar()?;
    if scalar.byte_order == ByteOrder::Big && scalar.size > 1 {
        return None;
    }
    Some(match (scalar.kind, scalar.size) {
        (Kind::Int, 1) => DataType::Int8,
        (Kind::Int, 2) => DataType::Int16,
        (Kind::Int, 4) => DataType::Int32,
        (Kind::Int, 8) => DataType::Int64,
        (Kind::UInt, 1) => DataType::UInt8,
        (Kind::UInt, 2) => DataType::UInt16,
        (Kind::UInt, 4) => DataType::UInt32,
        (Kind::UInt, 8) => DataType::UInt64,
        (Kind::Float, 4) => DataType::Float32,
        (Kind::Float, 8) => DataType::Float64,
        _ => return None,
    })
}

fn from_arrow(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "Arrow refuses these columns").with_source(error)
}
