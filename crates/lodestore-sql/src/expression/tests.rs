use std::sync::Arc;

use lodestore_types::Value;

use super::*;
use crate::sqlite::tests::Database;
use crate::{Conflict, Dialect, Sqlite};

fn lab() -> Database {
    let database = Database::new(&["lab"]);
    let species = database.declare("lab.#species", "species : varchar(16)\n---\nlatin : varchar(32)", &[]);
    let text = "subject_id : int32\n---\n-> Species\nsex = \"U\" : enum('M','F','U')\ndob = null : date\nweight = null : float64\n\
                meta = null : json\nuid=null : uuid\ncost=null : decimal(8,2)\nraw=null : bytes\nbody=null : <blob>";
    database.declare("lab.subject", text, &[("Species", &species)]);
    for name in ["mouse", "rat"] {
        database.insert("lab.#species", &["species", "latin"], vec![name.into(), "x".into()], Conflict::Error).unwrap();
    }
    let rows: Vec<Row> = vec![
        vec![1.into(), "mouse".into(), "M".into(), "2023-01-01".into(), 21.5.into(), "{\"a\":{\"b\":1}}".into()],
        vec![2.into(), "mouse".into(), "F".into(), "2023-02-10".into(), 19.25.into(), Value::Null],
        vec![3.into(), "rat".into(), "F".into(), Value::Null, Value::Null, "{\"a\":{\"b\":2},\"ok\":true}".into()],
    ];
    for row in rows {
        let columns = ["subject_id", "species", "sex", "dob", "weight", "meta"];
        database.insert("lab.subject", &columns, row, Conflict::Error).unwrap();
    }
    let costs = "UPDATE \"lab.subject\" SET cost = subject_id || '.50', raw = x'00ff', \
                 uid = '00000000-0000-0000-0000-00000000000' || subject_id";
    database.run(&Statement { sql: costs.into(), parameters: vec![] }).unwrap();
    database
}

use crate::Row;

fn table(database: &Database, name: &str) -> Expression {
    Expression::table(Arc::new(database.heading(name).unwrap())).unwrap()
}

fn map(name: &str, value: impl Into<Value>) -> Condition {
    Condition::Map(vec![(name.into(), value.into())])
}

/// The first attribute of all rows.
fn ids(database: &Database, expression: &Expression) -> Vec<i64> {
    let statement = expression.select(&Sqlite).unwrap();
    let ids: Vec<i64> = database.query(&statement).iter().map(|row| row[0].as_i64().unwrap()).collect();
    assert_eq!(database.query(&expression.count(&Sqlite).unwrap()), [vec![Value::Int(ids.len() as i64)]]);
    assert_eq!(database.query(&expression.exists(&Sqlite).unwrap()), [vec![Value::from(!ids.is_empty() as u8)]]);
    ids
}

