use lodestore::{
    ColumnData, Condition, ErrorKind, FetchOptions, JoinKind, JoinOptions, Matching, NdArray, OnError, Projection,
    Table, Tier, Top, Universal, Unmatched, Value, row,
};

use crate::Project;

/// Subjects 1 to 4 and the sessions of 1 and 3.
fn tables(project: &Project) -> (Table, Table) {
    let subject = project
        .lab
        .declare(
            "Subject",
            Tier::Manual,
            "id : int32\n---\nspecies : varchar(9)\nweight = null : float64\nborn = null : date",
        )
        .unwrap();
    let session =
        project.lab.declare("Session", Tier::Manual, "-> Subject\nsession : int16\n---\nlength : float64").unwrap();
    subject
        .insert([
            row! { "id" => 1, "species" => "mouse", "weight" => 20.0, "born" => "2024-02-29" },
            row! { "id" => 2, "species" => "mouse", "weight" => 22.0 },
            row! { "id" => 3, "species" => "rat" },
            row! { "id" => 4, "species" => "it's" },
        ])
        .unwrap();
    session
        .insert([(1, 1, 10.0), (1, 2, 30.0), (3, 1, 5.0)].map(|(id, session, length)| {
            row! { "id" => id, "session" => session, "length" => length }
        }))
        .unwrap();
    (subject, session)
}

fn ids(query: &lodestore::Query) -> Vec<i64> {
    query.fetch().unwrap().iter().map(|row| row.value("id").unwrap().as_i64().unwrap()).collect()
}

#[test]
fn every_operator() {
    let project = Project::new();
    let (subject, session) = tables(&project);
    assert_eq!(ids(&subject.restrict(&session).unwrap()), [1, 3]);
    assert_eq!(ids(&subject.exclude(&session).unwrap()), [2, 4]);
    assert_eq!(ids(&subject.restrict(&session.keys().unwrap()).unwrap()), [1, 3]);
    assert_eq!(ids(&subject.restrict(false).unwrap()), [0i64; 0]);
    let of = |rows: Vec<lodestore::Row>| rows.iter().map(|row| row.value("id").unwrap().as_i64().unwrap()).collect();
    let (first, last): (Vec<i64>, Vec<i64>) = (of(subject.head(2).unwrap()), of(subject.tail(2).unwrap()));
    assert_eq!((first, last), (vec![1, 2], vec![3, 4]));
    assert!(subject.head(0).unwrap().is_empty() && subject.tail(9).unwrap().len() == 4);
    assert_eq!(subject.restrict(&Universal::new(["x"])).unwrap().len().unwrap(), 4);
    let either = Condition::Any(vec!["species = 'rat'".into(), Condition::Map(vec![("id".into(), 4.into())])]);
    assert_eq!(ids(&subject.restrict(either).unwrap()), [3, 4]);
    assert_eq!(subject.join(&session).unwrap().len().unwrap(), 3);
    let left = JoinOptions { kind: JoinKind::Left, allow_nullable_key: true, ..JoinOptions::default() };
    assert_eq!(subject.join_opts(&session, left).unwrap().len().unwrap(), 5);
    assert_eq!(session.extend(&subject).unwrap().len().unwrap(), 3);
    let count = Projection::default().with("n", "count(session)");
    let counts = subject.aggregate(&session, &count, Unmatched::Keep).unwrap().order_by(&["KEY"]).unwrap();
    let counts: Vec<_> = counts.fetch().unwrap().iter().map(|row| row.get("n").cloned().unwrap()).collect();
    assert_eq!(counts, [2, 0, 1, 0].map(Value::from));
    assert_eq!(subject.aggregate(&session, &count, Unmatched::Drop).unwrap().len().unwrap(), 2);
    let key = |condition: &str| subject.restrict(condition).unwrap().project(&[]).unwrap();
    assert_eq!(key("id < 3").union(&key("id > 1")).unwrap().len().unwrap(), 4);
    let heaviest = subject.top(&Top::ordered(["weight desc"]).with_limit(2)).unwrap();
    assert_eq!(ids(&heaviest), [2, 1]);
    assert_eq!(ids(&subject.limit(3).unwrap().offset(1).unwrap()), [2, 3]);
    assert_eq!(Universal::new(["species"]).of(&subject).unwrap().len().unwrap(), 3);
    let refused = subject.join(&subject).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    // NULL equals nothing: only subject 1 has all that it must share with itself.
    assert_eq!(subject.restrict_opts(&*subject, Matching::ByName).unwrap().len().unwrap(), 1);
}

