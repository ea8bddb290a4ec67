//! The peer's paths, and where ours depart.

use lodestore_codec::path::{ObjectPlace, PartitionPattern, hash_path, key_text, object_path};
use lodestore_codec::{Payload, Registry, TypeSpec, hash};
use lodestore_types::{Date, Result, StorePath, TableName, Value};
use serde_json::Value as Json;

use crate::describe::unhex;

fn golden(section: &str) -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("../golden/paths.json")).unwrap();
    all[section].as_array().unwrap().clone()
}

#[test]
fn content_hashes_agree() {
    for case in golden("content_hash") {
        let payload = Payload::from(bytes::Bytes::from(unhex(case["data_hex"].as_str().unwrap())));
        assert_eq!(hash::content_hash(&payload).unwrap(), case["hash"].as_str().unwrap());
    }
}

#[test]
fn hash_paths_agree() {
    for case in golden("hash_path") {
        let text = |key: &str| case[key].as_str().unwrap();
        let folds: Vec<usize> = serde_json::from_value(case["subfolding"].clone()).unwrap_or_default();
        let found = hash_path(text("hash_prefix"), text("schema"), &folds, text("hash"));
        let departs = folds == [30, 2] // no empty segments
            || text("hash").starts_with("a1"); // 1 is no letter of Base32
        match case["ok"].as_str().filter(|_| !departs) {
            Some(expected) => assert_eq!(found.unwrap().as_str(), expected),
            None => assert!(found.is_err(), "{case}"),
        }
    }
}

/// The value of a Python expression, if there is a primary key that holds it.
fn python_value(expression: &str) -> Option<Value> {
    if let Some(inside) = expression.strip_prefix('\'') {
        let (text, times) = inside.rsplit_once('\'')?;
        let times: usize = times.strip_prefix('*').map_or(1, |times| times.parse().unwrap());
        return Some(text.replace("\\\\", "\\").replace("\\n", "\n").repeat(times).into());
    }
    let numbers = |call: &str| -> Option<Vec<i32>> {
        let arguments = expression.strip_prefix(call)?.strip_prefix('(')?.strip_suffix(')')?;
        arguments.split(',').map(|number| number.parse().ok()).collect()
    };
    if let Some(n) = numbers("datetime.date") {
        return Some(Date::new(n[0] as i16, n[1] as i8, n[2] as i8).unwrap().into());
    }
    if let Some(n) = numbers("datetime.datetime") {
        let date = Date::new(n[0] as i16, n[1] as i8, n[2] as i8).unwrap();
        return Some(date.at(n[3] as i8, n[4] as i8, n[5] as i8, n[6] * 1000).into());
    }
    match expression {
        "True" => Some(true.into()),
        "False" => Some(false.into()),
        "float('inf')" => Some(f64::INFINITY.into()),
        "float('nan')" => Some(f64::NAN.into()),
        "uuid.UUID(int=7)" => Some(lodestore_types::Uuid::from_u128(7).into()),
        "decimal.Decimal('1.50')" => Some(Value::Decimal("1.50".parse().unwrap())),
        _ => expression.parse::<i64>().map(Value::from).or_else(|_| expression.parse::<f64>().map(Value::from)).ok(),
    }
}

#[test]
fn key_values_are_spelled_as_the_peer_does_or_better() {
    // Only what confuses is encoded, `%` and `=` and outer dots too; long texts are cut in our own
    // way, told apart by `=`; microseconds stay.
    let departures = [
        ("'a%2Fb'", "a%252Fb"),
        ("'a=b'", "a%3Db"),
        ("'.'", "%2E"),
        ("'..'", "%2E%2E"),
        ("'é/ü'", "é%2Fü"),
        ("'a/b+c d'", "a%2Fb+c d"),
        ("'a\\nb'", "a%0Ab"),
        ("'2024-01-05 01:02:03'", "2024-01-05 01%3A02%3A03"),
        ("datetime.datetime(2024,1,5,1,2,3,456789)", "2024-01-05T01-02-03.456789"),
    ];
    let mut seen = 0;
    for case in golden("pk_value") {
        let expression = case["python"].as_str().unwrap();
        let Some(value) = python_value(expression) else { continue };
        let found = key_text(&value).unwrap();
        let departure = departures.iter().find(|(departing, _)| *departing == expression);
        let expected = departure.map_or(case["ok"].as_str().unwrap(), |(_, expected)| expected);
        if expression.contains("*101") {
            assert!(found.contains('=') && found.len() < 100, "{expression}: {found}");
        } else {
            assert_eq!(found, expected, "{expression}");
        }
        seen += 1;
    }
    assert!(seen >= 38, "{seen} values were understood");
}

