//! Writing arrays: numbers, characters, text, and structured arrays field by field.

use bytes::Bytes;
use lodestore_types::{DType, Field, Kind, NdArray, Order, RecordArray, Scalar, Value};

use super::codes;
use super::refusal::{Packed, Refusal, index_step, name_step};
use super::write::{Writer, row_major_positions};
use crate::layout::{orders_agree, reverse_axes, swap_bytes};

impl Writer {
    pub(super) fn array(&mut self, array: &NdArray) -> Packed {
        match array.dtype() {
            DType::Record(fields) => self.record_fields(fields, array),
            DType::Scalar(scalar) => match scalar.kind {
                Kind::Text => self.text_array(array),
                Kind::Bytes if scalar.size == 1 => self.char_array(array),
                Kind::Complex if matches!(scalar.size, 8 | 16) => self.complex_array(scalar, array),
                _ => self.number_array(scalar, array),
            },
        }
    }

    fn number_array(&mut self, scalar: &Scalar, array: &NdArray) -> Packed {
        let Some(id) = codes::id_of(scalar) else { return Err(refuse_dtype(scalar)) };
        if array.shape().is_empty() || scalar.kind == Kind::DateTime {
            self.require_dj0();
        }
        self.array_head(array.shape(), id, false)?;
        let as_it_is = array.order() == Order::Fortran || orders_agree(array.shape());
        let shared = as_it_is && !codes::is_big_endian(scalar) && self.shares_as_end(array.data());
        if !self.is_dry() && !shared {
            let start = self.out.len();
            self.out.reserve(array.nbytes());
            in_fortran_order(array, scalar.size, &mut self.out);
            if codes::is_big_endian(scalar) {
                swap_bytes(&mut self.out[start..], scalar.size);
            }
        }
        Ok(())
    }

    /// All real parts, then all imaginary parts.
    fn complex_array(&mut self, scalar: &Scalar, array: &NdArray) -> Packed {
        let half = scalar.size / 2;
        if array.shape().is_empty() {
            self.require_dj0();
        }
        self.array_head(array.shape(), if half == 8 { 6 } else { 7 }, true)?;
        if self.is_dry() {
            return Ok(());
        }
        let turned;
        let pairs = if array.order() == Order::Fortran || orders_agree(array.shape()) {
            &array.data()[..]
        } else {
            let mut buffer = Vec::with_capacity(array.nbytes());
            in_fortran_order(array, scalar.size, &mut buffer);
            turned = buffer;
            &turned[..]
        };
        let start = self.out.len();
        self.out.reserve(array.nbytes());
        for part in [0, half] {
            match half {
                8 => self.out.extend(pairs.as_chunks::<16>().0.iter().flat_map(|pair| &pair[part..part + 8])),
                _ => self.out.extend(pairs.as_chunks::<8>().0.iter().flat_map(|pair| &pair[part..part + 4])),
            }
        }
        if codes::is_big_endian(scalar) {
            swap_bytes(&mut self.out[start..], half);
        }
        Ok(())
    }

    /// Single characters of two bytes each. The peer writes these in row-major order and reads them
    /// in column-major order, so that two dimensions come back scrambled; here they do not.
    fn char_array(&mut self, array: &NdArray) -> Packed {
        if let Some(byte) = array.data().iter().find(|byte| !(1..128).contains(*byte)) {
            return Err(Refusal::of_value(format!("the byte 0x{byte:02x} in an array of `S1` is no ASCII character"))
                .hint("convert the array to `uint8` or to text"));
        }
        self.array_head(array.shape(), codes::CHAR_ID, false)?;
        if !self.is_dry() {
            let mut characters = Vec::with_capacity(array.nbytes());
            in_fortran_order(array, 1, &mut characters);
            self.out.extend(characters.iter().flat_map(|character| [*character, 0]));
        }
        Ok(())
    }

    /// An array of objects, each a text: the format has no other place for text arrays.
    fn text_array(&mut self, array: &NdArray) -> Packed {
        let Some(scalar) = array.dtype().as_scalar() else { return Ok(()) };
        self.require_dj0();
        self.array_head(array.shape(), codes::OBJECT_ID, false)?;
        let write = |writer: &mut Self, stored: usize, element: usize| {
            let element_bytes = &array.data()[stored * scalar.size..][..scalar.size];
            let Some(text) = text_of(element_bytes, codes::is_big_endian(scalar)) else {
                return Err(Refusal::of_value("the text holds a code point that is no character (a lone surrogate)")
                    .within(|| index_step(array.shape(), element)));
            };
            writer.sized(|writer| {
                writer.counted(codes::TEXT, text.as_bytes());
                Ok(())
            })
        };
        // Elements are visited in column-major order, wherever they are stored.
        for (place, element) in row_major_positions(array.shape()).enumerate() {
            let stored = if array.order() == Order::Fortran { place } else { element };
            write(self, stored, element)?;
        }
        Ok(())
    }

