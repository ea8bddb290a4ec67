//! Joins: which attributes meet, and which identify the result.

use std::sync::Arc;

use lodestore_types::{Error, ErrorKind, Result};

use super::matching::{Matching, check_matching};
use super::{Expression, Node};
use crate::{Attribute, DefaultValue, Heading};

/// Which rows a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JoinKind {
    /// Rows that meet one of the other side.
    #[default]
    Inner,
    /// All rows of the left side, with NULL for what is missing on the right.
    Left,
}

/// How a join is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinOptions {
    /// Which rows are kept.
    pub kind: JoinKind,
    /// How shared attributes are recognised.
    pub matching: Matching,
    /// Allows a left join whose left side does not determine the right one: the key then holds NULLs.
    pub allow_nullable_key: bool,
}

impl Expression {
    /// The pairs of rows of both that agree in all shared attributes; all pairs if none is shared.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if a shared attribute has not the same origin on both sides.
    pub fn join(&self, other: &Expression) -> Result<Expression> {
        self.join_opts(other, JoinOptions::default())
    }

    /// All rows of this, with the attributes of `other` where there are any. `other` must add attributes, not rows:
    /// its key has to be here.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] as for [`Expression::join`], or if `other` would add rows.
    pub fn extend(&self, other: &Expression) -> Result<Expression> {
        self.join_opts(other, JoinOptions { kind: JoinKind::Left, ..JoinOptions::default() })
    }

    /// Like [`Expression::join`], with options.
    ///
    /// # Errors
    /// Like [`Expression::join`] and, for left joins, [`Expression::extend`].
    pub fn join_opts(&self, other: &Expression, options: JoinOptions) -> Result<Expression> {
        let (left, right) = (&self.heading, &other.heading);
        check_matching(left, right, options.matching)?;
        if options.kind == JoinKind::Left && !options.allow_nullable_key && !left.determines(right) {
            let missing: Vec<&str> =
                right.primary_key().map(|a| a.name.as_str()).filter(|name| left.get(name).is_none()).collect();
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "Left join requires the left operand to determine the right operand, but the left lacks {} of the \
                     right operand's primary key",
                    missing.join(", ")
                ),
            )
            .with_hint("use an inner join, or set `allow_nullable_pk=True`"));
        }
        let heading = match options {
            JoinOptions { kind: JoinKind::Left, allow_nullable_key: false, .. } => follow(left, right, true),
            JoinOptions { kind: JoinKind::Left, .. } => unite(left, right, true),
            _ if left.determines(right) => follow(left, right, false),
            _ if right.determines(left) => follow(right, left, false),
            _ => unite(left, right, false),
        };
        self.paired(other, options.kind, heading).checked()
    }

    /// The join itself, with a heading that was found out already.
    pub(super) fn paired(&self, other: &Expression, kind: JoinKind, heading: Heading) -> Expression {
        let on = self.heading.names().filter(|name| other.heading.get(name).is_some()).map(str::to_owned).collect();
        let node = Node::Join { left: self.clone(), right: other.clone(), on, kind };
        Expression::of(node, Arc::new(heading))
    }
}

/// All attributes of `first`, whose key identifies the rows, then the new ones of `second`.
fn follow(first: &Heading, second: &Heading, outer: bool) -> Heading {
    let new = second.visible().filter(|attribute| first.get(&attribute.name).is_none()).map(|attribute| {
        let mut attribute = if outer { nullable(attribute) } else { attribute.clone() };
        attribute.in_key = false;
        attribute
    });
    of(first.visible().cloned().chain(new).collect())
}

/// The keys of both, then the other attributes of both. A name that is key on one side is key.
pub(super) fn unite(left: &Heading, right: &Heading, outer: bool) -> Heading {
    let is_key = |name: &str| [left, right].iter().any(|side| side.get(name).is_some_and(|found| found.in_key));
    let new = right.visible().filter(|attribute| left.get(&attribute.name).is_none());
    let all: Vec<Attribute> = left
        .visible()
        .cloned()
        .chain(new.map(|attribute| if outer { nullable(attribute) } else { attribute.clone() }))
        .map(|attribute| Attribute { in_key: is_key(&attribute.name), ..attribute })
        .collect();
    let (key, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|attribute| attribute.in_key);
    of(key.into_iter().chain(others).collect())
}

pub(super) fn nullable(attribute: &Attribute) -> Attribute {
    Attribute { nullable: true, default: Some(DefaultValue::Null), ..attribute.clone() }
}

/// The heading of a query's result.
pub(super) fn of(attributes: Vec<Attribute>) -> Heading {
    let attributes = attributes.into_iter().map(|attribute| Attribute { expression: None, ..attribute }).collect();
    Heading { attributes, ..Heading::default() }
}