#[test]
fn projects_do_not_mix() {
    let (one, two) = (Project::new(), Project::new());
    let ((subject, _), (_, session)) = (tables(&one), tables(&two));
    for refused in [
        subject.restrict(&session).unwrap_err(),
        subject.exclude(&session).unwrap_err(),
        subject.join(&session).unwrap_err(),
        subject.union(&session).unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
        assert!(refused.to_string().contains("different projects"));
    }
}

#[test]
fn a_mapping_of_nothing_never_widens_a_deletion() {
    let project = Project::new();
    let (_, session) = tables(&project);
    let all = session.restrict(row! { "sesion" => 1 }).unwrap();
    assert_eq!(all.len().unwrap(), 3);
    assert_eq!(all.delete().unwrap_err().kind(), ErrorKind::InvalidCondition);
    assert_eq!(all.restrict("length > 0").unwrap().delete().unwrap_err().kind(), ErrorKind::InvalidCondition);
    assert_eq!(session.restrict(row! { "session" => 1, "other" => 1 }).unwrap().delete().unwrap(), 2);
}

#[test]
fn columns_are_typed_also_without_rows() {
    let project = Project::new();
    let (subject, _) = tables(&project);
    let computed = Projection::keep(["..."]).with("twice", "weight * 2").with("day", "born");
    let columns = subject.project_with(&computed).unwrap().fetch_columns().unwrap();
    assert_eq!(columns.names(), ["id", "species", "weight", "day", "twice"]);
    assert_eq!(columns.column("id").unwrap().data, ColumnData::Int(vec![1, 2, 3, 4]));
    assert_eq!(columns.column("weight").unwrap().nulls, Some(vec![false, false, true, true]));
    assert!(matches!(&columns.column("day").unwrap().data, ColumnData::Date(days) if days[0] == 19_782));
    assert!(matches!(&columns.column("twice").unwrap().data, ColumnData::Float(numbers) if numbers[1] == 44.0));
    assert_eq!(columns.column("wieght").unwrap_err().kind(), ErrorKind::UnknownAttribute);
    let empty = subject.restrict(false).unwrap().fetch_columns().unwrap();
    assert!(empty.is_empty() && matches!(&empty.column("species").unwrap().data, ColumnData::Text(_)));
}

#[test]
fn streams_give_all_rows_once() {
    let project = Project::new();
    let table = project.lab.declare("Count", Tier::Manual, "n : int32").unwrap();
    table.insert((0..1000i64).map(|n| row! { "n" => n })).unwrap();
    let sizes = |stream: lodestore::Stream| stream.map(|batch| batch.unwrap().len()).collect::<Vec<_>>();
    assert_eq!(sizes(table.stream(300).unwrap()), [300, 300, 300, 100]);
    assert_eq!(sizes(table.restrict(false).unwrap().stream(300).unwrap()), [0usize; 0]);
    // The connection is free while a stream is read, and a stream sees the rows of one moment.
    let mut stream = table.stream(1).unwrap();
    let first = stream.next().unwrap().unwrap();
    assert_eq!(first.len(), 1);
    table.insert((1000..1010i64).map(|n| row! { "n" => n })).unwrap();
    assert_eq!(stream.count(), 999);
    // A stream that is dropped stops.
    drop(table.stream(1).unwrap());
    // Inside a transaction its own rows are there.
    project.instance.begin().unwrap();
    table.insert1(row! { "n" => 5000 }).unwrap();
    assert_eq!(sizes(table.stream(600).unwrap()), [600, 411]);
    project.instance.rollback().unwrap();
    assert_eq!(sizes(table.stream(2000).unwrap()), [1010]);
}

#[test]
fn an_unreadable_value_is_told_skipped_or_left_empty() {
    let project = Project::new();
    let table = project.lab.declare("Trace", Tier::Manual, "id : int32\n---\ndata = null : <blob@>").unwrap();
    table.insert((0..3i64).map(|id| row! { "id" => id, "data" => format!("content {id}") })).unwrap();
    let path = project.folder.path().join("objects").join(&project.objects()[0]);
    std::fs::write(path, b"nonsense").unwrap();
    let error = table.fetch().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let context: Vec<_> = error.context().map(|(name, value)| format!("{name} {value}")).collect();
    assert!(context.contains(&"attribute data".to_owned()), "{context:?}");
    assert!(context.iter().any(|entry| entry.starts_with("row id=")), "{context:?}");
    let with = |on_error| table.fetch_opts(&FetchOptions { on_error, ..FetchOptions::default() }).unwrap();
    let (skipped, emptied) = (with(OnError::Skip), with(OnError::Null));
    assert_eq!((skipped.len(), emptied.len()), (2, 3));
    let readable = |row: &&lodestore::Row| !row.get("data").unwrap().is_null();
    assert_eq!(emptied.iter().filter(readable).count(), 2);
}

