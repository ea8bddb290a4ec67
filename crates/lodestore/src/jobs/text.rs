//! Statements over a queue, put together piece by piece.

use lodestore_sql::{Dialect, Statement};
use lodestore_types::Value;

/// A statement that grows. A statement with parameters of its own can only stand at its beginning: its placeholders are
/// numbered already.
pub(super) struct Text<'a> {
    dialect: &'a dyn Dialect,
    statement: Statement,
}

impl<'a> Text<'a> {
    pub fn new(dialect: &'a dyn Dialect) -> Self {
        Text { dialect, statement: Statement::default() }
    }

    pub fn push(&mut self, text: &str) -> &mut Self {
        self.statement.sql.push_str(text);
        self
    }

    /// A statement that stands before all other values.
    pub fn first(&mut self, statement: Statement) -> &mut Self {
        debug_assert!(self.statement.parameters.is_empty());
        self.statement.sql.push_str(&statement.sql);
        self.statement.parameters = statement.parameters;
        self
    }

    pub fn bind(&mut self, value: Value) -> &mut Self {
        self.statement.parameters.push(value);
        let placeholder = self.dialect.placeholder(self.statement.parameters.len());
        self.push(&placeholder)
    }

    /// A name, quoted.
    pub fn name(&mut self, name: &str) -> &mut Self {
        let quoted = self.dialect.quote(name);
        self.push(&quoted)
    }

    /// `name = value`, with something before it.
    pub fn assign(&mut self, before: &str, name: &str, value: Value) -> &mut Self {
        self.push(before).name(name).push(" = ").bind(value)
    }

    /// `name = text`, with something before it.
    pub fn set(&mut self, before: &str, name: &str, text: &str) -> &mut Self {
        self.push(before).name(name).push(" = ").push(text)
    }

    pub fn finish(self) -> Statement {
        self.statement
    }
}

/// Names, quoted, perhaps behind the name of a table.
pub(crate) fn columns(dialect: &dyn Dialect, of: &str, names: &[String]) -> String {
    let dot = if of.is_empty() { "" } else { "." };
    names.iter().map(|name| format!("{of}{dot}{}", dialect.quote(name))).collect::<Vec<_>>().join(", ")
}

/// The condition that two tables agree in some columns.
pub(crate) fn agree(dialect: &dyn Dialect, left: &str, right: &str, names: &[String]) -> String {
    match names {
        [] => "1 = 1".to_owned(),
        names => {
            let pair = |name: &String| format!("{left}.{0} = {right}.{0}", dialect.quote(name));
            names.iter().map(pair).collect::<Vec<_>>().join(" AND ")
        }
    }
}
