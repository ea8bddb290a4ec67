//! The stores that the seeds and the golden file of the peer describe.

use std::fs;

use serde_json::{Value as Json, json};

use super::Config;

fn config(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("datajoint.json");
    fs::write(&file, text).unwrap();
    let mut config = Config::default();
    config.load_file(&file).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    config
}

/// The examples of "Configure Object Stores", as printed there.
#[test]
fn the_seeds_examples_parse_as_printed() {
    let examples = [
        r#"{"stores": {"default": "main", "main": {"protocol": "file", "location": "/data/my-project/production"}}}"#,
        r#"{"stores": {"default": "main", "main": {"protocol": "s3", "endpoint": "s3.amazonaws.com", "bucket": "my-bucket",
            "location": "my-project/production", "secure": true}}}"#,
        r#"{"stores": {"default": "main", "main": {"protocol": "s3", "endpoint": "minio.example.com:9000",
            "bucket": "datajoint", "location": "lab-data", "secure": false}}}"#,
        r#"{"stores": {"default": "main",
            "main": {"protocol": "file", "location": "/data/my-project/main", "partition_pattern": "subject_id/session_date"},
            "raw": {"protocol": "file", "location": "/data/my-project/raw", "subfolding": [2, 2]},
            "archive": {"protocol": "s3", "endpoint": "s3.amazonaws.com", "bucket": "archive-bucket",
                        "location": "my-project/long-term"}}}"#,
        r#"{"stores": {"default": "main", "main": {"protocol": "file", "location": "/data/store",
            "project_name": "my_project", "subfolding": [2, 2]}}}"#,
        r#"{"stores": {"legacy": {"protocol": "file", "location": "/data/existing_storage",
            "hash_prefix": "content_addressed", "schema_prefix": "structured_data", "filepath_prefix": "raw_files"}}}"#,
        r#"{
  "stores": {
    "organized": {
      "protocol": "s3",
      "endpoint": "s3.amazonaws.com",
      "bucket": "neuroscience-data",
      "location": "lab-project-2024",
      "hash_prefix": "managed/blobs",      // Path prefix for hash section
      "schema_prefix": "managed/arrays",    // Path prefix for schema section
      "filepath_prefix": "imported"         // Path prefix for filepath section
    }
  }
}"#,
    ];
    for example in examples {
        let config = config(example);
        for name in config.store_names() {
            config.store_spec(Some(name), false).unwrap();
        }
    }
    let stores = config(examples[3]);
    assert_eq!(stores.store_spec(None, false).unwrap().partition_pattern.as_deref(), Some("subject_id/session_date"));
    assert_eq!(stores.store_spec(Some("raw"), false).unwrap().subfolding, [2, 2]);
    assert_eq!(config(examples[6]).store_spec(Some("organized"), false).unwrap().hash_prefix, "managed/blobs");
}

/// What the peer accepts we accept with the same defaults, and what it refuses we refuse, but for:
/// `project_name` and `region`, which the seeds print; and two empty sections, which lose data.
#[test]
fn stores_are_read_as_the_peer_reads_them() {
    let file = json!({"protocol": "file", "location": "/x"});
    let with = |more: Json| {
        let mut entry = file.clone();
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let accepted = [
        (with(json!({"stage": "/y"})), "_hash", "_schema", None),
        (with(json!({"hash_prefix": "ab", "schema_prefix": "a"})), "ab", "a", None),
        (with(json!({"hash_prefix": "/a/"})), "a", "_schema", None),
        (with(json!({"filepath_prefix": "raw/"})), "_hash", "_schema", Some("raw")),
        (with(json!({"filepath_prefix": ""})), "_hash", "_schema", None),
        (with(json!({"hash_prefix": null, "schema_prefix": null, "token_length": null})), "_hash", "_schema", None),
        (json!({"protocol": "gcs", "location": "l", "bucket": "b"}), "_hash", "_schema", None),
        (json!({"protocol": "azure", "location": "l", "container": "c"}), "_hash", "_schema", None),
    ];
    for (entry, hash, schema, filepath) in accepted {
        let mut config = Config::default();
        config.set("stores.s", entry.clone()).unwrap();
        let spec = config.store_spec(Some("s"), false).unwrap_or_else(|error| panic!("{entry}: {error:?}"));
        assert_eq!(
            (&*spec.hash_prefix, &*spec.schema_prefix, spec.filepath_prefix.as_deref()),
            (hash, schema, filepath)
        );
        assert_eq!((&spec.entry["token_length"], &spec.entry["subfolding"]), (&json!(8), &Json::Null));
    }
    let refused = [
        (with(json!({"secure": true})), "Invalid key(s) in config.stores[\"s\"]: secure"),
        (
            with(json!({"hash_prefix": "a", "schema_prefix": "a"})),
            "config.stores[\"s\"]: hash_prefix=\"a\" and schema_prefix=\"a\" overlap. \
             Storage section prefixes must be mutually exclusive.",
        ),
        (
            with(json!({"filepath_prefix": "_schema/x"})),
            "schema_prefix=\"_schema\" and filepath_prefix=\"_schema/x\" overlap",
        ),
        (with(json!({"hash_prefix": "", "schema_prefix": ""})), "overlap"),
        (with(json!({"hash_prefix": "./a", "schema_prefix": "a"})), "no path inside a store"),
        (json!({"protocol": "azure", "location": "l", "bucket": "c"}), "config.stores[\"s\"] is missing: container"),
    ];
    for (entry, expected) in refused {
        let mut config = Config::default();
        config.set("stores.s", entry).unwrap();
        let error = config.store_spec(Some("s"), false).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