    /// An array of records, split into one array per field. Padding is left out.
    fn record_fields(&mut self, fields: &[Field], array: &NdArray) -> Packed {
        let named: Vec<&Field> = fields.iter().filter(|field| !field.name.is_empty()).collect();
        if let Some(field) = named.iter().find(|field| field.title.is_some()) {
            return Err(Refusal::of_type("the title of a field cannot be packed")
                .hint("name the field without a title")
                .within(|| name_step(&field.name)));
        }
        let record = array.dtype().itemsize();
        let mut offset = 0;
        let mut split = Vec::with_capacity(named.len());
        for field in fields {
            let size = field.size();
            if !field.name.is_empty() {
                let column = match self.is_dry() {
                    true => NdArray::new(field.dtype.clone(), vec![], Order::C, vec![0; field.dtype.itemsize()]),
                    false => field_array(field, array, record, offset),
                };
                let column = column.map_err(|error| Refusal::of_value(error.message().to_owned()))?;
                split.push((field, column));
            }
            offset += size;
        }
        self.require_dj0();
        self.put(&[codes::RECORDS]);
        self.field_names(named.iter().map(|field| field.name.as_str()))?;
        if named.iter().all(|field| !field.shape.is_empty()) {
            return Err(refuse_ambiguous_shape());
        }
        // The fields are values inside this one: none of them is the end of the blob.
        self.deeper()?;
        for (field, column) in &split {
            let written = match &field.dtype {
                DType::Scalar(scalar) if scalar.kind == Kind::Bytes && scalar.size == 1 => Err(refuse_char_field()),
                _ => self.array(column),
            };
            written.map_err(|refusal| refusal.within(|| name_step(&field.name)))?;
        }
        self.shallower();
        Ok(())
    }

    pub(super) fn records(&mut self, array: &RecordArray) -> Packed {
        self.require_dj0();
        self.put(&[codes::RECORDS]);
        self.field_names(array.fields.iter().map(|(name, _)| name.as_str()))?;
        let mut whole = false;
        for (name, field) in &array.fields {
            let shape = match field {
                Value::Array(column) if column.dtype().as_scalar().is_some_and(is_char) => Err(refuse_char_field()),
                Value::Array(column) => Ok(column.shape()),
                Value::Objects(column) => Ok(&column.shape[..]),
                Value::Records(column) => Ok(&column.shape[..]),
                other => Err(Refusal::of_type(format!("a field cannot hold a {}", other.type_name()))),
            };
            let written = shape.and_then(|shape| {
                whole |= shape == array.shape;
                if !shape.starts_with(&array.shape) {
                    let whole = &array.shape;
                    return Err(Refusal::of_value(format!(
                        "a field of shape {shape:?} cannot fill records of {whole:?}"
                    )));
                }
                self.node(field)
            });
            written.map_err(|refusal| refusal.within(|| name_step(name)))?;
        }
        if whole { Ok(()) } else { Err(refuse_ambiguous_shape()) }
    }
}

fn is_char(scalar: &Scalar) -> bool {
    scalar.kind == Kind::Bytes && scalar.size == 1
}

fn refuse_char_field() -> Box<Refusal> {
    Refusal::of_type("a field of type `S1` would not come back as it was")
        .hint("convert the field to `uint8` or to text")
}

fn refuse_ambiguous_shape() -> Box<Refusal> {
    Refusal::of_type("a structured array in which every field is a sub-array would come back in another shape")
        .hint("store the fields as a dict of arrays")
}

fn refuse_dtype(scalar: &Scalar) -> Box<Refusal> {
    let (name, hint) = match (scalar.kind, scalar.size) {
        (Kind::Float, 2) => ("float16".to_owned(), "convert it to float32, or store it with `<npy@>`"),
        (Kind::Float | Kind::Complex, _) => (format!("{scalar}"), "convert it to float64 or complex128"),
        (Kind::TimeDelta, _) => (format!("{scalar}"), "store the ticks as int64, or the array with `<npy@>`"),
        (Kind::DateTime, _) => (format!("{scalar}"), "convert it to a plain unit such as `datetime64[s]`"),
        (Kind::Bytes, _) => (format!("{scalar}"), "convert it to text, or store it with `<npy@>`"),
        _ => (format!("{scalar}"), "store it with `<npy@>`"),
    };
    Refusal::of_type(format!("an array of `{name}` cannot be packed into a blob")).hint(hint)
}

/// Appends the bytes of the elements in column-major order.
fn in_fortran_order(array: &NdArray, itemsize: usize, out: &mut Vec<u8>) {
    match array.order() {
        Order::Fortran => out.extend_from_slice(array.data()),
        Order::C => reverse_axes(array.data(), array.shape(), itemsize, out),
    }
}

/// The content of one field: an array of the records' shape with the sub-array's dimensions behind it.
fn field_array(field: &Field, array: &NdArray, record: usize, offset: usize) -> lodestore_types::Result<NdArray> {
    let size = field.size();
    let mut bytes = Vec::with_capacity(size.saturating_mul(array.len()));
    if record > 0 {
        let records = array.data().chunks_exact(record);
        if array.order() == Order::Fortran && !orders_agree(array.shape()) {
            // The sub-array is row-major inside each record: bring the records into the same order.
            let reversed: Vec<usize> = array.shape().iter().rev().copied().collect();
            let column: Vec<u8> = records.flat_map(|record| &record[offset..offset + size]).copied().collect();
            reverse_axes(&column, &reversed, size, &mut bytes);
        } else {
            records.for_each(|record| bytes.extend_from_slice(&record[offset..offset + size]));
        }
    }
    let shape = array.shape().iter().chain(&field.shape).copied().collect();
    NdArray::new(field.dtype.clone(), shape, Order::C, Bytes::from(bytes))
}

/// The text of one element of a text array, without the padding.
fn text_of(element: &[u8], big_endian: bool) -> Option<String> {
    let code = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    let codes: Vec<u32> = element.as_chunks::<4>().0.iter().map(|bytes| code(*bytes)).collect();
    let end = codes.iter().rposition(|code| *code != 0).map_or(0, |last| last + 1);
    codes[..end].iter().map(|code| char::from_u32(*code)).collect()
}
