//! Where the server is and how one is let in.

use std::time::Duration;

use lodestore_types::Result;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::connection::PostgresConnection;
use crate::{Connection, ServerConfig, Tls};

/// A connection on which nothing has been heard for this long is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Opens connections to one database of a PostgreSQL server.
#[derive(Debug, Clone)]
pub struct Driver {
    server: ServerConfig,
}

impl Driver {
    /// The database that `server` names; `postgres` if it names none.
    pub fn new(server: ServerConfig) -> Self {
        Driver { server }
    }
}

impl crate::Driver for Driver {
    fn connect(&self) -> Result<Box<dyn Connection>> {
        Ok(Box::new(PostgresConnection::open(self.server.clone())?))
    }
}

/// What the wire's library wants to know.
pub(super) fn wire_config(server: &ServerConfig) -> Config {
    let mut config = Config::new();
    config
        .host(if server.host.is_empty() { "localhost" } else { &server.host })
        .port(server.port)
        .user(&server.user)
        .dbname(server.database.as_deref().unwrap_or("postgres"))
        .application_name("lodestore")
        .connect_timeout(server.connect_timeout)
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(KEEPALIVE / 6)
        .keepalives_retries(3)
        .ssl_mode(match server.tls {
            // A socket of this machine is not encrypted.
            _ if server.host.starts_with('/') => SslMode::Disable,
            Tls::Off => SslMode::Disable,
            Tls::Preferred => SslMode::Prefer,
            Tls::Required(_) => SslMode::Require,
        });
    if let Some(password) = &server.password {
        config.password(password);
    }
    config
}

/// The settings that a session relies on, whatever the defaults of the server, the database and the user are. Not
/// among the options of the connection, which poolers refuse. The time zone stays the server's, which other programs
/// on the same tables use; so does a default of read-only transactions, which is a decision of whoever runs the server.
pub(super) fn session(server: &ServerConfig) -> String {
    let mut statements = vec![
        // Literals are written for this.
        "SET standard_conforming_strings = on".to_owned(),
        // Whoever waits for a lock must see what the other one committed.
        "SET default_transaction_isolation = 'read committed'".to_owned(),
        "SET default_transaction_deferrable = off".to_owned(),
        // The forms of texts that values are cast to.
        "SET datestyle = 'ISO, MDY'".to_owned(),
        "SET intervalstyle = 'postgres'".to_owned(),
        "SET bytea_output = 'hex'".to_owned(),
        "SET extra_float_digits = 1".to_owned(),
        "SET array_nulls = on".to_owned(),
        "SET transform_null_equals = off".to_owned(),
        // Expressions in the catalog are read as they are printed without quotes.
        "SET quote_all_identifiers = off".to_owned(),
    ];
    statements.extend(server.statement_timeout.map(|limit| format!("SET statement_timeout = {}", limit.as_millis())));
    statements.join("; ")
}
