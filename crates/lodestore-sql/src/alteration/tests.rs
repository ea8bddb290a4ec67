use lodestore_types::{CoreType, Decimal, ErrorKind, Result, Value};

use super::*;
use crate::Sqlite;
use crate::declaration::tests::declare_text;

fn declared(text: &str) -> Declaration {
    let subject = declare_text("lab.subject", "subject_id : int32", &[]).unwrap();
    declare_text("lab.session", text, &[("Subject", &subject)]).unwrap()
}

fn altered(old: &str, new: &str) -> Result<Alteration> {
    let old = declared(old);
    alter(&Sqlite, &old.heading(), &old.foreign_keys, &declared(new))
}

fn plan(old: &str, new: &str) -> Vec<String> {
    altered(old, new).unwrap().changes.iter().map(ToString::to_string).collect()
}

const OLD: &str =
    "# sessions\nid : int32 # the id\n---\na : int16 # first\nb='x' : varchar(9)\nc=null : <blob>\nindex (a)";

#[test]
fn a_table_is_as_its_definition_says() {
    assert!(altered(OLD, OLD).unwrap().is_empty());
    assert!(altered("", "").unwrap().is_empty());
    // Spelling is no change.
    let spelled =
        ("id : int8\n---\nx : enum('a', 'b')\ny : decimal(5, 2)", "id : int8\n---\nx:enum('a','b')\ny:decimal(5,2)");
    assert!(altered(spelled.0, spelled.1).unwrap().is_empty());
}

#[test]
fn every_change_is_planned() {
    let new = "# all sessions\nid : int32 # the key\n---\nb='y' : varchar(20)\nz=null : date\na : int16 # first\nunique index (a)";
    assert_eq!(
        plan(OLD, new),
        [
            "set the table's comment to \"all sessions\"",
            "drop `c` with all its values",
            "change `id : int32 # the id` to `id : int32 # the key`",
            "change `b=\"x\" : varchar(9)` to `b=\"y\" : varchar(20)` behind `id`",
            "add `z=null : date` behind `b`",
            "drop index (a)",
            "add unique index (a)",
        ]
    );
}

#[test]
fn only_what_must_move_moves() {
    let old = "id : int8\n---\na : int8\nb : int8\nc : int8\nd : int8";
    let new = "id : int8\n---\nd : int8\na : int8\nx : int8\nb : int8\nc : int8";
    assert_eq!(plan(old, new), ["move `d` behind `id`", "add `x : int8` behind `a`"]);
    let moved = altered(old, "id : int8\n---\nd : int8\na : int8\nb : int8\nc : int8").unwrap();
    assert!(moved.without_moves().is_empty());
}

#[test]
fn braces_in_a_comment_rename() {
    let new = OLD.replace("a : int16 # first", "first : int32 # {a} of all").replace("(a)", "(first)");
    let alteration = altered(OLD, &new).unwrap();
    let told: Vec<String> = alteration.changes.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["change `a : int16 # first` to `first : int32 # of all`"]);
    let kept: Vec<_> = alteration.kept().map(|(new, old)| (new.name.as_str(), old.name.as_str())).collect();
    assert_eq!(kept, [("id", "id"), ("first", "a"), ("b", "b"), ("c", "c"), ("_prov", "_prov")]);
    // What was renamed is not renamed again, and the braces are no part of the comment.
    let after = declared(&new.replace("{a} ", ""));
    assert!(alter(&Sqlite, &after.heading(), &[], &declared(&new)).unwrap().is_empty());
    for (new, mention) in [
        ("id : int32\n---\nq : int16 # {nothing}", "nothing"),
        ("id : int32\n---\na : int16\nq : int16 # {a}", "stay"),
        ("id : int32\n---\np : int16 # {a}\nq : int16 # {a}", "two"),
    ] {
        let error = altered(OLD, new).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidDefinition, "{new}");
        assert!(error.message().contains(mention), "{error}");
    }
}

