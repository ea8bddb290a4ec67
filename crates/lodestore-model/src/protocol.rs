//! The steps that every process may take, and the promises that must hold after each.

use crate::state::{Cast, Collector, GENERATIONS, Intent, Phase, Stage, State, Writer};

/// The protocol, with a switch for every precaution. The default has all of them.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// An intent is recorded also for an object that is there already.
    pub intends_reuse: bool,
    /// A writer looks at the condemned after its intent is committed, not before.
    pub looks_after_intent: bool,
    /// What a writer does about a condemned path.
    pub condemned: Condemned,
    /// Whoever copies a row, or brings one back, records an intent.
    pub intends_copies: bool,
    /// And then looks whether its path is condemned.
    pub copies_look: bool,
    /// When the intent goes.
    pub settle: Settle,
    /// A commit fails if a collector went on without the writer's intent.
    pub fenced: bool,
    /// A lease may run out while its writer lives; not where the operating system tells who is alive.
    pub leases_expire: bool,
    /// A writer that rolls back releases what it intended.
    pub rollback_releases: bool,
    /// The release of an object is recorded in the transaction that deletes the row.
    pub releases_with_delete: bool,
    /// An intent whose lease is over is revoked before a collector goes on without it.
    pub revokes: bool,
    /// What a revoked intent was about is released in the same transaction.
    pub revoking_releases: bool,
    /// A revoked intent stays in the journal until its writer has seen it or is gone.
    pub keeps_revoked: bool,
    /// A collector commits its condemnation before it looks again.
    pub condemns_before_look: bool,
    /// A collector looks again after it has condemned.
    pub second_look: bool,
    /// What it looks at first.
    pub look_order: LookOrder,
    /// A condemned path stays condemned for ever.
    pub keeps_condemned: bool,
    /// The journal forgets a path only when its object is gone from the store.
    pub strikes_last: bool,
    /// A collector strikes the releases that it took, and no later ones.
    pub strikes_taken_releases: bool,
}

/// What a writer does about a condemned path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condemned {
    /// It takes the path of the next generation.
    NextGeneration,
    /// It writes the object anew, whether it is there or not.
    Rewrite,
    /// It relies on it.
    Rely,
}

/// When an intent goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// In the transaction that inserts the row.
    WithCommit,
    /// After that transaction.
    AfterCommit,
    /// Before it.
    BeforeCommit,
}

/// What a collector looks at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookOrder {
    /// Whoever has no intent any more has a committed row, which is seen then.
    IntentsFirst,
    /// A row may be committed and its intent settled between the two.
    ReferencesFirst,
}

impl Default for Protocol {
    fn default() -> Self {
        Protocol {
            intends_reuse: true,
            looks_after_intent: true,
            condemned: Condemned::NextGeneration,
            intends_copies: true,
            copies_look: true,
            settle: Settle::WithCommit,
            fenced: true,
            leases_expire: true,
            rollback_releases: true,
            releases_with_delete: true,
            revokes: true,
            revoking_releases: true,
            keeps_revoked: true,
            condemns_before_look: true,
            second_look: true,
            look_order: LookOrder::IntentsFirst,
            keeps_condemned: true,
            strikes_last: true,
            strikes_taken_releases: true,
        }
    }
}

/// A promise that was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// P1: a committed row names an object that is not there.
    Dangling,
    /// P2: an object was deleted that a row named, or was about to name.
    DeletedInUse,
    /// P3: an object that no row names is unknown to the journal.
    Forgotten,
    /// P3: a collection when all others had stopped left something behind.
    LeftBehind,
}

impl Broken {
    /// Every promise.
    pub const ALL: [Broken; 4] = [Broken::Dangling, Broken::DeletedInUse, Broken::Forgotten, Broken::LeftBehind];
    /// Those by which data are lost.
    pub const LOSS: [Broken; 2] = [Broken::Dangling, Broken::DeletedInUse];
}

/// A step: what happened, and what is then.
pub(crate) struct Step {
    pub(crate) what: &'static str,
    pub(crate) state: State,
    pub(crate) broken: Option<Broken>,
}

