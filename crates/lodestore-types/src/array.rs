//! Arrays whose bytes are shared, not copied.

use std::fmt;

use bytes::Bytes;

use crate::{BigInt, ByteOrder, Complex, DType, Error, ErrorKind, Kind, Result, Value};

/// How the elements of an array follow each other in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The last index runs fastest (row-major).
    C,
    /// The first index runs fastest (column-major).
    Fortran,
}

/// A contiguous n-dimensional array: an element type, a shape, an order, and bytes.
///
/// Cloning shares the bytes. A 0-dimensional array holds one element.
#[derive(Clone, PartialEq, Eq)]
pub struct NdArray {
    dtype: DType,
    shape: Vec<usize>,
    order: Order,
    data: Bytes,
}

impl NdArray {
    /// An array over `data`, which must be exactly as long as `shape` and `dtype` say.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the length disagrees or the shape overflows.
    pub fn new(dtype: DType, shape: Vec<usize>, order: Order, data: impl Into<Bytes>) -> Result<Self> {
        let data = data.into();
        let expected = byte_length(&dtype, &shape);
        if expected != Some(data.len()) {
            let expected = expected.map_or("more than memory can hold".to_owned(), |n| n.to_string());
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "an array of shape {shape:?} and type {dtype} needs {expected} bytes, {} are there",
                    data.len()
                ),
            ));
        }
        Ok(NdArray { dtype, shape, order, data })
    }

    /// A one-dimensional array of 64-bit floats.
    pub fn from_f64(values: &[f64]) -> Self {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        NdArray { dtype: DType::F64, shape: vec![values.len()], order: Order::C, data: data.into() }
    }

    /// The elements as 64-bit floats in their order in memory, whatever real number type they are
    /// stored in; nothing for complex numbers, times, text and records.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        let scalar = self.dtype.as_scalar()?;
        let numeric = matches!(scalar.kind, Kind::Bool | Kind::Int | Kind::UInt | Kind::Float) && scalar.size <= 8;
        if !numeric || scalar.size == 0 {
            return None;
        }
        self.data
            .chunks_exact(scalar.size)
            .map(|element| match element_value(scalar, element)? {
                Value::Bool(value) => Some(f64::from(u8::from(value))),
                Value::Int(value) => Some(value as f64),
                Value::BigInt(value) => value.to_string().parse().ok(),
                Value::Float(value) => Some(value),
                _ => None,
            })
            .collect()
    }

    /// The element type.
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// The extents; nothing for a 0-dimensional array.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How the elements follow each other.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The bytes of all elements.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of bytes of all elements.
    pub fn nbytes(&self) -> usize {
        self.data.len()
    }

    /// The single element of a 0-dimensional `datetime64` array: NULL for NaT, else a [`Value::DateTime`];
    /// nothing if it is no such array, is finer than a microsecond, or lies outside the years 1 to 9999.
    pub fn to_datetime(&self) -> Option<Value> {
        let (ticks, unit) = self.ticks(Kind::DateTime)?;
        if ticks == i64::MIN {
            return Some(Value::Null);
        }
        crate::temporal::since_1970(ticks, unit).map(Value::DateTime)
    }

    /// The microseconds of a 0-dimensional array of a span of time; nothing if it is finer than that, or none.
    pub fn to_microseconds(&self) -> Option<i64> {
        let (ticks, unit) = self.ticks(Kind::TimeDelta).filter(|(ticks, _)| *ticks != i64::MIN)?;
        // A span is the distance of a moment from 1970, of units that all have one length.
        let moment = crate::temporal::since_1970(ticks, unit).filter(|_| !matches!(unit.name.as_str(), "Y" | "M"))?;
        Some(crate::microseconds_from_datetime(moment))
    }

    fn ticks(&self, kind: Kind) -> Option<(i64, &crate::TimeUnit)> {
        let scalar = self.dtype.as_scalar().filter(|scalar| scalar.kind == kind && self.shape.is_empty())?;
        let bytes: [u8; 8] = self.data[..].try_into().ok()?;
        let big = scalar.byte_order == ByteOrder::Big;
        Some((if big { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) }, scalar.unit.as_ref()?))
    }

    /// The single element of a 0-dimensional array of numbers, booleans, bytes or text, as a plain value.
    ///
    /// Times are another matter: see [`NdArray::to_datetime`].
    pub fn to_scalar(&self) -> Option<Value> {
        if !self.shape.is_empty() {
            return None;
        }
        element_value(self.dtype.as_scalar()?, &self.data)
    }
}

/// The bytes that an array of this type and shape takes, unless that overflows.
fn byte_length(dtype: &DType, shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(dtype.itemsize(), |size, extent| size.checked_mul(*extent))
}

