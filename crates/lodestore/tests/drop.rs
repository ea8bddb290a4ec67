use lodestore::{ErrorKind, PartIntegrity, Tier, row};

use crate::Project;

#[test]
fn tables_are_dropped_with_what_depends_on_them_if_one_agrees() {
    let project = Project::new();
    let lab = &project.lab;
    let subject = lab.declare("Subject", Tier::Manual, "subject : int32").unwrap();
    let session = lab.declare("Session", Tier::Manual, "-> Subject\nsession : int32").unwrap();
    let trial = lab.declare_part(&session, "Trial", "-> master\ntrial : int32").unwrap();
    subject.insert1(row! { "subject" => 1 }).unwrap();
    let names = || lab.tables().unwrap().iter().map(|table| table.as_str().to_owned()).collect::<Vec<_>>();
    let shown = std::cell::RefCell::new(Vec::new());
    let dropped = subject.drop_if(PartIntegrity::Enforce, |tables| {
        shown.borrow_mut().extend(tables.iter().map(|table| (table.table.to_string(), table.rows)));
        Ok(false)
    });
    assert_eq!(dropped.unwrap(), []);
    let expected = [("lab.subject", 1), ("lab.session", 0), ("lab.session__trial", 0)];
    assert_eq!(*shown.borrow(), expected.map(|(name, rows)| (name.to_owned(), rows)));
    assert_eq!(names().len(), 3);
    assert_eq!(trial.drop().unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert_eq!(session.drop_quick().unwrap_err().kind(), ErrorKind::StillReferenced);
    assert_eq!(session.drop().unwrap().len(), 2);
    assert_eq!(names(), ["subject"]);
    // The heading of a table that is gone is forgotten: another of its name is another table.
    let again = lab.declare("Session", Tier::Manual, "number : int64").unwrap();
    assert_eq!(again.heading().names().collect::<Vec<_>>(), ["number"]);
    again.drop_quick().unwrap();
}

#[test]
fn a_schema_is_dropped_unless_another_depends_on_it() {
    let project = Project::new();
    let subject = project.lab.declare("Subject", Tier::Manual, "subject : int32").unwrap();
    let other = project.instance.schema("other").unwrap();
    let note = other.declare("Note", Tier::Manual, "-> lab.Subject").unwrap();
    assert_eq!(note.parents().unwrap()[0].dependency.key.parent, *subject.name());
    assert_eq!(subject.descendants().unwrap(), [subject.name().clone(), note.name().clone()]);
    assert_eq!(note.ancestors().unwrap(), [note.name().clone(), subject.name().clone()]);
    let link = &subject.children().unwrap()[0];
    assert!(link.primary && !link.multi && !link.is_renamed());
    assert_eq!(project.lab.drop().unwrap_err().kind(), ErrorKind::StillReferenced);
    let in_transaction = project.instance.transaction(|| other.drop());
    assert_eq!(in_transaction.unwrap_err().kind(), ErrorKind::InvalidRequest);
    other.drop().unwrap();
    project.lab.drop().unwrap();
    assert_eq!(project.instance.schemas().unwrap(), Vec::<String>::new());
    assert!(!project.lab.drop_if(|_| panic!("there is nothing to ask about")).unwrap());
}
