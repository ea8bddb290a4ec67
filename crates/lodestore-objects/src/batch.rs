//! Many objects at once.
//!
//! Each call has a thread for every request that its stores gain from, so that a store is plain blocking code; the
//! calling thread waits, tells of progress, and looks up now and then whether the user pressed Ctrl-C.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, Result, Segment, StorePath};

use crate::interrupt::{LOOK_UP, heed, interrupted, stopped};
use crate::{PutMode, PutOutcome, Store};

/// So many objects go into one request to delete them.
const DELETED_TOGETHER: usize = 1000;

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
    /// The checksum of the content, for the store to record.
    pub checksum: Option<String>,
}

impl Put {
    /// Writes the object.
    ///
    /// # Errors
    /// Those of [`Store::put`].
    pub fn run(&self) -> Result<PutOutcome> {
        match &self.checksum {
            Some(checksum) => self.store.put_checked(&self.path, &self.payload, self.mode, checksum),
            None => self.store.put(&self.path, &self.payload, self.mode),
        }
    }
}

/// An object to read.
#[derive(Debug, Clone)]
pub struct Get {
    /// Where from.
    pub store: Arc<dyn Store>,
    /// Its path.
    pub path: StorePath,
}

/// Parts of an object to read.
#[derive(Debug, Clone)]
pub struct GetRanges {
    /// Where from.
    pub store: Arc<dyn Store>,
    /// Its path.
    pub path: StorePath,
    /// The parts.
    pub ranges: Vec<Range<u64>>,
    /// The size that the object must have, if it is known.
    pub size: Option<u64>,
}

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Objects that are done.
    pub done: usize,
    /// Objects in the batch.
    pub of: usize,
    /// Bytes of the objects that are done.
    pub bytes: u64,
}

/// Writes objects; gives what each put found, in order.
///
/// # Errors
/// Those of [`Store::put`]. After an error no further object is begun; any of the others may have been written.
/// `Interrupted` if the user pressed Ctrl-C: what was under way is given up, and may have been written as well.
pub fn put_all(puts: &[Put]) -> Result<Vec<PutOutcome>> {
    put_all_with(puts, &mut |_| {})
}

/// Like [`put_all`], telling the calling thread of progress.
///
/// # Errors
/// As [`put_all`].
pub fn put_all_with(puts: &[Put], progress: &mut dyn FnMut(Progress)) -> Result<Vec<PutOutcome>> {
    let size = |put: &Put, _: &PutOutcome| put.payload.iter().map(Segment::size).sum();
    let at_once = most_at_once(puts.iter().map(|put| &put.store));
    all(puts, at_once, Put::run, size, progress)
}

/// Reads objects whole, in order; `None` for one that is not there.
///
/// # Errors
/// Those of [`Store::get`]. After an error no further object is begun. `Interrupted` if the user pressed Ctrl-C.
pub fn get_all(gets: &[Get]) -> Result<Vec<Option<Bytes>>> {
    get_all_with(gets, &mut |_| {})
}

/// Like [`get_all`], telling the calling thread of progress.
///
/// # Errors
/// As [`get_all`].
pub fn get_all_with(gets: &[Get], progress: &mut dyn FnMut(Progress)) -> Result<Vec<Option<Bytes>>> {
    let size = |_: &Get, found: &Option<Bytes>| found.as_ref().map_or(0, |bytes| bytes.len() as u64);
    let at_once = most_at_once(gets.iter().map(|get| &get.store));
    all(gets, at_once, |get| get.store.get(&get.path), size, progress)
}

/// Reads parts of objects, in order; `None` for an object that is not there.
///
/// # Errors
/// Those of [`Store::get_ranges`]. After an error no further object is begun. `Interrupted` if the user pressed Ctrl-C.
pub fn get_ranges_all(gets: &[GetRanges]) -> Result<Vec<Option<Vec<Bytes>>>> {
    in_parallel(gets, most_at_once(gets.iter().map(|get| &get.store)), |get| match get.size {
        Some(size) => get.store.get_ranges_of(&get.path, size, &get.ranges),
        None => get.store.get_ranges(&get.path, &get.ranges),
    })
}

