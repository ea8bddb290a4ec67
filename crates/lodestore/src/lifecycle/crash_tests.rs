//! A program that stops between any two things that it does: whatever it was about, the next one finds rows and objects
//! true to each other.
//!
//! The last step of each short workload is carried out by a project whose database and store fail from their n-th
//! request on, as for a program that is gone; for every n. What comes after is a plain project on the same files. With
//! `LODESTORE_SOAK` set, workloads have up to three steps, else up to two.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};

use lodestore_db::{Answer, Bulk, ColumnSpec, ColumnVisitor, Connection, Driver, Pool, Refused, RowVisitor, sqlite};
use lodestore_objects::testing::FaultyStore;
use lodestore_objects::{FileStore, Store};
use lodestore_types::{Error, ErrorKind, Result, SchemaName, Value};

use crate::config::Config;
use crate::{CollectOptions, Duplicates, InsertOptions, Instance, NdArray, NpyRef, Row, Table, Tier, row};

/// How many requests are still answered.
type Left = Arc<AtomicI64>;

fn spend(left: &Left) -> Result<()> {
    match left.fetch_sub(1, Ordering::Relaxed) > 0 {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::LostConnection, "this program is gone")),
    }
}

#[derive(Debug)]
struct Stopping {
    inner: sqlite::Driver,
    left: Left,
}

impl Driver for Stopping {
    fn connect(&self) -> Result<Box<dyn Connection>> {
        Ok(Box::new(StoppingConnection { inner: self.inner.connect()?, left: self.left.clone() }))
    }
}

#[derive(Debug)]
struct StoppingConnection {
    inner: Box<dyn Connection>,
    left: Left,
}

impl Connection for StoppingConnection {
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        spend(&self.left)?;
        self.inner.execute(sql, parameters)
    }

    fn insert(&mut self, bulk: &Bulk<'_>) -> std::result::Result<u64, Refused> {
        spend(&self.left)?;
        self.inner.insert(bulk)
    }

    fn query_each(&mut self, sql: &str, parameters: &[Value], visit: &mut RowVisitor<'_>) -> Result<()> {
        // Reading leaves nothing behind: it is not counted, and fails when the rest does.
        match self.left.load(Ordering::Relaxed) > 0 {
            true => self.inner.query_each(sql, parameters, visit),
            false => spend(&self.left),
        }
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

    fn statement(&mut self, sql: &str, parameters: &[Value]) -> Result<Answer> {
        spend(&self.left)?;
        self.inner.statement(sql, parameters)
    }

    fn begin(&mut self) -> Result<()> {
        spend(&self.left)?;
        self.inner.begin()
    }

    fn begin_snapshot(&mut self) -> Result<()> {
        self.inner.begin_snapshot()
    }

    fn commit(&mut self) -> Result<()> {
        spend(&self.left)?;
        self.inner.commit()
    }

    fn rollback(&mut self) -> Result<()> {
        spend(&self.left)?;
        self.inner.rollback()
    }

    fn in_transaction(&self) -> bool {
        self.inner.in_transaction()
    }
}

/// What a step of a workload may be.
#[derive(Debug, Clone, Copy)]
enum Step {
    Insert,
    InsertOther,
    Replace,
    Update,
    Delete,
    DeleteAll,
    Transaction,
    Rollback,
    Collect,
    Drop,
    /// Deletes and keeps what is deleted.
    Keep,
    Undelete,
    /// Has the time of all that is kept be over, and collects.
    Expire,
    /// Two deletes of one transaction.
    KeepTwice,
    /// Drops an attribute that owns objects.
    AlterDrop,
    /// Adds one, and renames another.
    AlterRename,
    /// Inserts, and deletes, under other prefixes than the other steps.
    OtherPrefix,
}

/// Workloads about what is kept, each stopped at every point of its last step.
const KEPT: [&[Step]; 16] = [
    &[Step::Insert, Step::Keep],
    &[Step::Insert, Step::Keep, Step::InsertOther, Step::Keep],
    &[Step::Insert, Step::Keep, Step::Undelete],
    &[Step::Insert, Step::InsertOther, Step::Keep, Step::Delete, Step::Undelete],
    &[Step::Insert, Step::Keep, Step::Insert, Step::Undelete],
    &[Step::Insert, Step::Keep, Step::Collect],
    &[Step::Insert, Step::InsertOther, Step::Keep, Step::Expire],
    &[Step::Insert, Step::Keep, Step::Drop],
    &[Step::Insert, Step::KeepTwice],
    &[Step::Insert, Step::KeepTwice, Step::Undelete],
    &[Step::Insert, Step::AlterDrop],
    &[Step::Insert, Step::AlterRename],
    &[Step::Insert, Step::Keep, Step::AlterDrop],
    &[Step::Insert, Step::OtherPrefix],
    &[Step::Insert, Step::OtherPrefix, Step::DeleteAll],
    &[Step::OtherPrefix, Step::Insert, Step::Collect],
];

