//! Queues.

use crate::Statement;
use crate::queue::{NamedLock, QueueWords};

pub(super) const WORDS: QueueWords = QueueWords {
    skip_locked: " FOR UPDATE SKIP LOCKED",
    lock_rows: " FOR UPDATE",
    tells_updated: true,
    before_transaction: None,
    connection_id: Some("pg_backend_pid()"),
    user: Some("current_user"),
    on_conflict: true,
};

/// The statement's own moment: that of `CURRENT_TIMESTAMP` is the transaction's.
pub(super) fn moment(seconds: f64) -> String {
    match seconds {
        0.0 => "CAST(statement_timestamp() AS timestamp(3))".to_owned(),
        _ => format!("CAST(statement_timestamp() + {seconds} * interval '1 second' AS timestamp(3))"),
    }
}

pub(super) fn lock(name: &str) -> NamedLock {
    let sql = "SELECT 1 FROM pg_advisory_xact_lock(hashtextextended($1, 0))".to_owned();
    NamedLock { take: Statement { sql, parameters: vec![name.into()] }, give_back: None }
}
