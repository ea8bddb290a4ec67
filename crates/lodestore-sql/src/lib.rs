//! The table definition language, headings, queries and the dialects that render them.
//!
//! This crate makes text and reads rows; it never talks to a database. Its rooms follow the life of a table:
//!
//! ```text
//! definition text -> Definition -> Declaration -> DDL          definition, declaration, dialect
//!                                                  |
//!                      rows of the catalog  <-- database       dialect; sqlite, postgres, mysql
//!                              |
//!                           Heading -> Expression -> SELECT    heading, expression, dialect
//! ```
//!
//! - [`definition`]: what a user writes, parsed into [`Definition`];
//! - [`declaration`]: a definition resolved against its parents and types, ready to become a table;
//! - [`alteration`]: what changes when a table gets another definition;
//! - [`migration`]: values on their way from one type of an attribute to another;
//! - [`heading`]: what is known of the attributes of a table or a query, always read back from the database;
//! - [`dialect`]: the contract of a database's way to say things, kept by [`sqlite`], [`postgres`] and [`mysql`];
//! - [`expression`]: queries as immutable trees, rendered to one `SELECT`.
//!
//! ```
//! use lodestore_sql::{DeclareOptions, Definition, Dialect, Resolver, Sqlite, declare};
//! use lodestore_types::{Error, ErrorKind, FullTableName, Tier};
//!
//! let definition = Definition::parse("method : varchar(20)  # short name\n---\nweight=1.5 : float64")?;
//! let table = FullTableName::parse("lab.#method")?;
//! let none = |what: &str| Error::new(ErrorKind::InvalidDefinition, format!("there is no `{what}`"));
//! let resolver = Resolver { codec: &|text| Err(none(text)), parent: &|reference| Err(none(&reference.path)) };
//! let declaration = declare(&definition, &table, Tier::Lookup, DeclareOptions::default(), &resolver)?;
//!
//! let statements = Sqlite.declare(&declaration)?;
//! assert!(statements[0].sql.starts_with("CREATE TABLE IF NOT EXISTS \"lab.#method\" ("));
//! assert!(statements[0].sql.contains("\"weight\" REAL NOT NULL DEFAULT 1.5"));
//! # Ok::<(), lodestore_types::Error>(())
//! ```

pub mod alteration;
pub mod declaration;
pub mod definition;
pub mod deletions;
pub mod dialect;
pub mod expression;
#[cfg(test)]
mod golden;
pub mod heading;
pub mod journal;
pub mod migration;
pub mod mysql;
mod native;
mod object_column;
mod outline;
pub mod postgres;
pub mod queue;
pub mod sqlite;

pub use alteration::{AlterScript, Alteration, Change};
pub use declaration::{Declaration, DeclareOptions, ForeignKey, Index, Resolver, declare};
pub use definition::Definition;
pub use deletions::{Deletions, KeptRows};
pub use dialect::{Conflict, Dependency, Dialect, Row, Statement};
pub use expression::{Condition, Expression, JoinKind, JoinOptions, Matching, Projection, Top, Universal, Unmatched};
pub use heading::{Attribute, AttributeType, DefaultValue, Heading, Lineage};
pub use journal::{Journal, JournalWords};
pub use migration::{Shadow, Swap, SwapScript, Way};
pub use mysql::Mysql;
pub use object_column::{Access, Content, ObjectColumn};
pub use outline::{Outline, OutlineColumn, read_outlines};
pub use postgres::Postgres;
pub use queue::{NamedLock, QueueWords};
pub use sqlite::Sqlite;
