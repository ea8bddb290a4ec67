//! Queues.

use lodestore_types::Value;
use md5::{Digest, Md5};

use super::types::hexadecimal;
use crate::Statement;
use crate::queue::{NamedLock, QueueWords};

pub(super) const WORDS: QueueWords = QueueWords {
    skip_locked: " FOR UPDATE SKIP LOCKED",
    lock_rows: " FOR UPDATE",
    tells_updated: false,
    before_transaction: Some("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
    connection_id: Some("CONNECTION_ID()"),
    user: Some("USER()"),
    on_conflict: false,
};

pub(super) fn moment(seconds: f64) -> String {
    match seconds {
        0.0 => "CURRENT_TIMESTAMP(3)".to_owned(),
        _ => format!("(CURRENT_TIMESTAMP(3) + INTERVAL {:.0} MICROSECOND)", seconds * 1e6),
    }
}

/// The server takes names of up to 64 characters, so that what is sent is a digest. A wait of a minute is long enough: what is
/// done under the lock is right without it, too.
pub(super) fn lock(name: &str) -> NamedLock {
    let text = hexadecimal(&Md5::digest(name.as_bytes()));
    let send = |sql: String| Statement { sql, parameters: Vec::<Value>::new() };
    NamedLock {
        take: send(format!("SELECT GET_LOCK(HEX({text}), 60)")),
        give_back: Some(send(format!("SELECT RELEASE_LOCK(HEX({text}))"))),
    }
}
