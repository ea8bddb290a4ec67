use lodestore::{ErrorKind, NdArray, NpyRef, Tier, row};

use crate::Project;

#[test]
fn one_row_changes_and_its_new_objects_go_with_a_rollback() {
    let project = Project::new();
    let table =
        project.lab.declare("Trace", Tier::Manual, "id : int32\n---\nsamples : <npy@>\nnote='-' : varchar(9)").unwrap();
    table.insert1(row! { "id" => 1, "samples" => NdArray::from_f64(&[1.0]) }).unwrap();
    table.update1(row! { "id" => 1, "note" => "x" }).unwrap();
    let row = table.fetch1().unwrap();
    assert_eq!(row.get("note"), Some(&"x".into()));
    let outcome: lodestore::Result<()> = project.instance.transaction(|| {
        table.update1(row! { "id" => 1, "samples" => NdArray::from_f64(&[2.0, 3.0]) })?;
        assert_eq!(project.objects().len(), 2);
        table.update1(row! { "id" => 7, "note" => "y" })
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::RowCount);
    assert_eq!(project.objects().len(), 1);
    // The same object again, by a restriction that names the row.
    table.restrict("id = 1").unwrap().update1(row! { "samples" => row.value("samples").unwrap().clone() }).unwrap();
    assert_eq!(project.objects().len(), 1);
    let samples = NpyRef::from_value(&project.instance, table.fetch1().unwrap().value("samples").unwrap()).unwrap();
    assert_eq!(samples.load().unwrap().to_f64(), Some(vec![1.0]));
    let error = table.update1(row! { "note" => "y" }).unwrap_err();
    assert_eq!((error.kind(), error.context().next()), (ErrorKind::InvalidRequest, Some(("table", "lab.trace"))));
    let long = table.update1(row! { "id" => 1, "note" => "much too long" }).unwrap_err();
    assert_eq!(long.kind(), ErrorKind::InvalidValue);
}
