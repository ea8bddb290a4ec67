//! What diagrams show of the tables of a schema, read by a fixed number of queries for all of them.

use std::collections::HashMap;

use lodestore_types::{Error, ErrorKind, Result, Value};

use crate::Row;
use crate::heading::split_marker;

/// A table as diagrams show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The name, without the schema.
    pub table: String,
    /// The comment.
    pub comment: String,
    /// The visible columns, in order.
    pub columns: Vec<OutlineColumn>,
}

/// A column as diagrams show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineColumn {
    /// The name.
    pub name: String,
    /// The declared type, or that of the column if `is_declared` is false.
    pub kind: String,
    /// False if nothing says how it was declared, as for the columns of foreign keys on some databases.
    pub is_declared: bool,
    /// True if it belongs to the primary key.
    pub in_key: bool,
}

/// Reads what the queries of [`Dialect::outline_queries`](crate::Dialect::outline_queries) return.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if the rows have another form.
pub fn read_outlines(columns: &[Row], comments: &[Row]) -> Result<Vec<Outline>> {
    let strange = || Error::new(ErrorKind::Corrupt, "the catalog describes columns in a form that was not asked for");
    let mut told: HashMap<(&str, &str), &str> = HashMap::new();
    for row in comments {
        let [Value::Text(table), Value::Text(column), Value::Text(comment)] = &row[..] else { return Err(strange()) };
        told.insert((table, column), comment);
    }
    let mut outlines: Vec<Outline> = Vec::new();
    for row in columns {
        let [Value::Text(table), Value::Text(name), Value::Text(storage), Value::Int(in_key)] = &row[..] else {
            return Err(strange());
        };
        if outlines.last().is_none_or(|outline| outline.table != *table) {
            let comment = told.get(&(table.as_str(), "")).copied().unwrap_or_default().to_owned();
            outlines.push(Outline { table: table.clone(), comment, columns: Vec::new() });
        }
        let (declared, _) = split_marker(told.get(&(table.as_str(), name.as_str())).copied().unwrap_or_default());
        let column = OutlineColumn {
            name: name.clone(),
            kind: declared.map_or_else(|| storage.to_ascii_lowercase(), str::to_owned),
            is_declared: declared.is_some(),
            in_key: *in_key > 0,
        };
        if let Some(outline) = outlines.last_mut() {
            outline.columns.push(column);
        }
    }
    Ok(outlines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_and_comments_are_read() {
        let text = |text: &str| Value::from(text);
        let columns = [
            vec![text("a"), text("id"), text("INTEGER"), Value::Int(1)],
            vec![text("a"), text("x"), text("TEXT"), Value::Int(0)],
            vec![text("b"), text("id"), text("INTEGER"), Value::Int(1)],
        ];
        let comments =
            [vec![text("a"), text(""), text("all of it")], vec![text("a"), text("x"), text(":<blob@>:what it says")]];
        let outlines = read_outlines(&columns, &comments).unwrap();
        assert_eq!((outlines.len(), outlines[0].comment.as_str()), (2, "all of it"));
        let [id, x] = &outlines[0].columns[..] else { panic!("two columns") };
        assert_eq!((id.kind.as_str(), id.is_declared, id.in_key), ("integer", false, true));
        assert_eq!((x.kind.as_str(), x.is_declared, x.in_key), ("<blob@>", true, false));
        assert!(read_outlines(&[vec![Value::Null]], &[]).is_err());
    }
}
