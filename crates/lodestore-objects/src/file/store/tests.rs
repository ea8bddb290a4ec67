//! What only the file store promises; the contract itself is tested by the conformance suite.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

#[test]
fn it_is_a_store() {
    crate::testing::conformance(&|| {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open("main", folder.path()).unwrap();
        crate::testing::Fixture { store: std::sync::Arc::new(store), keep: Box::new(folder) }
    });
}

fn store() -> (TempDir, FileStore) {
    let home = tempfile::tempdir().unwrap();
    let store = FileStore::open("main", home.path()).unwrap();
    (home, store)
}

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

fn put(store: &FileStore, at: &str, content: &'static str) -> Result<PutOutcome> {
    store.put(&path(at), &[content.into()], PutMode::Create)
}

#[test]
fn a_missing_location_is_not_made_unless_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let location = home.path().join("a/b");
    let error = FileStore::open("main", &location).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("main") && error.to_string().contains("a/b"), "{error}");
    assert!(error.hint().unwrap().contains("mount"));
    assert!(!location.exists());

    FileStore::create("main", &location).unwrap();
    FileStore::create("main", &location).unwrap();
    FileStore::open("main", &location).unwrap();

    fs::write(home.path().join("file"), "").unwrap();
    assert!(FileStore::open("main", home.path().join("file")).is_err());
    assert!(FileStore::create("main", home.path().join("file")).is_err());
}

#[test]
fn a_location_that_disappears_is_trouble_and_not_absence() {
    let home = tempfile::tempdir().unwrap();
    let store = FileStore::create("main", home.path().join("disk")).unwrap();
    put(&store, "x/y", "1").unwrap();
    fs::rename(home.path().join("disk"), home.path().join("away")).unwrap();
    assert!(store.get(&path("x/y")).is_err());
    assert!(store.get_ranges(&path("x/y"), &[]).is_err());
    assert!(store.size(&path("x/y")).is_err());
    assert!(store.delete(&path("x/y")).is_err());
    assert!(store.list(None).is_err());
    assert!(put(&store, "x/y", "1").is_err());
    assert!(!home.path().join("disk").exists(), "it is not silently made again");
}

#[test]
fn nothing_is_written_or_deleted_through_a_link_that_leads_out() {
    let (home, store) = store();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("precious"), "data").unwrap();
    symlink(outside.path(), home.path().join("linked")).unwrap();

    let error = put(&store, "linked/new", "x").unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert!(put(&store, "linked/deep/new", "x").is_err());
    assert!(store.delete(&path("linked/precious")).is_err());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);

    // Reading is what such links are made for; a listing does not enter them.
    assert_eq!(store.get(&path("linked/precious")).unwrap().unwrap(), "data");
    assert_eq!(store.list(None).unwrap().count(), 0);

    // A link to another place of the store is as good as the place.
    put(&store, "real/a", "x").unwrap();
    symlink(home.path().join("real"), home.path().join("alias")).unwrap();
    put(&store, "alias/b", "x").unwrap();
    assert_eq!(store.size(&path("real/b")).unwrap(), Some(1));
}

#[test]
fn folders_pipes_and_files_on_the_way_are_no_objects() {
    let (home, store) = store();
    put(&store, "a/b", "x").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, home.path().join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    for absent in ["a", "a/b/c", "pipe"] {
        assert_eq!(store.get(&path(absent)).unwrap(), None, "{absent}");
        assert_eq!(store.size(&path(absent)).unwrap(), None, "{absent}");
    }
    store.delete(&path("a")).unwrap();
    store.delete(&path("a/b/c")).unwrap();
    assert!(put(&store, "a", "x").is_err());
    assert!(put(&store, "a/b/c", "x").is_err());
    assert!(store.put(&path("a"), &[], PutMode::Replace).is_err());
    assert_eq!(store.list(None).unwrap().count(), 1);
    assert_eq!(store.list(Some(&path("a/b"))).unwrap().count(), 0, "a file is no folder");
}

#[test]
fn scratch_files_are_hidden_and_swept_when_old() {
    let (home, store) = store();
    put(&store, "a/b", "x").unwrap();
    let left = ".lodestore-0123456789abcdef0123456789abcdef.part";
    fs::write(home.path().join("a").join(left), "half").unwrap();
    assert_eq!(store.list(None).unwrap().count(), 1);
    assert_eq!(put(&store, left, "x").unwrap_err().kind(), ErrorKind::InvalidName);
    let hour = Duration::from_secs(3600);
    assert_eq!(store.sweep_scratch(store.now().unwrap() - hour).unwrap(), 0);
    assert_eq!(store.sweep_scratch(store.now().unwrap() + hour).unwrap(), 1);
    assert_eq!(fs::read_dir(home.path().join("a")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "the clock's own scratch file is gone");
}

#[test]
fn deletion_prunes_what_it_emptied_and_the_root_stays() {
    let (home, store) = store();
    put(&store, "a/b/c/x", "x").unwrap();
    put(&store, "a/y", "y").unwrap();
    store.delete(&path("a/b/c/x")).unwrap();
    assert!(!home.path().join("a/b").exists());
    store.delete(&path("a/y")).unwrap();
    assert!(!home.path().join("a").exists());
    assert!(home.path().exists());
}

#[test]
fn writers_survive_the_pruning_of_their_folders() {
    let (_home, store) = store();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..2 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                for round in 0..200 {
                    let at = path(&format!("a/b/{writer}-{round}"));
                    assert_eq!(store.put(&at, &["x".into()], PutMode::Create).unwrap(), PutOutcome::Written);
                    store.delete(&at).unwrap();
                }
                done.store(true, Ordering::Relaxed);
            });
        }
        while !done.load(Ordering::Relaxed) {
            for entry in store.list(None).unwrap() {
                entry.unwrap();
            }
        }
    });
    assert_eq!(store.list(None).unwrap().count(), 0);
}

#[test]
fn files_that_no_path_can_name_are_not_ours() {
    let (home, store) = store();
    put(&store, "good", "x").unwrap();
    fs::write(home.path().join("bad\nname"), "").unwrap();
    assert_eq!(store.list(None).unwrap().map(|entry| entry.unwrap().path).collect::<Vec<_>>(), [path("good")]);
}

#[test]
fn an_unreadable_folder_is_an_error_of_the_listing() {
    let (home, store) = store();
    put(&store, "good", "x").unwrap();
    put(&store, "shut/x", "x").unwrap();
    fs::set_permissions(home.path().join("shut"), fs::Permissions::from_mode(0o0)).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = store.list(None).unwrap().partition(Result::is_ok);
    fs::set_permissions(home.path().join("shut"), fs::Permissions::from_mode(0o700)).unwrap();
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        eprintln!("skipped: nothing is unreadable for root");
    } else {
        assert_eq!((good.len(), bad.len()), (1, 1));
    }
}

#[test]
fn many_segments_arrive_whole() {
    let (_home, store) = store();
    let segments: Vec<Bytes> = (0..3000u32).map(|n| n.to_le_bytes().to_vec().into()).collect();
    store.put(&path("x"), &segments.iter().cloned().map(Into::into).collect::<Vec<_>>(), PutMode::Create).unwrap();
    assert_eq!(store.get(&path("x")).unwrap().unwrap(), segments.concat());
}

#[test]
fn urls_are_encoded() {
    let (home, store) = store();
    let root = home.path().canonicalize().unwrap();
    assert_eq!(store.url(None), format!("file://{}", root.display()));
    assert_eq!(store.url(Some(&path("_hash/a b#é"))), format!("file://{}/_hash/a%20b%23%C3%A9", root.display()));
}
