//! The statements, beside those that DataJoint 2.3.5 sends.

use std::sync::Arc;

use lodestore_types::{ErrorKind, Uuid};

use super::*;
use crate::declaration::tests::{codecs, declare_text};
use crate::golden;
use crate::{Condition, Expression, ForeignKey, Lineage, Projection, Top};

const MYSQL: Mysql = Mysql { server: Server::Mysql };
const MARIA: Mysql = Mysql { server: Server::Mariadb };

#[test]
fn servers_are_told_apart_by_their_version() {
    assert_eq!(Mysql::of_version("10.11.19-MariaDB-0+deb12u1"), MARIA);
    for version in ["8.0.36", "9.7.4-2", "8.4.0-google"] {
        assert_eq!(Mysql::of_version(version), MYSQL);
    }
}

/// Cases of which we declare the same table by another text, and why.
const DEPARTURES: &[(&str, &str)] = &[
    ("defaults", "numbers are read before they are written: 0.0015 where 1.5e-3 was declared"),
    ("timestamp_defaults", "CURRENT_TIMESTAMP is written in capitals, however it was declared"),
    ("comment_quotes", "a percent sign means itself, not half of one"),
    ("table_comment_double_quote", "the comment is escaped"),
    ("comment_backslash", "a backslash means itself"),
];

/// Cases that we refuse and the peer does not, and why.
const REFUSED: &[(&str, &str)] = &[
    ("custom_codec", "an attribute with a codec has no default but null"),
    ("custom_codec_pk", "a codec's values cannot be compared, so they make no key"),
    ("err_blob_pk", "no blob makes a key; the peer finds out from the server"),
    ("name_64", "table names have 63 characters, so that they fit every database"),
];

#[test]
fn golden_definitions_become_the_same_tables() {
    // Functional key parts are MySQL's alone, which the record notes.
    let write = |one: &Declaration| vec![table::create_table(Server::Mysql, one).unwrap()];
    golden::compare("mysql", &write, DEPARTURES, REFUSED);
}

#[test]
fn a_declaration_writes_lineage_before_the_table() {
    let made = declare_text("lab.subject", "subject_id : int32\n---\nname : varchar(20)", &[]).unwrap();
    let statements = MARIA.declare(&made).unwrap();
    let starts: Vec<&str> = statements.iter().map(|statement| statement.sql.split(" (").next().unwrap()).collect();
    assert_eq!(
        starts,
        [
            "CREATE TABLE IF NOT EXISTS `lab`.`~lineage`",
            "DELETE FROM `lab`.`~lineage` WHERE `table_name` = ?",
            "INSERT INTO `lab`.`~lineage`",
            "CREATE TABLE IF NOT EXISTS `lab`.`subject`",
        ]
    );
    assert_eq!(statements[2].parameters, ["subject".into(), "subject_id".into(), "lab.subject.subject_id".into()]);
}

#[test]
fn what_golden_cases_leave_out_is_written_soundly() {
    let text = "# a \"b\" \\ c\nid : int8 # x \\ \"y\"\n---\na='c:\\temp' : varchar(9)\nb : enum(\"x\",'it''s','\\')\n\
                c=CURRENT_TIMESTAMP(3) : datetime\nd='{\"a\": 1}' : json";
    let made = declare_text("la;b.#t", text, &[]).unwrap();
    let sql = |dialect: Mysql| dialect.declare(&made).unwrap().pop().unwrap().sql;
    for expected in [
        "CREATE TABLE IF NOT EXISTS `la;b`.`#t` (",
        "`id` tinyint NOT NULL COMMENT \":int8:x \\\\ \\\"y\\\"\"",
        "`a` varchar(9) NOT NULL DEFAULT 'c:\\\\temp' COMMENT",
        "`b` enum('x','it''s','\\\\') NOT NULL COMMENT",
        "`c` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP COMMENT",
        "COMMENT \"a \\\"b\\\" \\\\ c\"",
    ] {
        assert!(sql(MARIA).contains(expected), "{expected}\n{}", sql(MARIA));
    }
    assert!(sql(MARIA).contains("`d` json NOT NULL DEFAULT '{\"a\":1}'"), "{}", sql(MARIA));
    assert!(sql(MYSQL).contains("`d` json NOT NULL DEFAULT ('{\"a\":1}')"), "{}", sql(MYSQL));
    let long = declare_text("lab.t", &format!("{} : int8", "a".repeat(64)), &[]).unwrap();
    assert!(MARIA.declare(&long).is_ok());
}