#[test]
fn conditions_choose_rows() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    let species = table(&database, "lab.#species");
    let rat = species.restrict(&map("species", "rat")).unwrap();
    let not = |condition: Condition| Condition::Not(Box::new(condition));
    let list = |values: Vec<Value>| Value::List(values);
    let moment = lodestore_types::Date::constant(2023, 1, 1).at(0, 0, 0, 0);
    let cases: Vec<(Condition, &[i64])> = vec![
        (map("subject_id", 1), &[1]),
        (map("subject_id", "3"), &[3]),
        (map("subject_id", true), &[1]),
        (map("subject_id", 1i64 << 40), &[]),
        (map("subject_id", 1.5), &[]),
        (map("subject_id", list(vec![1.into(), 3.into()])), &[1, 3]),
        (map("dob", list(vec![Value::Null, "2023-01-01".into()])), &[1, 3]),
        (map("nosuch", 1), &[1, 2, 3]),
        (not(map("nosuch", 1)), &[]),
        (Condition::Map(vec![("subject_id".into(), 2.into()), ("nosuch".into(), 1.into())]), &[2]),
        (map("dob", Value::Null), &[3]),
        (not(map("dob", Value::Null)), &[1, 2]),
        (map("dob", "2023-02-10"), &[2]),
        (map("dob", moment), &[1]),
        (map("dob", moment.saturating_add(jiff_hour())), &[]),
        (map("weight", 19.25), &[2]),
        (map("cost", 1.5), &[1]),
        (map("cost", "2.5"), &[2]),
        (map("sex", "F"), &[2, 3]),
        (map("sex", "X"), &[]),
        (map("species", "x".repeat(99)), &[]),
        (map("uid", "00000000000000000000000000000003"), &[3]),
        (map("raw", vec![0u8, 255]), &[1, 2, 3]),
        (map("body", Value::Null), &[1, 2, 3]),
        (map("meta.a.b", 2), &[3]),
        (map("meta.ok", true), &[3]),
        (map("meta.ok", Value::Null), &[1, 2]),
        (map("meta.a.b:int", 1), &[1]),
        ("weight > 20".into(), &[1]),
        (not("weight > 20".into()), &[2]),
        ("`sex` = \"F\" and cost > '2'".into(), &[2, 3]),
        ("subject_id in (select max(subject_id) from lab.subject)".into(), &[3]),
        (Condition::Any(vec![]), &[]),
        (Condition::All(vec![]), &[1, 2, 3]),
        (not(Condition::Any(vec![])), &[1, 2, 3]),
        (Condition::Any(vec![map("subject_id", 1), "subject_id = 3".into()]), &[1, 3]),
        (Condition::All(vec!["subject_id > 1".into(), "subject_id < 3".into()]), &[2]),
        (Condition::Any(vec![false.into(), true.into(), "subject_id < 3".into()]), &[1, 2, 3]),
        (Condition::In(rat.clone()), &[3]),
        (not(Condition::In(rat.clone())), &[1, 2]),
        (Condition::In(species.project(&Projection::default().with("other", "species")).unwrap()), &[1, 2, 3]),
        (not(Condition::In(species.project(&Projection::default().with("other", "species")).unwrap())), &[]),
        (Condition::Universal, &[1, 2, 3]),
    ];
    for (condition, expected) in cases {
        let found = subject.restrict(&condition).unwrap_or_else(|error| panic!("{condition:?}: {error:?}"));
        assert_eq!(ids(&database, &found), expected, "{condition:?}");
    }
}

fn jiff_hour() -> std::time::Duration {
    std::time::Duration::from_secs(3600)
}

#[test]
fn bad_conditions_are_refused() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    let cases: Vec<(Condition, ErrorKind)> = vec![
        ("nosuch = 1".into(), ErrorKind::UnknownAttribute),
        ("subject_id = 1) or (1 = 1".into(), ErrorKind::InvalidCondition),
        (map("subject_id", "abc"), ErrorKind::InvalidValue),
        (map("uid", "nope"), ErrorKind::InvalidValue),
        (map("uid", 5), ErrorKind::InvalidType),
        (map("body", 1), ErrorKind::InvalidCondition),
        (map("sex.a", 1), ErrorKind::InvalidCondition),
        (Condition::In(subject.clone()), ErrorKind::InvalidRequest),
    ];
    for (condition, kind) in cases {
        assert_eq!(subject.restrict(&condition).unwrap_err().kind(), kind, "{condition:?}");
    }
    assert!(subject.restrict_opts(&Condition::In(subject.clone()), Matching::ByName).is_ok());
    assert!(map("nosuch", 1).is_vacuous(subject.heading()));
    assert!(!map("sex", "F").is_vacuous(subject.heading()));
}

#[test]
fn projections_choose_rename_and_compute() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    let keep = |names: &[&str]| Projection::keep(names.iter().copied());
    let cases: Vec<(Projection, &[&str], &[&str])> = vec![
        (keep(&[]), &["subject_id"], &["subject_id"]),
        (keep(&["sex", "species"]), &["subject_id", "species", "sex"], &["subject_id"]),
        (
            keep(&["...", "-meta", "-uid", "- cost", "-raw", "-body"]),
            &["subject_id", "species", "sex", "dob", "weight"],
            &["subject_id"],
        ),
        (keep(&[]).with("id", "subject_id"), &["id"], &["id"]),
        (keep(&[]).with("id", "(subject_id)"), &["subject_id", "id"], &["subject_id", "id"]),
        (keep(&["sex"]).with("sex2", "sex"), &["subject_id", "sex", "sex2"], &["subject_id"]),
        (keep(&[]).with("sex", "species").with("species", "sex"), &["subject_id", "sex", "species"], &["subject_id"]),
        (keep(&[]).with("weight", "weight * 2"), &["subject_id", "weight"], &["subject_id"]),
        (keep(&[]).with("k", "NULL").with("b", "meta.a.b"), &["subject_id", "k", "b"], &["subject_id"]),
    ];
    for (projection, names, key) in cases {
        let projected = subject.project(&projection).unwrap_or_else(|error| panic!("{projection:?}: {error:?}"));
        assert_eq!(projected.heading().names().collect::<Vec<_>>(), names);
        assert_eq!(projected.heading().primary_key().map(|a| &*a.name).collect::<Vec<_>>(), key);
        assert_eq!(ids(&database, &projected), [1, 2, 3]);
    }
    let refused = [
        (keep(&["nosuch"]), ErrorKind::UnknownAttribute),
        (keep(&["-subject_id"]), ErrorKind::InvalidRequest),
        (keep(&[]).with("k", "nosuch"), ErrorKind::UnknownAttribute),
        (keep(&[]).with("k", "nosuch + 1"), ErrorKind::UnknownAttribute),
        (keep(&["species"]).with("species", "sex"), ErrorKind::InvalidRequest),
        (keep(&["..."]).with("weight", "weight * 2"), ErrorKind::InvalidRequest),
        (keep(&[]).with("_x", "sex"), ErrorKind::InvalidName),
    ];
    for (projection, kind) in refused {
        assert_eq!(subject.project(&projection).unwrap_err().kind(), kind, "{projection:?}");
    }
}

