//! The contract between a codec and the core.

use std::fmt;

use bytes::Bytes;
pub use lodestore_types::Payload;
use lodestore_types::{CoreType, Error, ErrorKind, Result, StorePath, Value};
use serde_json::{Map, Value as Json};

/// A codec type as an attribute declares it: `<blob>`, `<blob@>` or `<blob@archive>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeSpec {
    /// The name of the codec.
    pub codec: String,
    /// The store: `None` in the table, `Some("")` in the default store.
    pub store: Option<String>,
}

/// What the output of a codec is stored as: a core type, or the input of a further codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inner {
    /// A column of this type.
    Core(CoreType),
    /// Another codec's input. A store that it does not name, or names as `""`, is inherited.
    Codec(TypeSpec),
}

/// What a codec needs to read a value: it is what makes a codec eager or lazy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The column alone: the value is in it, or a reference is made from it.
    Column,
    /// The object that the column names, whole.
    Object,
}

/// How the place of a new object is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressing {
    /// By the hash of its content: equal content of one schema is stored once.
    Hash,
    /// By schema, table, key and attribute, with a fresh token and this extension (with its dot, or nothing).
    Schema {
        /// Such as `.npy`.
        extension: String,
    },
}

/// An object that a codec wants written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewObject {
    /// How its place is chosen.
    pub addressing: Addressing,
    /// Its bytes.
    pub payload: Payload,
    /// What the column's JSON should tell beside place, size and checksum.
    pub metadata: Map<String, Json>,
}

/// A folder of objects that a codec wants written, in a place of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFolder {
    /// Its extension, with its dot, or nothing.
    pub extension: String,
    /// The path of each file in the folder, canonical and none twice, and its bytes.
    pub files: Vec<(String, Payload)>,
    /// What the column's JSON should tell beside place, size and number of files.
    pub metadata: Map<String, Json>,
}

/// What a codec makes of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoded {
    /// A value for the inner type.
    Value(Value),
    /// Bytes for the inner type, which may still be in files.
    Payload(Payload),
    /// An object; the column gets the JSON that [`Codec::column`] makes when its place is known.
    Object(NewObject),
    /// A folder; the column gets the JSON that [`Codec::folder_column`] makes when its place is known.
    Folder(NewFolder),
    /// A path of the user's in the store; the column gets the JSON of what is found there.
    UserPath(String),
}

/// Where an object was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The schema that owns it.
    pub schema: String,
    /// The store's name, resolved: never empty.
    pub store: String,
    /// The path in the store.
    pub path: StorePath,
    /// Its size in bytes.
    pub size: u64,
    /// Its checksum, such as `sha256:` and 64 hexadecimal digits.
    pub checksum: String,
    /// Its content hash, for hash-addressed objects: 26 characters of lower-case Base32.
    pub hash: Option<String>,
}

/// Where a folder was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFolder {
    /// The store's name, resolved: never empty.
    pub store: String,
    /// The path in the store.
    pub path: StorePath,
    /// The size of all files in bytes.
    pub size: u64,
    /// The number of files.
    pub item_count: u64,
    /// The checksum of its manifest.
    pub manifest: String,
}

/// Where a value comes from or goes to, for messages and for codecs that care.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The schema.
    pub schema: String,
    /// The table's name in the database.
    pub table: String,
    /// The attribute.
    pub attribute: String,
    /// The primary key of the row, as far as it is known.
    pub key: Vec<(String, Value)>,
    /// The store's name, resolved; `None` in the table.
    pub store: Option<String>,
    /// Whether files are compressed which DataJoint keeps, and reads, only as they are.
    pub compress_files: bool,
}

/// What a codec reads a value from.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The column's content, or what the inner codec made of it.
    pub value: Value,
    /// The object, if the codec [reads](Codec::reads) it.
    pub object: Option<Bytes>,
}

