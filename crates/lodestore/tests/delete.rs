use std::collections::{BTreeMap, BTreeSet};

use lodestore::{
    DeleteOptions, Error, ErrorKind, NdArray, PartIntegrity, Projection, Query, Result, Row, Table, Tier, Top,
    Unmatched, row,
};

use crate::Project;

const IGNORE: DeleteOptions = DeleteOptions { part_integrity: PartIntegrity::Ignore };
const CASCADE: DeleteOptions = DeleteOptions { part_integrity: PartIntegrity::Cascade };

/// The values of one attribute, in order.
fn ids(query: &Query, name: &str) -> Vec<i64> {
    let rows = query.order_by(&["KEY"]).unwrap().fetch().unwrap();
    rows.iter().map(|row| row.get(name).unwrap().as_i64().unwrap()).collect()
}

/// Subjects with litters, whose mother and father are subjects, and sessions with scans.
fn family(project: &Project) -> [Table; 4] {
    let lab = &project.lab;
    let subject = lab.declare("Subject", Tier::Manual, "subject : int32").unwrap();
    let litter = lab
        .declare(
            "Litter",
            Tier::Manual,
            "litter : int32\n---\n-> Subject.proj(mother='subject')\n-> [nullable] Subject.proj(father='subject')",
        )
        .unwrap();
    let session = lab.declare("Session", Tier::Manual, "-> Subject\nsession : int32").unwrap();
    let scan = lab.declare("Scan", Tier::Imported, "-> Session\n---\nn : int32").unwrap();
    subject.insert((1..=4).map(|n| row! { "subject" => n })).unwrap();
    litter
        .insert([
            row! { "litter" => 1, "mother" => 1, "father" => 2 },
            row! { "litter" => 2, "mother" => 3, "father" => 1 },
            row! { "litter" => 3, "mother" => 3 },
            row! { "litter" => 4, "mother" => 1, "father" => 1 },
        ])
        .unwrap();
    session.insert((1..=3).map(|n| row! { "subject" => n, "session" => 1 })).unwrap();
    scan.insert([row! { "subject" => 1, "session" => 1, "n" => 5 }, row! { "subject" => 3, "session" => 1, "n" => 7 }])
        .unwrap();
    [subject, litter, session, scan]
}

#[test]
fn every_way_to_a_table_counts_and_each_row_once() {
    let project = Project::new();
    let [subject, litter, session, scan] = family(&project);
    let first = subject.restrict("subject = 1").unwrap();
    let affected = first.preview_delete(DeleteOptions::default()).unwrap();
    let shown: Vec<(&str, u64)> = affected.iter().map(|table| (table.table.table.as_str(), table.rows)).collect();
    assert_eq!(shown, [("subject", 1), ("litter", 3), ("session", 1), ("_scan", 1)]);
    // A preview changes nothing.
    assert_eq!((subject.len().unwrap(), litter.len().unwrap()), (4, 4));
    assert_eq!(first.delete().unwrap(), 1);
    assert_eq!(ids(&litter, "litter"), [3]);
    assert_eq!(ids(&session, "subject"), [2, 3]);
    assert_eq!(ids(&scan, "subject"), [3]);
}

#[test]
fn a_condition_on_rows_that_go_first_means_what_it_says() {
    let project = Project::new();
    let [subject, _, session, scan] = family(&project);
    // Scans are deleted before sessions, and must not take the condition with them.
    assert_eq!(session.restrict(&scan).unwrap().delete().unwrap(), 2);
    assert_eq!((ids(&session, "subject"), scan.len().unwrap()), (vec![2], 0));
    let counted = subject
        .aggregate(&session, &Projection::default().with("n", "count(session)"), Unmatched::Keep)
        .unwrap()
        .restrict("n = 1")
        .unwrap();
    assert_eq!(subject.restrict(&counted).unwrap().delete().unwrap(), 1);
    assert_eq!((ids(&subject, "subject"), session.len().unwrap()), (vec![1, 3, 4], 0));
    let text = "subject IN (SELECT mother FROM \"lab.litter\")";
    assert_eq!(subject.restrict(text).unwrap().delete().unwrap(), 2);
    assert_eq!(ids(&subject, "subject"), [4]);
}

