//! The driver against real servers: those that `LODESTORE_TEST_MARIADB` and `LODESTORE_TEST_MYSQL` name
//! (`mysql://user:password@host:port`), as `python -m tests.services run cargo test` does.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use lodestore_types::{Decimal, ErrorKind, Result, Value, parse_date, parse_datetime, parse_time};

use super::Driver;
use crate::{
    Bulk, Column, ColumnData, ColumnKind, ColumnSpec, Connection, Driver as _, ServerConfig, StopFlag, Strings,
};

/// The servers that are named.
fn servers() -> Vec<(&'static str, ServerConfig)> {
    let named = ["LODESTORE_TEST_MARIADB", "LODESTORE_TEST_MYSQL"].into_iter().filter_map(|variable| {
        let Ok(url) = std::env::var(variable) else {
            eprintln!("skipped: {variable} names no server");
            return None;
        };
        let (who, place) = url.strip_prefix("mysql://").unwrap().rsplit_once('@').unwrap();
        let (host, port) = place.trim_end_matches('/').rsplit_once(':').unwrap();
        let (user, password) = who.split_once(':').unwrap_or((who, ""));
        let mut config = ServerConfig::new(host, port.parse().unwrap(), user);
        config.password = Some(password.to_owned());
        Some((variable, config))
    });
    named.collect()
}

/// Runs a test on every server, in a database of its own.
fn everywhere(name: &str, test: impl Fn(&mut dyn Connection, &ServerConfig)) {
    for (variable, mut config) in servers() {
        let database = format!("lodestore_{name}");
        let mut connection = Driver::new(config.clone()).connect().unwrap();
        connection.execute(&format!("DROP DATABASE IF EXISTS {database}"), &[]).unwrap();
        connection.execute(&format!("CREATE DATABASE {database}"), &[]).unwrap();
        config.database = Some(database.clone());
        let mut own = Driver::new(config.clone()).connect().unwrap();
        eprintln!("{name} on {variable}");
        test(&mut *own, &config);
        drop(own);
        connection.execute(&format!("DROP DATABASE {database}"), &[]).unwrap();
    }
}

fn one(connection: &mut dyn Connection, sql: &str) -> Value {
    connection.query(sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error:?}"))[0][0].clone()
}

#[test]
fn every_class_comes_back() {
    everywhere("classes", |connection, _| {
        let sql = "CREATE TABLE t (a bigint, b double, c float, d varchar(20), e longblob, f date, g datetime(6), h \
                   decimal(10,3), i time(6), j json, k bigint unsigned, l enum('x','y'), m binary(4))";
        connection.execute(sql, &[]).unwrap();
        let row: Vec<Value> = vec![
            i64::MIN.into(),
            (-0.1).into(),
            f64::from(0.1f32).into(),
            "é😀'\\\"".into(),
            vec![0u8, 255, b'\'', b'\\'].into(),
            parse_date("0001-01-01").unwrap().into(),
            parse_datetime("9999-12-31 23:59:59.999999").unwrap().into(),
            "-1234567.125".parse::<Decimal>().unwrap().into(),
            parse_time("23:59:59.000001").unwrap().into(),
            "{\"a\": [1, null]}".into(),
            "18446744073709551615".parse::<Decimal>().unwrap().into(),
            "y".into(),
            vec![0u8, 1, 2, 3].into(),
        ];
        connection.execute(&format!("INSERT INTO t VALUES (?{})", ", ?".repeat(12)), &row).unwrap();
        connection.execute(&format!("INSERT INTO t VALUES (?{})", ", ?".repeat(12)), &vec![Value::Null; 13]).unwrap();
        let rows = connection.query("SELECT * FROM t WHERE g = ? OR a IS NULL", &[row[6].clone()]).unwrap();
        let mut expected = row.clone();
        expected[2] = 0.1.into();
        expected[10] = Value::from(u64::MAX);
        assert_eq!(rows, [expected, vec![Value::Null; 13]]);
        // A sum of integers is an integer, one of decimals a decimal.
        assert_eq!(one(connection, "SELECT SUM(x) FROM (SELECT 1 x UNION SELECT 2) q"), Value::Int(3));
        assert_eq!(one(connection, "SELECT SUM(h) FROM t"), Value::Decimal("-1234567.125".parse().unwrap()));
        for value in [f64::NAN.into(), f64::INFINITY.into(), Value::List(vec![])] {
            assert_eq!(connection.query("SELECT ?", &[value]).unwrap_err().kind(), ErrorKind::InvalidValue);
        }
    });
}

