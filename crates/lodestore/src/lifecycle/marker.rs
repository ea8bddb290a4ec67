//! Markers: how a store is recognised.
//!
//! The mount point of a disk that is not mounted looks like an empty store. So a store gets a marker when it is first
//! used, the object `.lodestore/store.json`, and each schema remembers the markers of the stores that it uses.

use std::sync::Arc;

use lodestore_codec::manifest::Manifest;
use lodestore_objects::{PutMode, Store};
use lodestore_sql::{ObjectColumn, Statement};
use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName, StorePath, TableName, Uuid};
use serde_json::{Value as Json, json};

use super::references::{Form, form_of, spelled};
use crate::Instance;

pub(super) const MARKER: &str = ".lodestore/store.json";

/// Rows looked at in each table, to see that a store without a marker holds the objects of rows that are there.
const SAMPLE: usize = 3;

impl Instance {
    /// The marker of a store, if it is the one that a schema knows by its name. A store that the schema has not used yet is
    /// remembered, and gets a marker if it has none; unless this is only a look.
    ///
    /// # Errors
    /// `Storage` if it is not the store that the schema knows, or holds none of the objects that rows name.
    pub(super) fn recognise(
        &self,
        schema: &SchemaName,
        store: &Arc<dyn Store>,
        only_look: bool,
    ) -> Result<Option<String>> {
        let path = StorePath::new(MARKER)?;
        let property = format!("store:{}", store.name());
        let known = self.property(schema, &property)?;
        let mut found = read(store, &path)?;
        if only_look && known.is_none() {
            return Ok(found);
        }
        if found.is_none() && known.is_none() {
            self.refuse_without_objects(schema, store)?;
            let marker = json!({ "store": Uuid::new_v4().simple().to_string() }).to_string();
            store.put(&path, &[marker.into_bytes().into()], PutMode::Create)?;
            found = read(store, &path)?;
        }
        let refuse = |why: String| {
            let error = Error::new(ErrorKind::Storage, why).with("store", store.name()).with("url", store.url(None));
            Err(error.with("path", &path).with("schema", schema))
        };
        match (known, found) {
            (Some(known), Some(found)) if known == found => Ok(Some(found)),
            (None, Some(found)) => {
                self.add_property(schema, &property, &found)?;
                Ok(Some(found))
            }
            (Some(known), Some(_)) => refuse("this is not the store that the schema has used under this name".to_owned())
                .map_err(|error: Error| {
                    error.with_hint(format!(
                        "correct its `location`, or configure the other store under another name; if the objects were moved \
                         here for good, replace the object at this path by {}",
                        json!({ "store": known })
                    ))
                }),
            (known, None) => refuse("the store has lost its marker: it may be a disk that is not mounted".to_owned())
                .map_err(|error: Error| {
                    error.with_hint(format!(
                        "mount the disk, or correct the `location` of the store; if this is the store all the same, write {} \
                         to this path",
                        json!({ "store": known })
                    ))
                }),
        }
    }

    /// Refuses a store without a marker that holds none of the objects that rows name: those were stored before there were
    /// markers.
    fn refuse_without_objects(&self, schema: &SchemaName, store: &Arc<dyn Store>) -> Result<()> {
        let dialect = self.dialect();
        let own: Vec<_> = self.schemas_with_tables()?.into_iter().filter(|(name, _)| name == schema).collect();
        let mut missing = None;
        for row in self.query(&dialect.object_columns(schema, &own))? {
            let column = ObjectColumn::read(&row)?;
            if column.schema != schema.as_str() || !matches!(form_of(self, &column, schema)?, Some(Form::Path)) {
                continue;
            }
            let quoted = dialect.quote(&column.name);
            let table = FullTableName { schema: schema.clone(), table: TableName::existing(&*column.table)? };
            let sql = format!(
                "SELECT {}, {} FROM {} WHERE {quoted} IS NOT NULL LIMIT {SAMPLE}",
                dialect.json_word(&quoted, "path"),
                dialect.json_word(&quoted, "store"),
                dialect.table(&table)
            );
            for row in self.query(&Statement { sql, parameters: Vec::new() })? {
                let name = row[1].as_str().filter(|name| *name != "null").unwrap_or_default();
                let is_here = self.store_spec(Some(name), false).is_ok_and(|spec| spec.name == store.name());
                let Some(path) = row[0].as_str().filter(|_| is_here) else { continue };
                let Ok(path) = StorePath::new(&*spelled(path)) else { continue };
                if store.head(&path)?.is_some() || store.head(&Manifest::path_for(&path)?)?.is_some() {
                    return Ok(());
                }
                missing = Some((table.clone(), path));
            }
        }
        let Some((table, path)) = missing else { return Ok(()) };
        let message =
            "the store has no marker and none of the objects that rows name: it may be a disk that is not mounted";
        Err(Error::new(ErrorKind::Storage, message)
            .with("store", store.name())
            .with("table", table)
            .with("path", path)
            .with_hint(format!(
                "mount the disk, or correct the `location` of the store; if the objects are lost for good, write {} to `{MARKER}` \
                 in the store",
                json!({ "store": Uuid::new_v4().simple().to_string() })
            )))
    }

    /// A property of the journal of a schema.
    pub(super) fn property(&self, schema: &SchemaName, property: &str) -> Result<Option<String>> {
        let ask = self.journal(schema).properties()?;
        let rows = match self.outside(|connection| connection.query(&ask.sql, &ask.parameters)) {
            Err(error) if error.kind() == ErrorKind::MissingTable => return Ok(None),
            rows => rows?,
        };
        let found = rows.iter().find(|row| row[0].as_str() == Some(property));
        Ok(found.and_then(|row| row[1].as_str().map(str::to_owned)))
    }

    /// Adds a property to the journal of a schema; false if it is there.
    pub(super) fn add_property(&self, schema: &SchemaName, property: &str, value: &str) -> Result<bool> {
        let add = self.journal(schema).add_property(property, value)?;
        match self.outside(|connection| connection.execute(&add.sql, &add.parameters)) {
            Err(error) if error.kind() == ErrorKind::Duplicate => Ok(false),
            outcome => outcome.map(|_| true),
        }
    }
}

fn read(store: &Arc<dyn Store>, path: &StorePath) -> Result<Option<String>> {
    let Some(found) = store.get(path)? else { return Ok(None) };
    let marker = serde_json::from_slice::<Json>(&found).ok().and_then(|json| json["store"].as_str().map(str::to_owned));
    marker.map(Some).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "the marker of the store cannot be read")
            .with("store", store.name())
            .with("path", path)
    })
}