#[test]
fn projections_and_restrictions_follow_each_other() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    let renamed = subject.project(&Projection::default().with("a", "weight")).unwrap();
    let heavy = renamed.restrict(&"a > 20".into()).unwrap();
    assert_eq!(ids(&database, &heavy), [1]);
    let again = heavy.project(&Projection::default().with("b", "a")).unwrap();
    assert_eq!(again.heading().names().collect::<Vec<_>>(), ["subject_id", "b"]);
    assert_eq!(ids(&database, &again.restrict(&map("b", 21.5)).unwrap()), [1]);
    let twice = renamed.project(&Projection::default().with("c", "a + 1")).unwrap();
    assert_eq!(ids(&database, &twice.restrict(&"c > 21".into()).unwrap()), [1]);
    assert_eq!(twice.heading().get("c").unwrap().lineage, None);
    let other = subject.project(&Projection::default().with("species", "sex").with("sex", "species")).unwrap();
    let rows = database.query(&other.restrict(&map("subject_id", 1)).unwrap().select(&Sqlite).unwrap());
    assert_eq!(rows, [vec![1.into(), "mouse".into(), "M".into()]]);
}

#[test]
fn deletion_takes_the_restricted_rows() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    let one = subject.restrict(&map("subject_id", 1)).unwrap();
    database.run(&one.delete(&Sqlite).unwrap()).unwrap();
    assert_eq!(ids(&database, &subject), [2, 3]);
    let renamed = subject.project(&Projection::default().with("id", "subject_id")).unwrap();
    assert!(renamed.delete(&Sqlite).is_err());
    assert_eq!(Sqlite.table(one.base_table().unwrap()), "\"lab.subject\"");
}

#[test]
fn thousands_of_keys_are_one_condition() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    let row = |id: i64, sex: &str| Condition::Map(vec![("subject_id".into(), id.into()), ("sex".into(), sex.into())]);
    for many in [10, 12_000] {
        let keys: Vec<Condition> = (2..many).map(|id| row(id, "F")).collect();
        let found = subject.restrict(&Condition::Any(keys.clone())).unwrap();
        assert_eq!(ids(&database, &found), [2, 3]);
        let others = subject.restrict(&Condition::Not(Box::new(Condition::Any(keys)))).unwrap();
        assert_eq!(ids(&database, &others), [1]);
        let costs: Vec<Value> = (2..many).map(|cost| Value::from(cost as f64 + 0.5)).collect();
        let found = subject.restrict(&map("cost", Value::List(costs))).unwrap();
        assert_eq!(ids(&database, &found), [2, 3]);
    }
    let texts: Vec<Condition> = (2..5000).map(|id| Condition::Sql(format!("subject_id = {id}"))).collect();
    assert_eq!(ids(&database, &subject.restrict(&Condition::Any(texts)).unwrap()), [2, 3]);
}

/// Found by the model: without its aggregates, a query over all rows gave one row for each.
#[test]
fn one_row_of_all_stays_one_row() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    let species = table(&database, "lab.#species");
    let all = Universal::default().aggregate(&subject, &[("n".into(), "count(*)".into())]).unwrap();
    let bare = all.project(&Projection::default()).unwrap();
    assert_eq!(database.query(&bare.count(&Sqlite).unwrap()), [vec![Value::Int(1)]]);
    let named = Projection::default().with("m", "count(species)");
    let none = all.restrict(&"n > 100".into()).unwrap();
    for (grouping, rows) in [(&all, 1), (&none, 0)] {
        let counted = grouping.aggregate(&species, &named, Unmatched::Keep).unwrap();
        assert_eq!(database.query(&counted.count(&Sqlite).unwrap()), [vec![Value::Int(rows)]]);
    }
}

