//! The recorded origins of a schema's attributes.

use std::collections::HashMap;

use lodestore_sql::{Dependency, Lineage};
use lodestore_types::{Error, ErrorKind, FullTableName, Result};

use crate::Schema;
use crate::instance::run_all;

/// The origin of each attribute that has one, by table and attribute.
type Origins = HashMap<(FullTableName, String), Lineage>;

impl Schema {
    /// Where the attributes of its tables were first declared: `schema.table.attribute` and its origin, in the order of
    /// their names.
    ///
    /// # Errors
    /// The database's.
    pub fn lineage(&self) -> Result<Vec<(String, String)>> {
        if !self.has_lineage()? {
            return Ok(Vec::new());
        }
        let rows = self.instance().query(&self.instance().dialect().lineage(&self.name))?;
        let mut found: Vec<(String, String)> = rows
            .iter()
            .filter_map(|row| match &row[..] {
                [table, attribute, origin] => Some((
                    format!("{}.{}.{}", self.name, table.as_str()?, attribute.as_str()?),
                    origin.as_str()?.to_owned(),
                )),
                _ => None,
            })
            .collect();
        found.sort();
        Ok(found)
    }

    /// True if the schema records where its attributes come from, which schemas of older programs may not.
    ///
    /// # Errors
    /// The database's.
    pub fn has_lineage(&self) -> Result<bool> {
        Ok(!self.instance().query(&self.instance().dialect().lineage_exists(&self.name))?.is_empty())
    }

    /// Records anew where the attributes of its tables come from, as keys and foreign keys tell; all in one transaction.
    ///
    /// # Errors
    /// `InvalidRequest` if a parent in another schema has no recorded origin: rebuild that schema's first. Nothing is
    /// changed then.
    pub fn rebuild_lineage(&self) -> Result<()> {
        let graph = self.instance().dependencies_of([&self.name])?;
        let mut rows = Vec::new();
        for table in self.tables()? {
            let table = self.existing(&table)?;
            for attribute in &table.heading().attributes {
                if let Some(origin) =
                    self.origin(graph.foreign_keys(), table.name(), &attribute.name, &mut Origins::new())?
                {
                    rows.push((table.name().table.clone(), attribute.name.clone(), origin));
                }
            }
        }
        let statements = self.instance().dialect().replace_lineage(&self.name, &rows);
        self.instance().write(Vec::new(), |connection| run_all(connection, &statements))?;
        for table in self.tables()? {
            self.instance().forget_heading(&FullTableName { schema: self.name.clone(), table });
        }
        Ok(())
    }

    /// Follows foreign keys to where an attribute was first declared. `None` for secondary attributes of a table's own.
    fn origin(
        &self,
        edges: &[Dependency],
        table: &FullTableName,
        attribute: &str,
        known: &mut Origins,
    ) -> Result<Option<Lineage>> {
        let place = (table.clone(), attribute.to_owned());
        if let Some(origin) = known.get(&place) {
            return Ok(Some(origin.clone()));
        }
        // The last foreign key decides, as it does in a declaration.
        let above = edges.iter().filter(|edge| edge.child == *table).rev().find_map(|edge| {
            let at = edge.key.columns.iter().position(|column| column == attribute)?;
            Some((&edge.key.parent, edge.key.parent_columns[at].as_str()))
        });
        let own = Lineage::of(table, attribute);
        let origin = match above {
            // In a circle of tables the first one met counts.
            Some((parent, column)) if parent.schema == self.name => {
                known.insert(place.clone(), own.clone());
                self.origin(edges, parent, column, known)?
            }
            Some((parent, column)) => {
                let parent_heading = self.instance().table(parent)?;
                let origin = parent_heading.heading().get_any(column).and_then(|found| found.lineage.clone());
                Some(origin.ok_or_else(|| {
                    Error::new(
                        ErrorKind::InvalidRequest,
                        format!("cannot rebuild the lineage of `{table}`: `{parent}.{column}` has no recorded origin"),
                    )
                    .with_hint(format!("rebuild the lineage of schema `{}` first", parent.schema))
                })?)
            }
            None => self
                .instance()
                .table(table)?
                .heading()
                .get_any(attribute)
                .is_some_and(|found| found.in_key)
                .then_some(own),
        };
        if let Some(origin) = &origin {
            known.insert(place, origin.clone());
        }
        Ok(origin)
    }
}
