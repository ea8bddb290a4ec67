//! `lodestore verify`.

use lodestore::{Depth, FindingKind, Instance, Repaired, Result, VerifyOptions, VerifyReport};
use serde_json::{Value as Json, json};

use crate::ExitStatus;
use crate::arguments::{Arguments, Verify};
use crate::output;
use crate::progress::Progress;
use crate::project::rows;

/// So many findings are printed as text.
const SHOWN: usize = 50;

pub(crate) fn run(instance: &Instance, arguments: &Arguments, verify: &Verify) -> Result<ExitStatus> {
    let options = VerifyOptions {
        depth: if verify.deep { Depth::Deep } else { Depth::Fast },
        subset: verify.subset,
        both_ways: !verify.rows_only,
        state: verify.state.clone(),
        keep: verify.keep,
    };
    let look = || {
        let progress = Progress::new(arguments.quiet);
        let report = match rows(instance, &verify.rows)? {
            Some(query) => query.verify(&options, &mut |told| progress.tell(told)),
            None => {
                let schemas: Vec<&str> = verify.rows.schemas.iter().map(String::as_str).collect();
                instance.verify(&schemas, &options, &mut |told| progress.tell(told))
            }
        };
        progress.finish();
        report
    };
    let mut report = look()?;
    let repaired = verify.repair.then(|| instance.repair(&report, verify.apply)).transpose()?;
    let document = |report: &VerifyReport| {
        let mut document = report.to_json();
        document["repaired"] = repaired.iter().flatten().map(repaired_json).collect::<Json>();
        document
    };
    match arguments.json {
        true => output::json(&document(&report))?,
        false => output::print(&told(&report, repaired.as_deref(), verify.apply))?,
    }
    // What was brought back is looked at once more: the status tells how things are now.
    if verify.apply && repaired.iter().flatten().any(|repaired| repaired.source.is_some()) {
        report = look()?;
    }
    Ok(status(&report))
}

fn status(report: &VerifyReport) -> ExitStatus {
    let any = |kinds: &[FindingKind]| kinds.iter().any(|kind| report.count(*kind) > 0);
    if any(&[FindingKind::Missing, FindingKind::Damaged]) {
        ExitStatus::Damage
    } else if any(&[FindingKind::Unreadable]) {
        ExitStatus::Unreadable
    } else if any(&[FindingKind::Unreferenced, FindingKind::Foreign]) {
        ExitStatus::LeftOver
    } else {
        ExitStatus::Success
    }
}

fn repaired_json(repaired: &Repaired) -> Json {
    json!({
        "store": repaired.store, "path": repaired.path, "source": repaired.source, "problem": repaired.problem,
    })
}

fn told(report: &VerifyReport, repaired: Option<&[Repaired]>, applied: bool) -> String {
    let mut text = format!(
        "{}, {}, {} ({}) looked at",
        output::count(report.tables, "table"),
        output::count(report.values, "value"),
        output::count(report.objects, "object"),
        output::bytes(report.bytes)
    );
    for (number, what) in [(report.skipped, "not in the sample"), (report.resumed, "found sound before")] {
        if number > 0 {
            text += &format!(", {number} {what}");
        }
    }
    text += ".\n";
    for finding in report.findings.iter().take(SHOWN) {
        text += &format!("{finding}\n");
    }
    let more = report.total() - report.findings.len().min(SHOWN) as u64;
    if more > 0 {
        text += &format!("... and {more} more: `--json` tells them\n");
    }
    for repaired in repaired.into_iter().flatten() {
        let place = format!("{}:{}", repaired.store, repaired.path);
        text += &match (&repaired.source, &repaired.problem, applied) {
            (Some(source), _, true) => format!("brought back: {place} from {source}\n"),
            (Some(source), _, false) => format!("can be brought back: {place} from {source}\n"),
            (None, problem, _) => format!("not brought back: {place}: {}\n", problem.as_deref().unwrap_or_default()),
        };
    }
    let counts: Vec<String> = FindingKind::ALL
        .iter()
        .filter(|kind| report.count(**kind) > 0)
        .map(|kind| format!("{} {kind}", report.count(*kind)))
        .collect();
    text += &match counts.is_empty() {
        true => "All is well.\n".to_owned(),
        false => format!("{}.\n", counts.join(", ")),
    };
    if report.unreferenced_bytes > 0 {
        text += &format!("No row names {}.\n", output::bytes(report.unreferenced_bytes));
    }
    if report.pending > 0 {
        let size = output::bytes(report.pending_bytes);
        text += &format!("{}, {size}, about to be named or collected.\n", output::count(report.pending, "object"));
    }
    text
}
