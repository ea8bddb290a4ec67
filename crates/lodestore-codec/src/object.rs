//! `<object@>`: files, folders and bytes, each object for itself.
//!
//! Takes bytes, the path of a file or folder, or a tuple of extension and bytes or path. Files are not
//! read here: they become segments of payloads. Only in a store: `<object@>` or `<object@store>`. The
//! column's JSON has the peer's keys `path`, `store`, `size`, `ext`, `is_dir`, `item_count`,
//! `timestamp`, and `checksum` behind them; for folders `manifest`, the checksum of their [manifest](crate::manifest), which
//! has one per file. Anyone can read the objects: they hold the bytes and no frame.

use jiff::Timestamp;
use lodestore_types::{CoreType, Error, ErrorKind, Result, StorePath, Value};
use serde_json::{Map, Value as Json};

use crate::attach::stem_and_suffix;
use crate::codec::{
    Addressing, Codec, Context, Encoded, Inner, NewFolder, NewObject, Payload, Placed, PlacedFolder, Stored,
};
use crate::local::{Local, look, name_of};
use crate::path::checked_extension;
use crate::reference::reference_from_column;
use crate::url::local_path;

/// The codec `<object@>`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ObjectCodec;

/// What the column tells about an object.
#[derive(Debug, Clone, Copy)]
pub struct ObjectFacts<'a> {
    /// The path in the store.
    pub path: &'a StorePath,
    /// The store's name, resolved.
    pub store: &'a str,
    /// The size in bytes; for a folder that of all files.
    pub size: u64,
    /// The extension with its dot, or nothing.
    pub extension: &'a str,
    /// For a folder, the number of its files.
    pub item_count: Option<u64>,
    /// For a single file, its checksum.
    pub checksum: Option<&'a str>,
}

impl Codec for ObjectCodec {
    fn name(&self) -> &str {
        "object"
    }

    fn inner(&self, in_store: bool) -> Result<Inner> {
        match in_store {
            true => Ok(Inner::Core(CoreType::Json)),
            false => Err(Error::new(ErrorKind::InvalidDefinition, "`<object>` requires @ (store only)")
                .with_hint("write `<object@>` for the default store or `<object@store>`")),
        }
    }

    fn validate(&self, value: &Value) -> Result<()> {
        encoded(value).map(|_| ())
    }

    fn encode(&self, value: Value, _: &Context) -> Result<Encoded> {
        encoded(&value)
    }

    fn column(&self, object: &NewObject, placed: &Placed) -> Map<String, Json> {
        let extension = match &object.addressing {
            Addressing::Schema { extension } => extension,
            Addressing::Hash => "",
        };
        let facts = ObjectFacts {
            path: &placed.path,
            store: &placed.store,
            size: placed.size,
            extension,
            item_count: None,
            checksum: Some(&placed.checksum),
        };
        let mut column = column(&facts, Timestamp::now());
        column.extend(object.metadata.clone());
        column
    }

    fn folder_column(&self, folder: &NewFolder, placed: &PlacedFolder) -> Map<String, Json> {
        let facts = ObjectFacts {
            path: &placed.path,
            store: &placed.store,
            size: placed.size,
            extension: &folder.extension,
            item_count: Some(placed.item_count),
            checksum: None,
        };
        let mut column = column(&facts, Timestamp::now());
        column.insert("manifest".into(), placed.manifest.as_str().into());
        column.extend(folder.metadata.clone());
        column
    }

    /// A reference; the object is not read.
    fn decode(&self, stored: Stored, context: &Context) -> Result<Value> {
        reference_from_column(self.name(), stored.value, context).map(Value::Reference)
    }
}

fn encoded(value: &Value) -> Result<Encoded> {
    match value {
        Value::Bytes(bytes) => return Ok(single(String::new(), bytes.clone().into())),
        Value::Text(path) => {
            let path = local_path(path);
            let found = look(&path)?;
            return Ok(from_local(extension_of(&name_of(&path)?).to_owned(), found));
        }
        Value::Tuple(parts) => match &parts[..] {
            [Value::Text(extension), Value::Bytes(bytes)] => {
                return Ok(single(checked_extension(extension)?, bytes.clone().into()));
            }
            [Value::Text(extension), Value::Text(path)] => {
                let extension = checked_extension(extension)?;
                let hint = "the second of two must be bytes, a file or the path of one; encode text: `text.encode()`";
                return Ok(from_local(extension, look(&local_path(path)).map_err(|error| error.with_hint(hint))?));
            }
            _ => {}
        },
        _ => {}
    }
    Err(Error::new(ErrorKind::InvalidType, format!("`<object>` expects bytes or path, got {}", value.type_name()))
        .with_hint("give bytes, the path of a file or folder, or a tuple of extension and bytes"))
}