/// All steps that may come next.
pub(crate) fn steps(protocol: &Protocol, cast: Cast, state: &State, out: &mut Vec<Step>) {
    for number in 0..cast.writers {
        writer_steps(protocol, cast, state, number, out);
    }
    for number in 0..cast.collectors {
        collector_steps(protocol, cast, state, number, out);
        let collector = state.collectors[number];
        if collector.at != Phase::Idle {
            push(out, "a collector is killed", with(state, |next| next.collectors[number] = Collector::default()));
        }
        if collector.at == Phase::Resolved {
            push(out, "a collector is killed while its request travels", {
                with(state, |next| {
                    next.paths[usize::from(collector.path)].late_delete = true;
                    next.collectors[number] = Collector::default();
                })
            });
        }
    }
    for path in (0..cast.paths()).filter(|path| state.paths[*path].late_delete) {
        out.push(delete(state, path, "a late request deletes the object", |next| next.paths[path].late_delete = false));
    }
    if cast.collectors > 0 && (protocol.revokes && state.writers.iter().any(|writer| writer.intent == Intent::Expired))
    {
        push(out, "a collector revokes intents", with(state, |next| revoke(protocol, next)));
    }
    for path in (0..cast.paths()).filter(|path| state.paths[*path].abandoned && cast.collectors > 0) {
        push(out, "a collector releases what a dead writer intended", with(state, |next| bury(next, path)));
    }
    for path in (0..cast.paths()).filter(|path| state.paths[*path].exists && cast.collectors > 0) {
        if !state.paths[path].released && !state.is_named(path) {
            push(out, "a full scan releases the object", with(state, |next| release(next, path)));
        }
    }
}

fn with(state: &State, change: impl FnOnce(&mut State)) -> State {
    let mut next = *state;
    change(&mut next);
    next
}

fn push(out: &mut Vec<Step>, what: &'static str, state: State) {
    out.push(Step { what, state, broken: None });
}

/// The object at a path disappears; `then` is what else this step does.
fn delete(state: &State, path: usize, what: &'static str, then: impl FnOnce(&mut State)) -> Step {
    let next = with(state, |next| {
        next.paths[path].exists = false;
        then(next);
    });
    Step { what, state: next, broken: in_use(state, path).then_some(Broken::DeletedInUse) }
}

fn release(state: &mut State, path: usize) {
    state.paths[path].released = true;
    for collector in state.collectors.iter_mut().filter(|collector| usize::from(collector.path) == path) {
        collector.saw_release = false;
    }
}

fn writer_steps(protocol: &Protocol, cast: Cast, state: &State, number: usize, out: &mut Vec<Step>) {
    let writer = state.writers[number];
    let to = |at| with(state, |next| next.writers[number].at = at);
    let done = |state: &mut State| state.writers[number] = Writer { rows: writer.rows, ..Writer::default() };
    if writer.at == Stage::Idle {
        (0..cast.paths()).for_each(|path| begin(protocol, state, number, path, out));
        return;
    }
    let path = usize::from(writer.path);
    let there = state.paths[path];
    match writer.at {
        Stage::Idle => {}
        Stage::Intended if writer.intent == Intent::None => push(out, "a writer records its intent late", {
            with(state, |next| next.writers[number].intent = Intent::Held)
        }),
        Stage::Intended => match protocol.condemned {
            _ if !there.condemned || !protocol.looks_after_intent => push(out, "a writer is clear", to(Stage::Cleared)),
            Condemned::Rely => push(out, "a writer minds no condemnation", to(Stage::Cleared)),
            Condemned::NextGeneration if path % GENERATIONS + 1 < GENERATIONS => {
                push(out, "a writer intends the next generation", {
                    with(state, |next| next.writers[number].path += 1)
                })
            }
            Condemned::NextGeneration => {}
            Condemned::Rewrite => push(out, "a writer writes the condemned object anew", {
                with(state, |next| {
                    next.paths[path].exists = true;
                    next.writers[number].at = Stage::Stored;
                })
            }),
        },
        Stage::Cleared => push(out, "a writer writes or finds the object", {
            with(state, |next| {
                next.paths[path].exists = true;
                next.writers[number].at = Stage::Stored;
                if protocol.settle == Settle::BeforeCommit {
                    next.writers[number].intent = Intent::None;
                }
            })
        }),
        Stage::CopyIntended if there.condemned && protocol.copies_look => {}
        Stage::CopyIntended => push(out, "a copier is clear", to(Stage::CopyCleared)),
        Stage::CopyCleared => {
            if state.is_named(path) {
                push(out, "a writer copies a row", to(Stage::Stored));
            } else if there.exists {
                push(out, "a writer brings a row back", to(Stage::Stored));
            }
        }
        Stage::Stored if writer.intent == Intent::Revoked && protocol.fenced => {}
        Stage::Stored => push(out, "a writer commits its row", {
            with(state, |next| {
                let settles_later = protocol.settle == Settle::AfterCommit && writer.intent != Intent::None;
                let rows = writer.rows | 1 << path;
                next.writers[number] = match settles_later {
                    true => Writer { at: Stage::Committed, rows, ..writer },
                    false => Writer { rows, ..Writer::default() },
                };
            })
        }),
        Stage::Committed => push(out, "a writer settles its intent", with(state, done)),
        Stage::Deleted => push(out, "a writer records the release", {
            with(state, |next| {
                release(next, path);
                done(next);
            })
        }),
    }
    if writer.intent == Intent::Held && protocol.leases_expire {
        push(out, "a writer's lease runs out", with(state, |next| next.writers[number].intent = Intent::Expired));
    }
    if !matches!(writer.at, Stage::Committed | Stage::Deleted) {
        push(out, "a writer rolls back", {
            with(state, |next| {
                if protocol.rollback_releases {
                    intended(&writer).for_each(|path| release(next, path));
                }
                done(next);
            })
        });
    }
    push(out, "a writer is killed", with(state, |next| kill_writer(protocol, next, number)));
}

