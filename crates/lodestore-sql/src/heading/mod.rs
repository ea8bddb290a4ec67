//! Headings: what is known of the attributes of a table or of a query's result.
//!
//! [`Heading`] lists [`Attribute`]s in order, key attributes first for queries and in order of declaration for
//! tables. Each attribute knows its [`AttributeType`] (the declared text and the core type that the column holds),
//! its default, and its [`Lineage`]: the place where it was first declared, by which joins recognise relatives.

mod attribute;
mod lineage;
mod lookup;
mod marker;
mod text;

pub use attribute::{Attribute, AttributeType, DefaultValue};
pub use lineage::Lineage;
pub use lookup::Heading;
pub use marker::{split_marker, with_marker};
pub(crate) use text::plain_text;
