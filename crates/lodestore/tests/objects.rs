//! Files and folders: streamed in, referred to, read, verified and copied out.

use std::fs;
use std::sync::Arc;

use lodestore::codec::{Codec, Context, Encoded, Inner, Stored};
use lodestore::{CoreType, ErrorKind, FetchOptions, ObjectRef, Result, Row, Tier, Value, row};

use crate::Project;

fn table(project: &Project) -> lodestore::Table {
    let definition = "
        id : int32
        ---
        near = null : <attach>
        far = null : <attach@>
        object = null : <object@>
        file = null : <filepath@main>
    ";
    project.lab.declare("File", Tier::Manual, definition).unwrap()
}

fn object(table: &lodestore::Table, row: &Row, name: &str) -> ObjectRef {
    ObjectRef::from_value(table.instance(), row.value(name).unwrap()).unwrap()
}

#[test]
fn attachments_come_back_as_files() {
    let project = Project::new();
    let table = table(&project);
    let downloads = project.folder.path().join("downloads");
    table.instance().configure(|config| config.set("download_path", downloads.to_str().unwrap().into())).unwrap();
    let notes = project.folder.path().join("notes.txt");
    fs::write(&notes, "hello").unwrap();
    let notes = notes.to_str().unwrap();
    table.insert1(row! { "id" => 1, "near" => notes, "far" => notes }).unwrap();
    let row = table.fetch1().unwrap();
    for name in ["near", "far"] {
        assert_eq!(row.get(name), Some(&downloads.join("notes.txt").to_str().unwrap().into()));
    }
    assert_eq!(fs::read_to_string(downloads.join("notes.txt")).unwrap(), "hello");
    let elsewhere = project.folder.path().join("elsewhere");
    let options = FetchOptions { download_path: Some(elsewhere.clone()), ..FetchOptions::default() };
    let row = table.fetch1_opts(&options).unwrap();
    assert_eq!(row.get("far"), Some(&elsewhere.join("notes.txt").to_str().unwrap().into()));
    let batch = table.stream_opts(10, &options).unwrap().next().unwrap().unwrap();
    assert_eq!(batch.column("near").unwrap().value(0), elsewhere.join("notes.txt").to_str().unwrap().into());
    let error = table.insert1(row! { "id" => 2, "far" => "/no/such/file" }).unwrap_err();
    assert_eq!((error.kind(), table.len().unwrap()), (ErrorKind::MissingFile, 1));
}

#[test]
fn folders_are_whole_and_verified_or_not_there() {
    let project = Project::new();
    let table = table(&project);
    let movie = project.folder.path().join("movie.zarr");
    fs::create_dir_all(movie.join("0")).unwrap();
    for chunk in 0..40 {
        fs::write(movie.join(format!("0/{chunk}")), vec![chunk; 1000]).unwrap();
    }
    table.insert1(row! { "id" => 1, "object" => movie.to_str() }).unwrap();
    let found = object(&table, &table.fetch1().unwrap(), "object");
    assert_eq!(found.files(None).unwrap().len(), 40);
    assert_eq!(found.read(Some("0/7")).unwrap(), vec![7; 1000]);
    assert_eq!(found.read_range(Some("0/9"), 10..12).unwrap(), vec![9, 9]);
    found.verify().unwrap();
    for outside in ["../x", "/etc/passwd", "0/../../x"] {
        assert_eq!(found.read(Some(outside)).unwrap_err().kind(), ErrorKind::InvalidName);
    }
    let copy = found.download(&project.folder.path().join("copy"), None).unwrap();
    assert_eq!(fs::read(copy.join("0/39")).unwrap(), vec![39; 1000]);
    // A flipped bit of one chunk.
    let stored = found.local_path(Some("0/7")).unwrap().unwrap();
    let mut content = fs::read(&stored).unwrap();
    content[500] ^= 4;
    fs::write(&stored, content).unwrap();
    let error = found.verify().unwrap_err();
    assert!(error.message().ends_with("checksum mismatch for `0/7`"), "{error}");
}

#[test]
fn a_refused_row_leaves_no_part_of_its_folder() {
    let project = Project::new();
    let table = table(&project);
    let folder = project.folder.path().join("many");
    fs::create_dir(&folder).unwrap();
    for number in 0..30 {
        fs::write(folder.join(number.to_string()), "x").unwrap();
    }
    let rows = [1, 1].map(|id| row! { "id" => id, "object" => folder.to_str() });
    assert_eq!(table.insert(rows).unwrap_err().kind(), ErrorKind::Duplicate);
    let left = crate::objects_of(table.instance()).len();
    assert_eq!((left, table.len().unwrap()), (0, 0));
}

#[test]
fn a_path_of_the_user_is_checked_before_it_is_kept() {
    let project = Project::new();
    let table = table(&project);
    let root = table.instance().store("").unwrap().local_path(&lodestore::StorePath::new("x").unwrap()).unwrap();
    fs::write(&root, "raw").unwrap();
    for path in ["x", "./x", root.to_str().unwrap(), &format!("file://{}", root.display())] {
        table.insert1(row! { "id" => 1, "file" => path }).unwrap();
        let found = object(&table, &table.fetch1().unwrap(), "file");
        assert_eq!((found.path().as_str(), found.read(None).unwrap()), ("x", "raw".into()));
        table.delete().unwrap();
    }
    for (path, kind) in [
        ("../x", ErrorKind::InvalidValue),
        ("_schema/lab", ErrorKind::InvalidValue),
        ("/etc/passwd", ErrorKind::InvalidValue),
        ("none", ErrorKind::MissingFile),
    ] {
        assert_eq!(table.insert1(row! { "id" => 1, "file" => path }).unwrap_err().kind(), kind, "{path}");
    }
    // A column of one's own making would pass every check by.
    let column = Value::Json(serde_json::json!({"path": "_hash/x", "store": "main"}));
    assert_eq!(table.insert1(row! { "id" => 1, "file" => column }).unwrap_err().kind(), ErrorKind::InvalidType);
}

/// Text backwards, as a codec that chains to another.
#[derive(Debug)]
struct Backwards;

impl Codec for Backwards {
    fn name(&self) -> &str {
        "backwards"
    }
    fn inner(&self, _: bool) -> Result<Inner> {
        Ok(Inner::Core(CoreType::parse("varchar(40)")?.unwrap()))
    }
    fn validate(&self, value: &Value) -> Result<()> {
        CoreType::parse("varchar(40)")?.unwrap().check(value.clone()).map(drop)
    }
    fn encode(&self, value: Value, _: &Context) -> Result<Encoded> {
        Ok(Encoded::Value(value.as_str().unwrap_or_default().chars().rev().collect::<String>().into()))
    }
    fn decode(&self, stored: Stored, _: &Context) -> Result<Value> {
        Ok(stored.value.as_str().unwrap_or_default().chars().rev().collect::<String>().into())
    }
}

#[test]
fn a_codec_of_ones_own_is_registered_with_a_project() {
    let project = Project::new();
    let definition = "id : int32\n---\nword = null : <backwards>";
    let error = project.lab.declare("Word", Tier::Manual, definition).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownCodec);
    project.instance.register_codec(Arc::new(Backwards)).unwrap();
    assert_eq!(project.instance.register_codec(Arc::new(Backwards)).unwrap_err().kind(), ErrorKind::InvalidRequest);
    let words = project.lab.declare("Word", Tier::Manual, definition).unwrap();
    words.insert1(row! { "id" => 1, "word" => "lode" }).unwrap();
    assert_eq!(words.fetch1().unwrap().get("word"), Some(&"lode".into()));
}
