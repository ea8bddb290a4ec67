//! What becomes of a transaction on servers that end it by themselves.

use lodestore_types::{Error, ErrorKind, Result};

/// The transaction of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Transaction {
    /// None is open: each statement is committed by itself.
    #[default]
    None,
    /// One is open.
    Open {
        /// False after a definition, which ends the transaction and forgets its savepoint.
        savepoints: bool,
    },
    /// The server took it back: nothing may be sent until the program has noticed. It would be committed by itself.
    Lost,
}

impl Transaction {
    pub fn open() -> Self {
        Transaction::Open { savepoints: true }
    }

    /// Notes that the server took it back; true if one was open.
    pub fn lose(&mut self) -> bool {
        let open = matches!(self, Transaction::Open { .. });
        if open {
            *self = Transaction::Lost;
        }
        open
    }

    /// # Errors
    /// `LostConnection` if the server took it back.
    pub fn check(&self) -> Result<()> {
        match self {
            Transaction::Lost => {
                Err(Error::new(ErrorKind::LostConnection, "the transaction was taken back by the server")
                    .with_hint("nothing of it took effect: roll the transaction back and begin again"))
            }
            _ => Ok(()),
        }
    }

    /// Notes that a definition was sent; true if it ended a transaction, which is to be begun again.
    pub fn ended_by_definition(&mut self) -> bool {
        match self {
            Transaction::Open { savepoints } => {
                *savepoints = false;
                true
            }
            _ => false,
        }
    }

    /// What to send instead of a statement about a savepoint that a definition has ended.
    pub fn instead_of(&mut self, sql: &str) -> Option<&'static [&'static str]> {
        let Transaction::Open { savepoints } = self else { return None };
        if sql.starts_with("SAVEPOINT ") {
            *savepoints = true;
        }
        match sql {
            _ if *savepoints => None,
            _ if sql.starts_with("RELEASE SAVEPOINT ") => Some(&[]),
            _ if sql.starts_with("ROLLBACK TO SAVEPOINT ") => Some(&["ROLLBACK", "START TRANSACTION"]),
            _ => None,
        }
    }
}

/// True for statements that end the transaction in which they stand. Those about temporary tables do not.
pub(super) fn is_definition(sql: &str) -> bool {
    let mut words = sql.split_whitespace().map(str::to_ascii_uppercase);
    let (word, next) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // What is executed by name is a definition too: nothing else is prepared by text.
    matches!(word.as_str(), "CREATE" | "DROP" | "ALTER" | "RENAME" | "TRUNCATE" | "EXECUTE") && next != "TEMPORARY"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_ends_savepoints() {
        let mut transaction = Transaction::open();
        assert_eq!(transaction.instead_of("SAVEPOINT a"), None);
        assert_eq!(transaction.instead_of("RELEASE SAVEPOINT a"), None);
        assert!(is_definition("CREATE TABLE t (a int)") && !is_definition("INSERT INTO t VALUES (1)"));
        assert!(!is_definition("create temporary table t (a int)") && !is_definition("DROP TEMPORARY TABLE t"));
        assert!(transaction.ended_by_definition());
        assert_eq!(transaction.instead_of("RELEASE SAVEPOINT a"), Some(&[][..]));
        assert_eq!(transaction.instead_of("ROLLBACK TO SAVEPOINT a").unwrap().len(), 2);
        assert_eq!(transaction.instead_of("SAVEPOINT a"), None);
        assert_eq!(transaction.instead_of("ROLLBACK TO SAVEPOINT a"), None);
        assert!(!Transaction::None.ended_by_definition());
    }

    #[test]
    fn what_was_lost_is_refused() {
        let mut transaction = Transaction::open();
        assert!(transaction.check().is_ok() && transaction.lose());
        assert_eq!(transaction.check().unwrap_err().kind(), ErrorKind::LostConnection);
        assert!(!transaction.lose());
    }
}
