//! Stores of the network, on the servers of `tests/services`.
//!
//! `LODESTORE_TEST_S3`, `LODESTORE_TEST_GCS` and `LODESTORE_TEST_AZURE` name them, as
//! `http://name:key@host:port/bucket`; without one its tests say so and pass.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lodestore_objects::testing::{Fixture, conformance};
use lodestore_objects::{AzureConfig, GcsConfig, PutMode, PutOutcome, S3Config, Store, Transfer};
use lodestore_types::{ErrorKind, Segment, StorePath, Uuid};

/// A server, and a fresh place on it.
struct Place {
    endpoint: String,
    name: String,
    key: String,
    bucket: String,
    location: String,
}

fn place(variable: &str) -> Option<Place> {
    let Ok(url) = std::env::var(variable) else {
        eprintln!("skipped: `{variable}` names no server; `python -m tests.services run` does");
        return None;
    };
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, bucket) = rest.split_once('/').unwrap();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (name, key) = user.split_once(':').unwrap_or((user, ""));
    let decode = |text: &str| text.replace("%2F", "/").replace("%3D", "=").replace("%2B", "+");
    Some(Place {
        endpoint: format!("{scheme}://{host}"),
        name: decode(name),
        key: decode(key),
        bucket: bucket.to_owned(),
        location: format!("store-{}", Uuid::new_v4().simple()),
    })
}

fn s3_config(place: &Place) -> S3Config {
    S3Config {
        endpoint: place.endpoint.clone(),
        bucket: place.bucket.clone(),
        location: place.location.clone(),
        access_key: Some(place.name.clone()),
        secret_key: Some(place.key.clone()),
        ..S3Config::default()
    }
}

fn s3(transfer: &Transfer) -> Option<Arc<dyn Store>> {
    Some(Arc::new(s3_config(&place("LODESTORE_TEST_S3")?).open("main", transfer).unwrap()))
}

fn gcs(transfer: &Transfer) -> Option<Arc<dyn Store>> {
    let place = place("LODESTORE_TEST_GCS")?;
    let config = GcsConfig {
        bucket: place.bucket,
        location: place.location,
        token: Some("anon".into()),
        endpoint: Some(place.endpoint),
    };
    Some(Arc::new(config.open("main", transfer).unwrap()))
}

fn azure(transfer: &Transfer) -> Option<Arc<dyn Store>> {
    let place = place("LODESTORE_TEST_AZURE")?;
    let config = AzureConfig {
        container: place.bucket,
        location: place.location,
        endpoint: Some(format!("{}/{}", place.endpoint, place.name)),
        account_name: Some(place.name),
        account_key: Some(place.key),
        ..AzureConfig::default()
    };
    Some(Arc::new(config.open("main", transfer).unwrap()))
}

type Open = fn(&Transfer) -> Option<Arc<dyn Store>>;

const ALL: [Open; 3] = [s3, gcs, azure];

/// Parts so small that moderate objects are large ones.
fn small_parts() -> Transfer {
    Transfer { part_size: 1 << 20, ..Transfer::default() }
}

fn conforms(open: Open) {
    if open(&Transfer::default()).is_some() {
        conformance(&|| Fixture { store: open(&Transfer::default()).unwrap(), keep: Box::new(()) });
    }
}

#[test]
fn s3_is_a_store() {
    conforms(s3);
}

#[test]
fn gcs_is_a_store() {
    conforms(gcs);
}

#[test]
fn azure_is_a_store() {
    conforms(azure);
}

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

#[test]
fn large_objects_go_in_parts_both_ways() {
    let content = content(23_000_001);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("source");
    std::fs::write(&file, &content[5..]).unwrap();
    for store in ALL.iter().filter_map(|open| open(&small_parts())) {
        let bytes = bytes::Bytes::from(content.clone());
        let in_memory: Vec<Segment> = [0..3, 3..11_000_000, 11_000_000..content.len()]
            .into_iter()
            .map(|range| bytes.slice(range).into())
            .collect();
        let from_file: Vec<Segment> =
            vec![bytes.slice(..5).into(), lodestore_types::FileSegment::open(&file).unwrap().into()];
        for (number, mode) in [PutMode::Create, PutMode::Fill, PutMode::Replace].into_iter().enumerate() {
            let at = path(&format!("large/{number}"));
            let payload = if number == 1 { &from_file } else { &in_memory };
            assert_eq!(store.put(&at, payload, mode).unwrap(), PutOutcome::Written);
            let got = store.get(&at).unwrap().unwrap();
            let differ = got.iter().zip(&content).position(|(a, b)| a != b);
            assert_eq!((got.len(), differ), (content.len(), None), "{} {mode:?}", store.url(None));
        }
        assert_eq!(store.put(&path("large/0"), &in_memory, PutMode::Create).unwrap(), PutOutcome::AlreadyThere);
        assert_eq!(store.put(&path("large/1"), &in_memory, PutMode::Fill).unwrap(), PutOutcome::AlreadyThere);
        let mut buffer = vec![0; 12_345_678];
        assert!(store.read_into(&path("large/2"), 1_000_001, &mut buffer).unwrap());
        assert!(buffer == content[1_000_001..1_000_001 + buffer.len()]);
        let parts = store.get_ranges(&path("large/2"), &[7..9, 2_000_000..9_000_000]).unwrap().unwrap();
        assert!(parts[0] == content[7..9] && parts[1] == content[2_000_000..9_000_000]);
        let error = store.get_ranges(&path("large/2"), std::slice::from_ref(&(0..1 << 50))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(store.list(None).unwrap().count(), 3, "nothing is left of uploads");

        // A file that changes while it goes up leaves nothing.
        std::fs::write(&file, &content[6..]).unwrap();
        assert_eq!(store.put(&path("changed"), &from_file, PutMode::Fill).unwrap_err().kind(), ErrorKind::Storage);
        assert_eq!(store.get(&path("changed")).unwrap(), None);
        std::fs::write(&file, &content[5..]).unwrap();
    }
}

#[test]
fn a_missing_bucket_is_trouble_and_not_absence() {
    let Some(mut place) = place("LODESTORE_TEST_S3") else { return };
    place.bucket = "no-such-bucket".into();
    let store = s3_config(&place).open("raw", &Transfer::default()).unwrap();
    let errors = [
        store.get(&path("x")).map(drop).unwrap_err(),
        store.head(&path("x")).map(drop).unwrap_err(),
        store.get_ranges(&path("x"), &[]).map(drop).unwrap_err(),
        store.put(&path("x"), &["x".into()], PutMode::Create).map(drop).unwrap_err(),
        store.list(None).unwrap().next().unwrap().map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.hint().unwrap().contains("make the bucket"), "{}", error.report());
        assert!(!error.report().contains(&place.key), "{}", error.report());
    }
}

#[test]
fn a_server_that_is_not_there_is_told_soon() {
    let config = S3Config {
        endpoint: "127.0.0.1:9".into(),
        bucket: "b".into(),
        access_key: Some("key".into()),
        secret_key: Some("s3cret".into()),
        ..S3Config::default()
    };
    let transfer = Transfer { retries: 2, ..Transfer::default() };
    let store = config.open("raw", &transfer).unwrap();
    let begun = Instant::now();
    let error = store.get(&path("x")).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(error.hint().unwrap().contains("endpoint"), "{}", error.report());
    assert!(!error.report().contains("s3cret"));
}
