//! What it means to be a store.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use lodestore_types::{ErrorKind, FileSegment, Result, Segment, StorePath};

use crate::{Get, Level, Put, PutMode, PutOutcome, Store, delete_all, get_all, put_all};

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
        swaps,
        ranges,
        listing,
        odd_names,
        ages,
        copies,
        large,
        files,
        staged,
        adopted,
        creators_race,
        readers_see_whole_objects,
    ] {
        let fixture = fresh();
        part(&*fixture.store);
    }
    pages(&fresh());
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
        assert_eq!(store.head(&missing).unwrap(), None);
        assert!(!store.read_into(&missing, 0, &mut [0]).unwrap());
        assert_eq!(store.copy(&missing, &path("copy"), PutMode::Create).unwrap(), None);
        store.delete(&missing).unwrap();
        assert_eq!(store.list(Some(&missing)).unwrap().count(), 0);
        assert_eq!(store.list_level(Some(&missing)).unwrap(), Level::default());
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
        store.delete(&at).unwrap();
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
    assert_eq!(store.put(&at, &["fourth".into()], PutMode::Fill).unwrap(), PutOutcome::AlreadyThere);
    assert_eq!(store.put(&path("x/w"), &["new".into()], PutMode::Fill).unwrap(), PutOutcome::Written);
    assert_eq!(store.get(&at).unwrap().unwrap(), "third");
    assert_eq!(store.list(None).unwrap().count(), 3);
}