/// A translation between a value and what is stored.
///
/// A codec knows no store and writes nothing, so that many values are encoded and decoded at once
/// and every codec can be tested without a store. All it may read is a file of this machine that its
/// value names, and even that it leaves to whoever writes the [`Payload`]. `decode` must give back
/// what `encode` was given, or `encode` (better: `validate`) must refuse it.
pub trait Codec: Send + Sync + fmt::Debug {
    /// The name between the angle brackets.
    fn name(&self) -> &str;

    /// What the encoded value is stored as, in the table or in a store.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidDefinition`] if the codec does not work in that place.
    fn inner(&self, in_store: bool) -> Result<Inner>;

    /// What reading a value takes.
    fn reads(&self) -> Reads {
        Reads::Column
    }

    /// True if it takes objects of another language as they are, instead of the values they stand for.
    fn takes_foreign(&self) -> bool {
        false
    }

    /// True if [`Codec::decode`] wants to know the key of the row, as far as the query has it.
    fn wants_key(&self) -> bool {
        false
    }

    /// About how many bytes of memory encoding a value takes.
    fn weight(&self, value: &Value) -> usize {
        value.weight()
    }

    /// Refuses a value that cannot be encoded, before anything is written.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidType`] or [`ErrorKind::InvalidValue`].
    fn validate(&self, value: &Value) -> Result<()>;

    /// Translates a value (never NULL) to what is stored.
    ///
    /// # Errors
    /// As [`Codec::validate`].
    fn encode(&self, value: Value, context: &Context) -> Result<Encoded>;

    /// Translates bytes, which may still be in files, to what is stored.
    ///
    /// # Errors
    /// As [`Codec::encode`]; [`ErrorKind::Storage`] if a file cannot be read.
    fn encode_payload(&self, payload: Payload, context: &Context) -> Result<Encoded> {
        self.encode(Value::Bytes(payload.into_bytes()?), context)
    }

    /// The JSON that the column gets for an object of this codec.
    fn column(&self, object: &NewObject, placed: &Placed) -> Map<String, Json> {
        let mut column = Map::new();
        column.insert("path".into(), placed.path.as_str().into());
        column.insert("store".into(), placed.store.as_str().into());
        column.extend(object.metadata.clone());
        column.insert("size".into(), placed.size.into());
        column.insert("checksum".into(), placed.checksum.as_str().into());
        column
    }

    /// The JSON that the column gets for a folder of this codec.
    fn folder_column(&self, folder: &NewFolder, placed: &PlacedFolder) -> Map<String, Json> {
        let mut column = Map::new();
        column.insert("path".into(), placed.path.as_str().into());
        column.insert("store".into(), placed.store.as_str().into());
        column.insert("size".into(), placed.size.into());
        column.insert("is_dir".into(), true.into());
        column.insert("item_count".into(), placed.item_count.into());
        column.insert("manifest".into(), placed.manifest.as_str().into());
        column.extend(folder.metadata.clone());
        column
    }

    /// Translates what was stored (never NULL) back to the value.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the bytes are not what this codec writes.
    fn decode(&self, stored: Stored, context: &Context) -> Result<Value>;
}

impl TypeSpec {
    /// Reads `<name>`, `<name@>` or `<name@store>`; blanks inside are tolerated.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidDefinition`] without brackets or name.
    pub fn parse(text: &str) -> Result<Self> {
        let inside = text.trim().strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        let (codec, store) = match inside.map(|inside| inside.split_once('@').unwrap_or((inside, "\0"))) {
            Some((codec, store)) if !codec.trim().is_empty() => (codec.trim(), store.trim()),
            _ => {
                return Err(Error::new(ErrorKind::InvalidDefinition, format!("`{text}` is not a codec type"))
                    .with_hint("write `<name>`, `<name@>` or `<name@store>`"));
            }
        };
        Ok(TypeSpec { codec: codec.to_owned(), store: (store != "\0").then(|| store.to_owned()) })
    }
}

impl fmt::Display for TypeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.store {
            Some(store) => write!(f, "<{}@{store}>", self.codec),
            None => write!(f, "<{}>", self.codec),
        }
    }
}
