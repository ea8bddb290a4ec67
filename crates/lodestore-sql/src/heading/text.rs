//! Headings as text, and as the definition that would make them again.

use std::fmt;

use lodestore_types::{FullTableName, Value};

use super::{Attribute, DefaultValue, Heading};
use crate::ForeignKey;
use crate::definition::{AttributeLine, DefaultText, ForeignKeyLine, ForeignKeyOptions, IndexLine, Item, Reference};

/// One line for each visible attribute, key attributes first and `---` behind them.
impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.comment.is_empty() {
            writeln!(f, "# {}", self.comment)?;
        }
        let mut divided = false;
        for attribute in self.visible() {
            if !attribute.in_key && !divided {
                writeln!(f, "---")?;
                divided = true;
            }
            let head = attribute.head();
            let increment = if attribute.autoincrement { "auto_increment" } else { "" };
            let kind = format!("{}{increment}", attribute.kind.declared);
            writeln!(f, "{head:<20} : {kind:<28} # {}", attribute.comment)?;
        }
        Ok(())
    }
}

impl Attribute {
    /// `name`, or `name=default`.
    fn head(&self) -> String {
        match self.default_text() {
            Some(default) => format!("{}={default}", self.name),
            None => self.name.clone(),
        }
    }

    /// The default as a definition writes it.
    pub fn default_text(&self) -> Option<DefaultText> {
        Some(match self.default.as_ref()? {
            DefaultValue::Null => DefaultText::Null,
            DefaultValue::Now(digits) => DefaultText::Now(*digits),
            DefaultValue::Value(value) => DefaultText::Literal(plain_text(value)),
        })
    }
}

/// A value as a definition writes it, without quotes.
pub(crate) fn plain_text(value: &Value) -> String {
    match value {
        Value::Bool(flag) => u8::from(*flag).to_string(),
        Value::Text(text) => text.clone(),
        Value::Json(document) => document.to_string(),
        Value::Decimal(number) => number.as_str().to_owned(),
        Value::DateTime(moment) => format!("{} {}", moment.date(), moment.time()),
        other => other.to_string(),
    }
}

impl Heading {
    /// The definition that would make this table again: foreign keys as `-> Parent`, where `name_of` tells what a
    /// parent is called (its quoted full name, if nothing).
    pub fn describe(&self, foreign_keys: &[ForeignKey], name_of: &dyn Fn(&FullTableName) -> Option<String>) -> String {
        let mut lines = Vec::new();
        if !self.comment.is_empty() {
            lines.push(format!("# {}", self.comment));
        }
        let mut seen: Vec<&str> = Vec::new();
        let mut divided = false;
        for attribute in self.visible() {
            if !attribute.in_key && !divided {
                lines.push(Item::Divider.to_string());
                divided = true;
            }
            seen.push(&attribute.name);
            let involved: Vec<&ForeignKey> =
                foreign_keys.iter().filter(|key| key.columns.contains(&attribute.name)).collect();
            if involved.is_empty() {
                lines.push(attribute.definition_line());
            }
            // A foreign key is told where its last attribute stands.
            let complete = |key: &&&ForeignKey| key.columns.iter().all(|column| seen.contains(&column.as_str()));
            lines.extend(involved.iter().filter(complete).map(|key| self.reference_line(key, name_of)));
        }
        let told = |columns: &[String]| foreign_keys.iter().any(|key| key.unique && key.columns == columns);
        for index in self.indexes.iter().filter(|index| !(index.unique && told(&index.columns))) {
            lines.push(IndexLine { unique: index.unique, arguments: index.columns.clone() }.to_string());
        }
        lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    fn reference_line(&self, key: &ForeignKey, name_of: &dyn Fn(&FullTableName) -> Option<String>) -> String {
        let path = name_of(&key.parent).unwrap_or_else(|| format!("`{}`.`{}`", key.parent.schema, key.parent.table));
        let renames = key
            .columns
            .iter()
            .zip(&key.parent_columns)
            .filter(|(child, parent)| child != parent)
            .map(|(child, parent)| (child.clone(), parent.clone()))
            .collect();
        let options = ForeignKeyOptions { nullable: key.nullable, unique: key.unique };
        ForeignKeyLine { options, reference: Reference { path, renames } }.to_string()
    }
}

impl Attribute {
    /// The line of a definition that declares it.
    pub(crate) fn definition_line(&self) -> String {
        AttributeLine {
            name: self.name.clone(),
            default: self.default_text(),
            type_text: self.kind.declared.clone(),
            comment: self.comment.clone(),
        }
        .to_string()
    }
}