/// Removes objects of a store, with few requests, many at once; tells how each went, in order.
///
/// One failure keeps no other object from being removed. After Ctrl-C the rest fails with `Interrupted`.
pub fn delete_all(store: &Arc<dyn Store>, paths: &[StorePath]) -> Vec<Result<()>> {
    let together = paths.len().div_ceil(store.at_once().max(1)).clamp(1, DELETED_TOGETHER);
    let chunks: Vec<&[StorePath]> = paths.chunks(together).collect();
    let outcomes = Mutex::new(Vec::with_capacity(chunks.len()));
    let work = |index: &usize| {
        let outcome = store.delete_many(chunks[*index]);
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((*index, outcome));
        Ok(())
    };
    let numbered: Vec<usize> = (0..chunks.len()).collect();
    let ended = in_parallel(&numbered, store.at_once(), work);
    let mut told: Vec<Option<Vec<Result<()>>>> = chunks.iter().map(|_| None).collect();
    for (index, outcome) in outcomes.into_inner().unwrap_or_else(PoisonError::into_inner) {
        told[index] = Some(outcome);
    }
    // What was not begun was interrupted: nothing else keeps a chunk from its turn.
    debug_assert!(ended.is_err() || told.iter().all(Option::is_some));
    let outcomes = told.into_iter().zip(&chunks);
    outcomes.flat_map(|(told, chunk)| told.unwrap_or_else(|| chunk.iter().map(|_| Err(stopped())).collect())).collect()
}

/// Does `work` to many things, as many at once as their stores gain from; tells how each went, in order.
///
/// # Errors
/// `Interrupted` if the user pressed Ctrl-C. Other errors keep nothing else from being worked on.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    store: impl Fn(&T) -> &Arc<dyn Store>,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<Result<R>>> {
    let work = |item: &T| match work(item) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
        outcome => Ok(outcome),
    };
    in_parallel(items, most_at_once(items.iter().map(store)), work)
}

/// Does the same `work` for each item, so many at once (see [`Store::at_once`]); gives the results in order.
///
/// # Errors
/// Those of `work`; after one no further item is begun. `Interrupted` if the user pressed Ctrl-C.
pub fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    all(items, at_once, work, |_, _| 0, &mut |_| {})
}

/// So many requests at once are worth making of stores.
fn most_at_once<'a>(stores: impl Iterator<Item = &'a Arc<dyn Store>>) -> usize {
    stores.map(|store| store.at_once()).max().unwrap_or(0)
}

fn all<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
    size: impl Fn(&T, &R) -> u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<R>> {
    let mut told = Progress { done: 0, of: items.len(), bytes: 0 };
    let mut tell = |item: &T, result: &R| {
        told.done += 1;
        told.bytes += size(item, result);
        progress(told);
    };
    if let [item] = items {
        return work(item).inspect(|result| tell(item, result)).map(|result| vec![result]);
    }
    let at_once = at_once.clamp(1, items.len().max(1));
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let cancelled = Arc::new(AtomicBool::new(false));
    let mut done: Vec<Option<Result<R>>> = items.iter().map(|_| None).collect();
    std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..if items.is_empty() { 0 } else { at_once } {
            let (sender, cancelled, next, failed, work) = (sender.clone(), cancelled.clone(), &next, &failed, &work);
            scope.spawn(move || {
                heed(cancelled.clone());
                while !failed.load(Ordering::Relaxed) && !cancelled.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let outcome = work(item);
                    failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
                    // The receiver outlives the scope's threads.
                    let _ = sender.send((index, outcome));
                }
            });
        }
        drop(sender);
        let mut looked = Instant::now();
        loop {
            match receiver.recv_timeout(LOOK_UP) {
                Ok((index, outcome)) => {
                    if let Ok(result) = &outcome {
                        tell(&items[index], result);
                    }
                    done[index] = Some(outcome);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if looked.elapsed() >= LOOK_UP {
                looked = Instant::now();
                cancelled.fetch_or(interrupted(), Ordering::Relaxed);
            }
        }
    });
    if cancelled.load(Ordering::Relaxed) {
        return Err(stopped());
    }
    let done = done.into_iter().flatten().collect::<Result<Vec<R>>>()?;
    if done.len() < items.len() {
        return Err(Error::new(ErrorKind::Internal, "a batch of transfers ended early"));
    }
    Ok(done)
}

#[cfg(test)]
mod tests;
