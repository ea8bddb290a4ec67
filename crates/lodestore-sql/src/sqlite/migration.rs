//! Another type for an attribute: the table is made anew, as every alteration does it.

use lodestore_types::Result;

use super::Sqlite;
use super::alter::{around, proof, replace, triggers};
use super::table::comments;
use crate::{Dialect, Statement, Swap, SwapScript};

pub(super) fn swap(swap: &Swap<'_>) -> Result<SwapScript> {
    let target = swap.target();
    let columns: Vec<String> = target.columns.iter().map(|column| column.name.clone()).collect();
    let value = |name: &String| match *name == swap.new.name {
        true => swap.shadow.value_for_row(swap.way),
        false => Sqlite.quote(name),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let mut statements = replace(&target, &columns, &values)?;
    statements.extend(comments(&target));
    Ok(SwapScript {
        statements,
        around: Some(around()),
        obstacles: vec![triggers(&target.table)],
        proofs: vec![proof(&target.table)],
        ..SwapScript::default()
    })
}

pub(super) fn retype(swap: &Swap<'_>) -> Vec<Statement> {
    comments(&swap.target()).into_iter().collect()
}
