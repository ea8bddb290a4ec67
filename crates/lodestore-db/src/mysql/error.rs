//! The servers' complaints in the words of [`ErrorKind`].

use ::mysql::{DriverError, Error as Failure, MySqlError};
use lodestore_types::{Error, ErrorKind};

use crate::ServerConfig;

/// True if the connection is of no use any more.
pub(super) fn is_lost(failure: &Failure) -> bool {
    match failure {
        Failure::IoError(_) | Failure::CodecError(_) | Failure::TlsError(_) => true,
        Failure::DriverError(error) => !matches!(
            error,
            DriverError::MismatchedStmtParams(..) | DriverError::MixedParams | DriverError::PacketTooLarge
        ),
        // Shut down, killed, too long idle, packets out of order.
        Failure::MySqlError(error) => matches!(error.code, 1053 | 1152 | 1156..=1161 | 1927 | 2006 | 2013 | 4031),
        _ => false,
    }
}

/// True if the server took the whole transaction back.
pub(super) fn ends_transaction(failure: &Failure) -> bool {
    matches!(failure, Failure::MySqlError(error) if error.code == 1213)
}

/// True if no connection was opened because of the server's certificate.
pub(super) fn is_about_certificate(failure: &Failure) -> bool {
    match failure {
        Failure::TlsError(_) => true,
        Failure::IoError(_) | Failure::CodecError(_) => failure.to_string().contains("certificate"),
        _ => false,
    }
}

/// Why no connection was opened.
pub(super) fn refused(failure: Failure, config: &ServerConfig) -> Error {
    let lost = |message: String| {
        Error::new(ErrorKind::LostConnection, message)
            .with_hint("see that the server runs, and that `database.host` and `database.port` are right")
    };
    match failure {
        Failure::MySqlError(error) if matches!(error.code, 1044 | 1045 | 1698 | 1862 | 3118 | 3955) => {
            let message = format!("the database server at {config} does not let us in: {}", error.message);
            Error::new(ErrorKind::Access, message).with_hint("check `database.user` and `database.password`")
        }
        Failure::MySqlError(error) => translate_server(error),
        Failure::DriverError(DriverError::TlsNotSupported) => {
            Error::new(ErrorKind::LostConnection, format!("the database server at {config} offers no encryption"))
                .with_hint("switch TLS on there, or set `database.use_tls` to false on a network that you trust")
        }
        failure if is_about_certificate(&failure) => unencrypted(&failure.to_string(), config),
        Failure::IoError(error) => lost(format!("no connection to the database server at {config}: {error}")),
        Failure::DriverError(error) => lost(format!("no connection to the database server at {config}: {error}")),
        other => lost(format!("no connection to the database server at {config}")).with_source(other),
    }
}

fn unencrypted(fault: &str, config: &ServerConfig) -> Error {
    Error::new(ErrorKind::LostConnection, format!("no encrypted connection to {config}: {fault}")).with_hint(
        "name the authority that signed the server's certificate by `database.use_tls`: {\"ca\": \"ca.pem\"}; or leave \
         encryption (false) or verification ({\"verify\": false}) away on a network that you trust",
    )
}

/// An upsert makes the key NULL where a row agrees with another one in something else than the key.
pub(super) fn unique_conflict(error: Error, sql: &str) -> Error {
    if error.kind() != ErrorKind::MissingAttribute || !sql.contains(" ON DUPLICATE KEY UPDATE ") {
        return error;
    }
    Error::new(ErrorKind::Duplicate, "a row with another key has the same values in a unique index")
        .with_hint("change the values of the index, or the key")
}

/// An error of the server or of the connection to it.
pub(super) fn translate(failure: Failure) -> Error {
    match failure {
        Failure::MySqlError(error) => translate_server(error),
        Failure::DriverError(DriverError::MismatchedStmtParams(needed, given)) => {
            Error::new(ErrorKind::QuerySyntax, format!("the statement needs {needed} parameters, {given} were given"))
        }
        Failure::DriverError(DriverError::PacketTooLarge) => too_large("it exceeds `max_allowed_packet`"),
        other if is_lost(&other) => Error::new(ErrorKind::LostConnection, "the connection to the database was lost")
            .with_hint("see that the server runs; the next statement connects again")
            .with_source(other),
        other => Error::new(ErrorKind::Database, "the database refused").with_source(other),
    }
}

fn too_large(message: &str) -> Error {
    Error::new(ErrorKind::InvalidValue, format!("a value is too long for the database: {message}"))
        .with_hint("keep large values in a store (`<blob@>`, `<npy@>`), or raise `max_allowed_packet` of the server")
}

