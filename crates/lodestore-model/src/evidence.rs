//! Evidence: references that can no longer be seen, and a store that is swapped for an empty one.
//!
//! One object and one row that names it; other tools remove a column's comment, rows get out of a user's sight, and a disk is
//! unmounted while nobody is between a look at the store and the request that follows.

use std::collections::HashSet;

/// What is looked at before anything is written or deleted, with a switch for every precaution. The default has all of them.
#[derive(Debug, Clone, Copy)]
pub struct EvidenceProtocol {
    /// A column without a marker counts as naming what its values name.
    pub counts_unmarked: bool,
    /// Rows that may be hidden stop a collection.
    pub needs_sight: bool,
    /// A store is used only if it has the marker that the database knows.
    pub recognises_store: bool,
}

impl Default for EvidenceProtocol {
    fn default() -> Self {
        EvidenceProtocol { counts_unmarked: true, needs_sight: true, recognises_store: true }
    }
}

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceBroken {
    /// An object was deleted that a row names.
    DeletedInUse,
    /// A row was committed whose object is not in the store.
    Dangling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    /// The object in the store, and in the folder that shows while the store is not mounted.
    objects: [bool; 2],
    is_mounted: bool,
    is_named: bool,
    is_released: bool,
    is_marked: bool,
    is_visible: bool,
    writer: Stage,
    collector: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Idle,
    /// The store was looked at.
    Recognised,
    /// The object is written, or nothing was found to name it.
    Done,
}

/// Visits every state; returns how many there are, and what went wrong first.
pub fn explore_evidence(protocol: &EvidenceProtocol) -> (usize, Option<EvidenceBroken>) {
    let start = State {
        objects: [false; 2],
        is_mounted: true,
        is_named: false,
        is_released: false,
        is_marked: true,
        is_visible: true,
        writer: Stage::Idle,
        collector: Stage::Idle,
    };
    let mut seen = HashSet::from([start]);
    let mut frontier = vec![start];
    while let Some(state) = frontier.pop() {
        let mut out = Vec::new();
        if let Some(broken) = steps(protocol, state, &mut out) {
            return (seen.len(), Some(broken));
        }
        for next in out {
            if seen.insert(next) {
                frontier.push(next);
            }
        }
    }
    (seen.len(), None)
}

fn steps(protocol: &EvidenceProtocol, state: State, out: &mut Vec<State>) -> Option<EvidenceBroken> {
    let here = usize::from(!state.is_mounted);
    let is_usable = state.is_mounted || !protocol.recognises_store;
    let nobody_works = state.writer == Stage::Idle && state.collector == Stage::Idle;
    if nobody_works {
        out.push(State { is_mounted: !state.is_mounted, ..state });
    }
    out.push(State { is_marked: !state.is_marked, ..state });
    out.push(State { is_visible: !state.is_visible, ..state });
    if state.is_named && state.writer == Stage::Idle && state.collector == Stage::Idle {
        out.push(State { is_named: false, is_released: true, ..state });
    }
    // A row elsewhere that named the object as well is gone.
    out.push(State { is_released: true, ..state });
    match state.writer {
        Stage::Idle if !state.is_named && is_usable && nobody_works => {
            out.push(State { writer: Stage::Recognised, ..state });
        }
        Stage::Idle => {}
        Stage::Recognised => {
            let mut next = State { writer: Stage::Done, ..state };
            next.objects[here] = true;
            out.push(next);
        }
        Stage::Done => {
            if !state.objects[0] {
                return Some(EvidenceBroken::Dangling);
            }
            out.push(State { writer: Stage::Idle, is_named: true, ..state });
        }
    }
    match state.collector {
        Stage::Idle if state.is_released && is_usable && nobody_works => {
            out.push(State { collector: Stage::Recognised, ..state });
        }
        Stage::Idle => {}
        Stage::Recognised => {
            let is_seen = state.is_named && state.is_visible && (state.is_marked || protocol.counts_unmarked);
            let stops = protocol.needs_sight && !state.is_visible;
            let collector = if is_seen || stops { Stage::Idle } else { Stage::Done };
            out.push(State { collector, is_released: stops, ..state });
        }
        Stage::Done => {
            if state.is_named && state.objects[here] {
                return Some(EvidenceBroken::DeletedInUse);
            }
            let mut next = State { collector: Stage::Idle, is_released: false, ..state };
            next.objects[here] = false;
            out.push(next);
        }
    }
    None
}