fn text_row(columns: &[&str]) -> Row {
    columns.iter().map(|text| Value::from(*text)).collect()
}

/// A row of `SHOW FULL COLUMNS`.
fn column(name: &str, kind: &str, key: &str, default: Value, extra: &str, comment: &str) -> Row {
    let null = if matches!(default, Value::Text(ref text) if text == "NULL") { "YES" } else { "NO" };
    let default = if null == "YES" { Value::Null } else { default };
    let mut row = text_row(&[name, kind]);
    row.extend([Value::Null, null.into(), key.into(), default, extra.into(), "select".into(), comment.into()]);
    row
}

#[test]
fn headings_are_read_from_both_servers() {
    let none = || Value::Null;
    let rows = vec![
        column("id", "int(11) unsigned", "PRI", none(), "auto_increment", "the id"),
        column("a", "tinyint(4)", "", "1".into(), "", ":bool:flag"),
        column("b", "longtext", "", none(), "", ":json:"),
        column("c", "binary(16)", "", "NULL".into(), "", ":uuid:"),
        column("d", "datetime", "", "current_timestamp()".into(), "", ":datetime:"),
        column("e", "datetime(3)", "", "CURRENT_TIMESTAMP(3)".into(), "DEFAULT_GENERATED", ":datetime(3):"),
        column("f", "json", "", "NULL".into(), "", ":<blob@>:x"),
        column("g", "longblob", "", "NULL".into(), "", ":<unknown>:y"),
        column("h", "enum('a','b,c')", "", "b,c".into(), "", ":enum('a', 'b,c'):"),
        column("i", "decimal(10,2)", "", "2.50".into(), "", ""),
        column("j", "int(11)", "", none(), "", ""),
        column("k", "json", "", "_utf8mb4\\'{\"a\": 1}\\'".into(), "DEFAULT_GENERATED", ":json:"),
        column("_hidden", "varchar(64)", "", "".into(), "", ":varchar(64):code version"),
    ];
    let indexes = vec![
        vec!["j".into(), 1.into(), "j".into(), none(), none(), "A".into()],
        vec!["x".into(), 0.into(), "a".into(), none(), 5.into(), "D".into()],
        vec!["x".into(), 0.into(), none(), "year(`d`)".into(), none(), "A".into()],
    ];
    let results = vec![
        vec![text_row(&["the comment"])],
        rows,
        vec![text_row(&["id", "lab.t.id"]), text_row(&["j", "lab.parent.id"])],
        indexes,
        vec![text_row(&["t_ibfk_1", "j"])],
    ];
    let table = FullTableName::parse("lab.t").unwrap();
    let heading = MARIA.read_heading(&table, &results, &codecs).unwrap().unwrap();
    let core = |name: &str| heading.get_any(name).unwrap().kind.core.to_string();
    let cores: Vec<String> = "abcdefghijk".chars().map(|name| core(&name.to_string())).collect();
    assert_eq!(
        cores,
        [
            "bool",
            "json",
            "uuid",
            "datetime(0)",
            "datetime(3)",
            "json",
            "bytes",
            "enum('a','b,c')",
            "decimal(10,2)",
            "int32",
            "json"
        ]
    );
    let id = heading.get("id").unwrap();
    assert!(id.autoincrement && id.in_key && id.comment == "the id");
    assert_eq!(id.kind.native.as_deref(), Some("int unsigned auto_increment"));
    assert_eq!(heading.get("d").unwrap().kind.declared, "datetime");
    let default = |name: &str| heading.get_any(name).unwrap().default.clone();
    assert_eq!(default("a"), Some(DefaultValue::Value(true.into())));
    assert_eq!(default("c"), Some(DefaultValue::Null));
    assert_eq!(default("d"), Some(DefaultValue::Now(None)));
    assert_eq!(default("e"), Some(DefaultValue::Now(Some(3))));
    assert_eq!(default("h"), Some(DefaultValue::Value("b,c".into())));
    assert_eq!(default("k"), Some(DefaultValue::Value(serde_json::json!({"a": 1}).into())));
    assert_eq!(default("id"), None);
    assert!(heading.get_any("_hidden").unwrap().hidden);
    assert_eq!(heading.get("j").unwrap().lineage, Some(Lineage::from_text("lab.parent.id")));
    let columns: Vec<&[String]> = heading.indexes.iter().map(|index| &*index.columns).collect();
    assert_eq!(columns, [["a(5) desc".to_owned(), "(year(`d`))".to_owned()]]);
    assert_eq!(heading.comment, "the comment");
    assert_eq!(MARIA.read_heading(&table, &[vec![]], &codecs).unwrap(), None);
    assert_eq!(MARIA.read_heading(&table, &[vec![vec![1.into()]]], &codecs).unwrap_err().kind(), ErrorKind::Corrupt);
}