const STEPS: [Step; 10] = [
    Step::Insert,
    Step::InsertOther,
    Step::Replace,
    Step::Update,
    Step::Delete,
    Step::DeleteAll,
    Step::Transaction,
    Step::Rollback,
    Step::Collect,
    Step::Drop,
];

fn thing(id: i64, shared: &str) -> Row {
    row! { "id" => id, "trace" => NdArray::from_f64(&[id as f64; 3]), "shared" => shared }
}

impl Step {
    fn run(self, instance: &Instance) -> Result<()> {
        let lab = instance.schema("lab")?;
        let declare =
            || lab.declare("Thing", Tier::Manual, "id : int32\n---\ntrace=null : <npy@>\nshared=null : <blob@>");
        let table: Table = declare()?;
        match self {
            Step::Insert => table.insert([thing(1, "one"), thing(2, "same")]),
            Step::InsertOther => table.insert([thing(3, "same"), thing(4, "same")]),
            Step::Replace => {
                let options = InsertOptions { duplicates: Duplicates::Replace, ..InsertOptions::default() };
                table.insert_opts([thing(2, "one"), thing(5, "two")], options)
            }
            Step::Update => match table.restrict("id = 2")?.is_empty()? {
                true => Ok(0),
                false => table.update1(thing(2, "changed")).map(|()| 1),
            },
            Step::Delete => table.restrict("id < 3")?.delete(),
            Step::DeleteAll => table.delete_quick(),
            Step::Transaction => instance.transaction(|| {
                table.restrict("id = 1")?.delete()?;
                table.insert([thing(6, "same"), thing(7, "new")])
            }),
            Step::Rollback => {
                let outcome: Result<()> = instance.transaction(|| {
                    table.insert([thing(8, "same"), thing(9, "gone")])?;
                    table.delete()?;
                    Err(Error::new(ErrorKind::User, "never mind"))
                });
                match outcome {
                    Err(error) if error.kind() == ErrorKind::User => Ok(0),
                    outcome => outcome.map(|()| 0),
                }
            }
            Step::Collect => {
                let options = CollectOptions { full: true, age: Some(0), ..CollectOptions::default() };
                instance.collect(&[SchemaName::new("lab")?], &options).map(|found| found.hash.deleted)
            }
            Step::Drop => table.drop().map(|tables| tables.len() as u64),
            Step::Keep => {
                instance.configure(|config| config.set("gc.undelete", 3600.into()))?;
                table.restrict("id < 4")?.delete()
            }
            Step::KeepTwice => {
                instance.configure(|config| config.set("gc.undelete", 3600.into()))?;
                instance.transaction(|| Ok(table.restrict("id = 1")?.delete()? + table.restrict("id = 2")?.delete()?))
            }
            Step::AlterDrop => {
                let plan = table.alteration("id : int32\n---\ntrace=null : <npy@>")?;
                table.alter(&plan).map(|_| 0)
            }
            Step::AlterRename => {
                let definition =
                    "id : int32\n---\ntrace=null : <npy@>\nadded=null : <blob@>\nkept=null : <blob@>  # {shared}";
                let plan = table.alteration(definition)?;
                table.alter(&plan).map(|_| 0)
            }
            Step::OtherPrefix => {
                let objects = Path::new(instance.place()).with_file_name("objects");
                let main = serde_json::json!({
                    "protocol": "file", "location": objects, "hash_prefix": "content", "schema_prefix": "arrays"
                });
                let stores = serde_json::json!({ "default": "main", "main": main });
                instance.configure(|config| config.set("stores", stores))?;
                table.insert([thing(10, "one"), thing(11, "other")])?;
                table.restrict("id = 2 or id = 10")?.delete()
            }
            Step::Undelete => lab.undelete(None).map(|tables| tables.len() as u64),
            Step::Expire => {
                instance.statement("UPDATE \"lab.~deletions\" SET expires = since", Vec::new())?;
                instance.collect(&[SchemaName::new("lab")?], &CollectOptions::default()).map(|found| found.expired)
            }
        }
        .map(drop)
    }
}

