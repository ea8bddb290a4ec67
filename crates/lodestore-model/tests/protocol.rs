//! The protocol keeps its promises, and every precaution is needed.

use lodestore_model::{Broken, Cast, Condemned, LookOrder, Outcome, Protocol, Settle, explore, explore_for, wander};

const SMALL: Cast = Cast { writers: 2, collectors: 2, contents: 1 };

fn whole() -> Protocol {
    Protocol::default()
}

fn assert_kept(protocol: &Protocol, cast: Cast) -> Outcome {
    let outcome = explore(protocol, cast);
    if let Some((broken, way)) = &outcome.broken {
        panic!("{broken:?} with {cast:?} after\n  {}", way.join("\n  "));
    }
    println!("{cast:?}: {} states, {} transitions, depth {}", outcome.states, outcome.transitions, outcome.depth);
    outcome
}

/// As on SQLite: the operating system tells which writers live, and files of intents are struck after the commit.
fn with_files() -> Protocol {
    Protocol { settle: Settle::AfterCommit, leases_expire: false, fenced: false, ..whole() }
}

#[test]
fn promises_are_kept() {
    let outcome = assert_kept(&whole(), SMALL);
    assert!(outcome.states > 1_000_000);
    assert_kept(&with_files(), SMALL);
}

#[test]
#[ignore = "minutes: make soak"]
fn promises_are_kept_by_three_writers_and_two_collectors() {
    assert_kept(&whole(), Cast { writers: 3, collectors: 2, contents: 1 });
    assert_kept(&Protocol { settle: Settle::AfterCommit, ..whole() }, SMALL);
    assert_kept(&with_files(), Cast { writers: 3, collectors: 2, contents: 1 });
    assert_kept(&whole(), Cast { writers: 1, collectors: 1, contents: 2 });
}

/// Three writers and two collectors at two contents: too many states for all to be visited.
const GREAT: Cast = Cast { writers: 3, collectors: 2, contents: 2 };

fn walk(protocol: &Protocol, steps: usize) -> Outcome {
    let outcome = wander(protocol, GREAT, steps, 2026);
    println!("{GREAT:?}, at random: {} steps, {} looked at", outcome.states, outcome.transitions);
    outcome
}

#[test]
fn promises_are_kept_wherever_one_wanders() {
    for protocol in [whole(), with_files()] {
        let outcome = walk(&protocol, 500_000);
        assert!(outcome.broken.is_none(), "{:?}", outcome.broken);
    }
    assert!(walk(&Protocol { second_look: false, ..whole() }, 500_000).broken.is_some());
    assert!(walk(&Protocol { rollback_releases: false, ..whole() }, 500_000).broken.is_some());
}

#[test]
#[ignore = "minutes: make soak"]
fn promises_are_kept_on_long_walks() {
    for protocol in [whole(), with_files()] {
        let outcome = walk(&protocol, 100_000_000);
        assert!(outcome.broken.is_none(), "{:?}", outcome.broken);
    }
}

/// Leaves out one precaution, and expects the model to see data lost, or else objects left over.
fn assert_needed(what: &str, protocol: &Protocol, sought: &[Broken]) {
    let outcome = explore_for(sought, protocol, SMALL);
    let (broken, way) =
        outcome.broken.unwrap_or_else(|| panic!("{what}: nothing went wrong in {} states", outcome.states));
    println!("{what}: {broken:?} after {} steps", way.len());
}

#[test]
fn without_these_precautions_data_are_lost() {
    for (what, protocol) in [
        ("no intent where an object is reused", Protocol { intends_reuse: false, ..whole() }),
        ("looking before the intent is committed", Protocol { looks_after_intent: false, ..whole() }),
        ("relying on a condemned object", Protocol { condemned: Condemned::Rely, ..whole() }),
        ("writing a condemned object anew", Protocol { condemned: Condemned::Rewrite, ..whole() }),
        ("copying rows without an intent", Protocol { intends_copies: false, ..whole() }),
        ("copying rows without a look", Protocol { copies_look: false, ..whole() }),
        ("settling before the commit", Protocol { settle: Settle::BeforeCommit, ..whole() }),
        ("a commit that does not look at its intent", Protocol { fenced: false, ..whole() }),
        ("the same, settling later", Protocol { fenced: false, settle: Settle::AfterCommit, ..whole() }),
        ("expired intents that stay in force", Protocol { revokes: false, ..whole() }),
        ("condemning after the look", Protocol { condemns_before_look: false, ..whole() }),
        ("no second look", Protocol { second_look: false, ..whole() }),
        ("references before intents", Protocol { look_order: LookOrder::ReferencesFirst, ..whole() }),
        ("lifting a condemnation", Protocol { keeps_condemned: false, ..whole() }),
    ] {
        assert_needed(what, &protocol, &Broken::LOSS);
    }
}

#[test]
fn without_these_precautions_objects_are_forgotten() {
    for (what, protocol) in [
        ("a rollback that takes its intent along", Protocol { rollback_releases: false, ..whole() }),
        ("a release after the delete", Protocol { releases_with_delete: false, ..whole() }),
        ("revoking without a release", Protocol { revoking_releases: false, keeps_revoked: false, ..whole() }),
        ("forgetting revoked intents", Protocol { keeps_revoked: false, ..whole() }),
        ("striking releases of others", Protocol { strikes_taken_releases: false, ..whole() }),
        ("striking before the object is gone", Protocol { strikes_last: false, ..whole() }),
    ] {
        assert_needed(what, &protocol, &[Broken::Forgotten, Broken::LeftBehind]);
    }
}
