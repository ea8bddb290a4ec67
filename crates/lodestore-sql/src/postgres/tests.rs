//! The statements, beside those that DataJoint 2.3.5 sends.

use lodestore_types::ErrorKind;

use super::*;
use crate::declaration::tests::declare_text;
use crate::golden;

/// Cases of which we declare the same table by another text, and why.
const DEPARTURES: &[(&str, &str)] = &[
    ("defaults", "numbers are read before they are written: 0.0015 where 1.5e-3 was declared"),
    ("timestamp_defaults", "CURRENT_TIMESTAMP is written in capitals, however it was declared"),
    ("comment_quotes", "quotes stand as they are, and a percent sign means itself, not half of one"),
    ("native_mysql_types", "MySQL's types become what holds the same values; the peer is refused"),
    ("fk_datetime", "the child keeps the digits of its parent's moments"),
    ("index_expression", "the peer takes the expression apart and is refused"),
    ("index_json_path", "the peer takes the expression apart and is refused"),
    ("index_desc", "the peer takes the direction for a part of the name and is refused"),
];

/// Cases that we refuse and the peer does not, and why.
const REFUSED: &[(&str, &str)] = &[
    ("custom_codec", "an attribute with a codec has no default but null"),
    ("custom_codec_pk", "a codec's values cannot be compared, so they make no key"),
    ("err_blob_default", "an attribute with a codec has no default but null, on every database"),
    ("err_blob_pk", "no blob makes a key; the peer finds out when it reads the table"),
];

#[test]
fn golden_definitions_become_the_same_tables() {
    let write = |one: &Declaration| -> Vec<String> {
        let statements = Postgres.declare(one).unwrap().into_iter().map(|statement| statement.sql);
        // The peer knows no index on the paths of objects.
        let own = statements.filter(|sql| !sql.contains("\"~lineage\"") && !sql.contains(" ->> 'path', "));
        // The peer ignores the error of a type that is there already.
        own.map(|sql| match sql.strip_prefix("DO $q0$ BEGIN ").and_then(|sql| sql.split_once("; EXCEPTION")) {
            Some((create, _)) => create.to_owned(),
            None => sql,
        })
        .collect()
    };
    golden::compare("postgres", &write, DEPARTURES, REFUSED);
}

#[test]
fn what_golden_cases_leave_out_is_written_soundly() {
    let text = "# a \"b\" \\ c\nid : int8 # x 'y' 50%\n---\na='c:\\temp' : varchar(9)\nb : enum(\"x,y\",'it''s')\n\
                c=CURRENT_TIMESTAMP(3) : datetime(3)\nd='{\"a\": 1}' : json\nk=0 : int unsigned\nf : longblob\n\
                index (lower(a), id)\nunique index (d.a:int)";
    let made = declare_text("la;b.#t", text, &[]).unwrap();
    let sql: Vec<String> = Postgres.declare(&made).unwrap().into_iter().map(|statement| statement.sql).collect();
    let all = sql.join(";\n");
    for expected in [
        "AS ENUM ('x,y', 'it''s')",
        "CREATE TABLE IF NOT EXISTS \"la;b\".\"#t\" (",
        "\"a\" varchar(9) NOT NULL DEFAULT 'c:\\temp'",
        "\"c\" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)",
        "\"d\" jsonb NOT NULL DEFAULT '{\"a\":1}'",
        "\"k\" bigint NOT NULL DEFAULT '0'",
        "\"f\" bytea NOT NULL",
        "COMMENT ON COLUMN \"la;b\".\"#t\".\"k\" IS ':int unsigned:'",
        "COMMENT ON COLUMN \"la;b\".\"#t\".\"id\" IS ':int8:x ''y'' 50%'",
        "COMMENT ON TABLE \"la;b\".\"#t\" IS 'a \"b\" \\ c'",
        "CREATE INDEX \"idx_#t_lower(a)_id\" ON \"la;b\".\"#t\" ((lower(\"a\")), \"id\")",
        "IS '[\"lower(a)\",\"id\"]'",
        "((trunc((CASE jsonb_extract_path(\"d\", 'a') WHEN 'true' THEN '1' WHEN 'false' THEN '0' \
         ELSE (jsonb_extract_path(\"d\", 'a') #>> '{}') END)::numeric)::bigint))",
    ] {
        assert!(all.contains(expected), "{expected}\n{all}");
    }
    let long = declare_text("lab.t", &format!("{} : int8", "a".repeat(64)), &[]).unwrap();
    assert_eq!(Postgres.declare(&long).unwrap_err().kind(), ErrorKind::InvalidName);
}