#[test]
fn limits_projections_and_exclusions_delete_what_they_show() {
    let project = Project::new();
    let [subject, litter, session, _] = family(&project);
    assert_eq!(session.top(&Top::ordered(["subject desc"]).with_limit(1)).unwrap().delete().unwrap(), 1);
    assert_eq!(ids(&session, "subject"), [1, 2]);
    let computed = subject.project_with(&Projection::default().with("twice", "2 * subject")).unwrap();
    assert_eq!(computed.restrict("twice = 4").unwrap().delete().unwrap(), 1);
    assert_eq!((ids(&subject, "subject"), ids(&litter, "litter")), (vec![1, 3, 4], vec![2, 3, 4]));
    assert_eq!(subject.exclude(&session).unwrap().delete().unwrap(), 2);
    assert_eq!(ids(&subject, "subject"), [1]);
    // What is no table, or a mapping that restricts nothing, deletes nothing.
    let joined = subject.join(&session).unwrap();
    assert_eq!(joined.delete().unwrap_err().kind(), ErrorKind::InvalidRequest);
    let renamed = subject.project_with(&Projection::default().with("s", "subject")).unwrap();
    assert_eq!(renamed.delete().unwrap_err().kind(), ErrorKind::InvalidRequest);
    let vacuous = subject.restrict(row! { "sujbect" => 1 }).unwrap();
    assert_eq!(vacuous.delete().unwrap_err().kind(), ErrorKind::InvalidCondition);
    assert_eq!(vacuous.delete_quick().unwrap_err().kind(), ErrorKind::InvalidCondition);
    assert_eq!(vacuous.preview_delete(IGNORE).unwrap_err().kind(), ErrorKind::InvalidCondition);
    assert_eq!(subject.len().unwrap(), 1);
}

#[test]
fn no_row_is_deleted_where_none_is_restricted_to() {
    let project = Project::new();
    let [subject, ..] = family(&project);
    let none = subject.restrict("subject = 99").unwrap();
    assert_eq!(none.preview_delete(DeleteOptions::default()).unwrap(), []);
    assert_eq!(none.delete().unwrap(), 0);
    assert_eq!(none.delete_if(DeleteOptions::default(), |_| panic!("nothing to ask")).unwrap(), 0);
}

