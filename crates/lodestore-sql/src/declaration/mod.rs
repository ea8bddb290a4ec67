//! From a definition to a table that is ready to be made.
//!
//! [`declare`] resolves types and parents and applies the rules of the definition language; what it returns holds
//! everything that a [`Dialect`](crate::Dialect) needs to write the table's DDL.

mod builder;
mod types;

pub(crate) use builder::is_word;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use lodestore_types::{CoreType, FullTableName, Result, Tier};

use crate::definition::{Definition, Reference};
use crate::heading::{Attribute, Heading, Lineage};

/// A table that is ready to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// The table.
    pub table: FullTableName,
    /// Its comment.
    pub comment: String,
    /// Its columns in order, with defaults.
    pub columns: Vec<Attribute>,
    /// The names of the key columns in order; `_singleton` alone for a table without key.
    pub primary_key: Vec<String>,
    /// The columns that foreign keys brought along, of which the table's own text says nothing.
    pub inherited: Vec<String>,
    /// Its foreign keys in order of definition.
    pub foreign_keys: Vec<ForeignKey>,
    /// Declared and unique indexes in order of definition. Those that only support foreign keys are the dialect's.
    pub indexes: Vec<Index>,
    /// The origin of each key and foreign-key column.
    pub lineage: Vec<(String, Lineage)>,
    /// What the user should be told, though it is no error.
    pub warnings: Vec<String>,
}

/// A foreign key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The columns of the child.
    pub columns: Vec<String>,
    /// The parent.
    pub parent: FullTableName,
    /// The key columns of the parent, in the order of `columns`.
    pub parent_columns: Vec<String>,
    /// True if declared `[nullable]`.
    pub nullable: bool,
    /// True if declared `[unique]`.
    pub unique: bool,
}

/// An index of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Column names, or expressions as written.
    pub columns: Vec<String>,
    /// True if no two rows may agree in all of it.
    pub unique: bool,
}

/// Settings that add hidden attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeclareOptions {
    /// Computed and imported tables record start, duration and version of the computation.
    pub job_metadata: bool,
    /// Manual tables record where a row came from.
    pub provenance: bool,
}

/// What [`declare`] asks its caller.
pub struct Resolver<'a> {
    /// The core type under a codec type such as `<blob@>`.
    pub codec: &'a dyn Fn(&str) -> Result<CoreType>,
    /// The heading (with `table` set) of a foreign key's parent.
    pub parent: &'a dyn Fn(&Reference) -> Result<Arc<Heading>>,
}

/// Resolves a definition.
///
/// # Errors
/// [`InvalidDefinition`](lodestore_types::ErrorKind::InvalidDefinition) with `table` and `attribute` as context, and
/// whatever the resolvers return.
pub fn declare(
    definition: &Definition,
    table: &FullTableName,
    tier: Tier,
    options: DeclareOptions,
    resolver: &Resolver<'_>,
) -> Result<Declaration> {
    let build = || {
        let mut builder = builder::Builder::new(table, &definition.comment, resolver);
        definition.items.iter().try_for_each(|item| builder.add(item))?;
        builder.finish(tier, options)
    };
    build().map_err(|error| error.with("table", table))
}

impl Declaration {
    /// The heading that the database will give back for this table.
    pub fn heading(&self) -> Heading {
        Heading {
            table: Some(self.table.clone()),
            comment: self.comment.clone(),
            attributes: self.columns.clone(),
            indexes: self.indexes.iter().filter(|index| !self.supports_foreign_key(index)).cloned().collect(),
        }
    }

    /// True for an index that a database makes anyway: the columns of a foreign key, not unique.
    fn supports_foreign_key(&self, index: &Index) -> bool {
        !index.unique && self.foreign_keys.iter().any(|key| key.columns == index.columns)
    }
}
