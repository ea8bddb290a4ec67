//! The plan of an alteration, for people.

use std::fmt;

use super::{Alteration, Change};
use crate::definition::IndexLine;
use crate::{Attribute, Index};

impl fmt::Display for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return write!(f, "`{}` is as its definition says: there is nothing to alter", self.table);
        }
        write!(f, "alter `{}`:", self.table)?;
        self.changes.iter().try_for_each(|change| write!(f, "\n  {change}"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |after: &Option<String>| match after {
            Some(name) => format!("behind `{name}`"),
            None => "as the first attribute".to_owned(),
        };
        match self {
            Change::Comment(comment) => write!(f, "set the table's comment to \"{comment}\""),
            Change::Drop(attribute) => write!(f, "drop `{}` with all its values", attribute.name),
            Change::Add { attribute, after } => write!(f, "add {} {}", line(attribute), place(after)),
            Change::Modify { old, new, moved: Some(after) } if old == new => {
                write!(f, "move `{}` {}", new.name, place(after))
            }
            Change::Modify { old, new, moved } => {
                write!(f, "change {} to {}", line(old), line(new))?;
                match moved {
                    Some(after) => write!(f, " {}", place(after)),
                    None => Ok(()),
                }
            }
            Change::AddIndex(index) => write!(f, "add {}", index_line(index)),
            Change::DropIndex(index) => write!(f, "drop {}", index_line(index)),
        }
    }
}

/// An attribute as a definition has it, without the blanks that align it there.
fn line(attribute: &Attribute) -> String {
    let line = attribute.definition_line();
    format!("`{}`", line.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn index_line(index: &Index) -> IndexLine {
    IndexLine { unique: index.unique, arguments: index.columns.clone() }
}
