use lodestore::{
    Batch, Column, ColumnData, Duplicates, ErrorKind, InsertOptions, NdArray, NpyRef, Result, Row, Table, Tier, Value,
    row,
};

use crate::Project;

fn table(project: &Project, name: &str) -> Table {
    let definition =
        "id : int32\n---\nlevel = 3 : int16\nword = null : varchar(5)\ntrace = null : <npy@>\nextra = null : <blob@>";
    project.lab.declare(name, Tier::Manual, definition).unwrap()
}

fn ids(table: &Table) -> Vec<i64> {
    let mut ids: Vec<i64> = table.fetch().unwrap().iter().map(|row| row.get("id").unwrap().as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn batch(ids: &[i64]) -> Batch {
    let id = Column { data: ColumnData::Int(ids.to_vec()), nulls: None };
    let mut level = Column { data: ColumnData::Int(vec![5; ids.len()]), nulls: None };
    level.set_nulls(&ids.iter().map(|id| id % 2 == 1).collect::<Vec<_>>());
    Batch::new([("id", id), ("level", level)]).unwrap()
}

#[test]
fn columns_go_in_and_nulls_become_defaults() {
    let project = Project::new();
    let table = table(&project, "Plain");
    assert_eq!(table.insert_batch(batch(&[1, 2, 3])).unwrap(), 3);
    let levels: Vec<Value> =
        table.fetch().unwrap().iter().map(|row| row.get("level").cloned().unwrap_or_default()).collect();
    assert_eq!(levels, [3.into(), 5.into(), 3.into()]);
    let error = table.insert_batch(batch(&[4, 1 << 40])).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidValue && error.to_string().contains("row `1`"), "{error:?}");
    let wrong = Batch::new([("idd", Column { data: ColumnData::Int(vec![1]), nulls: None })]).unwrap();
    assert_eq!(table.insert_batch(wrong).unwrap_err().kind(), ErrorKind::UnknownAttribute);
    assert_eq!(ids(&table), [1, 2, 3]);
}

#[test]
fn several_batches_are_one_insert() {
    let project = Project::new();
    let table = table(&project, "Plain");
    let mut told = Vec::new();
    let options = InsertOptions::default();
    let count =
        table.insert_batches([Ok(batch(&[1, 2])), Ok(batch(&[3]))], options, &mut |rows| told.push(rows)).unwrap();
    assert_eq!((count, told), (3, vec![2, 3]));
    let error = table.insert_batches([Ok(batch(&[4])), Ok(batch(&[5, 1]))], options, &mut |_| {}).unwrap_err();
    assert!(error.kind() == ErrorKind::Duplicate && error.to_string().contains("row `2`"), "{error:?}");
    assert_eq!(ids(&table), [1, 2, 3]);
    // In chunks, what went in before stays.
    let options = InsertOptions { chunk_size: Some(1), ..options };
    assert!(table.insert_batches([Ok(batch(&[4, 5, 1, 6]))], options, &mut |_| {}).is_err());
    assert_eq!(ids(&table), [1, 2, 3, 4, 5]);
    assert!(table.insert_opts((6..9).map(|id| row! { "id" => id }).chain([row! { "id" => 6 }]), options).is_err());
    assert_eq!(ids(&table), [1, 2, 3, 4, 5, 6, 7, 8]);
    let none = InsertOptions { chunk_size: Some(0), ..options };
    assert_eq!(table.insert_opts([row! { "id" => 9 }], none).unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[test]
fn a_csv_file_goes_in() {
    let project = Project::new();
    let table = table(&project, "Plain");
    let file = project.folder.path().join("rows.csv");
    std::fs::write(&file, "id,word,level\n1,\"a,b\",\n2,,9\n").unwrap();
    assert_eq!(table.insert_csv(&file, InsertOptions::default(), &mut |_| {}).unwrap(), 2);
    let rows = table.fetch().unwrap();
    assert_eq!((rows[0].get("word"), rows[0].get("level")), (Some(&"a,b".into()), Some(&3.into())));
    assert_eq!((rows[1].get("word"), rows[1].get("level")), (Some(&"".into()), Some(&9.into())));
    std::fs::write(&file, "id,word\n3,a\n4,too long\n").unwrap();
    assert!(table.insert_csv(&file, InsertOptions::default(), &mut |_| {}).is_err());
    assert_eq!(table.len().unwrap(), 2);
}

#[test]
fn a_query_goes_in_with_its_objects() {
    let project = Project::new();
    let (source, target) = (table(&project, "Source"), table(&project, "Target"));
    let rows = (0..3).map(|id| row! { "id" => id, "trace" => NdArray::from_f64(&[id as f64]), "extra" => "the same" });
    source.insert(rows).unwrap();
    assert_eq!(target.insert_query(&source.restrict("id > 0").unwrap(), InsertOptions::default()).unwrap(), 2);
    // An array for each row of each table, and the content that all share.
    assert_eq!(project.objects().len(), 3 + 2 + 1);
    source.delete().unwrap();
    let row = target.restrict("id = 2").unwrap().fetch1().unwrap();
    let trace = NpyRef::from_value(target.instance(), row.value("trace").unwrap()).unwrap();
    assert!(trace.reference().path.as_str().contains("/Target/id=2/"));
    assert_eq!(trace.load().unwrap().to_f64(), Some(vec![2.0]));
    assert_eq!(row.get("extra"), Some(&"the same".into()));
    let error = target.insert_query(&target, InsertOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Duplicate);
    assert_eq!(project.objects().len(), 2 + 1);
    let skip = InsertOptions { duplicates: Duplicates::Skip, ..InsertOptions::default() };
    assert_eq!(target.insert_query(&target, skip).unwrap(), 0);
    assert_eq!(project.objects().len(), 2 + 1);
}

#[test]
fn rows_that_are_skipped_leave_no_object() {
    let project = Project::new();
    let table = table(&project, "Plain");
    let made = |ids: &[i64]| -> Vec<Row> {
        ids.iter().map(|id| row! { "id" => *id, "trace" => NdArray::from_f64(&[1.0]) }).collect()
    };
    table.insert(made(&[1])).unwrap();
    let skip = InsertOptions { duplicates: Duplicates::Skip, ..InsertOptions::default() };
    assert_eq!(table.insert_opts(made(&[1, 2, 2]), skip).unwrap(), 1);
    assert_eq!((ids(&table), project.objects().len()), (vec![1, 2], 2));
}

#[test]
fn validation_gathers_all_that_is_wrong() {
    let project = Project::new();
    let table = table(&project, "Plain");
    let rows = [
        row! { "id" => 1, "trace" => NdArray::from_f64(&[1.0]) },
        row! { "id" => "x", "word" => "too long" },
        row! { "word" => "a", "other" => 1 },
        row! { "id" => 2, "trace" => "no array" },
    ];
    let found = table.validate(rows).unwrap();
    let places: Vec<(usize, &str)> =
        found.errors.iter().map(|invalid| (invalid.row, invalid.attribute.as_deref().unwrap_or("?"))).collect();
    assert_eq!(places, [(1, "id"), (1, "word"), (2, "other"), (2, "id"), (3, "trace")]);
    assert!(!found.is_valid() && found.rows_checked == 4);
    assert!(table.validate([row! { "id" => 1 }]).unwrap().is_valid());
    assert_eq!((table.len().unwrap(), project.objects().len()), (0, 0));
}

#[test]
fn structures_go_in() {
    #[derive(serde::Serialize)]
    struct Plain<'a> {
        id: u8,
        word: Option<&'a str>,
        level: i64,
    }
    let project = Project::new();
    let table = table(&project, "Plain");
    let all = [Plain { id: 1, word: Some("a"), level: 1 }, Plain { id: 2, word: None, level: -2 }];
    assert_eq!(table.insert_as(&all).unwrap(), 2);
    assert_eq!(table.restrict("level = -2").unwrap().fetch1().unwrap().get("word"), Some(&Value::Null));
    let error = table.insert_as([Plain { id: 3, word: None, level: 1 << 20 }]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue);
    assert_eq!(table.insert_as([5]).unwrap_err().kind(), ErrorKind::InvalidType);
}

#[test]
fn a_batch_inside_a_transaction_is_whole_and_the_rest_goes_on() -> Result<()> {
    let project = Project::new();
    let table = table(&project, "Plain");
    project.instance.transaction(|| {
        table.insert_batch(batch(&[1]))?;
        let batches = [Ok(batch(&[2])), Ok(batch(&[1]))];
        assert!(table.insert_batches(batches, InsertOptions::default(), &mut |_| {}).is_err());
        table.insert_batch(batch(&[3])).map(drop)
    })?;
    assert_eq!(ids(&table), [1, 3]);
    Ok(())
}
