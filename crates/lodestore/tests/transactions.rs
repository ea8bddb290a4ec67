use lodestore::{Error, ErrorKind, NdArray, Result, Tier, row};

use crate::Project;

#[test]
fn a_rollback_takes_rows_and_own_objects_back() {
    let project = Project::new();
    let table = project.lab.declare("Trace", Tier::Manual, "id : int8\n---\nsamples : <npy@>").unwrap();
    let insert = |id: i64| table.insert1(row! { "id" => id, "samples" => NdArray::from_f64(&[1.0]) });
    let outcome: Result<()> = project.instance.transaction(|| {
        insert(1)?;
        insert(2)?;
        assert_eq!(table.len()?, 2);
        Err(Error::new(ErrorKind::User, "no"))
    });
    assert_eq!(outcome.unwrap_err().message(), "no");
    assert_eq!((table.len().unwrap(), project.objects().len()), (0, 0));
    project.instance.transaction(|| insert(3)).unwrap();
    assert_eq!((table.len().unwrap(), project.objects().len()), (1, 1));
}

#[test]
fn a_refused_statement_does_not_spoil_the_transaction_around_it() {
    let project = Project::new();
    let table = project.lab.declare("Plain", Tier::Manual, "id : int8").unwrap();
    project
        .instance
        .transaction(|| {
            table.insert1(row! { "id" => 1 })?;
            let both = table.insert([row! { "id" => 2 }, row! { "id" => 1 }]);
            assert_eq!(both.unwrap_err().kind(), ErrorKind::Duplicate);
            table.insert1(row! { "id" => 3 })
        })
        .unwrap();
    let ids: Vec<_> = table.fetch().unwrap().iter().map(|row| row.get("id").unwrap().as_i64().unwrap()).collect();
    assert_eq!(ids, [1, 3]);
}

#[test]
fn transactions_do_not_nest_and_a_panic_ends_one() {
    let project = Project::new();
    let table = project.lab.declare("Plain", Tier::Manual, "id : int8").unwrap();
    let nested = project.instance.transaction(|| project.instance.transaction(|| Ok(())));
    assert_eq!(nested.unwrap_err().kind(), ErrorKind::InvalidRequest);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        project.instance.transaction(|| -> Result<()> {
            table.insert1(row! { "id" => 1 })?;
            panic!("stop")
        })
    }));
    assert!(panicked.is_err() && !project.instance.in_transaction());
    assert_eq!(table.len().unwrap(), 0);
    assert_eq!(project.instance.commit().unwrap_err().kind(), ErrorKind::InvalidRequest);
    project.instance.rollback().unwrap();
}

#[test]
fn threads_have_transactions_of_their_own() {
    let project = Project::new();
    let table = project.lab.declare("Plain", Tier::Manual, "id : int32").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (table, instance) = (&table, &project.instance);
            scope.spawn(move || {
                for n in 0..20 {
                    instance.transaction(|| table.insert1(row! { "id" => thread * 100 + n })).unwrap();
                }
            });
        }
    });
    assert_eq!(table.len().unwrap(), 80);
}
