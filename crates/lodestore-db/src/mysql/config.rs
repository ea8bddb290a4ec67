//! How the server is reached.

use std::sync::Arc;
use std::time::Duration;

use ::mysql::prelude::Queryable;
use ::mysql::{ClientIdentity, Conn, DriverError, Error as Failure, OptsBuilder, SslOpts};
use lodestore_sql::mysql::SQL_MODE;
use lodestore_types::{Result, Value};

use super::connection::MysqlConnection;
use super::error::{is_about_certificate, refused, translate};
use crate::server::warn_unverified;
use crate::{Connection, ServerConfig, Tls, TlsOptions, Verify};

/// So many statements stay prepared on a connection.
const PREPARED: usize = 64;
/// After so long without traffic the operating system asks whether the server is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Opens connections to one server.
#[derive(Debug, Clone)]
pub struct Driver {
    config: Arc<ServerConfig>,
}

impl Driver {
    /// The server that `config` describes.
    pub fn new(config: ServerConfig) -> Self {
        Driver { config: Arc::new(config) }
    }

    /// What the server says of its version. Its greeting does not tell: MariaDB calls itself 5.5.5 there.
    ///
    /// # Errors
    /// As [`Connection::query_each`].
    pub fn version(connection: &mut dyn Connection) -> Result<String> {
        let rows = connection.query("SELECT VERSION()", &[])?;
        let text = rows.first().and_then(|row| row.first()).and_then(Value::as_str);
        Ok(text.unwrap_or_default().to_owned())
    }
}

impl crate::Driver for Driver {
    fn connect(&self) -> Result<Box<dyn Connection>> {
        Ok(Box::new(MysqlConnection::open(self.config.clone())?))
    }
}

/// Connects and sets up the session.
pub(super) fn connect(config: &ServerConfig) -> Result<Conn> {
    let local = config.is_local();
    let opened = match &config.tls {
        Tls::Off => Conn::new(options(config, None)),
        Tls::Required(wanted) => encrypted(config, wanted),
        Tls::Preferred => {
            // Nobody listens between two programs of one machine, and servers sign their own certificates there.
            let verify = if local { Verify::Never } else { Verify::OrWarn };
            match encrypted(config, &TlsOptions { verify, ..TlsOptions::default() }) {
                Err(Failure::DriverError(DriverError::TlsNotSupported)) => Conn::new(options(config, None)),
                outcome => outcome,
            }
        }
    };
    let mut conn = opened.map_err(|error| refused(error, config))?;
    if let Some(limit) = config.statement_timeout {
        limit_statements(&mut conn, limit).map_err(translate)?;
    }
    Ok(conn)
}

/// Connects with encryption.
fn encrypted(config: &ServerConfig, wanted: &TlsOptions) -> ::mysql::Result<Conn> {
    match Conn::new(options(config, Some(encryption(wanted)))) {
        Err(error) if wanted.verify == Verify::OrWarn && is_about_certificate(&error) => {
            let unverified = TlsOptions { verify: Verify::Never, ..wanted.clone() };
            let conn = Conn::new(options(config, Some(encryption(&unverified))))?;
            warn_unverified(config, &error.to_string());
            Ok(conn)
        }
        outcome => outcome,
    }
}

/// Limits the time that statements of the session may take. MySQL does so for queries only.
fn limit_statements(conn: &mut Conn, limit: Duration) -> ::mysql::Result<()> {
    let version: Option<String> = conn.query_first("SELECT VERSION()")?;
    conn.query_drop(match version.is_some_and(|version| version.to_ascii_lowercase().contains("maria")) {
        true => format!("SET SESSION max_statement_time = {}", limit.as_secs_f64()),
        false => format!("SET SESSION max_execution_time = {}", limit.as_millis().max(1)),
    })
}

fn options(config: &ServerConfig, encryption: Option<SslOpts>) -> OptsBuilder {
    let host = if config.host.is_empty() { "localhost" } else { &config.host };
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    OptsBuilder::new()
        .ip_or_hostname(Some(host))
        .tcp_port(config.port)
        .user(Some(&config.user))
        .pass(config.password.as_deref())
        .db_name(config.database.as_deref())
        .prefer_socket(false)
        .tcp_connect_timeout(Some(config.connect_timeout))
        .tcp_keepalive_time_ms(Some(seconds(KEEP_ALIVE) * 1000))
        .tcp_keepalive_probe_interval_secs(Some(10))
        .tcp_keepalive_probe_count(Some(6))
        .stmt_cache_size(PREPARED)
        .ssl_opts(encryption)
        .init(session())
}

/// The settings that the session relies on, whatever the server's defaults are. The time zone stays the server's:
/// other programs that share a jobs table or `CURRENT_TIMESTAMP` defaults use it. So does a default of read-only
/// transactions, which is a decision of whoever runs the server.
fn session() -> Vec<String> {
    // Texts that are no column are compared exactly, as on other databases. Columns keep their own collation.
    let names = "SET NAMES utf8mb4 COLLATE utf8mb4_bin";
    // The variable of the isolation level has different names on the two servers.
    let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    let variables = [
        ("sql_mode", format!("'{SQL_MODE}'")),
        // Off, every statement begins a transaction that nobody commits.
        ("autocommit", "1".to_owned()),
        ("completion_type", "'NO_CHAIN'".to_owned()),
        ("foreign_key_checks", "1".to_owned()),
        ("unique_checks", "1".to_owned()),
        // These refuse statements, and cut results, by their size or form.
        ("sql_safe_updates", "0".to_owned()),
        ("sql_big_selects", "1".to_owned()),
        ("sql_select_limit", u64::MAX.to_string()),
        ("group_concat_max_len", "1073741824".to_owned()),
        ("sql_auto_is_null", "0".to_owned()),
        // A mean has four digits more than its values.
        ("div_precision_increment", "4".to_owned()),
        ("default_storage_engine", "InnoDB".to_owned()),
    ];
    let variables = variables.map(|(name, value)| format!("SESSION {name} = {value}"));
    vec![names.to_owned(), isolation.to_owned(), format!("SET {}", variables.join(", "))]
}

fn encryption(wanted: &TlsOptions) -> SslOpts {
    let identity = wanted.cert.clone().zip(wanted.key.clone()).map(|(cert, key)| ClientIdentity::new(cert, key));
    SslOpts::default()
        .with_client_identity(identity)
        .with_root_cert_path(wanted.ca.clone())
        .with_danger_accept_invalid_certs(wanted.verify == Verify::Never)
        .with_danger_skip_domain_validation(!wanted.check_hostname || wanted.verify == Verify::Never)
}
