//! Transactions, and what becomes of objects when one is rolled back.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use lodestore_codec::manifest::Manifest;
use lodestore_db::Connection;
use lodestore_objects::{Store, delete_all};
use lodestore_types::{Error, ErrorKind, Result, SchemaName, StorePath};

use crate::Instance;
use crate::lifecycle::{Intent, Object};
use crate::undelete::KeptSoFar;

thread_local! {
    static TASK: Cell<usize> = const { Cell::new(0) };
}

/// True once any thread has had a task.
static TASKS: AtomicBool = AtomicBool::new(false);

/// Says which of several tasks that take turns on this thread (coroutines of an event loop) makes the calls that follow: any
/// number that is its own, 0 for none. A transaction is its task's alone.
pub fn set_task(task: usize) {
    if task != 0 {
        TASKS.store(true, Ordering::Relaxed);
    }
    TASK.set(task);
}

/// What this program wrote or relies on, which no committed row names yet.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    written: Option<Written>,
    /// What the journal says of it, from before it was written.
    intent: Option<Arc<Intent>>,
}

#[derive(Clone, Debug)]
struct Written {
    store: Arc<dyn Store>,
    path: StorePath,
    kind: Kind,
    /// Whether this program is known to have written it; without it, it is.
    own: Option<Arc<AtomicBool>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One object under a path of its own.
    Object,
    /// Perhaps a folder with a manifest, under a path of its own.
    Tree,
    /// Content that other rows may rely on as well.
    Shared,
}

impl Fresh {
    /// One object under a path that no other row has.
    pub(crate) fn object(store: Arc<dyn Store>, path: StorePath) -> Self {
        Fresh { written: Some(Written { store, path, kind: Kind::Object, own: None }), intent: None }
    }

    /// Whatever lies at such a path and below, and the manifest beside it.
    pub(crate) fn tree(store: Arc<dyn Store>, path: StorePath) -> Self {
        Fresh { written: Some(Written { store, path, kind: Kind::Tree, own: None }), intent: None }
    }

    /// An object that other rows may rely on as well.
    pub(crate) fn shared(store: Arc<dyn Store>, path: StorePath) -> Self {
        Fresh { written: Some(Written { store, path, kind: Kind::Shared, own: None }), intent: None }
    }

    /// An object that may be another's until `own` is true: a random token may be that of a live row. It is left to a
    /// collection until then.
    pub(crate) fn owned_once(mut self, own: &Arc<AtomicBool>) -> Self {
        if let Some(written) = &mut self.written {
            written.own = Some(own.clone());
        }
        self
    }

    /// Nothing but an intent, to be settled or given up.
    pub(crate) fn only(intent: Arc<Intent>) -> Self {
        Fresh { written: None, intent: Some(intent) }
    }

    /// With the intent that names it, which is settled or given up with it.
    pub(crate) fn intended(mut self, intent: &Arc<Intent>) -> Self {
        self.intent = Some(intent.clone());
        self
    }

    /// As the journal names it.
    pub(crate) fn as_object(&self) -> Option<Object> {
        self.written.as_ref().map(Written::as_object)
    }
}

impl Written {
    fn as_object(&self) -> Object {
        Object { store: self.store.name().to_owned(), path: self.path.clone(), tree: self.kind == Kind::Tree }
    }

    fn is_own(&self) -> bool {
        self.own.as_ref().is_none_or(|own| own.load(Ordering::Relaxed))
    }

    fn remove(&self) -> Result<()> {
        self.store.delete(&self.path)?;
        if self.kind == Kind::Tree {
            let inside = self.store.list(Some(&self.path))?.collect::<Result<Vec<_>>>()?;
            for entry in inside {
                self.store.delete(&entry.path)?;
            }
            self.store.delete(&Manifest::path_for(&self.path)?)?;
        }
        Ok(())
    }
}

/// The transactions that are open, by thread.
#[derive(Default)]
pub(crate) struct Transactions(Mutex<HashMap<ThreadId, Open>>);

#[derive(Default)]
struct Open {
    /// False until the first write of a transaction that waits for one.
    begun: bool,
    /// True if it belongs to a stretch of code that ends it for certain: if its connection is closed before, what that code
    /// writes afterwards must not stand alone.
    scoped: bool,
    /// The task of this thread that began it: 0 outside of tasks.
    task: usize,
    /// True if the database has rolled it back by itself: what is written from then on must not stay alone.
    lost: bool,
    /// What to remove if it is rolled back.
    fresh: Vec<Fresh>,
    /// What belongs to parts of it that were rolled back: removed already, but for what others may rely on.
    failed: Vec<Fresh>,
    /// The schemas whose journals have objects to collect when it is committed.
    released: BTreeSet<SchemaName>,
    /// What it has deleted that can come back.
    kept: Option<Arc<KeptSoFar>>,
    /// How many savepoints are open in it, which name them.
    depth: usize,
}

