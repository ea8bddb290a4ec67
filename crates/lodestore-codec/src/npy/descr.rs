//! Element types as NumPy describes them: in a header, in JSON, and in words.

use lodestore_types::{ByteOrder, DType, Error, ErrorKind, Field, Kind, Result, Scalar};
use serde_json::{Value as Json, json};

use super::literal::{self, quoted};

/// How deep structured types may nest.
const MAX_DEPTH: usize = 16;

/// Reads an element type from any text that NumPy gives for one: a name such as `float64` or
/// `datetime64[D]`, array-protocol text such as `>f8`, or the list of the fields of a structured type.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for object types and what is no element type.
pub fn parse_dtype(text: &str) -> Result<DType> {
    let text = text.trim();
    if text.starts_with('[') {
        return from_descr(&literal::parse(text)?);
    }
    match named(text) {
        Some(dtype) => Ok(dtype),
        None => DType::parse(text),
    }
}

/// The name that NumPy prints for an element type: `float64`, `>f8`, `<U2`, `datetime64[D]`, or the
/// list of the fields.
pub fn dtype_name(dtype: &DType) -> String {
    let DType::Scalar(scalar) = dtype else { return fields_text(dtype, Spelling::Name) };
    let family = match scalar.kind {
        _ if scalar.byte_order == ByteOrder::Big => return scalar.to_string(),
        Kind::Bool => return "bool".to_owned(),
        Kind::Int => "int",
        Kind::UInt => "uint",
        Kind::Float => "float",
        Kind::Complex => "complex",
        Kind::DateTime | Kind::TimeDelta => {
            let name = if scalar.kind == Kind::DateTime { "datetime64" } else { "timedelta64" };
            let text = scalar.to_string();
            return format!("{name}{}", text.find('[').map_or("", |start| &text[start..]));
        }
        Kind::Bytes | Kind::Text | Kind::Void => return scalar.to_string(),
    };
    format!("{family}{}", scalar.size * 8)
}

/// The array-protocol description as JSON: a text, or a list of the fields.
pub fn descr_json(dtype: &DType) -> Json {
    let fields = match dtype {
        DType::Scalar(scalar) => return scalar.to_string().into(),
        DType::Record(fields) => fields,
    };
    let field = |field: &Field| {
        let name = match &field.title {
            Some(title) => json!([title, field.name]),
            None => json!(field.name),
        };
        match field.shape.is_empty() {
            true => json!([name, descr_json(&field.dtype)]),
            false => json!([name, descr_json(&field.dtype), field.shape]),
        }
    };
    fields.iter().map(field).collect()
}

/// The array-protocol description as Python prints it.
pub(super) fn descr_text(dtype: &DType) -> String {
    fields_text(dtype, Spelling::Descr)
}

/// NumPy spells the types of fields a little shorter when it prints than in a file.
#[derive(Clone, Copy, PartialEq)]
enum Spelling {
    Descr,
    Name,
}

fn fields_text(dtype: &DType, spelling: Spelling) -> String {
    let fields = match dtype {
        DType::Scalar(scalar) if spelling == Spelling::Name => {
            return match scalar.kind {
                Kind::Bool => "'?'".to_owned(),
                _ => format!("'{}'", scalar.to_string().trim_start_matches('|')),
            };
        }
        DType::Scalar(scalar) => return format!("'{scalar}'"),
        DType::Record(fields) => fields,
    };
    let field = |field: &Field| {
        let name = match &field.title {
            Some(title) => format!("({}, {})", quoted(title), quoted(&field.name)),
            None => quoted(&field.name),
        };
        let shape = match field.shape.is_empty() {
            true => String::new(),
            false => format!(", {}", shape_text(&field.shape)),
        };
        format!("({name}, {}{shape})", fields_text(&field.dtype, spelling))
    };
    format!("[{}]", fields.iter().map(field).collect::<Vec<_>>().join(", "))
}

/// A shape as Python prints a tuple.
pub(super) fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        shape => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Reads a description that came as a literal or as JSON.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for object types and what is no element type.
pub fn from_descr(descr: &Json) -> Result<DType> {
    read(descr, 0)
}

fn read(descr: &Json, depth: usize) -> Result<DType> {
    match descr {
        Json::String(text) if text.contains('O') => {
            Err(Error::new(ErrorKind::Unsupported, format!("elements of type `{}` are objects", text.escape_debug()))
                .with_hint("objects are pickled Python, which is never run"))
        }
        Json::String(text) => DType::parse(text),
        Json::Array(fields) if depth < MAX_DEPTH => {
            let fields = fields.iter().map(|field| read_field(field, depth)).collect::<Result<Vec<_>>>()?;
            Ok(DType::Record(fields))
        }
        _ => Err(no_type(descr)),
    }
}

