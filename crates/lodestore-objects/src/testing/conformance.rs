//! What it means to be a store.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use lodestore_types::{ErrorKind, FileSegment, Segment, StorePath};

use crate::{PutMode, PutOutcome, Store};

/// A fresh, empty store, and whatever must live as long as it does.
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Dropped after it.
    pub keep: Box<dyn Any>,
}

/// Runs the whole suite, each part on a fresh store.
///
/// # Panics
/// If the store is not one.
pub fn conformance(fresh: &dyn Fn() -> Fixture) {
    for part in [
        absence,
        round_trip,
        create_and_replace,
        ranges,
        listing,
        odd_names,
        large,
        files,
        creators_race,
        readers_see_whole_objects,
    ] {
        let fixture = fresh();
        part(&*fixture.store);
    }
}

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

fn absence(store: &dyn Store) {
    for missing in ["nothing", "no/such/folder/object"] {
        let missing = path(missing);
        assert_eq!(store.get(&missing).unwrap(), None);
        assert_eq!(store.get_ranges(&missing, &[]).unwrap(), None);
        assert_eq!(store.size(&missing).unwrap(), None);
        assert!(!store.delete(&missing).unwrap());
        assert_eq!(store.list(Some(&missing)).unwrap().count(), 0);
    }
    assert_eq!(store.list(None).unwrap().count(), 0);
    // A folder on the way to an object is none itself.
    store.put(&path("a/b/c"), &["x".into()], PutMode::Create).unwrap();
    assert_eq!(store.get(&path("a/b")).unwrap(), None);
    assert_eq!(store.size(&path("a")).unwrap(), None);
    assert_eq!(store.get(&path("a/b/c/d")).unwrap(), None);
}

