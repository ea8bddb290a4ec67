//! The list of the files of a folder, kept beside it.
//!
//! A folder that `<object@>` stores has a sidecar `{path}.manifest.json` in the peer's form, with a
//! checksum for each file besides:
//!
//! ```
//! use lodestore_codec::manifest::{Entry, Manifest};
//!
//! let entry = Entry { path: "0.0".into(), size: 3, checksum: None };
//! let manifest = Manifest::new(vec![entry], "2026-11-21T02:12:17.470227+00:00")?;
//! assert_eq!(Manifest::parse(&manifest.to_bytes())?, manifest);
//! # Ok::<(), lodestore_types::Error>(())
//! ```

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, Result, StorePath};
use serde_json::{Value as Json, json};

/// What the name of a manifest adds to the path of its folder.
pub const SUFFIX: &str = ".manifest.json";

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the folder, with `/` between segments.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its checksum, such as `sha256:...`; the peer's manifests have none.
    pub checksum: Option<String>,
}

/// The files of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The files, none twice, each path canonical.
    entries: Vec<Entry>,
    /// When it was made, in ISO 8601.
    created: String,
}

/// A way in which a folder is not what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A file is not there.
    Missing(String),
    /// A file has another size.
    Size {
        /// Its path.
        path: String,
        /// The size that the manifest tells.
        expected: u64,
        /// The size it has.
        found: u64,
    },
    /// A file is there that the manifest does not know.
    Unknown(String),
}

impl Manifest {
    /// A manifest of these files.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if a path could leave the folder; [`ErrorKind::InvalidValue`] if
    /// one stands twice.
    pub fn new(entries: Vec<Entry>, created: impl Into<String>) -> Result<Self> {
        let mut seen = HashMap::with_capacity(entries.len());
        for entry in &entries {
            StorePath::new(entry.path.as_str())?;
            if seen.insert(entry.path.as_str(), ()).is_some() {
                return Err(Error::new(
                    ErrorKind::InvalidValue,
                    format!("the file `{}` stands twice in a manifest", entry.path),
                ));
            }
        }
        Ok(Manifest { entries, created: created.into() })
    }

    /// Where the manifest of the folder at `path` lies.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if that path would be too long.
    pub fn path_for(path: &StorePath) -> Result<StorePath> {
        StorePath::new(format!("{path}{SUFFIX}"))
    }

    /// The files.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// When it was made.
    pub fn created(&self) -> &str {
        &self.created
    }

    /// The size of all files.
    pub fn total_size(&self) -> u64 {
        self.entries.iter().fold(0, |total, entry| total.saturating_add(entry.size))
    }

    /// The JSON that is stored.
    pub fn to_bytes(&self) -> Bytes {
        let entry = |entry: &Entry| match &entry.checksum {
            Some(checksum) => json!({"path": entry.path, "size": entry.size, "checksum": checksum}),
            None => json!({"path": entry.path, "size": entry.size}),
        };
        let whole = json!({
            "files": self.entries.iter().map(entry).collect::<Json>(),
            "total_size": self.total_size(),
            "item_count": self.entries.len(),
            "created": self.created,
        });
        format!("{whole:#}").into()
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it is no manifest, contradicts itself, or tells of files outside the folder.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let damaged = |why: &str| Error::new(ErrorKind::Corrupt, format!("the manifest is damaged: {why}"));
        let whole: Json = serde_json::from_slice(bytes).map_err(|error| damaged("it is no JSON").with_source(error))?;
        let files = whole.get("files").and_then(Json::as_array).ok_or_else(|| damaged("it has no list `files`"))?;
        let entry = |file: &Json| {
            let path = file.get("path").and_then(Json::as_str)?.to_owned();
            let size = file.get("size").and_then(Json::as_u64)?;
            let checksum = file.get("checksum").and_then(Json::as_str).map(str::to_owned);
            Some(Entry { path, size, checksum })
        };
        let entries: Option<Vec<Entry>> = files.iter().map(entry).collect();
        let entries = entries.ok_or_else(|| damaged("a file has no path or no size"))?;
        let created = whole.get("created").and_then(Json::as_str).unwrap_or_default();
        let manifest = Manifest::new(entries, created).map_err(|error| damaged(error.message()))?;
        let agrees = |key: &str, found: u64| whole.get(key).is_none_or(|told| told.as_u64() == Some(found));
        if !agrees("item_count", manifest.entries.len() as u64) || !agrees("total_size", manifest.total_size()) {
            return Err(damaged("its totals are not those of its files"));
        }
        Ok(manifest)
    }

    /// Compares with the files that are there, by path and size.
    pub fn compare<'a>(&self, found: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<Difference> {
        let mut found: HashMap<&str, u64> = found.into_iter().collect();
        let mut differences = Vec::new();
        for entry in &self.entries {
            match found.remove(entry.path.as_str()) {
                None => differences.push(Difference::Missing(entry.path.clone())),
                Some(size) if size != entry.size => {
                    differences.push(Difference::Size { path: entry.path.clone(), expected: entry.size, found: size })
                }
                Some(_) => {}
            }
        }
        let mut unknown: Vec<_> = found.into_keys().map(|path| Difference::Unknown(path.to_owned())).collect();
        unknown.sort_by_key(Difference::to_string);
        differences.extend(unknown);
        differences
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing(path) => write!(f, "missing file `{path}`"),
            Difference::Size { path, expected, found } => {
                write!(f, "size mismatch for `{path}`: expected {expected}, got {found}")
            }
            Difference::Unknown(path) => write!(f, "unknown file `{path}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, size: u64) -> Entry {
        Entry { path: path.into(), size, checksum: Some("sha256:00".into()) }
    }

    #[test]
    fn manifests_of_the_peer_are_read() {
        let peer = "{\n  \"files\": [\n    {\n      \"path\": \"a/0.0\",\n      \"size\": 3\n    }\n  ],\n  \
                    \"total_size\": 3,\n  \"item_count\": 1,\n  \"created\": \"2026-11-21T02:12:17+00:00\"\n}";
        let manifest = Manifest::parse(peer.as_bytes()).unwrap();
        assert_eq!(manifest.entries(), [Entry { path: "a/0.0".into(), size: 3, checksum: None }]);
        assert_eq!(manifest.to_bytes(), peer);
    }

    #[test]
    fn differences_are_told() {
        let manifest = Manifest::new(vec![entry("a", 1), entry("b", 2), entry("c", 3)], "").unwrap();
        assert_eq!(Manifest::parse(&manifest.to_bytes()).unwrap(), manifest);
        assert_eq!(manifest.compare([("a", 1), ("b", 2), ("c", 3)]), []);
        let told: Vec<String> =
            manifest.compare([("b", 5), ("c", 3), ("x", 0)]).iter().map(Difference::to_string).collect();
        assert_eq!(told, ["missing file `a`", "size mismatch for `b`: expected 2, got 5", "unknown file `x`"]);
    }

    #[test]
    fn damaged_manifests_are_errors() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"files": [{}]}"#,
            r#"{"files": [{"path": "../x", "size": 1}]}"#,
            r#"{"files": [{"path": "/x", "size": 1}]}"#,
            r#"{"files": [{"path": "x", "size": -1}]}"#,
            r#"{"files": [{"path": "x", "size": 1}, {"path": "x", "size": 1}]}"#,
            r#"{"files": [{"path": "x", "size": 1}], "item_count": 2}"#,
            r#"{"files": [{"path": "x", "size": 1}], "total_size": 2}"#,
            &"[".repeat(100_000),
        ] {
            assert_eq!(Manifest::parse(text.as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
