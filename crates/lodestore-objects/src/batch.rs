//! Many objects at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, Result, Segment, StorePath};

use crate::{PutMode, PutOutcome, Store};

/// So many objects are in flight together. A disk gains from a few requests at a time: the rest of
/// each is waiting for `fsync`.
const AT_ONCE: usize = 8;

/// An object to write.
#[derive(Debug, Clone)]
pub struct Put {
    /// Where to.
    pub store: Arc<dyn Store>,
    /// Its path.
    pub path: StorePath,
    /// Its content, in segments.
    pub payload: Vec<Segment>,
    /// What to do if the path is taken.
    pub mode: PutMode,
}

/// An object to read.
#[derive(Debug, Clone)]
pub struct Get {
    /// Where from.
    pub store: Arc<dyn Store>,
    /// Its path.
    pub path: StorePath,
}

/// Writes objects; gives what each put found, in order.
///
/// # Errors
/// Those of [`Store::put`]. After an error no further object is begun; any of the others may have been written.
pub fn put_all(puts: &[Put]) -> Result<Vec<PutOutcome>> {
    all(puts, |put| put.store.put(&put.path, &put.payload, put.mode))
}

/// Reads objects whole, in order; `None` for one that is not there.
///
/// # Errors
/// Those of [`Store::get`]. After an error no further object is begun.
pub fn get_all(gets: &[Get]) -> Result<Vec<Option<Bytes>>> {
    all(gets, |get| get.store.get(&get.path))
}

fn all<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    if items.len() <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Result<R>)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(items.len()) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let outcome = work(item);
                    failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
                    done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((index, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_unstable_by_key(|(index, _)| *index);
    let results = done.into_iter().map(|(_, outcome)| outcome).collect::<Result<Vec<R>>>()?;
    if results.len() < items.len() {
        return Err(Error::new(ErrorKind::Internal, "a batch of transfers ended early"));
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileStore;
    use crate::testing::{CountingStore, FaultyStore};

    fn temporary() -> (tempfile::TempDir, Arc<dyn Store>) {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open("main", folder.path()).unwrap();
        (folder, Arc::new(store))
    }

    fn puts(store: &Arc<dyn Store>, count: usize) -> Vec<Put> {
        (0..count)
            .map(|n| Put {
                store: store.clone(),
                path: StorePath::new(format!("x/{n}")).unwrap(),
                payload: vec![n.to_string().into()],
                mode: PutMode::Create,
            })
            .collect()
    }

    #[test]
    fn results_come_in_order() {
        let (_folder, store) = temporary();
        let counting = CountingStore::new(store);
        let store: Arc<dyn Store> = counting.clone();
        let puts = puts(&store, 50);
        assert_eq!(put_all(&puts).unwrap(), vec![PutOutcome::Written; 50]);
        assert_eq!(put_all(&puts[..2]).unwrap(), vec![PutOutcome::AlreadyThere; 2]);
        let gets: Vec<Get> =
            puts.iter().rev().map(|put| Get { store: store.clone(), path: put.path.clone() }).collect();
        let read = get_all(&gets).unwrap();
        assert_eq!(read[0], Some("49".into()));
        assert_eq!(counting.requests(), 102);
    }

    #[test]
    fn an_error_stops_what_has_not_begun() {
        let (_folder, store) = temporary();
        let counting = CountingStore::new(store);
        let store: Arc<dyn Store> = FaultyStore::new(counting.clone(), 5);
        assert_eq!(put_all(&puts(&store, 500)).unwrap_err().kind(), ErrorKind::Storage);
        assert!(counting.requests() < 100);
    }
}
