//! A writer that is killed at any moment leaves whole objects and, at most, scratch files.
//!
//! The test starts its own binary again as the writer, which puts objects of 4 MB without end, and
//! kills it. Each object is filled with a pattern that follows from its path.

use std::env;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lodestore_objects::{FileStore, PutMode, Store};
use lodestore_types::StorePath;

const FOLDER: &str = "LODESTORE_KILL_TEST_FOLDER";
const ROUND: &str = "LODESTORE_KILL_TEST_ROUND";
const SIZE: usize = 4 << 20;
const ROUNDS: u64 = 12;

fn pattern(path: &StorePath) -> Vec<u8> {
    let name = path.as_str().as_bytes();
    (0..SIZE).map(|at| name[at % name.len()] ^ (at >> 12) as u8).collect()
}

#[test]
fn killed_writers_leave_whole_objects() {
    if let Some(folder) = env::var_os(FOLDER) {
        return write_without_end(FileStore::open("main", folder).unwrap(), &env::var(ROUND).unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open("main", folder.path()).unwrap();
    let mut left = 0;
    for round in 0..ROUNDS {
        let mut writer = Command::new(env::current_exe().unwrap())
            .args(["--exact", "killed_writers_leave_whole_objects", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // However slow the machine is, the first object is there; then odd steps, so that the blow
        // falls on another part of a put each time.
        let begun = Instant::now();
        while store.list(None).unwrap().next().is_none() && begun.elapsed() < Duration::from_secs(60) {
            sleep(Duration::from_millis(5));
        }
        sleep(Duration::from_millis(37 * round));
        assert_eq!(writer.try_wait().unwrap(), None, "the writer ended by itself");
        writer.kill().unwrap();
        writer.wait().unwrap();

        for entry in store.list(None).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.size, SIZE as u64, "{}", entry.path);
            assert!(store.get(&entry.path).unwrap().unwrap() == pattern(&entry.path), "{} is damaged", entry.path);
            store.delete(&entry.path).unwrap();
            left += 1;
        }
    }
    assert!(left >= ROUNDS, "the writers were killed before they wrote anything");
    eprintln!("{left} whole objects, {} scratch files", store.sweep_scratch(lodestore_types::Timestamp::MAX).unwrap());
    let scratch: Vec<_> = walk(folder.path());
    assert_eq!(scratch, Vec::<std::path::PathBuf>::new());
}

fn write_without_end(store: FileStore, round: &str) {
    for number in 0.. {
        let path = StorePath::new(format!("_hash/{round}/{}/{number}", number % 3)).unwrap();
        let content = Bytes::from(pattern(&path));
        store.put(&path, &[content.slice(..1000).into(), content.slice(1000..).into()], PutMode::Create).unwrap();
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
