//! Changing a table: one `ALTER TABLE` for all changes, which the servers carry out whole or not at all.
//!
//! An index goes by its name, which the server chose and the heading does not tell. Then the server puts the statement
//! together: it looks the names up and runs the text as a prepared statement.

use lodestore_types::{CoreType, Error, ErrorKind, Result};

use super::table::{create_index, define, name, quote};
use super::{Server, types};
use crate::alteration::conversion_hint;
use crate::{AlterScript, Alteration, Attribute, Change, Index, Statement};

pub(super) fn alter(server: Server, alteration: &Alteration) -> Result<AlterScript> {
    let target = &alteration.target;
    let place = |after: &Option<String>| match after {
        Some(column) => format!("AFTER {}", quote(column)),
        None => "FIRST".to_owned(),
    };
    let clause = |change: &Change| -> Result<String> {
        Ok(match change {
            Change::Comment(text) => {
                types::check_catalog_text("the comment of the table", text)?;
                format!("COMMENT={}", types::comment_literal(text))
            }
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
            Change::DropIndex(_) => "DROP INDEX ".to_owned(),
        })
    };
    let mut pieces = vec![format!("ALTER TABLE {}", name(&alteration.table))];
    for (number, change) in alteration.changes.iter().enumerate() {
        let text = format!("{}\n\t{}", if number > 0 { "," } else { "" }, clause(change)?);
        let behind_a_name = pieces.len() % 2 == 0;
        match pieces.last_mut() {
            Some(last) if !behind_a_name => last.push_str(&text),
            _ => pieces.push(text),
        }
        if let Change::DropIndex(index) = change {
            pieces.push(name_of_index(server, alteration, index));
        }
    }
    let statements = match &mut pieces[..] {
        [whole] => vec![std::mem::take(whole)],
        // Texts of ours alternate with names to look up.
        pieces => {
            for text in pieces.iter_mut().step_by(2) {
                *text = types::literal(text);
            }
            vec![
                format!("SET @lodestore_alter = CONCAT({})", pieces.join(", ")),
                "PREPARE lodestore_alter FROM @lodestore_alter".to_owned(),
                "EXECUTE lodestore_alter".to_owned(),
                "DEALLOCATE PREPARE lodestore_alter".to_owned(),
            ]
        }
    };
    let statements = statements.into_iter().map(|sql| Statement { sql, parameters: Vec::new() }).collect();
    Ok(AlterScript { statements, ..AlterScript::default() })
}

/// A query for the quoted name of an index, which must be the columns' only one of its kind.
fn name_of_index(server: Server, alteration: &Alteration, index: &Index) -> String {
    let table = &alteration.table;
    // The plan calls columns what they will be called.
    let known = |name: &String| {
        let renamed = alteration.changes.iter().find_map(|change| match change {
            Change::Modify { old, new, .. } if new.name == *name => Some(old.name.clone()),
            _ => None,
        });
        renamed.unwrap_or_else(|| name.clone())
    };
    let columns = index.columns.iter().map(known).collect::<Vec<_>>().join("\n");
    let column = match server {
        Server::Mysql => "COALESCE(column_name, CONCAT('(', expression, ')'))",
        Server::Mariadb => "column_name",
    };
    format!(
        "(SELECT CONCAT('`', REPLACE(index_name, '`', '``'), '`') FROM information_schema.statistics WHERE table_schema = \
         {} AND table_name = {} AND index_name <> 'PRIMARY' AND non_unique = {} GROUP BY index_name HAVING \
         GROUP_CONCAT({column}, IF(sub_part IS NULL, '', CONCAT('(', sub_part, ')')), IF(collation = 'D', ' desc', '') \
         ORDER BY seq_in_index SEPARATOR '\n') = {} LIMIT 1)",
        types::literal(table.schema.as_str()),
        types::literal(table.table.as_str()),
        u8::from(!index.unique),
        types::literal(&columns)
    )
}

/// Values that the server would convert otherwise than we do.
fn check_conversion(old: &Attribute, new: &Attribute) -> Result<()> {
    let (from, to) = (&old.kind.core, &new.kind.core);
    let binary = |core: &CoreType| matches!(core, CoreType::Uuid | CoreType::Bytes);
    if from != to && (binary(from) || binary(to)) {
        let message = format!("mysql cannot make `{}` of `{}`", new.kind.declared, old.kind.declared);
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with("attribute", &old.name)
            .with_hint(conversion_hint(old, new)));
    }
    Ok(())
}
