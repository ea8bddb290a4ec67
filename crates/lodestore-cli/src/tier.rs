//! `lodestore tier`.

use lodestore::{Instance, Result, TierMove, TierOptions};
use serde_json::json;

use crate::ExitStatus;
use crate::arguments::{Arguments, Tier};
use crate::output;

pub(crate) fn run(instance: &Instance, arguments: &Arguments, tier: &Tier) -> Result<ExitStatus> {
    let moves = instance.tier(&TierOptions { apply: tier.apply, keep_old: tier.keep_old })?;
    if arguments.json {
        let moves: Vec<_> = moves.iter().map(TierMove::to_json).collect();
        output::json(&json!({"applied": tier.apply, "rules": moves}))?;
        return Ok(ExitStatus::Success);
    }
    if moves.is_empty() {
        output::print("The setting `tiers` has no rules.\n")?;
        return Ok(ExitStatus::Success);
    }
    let row = |moved: &TierMove| {
        vec![
            moved.rule.clone(),
            moved.to.clone(),
            moved.rows.to_string(),
            moved.objects.to_string(),
            output::bytes(moved.bytes),
        ]
    };
    let table = output::table(&["rule", "to", "rows", "objects", "size"], moves.iter().map(row).collect(), &[2, 3, 4]);
    let end = match tier.apply {
        true => "Moved.\n",
        false => "Nothing was moved: `--apply` does it.\n",
    };
    output::print(&(table + end))?;
    Ok(ExitStatus::Success)
}
