//! Copies: two databases with one store, and the epoch by which the second is noticed.
//!
//! A model of `lodestore::lifecycle`'s claims. A database may be copied at any moment, also while its programs change the
//! epoch; any program may be killed between any two steps, and its request to the store may arrive late.

use std::collections::HashSet;

/// How the epoch is changed, with a switch for every precaution. The default has all of them.
#[derive(Debug, Clone, Copy)]
pub struct EpochProtocol {
    /// The journal has the next token before the claim gets it.
    pub journal_first: bool,
    /// The journal keeps the token that the claim has until it is seen to have the next one.
    pub keeps_current: bool,
    /// A next token that somebody left is given to the claim, not replaced.
    pub completes: bool,
    /// The journal is changed only if it is still what was read.
    pub journal_compares: bool,
    /// The claim is replaced only if it is still what was read.
    pub store_compares: bool,
    /// A token that the journal does not have is looked at again before the database counts as a copy.
    pub looks_again: bool,
    /// Tokens are random, and not counted up.
    pub random_tokens: bool,
    /// A program changes the epoch before it relies on it.
    pub changes: bool,
}

impl Default for EpochProtocol {
    fn default() -> Self {
        EpochProtocol {
            journal_first: true,
            keeps_current: true,
            completes: true,
            journal_compares: true,
            store_compares: true,
            looks_again: true,
            random_tokens: true,
            changes: true,
        }
    }
}

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochBroken {
    /// Both of two copies use the store after they have diverged.
    TwoOwners,
    /// A database is refused that no copy was faster than.
    RefusedOwner,
}

