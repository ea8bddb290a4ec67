//! `lodestore gc`.

use lodestore::{CollectOptions, Collected, Error, ErrorKind, Instance, Result, SchemaName, SectionReport};
use serde_json::{Value as Json, json};

use crate::ExitStatus;
use crate::arguments::{Arguments, Gc};
use crate::output;

pub(crate) fn run(instance: &Instance, arguments: &Arguments, gc: &Gc) -> Result<ExitStatus> {
    let known = instance.schemas()?;
    if let Some(unknown) = gc.schemas.iter().find(|schema| !known.contains(schema)) {
        return Err(Error::new(ErrorKind::MissingTable, format!("there is no schema `{unknown}`"))
            .with_hint(format!("the schemas are: {}", known.join(", "))));
    }
    let names = if gc.schemas.is_empty() { &known } else { &gc.schemas };
    let schemas = names.iter().map(|name| SchemaName::new(name.as_str())).collect::<Result<Vec<_>>>()?;
    let options = CollectOptions {
        dry_run: !gc.apply,
        full: gc.full,
        sizes: true,
        store: gc.store.clone(),
        grace: gc.grace,
        age: gc.age,
    };
    let collected = instance.collect(&schemas, &options)?;
    match arguments.json {
        true => output::json(&document(&collected))?,
        false => output::print(&told(&collected))?,
    }
    Ok(if collected.failures.is_empty() { ExitStatus::Success } else { ExitStatus::Unreadable })
}

fn document(collected: &Collected) -> Json {
    let section = |section: &SectionReport| {
        json!({
            "referenced": section.referenced, "stored": section.stored, "orphaned": section.orphaned,
            "orphaned_bytes": section.orphaned_bytes, "deleted": section.deleted, "bytes_freed": section.bytes_freed,
        })
    };
    json!({
        "dry_run": collected.dry_run, "full": collected.full, "hash": section(&collected.hash),
        "schema": section(&collected.schema), "intended": collected.intended, "waiting": collected.waiting,
        "young": collected.young, "expired": collected.expired, "failures": collected.failures,
    })
}

fn told(collected: &Collected) -> String {
    let sections = [&collected.hash, &collected.schema];
    let sum = |of: fn(&SectionReport) -> u64| sections.iter().map(|section| of(section)).sum::<u64>();
    let mut text = match collected.dry_run {
        true => {
            let count = sum(|section| section.orphaned.len() as u64);
            let bytes = output::bytes(sum(|section| section.orphaned_bytes));
            let end = if count > 0 { ": `--apply` deletes them" } else { "" };
            format!("{}, {bytes}, would be deleted{end}.\n", output::count(count, "object"))
        }
        false => {
            let bytes = output::bytes(sum(|section| section.bytes_freed));
            format!("{}, {bytes}, deleted.\n", output::count(sum(|section| section.deleted), "object"))
        }
    };
    for (number, what) in [
        (collected.waiting, "kept for their grace period"),
        (collected.intended, "about to be named by a row"),
        (collected.young, "too young to tell"),
    ] {
        if number > 0 {
            text += &format!("{} {what}.\n", output::count(number, "object"));
        }
    }
    if collected.expired > 0 {
        text += &format!("{} can be undone no more.\n", output::count(collected.expired, "deletion"));
    }
    for failure in &collected.failures {
        text += &format!("not done: {failure}\n");
    }
    text
}
