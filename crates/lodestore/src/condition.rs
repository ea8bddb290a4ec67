//! What rows can be restricted by.

use lodestore_sql::Condition;

use crate::{Instance, Query, Row, Table, Universal};

/// What rows can be restricted by.
pub trait IntoCondition {
    /// The condition.
    fn into_condition(self) -> Condition;

    /// The project of a query in it: it must be that of the rows to restrict.
    fn instance(&self) -> Option<&Instance> {
        None
    }
}

impl IntoCondition for Condition {
    fn into_condition(self) -> Condition {
        self
    }
}

/// SQL over the attributes, such as `"age > 3 AND species = 'mouse'"`.
impl IntoCondition for &str {
    fn into_condition(self) -> Condition {
        Condition::Sql(self.to_owned())
    }
}

impl IntoCondition for &String {
    fn into_condition(self) -> Condition {
        Condition::Sql(self.clone())
    }
}

/// All rows, or none.
impl IntoCondition for bool {
    fn into_condition(self) -> Condition {
        self.into()
    }
}

/// Each named attribute equals its value; names that are no attributes do not count.
impl IntoCondition for &Row {
    fn into_condition(self) -> Condition {
        Condition::Map(self.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect())
    }
}

impl IntoCondition for Row {
    fn into_condition(self) -> Condition {
        (&self).into_condition()
    }
}

/// One of the rows, such as the keys that another query gave. Without any, nothing satisfies it.
impl IntoCondition for &[Row] {
    fn into_condition(self) -> Condition {
        Condition::Any(self.iter().map(IntoCondition::into_condition).collect())
    }
}

impl IntoCondition for &Vec<Row> {
    fn into_condition(self) -> Condition {
        self.as_slice().into_condition()
    }
}

/// The shared attributes occur together in a row of the query.
impl IntoCondition for &Query {
    fn into_condition(self) -> Condition {
        Condition::In(self.expression().clone())
    }

    fn instance(&self) -> Option<&Instance> {
        Some(Query::instance(self))
    }
}

impl IntoCondition for &Table {
    fn into_condition(self) -> Condition {
        (&**self).into_condition()
    }

    fn instance(&self) -> Option<&Instance> {
        Some(Query::instance(self))
    }
}

/// The universal set restricts nothing.
impl IntoCondition for &Universal {
    fn into_condition(self) -> Condition {
        Condition::Universal
    }
}