fn read_field(field: &Json, depth: usize) -> Result<Field> {
    let parts = field.as_array().filter(|parts| matches!(parts.len(), 2 | 3)).ok_or_else(|| no_type(field))?;
    let (title, name) = match &parts[0] {
        Json::String(name) => (None, name),
        Json::Array(pair) => match &pair[..] {
            [Json::String(title), Json::String(name)] => (Some(title.clone()), name),
            _ => return Err(no_type(field)),
        },
        _ => return Err(no_type(field)),
    };
    let shape = match parts.get(2) {
        Some(Json::Number(one)) => Some(vec![one.as_u64().and_then(|one| usize::try_from(one).ok())]),
        Some(Json::Array(shape)) => {
            Some(shape.iter().map(|n| n.as_u64().and_then(|n| usize::try_from(n).ok())).collect())
        }
        Some(_) => None,
        None => Some(vec![]),
    };
    let shape: Option<Vec<usize>> = shape.and_then(|shape| shape.into_iter().collect());
    let shape = shape.filter(|shape| shape.len() <= super::MAX_NDIM).ok_or_else(|| no_type(field))?;
    Ok(Field { name: name.clone(), title, dtype: read(&parts[1], depth + 1)?, shape })
}

fn no_type(descr: &Json) -> Error {
    let text: String = descr.to_string().chars().take(60).collect();
    Error::new(ErrorKind::Unsupported, format!("`{text}` does not describe an element type"))
}

/// The types that NumPy prints by name.
fn named(text: &str) -> Option<DType> {
    for (name, kind) in [("datetime64", 'M'), ("timedelta64", 'm')] {
        if let Some(unit) = text.strip_prefix(name) {
            return DType::parse(&format!("<{kind}8{unit}")).ok();
        }
    }
    if text == "bool" {
        return Some(DType::native(Kind::Bool, 1));
    }
    let digits = text.find(|c: char| c.is_ascii_digit())?;
    let bits: usize = text[digits..].parse().ok()?;
    let kind = match &text[..digits] {
        "int" => Kind::Int,
        "uint" => Kind::UInt,
        "float" => Kind::Float,
        "complex" => Kind::Complex,
        _ => return None,
    };
    let dtype = Scalar { kind, size: bits / 8, byte_order: ByteOrder::Little, unit: None }.to_string();
    if bits.is_multiple_of(8) { DType::parse(&dtype).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_numpy_and_are_read_back() {
        for (descr, name) in [
            ("<f8", "float64"),
            ("<f2", "float16"),
            (">f8", ">f8"),
            ("|b1", "bool"),
            ("|i1", "int8"),
            ("<u8", "uint64"),
            ("<c16", "complex128"),
            ("<U2", "<U2"),
            ("|S2", "|S2"),
            ("|V3", "|V3"),
            ("<M8[D]", "datetime64[D]"),
            ("<M8[25s]", "datetime64[25s]"),
            ("<M8", "datetime64"),
            ("<m8[ns]", "timedelta64[ns]"),
            (">M8[D]", ">M8[D]"),
            ("<f16", "float128"),
        ] {
            let dtype = DType::parse(descr).unwrap();
            assert_eq!(dtype_name(&dtype), name);
            assert_eq!(parse_dtype(name).unwrap(), dtype);
            assert_eq!(from_descr(&descr_json(&dtype)).unwrap(), dtype);
        }
        let structured = "[('a', '<i4'), ('', 'V4'), (('title', 'b'), '<f8', (3,)), ('n', [('p', '?')], (2, 2))]";
        let dtype = parse_dtype(structured).unwrap();
        assert_eq!(dtype_name(&dtype), structured);
        assert_eq!(dtype.itemsize(), 4 + 4 + 24 + 4);
        assert_eq!(from_descr(&descr_json(&dtype)).unwrap(), dtype);
    }

    #[test]
    fn what_is_no_type_is_refused() {
        let deep = "[('a', ".repeat(40) + "'<f8'" + &")]".repeat(40);
        for text in [
            "object",
            "O",
            "|O",
            "[('a', '|O')]",
            "float",
            "float7",
            "int3",
            "datetime64[x]",
            "[1]",
            "[('a',)]",
            "",
            &deep,
        ] {
            assert!(parse_dtype(text).is_err(), "{text}");
        }
    }
}
