//! Which project, and which rows of it.

use lodestore::config::Config;
use lodestore::{Error, ErrorKind, Instance, Query, Result, Table};

use crate::arguments::{Arguments, Rows};

/// Opens the project; none is made that is not there.
pub(crate) fn open(arguments: &Arguments) -> Result<Instance> {
    let mut config = match &arguments.project {
        Some(_) => Config::default(),
        None => Config::load()?,
    };
    if let Some(folder) = &arguments.project {
        config.set("database.backend", "sqlite".into())?;
        config.set("database.path", folder.to_string_lossy().as_ref().into())?;
    }
    for warning in config.warnings() {
        eprintln!("warning: {warning}");
    }
    if let Some(folder) = config.embedded_folder().filter(|_| !config.has_project()) {
        return Err(Error::new(ErrorKind::InvalidConfig, format!("there is no project in `{}`", folder.display()))
            .with_hint("go to the folder of the project, or name its embedded database's folder by `--project`"));
    }
    lodestore::set_warning_hook(|message| eprintln!("warning: {message}"));
    Instance::open(config)
}

/// The table that the arguments name.
pub(crate) fn table(instance: &Instance, name: &str) -> Result<Table> {
    let missing = |what: String| Error::new(ErrorKind::MissingTable, what);
    let Some((schema_name, table)) = name.split_once('.') else {
        return Err(missing(format!("`{name}` names no table")).with_hint("write `schema.Class` or `schema.table`"));
    };
    let schemas = || instance.schemas().map(|schemas| schemas.join(", ")).unwrap_or_default();
    let Some(schema) = instance.existing_schema(schema_name)? else {
        return Err(
            missing(format!("there is no schema `{schema_name}`")).with_hint(format!("the schemas are: {}", schemas()))
        );
    };
    match schema.table(table)? {
        Some(table) => Ok(table),
        None => {
            let tables: Vec<String> = schema.tables()?.iter().map(|table| table.to_class()).collect();
            Err(missing(format!("there is no table `{table}` in schema `{schema_name}`"))
                .with_hint(format!("its tables are: {}", tables.join(", "))))
        }
    }
}

/// The rows that the arguments choose, if they name a table.
pub(crate) fn rows(instance: &Instance, rows: &Rows) -> Result<Option<Query>> {
    let Some(name) = &rows.table else { return Ok(None) };
    let table = table(instance, name)?;
    match &rows.condition {
        Some(condition) => table.restrict(condition.as_str()).map(Some),
        None => Ok(Some((*table).clone())),
    }
}
