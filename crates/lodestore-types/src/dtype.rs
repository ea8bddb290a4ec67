//! Element types of arrays, in the vocabulary of NumPy.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// The family of a scalar element type; the letter is NumPy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `b`: one byte, 0 or 1.
    Bool,
    /// `i`: signed integers of 1, 2, 4 or 8 bytes.
    Int,
    /// `u`: unsigned integers of 1, 2, 4 or 8 bytes.
    UInt,
    /// `f`: IEEE-754 floats of 2, 4, 8 bytes, or the platform's 16-byte long double.
    Float,
    /// `c`: pairs of floats, real part first.
    Complex,
    /// `M`: 64-bit counts of a [`TimeUnit`] since 1970.
    DateTime,
    /// `m`: 64-bit counts of a [`TimeUnit`].
    TimeDelta,
    /// `S`: bytes, padded with zeros.
    Bytes,
    /// `U`: text of UCS-4 characters, padded with zeros; the size is in bytes, four a character.
    Text,
    /// `V`: bytes without meaning.
    Void,
}

impl Kind {
    /// NumPy's letter.
    pub fn letter(self) -> char {
        match self {
            Kind::Bool => 'b',
            Kind::Int => 'i',
            Kind::UInt => 'u',
            Kind::Float => 'f',
            Kind::Complex => 'c',
            Kind::DateTime => 'M',
            Kind::TimeDelta => 'm',
            Kind::Bytes => 'S',
            Kind::Text => 'U',
            Kind::Void => 'V',
        }
    }

    fn from_letter(letter: char) -> Option<Kind> {
        Some(match letter {
            'b' => Kind::Bool,
            'i' => Kind::Int,
            'u' => Kind::UInt,
            'f' => Kind::Float,
            'c' => Kind::Complex,
            'M' => Kind::DateTime,
            'm' => Kind::TimeDelta,
            'S' | 'a' => Kind::Bytes,
            'U' => Kind::Text,
            'V' => Kind::Void,
            _ => return None,
        })
    }
}

/// The order of the bytes of one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// `<`
    Little,
    /// `>`
    Big,
    /// `|`: elements of single bytes have none.
    None,
}

/// The unit of a `datetime64` or `timedelta64`, such as `ns` or `25s`; an empty name is generic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimeUnit {
    /// How many of `name` make one tick; 1 as a rule.
    pub count: u32,
    /// `Y M W D h m s ms us ns ps fs as`, or nothing.
    pub name: String,
}

/// A scalar element type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scalar {
    /// The family.
    pub kind: Kind,
    /// Bytes an element takes.
    pub size: usize,
    /// The order of those bytes.
    pub byte_order: ByteOrder,
    /// The unit, for `datetime64` and `timedelta64` only.
    pub unit: Option<TimeUnit>,
}

/// One field of a structured element type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// The name; nothing for padding.
    pub name: String,
    /// NumPy's optional title, a second name.
    pub title: Option<String>,
    /// The type of the field's elements.
    pub dtype: DType,
    /// The shape of a sub-array, nothing for a scalar field.
    pub shape: Vec<usize>,
}

/// The type of the elements of an [`NdArray`](crate::NdArray).
///
/// Object arrays have no `DType`: their elements are values, see
/// [`ObjectArray`](crate::ObjectArray).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DType {
    /// Elements of one part.
    Scalar(Scalar),
    /// Elements of named fields, one behind the other; gaps are fields without a name.
    Record(Vec<Field>),
}

impl DType {
    /// Little-endian 64-bit floats, the commonest of all.
    pub const F64: DType = DType::native(Kind::Float, 8);

    /// A little-endian scalar of `size` bytes without a unit.
    pub const fn native(kind: Kind, size: usize) -> DType {
        let byte_order = match (kind, size) {
            (Kind::Bytes | Kind::Void | Kind::Bool, _) | (_, 1) => ByteOrder::None,
            _ => ByteOrder::Little,
        };
        DType::Scalar(Scalar { kind, size, byte_order, unit: None })
    }

    /// Little-endian `datetime64` ticks of `unit`.
    pub fn datetime64(unit: &str) -> DType {
        DType::Scalar(Scalar {
            kind: Kind::DateTime,
            size: 8,
            byte_order: ByteOrder::Little,
            unit: Some(TimeUnit { count: 1, name: unit.to_owned() }),
        })
    }

    /// Reads NumPy's array-protocol text of a scalar type, such as `<f8`, `|b1` or `<M8[ns]`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for object types and text that is no such type.
    pub fn parse(text: &str) -> Result<DType> {
        Scalar::parse(text).map(DType::Scalar).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!("`{}` is not an element type that can be stored", crate::value::shorten(text)),
            )
        })
    }

    /// Bytes an element takes.
    pub fn itemsize(&self) -> usize {
        match self {
            DType::Scalar(scalar) => scalar.size,
            DType::Record(fields) => fields.iter().map(Field::size).fold(0, usize::saturating_add),
        }
    }

    /// The scalar type, if this is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match self {
            DType::Scalar(scalar) => Some(scalar),
            DType::Record(_) => None,
        }
    }
}

impl Field {
    /// Bytes the field takes in each element.
    pub fn size(&self) -> usize {
        self.shape.iter().fold(self.dtype.itemsize(), |size, extent| size.saturating_mul(*extent))
    }
}

