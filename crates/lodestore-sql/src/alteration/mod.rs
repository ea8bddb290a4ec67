//! From a table that is there to one that a new definition describes.
//!
//! [`alter`] compares the heading that the database tells with a [`Declaration`] and lists the [`Change`]s;
//! [`Dialect::alter`](crate::Dialect::alter) says how to carry them out. Secondary attributes, comments and indexes
//! can change, keys and foreign keys cannot. A comment that begins with `{old_name}` renames an attribute:
//!
//! ```text
//! weight_g : float32   # {weight} in grams
//! ```
//!
//! No change of a type may lose anything of what is stored: [`convert`] refuses values that would not stay the same.

mod compare;
mod convert;
mod print;

#[cfg(test)]
mod tests;

pub use compare::alter;
pub use convert::{convert, holds_all};

use lodestore_types::FullTableName;

use crate::{Attribute, Declaration, ForeignKey, Heading, Index, Statement};

/// How a table becomes what a new definition describes. `Display` prints a line for each change.
#[derive(Debug, Clone, PartialEq)]
pub struct Alteration {
    /// The table.
    pub table: FullTableName,
    /// The table as it is.
    pub current: Heading,
    /// The foreign keys that it has, and keeps.
    pub foreign_keys: Vec<ForeignKey>,
    /// The table as it shall be, with the hidden attributes that it has.
    pub target: Declaration,
    /// What changes, drops first, then attributes in the order of the definition. Nothing if the table is as described.
    pub changes: Vec<Change>,
}

/// What to do where values cannot be converted by a change of the table.
pub fn conversion_hint(old: &Attribute, new: &Attribute) -> &'static str {
    match old.kind.codec.is_some() && new.kind.codec.is_some() {
        true => "`migrate` the attribute: it converts the values and gives it the new type",
        false => "add a new attribute, copy the values into it with `update1`, then drop the old one",
    }
}

/// One change of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The table gets another comment.
    Comment(String),
    /// An attribute goes, with all its values.
    Drop(Attribute),
    /// A new attribute.
    Add {
        /// The attribute.
        attribute: Attribute,
        /// The attribute behind which it stands; `None` if it is the first.
        after: Option<String>,
    },
    /// An attribute gets another name, type, default, comment or place.
    Modify {
        /// The attribute as it is.
        old: Box<Attribute>,
        /// The attribute as it shall be.
        new: Box<Attribute>,
        /// If it moves: the attribute behind which it shall stand; `None` in it if it becomes the first.
        moved: Option<Option<String>>,
    },
    /// A new index.
    AddIndex(Index),
    /// An index goes.
    DropIndex(Index),
}

impl Change {
    /// True if the table itself changes: its columns, not only what is said about them.
    pub fn is_structural(&self) -> bool {
        match self {
            Change::Drop(_) | Change::Add { .. } => true,
            Change::Modify { old, new, moved } => {
                moved.is_some()
                    || old.name != new.name
                    || old.kind != new.kind
                    || old.nullable != new.nullable
                    || old.default != new.default
            }
            Change::Comment(_) | Change::AddIndex(_) | Change::DropIndex(_) => false,
        }
    }
}

impl Alteration {
    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// True if columns change, not only comments and indexes.
    pub fn is_structural(&self) -> bool {
        self.changes.iter().any(Change::is_structural)
    }

    /// The same without changes of place, for dialects that [cannot make them](crate::Dialect::can_reorder).
    #[must_use]
    pub fn without_moves(mut self) -> Self {
        self.changes.retain_mut(|change| match change {
            Change::Modify { old, new, moved } => {
                *moved = None;
                old != new
            }
            _ => true,
        });
        self
    }

    /// For each column of the target that holds what a column of the table held: the new one and the old one.
    pub fn kept(&self) -> impl Iterator<Item = (&Attribute, &Attribute)> {
        self.target.columns.iter().filter_map(|new| {
            let renamed = self.changes.iter().find_map(|change| match change {
                Change::Modify { old, new: found, .. } if found.name == new.name => Some(&**old),
                _ => None,
            });
            let added = self
                .changes
                .iter()
                .any(|change| matches!(change, Change::Add { attribute, .. } if attribute.name == new.name));
            let old = renamed.or_else(|| self.current.get_any(&new.name).filter(|_| !added))?;
            Some((new, old))
        })
    }
}

/// The statements that carry out an [`Alteration`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterScript {
    /// Sent one by one before the transaction begins.
    pub before: Vec<Statement>,
    /// Queries that must give no row before the change, each with what a row means.
    pub obstacles: Vec<(Statement, String)>,
    /// The change, in one transaction.
    pub statements: Vec<Statement>,
    /// Queries that must give no row when the change is made and not committed yet, each with what a row means.
    pub proofs: Vec<(Statement, String)>,
    /// Sent one by one after the transaction, whatever became of it.
    pub after: Vec<Statement>,
}