/// What an idle writer may begin with a path: a row that names it, or to delete the one it has.
fn begin(protocol: &Protocol, state: &State, number: usize, path: usize, out: &mut Vec<Step>) {
    let writer = state.writers[number];
    let there = state.paths[path];
    let at = |at, intent| {
        with(state, |next| next.writers[number] = Writer { at, path: path as u8, intent, rows: writer.rows })
    };
    if writer.rows >> path & 1 == 1 {
        push(out, "a writer deletes its row", {
            with(state, |next| {
                let rows = writer.rows & !(1 << path);
                let later = Writer { at: Stage::Deleted, path: path as u8, rows, ..Writer::default() };
                next.writers[number] = Writer { rows, ..Writer::default() };
                match protocol.releases_with_delete {
                    true => release(next, path),
                    false => next.writers[number] = later,
                }
            })
        });
        return;
    }
    let generation = path % GENERATIONS;
    let of_content = ((1 << GENERATIONS) - 1) << (path - generation);
    if writer.rows & of_content != 0 {
        return;
    }
    if there.exists || state.is_named(path) {
        let intent = if protocol.intends_copies { Intent::Held } else { Intent::None };
        let stage = if protocol.intends_copies { Stage::CopyIntended } else { Stage::CopyCleared };
        push(out, "a writer begins to copy a row, or to bring one back", at(stage, intent));
    }
    if generation > 0 {
        return;
    }
    if !protocol.intends_reuse && there.exists && !there.condemned {
        push(out, "a writer relies on the object without an intent", at(Stage::Stored, Intent::None));
    } else if !protocol.looks_after_intent {
        if !there.condemned {
            push(out, "a writer looks before its intent", at(Stage::Intended, Intent::None));
        }
    } else {
        push(out, "a writer records its intent", at(Stage::Intended, Intent::Held));
    }
}

/// The paths that a writer's intents name: those of the generations that it met on its way.
fn intended(writer: &Writer) -> impl Iterator<Item = usize> + use<> {
    let path = usize::from(writer.path);
    let from = path - path % GENERATIONS;
    let any = writer.intent != Intent::None;
    (from..=path).filter(move |_| any)
}

fn intends(writer: &Writer, path: usize) -> bool {
    intended(writer).any(|intended| intended == path)
}

fn kill_writer(protocol: &Protocol, state: &mut State, number: usize) {
    let writer = state.writers[number];
    if writer.intent != Intent::Revoked || protocol.keeps_revoked {
        intended(&writer).for_each(|path| state.paths[path].abandoned = true);
    }
    state.writers[number] = Writer { rows: writer.rows, ..Writer::default() };
}

fn revoke(protocol: &Protocol, state: &mut State) {
    for number in 0..state.writers.len() {
        let writer = state.writers[number];
        if writer.intent == Intent::Expired {
            state.writers[number].intent = Intent::Revoked;
            if protocol.revoking_releases {
                intended(&writer).for_each(|path| release(state, path));
            }
        }
    }
}

/// Releases what the intents of the dead are about, and strikes these.
fn bury(state: &mut State, path: usize) {
    state.paths[path].abandoned = false;
    release(state, path);
}