fn swaps(store: &dyn Store) {
    let claim = path(".lodestore/claims/lab.json");
    let content = |text: &str| Bytes::from(text.to_owned());
    assert!(!store.swap(&claim, &content("a"), content("b")).unwrap());
    store.put(&claim, &["a".into()], PutMode::Create).unwrap();
    assert!(!store.swap(&claim, &content("b"), content("c")).unwrap());
    assert!(store.swap(&claim, &content("a"), content("b")).unwrap());
    assert_eq!(store.get(&claim).unwrap().unwrap(), "b");
    // Of several that expect the same one succeeds.
    let tokens: Vec<String> = (0..8).map(|number| format!("by {number}")).collect();
    let outcomes: Vec<bool> = std::thread::scope(|scope| {
        let swap = |token: &String| store.swap(&claim, &content("b"), content(token)).unwrap();
        let running: Vec<_> = tokens.iter().map(|token| scope.spawn(move || swap(token))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|swapped| **swapped).count(), 1);
    let winner = outcomes.iter().position(|swapped| *swapped).unwrap();
    assert_eq!(store.get(&claim).unwrap().unwrap(), tokens[winner]);
}

fn ranges(store: &dyn Store) {
    let at = path("digits");
    store.put(&at, &["0123456789".into()], PutMode::Create).unwrap();
    let read = store.get_ranges(&at, &[2..5, 0..1, 9..10, 4..4, 0..10, 3..8]).unwrap().unwrap();
    assert_eq!(read, ["234", "0", "9", "", "0123456789", "34567"]);
    let error = store.get_ranges(&at, &[0..1, 8..11]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let mut buffer = *b"....";
    assert!(store.read_into(&at, 3, &mut buffer).unwrap());
    assert_eq!(&buffer, b"3456");
    assert!(store.read_into(&at, 10, &mut []).unwrap());
    assert_eq!(store.read_into(&at, 7, &mut buffer).unwrap_err().kind(), ErrorKind::Corrupt);
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
    let level = store.list_level(Some(&path("a"))).unwrap();
    assert_eq!(level.objects.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["a/1"]);
    assert_eq!(level.folders, [path("a/b")]);
    let level = store.list_level(None).unwrap();
    assert_eq!((level.objects.len(), level.folders), (1, vec![path("a"), path("ab")]));
    store.delete(&path("a/b/2")).unwrap();
    assert_eq!(listed(Some("a/b")).len(), 1);
}

/// Ages, by one clock.
fn ages(store: &dyn Store) {
    let before = store.now().unwrap();
    store.put(&path("a/1"), &["x".into()], PutMode::Create).unwrap();
    let entry = store.head(&path("a/1")).unwrap().unwrap();
    let after = store.now().unwrap();
    assert!(before <= entry.modified && entry.modified <= after, "{before} {entry:?} {after}");
    assert!(after.duration_since(before).as_secs() < 60);
    // A listing may tell fractions of a second where a look at one object does not.
    let listed = store.list(None).unwrap().collect::<Result<Vec<_>>>().unwrap();
    assert_eq!((listed.len(), &listed[0].path, listed[0].size), (1, &entry.path, 1));
    assert!(listed[0].modified.duration_since(entry.modified).as_secs() == 0);
}

fn copies(store: &dyn Store) {
    store.put(&path("a/source"), &["one".into()], PutMode::Create).unwrap();
    store.put(&path("b/taken"), &["two".into()], PutMode::Create).unwrap();
    let copy = |to: &str, mode| store.copy(&path("a/source"), &path(to), mode).unwrap().unwrap();
    assert_eq!(copy("c/new", PutMode::Create), PutOutcome::Written);
    assert_eq!(copy("c/other", PutMode::Fill), PutOutcome::Written);
    assert_eq!(copy("b/taken", PutMode::Create), PutOutcome::AlreadyThere);
    assert_eq!(store.get(&path("b/taken")).unwrap().unwrap(), "two");
    assert_eq!(copy("b/taken", PutMode::Replace), PutOutcome::Written);
    for there in ["a/source", "b/taken", "c/new", "c/other"] {
        assert_eq!(store.get(&path(there)).unwrap().unwrap(), "one", "{there}");
    }
    assert_eq!(store.list(None).unwrap().count(), 4);
}

/// More objects than a page of a listing holds, written, listed and removed in batches.
fn pages(fixture: &Fixture) {
    let store = &fixture.store;
    let puts: Vec<Put> = (0..1200)
        .map(|number| Put {
            store: store.clone(),
            path: path(&format!("many/{}/{number}", number % 7)),
            payload: vec![number.to_string().into()],
            mode: PutMode::Create,
            checksum: None,
        })
        .collect();
    assert_eq!(put_all(&puts).unwrap(), vec![PutOutcome::Written; puts.len()]);
    let mut listed: Vec<StorePath> =
        store.list(Some(&path("many"))).unwrap().map(|entry| entry.unwrap().path).collect();
    let mut expected: Vec<StorePath> = puts.iter().map(|put| put.path.clone()).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    assert_eq!(store.list_level(Some(&path("many"))).unwrap().folders.len(), 7);
    // A listing that is given up half read.
    assert_eq!(store.list(None).unwrap().take(10).filter(Result::is_ok).count(), 10);
    let gets: Vec<Get> =
        puts.iter().step_by(100).map(|put| Get { store: store.clone(), path: put.path.clone() }).collect();
    let read = get_all(&gets).unwrap();
    assert!(read.into_iter().enumerate().all(|(n, found)| found.unwrap() == (100 * n).to_string()));
    expected.push(path("many/never/was"));
    assert!(delete_all(store, &expected).iter().all(Result::is_ok));
    assert_eq!(store.list(None).unwrap().count(), 0);
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

/// Objects of which none counts before all are there.
fn staged(store: &dyn Store) {
    for number in 0..20 {
        let payload = [Segment::from("part "), number.to_string().into_bytes().into()];
        store.stage(&path(&format!("staged/{}/{number}", number % 3)), &payload).unwrap();
    }
    store.stage(&path("staged/0/3"), &["other".into()]).unwrap();
    store.stage(&path("staged/single"), &[]).unwrap();
    for at in ["staged", "staged/single", "staged/none", "nothing/there"] {
        store.make_durable(&path(at)).unwrap();
    }
    assert_eq!(store.get(&path("staged/2/17")).unwrap().unwrap(), "part 17");
    assert_eq!(store.get(&path("staged/0/3")).unwrap().unwrap(), "other");
    assert_eq!(store.list(Some(&path("staged"))).unwrap().count(), 21);
}

/// A file of this machine becomes an object, whether the store makes it itself or has to copy it.
fn adopted(store: &dyn Store) {
    let folder = tempfile::tempdir().unwrap();
    let listed = || store.list(None).unwrap().map(|entry| entry.unwrap().path).collect::<Vec<_>>();
    let before = listed();
    for (content, at) in [("first", path("adopted/x")), ("second", path("adopted/x")), ("", path("adopted/deep/er"))] {
        let given = store.scratch().unwrap();
        let scratch = given.unwrap_or_else(|| folder.path().join("scratch"));
        std::fs::write(&scratch, content).unwrap();
        assert!(listed().len() <= before.len() + 1, "a scratch file is no object");
        store.adopt(&at, &scratch).unwrap();
        assert_eq!(store.get(&at).unwrap().unwrap(), content);
        assert!(!scratch.exists());
    }
    let elsewhere = folder.path().join("elsewhere");
    assert!(store.adopt(&path("adopted/none"), &elsewhere).is_err());
    assert_eq!(store.head(&path("adopted/none")).unwrap(), None);
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
