use lodestore::{DType, ErrorKind, Index, NdArray, NpyRef, Order, Tier, row};

use crate::Project;

fn range(start: i64, stop: i64) -> Index {
    Index::Range { start: Some(start), stop: Some(stop), step: 1 }
}

#[test]
fn a_slice_of_a_large_array_reads_little_more_than_the_slice() {
    let project = Project::new();
    let table = project.lab.declare("Large", Tier::Manual, "id : int8\n---\nsamples : <npy@>").unwrap();
    let (rows, columns) = (100_000usize, 250usize);
    let values: Vec<u8> = (0..(rows * columns) as u64).flat_map(|n| (n as f64).to_le_bytes()).collect();
    assert_eq!(values.len(), 200_000_000);
    for (id, order) in [(1, Order::C), (2, Order::Fortran)] {
        let array = NdArray::new(DType::F64, vec![rows, columns], order, values.clone()).unwrap();
        table.insert1(row! { "id" => id, "samples" => array }).unwrap();
    }
    let counting = project.count_reads();
    let fetched = table.restrict("id = 1").unwrap().fetch1().unwrap();
    let array = NpyRef::from_value(&project.instance, fetched.value("samples").unwrap()).unwrap();
    assert_eq!((array.shape(), array.nbytes()), (&[rows, columns][..], 200_000_000));
    assert_eq!(counting.requests(), 0);
    let part = array.slice(&[range(1000, 1010)]).unwrap();
    assert_eq!(part.shape(), [10, columns]);
    assert_eq!(part.to_f64().unwrap()[..3], [250_000.0, 250_001.0, 250_002.0]);
    let slice = (10 * columns * 8) as u64;
    assert!(counting.bytes_read() <= slice + (128 << 10), "{} bytes read", counting.bytes_read());
    assert_eq!(array.bytes_read(), counting.bytes_read());
    // One column of a column-major array lies together too.
    let before = counting.bytes_read();
    let fetched = table.restrict("id = 2").unwrap().fetch1().unwrap();
    let array = NpyRef::from_value(&project.instance, fetched.value("samples").unwrap()).unwrap();
    let part = array.slice(&[Index::ALL, Index::At(7)]).unwrap();
    assert_eq!(part.shape(), [rows]);
    assert!(counting.bytes_read() - before <= (rows * 8) as u64 + (128 << 10));
}

#[test]
fn what_is_not_there_or_not_whole_is_told() {
    let project = Project::new();
    let table = project.lab.declare("Trace", Tier::Manual, "id : int8\n---\nsamples : <npy@>").unwrap();
    table.insert1(row! { "id" => 1, "samples" => NdArray::from_f64(&[0.0; 100]) }).unwrap();
    let fetched = table.fetch1().unwrap();
    let array = NpyRef::from_value(&project.instance, fetched.value("samples").unwrap()).unwrap();
    assert_eq!(array.load().unwrap().len(), 100);
    assert_eq!(array.slice(&[Index::At(100)]).unwrap_err().kind(), ErrorKind::InvalidIndex);
    let file = project.folder.path().join("objects").join(&project.objects()[0]);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..500]).unwrap();
    assert_eq!(array.load().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(array.slice(&[range(90, 100)]).unwrap_err().kind(), ErrorKind::Corrupt);
    std::fs::remove_file(&file).unwrap();
    let error = array.load().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingObject);
    assert!(error.to_string().contains("_schema/lab/Trace/id=1/samples."), "{error}");
    assert_eq!(table.len().unwrap(), 1);
}

#[test]
fn empty_arrays_and_odd_keys_have_their_place() {
    let project = Project::new();
    let table = project.lab.declare("Odd", Tier::Manual, "name : varchar(300)\n---\nsamples : <npy@>").unwrap();
    let names = ["a/b", "..", ".", "", "%2F", "é\u{301}", "x y", &"long ".repeat(60), "a\nb", "'\"", "~"];
    for name in names {
        let array = NdArray::new(DType::F64, vec![0, 3], Order::C, vec![]).unwrap();
        table.insert1(row! { "name" => name, "samples" => array }).unwrap();
    }
    let objects = project.objects();
    assert_eq!(objects.len(), names.len());
    assert!(
        objects.iter().all(|path| path.starts_with("_schema/lab/Odd/name=") && path.matches('/').count() == 4),
        "{objects:?}"
    );
    for name in names {
        let fetched = table.restrict(row! { "name" => name }).unwrap().fetch1().unwrap();
        let array = NpyRef::from_value(&project.instance, fetched.value("samples").unwrap()).unwrap();
        assert_eq!(array.load().unwrap().shape(), [0, 3]);
    }
}
