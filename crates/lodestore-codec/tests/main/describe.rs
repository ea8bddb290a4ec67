//! The type-tagged description of a value that the golden files use.

use lodestore_types::{DType, Kind, NdArray, ObjectArrayKind, Order, StructArray, Value};
use serde_json::{Value as Json, json};

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// What the golden file would say about `value`.
pub fn describe(value: &Value) -> Json {
    let all = |values: &[Value]| values.iter().map(describe).collect::<Vec<_>>();
    match value {
        Value::Null => json!({"t": "none"}),
        Value::Bool(value) => json!({"t": "bool", "v": value}),
        Value::Int(value) => json!({"t": "int", "v": python_hex(i128::from(*value))}),
        Value::BigInt(value) => json!({"t": "int", "v": big_hex(value.as_le_bytes())}),
        Value::Float(value) => json!({"t": "float", "hex_le": hex(&value.to_le_bytes())}),
        Value::Complex(value) => {
            json!({"t": "complex", "hex_le": hex(&value.re.to_le_bytes()) + &hex(&value.im.to_le_bytes())})
        }
        Value::Decimal(value) => json!({"t": "decimal", "v": value.as_str()}),
        Value::Text(text) => json!({"t": "str", "v": text}),
        Value::Bytes(bytes) => json!({"t": "bytes", "hex": hex(bytes)}),
        Value::Uuid(uuid) => json!({"t": "uuid", "v": uuid.to_string()}),
        Value::Date(date) => json!({"t": "date", "v": date.to_string()}),
        Value::Time(time) => json!({"t": "time", "v": time.to_string()}),
        Value::DateTime(moment) => json!({"t": "datetime", "v": moment.to_string()}),
        Value::List(items) => json!({"t": "list", "items": all(items)}),
        Value::Tuple(items) => json!({"t": "tuple", "items": all(items)}),
        Value::Set(items) => {
            let mut items = all(items);
            items.sort_by_key(Json::to_string);
            json!({"t": "set", "items_sorted": items})
        }
        Value::Dict(pairs) => {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| json!([describe(key), describe(value)])).collect();
            json!({"t": "dict", "pairs": pairs})
        }
        Value::Array(array) => describe_array(array),
        Value::Objects(array) => {
            let name = if array.kind == ObjectArrayKind::Cell { "MatCell" } else { "ndarray" };
            json!({"t": name, "dtype": "O", "shape": array.shape, "items": all(&array.items)})
        }
        Value::Struct(array) => {
            let fields: Vec<_> = (0..array.fields.len()).map(|index| struct_field(array, index)).collect();
            json!({"t": "MatStruct", "shape": array.shape, "fields": fields})
        }
        Value::Records(array) => {
            let field = |(name, content): &(String, Value)| {
                let mut content = describe(content);
                // Inside a record array, the golden file calls 0-d fields and nested records plainly `ndarray`.
                content["t"] = "ndarray".into();
                if let Some(hex) = content.as_object_mut().and_then(|content| content.remove("hex")) {
                    content["shape"] = json!([]);
                    content["c_order_hex"] = hex;
                }
                json!([name, content])
            };
            json!({"t": "recarray", "shape": array.shape, "fields": array.fields.iter().map(field).collect::<Vec<_>>()})
        }
        other => panic!("no description of {other}"),
    }
}

fn struct_field(array: &StructArray, index: usize) -> Json {
    let items: Vec<_> = array.items.iter().map(|item| describe(&item[index])).collect();
    json!([array.fields[index], {"t": "ndarray", "dtype": "O", "shape": array.shape, "items": items}])
}

fn describe_array(array: &NdArray) -> Json {
    let data = row_major(array);
    if let DType::Scalar(scalar) = array.dtype()
        && scalar.kind == Kind::Text
    {
        let text = |element: &[u8]| -> String {
            let codes = element.chunks(4).map(|code| u32::from_le_bytes(code.try_into().unwrap()));
            codes.map(|code| char::from_u32(code).unwrap()).filter(|c| *c != '\0').collect()
        };
        let items: Vec<_> = data.chunks(scalar.size).map(text).collect();
        return json!({"t": "ndarray", "dtype": "U", "shape": array.shape(), "items": items});
    }
    let dtype = array.dtype().to_string();
    match array.shape() {
        [] => json!({"t": "npscalar", "dtype": dtype, "hex": hex(&data)}),
        shape => json!({"t": "ndarray", "dtype": dtype, "shape": shape, "c_order_hex": hex(&data)}),
    }
}

/// The bytes of the elements in row-major order, found element by element.
pub fn row_major(array: &NdArray) -> Vec<u8> {
    let size = array.dtype().itemsize();
    let mut out = Vec::new();
    for position in 0..array.len() {
        let mut rest = position;
        let index: Vec<usize> = {
            let mut index = vec![0; array.shape().len()];
            for axis in (0..index.len()).rev() {
                index[axis] = rest % array.shape()[axis];
                rest /= array.shape()[axis];
            }
            index
        };
        let stored = match array.order() {
            Order::C => position,
            Order::Fortran => index.iter().zip(array.shape()).rev().fold(0, |at, (i, extent)| at * extent + i),
        };
        out.extend_from_slice(&array.data()[stored * size..][..size]);
    }
    out
}

fn python_hex(value: i128) -> String {
    format!("{}0x{:x}", if value < 0 { "-" } else { "" }, value.unsigned_abs())
}

fn big_hex(little_endian: &[u8]) -> String {
    let negative = little_endian.last().is_some_and(|last| last & 0x80 != 0);
    let mut magnitude = little_endian.to_vec();
    if negative {
        let mut carry = true;
        for byte in &mut magnitude {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    magnitude.reverse();
    let digits = hex(&magnitude);
    format!("{}0x{}", if negative { "-" } else { "" }, digits.trim_start_matches('0'))
}
