//! The whole line on a PostgreSQL server: the one that `LODESTORE_TEST_POSTGRESQL` names
//! (`postgresql://user:password@host:port/database`), as `python -m tests.services run` sets it.

use lodestore::config::Config;
use lodestore::{ColumnData, Duplicates, ErrorKind, InsertOptions, Instance, Projection, Schema, Tier, Value, row};

/// A project on the server, with a schema of the test's own; nothing, and a word about it, if no server is named.
fn lab(test: &str) -> Option<(Instance, Schema)> {
    let Ok(url) = std::env::var("LODESTORE_TEST_POSTGRESQL") else {
        eprintln!("not run: LODESTORE_TEST_POSTGRESQL names no server");
        return None;
    };
    let (user, place) = url.strip_prefix("postgresql://").unwrap().split_once('@').unwrap();
    let (user, password) = user.split_once(':').unwrap();
    let (host, database) = place.split_once('/').unwrap_or((place, "postgres"));
    let mut config = Config::default();
    let settings =
        [("backend", "postgresql"), ("host", host), ("user", user), ("password", password), ("name", database)];
    for (name, value) in settings {
        config.set(&format!("database.{name}"), value.into()).unwrap();
    }
    let project = Instance::open(config).unwrap();
    let lab = project.schema(&format!("rust_{test}_{}", std::process::id())).unwrap();
    Some((project, lab))
}

#[test]
fn many_rows_go_in_and_come_out() {
    let Some((project, lab)) = lab("many") else { return };
    let definition = "id : int32\n---\nword : varchar(40)\nvalue = null : float64\nprice : decimal(8,2)";
    let table = lab.declare("Sample", Tier::Manual, definition).unwrap();
    let rows = |from: i64| {
        (from..from + 20_000).map(|id| {
            let value = if id % 7 == 0 { Value::Null } else { Value::Float(id as f64 / 4.0) };
            row! { "id" => id, "word" => format!("tab\t{id}\\ 'é'\n"), "value" => value, "price" => id as f64 / 100.0 }
        })
    };
    assert_eq!(table.insert(rows(0)).unwrap(), 20_000);
    // A refused row takes all of its batch with it, in a transaction nothing else.
    project
        .transaction(|| {
            let error = table.insert(rows(19_999)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Duplicate, "{error:?}");
            table.insert(rows(20_000))
        })
        .unwrap();
    let skip = InsertOptions { duplicates: Duplicates::Skip, ..InsertOptions::default() };
    assert_eq!(table.insert_opts(rows(39_000), skip).unwrap(), 19_000);
    assert_eq!(table.len().unwrap(), 59_000);
    let columns = table.order_by(&["KEY"]).unwrap().fetch_columns().unwrap();
    assert!(matches!(&columns.column("id").unwrap().data, ColumnData::Int(ids) if ids[58_999] == 58_999));
    assert_eq!(columns.column("value").unwrap().null_count(), 59_000usize.div_ceil(7));
    assert_eq!(columns.column("word").unwrap().value(12), Value::from("tab\t12\\ 'é'\n"));
    assert_eq!(columns.column("price").unwrap().value(1234).to_string(), "12.34");
}

#[test]
fn a_stream_that_is_dropped_leaves_the_server_alone() {
    let Some((_project, lab)) = lab("stream") else { return };
    let table = lab.declare("Count", Tier::Manual, "n : int32").unwrap();
    table.insert((0..5000).map(|n| row! { "n" => n })).unwrap();
    let other = table.project_with(&Projection::default().with("m", "n")).unwrap();
    let pairs = table.join(&other).unwrap();
    let first = pairs.stream(1000).unwrap().next().unwrap().unwrap();
    assert_eq!(first.len(), 1000);
    let began = std::time::Instant::now();
    assert_eq!(table.len().unwrap(), 5000);
    assert!(began.elapsed().as_secs() < 10, "25 million rows were read off");
}

#[test]
fn a_rolled_back_transaction_is_forgotten() {
    let Some((project, lab)) = lab("rollback") else { return };
    let table = lab.declare("Thing", Tier::Manual, "id : uuid").unwrap();
    let id = "00000000-0000-0000-0000-000000000007";
    project.begin().unwrap();
    table.insert([row! { "id" => id }]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(table.is_empty().unwrap()));
    });
    project.rollback().unwrap();
    assert!(table.is_empty().unwrap());
    table.insert([row! { "id" => id }]).unwrap();
    assert_eq!(table.restrict(row! { "id" => id }).unwrap().len().unwrap(), 1);
}
