//! `lodestore usage`.

use lodestore::{DeleteOptions, Instance, Result};

use crate::ExitStatus;
use crate::arguments::{Arguments, Usage};
use crate::output::{self, bytes};
use crate::project::rows;

pub(crate) fn run(instance: &Instance, arguments: &Arguments, options: &Usage) -> Result<ExitStatus> {
    let usage = match rows(instance, &options.rows)? {
        Some(query) if options.of_delete => query.usage_of_delete(DeleteOptions::default())?,
        Some(query) => query.usage()?,
        None => {
            let schemas: Vec<&str> = options.rows.schemas.iter().map(String::as_str).collect();
            instance.usage(&schemas)?
        }
    };
    if arguments.json {
        output::json(&usage.to_json())?;
        return Ok(ExitStatus::Success);
    }
    let line = |line: &lodestore::UsageRow| {
        let table = format!("{}.{}", line.schema, line.table);
        let (values, objects) = (line.values.to_string(), line.objects.to_string());
        vec![table, line.attribute.clone(), line.store.clone(), values, objects, bytes(line.bytes)]
    };
    let mut text = String::new();
    if !usage.attributes.is_empty() {
        let header = ["table", "attribute", "store", "values", "objects", "size"];
        text += &output::table(&header, usage.attributes.iter().map(line).collect(), &[3, 4, 5]);
    }
    for (store, (objects, size)) in &usage.stores {
        text += &format!("store {store}: {}, {}\n", output::count(*objects, "object"), bytes(*size));
    }
    let would = if options.of_delete { "would be freed" } else { "in all" };
    text += &format!("{}, {} {would}.\n", output::count(usage.objects, "object"), bytes(usage.bytes));
    if usage.kept.0 > 0 {
        let (objects, size) = usage.kept;
        text += &format!(
            "{}, {} more for deleted rows that can come back.\n",
            output::count(objects, "object"),
            bytes(size)
        );
    }
    if usage.unknown > 0 {
        text += &format!("The size of {} is not known.\n", output::count(usage.unknown, "value"));
    }
    output::print(&text)?;
    Ok(ExitStatus::Success)
}