const NONE: u8 = 0;
/// Programs of the original, then of the copy.
const PROGRAMS: [usize; 3] = [0, 0, 1];
/// More tokens bring nothing new: the steps from the third to the fourth are those from the second to the third.
const TOKENS: u8 = 7;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Journal {
    current: u8,
    next: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Program {
    Idle,
    /// It has read the claim's token.
    Looked(u8),
    /// The journal did not have the token.
    Doubts(u8),
    /// It is about to change the journal from what it read.
    Plans {
        token: u8,
        read: Journal,
    },
    /// It is about to replace the claim.
    Ready {
        token: u8,
        new: u8,
    },
    /// The claim was changed; the journal is to follow.
    Follows {
        new: u8,
    },
    Works,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    claim: u8,
    journals: [Journal; 2],
    is_copied: bool,
    /// Which database was the first to rely on a token that was drawn since there are two.
    owner: Option<u8>,
    /// The greatest token that was drawn before.
    shared: u8,
    programs: [Program; 3],
    /// A request to replace the claim of a program that is gone: database, expected and new token.
    late: Option<(u8, u8, u8)>,
    /// The greatest token that was ever drawn.
    drawn: u8,
}

/// Visits every state; returns how many there are, and what went wrong first.
pub fn explore_epochs(protocol: &EpochProtocol) -> (usize, Option<EpochBroken>) {
    let start = Journal { current: 1, next: NONE };
    let start = State {
        claim: 1,
        journals: [start, start],
        is_copied: false,
        owner: None,
        shared: NONE,
        programs: [Program::Idle; 3],
        late: None,
        drawn: 1,
    };
    let mut seen = HashSet::from([start]);
    let mut frontier = vec![start];
    while let Some(state) = frontier.pop() {
        let mut out = Vec::new();
        if let Some(broken) = steps(protocol, &state, &mut out) {
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

fn steps(protocol: &EpochProtocol, state: &State, out: &mut Vec<State>) -> Option<EpochBroken> {
    if !state.is_copied {
        let mut next = *state;
        next.is_copied = true;
        next.shared = next.drawn;
        next.journals[1] = next.journals[0];
        out.push(next);
    }
    if let Some((database, expected, new)) = state.late {
        let mut next = State { late: None, ..*state };
        if (!protocol.store_compares || state.claim == expected)
            && let Some(broken) = replace(&mut next, database, new)
        {
            return Some(broken);
        }
        out.push(next);
    }
    for (number, database) in PROGRAMS.into_iter().enumerate() {
        if database == 1 && !state.is_copied {
            continue;
        }
        if let Some(broken) = program(protocol, state, number, database, out) {
            return Some(broken);
        }
        if state.programs[number] != Program::Idle {
            let mut next = *state;
            next.programs[number] = Program::Idle;
            out.push(next);
            if let (Program::Ready { token, new }, None) = (state.programs[number], state.late) {
                next.late = Some((database as u8, token, new));
                out.push(next);
            }
        }
    }
    None
}

/// The claim gets a token of a database.
fn replace(state: &mut State, database: u8, new: u8) -> Option<EpochBroken> {
    state.claim = new;
    relies(state, database)
}

/// A database uses the store from now on.
fn relies(state: &mut State, database: u8) -> Option<EpochBroken> {
    if !state.is_copied {
        return None;
    }
    match state.owner {
        Some(owner) if owner != database => Some(EpochBroken::TwoOwners),
        _ if state.claim > state.shared => {
            state.owner = Some(database);
            None
        }
        // The other one knows the token as well: it is as good as this one still.
        _ => None,
    }
}

fn program(
    protocol: &EpochProtocol,
    state: &State,
    number: usize,
    database: usize,
    out: &mut Vec<State>,
) -> Option<EpochBroken> {
    let mut next = *state;
    let journal = state.journals[database];
    let has = |token: u8| token == journal.current || (journal.next != NONE && token == journal.next);
    let draw = |next: &mut State, read: Journal| {
        let token = if protocol.random_tokens { next.drawn + 1 } else { read.current.max(read.next) + 1 };
        next.drawn = next.drawn.max(token);
        token
    };
    // What the journal must have before the claim gets its next token.
    let prepared = |next: &mut State, read: Journal, token: u8| match (read.next == NONE, token == read.next) {
        _ if !protocol.keeps_current => Journal { current: draw(next, read), next: NONE },
        (false, false) if protocol.completes => read,
        (false, true) => Journal { current: read.next, next: draw(next, read) },
        _ => Journal { current: read.current, next: draw(next, read) },
    };
    let token_of = |new: Journal| if protocol.keeps_current { new.next } else { new.current };
    match state.programs[number] {
        Program::Idle if state.drawn < TOKENS => next.programs[number] = Program::Looked(state.claim),
        Program::Idle => return None,
        Program::Looked(token) if !has(token) && protocol.looks_again => next.programs[number] = Program::Doubts(token),
        Program::Looked(token) if !has(token) => return refuse(state, database),
        // Whoever uses the store without a change has it, and nobody can see that.
        Program::Looked(_) if !protocol.changes => {
            next.programs[number] = Program::Works;
            if state.is_copied && *next.owner.get_or_insert(database as u8) != database as u8 {
                return Some(EpochBroken::TwoOwners);
            }
        }
        Program::Looked(token) if protocol.journal_first => {
            next.programs[number] = Program::Plans { token, read: journal };
        }
        Program::Looked(token) => {
            let new = prepared(&mut next, journal, token);
            next.programs[number] = Program::Ready { token, new: token_of(new) };
        }
        Program::Doubts(token) if state.claim == token => return refuse(state, database),
        Program::Doubts(_) => next.programs[number] = Program::Idle,
        Program::Plans { token, read } if journal == read || !protocol.journal_compares => {
            let new = prepared(&mut next, read, token);
            next.journals[database] = new;
            next.programs[number] = Program::Ready { token, new: token_of(new) };
        }
        Program::Plans { .. } => next.programs[number] = Program::Idle,
        Program::Ready { token, new } if state.claim == token || !protocol.store_compares => {
            next.programs[number] = if protocol.journal_first { Program::Works } else { Program::Follows { new } };
            if let Some(broken) = replace(&mut next, database as u8, new) {
                return Some(broken);
            }
        }
        Program::Ready { .. } | Program::Works => next.programs[number] = Program::Idle,
        Program::Follows { new } => {
            next.journals[database] = Journal { current: new, next: NONE };
            next.programs[number] = Program::Works;
        }
    }
    out.push(next);
    None
}

/// A database counts as a copy: rightly, if the other one was faster.
fn refuse(state: &State, database: usize) -> Option<EpochBroken> {
    (state.owner.is_none_or(|owner| usize::from(owner) == database)).then_some(EpochBroken::RefusedOwner)
}
