//! Order, limit and offset.

use std::sync::Arc;

use lodestore_types::Result;

use super::sql_text::SqlText;
use super::{Expression, Node};
use crate::Heading;

/// The first rows in some order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Top {
    /// At most so many rows.
    pub limit: Option<u64>,
    /// Terms such as `weight desc`, `KEY` or `length(note)`. `None` keeps the order there is: that of an earlier
    /// [`Top`], else that of the key.
    pub order_by: Option<Vec<String>>,
    /// So many rows are passed over first.
    pub offset: u64,
}

impl Top {
    /// The first `limit` rows in the order of the key.
    pub fn first(limit: u64) -> Self {
        Top { limit: Some(limit), order_by: Some(vec!["KEY".into()]), offset: 0 }
    }

    /// All rows in this order.
    pub fn ordered<S: Into<String>>(terms: impl IntoIterator<Item = S>) -> Self {
        Top { limit: None, order_by: Some(terms.into_iter().map(Into::into).collect()), offset: 0 }
    }

    /// Passes over so many rows first.
    pub fn with_offset(self, offset: u64) -> Self {
        Top { offset, ..self }
    }

    /// At most so many rows.
    pub fn with_limit(self, limit: u64) -> Self {
        Top { limit: Some(limit), ..self }
    }
}

/// One term of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    Attribute { name: String, descending: bool },
    Sql(SqlText),
}

impl Expression {
    /// The first rows in some order. Applied to such an expression again without another order, it takes some of those
    /// rows.
    ///
    /// # Errors
    /// [`UnknownAttribute`](lodestore_types::ErrorKind::UnknownAttribute) or
    /// [`InvalidCondition`](lodestore_types::ErrorKind::InvalidCondition) if a term cannot be understood.
    pub fn top(&self, top: &Top) -> Result<Expression> {
        let scope = self.order_scope();
        let key = || vec!["KEY".to_owned()];
        let terms = |order: Vec<String>| -> Result<Vec<Term>> {
            Ok(order.iter().map(|term| terms_of(term, &self.heading, &scope)).collect::<Result<Vec<_>>>()?.concat())
        };
        let wanted = top.order_by.clone().map(terms).transpose()?;
        if let Node::Top { input, order, limit, offset } = &*self.node
            && wanted.as_ref().is_none_or(|wanted| wanted == order)
        {
            let left = limit.map(|limit| limit.saturating_sub(top.offset));
            let limit = left.into_iter().chain(top.limit).min();
            let offset = offset.saturating_add(top.offset);
            return Ok(input.limited(order.clone(), limit, offset, self));
        }
        if wanted.is_none() && top.limit.is_none() && top.offset == 0 {
            return Ok(self.clone());
        }
        let order = wanted.map_or_else(|| terms(key()), Ok)?;
        Ok(self.limited(order, top.limit, top.offset, self))
    }

    fn limited(&self, order: Vec<Term>, limit: Option<u64>, offset: u64, like: &Expression) -> Expression {
        let node = Node::Top { input: self.clone(), order, limit, offset };
        Expression { node: Arc::new(node), heading: like.heading.clone() }
    }

    /// The attributes that an order may name: also those that were projected away or renamed.
    pub(super) fn order_scope(&self) -> Heading {
        let mut scope = (*self.heading).clone();
        let mut expression = self;
        while let Node::Restrict { input, .. } | Node::Project { input, .. } | Node::Top { input, .. } =
            &*expression.node
        {
            let new: Vec<_> =
                input.heading.attributes.iter().filter(|attribute| scope.get_any(&attribute.name).is_none()).collect();
            scope.attributes.extend(new.into_iter().cloned());
            expression = input;
        }
        scope
    }
}

fn terms_of(term: &str, heading: &Heading, scope: &Heading) -> Result<Vec<Term>> {
    let mut words = term.split_whitespace();
    let (first, second, third) = (words.next(), words.next(), words.next());
    let direction = second.map(str::to_ascii_lowercase);
    if first == Some("KEY") && third.is_none() && matches!(direction.as_deref(), None | Some("asc" | "desc")) {
        let descending = direction.as_deref() == Some("desc");
        let of = |name: &str| Term::Attribute { name: name.to_owned(), descending };
        return Ok(heading.primary_key().map(|attribute| of(&attribute.name)).collect());
    }
    if term.trim().is_empty() {
        return Ok(Vec::new());
    }
    SqlText::scan(term, scope).map(|sql| vec![Term::Sql(sql)])
}
