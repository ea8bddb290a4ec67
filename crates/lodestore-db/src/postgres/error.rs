//! PostgreSQL's complaints in the words of [`ErrorKind`].

use std::error::Error as _;

use lodestore_types::{Error, ErrorKind};
use tokio_postgres::error::DbError;

use crate::ServerConfig;

/// Translates an error that a statement met.
pub(super) fn translate(error: tokio_postgres::Error) -> Error {
    if let Some(complaint) = error.as_db_error() {
        return from_server(complaint);
    }
    let own = error.source().and_then(|source| source.downcast_ref::<Unbindable>());
    if let Some(Unbindable(what)) = own {
        return Error::new(ErrorKind::InvalidValue, format!("a value of type {what} cannot be bound to a statement"));
    }
    if is_lost(&error) {
        return Error::new(ErrorKind::LostConnection, "the connection to the database server was lost")
            .with_source(error);
    }
    Error::new(ErrorKind::Database, error.to_string()).with_source(error)
}

/// True if there is nobody left to talk to.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    let io = error.source().is_some_and(|source| source.is::<std::io::Error>());
    io || error.is_closed() || error.as_db_error().is_some_and(|complaint| is_farewell(complaint.code().code()))
}

/// True for the last words of a server that ends the connection.
fn is_farewell(code: &str) -> bool {
    code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "57P05")
}

/// Translates the failure to open a connection.
pub(super) fn refused(error: tokio_postgres::Error, server: &ServerConfig) -> Error {
    let place = server.to_string();
    if let Some(complaint) = error.as_db_error() {
        let said = complaint.message();
        return match complaint.code().code() {
            "28P01" | "28000" => Error::new(ErrorKind::Access, format!("the database server lets us not in: {said}"))
                .with_hint("see that `database.user` and `database.password` are right"),
            "3D000" => Error::new(ErrorKind::InvalidConfig, format!("the server has no such database: {said}"))
                .with_hint("name another one by `database.name`"),
            "53300" => Error::new(ErrorKind::LostConnection, format!("the server has no connection left: {said}"))
                .with_hint("close connections that are no longer used, or raise the server's `max_connections`"),
            _ => Error::new(ErrorKind::LostConnection, format!("the database server refuses: {said}")),
        }
        .with("server", place);
    }
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    let why = if causes.is_empty() { error.to_string() } else { causes.join(": ") };
    let secure = why.contains("certificate") || error.to_string().contains("TLS");
    let hint = match secure {
        true => {
            "`use_tls={\"ca\": path}` trusts the authority in a file, `use_tls=False` switches encryption off; see that \
             the certificate names the host"
        }
        false => "see that the server runs, and that `database.host` and `database.port` name it",
    };
    let kind = if why.contains("password") { ErrorKind::Access } else { ErrorKind::LostConnection };
    Error::new(kind, format!("cannot connect to the database server: {why}")).with("server", place).with_hint(hint)
}

fn from_server(complaint: &DbError) -> Error {
    let said = match complaint.detail() {
        Some(detail) => format!("{}: {detail}", complaint.message()),
        None => complaint.message().to_owned(),
    };
    let of = |kind: ErrorKind| Error::new(kind, said.clone());
    let code = complaint.code().code();
    let error = match code {
        "23505" => {
            let detail = complaint.detail().unwrap_or(complaint.message());
            Error::new(ErrorKind::Duplicate, format!("a row with the same key is there already: {detail}"))
        }
        "23503" => match complaint.detail() {
            Some(detail) if detail.contains("still referenced") => {
                Error::new(ErrorKind::Integrity, format!("other rows refer to this row: {detail}"))
            }
            Some(detail) => {
                Error::new(ErrorKind::Integrity, format!("a row would refer to a row that is not there: {detail}"))
            }
            None => of(ErrorKind::Integrity),
        },
        "23001" => of(ErrorKind::Integrity),
        "23502" => Error::new(ErrorKind::MissingAttribute, "a required attribute was not given"),
        "42P01" | "3F000" => of(ErrorKind::MissingTable),
        "42703" => of(ErrorKind::UnknownAttribute),
        "42501" => of(ErrorKind::Access)
            .with_hint("ask the owner of the schema for the privilege, such as CREATE, INSERT or REFERENCES"),
        "0A000" => of(ErrorKind::Unsupported),
        "25P02" => Error::new(ErrorKind::InvalidRequest, "the transaction was broken off by an earlier error")
            .with_hint("roll it back and begin again"),
        "57014" => {
            of(ErrorKind::Database).with_hint("`database.statement_timeout` says how many seconds a statement may take")
        }
        "40001" | "40P01" | "55P03" => of(ErrorKind::LostConnection)
            .with_hint("other transactions were in the way; the same call may succeed when it is made again"),
        "53100" => of(ErrorKind::Database).with_hint("free some space; nothing of this statement was stored"),
        "54000" | "54001" | "54011" => of(ErrorKind::Unsupported),
        "XX001" | "XX002" => of(ErrorKind::Corrupt),
        code if is_farewell(code) => {
            Error::new(ErrorKind::LostConnection, format!("the database server ended the connection: {said}"))
        }
        code if code.starts_with("22") || code.starts_with("23") => of(ErrorKind::InvalidValue),
        code if code.starts_with("28") => of(ErrorKind::Access),
        code if code.starts_with("42") => of(ErrorKind::QuerySyntax),
        _ => of(ErrorKind::Database),
    };
    let error = match complaint.column() {
        Some(column) => error.with("attribute", column),
        None => error,
    };
    // Of a row that others refer to, the server names the table of the others.
    let of_others = code.starts_with("23") && said.contains("still referenced");
    let error = match (complaint.schema(), complaint.table()) {
        (Some(schema), Some(table)) if !of_others => error.with("table", format!("{schema}.{table}")),
        _ => error,
    };
    match complaint.hint() {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// A value that no column could hold.
#[derive(Debug)]
pub(super) struct Unbindable(pub(super) &'static str);

impl std::fmt::Display for Unbindable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a value of type {}", self.0)
    }
}

impl std::error::Error for Unbindable {}
