//! Changing a table: one `ALTER TABLE` for all changes, which the servers carry out whole or not at all.

use lodestore_types::{CoreType, Error, ErrorKind, Result};

use super::table::{create_index, define, name, quote};
use super::{Server, types};
use crate::{AlterScript, Alteration, Attribute, Change, Statement};

pub(super) fn alter(server: Server, alteration: &Alteration) -> Result<AlterScript> {
    let target = &alteration.target;
    let place = |after: &Option<String>| match after {
        Some(column) => format!("AFTER {}", quote(column)),
        None => "FIRST".to_owned(),
    };
    let clause = |change: &Change| -> Result<String> {
        Ok(match change {
            Change::Comment(text) => format!("COMMENT={}", types::comment_literal(text)),
            Change::Drop(attribute) => format!("DROP {}", quote(&attribute.name)),
            Change::Add { attribute, after } => format!("ADD {} {}", define(server, attribute, target)?, place(after)),
            Change::Modify { old, new, moved } => {
                check_conversion(old, new)?;
                let column = define(server, new, target)?;
                let verb = match old.name == new.name {
                    true => "MODIFY".to_owned(),
                    false => format!("CHANGE {}", quote(&old.name)),
                };
                let moved = moved.as_ref().map_or(String::new(), |after| format!(" {}", place(after)));
                format!("{verb} {column}{moved}")
            }
            Change::AddIndex(index) => format!("ADD {}", create_index(server, index, target)),
            // The server chose the name, and the heading does not tell it.
            Change::DropIndex(index) => {
                let message = format!("mysql cannot drop the index over {}", index.columns.join(", "));
                return Err(Error::new(ErrorKind::Unsupported, message).with_hint("drop it by its name: `SHOW INDEX`"));
            }
        })
    };
    let clauses = alteration.changes.iter().map(clause).collect::<Result<Vec<_>>>()?;
    let sql = format!("ALTER TABLE {}\n\t{}", name(&alteration.table), clauses.join(",\n\t"));
    Ok(AlterScript { statements: vec![Statement { sql, parameters: Vec::new() }], ..AlterScript::default() })
}

/// Values that the server would convert otherwise than we do.
fn check_conversion(old: &Attribute, new: &Attribute) -> Result<()> {
    let (from, to) = (&old.kind.core, &new.kind.core);
    let binary = |core: &CoreType| matches!(core, CoreType::Uuid | CoreType::Bytes);
    if from != to && (binary(from) || binary(to)) {
        let message = format!("mysql cannot make `{}` of `{}`", new.kind.declared, old.kind.declared);
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with("attribute", &old.name)
            .with_hint("add a new attribute, copy the values into it with `update1`, then drop the old one"));
    }
    Ok(())
}
