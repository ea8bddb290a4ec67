//! One connection for each thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lodestore_types::{Error, ErrorKind, Result};

use crate::{Connection, Driver};

/// Connections to one database, one for each thread that asks, so that each thread has its own
/// transaction and none waits for another inside the program.
///
/// A thread's connection closes when the thread ends. A forked child never touches the
/// connections of its parent: it leaves them and opens its own.
#[derive(Debug, Clone)]
pub struct Pool {
    id: u64,
    driver: Arc<dyn Driver>,
}

type Shared = Rc<RefCell<Box<dyn Connection>>>;

struct Local {
    process: u32,
    connections: HashMap<u64, Shared>,
}

thread_local! {
    static LOCAL: RefCell<Local> = RefCell::new(Local { process: std::process::id(), connections: HashMap::new() });
}

impl Pool {
    /// A pool without connections yet.
    pub fn new(driver: impl Driver + 'static) -> Self {
        Pool::of(Arc::new(driver))
    }

    /// A pool of other connections to the same database.
    pub fn twin(&self) -> Self {
        Pool::of(self.driver.clone())
    }

    fn of(driver: Arc<dyn Driver>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Pool { id: NEXT.fetch_add(1, Ordering::Relaxed), driver }
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
            local.process == std::process::id() && local.connections.contains_key(&self.id)
        })
    }

    /// Closes this thread's connection; an open transaction is rolled back.
    pub fn close(&self) {
        // Taken out first: closing may take time and must not happen under the borrow.
        let closed = LOCAL.with(|local| local.borrow_mut().connections.remove(&self.id));
        drop(closed);
    }

    fn connection(&self) -> Result<Shared> {
        LOCAL.with(|local| {
            let mut local = local.borrow_mut();
            if local.process != std::process::id() {
                // Closing an inherited connection would disturb the parent's locks.
                std::mem::take(&mut local.connections).into_values().for_each(std::mem::forget);
                local.process = std::process::id();
            }
            if let Some(connection) = local.connections.get(&self.id) {
                return Ok(connection.clone());
            }
            let connection: Shared = Rc::new(RefCell::new(self.driver.connect()?));
            local.connections.insert(self.id, connection.clone());
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
}