fn round_trip(store: &dyn Store) {
    let cases: [&[&'static str]; 5] = [&[], &[""], &["one"], &["in ", "", "three ", "parts"], &["\0\u{7f}é"]];
    for (number, segments) in cases.into_iter().enumerate() {
        let at = path(&format!("folder/{number}"));
        let payload: Vec<Segment> = segments.iter().map(|segment| Segment::from(*segment)).collect();
        assert_eq!(store.put(&at, &payload, PutMode::Create).unwrap(), PutOutcome::Written);
        let whole = segments.concat();
        assert_eq!(store.get(&at).unwrap().unwrap(), whole.as_bytes());
        assert_eq!(store.size(&at).unwrap(), Some(whole.len() as u64));
        assert!(store.url(Some(&at)).ends_with(&format!("folder/{number}")));
        assert!(store.delete(&at).unwrap());
        assert_eq!(store.get(&at).unwrap(), None);
    }
}

fn create_and_replace(store: &dyn Store) {
    let at = path("x/y");
    assert_eq!(store.put(&at, &["first".into()], PutMode::Create).unwrap(), PutOutcome::Written);
    assert_eq!(store.put(&at, &["second".into()], PutMode::Create).unwrap(), PutOutcome::AlreadyThere);
    assert_eq!(store.get(&at).unwrap().unwrap(), "first");
    assert_eq!(store.put(&at, &["third".into()], PutMode::Replace).unwrap(), PutOutcome::Written);
    assert_eq!(store.get(&at).unwrap().unwrap(), "third");
    assert_eq!(store.put(&path("x/z"), &["new".into()], PutMode::Replace).unwrap(), PutOutcome::Written);
    assert_eq!(store.list(None).unwrap().count(), 2);
}

fn ranges(store: &dyn Store) {
    let at = path("digits");
    store.put(&at, &["0123456789".into()], PutMode::Create).unwrap();
    let read = store.get_ranges(&at, &[2..5, 0..1, 9..10, 4..4, 0..10, 3..8]).unwrap().unwrap();
    assert_eq!(read, ["234", "0", "9", "", "0123456789", "34567"]);
    let error = store.get_ranges(&at, &[0..1, 8..11]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

fn listing(store: &dyn Store) {
    let sizes: BTreeMap<StorePath, u64> =
        [("a/1", 1), ("a/b/2", 2), ("a/b/c/3", 3), ("ab/4", 4), ("5", 5)].map(|(name, size)| (path(name), size)).into();
    for (at, size) in &sizes {
        store.put(at, &[vec![b'x'; *size as usize].into()], PutMode::Create).unwrap();
    }
    let listed = |folder: Option<&str>| -> BTreeMap<StorePath, u64> {
        store
            .list(folder.map(path).as_ref())
            .unwrap()
            .map(|entry| entry.map(|entry| (entry.path, entry.size)).unwrap())
            .collect()
    };
    assert_eq!(listed(None), sizes);
    assert_eq!(listed(Some("a")).len(), 3);
    assert_eq!(listed(Some("a/b")).len(), 2);
    assert_eq!(listed(Some("ab")).len(), 1);
    store.delete(&path("a/b/2")).unwrap();
    assert_eq!(listed(Some("a/b")).len(), 1);
}

fn odd_names(store: &dyn Store) {
    let long = "x".repeat(200);
    let names =
        ["a b", "%41", "é/ü/日本", "a=b", "'\"", "~x", "...", "#?*", "A", "-", "$HOME", "{x}", "[y]", ".hidden", &long];
    for name in names {
        store.put(&path(name), &[name.to_owned().into()], PutMode::Create).unwrap();
    }
    for name in names {
        assert_eq!(store.get(&path(name)).unwrap().unwrap(), name, "{name}");
    }
    let mut listed: Vec<_> = store.list(None).unwrap().map(|entry| entry.unwrap().path.to_string()).collect();
    listed.sort();
    let mut expected = names.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(listed, expected);
}

fn large(store: &dyn Store) {
    let segment = Bytes::from((0..5 << 20).map(|n: u32| (n % 251) as u8).collect::<Vec<u8>>());
    let at = path("large");
    store.put(&at, &[segment.clone().into(), segment.clone().into(), segment.clone().into()], PutMode::Create).unwrap();
    let length = segment.len() as u64;
    assert_eq!(store.size(&at).unwrap(), Some(3 * length));
    let read = store.get_ranges(&at, &[length - 2..length + 2, 2 * length..3 * length]).unwrap().unwrap();
    assert_eq!(read[0], [&segment[segment.len() - 2..], &segment[..2]].concat());
    assert_eq!(read[1], segment);
    assert_eq!(store.get(&at).unwrap().unwrap().len() as u64, 3 * length);
}

/// A file as a segment, between others, and one that changed since it was looked at.
fn files(store: &dyn Store) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("source");
    let content: Vec<u8> = (0..3_000_000).map(|n: u32| (n % 241) as u8).collect();
    std::fs::write(&file, &content).unwrap();
    let payload = [Segment::from("head"), FileSegment::open(&file).unwrap().into(), Segment::from("tail")];
    store.put(&path("with/file"), &payload, PutMode::Create).unwrap();
    assert_eq!(store.get(&path("with/file")).unwrap().unwrap(), [b"head", &content[..], b"tail"].concat());
    std::fs::write(&file, "shorter").unwrap();
    assert_eq!(store.put(&path("changed"), &payload, PutMode::Create).unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(store.get(&path("changed")).unwrap(), None);
    assert_eq!(store.list(None).unwrap().count(), 1);
}

fn creators_race(store: &dyn Store) {
    for round in 0..20 {
        let at = path(&format!("race/{round}"));
        let written = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for writer in 0..4u8 {
                let (at, written) = (&at, &written);
                scope.spawn(move || {
                    let payload = [vec![writer; 1000].into()];
                    if store.put(at, &payload, PutMode::Create).unwrap() == PutOutcome::Written {
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(written.load(Ordering::Relaxed), 1);
        let whole = store.get(&at).unwrap().unwrap();
        assert!(whole.len() == 1000 && whole.iter().all(|byte| *byte == whole[0]));
        // The next round begins while folders come and go.
        store.delete(&at).unwrap();
    }
}

fn readers_see_whole_objects(store: &dyn Store) {
    let at = path("changing");
    store.put(&at, &[vec![0u8; 100_000].into()], PutMode::Create).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..30u8 {
                store.put(&at, &[vec![round; 100_000].into()], PutMode::Replace).unwrap();
            }
        });
        for _ in 0..100 {
            let seen = store.get(&at).unwrap().unwrap();
            assert!(seen.len() == 100_000 && seen.iter().all(|byte| *byte == seen[0]));
        }
    });
}
