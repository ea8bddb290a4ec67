//! The list of attributes and how to find one.

use lodestore_types::{Error, ErrorKind, FullTableName, Result, nearest};

use super::Attribute;
use crate::Index;

/// What is known of the attributes of a table, or of a query's result.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heading {
    /// The table, if it is one.
    pub table: Option<FullTableName>,
    /// The comment of the table.
    pub comment: String,
    /// All attributes in order, hidden ones among them.
    pub attributes: Vec<Attribute>,
    /// The indexes of the table beside its primary key.
    pub indexes: Vec<Index>,
}

impl Heading {
    /// The visible attribute of this name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.visible().find(|attribute| attribute.name == name)
    }

    /// Like [`Heading::get`], with the nearest name as a hint.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAttribute`] if there is none.
    pub fn attribute(&self, name: &str) -> Result<&Attribute> {
        self.get(name).ok_or_else(|| self.unknown(name))
    }

    /// The attribute of this name, hidden or not.
    pub fn get_any(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The error for a name that is not here.
    pub fn unknown(&self, name: &str) -> Error {
        let error = Error::new(ErrorKind::UnknownAttribute, format!("there is no attribute `{name}`"));
        let error = match &self.table {
            Some(table) => error.with("table", table),
            None => error,
        };
        match nearest(name, self.names()) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error.with_hint(format!("the attributes are {}", self.names().collect::<Vec<_>>().join(", "))),
        }
    }

    /// The visible attributes in order.
    pub fn visible(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| !attribute.hidden)
    }

    /// The names of the visible attributes in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.visible().map(|attribute| attribute.name.as_str())
    }

    /// The visible attributes of the primary key, in order.
    pub fn primary_key(&self) -> impl Iterator<Item = &Attribute> {
        self.visible().filter(|attribute| attribute.in_key)
    }

    /// The visible attributes beside the primary key, in order.
    pub fn secondary(&self) -> impl Iterator<Item = &Attribute> {
        self.visible().filter(|attribute| !attribute.in_key)
    }

    /// All attributes of the primary key: for a singleton, the hidden one.
    pub fn full_primary_key(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| attribute.in_key)
    }

    /// True if every key attribute of `other` is an attribute here.
    pub fn determines(&self, other: &Heading) -> bool {
        other.primary_key().all(|attribute| self.get(&attribute.name).is_some())
    }
}
