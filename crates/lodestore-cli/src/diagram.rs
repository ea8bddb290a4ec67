//! `lodestore diagram`.

use std::path::Path;

use lodestore::picture::{Direction, Theme};
use lodestore::{DiagramOptions, Error, ErrorKind, FullTableName, Instance, Result};

use crate::ExitStatus;
use crate::arguments::{Diagram, DiagramFormat};
use crate::output;

pub(crate) fn run(instance: &Instance, options: &Diagram) -> Result<ExitStatus> {
    let format = match (options.format, &options.output) {
        (Some(format), _) => format,
        (None, Some(path)) => format_of(path)?,
        (None, None) => DiagramFormat::Svg,
    };
    let tables = tables(instance, &options.schemas)?;
    let direction = options.direction.as_deref().map(|name| match name {
        "TB" => Direction::TopToBottom,
        _ => Direction::LeftToRight,
    });
    let collapsed = if options.collapse { tables.iter().cloned().collect() } else { Default::default() };
    let diagram = instance.diagram(&tables, &DiagramOptions { direction, collapsed, ..DiagramOptions::default() })?;
    let theme = options.theme.as_deref().and_then(Theme::parse).unwrap_or_else(|| instance.diagram_theme());
    let text = match format {
        DiagramFormat::Svg => diagram.svg(theme),
        DiagramFormat::Mermaid => diagram.mermaid(),
        DiagramFormat::Dot => diagram.dot(theme),
    };
    match &options.output {
        Some(path) => std::fs::write(path, text).map_err(|error| {
            Error::new(ErrorKind::Storage, format!("cannot write `{}`", path.display())).with_source(error)
        })?,
        None => output::print(&text)?,
    }
    Ok(ExitStatus::Success)
}

fn format_of(path: &Path) -> Result<DiagramFormat> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => Ok(DiagramFormat::Svg),
        Some("mmd" | "mermaid") => Ok(DiagramFormat::Mermaid),
        Some("dot" | "gv") => Ok(DiagramFormat::Dot),
        _ => Err(Error::new(ErrorKind::InvalidRequest, format!("the ending of `{}` names no format", path.display()))
            .with_hint("name a file that ends in .svg, .mmd or .dot, or give `--format`")),
    }
}

fn tables(instance: &Instance, schemas: &[String]) -> Result<Vec<FullTableName>> {
    let all = if schemas.is_empty() { instance.schemas()? } else { schemas.to_vec() };
    let mut tables = Vec::new();
    for name in &all {
        match instance.existing_schema(name)? {
            Some(schema) => tables.extend(
                schema
                    .tables()?
                    .iter()
                    .map(|table| FullTableName::parse(&format!("{name}.{table}")))
                    .collect::<Result<Vec<_>>>()?,
            ),
            None => {
                return Err(Error::new(ErrorKind::MissingTable, format!("there is no schema `{name}`"))
                    .with_hint(format!("the schemas are: {}", instance.schemas()?.join(", "))));
            }
        }
    }
    Ok(tables)
}
