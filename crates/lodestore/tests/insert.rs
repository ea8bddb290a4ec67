use lodestore::{
    DType, Duplicates, ErrorKind, InsertOptions, NdArray, ObjectArray, ObjectArrayKind, Order, Row, Table, Tier, Value,
    row,
};
use lodestore_objects::testing::FaultyStore;

use crate::Project;

fn table(project: &Project) -> Table {
    project
        .lab
        .declare(
            "Recording",
            Tier::Manual,
            "id : int8\nname : varchar(5)\n---\nlevel = 3 : int16\nscore = null : float64\nmode : enum('a', 'b')\n\
             trace = null : <npy@>\nextra = null : <blob@>\nsmall = null : <blob>",
        )
        .unwrap()
}

fn good(id: i64) -> Row {
    row! { "id" => id, "name" => "x", "mode" => "a" }
}

#[test]
fn values_come_back() {
    let project = Project::new();
    let table = table(&project);
    let extra = Value::Dict(vec![("a".into(), Value::List(vec![1.into(), "é".into(), Value::Null]))]);
    table
        .insert1(good(1).with("trace", NdArray::from_f64(&[1.0, 2.0])).with("extra", extra.clone()).with("small", 7))
        .unwrap();
    table.insert1(good(2)).unwrap();
    let row = table.restrict("id = 1").unwrap().fetch1().unwrap();
    assert_eq!((row.get("level"), row.get("score")), (Some(&3.into()), Some(&Value::Null)));
    assert_eq!((row.get("extra"), row.get("small")), (Some(&extra), Some(&7.into())));
    assert_eq!(row.get("trace").unwrap().type_name(), "reference");
    let row = table.restrict(row! { "id" => 2 }).unwrap().fetch1().unwrap();
    assert_eq!(row.get("trace"), Some(&Value::Null));
    assert_eq!(project.objects().len(), 2);
}

#[test]
fn bad_input_is_refused_before_anything_is_written() {
    let project = Project::new();
    let table = table(&project);
    let objects = Value::Objects(ObjectArray { kind: ObjectArrayKind::Object, shape: vec![1], items: vec![1.into()] });
    let trace = NdArray::from_f64(&[1.0]);
    let cases: Vec<(Row, ErrorKind, &[&str])> = vec![
        (good(1).with("lvel", 1), ErrorKind::UnknownAttribute, &["lvel", "did you mean `level`?"]),
        (row! { "id" => 1, "mode" => "a" }, ErrorKind::MissingAttribute, &["name", "varchar(5)"]),
        (good(1).with("name", Value::Null), ErrorKind::MissingAttribute, &["name"]),
        (good(1).with("id", f64::NAN), ErrorKind::MissingAttribute, &["id", "NaN"]),
        (good(1).with("name", true), ErrorKind::InvalidType, &["name", "bool", "needs text"]),
        (good(300), ErrorKind::InvalidValue, &["id", "300", "-128 to 127", "int16"]),
        (good(1).with("name", "abcdef"), ErrorKind::InvalidValue, &["name", "abcdef", "6 characters, 5"]),
        (good(1).with("mode", "c"), ErrorKind::InvalidValue, &["mode", "'a','b'"]),
        (good(1).with("trace", objects), ErrorKind::InvalidType, &["trace", "object"]),
        (good(1).with("trace", "no array"), ErrorKind::InvalidType, &["trace"]),
        (
            good(1).with("extra", NdArray::new(DType::parse("<f2").unwrap(), vec![1], Order::C, vec![0, 0]).unwrap()),
            ErrorKind::InvalidType,
            &["extra"],
        ),
    ];
    for (row, kind, mentions) in cases {
        // The bad row comes last, behind a row that would have been written first.
        let error = table.insert([good(100).with("trace", trace.clone()).with("extra", "x"), row.clone()]).unwrap_err();
        assert_eq!(error.kind(), kind, "{row:?}: {error:?}");
        for mention in mentions.iter().chain(&["lab.recording", "row `1`"]) {
            assert!(error.report().contains(mention), "{mention}: {error:?}");
        }
        assert_eq!(table.len().unwrap(), 0);
        assert_eq!(project.objects(), [""; 0]);
    }
}

