//! What a deletion took, as the list of deletions has it.

use lodestore_types::{FullTableName, Result, SchemaName, TableName};
use serde_json::{Value as Json, json};

use super::strange;
use crate::graph::Graph;

/// What a deletion took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// The table whose rows were to be deleted.
    pub(super) root: FullTableName,
    /// Those that lost rows, parents first.
    pub(super) tables: Vec<Part>,
}

/// What it took from one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) table: FullTableName,
    /// Where the rows are.
    pub(super) kept: FullTableName,
    pub(super) shape: String,
    pub(super) rows: u64,
    /// Attributes by which rows refer to each other in a circle: they get their values when all rows are there.
    pub(super) late: Vec<String>,
}

impl Content {
    pub(super) fn has(&self, table: &FullTableName) -> bool {
        self.tables.iter().any(|part| part.table == *table)
    }

    /// The schemas that lost rows, each once and in one order for all who lock them.
    pub(super) fn schemas(&self) -> Vec<&SchemaName> {
        let mut schemas: Vec<&SchemaName> = self.tables.iter().map(|part| &part.table.schema).collect();
        schemas.sort_unstable_by_key(|schema| schema.as_str());
        schemas.dedup();
        schemas
    }

    /// Adds what a later delete of the same transaction took: parents first again, as `graph` orders them.
    pub(super) fn add(&mut self, later: &Content, graph: &Graph) {
        for part in &later.tables {
            match self.tables.iter_mut().find(|known| known.kept == part.kept) {
                Some(known) => {
                    known.rows += part.rows;
                    let late = part.late.iter().filter(|name| !known.late.contains(name)).cloned();
                    known.late = known.late.iter().cloned().chain(late).collect();
                }
                None => self.tables.push(part.clone()),
            }
        }
        let mut waiting = std::mem::take(&mut self.tables);
        while !waiting.is_empty() {
            let waits = |part: &Part| {
                graph.parents(&part.table).any(|key| {
                    let is_late = key.key.columns.iter().any(|column| part.late.contains(column));
                    let parent = &key.key.parent;
                    !is_late && *parent != part.table && waiting.iter().any(|other| other.table == *parent)
                })
            };
            // In a circle that no late attribute breaks, the first one has to do.
            let next = waiting.iter().position(|part| !waits(part)).unwrap_or(0);
            self.tables.push(waiting.remove(next));
        }
    }

    pub(super) fn to_text(&self) -> String {
        let name = |name: &FullTableName| json!([name.schema.as_str(), name.table.as_str()]);
        let part = |part: &Part| {
            json!({
                "table": name(&part.table), "kept": name(&part.kept), "shape": part.shape, "rows": part.rows,
                "late": part.late,
            })
        };
        json!({ "root": name(&self.root), "tables": self.tables.iter().map(part).collect::<Vec<_>>() }).to_string()
    }

    /// # Errors
    /// `Corrupt` for what no version that we know of wrote.
    pub(super) fn from_text(text: &str) -> Result<Self> {
        let document: Json = serde_json::from_str(text).map_err(|_| strange())?;
        let parts = document["tables"].as_array().ok_or_else(strange)?;
        Ok(Content { root: name(&document["root"])?, tables: parts.iter().map(part).collect::<Result<_>>()? })
    }
}

fn part(entry: &Json) -> Result<Part> {
    let late = entry["late"].as_array().ok_or_else(strange)?;
    Ok(Part {
        table: name(&entry["table"])?,
        kept: name(&entry["kept"])?,
        shape: entry["shape"].as_str().ok_or_else(strange)?.to_owned(),
        rows: entry["rows"].as_u64().ok_or_else(strange)?,
        late: late.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(strange)).collect::<Result<_>>()?,
    })
}

fn name(entry: &Json) -> Result<FullTableName> {
    match (entry[0].as_str(), entry[1].as_str()) {
        (Some(schema), Some(table)) => {
            Ok(FullTableName { schema: SchemaName::new(schema)?, table: TableName::existing(table)? })
        }
        _ => Err(strange()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodestore_types::ErrorKind;

    #[test]
    fn what_was_written_is_read() {
        let name = |text| FullTableName::parse(text).unwrap();
        let part = Part {
            table: name("lab.__spikes__unit"),
            kept: name("lab.~deleted_0_unit"),
            shape: "ab".into(),
            rows: 3,
            late: vec!["next".into()],
        };
        let content = Content { root: name("lab.#rig"), tables: vec![part.clone(), part] };
        assert_eq!(Content::from_text(&content.to_text()).unwrap(), content);
        assert_eq!(content.schemas().len(), 1);
        for strange in ["", "{}", "{\"root\": [\"a\", \"b\"], \"tables\": [{}]}"] {
            assert_eq!(Content::from_text(strange).unwrap_err().kind(), ErrorKind::Corrupt, "{strange}");
        }
    }
}
