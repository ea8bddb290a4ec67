use lodestore::{ErrorKind, FullTableName, Instance, Tier, row};

use crate::Project;

const SUBJECT: &str = "
# who was recorded
subject_id : int32   # counts from 1
---
species = 'mouse' : enum('mouse', 'rat')   # common name
weight = null : decimal(5,2)
born : date
seen = CURRENT_TIMESTAMP : datetime
tags = null : json
";

#[test]
fn a_heading_is_read_back_from_the_database() {
    let project = Project::new();
    let subject = project.lab.declare("Subject", Tier::Manual, SUBJECT).unwrap();
    let again = Instance::embedded(project.folder.path()).unwrap();
    let table = again.table(&FullTableName::parse("lab.subject").unwrap()).unwrap();
    assert_eq!(table.heading(), subject.heading());
    let heading = table.heading();
    assert_eq!(heading.comment, "who was recorded");
    assert_eq!(heading.names().collect::<Vec<_>>(), ["subject_id", "species", "weight", "born", "seen", "tags"]);
    let species = heading.attribute("species").unwrap();
    assert_eq!((species.kind.declared.as_str(), species.comment.as_str()), ("enum('mouse', 'rat')", "common name"));
    assert_eq!(heading.primary_key().count(), 1);
}

#[test]
fn declaring_again_changes_nothing() {
    let project = Project::new();
    let first = project.lab.declare("Subject", Tier::Manual, SUBJECT).unwrap();
    let second = project.lab.declare("Subject", Tier::Manual, "other : int8").unwrap();
    assert_eq!(first.heading(), second.heading());
    assert_eq!(project.lab.tables().unwrap().len(), 1);
}

#[test]
fn foreign_keys_cross_schemas_and_are_kept() {
    let project = Project::new();
    project.lab.declare("Subject", Tier::Manual, SUBJECT).unwrap();
    let ephys = project.instance.schema("ephys").unwrap();
    let session =
        ephys.declare("Session", Tier::Manual, "-> lab.Subject\nsession : int16\n---\nnote='' : varchar(80)").unwrap();
    let part = ephys.declare_part(&session, "Trial", "-> master\ntrial : int16").unwrap();
    assert_eq!(part.name().to_string(), "ephys.session__trial");
    let row = row! { "subject_id" => 1, "session" => 1 };
    let error = session.insert1(row.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingParent);
    assert!(error.hint().unwrap().contains("`lab.subject`"), "{error:?}");
    let subject = project.lab.table("Subject").unwrap().unwrap();
    subject.insert1(row! { "subject_id" => 1, "born" => "2024-02-29" }).unwrap();
    session.insert1(row).unwrap();
    let error = subject.delete_quick().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StillReferenced);
    assert!(error.hint().unwrap().contains("`ephys.session`"), "{error:?}");
    assert_eq!(subject.len().unwrap(), 1);
}

#[test]
fn what_is_wrong_with_a_definition_is_told_and_nothing_is_made() {
    let project = Project::new();
    let cases = [
        ("id : int33", ErrorKind::InvalidDefinition, "int33"),
        ("id int32", ErrorKind::InvalidDefinition, "line"),
        ("id : int32\n---\nx : <blub@>", ErrorKind::UnknownCodec, "blub"),
        ("id : int32\n---\nx : <npy>", ErrorKind::InvalidDefinition, "@"),
        ("-> Nobody", ErrorKind::MissingTable, "Nobody"),
        ("id = null : int32", ErrorKind::InvalidDefinition, "id"),
        ("id : <blob>", ErrorKind::InvalidDefinition, "id"),
        ("id : int32\n---\nx = 300 : int8", ErrorKind::InvalidDefinition, "300"),
    ];
    for (definition, kind, mention) in cases {
        let error = project.lab.declare("Wrong", Tier::Manual, definition).unwrap_err();
        assert_eq!(error.kind(), kind, "{definition}: {error:?}");
        assert!(error.report().contains(mention), "{definition}: {error:?}");
        assert!(error.to_string().contains("lab.wrong"), "{definition}: {error:?}");
    }
    assert!(project.lab.tables().unwrap().is_empty());
    let error = project.lab.declare("lower", Tier::Manual, "id : int8").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidName);
}

#[test]
fn a_store_is_looked_up_when_it_is_used() {
    let project = Project::new();
    let table = project.lab.declare("Cold", Tier::Manual, "id : int32\n---\nx : <blob@cold>").unwrap();
    let error = table.insert1(row! { "id" => 1, "x" => 5 }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownStore);
    assert!(error.report().contains("cold"), "{error:?}");
    assert_eq!(table.len().unwrap(), 0);
}

#[test]
fn a_table_is_not_declared_inside_a_transaction() {
    let project = Project::new();
    let outcome = project.instance.transaction(|| project.lab.declare("Late", Tier::Manual, "id : int8"));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert!(!project.instance.in_transaction());
}

#[test]
fn hidden_tables_are_not_listed_and_unicode_names_work() {
    let project = Project::new();
    let odd = project.instance.schema("Größe-2; DROP TABLE x").unwrap();
    let table = odd.declare("Thing", Tier::Lookup, "name : varchar(40)").unwrap();
    table.insert1(row! { "name" => "'; DROP TABLE thing; --" }).unwrap();
    assert_eq!(table.fetch1().unwrap().get("name").unwrap().as_str(), Some("'; DROP TABLE thing; --"));
    assert_eq!(odd.tables().unwrap().len(), 1);
    let mut schemas = project.instance.schemas().unwrap();
    schemas.sort();
    assert_eq!(schemas, ["Größe-2; DROP TABLE x", "lab"]);
}
