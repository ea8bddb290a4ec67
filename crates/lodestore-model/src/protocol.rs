//! The steps that every process may take, and the promises that must hold after each.

use crate::state::{Cast, Collector, Intent, Mark, Phase, Stage, State, Writer};

/// The protocol, with a switch for every precaution. The default has all of them.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// An intent is recorded also for an object that is there already.
    pub intends_reuse: bool,
    /// A writer looks at the condemned after its intent is committed, not before.
    pub looks_after_intent: bool,
    /// What a writer does about a condemned object.
    pub condemned: Condemned,
    /// When the intent goes.
    pub settle: Settle,
    /// A commit fails if a collector went on without the writer's intent.
    pub fenced: bool,
    /// A writer that rolls back leaves its intent for collectors to find.
    pub rollback_leaves_intent: bool,
    /// The release of an object is recorded in the transaction that deletes the row.
    pub releases_with_delete: bool,
    /// A collector commits its condemnation before it looks again.
    pub condemns_before_look: bool,
    /// A collector looks again after it has condemned.
    pub second_look: bool,
    /// What it looks at first.
    pub look_order: LookOrder,
    /// It revokes the expired intents that it goes on without.
    pub revokes: bool,
    /// A revoked intent stays in the journal until its writer has seen it or is gone.
    pub keeps_revoked: bool,
    /// The journal forgets an object only when it is gone from the store.
    pub strikes_last: bool,
    /// It strikes the releases that it knew of when it condemned, and no later ones.
    pub strikes_known_releases: bool,
    /// Whoever takes over from a collector that is gone looks again.
    pub looks_after_takeover: bool,
    /// A collector is taken over from only when none of its requests can still arrive.
    pub waits_for_the_slow: bool,
}

