use lodestore::{Change, ErrorKind, Table, Tier, row};

use crate::Project;

const OLD: &str = "id : int32\n---\nnote = '' : varchar(10)\ndepth = null : int32\ntrace = null : <npy@>";

fn table(project: &Project) -> Table {
    let table = project.lab.declare("Session", Tier::Manual, OLD).unwrap();
    table.insert([row! { "id" => 1, "note" => "a", "depth" => 300 }, row! { "id" => 2, "note" => "b" }]).unwrap();
    table
}

#[test]
fn a_table_gets_another_definition() {
    let project = Project::new();
    let old = table(&project);
    let plan = old
        .alteration("id : int32\n---\nremark = '' : varchar(20) # {note}\nmore = 5 : int8\ndepth=null:int64")
        .unwrap();
    assert_eq!(plan.changes.len(), 4);
    assert!(matches!(&plan.changes[0], Change::Drop(attribute) if attribute.name == "trace"));
    // Planning changes nothing.
    assert!(old.renewed().unwrap().is_none());
    let new = old.alter(&plan).unwrap();
    assert_eq!(new.heading().names().collect::<Vec<_>>(), ["id", "remark", "more", "depth"]);
    let first = new.restrict("id = 1").unwrap().fetch1().unwrap();
    assert_eq!(
        (first.get("remark"), first.get("more"), first.get("depth")),
        (Some(&"a".into()), Some(&5.into()), Some(&300.into()))
    );
    // The value in hand is what it was; renewed, it is the new table.
    assert_eq!(old.heading().names().nth(1), Some("note"));
    assert_eq!(old.renewed().unwrap().unwrap().heading(), new.heading());
    assert!(new.alteration(&new.describe(&|_| None).unwrap()).unwrap().is_empty());
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let project = Project::new();
    let table = table(&project);
    let cases = [
        ("id : int64\n---\nnote = '' : varchar(10)", ErrorKind::Unsupported),
        ("id : int32\n---\nnote = '' : varchar(10)\ndepth = null : int8", ErrorKind::InvalidValue),
        ("id : int32\n---\nnote = '' : varchar(10)\ndepth : int32", ErrorKind::MissingAttribute),
        ("id : int32\n---\nnote = '' : varchar(10)\nmore : int32", ErrorKind::MissingAttribute),
        ("id : int32\n---\nnote : date", ErrorKind::InvalidValue),
    ];
    for (definition, kind) in cases {
        let error = table.alteration(definition).and_then(|plan| table.alter(&plan)).unwrap_err();
        assert_eq!(error.kind(), kind, "{definition}: {error}");
        assert!(table.renewed().unwrap().is_none());
    }
    let misfit = table.alteration("id : int32\n---\nnote=null : varchar(10)\ndepth = null : int8").unwrap();
    let error = table.alter(&misfit).unwrap_err();
    let context: Vec<_> = error.context().collect();
    assert!(context.contains(&("key", "id=1")) && context.contains(&("attribute", "depth")), "{error}");
}

#[test]
fn a_plan_is_for_the_table_that_it_was_made_for() {
    let project = Project::new();
    let table = table(&project);
    let first = table.alteration("id : int32\n---\nnote = '' : varchar(20)\ndepth=null:int32").unwrap();
    let second = table.alteration("id : int32\n---\nnote = '' : varchar(30)\ndepth=null:int32").unwrap();
    table.alter(&first).unwrap();
    // Done already, as another program may have done it: nothing is left to do.
    table.alter(&first).unwrap();
    let error = table.alter(&second).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("since the plan"), "{error}");
    let other = project.lab.declare("Other", Tier::Manual, "id : int32").unwrap();
    assert_eq!(other.alter(&second).unwrap_err().kind(), ErrorKind::InvalidRequest);
    let inside = project.instance.transaction(|| table.alter(&first).map(drop)).unwrap_err();
    assert_eq!(inside.kind(), ErrorKind::InvalidRequest);
}
