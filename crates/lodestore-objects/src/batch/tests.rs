use std::sync::atomic::AtomicU64;

use super::*;
use crate::FileStore;
use crate::MemoryStore;
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
            checksum: None,
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
    let gets: Vec<Get> = puts.iter().rev().map(|put| Get { store: store.clone(), path: put.path.clone() }).collect();
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

#[test]
fn ranges_of_many_objects_and_what_is_missing() {
    let (_folder, store) = temporary();
    put_all(&puts(&store, 12)).unwrap();
    let of = |n: usize| StorePath::new(format!("x/{n}")).unwrap();
    let gets: Vec<GetRanges> = (9..13)
        .map(|n| GetRanges { store: store.clone(), path: of(n), ranges: vec![0..1, 1..1], size: None })
        .collect();
    let read = get_ranges_all(&gets).unwrap();
    assert_eq!(read[0], Some(vec!["9".into(), "".into()]));
    assert_eq!(read[1], Some(vec!["1".into(), "".into()]));
    assert_eq!(read[3], None);
    assert_eq!(get_all(&[Get { store, path: of(99) }]).unwrap(), [None]);
}

#[test]
fn progress_counts_objects_and_bytes() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new("main"));
    for count in [0, 1, 30] {
        let mut told = Vec::new();
        put_all_with(&puts(&store, count), &mut |progress| told.push(progress)).unwrap();
        let numbers: Vec<usize> = told.iter().map(|progress| progress.done).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
        let bytes: u64 = (0..count).map(|n| n.to_string().len() as u64).sum();
        assert_eq!(told.last().map_or(0, |progress| progress.bytes), bytes);
    }
}

#[test]
fn each_deletion_tells_how_it_went() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new("main"));
    let puts = puts(&store, 20);
    put_all(&puts).unwrap();
    let mut paths: Vec<StorePath> = puts.into_iter().map(|put| put.path).collect();
    paths.push(StorePath::new("never/was").unwrap());
    let failing: Arc<dyn Store> = FaultyStore::new(store.clone(), 3);
    let outcomes = delete_all(&failing, &paths);
    assert_eq!(outcomes.len(), 21);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3 * 3);
    assert_eq!(store.list(None).unwrap().count(), 20 - 9);
    assert!(delete_all(&store, &paths).iter().all(Result::is_ok));
    assert_eq!(store.list(None).unwrap().count(), 0);
    assert!(delete_all(&store, &[]).is_empty());
}

/// A store that waits until it is told to stop.
#[derive(Debug)]
struct Waiting(MemoryStore, AtomicU64);

impl Store for Waiting {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn url(&self, path: Option<&StorePath>) -> String {
        self.0.url(path)
    }

    fn put(&self, _: &StorePath, _: &[Segment], _: PutMode) -> Result<PutOutcome> {
        self.1.fetch_add(1, Ordering::Relaxed);
        while !interrupted() {
            std::thread::sleep(LOOK_UP);
        }
        Err(stopped())
    }

    fn get(&self, path: &StorePath) -> Result<Option<Bytes>> {
        self.0.get(path)
    }

    fn get_ranges(&self, path: &StorePath, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        self.0.get_ranges(path, ranges)
    }

    fn head(&self, path: &StorePath) -> Result<Option<crate::Entry>> {
        self.0.head(path)
    }

    fn list(&self, folder: Option<&StorePath>) -> Result<crate::Entries<'_>> {
        self.0.list(folder)
    }

    fn delete(&self, path: &StorePath) -> Result<()> {
        self.0.delete(path)
    }
}

#[test]
fn a_blocked_batch_ends_when_its_caller_is_interrupted() {
    let waiting = Arc::new(Waiting(MemoryStore::new("main"), AtomicU64::new(0)));
    let store: Arc<dyn Store> = waiting.clone();
    // The check of the program is asked on the calling thread: here it is a flag of that thread's own.
    let flag = Arc::new(AtomicBool::new(false));
    let (raise, begun) = (flag.clone(), waiting.clone());
    let raiser = std::thread::spawn(move || {
        while begun.1.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        raise.store(true, Ordering::Relaxed);
    });
    let caller = std::thread::spawn(move || {
        heed(flag);
        put_all(&puts(&store, 100)).unwrap_err().kind()
    });
    assert_eq!(caller.join().unwrap(), ErrorKind::Interrupted);
    raiser.join().unwrap();
    assert!(waiting.1.load(Ordering::Relaxed) <= 8, "what had not begun was left");
}
