//! Kinds of stores: those that Lodestore brings along, and those that others add.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use lodestore_objects::{FileStore, Store};
use lodestore_types::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json};

use crate::config::{Config, PROTOCOLS, StoreSpec};

/// A kind of store, which the settings of a store name as its `protocol`.
pub trait Protocol: Send + Sync {
    /// Its name in settings, in lower case.
    fn name(&self) -> &str;

    /// Looks whether a store can be made of these settings. `protocol` and what every store may have (`location`,
    /// `hash_prefix` ...) are among them, defaults filled in.
    ///
    /// # Errors
    /// `InvalidConfig` that tells what is missing, or what there should not be.
    fn check(&self, store: &str, settings: &Map<String, Json>) -> Result<()>;

    /// Makes a store of settings that were checked. Its paths begin at the store's `location`.
    ///
    /// # Errors
    /// `InvalidConfig`, `Storage`.
    fn open(&self, store: &str, settings: &Map<String, Json>) -> Result<Arc<dyn Store>>;
}

type Finder = fn(&str) -> Result<Option<Arc<dyn Protocol>>>;

static ADDED: RwLock<Option<HashMap<String, Arc<dyn Protocol>>>> = RwLock::new(None);
static FINDER: OnceLock<Finder> = OnceLock::new();

/// Adds a kind of store for all projects of this process.
///
/// # Errors
/// `InvalidRequest` if its name is taken.
pub fn register_protocol(protocol: Arc<dyn Protocol>) -> Result<()> {
    let name = protocol.name().to_owned();
    let mut added = ADDED.write().unwrap_or_else(PoisonError::into_inner);
    let added = added.get_or_insert_default();
    if is_builtin(&name) || added.contains_key(&name) {
        return Err(Error::new(ErrorKind::InvalidRequest, format!("there is a protocol `{name}` already")));
    }
    added.insert(name, protocol);
    Ok(())
}

/// Where all projects of this process look for kinds of stores that are not registered; the first call counts.
pub fn set_protocol_finder(find: Finder) {
    let _ = FINDER.set(find);
}

/// True for the protocols that Lodestore brings along.
pub(crate) fn is_builtin(name: &str) -> bool {
    PROTOCOLS.iter().any(|(known, ..)| *known == name)
}

/// A protocol that others added. It may run code of the user's: no lock must be held.
pub(crate) fn find_protocol(name: &str) -> Result<Option<Arc<dyn Protocol>>> {
    let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
    let found = added.as_ref().and_then(|added| added.get(name).cloned());
    drop(added);
    match found {
        Some(protocol) => Ok(Some(protocol)),
        None => FINDER.get().map_or(Ok(None), |find| find(name)),
    }
}

/// How transfers over a network are made: the settings `transfer.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransferSettings([u64; 5]);

impl TransferSettings {
    pub(crate) fn of(config: &Config) -> Self {
        let names =
            ["transfer.requests", "transfer.memory", "transfer.part_size", "transfer.retries", "transfer.timeout"];
        TransferSettings(names.map(|name| u64::try_from(config.get_int(name)).unwrap_or_default()))
    }

    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    fn transfer(&self) -> lodestore_objects::Transfer {
        let [requests, memory, part_size, retries, timeout] = self.0;
        lodestore_objects::Transfer {
            requests: requests as usize,
            memory,
            part_size,
            retries: retries as usize,
            read_timeout: std::time::Duration::from_secs(timeout),
            ..lodestore_objects::Transfer::default()
        }
    }
}

/// Opens a store. Those of the network are not asked for anything yet.
///
/// # Errors
/// `InvalidConfig`, `Unsupported` if this program was built without the protocol, `Storage`.
pub(crate) fn open_store(spec: &StoreSpec, transfer: &TransferSettings) -> Result<Arc<dyn Store>> {
    let settings = Settings(&spec.entry);
    match spec.protocol.as_str() {
        "file" => Ok(Arc::new(FileStore::open(&spec.name, &spec.location)?)),
        #[cfg(feature = "s3")]
        "s3" => {
            let config = lodestore_objects::S3Config {
                endpoint: settings.text("endpoint").unwrap_or_default(),
                bucket: settings.text("bucket").unwrap_or_default(),
                location: spec.location.clone(),
                access_key: settings.text("access_key"),
                secret_key: settings.text("secret_key"),
                session_token: settings.text("session_token"),
                profile: settings.text("profile"),
                region: settings.text("region"),
                secure: settings.flag("secure").unwrap_or(true),
                path_style: settings.flag("path_style"),
                anonymous: settings.flag("anonymous").unwrap_or(false),
                proxy: settings.text("proxy_server"),
            };
            Ok(Arc::new(config.open(&spec.name, &transfer.transfer())?))
        }
        #[cfg(feature = "gcs")]
        "gcs" => {
            let token = match spec.entry.get("token") {
                Some(token @ Json::Object(_)) => Some(token.to_string()),
                _ => settings.text("token"),
            };
            let config = lodestore_objects::GcsConfig {
                bucket: settings.text("bucket").unwrap_or_default(),
                location: spec.location.clone(),
                token,
                endpoint: settings.text("endpoint"),
            };
            Ok(Arc::new(config.open(&spec.name, &transfer.transfer())?))
        }
        #[cfg(feature = "azure")]
        "azure" => {
            let config = lodestore_objects::AzureConfig {
                container: settings.text("container").unwrap_or_default(),
                location: spec.location.clone(),
                account_name: settings.text("account_name"),
                account_key: settings.text("account_key"),
                connection_string: settings.text("connection_string"),
                endpoint: settings.text("endpoint"),
            };
            Ok(Arc::new(config.open(&spec.name, &transfer.transfer())?))
        }
        built_out if is_builtin(built_out) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("this program was built without stores of protocol `{built_out}`"),
        )
        .with("store", &spec.name)
        .with_hint(format!("build it with the feature `{built_out}` of the crate `lodestore`"))),
        added => match find_protocol(added)? {
            Some(protocol) => protocol.open(&spec.name, &spec.entry).map_err(|error| error.with("store", &spec.name)),
            None => Err(Error::new(ErrorKind::InvalidConfig, format!("there is no protocol `{added}` any more"))
                .with("store", &spec.name)),
        },
    }
}

/// The settings of one store, whose types were checked.
#[cfg_attr(not(any(feature = "s3", feature = "gcs", feature = "azure")), allow(dead_code))]
struct Settings<'a>(&'a Map<String, Json>);

#[cfg_attr(not(any(feature = "s3", feature = "gcs", feature = "azure")), allow(dead_code))]
impl Settings<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.0.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.0.get(key).and_then(Json::as_bool)
    }
}