/// Found by the model: ORDER BY took a new name for the column of the source by that name.
#[test]
fn an_order_means_the_attribute_and_not_its_namesake() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    let swapped = Projection::default().with("weight", "subject_id").with("subject_id", "weight");
    let last = subject.project(&swapped).unwrap().top(&Top::ordered(["KEY desc"]).with_limit(1)).unwrap();
    assert_eq!(ids(&database, &last), [3]);
    let female = subject.top(&Top::ordered(["sex", "KEY desc"]).with_limit(2)).unwrap();
    assert_eq!(ids(&database, &female), [1, 3], "enums sort by declaration");
}

#[test]
fn deletion_of_the_first_rows_goes_by_key() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    let first = subject.project(&Projection::default().with("w", "weight")).unwrap().top(&Top::first(2)).unwrap();
    database.run(&first.delete(&Sqlite).unwrap()).unwrap();
    assert_eq!(ids(&database, &subject), [3]);
    let joined = subject.join(&table(&database, "lab.#species")).unwrap();
    assert_eq!(joined.delete(&Sqlite).unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[test]
fn hostile_names_and_values_stay_in_their_place() {
    let database = lab();
    let subject = table(&database, "lab.subject");
    for nasty in ["x\"; DROP TABLE t; --", "`?1 'é", "a?b:c$1@d", "%s %%"] {
        let renamed = subject.project(&Projection::default().with(nasty, "species")).unwrap();
        assert_eq!(ids(&database, &renamed), [1, 2, 3]);
        assert_eq!(
            ids(&database, &renamed.restrict(&map(nasty, "rat")).unwrap()).len(),
            if nasty.contains('.') { 3 } else { 1 }
        );
        assert_eq!(ids(&database, &subject.restrict(&map("species", nasty)).unwrap()), [0i64; 0]);
        let text = format!("species = '{}'", nasty.replace('\'', "''"));
        assert_eq!(ids(&database, &subject.restrict(&text.as_str().into()).unwrap()), [0i64; 0]);
        assert_eq!(
            ids(&database, &renamed.top(&Top::ordered([format!("\"{}\"", nasty.replace('"', "\"\""))])).unwrap()),
            [1, 2, 3]
        );
    }
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    /// What one would try with, to break out.
    const TOKENS: &[&str] = &[
        "subject_id",
        "sex",
        "(",
        ")",
        "((",
        "'",
        "''",
        "\"",
        "`",
        "--",
        "/*",
        "*/",
        ";",
        " or ",
        " and ",
        "1",
        "=",
        "1=1",
        " union select 1 ",
        " from lab.subject ",
        "\n",
        "x'00'",
        "\\",
        "#",
        "%",
        "%%",
        "::",
        ":a",
        "?",
        "@x",
        ",",
        "lower(",
        "case when ",
        " then ",
        " end ",
        " in ",
        "(select 1)",
        "é",
        " ",
        "\0",
        "->>",
        " is null",
        "interval 1 day",
        ".",
    ];

    thread_local! {
        static LAB: (Database, Expression) = {
            let database = lab();
            let subject = table(&database, "lab.subject");
            (database, subject)
        };
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        /// Whatever is accepted as a condition, a second one that no row satisfies still holds.
        #[test]
        fn no_text_escapes_its_place(tokens in proptest::collection::vec(0..TOKENS.len(), 1..12)) {
            let text: String = tokens.iter().map(|token| TOKENS[*token]).collect();
            LAB.with(|(database, subject)| {
                let none = map("subject_id", -1);
                let Ok(found) = subject.restrict(&text.as_str().into()) else { return Ok(()) };
                let statement = found.restrict(&none).unwrap().select(&Sqlite).unwrap();
                prop_assert_eq!(statement.parameters.len(), 1);
                if let Ok(rows) = database.try_query(&statement) {
                    prop_assert!(rows.is_empty(), "{}", statement.sql);
                }
                Ok(())
            })?;
        }

        #[test]
        fn any_text_is_scanned_or_refused(text in "\\PC{0,40}") {
            LAB.with(|(_, subject)| {
                let _ = subject.restrict(&text.as_str().into());
                let _ = subject.project(&Projection::default().with("k", &text));
                let _ = subject.top(&Top::ordered([&text]));
            });
        }
    }
}
