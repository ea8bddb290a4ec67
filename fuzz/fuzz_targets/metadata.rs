//! Any JSON in a column is decoded or refused by every codec.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lodestore_codec::filepath::PathRules;
use lodestore_codec::{Context, Registry, TypeSpec, npy};
use lodestore_types::Value;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let rules = PathRules {
            roots: vec!["/data".into(), "s3://bucket/lab".into()],
            hash_prefix: "_hash".into(),
            schema_prefix: "_schema".into(),
            filepath_prefix: None,
        };
        if let Ok(path) = rules.check(text) {
            assert!(!path.as_str().starts_with("_hash/") && !path.segments().any(|segment| segment == ".."));
        }
    }
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    let registry = Registry::builtin();
    for name in ["attach", "blob", "filepath", "hash", "npy", "object"] {
        let spec = TypeSpec { codec: name.into(), store: Some("main".into()) };
        let chain = registry.resolve(&spec).expect("a built-in codec");
        let object = Some(bytes::Bytes::from_static(b"abc"));
        if let Ok(Value::Reference(reference)) = chain.decode(Value::Json(json.clone()), object, &Context::default()) {
            let _ = npy::header_of(&reference);
        }
    }
});
