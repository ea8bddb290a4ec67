//! Changing a table, statement by statement: PostgreSQL takes all of them back if one fails.

use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result};

use super::table::{
    bare, block, comments, create_indexes, create_types, default_of, define, names_objects, sweep_types,
};
use super::{Postgres, types};
use crate::dialect::text_literal;
use crate::{AlterScript, Alteration, Attribute, Change, Dialect, Statement};

pub(super) fn alter(alteration: &Alteration) -> Result<AlterScript> {
    let table = Postgres.table(&alteration.table);
    let quote = |name: &str| Postgres.quote(name);
    let mut statements = create_types(&alteration.target);
    let changes = || alteration.changes.iter();
    let indexes = changes().any(|change| match change {
        Change::AddIndex(_) | Change::DropIndex(_) => true,
        Change::Add { attribute, .. } => names_objects(attribute),
        Change::Modify { old, new, .. } => old.kind != new.kind && (names_objects(old) || names_objects(new)),
        Change::Drop(_) | Change::Comment(_) => false,
    });
    if indexes {
        statements.push(drop_indexes(&alteration.table));
    }
    for change in changes() {
        if let Change::Drop(attribute) = change {
            statements.push(bare(format!("ALTER TABLE {table} DROP COLUMN {}", quote(&attribute.name))));
        }
    }
    // By way of names that nobody has, so that two attributes may take each other's.
    let renamed = || {
        changes().enumerate().filter_map(|(number, change)| match change {
            Change::Modify { old, new, .. } if old.name != new.name => Some((format!("~{number}"), old, new)),
            _ => None,
        })
    };
    for (between, old, _) in renamed() {
        statements.push(bare(format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", quote(&old.name), quote(&between))));
    }
    for (between, _, new) in renamed() {
        statements.push(bare(format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", quote(&between), quote(&new.name))));
    }
    for change in changes() {
        match change {
            Change::Modify { old, new, .. } => {
                let actions = modify(alteration, old, new)?;
                if !actions.is_empty() {
                    statements.push(bare(format!("ALTER TABLE {table} {}", actions.join(", "))));
                }
            }
            Change::Add { attribute, .. } => {
                let column = define(attribute, &alteration.target)?;
                statements.push(bare(format!("ALTER TABLE {table} ADD COLUMN {column}")));
            }
            _ => {}
        }
    }
    if indexes {
        statements.extend(create_indexes(&alteration.target)?);
    }
    for column in alteration.target.columns.iter().filter(|column| !alteration.target.inherited.contains(&column.name))
    {
        statements.push(bare(format!("COMMENT ON COLUMN {table}.{} IS NULL", quote(&column.name))));
    }
    statements.extend(comments(&alteration.target));
    statements.push(sweep_types(&alteration.table.schema));
    Ok(AlterScript { statements, ..AlterScript::default() })
}

/// The actions that give a column another type, default or room for NULL.
fn modify(alteration: &Alteration, old: &Attribute, new: &Attribute) -> Result<Vec<String>> {
    let name = Postgres.quote(&new.name);
    let schema = alteration.table.schema.as_str();
    let inherited = alteration.target.inherited.contains(&new.name);
    if old.autoincrement != new.autoincrement {
        let message = format!("attribute `{}` cannot begin or cease to count up", new.name);
        return Err(Error::new(ErrorKind::Unsupported, message).with("table", &alteration.table));
    }
    let mut actions = Vec::new();
    let retyped = old.kind.core != new.kind.core || old.kind.native != new.kind.native;
    if retyped {
        let kind = types::column_type(new, schema, inherited)?;
        let value = converted(&name, &old.kind.core, &new.kind.core, &kind);
        // The old default may not be of the new type.
        actions.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
        actions.push(format!("ALTER COLUMN {name} TYPE {kind} USING {value}"));
    }
    if retyped || old.default != new.default {
        actions.push(match default_of(new, inherited)? {
            Some(default) => format!("ALTER COLUMN {name} SET DEFAULT {default}"),
            None => format!("ALTER COLUMN {name} DROP DEFAULT"),
        });
    }
    if old.nullable != new.nullable {
        let verb = if new.nullable { "DROP" } else { "SET" };
        actions.push(format!("ALTER COLUMN {name} {verb} NOT NULL"));
    }
    Ok(actions)
}

/// A value of one type as one of another: by its text, which every type has, except where that would say it otherwise.
fn converted(name: &str, from: &CoreType, to: &CoreType, kind: &str) -> String {
    let whole = |core: &CoreType| core.integer_range().is_some();
    match (from, to) {
        (CoreType::Bool, to) if to.is_numeric() => format!("{name}::integer::{kind}"),
        (from, CoreType::Bool) if whole(from) => format!("{name}::integer::boolean"),
        (CoreType::Float32 | CoreType::Float64, to) if whole(to) => format!("{name}::text::numeric::{kind}"),
        (CoreType::Decimal { .. }, to) if whole(to) => format!("{name}::{kind}"),
        _ => format!("{name}::text::{kind}"),
    }
}

/// Drops all indexes of the table but that of its key; those of the target are made anew.
pub(super) fn drop_indexes(table: &FullTableName) -> Statement {
    block(&format!(
        "FOR kind IN SELECT format('%I.%I', n.nspname, x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
         JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {} AND \
         c.relname = {} AND NOT i.indisprimary LOOP EXECUTE 'DROP INDEX ' || kind; END LOOP;",
        text_literal(table.schema.as_str()),
        text_literal(table.table.as_str())
    ))
}
