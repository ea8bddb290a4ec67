//! Which database a project works on: the one place that knows all of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lodestore_db::{Pool, ServerConfig, Tls, TlsOptions, Verify, sqlite};
use lodestore_objects::FileStore;
use lodestore_sql::{Dialect, Sqlite};
use lodestore_types::{Error, ErrorKind, Result};
use serde_json::Value as Json;

use crate::config::{Backend, Config, DATABASE_FILE, mask_host};
use crate::private;

/// The name of the store that an embedded project brings along.
const EMBEDDED_STORE: &str = "main";

/// A database that can be connected to, and how to speak with it.
pub(crate) struct Opened {
    /// Where it lies, for people; no secrets.
    pub(crate) place: String,
    pub(crate) pool: Pool,
    pub(crate) dialect: Arc<dyn Dialect>,
    /// The folder in which intents lie, for a database in which nobody can write beside an open transaction.
    pub(crate) intents: Option<PathBuf>,
}

/// The database that the settings describe. An embedded one adds its store to them, if they name none.
pub(crate) fn open(config: &mut Config) -> Result<Opened> {
    match config.backend() {
        Backend::Sqlite => open_sqlite(config),
        Backend::Postgresql => open_postgres(server(config)?),
        Backend::Mysql => open_mysql(server(config)?),
    }
}

fn open_sqlite(config: &mut Config) -> Result<Opened> {
    let folder = config.embedded_folder().unwrap_or_default();
    let folder = std::path::absolute(&folder).map_err(|error| unusable(&folder, error))?;
    private::make_folder(&folder).map_err(|error| unusable(&folder, error))?;
    if config.store_names().is_empty() {
        let location = folder.join("objects");
        private::make_folder(&location).map_err(|error| unusable(&location, error))?;
        FileStore::create(EMBEDDED_STORE, &location)?;
        config.add_embedded_store(EMBEDDED_STORE, &location);
    }
    let path = folder.join(DATABASE_FILE);
    // The database gives its own permissions to the files that it keeps beside itself. It reports what is wrong better.
    let _ = private::make_file(&path);
    Ok(Opened {
        place: path.display().to_string(),
        intents: Some(folder.join("lodestore.db-intents")),
        pool: Pool::new(sqlite::Driver::new(path)),
        dialect: Arc::new(Sqlite),
    })
}

#[cfg(feature = "postgres")]
fn open_postgres(mut server: ServerConfig) -> Result<Opened> {
    server.database.get_or_insert_with(|| "postgres".to_owned());
    Ok(Opened {
        place: format!("postgresql://{server}"),
        pool: Pool::new(lodestore_db::postgres::Driver::new(server)),
        dialect: Arc::new(lodestore_sql::Postgres),
        intents: None,
    })
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_: ServerConfig) -> Result<Opened> {
    Err(no_driver(Backend::Postgresql))
}

#[cfg(feature = "mysql")]
fn open_mysql(server: ServerConfig) -> Result<Opened> {
    let place = format!("mysql://{server}");
    let pool = Pool::new(lodestore_db::mysql::Driver::new(server));
    let version = pool.with(lodestore_db::mysql::Driver::version)?;
    Ok(Opened { place, pool, dialect: Arc::new(lodestore_sql::Mysql::of_version(&version)), intents: None })
}

#[cfg(not(feature = "mysql"))]
fn open_mysql(_: ServerConfig) -> Result<Opened> {
    Err(no_driver(Backend::Mysql))
}

#[cfg(not(all(feature = "mysql", feature = "postgres")))]
fn no_driver(backend: Backend) -> Error {
    Error::new(ErrorKind::Unsupported, format!("this build has no driver for `{backend}`"))
        .with_hint("unset `database.host` and `database.backend` to work with the embedded database")
}

/// How the server that the settings name is reached.
fn server(config: &Config) -> Result<ServerConfig> {
    let mut host = config.get_text("database.host").unwrap_or_default();
    // The socket of an abstract address begins with `@`.
    if host.contains("://") || host.trim_start_matches('@').contains('@') {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("setting `database.host` is no host: {}", mask_host(&host)),
        )
        .with_hint(
            "give the name of the host alone, perhaps with `:port`; user and password have settings of their own: \
                 `database.user` and `database.password`",
        ));
    }
    let mut port = config.get_int("database.port") as u16;
    // A port in the host counts more, unless the colons are those of an address.
    if let Some((name, text)) = host.rsplit_once(':').filter(|(name, _)| !name.contains(':') || name.ends_with(']')) {
        port = text.parse().map_err(|_| {
            Error::new(ErrorKind::InvalidConfig, format!("setting `database.host` names no port: {host}"))
        })?;
        host = name.trim_matches(['[', ']']).to_owned();
    }
    let user = config.get_text("database.user").filter(|user| !user.is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::InvalidConfig, "no user is named for the database server")
            .with_hint("set `database.user` and `database.password` (environment variables DJ_USER and DJ_PASS)")
    })?;
    let mut server = ServerConfig::new(host, port, user);
    server.password = config.get_text("database.password");
    server.database = config.get_text("database.name").filter(|name| !name.is_empty());
    server.reconnect = config.get_bool("database.reconnect");
    server.statement_timeout = Some(config.get_int("database.statement_timeout"))
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_secs(seconds as u64));
    server.tls = tls(&config.get("database.use_tls")?)?;
    Ok(server)
}

