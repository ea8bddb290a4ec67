//! Another type for an attribute: a hidden one beside it is filled, and takes its place by one `ALTER TABLE`.
//!
//! The servers end transactions at definitions. So what takes long is done before, while others write, and a lock holds
//! them off only while it is looked whether that is still true, and for the one statement, which happens whole or not at all.

use lodestore_types::Result;

use super::Server;
use super::table::{define, quote};
use crate::migration::spare_name;
use crate::{Attribute, DefaultValue, Statement, Swap, SwapScript};

fn bare(sql: String) -> Statement {
    Statement { sql, parameters: Vec::new() }
}

pub(super) fn swap(server: Server, swap: &Swap<'_>) -> Result<SwapScript> {
    let (table, shadow) = swap.shadow.names();
    let target = swap.target();
    let spare = Attribute {
        name: spare_name(&swap.new.name),
        nullable: true,
        default: Some(DefaultValue::Null),
        hidden: true,
        ..swap.new.clone()
    };
    let mut prepare = Vec::new();
    if swap.current.get_any(&spare.name).is_none() {
        prepare.push(bare(format!("ALTER TABLE {table} ADD {}", define(server, &spare, &target)?)));
    }
    prepare.push(bare(swap.shadow.fill(swap.way, &spare.name)));
    let place = swap.place().map_or("FIRST".to_owned(), |before| format!("AFTER {}", quote(before)));
    let change = format!(
        "ALTER TABLE {table} DROP {}, CHANGE {} {} {place}",
        quote(&swap.new.name),
        quote(&spare.name),
        define(server, &swap.new, &target)?
    );
    Ok(SwapScript {
        prepare,
        lock: vec![bare(format!("LOCK TABLES {table} WRITE, {shadow} READ"))],
        statements: vec![bare(change)],
        unlock: vec![bare("UNLOCK TABLES".to_owned())],
        spare: Some(spare.name),
        ..SwapScript::default()
    })
}

pub(super) fn retype(server: Server, swap: &Swap<'_>) -> Result<Vec<Statement>> {
    let (table, _) = swap.shadow.names();
    Ok(vec![bare(format!("ALTER TABLE {table} MODIFY {}", define(server, &swap.new, &swap.target())?))])
}
