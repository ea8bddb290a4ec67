//! Arrays as columns: what NumPy's arrays and the columns of data frames are to an insert.

use lodestore_types::{ByteOrder, DType, Kind, NdArray, Order, Scalar, TimeUnit, Value};

use crate::{Column, ColumnData, Strings};

impl Column {
    /// The elements of an array along its first dimension as cells; `None` for an array without one, or in Fortran order.
    ///
    /// Integers, floats, bools, texts and times become typed cells; elements of other types, and those of arrays of more
    /// dimensions, are arrays of their own, which share the memory.
    pub fn from_array(array: &NdArray) -> Option<Column> {
        let (rows, inner) = array.shape().split_first()?;
        if !inner.is_empty() && array.order() == Order::Fortran {
            return None;
        }
        let typed = match array.dtype() {
            DType::Scalar(scalar) if inner.is_empty() => typed(scalar, array.data(), *rows),
            _ => None,
        };
        typed.or_else(|| {
            let size = array.dtype().itemsize() * inner.iter().product::<usize>();
            let cell = |row: usize| {
                let data = array.data().slice(row * size..(row + 1) * size);
                NdArray::new(array.dtype().clone(), inner.to_vec(), Order::C, data).ok().map(Value::Array)
            };
            let values = (0..*rows).map(cell).collect::<Option<_>>()?;
            Some(Column { data: ColumnData::Values(values), nulls: None })
        })
    }
}

macro_rules! numbers {
    ($type:ty, $scalar:expr, $data:expr) => {{
        let chunks = $data.chunks_exact(size_of::<$type>());
        let bytes = |chunk: &[u8]| -> [u8; size_of::<$type>()] { chunk.try_into().unwrap_or_default() };
        match $scalar.byte_order {
            ByteOrder::Big => chunks.map(|chunk| <$type>::from_be_bytes(bytes(chunk))).collect::<Vec<$type>>(),
            _ => chunks.map(|chunk| <$type>::from_le_bytes(bytes(chunk))).collect::<Vec<$type>>(),
        }
    }};
}

/// The cells of a column that has a type for them all.
fn typed(scalar: &Scalar, data: &[u8], rows: usize) -> Option<Column> {
    fn wide<T: Into<i64>>(numbers: Vec<T>) -> ColumnData {
        ColumnData::Int(numbers.into_iter().map(Into::into).collect())
    }
    let data = match (scalar.kind, scalar.size) {
        (Kind::Bool, 1) => ColumnData::Bool(data.iter().map(|byte| *byte != 0).collect()),
        (Kind::Int, 1) => wide(numbers!(i8, scalar, data)),
        (Kind::Int, 2) => wide(numbers!(i16, scalar, data)),
        (Kind::Int, 4) => wide(numbers!(i32, scalar, data)),
        (Kind::Int, 8) => ColumnData::Int(numbers!(i64, scalar, data)),
        (Kind::UInt, 1) => wide(numbers!(u8, scalar, data)),
        (Kind::UInt, 2) => wide(numbers!(u16, scalar, data)),
        (Kind::UInt, 4) => wide(numbers!(u32, scalar, data)),
        (Kind::UInt, 8) => {
            let numbers = numbers!(u64, scalar, data).into_iter().map(i64::try_from);
            ColumnData::Int(numbers.collect::<Result<_, _>>().ok()?)
        }
        (Kind::Float, 4) => ColumnData::Float(numbers!(f32, scalar, data).into_iter().map(f64::from).collect()),
        (Kind::Float, 8) => ColumnData::Float(numbers!(f64, scalar, data)),
        (Kind::Text, size) if size > 0 => ColumnData::Text(texts(scalar, data, size)?),
        (Kind::DateTime, 8) => return moments(scalar.unit.as_ref()?, &numbers!(i64, scalar, data)),
        _ => return None,
    };
    let column = Column { data, nulls: None };
    (column.len() == rows).then_some(column)
}