fn element_value(scalar: &crate::Scalar, element: &[u8]) -> Option<Value> {
    let mut bytes = element.to_vec();
    if scalar.byte_order == ByteOrder::Big {
        let part = match scalar.kind {
            Kind::Complex => scalar.size / 2,
            Kind::Text => 4,
            _ => scalar.size,
        };
        bytes.chunks_exact_mut(part).for_each(<[u8]>::reverse);
    }
    Some(match (scalar.kind, scalar.size) {
        (Kind::Bool, _) => Value::Bool(bytes[0] != 0),
        (Kind::Int, _) => Value::integer(BigInt::from_le_bytes(&bytes)),
        (Kind::UInt, _) => {
            bytes.push(0);
            Value::integer(BigInt::from_le_bytes(&bytes))
        }
        (Kind::Float, 2) => Value::Float(half(u16::from_le_bytes(bytes.try_into().ok()?))),
        (Kind::Float, 4) => Value::Float(f64::from(f32::from_le_bytes(bytes.try_into().ok()?))),
        (Kind::Float, 8) => Value::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        (Kind::Complex, 8) => Value::Complex(Complex {
            re: f64::from(f32::from_le_bytes(bytes[..4].try_into().ok()?)),
            im: f64::from(f32::from_le_bytes(bytes[4..].try_into().ok()?)),
        }),
        (Kind::Complex, 16) => Value::Complex(Complex {
            re: f64::from_le_bytes(bytes[..8].try_into().ok()?),
            im: f64::from_le_bytes(bytes[8..].try_into().ok()?),
        }),
        (Kind::Bytes, _) => {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            Value::Bytes(Bytes::copy_from_slice(&bytes[..end]))
        }
        (Kind::Text, _) => {
            let characters: Option<String> =
                bytes.chunks_exact(4).map(|c| char::from_u32(u32::from_le_bytes([c[0], c[1], c[2], c[3]]))).collect();
            Value::Text(characters?.trim_end_matches('\0').to_owned())
        }
        _ => return None,
    })
}

/// The value of an IEEE-754 half-precision number.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

impl fmt::Debug for NdArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NdArray({}, {:?}, {:?})", self.dtype, self.shape, self.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_must_agree() {
        assert!(NdArray::new(DType::F64, vec![2, 3], Order::C, vec![0; 48]).is_ok());
        let error = NdArray::new(DType::F64, vec![2, 3], Order::C, vec![0; 47]).unwrap_err();
        assert_eq!(error.message(), "an array of shape [2, 3] and type <f8 needs 48 bytes, 47 are there");
        assert!(NdArray::new(DType::F64, vec![usize::MAX, 2], Order::C, vec![]).is_err());
        assert!(NdArray::new(DType::F64, vec![usize::MAX, 0], Order::C, vec![]).is_ok());
    }

    #[test]
    fn zero_dimensional_arrays_become_scalars() {
        let scalar = |dtype: &str, data: &[u8]| {
            NdArray::new(DType::parse(dtype).unwrap(), vec![], Order::C, data.to_vec()).unwrap().to_scalar()
        };
        assert_eq!(scalar("<i2", &[0xff, 0xff]), Some(Value::Int(-1)));
        assert_eq!(scalar(">u2", &[0x01, 0x02]), Some(Value::Int(258)));
        assert_eq!(scalar("<u8", &[0xff; 8]), Some(Value::BigInt(BigInt::from(u64::MAX))));
        assert_eq!(scalar("<f2", &0x3e00u16.to_le_bytes()), Some(Value::Float(1.5)));
        assert_eq!(scalar("<f4", &1.5f32.to_le_bytes()), Some(Value::Float(1.5)));
        assert_eq!(scalar("<U2", &[0x61, 0, 0, 0, 0, 0, 0, 0]), Some(Value::Text("a".into())));
        assert_eq!(scalar("<M8[ns]", &[0; 8]), None);
    }

    #[test]
    fn times_without_dimensions_are_moments() {
        let moment = |dtype: &str, ticks: i64| {
            NdArray::new(DType::parse(dtype).unwrap(), vec![], Order::C, ticks.to_le_bytes().to_vec())
                .unwrap()
                .to_datetime()
        };
        let day = |year, month, day| Some(Value::DateTime(jiff::civil::date(year, month, day).at(0, 0, 0, 0)));
        assert_eq!(moment("<M8[D]", 19782), day(2024, 2, 29));
        assert_eq!(moment("<M8[M]", -1), day(1969, 12, 1));
        assert_eq!(moment("<M8[Y]", 54), day(2024, 1, 1));
        assert_eq!(moment("<M8[W]", 1), day(1970, 1, 8));
        assert_eq!(moment("<M8[25s]", 3456), day(1970, 1, 2));
        assert_eq!(moment("<M8[ns]", 1_500), None);
        let micros = jiff::civil::date(1969, 12, 31).at(23, 59, 59, 999_999_000);
        assert_eq!(moment("<M8[ns]", -1_000), Some(Value::DateTime(micros)));
        assert_eq!(moment("<M8[us]", i64::MIN), Some(Value::Null));
        assert_eq!(moment("<M8[D]", i64::MAX), None);
        assert_eq!(moment("<M8", 1), None);
        assert_eq!(moment("<m8[s]", 1), None);
    }

    #[test]
    fn numbers_convert_to_floats() {
        let array = NdArray::new(DType::parse("<u2").unwrap(), vec![2], Order::C, vec![1, 0, 0, 1]).unwrap();
        assert_eq!(array.to_f64(), Some(vec![1.0, 256.0]));
    }
}
