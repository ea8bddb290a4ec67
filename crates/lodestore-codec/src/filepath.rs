//! `<filepath@>`: a file or folder in a store that its user manages.
//!
//! Takes a path in the store, an absolute path, or a URL that lies in the store; [`PathRules`] brings
//! it to one form and checks it, whoever calls looks whether it is there and makes the
//! column to insert. Only in a store: `<filepath@>` or `<filepath@store>`. The
//! column's JSON has the peer's keys `path`, `store`, `size`, `is_dir`, `timestamp`. Nothing is
//! copied and nothing is ever deleted.

use jiff::Timestamp;
use lodestore_types::{CoreType, Error, ErrorKind, Result, StorePath, Value};
use serde_json::{Map, Value as Json};

use crate::codec::{Codec, Context, Encoded, Inner, Stored};
use crate::object::timestamp;
use crate::reference::reference_from_column;
use crate::url::percent_decoded;

/// The folder in which a store keeps what it needs itself.
pub const OWN_FOLDER: &str = ".lodestore";

/// The codec `<filepath@>`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FilepathCodec;

/// Which paths of a store `<filepath@>` may name.
#[derive(Debug, Clone, Default)]
pub struct PathRules {
    /// Where the store lies, as absolute paths and URLs: what a path may begin with.
    pub roots: Vec<String>,
    /// The section of hash-addressed objects; reserved.
    pub hash_prefix: String,
    /// The section of schema-addressed objects; reserved.
    pub schema_prefix: String,
    /// The section that every path must lie in, if there is one.
    pub filepath_prefix: Option<String>,
}

impl PathRules {
    /// The path in the store that `text` means.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] if it lies outside the store, in a reserved section, or not in
    /// the section where it must.
    pub fn check(&self, text: &str) -> Result<StorePath> {
        let refuse = |why: String| Error::new(ErrorKind::InvalidValue, format!("{why}: `{}`", text.escape_debug()));
        let outside = || {
            refuse("`<filepath@>` path lies outside the store".to_owned())
                .with_hint("give a path relative to the root of the store, or a URL inside it")
        };
        let (scheme, segments) = normal(text).ok_or_else(outside)?;
        let absolute = scheme.is_some() || text.starts_with('/');
        let relative: Vec<String> = if absolute {
            let below = self.roots.iter().filter_map(|root| {
                let (root_scheme, root) = normal(root)?;
                let file = |scheme: &Option<String>| scheme.as_deref().is_none_or(|scheme| scheme == "file");
                let same = scheme == root_scheme || file(&scheme) && file(&root_scheme);
                segments.strip_prefix(&root[..]).filter(|_| same)
            });
            below.min_by_key(|rest| rest.len()).ok_or_else(outside)?.to_vec()
        } else {
            segments
        };
        let path = StorePath::new(relative.join("/")).map_err(|error| refuse(error.message().to_owned()))?;
        if lies_in(&path, OWN_FOLDER) {
            return Err(refuse(format!("path conflicts with reserved section `{OWN_FOLDER}`"))
                .with_hint("the store keeps what it needs itself in this folder; keep your files beside it"));
        }
        for (name, prefix) in [("hash_prefix", &self.hash_prefix), ("schema_prefix", &self.schema_prefix)] {
            if lies_in(&path, prefix) {
                return Err(refuse(format!("path conflicts with reserved section `{prefix}` ({name})"))
                    .with_hint("this section is managed by Lodestore; keep your files beside it"));
            }
        }
        match &self.filepath_prefix {
            Some(prefix) if !prefix.trim_matches('/').is_empty() && !lies_in(&path, prefix) => {
                Err(refuse(format!("`<filepath@>` must use prefix `{prefix}` (filepath_prefix)")))
            }
            _ => Ok(path),
        }
    }
}

/// True if `path` is the section or lies in it; nothing lies in a section without a name.
fn lies_in(path: &StorePath, section: &str) -> bool {
    normal(section).is_some_and(|(_, section)| {
        !section.is_empty() && path.segments().take(section.len()).eq(section.iter().map(String::as_str))
    })
}

/// The scheme in lower case, if it is a URL, and the segments without `.` and `..`; nothing if they
/// climb above their beginning.
fn normal(text: &str) -> Option<(Option<String>, Vec<String>)> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => (Some(scheme.to_ascii_lowercase()), rest),
        _ => (None, text),
    };
    // Only in URLs of files a percent sign is an escape; keys of buckets are taken as they are.
    let decoded = if scheme.as_deref() == Some("file") { percent_decoded(rest)? } else { rest.to_owned() };
    let mut segments: Vec<String> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name.to_owned()),
        }
    }
    Some((scheme, segments))
}

/// The JSON of the column for a path that was found; a folder has no size.
pub fn column(path: &StorePath, store: &str, size: Option<u64>, now: Timestamp) -> Map<String, Json> {
    let mut column = Map::new();
    column.insert("path".into(), path.as_str().into());
    column.insert("store".into(), store.into());
    column.insert("size".into(), size.into());
    column.insert("is_dir".into(), size.is_none().into());
    column.insert("timestamp".into(), timestamp(now).into());
    column
}

