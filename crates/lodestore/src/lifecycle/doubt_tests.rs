//! Doubt: whatever a collector cannot read, at whatever moment, it deletes nothing that a row names; and nothing at all
//! if it could not see what lies there.
//!
//! Only one thing fails each time, and all that comes after it would succeed: a collector that went on would be seen.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};

use lodestore_db::{Answer, Bulk, ColumnSpec, ColumnVisitor, Connection, Driver, Pool, Refused, RowVisitor, sqlite};
use lodestore_objects::testing::FaultyStore;
use lodestore_objects::{FileStore, PutMode, Store};
use lodestore_types::{Error, ErrorKind, Result, SchemaName, StorePath, Value};

use crate::config::Config;
use crate::{CollectOptions, Collected, Instance, NdArray, NpyRef, Tier, row};

/// What happens beside a query: before it is sent, and after its rows came.
pub(crate) trait Beside: std::fmt::Debug + Send + Sync {
    fn before(&self, _sql: &str) {}

    fn row(&self) {}

    fn after(&self) -> Result<()> {
        Ok(())
    }
}

/// One query fails: the one for which the count comes to zero.
impl Beside for AtomicI64 {
    fn after(&self) -> Result<()> {
        match self.fetch_sub(1, Ordering::Relaxed) {
            0 => Err(Error::new(ErrorKind::LostConnection, "the query was not answered")),
            _ => Ok(()),
        }
    }
}

/// A database beside whose queries something happens.
#[derive(Debug)]
struct Doubtful {
    inner: sqlite::Driver,
    beside: Arc<dyn Beside>,
}

impl Driver for Doubtful {
    fn connect(&self) -> Result<Box<dyn Connection>> {
        Ok(Box::new(DoubtfulConnection { inner: self.inner.connect()?, beside: self.beside.clone() }))
    }
}

#[derive(Debug)]
struct DoubtfulConnection {
    inner: Box<dyn Connection>,
    beside: Arc<dyn Beside>,
}

/// The project in a folder, beside whose queries something happens.
pub(crate) fn doubtful(folder: &Path, beside: Arc<dyn Beside>) -> Instance {
    let driver = Doubtful { inner: sqlite::Driver::new(folder.join("lodestore.db")), beside };
    let mut config = Config::default();
    config.set("database.backend", "sqlite".into()).unwrap();
    config.set("database.path", folder.to_string_lossy().as_ref().into()).unwrap();
    Instance::open_through(Arc::new(RwLock::new(config)), |_| Pool::new(driver)).unwrap()
}

impl Connection for DoubtfulConnection {
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        self.inner.execute(sql, parameters)
    }

    fn statement(&mut self, sql: &str, parameters: &[Value]) -> Result<Answer> {
        self.inner.statement(sql, parameters)
    }

    fn insert(&mut self, bulk: &Bulk<'_>) -> std::result::Result<u64, Refused> {
        self.inner.insert(bulk)
    }

    fn query_each(&mut self, sql: &str, parameters: &[Value], visit: &mut RowVisitor<'_>) -> Result<()> {
        self.beside.before(sql);
        // Some rows come before the trouble does.
        self.inner.query_each(sql, parameters, &mut |row| {
            self.beside.row();
            visit(row)
        })?;
        self.beside.after()
    }

    fn query_columns(
        &mut self,
        sql: &str,
        parameters: &[Value],
        columns: &[ColumnSpec],
        batch_rows: usize,
        visit: &mut ColumnVisitor<'_>,
    ) -> Result<()> {
        self.inner.query_columns(sql, parameters, columns, batch_rows, visit)
    }

    fn begin(&mut self) -> Result<()> {
        self.inner.begin()
    }

    fn begin_snapshot(&mut self) -> Result<()> {
        self.inner.begin_snapshot()
    }

    fn commit(&mut self) -> Result<()> {
        self.inner.commit()
    }

    fn rollback(&mut self) -> Result<()> {
        self.inner.rollback()
    }

    fn in_transaction(&self) -> bool {
        self.inner.in_transaction()
    }
}

/// Rows of two schemas that name objects, one that names content of the other's, deleted ones, and objects of nobody.
fn fill(folder: &Path) -> BTreeSet<String> {
    let instance = Instance::embedded(folder).unwrap();
    instance.configure(|config| config.set("gc.automatic", false.into())).unwrap();
    let definition = "id : int32\n---\ntrace=null : <npy@>\nshared=null : <blob@>";
    let lab = instance.schema("lab").unwrap().declare("Thing", Tier::Manual, definition).unwrap();
    let other = instance.schema("other").unwrap().declare("Copy", Tier::Manual, definition).unwrap();
    let thing =
        |id: i64, shared: &str| row! { "id" => id, "trace" => NdArray::from_f64(&[id as f64]), "shared" => shared };
    lab.insert([thing(1, "one"), thing(2, "two"), thing(3, "three"), thing(4, "two")]).unwrap();
    // As a program copies that knows of no owners.
    let copy = format!("INSERT INTO {} SELECT * FROM {} WHERE id = 3", other.quoted_name(), lab.quoted_name());
    instance.statement(&copy, Vec::new()).unwrap();
    lab.restrict("id in (1, 3, 4)").unwrap().delete().unwrap();
    let store = instance.store("").unwrap();
    for path in ["_schema/lab/Thing/id=9/lost.npy", "_hash/lab/abcdefghijklmnopqrstuvwxyz"] {
        let path = StorePath::new(path).unwrap();
        store.put(&path, &[b"?".to_vec().into()], PutMode::Create).unwrap();
    }
    let there = listed(&instance);
    instance.close();
    there
}

