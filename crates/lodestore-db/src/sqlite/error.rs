//! SQLite's complaints in the words of [`ErrorKind`].

use std::path::Path;

use lodestore_types::{Error, ErrorKind};
use rusqlite::{ErrorCode, ffi};

use super::connection::was_stopped;

/// Translates an error of SQLite on the database file `path`.
pub(super) fn translate(error: rusqlite::Error, path: &Path) -> Error {
    match error {
        rusqlite::Error::ToSqlConversionFailure(inner) => match inner.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => Error::new(ErrorKind::InvalidValue, other.to_string()),
        },
        rusqlite::Error::SqliteFailure(code, message) => {
            let message = message.unwrap_or_else(|| code.to_string());
            from_code(code, message, path)
        }
        rusqlite::Error::SqlInputError { error, msg, sql, offset } => {
            let near: String =
                usize::try_from(offset).ok().and_then(|at| sql.get(at..)).unwrap_or("").chars().take(40).collect();
            let error = from_code(error, msg, path);
            if near.is_empty() || error.kind() != ErrorKind::QuerySyntax { error } else { error.with("near", near) }
        }
        rusqlite::Error::MultipleStatement => {
            Error::new(ErrorKind::QuerySyntax, "only one statement may be sent at a time")
        }
        rusqlite::Error::InvalidParameterCount(given, needed) => {
            Error::new(ErrorKind::QuerySyntax, format!("the statement needs {needed} parameters, {given} were given"))
        }
        other => Error::new(ErrorKind::Database, "the database refused").with_source(other),
    }
}

fn from_code(code: ffi::Error, message: String, path: &Path) -> Error {
    let file = path.display();
    match (code.extended_code, code.code) {
        (ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_ROWID, _) => {
            Error::new(ErrorKind::Duplicate, format!("a row with the same key is there already: {message}"))
        }
        (ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER, _) => {
            Error::new(ErrorKind::Integrity, "a row would refer to a row that is not there")
        }
        (ffi::SQLITE_CONSTRAINT_NOTNULL, _) => {
            Error::new(ErrorKind::MissingAttribute, format!("a required attribute was not given: {message}"))
        }
        (ffi::SQLITE_CONSTRAINT_CHECK | ffi::SQLITE_CONSTRAINT_DATATYPE, _) => {
            // Rules are named by attribute and type, such as `age:int8`.
            let rule = message.strip_prefix("CHECK constraint failed: ").and_then(|rule| rule.split_once(':'));
            match rule {
                Some((attribute, kind)) => {
                    Error::new(ErrorKind::InvalidValue, format!("the database refuses a value that is no `{kind}`"))
                        .with("attribute", attribute)
                }
                None => Error::new(ErrorKind::InvalidValue, format!("a value breaks a rule of the table: {message}")),
            }
        }
        (_, ErrorCode::DatabaseBusy) if was_stopped() => {
            Error::new(ErrorKind::Interrupted, "the statement was interrupted")
        }
        (_, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(ErrorKind::LostConnection, format!("the database {file} stays locked by another process"))
                .with_hint("another process has a transaction open for long; end it, or try again later")
        }
        (_, ErrorCode::OperationInterrupted) => Error::new(ErrorKind::Interrupted, "the statement was interrupted"),
        (_, ErrorCode::CannotOpen) => {
            Error::new(ErrorKind::LostConnection, format!("cannot open the database {file}: {message}"))
                .with_hint("see that its folder exists and that you may write there")
        }
        (_, ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            Error::new(ErrorKind::Access, format!("the database {file} is read-only: {message}"))
        }
        (_, ErrorCode::DiskFull) => Error::new(ErrorKind::Database, format!("the disk of {file} is full"))
            .with_hint("free some space; nothing of this statement was stored"),
        (_, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::new(ErrorKind::Corrupt, format!("{file} is not a sound SQLite database: {message}"))
        }
        (_, ErrorCode::TooBig) => {
            Error::new(ErrorKind::InvalidValue, format!("a value is too long for the database: {message}"))
                .with_hint("keep large values in a store: `<blob@>` or `<npy@>`")
        }
        _ if message.starts_with("no such table") => Error::new(ErrorKind::MissingTable, message),
        _ if message.starts_with("no such column") => Error::new(ErrorKind::UnknownAttribute, message),
        _ if message.contains("syntax error")
            || message.contains("incomplete input")
            || message.contains("unrecognized token") =>
        {
            Error::new(ErrorKind::QuerySyntax, message)
        }
        _ => Error::new(ErrorKind::Database, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Driver as _;
    use crate::sqlite::Driver;

    #[test]
    fn complaints_have_their_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Driver::new(folder.path().join("x.db")).connect().unwrap();
        let setup = [
            "CREATE TABLE p (id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n < 9)) STRICT",
            "CREATE TABLE c (id INTEGER REFERENCES p (id) ON DELETE RESTRICT) STRICT",
            "INSERT INTO p VALUES (1, 1)",
            "INSERT INTO c VALUES (1)",
        ];
        for sql in setup {
            connection.execute(sql, &[]).unwrap();
        }
        let cases = [
            ("INSERT INTO p VALUES (1, 2)", ErrorKind::Duplicate),
            ("INSERT INTO p VALUES (2, NULL)", ErrorKind::MissingAttribute),
            ("INSERT INTO p VALUES (2, 10)", ErrorKind::InvalidValue),
            ("INSERT INTO p VALUES (2, 'x')", ErrorKind::InvalidValue),
            ("INSERT INTO c VALUES (5)", ErrorKind::Integrity),
            ("DELETE FROM p", ErrorKind::Integrity),
            ("SELECT * FROM nowhere", ErrorKind::MissingTable),
            ("SELECT nonesuch FROM p", ErrorKind::UnknownAttribute),
            ("SELEC 1", ErrorKind::QuerySyntax),
            ("SELECT 1; SELECT 2", ErrorKind::QuerySyntax),
        ];
        for (sql, kind) in cases {
            let error = connection.execute(sql, &[]).unwrap_err();
            assert_eq!(error.kind(), kind, "{sql}: {error:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        std::fs::write(&path, vec![b'x'; 4096]).unwrap();
        assert_eq!(Driver::new(&path).connect().unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(Driver::new(folder.path().join("no/x.db")).connect().unwrap_err().kind(), ErrorKind::LostConnection);
    }
}
