//! One connection for each thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use lodestore_types::{Error, ErrorKind, Result};

use crate::{Connection, Driver};

/// Connections to one database, one for each thread that asks, so that each thread has its own
/// transaction and none waits for another inside the program. Clones share them.
///
/// A thread's connection closes when the thread ends. When the last clone is dropped, the
/// connection of that thread closes at once, and those of other threads as soon as they use any
/// pool. A forked child never touches the connections of its parent: it leaves them and opens its
/// own.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: u64,
    driver: Arc<dyn Driver>,
}

type Shared = Rc<RefCell<Box<dyn Connection>>>;

struct Local {
    process: u32,
    /// How many pools had been dropped when this thread last closed the connections of dropped ones.
    swept: u64,
    connections: HashMap<u64, (Weak<Inner>, Shared)>,
}

impl Local {
    /// Closing an inherited connection would disturb the parent's.
    fn forget_inherited(&mut self) {
        if self.process != std::process::id() {
            std::mem::take(&mut self.connections).into_values().for_each(std::mem::forget);
            self.process = std::process::id();
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.forget_inherited();
    }
}

thread_local! {
    static LOCAL: RefCell<Local> =
        RefCell::new(Local { process: std::process::id(), swept: 0, connections: HashMap::new() });
}

/// How many pools have been dropped.
static DROPPED: AtomicU64 = AtomicU64::new(0);

impl Drop for Inner {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Release);
        // A thread that is ending closes its connections itself.
        let _ = LOCAL.try_with(|local| remove(local, self.id));
    }
}

/// Takes a pool's connection from this thread, and closes it unless it belongs to the parent process.
fn remove(local: &RefCell<Local>, id: u64) {
    // Dropped at the end: closing may take time and must not happen under the borrow.
    let _closed = local.try_borrow_mut().ok().and_then(|mut local| {
        local.forget_inherited();
        local.connections.remove(&id)
    });
}

impl Pool {
    /// A pool without connections yet.
    pub fn new(driver: impl Driver + 'static) -> Self {
        Pool::of(Arc::new(driver))
    }

    /// A pool of other connections to the same database.
    pub fn twin(&self) -> Self {
        Pool::of(self.0.driver.clone())
    }

    fn of(driver: Arc<dyn Driver>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Pool(Arc::new(Inner { id: NEXT.fetch_add(1, Ordering::Relaxed), driver }))
    }

    /// Calls `work` with this thread's connection, which is opened if need be.
    ///
    /// # Errors
    /// Those of [`Driver::connect`] and of `work`; `InvalidRequest` if `work` of an outer call is
    /// still using the connection.
    pub fn with<T>(&self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        let connection = self.connection()?;
        let mut connection = connection.try_borrow_mut().map_err(|_| {
            Error::new(ErrorKind::InvalidRequest, "this thread's connection is in the middle of another statement")
                .with_hint("finish reading the rows before you send another statement")
        })?;
        work(&mut **connection)
    }

    /// True if this thread has a connection open.
    pub fn is_open(&self) -> bool {
        LOCAL.with(|local| {
            let local = local.borrow();
            local.process == std::process::id() && local.connections.contains_key(&self.0.id)
        })
    }

    /// Closes this thread's connection; an open transaction is rolled back.
    pub fn close(&self) {
        LOCAL.with(|local| remove(local, self.0.id));
    }

    fn connection(&self) -> Result<Shared> {
        let dropped = DROPPED.load(Ordering::Acquire);
        // Closed at the end, not under the borrow.
        let mut _closed = Vec::new();
        LOCAL.with(|local| {
            let mut local = local.borrow_mut();
            local.forget_inherited();
            if local.swept != dropped {
                local.swept = dropped;
                _closed.extend(local.connections.extract_if(|_, (pool, _)| pool.strong_count() == 0));
            }
            if let Some((_, connection)) = local.connections.get(&self.0.id) {
                return Ok(connection.clone());
            }
            let connection: Shared = Rc::new(RefCell::new(self.0.driver.connect()?));
            local.connections.insert(self.0.id, (Arc::downgrade(&self.0), connection.clone()));
            Ok(connection)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite;
    use lodestore_types::Value;

    fn count(pool: &Pool) -> i64 {
        pool.with(|connection| connection.query("SELECT count(*) FROM t", &[])).unwrap()[0][0].as_i64().unwrap()
    }

    #[test]
    fn each_thread_has_its_own_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Pool::new(sqlite::Driver::new(folder.path().join("x.db")));
        pool.with(|connection| connection.execute("CREATE TABLE t (id INTEGER) STRICT", &[])).unwrap();
        pool.with(|connection| {
            connection.begin()?;
            connection.execute("INSERT INTO t VALUES (?)", &[Value::Int(1)])
        })
        .unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(count(&pool), 0));
        });
        assert_eq!(count(&pool), 1);
        pool.with(|connection| connection.commit()).unwrap();
        std::thread::scope(|scope| {
            // A thread that ends in the middle of a transaction takes it back.
            scope.spawn(|| {
                pool.with(|connection| {
                    connection.begin()?;
                    connection.execute("INSERT INTO t VALUES (2)", &[])
                })
                .unwrap();
            });
        });
        assert_eq!(count(&pool), 1);
    }

    #[test]
    fn using_the_connection_inside_its_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Pool::new(sqlite::Driver::new(folder.path().join("x.db")));
        let error = pool.with(|_| pool.with(|_| Ok(()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }

    #[test]
    fn writers_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Pool::new(sqlite::Driver::new(folder.path().join("x.db")));
        pool.with(|connection| connection.execute("CREATE TABLE t (id INTEGER) STRICT", &[])).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        pool.with(|connection| {
                            connection.begin()?;
                            connection.execute("INSERT INTO t VALUES (1)", &[])?;
                            connection.commit()
                        })
                        .unwrap();
                    }
                });
            }
        });
        assert_eq!(count(&pool), 100);
    }

    #[test]
    fn connections_of_dropped_pools_close() {
        fn open_files(folder: &std::path::Path) -> usize {
            let links = std::fs::read_dir("/proc/self/fd").unwrap();
            let targets = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
            targets.filter(|target| target.starts_with(folder)).count()
        }
        let folder = tempfile::tempdir().unwrap();
        let other = Pool::new(sqlite::Driver::new(folder.path().join("y.db")));
        let create = |pool: &Pool| {
            pool.with(|connection| connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER) STRICT", &[])).unwrap()
        };
        create(&other);
        let before = open_files(folder.path());
        let (send, receive) = std::sync::mpsc::channel::<()>();
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let pool = Pool::new(sqlite::Driver::new(folder.path().join("x.db")));
            let (elsewhere, other) = (pool.clone(), &other);
            scope.spawn(move || {
                create(&elsewhere);
                drop(elsewhere);
                done.send(()).unwrap();
                receive.recv().unwrap();
                // Any use of any pool.
                create(other);
                other.close();
                done.send(()).unwrap();
                receive.recv().unwrap();
            });
            create(&pool);
            is_done.recv().unwrap();
            assert!(open_files(folder.path()) > before);
            drop(pool);
            send.send(()).unwrap();
            is_done.recv().unwrap();
            assert_eq!(open_files(folder.path()), before);
            send.send(()).unwrap();
        });
    }
}
