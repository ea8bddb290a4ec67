//! The settings of a project, in one object.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use lodestore_codec::local_path;
use lodestore_types::{Error, ErrorKind, MASK, Result, mask_urls};
use serde_json::{Map, Value as Json, json};

use super::keys::{KEYS, Key, KeyType};

/// The folder of an embedded project, if no other is named.
const EMBEDDED_FOLDER: &str = "lodestore";
/// The database in it.
pub(crate) const DATABASE_FILE: &str = "lodestore.db";

/// Which database is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The embedded one.
    Sqlite,
    /// MySQL or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgresql,
}

/// The settings of a project. Secrets are masked wherever settings are shown.
#[derive(Clone, Default)]
pub struct Config {
    /// Only what was set; the rest has its default.
    pub(super) values: BTreeMap<&'static str, Json>,
    pub(super) stores: Map<String, Json>,
    pub(super) warnings: Vec<String>,
    /// The file that was read.
    pub(super) file: Option<PathBuf>,
    /// Whether an embedded project brought its own store.
    embedded: bool,
}

impl Config {
    /// The value of a setting, secrets in plain text. Dotted names reach into `stores` as well.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if there is no such setting.
    pub fn get(&self, name: &str) -> Result<Json> {
        if name == "stores" {
            return Ok(Json::Object(self.stores.clone()));
        }
        if let Some(path) = name.strip_prefix("stores.") {
            let mut found = None;
            for (depth, part) in path.split('.').enumerate() {
                found = if depth == 0 { self.stores.get(part) } else { found.and_then(|found: &Json| found.get(part)) };
            }
            return found
                .cloned()
                .ok_or_else(|| Error::new(ErrorKind::InvalidConfig, format!("setting `{name}` is not set")));
        }
        let key = Key::find(name)?;
        let value = self.values.get(key.name).cloned().unwrap_or_else(|| key.default());
        // A port that nobody set follows the backend.
        Ok(match (key.name, self.backend()) {
            ("database.port", Backend::Mysql) if value.is_null() => 3306.into(),
            ("database.port", Backend::Postgresql) if value.is_null() => 5432.into(),
            _ => value,
        })
    }

    /// Sets a setting; null takes it back to its default. Dotted names reach into `stores` as well.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if there is no such setting, or it cannot hold the value.
    pub fn set(&mut self, name: &str, value: Json) -> Result<()> {
        if name == "stores" {
            let Json::Object(stores) = value else {
                return Err(Error::new(
                    ErrorKind::InvalidConfig,
                    "setting `stores` needs an object that maps names to stores",
                ));
            };
            self.stores = stores;
            return Ok(());
        }
        if let Some(path) = name.strip_prefix("stores.") {
            return self.set_store(path, value);
        }
        let key = Key::find(name)?;
        if value.is_null() {
            self.values.remove(key.name);
        } else {
            self.values.insert(key.name, key.check(value)?);
        }
        Ok(())
    }

