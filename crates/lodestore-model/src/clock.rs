//! A model of the time by which periods end: a recorded time that follows clocks of which some are wrong.
//!
//! Two machines work on one database; one of them has a clock that is days ahead, or behind. A row is deleted and kept for a
//! week. The machine with the right clock looks at least once a day, and within a day after the other one. The promise: what is kept is not deleted before its
//! period is over, but for the day that the recorded time may be ahead.

use std::collections::HashSet;

/// The precautions, each with a switch; the default has all of them.
#[derive(Debug, Clone, Copy)]
pub struct ClockProtocol {
    /// The recorded time follows a clock by at most a day at once.
    pub bounded: bool,
    /// A greater step counts only when the clock has gone on from there for a day.
    pub confirms: bool,
    /// Who sees an earlier time ends the wait for that.
    pub disproves: bool,
    /// What is written down bears the recorded time if the clock is behind it.
    pub stamps_recorded: bool,
    /// The recorded time never goes back.
    pub monotonic: bool,
}

impl Default for ClockProtocol {
    fn default() -> Self {
        ClockProtocol { bounded: true, confirms: true, disproves: true, stamps_recorded: true, monotonic: true }
    }
}

/// Days for which rows are kept.
const PERIOD: i8 = 7;
/// Days after which nothing new can happen.
const END: i8 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    day: i8,
    /// True if the machine with the right clock was the last that has looked, and today.
    looked: bool,
    recorded: i8,
    jump: Option<i8>,
    /// The true day of the delete, and the time that it was given.
    kept: Option<(i8, i8)>,
}

impl State {
    /// Follows a clock; returns the time to compare with.
    fn follow(&mut self, protocol: ClockProtocol, now: i8) -> i8 {
        let is_jump = protocol.bounded && now - self.recorded > 1;
        let is_believed = match self.jump {
            Some(jump) if protocol.confirms => now - jump >= 1,
            Some(_) => true,
            None => false,
        };
        if is_jump && !is_believed {
            self.jump = Some(self.jump.map_or(now, |jump| jump.min(now)));
            return self.recorded;
        }
        if is_jump || protocol.disproves {
            self.jump = None;
        }
        self.recorded = if protocol.monotonic { self.recorded.max(now) } else { now };
        self.recorded
    }
}

/// The way to a state in which something was deleted too early, with one clock wrong by some days; `None` if there is none.
pub fn explore_clock(protocol: ClockProtocol, wrong_by: i8) -> Option<Vec<String>> {
    let start = State { day: 1, looked: true, recorded: 1, jump: None, kept: None };
    let mut seen = HashSet::from([start]);
    let mut waiting = vec![(start, Vec::new())];
    while let Some((state, way)) = waiting.pop() {
        let mut next: Vec<(State, String)> = Vec::new();
        if state.looked && state.day < END {
            next.push((State { day: state.day + 1, looked: false, ..state }, "a day passes".into()));
        }
        for (is_right, now) in [(true, state.day), (false, state.day + wrong_by)] {
            let who = if is_right { "the right machine" } else { "the other machine" };
            let mut looks = State { looked: is_right, ..state };
            let time = looks.follow(protocol, now);
            if state.kept.is_none() {
                let stamp = if protocol.stamps_recorded { time.max(now) } else { now };
                next.push((State { kept: Some((state.day, stamp)), ..looks }, format!("{who} deletes a row")));
            }
            if let Some((day, stamp)) = state.kept
                && time - stamp >= PERIOD
            {
                if state.day - day < PERIOD - 1 {
                    return Some([way, vec![format!("{who} ends the period of {} days", state.day - day)]].concat());
                }
                looks.kept = None;
            }
            next.push((looks, format!("{who} looks")));
        }
        for (state, what) in next {
            if seen.insert(state) {
                waiting.push((state, [way.clone(), vec![what]].concat()));
            }
        }
    }
    None
}
