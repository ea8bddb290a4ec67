//! How a database server is reached: what PostgreSQL and MySQL have in common.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lodestore_types::{Error, ErrorKind};

/// How a database server is reached. The password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Name or address of the host; for PostgreSQL also the folder of a socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The password, if the server asks for one.
    pub password: Option<String>,
    /// The database, for servers that have several and keep schemas in them.
    pub database: Option<String>,
    /// Whether the connection is encrypted.
    pub tls: Tls,
    /// Whether a connection that was lost outside a transaction is opened again.
    pub reconnect: bool,
    /// How long the server may take to let us in.
    pub connect_timeout: Duration,
    /// How long a statement may run. `None`: as long as it takes.
    pub statement_timeout: Option<Duration>,
}

/// Whether a connection is encrypted, and what the server's certificate is held to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tls {
    /// Encrypted if the server can. A certificate that cannot be verified is warned of, unless the server is this machine.
    #[default]
    Preferred,
    /// Never encrypted.
    Off,
    /// Always encrypted.
    Required(TlsOptions),
}

/// What the server's certificate is held to, and the client's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificates (PEM) of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate (PEM).
    pub cert: Option<PathBuf>,
    /// The key of the client's certificate (PEM).
    pub key: Option<PathBuf>,
    /// Whether the certificate must be signed by a trusted authority.
    pub verify: Verify,
    /// Whether the certificate must name the host.
    pub check_hostname: bool,
}

/// Whether a server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// A certificate that no trusted authority signed for this host is refused.
    Always,
    /// Such a certificate is accepted, with a warning: as DataJoint connects where no authority is configured.
    #[default]
    OrWarn,
    /// Any certificate is accepted.
    Never,
}

impl Default for TlsOptions {
    fn default() -> Self {
        TlsOptions { ca: None, cert: None, key: None, verify: Verify::default(), check_hostname: true }
    }
}

/// Warns that a server could not prove who it is.
pub(crate) fn warn_unverified(server: &ServerConfig, fault: &str) {
    crate::warning::warn(&format!(
        "the certificate of the database server at {server} could not be verified ({fault}): the connection is encrypted, \
         but whoever answers is trusted. Name the authority that signed it by `database.use_tls`: {{\"ca\": \"ca.pem\"}}, or \
         accept any certificate by {{\"verify\": false}}"
    ));
}

impl ServerConfig {
    /// A server on this host, with defaults for the rest.
    pub fn new(host: impl Into<String>, port: u16, user: impl Into<String>) -> Self {
        ServerConfig {
            host: host.into(),
            port,
            user: user.into(),
            password: None,
            database: None,
            tls: Tls::default(),
            reconnect: true,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: None,
        }
    }

    /// True if the server runs on this machine, so that nobody listens in between.
    pub fn is_local(&self) -> bool {
        matches!(self.host.as_str(), "" | "localhost" | "::1")
            || self.host.starts_with(['/', '@'])
            || self.host.starts_with("127.")
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerConfig({self})")
    }
}

/// `user@host:port`, and the database if one is named.
impl fmt::Display for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.host, self.port)?;
        match &self.database {
            Some(database) => write!(f, "/{database}"),
            None => Ok(()),
        }
    }
}

/// The loss of a connection with a transaction in it.
pub(crate) fn lost_in_transaction() -> Error {
    Error::new(
        ErrorKind::LostConnection,
        "the connection to the database server was lost in the middle of a transaction: nothing of it took effect",
    )
    .with_hint("roll the transaction back and begin again")
}

/// The loss of a connection with the answer to a commit.
pub(crate) fn lost_in_commit() -> Error {
    Error::new(
        ErrorKind::LostConnection,
        "the connection to the database server was lost during the commit: whether it took effect, whole, is not known",
    )
    .with_hint("look whether the rows are there before you do it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let mut config = ServerConfig::new("db.lab", 5432, "ann");
        config.password = Some("s3cret".into());
        config.database = Some("lab".into());
        assert_eq!(format!("{config:?}"), "ServerConfig(ann@db.lab:5432/lab)");
        assert!(!config.is_local());
        for host in ["localhost", "127.0.0.1", "::1", "/run/postgresql"] {
            assert!(ServerConfig::new(host, 1, "x").is_local(), "{host}");
        }
    }
}
