//! Stores as the settings describe them.

use lodestore_codec::local_path;
use lodestore_types::{Error, ErrorKind, Result, StorePath, nearest};
use serde_json::{Map, Value as Json, json};

use super::settings::Config;
use crate::protocols::find_protocol;

/// What every store may say of itself, with its default.
const COMMON: [&str; 9] = [
    "protocol",
    "location",
    "subfolding",
    "partition_pattern",
    "token_length",
    "hash_prefix",
    "schema_prefix",
    "filepath_prefix",
    "stage",
];

/// Protocols with their required and their further keys.
pub(crate) const PROTOCOLS: [(&str, &[&str], &[&str]); 4] = [
    ("file", &["location"], &[]),
    (
        "s3",
        &["location", "bucket"],
        &[
            "endpoint",
            "access_key",
            "secret_key",
            "session_token",
            "profile",
            "secure",
            "path_style",
            "anonymous",
            "proxy_server",
            "region",
        ],
    ),
    ("gcs", &["location", "bucket"], &["token", "project", "endpoint"]),
    ("azure", &["location", "container"], &["account_name", "account_key", "connection_string", "bucket", "endpoint"]),
];

/// Keys that are true or false; the others of the protocols are text.
const FLAGS: [&str; 3] = ["secure", "path_style", "anonymous"];

/// A store as the settings describe it, checked, with defaults filled in.
#[derive(Clone, PartialEq)]
pub struct StoreSpec {
    /// Its name.
    pub name: String,
    /// `file`, `s3`, `gcs`, `azure`, or one that others added.
    pub protocol: String,
    /// The folder, or the prefix in the bucket.
    pub location: String,
    /// The section of hash-addressed objects.
    pub hash_prefix: String,
    /// The section of schema-addressed objects.
    pub schema_prefix: String,
    /// Where files of users must lie, if anywhere in particular.
    pub filepath_prefix: Option<String>,
    /// Into pieces of which lengths a hash is cut, for folders of moderate size.
    pub subfolding: Vec<usize>,
    /// Which key attributes come first in the paths of schema-addressed objects.
    pub partition_pattern: Option<String>,
    /// How many random characters make such a path unique.
    pub token_length: usize,
    /// Everything as JSON, defaults among it, secrets in plain text.
    pub entry: Map<String, Json>,
}

impl Config {
    /// The store `name`; `None` or `""` is the default one, for user's files a default of their own.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownStore`] if it is not configured, [`ErrorKind::InvalidConfig`] if it is wrongly.
    pub fn store_spec(&self, name: Option<&str>, filepath: bool) -> Result<StoreSpec> {
        let (name, entry) = self.store_entry(name, filepath)?;
        StoreSpec::new(&name, entry)
    }

    /// Like [`Config::store_spec`], unchecked: the store's name and what the settings say of it.
    ///
    /// To check it may run code of the user's, who added the protocol: settings that others wait for must not be
    /// locked then.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownStore`].
    pub fn store_entry(&self, name: Option<&str>, filepath: bool) -> Result<(String, Map<String, Json>)> {
        let name = match name.filter(|name| !name.is_empty()) {
            Some(name) => name,
            None => self.default_store(filepath)?,
        };
        let Some(Json::Object(entry)) = self.stores.get(name) else {
            let error = Error::new(
                ErrorKind::UnknownStore,
                format!("store not configured: storage '{name}' is requested but not configured in stores"),
            );
            return Err(match nearest(name, self.store_names()) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error.with_hint(format!(
                    "add it to `datajoint.json` under `stores`; configured are: {}",
                    self.store_names().join(", ")
                )),
            });
        };
        Ok((name.to_owned(), entry.clone()))
    }

    /// The store for attributes that name none. Users' files are in the store of all others unless they have their own.
    fn default_store(&self, filepath: bool) -> Result<&str> {
        let key = if filepath { "filepath_default" } else { "default" };
        match self.stores.get(key) {
            Some(Json::String(name)) if !name.is_empty() => Ok(name),
            None | Some(Json::Null) if filepath => self.default_store(false).map_err(|error| {
                if error.kind() != ErrorKind::UnknownStore {
                    return error;
                }
                Error::new(
                    ErrorKind::UnknownStore,
                    "store not configured: stores.filepath_default is not configured, nor is stores.default. Set \
                     stores.filepath_default or specify store explicitly with <filepath@store>",
                )
                .with_hint(error.hint().unwrap_or_default().to_owned())
            }),
            None | Some(Json::Null) => {
                Err(Error::new(ErrorKind::UnknownStore, format!("store not configured: stores.{key} is not configured"))
                    .with_hint("name a default store: {\"stores\": {\"default\": \"main\", \"main\": {\"protocol\": \"file\", \"location\": \"/data\"}}}"))
            }
            Some(_) => Err(Error::new(ErrorKind::InvalidConfig, format!("stores.{key} must be a string"))),
        }
    }
}