/// Texts of UCS-4 characters, padded with zeros.
fn texts(scalar: &Scalar, data: &[u8], size: usize) -> Option<Strings> {
    let mut texts = Strings::default();
    let mut buffer = [0; 4];
    for cell in data.chunks_exact(size) {
        let mut characters = numbers!(u32, scalar, cell);
        let length = characters.iter().rposition(|character| *character != 0).map_or(0, |last| last + 1);
        characters.truncate(length);
        for character in characters {
            texts.bytes.extend_from_slice(char::from_u32(character)?.encode_utf8(&mut buffer).as_bytes());
        }
        texts.offsets.push(texts.bytes.len() as i64);
    }
    Some(texts)
}

/// Times as microseconds; not-a-time is NULL. `None` if one of them is finer, or too far away.
fn moments(unit: &TimeUnit, ticks: &[i64]) -> Option<Column> {
    let (multiple, divisor) = match unit.name.as_str() {
        "W" => (604_800_000_000, 1),
        "D" => (86_400_000_000, 1),
        "h" => (3_600_000_000, 1),
        "m" => (60_000_000, 1),
        "s" => (1_000_000, 1),
        "ms" => (1_000, 1),
        "us" => (1, 1),
        "ns" => (1, 1_000),
        _ => return None,
    };
    let multiple = i64::from(unit.count).checked_mul(multiple)?;
    let mut column = Column { data: ColumnData::DateTime(Vec::new()), nulls: None };
    for tick in ticks {
        if *tick == i64::MIN {
            column.push_null();
            continue;
        }
        let scaled = tick.checked_mul(multiple)?;
        if scaled % divisor != 0 {
            return None;
        }
        if let ColumnData::DateTime(moments) = &mut column.data {
            moments.push(scaled / divisor);
        }
        column.push_valid();
    }
    Some(column)
}

#[cfg(test)]
mod tests {
    use lodestore_types::parse_datetime;

    use super::*;

    fn column(dtype: &str, shape: &[usize], data: Vec<u8>) -> Column {
        let array = NdArray::new(DType::parse(dtype).unwrap(), shape.to_vec(), Order::C, data).unwrap();
        Column::from_array(&array).unwrap()
    }

    #[test]
    fn elements_become_cells() {
        assert_eq!(column(">i2", &[2], vec![0, 1, 255, 255]).data, ColumnData::Int(vec![1, -1]));
        assert_eq!(column("|b1", &[2], vec![0, 1]).data, ColumnData::Bool(vec![false, true]));
        assert_eq!(column("<f4", &[1], 0.5f32.to_le_bytes().to_vec()).data, ColumnData::Float(vec![0.5]));
        let text: Vec<u8> = ['é', '\0', 'a', 'b'].iter().flat_map(|c| (*c as u32).to_le_bytes()).collect();
        let texts = column("<U2", &[2], text);
        assert_eq!([texts.value(0), texts.value(1)], ["é".into(), "ab".into()]);
        let moments = [1_500_000_000i64, i64::MIN].iter().flat_map(|tick| tick.to_le_bytes()).collect::<Vec<u8>>();
        let times = column("<M8[ns]", &[2], moments);
        assert_eq!(times.value(0), Value::DateTime(parse_datetime("1970-01-01 00:00:01.5").unwrap()));
        assert!(times.value(1).is_null());
    }

    #[test]
    fn what_has_no_type_of_cells_stays_an_array() {
        let rows = column("<i2", &[2, 2], vec![1, 0, 2, 0, 3, 0, 4, 0]);
        let Value::Array(second) = rows.value(1) else { panic!() };
        assert_eq!((second.shape(), second.to_f64()), (&[2][..], Some(vec![3.0, 4.0])));
        assert_eq!(column("<u8", &[1], u64::MAX.to_le_bytes().to_vec()).value(0).type_name(), "array");
        assert_eq!(column("<M8[ns]", &[1], 1i64.to_le_bytes().to_vec()).value(0).type_name(), "array");
    }
}