#[test]
fn what_was_shown_is_what_is_deleted() {
    let project = Project::new();
    let [subject, litter, session, _] = family(&project);
    let second = subject.restrict("subject = 2").unwrap();
    assert_eq!(second.delete_if(DeleteOptions::default(), |_| Ok(false)).unwrap(), 0);
    assert_eq!(subject.len().unwrap(), 4);
    let outcome = second.delete_if(DeleteOptions::default(), |shown| {
        assert_eq!(shown.iter().map(|table| table.rows).collect::<Vec<_>>(), [1, 1, 1]);
        session.insert1(row! { "subject" => 2, "session" => 2 })?;
        Ok(true)
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert_eq!((subject.len().unwrap(), litter.len().unwrap(), session.len().unwrap()), (4, 4, 4));
    assert_eq!(second.delete_if(DeleteOptions::default(), |_| Ok(true)).unwrap(), 1);
    assert_eq!(ids(&session, "subject"), [1, 3]);
}

#[test]
fn a_delete_inside_a_transaction_is_part_of_it() {
    let project = Project::new();
    let [subject, litter, session, _] = family(&project);
    let outcome: Result<()> = project.instance.transaction(|| {
        assert_eq!(subject.restrict("subject = 1")?.delete()?, 1);
        assert_eq!(subject.restrict("subject = 2")?.delete()?, 1);
        assert_eq!(litter.len()?, 1);
        Err(Error::new(ErrorKind::User, "no"))
    });
    assert_eq!(outcome.unwrap_err().message(), "no");
    assert_eq!((subject.len().unwrap(), litter.len().unwrap()), (4, 4));
    project
        .instance
        .transaction(|| {
            session.insert1(row! { "subject" => 4, "session" => 1 })?;
            assert_eq!(subject.restrict("subject = 4")?.delete_quick().unwrap_err().kind(), ErrorKind::StillReferenced);
            subject.restrict("subject = 4")?.delete().map(drop)
        })
        .unwrap();
    assert_eq!(ids(&subject, "subject"), [1, 2, 3]);
}

#[test]
fn a_quick_delete_is_refused_where_rows_are_referred_to_and_names_the_children() {
    let project = Project::new();
    let [subject, _, session, _] = family(&project);
    let error = subject.restrict("subject = 1").unwrap().delete_quick().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StillReferenced);
    assert!(error.hint().unwrap().contains("`lab.litter`, `lab.session`"), "{error:?}");
    assert_eq!(session.restrict("subject = 2").unwrap().delete_quick().unwrap(), 1);
}

/// A master with two parts, one below the other, and a table that one of the parts refers to.
fn pipeline(project: &Project) -> [Table; 5] {
    let lab = &project.lab;
    let method = lab.declare("Method", Tier::Lookup, "method : int32").unwrap();
    let session = lab.declare("Session", Tier::Manual, "session : int32").unwrap();
    let trial = lab.declare_part(&session, "Trial", "-> master\ntrial : int32\n---\n-> Method").unwrap();
    let event = lab.declare_part(&session, "Event", "-> SessionTrial\nevent : int32");
    assert!(event.is_err(), "parts are named by their masters");
    let event = lab.declare_part(&session, "Event", "-> Session.Trial\nevent : int32").unwrap();
    let report = lab.declare("Report", Tier::Computed, "-> Session").unwrap();
    method.insert([row! { "method" => 1 }, row! { "method" => 2 }]).unwrap();
    session.insert((1..=3).map(|n| row! { "session" => n })).unwrap();
    report.insert((1..=3).map(|n| row! { "session" => n })).unwrap();
    for (n, method) in [(1, 1), (2, 2), (3, 2)] {
        trial.insert1(row! { "session" => n, "trial" => 1, "method" => method }).unwrap();
        trial.insert1(row! { "session" => n, "trial" => 2, "method" => 2 }).unwrap();
        event.insert((1..=2).map(|trial| row! { "session" => n, "trial" => trial, "event" => 1 })).unwrap();
    }
    [method, session, trial, event, report]
}

#[test]
fn parts_go_with_their_master_and_not_without() {
    let project = Project::new();
    let [method, session, trial, event, report] = pipeline(&project);
    let lengths = || [&method, &session, &trial, &event, &report].map(|table| table.len().unwrap());
    assert_eq!(session.restrict("session = 3").unwrap().delete().unwrap(), 1);
    assert_eq!(lengths(), [2, 2, 4, 4, 2]);
    // From the part itself, and from a table that the part refers to.
    for query in [&trial.restrict("trial = 1").unwrap(), &*event, &method.restrict("method = 1").unwrap()] {
        let error = query.delete().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
        assert!(error.hint().unwrap().contains("part_integrity"), "{error:?}");
    }
    assert_eq!(lengths(), [2, 2, 4, 4, 2]);
    // The master loses a part, or goes with it.
    assert_eq!(event.restrict("session = 1 and trial = 2").unwrap().delete_opts(IGNORE).unwrap(), 1);
    assert_eq!(lengths(), [2, 2, 4, 3, 2]);
    assert_eq!(method.restrict("method = 1").unwrap().delete_opts(CASCADE).unwrap(), 1);
    assert_eq!(lengths(), [1, 1, 2, 2, 1]);
    assert_eq!(ids(&session, "session"), [2]);
    assert_eq!(event.delete_opts(CASCADE).unwrap(), 2);
    assert_eq!(lengths(), [1, 0, 0, 0, 0]);
}

#[test]
fn the_check_of_parts_looks_at_rows_and_not_at_tables() {
    let project = Project::new();
    // A subject has sessions; a session's trial may be about another subject.
    let lab = &project.lab;
    let subject = lab.declare("Subject", Tier::Manual, "subject : int32").unwrap();
    let session = lab.declare("Session", Tier::Manual, "session : int32\n---\n-> Subject").unwrap();
    let trial = lab
        .declare_part(&session, "Trial", "-> master\ntrial : int32\n---\n-> [nullable] Subject.proj(guest='subject')")
        .unwrap();
    subject.insert((1..=3).map(|n| row! { "subject" => n })).unwrap();
    session.insert((1..=3).map(|n| row! { "session" => n, "subject" => n })).unwrap();
    trial
        .insert([
            row! { "session" => 1, "trial" => 1 },
            row! { "session" => 2, "trial" => 1, "guest" => 1 },
            row! { "session" => 3, "trial" => 1, "guest" => 3 },
        ])
        .unwrap();
    // Session 1 goes, with its trial; session 2 would lose one and stay.
    let one = subject.restrict("subject = 1").unwrap();
    let error = one.delete().unwrap_err();
    assert!(error.message().contains("1 rows of a part"), "{error:?}");
    assert_eq!(subject.restrict("subject = 3").unwrap().delete().unwrap(), 1);
    assert_eq!((session.len().unwrap(), trial.len().unwrap()), (2, 2));
    assert_eq!(one.delete_opts(CASCADE).unwrap(), 1);
    assert_eq!((session.len().unwrap(), trial.len().unwrap()), (0, 0));
    assert_eq!(ids(&subject, "subject"), [2]);
}

#[test]
fn a_preview_tells_of_objects_and_they_go_with_their_rows() {
    let project = Project::new();
    let session = project.lab.declare("Session", Tier::Manual, "session : int32").unwrap();
    let trace = project
        .lab
        .declare("Trace", Tier::Manual, "-> Session\n---\nsamples : <npy@>\nextra=null : <blob@>\nsmall=null : <blob>")
        .unwrap();
    session.insert([row! { "session" => 1 }, row! { "session" => 2 }]).unwrap();
    let samples = || NdArray::from_f64(&[1.0; 100]);
    trace
        .insert([
            row! { "session" => 1, "samples" => samples(), "extra" => "x", "small" => "y" },
            row! { "session" => 2, "samples" => samples() },
        ])
        .unwrap();
    let affected = session.preview_delete(DeleteOptions::default()).unwrap();
    assert_eq!((affected[0].objects, affected[0].bytes), (0, 0));
    assert_eq!((affected[1].rows, affected[1].objects), (2, 3));
    let store = project.instance.store("").unwrap();
    let path = |path: &String| lodestore::StorePath::new(path.as_str()).unwrap();
    let sizes = project.objects().iter().map(|object| store.size(&path(object)).unwrap().unwrap()).sum::<u64>();
    assert_eq!(affected[1].bytes, sizes);
    session.delete().unwrap();
    assert_eq!((trace.len().unwrap(), project.objects().len()), (0, 0));
}

/// A sequence of numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

/// A foreign key of the model: the parent, the columns, and whether it is in the primary key.
struct Link {
    parent: usize,
    columns: Vec<(String, String)>,
}

/// Random tables and rows: a delete removes exactly what a search in memory finds.
#[test]
fn random_tables_lose_exactly_what_depends_on_what_is_deleted() {
    for seed in 0..60 {
        random_case(&mut Dice(seed));
    }
}

fn random_case(dice: &mut Dice) {
    let project = Project::new();
    let mut tables: Vec<(Table, Vec<Link>, Vec<Row>)> = Vec::new();
    let count = 2 + dice.below(5);
    for number in 0..count {
        let mut lines = vec![format!("k{number} : int32")];
        let mut secondary = Vec::new();
        let mut links = Vec::new();
        for (at, (parent, ..)) in tables.iter().enumerate() {
            for copy in 0..dice.below(3) {
                let keys: Vec<&str> = parent.heading().primary_key().map(|a| a.name.as_str()).collect();
                // The first copy may keep its names, and share columns with other foreign keys; others are renamed.
                let renamed = copy > 0 || dice.below(2) == 0;
                let name = |key: &str| if renamed { format!("r{number}_{at}_{copy}_{key}") } else { key.to_owned() };
                let columns: Vec<_> = keys.iter().map(|key| (name(key), (*key).to_owned())).collect();
                let known =
                    |column: &String| links.iter().any(|l: &Link| l.columns.iter().any(|(own, _)| own == column));
                if columns.iter().any(|(own, _)| known(own)) {
                    continue;
                }
                let pairs: Vec<String> = columns.iter().map(|(own, key)| format!("{own}='{key}'")).collect();
                let class = parent.name().table.to_class();
                let reference = if renamed { format!("{class}.proj({})", pairs.join(", ")) } else { class };
                match dice.below(3) {
                    0 if columns.len() < 3 => lines.push(format!("-> {reference}")),
                    1 => secondary.push(format!("-> {reference}")),
                    _ => secondary.push(format!("-> [nullable] {reference}")),
                }
                links.push(Link { parent: at, columns });
            }
        }
        let definition = format!("{}\n---\n{}", lines.join("\n"), secondary.join("\n"));
        let table = project.lab.declare(&format!("T{number}"), Tier::Manual, &definition).unwrap();
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for _ in 0..dice.below(12) {
            let mut row = Row::default().with(&format!("k{number}"), dice.below(4) as i64);
            let mut complete = true;
            for link in &links {
                let nullable = table.heading().get(&link.columns[0].0).unwrap().nullable;
                let parents = &tables[link.parent].2;
                if parents.is_empty() || (nullable && dice.below(3) == 0) {
                    complete &= nullable;
                    continue;
                }
                let parent = &parents[dice.below(parents.len())];
                for (own, key) in &link.columns {
                    row = row.with(own, parent.value(key).unwrap().clone());
                }
            }
            let key: Vec<String> = table.heading().primary_key().map(|a| format!("{:?}", row.get(&a.name))).collect();
            if complete {
                rows.entry(key.concat()).or_insert(row);
            }
        }
        let rows: Vec<Row> = rows.into_values().collect();
        table.insert(rows.clone()).unwrap();
        tables.push((table, links, rows));
    }
    let (root, value) = (dice.below(count), dice.below(4) as i64);
    let mut doomed: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (at, row) in tables[root].2.iter().enumerate() {
        if row.get(&format!("k{root}")).unwrap().as_i64() == Some(value) {
            doomed.insert((root, at));
        }
    }
    let expected = doomed.len() as u64;
    for (number, (_, links, rows)) in tables.iter().enumerate() {
        for (at, row) in rows.iter().enumerate() {
            let refers = |link: &Link, parent: &Row| {
                link.columns.iter().all(|(own, key)| row.get(own).is_some_and(|value| parent.get(key) == Some(value)))
            };
            let found = links.iter().any(|link| {
                let parents = &tables[link.parent].2;
                (0..parents.len()).any(|p| doomed.contains(&(link.parent, p)) && refers(link, &parents[p]))
            });
            if found {
                doomed.insert((number, at));
            }
        }
    }
    let query = tables[root].0.restrict(Row::default().with(&format!("k{root}"), value)).unwrap();
    let shown: u64 = query.preview_delete(IGNORE).unwrap().iter().map(|table| table.rows).sum();
    assert_eq!(shown, doomed.len() as u64);
    assert_eq!(query.delete().unwrap(), expected);
    for (number, (table, _, rows)) in tables.iter().enumerate() {
        let key = |row: &Row| -> String {
            table.heading().primary_key().map(|a| format!("{:?} ", row.get(&a.name).unwrap())).collect()
        };
        let left: BTreeSet<String> = table.fetch().unwrap().iter().map(key).collect();
        let kept = rows.iter().enumerate().filter(|(at, _)| !doomed.contains(&(number, *at)));
        assert_eq!(left, kept.map(|(_, row)| key(row)).collect(), "table {number}");
    }
}
