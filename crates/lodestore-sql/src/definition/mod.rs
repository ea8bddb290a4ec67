//! The table definition language: a few lines of text that say what a table holds.
//!
//! ```
//! use lodestore_sql::Definition;
//! use lodestore_sql::definition::Item;
//!
//! let definition = Definition::parse("
//!     ## a recording session
//!     -> Subject
//!     session : int16          # counts from 1
//!     ---
//!     -> [nullable] Person.proj(experimenter='person_id')
//!     note='' : varchar(200)
//! ")?;
//! assert_eq!(definition.comment, "a recording session");
//! assert!(matches!(definition.items[2], Item::Divider));
//! # Ok::<(), lodestore_types::Error>(())
//! ```
//!
//! Parsing looks at one line at a time and resolves nothing: whether a type or a parent exists is the business of
//! [`declare`](crate::declare).

mod ast;
mod line;
mod older;
mod parse;
mod print;
mod report;

pub(crate) use line::split_arguments;

pub use ast::{AttributeLine, DefaultText, Definition, ForeignKeyLine, ForeignKeyOptions, IndexLine, Item, Reference};
