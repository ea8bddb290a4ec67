//! Staged inserts, from Rust.

use std::io::{Read, Seek, SeekFrom, Write};

use lodestore::{DType, Error, ErrorKind, Instance, NdArray, NpyRef, ObjectRef, Payload, Table, Tier, Value, row};

fn table(folder: &std::path::Path) -> Table {
    let lab = Instance::embedded(folder).unwrap().schema("lab").unwrap();
    let definition = "id : int32\n---\nframes=null : <object@>\ntrace=null : <npy@>\nraw=null : <hash@>";
    lab.declare("Scan", Tier::Manual, definition).unwrap()
}

fn objects(table: &Table) -> usize {
    crate::objects_of(table.instance()).len()
}

#[test]
fn objects_of_a_row_are_written_before_it() {
    let home = tempfile::tempdir().unwrap();
    let scan = table(home.path());
    scan.staged_insert1(|staged| {
        staged.set("id", 1);
        for chunk in 0..3 {
            staged.put("frames", ".zarr", &format!("c/{chunk}"), Payload::from(bytes::Bytes::from("chunk")))?;
        }
        let mut array = staged.object("trace", "")?.create_array(DType::parse("<f8")?, &[])?;
        array.append(&NdArray::from_f64(&[1.0, 2.0]))?;
        array.append(&NdArray::from_f64(&[3.0]))?;
        array.finish()?;
        let mut raw = staged.create("raw", "")?;
        raw.write_all(b"abcdef").unwrap();
        raw.seek(SeekFrom::Start(2)).unwrap();
        raw.write_all(b"XY").unwrap();
        let mut rest = String::new();
        raw.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), raw.size().unwrap()), ("ef", 6));
        assert_eq!(scan.len()?, 0);
        raw.finish()
    })
    .unwrap();
    let row = scan.fetch1().unwrap();
    let frames = ObjectRef::from_value(scan.instance(), row.value("frames").unwrap()).unwrap();
    frames.verify().unwrap();
    assert_eq!((frames.files(None).unwrap().len(), frames.read(Some("c/2")).unwrap()), (3, "chunk".into()));
    let trace = NpyRef::from_value(scan.instance(), row.value("trace").unwrap()).unwrap();
    assert_eq!(trace.load().unwrap().to_f64(), Some(vec![1.0, 2.0, 3.0]));
    assert_eq!(row.get("raw"), Some(&Value::Bytes("abXYef".into())));
}

#[test]
fn an_error_or_a_panic_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let scan = table(home.path());
    let outcome: Result<(), Error> = scan.staged_insert1(|staged| {
        staged.set("id", 1);
        staged.put("frames", "", "a", Payload::default())?;
        assert_eq!(objects(&scan), 1);
        Err(Error::new(ErrorKind::User, "no"))
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::User);
    assert_eq!(objects(&scan), 0);
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scan.staged_insert1(|staged| -> Result<(), Error> {
            staged.set("id", 1);
            staged.put("frames", "", "a", Payload::default())?;
            panic!("as the test wants it")
        })
    }));
    assert!(panics.is_err());
    assert_eq!((scan.len().unwrap(), objects(&scan)), (0, 0));
}

#[test]
fn rows_go_in_together_or_not_at_all() {
    let home = tempfile::tempdir().unwrap();
    let scan = table(home.path());
    let insert = |ids: &[i64]| {
        scan.staged_insert(|staged| {
            for id in ids {
                let row = staged.row();
                row.set("id", *id);
                row.put("frames", "", "a", Payload::from(bytes::Bytes::from("x")))?;
            }
            Ok(())
        })
    };
    insert(&[1, 2]).unwrap();
    let before = objects(&scan);
    assert_eq!(insert(&[3, 2]).unwrap_err().kind(), ErrorKind::Duplicate);
    assert_eq!((scan.len().unwrap(), objects(&scan)), (2, before));
}

#[test]
fn an_object_is_staged_for_a_row_that_is_there() {
    let home = tempfile::tempdir().unwrap();
    let scan = table(home.path());
    scan.insert([row! { "id" => 1 }, row! { "id" => 2 }]).unwrap();
    assert_eq!(scan.create_object_ref("frames", "").unwrap_err().kind(), ErrorKind::InvalidRequest);
    let first = scan.restrict("id = 1").unwrap();
    let staged = first.create_object_ref("frames", ".bin").unwrap();
    let mut file = staged.create().unwrap();
    file.write_all(b"abc").unwrap();
    file.finish().unwrap();
    let wrong = scan.update1(row! { "id" => 2, "frames" => staged.clone() }).unwrap_err();
    assert!(wrong.message().contains("was staged for the row with id=1"), "{wrong}");
    first.update1(row! { "frames" => staged.clone() }).unwrap();
    assert!(staged.is_stored());
    let frames = ObjectRef::open(scan.instance(), staged.reference().unwrap());
    drop(staged);
    assert_eq!(frames.read(None).unwrap(), "abc");
    // One that is dropped without a row is gone.
    let staged = first.create_object_ref("frames", "").unwrap();
    staged.put("x", Payload::default()).unwrap();
    assert_eq!(objects(&scan), 2);
    drop(staged);
    assert_eq!(objects(&scan), 1);
}

#[test]
fn a_staged_row_cannot_be_skipped() {
    let home = tempfile::tempdir().unwrap();
    let scan = table(home.path());
    let staged = scan.stage("frames", &row! { "id" => 1 }, "").unwrap();
    staged.put("x", Payload::default()).unwrap();
    let options = lodestore::InsertOptions { duplicates: lodestore::Duplicates::Skip, ..Default::default() };
    let error = scan.insert_opts([row! { "id" => 1, "frames" => staged.clone() }], options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    scan.insert1(row! { "id" => 1, "frames" => staged }).unwrap();
    assert_eq!(scan.len().unwrap(), 1);
}
