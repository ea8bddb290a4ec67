//! Queries: rows of a table, restricted and reshaped, not yet fetched.

use std::fmt;
use std::sync::Arc;

use lodestore_codec::{Chain, Reads};
use lodestore_sql::{Attribute, Expression, Heading};
use lodestore_types::{CoreType, Error, ErrorKind, Result, Value};

use crate::Instance;

/// Rows that a database would give: a table, restricted and reshaped. Nothing is sent until one asks.
#[derive(Clone)]
pub struct Query {
    instance: Instance,
    expression: Expression,
    /// True if a mapping among the conditions named nothing that is here, and so restricts nothing.
    vacuous: bool,
}

impl Query {
    pub(crate) fn new(instance: Instance, expression: Expression) -> Self {
        Query { instance, expression, vacuous: false }
    }

    /// The same project and history, with other rows.
    pub(crate) fn derive(&self, expression: Expression) -> Result<Query> {
        Ok(Query { instance: self.instance.clone(), expression, vacuous: self.vacuous })
    }

    /// Remembers that a condition restricts nothing, for deletions.
    pub(crate) fn mark_vacuous(mut self, vacuous: bool) -> Query {
        self.vacuous |= vacuous;
        self
    }

    /// The project it belongs to.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The attributes of its rows.
    pub fn heading(&self) -> &Arc<Heading> {
        self.expression.heading()
    }

    /// The tree behind it.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// True if fetching an attribute gives a reference to an object, which is not read.
    pub fn is_lazy(&self, attribute: &Attribute) -> bool {
        self.instance.refers(attribute)
    }

    /// The statement that fetching sends, and the values bound to it.
    ///
    /// # Errors
    /// `Unsupported` if this database cannot say it.
    pub fn sql(&self) -> Result<(String, Vec<Value>)> {
        let statement = self.expression.select(self.instance.dialect())?;
        Ok((statement.sql, statement.parameters))
    }

    /// The number of rows.
    ///
    /// # Errors
    /// The database's.
    pub fn len(&self) -> Result<u64> {
        let rows = self.instance.query(&self.expression.count(self.instance.dialect())?)?;
        match rows.first().and_then(|row| row.first()) {
            Some(Value::Int(count)) => Ok(*count as u64),
            other => Err(Error::new(ErrorKind::Internal, format!("the database counted {other:?}"))),
        }
    }

    /// True without rows.
    ///
    /// # Errors
    /// The database's.
    pub fn is_empty(&self) -> Result<bool> {
        let rows = self.instance.query(&self.expression.exists(self.instance.dialect())?)?;
        Ok(!matches!(rows.first().and_then(|row| row.first()), Some(Value::Int(1) | Value::Bool(true))))
    }

    /// Deletes these rows of the table; gives their number. Rows that others refer to stay, and
    /// with them all: the cascade over dependent tables is not built yet. The objects that the
    /// rows owned stay in their stores.
    ///
    /// # Errors
    /// `InvalidRequest` if this is more than a restricted table; `InvalidCondition` after a mapping of
    /// which no name is an attribute; `Integrity` if other rows refer to one of these.
    pub fn delete(&self) -> Result<u64> {
        if self.vacuous {
            return Err(self.locate(
                Error::new(
                    ErrorKind::InvalidCondition,
                    "none of the names in a condition is an attribute, so it restricts nothing",
                )
                .with_hint(format!("restrict by {}", self.heading().names().collect::<Vec<_>>().join(", "))),
            ));
        }
        let statement = self.expression.delete(self.instance.dialect())?;
        self.instance.write(Vec::new(), |connection| connection.execute(&statement.sql, &statement.parameters)).map_err(
            |error| match error.kind() {
                ErrorKind::Integrity => self.locate(self.still_referred_to(error)),
                _ => self.locate(error),
            },
        )
    }

    /// The refusal of a delete, with the tables that stand against it.
    fn still_referred_to(&self, error: Error) -> Error {
        let children = || -> Result<Vec<String>> {
            let Some(own) = &self.heading().table else { return Ok(Vec::new()) };
            let graph = self.instance.dependencies()?;
            Ok(graph.children(own).map(|edge| format!("`{}`", edge.child)).collect())
        };
        match children() {
            Ok(children) if !children.is_empty() => Error::new(ErrorKind::Integrity, "other rows still refer to these")
                .with_hint(format!("delete the rows of {} that refer to them first", children.join(", ")))
                .with_source(error),
            _ => error,
        }
    }

    pub(crate) fn locate(&self, error: Error) -> Error {
        match &self.heading().table {
            Some(table) => error.with("table", table),
            None => error,
        }
    }
}

impl Instance {
    /// True if an attribute is fetched as a reference to an object.
    pub(crate) fn refers(&self, attribute: &Attribute) -> bool {
        let chain = attribute.kind.codec.as_deref().map(|codec| self.chain(codec));
        let refers = |chain: &Chain| chain.reads() == Reads::Column && !chain.codecs()[0].takes_foreign();
        attribute.kind.core == CoreType::Json && matches!(&chain, Some(Ok(chain)) if refers(chain))
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({})", self.heading().names().collect::<Vec<_>>().join(", "))
    }
}
