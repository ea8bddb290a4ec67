//! Reading from a store that is elsewhere: how many requests it takes, and what is kept of it.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use lodestore::{ErrorKind, Index, Instance, NdArray, NpyRef, ObjectRef, Table, Tier, load_all_into, row};
use lodestore_objects::testing::CountingStore;
use lodestore_objects::{MemoryStore, PutMode, Store};

struct Elsewhere {
    home: tempfile::TempDir,
    table: Table,
    requests: Arc<CountingStore>,
}

impl Elsewhere {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let instance = Instance::embedded(home.path()).unwrap();
        let requests = CountingStore::new(Arc::new(MemoryStore::new("main")));
        instance.use_store(requests.clone()).unwrap();
        let definition = "id : int32\n---\ntrace=null : <npy@>\nfile=null : <object@>";
        let table = instance.schema("lab").unwrap().declare("Trace", Tier::Manual, definition).unwrap();
        Elsewhere { home, table, requests }
    }

    fn set(&self, name: &str, value: impl Into<serde_json::Value>) {
        self.table.instance().configure(|config| config.set(name, value.into())).unwrap();
    }

    fn array(&self, id: i64, array: NdArray) -> NpyRef {
        self.table.insert1(row! { "id" => id, "trace" => array }).unwrap();
        self.again(id)
    }

    fn again(&self, id: i64) -> NpyRef {
        let row = self.table.restrict(row! { "id" => id }).unwrap().fetch1().unwrap();
        NpyRef::from_value(self.table.instance(), row.value("trace").unwrap()).unwrap()
    }

    fn file(&self, content: Vec<u8>) -> ObjectRef {
        self.table.insert1(row! { "id" => 100, "file" => content }).unwrap();
        let row = self.table.restrict("id = 100").unwrap().fetch1().unwrap();
        ObjectRef::from_value(self.table.instance(), row.value("file").unwrap()).unwrap()
    }

    /// How many requests `work` makes.
    fn count(&self, work: impl FnOnce()) -> u64 {
        let before = self.requests.requests();
        work();
        self.requests.requests() - before
    }
}

fn numbers(count: usize) -> NdArray {
    NdArray::from_f64(&(0..count).map(|n| n as f64).collect::<Vec<_>>())
}

#[test]
fn fetching_makes_no_request_and_needs_no_store() {
    let elsewhere = Elsewhere::new();
    elsewhere.array(1, numbers(10));
    let fetched = elsewhere.count(|| {
        let row = elsewhere.table.fetch1().unwrap();
        NpyRef::from_value(elsewhere.table.instance(), row.value("trace").unwrap()).unwrap();
    });
    assert_eq!(fetched, 0);
    // A program that knows the database only: it sees the rows, and is told what it lacks when it reads.
    let mut config = lodestore::config::Config::default();
    config.set("database.backend", "sqlite".into()).unwrap();
    config.set("database.path", elsewhere.home.path().to_str().unwrap().into()).unwrap();
    config
        .set("stores", serde_json::json!({"default": "gone", "gone": {"protocol": "file", "location": "/no/such"}}))
        .unwrap();
    let instance = Instance::open(config).unwrap();
    let row = instance.table(elsewhere.table.name()).unwrap().fetch1().unwrap();
    let trace = NpyRef::from_value(&instance, row.value("trace").unwrap()).unwrap();
    assert_eq!(trace.shape(), [10]);
    assert_eq!(trace.load().unwrap_err().kind(), ErrorKind::UnknownStore);
}