/// What a writer does about a condemned object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condemned {
    /// It waits until the collector has pardoned or deleted it.
    Wait,
    /// It writes it anew, whether it is there or not.
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
            condemned: Condemned::Wait,
            settle: Settle::WithCommit,
            fenced: true,
            rollback_leaves_intent: true,
            releases_with_delete: true,
            condemns_before_look: true,
            second_look: true,
            look_order: LookOrder::IntentsFirst,
            revokes: true,
            keeps_revoked: true,
            strikes_last: true,
            strikes_known_releases: true,
            looks_after_takeover: true,
            waits_for_the_slow: true,
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
        if state.collectors[number].at != Phase::Idle {
            push(out, "a collector is killed", with(state, |next| kill_collector(next, number)));
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

fn writer_steps(protocol: &Protocol, cast: Cast, state: &State, number: usize, out: &mut Vec<Step>) {
    let writer = state.writers[number];
    let set = |change: &dyn Fn(&mut Writer)| with(state, |next| change(&mut next.writers[number]));
    if writer.at == Stage::Idle {
        for object in 0..cast.objects {
            begin(protocol, state, number, object, out);
        }
        return;
    }
    let object = usize::from(writer.object);
    let there = state.objects[object];
    match writer.at {
        Stage::Idle => {}
        Stage::Intended if writer.intent == Intent::None => {
            push(out, "a writer records its intent", set(&|writer| writer.intent = Intent::Held))
        }
        Stage::Intended => {
            let is_free = there.condemned == Mark::None || !protocol.looks_after_intent;
            match (is_free, protocol.condemned) {
                (true, _) | (_, Condemned::Rely) => push(out, "a writer is clear", set(&|w| w.at = Stage::Cleared)),
                (false, Condemned::Wait) => {}
                (false, Condemned::Rewrite) => push(out, "a writer writes a condemned object anew", {
                    with(state, |next| {
                        next.objects[object].exists = true;
                        next.writers[number].at = Stage::Stored;
                    })
                }),
            }
        }
        Stage::Cleared => push(out, "a writer writes or finds the object", {
            with(state, |next| {
                next.objects[object].exists = true;
                next.writers[number].at = Stage::Stored;
                if protocol.settle == Settle::BeforeCommit {
                    next.writers[number].intent = Intent::None;
                }
            })
        }),
        Stage::Stored => {
            if writer.intent != Intent::Revoked || !protocol.fenced {
                push(out, "a writer commits its row", {
                    with(state, |next| {
                        let writer = &mut next.writers[number];
                        writer.rows |= 1 << object;
                        match protocol.settle {
                            Settle::AfterCommit if writer.intent != Intent::None => writer.at = Stage::Committed,
                            _ => *writer = Writer { rows: writer.rows, ..Writer::default() },
                        }
                    })
                });
            }
        }
        Stage::Committed => push(out, "a writer settles its intent", {
            set(&|writer| *writer = Writer { rows: writer.rows, ..Writer::default() })
        }),
        Stage::Deleted => push(out, "a writer records the release", {
            with(state, |next| {
                release(next, object);
                next.writers[number] = Writer { rows: writer.rows, ..Writer::default() };
            })
        }),
    }
    if writer.intent == Intent::Held {
        push(out, "a writer's lease runs out", set(&|writer| writer.intent = Intent::Expired));
    }
    if matches!(writer.at, Stage::Intended | Stage::Cleared | Stage::Stored) {
        let leaves = protocol.rollback_leaves_intent;
        push(out, "a writer rolls back", with(state, |next| stop_writer(next, number, leaves)));
    }
    push(out, "a writer is killed", with(state, |next| stop_writer(next, number, true)));
}

/// What an idle writer may begin with an object: a row that names it, or to delete the one it has.
fn begin(protocol: &Protocol, state: &State, number: usize, object: usize, out: &mut Vec<Step>) {
    let writer = state.writers[number];
    let there = state.objects[object];
    let at = |at, intent| {
        with(state, |next| next.writers[number] = Writer { at, object: object as u8, intent, rows: writer.rows })
    };
    if writer.rows >> object & 1 == 1 {
        push(out, "a writer deletes its row", {
            with(state, |next| {
                let mut later = Writer { rows: writer.rows & !(1 << object), ..Writer::default() };
                if protocol.releases_with_delete {
                    release(next, object);
                } else {
                    (later.at, later.object) = (Stage::Deleted, object as u8);
                }
                next.writers[number] = later;
            })
        });
        return;
    }
    if !protocol.intends_reuse && there.exists && there.condemned == Mark::None {
        push(out, "a writer relies on the object without an intent", at(Stage::Stored, Intent::None));
        return;
    }
    if !protocol.looks_after_intent && there.condemned != Mark::None && protocol.condemned == Condemned::Wait {
        return;
    }
    if !protocol.looks_after_intent && there.condemned == Mark::None {
        // Seen to be free, and the intent is still to come: told apart by its having none yet.
        push(out, "a writer looks before its intent", at(Stage::Intended, Intent::None));
        return;
    }
    push(out, "a writer records its intent", at(Stage::Intended, Intent::Held));
}

fn release(state: &mut State, object: usize) {
    state.objects[object].released = true;
    for collector in state.collectors.iter_mut().filter(|collector| usize::from(collector.object) == object) {
        collector.saw_release = false;
    }
}

/// What is left of a writer that rolls back or is killed.
fn stop_writer(state: &mut State, number: usize, leaves_intent: bool) {
    let writer = &mut state.writers[number];
    if writer.intent != Intent::None && leaves_intent {
        state.objects[usize::from(writer.object)].abandoned = true;
    }
    *writer = Writer { rows: writer.rows, ..Writer::default() };
}

fn kill_collector(state: &mut State, number: usize) {
    let collector = std::mem::take(&mut state.collectors[number]);
    if collector.owns {
        state.objects[usize::from(collector.object)].condemned = Mark::Left;
    }
}

fn collector_steps(protocol: &Protocol, cast: Cast, state: &State, number: usize, out: &mut Vec<Step>) {
    let collector = state.collectors[number];
    let object = usize::from(collector.object);
    let to = |at| with(state, |next| next.collectors[number].at = at);
    let (first, second) = match protocol.look_order {
        LookOrder::IntentsFirst => (look_at_intents as fn(&Protocol, &mut State, usize) -> bool, look_at_rows as _),
        LookOrder::ReferencesFirst => (look_at_rows as fn(&Protocol, &mut State, usize) -> bool, look_at_intents as _),
    };
    let look = |look: fn(&Protocol, &mut State, usize) -> bool, then| {
        with(state, |next| {
            let named = look(protocol, next, object);
            next.collectors[number].at = if named { Phase::Pardoning } else { then };
        })
    };
    match collector.at {
        Phase::Idle => {
            for object in 0..cast.objects {
                take_up(protocol, state, number, object, out);
            }
        }
        Phase::Condemned if !protocol.second_look => push(out, "a collector does not look again", to(Phase::Resolved)),
        Phase::Condemned => push(out, "a collector looks again", look(first, Phase::HalfLooked)),
        Phase::HalfLooked => push(out, "a collector looks on", look(second, Phase::Resolved)),
        Phase::Resolved => {
            let next = with(state, |next| {
                next.objects[object].exists = false;
                next.collectors[number].at = Phase::Deleted;
                if !protocol.strikes_last {
                    strike(protocol, next, number);
                    next.objects[object].exists = state.objects[object].exists;
                    next.collectors[number] =
                        Collector { at: Phase::Deleted, object: object as u8, ..Default::default() };
                }
            });
            let deletes = protocol.strikes_last;
            let broken = (deletes && in_use(state, object)).then_some(Broken::DeletedInUse);
            let what = if deletes { "a collector deletes the object" } else { "a collector strikes the object first" };
            out.push(Step { what, state: next, broken });
        }
        Phase::Deleted if protocol.strikes_last => {
            push(out, "a collector strikes the object", with(state, |next| strike(protocol, next, number)))
        }
        Phase::Deleted => out.push(Step {
            what: "a collector deletes the object last",
            state: with(state, |next| {
                next.objects[object].exists = false;
                next.collectors[number] = Collector::default();
            }),
            broken: in_use(state, object).then_some(Broken::DeletedInUse),
        }),
        Phase::Pardoning => {
            push(out, "a collector pardons the object", with(state, |next| strike(protocol, next, number)))
        }
    }
}

/// A collector may look into any object: those that the journal names, and those that a full scan finds.
fn take_up(protocol: &Protocol, state: &State, number: usize, object: usize, out: &mut Vec<Step>) {
    let there = state.objects[object];
    let mark = if protocol.condemns_before_look { Mark::Working } else { there.condemned };
    let at = |at, owns| {
        with(state, |next| {
            next.objects[object].condemned = mark;
            for other in next.collectors.iter_mut().filter(|other| usize::from(other.object) == object) {
                other.owns = false;
            }
            next.collectors[number] = Collector { at, object: object as u8, saw_release: true, owns };
        })
    };
    match there.condemned {
        Mark::None if there.exists || there.released || there.abandoned => {
            push(out, "a collector condemns the object", at(Phase::Condemned, protocol.condemns_before_look))
        }
        Mark::None => {}
        Mark::Working if protocol.waits_for_the_slow => {}
        Mark::Working | Mark::Left => {
            let phase = if protocol.looks_after_takeover { Phase::Condemned } else { Phase::Resolved };
            push(out, "a collector takes over", at(phase, true));
        }
    }
}

/// True if a writer that may still commit has an intent; those that may not any more are told so.
fn look_at_intents(protocol: &Protocol, state: &mut State, object: usize) -> bool {
    let on = |writer: &&mut Writer| writer.at != Stage::Idle && usize::from(writer.object) == object;
    if state.writers.iter_mut().filter(on).any(|writer| writer.intent == Intent::Held) {
        return true;
    }
    state.objects[object].abandoned = false;
    for writer in state.writers.iter_mut().filter(on).filter(|writer| writer.intent == Intent::Expired) {
        if protocol.revokes {
            writer.intent = Intent::Revoked;
        }
    }
    false
}

fn look_at_rows(_: &Protocol, state: &mut State, object: usize) -> bool {
    state.is_named(object)
}

/// Takes the object out of the journal; what was released or intended since stays.
fn strike(protocol: &Protocol, state: &mut State, number: usize) {
    let collector = std::mem::take(&mut state.collectors[number]);
    let object = &mut state.objects[usize::from(collector.object)];
    if collector.saw_release || !protocol.strikes_known_releases {
        object.released = false;
    }
    if collector.owns {
        object.condemned = Mark::None;
    }
}

/// True if a row names the object, or one that may still be committed.
fn in_use(state: &State, object: usize) -> bool {
    let relies = |writer: &Writer| {
        writer.at == Stage::Stored && usize::from(writer.object) == object && writer.intent != Intent::Revoked
    };
    state.objects[object].exists && (state.is_named(object) || state.writers.iter().any(relies))
}

/// The promise that a state breaks.
pub(crate) fn broken(protocol: &Protocol, cast: Cast, state: &State) -> Option<Broken> {
    for object in 0..cast.objects {
        let there = state.objects[object];
        let has_intent = |writer: &Writer| {
            usize::from(writer.object) == object
                && match writer.intent {
                    Intent::None => false,
                    Intent::Revoked => protocol.keeps_revoked,
                    Intent::Held | Intent::Expired => true,
                }
        };
        let known =
            there.released || there.abandoned || there.condemned != Mark::None || state.writers.iter().any(has_intent);
        match (there.exists, state.is_named(object)) {
            (false, true) => return Some(Broken::Dangling),
            (true, false) if !known => return Some(Broken::Forgotten),
            _ => {}
        }
    }
    (!settles(protocol, cast, state)).then_some(Broken::LeftBehind)
}

/// True if one collection, when all others have stopped and all leases ran out, leaves the objects that rows name and
/// nothing else, and an empty journal.
fn settles(protocol: &Protocol, cast: Cast, state: &State) -> bool {
    let mut state = *state;
    for number in 0..cast.writers {
        stop_writer(&mut state, number, true);
    }
    for number in 0..cast.collectors {
        kill_collector(&mut state, number);
    }
    let mut out = Vec::new();
    // More steps than a collection of two objects can take.
    for _ in 0..24 {
        out.clear();
        let needs = |object: usize| {
            let there = state.objects[object];
            there.released || there.abandoned || there.condemned != Mark::None
        };
        if state.collectors[0].at == Phase::Idle {
            let Some(object) = (0..cast.objects).find(|object| needs(*object)) else { break };
            take_up(protocol, &state, 0, object, &mut out);
        } else {
            collector_steps(protocol, cast, &state, 0, &mut out);
        }
        let Some(step) = out.pop() else { break };
        state = step.state;
    }
    (0..cast.objects).all(|number| {
        let object = state.objects[number];
        let is_clean = !object.released && !object.abandoned && object.condemned == Mark::None;
        object.exists == state.is_named(number) && is_clean
    })
}