use crate::DefaultValue;

#[test]
fn dependencies_are_read_key_by_key() {
    let row = |constraint: &str, from: &str, to: &str, nullable: i64| -> Row {
        let mut row = text_row(&["lab", "c", constraint, "lab", "p", from, to]);
        row.extend([nullable.into(), 0.into()]);
        row
    };
    let rows = [row("c_ibfk_1", "a", "a", 0), row("c_ibfk_1", "b", "b", 0), row("c_ibfk_2", "x", "a", 1)];
    let read = MARIA.read_dependencies(&rows).unwrap();
    let key = |columns: &[&str], parent: &[&str], nullable| ForeignKey {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        parent: FullTableName::parse("lab.p").unwrap(),
        parent_columns: parent.iter().map(|name| (*name).to_owned()).collect(),
        nullable,
        unique: false,
    };
    let keys: Vec<ForeignKey> = read.into_iter().map(|dependency| dependency.key).collect();
    assert_eq!(keys, [key(&["a", "b"], &["a", "b"], false), key(&["x"], &["a"], true)]);
}

#[test]
fn conflicts_are_resolved_by_the_key_alone() {
    let plain = declare_text("lab.#t", "id : int8\nk : int8\n---\nx : int8", &[]).unwrap().heading();
    let unique = declare_text("lab.#t", "id : int8\n---\nx : int8\nunique index (x)", &[]).unwrap().heading();
    let insert = |dialect: Mysql, heading: &Heading, columns: &[&str], conflict| {
        dialect.insert(heading, columns, 2, conflict).unwrap()
    };
    assert_eq!(
        insert(MARIA, &plain, &["id", "k", "x"], Conflict::Error),
        "INSERT INTO `lab`.`#t` (`id`, `k`, `x`) VALUES (?, ?, ?), (?, ?, ?)"
    );
    assert_eq!(
        insert(MARIA, &plain, &["id", "k"], Conflict::Skip),
        "INSERT INTO `lab`.`#t` (`id`, `k`) VALUES (?, ?), (?, ?) ON DUPLICATE KEY UPDATE `id` = `lab`.`#t`.`id`"
    );
    assert_eq!(
        insert(MARIA, &unique, &["id", "x"], Conflict::Replace),
        "INSERT INTO `lab`.`#t` (`id`, `x`) VALUES (?, ?), (?, ?) ON DUPLICATE KEY UPDATE `id` = IF(`lab`.`#t`.`id` <=> \
         VALUES(`id`), `lab`.`#t`.`id`, NULL), `x` = VALUES(`x`)"
    );
    assert_eq!(
        insert(MYSQL, &plain, &["id", "k", "x"], Conflict::Replace),
        "INSERT INTO `lab`.`#t` (`id`, `k`, `x`) VALUES (?, ?, ?), (?, ?, ?) AS `$new` ON DUPLICATE KEY UPDATE `id` = \
         `lab`.`#t`.`id`, `x` = `$new`.`x`"
    );
    let single = declare_text("lab.#one", "---\nx=null : int8", &[]).unwrap().heading();
    assert_eq!(
        MARIA.insert(&single, &[], 1, Conflict::Error).unwrap(),
        "INSERT INTO `lab`.`#one` (`_singleton`) VALUES (1)"
    );
    assert_eq!(MARIA.insert(&plain, &["y"], 1, Conflict::Error).unwrap_err().kind(), ErrorKind::UnknownAttribute);
}

