//! `lodestore migrate`.

use lodestore::{Error, ErrorKind, Instance, MigrateOptions, Migration, Result};
use serde_json::{Value as Json, json};

use crate::ExitStatus;
use crate::arguments::{Arguments, Migrate};
use crate::progress::Progress;
use crate::{output, project};

pub(crate) fn run(instance: &Instance, arguments: &Arguments, migrate: &Migrate) -> Result<ExitStatus> {
    let options = MigrateOptions { confirm: migrate.confirm.is_some(), batch: migrate.batch as usize };
    let bar = Progress::new(arguments.quiet);
    let mut progress = |rows, done| bar.tell_rows(rows, done);
    let migrations = match migrate {
        Migrate { list: true, .. } => instance.migrations(&[])?,
        Migrate { resume: Some(id), .. } => {
            let mut chosen = chosen(instance, id)?;
            // Those that only wait to be confirmed are done.
            chosen.retain(|migration| !id.is_empty() || migration.state() != "switched");
            chosen.iter_mut().try_for_each(|migration| migration.resume(&options, &mut progress))?;
            chosen
        }
        Migrate { revert: Some(id), .. } => {
            let mut chosen = chosen(instance, id)?;
            chosen.iter_mut().try_for_each(|migration| migration.revert(&options, &mut progress))?;
            chosen
        }
        Migrate { table: Some(table), attribute: Some(attribute), to: Some(to), .. } => {
            let table = project::table(instance, table)?;
            let rows = match &migrate.condition {
                Some(condition) => table.restrict(condition.as_str())?,
                None => (*table).clone(),
            };
            vec![rows.migrate(attribute, to, &options, &mut progress)?]
        }
        Migrate { confirm: Some(id), .. } if !id.is_empty() => {
            let chosen = chosen(instance, id)?;
            chosen.iter().try_for_each(|migration| migration.clone().confirm())?;
            let told = chosen.iter().map(|migration| over(migration.to_json())).collect();
            return print(arguments, told);
        }
        _ => {
            return Err(Error::new(ErrorKind::InvalidRequest, "nothing was asked for")
                .with_hint("name TABLE, ATTRIBUTE and --to, or use --list, --resume, --confirm ID or --revert ID"));
        }
    };
    bar.finish();
    print(arguments, migrations.iter().map(Migration::to_json).collect())
}

/// As it is once it was confirmed.
fn over(mut told: Json) -> Json {
    told["state"] = "done".into();
    told
}

/// The migration of an identifier; all of them without one.
fn chosen(instance: &Instance, id: &str) -> Result<Vec<Migration>> {
    let all = instance.migrations(&[])?;
    if id.is_empty() {
        return Ok(all);
    }
    let known: Vec<&str> = all.iter().map(Migration::id).collect();
    if !known.contains(&id) {
        let hint = match known[..] {
            [] => "there is none that is neither confirmed nor reverted".to_owned(),
            _ => format!("the migrations are: {}", known.join(", ")),
        };
        return Err(Error::new(ErrorKind::InvalidRequest, format!("there is no migration `{id}`")).with_hint(hint));
    }
    Ok(all.into_iter().filter(|migration| migration.id() == id).collect())
}

fn print(arguments: &Arguments, told: Vec<Json>) -> Result<ExitStatus> {
    if arguments.json {
        output::json(&json!(told))?;
        return Ok(ExitStatus::Success);
    }
    if told.is_empty() {
        output::print("There are no migrations to resume, confirm or revert.\n")?;
        return Ok(ExitStatus::Success);
    }
    let text = |told: &Json, key: &str| told[key].as_str().unwrap_or_default().to_owned();
    let row = |told: &Json| {
        let rows = format!("{} of {}", told["done"], told["rows"]);
        let mut row: Vec<String> = ["id", "table", "attribute", "from", "to"].map(|key| text(told, key)).into();
        row.extend([rows, text(told, "state")]);
        row
    };
    let rows = told.iter().map(row).collect();
    output::print(&output::table(&["id", "table", "attribute", "from", "to", "rows", "state"], rows, &[5]))?;
    Ok(ExitStatus::Success)
}
