//! The origin of an attribute.

use std::fmt;

use lodestore_types::FullTableName;

/// Where an attribute was first declared, printed as `schema.table.attribute`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lineage(String);

impl Lineage {
    /// The attribute of a table, as its own origin.
    pub fn of(table: &FullTableName, attribute: &str) -> Self {
        Lineage(format!("{table}.{attribute}"))
    }

    /// The origin that a lineage table names.
    pub fn from_text(text: impl Into<String>) -> Self {
        Lineage(text.into())
    }

    /// The table and the attribute; nothing if the text names none.
    pub fn split(&self) -> Option<(FullTableName, String)> {
        let (table, attribute) = self.0.rsplit_once('.')?;
        Some((FullTableName::parse(table).ok()?, attribute.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
