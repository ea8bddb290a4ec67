//! What there is at one moment: objects, the journal, rows, and how far every process is.

/// How many take part.
#[derive(Debug, Clone, Copy)]
pub struct Cast {
    /// Up to three.
    pub writers: usize,
    /// Up to two.
    pub collectors: usize,
    /// Up to two.
    pub objects: usize,
}

/// A moment of the whole system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub(crate) objects: [Object; 2],
    pub(crate) writers: [Writer; 3],
    pub(crate) collectors: [Collector; 2],
}

/// An object with what the journal tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Object {
    pub(crate) exists: bool,
    /// Rows that named it were deleted.
    pub(crate) released: bool,
    /// Intents of writers that are gone.
    pub(crate) abandoned: bool,
    pub(crate) condemned: Mark,
}

/// Who wants to delete an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mark {
    #[default]
    None,
    /// A collector that is at work.
    Working,
    /// A collector that is gone.
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Writer {
    pub(crate) at: Stage,
    pub(crate) object: u8,
    pub(crate) intent: Intent,
    /// Bit n: a committed row of this writer names object n.
    pub(crate) rows: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    #[default]
    Idle,
    /// The intent is in the journal.
    Intended,
    /// The object was seen not to be condemned.
    Cleared,
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
    pub(crate) object: u8,
    /// True as long as the releases it knows of are all there are.
    pub(crate) saw_release: bool,
    /// True while the object's mark is this collector's.
    pub(crate) owns: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    #[default]
    Idle,
    Condemned,
    /// Intents or references were looked at, the others are still to be.
    HalfLooked,
    /// Nothing names the object.
    Resolved,
    Deleted,
    /// Something names the object.
    Pardoning,
}

impl State {
    /// Nothing at all.
    pub(crate) fn initial() -> Self {
        State { objects: Default::default(), writers: Default::default(), collectors: Default::default() }
    }

    /// True if a committed row names the object.
    pub(crate) fn is_named(&self, object: usize) -> bool {
        self.writers.iter().any(|writer| writer.rows >> object & 1 == 1)
    }

    /// The state as a number, the same for all states that differ only in who is called what.
    pub(crate) fn key(&self, cast: Cast) -> u64 {
        if cast.objects < 2 {
            return self.packed(cast);
        }
        let turned = State {
            objects: [self.objects[1], self.objects[0]],
            writers: self.writers.map(|writer| Writer {
                object: writer.object ^ u8::from(writer.at != Stage::Idle),
                rows: (writer.rows & 1) << 1 | writer.rows >> 1,
                ..writer
            }),
            collectors: self.collectors.map(|collector| Collector {
                object: collector.object ^ u8::from(collector.at != Phase::Idle),
                ..collector
            }),
        };
        self.packed(cast).min(turned.packed(cast))
    }

    fn packed(&self, cast: Cast) -> u64 {
        let mut writers = self.writers.map(|writer| {
            writer.at as u64 | u64::from(writer.object) << 3 | (writer.intent as u64) << 4 | u64::from(writer.rows) << 6
        });
        writers[..cast.writers].sort_unstable();
        let mut collectors = self.collectors.map(|collector| {
            collector.at as u64
                | u64::from(collector.object) << 3
                | u64::from(collector.saw_release) << 4
                | u64::from(collector.owns) << 5
        });
        collectors[..cast.collectors].sort_unstable();
        let objects = self.objects.map(|object| {
            u64::from(object.exists)
                | u64::from(object.released) << 1
                | u64::from(object.abandoned) << 2
                | (object.condemned as u64) << 3
        });
        let parts = writers.iter().map(|bits| (*bits, 8));
        let parts = parts.chain(collectors.iter().map(|bits| (*bits, 6))).chain(objects.iter().map(|bits| (*bits, 5)));
        parts.fold(0, |packed, (bits, width)| packed << width | bits)
    }

    /// One of the states of this key.
    pub(crate) fn from_key(key: u64) -> Self {
        let mut rest = key;
        let mut take = |width: u32| {
            let bits = rest & ((1 << width) - 1);
            rest >>= width;
            bits
        };
        let mut state = State::initial();
        for object in state.objects.iter_mut().rev() {
            let bits = take(5);
            *object = Object {
                exists: bits & 1 == 1,
                released: bits >> 1 & 1 == 1,
                abandoned: bits >> 2 & 1 == 1,
                condemned: [Mark::None, Mark::Working, Mark::Left][(bits >> 3) as usize],
            };
        }
        for collector in state.collectors.iter_mut().rev() {
            let bits = take(6);
            *collector = Collector {
                at: Phase::ALL[(bits & 7) as usize],
                object: (bits >> 3 & 1) as u8,
                saw_release: bits >> 4 & 1 == 1,
                owns: bits >> 5 & 1 == 1,
            };
        }
        for writer in state.writers.iter_mut().rev() {
            let bits = take(8);
            *writer = Writer {
                at: Stage::ALL[(bits & 7) as usize],
                object: (bits >> 3 & 1) as u8,
                intent: [Intent::None, Intent::Held, Intent::Expired, Intent::Revoked][(bits >> 4 & 3) as usize],
                rows: (bits >> 6 & 3) as u8,
            };
        }
        state
    }
}

impl Stage {
    const ALL: [Stage; 6] =
        [Stage::Idle, Stage::Intended, Stage::Cleared, Stage::Stored, Stage::Committed, Stage::Deleted];
}

impl Phase {
    const ALL: [Phase; 6] =
        [Phase::Idle, Phase::Condemned, Phase::HalfLooked, Phase::Resolved, Phase::Deleted, Phase::Pardoning];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_its_state_and_its_twins() {
        let cast = Cast { writers: 3, collectors: 2, objects: 2 };
        let mut state = State::initial();
        state.objects[1] = Object { exists: true, released: true, abandoned: false, condemned: Mark::Left };
        state.writers[2] = Writer { at: Stage::Stored, object: 1, intent: Intent::Revoked, rows: 2 };
        state.collectors[0] = Collector { at: Phase::Pardoning, object: 1, saw_release: true, owns: true };
        assert_eq!(State::from_key(state.key(cast)).key(cast), state.key(cast));
        let mut twin = state;
        twin.objects.swap(0, 1);
        twin.writers = [
            Writer { at: Stage::Stored, object: 0, intent: Intent::Revoked, rows: 1 },
            Writer::default(),
            Writer::default(),
        ];
        twin.collectors = [Collector::default(), Collector { object: 0, ..state.collectors[0] }];
        assert_eq!(twin.key(cast), state.key(cast));
        twin.writers[1].rows = 1;
        assert_ne!(twin.key(cast), state.key(cast));
    }
}
