//! SQL text with the values that belong into it, put together in any order.

use lodestore_types::Value;

use crate::{Dialect, Statement};

/// A piece of a statement. Placeholders are numbered only when the statement is complete.
#[derive(Debug, Clone, Default)]
pub(super) struct Fragment {
    /// Alternately text and value: one text more than values.
    texts: Vec<String>,
    values: Vec<Value>,
}

impl Fragment {
    pub fn push(&mut self, text: &str) -> &mut Self {
        match self.texts.last_mut() {
            Some(last) => last.push_str(text),
            None => self.texts.push(text.to_owned()),
        }
        self
    }

    pub fn push_value(&mut self, value: Value) -> &mut Self {
        self.push("");
        self.values.push(value);
        self.texts.push(String::new());
        self
    }

    pub fn append(&mut self, other: Fragment) -> &mut Self {
        let mut texts = other.texts.into_iter();
        if let Some(first) = texts.next() {
            self.push(&first);
        }
        self.values.extend(other.values);
        self.texts.extend(texts);
        self
    }

    /// A query that a dialect wrote, its placeholders spelled `?`.
    pub fn from_statement(statement: Statement) -> Fragment {
        let texts = statement.sql.split('?').map(str::to_owned).collect();
        Fragment { texts, values: statement.parameters }
    }

    /// Fragments with a text between them.
    pub fn join(fragments: impl IntoIterator<Item = Fragment>, between: &str) -> Fragment {
        let mut all = Fragment::default();
        for (index, fragment) in fragments.into_iter().enumerate() {
            if index > 0 {
                all.push(between);
            }
            all.append(fragment);
        }
        all
    }

    /// True if the text of `other`, which holds no values, stands in this one.
    pub fn mentions(&self, other: &Fragment) -> bool {
        let text = other.texts.concat();
        self.texts.iter().any(|own| own.contains(&text))
    }

    /// The text of a fragment that holds no values.
    pub fn into_text(self) -> String {
        debug_assert!(self.values.is_empty());
        self.texts.concat()
    }

    pub fn into_statement(self, dialect: &dyn Dialect) -> Statement {
        let mut sql = String::new();
        for (index, text) in self.texts.iter().enumerate() {
            if index > 0 {
                sql.push_str(&dialect.placeholder(index));
            }
            sql.push_str(text);
        }
        Statement { sql, parameters: self.values }
    }
}

impl From<&str> for Fragment {
    fn from(text: &str) -> Self {
        Fragment::from(text.to_owned())
    }
}

impl From<String> for Fragment {
    fn from(text: String) -> Self {
        Fragment { texts: vec![text], values: Vec::new() }
    }
}