#[test]
fn squeezed_arrays_lose_dimensions() {
    let project = Project::new();
    let table = project.lab.declare("Trace", Tier::Manual, "id : int32\n---\ndata : <blob>").unwrap();
    let array = NdArray::new(lodestore::DType::F64, vec![1, 2, 1], lodestore::Order::C, vec![0; 16]).unwrap();
    table.insert1(row! { "id" => 1, "data" => array }).unwrap();
    let options = FetchOptions { squeeze: true, ..FetchOptions::default() };
    let shape = |row: lodestore::Row| row.value("data").unwrap().as_array().unwrap().shape().to_vec();
    assert_eq!(shape(table.fetch1().unwrap()), [1, 2, 1]);
    assert_eq!(shape(table.fetch1_opts(&options).unwrap()), [2]);
}

#[test]
fn one_row_of_a_limited_query() {
    let project = Project::new();
    let (subject, _) = tables(&project);
    let last = subject.top(&Top::ordered(["id desc"]).with_limit(1)).unwrap().fetch1().unwrap();
    assert_eq!(last.get("id"), Some(&4.into()));
    assert_eq!(subject.fetch1().unwrap_err().kind(), ErrorKind::RowCount);
}

#[test]
fn rows_become_structures() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Species {
        Mouse,
        Rat,
    }
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Subject {
        id: u8,
        species: Species,
        born: Option<String>,
        meta: Meta,
        trace: Vec<Vec<f64>>,
    }
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Meta {
        a: Vec<i32>,
    }
    let project = Project::new();
    let table = project
        .lab
        .declare(
            "Subject",
            Tier::Manual,
            "id : int32\n---\nspecies : enum('mouse', 'rat')\nborn = null : date\nmeta : json\ntrace : <blob>",
        )
        .unwrap();
    let trace = NdArray::from_f64(&[1.0, 2.0]);
    let trace = NdArray::new(trace.dtype().clone(), vec![2, 1], trace.order(), trace.data().clone()).unwrap();
    let meta = serde_json::json!({"a": [1, 2], "more": null});
    table
        .insert1(row! { "id" => 7, "species" => "rat", "born" => "2024-02-29", "meta" => meta, "trace" => trace })
        .unwrap();
    let expected = Subject {
        id: 7,
        species: Species::Rat,
        born: Some("2024-02-29".into()),
        meta: Meta { a: vec![1, 2] },
        trace: vec![vec![1.0], vec![2.0]],
    };
    assert_eq!(table.fetch_as::<Subject>().unwrap(), [expected]);
    #[derive(serde::Deserialize, Debug)]
    #[expect(dead_code, reason = "it never comes to be")]
    struct Wrong {
        id: String,
    }
    let error = table.fetch1_as::<Wrong>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidType);
    assert!(error.to_string().contains("lab.subject"), "{error}");
}

#[test]
fn previews_read_no_objects() {
    let project = Project::new();
    let table = project
        .lab
        .declare(
            "Trace",
            Tier::Manual,
            "id : int32 # number <n>\n---\nword : varchar(30)\ndata : <npy@>\nmore : <blob@>",
        )
        .unwrap();
    let array = NdArray::from_f64(&[1.0, 2.0]);
    table
        .insert((1..4i64).map(|id| row! { "id" => id, "word" => "<b>\nx", "data" => array.clone(), "more" => "y" }))
        .unwrap();
    let counting = project.count_reads();
    let options = lodestore::PreviewOptions { limit: 2, width: 20, total: true };
    let text = table.preview_opts(&options).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "*id    word      data             more       ");
    assert_eq!(lines[1], "+----+ +-------+ +--------------+ +---------+");
    assert_eq!(lines[2], "1      <b> x     float64 (2,)     <blob@>    ");
    assert_eq!(lines[4..], ["   ...", " (Total: 3)"]);
    let html = table.preview_html(&options).unwrap();
    assert!(html.contains("<td>&lt;b&gt;\nx</td><td>float64 (2,)</td>") && html.contains("number &lt;n&gt;"), "{html}");
    assert_eq!(counting.requests(), 0);
}