/// Runs a step by a project that is gone after so many requests; true if it came to its end.
fn run_stopping(folder: &Path, step: Step, requests: i64) -> bool {
    let left: Left = Arc::new(AtomicI64::new(i64::MAX));
    let mut config = Config::default();
    config.set("database.backend", "sqlite".into()).unwrap();
    config.set("database.path", folder.to_string_lossy().as_ref().into()).unwrap();
    let driver = Stopping { inner: sqlite::Driver::new(folder.join("lodestore.db")), left: left.clone() };
    let instance = Instance::open_through(Arc::new(RwLock::new(config)), |_| Pool::new(driver)).unwrap();
    let store: Arc<dyn Store> = Arc::new(FileStore::open("main", folder.join("objects")).unwrap());
    // Both count down together: whichever is at its end first, the other one's requests come to nothing any more
    // that would not have come to it in a program that is gone.
    instance.use_store(FaultyStore::sharing(store, left.clone())).unwrap();
    left.store(requests, Ordering::Relaxed);
    let outcome = step.run(&instance);
    let came_to_its_end = left.load(Ordering::Relaxed) > 0;
    assert!(outcome.is_ok() || !came_to_its_end || refused(&outcome), "{step:?}: {outcome:?}");
    instance.close();
    came_to_its_end
}

/// A row that is there already is no crash.
fn refused(outcome: &Result<()>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Duplicate)
}

/// Rows and objects are true to each other, and once more after a collection.
fn check(folder: &Path, told: &str) {
    let instance = Instance::embedded(folder).unwrap();
    let lab = instance.schema("lab").unwrap();
    let name = SchemaName::new("lab").unwrap();
    for _ in 0..2 {
        if let Some(table) = lab.table("Thing").unwrap() {
            for row in table.fetch().unwrap() {
                let id = row.get("id").and_then(Value::as_i64).unwrap();
                if let Ok(value @ Value::Reference(_)) = row.value("trace") {
                    let trace = NpyRef::from_value(&instance, value).unwrap().load().unwrap();
                    assert_eq!(trace.to_f64(), Some(vec![id as f64; 3]), "{told}");
                }
            }
        }
        let found = instance.collect(std::slice::from_ref(&name), &CollectOptions::default()).unwrap();
        assert_eq!(found.failures, [""; 0], "{told}");
    }
    let (content, objects) = instance.referenced_paths(&name).unwrap();
    let named: BTreeSet<String> = content.into_iter().chain(objects).collect();
    let listed = instance.list_objects(&name, None).unwrap();
    let there: BTreeSet<String> = listed.into_iter().map(|object| object.path.to_string()).collect();
    assert_eq!(there, named, "{told}");
    // What is kept comes back whole, unless it is in the way of what is there.
    let undone = lab.deletions().unwrap().first().map(|deletion| lab.undelete(Some(&deletion.id)));
    instance.close();
    match undone {
        Some(Ok(_)) => check(folder, told),
        Some(Err(error)) => {
            // A row of its key is there again, or the table has been altered.
            let is_known = matches!(error.kind(), ErrorKind::Duplicate | ErrorKind::InvalidRequest);
            assert!(is_known, "{told}: {error}");
        }
        None => {}
    }
}

fn folder() -> tempfile::TempDir {
    // Where flushing costs nothing, if there is such a place.
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => {
                std::fs::create_dir_all(&target).unwrap();
                copy(&entry.path(), &target);
            }
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Every point at which the last step of a workload may stop; gives their number.
fn stop_everywhere(workload: &[Step], stride: i64) -> i64 {
    let (last, first) = workload.split_last().unwrap();
    let before = folder();
    let instance = Instance::embedded(before.path()).unwrap();
    for step in first {
        let outcome = step.run(&instance);
        assert!(outcome.is_ok() || refused(&outcome), "{workload:?}: {outcome:?}");
    }
    instance.close();
    drop(instance);
    let (mut requests, mut points) = (0, 0);
    loop {
        let home = folder();
        copy(before.path(), home.path());
        let came_to_its_end = run_stopping(home.path(), *last, requests);
        check(home.path(), &format!("{workload:?} stopped after {requests} requests"));
        points += 1;
        if came_to_its_end {
            return points;
        }
        requests += stride;
    }
}

#[test]
fn a_program_may_stop_anywhere() {
    let is_long = std::env::var_os("LODESTORE_SOAK").is_some();
    let mut points = 0;
    let mut workloads: Vec<Vec<Step>> = STEPS.iter().map(|step| vec![*step]).collect();
    let mut longest = workloads.clone();
    for _ in 1..if is_long { 3 } else { 2 } {
        longest = longest
            .iter()
            .flat_map(|workload| STEPS.iter().map(move |step| workload.iter().copied().chain([*step]).collect()))
            .collect();
        workloads.extend(longest.clone());
    }
    let began = std::time::Instant::now();
    for (number, workload) in workloads.iter().enumerate() {
        // The short form skips some points, others for each workload.
        let stride = if is_long || workload.len() == 1 { 1 } else { 7 + number as i64 % 4 };
        points += stop_everywhere(workload, stride);
    }
    for workload in KEPT {
        points += stop_everywhere(workload, 1);
    }
    println!("{} workloads stopped at {points} points in {:.0?}", workloads.len(), began.elapsed());
    assert!(points > workloads.len() as i64);
}
