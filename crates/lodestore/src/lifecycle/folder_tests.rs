//! Folders that are collected while others write into them.

use lodestore_objects::PutMode;
use lodestore_types::{SchemaName, StorePath};

use super::Object;
use crate::{CollectOptions, Collected, Instance, Tier};

/// A released folder of schema `lab`, and a way to collect.
struct Bench {
    instance: Instance,
    schema: SchemaName,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let instance = Instance::embedded(folder.path()).unwrap();
        instance.schema("lab").unwrap().declare("Thing", Tier::Manual, "id : int32\n---\nfile : <object@>").unwrap();
        let bench = Bench { instance, schema: SchemaName::new("lab").unwrap(), _folder: folder };
        bench.put("first");
        bench.instance.open_journal(&bench.schema).unwrap();
        let object = object("");
        let release = |connection: &mut dyn lodestore_db::Connection| {
            bench.instance.add_released(connection, &bench.schema, &[&object])
        };
        bench.instance.write(Vec::new(), release).unwrap();
        bench
    }

    fn put(&self, name: &str) {
        let path = object(name).path;
        self.instance.store("").unwrap().put(&path, &["x".into()], PutMode::Create).unwrap();
    }

    fn is_there(&self, name: &str) -> bool {
        self.instance.store("").unwrap().head(&object(name).path).unwrap().is_some()
    }

    fn collect(&self) -> Collected {
        self.instance.collect(std::slice::from_ref(&self.schema), &CollectOptions::default()).unwrap()
    }
}

fn object(inner: &str) -> Object {
    let path = format!("_schema/lab/Thing/id=1/file.AAAABBBB/{inner}");
    Object { store: "main".into(), path: StorePath::new(path.trim_end_matches('/')).unwrap(), tree: inner.is_empty() }
}

#[test]
fn a_folder_into_which_another_is_about_to_write_stays() {
    for inner in ["second", "deep/er/second"] {
        let bench = Bench::new();
        let intents = bench.instance.intend(&bench.schema, vec![object(inner)]).unwrap();
        let found = bench.collect();
        assert_eq!((found.intended, found.schema.deleted), (1, 0), "{inner}");
        bench.put(inner);
        bench.instance.settled(&intents);
        // Nothing names it now.
        assert_eq!(bench.collect().schema.deleted, 1);
        assert!(!bench.is_there(inner) && !bench.is_there("first"));
    }
}

#[test]
fn the_manifest_of_a_folder_counts_as_part_of_it() {
    let bench = Bench::new();
    let mut manifest = object("");
    manifest.path = StorePath::new(format!("{}.manifest.json", manifest.path)).unwrap();
    let _intents = bench.instance.intend(&bench.schema, vec![manifest]).unwrap();
    assert_eq!(bench.collect().intended, 1);
}
