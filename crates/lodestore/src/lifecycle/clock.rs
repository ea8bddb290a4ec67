//! The time that counts for grace periods: recorded in the journal, and followed by the clock of the database.
//!
//! A clock may jump: that of an embedded database is of whichever machine has opened it. So the journal records a time, as
//! `clock` in `~lifecycle`. It never goes back, and follows the clock by at most a day at once. A greater step counts only
//! when the clock has gone on from there for a day, and nobody has seen an earlier time meanwhile; until then nothing is
//! deleted that waits for its time to be over. What is written down bears the later one of both times.

use lodestore_sql::journal::LONGEST_STEP;
use lodestore_types::{Error, ErrorKind, Result, SchemaName, Value};

use super::report::Collected;
use crate::Instance;

/// Seconds for which a clock must have gone on after a jump before it is believed.
const CONFIRMED_AFTER: i64 = 86_400;
/// Seconds that the recorded time may be behind before it is written anew.
const UNWRITTEN: i64 = 3_600;

/// The times that a journal records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    clock: Option<i64>,
    /// What the clock said when it was first seen to have jumped.
    jump: Option<i64>,
}

impl Times {
    /// What to record when the clock says `now`, and whether that is a jump that is not believed.
    fn follow(self, now: i64) -> (Self, bool) {
        let at = |clock| (Times { clock: Some(clock), jump: None }, false);
        match (self.clock, self.jump) {
            (None, _) => at(now),
            (Some(clock), _) if now - clock <= LONGEST_STEP => at(clock.max(now)),
            (Some(_), Some(jump)) if now - jump >= CONFIRMED_AFTER => at(now),
            (clock, Some(jump)) if jump <= now => (Times { clock, jump: Some(jump) }, true),
            (clock, _) => (Times { clock, jump: Some(now) }, true),
        }
    }
}

impl Instance {
    /// Has the recorded time of a schema follow the clock. Returns the recorded time, and true if the clock has jumped.
    ///
    /// # Errors
    /// `Corrupt` for times that are not numbers; the database's.
    pub(super) fn follow_clock(&self, schema: &SchemaName) -> Result<(i64, bool)> {
        let journal = self.journal(schema);
        let rows = self.query(&journal.times()?)?;
        let strange = || {
            Error::new(ErrorKind::Corrupt, "the journal contains a time that is not a number").with("schema", schema)
        };
        let number = |value: &Value| match value {
            Value::Null => Ok(None),
            value => value.as_str().and_then(|text| text.parse().ok()).map(Some).ok_or_else(strange),
        };
        let row = rows.first().ok_or_else(strange)?;
        let now = row[0].as_i64().ok_or_else(strange)?;
        let before = Times { clock: number(&row[1])?, jump: number(&row[2])? };
        let (after, has_jumped) = before.follow(now);
        let clock = after.clock.unwrap_or(now);
        let mut statements = Vec::new();
        if before.clock.is_none_or(|before| clock - before >= UNWRITTEN) {
            statements.push(journal.set_property("clock", &clock.to_string())?);
        }
        match after.jump {
            jump if jump == before.jump => {}
            Some(jump) => statements.push(journal.set_property("jump", &jump.to_string())?),
            None => statements.push(journal.forget_property("jump")?),
        }
        for statement in statements {
            self.with_connection(|connection| connection.execute(&statement.sql, &statement.parameters))?;
        }
        Ok((clock, has_jumped))
    }

    /// Reports that a jump of the clock has postponed something, if it has.
    pub(super) fn report_jump(&self, schema: &SchemaName, grace: i64, report: &mut Collected) -> Result<()> {
        let mut waits = !self.query(&self.journal(schema).released_by_clock(grace.max(0))?)?.is_empty() && grace > 0;
        waits |= self.expired_by_clock(schema)?;
        if waits {
            report.failures.push(format!(
                "the clock of the database has gone forward by more than a day since it was last looked at: what its time \
                 would be over for in schema `{schema}` is kept for another day, in case the clock is wrong"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn time_goes_on_by_steps_and_never_back() {
        let start = Times { clock: Some(100 * DAY), jump: None };
        let clock = |day: i64| Times { clock: Some(day * DAY), jump: None };
        assert_eq!(Times { clock: None, jump: None }.follow(100 * DAY), (start, false));
        assert_eq!(start.follow(101 * DAY), (clock(101), false));
        assert_eq!(start.follow(50 * DAY), (start, false));
    }

    #[test]
    fn a_jump_is_believed_when_a_day_went_on_from_there() {
        let start = Times { clock: Some(100 * DAY), jump: None };
        let jumped = Times { jump: Some(108 * DAY), ..start };
        assert_eq!(start.follow(108 * DAY), (jumped, true));
        assert_eq!(jumped.follow(108 * DAY + 100), (jumped, true));
        assert_eq!(jumped.follow(109 * DAY), (Times { clock: Some(109 * DAY), jump: None }, false));
        // Another machine knows better.
        assert_eq!(jumped.follow(100 * DAY + 60), (Times { clock: Some(100 * DAY + 60), jump: None }, false));
        // Two jumps: the lesser one counts from its own moment.
        assert_eq!(jumped.follow(103 * DAY), (Times { jump: Some(103 * DAY), ..start }, true));
    }
}