fn subjects() -> Expression {
    let text = "id : int32\n---\nname : varchar(20)\nmeta=null : json\nsex : enum('m', 'f')";
    Expression::table(Arc::new(declare_text("lab.subject", text, &[]).unwrap().heading())).unwrap()
}

#[test]
fn queries_are_written_in_backticks() {
    let subjects = subjects();
    let heavy = subjects
        .restrict(&Condition::Map(vec![("id".into(), 3.into())]))
        .unwrap()
        .restrict(&"name like 'a\\b%'".into())
        .unwrap();
    let statement = heavy.project(&Projection::default().with("n", "name")).unwrap().select(&MARIA).unwrap();
    assert_eq!(
        statement.sql,
        "SELECT `id`, `name` AS `n` FROM `lab`.`subject` WHERE (`id` = ?) AND (`name` like 'a\\\\b%')"
    );
    let keys = Condition::Any(vec![
        Condition::Map(vec![("id".into(), 1.into())]),
        Condition::Map(vec![("id".into(), 2.into())]),
    ]);
    let listed = subjects.restrict(&keys).unwrap().count(&MYSQL).unwrap();
    assert_eq!(listed.sql, "SELECT count(*) FROM `lab`.`subject` WHERE (`id` IN (?, ?))");
    let sorted = subjects.top(&Top::first(2).with_offset(1)).unwrap().select(&MARIA).unwrap();
    assert!(sorted.sql.ends_with("ORDER BY `id` LIMIT 2 OFFSET 1"), "{}", sorted.sql);
}

#[test]
fn documents_are_asked_in_the_words_of_each_server() {
    let path = JsonPath { attribute: "meta", path: "a.b[0]", as_type: None };
    assert_eq!(
        MARIA.json_path("`meta`", &path, JsonForm::Text),
        "JSON_UNQUOTE(NULLIF(JSON_EXTRACT(`meta`, '$.a.b[0]'), 'null'))"
    );
    assert_eq!(MYSQL.json_path("`meta`", &path, JsonForm::Native), "JSON_EXTRACT(`meta`, '$.a.b[0]')");
    // Documents are compared as each server prints them.
    let document = Value::Json(serde_json::json!({"bb": [1, {"x": null}], "a": "é"}));
    assert_eq!(MARIA.json_path("`meta`", &path, JsonForm::Document), "JSON_COMPACT(JSON_EXTRACT(`meta`, '$.a.b[0]'))");
    assert_eq!(
        MYSQL.encode(document.clone(), &CoreType::Json).unwrap(),
        Value::from("{\"a\": \"é\", \"bb\": [1, {\"x\": null}]}")
    );
    assert_eq!(MARIA.encode(document, &CoreType::Json).unwrap(), Value::from("{\"bb\":[1,{\"x\":null}],\"a\":\"é\"}"));
    let typed = JsonPath { as_type: Some("decimal(10, 2)"), ..path };
    assert!(MARIA.json_path("`meta`", &typed, JsonForm::Text).ends_with(" AS decimal(10, 2))"));
    let typed = JsonPath { as_type: Some("int"), ..path };
    assert!(MYSQL.json_path("`meta`", &typed, JsonForm::Text).ends_with(" AS SIGNED)"));
}