impl Codec for FilepathCodec {
    fn name(&self) -> &str {
        "filepath"
    }

    fn inner(&self, in_store: bool) -> Result<Inner> {
        match in_store {
            true => Ok(Inner::Core(CoreType::Json)),
            false => Err(Error::new(ErrorKind::InvalidDefinition, "`<filepath>` requires @ symbol")
                .with_hint("use `<filepath@>` for the default store or `<filepath@store>` to specify the store")),
        }
    }

    fn validate(&self, value: &Value) -> Result<()> {
        match value {
            Value::Text(_) => Ok(()),
            Value::Json(Json::Object(column)) if column.contains_key("path") => Ok(()),
            other => Err(Error::new(
                ErrorKind::InvalidType,
                format!("`<filepath>` expects a path string or Path, got {}", other.type_name()),
            )),
        }
    }

    /// Takes the [`column()`] of a path that was checked and found, or a path that is still to be looked up.
    fn encode(&self, value: Value, context: &Context) -> Result<Encoded> {
        self.validate(&value)?;
        if let Value::Text(path) = value {
            return Ok(Encoded::UserPath(path));
        }
        reference_from_column(self.name(), value.clone(), context)?;
        Ok(Encoded::Value(value))
    }

    /// A reference; the file is not read.
    fn decode(&self, stored: Stored, context: &Context) -> Result<Value> {
        reference_from_column(self.name(), stored.value, context).map(Value::Reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> PathRules {
        PathRules {
            roots: vec!["/data/store".into(), "file:///data/store".into(), "s3://bucket/lab/".into()],
            hash_prefix: "_hash".into(),
            schema_prefix: "_schema/".into(),
            filepath_prefix: None,
        }
    }

    #[test]
    fn every_spelling_inside_the_store_becomes_one_path() {
        for (text, expected) in [
            ("raw/d.bin", "raw/d.bin"),
            ("./raw//x/../d.bin", "raw/d.bin"),
            ("/data/store/raw/d.bin", "raw/d.bin"),
            ("file:///data/store/raw/d%20e.bin", "raw/d e.bin"),
            ("S3://bucket/lab/raw/d.bin", "raw/d.bin"),
            ("s3://bucket/lab/100%.bin", "100%.bin"),
            ("_hashes/x", "_hashes/x"),
            ("raw/_hash/x", "raw/_hash/x"),
            ("a b/é", "a b/é"),
        ] {
            assert_eq!(rules().check(text).unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn what_lies_outside_or_is_reserved_is_refused() {
        for text in [
            "../outside",
            "a/../../b",
            "/etc/passwd",
            "/data/store/../x",
            "/data/stores/x",
            "file:///etc/passwd",
            "file:///data/store/%2e%2e/x",
            "s3://other/lab/x",
            "s3://bucket/x",
            "gs://bucket/lab/x",
            "",
            ".",
            "/data/store",
            "a\\b",
            "a\0b",
        ] {
            assert_eq!(rules().check(text).unwrap_err().kind(), ErrorKind::InvalidValue, "{text}");
        }
        for text in ["_hash", "_hash/x", "./_hash/x", "raw/../_hash", "_schema/a", "/data/store/_schema"] {
            let error = rules().check(text).unwrap_err();
            assert!(error.message().starts_with("path conflicts with reserved section `_"), "{text}: {error}");
        }
    }

    #[test]
    fn a_required_prefix_counts_in_whole_segments() {
        let rules = PathRules { filepath_prefix: Some("imported".into()), ..rules() };
        assert!(rules.check("imported/e.bin").is_ok());
        let error = rules.check("imported_not/e.bin").unwrap_err();
        assert_eq!(error.message(), "`<filepath@>` must use prefix `imported` (filepath_prefix): `imported_not/e.bin`");
    }

    #[test]
    fn the_column_has_the_keys_of_the_peer() {
        let moment: Timestamp = "2026-11-21T02:12:17.666045Z".parse().unwrap();
        let path = StorePath::new("raw/d.bin").unwrap();
        let column = column(&path, "main", Some(3), moment);
        let expected = r#"{"path":"raw/d.bin","store":"main","size":3,"is_dir":false,"timestamp":"2026-11-21T02:12:17.666045+00:00"}"#;
        assert_eq!(Json::Object(column.clone()).to_string(), expected);
        let encoded = FilepathCodec.encode(Value::Json(column.into()), &Context::default()).unwrap();
        let Encoded::Value(value) = encoded else { panic!() };
        let stored = Stored { value, object: None };
        let Value::Reference(reference) = FilepathCodec.decode(stored, &Context::default()).unwrap() else { panic!() };
        assert_eq!((reference.path.as_str(), reference.size()), ("raw/d.bin", Some(3)));
        let sought = FilepathCodec.encode(Value::from("raw/d.bin"), &Context::default()).unwrap();
        assert_eq!(sought, Encoded::UserPath("raw/d.bin".into()));
    }
}
