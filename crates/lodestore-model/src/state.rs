//! What there is at one moment: objects, the journal, rows, and how far every process is.

/// How many take part.
#[derive(Debug, Clone, Copy)]
pub struct Cast {
    /// Up to three.
    pub writers: usize,
    /// Up to two.
    pub collectors: usize,
    /// Different contents, up to two; each has two paths, its first generation and the next.
    pub contents: usize,
}

impl Cast {
    pub(crate) fn paths(&self) -> usize {
        self.contents * GENERATIONS
    }
}

/// So many paths the content has, one after the other. With three nothing new can happen: the step from the second to
/// the third is that from the first to the second.
pub(crate) const GENERATIONS: usize = 2;

/// A moment of the whole system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub(crate) paths: [Path; 4],
    pub(crate) writers: [Writer; 3],
    pub(crate) collectors: [Collector; 2],
}

/// A path of a content: what lies there, and what the journal tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Path {
    pub(crate) exists: bool,
    /// The journal says that a row which named it is gone, or may never come.
    pub(crate) released: bool,
    /// No new row may name it.
    pub(crate) condemned: bool,
    /// Intents of writers that are gone.
    pub(crate) abandoned: bool,
    /// A collector that is gone has sent a request to delete it, which has not arrived yet.
    pub(crate) late_delete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Writer {
    pub(crate) at: Stage,
    pub(crate) path: u8,
    pub(crate) intent: Intent,
    /// Bit n: a committed row of this writer names path n.
    pub(crate) rows: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    #[default]
    Idle,
    /// The intent is in the journal.
    Intended,
    /// The path was seen not to be condemned.
    Cleared,
    /// The intent to copy a row, or to bring one back, is in the journal.
    CopyIntended,
    /// As `Cleared`, for that.
    CopyCleared,
    /// The object is there, written or found, and a row that names it is about to be committed.
    Stored,
    /// The row is committed, and the intent is still to be settled.
    Committed,
    /// A row was deleted, and the release is still to be recorded.
    Deleted,
}

/// What the journal says of a writer's intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Intent {
    #[default]
    None,
    Held,
    /// The lease ran out; the writer may be alive all the same.
    Expired,
    /// A collector went on without it: whoever had it must not commit.
    Revoked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Collector {
    pub(crate) at: Phase,
    pub(crate) path: u8,
    /// True as long as the releases it knows of are all there are.
    pub(crate) saw_release: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    #[default]
    Idle,
    /// The path is condemned.
    Condemned,
    /// Intents or references were looked at, the others are still to be.
    HalfLooked,
    /// Nothing names the object: a request to delete it is sent.
    Resolved,
    Deleted,
    /// A row names the object.
    Named,
}

impl State {
    /// Nothing at all.
    pub(crate) fn initial() -> Self {
        State { paths: Default::default(), writers: Default::default(), collectors: Default::default() }
    }

    /// True if a committed row names the path.
    pub(crate) fn is_named(&self, path: usize) -> bool {
        self.writers.iter().any(|writer| writer.rows >> path & 1 == 1)
    }

    /// The state as a number, the same for all states that differ only in who is called what.
    pub(crate) fn key(&self, cast: Cast) -> u128 {
        if cast.contents < 2 {
            return self.packed(cast);
        }
        let [a, b, c, d] = self.paths;
        let turned = State {
            paths: [c, d, a, b],
            writers: self.writers.map(|writer| Writer {
                path: if writer.at == Stage::Idle { 0 } else { writer.path ^ 2 },
                rows: (writer.rows & 3) << 2 | writer.rows >> 2,
                ..writer
            }),
            collectors: self.collectors.map(|collector| Collector {
                path: if collector.at == Phase::Idle { 0 } else { collector.path ^ 2 },
                ..collector
            }),
        };
        self.packed(cast).min(turned.packed(cast))
    }

    fn packed(&self, cast: Cast) -> u128 {
        let mut writers = self.writers.map(|writer| {
            writer.at as u64 | u64::from(writer.path) << 3 | (writer.intent as u64) << 5 | u64::from(writer.rows) << 7
        });
        writers[..cast.writers].sort_unstable();
        let mut collectors = self.collectors.map(|collector| {
            collector.at as u64 | u64::from(collector.path) << 3 | u64::from(collector.saw_release) << 5
        });
        collectors[..cast.collectors].sort_unstable();
        let paths = self.paths.map(|path| {
            let bits = [path.exists, path.released, path.condemned, path.abandoned, path.late_delete];
            bits.iter().rev().fold(0, |all, bit| all << 1 | u64::from(*bit))
        });
        let parts = writers.iter().map(|bits| (*bits, 11));
        let parts = parts.chain(collectors.iter().map(|bits| (*bits, 6))).chain(paths.iter().map(|bits| (*bits, 5)));
        parts.fold(0, |packed, (bits, width)| packed << width | u128::from(bits))
    }

    /// One of the states of this key.
    pub(crate) fn from_key(key: u128) -> Self {
        let mut rest = key;
        let mut take = |width: u32| {
            let bits = rest as u64 & ((1 << width) - 1);
            rest >>= width;
            bits
        };
        let mut state = State::initial();
        for path in state.paths.iter_mut().rev() {
            let bits = take(5);
            let bit = |number: u32| bits >> number & 1 == 1;
            *path =
                Path { exists: bit(0), released: bit(1), condemned: bit(2), abandoned: bit(3), late_delete: bit(4) };
        }
        for collector in state.collectors.iter_mut().rev() {
            let bits = take(6);
            *collector = Collector {
                at: Phase::ALL[(bits & 7) as usize],
                path: (bits >> 3 & 3) as u8,
                saw_release: bits >> 5 & 1 == 1,
            };
        }
        for writer in state.writers.iter_mut().rev() {
            let bits = take(11);
            *writer = Writer {
                at: Stage::ALL[(bits & 7) as usize],
                path: (bits >> 3 & 3) as u8,
                intent: [Intent::None, Intent::Held, Intent::Expired, Intent::Revoked][(bits >> 5 & 3) as usize],
                rows: (bits >> 7 & 15) as u8,
            };
        }
        state
    }
}

impl Stage {
    const ALL: [Stage; 8] = [
        Stage::Idle,
        Stage::Intended,
        Stage::Cleared,
        Stage::CopyIntended,
        Stage::CopyCleared,
        Stage::Stored,
        Stage::Committed,
        Stage::Deleted,
    ];
}

impl Phase {
    const ALL: [Phase; 6] =
        [Phase::Idle, Phase::Condemned, Phase::HalfLooked, Phase::Resolved, Phase::Deleted, Phase::Named];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_its_state_and_its_twins() {
        let cast = Cast { writers: 3, collectors: 2, contents: 2 };
        let mut state = State::initial();
        state.paths[3] = Path { exists: true, released: true, late_delete: true, ..Path::default() };
        state.writers[2] = Writer { at: Stage::Stored, path: 3, intent: Intent::Revoked, rows: 0b0100 };
        state.collectors[0] = Collector { at: Phase::Named, path: 2, saw_release: true };
        assert_eq!(State::from_key(state.key(cast)).key(cast), state.key(cast));
        let mut twin = State::initial();
        twin.paths[1] = state.paths[3];
        twin.writers[0] = Writer { path: 1, rows: 0b0001, ..state.writers[2] };
        twin.collectors[1] = Collector { path: 0, ..state.collectors[0] };
        assert_eq!(twin.key(cast), state.key(cast));
        twin.writers[1].rows = 1;
        assert_ne!(twin.key(cast), state.key(cast));
    }
}