impl Scalar {
    fn parse(text: &str) -> Option<Scalar> {
        let mut rest = text;
        let order = match text.as_bytes().first()? {
            b'<' | b'=' => ByteOrder::Little,
            b'>' => ByteOrder::Big,
            b'|' => ByteOrder::None,
            _ => ByteOrder::Little,
        };
        if text.starts_with(['<', '>', '=', '|']) {
            rest = &text[1..];
        }
        let mut letters = rest.chars();
        let letter = letters.next()?;
        let rest = letters.as_str();
        if letter == '?' && rest.is_empty() {
            return Some(Scalar { kind: Kind::Bool, size: 1, byte_order: ByteOrder::None, unit: None });
        }
        let kind = Kind::from_letter(letter)?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (count, unit) = rest.split_at(digits);
        let count: usize = count.parse().ok()?;
        let size = if kind == Kind::Text { count.checked_mul(4)? } else { count };
        let sound = match kind {
            Kind::Bool => size == 1,
            Kind::Int | Kind::UInt => matches!(size, 1 | 2 | 4 | 8),
            Kind::Float => matches!(size, 2 | 4 | 8 | 12 | 16),
            Kind::Complex => matches!(size, 8 | 16 | 24 | 32),
            Kind::DateTime | Kind::TimeDelta => size == 8,
            Kind::Bytes | Kind::Text | Kind::Void => size < 1 << 31,
        };
        let timed = matches!(kind, Kind::DateTime | Kind::TimeDelta);
        let unit = match unit.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) if timed => Some(TimeUnit::parse(inner)?),
            None if unit.is_empty() => timed.then(|| TimeUnit { count: 1, name: String::new() }),
            _ => return None,
        };
        let single = size == 1 || matches!(kind, Kind::Bytes | Kind::Void);
        let byte_order = match order {
            _ if single => ByteOrder::None,
            ByteOrder::None => ByteOrder::Little,
            order => order,
        };
        sound.then_some(Scalar { kind, size, byte_order, unit })
    }
}

impl TimeUnit {
    const NAMES: [&'static str; 13] = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"];

    fn parse(text: &str) -> Option<TimeUnit> {
        let name = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let count = &text[..text.len() - name.len()];
        let count = if count.is_empty() { 1 } else { count.parse().ok()? };
        Self::NAMES.contains(&name).then(|| TimeUnit { count, name: name.to_owned() })
    }
}

impl fmt::Display for Scalar {
    /// NumPy's array-protocol text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.byte_order {
            ByteOrder::Little => '<',
            ByteOrder::Big => '>',
            ByteOrder::None => '|',
        };
        let count = if self.kind == Kind::Text { self.size / 4 } else { self.size };
        write!(f, "{order}{}{count}", self.kind.letter())?;
        match &self.unit {
            Some(TimeUnit { name, .. }) if name.is_empty() => Ok(()),
            Some(TimeUnit { count: 1, name }) => write!(f, "[{name}]"),
            Some(TimeUnit { count, name }) => write!(f, "[{count}{name}]"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for DType {
    /// NumPy's array-protocol description: text for a scalar, a list of tuples for a record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DType::Scalar(scalar) => scalar.fmt(f),
            DType::Record(fields) => {
                f.write_str("[")?;
                for (index, field) in fields.iter().enumerate() {
                    f.write_str(if index == 0 { "(" } else { ", (" })?;
                    match &field.title {
                        Some(title) => write!(f, "({}, {})", quoted(title), quoted(&field.name))?,
                        None => f.write_str(&quoted(&field.name))?,
                    }
                    match &field.dtype {
                        DType::Scalar(scalar) => write!(f, ", '{scalar}'")?,
                        record => write!(f, ", {record}")?,
                    }
                    if !field.shape.is_empty() {
                        let extents: Vec<_> = field.shape.iter().map(usize::to_string).collect();
                        let comma = if extents.len() == 1 { "," } else { "" };
                        write!(f, ", ({}{comma})", extents.join(", "))?;
                    }
                    f.write_str(")")?;
                }
                f.write_str("]")
            }
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_texts_round_trip() {
        for text in [
            "<f8", ">f4", "|b1", "|i1", "|u1", "<i2", "<c16", "<M8[ns]", "<M8[25s]", "<m8", ">M8[D]", "|S5", "<U3",
            "|V4", "<f2", "<f16",
        ] {
            assert_eq!(DType::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(DType::parse("?").unwrap().to_string(), "|b1");
        assert_eq!(DType::parse("|U2").unwrap().to_string(), "<U2");
        assert_eq!(DType::parse("<U3").unwrap().itemsize(), 12);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "O", "|O", "<f3", "<i16", "<M8[xs]", "<f8[ns]", "f", "<U99999999999", "<é8", "<M8[", "[('a', 1)]"]
        {
            assert!(DType::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn records_print_as_numpy_describes_them() {
        let field = |name: &str, text: &str, shape: &[usize]| Field {
            name: name.into(),
            title: None,
            dtype: DType::parse(text).unwrap(),
            shape: shape.to_vec(),
        };
        let dtype = DType::Record(vec![field("a", "<i4", &[]), field("it's", "<f8", &[3]), field("m", "|u1", &[2, 2])]);
        assert_eq!(dtype.to_string(), r"[('a', '<i4'), ('it\'s', '<f8', (3,)), ('m', '|u1', (2, 2))]");
        assert_eq!(dtype.itemsize(), 4 + 24 + 4);
    }
}
