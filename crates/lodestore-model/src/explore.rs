//! Every state that any order of steps leads to.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::protocol::{Broken, Protocol, Step, broken, steps};
use crate::state::{Cast, State};

/// What an exploration found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How many states were visited; those that differ only in who is called what count as one.
    pub states: usize,
    /// How many steps led to a state, known or not.
    pub transitions: usize,
    /// The number of steps to the farthest of them.
    pub depth: usize,
    /// The first promise that was broken, and the shortest way to it.
    pub broken: Option<(Broken, Vec<String>)>,
}

/// Visits every state that is reached from an empty project, nearest first, and stops at the first that breaks a promise.
pub fn explore(protocol: &Protocol, cast: Cast) -> Outcome {
    explore_for(&Broken::ALL, protocol, cast)
}

/// Like [`explore`], minding only some of the promises.
pub fn explore_for(sought: &[Broken], protocol: &Protocol, cast: Cast) -> Outcome {
    let fault =
        |step: &Step| step.broken.or_else(|| broken(protocol, cast, &step.state)).filter(|f| sought.contains(f));
    let mut seen: HashSet<u128, BuildHasherDefault<Mix>> = HashSet::default();
    let mut frontier = vec![State::initial().key(cast)];
    seen.insert(frontier[0]);
    let mut outcome = Outcome { states: 1, transitions: 0, depth: 0, broken: None };
    let mut out: Vec<Step> = Vec::new();
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for key in frontier {
            out.clear();
            steps(protocol, cast, &State::from_key(key), &mut out);
            outcome.transitions += out.len();
            for step in &out {
                let key = step.state.key(cast);
                let is_new = seen.insert(key);
                if (is_new || step.broken.is_some())
                    && let Some(found) = fault(step)
                {
                    outcome.states = seen.len();
                    outcome.broken = Some((found, way(protocol, cast, found)));
                    return outcome;
                }
                if is_new {
                    next.push(key);
                }
            }
        }
        frontier = next;
        outcome.depth += usize::from(!frontier.is_empty());
    }
    outcome.states = seen.len();
    outcome
}

/// Walks through states at random, so many steps from an empty project on: for casts that have too many states to visit
/// all of them. States that are met twice count twice; no way is told.
pub fn wander(protocol: &Protocol, cast: Cast, steps_taken: usize, seed: u64) -> Outcome {
    /// After so many steps it starts anew: late states are alike.
    const LENGTH: usize = 400;
    let mut outcome = Outcome { states: 0, transitions: 0, depth: LENGTH, broken: None };
    let mut chance = seed | 1;
    let mut state = State::initial();
    let mut out: Vec<Step> = Vec::new();
    for taken in 0..steps_taken {
        if taken % LENGTH == 0 {
            state = State::initial();
        }
        out.clear();
        steps(protocol, cast, &state, &mut out);
        outcome.transitions += out.len();
        // Xorshift, after Marsaglia (2003).
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let Some(step) = out.get((chance >> 16) as usize % out.len().max(1)) else { break };
        outcome.states += 1;
        if let Some(found) = step.broken.or_else(|| broken(protocol, cast, &step.state)) {
            outcome.broken = Some((found, vec![format!("{}: {}", step.what, brief(&step.state))]));
            break;
        }
        state = step.state;
    }
    outcome
}

/// The shortest way to a broken promise that is known to be there: explored once more, remembering where states come from.
fn way(protocol: &Protocol, cast: Cast, sought: Broken) -> Vec<String> {
    let start = State::initial().key(cast);
    let mut from: HashMap<u128, (u128, &'static str), BuildHasherDefault<Mix>> = HashMap::default();
    from.insert(start, (start, ""));
    let mut frontier = vec![start];
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for key in frontier {
            let mut out = Vec::new();
            steps(protocol, cast, &State::from_key(key), &mut out);
            for step in out {
                let reached = step.state.key(cast);
                if step.broken == Some(sought) || broken(protocol, cast, &step.state) == Some(sought) {
                    let mut told = vec![format!("{}: {}", step.what, brief(&step.state))];
                    let mut at = key;
                    while at != start {
                        let (before, what) = from[&at];
                        told.push(format!("{what}: {}", brief(&State::from_key(at))));
                        at = before;
                    }
                    told.reverse();
                    return told;
                }
                if let std::collections::hash_map::Entry::Vacant(entry) = from.entry(reached) {
                    entry.insert((key, step.what));
                    next.push(reached);
                }
            }
        }
        frontier = next;
    }
    Vec::new()
}

/// A state on one line.
fn brief(state: &State) -> String {
    let paths = state.paths.iter().enumerate().map(|(number, path)| {
        let told = [
            (path.exists, "there"),
            (state.is_named(number), "named"),
            (path.released, "released"),
            (path.condemned, "condemned"),
            (path.abandoned, "abandoned"),
            (path.late_delete, "late"),
        ];
        let told: Vec<&str> = told.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect();
        format!("[{}]", told.join(" "))
    });
    let writers = state.writers.iter().map(|w| format!("{:?}/{}/{:?}", w.at, w.path, w.intent));
    let collectors = state.collectors.iter().map(|c| format!("{:?}/{}", c.at, c.path));
    paths.chain(writers).chain(collectors).collect::<Vec<_>>().join(" ")
}

/// Spreads the bits of a key: they are far from random.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.write_u64(key as u64);
        self.write_u64((key >> 64) as u64);
    }

    fn write_u64(&mut self, key: u64) {
        let mixed = (self.0 ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        self.0 ^= self.0 >> 29;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