#[test]
fn a_refusal_of_the_database_leaves_rows_and_own_objects_as_before() {
    let project = Project::new();
    let table = table(&project);
    table.insert1(good(2)).unwrap();
    let trace = NdArray::from_f64(&[1.0]);
    let error = table.insert((1..4).map(|id| good(id).with("trace", trace.clone()))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Duplicate);
    assert!(error.report().contains("skip_duplicates") && error.report().contains("id=2, name="), "{error:?}");
    let twice = table.insert([good(7), good(8), good(7)]).unwrap_err();
    assert!(twice.to_string().contains("key `id=7, name="), "{twice:?}");
    assert_eq!(table.len().unwrap(), 1);
    assert_eq!(project.objects(), [""; 0]);
}

#[test]
fn a_store_that_fails_midway_leaves_everything_as_before() {
    let project = Project::new();
    let table = table(&project);
    let counting = project.count_reads();
    for allowed in [0, 3] {
        project.instance.use_store(FaultyStore::new(counting.clone(), allowed)).unwrap();
        let trace = NdArray::from_f64(&[1.0]);
        let error = table.insert((1..9).map(|id| good(id).with("trace", trace.clone()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert_eq!(table.len().unwrap(), 0);
    }
}

#[test]
fn duplicates_are_skipped_or_replaced_when_asked() {
    let project = Project::new();
    let table = table(&project);
    table.insert1(good(1)).unwrap();
    let with = |duplicates| InsertOptions { duplicates, ..InsertOptions::default() };
    let newer = [good(1).with("level", 9), good(2)];
    table.insert_opts(newer.clone(), with(Duplicates::Skip)).unwrap();
    let level = |table: &Table| table.restrict("id = 1").unwrap().fetch1().unwrap().get("level").cloned();
    assert_eq!((level(&table), table.len().unwrap()), (Some(3.into()), 2));
    table.insert_opts(newer, with(Duplicates::Replace)).unwrap();
    assert_eq!((level(&table), table.len().unwrap()), (Some(9.into()), 2));
    let extra = good(3).with("unknown", 1);
    assert!(table.insert1(extra.clone()).is_err());
    table.insert_opts([extra], InsertOptions { ignore_extra_fields: true, ..InsertOptions::default() }).unwrap();
    assert_eq!(table.len().unwrap(), 3);
    assert_eq!(table.insert([]).unwrap(), 0);
}

#[test]
fn equal_content_is_stored_once_and_a_torn_object_repaired() {
    let project = Project::new();
    let table = table(&project);
    table.insert((1..4).map(|id| good(id).with("extra", "the same"))).unwrap();
    let [path] = &project.objects()[..] else { panic!("{:?}", project.objects()) };
    let file = project.folder.path().join("objects").join(path);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..3]).unwrap();
    let broken = table.restrict("id = 1").unwrap();
    assert_eq!(broken.fetch1().unwrap_err().kind(), ErrorKind::Corrupt);
    table.insert1(good(4).with("extra", "the same")).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), whole);
    assert_eq!(broken.fetch1().unwrap().get("extra"), Some(&"the same".into()));
    std::fs::remove_file(&file).unwrap();
    let error = broken.fetch1().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingObject);
    assert!(error.report().contains("lab.recording") && error.report().contains("`extra`"), "{error:?}");
}

#[test]
fn many_rows_go_in_at_once() {
    let project = Project::new();
    let table = project.lab.declare("Count", Tier::Manual, "n : int32\n---\nsquare : int64").unwrap();
    let rows = (0..5000i64).map(|n| row! { "n" => n, "square" => n * n });
    assert_eq!(table.insert(rows).unwrap(), 5000);
    assert_eq!(table.restrict("square > 24970000").unwrap().len().unwrap(), 3);
    assert_eq!(table.restrict("n < 2000").unwrap().delete().unwrap(), 2000);
    assert_eq!(table.len().unwrap(), 3000);
}

#[test]
fn a_condition_that_restricts_nothing_deletes_nothing() {
    let project = Project::new();
    let table = table(&project);
    table.insert([good(1), good(2)]).unwrap();
    let misspelt = table.restrict(row! { "idd" => 1 }).unwrap();
    assert_eq!(misspelt.len().unwrap(), 2);
    let error = misspelt.delete().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCondition);
    assert!(error.report().contains("restrict by id, name"), "{error:?}");
    assert_eq!(table.restrict(row! { "id" => 1, "other" => 1 }).unwrap().delete().unwrap(), 1);
    assert_eq!(table.delete().unwrap(), 1);
}
