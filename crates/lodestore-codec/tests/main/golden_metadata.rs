//! The rows that the peer was seen to write: every one is read, and ours have its keys in its order.

use bytes::Bytes;
use lodestore_codec::npy::{self, Header};
use lodestore_codec::{Context, Encoded, Placed, Reads, Registry, TypeSpec, hash};
use lodestore_types::{Order, StorePath, Value};
use serde_json::{Map, Value as Json};

use crate::describe::unhex;

fn cases() -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("../golden/metadata.json")).unwrap();
    all["cases"].as_array().unwrap().iter().filter(|case| !case["type"].is_null()).cloned().collect()
}

fn object_of(case: &Json) -> Option<Bytes> {
    let first = case["objects"].as_array()?.first()?;
    Some(unhex(first["hex"].as_str()?).into())
}

#[test]
fn every_row_of_the_peer_is_read() {
    let registry = Registry::builtin();
    let mut read = 0;
    for case in cases() {
        let chain = registry.resolve(&TypeSpec::parse(case["type"].as_str().unwrap()).unwrap()).unwrap();
        let column = match (&case["column_hex"], &case["column_json"]) {
            (Json::String(hex), _) => Value::Bytes(unhex(hex).into()),
            (_, column @ Json::Object(_)) => Value::Json(column.clone()),
            _ => continue,
        };
        let object = match chain.reads() {
            Reads::Object => match object_of(&case) {
                Some(object) => Some(object),
                None => continue,
            },
            Reads::Column => None,
        };
        let context = Context { store: Some("main".into()), ..Context::default() };
        let value = chain.decode(column, object, &context).unwrap_or_else(|error| panic!("{case}: {error:?}"));
        if let Value::Reference(reference) = &value {
            assert_eq!(reference.path.as_str(), case["column_json"]["path"].as_str().unwrap());
            assert_eq!(Json::from(reference.store.as_str()), case["column_json"]["store"]);
            if reference.codec == "npy" {
                let known = npy::header_of(reference).unwrap();
                if let Some(file) = object_of(&case) {
                    let array = npy::read(file.clone()).unwrap();
                    assert_eq!((array.dtype(), array.shape()), (&known.dtype, &known.shape[..]));
                    assert_eq!(array.order() == Order::Fortran, case["case"] == "npy_fortran");
                    assert_eq!(Header::of(&array).1, file[..file.len() - array.nbytes()], "numpy.save's bytes");
                }
            }
        }
        match case["case"].as_str().unwrap() {
            "hash_named" => assert_eq!(value, Value::Bytes(Bytes::from("abc"))),
            "blob_inline" => assert_eq!(value, Value::List(vec![Value::Int(1), "a".into()])),
            "attach_inline" | "attach_named" => {
                assert_eq!(value, Value::Tuple(vec!["notes.txt".into(), Value::Bytes(Bytes::from("hello"))]));
            }
            _ => {}
        }
        read += 1;
    }
    assert!(read >= 40, "{read} rows were read");
}

/// The keys of the peer in the order in which it wrote them to a database that keeps it.
fn keys_in_text(case: &Json) -> Option<Vec<String>> {
    let column: Map<String, Json> = serde_json::from_str(case["column_text"].as_str()?).ok()?;
    Some(column.keys().cloned().collect())
}

#[test]
fn our_columns_begin_with_the_keys_of_the_peer() {
    let registry = Registry::builtin();
    let mut compared = 0;
    for case in cases() {
        if !case["database"].as_str().unwrap().starts_with("MariaDB") {
            continue;
        }
        let Some(expected) = keys_in_text(&case) else { continue };
        let spec = TypeSpec::parse(case["type"].as_str().unwrap()).unwrap();
        let chain = registry.resolve(&spec).unwrap();
        let value = match spec.codec.as_str() {
            "npy" => npy::read(object_of(&case).unwrap()).unwrap().into(),
            "hash" | "object" => Value::Bytes(Bytes::from("abc")),
            _ => continue,
        };
        let Encoded::Object(object) = chain.encode(value, &Context::default()).unwrap() else { panic!("{case}") };
        let placed = Placed {
            schema: "golden".into(),
            store: "main".into(),
            path: StorePath::new("x").unwrap(),
            size: object.payload.size(),
            checksum: hash::checksum(&object.payload).unwrap(),
            hash: Some(hash::content_hash(&object.payload).unwrap()),
        };
        let column = chain.column(&object, &placed);
        let found: Vec<String> = column.keys().filter(|key| expected.contains(key)).cloned().collect();
        assert_eq!(found, expected, "{case}");
        assert!(column.contains_key("checksum") && column.contains_key("size"));
        compared += 1;
    }
    assert!(compared >= 8, "{compared} columns were compared");
}