impl Transactions {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<ThreadId, Open>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl Instance {
    /// Runs `work` in a transaction: all that it writes becomes visible at once when it returns,
    /// or nothing of it if it fails.
    ///
    /// Rows that were inserted and rolled back leave no object behind that no other row names. Objects of rows that
    /// were deleted or changed go when the transaction is committed.
    ///
    /// # Errors
    /// Those of `work`; `InvalidRequest` if this thread has a transaction open.
    pub fn transaction<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.begin_scoped()?;
        self.finish(work)
    }

    /// Like [`Instance::transaction`], but the database is locked for writing only from the first
    /// write on: what `work` reads before, it reads as it stands at that moment.
    pub(crate) fn transaction_from_first_write<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.start(false, true)?;
        self.finish(work)
    }

    fn finish<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        // A panic must not leave the transaction open either.
        struct Guard<'a>(&'a Instance, bool);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                if !self.1 {
                    let _ = self.0.rollback();
                }
            }
        }
        let mut guard = Guard(self, false);
        let value = work()?;
        guard.1 = true;
        self.commit()?;
        Ok(value)
    }

    /// Begins a transaction on this thread.
    ///
    /// # Errors
    /// `InvalidRequest` if one is open.
    pub fn begin(&self) -> Result<()> {
        self.start(true, false)
    }

    /// Like [`Instance::begin`], for code that will certainly call [`Instance::commit`] or [`Instance::rollback`]: if the
    /// connection is closed before, whatever it writes until then is refused.
    ///
    /// # Errors
    /// As [`Instance::begin`].
    pub fn begin_scoped(&self) -> Result<()> {
        self.start(true, true)
    }

    /// Makes all since [`Instance::begin`] visible at once.
    ///
    /// # Errors
    /// `InvalidRequest` without a transaction; `LostConnection` if the database rolled it back before; otherwise the
    /// database's, and then it is rolled back.
    pub fn commit(&self) -> Result<()> {
        self.check_task()?;
        let open =
            self.take().ok_or_else(|| Error::new(ErrorKind::InvalidRequest, "there is no transaction to commit"))?;
        if !open.begun && !open.lost {
            self.resolve(open.failed);
            return Ok(());
        }
        if open.lost || !self.with_connection(|connection| Ok(connection.in_transaction()))? {
            // Its savepoints and locks went with it.
            let _ = self.with_connection(|connection| connection.rollback());
            self.resolve(open.fresh.into_iter().chain(open.failed).collect());
            return Err(lost());
        }
        let outcome = self.with_connection(|connection| connection.commit());
        let intents = intents_of(&open.fresh);
        match outcome {
            Ok(()) => self.settled(&intents),
            // A commit whose answer got lost may have happened: whether a row names the objects is seen later.
            Err(_) => self.give_up(&intents, &|_| false),
        }
        self.resolve(open.failed);
        outcome?;
        self.give_up_the_late();
        for schema in &open.released {
            self.reclaim(schema);
        }
        Ok(())
    }

    /// Forgets all since [`Instance::begin`], and removes the objects written for it that no other row names; nothing
    /// happens without a transaction.
    ///
    /// # Errors
    /// The database's.
    pub fn rollback(&self) -> Result<()> {
        self.check_task()?;
        let Some(open) = self.take() else { return Ok(()) };
        if open.begun {
            self.with_connection(|connection| connection.rollback())?;
        }
        self.resolve(open.fresh.into_iter().chain(open.failed).collect());
        Ok(())
    }

    /// Runs `work`, which only reads, on the database as it is committed at one moment; not inside a transaction.
    pub(crate) fn in_snapshot<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        struct Guard<'a>(&'a Instance);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                // It has written nothing; a connection that fails here is found out when it is used next.
                let _ = self.0.with_connection(|connection| connection.rollback());
            }
        }
        self.with_connection(|connection| connection.begin_snapshot())?;
        let _guard = Guard(self);
        work()
    }

    /// True while this thread has a transaction open.
    pub fn in_transaction(&self) -> bool {
        self.transactions().with(|open| open.contains_key(&thread::current().id()))
    }

    /// Refuses to work in a transaction that another task of this thread began.
    pub(crate) fn check_task(&self) -> Result<()> {
        if !TASKS.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.with_open(|open| open.task != TASK.get()) {
            Some(true) => Err(Error::new(
                ErrorKind::InvalidRequest,
                "another task of this thread has a transaction open, which this statement would become part of",
            )
            .with_hint(
                "do not await inside a transaction, or run each task's transaction in a thread of its own \
                 (`asyncio.to_thread`)",
            )),
            _ => Ok(()),
        }
    }

    fn start(&self, begin: bool, scoped: bool) -> Result<()> {
        self.check_task()?;
        if self.in_transaction() {
            return Err(Error::new(ErrorKind::InvalidRequest, "a transaction is open already")
                .with_hint("transactions do not nest: end the first one, or do all the work in it"));
        }
        if begin {
            self.with_connection(|connection| connection.begin())?;
        }
        let open = Open { begun: begin, scoped, task: TASK.get(), ..Open::default() };
        self.transactions().with(|all| all.insert(thread::current().id(), open));
        Ok(())
    }

    fn take(&self) -> Option<Open> {
        self.transactions().with(|open| open.remove(&thread::current().id()))
    }

    /// Gives up the transaction of a connection that is about to be closed; true if there is one. Code that has yet to end
    /// it is told that it was lost.
    pub(crate) fn forget_transaction(&self) -> bool {
        let Some(mut open) = self.take() else { return false };
        let begun = open.begun;
        if open.scoped {
            open.lost |= begun;
            self.transactions().with(|all| all.insert(thread::current().id(), open));
        } else {
            // The intents are looked at when their lease is over: nothing can be written now.
            remove(&open.fresh);
        }
        begun
    }

    /// Notes that the journal of a schema has objects to collect when this thread's transaction is committed.
    pub(crate) fn note_released(&self, schema: &SchemaName) {
        self.with_open(|open| open.released.insert(schema.clone()));
    }

    /// What this thread's transaction has deleted so far that can come back.
    pub(crate) fn kept_so_far(&self) -> Option<Arc<KeptSoFar>> {
        self.with_open(|open| open.kept.clone()).flatten()
    }

    /// Remembers what this thread's transaction has deleted that can come back.
    pub(crate) fn keep_so_far(&self, kept: Option<Arc<KeptSoFar>>) {
        self.with_open(|open| open.kept = kept);
    }

    /// Removes what belongs to rows that did not come to be, but for what other rows may rely on: of that, no more is
    /// known than that it may be garbage.
    pub(crate) fn discard(&self, fresh: Vec<Fresh>) {
        match self.in_transaction() {
            // The transaction may hold what the journal says of them.
            true => {
                remove(&fresh);
                self.with_open(|open| open.failed.extend(fresh));
            }
            false => self.resolve(fresh),
        }
    }

    /// Like [`Instance::discard`], when no transaction is open any more.
    fn resolve(&self, fresh: Vec<Fresh>) {
        let gone = remove(&fresh);
        self.give_up(&intents_of(&fresh), &|object| gone.contains(object));
    }

    /// Runs `work` in this thread's transaction, or else in one of its own; either way it happens
    /// whole or not at all. `fresh` are the objects written for it: their intents are settled with it, and they go when
    /// it does.
    pub(crate) fn write<T>(&self, fresh: Vec<Fresh>, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        self.write_for(fresh, &[], work)
    }

    /// Like [`Instance::write`], settling also the intents of objects that stay if it fails: they may be tried again.
    pub(crate) fn write_for<T>(
        &self,
        fresh: Vec<Fresh>,
        staged: &[Arc<Intent>],
        work: impl FnOnce(&mut dyn Connection) -> Result<T>,
    ) -> Result<T> {
        if !self.in_transaction() {
            return match self.begin() {
                Ok(()) => self.finish(|| self.write_for(fresh, staged, work)),
                Err(error) => {
                    // Whoever stands in the way must not be waited for once more.
                    let gone = remove(&fresh);
                    self.give_up_later(intents_of(&fresh).into_iter().filter(|intent| !intent.is_gone(&gone)));
                    Err(error)
                }
            };
        }
        let mut intents = intents_of(&fresh);
        intents.extend_from_slice(staged);
        let outcome = self.in_savepoint(|| {
            self.with_connection(|connection| {
                self.settle(connection, &intents)?;
                work(connection)
            })
        });
        match outcome {
            Ok(value) => {
                self.with_open(|open| open.fresh.extend(fresh));
                Ok(value)
            }
            Err(error) => {
                self.discard(fresh);
                Err(error)
            }
        }
    }

    /// Takes charge of objects that were written beforehand, for rows that are in now: they go if this thread's
    /// transaction is rolled back. Without one they stay.
    pub(crate) fn add_fresh(&self, fresh: Vec<Fresh>) {
        match self.in_transaction() {
            true => drop(self.with_open(|open| open.fresh.extend(fresh))),
            false => self.settled(&intents_of(&fresh)),
        }
    }

    /// Runs `work`, which may write several times, so that all of it happens or nothing: in this thread's transaction,
    /// or else in one of its own, which locks the database from the first write on.
    pub(crate) fn atomically<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.in_transaction() {
            return self.transaction_from_first_write(work);
        }
        let written = self.with_open(|open| open.fresh.len()).unwrap_or_default();
        self.in_savepoint(work).inspect_err(|_| {
            // What was written for the work before it failed.
            let fresh = self.with_open(|open| open.fresh.split_off(written.min(open.fresh.len())));
            self.discard(fresh.unwrap_or_default());
        })
    }

    /// Runs `work` inside this thread's transaction; if it fails, the transaction stands as it stood before.
    fn in_savepoint<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.ensure_begun()?;
        let (depth, kept) = self
            .with_open(|open| {
                open.depth += 1;
                (open.depth, open.kept.clone())
            })
            .unwrap_or_default();
        let name = format!("lodestore_{depth}");
        let send = |text: String| self.with_connection(|connection| connection.execute(&text, &[]));
        let outcome = send(format!("SAVEPOINT {name}")).and_then(|_| {
            let outcome = work();
            // A grave failure (a full disk) makes the database roll back all there is, savepoints and all.
            if outcome.is_err() && !self.with_connection(|connection| Ok(connection.in_transaction()))? {
                self.with_open(|open| open.lost = true);
                return outcome;
            }
            let value = outcome.inspect_err(|_| {
                // What was lost with its connection cannot be taken back here, and need not be: the first error tells
                // more than that of these.
                let _ = send(format!("ROLLBACK TO SAVEPOINT {name}"))
                    .and_then(|_| send(format!("RELEASE SAVEPOINT {name}")));
            })?;
            send(format!("RELEASE SAVEPOINT {name}"))?;
            Ok(value)
        });
        self.with_open(|open| {
            open.depth -= 1;
            if outcome.is_err() {
                open.kept = kept;
            }
        });
        outcome
    }

    /// Begins the transaction of this thread in the database too, if it has waited for its first write.
    pub(crate) fn ensure_begun(&self) -> Result<()> {
        if self.with_open(|open| open.lost) == Some(true) {
            return Err(lost());
        }
        if self.with_open(|open| open.begun) != Some(true) {
            self.with_connection(|connection| connection.begin())?;
            self.with_open(|open| open.begun = true);
        } else if !self.with_connection(|connection| Ok(connection.in_transaction()))? {
            // What is written now would be there at once, and for good.
            return Err(lost());
        }
        Ok(())
    }

    fn with_open<T>(&self, work: impl FnOnce(&mut Open) -> T) -> Option<T> {
        self.transactions().with(|all| all.get_mut(&thread::current().id()).map(work))
    }
}