fn from_local(extension: String, found: Local) -> Encoded {
    match found {
        Local::File(file) => single(extension, Payload(vec![file.into()])),
        Local::Folder(files) => Encoded::Folder(NewFolder {
            extension,
            files: files.into_iter().map(|(path, file)| (path, Payload(vec![file.into()]))).collect(),
            metadata: Map::new(),
        }),
    }
}

fn single(extension: String, payload: Payload) -> Encoded {
    Encoded::Object(NewObject { addressing: Addressing::Schema { extension }, payload, metadata: Map::new() })
}

/// The JSON of the column for an object that was written at `now`.
pub fn column(facts: &ObjectFacts<'_>, now: Timestamp) -> Map<String, Json> {
    let mut column = Map::new();
    column.insert("path".into(), facts.path.as_str().into());
    column.insert("store".into(), facts.store.into());
    column.insert("size".into(), facts.size.into());
    column.insert("ext".into(), Some(facts.extension).filter(|extension| !extension.is_empty()).into());
    column.insert("is_dir".into(), facts.item_count.is_some().into());
    column.insert("item_count".into(), facts.item_count.into());
    column.insert("timestamp".into(), timestamp(now).into());
    if let Some(checksum) = facts.checksum {
        column.insert("checksum".into(), checksum.into());
    }
    column
}

/// The extension that the object of a file or folder of this name gets: the last one, with its dot.
pub fn extension_of(file_name: &str) -> &str {
    let suffix = stem_and_suffix(file_name).1;
    if checked_extension(suffix).is_ok() { suffix } else { "" }
}

/// The moment as the peer writes it: `2026-11-21T02:12:17.470227+00:00`.
pub fn timestamp(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_column_has_the_keys_of_the_peer_in_its_order() {
        let path = StorePath::new("_schema/lab/T/x.TOKENabc.zarr").unwrap();
        let folder = ObjectFacts {
            path: &path,
            store: "main",
            size: 5,
            extension: ".zarr",
            item_count: Some(2),
            checksum: None,
        };
        let moment: Timestamp = "2026-11-21T02:12:17.470227999Z".parse().unwrap();
        assert_eq!(
            Json::Object(column(&folder, moment)).to_string(),
            r#"{"path":"_schema/lab/T/x.TOKENabc.zarr","store":"main","size":5,"ext":".zarr","is_dir":true,"item_count":2,"timestamp":"2026-11-21T02:12:17.470227+00:00"}"#
        );
        let file = ObjectFacts { extension: "", item_count: None, checksum: Some("sha256:00"), ..folder };
        let column = column(&file, moment);
        assert_eq!(
            (&column["ext"], &column["is_dir"], &column["item_count"]),
            (&json!(null), &json!(false), &json!(null))
        );
        assert_eq!(column["checksum"], "sha256:00");
    }

    #[test]
    fn bytes_and_extensions_are_taken_and_nothing_else() {
        let tuple = |extension: &str| Value::Tuple(vec![extension.into(), vec![1u8, 2].into()]);
        let Encoded::Object(object) = ObjectCodec.encode(tuple("bin"), &Context::default()).unwrap() else { panic!() };
        assert_eq!(object.addressing, Addressing::Schema { extension: ".bin".into() });
        assert!(ObjectCodec.validate(&vec![1u8].into()).is_ok());
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("x.zarr")).unwrap();
        std::fs::write(folder.path().join("x.zarr/0.0"), "abc").unwrap();
        let path = Value::from(folder.path().join("x.zarr").to_str().unwrap());
        let Encoded::Folder(found) = ObjectCodec.encode(path, &Context::default()).unwrap() else { panic!() };
        assert_eq!((found.extension.as_str(), found.files[0].0.as_str(), found.files[0].1.size()), (".zarr", "0.0", 3));
        for value in [tuple("/../../x"), tuple("a\\b"), Value::from("text"), Value::List(vec![]), Value::Tuple(vec![])]
        {
            assert!(ObjectCodec.validate(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn files_and_folders_keep_their_extension() {
        for (name, extension) in
            [("a.tar.gz", ".gz"), ("x.zarr", ".zarr"), (".bashrc", ""), ("plain", ""), ("a.b c", ""), ("x.", "")]
        {
            assert_eq!(extension_of(name), extension);
        }
    }
}