fn collector_steps(protocol: &Protocol, cast: Cast, state: &State, number: usize, out: &mut Vec<Step>) {
    let collector = state.collectors[number];
    let path = usize::from(collector.path);
    let to = |at| with(state, |next| next.collectors[number].at = at);
    let intents = is_intended(protocol, state, path).then_some(Phase::Idle);
    let rows = state.is_named(path).then_some(Phase::Named);
    let (first, second) = match protocol.look_order {
        LookOrder::IntentsFirst => (intents, rows),
        LookOrder::ReferencesFirst => (rows, intents),
    };
    let look = |found: Option<Phase>, then| {
        with(state, |next| match found.unwrap_or(then) {
            Phase::Idle => next.collectors[number] = Collector::default(),
            at => next.collectors[number].at = at,
        })
    };
    match collector.at {
        Phase::Idle => {
            for path in (0..cast.paths()).filter(|path| state.paths[*path].released) {
                push(out, "a collector takes and condemns the path", {
                    with(state, |next| {
                        next.paths[path].condemned |= protocol.condemns_before_look;
                        next.collectors[number] =
                            Collector { at: Phase::Condemned, path: path as u8, saw_release: true };
                    })
                });
            }
        }
        Phase::Condemned if !protocol.second_look => push(out, "a collector does not look again", to(Phase::Resolved)),
        Phase::Condemned => push(out, "a collector looks again", look(first, Phase::HalfLooked)),
        Phase::HalfLooked => push(out, "a collector looks on", look(second, Phase::Resolved)),
        Phase::Resolved if !protocol.strikes_last => push(out, "a collector strikes the path first", {
            with(state, |next| {
                strike(protocol, next, number);
                next.collectors[number] =
                    Collector { at: Phase::Deleted, path: collector.path, ..Collector::default() };
            })
        }),
        Phase::Resolved => out.push(delete(state, path, "a collector deletes the object", |next| {
            next.paths[path].condemned = true;
            next.collectors[number].at = Phase::Deleted;
        })),
        Phase::Deleted if !protocol.strikes_last => {
            out.push(delete(state, path, "a collector deletes the object last", |next| {
                next.collectors[number] = Collector::default();
            }))
        }
        Phase::Deleted | Phase::Named => {
            push(out, "a collector strikes the path", with(state, |next| strike(protocol, next, number)))
        }
    }
}

/// True if a writer that may still commit has said that it may name the path.
fn is_intended(protocol: &Protocol, state: &State, path: usize) -> bool {
    let counts = |writer: &&Writer| match writer.intent {
        Intent::Held => true,
        Intent::Expired => protocol.revokes,
        Intent::None | Intent::Revoked => false,
    };
    state.paths[path].abandoned && protocol.revokes
        || state.writers.iter().filter(counts).any(|writer| intends(writer, path))
}

/// Takes the path from the list of what was released; what was released since stays.
fn strike(protocol: &Protocol, state: &mut State, number: usize) {
    let collector = std::mem::take(&mut state.collectors[number]);
    let path = &mut state.paths[usize::from(collector.path)];
    if collector.saw_release || !protocol.strikes_taken_releases {
        path.released = false;
    }
    path.condemned &= protocol.keeps_condemned;
}

/// True if a row names the object, or one that may still be committed.
fn in_use(state: &State, path: usize) -> bool {
    let relies = |writer: &Writer| {
        writer.at == Stage::Stored && usize::from(writer.path) == path && writer.intent != Intent::Revoked
    };
    state.paths[path].exists && (state.is_named(path) || state.writers.iter().any(relies))
}

/// The promise that a state breaks.
pub(crate) fn broken(protocol: &Protocol, cast: Cast, state: &State) -> Option<Broken> {
    for path in 0..cast.paths() {
        let there = state.paths[path];
        let intends =
            |writer: &Writer| intends(writer, path) && (writer.intent != Intent::Revoked || protocol.keeps_revoked);
        let known = there.released || there.abandoned || state.writers.iter().any(intends);
        match (there.exists, state.is_named(path)) {
            (false, true) => return Some(Broken::Dangling),
            (true, false) if !known => return Some(Broken::Forgotten),
            _ => {}
        }
    }
    (!settles(protocol, cast, state)).then_some(Broken::LeftBehind)
}

/// True if one collection, when all others have stopped and all leases are over, leaves the objects that rows name and
/// nothing else, and nothing to do.
fn settles(protocol: &Protocol, cast: Cast, state: &State) -> bool {
    let mut state = *state;
    (0..cast.writers).for_each(|number| kill_writer(protocol, &mut state, number));
    state.collectors = Default::default();
    (0..cast.paths())
        .filter(|path| state.paths[*path].abandoned)
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(|path| bury(&mut state, path));
    let mut out = Vec::new();
    let alone = Cast { collectors: 1, ..cast };
    // More steps than the collection of all paths takes.
    for _ in 0..8 * cast.paths() {
        out.clear();
        collector_steps(protocol, alone, &state, 0, &mut out);
        let Some(step) = out.pop() else { break };
        state = step.state;
    }
    (0..cast.paths()).all(|path| {
        let there = state.paths[path];
        there.exists == state.is_named(path) && !there.released && !there.abandoned
    })
}