impl StoreSpec {
    /// Checks what the settings say of a store, and fills in defaults.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`].
    pub fn new(name: &str, mut entry: Map<String, Json>) -> Result<Self> {
        let place = format!("config.stores[\"{name}\"]");
        let invalid = |what: String| Error::new(ErrorKind::InvalidConfig, what);
        let protocol = match entry.get("protocol") {
            Some(Json::String(protocol)) => protocol.to_ascii_lowercase(),
            None => return Err(invalid(format!("{place} is missing: protocol"))),
            Some(_) => return Err(invalid(format!("{place}: protocol must be a string"))),
        };
        let added = match PROTOCOLS.iter().find(|(known, ..)| *known == protocol) {
            Some((_, required, further)) => {
                check_keys(&entry, &place, required, further)?;
                None
            }
            None => Some(find_protocol(&protocol)?.ok_or_else(|| {
                invalid(format!("Unknown protocol \"{protocol}\" in {place}. Built-in: file, s3, gcs, azure"))
                    .with_hint("install the package that brings the protocol along, or correct its name")
            })?),
        };
        let defaults = [
            ("subfolding", Json::Null),
            ("partition_pattern", Json::Null),
            ("token_length", json!(8)),
            ("hash_prefix", json!("_hash")),
            ("schema_prefix", json!("_schema")),
            ("filepath_prefix", Json::Null),
        ];
        let of_s3 = [("secure", json!(true)), ("endpoint", json!("s3.amazonaws.com"))];
        let defaults = defaults.into_iter().chain(of_s3.into_iter().filter(|_| protocol == "s3"));
        for (key, default) in defaults {
            // Null says "as if it were not here"; a null section would otherwise hold the whole store.
            if entry.get(key).is_none_or(Json::is_null) {
                entry.insert(key.to_owned(), default);
            }
        }
        entry.insert("protocol".into(), protocol.clone().into());
        if let Some(added) = added {
            added.check(name, &entry).map_err(|error| error.with("store", name))?;
        }
        let mut location = text(&entry, "location", &place)?.unwrap_or_default();
        if protocol == "file" {
            // A folder may be written as a URL as well.
            location = local_path(&location).into_owned();
        }
        let spec = StoreSpec {
            name: name.to_owned(),
            protocol,
            location,
            hash_prefix: prefix(&entry, "hash_prefix", &place)?.unwrap_or_default(),
            schema_prefix: prefix(&entry, "schema_prefix", &place)?.unwrap_or_default(),
            // An empty one restricts nothing: user's files may lie anywhere but in the other sections.
            filepath_prefix: prefix(&entry, "filepath_prefix", &place)?.filter(|prefix| !prefix.is_empty()),
            subfolding: subfolding(&entry, &place)?,
            partition_pattern: text(&entry, "partition_pattern", &place)?.filter(|pattern| !pattern.is_empty()),
            token_length: token_length(&entry, &place)?,
            entry,
        };
        spec.check_sections(&place)?;
        Ok(spec)
    }

