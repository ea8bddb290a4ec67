//! Changing a table: by making another one in its place.
//!
//! SQLite can add and drop columns, but not change one. The way that its makers describe works for every change: make
//! the table anew under another name, copy the rows, drop the old one, rename the new one. Foreign keys are not looked
//! at meanwhile, so that those of other tables stay as they are, and are checked before all is committed at once.

use lodestore_types::{CoreType, FullTableName, Result, TableName, Value};

use super::table::{bare, comments, create_indexes, create_table, hidden, quoted};
use super::{Sqlite, types};
use crate::alteration::{convert, holds_all};
use crate::dialect::text_literal;
use crate::{AlterScript, Alteration, Change, Declaration, Dialect, Statement};

pub(super) fn alter(alteration: &Alteration) -> Result<AlterScript> {
    let mut script = AlterScript::default();
    let only_told =
        |change: &Change| !change.is_structural() && !matches!(change, Change::AddIndex(_) | Change::DropIndex(_));
    if !alteration.changes.iter().all(only_told) {
        script.obstacles.push(triggers(&alteration.table));
        (script.before, script.after) = around();
        script.statements = rebuild(alteration)?;
        script.proofs.push(proof(&alteration.table));
    }
    script.statements.push(Statement {
        sql: format!("DELETE FROM {} WHERE \"table_name\" = ?1", hidden(&alteration.table.schema, "comments")),
        parameters: vec![alteration.table.table.as_str().into()],
    });
    script.statements.extend(comments(&alteration.target));
    Ok(script)
}

/// Other programs may have hung things on the table that would go with it.
pub(super) fn triggers(table: &FullTableName) -> (Statement, String) {
    let triggers = Statement {
        sql: "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1".into(),
        parameters: vec![table.to_string().into()],
    };
    (triggers, "the table has a trigger, which would be lost".into())
}

/// What stands before and after the transaction: neither can be switched inside one.
pub(super) fn around() -> (Vec<Statement>, Vec<Statement>) {
    let before = vec![bare("PRAGMA foreign_keys = OFF"), bare("PRAGMA legacy_alter_table = ON")];
    (before, vec![bare("PRAGMA legacy_alter_table = OFF"), bare("PRAGMA foreign_keys = ON")])
}

/// Tells a row whose parent got lost on the way.
pub(super) fn proof(table: &FullTableName) -> (Statement, String) {
    (orphans(table), "a row refers to a row that is not there".into())
}

fn rebuild(alteration: &Alteration) -> Result<Vec<Statement>> {
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for (column, source) in alteration.kept() {
        columns.push(column.name.clone());
        let value = Sqlite.quote(&source.name);
        let (from, to) = (&source.kind.core, &column.kind.core);
        values.push(if holds_all(from, to) {
            value
        } else {
            let literal = |core: &CoreType| text_literal(&core.to_string());
            format!("lodestore_convert({value}, {}, {})", literal(from), literal(to))
        });
    }
    replace(&alteration.target, &columns, &values)
}

/// Makes a table anew in the place of the one of its name, whose rows give `values` for `columns`.
pub(super) fn replace(target: &Declaration, columns: &[String], values: &[String]) -> Result<Vec<Statement>> {
    let FullTableName { schema, table } = &target.table;
    let mut new = target.clone();
    new.table = FullTableName { schema: schema.clone(), table: TableName::existing(format!("~new~{table}"))? };
    let (old_name, new_name) = (Sqlite.table(&target.table), Sqlite.table(&new.table));
    let mut statements = vec![
        bare(create_table(&new)?),
        bare(format!(
            "INSERT INTO {new_name} ({}) SELECT {} FROM {old_name} ORDER BY rowid",
            quoted(columns),
            values.join(", ")
        )),
    ];
    if new.columns.iter().any(|column| column.autoincrement) {
        // Numbers of rows that were deleted are not given out again.
        let (old_text, new_text) = (text_literal(&target.table.to_string()), text_literal(&new.table.to_string()));
        statements.push(bare(format!("DELETE FROM sqlite_sequence WHERE name = {new_text}")));
        statements.push(bare(format!(
            "INSERT INTO sqlite_sequence (name, seq) SELECT {new_text}, seq FROM sqlite_sequence WHERE name = {old_text}"
        )));
    }
    statements.push(bare(format!("DROP TABLE {old_name}")));
    statements.push(bare(format!("ALTER TABLE {new_name} RENAME TO {old_name}")));
    statements.extend(create_indexes(target).into_iter().map(bare));
    Ok(statements)
}

/// The rows of the table, and of those that refer to it, whose parent is not there.
fn orphans(table: &FullTableName) -> Statement {
    Statement {
        sql: "SELECT c.\"table\" FROM (SELECT DISTINCT m.name FROM sqlite_schema m LEFT JOIN \
              pragma_foreign_key_list(m.name) f WHERE m.type = 'table' AND (m.name = ?1 OR f.\"table\" = ?1)) t JOIN \
              pragma_foreign_key_check(t.name) c LIMIT 1"
            .into(),
        parameters: vec![table.to_string().into()],
    }
}

/// What the SQL function `lodestore_convert` does, which connections register: a stored value of one core type as the
/// stored value of another.
///
/// # Errors
/// Those of [`convert`].
pub fn convert_stored(value: Value, from: &CoreType, to: &CoreType) -> Result<Value> {
    types::encode(convert(types::decode(value, from)?, to)?, to)
}