fn listed(instance: &Instance) -> BTreeSet<String> {
    let name = SchemaName::new("lab").unwrap();
    instance.list_objects(&name, None).unwrap().into_iter().map(|object| object.path.to_string()).collect()
}

/// What the rows name is there, and readable.
fn readable(instance: &Instance) {
    for (schema, table, ids) in [("lab", "Thing", vec![2]), ("other", "Copy", vec![3])] {
        let table = instance.schema(schema).unwrap().table(table).unwrap().unwrap();
        let rows = table.fetch().unwrap();
        let found: Vec<i64> = rows.iter().map(|row| row.get("id").and_then(Value::as_i64).unwrap()).collect();
        assert_eq!(found, ids);
        for row in rows {
            assert!(matches!(row.get("shared"), Some(Value::Text(_))), "{row:?}");
            let trace = NpyRef::from_value(instance, row.value("trace").unwrap()).unwrap().load().unwrap();
            assert_eq!(trace.to_f64(), Some(vec![ids[0] as f64]));
        }
    }
}

fn collect(instance: &Instance) -> Result<Collected> {
    let options = CollectOptions { full: true, age: Some(0), ..CollectOptions::default() };
    instance.collect(&[SchemaName::new("lab").unwrap()], &options)
}

#[test]
fn a_query_that_fails_loses_nothing() {
    let mut failed = 0;
    for number in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let before = fill(folder.path());
        let queries = Arc::new(AtomicI64::new(i64::MAX));
        let instance = doubtful(folder.path(), queries.clone());
        queries.store(number, Ordering::Relaxed);
        let outcome = collect(&instance);
        let came_to_it = queries.load(Ordering::Relaxed) < 0;
        queries.store(i64::MAX, Ordering::Relaxed);
        readable(&instance);
        assert_eq!(outcome.is_err(), came_to_it, "query {number}: {outcome:?}");
        failed += u64::from(came_to_it);
        // The next one finishes, and what is left is what rows name.
        collect(&instance).unwrap();
        readable(&instance);
        let after = listed(&instance);
        assert!(after.is_subset(&before) && after.len() == 4, "query {number}: {after:?}");
        instance.close();
        if !came_to_it {
            break;
        }
    }
    assert!(failed > 10, "{failed} queries failed");
}

#[test]
fn a_listing_that_ends_in_the_middle_deletes_nothing() {
    let mut failed = 0;
    for entries in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let before = fill(folder.path());
        let instance = Instance::embedded(folder.path()).unwrap();
        let store: Arc<dyn Store> = Arc::new(FileStore::open("main", folder.path().join("objects")).unwrap());
        instance.use_store(FaultyStore::listing(store.clone(), entries)).unwrap();
        let outcome = collect(&instance);
        instance.use_store(store).unwrap();
        // Before the schema is opened, which cleans up what the journal tells of.
        let after = listed(&instance);
        readable(&instance);
        if outcome.is_ok() {
            assert!(after.len() == 4 && entries == before.len() as i64, "{entries}: {outcome:?}");
            break;
        }
        assert_eq!(after, before, "{entries} entries were listed");
        failed += 1;
        instance.close();
    }
    assert!(failed > 5, "{failed} listings failed");
}

/// A program that keeps a row out of sight: whichever table is read next, the row has just been moved to the other.
#[derive(Debug)]
struct Hiding {
    other: Instance,
    moves: AtomicI64,
}

impl Hiding {
    fn table(&self) -> crate::Table {
        self.other.schema("lab").unwrap().table("Thing").unwrap().unwrap()
    }
}

impl Beside for Hiding {
    fn before(&self, sql: &str) {
        if !sql.starts_with("SELECT DISTINCT json_extract(\"shared\"") {
            return;
        }
        let is_hidden = self.table().is_empty().unwrap();
        match sql.contains("~deleted_") {
            true if is_hidden => drop(self.table().undelete(None).unwrap()),
            false if !is_hidden => drop(self.table().delete().unwrap()),
            _ => return,
        }
        self.moves.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_row_that_moves_while_references_are_read_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let other = Instance::embedded(folder.path()).unwrap();
    other.configure(|config| config.set("gc.automatic", false.into())).unwrap();
    let lab = other.schema("lab").unwrap();
    let table = lab.declare("Thing", Tier::Manual, "id : int32\n---\nshared : <blob@>").unwrap();
    table.insert([row! { "id" => 1, "shared" => "the same" }, row! { "id" => 2, "shared" => "the same" }]).unwrap();
    table.restrict("id = 2").unwrap().delete().unwrap();
    other.configure(|config| config.set("gc.undelete", 3600.into())).unwrap();
    table.delete().unwrap();

    let hiding = Arc::new(Hiding { other: other.clone(), moves: AtomicI64::new(0) });
    let instance = doubtful(folder.path(), hiding.clone());
    let found = instance.collect(&[SchemaName::new("lab").unwrap()], &CollectOptions::default()).unwrap();
    assert!(hiding.moves.load(Ordering::Relaxed) > 0);
    assert_eq!((found.hash.deleted, found.hash.referenced), (0, 1), "{found:?}");
    if table.is_empty().unwrap() {
        table.undelete(None).unwrap();
    }
    assert_eq!(table.fetch1().unwrap().get("shared"), Some(&"the same".into()));
    instance.close();
}
