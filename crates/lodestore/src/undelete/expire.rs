//! The end of what is kept: when its time is over, or its table is dropped.

use lodestore_sql::KeptRows;
use lodestore_types::{FullTableName, Result, SchemaName, TableName};

use super::content::Content;
use super::keep::kept_prefix;
use super::strange;
use crate::Instance;

impl Instance {
    /// The tables of a schema that keep deleted rows.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn kept_tables(&self, schema: &SchemaName) -> Result<Vec<FullTableName>> {
        let rows = self.query(&self.dialect().kept_tables(schema))?;
        let name = |table: &str| Ok(FullTableName { schema: schema.clone(), table: TableName::existing(table)? });
        rows.iter().filter_map(|row| row[0].as_str()).map(name).collect()
    }

    /// Those that keep rows of some tables.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn kept_of(&self, tables: &[FullTableName]) -> Result<Vec<FullTableName>> {
        let mut schemas: Vec<&SchemaName> = tables.iter().map(|table| &table.schema).collect();
        schemas.sort_unstable_by_key(|schema| schema.as_str());
        schemas.dedup();
        let prefixes: Vec<(&SchemaName, String)> =
            tables.iter().map(|table| (&table.schema, kept_prefix(table))).collect();
        let mut found = Vec::new();
        for schema in schemas {
            let is_one = |kept: &FullTableName| {
                prefixes.iter().any(|(of, prefix)| *of == schema && kept.table.as_str().starts_with(prefix))
            };
            found.extend(self.kept_tables(schema)?.into_iter().filter(is_one));
        }
        Ok(found)
    }

    /// True if all that a deletion took is still kept.
    pub(super) fn is_whole(&self, content: &Content) -> Result<bool> {
        for schema in content.schemas() {
            if !self.schema_exists(schema)? {
                return Ok(false);
            }
            let kept = self.kept_tables(schema)?;
            if content.tables.iter().any(|part| part.table.schema == *schema && !kept.contains(&part.kept)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many deletions of a schema have expired.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn expired(&self, schema: &SchemaName) -> Result<u64> {
        match self.has_deletions(schema)? {
            true => Ok(self.query(&self.deletions_of(schema).expired()?)?.len() as u64),
            false => Ok(0),
        }
    }

    /// True if the time of a deletion is over by the database's clock as it is.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn expired_by_clock(&self, schema: &SchemaName) -> Result<bool> {
        let ask =
            || Ok::<_, lodestore_types::Error>(!self.query(&self.deletions_of(schema).expired_by_clock()?)?.is_empty());
        Ok(self.has_deletions(schema)? && ask()?)
    }

    /// True if deletions of a schema can, or could, be undone.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn has_kept(&self, schema: &SchemaName) -> Result<bool> {
        self.has_deletions(schema)
    }

    /// Deletes the kept rows of a schema whose time is over, and releases their objects; gives the number of deletions.
    ///
    /// # Errors
    /// The database's. What was not done is done next time.
    pub(crate) fn expire(&self, schema: &SchemaName) -> Result<u64> {
        if !self.has_deletions(schema)? {
            return Ok(0);
        }
        let deletions = self.deletions_of(schema);
        let mut count = 0;
        for row in self.query(&deletions.expired()?)? {
            let (Some(id), Some(text)) = (row[0].as_str(), row[1].as_str()) else { return Err(strange()) };
            let content = Content::from_text(text)?;
            let mut parts = Vec::new();
            for part in content.tables.iter().filter(|part| part.table.schema == *schema) {
                if let Some(kept) = self.find_table(&part.kept)? {
                    parts.push((part, kept));
                }
            }
            count += self.write(Vec::new(), |connection| {
                let strike = deletions.strike(id, true)?;
                let struck = connection.execute(&strike.sql, &strike.parameters)?;
                if struck > 0 {
                    for (part, kept) in &parts {
                        let dialect = self.dialect();
                        let rows = KeptRows { dialect, table: &part.table, kept: &part.kept, deletion: id };
                        self.release_where(connection, kept.heading(), &rows.of_deletion(""))?;
                        connection.execute(&rows.forget(), &[])?;
                    }
                }
                Ok(struck)
            })?;
        }
        Ok(count)
    }
}