#[test]
fn a_delete_does_not_ask_the_table_it_empties() {
    let subjects = subjects();
    let some = subjects.restrict(&"id > 3".into()).unwrap();
    assert_eq!(some.delete(&MYSQL).unwrap().sql, "DELETE FROM `lab`.`subject` WHERE (`id` > 3)");
    let asked = subjects.restrict(&Condition::In(some.project(&Projection::default()).unwrap())).unwrap();
    let sql = asked.delete(&MYSQL).unwrap().sql;
    assert!(sql.starts_with("DELETE FROM `lab`.`subject` WHERE `id` IN (SELECT `id` FROM (SELECT "), "{sql}");
    assert!(sql.contains("LIMIT 9223372036854775807) AS `$"), "{sql}");
}

#[test]
fn many_rows_are_written_out_without_leaving_their_places() {
    let rows: Vec<Row> = (0..30_001).map(|id| vec![Value::Int(id), "it's `a`\\".into()]).collect();
    let columns = [CoreType::Int32, CoreType::Varchar(9)];
    let statement = MARIA.rows(&columns, &rows).unwrap();
    assert!(statement.parameters.is_empty());
    assert!(statement.sql.starts_with("(0,_utf8mb4 x'697427732060"), "{}", &statement.sql[..60]);
    assert!(!statement.sql.contains('?'));
    assert_eq!(MARIA.rows(&columns, &rows[..9]), None);
}

#[test]
fn values_come_back() {
    let cases: Vec<(&str, Value)> = vec![
        ("int8", (-5).into()),
        ("float32", 0.1.into()),
        ("bool", true.into()),
        ("uuid", Uuid::from_u128(7).into()),
        ("json", serde_json::json!({"b": [1, null], "a": "x"}).into()),
        ("bytes", vec![0u8, 255].into()),
        ("date", lodestore_types::Date::constant(1, 1, 1).into()),
        ("datetime(6)", lodestore_types::parse_datetime("2024-01-02 03:04:05.000006").unwrap().into()),
        ("varchar(9)", "it's".into()),
        ("decimal(5,2)", "1.50".parse::<lodestore_types::Decimal>().unwrap().into()),
        ("int8", Value::Null),
    ];
    for (core, value) in cases {
        let core = CoreType::parse(core).unwrap().unwrap();
        let stored = MARIA.encode(value.clone(), &core).unwrap();
        assert_eq!(MARIA.decode(stored, &core).unwrap(), value);
    }
    for number in [f64::INFINITY, f64::NAN] {
        assert_eq!(MARIA.encode(number.into(), &CoreType::Float64).unwrap_err().kind(), ErrorKind::InvalidValue);
    }
    assert!(MARIA.encode("x".into(), &CoreType::Int8).is_err());
    assert_eq!(MARIA.decode("x".into(), &CoreType::Uuid).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn an_alteration_is_one_statement() {
    let altered = |old: &str, new: &str| {
        let old = declare_text("lab.#t", old, &[]).unwrap();
        let plan =
            crate::alteration::alter(&MARIA, &old.heading(), &[], &declare_text("lab.#t", new, &[]).unwrap()).unwrap();
        MARIA.alter(&plan).map(|script| script.statements[0].sql.clone())
    };
    let old = "id : int8\n---\na : int8\nb : varchar(9)\nc=1 : int8";
    let new = "# new\nid : int8\n---\nd=null : date\na : int16\ne : varchar(20) # {b} renamed\nindex (a)";
    assert_eq!(
        altered(old, new).unwrap(),
        "ALTER TABLE `lab`.`#t`\n\tCOMMENT=\"new\",\n\tDROP `c`,\n\tADD `d` date DEFAULT NULL COMMENT \":date:\" AFTER `id`,\n\t\
         MODIFY `a` smallint NOT NULL COMMENT \":int16:\",\n\tCHANGE `b` `e` varchar(20) NOT NULL COMMENT \
         \":varchar(20):renamed\",\n\tADD index (`a`)"
    );
    let refused = altered("id : int8\n---\na : uuid", "id : int8\n---\na : varchar(40)").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}