    /// Sets a store, one attribute of it, or the name of a default store.
    fn set_store(&mut self, path: &str, value: Json) -> Result<()> {
        let parts: Vec<&str> = path.split('.').collect();
        let is_default = matches!(parts[0], "default" | "filepath_default");
        let refuse = |message: String, hint: &str| Err(Error::new(ErrorKind::InvalidConfig, message).with_hint(hint));
        let whole = "set `stores.<store>` to an object, or `stores.<store>.<attribute>` to a value";
        if parts.len() > 2 || parts.iter().any(|part| part.trim().is_empty()) {
            return refuse(format!("there is no setting `stores.{}`", path.escape_debug()), whole);
        }
        match (&parts[..], value) {
            ([name], Json::Null) => drop(self.stores.shift_remove(*name)),
            ([name], value @ Json::String(_)) if is_default => drop(self.stores.insert((*name).to_owned(), value)),
            ([name], value @ Json::Object(_)) if !is_default => drop(self.stores.insert((*name).to_owned(), value)),
            ([name], _) if is_default => {
                return refuse(format!("setting `stores.{name}` needs the name of a store"), whole);
            }
            ([name], _) => return refuse(format!("setting `stores.{name}` needs an object"), whole),
            ([name, _], _) if is_default => {
                return refuse(format!("`stores.{name}` is the name of a store, and has no attributes"), whole);
            }
            ([store, attribute], value) => {
                let entry = self.stores.entry(*store).or_insert_with(|| json!({}));
                let Json::Object(entry) = entry else { return refuse(format!("`stores.{store}` is no store"), whole) };
                if value.is_null() {
                    drop(entry.shift_remove(*attribute));
                } else {
                    drop(entry.insert((*attribute).to_owned(), value));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A setting that is true or false; false if it is neither.
    pub fn get_bool(&self, name: &str) -> bool {
        self.get(name).is_ok_and(|value| value == Json::Bool(true))
    }

    /// A setting that is a number; 0 if it is none.
    pub fn get_int(&self, name: &str) -> i64 {
        self.get(name).ok().and_then(|value| value.as_i64()).unwrap_or_default()
    }

    /// A setting that is text, if it is set.
    pub fn get_text(&self, name: &str) -> Option<String> {
        self.get(name).ok().and_then(|value| value.as_str().map(str::to_owned))
    }

    /// The backend that is named; else MySQL where a host or a user is (an existing project), else SQLite.
    pub fn backend(&self) -> Backend {
        match self.values.get("database.backend").and_then(Json::as_str) {
            Some("sqlite") => Backend::Sqlite,
            Some("mysql") => Backend::Mysql,
            Some("postgresql") => Backend::Postgresql,
            _ if self.values.contains_key("database.host") || self.values.contains_key("database.user") => {
                Backend::Mysql
            }
            _ => Backend::Sqlite,
        }
    }

    /// The folder of the embedded project, if it is named.
    pub fn database_path(&self) -> Option<PathBuf> {
        self.get_text("database.path").map(|path| PathBuf::from(&*local_path(&path)))
    }

    /// The folder of the embedded project, whether it is there or not; `None` where a server is used.
    pub fn embedded_folder(&self) -> Option<PathBuf> {
        let is_embedded = self.backend() == Backend::Sqlite;
        is_embedded.then(|| self.database_path().unwrap_or_else(|| EMBEDDED_FOLDER.into()))
    }

    /// True unless the settings mean an embedded project that does not exist yet.
    pub fn has_project(&self) -> bool {
        self.embedded_folder().is_none_or(|folder| folder.join(DATABASE_FILE).is_file())
    }

    /// True if neither a database nor a store was named anywhere: the embedded default is used as it comes.
    pub fn is_unconfigured(&self) -> bool {
        let named = ["database.backend", "database.path", "database.host", "database.user"];
        (self.stores.is_empty() || self.embedded) && !named.iter().any(|name| self.values.contains_key(name))
    }

    /// The names of the configured stores.
    pub fn store_names(&self) -> Vec<&str> {
        self.stores.iter().filter(|(_, entry)| entry.is_object()).map(|(name, _)| name.as_str()).collect()
    }

    /// True if the only store is the one that an embedded project brought along.
    pub(super) fn brought_its_store(&self) -> bool {
        self.embedded && self.store_names().len() == 1
    }

    /// Takes over the store that an embedded project brought along to other settings, unless these have stores.
    pub(crate) fn adopt_embedded_store(&mut self, other: &Config) {
        if other.embedded && self.store_names().is_empty() {
            self.stores.clone_from(&other.stores);
            self.embedded = true;
        }
    }

    /// Adds the store that an embedded project brings along, as the default.
    pub(crate) fn add_embedded_store(&mut self, name: &str, location: &Path) {
        self.stores.insert("default".into(), name.into());
        self.stores.insert(name.into(), json!({"protocol": "file", "location": location.to_string_lossy()}));
        self.embedded = true;
    }

    /// What was odd about the sources, though no error.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The file that was read, if one was found.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// All settings with their values, secrets masked.
    pub fn masked(&self) -> Map<String, Json> {
        let mut all = Map::new();
        for key in KEYS {
            let value = self.get(key.name).unwrap_or(Json::Null);
            let mut value = if key.kind == KeyType::Secret && !value.is_null() { MASK.into() } else { value };
            mask(&mut value);
            if let ("database.host", Json::String(host)) = (key.name, &mut value) {
                *host = mask_host(host);
            }
            all.insert(key.name.to_owned(), value);
        }
        let mut stores = Json::Object(self.stores.clone());
        mask(&mut stores);
        all.insert("stores".into(), stores);
        all
    }
}

/// What was set as a host, without what may be a password: hosts have none, and people write one all the same.
pub(crate) fn mask_host(host: &str) -> String {
    match host.rsplit_once('@') {
        Some((before, place)) if !before.is_empty() => format!("{MASK}@{place}"),
        _ => host.to_owned(),
    }
}

/// Masks what looks like a secret, by its name, and passwords inside URLs.
fn mask(value: &mut Json) {
    match value {
        Json::String(text) => *text = mask_urls(text).into_owned(),
        Json::Array(items) => items.iter_mut().for_each(mask),
        Json::Object(map) => {
            for (name, value) in map {
                let name = name.to_ascii_lowercase();
                let secret = ["key", "secret", "token", "password", "connection_string", "credential"]
                    .iter()
                    .any(|word| name.contains(word))
                    && name != "token_length";
                match value {
                    Json::Object(_) => mask(value),
                    Json::Null => {}
                    _ if secret => *value = MASK.into(),
                    _ => mask(value),
                }
            }
        }
        _ => {}
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config({})", Json::Object(self.masked()))
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Sqlite => "sqlite",
            Backend::Mysql => "mysql",
            Backend::Postgresql => "postgresql",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_default_that_it_can_hold() {
        let config = Config::default();
        for key in KEYS {
            let value = config.get(key.name).unwrap();
            assert_eq!(key.check(value.clone()).unwrap(), value, "{}", key.name);
        }
    }

    #[test]
    fn values_are_checked_and_names_too() {
        let mut config = Config::default();
        config.set("safemode", "off".into()).unwrap();
        config.set("database.port", "3307".into()).unwrap();
        assert_eq!((config.get_bool("safemode"), config.get_int("database.port")), (false, 3307));
        let message = |config: &mut Config, name: &str, value: Json| config.set(name, value).unwrap_err().to_string();
        assert_eq!(message(&mut config, "safemode", 7.into()), "setting `safemode` needs true or false, not 7");
        assert!(message(&mut config, "jobs.default_priority", 256.into()).contains("from 0 to 255"));
        assert!(message(&mut config, "loglevel", "info".into()).contains("one of DEBUG"));
        assert_eq!(config.set("database.hots", "x".into()).unwrap_err().hint(), Some("did you mean `database.host`?"));
        assert!(!message(&mut config, "database.password", json!(["s3cret"])).contains("s3cret"));
    }

    #[test]
    fn stores_are_set_whole_or_by_attribute() {
        let mut config = Config::default();
        let object = json!({"protocol": "file"});
        for (name, value) in [
            ("stores.a.b.c", json!(1)),
            ("stores.a.", json!(1)),
            ("stores.", object.clone()),
            ("stores..b", json!(1)),
            ("stores.a", json!("file")),
            ("stores.a", json!(5)),
            ("stores.default", object.clone()),
            ("stores.default.x", json!(1)),
            ("stores.filepath_default", json!(1)),
        ] {
            let error = config.set(name, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{name}");
            assert!(error.hint().is_some(), "{name}");
        }
        assert_eq!(config.get("stores").unwrap(), json!({}));
        config.set("stores.a", object).unwrap();
        config.set("stores.a.location", "/data".into()).unwrap();
        config.set("stores.default", "a".into()).unwrap();
        config.set("stores.a.protocol", Json::Null).unwrap();
        assert_eq!(config.get("stores").unwrap(), json!({"a": {"location": "/data"}, "default": "a"}));
        config.set("stores.a", Json::Null).unwrap();
        assert_eq!(config.get("stores").unwrap(), json!({"default": "a"}));
    }

    #[test]
    fn the_backend_follows_what_is_known() {
        let mut config = Config::default();
        assert_eq!(config.backend(), Backend::Sqlite);
        assert!(config.is_unconfigured());
        assert_eq!(config.get("database.port").unwrap(), Json::Null);
        config.set("database.host", "db.lab".into()).unwrap();
        assert_eq!((config.backend(), config.get_int("database.port")), (Backend::Mysql, 3306));
        config.set("database.backend", "postgresql".into()).unwrap();
        assert_eq!(config.get_int("database.port"), 5432);
        config.set("database.backend", "sqlite".into()).unwrap();
        assert_eq!(config.backend(), Backend::Sqlite);
        assert!(!config.is_unconfigured());
    }

    #[test]
    fn secrets_are_never_shown() {
        let mut config = Config::default();
        config.set("database.password", "s3cret".into()).unwrap();
        config
            .set(
                "stores.raw",
                json!({"protocol": "s3", "secret_key": "s3cret", "access_key": "s3cret", "token_length": 8}),
            )
            .unwrap();
        config.set("stores.cloud.connection_string", "s3cret".into()).unwrap();
        config.set("stores.cloud.endpoint", "https://ann:s3cret@host".into()).unwrap();
        config.set("database.host", "mysql://ann:s3cret@host".into()).unwrap();
        let shown = format!("{config:?} {}", Json::Object(config.masked()));
        assert!(!shown.contains("s3cret") && shown.contains(MASK) && shown.contains("\"token_length\":8"));
        assert_eq!(config.get("database.password").unwrap(), "s3cret");
        assert_eq!(config.get("stores.raw.secret_key").unwrap(), "s3cret");
    }
}