#[test]
fn a_slice_takes_the_requests_that_it_is_worth() {
    let elsewhere = Elsewhere::new();
    let array = elsewhere.array(1, numbers(1_000_000));
    let part = |start, stop, step| vec![Index::Range { start: Some(start), stop: Some(stop), step }];
    let slice = |index: Vec<Index>| {
        let expected = numbers(1_000_000).to_f64().unwrap();
        let Index::Range { start: Some(start), stop: Some(stop), step } = index[0] else { panic!() };
        let expected: Vec<f64> =
            expected[start as usize..stop as usize].iter().copied().step_by(step as usize).collect();
        assert_eq!(array.slice(&index).unwrap().to_f64().unwrap(), expected);
    };
    // A megabyte in a row, and a few elements far apart.
    let before = array.bytes_read();
    assert_eq!(elsewhere.count(|| slice(part(1000, 126_000, 1))), 1);
    assert_eq!(array.bytes_read() - before, 1_000_000);
    assert_eq!(elsewhere.count(|| slice(part(0, 1_000_000, 300_000))), 4);
    assert_eq!(elsewhere.count(|| slice(part(0, 1_000_000, 100_000))), 1, "gaps of less than a mebibyte are read");
    elsewhere.set("read.gap", 1000);
    assert_eq!(elsewhere.count(|| slice(part(0, 1_000_000, 100_000))), 10);
    elsewhere.set("read.part", 1 << 16);
    assert_eq!(elsewhere.count(|| slice(part(1000, 126_000, 1))), 16);
}

