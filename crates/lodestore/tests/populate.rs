use std::cell::Cell;

use lodestore::{Error, ErrorKind, PopulateOptions, Tier, row};

use crate::Project;

fn tables(project: &Project) -> (lodestore::Table, lodestore::Table) {
    let lab = &project.lab;
    let session = lab.declare("Session", Tier::Manual, "session : int16").unwrap();
    let method = lab.declare("Method", Tier::Lookup, "method : varchar(9)").unwrap();
    let result = lab.declare("Outcome", Tier::Computed, "-> Session\n-> Method\n---\nvalue : int32").unwrap();
    session.insert((1..4).map(|n| row! { "session" => n })).unwrap();
    method.insert(["a", "b"].map(|name| row! { "method" => name })).unwrap();
    (session, result)
}

#[test]
fn each_missing_key_is_computed_once() {
    let project = Project::new();
    let (session, outcome) = tables(&project);
    let calls = Cell::new(0);
    let make = |key: &lodestore::Row| {
        calls.set(calls.get() + 1);
        outcome.insert1(key.clone().with("value", 10))
    };
    assert_eq!(outcome.populate(make).unwrap().success_count, 6);
    assert_eq!((outcome.len().unwrap(), calls.get()), (6, 6));
    session.insert1(row! { "session" => 4 }).unwrap();
    assert_eq!(outcome.populate(make).unwrap().success_count, 2);
    let some = outcome.key_source().unwrap().restrict("session = 1").unwrap();
    assert_eq!(outcome.populate_from(&some, &some, PopulateOptions::default(), make).unwrap().success_count, 0);
    outcome.delete().unwrap();
    let options = PopulateOptions { max_calls: Some(3), ..PopulateOptions::default() };
    let all = outcome.key_source().unwrap();
    assert_eq!(outcome.populate_from(&all, &all, options, make).unwrap().success_count, 3);
}

#[test]
fn a_failing_make_leaves_nothing_behind() {
    let project = Project::new();
    let (_, outcome) = tables(&project);
    let make = |key: &lodestore::Row| {
        outcome.insert1(key.clone().with("value", 1))?;
        match key.get("session").and_then(lodestore::Value::as_i64) {
            Some(2) => Err(Error::new(ErrorKind::User, "two is bad")),
            _ => Ok(()),
        }
    };
    let options = PopulateOptions { suppress_errors: true, ..PopulateOptions::default() };
    let all = outcome.key_source().unwrap();
    let report = outcome.populate_from(&all, &all, options, make).unwrap();
    assert_eq!((report.success_count, report.errors.len(), outcome.len().unwrap()), (4, 2, 4));
    assert_eq!(outcome.populate(make).unwrap_err().message(), "two is bad");
    assert!(!project.instance.in_transaction());
}

#[test]
fn where_it_makes_no_sense_it_says_so() {
    let project = Project::new();
    let alone = project.lab.declare("Alone", Tier::Computed, "id : int8").unwrap();
    assert!(alone.populate(|_| Ok(())).unwrap_err().report().contains("foreign key"));
    let (_, outcome) = tables(&project);
    let nested = project.instance.transaction(|| outcome.populate(|_| Ok(())));
    assert_eq!(nested.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[test]
fn workers_empty_one_queue() {
    let project = Project::new();
    let (_, outcome) = tables(&project);
    let options = PopulateOptions { reserve_jobs: true, ..PopulateOptions::default() };
    let made = std::thread::scope(|scope| {
        let work = || {
            scope.spawn(|| {
                let make = |key: &lodestore::Row| outcome.insert1(key.clone().with("value", 1));
                outcome.populate_with(options, make).unwrap().success_count
            })
        };
        let workers: Vec<_> = (0..4).map(|_| work()).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum::<u64>()
    });
    assert_eq!((made, outcome.len().unwrap(), outcome.jobs().unwrap().progress().unwrap().total()), (6, 6, 0));
}

#[test]
fn a_failed_job_tells_why_and_waits() {
    let project = Project::new();
    let (_, outcome) = tables(&project);
    let options = PopulateOptions { reserve_jobs: true, suppress_errors: true, ..PopulateOptions::default() };
    let make = |_: &lodestore::Row| Err(Error::new(ErrorKind::User, "no luck"));
    assert_eq!(outcome.populate_with(options, make).unwrap().errors.len(), 6);
    let jobs = outcome.jobs().unwrap();
    let failed = jobs.with_status(lodestore::JobStatus::Error).unwrap().fetch().unwrap();
    assert_eq!(failed.len(), 6);
    assert_eq!(failed[0].get("error_message"), Some(&"no luck".into()));
    assert_eq!(jobs.progress().unwrap().of(lodestore::JobStatus::Error), 6);
    // What the user stops is given back.
    jobs.table().delete_quick().unwrap();
    let stop = |_: &lodestore::Row| Err(Error::new(ErrorKind::Interrupted, "stop"));
    assert_eq!(outcome.populate_with(options, stop).unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(jobs.progress().unwrap().of(lodestore::JobStatus::Pending), 6);
}

#[test]
fn what_changed_while_it_was_computed_is_noticed() {
    let project = Project::new();
    let (session, outcome) = tables(&project);
    let fetch = |key: &lodestore::Row| Ok((session.len()?, key.clone()));
    let compute = |_: &lodestore::Row, _: &(u64, lodestore::Row)| {
        assert!(!project.instance.in_transaction());
        session.insert1(row! { "session" => 100 + session.len()? as i64 }).map(|()| 7)
    };
    let insert = |key: &lodestore::Row, value: i32| outcome.insert1(key.clone().with("value", value));
    let parts = lodestore::Parts { fetch, compute, insert };
    let error = outcome.populate_with(PopulateOptions::default(), parts).unwrap_err();
    assert!(error.message().contains("changed meanwhile"), "{error}");
    assert!(outcome.is_empty().unwrap());
}

#[test]
fn what_the_database_took_back_is_made_again() {
    let project = Project::new();
    let (_, outcome) = tables(&project);
    let calls = Cell::new(0);
    let make = |key: &lodestore::Row| {
        calls.set(calls.get() + 1);
        outcome.insert1(key.clone().with("value", 1))?;
        match calls.get() % 2 {
            1 => Err(Error::new(ErrorKind::LostConnection, "another process holds what this one needs")),
            _ => Ok(()),
        }
    };
    assert_eq!(outcome.populate(make).unwrap().success_count, 6);
    assert_eq!((calls.get(), outcome.len().unwrap()), (12, 6));
    outcome.delete().unwrap();
    let never = |_: &lodestore::Row| Err(Error::new(ErrorKind::LostConnection, "gone"));
    assert_eq!(outcome.populate(never).unwrap_err().kind(), ErrorKind::LostConnection);
}
