//! Reading arrays: numbers, characters, and structured arrays field by field.

use bytes::Bytes;
use lodestore_types::{DType, Kind, NdArray, ObjectArrayKind, Order, RecordArray, Result, Scalar, Value};

use super::codes;
use super::read::{Reader, corrupt, element_count, nothing};

impl Reader {
    pub(super) fn array(&mut self) -> Result<Value> {
        let shape = self.dimensions()?;
        let id = u32::from_le_bytes(self.fixed()?);
        let complex = u32::from_le_bytes(self.fixed()?) != 0;
        match id {
            codes::OBJECT_ID if !complex => return self.values(ObjectArrayKind::Object, shape),
            codes::CHAR_ID if !complex => return self.characters(shape),
            _ => {}
        }
        let dtype = match codes::dtype_of(id) {
            Some(dtype) if !(complex && id >= codes::DATETIME_ID) => dtype,
            _ => {
                return Err(corrupt(format!(
                    "an array cannot have elements of type {id}{}",
                    if complex { ", complex" } else { "" }
                )));
            }
        };
        let part = self.elements(&shape, dtype.itemsize())?;
        if complex {
            let imaginary = self.elements(&shape, dtype.itemsize())?;
            return complex_array(&dtype, shape, &part, &imaginary);
        }
        let data = match id {
            // What is neither 0 nor 1 would be a boolean that NumPy does not expect.
            3 if part.iter().any(|byte| *byte > 1) => part.iter().map(|byte| u8::from(*byte != 0)).collect(),
            _ => part,
        };
        Ok(Value::Array(NdArray::new(dtype, shape.clone(), order_of(&shape), data)?))
    }

    /// The bytes of all elements, shared.
    fn elements(&mut self, shape: &[usize], itemsize: usize) -> Result<Bytes> {
        let size = element_count(shape)?.saturating_mul(itemsize);
        self.take(size)
    }

    /// Characters of UTF-16: a row becomes one text, anything else an array of single characters.
    fn characters(&mut self, shape: Vec<usize>) -> Result<Value> {
        let data = self.elements(&shape, 2)?;
        let units = data.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes));
        let is_row = matches!(shape[..], [_] | [1, _]);
        if !is_row {
            let characters: Vec<u8> = units.flat_map(|unit| u32::from(unit).to_le_bytes()).collect();
            let order = order_of(&shape);
            return Ok(Value::Array(NdArray::new(DType::native(Kind::Text, 4), shape, order, characters)?));
        }
        // A lone surrogate stays what it is: NumPy and Python can hold it.
        let mut characters: Vec<u8> = char::decode_utf16(units)
            .map(|character| character.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from))
            .filter(|code| *code != 0)
            .flat_map(u32::to_le_bytes)
            .collect();
        if characters.is_empty() {
            characters.resize(4, 0);
        }
        let dtype = DType::native(Kind::Text, characters.len());
        Ok(Value::Array(NdArray::new(dtype, vec![1], Order::C, characters)?))
    }

    /// A structured array: the shape of its records is what the shapes of all fields begin with.
    pub(super) fn records(&mut self) -> Result<Value> {
        let names = self.field_names()?;
        if names.is_empty() {
            return Ok(nothing());
        }
        let mut fields = Vec::new();
        for name in names {
            let content = match self.peek() {
                Some(codes::ARRAY | codes::RECORDS) => self.node()?,
                Some(code) => return Err(corrupt(format!("a field cannot begin with the code 0x{code:02x}"))),
                None => return Err(self.truncated(1)),
            };
            fields.push((name, content));
        }
        let mut shapes = fields.iter().map(|(_, content)| shape_of(content));
        let Some(first) = shapes.next() else { return Ok(nothing()) };
        let shape = shapes.fold(first, |shortest, shape| if shape.len() < shortest.len() { shape } else { shortest });
        if let Some((name, content)) = fields.iter().find(|(_, content)| !shape_of(content).starts_with(shape)) {
            return Err(corrupt(format!(
                "the field `{}` of shape {:?} does not fit records of shape {shape:?}",
                name.escape_debug(),
                shape_of(content)
            )));
        }
        Ok(Value::Records(RecordArray { shape: shape.to_vec(), fields }))
    }
}

fn shape_of(content: &Value) -> &[usize] {
    match content {
        Value::Array(array) => array.shape(),
        Value::Objects(array) => &array.shape,
        Value::Records(array) => &array.shape,
        _ => &[],
    }
}

/// Elements are stored in column-major order, which only shows from two dimensions on.
fn order_of(shape: &[usize]) -> Order {
    if shape.len() < 2 { Order::C } else { Order::Fortran }
}

/// Pairs of floats from all real and all imaginary parts; integers become `complex128`.
fn complex_array(part: &DType, shape: Vec<usize>, real: &[u8], imaginary: &[u8]) -> Result<Value> {
    let order = order_of(&shape);
    let Some(scalar) = part.as_scalar() else { return Err(corrupt("a complex array needs numbers")) };
    let (size, data) = match (scalar.kind, scalar.size) {
        (Kind::Float, 8) => (16, interleave::<8>(real, imaginary)),
        (Kind::Float, _) => (8, interleave::<4>(real, imaginary)),
        _ => (16, interleave::<8>(&widen(scalar, real), &widen(scalar, imaginary))),
    };
    Ok(Value::Array(NdArray::new(DType::native(Kind::Complex, size), shape, order, data)?))
}

fn interleave<const N: usize>(real: &[u8], imaginary: &[u8]) -> Vec<u8> {
    let mut pairs = Vec::with_capacity(real.len() * 2);
    for (re, im) in real.as_chunks::<N>().0.iter().zip(imaginary.as_chunks::<N>().0) {
        pairs.extend_from_slice(re);
        pairs.extend_from_slice(im);
    }
    pairs
}

/// Integers and booleans as the bytes of 64-bit floats.
fn widen(scalar: &Scalar, data: &[u8]) -> Vec<u8> {
    let signed = scalar.kind == Kind::Int;
    let float = |element: &[u8]| {
        let fill = if signed && element.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        wide[..element.len()].copy_from_slice(element);
        match scalar.kind {
            Kind::Bool => f64::from(u8::from(element != [0])),
            Kind::Int => i64::from_le_bytes(wide) as f64,
            _ => u64::from_le_bytes(wide) as f64,
        }
    };
    data.chunks_exact(scalar.size).flat_map(|element| float(element).to_le_bytes()).collect()
}
