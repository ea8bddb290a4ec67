//! What is yet to compute: the keys of a source that a table lacks.

use std::sync::Arc;

use lodestore_sql::{Attribute, Dialect, Statement};
use lodestore_types::{Error, ErrorKind, Result, Value};

use crate::jobs::text::{agree, columns};
use crate::{Query, Row, Table};

/// The keys of a source, beside the table that they are for.
pub(crate) struct Todo<'a> {
    table: &'a Table,
    source: Query,
    names: Vec<String>,
}

impl<'a> Todo<'a> {
    /// # Errors
    /// `InvalidRequest` if the source has a key attribute that the table does not have.
    pub fn new(table: &'a Table, source: &Query) -> Result<Self> {
        let source = source.project(&[])?;
        let names: Vec<String> = source.heading().primary_key().map(|attribute| attribute.name.clone()).collect();
        match names.iter().find(|name| table.heading().get(name).is_none()) {
            Some(unknown) => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the key source has the key attribute `{unknown}`, which the table does not have"),
            )
            .with("table", table.name())
            .with_hint("project it away or rename it: each key of the source must be one of the table")),
            None => Ok(Todo { table, source, names }),
        }
    }

    /// The names of the key attributes of the source.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The query for all keys of the source.
    pub fn all(&self) -> Result<Statement> {
        let (sql, parameters) = self.source.sql()?;
        Ok(Statement { sql, parameters })
    }

    /// The query for the keys that are missing.
    pub fn missing(&self) -> Result<Statement> {
        let dialect = self.table.instance().dialect();
        let (source, table) = (dialect.quote("s"), dialect.quote("t"));
        let all = self.all()?;
        let sql = format!(
            "SELECT {} FROM ({}) AS {source} LEFT JOIN {} AS {table} ON {} WHERE {table}.{} IS NULL",
            columns(dialect, &source, &self.names),
            all.sql,
            dialect.table(self.table.name()),
            agree(dialect, &source, &table, &self.names),
            dialect.quote(self.never_null()),
        );
        Ok(Statement { sql, ..all })
    }

    /// The keys that are missing, as the database gives them.
    pub fn keys(&self, at_most: Option<usize>) -> Result<Vec<Row>> {
        let mut statement = self.missing()?;
        if let Some(count) = at_most {
            statement.sql.push_str(&format!(" LIMIT {count}"));
        }
        let attributes: Vec<&Attribute> = self.source.heading().visible().collect();
        let names: Arc<[String]> = self.names.clone().into();
        let dialect = self.table.instance().dialect();
        let rows = self.table.instance().query(&statement)?;
        rows.into_iter().map(|row| decode(dialect, &names, &attributes, row)).collect()
    }

    /// How many keys are missing, and how many there are; the source is evaluated once.
    pub fn progress(&self) -> Result<(u64, u64)> {
        let dialect = self.table.instance().dialect();
        let (source, table) = (dialect.quote("s"), dialect.quote("t"));
        let mut key = self.table.heading().full_primary_key();
        let is_unique = key.all(|attribute| self.names.contains(&attribute.name));
        let of_table = match is_unique || self.names.is_empty() {
            true => dialect.table(self.table.name()),
            // Of several rows for one key, one counts.
            false => format!(
                "(SELECT DISTINCT {} FROM {})",
                columns(dialect, "", &self.names),
                dialect.table(self.table.name())
            ),
        };
        let told = if is_unique {
            self.never_null()
        } else {
            self.names.first().map_or_else(|| self.never_null(), String::as_str)
        };
        let all = self.all()?;
        let sql = format!(
            "SELECT count(*), count(CASE WHEN {table}.{} IS NULL THEN 1 END) FROM ({}) AS {source} LEFT JOIN {of_table} \
             AS {table} ON {}",
            dialect.quote(told),
            all.sql,
            agree(dialect, &source, &table, &self.names),
        );
        let rows = self.table.instance().query(&Statement { sql, ..all })?;
        let count = |at: usize| rows.first().and_then(|row| row.get(at)).and_then(Value::as_i64).unwrap_or_default();
        Ok((count(1) as u64, count(0) as u64))
    }

    /// A column of the table that holds a value in every row.
    fn never_null(&self) -> &str {
        self.table.heading().full_primary_key().next().map_or("", |attribute| &attribute.name)
    }
}

/// A row of key attributes as the database gave it.
pub(crate) fn decode(
    dialect: &dyn Dialect,
    names: &Arc<[String]>,
    attributes: &[&Attribute],
    row: Vec<Value>,
) -> Result<Row> {
    let values = row.into_iter().zip(attributes).map(|(value, attribute)| dialect.decode_attribute(value, attribute));
    Ok(Row::new(names.clone(), values.collect::<Result<_>>()?))
}