fn translate_server(error: MySqlError) -> Error {
    let MySqlError { code, message, .. } = error;
    let plain = |kind| Error::new(kind, message.clone());
    let about = |kind, what: &str| Error::new(kind, format!("{what}: {message}"));
    let attribute = |error: Error| match quoted_after(&message, "olumn ") {
        Some(name) => error.with("attribute", name),
        None => error,
    };
    match code {
        1022 | 1062 | 1169 | 1586 => about(ErrorKind::Duplicate, "a row with the same key is there already"),
        1216 | 1452 => reference(&message, "a row would refer to a row that is not there"),
        1217 | 1451 => reference(&message, "a row is still referred to"),
        1048 | 1364 => attribute(about(ErrorKind::MissingAttribute, "a required attribute was not given")),
        1264 | 1265 | 1292 | 1366 | 1367 | 1406 | 1411 | 1525 | 1690 | 3140 | 3141 | 3156 | 3819 | 4025 | 4078 => {
            attribute(about(ErrorKind::InvalidValue, "the database refuses a value"))
        }
        1153 | 1301 => too_large(&message),
        1146 | 1049 | 1051 | 1109 => plain(ErrorKind::MissingTable),
        1054 => plain(ErrorKind::UnknownAttribute),
        1064 | 1065 | 1149 | 1052 | 1055 | 1056 | 1060 | 1111 | 1140 | 1241 | 1242 | 1247 | 1248 | 1295 | 1305
        | 1582 | 1630 | 3065 => plain(ErrorKind::QuerySyntax),
        1044 | 1045 | 1095 | 1142 | 1143 | 1227 | 1370 | 1698 => {
            plain(ErrorKind::Access).with_hint("ask the database's administrator for this privilege")
        }
        1290 | 1792 | 1836 | 3100 => about(ErrorKind::Access, "the database is read-only"),
        1213 => about(ErrorKind::LostConnection, "another process holds what this one needs, and the other way round")
            .with_hint("the transaction was taken back; do it again"),
        1205 => about(ErrorKind::LostConnection, "rows stay locked by another process")
            .with_hint("another process has a transaction open for long; end it, or try again later"),
        1317 => plain(ErrorKind::Interrupted),
        1969 | 3024 => about(ErrorKind::Database, "the statement took longer than allowed")
            .with_hint("allow more by `database.statement_timeout`, or ask for less at once"),
        1040 | 1203 | 1226 => about(ErrorKind::LostConnection, "the server takes no more connections"),
        1053 | 1152 | 1156..=1161 | 1927 | 2006 | 2013 | 4031 => {
            about(ErrorKind::LostConnection, "the connection to the database was lost")
                .with_hint("see that the server runs; the next statement connects again")
        }
        1021 | 1114 | 3675 => {
            about(ErrorKind::Database, "the disk is full").with_hint("nothing of this statement was stored")
        }
        1005 | 1059 | 1067 | 1068 | 1069 | 1070 | 1071 | 1072 | 1074 | 1075 | 1101 | 1118 | 1166 | 1170 | 1215
        | 1253 | 3780 | 3811 | 3822 => about(ErrorKind::InvalidDefinition, "the database cannot make this table"),
        _ => plain(ErrorKind::Database),
    }
}

/// The refusal of a foreign key, with its attributes and the two tables: the server's message says all of them, in a
/// form that is not for people.
fn reference(message: &str, what: &str) -> Error {
    let mut error = Error::new(ErrorKind::Integrity, what);
    let inside = |from: &str, to: char| {
        let rest = message.split_once(from)?.1;
        Some(rest.split_once(to)?.0.replace('`', ""))
    };
    if let Some(child) = message.split_once("fails (").map(|(_, rest)| rest.split(',').next().unwrap_or_default()) {
        error = error.with("child", child.replace('`', ""));
    }
    if let Some(columns) = inside("FOREIGN KEY (", ')') {
        error = error.with("attribute", columns);
    }
    match inside("REFERENCES ", '(') {
        Some(parent) => error.with("parent", parent.trim()),
        None => error,
    }
}

/// What stands in quotes behind a word.
fn quoted_after<'a>(message: &'a str, word: &str) -> Option<&'a str> {
    let rest = message.split_once(word)?.1.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '`'))?;
    // Some versions tell the whole path: `lab`.`table`.`column`.
    let name = rest[1..].split(" at row").next()?.trim_end_matches([quote, ' ']);
    name.split(quote).next_back().filter(|name| !name.is_empty() && !name.contains(' '))
}
