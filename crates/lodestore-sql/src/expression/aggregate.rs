//! Aggregation, and the universal set.

use std::sync::Arc;

use lodestore_types::{Error, ErrorKind, Result};

use super::join::{JoinKind, unite};
use super::matching::{Matching, check_matching};
use super::projection::{Column, Source};
use super::{Expression, Node, Projection};
use crate::{Attribute, Heading};

/// What an aggregation does with rows that no other row matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unmatched {
    /// They stay: `count(*)` counts 1 for them, `count(attribute)` counts 0.
    #[default]
    Keep,
    /// They are left out.
    Drop,
}

/// The set of all values that some attributes could have: it groups where there is no table to group by.
///
/// It is no expression: it has no rows of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Universal {
    names: Vec<String>,
}

impl Expression {
    /// For each row of this, what `projection` computes over the matching rows of `group`. The projection keeps and
    /// renames attributes of this expression; its SQL may use those of both.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if `group` lacks a key attribute of this or shares one of another origin, and
    /// what [`Expression::project`] refuses.
    pub fn aggregate(&self, group: &Expression, projection: &Projection, unmatched: Unmatched) -> Result<Expression> {
        self.aggregate_opts(group, projection, unmatched, Matching::ByLineage)
    }

    /// Like [`Expression::aggregate`], with a choice of how shared attributes are recognised.
    ///
    /// # Errors
    /// Like [`Expression::aggregate`].
    pub fn aggregate_opts(
        &self,
        group: &Expression,
        projection: &Projection,
        unmatched: Unmatched,
        matching: Matching,
    ) -> Result<Expression> {
        let (heading, other) = (&self.heading, &group.heading);
        let missing: Vec<&str> =
            heading.primary_key().map(|a| a.name.as_str()).filter(|name| other.get(name).is_none()).collect();
        if !missing.is_empty() {
            let message = format!("the group lacks key attributes of the grouping side: {}", missing.join(", "));
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        check_matching(heading, other, matching)?;
        let kind = match unmatched {
            Unmatched::Keep => JoinKind::Left,
            Unmatched::Drop => JoinKind::Inner,
        };
        let joined = self.paired(&group.unordered(), kind, unite(heading, other, unmatched == Unmatched::Keep));
        let (columns, result) = projection.resolve(heading, &joined.heading)?;
        let by = columns.iter().filter_map(|column| match &column.source {
            Source::Attribute(name) => Some(name.clone()),
            _ => None,
        });
        // The key stands first in the group, so that an index on it helps.
        let mut by: Vec<String> = by.collect();
        by.dedup();
        grouped(joined, Some(by), columns, true, Heading { table: None, ..result }).checked()
    }
}

impl Universal {
    /// The universal set over these attributes.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Universal { names: names.into_iter().map(Into::into).collect() }
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The distinct values that the attributes have in `expression`; NULL is one of them.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAttribute`], or [`ErrorKind::InvalidRequest`] without attributes.
    pub fn of(&self, expression: &Expression) -> Result<Expression> {
        if self.names.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "a universal set without attributes has no rows to show",
            )
            .with_hint("name attributes, or aggregate: `U().aggr(...)`"));
        }
        let (columns, attributes) = self.key(expression)?;
        let heading = Heading { attributes, ..Heading::default() };
        let node = Node::Distinct { input: expression.clone(), columns };
        Expression::of(node, Arc::new(heading)).checked()
    }

    /// One row for each combination of values (one row in all without attributes), with what `named` computes over it.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAttribute`] and what [`Expression::project`] refuses.
    pub fn aggregate(&self, group: &Expression, named: &[(String, String)]) -> Result<Expression> {
        if self.names.is_empty() && named.is_empty() {
            return Err(Error::new(ErrorKind::InvalidRequest, "there is nothing to compute")
                .with_hint("name what to compute: `U().aggr(table, n='count(*)')`"));
        }
        let (mut columns, attributes) = self.key(group)?;
        let grouping = Heading { attributes, ..Heading::default() };
        let projection = Projection { attributes: Vec::new(), named: named.to_vec() };
        let (all, heading) = projection.resolve(&grouping, &group.heading)?;
        columns.extend(all.into_iter().skip(columns.len()));
        let by = Some(self.names.clone()).filter(|names| !names.is_empty());
        grouped(group.clone(), by, columns, false, heading).checked()
    }

    /// The attributes as columns and as the key of a result.
    fn key(&self, expression: &Expression) -> Result<(Vec<Column>, Vec<Attribute>)> {
        let mut columns: Vec<Column> = Vec::new();
        let mut attributes = Vec::new();
        for name in &self.names {
            let attribute = expression.heading.attribute(name)?;
            if columns.iter().any(|column| column.name == *name) {
                return Err(Error::new(ErrorKind::InvalidRequest, format!("`{name}` stands twice")));
            }
            columns.push(Column { name: name.clone(), source: Source::Attribute(name.clone()) });
            attributes.push(Attribute { in_key: true, expression: None, ..attribute.clone() });
        }
        Ok((columns, attributes))
    }
}

fn grouped(
    input: Expression,
    by: Option<Vec<String>>,
    columns: Vec<Column>,
    keeps_order: bool,
    heading: Heading,
) -> Expression {
    let node = Node::Aggregate { input, by, columns, keeps_order };
    Expression::of(node, Arc::new(heading))
}