fn columns(connection: &mut dyn Connection, sql: &str, kinds: &[ColumnKind], rows: usize) -> Result<Vec<Vec<Column>>> {
    let specs: Vec<_> = kinds.iter().map(|kind| ColumnSpec { name: format!("{kind}"), kind: *kind }).collect();
    let mut batches = Vec::new();
    connection.query_columns(sql, &[], &specs, rows, &mut |batch| {
        batches.push(batch);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(batches)
}

#[test]
fn cells_become_what_was_declared() {
    everywhere("cells", |connection, _| {
        let kinds = [
            ColumnKind::Int,
            ColumnKind::Float,
            ColumnKind::Bool,
            ColumnKind::Text,
            ColumnKind::Date,
            ColumnKind::DateTime,
            ColumnKind::Decimal { precision: 6, scale: 2 },
            ColumnKind::Uuid,
            ColumnKind::Bytes,
            ColumnKind::Value,
        ];
        connection
            .execute(
                "CREATE TABLE t (n int, a int, b double, c tinyint, d text, e date, f datetime(3), g decimal(6,2), h \
                 binary(16), i blob, j int)",
                &[],
            )
            .unwrap();
        let row = "(1, 7, 2.5, 1, 'é', '1970-01-03', '1970-01-01 00:00:01.5', 1.5, x'00000000000000000000000000000001', \
                   x'00ff', 9)";
        connection.execute(&format!("INSERT INTO t VALUES {row}, (2{}), {row}", ", NULL".repeat(10)), &[]).unwrap();
        let sql = "SELECT a, b, c, d, e, f, g, h, i, j FROM t ORDER BY n % 2 DESC, n";
        let batches = columns(connection, "SELECT a, b, c, d, e, f, g, h, i, j FROM t ORDER BY n", &kinds, 2).unwrap();
        assert_eq!(batches.iter().map(|batch| batch[0].len()).collect::<Vec<_>>(), [2, 1]);
        let first: Vec<Value> = batches[0].iter().map(|column| column.value(0)).collect();
        let expected: Vec<Value> = vec![
            7.into(),
            2.5.into(),
            true.into(),
            "é".into(),
            parse_date("1970-01-03").unwrap().into(),
            parse_datetime("1970-01-01 00:00:01.5").unwrap().into(),
            "1.50".parse::<Decimal>().unwrap().into(),
            lodestore_types::Uuid::from_u128(1).into(),
            vec![0u8, 255].into(),
            9.into(),
        ];
        assert_eq!(first, expected);
        let last = columns(connection, sql, &kinds, 3).unwrap().pop().unwrap();
        assert!(last.iter().all(|column| column.value(2).is_null() && column.null_count() == 1));
        for (sql, kind) in [
            ("SELECT 'x'", ColumnKind::Int),
            ("SELECT 'x'", ColumnKind::Uuid),
            ("SELECT 'x'", ColumnKind::Decimal { precision: 3, scale: 1 }),
            ("SELECT x'ff'", ColumnKind::Text),
            ("SELECT 'x'", ColumnKind::Date),
        ] {
            let error = columns(connection, sql, &[kind], 9).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{sql}");
            assert!(error.context().any(|(name, value)| name == "attribute" && value == kind.to_string()));
        }
        assert_eq!(columns(connection, "SELECT 1, 2", &[ColumnKind::Int], 9).unwrap_err().kind(), ErrorKind::Internal);
    });
}

/// A query that gives no end of rows.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT a.i FROM n a \
                       JOIN n b ON b.i <> a.i";

#[test]
fn a_visitor_can_stop() {
    everywhere("visitor", |connection, _| {
        // Without the limit the servers refuse so deep a recursion.
        let _ = connection.execute("SET SESSION cte_max_recursion_depth = 2000000", &[]);
        let spec = [ColumnSpec { name: "i".into(), kind: ColumnKind::Int }];
        let (mut seen, started) = (0, Instant::now());
        connection
            .query_columns(ENDLESS, &[], &spec, 10, &mut |batch| {
                seen += batch[0].len();
                Ok(if seen < 30 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })
            .unwrap();
        assert_eq!(seen, 30);
        let refuse = || lodestore_types::Error::new(ErrorKind::User, "enough");
        assert_eq!(connection.query_each(ENDLESS, &[], &mut |_| Err(refuse())).unwrap_err().kind(), ErrorKind::User);
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
        assert_eq!(one(connection, "SELECT 1"), Value::Int(1));
    });
}

#[test]
fn a_running_statement_can_be_stopped() {
    everywhere("stopped", |connection, config| {
        let config = config.clone();
        let flag = StopFlag::default();
        let stop = flag.clone();
        let thread = std::thread::spawn(move || {
            flag.heed();
            let mut connection = Driver::new(config).connect().unwrap();
            let started = Instant::now();
            let error = connection.query("SELECT SLEEP(60)", &[]).map(drop);
            (error, started.elapsed())
        });
        std::thread::sleep(Duration::from_millis(500));
        stop.stop();
        let (outcome, took) = thread.join().unwrap();
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Interrupted);
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert_eq!(one(connection, "SELECT 1"), Value::Int(1));
    });
}

#[test]
fn complaints_have_their_kinds() {
    everywhere("complaints", |connection, config| {
        for sql in [
            "CREATE TABLE p (id int PRIMARY KEY, n tinyint NOT NULL, u int UNIQUE, e enum('a') NULL)",
            "CREATE TABLE c (id int PRIMARY KEY, FOREIGN KEY (id) REFERENCES p (id))",
            "INSERT INTO p VALUES (1, 1, 1, 'a')",
            "INSERT INTO c VALUES (1)",
        ] {
            connection.execute(sql, &[]).unwrap();
        }
        let cases = [
            ("INSERT INTO p VALUES (1, 2, 3, NULL)", ErrorKind::Duplicate),
            ("INSERT INTO p VALUES (2, 2, 1, NULL)", ErrorKind::Duplicate),
            ("INSERT INTO p VALUES (2, NULL, 3, NULL)", ErrorKind::MissingAttribute),
            ("INSERT INTO p (id) VALUES (3)", ErrorKind::MissingAttribute),
            ("INSERT INTO p VALUES (2, 200, 3, NULL)", ErrorKind::InvalidValue),
            ("INSERT INTO p VALUES (2, 'x', 3, NULL)", ErrorKind::InvalidValue),
            ("INSERT INTO p VALUES (2, 1, 3, 'b')", ErrorKind::InvalidValue),
            ("INSERT INTO c VALUES (5)", ErrorKind::Integrity),
            ("DELETE FROM p", ErrorKind::Integrity),
            ("SELECT * FROM nowhere", ErrorKind::MissingTable),
            ("SELECT * FROM nowhere.nowhere", ErrorKind::MissingTable),
            ("SELECT nonesuch FROM p", ErrorKind::UnknownAttribute),
            ("SELEC 1", ErrorKind::QuerySyntax),
            ("SELECT 1; SELECT 2", ErrorKind::QuerySyntax),
            ("CREATE TABLE q (a longblob PRIMARY KEY)", ErrorKind::InvalidDefinition),
        ];
        for (sql, kind) in cases {
            let error = connection.execute(sql, &[]).unwrap_err();
            assert_eq!(error.kind(), kind, "{sql}: {error:?}");
        }
        let error = connection.execute("INSERT INTO c VALUES (?)", &[9.into()]).unwrap_err();
        let context: Vec<(&str, &str)> = error.context().collect();
        assert!(context.contains(&("attribute", "id")), "{error:?}");
        assert!(context.iter().any(|(name, value)| *name == "parent" && value.ends_with('p')), "{error:?}");
        let upsert = "INSERT INTO p (id, n, u) VALUES (2, 2, 1) ON DUPLICATE KEY UPDATE id = IF(id <=> ?, id, NULL)";
        assert_eq!(connection.execute(upsert, &[2.into()]).unwrap_err().kind(), ErrorKind::Duplicate);
        let mut wrong = config.clone();
        wrong.password = Some("wrong".into());
        let error = Driver::new(wrong.clone()).connect().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Access);
        assert!(!error.report().contains("wrong\""), "{error:?}");
        wrong.port = 1;
        assert_eq!(Driver::new(wrong).connect().unwrap_err().kind(), ErrorKind::LostConnection);
    });
}

fn count(connection: &mut dyn Connection) -> i64 {
    one(connection, "SELECT count(*) FROM t").as_i64().unwrap()
}

#[test]
fn transactions_are_whole_around_definitions_too() {
    everywhere("transactions", |connection, _| {
        connection.execute("CREATE TABLE t (id int PRIMARY KEY)", &[]).unwrap();
        connection.begin().unwrap();
        assert_eq!(connection.begin().unwrap_err().kind(), ErrorKind::InvalidRequest);
        connection.execute("SAVEPOINT a", &[]).unwrap();
        connection.execute("INSERT INTO t VALUES (1)", &[]).unwrap();
        connection.execute("ROLLBACK TO SAVEPOINT a", &[]).unwrap();
        connection.execute("RELEASE SAVEPOINT a", &[]).unwrap();
        connection.execute("INSERT INTO t VALUES (2)", &[]).unwrap();
        connection.rollback().unwrap();
        assert_eq!(count(connection), 0);
        // A definition ends the transaction; what comes behind it is one again.
        connection.begin().unwrap();
        connection.execute("SAVEPOINT a", &[]).unwrap();
        connection.execute("CREATE TABLE u (id int)", &[]).unwrap();
        connection.execute("INSERT INTO t VALUES (3)", &[]).unwrap();
        connection.execute("RELEASE SAVEPOINT a", &[]).unwrap();
        assert!(connection.in_transaction());
        connection.rollback().unwrap();
        assert_eq!(count(connection), 0);
        connection.begin().unwrap();
        connection.execute("INSERT INTO t VALUES (4)", &[]).unwrap();
        connection.commit().unwrap();
        assert_eq!((count(connection), connection.in_transaction()), (1, false));
    });
}

#[test]
fn what_the_server_takes_back_is_not_committed_piecemeal() {
    everywhere("taken_back", |connection, config| {
        connection.execute("CREATE TABLE t (id int PRIMARY KEY)", &[]).unwrap();
        let id = one(connection, "SELECT CONNECTION_ID()").as_i64().unwrap();
        let mut other = Driver::new(config.clone()).connect().unwrap();
        connection.begin().unwrap();
        connection.execute("INSERT INTO t VALUES (1)", &[]).unwrap();
        other.execute(&format!("KILL {id}"), &[]).unwrap();
        for _ in 0..2 {
            let error = connection.execute("INSERT INTO t VALUES (2)", &[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LostConnection, "{error:?}");
        }
        assert_eq!(connection.commit().unwrap_err().kind(), ErrorKind::LostConnection);
        assert_eq!(count(connection), 0);
        // Outside a transaction a query finds its way back by itself, and so does the beginning of a transaction.
        for _ in 0..2 {
            let id = one(connection, "SELECT CONNECTION_ID()").as_i64().unwrap();
            other.execute(&format!("KILL {id}"), &[]).unwrap();
            connection.begin().unwrap();
            connection.rollback().unwrap();
        }
        let mut fixed = config.clone();
        fixed.reconnect = false;
        let mut fixed = Driver::new(fixed).connect().unwrap();
        let id = one(&mut *fixed, "SELECT CONNECTION_ID()").as_i64().unwrap();
        other.execute(&format!("KILL {id}"), &[]).unwrap();
        assert_eq!(fixed.query("SELECT 1", &[]).unwrap_err().kind(), ErrorKind::LostConnection);
        assert_eq!(fixed.query("SELECT 1", &[]).unwrap_err().kind(), ErrorKind::LostConnection);
    });
}

#[test]
fn a_deadlock_ends_one_transaction_and_says_so() {
    everywhere("deadlock", |connection, config| {
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, n int)", &[]).unwrap();
        connection.execute("INSERT INTO t VALUES (1, 0), (2, 0)", &[]).unwrap();
        let update = |connection: &mut dyn Connection, id: i64| {
            connection.execute("UPDATE t SET n = n + 1 WHERE id = ?", &[id.into()])
        };
        connection.begin().unwrap();
        update(connection, 1).unwrap();
        let config = config.clone();
        let other = std::thread::spawn(move || {
            let mut other = Driver::new(config).connect().unwrap();
            other.begin().unwrap();
            update(&mut *other, 2).unwrap();
            let outcome = update(&mut *other, 1);
            (outcome.map(drop), other.commit())
        });
        std::thread::sleep(Duration::from_millis(500));
        let mine = update(connection, 2).map(drop);
        let my_commit = connection.commit();
        let (theirs, their_commit) = other.join().unwrap();
        let outcomes = [(mine, my_commit), (theirs, their_commit)];
        assert_eq!(outcomes.iter().filter(|(update, _)| update.is_ok()).count(), 1);
        for (update, commit) in outcomes {
            assert_eq!(update.is_ok(), commit.is_ok());
            if let Err(error) = update {
                assert!(error.is_retryable() && error.hint().unwrap().contains("do it again"), "{error:?}");
            }
        }
        // The one that was taken back left nothing of itself.
        assert_eq!(one(connection, "SELECT SUM(n) FROM t"), Value::Int(2));
    });
}

#[test]
fn many_rows_go_in_from_columns() {
    everywhere("bulk", |connection, _| {
        connection
            .execute("CREATE TABLE t (a int PRIMARY KEY, b varchar(9) NULL, c datetime(6), d tinyint)", &[])
            .unwrap();
        let rows = 2345;
        let mut names = Strings::default();
        (0..rows).for_each(|row| names.push(format!("n{row}").as_bytes()));
        let cells = |first: i64, out_of_range: Option<usize>| {
            vec![
                Column { data: ColumnData::Int((first..first + rows as i64).collect()), nulls: None },
                Column {
                    data: ColumnData::Text(names.clone()),
                    nulls: Some((0..rows).map(|row| row % 2 == 0).collect()),
                },
                Column { data: ColumnData::DateTime((0..rows as i64).collect()), nulls: None },
                Column {
                    data: ColumnData::Int(
                        (0..rows).map(|row| if Some(row) == out_of_range { 999 } else { 1 }).collect(),
                    ),
                    nulls: None,
                },
            ]
        };
        let columns: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let statement =
            |rows: usize| Ok(format!("INSERT INTO t (a, b, c, d) VALUES {}", vec!["(?, ?, ?, ?)"; rows].join(", ")));
        let bulk = |cells: &[Column], connection: &mut dyn Connection| {
            connection.insert(&Bulk {
                table: "t",
                columns: &columns,
                cells,
                rows: 0..rows,
                statement: &statement,
                is_plain: true,
                max_parameters: 65535,
                stored: &|_, value| Ok(value),
            })
        };
        assert_eq!(bulk(&cells(0, None), connection).unwrap(), rows as u64);
        let told = connection.query("SELECT b, c FROM t WHERE a IN (1, 2000) ORDER BY a", &[]).unwrap();
        let moment = |text: &str| Value::DateTime(parse_datetime(text).unwrap());
        assert_eq!(told[0], ["n1".into(), moment("1970-01-01 00:00:00.000001")]);
        assert_eq!(told[1], [Value::Null, moment("1970-01-01 00:00:00.002")]);
        let refused = bulk(&cells(10_000, Some(1234)), connection).unwrap_err();
        assert_eq!((refused.row, refused.error.kind()), (Some(1234), ErrorKind::InvalidValue), "{:?}", refused.error);
    });
}

#[test]
fn statements_can_be_limited_in_time() {
    everywhere("limited", |_, config| {
        let mut config = config.clone();
        config.statement_timeout = Some(Duration::from_millis(300));
        let mut connection = Driver::new(config).connect().unwrap();
        let started = Instant::now();
        let sql = "SELECT count(*) FROM information_schema.columns a, information_schema.columns b, \
                   information_schema.columns c WHERE a.column_name < b.column_name AND b.column_name < c.column_name";
        let error = connection.query(sql, &[]).unwrap_err();
        assert!(error.message().contains("longer than allowed"), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(10));
    });
}