/// `database.use_tls`: true, false, null, or an object with what the certificates are held to.
fn tls(setting: &Json) -> Result<Tls> {
    let options = match setting {
        Json::Null => return Ok(Tls::Preferred),
        Json::Bool(false) => return Ok(Tls::Off),
        Json::Bool(true) => return Ok(Tls::Required(TlsOptions::default())),
        Json::Object(options) => options,
        other => return Err(bad_tls(format!("needs true, false or an object, not {other}"))),
    };
    let mut tls = TlsOptions::default();
    if options.contains_key("ca") {
        tls.verify = Verify::Always;
    }
    for (name, value) in options {
        let path = || value.as_str().map(PathBuf::from).ok_or_else(|| bad_tls(format!("`{name}` needs a path")));
        let flag = || value.as_bool().ok_or_else(|| bad_tls(format!("`{name}` needs true or false")));
        match name.as_str() {
            "ca" => tls.ca = Some(path()?),
            "cert" => tls.cert = Some(path()?),
            "key" => tls.key = Some(path()?),
            "check_hostname" => tls.check_hostname = flag()?,
            "verify" | "verify_mode" => {
                let verify = value.as_str().map_or_else(flag, verifies)?;
                tls.verify = if verify { Verify::Always } else { Verify::Never };
            }
            _ => return Err(bad_tls(format!("has no option `{}`", name.escape_debug()))),
        }
    }
    if tls.cert.is_some() != tls.key.is_some() {
        return Err(bad_tls("needs `cert` and `key` together"));
    }
    Ok(Tls::Required(tls))
}

fn verifies(word: &str) -> Result<bool> {
    match word.to_ascii_lowercase().as_str() {
        "none" => Ok(false),
        "required" => Ok(true),
        _ => Err(bad_tls("`verify` needs true or false")),
    }
}

fn bad_tls(fault: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("setting `database.use_tls` {fault}"))
        .with_hint("the options are `ca`, `cert`, `key` (paths of PEM files), `verify` and `check_hostname`")
}

fn unusable(folder: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot use the folder {} for an embedded project", folder.display()))
        .with_hint("name another folder by `database.path` (environment variable `DJ_DATABASE_PATH`)")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, Json)]) -> Result<ServerConfig> {
        let mut config = Config::default();
        config.set("database.backend", "postgresql".into())?;
        config.set("database.user", "ann".into())?;
        pairs.iter().try_for_each(|(name, value)| config.set(name, value.clone()))?;
        server(&config)
    }

    #[test]
    fn hosts_may_name_their_port() {
        let place = |host: &str| settings(&[("database.host", host.into())]).unwrap().to_string();
        assert_eq!(place("db.lab"), "ann@db.lab:5432");
        assert_eq!(place("db.lab:5433"), "ann@db.lab:5433");
        assert_eq!(place("::1"), "ann@::1:5432");
        assert_eq!(place("[::1]:7"), "ann@::1:7");
        assert!(settings(&[("database.host", "db:x".into())]).is_err());
        for host in ["ann:s3cret@db.lab", "mysql://ann:s3c/ret@db.lab:3306", "s3cret@db.lab:x"] {
            let error = settings(&[("database.host", host.into())]).unwrap_err();
            assert!(error.message().contains("@db.lab") && !format!("{error:?}").contains("s3c"), "{error:?}");
            assert!(error.hint().unwrap().contains("database.password"));
        }
        assert_eq!(place("@abstract"), "ann@@abstract:5432");
        assert!(settings(&[("database.user", Json::Null)]).unwrap_err().hint().unwrap().contains("DJ_USER"));
    }

    #[test]
    fn tls_is_what_the_setting_says() {
        let of = |value: Json| settings(&[("database.use_tls", value)]).map(|server| server.tls);
        assert_eq!(of(Json::Null).unwrap(), Tls::Preferred);
        assert_eq!(of(false.into()).unwrap(), Tls::Off);
        assert_eq!(of(true.into()).unwrap(), Tls::Required(TlsOptions::default()));
        let options = TlsOptions {
            ca: Some("ca.pem".into()),
            check_hostname: false,
            verify: Verify::Always,
            ..TlsOptions::default()
        };
        assert_eq!(of(serde_json::json!({"ca": "ca.pem", "check_hostname": false})).unwrap(), Tls::Required(options));
        for (verify, expected) in [(true, Verify::Always), (false, Verify::Never)] {
            let options = TlsOptions { verify: expected, ..TlsOptions::default() };
            assert_eq!(of(serde_json::json!({ "verify": verify })).unwrap(), Tls::Required(options));
        }
        for bad in [serde_json::json!({"cert": "x"}), serde_json::json!({"cipher": "x"}), serde_json::json!({"ca": 1})]
        {
            assert_eq!(of(bad).unwrap_err().kind(), ErrorKind::InvalidConfig);
        }
    }
}