    /// Sections must lie apart: an object in two of them would be collected as rubbish of one.
    fn check_sections(&self, place: &str) -> Result<()> {
        let sections = [
            ("hash_prefix", Some(&self.hash_prefix)),
            ("schema_prefix", Some(&self.schema_prefix)),
            ("filepath_prefix", self.filepath_prefix.as_ref()),
        ];
        for (index, (key, section)) in sections.iter().enumerate() {
            for (other_key, other) in &sections[index + 1..] {
                let (Some(section), Some(other)) = (section, other) else { continue };
                let within = |a: &str, b: &str| {
                    b.is_empty() || a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'))
                };
                if within(section, other) || within(other, section) {
                    return Err(Error::new(
                        ErrorKind::InvalidConfig,
                        format!(
                            "{place}: {key}=\"{section}\" and {other_key}=\"{other}\" overlap. Storage section prefixes must be mutually exclusive."
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Are all keys there that a protocol requires, none that it does not know, and each of its type?
fn check_keys(entry: &Map<String, Json>, place: &str, required: &[&str], further: &[&str]) -> Result<()> {
    let invalid = |what: String| Error::new(ErrorKind::InvalidConfig, what);
    let missing: Vec<&str> = required.iter().copied().filter(|key| entry.get(*key).is_none_or(Json::is_null)).collect();
    if !missing.is_empty() {
        return Err(invalid(format!("{place} is missing: {}", missing.join(", "))));
    }
    // `project_name` is for people: it has no effect.
    let known =
        |key: &str| COMMON.contains(&key) || required.contains(&key) || further.contains(&key) || key == "project_name";
    let unknown: Vec<&str> = entry.keys().map(String::as_str).filter(|key| !known(key)).collect();
    if !unknown.is_empty() {
        let error = invalid(format!("Invalid key(s) in {place}: {}", unknown.join(", ")));
        let all = COMMON.iter().chain(required).chain(further).copied();
        return Err(match nearest(unknown[0], all) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error,
        });
    }
    for key in required.iter().chain(further) {
        let fits = match entry.get(*key) {
            None | Some(Json::Null) => true,
            Some(value) if FLAGS.contains(key) => value.is_boolean(),
            // Credentials of Google's are an object, or text that names or holds one.
            Some(value) => value.is_string() || (*key == "token" && value.is_object()),
        };
        if !fits {
            // The value is not told: it may be a secret.
            let expected = if FLAGS.contains(key) { "true or false" } else { "text" };
            return Err(invalid(format!("{place}: {key} must be {expected}")));
        }
    }
    Ok(())
}

fn text(entry: &Map<String, Json>, key: &str, place: &str) -> Result<Option<String>> {
    match entry.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(other) => {
            Err(Error::new(ErrorKind::InvalidConfig, format!("{place}: {key} must be a string, not {other}")))
        }
    }
}

/// A prefix without outer slashes, in its one spelling.
fn prefix(entry: &Map<String, Json>, key: &str, place: &str) -> Result<Option<String>> {
    let Some(text) = text(entry, key, place)? else { return Ok(None) };
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() {
        return Ok(Some(String::new()));
    }
    StorePath::new(trimmed).map(|path| Some(path.to_string())).map_err(|error| {
        Error::new(ErrorKind::InvalidConfig, format!("{place}: {key}=\"{text}\" is no path inside a store"))
            .with_source(error)
    })
}

fn subfolding(entry: &Map<String, Json>, place: &str) -> Result<Vec<usize>> {
    let invalid = || {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("{place}: subfolding must be a list of small whole numbers such as [2, 2]"),
        )
    };
    match entry.get("subfolding") {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(items)) => {
            let folds: Option<Vec<usize>> = items
                .iter()
                .map(|item| item.as_u64().filter(|fold| (1..=25).contains(fold)).map(|fold| fold as usize))
                .collect();
            folds.filter(|folds| folds.iter().sum::<usize>() <= 25).ok_or_else(invalid)
        }
        Some(_) => Err(invalid()),
    }
}

/// Beyond its bounds it is brought to the nearest: that is what other programs do.
fn token_length(entry: &Map<String, Json>, place: &str) -> Result<usize> {
    match entry.get("token_length").and_then(Json::as_i64) {
        Some(length) => Ok(length.clamp(4, 16) as usize),
        None => Err(Error::new(ErrorKind::InvalidConfig, format!("{place}: token_length must be a whole number"))),
    }
}

impl std::fmt::Debug for StoreSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoreSpec({}, {})", self.name, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(stores: Json) -> Config {
        let mut config = Config::default();
        config.set("stores", stores).unwrap();
        config
    }

    fn message(stores: Json, name: Option<&str>) -> String {
        config(stores).store_spec(name, false).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_filled_in() {
        let config =
            config(json!({"default": "main", "main": {"protocol": "FILE", "location": "/data", "project_name": "x"}}));
        for name in [None, Some(""), Some("main")] {
            let spec = config.store_spec(name, false).unwrap();
            assert_eq!((spec.name.as_str(), spec.protocol.as_str(), spec.token_length), ("main", "file", 8));
            assert_eq!((spec.hash_prefix.as_str(), spec.schema_prefix.as_str()), ("_hash", "_schema"));
            assert_eq!(spec.entry["partition_pattern"], Json::Null);
        }
        // Files of users have a default of their own only if it is named.
        assert_eq!(config.store_spec(None, true).unwrap().name, "main");
        let nothing = Config::default().store_spec(None, true).unwrap_err().to_string();
        assert!(nothing.contains("filepath_default") && nothing.contains("<filepath@store>"), "{nothing}");
    }

    #[test]
    fn a_folder_may_be_written_as_a_url() {
        let location = |entry: Json| config(json!({ "s": entry })).store_spec(Some("s"), false).unwrap().location;
        let url = "file:///new%20data";
        assert_eq!(location(json!({"protocol": "file", "location": url})), "/new data");
        // It is a name like any other there.
        assert_eq!(location(json!({"protocol": "gcs", "location": url, "bucket": "b"})), url);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let file = |more: Json| {
            let mut entry = json!({"protocol": "file", "location": "/data"});
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "s": entry })
        };
        let cases = [
            (json!({}), None, "stores.default is not configured"),
            (json!({}), None, "store not configured"),
            (json!({"default": 1}), None, "stores.default must be a string"),
            (json!({"default": "x"}), Some("default"), "'default' is requested but not configured"),
            (json!({"s": {"protocol": "file"}}), Some("s"), "config.stores[\"s\"] is missing: location"),
            (json!({"s": {"location": "/"}}), Some("s"), "is missing: protocol"),
            (json!({"s": {"protocol": "ftp"}}), Some("s"), "Unknown protocol \"ftp\""),
            (json!({"s": {"protocol": "s3", "location": ""}}), Some("s"), "is missing: bucket"),
            (
                json!({"s": {"protocol": "s3", "location": "", "endpoint": "e", "bucket": "b", "secure": "no"}}),
                Some("s"),
                "secure must be true or false",
            ),
            (json!({"s": {"protocol": "gcs", "location": "", "bucket": 7}}), Some("s"), "bucket must be text"),
            (file(json!({"bucket": "b"})), Some("s"), "Invalid key(s) in config.stores[\"s\"]: bucket"),
            (file(json!({"hash_prefix": "a", "schema_prefix": "a/b"})), Some("s"), "overlap"),
            (file(json!({"hash_prefix": ""})), Some("s"), "overlap"),
            (file(json!({"filepath_prefix": "/_hash/"})), Some("s"), "overlap"),
            (file(json!({"hash_prefix": "a/../b"})), Some("s"), "is no path inside a store"),
            (file(json!({"subfolding": "2,2"})), Some("s"), "subfolding"),
            (file(json!({"subfolding": [20, 20]})), Some("s"), "subfolding"),
            (file(json!({"token_length": "8"})), Some("s"), "token_length"),
        ];
        for (stores, name, expected) in cases {
            let found = message(stores, name);
            assert!(found.contains(expected), "{found}");
        }
        let apart =
            config(file(json!({"hash_prefix": "a", "schema_prefix": "ab", "subfolding": [2, 2], "token_length": 99})));
        let spec = apart.store_spec(Some("s"), false).unwrap();
        assert_eq!((spec.subfolding.as_slice(), spec.token_length), (&[2, 2][..], 16));
    }

    #[test]
    fn secrets_do_not_show() {
        let config = config(
            json!({"s": {"protocol": "s3", "location": "", "endpoint": "e", "bucket": "b", "secret_key": "s3cret", "colour": "s3cret"}}),
        );
        assert!(!format!("{:?}", config.store_spec(Some("s"), false)).contains("s3cret"));
    }
}
