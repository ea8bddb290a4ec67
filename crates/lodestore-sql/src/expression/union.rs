//! Unions.

use std::sync::Arc;

use lodestore_types::{Error, ErrorKind, Result};

use super::join::{JoinKind, nullable, of};
use super::matching::{Matching, check_matching};
use super::{Condition, Expression, Node, Projection};
use crate::Heading;

impl Expression {
    /// The rows of both. Where a key is in both, its row has the secondary attributes of both; elsewhere those of the
    /// other side are NULL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the keys have different names, secondary attributes are shared, or (unless
    /// there is none) the keys have different origins.
    pub fn union(&self, other: &Expression) -> Result<Expression> {
        self.union_opts(other, Matching::ByLineage)
    }

    /// Like [`Expression::union`], with a choice of how the keys are recognised.
    ///
    /// # Errors
    /// Like [`Expression::union`].
    pub fn union_opts(&self, other: &Expression, matching: Matching) -> Result<Expression> {
        let (left, right) = (&self.heading, &other.heading);
        let missing = |one: &Heading, two: &Heading| -> Vec<String> {
            let lacks = |name: &&str| !two.primary_key().any(|key| key.name == **name);
            one.primary_key().map(|a| a.name.as_str()).filter(lacks).map(str::to_owned).collect()
        };
        let odd = [missing(left, right), missing(right, left)].concat();
        if !odd.is_empty() {
            return Err(invalid(format!(
                "the operands of a union must share the same primary key, but they differ in {}",
                odd.join(", ")
            )));
        }
        if let Some(shared) = left.secondary().find(|attribute| right.get(&attribute.name).is_some()) {
            return Err(invalid(format!("both sides of a union have the secondary attribute `{}`", shared.name))
                .with_hint("rename it or project it away on one side"));
        }
        let secondary = left.secondary().chain(right.secondary()).map(nullable);
        let heading = of(left.primary_key().cloned().chain(secondary).collect());
        let node = if heading.secondary().next().is_none() {
            Node::Union { left: self.clone(), right: other.clone() }
        } else {
            check_matching(left, right, matching)?;
            let both = self.paired(other, JoinKind::Left, heading.clone());
            let known = Condition::In(self.project(&Projection::default())?);
            Node::Union { left: both, right: other.restrict_opts(&Condition::Not(Box::new(known)), matching)? }
        };
        Expression::of(node, Arc::new(heading)).checked()
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
