//! Stores of the network over a network that fails: `LODESTORE_TEST_S3_PROXY` is a proxy before the server that
//! `LODESTORE_TEST_S3` names (see `tests/services/proxy_server.py`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lodestore_objects::{Get, Put, PutMode, PutOutcome, S3Config, Store, Transfer, delete_all, get_all, put_all};
use lodestore_types::{ErrorKind, Segment, StorePath, Uuid};

/// Operations under faults: many more with `LODESTORE_TEST_OPERATIONS`.
const OPERATIONS: usize = 1_000;

/// A store behind the proxy, which one test at a time may disturb.
struct Network {
    proxy: String,
    store: Arc<dyn Store>,
    /// The same store by the straight way.
    straight: Arc<dyn Store>,
    /// Locked by whoever disturbs it: each test may be a process of its own.
    _alone: File,
}

fn network(transfer: &Transfer) -> Option<Network> {
    let (Ok(url), Ok(proxy)) = (std::env::var("LODESTORE_TEST_S3"), std::env::var("LODESTORE_TEST_S3_PROXY")) else {
        eprintln!("skipped: no server and no proxy are named; `python -m tests.services run` does");
        return None;
    };
    let (user, rest) = url.strip_prefix("http://").unwrap().split_once('@').unwrap();
    let (name, key) = user.split_once(':').unwrap();
    let (host, bucket) = rest.split_once('/').unwrap();
    let config = |endpoint: &str| S3Config {
        endpoint: endpoint.to_owned(),
        bucket: bucket.to_owned(),
        access_key: Some(name.to_owned()),
        secret_key: Some(key.to_owned()),
        ..S3Config::default()
    };
    let location = format!("store-{}", Uuid::new_v4().simple());
    let open = |endpoint: &str| -> Arc<dyn Store> {
        let config = S3Config { location: location.clone(), ..config(endpoint) };
        Arc::new(config.open("main", transfer).unwrap())
    };
    let name = format!("lodestore-{}.lock", proxy.replace([':', '/'], "-"));
    let alone = File::create(std::env::temp_dir().join(name)).unwrap();
    alone.lock().unwrap();
    let network = Network { store: open(&proxy), straight: open(host), proxy, _alone: alone };
    network.fail("{}");
    Some(network)
}

impl Network {
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.proxy).unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn fail(&self, faults: &str) {
        self.ask("PUT", "/-/faults", faults);
        self.ask("DELETE", "/-/counts", "");
    }

    fn counts(&self) -> HashMap<String, usize> {
        let told = self.ask("GET", "/-/counts", "");
        let pairs = told.trim_matches(['{', '}']).split(", ").filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, count) = pair.split_once(": ").unwrap();
                (name.trim_matches('"').to_owned(), count.parse().unwrap())
            })
            .collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.fail("{}");
    }
}

fn path(text: String) -> StorePath {
    StorePath::new(text).unwrap()
}

fn content(number: usize) -> Vec<u8> {
    number.to_string().repeat(1 + number % 300).into_bytes()
}

fn puts(store: &Arc<dyn Store>, numbers: impl Iterator<Item = usize>) -> Vec<Put> {
    numbers
        .map(|number| Put {
            store: store.clone(),
            path: path(format!("{}/{number}", number % 10)),
            payload: vec![content(number).into()],
            mode: PutMode::Create,
            checksum: None,
        })
        .collect()
}

#[test]
fn new_objects_take_one_request_each_way() {
    let Some(network) = network(&Transfer::default()) else { return };
    let puts = puts(&network.store, 0..200);
    put_all(&puts).unwrap();
    assert_eq!(network.counts()["requests"], 200);
    let gets: Vec<Get> = puts.iter().map(|put| Get { store: put.store.clone(), path: put.path.clone() }).collect();
    get_all(&gets).unwrap();
    assert_eq!(network.counts()["requests"], 400);
    let paths: Vec<StorePath> = puts.into_iter().map(|put| put.path).collect();
    assert!(delete_all(&network.store, &paths).iter().all(Result::is_ok));
    assert!(network.counts()["requests"] <= 464);
}