fn lost() -> Error {
    Error::new(
        ErrorKind::LostConnection,
        "the transaction was lost: the database rolled it back, or the connection broke or was closed",
    )
    .with_hint("nothing of it is stored; run the whole transaction again")
}

/// The intents of objects, each once.
fn intents_of(fresh: &[Fresh]) -> Vec<Arc<Intent>> {
    let mut found: Vec<Arc<Intent>> = Vec::new();
    let mut met = HashSet::new();
    for intent in fresh.iter().filter_map(|fresh| fresh.intent.as_ref()) {
        if met.insert(Arc::as_ptr(intent)) {
            found.push(intent.clone());
        }
    }
    found
}

/// Removes objects under paths of their own, which no row names; gives those that are gone. The others are left to a
/// collection.
fn remove(fresh: &[Fresh]) -> HashSet<Object> {
    let mut gone = HashSet::new();
    let mut single: Vec<(&Arc<dyn Store>, Vec<&Written>)> = Vec::new();
    for written in fresh.iter().filter_map(|fresh| fresh.written.as_ref()) {
        match written.kind {
            Kind::Shared => {}
            _ if !written.is_own() => {}
            Kind::Tree if written.remove().is_ok() => drop(gone.insert(written.as_object())),
            Kind::Tree => {}
            Kind::Object => match single.iter_mut().find(|(store, _)| Arc::ptr_eq(store, &written.store)) {
                Some((_, together)) => together.push(written),
                None => single.push((&written.store, vec![written])),
            },
        }
    }
    // Over a network one by one would take long.
    for (store, together) in single {
        let paths: Vec<StorePath> = together.iter().map(|written| written.path.clone()).collect();
        let deleted = together.into_iter().zip(delete_all(store, &paths)).filter(|(_, outcome)| outcome.is_ok());
        gone.extend(deleted.map(|(written, _)| written.as_object()));
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NdArray, Tier, row};

    /// As a database does whose disk is full.
    fn roll_back_behind(instance: &Instance) {
        instance.with_connection(|connection| connection.rollback()).unwrap();
    }

    #[test]
    fn a_connection_closed_within_a_transaction_takes_all_of_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let instance = Instance::embedded(folder.path()).unwrap();
        let lab = instance.schema("lab").unwrap();
        let table = lab.declare("Trace", Tier::Manual, "id : int8\n---\nsamples : <npy@>").unwrap();
        let insert = |id: i64| table.insert1(row! { "id" => id, "samples" => NdArray::from_f64(&[1.0]) });
        let objects = || {
            let folder = StorePath::new("_schema").unwrap();
            instance.store("").unwrap().list(Some(&folder)).unwrap().count()
        };
        let outcome = instance.transaction(|| {
            insert(1)?;
            assert!(instance.close());
            assert_eq!(insert(2).unwrap_err().kind(), ErrorKind::LostConnection);
            assert!(instance.in_transaction());
            Ok(())
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::LostConnection);
        assert_eq!((table.len().unwrap(), objects(), instance.in_transaction()), (0, 0, false));
        // Without a scope there is nobody who would end it.
        instance.begin().unwrap();
        insert(3).unwrap();
        assert!(instance.close() && !instance.in_transaction());
        insert(4).unwrap();
        assert_eq!((table.len().unwrap(), objects()), (1, 1));
        assert!(!instance.close());
    }

    #[test]
    fn a_transaction_is_that_of_one_task() {
        let folder = tempfile::tempdir().unwrap();
        let instance = Instance::embedded(folder.path()).unwrap();
        let table = instance.schema("lab").unwrap().declare("Note", Tier::Manual, "id : int8").unwrap();
        set_task(1);
        instance.begin().unwrap();
        table.insert1(row! { "id" => 1 }).unwrap();
        set_task(2);
        let errors = [
            table.insert1(row! { "id" => 2 }).unwrap_err(),
            table.len().unwrap_err(),
            instance.begin().unwrap_err(),
            instance.rollback().unwrap_err(),
            instance.commit().unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.message().contains("another task"), "{error}");
        }
        set_task(1);
        instance.commit().unwrap();
        set_task(2);
        table.insert1(row! { "id" => 2 }).unwrap();
        assert_eq!(table.len().unwrap(), 2);
        set_task(0);
    }

    #[test]
    fn a_transaction_that_was_lost_stores_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let instance = Instance::embedded(folder.path()).unwrap();
        let lab = instance.schema("lab").unwrap();
        let table = lab.declare("Trace", Tier::Manual, "id : int8\n---\nsamples : <npy@>").unwrap();
        let insert = |id: i64| table.insert1(row! { "id" => id, "samples" => NdArray::from_f64(&[1.0]) });
        let folder = StorePath::new("_schema").unwrap();
        let objects = || instance.store("").unwrap().list(Some(&folder)).unwrap().count();

        let outcome = instance.transaction(|| {
            insert(1)?;
            roll_back_behind(&instance);
            assert_eq!(insert(2).unwrap_err().kind(), ErrorKind::LostConnection);
            Ok(())
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::LostConnection);
        assert_eq!((table.len().unwrap(), objects(), instance.in_transaction()), (0, 0, false));

        // Lost inside of an insert that goes in by several steps.
        let outcome = instance.transaction(|| {
            insert(1)?;
            let _: Result<()> = instance.atomically(|| {
                insert(2)?;
                roll_back_behind(&instance);
                insert(3)
            });
            insert(4)
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::LostConnection);
        assert_eq!((table.len().unwrap(), objects()), (0, 0));
        insert(5).unwrap();
        assert_eq!((table.len().unwrap(), objects()), (1, 1));
    }
}
