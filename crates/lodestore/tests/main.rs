//! The whole line, from definitions to objects, on a real database and a real folder.

mod alter;
mod arrays;
#[cfg(feature = "arrow")]
mod arrow;
mod declare;
mod delete;
mod drop;
mod errors;
mod insert;
mod insert_forms;
mod objects;
mod populate;
mod query;
mod reading;
mod schema;
#[cfg(feature = "postgres")]
mod servers;
mod staged;
mod transactions;
mod update;
mod verify;

use std::sync::Arc;

use lodestore::{Instance, Schema};
use lodestore_objects::testing::CountingStore;
use lodestore_objects::{FileStore, Store};

/// The paths of all objects in the default store, but for what it tells of itself.
fn objects_of(instance: &Instance) -> Vec<String> {
    let store = instance.store("").unwrap();
    let paths = store.list(None).unwrap().map(|entry| entry.unwrap().path.to_string());
    let mut paths: Vec<String> = paths.filter(|path| !path.starts_with(".lodestore/")).collect();
    paths.sort();
    paths
}

/// A project of its own in a temporary folder.
struct Project {
    folder: tempfile::TempDir,
    instance: Instance,
    lab: Schema,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let instance = Instance::embedded(folder.path()).unwrap();
        let lab = instance.schema("lab").unwrap();
        Project { folder, instance, lab }
    }

    /// The paths of all objects in its store.
    fn objects(&self) -> Vec<String> {
        objects_of(&self.instance)
    }

    /// Runs a statement behind the project's back, as another program may.
    fn sql(&self, statement: &str) {
        let driver = lodestore_db::sqlite::Driver::new(self.folder.path().join("lodestore.db"));
        lodestore_db::Driver::connect(&driver).unwrap().execute(statement, &[]).unwrap();
    }

    /// Counts what is read from its store from now on.
    fn count_reads(&self) -> Arc<CountingStore> {
        let store: Arc<dyn Store> = Arc::new(FileStore::open("main", self.folder.path().join("objects")).unwrap());
        let counting = CountingStore::new(store);
        self.instance.use_store(counting.clone()).unwrap();
        counting
    }
}
