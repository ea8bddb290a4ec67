//! Order, limit and offset.
//!
//! An order that a [`Top`] sets stays with the rows through restrictions, projections, joins and aggregations over
//! them, until another `Top` sorts them anew; what has no order of its own is limited in the order of its key. Every
//! limited order ends with the key, so that the same query always returns the same rows.

use lodestore_types::Result;

use super::sql_text::SqlText;
use super::{Expression, Node};
use crate::Heading;

/// The first rows in some order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Top {
    /// At most so many rows.
    pub limit: Option<u64>,
    /// Terms such as `weight desc`, `KEY` or `length(note)`. `None` keeps the order of an earlier [`Top`], else takes
    /// that of the key.
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

/// Where a [`Top`] takes its order from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// That of the rows, else that of the key.
    Kept,
    /// The opposite of `Kept`.
    Reversed,
    By(Vec<Term>),
}

/// One term of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub subject: Subject,
    pub descending: bool,
}

/// What a term sorts by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Attribute(String),
    Sql(SqlText),
    /// Whether there is no value: what `NULLS FIRST` and `NULLS LAST` ask for.
    Missing(Box<Subject>),
}

impl Expression {
    /// The first rows in some order. Without an order of its own it takes the first rows in the order that they have.
    ///
    /// # Errors
    /// [`UnknownAttribute`](lodestore_types::ErrorKind::UnknownAttribute) or
    /// [`InvalidCondition`](lodestore_types::ErrorKind::InvalidCondition) if a term cannot be understood.
    pub fn top(&self, top: &Top) -> Result<Expression> {
        let scope = self.order_scope();
        let mut terms = Vec::new();
        for term in top.order_by.iter().flatten() {
            terms.extend(terms_of(term, &self.heading, &scope)?);
        }
        let order = match &*self.node {
            _ if terms.is_empty() => Order::Kept,
            // Sorting rows the way they are sorted changes nothing.
            Node::Top { order: Order::By(known), .. } if *known == terms => Order::Kept,
            _ => Order::By(terms),
        };
        if top.order_by.is_none() && top.limit.is_none() && top.offset == 0 {
            return Ok(self.clone());
        }
        self.limited(order, top.limit, top.offset).checked()
    }

    /// The last rows in the order that the rows have, else in that of the key; the very last one comes first.
    pub fn last(&self, limit: u64) -> Expression {
        self.limited(Order::Reversed, Some(limit), 0)
    }

    fn limited(&self, order: Order, limit: Option<u64>, offset: u64) -> Expression {
        let node = Node::Top { input: self.clone(), order, limit, offset };
        Expression::of(node, self.heading.clone())
    }

    /// The same rows without an order of their own.
    pub(super) fn unordered(&self) -> Expression {
        Expression::of(Node::Unordered(self.clone()), self.heading.clone())
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

/// The terms that a text lists.
fn terms_of(text: &str, heading: &Heading, scope: &Heading) -> Result<Vec<Term>> {
    let mut terms = Vec::new();
    for text in listed(text) {
        let (text, nulls_first) = match (cut(text, &["nulls", "first"]), cut(text, &["nulls", "last"])) {
            (Some(rest), _) => (rest, Some(true)),
            (_, Some(rest)) => (rest, Some(false)),
            _ => (text, None),
        };
        let (text, descending) = match (cut(text, &["desc"]), cut(text, &["asc"])) {
            (Some(rest), _) => (rest, true),
            (_, Some(rest)) => (rest, false),
            _ => (text, false),
        };
        let subjects: Vec<Subject> = match text {
            "" => continue,
            "KEY" => heading.primary_key().map(|attribute| Subject::Attribute(attribute.name.clone())).collect(),
            // An attribute may have the name of any word of SQL.
            name if scope.get_any(name).is_some() => vec![Subject::Attribute(name.to_owned())],
            sql => {
                let sql = SqlText::scan(sql, scope)?;
                let name = sql.as_direction().map(|(name, _)| Subject::Attribute(name.to_owned()));
                vec![name.unwrap_or(Subject::Sql(sql))]
            }
        };
        for subject in subjects {
            if let Some(first) = nulls_first {
                terms.push(Term { subject: Subject::Missing(Box::new(subject.clone())), descending: first });
            }
            terms.push(Term { subject, descending });
        }
    }
    Ok(terms)
}

/// The parts of a text between commas, other than those in parentheses and quotes.
fn listed(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// What comes before these last words of a text, if it ends in them and anything does.
fn cut<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    let mut rest = text;
    for word in words.iter().rev() {
        let start = rest.len().checked_sub(word.len()).filter(|start| rest.is_char_boundary(*start))?;
        let before = &rest[..start];
        if !rest[start..].eq_ignore_ascii_case(word) || !before.ends_with([' ', '\t', '\n', ')', '\'', '"', '`']) {
            return None;
        }
        rest = before.trim_end();
    }
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_taken_apart() {
        assert_eq!(listed("a, f(b, ','), \"x,y\" desc"), ["a", "f(b, ',')", "\"x,y\" desc"]);
        assert_eq!(cut("a DESC", &["desc"]), Some("a"));
        assert_eq!(cut("desc desc", &["desc"]), Some("desc"));
        assert_eq!(cut("length(a)desc", &["desc"]), Some("length(a)"));
        assert_eq!(cut("a desc nulls last", &["nulls", "last"]), Some("a desc"));
        for text in ["desc", "a_desc", "", "a asc", "é"] {
            assert_eq!(cut(text, &["desc"]), None, "{text}");
        }
    }
}