fn peer_object_path(case: &Json) -> Result<StorePath> {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let key: Vec<(String, Value)> = case["primary_key"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap().to_owned(), python_value(pair[1].as_str().unwrap()).unwrap()))
        .collect();
    let length = case["token_length"].as_u64().unwrap().clamp(4, 16) as usize;
    let table = TableName::existing(text("table"))?;
    let pattern = PartitionPattern::parse(text("partition_pattern"))?;
    object_path(&ObjectPlace {
        prefix: text("schema_prefix"),
        partition: Some(&pattern),
        schema: text("schema"),
        table: &table,
        key: &key,
        attribute: text("field"),
        token: &"TOKENabcTOKENabc"[..length],
        extension: text("ext"),
        spelling: Default::default(),
    })
}

#[test]
fn object_paths_depart_as_the_seeds_show() {
    for case in golden("object_path") {
        let found = peer_object_path(&case);
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let pattern = text("partition_pattern");
        let with_class = |path: &str| {
            // The class's name, and a dot before the token.
            let table = text("table");
            let class = TableName::existing(table).unwrap().to_class();
            path.replace(&format!("/{table}/"), &format!("/{class}/"))
                .replace(&format!("{}_TOKE", text("field")), &format!("{}.TOKE", text("field")))
        };
        let expected = match (pattern, text("ext"), text("primary_key")) {
            (_, "." | "/../x", _) => {
                assert!(found.is_err(), "{case}");
                continue;
            }
            // All attributes of the pattern, or none.
            ("{subject_id}/{missing}", ..) => {
                "_schema/neuro/Recording/subject_id=42/session_date=2024-01-15/session_id=100/raw.TOKENabc.zarr".into()
            }
            // Names count without braces too.
            ("subject_id/session_date", ..) => {
                "_schema/subject_id=42/session_date=2024-01-15/neuro/Recording/session_id=100/raw.TOKENabc.zarr".into()
            }
            // An attribute partitions once.
            ("{subject_id}/{subject_id}", ..) => {
                "_schema/subject_id=42/neuro/Recording/session_date=2024-01-15/session_id=100/raw.TOKENabc.zarr".into()
            }
            _ => with_class(case["ok"].as_str().unwrap()),
        };
        let found = found.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        match case["primary_key"][0][1].as_str() {
            Some("'x'*150") => assert!(found.as_str().contains(&format!("/s={}=", "x".repeat(50)))),
            Some("'..'") => assert_eq!(found.as_str(), "_schema/neuro/T/s=%2E%2E/raw.TOKENabc.npy"),
            _ => assert_eq!(found.as_str(), expected),
        }
    }
}

#[test]
fn declared_types_are_read_as_the_peer_does() {
    for case in golden("type_spec") {
        let text = case["spec"].as_str().unwrap();
        // Without brackets it is no codec, and doubled or empty brackets are a slip of the pen.
        if !text.starts_with('<') || text.starts_with("<<") || text == "<@>" {
            continue;
        }
        let spec = TypeSpec::parse(text).unwrap();
        assert_eq!(Json::from(spec.codec), case["parsed"][0], "{text}");
        assert_eq!(Json::from(spec.store), case["parsed"][1], "{text}");
    }
}

#[test]
fn chains_resolve_as_in_the_peer() {
    let registry = Registry::builtin();
    for case in golden("resolve") {
        let text = case["dtype"].as_str().unwrap();
        let Ok(mut spec) = TypeSpec::parse(text) else { continue };
        if !case["error"].is_null() {
            assert!(registry.resolve(&spec).is_err(), "{case}");
            continue;
        }
        if registry.get(&spec.codec).is_err() {
            continue;
        }
        spec.store = spec.store.or(case["inherited_store"].as_str().map(str::to_owned));
        let chain = registry.resolve(&spec).unwrap();
        let names: Vec<_> = chain.codecs().iter().map(|codec| codec.name().to_owned()).collect();
        assert_eq!(Json::from(names), case["ok"]["chain"], "{case}");
        assert_eq!(chain.core_type().to_string(), case["ok"]["final"].as_str().unwrap(), "{case}");
        assert_eq!(Json::from(chain.store().map(str::to_owned)), case["ok"]["store"], "{case}");
    }
}