#[test]
fn keys_and_foreign_keys_stay() {
    let with_parent = "-> Subject\nid : int32\n---\n-> [nullable] Subject.proj(mother='subject_id')\nx : int8";
    let cases = [
        (OLD, "id : int32\nmore : int8", "primary key"),
        (OLD, "id : int64\n---\na : int16", "key attribute `id`"),
        (OLD, "id=5 : int32\n---\na : int16", "default"),
        (with_parent, "-> Subject\nid : int32\n---\nx : int8", "remove the foreign key (mother)"),
        (
            "-> Subject\n---\nx : int8",
            "-> Subject\n---\n-> Subject.proj(other='subject_id')",
            "add the foreign key (other)",
        ),
    ];
    for (old, new, mention) in cases {
        let error = altered(old, new).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{new}");
        assert!(error.message().contains(mention), "{error}");
        assert!(error.hint().is_some());
    }
    // Their order is no matter, and whether a parent must be there can change.
    let new = "-> Subject\nid : int32\n---\nx : int8\n-> [unique] Subject.proj(mother='subject_id')";
    assert_eq!(plan(with_parent, new).last().unwrap(), "add unique index (mother)");
}

#[test]
fn values_change_their_type_without_loss() {
    let core = |text: &str| CoreType::parse(text).unwrap().unwrap();
    let decimal = |text: &str| Value::Decimal(text.parse::<Decimal>().unwrap());
    let good: Vec<(Value, &str, Value)> = vec![
        (5.into(), "decimal(5,2)", decimal("5.00")),
        (decimal("1.50"), "decimal(4,1)", decimal("1.5")),
        (decimal("0.1"), "float64", 0.1.into()),
        (2.0.into(), "int8", 2.into()),
        (0.25.into(), "decimal(5,2)", decimal("0.25")),
        ("12".into(), "int16", 12.into()),
        (12.into(), "varchar(2)", "12".into()),
        (true.into(), "int8", 1.into()),
        ("{\"a\": 1}".into(), "json", serde_json::json!({"a": 1}).into()),
        ("2024-02-29".into(), "date", lodestore_types::Date::constant(2024, 2, 29).into()),
        (Value::Null, "int8", Value::Null),
    ];
    for (value, to, expected) in good {
        assert_eq!(convert(value.clone(), &core(to)).unwrap(), expected, "{value} to {to}");
    }
    let bad: Vec<(Value, &str)> = vec![
        (300.into(), "int8"),
        (1.5.into(), "int8"),
        (0.1234567890123.into(), "float32"),
        ((i64::MAX - 1).into(), "float64"),
        (0.123.into(), "decimal(5,2)"),
        (decimal("1.51"), "decimal(5,1)"),
        ("abc".into(), "varchar(2)"),
        ("abc".into(), "json"),
        (vec![1u8].into(), "varchar(9)"),
        (lodestore_types::parse_datetime("2024-01-01 10:00:00.5").unwrap().into(), "datetime"),
        (lodestore_types::parse_datetime("2024-01-01 10:00:00").unwrap().into(), "date"),
    ];
    for (value, to) in bad {
        let core = if to == "datetime" { CoreType::DateTime(Some(0)) } else { core(to) };
        assert!(convert(value.clone(), &core).is_err(), "{value} to {to}");
    }
}

#[test]
fn wider_types_hold_all() {
    let core = |text: &str| CoreType::parse(text).unwrap().unwrap();
    for (from, to) in [
        ("int8", "int64"),
        ("varchar(5)", "char(5)"),
        ("enum('a','b')", "enum('b','c','a')"),
        ("enum('a','bb')", "varchar(2)"),
        ("float32", "float64"),
        ("decimal(5,2)", "decimal(9,2)"),
    ] {
        assert!(holds_all(&core(from), &core(to)), "{from} {to}");
        assert!(!holds_all(&core(to), &core(from)) || from == "varchar(5)", "{to} {from}");
    }
    assert!(!holds_all(&core("bool"), &core("int8")) && !holds_all(&core("int32"), &core("float64")));
}
