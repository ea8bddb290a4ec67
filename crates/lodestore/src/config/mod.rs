//! Settings: what they are, where they come from, and the stores among them.
//!
//! One table ([`KEYS`]) lists every key with its environment variable, its type and its default.
//! Values come from four sources, each of which outranks those below it, for every key alike:
//!
//! 1. environment variables (`DJ_HOST`, `DJ_STORES` ...);
//! 2. `.secrets/` beside `datajoint.json`, one file for each value;
//! 3. `datajoint.json`, found in the working directory or above it;
//! 4. defaults.
//!
//! What a program sets at run time outranks them all.
//!
//! ```
//! use lodestore::config::{Config, Sources};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path().to_owned();
//! std::fs::write(folder.join("datajoint.json"), r#"{"display.limit": 5, "safemode": true}"#)?;
//! let sources = Sources { environment: [("DJ_SAFEMODE".into(), "no".into())].into(), ..Sources::of(&folder) };
//! let mut config = Config::from_sources(&sources)?;
//! assert_eq!(config.get_int("display.limit"), 5);
//! assert!(!config.get_bool("safemode"));
//! config.set("display.limit", 20.into())?;
//! assert_eq!(config.get_int("display.limit"), 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod keys;
#[cfg(test)]
mod seed_tests;
mod settings;
mod sources;
mod stores;
mod template;
mod trust;

pub use keys::{KEYS, Key, KeyType};
pub use settings::{Backend, Config};
pub(crate) use settings::{DATABASE_FILE, mask_host};
pub use sources::{Sources, untrusted};
pub(crate) use stores::PROTOCOLS;
pub use stores::StoreSpec;
pub use template::save_template;

/// True if the environment asks for thread-safe mode: no process-wide settings or connection.
pub fn is_thread_safe_mode() -> bool {
    std::env::var("DJ_THREAD_SAFE")
        .is_ok_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on"))
}
