//! Columns whose values may name objects, as the catalog describes them.

use lodestore_types::{Error, ErrorKind, Result, Value};

use crate::Row;

/// A column that may name objects: its comment has the marker of a codec, or it has no marker and holds JSON, text or bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectColumn {
    /// The schema.
    pub schema: String,
    /// The table, without its schema.
    pub table: String,
    /// The column.
    pub name: String,
    /// The stored comment; empty if there is none.
    pub comment: String,
    /// What its values are.
    pub content: Content,
    /// The type and nullability, in the words of the database.
    pub storage: String,
    /// Whether its values can be read.
    pub access: Access,
}

/// What the values of a column are to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// JSON documents.
    Json,
    /// Text, which may hold a document.
    Text,
    /// Bytes, which may hold a document.
    Bytes,
    /// Anything else.
    Other,
}

/// Whether the current user reads all values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// All of them, as far as the catalog says.
    Granted,
    /// A policy hides some rows.
    Filtered,
    /// None of them.
    Denied,
    /// None of them; but nobody who may write there may read the schema whose objects are at stake.
    Apart,
}

impl ObjectColumn {
    /// A column of which only the names are known.
    pub fn named(schema: &str, table: &str, name: &str) -> Self {
        ObjectColumn {
            schema: schema.to_owned(),
            table: table.to_owned(),
            name: name.to_owned(),
            comment: String::new(),
            content: Content::Other,
            storage: String::new(),
            access: Access::Granted,
        }
    }

    /// Reads a row of [`Dialect::object_columns`](crate::Dialect::object_columns).
    ///
    /// # Errors
    /// `Corrupt` if it is not what the query returns.
    pub fn read(row: &Row) -> Result<Self> {
        let text = |place: usize| row.get(place).and_then(Value::as_str).map(str::to_owned);
        let columns = || {
            let content = match row.get(4)?.as_str()? {
                "json" => Content::Json,
                "text" => Content::Text,
                "bytes" => Content::Bytes,
                _ => Content::Other,
            };
            let access = match row.get(6)?.as_str()? {
                "granted" => Access::Granted,
                "filtered" => Access::Filtered,
                "apart" => Access::Apart,
                _ => Access::Denied,
            };
            let comment = text(3).unwrap_or_default();
            Some(ObjectColumn {
                schema: text(0)?,
                table: text(1)?,
                name: text(2)?,
                comment,
                content,
                storage: text(5)?,
                access,
            })
        };
        columns().ok_or_else(|| Error::new(ErrorKind::Corrupt, "the catalog describes a column in an unexpected form"))
    }
}
