//! Copies of a database, lost references and swapped stores: the promises are kept, and every precaution is needed.

use lodestore_model::{EpochBroken, EpochProtocol, EvidenceBroken, EvidenceProtocol, explore_epochs, explore_evidence};

#[test]
fn of_two_copies_one_has_the_store_and_no_database_is_refused_for_nothing() {
    let (states, broken) = explore_epochs(&EpochProtocol::default());
    println!("{states} states");
    assert_eq!(broken, None);
    assert!(states > 10_000, "{states}");
}

#[test]
fn every_precaution_about_epochs_is_needed() {
    let whole = EpochProtocol::default();
    for (what, protocol) in [
        ("the store before the journal", EpochProtocol { journal_first: false, ..whole }),
        ("forgetting the token of the claim", EpochProtocol { keeps_current: false, ..whole }),
        ("replacing a token that another may be about to use", EpochProtocol { completes: false, ..whole }),
        ("a journal that is changed blindly", EpochProtocol { journal_compares: false, ..whole }),
        ("a claim that is replaced blindly", EpochProtocol { store_compares: false, ..whole }),
        ("refusing at first sight", EpochProtocol { looks_again: false, ..whole }),
        ("counting tokens", EpochProtocol { random_tokens: false, ..whole }),
        ("no change of the epoch", EpochProtocol { changes: false, ..whole }),
    ] {
        let (states, broken) = explore_epochs(&protocol);
        println!("{what}: {broken:?} among {states} states");
        assert!(matches!(broken, Some(EpochBroken::TwoOwners | EpochBroken::RefusedOwner)), "{what}: {states} states");
    }
}

#[test]
fn nothing_is_deleted_without_evidence() {
    let whole = EvidenceProtocol::default();
    let (states, broken) = explore_evidence(&whole);
    assert!(broken.is_none() && states > 50, "{states} states, {broken:?}");
    for (what, protocol, expected) in [
        (
            "columns without a marker",
            EvidenceProtocol { counts_unmarked: false, ..whole },
            EvidenceBroken::DeletedInUse,
        ),
        ("hidden rows", EvidenceProtocol { needs_sight: false, ..whole }, EvidenceBroken::DeletedInUse),
        ("an empty mount point", EvidenceProtocol { recognises_store: false, ..whole }, EvidenceBroken::Dangling),
    ] {
        assert_eq!(explore_evidence(&protocol).1, Some(expected), "{what}");
    }
}
