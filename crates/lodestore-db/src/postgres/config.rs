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

/// What a session begins with. Not among the options of the connection, which poolers refuse.
pub(super) fn session(server: &ServerConfig) -> String {
    let limit = server.statement_timeout.map(|limit| format!("; SET statement_timeout = {}", limit.as_millis()));
    // Literals are written for this; a server may be told otherwise.
    format!("SET standard_conforming_strings = on{}", limit.unwrap_or_default())
}