/// Writes, reads, looks and deletions, all of which must be carried out or fail cleanly, and none be left unknown.
#[test]
fn nothing_is_lost_on_a_failing_network() {
    let Some(network) = network(&Transfer::default()) else { return };
    let operations: usize =
        std::env::var("LODESTORE_TEST_OPERATIONS").map_or(OPERATIONS, |count| count.parse().unwrap());
    network.fail(r#"{"resets": 0.01, "throttled": 0.01, "lost": 0.005, "cut": 0.005, "seed": 7}"#);
    let objects = operations / 5;
    let begun = Instant::now();
    let puts = puts(&network.store, 0..objects);
    assert_eq!(put_all(&puts).unwrap(), vec![PutOutcome::Written; objects], "each was written by its own put");
    assert_eq!(put_all(&puts).unwrap(), vec![PutOutcome::AlreadyThere; objects]);
    let gets: Vec<Get> = puts.iter().map(|put| Get { store: put.store.clone(), path: put.path.clone() }).collect();
    for (number, found) in get_all(&gets).unwrap().into_iter().enumerate() {
        assert!(found.unwrap() == content(number), "{number}");
    }
    let mut listed: Vec<StorePath> = network.store.list(None).unwrap().map(|entry| entry.unwrap().path).collect();
    let mut expected: Vec<StorePath> = puts.iter().map(|put| put.path.clone()).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    let sizes = lodestore_objects::each(&gets, |get| &get.store, |get| get.store.size(&get.path)).unwrap();
    assert!(sizes.into_iter().enumerate().all(|(number, size)| size.unwrap() == Some(content(number).len() as u64)));
    let deleted = lodestore_objects::each(&gets, |get| &get.store, |get| get.store.delete(&get.path)).unwrap();
    assert!(deleted.iter().all(Result::is_ok));
    assert_eq!(network.straight.list(None).unwrap().count(), 0);
    let counts = network.counts();
    eprintln!("{operations} operations in {:.1} s: {counts:?}", begun.elapsed().as_secs_f64());
    for fault in ["resets", "throttled", "lost", "cut"] {
        assert!(counts[fault] > 0, "the network did not fail by {fault}: {counts:?}");
    }
}

#[test]
fn large_objects_arrive_whole_on_a_failing_network() {
    let Some(network) = network(&Transfer { part_size: 5 << 20, ..Transfer::default() }) else { return };
    network.fail(r#"{"resets": 0.05, "throttled": 0.05, "lost": 0.05, "cut": 0.05, "seed": 3}"#);
    let large: Vec<u8> = (0..31_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let payload: [Segment; 1] = [large.clone().into()];
    for (number, mode) in [PutMode::Fill, PutMode::Create, PutMode::Replace].into_iter().enumerate() {
        let at = path(format!("large/{number}"));
        let outcome = network.store.put(&at, &payload, mode).unwrap();
        // A copy whose answer was lost cannot be told from another's.
        assert!(outcome == PutOutcome::Written || mode == PutMode::Create);
        assert!(network.store.get(&at).unwrap().unwrap() == large);
        assert!(network.straight.get(&at).unwrap().unwrap() == large);
    }
    network.fail("{}");
    assert_eq!(network.straight.list(None).unwrap().count(), 3);
}

/// Every answer to a write is lost: it is written all the same, once, and known to be.
#[test]
fn a_lost_answer_is_recognised() {
    let Some(network) = network(&Transfer { retries: 1, ..Transfer::default() }) else { return };
    for (number, mode) in [PutMode::Create, PutMode::Fill, PutMode::Replace].into_iter().enumerate() {
        let at = path(format!("lost/{number}"));
        let losing = thread::scope(|scope| {
            network.fail(r#"{"lost": 1}"#);
            let put = scope.spawn(|| network.store.put(&at, &["content".into()], mode));
            // Once the server has carried it out the network is mended.
            while network.straight.head(&at).unwrap().is_none() {
                thread::sleep(Duration::from_millis(2));
            }
            network.fail("{}");
            put.join().unwrap()
        });
        assert_eq!(losing.unwrap(), PutOutcome::Written, "{mode:?}");
        assert_eq!(network.straight.get(&at).unwrap().unwrap(), "content");
        let other = network.store.put(&at, &["other".into()], PutMode::Create).unwrap();
        assert_eq!(other, PutOutcome::AlreadyThere);
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let Some(network) = network(&Transfer::default()) else { return };
    network.fail(r#"{"throttled": 1, "retry_after": 1}"#);
    let begun = Instant::now();
    thread::scope(|scope| {
        let put = scope.spawn(|| put_all(&puts(&network.store, 0..20)));
        thread::sleep(Duration::from_millis(2500));
        let asked = network.counts()["requests"];
        network.ask("PUT", "/-/faults", "{}");
        assert_eq!(put.join().unwrap().unwrap().len(), 20);
        // Without patience twenty writers would have asked again and again.
        assert!(asked <= 60, "{asked} requests in {:?}", begun.elapsed());
    });
}

/// A server, or something before it, that asks for an hour is not obeyed for longer than retries may take.
#[test]
fn patience_ends_with_the_time_for_retries() {
    let transfer = Transfer { retry_timeout: Duration::from_secs(2), ..Transfer::default() };
    let Some(network) = network(&transfer) else { return };
    network.fail(r#"{"throttled": 1, "retry_after": 3600}"#);
    let begun = Instant::now();
    let outcome = network.store.put(&path("patience".into()), &["x".into()], PutMode::Replace);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Storage);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    network.fail("{}");
}

#[test]
fn a_network_that_only_fails_is_told_and_leaves_no_doubt() {
    let Some(network) = network(&Transfer { retries: 2, ..Transfer::default() }) else { return };
    network.fail(r#"{"resets": 1}"#);
    let at = path("never".into());
    let error = network.store.put(&at, &["x".into()], PutMode::Create).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(network.store.get(&at).is_err() && network.store.list(None).unwrap().next().unwrap().is_err());
    let outcomes = delete_all(&network.store, &[at.clone(), path("other".into())]);
    assert!(outcomes.iter().all(Result::is_err));
    network.fail("{}");
    assert_eq!(network.straight.get(&at).unwrap(), None);
}

/// However many objects there are and however slow the network is, Ctrl-C ends it soon.
#[test]
fn waiting_ends_when_interrupted() {
    let Some(network) = network(&Transfer::default()) else { return };
    network.fail(r#"{"latency": 30}"#);
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    // Nothing else in this program waits for half a minute.
    lodestore_objects::set_interrupt_check(|| {
        thread::current().name() == Some("interrupted") && ASKED.fetch_add(1, Ordering::Relaxed) > 3
    });
    thread::scope(|scope| {
        let begun = Instant::now();
        let batch = thread::Builder::new().name("interrupted".into());
        let put = batch.spawn_scoped(scope, || put_all(&puts(&network.store, 0..500))).unwrap();
        assert_eq!(put.join().unwrap().unwrap_err().kind(), ErrorKind::Interrupted);
        let single = thread::Builder::new().name("interrupted".into());
        let get = single.spawn_scoped(scope, || network.store.get(&path("x".into()))).unwrap();
        assert_eq!(get.join().unwrap().unwrap_err().kind(), ErrorKind::Interrupted);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    });
}
