//! What a program can tell apart when a write is refused, and that nothing of it is left behind.

use lodestore::{Error, ErrorKind, Tier, row};

use crate::Project;

/// What a program does about a refusal.
fn remedy(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Duplicate => "it is there",
        ErrorKind::MissingParent => "insert the parent first",
        ErrorKind::StillReferenced => "delete the children first",
        ErrorKind::InvalidValue | ErrorKind::InvalidType => "mend the value",
        ErrorKind::UnknownAttribute | ErrorKind::MissingAttribute => "mend the row",
        _ => "give up",
    }
}

#[test]
fn refusals_are_told_apart() {
    let project = Project::new();
    let subject = project.lab.declare("Subject", Tier::Manual, "subject : int32").unwrap();
    let session =
        project.lab.declare("Session", Tier::Manual, "-> Subject\nsession : int16\n---\nnote : varchar(5)").unwrap();
    subject.insert1(row! { "subject" => 1 }).unwrap();
    let insert = |subject: i64, number: i64, note: &str| {
        session.insert1(row! { "subject" => subject, "session" => number, "note" => note })
    };
    insert(1, 1, "ok").unwrap();
    let other = subject.restrict("subject = 1").unwrap();

    let cases = [
        (insert(1, 1, "again"), "it is there"),
        (insert(2, 1, "who"), "insert the parent first"),
        (session.update1(row! { "subject" => 1, "session" => 1, "note" => "too long" }), "mend the value"),
        (insert(1, 2, "too long"), "mend the value"),
        (insert(1, 40_000, "high"), "mend the value"),
        (session.insert1(row! { "subject" => 1, "session" => "x", "note" => "" }), "mend the value"),
        (session.insert1(row! { "subject" => 1, "session" => 3 }), "mend the row"),
        (session.insert1(row! { "subject" => 1, "session" => 3, "note" => "", "more" => 1 }), "mend the row"),
        (other.delete_quick().map(drop), "delete the children first"),
        (subject.drop_quick(), "delete the children first"),
    ];
    for (outcome, expected) in cases {
        let error = outcome.unwrap_err();
        assert_eq!(remedy(&error), expected, "{error:?}");
        assert!(error.context().any(|(key, _)| key == "table"), "{error:?}");
    }
    assert_eq!((subject.len().unwrap(), session.len().unwrap()), (1, 1));
}
