use super::*;
use crate::{Date, ErrorKind, Value};

fn core(text: &str) -> CoreType {
    CoreType::parse(text).unwrap().unwrap_or_else(|| panic!("{text}"))
}

fn message(text: &str, value: impl Into<Value>) -> String {
    core(text).check(value.into()).unwrap_err().to_string()
}

#[test]
fn texts_round_trip() {
    for text in [
        "int8",
        "int16",
        "int32",
        "int64",
        "float32",
        "float64",
        "bool",
        "uuid",
        "json",
        "bytes",
        "date",
        "datetime",
        "datetime(3)",
        "char(4)",
        "varchar(20)",
        "enum('a','it''s','x,y')",
        "decimal(10,2)",
    ] {
        assert_eq!(core(text).to_string(), text);
    }
    assert_eq!(core("ENUM ( \"a\" , b )"), CoreType::Enum(vec!["a".into(), "b".into()]));
    assert_eq!(core("decimal( 10 , 2 )").to_string(), "decimal(10,2)");
    for other in ["int", "varchar", "datetime2", "enum", "decimal(10)", "blob", "varchar(x)", "float", "int32(4)"] {
        assert_eq!(CoreType::parse(other).unwrap(), None, "{other}");
    }
    for bad in [
        "varchar(0)",
        "varchar(70000)",
        "char(256)",
        "datetime(7)",
        "decimal(2,3)",
        "decimal(66,0)",
        "enum('a','a')",
        "enum('a',)",
        "enum('a' 'b')",
        "enum()",
    ] {
        assert_eq!(CoreType::parse(bad).unwrap_err().kind(), ErrorKind::InvalidDefinition, "{bad}");
    }
}

#[test]
fn integers_keep_their_range() {
    assert_eq!(core("int8").check(Value::Int(-128)).unwrap(), Value::Int(-128));
    assert_eq!(core("int8").check(Value::Bool(true)).unwrap(), Value::Int(1));
    assert_eq!(core("int16").check(Value::Float(5.0)).unwrap(), Value::Int(5));
    assert_eq!(core("int16").check("12".into()).unwrap(), Value::Int(12));
    assert_eq!(message("int8", 128), "value 128 is out of range for `int8` (-128 to 127)");
    assert!(message("int64", u64::MAX).contains("out of range"));
    assert!(message("int32", 1.5).contains("not a whole number"));
    assert!(message("int32", f64::INFINITY).contains("out of range"));
    assert_eq!(core("int32").check("1e3".into()).unwrap(), Value::Int(1000));
    assert_eq!(core("int32").check("2.0".into()).unwrap(), Value::Int(2));
    for text in ["1e-3", "2.5", "1e", "x"] {
        assert!(message("int32", text).contains("not a whole number"), "{text}");
    }
    assert_eq!(message("int32", vec![1u8]), "value <1 bytes> is of type bytes, `int32` needs a whole number");
    assert_eq!(core("int8").check(300.into()).unwrap_err().hint(), Some("declare the attribute as `int16`"));
}

#[test]
fn floats_are_spelled_briefly() {
    assert_eq!(core("float32").check(0.1.into()).unwrap(), Value::Float(0.1));
    assert_eq!(core("float64").check(3.into()).unwrap(), Value::Float(3.0));
    assert_eq!(core("float32").check(f64::INFINITY.into()).unwrap(), Value::Float(f64::INFINITY));
    assert!(message("float32", 1e39).contains("out of range"));
    assert!(message("float64", "x").contains("not a number"));
}

#[test]
fn text_keeps_its_length_in_characters() {
    assert_eq!(core("varchar(3)").check("éèê".into()).unwrap(), "éèê".into());
    assert_eq!(
        message("varchar(2)", "abc"),
        "value \"abc\" does not fit `varchar(2)`: it has 3 characters, 2 are allowed"
    );
    for (number, text) in [(Value::from(5), "5"), (Value::from(-1.5), "-1.5"), (Value::from(2.0), "2.0")] {
        assert_eq!(core("varchar(4)").check(number).unwrap(), text.into());
    }
    assert!(message("varchar(2)", 500).contains("3 characters"));
    assert!(message("varchar(9)", true).contains("needs text"));
    assert!(message("varchar(9)", "a\0b").contains("NUL"));
    assert_eq!(core("enum('left','right')").check("lefd".into()).unwrap_err().hint(), Some("did you mean 'left'?"));
}

#[test]
fn times_are_read_and_cut_to_their_digits() {
    let moment = Date::constant(2024, 2, 29).at(1, 2, 3, 456_789_000);
    assert_eq!(
        core("datetime(2)").check(moment.into()).unwrap(),
        Date::constant(2024, 2, 29).at(1, 2, 3, 450_000_000).into()
    );
    assert_eq!(core("datetime").check(moment.into()).unwrap(), moment.into());
    assert_eq!(core("date").check("2024-02-29 00:00:00".into()).unwrap(), Date::constant(2024, 2, 29).into());
    assert!(message("date", moment).contains("time of day"));
    assert!(message("date", "2023-02-29").contains("not a date"));
}

#[test]
fn decimals_are_exact_and_floats_rounded() {
    let check = |value: Value| core("decimal(5,2)").check(value).map(|value| value.to_string());
    assert_eq!(check(1.into()).unwrap(), "1.00");
    assert_eq!(check((0.1 + 0.2).into()).unwrap(), "0.30");
    assert!(check("1.005".into()).is_err());
    assert!(check(1000.into()).is_err());
    assert!(check(f64::NAN.into()).is_err());
}

#[test]
fn json_says_where_it_fails() {
    let value = Value::Dict(vec![("a".into(), Value::List(vec![1.into(), f64::NAN.into()]))]);
    assert_eq!(message("json", value), "value NaN does not fit `json` at `a[1]`: JSON has no NaN and no infinity");
    let value = Value::Dict(vec![("a".into(), Value::Tuple(vec![Value::Null]))]);
    assert_eq!(core("json").check(value).unwrap(), Value::Json(serde_json::json!({"a": [null]})));
}

#[test]
fn others_take_what_they_are() {
    let id = uuid::Uuid::from_u128(7);
    assert_eq!(core("uuid").check(id.to_string().into()).unwrap(), id.into());
    assert!(message("uuid", "nope").contains("hexadecimal"));
    assert_eq!(core("bool").check(1.into()).unwrap(), true.into());
    assert!(message("bool", 2).contains("True, False"));
    assert_eq!(core("int8").check(Value::Null).unwrap(), Value::Null);
}