#[test]
fn a_whole_array_is_read_in_parts_at_once_and_many_arrays_too() {
    let elsewhere = Elsewhere::new();
    let arrays: Vec<NpyRef> = (0..5).map(|id| elsewhere.array(id, numbers(1000 * (id as usize + 1)))).collect();
    let load = |arrays: &[NpyRef]| {
        let mut buffers: Vec<Vec<u8>> = arrays.iter().map(|array| vec![0; array.nbytes()]).collect();
        load_all_into(arrays.iter().zip(buffers.iter_mut().map(Vec::as_mut_slice)).collect()).unwrap();
        for (array, buffer) in arrays.iter().zip(buffers) {
            assert_eq!(buffer, numbers(array.shape()[0]).data()[..]);
        }
    };
    assert_eq!(elsewhere.count(|| load(&arrays)), 5);
    elsewhere.set("read.part", 1 << 16);
    let large = elsewhere.array(9, numbers(100_000));
    // The header, and 800,000 bytes.
    assert_eq!(elsewhere.count(|| load(std::slice::from_ref(&large))), 1 + 13);
    load(&[large.clone(), arrays[3].clone()]);
    assert_eq!(large.load().unwrap(), numbers(100_000));
    let error = load_all_into(vec![(&large, &mut [0; 3])]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    elsewhere.requests.delete(&arrays[2].reference().path).unwrap();
    let mut buffers: Vec<Vec<u8>> = arrays.iter().map(|array| vec![0; array.nbytes()]).collect();
    let targets = arrays.iter().zip(buffers.iter_mut().map(Vec::as_mut_slice)).collect();
    assert_eq!(load_all_into(targets).unwrap_err().kind(), ErrorKind::MissingObject);
}

#[test]
fn what_is_cached_is_not_asked_for_again() {
    let elsewhere = Elsewhere::new();
    let array = elsewhere.array(1, numbers(1000));
    let cache = elsewhere.home.path().join("cache");
    elsewhere.set("read.cache", cache.to_str().unwrap());
    assert_eq!(elsewhere.count(|| assert_eq!(array.load().unwrap(), numbers(1000))), 1);
    let again = elsewhere.again(1);
    assert_eq!(elsewhere.count(|| assert_eq!(again.load().unwrap(), numbers(1000))), 0);
    let last = [Index::At(-1)];
    assert_eq!(elsewhere.count(|| assert_eq!(again.slice(&last).unwrap().to_f64(), Some(vec![999.0]))), 0);
    let (file, ..) = again.local_file().unwrap().unwrap();
    assert!(file.starts_with(&cache));
    // Equal content under another path is the same file.
    let twin = elsewhere.array(2, numbers(1000));
    assert_eq!(elsewhere.count(|| drop(twin.load().unwrap())), 0);
    // A damaged object does not get in.
    let other = elsewhere.array(3, numbers(500));
    let path = &other.reference().path;
    let mut content = elsewhere.requests.get(path).unwrap().unwrap().to_vec();
    content[200] ^= 1;
    elsewhere.requests.put(path, &[content.into()], PutMode::Replace).unwrap();
    assert_eq!(other.load().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
}

#[test]
fn a_stream_reads_large_steps_ahead_and_small_ones_once() {
    let elsewhere = Elsewhere::new();
    let content: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
    let file = elsewhere.file(content.clone());
    let mut whole = Vec::new();
    let requests = elsewhere.count(|| {
        let mut stream = file.stream(None).unwrap();
        let mut piece = vec![0; 10_000];
        loop {
            match stream.read(&mut piece).unwrap() {
                0 => break,
                count => whole.extend_from_slice(&piece[..count]),
            }
        }
    });
    assert!(whole == content && requests <= 9, "{requests} requests");
    let mut stream = file.stream(None).unwrap();
    assert_eq!(stream.size(), content.len() as u64);
    let mut look = |at: i64, length: usize| {
        let mut bytes = vec![0; length];
        let from = if at < 0 { SeekFrom::End(at) } else { SeekFrom::Start(at as u64) };
        let at = stream.seek(from).unwrap() as usize;
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, content[at..at + length]);
    };
    // As HDF5 does: a few places, again and again.
    let requests = elsewhere.count(|| {
        for _ in 0..100 {
            look(0, 8);
            look(2048, 512);
            look(10_000_000, 300);
            look(10_100_000, 40);
            look(-100, 100);
        }
    });
    assert!(requests <= 3, "{requests} requests");
    look(1, 15_000_000);
    assert!(stream.seek(SeekFrom::Current(-100_000_000)).is_err());
    stream.seek(SeekFrom::End(10)).unwrap();
    assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
    assert_eq!(file.stream(Some("x")).err().unwrap().kind(), ErrorKind::InvalidRequest);
}

#[test]
fn folders_are_downloaded_and_files_read_together() {
    let elsewhere = Elsewhere::new();
    let source = elsewhere.home.path().join("many.zarr");
    std::fs::create_dir(&source).unwrap();
    for n in 0..40 {
        std::fs::write(source.join(n.to_string()), n.to_string()).unwrap();
    }
    elsewhere.table.insert1(row! { "id" => 7, "file" => source.to_str() }).unwrap();
    let row = elsewhere.table.fetch1().unwrap();
    let folder = ObjectRef::from_value(elsewhere.table.instance(), row.value("file").unwrap()).unwrap();
    let target = folder.download(&elsewhere.home.path().join("out"), None).unwrap();
    assert_eq!(std::fs::read_to_string(target.join("39")).unwrap(), "39");
    folder.verify().unwrap();
    let file = elsewhere.file(b"abc".to_vec());
    elsewhere.set("read.part", 1 << 16);
    let content: Vec<u8> = (0..1_000_000u32).map(|n| (n % 253) as u8).collect();
    elsewhere.table.insert1(row! { "id" => 101, "file" => content.clone() }).unwrap();
    let row = elsewhere.table.restrict("id = 101").unwrap().fetch1().unwrap();
    let large = ObjectRef::from_value(elsewhere.table.instance(), row.value("file").unwrap()).unwrap();
    let target = elsewhere.home.path().join("large");
    // Its size, and its parts.
    assert_eq!(elsewhere.count(|| drop(large.download(&target, None).unwrap())), 1 + 16);
    assert!(std::fs::read(&target).unwrap() == content);
    assert_eq!(ObjectRef::read_all(&[&file, &file]).unwrap(), ["abc", "abc"]);
    assert_eq!(ObjectRef::read_all(&[&file, &folder]).unwrap_err().kind(), ErrorKind::InvalidRequest);
}
