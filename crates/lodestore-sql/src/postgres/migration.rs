//! Another type for an attribute: its column is emptied, and filled from the shadow, in its place.

use lodestore_types::Result;

use super::alter::drop_indexes;
use super::table::{bare, create_indexes};
use super::{Postgres, types};
use crate::dialect::text_literal;
use crate::heading::with_marker;
use crate::{Dialect, Statement, Swap, SwapScript};

pub(super) fn swap(swap: &Swap<'_>) -> Result<SwapScript> {
    let (table, _) = swap.shadow.names();
    let name = Postgres.quote(&swap.new.name);
    let schema = swap.shadow.name().schema.as_str();
    let kind = types::column_type(&swap.new, schema, false)?;
    let alter = |what: String| bare(format!("ALTER TABLE {table} {what}"));
    let target = swap.target();
    let mut statements = vec![
        // One of them may be on the paths in the column.
        drop_indexes(&target.table),
        alter(format!("ALTER COLUMN {name} DROP DEFAULT, ALTER COLUMN {name} DROP NOT NULL")),
        alter(format!("ALTER COLUMN {name} TYPE {kind} USING NULL")),
        bare(swap.shadow.fill(swap.way, &swap.new.name)),
    ];
    statements.push(match swap.new.nullable {
        true => alter(format!("ALTER COLUMN {name} SET DEFAULT NULL")),
        false => alter(format!("ALTER COLUMN {name} SET NOT NULL")),
    });
    statements.extend(create_indexes(&target)?);
    statements.extend(retype(swap));
    Ok(SwapScript {
        lock: vec![bare(format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))],
        statements,
        around: Some(Default::default()),
        ..SwapScript::default()
    })
}

pub(super) fn retype(swap: &Swap<'_>) -> Vec<Statement> {
    let (table, _) = swap.shadow.names();
    let text = text_literal(&with_marker(&swap.new.kind.declared, &swap.new.comment));
    vec![bare(format!("COMMENT ON COLUMN {table}.{} IS {text}", Postgres.quote(&swap.new.name)))]
}
