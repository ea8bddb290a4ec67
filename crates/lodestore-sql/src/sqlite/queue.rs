//! Queues. One process at a time writes, so there are no locks to speak of.

use crate::queue::QueueWords;

pub(super) const WORDS: QueueWords = QueueWords {
    skip_locked: "",
    lock_rows: "",
    tells_updated: true,
    before_transaction: None,
    connection_id: None,
    user: None,
    on_conflict: true,
};

/// A moment so far from now, in the form that columns of `datetime(3)` have.
pub(super) fn moment(seconds: f64) -> String {
    let shift = if seconds == 0.0 { String::new() } else { format!(", '{seconds:+.6} seconds'") };
    format!("rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', 'now'{shift}), '0'), '.')")
}
