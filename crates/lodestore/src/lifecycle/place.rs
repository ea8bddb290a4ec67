//! Places: where the objects of a schema have been written.
//!
//! The settings of a store can change while objects stay where they are. So the journal remembers each pair of prefixes and
//! each location that objects of the schema were written under, as `place:...` in `~lifecycle`.

use std::sync::{Arc, PoisonError};

use lodestore_objects::Store;
use lodestore_types::{Error, ErrorKind, Result, SchemaName, Uuid};
use serde_json::{Value as Json, json};

use super::object::Prefixes;
use crate::Instance;
use crate::config::StoreSpec;
use crate::undelete::whole;

/// How the properties of the journal are called that hold places.
const PROPERTY: &str = "place:";

/// Where objects of a schema have been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    property: String,
    /// The name of the store.
    pub(crate) store: String,
    /// The URL of its root.
    pub(crate) url: String,
    pub(crate) prefixes: Prefixes,
}

impl Place {
    /// True if it is of the store with these settings and this URL. One of its name that was elsewhere may have moved.
    pub(crate) fn is_of(&self, spec: &StoreSpec, url: &str) -> bool {
        self.store == spec.name || self.url == url
    }
}

/// The prefixes of a store, those that it is configured with first, each pair once.
pub(crate) fn prefixes<'a>(spec: &StoreSpec, places: impl Iterator<Item = &'a Place>) -> Vec<Prefixes> {
    let mut found = vec![Prefixes { hash: spec.hash_prefix.clone(), schema: spec.schema_prefix.clone() }];
    for place in places {
        if !found.contains(&place.prefixes) {
            found.push(place.prefixes.clone());
        }
    }
    found
}

impl Instance {
    /// The places that the journal of a schema remembers; none without a journal.
    ///
    /// # Errors
    /// `Corrupt` for a record that this version does not understand; the database's.
    pub(crate) fn places(&self, schema: &SchemaName) -> Result<Vec<Place>> {
        if !self.has_journal(schema)? {
            return Ok(Vec::new());
        }
        let ask = self.journal(schema).properties()?;
        let rows = self.outside(|connection| connection.query(&ask.sql, &ask.parameters))?;
        let text = |json: &Json| json.as_str().map(str::to_owned);
        let mut places = Vec::new();
        for row in &rows {
            let (Some(property), Some(value)) = (row[0].as_str(), row[1].as_str()) else { continue };
            if !property.starts_with(PROPERTY) {
                continue;
            }
            let told: Json = serde_json::from_str(value).unwrap_or_default();
            let place = || -> Option<Place> {
                Some(Place {
                    property: property.to_owned(),
                    store: text(&told["store"])?,
                    url: text(&told["url"])?,
                    prefixes: Prefixes { hash: text(&told["hash_prefix"])?, schema: text(&told["schema_prefix"])? },
                })
            };
            places.push(place().ok_or_else(|| {
                Error::new(ErrorKind::Corrupt, "the journal contains a place that this version does not understand")
                    .with("schema", schema)
            })?);
        }
        Ok(places)
    }

    /// Remembers that objects of a schema are written to a store as it is configured now. Its former locations are
    /// forgotten if its objects have moved along with it.
    ///
    /// # Errors
    /// As [`Instance::places`].
    pub(super) fn note_place(&self, schema: &SchemaName, store: &Arc<dyn Store>, moved_along: bool) -> Result<()> {
        let Ok(spec) = self.config().store_spec(Some(store.name()), false) else { return Ok(()) };
        if !self.has_journal(schema)? {
            return Ok(());
        }
        let (known, url) = (self.places(schema)?, store.url(None));
        let mut statements = Vec::new();
        let own = Prefixes { hash: spec.hash_prefix, schema: spec.schema_prefix };
        let is_this = |place: &&Place| place.store == spec.name && place.url == url;
        if !known.iter().filter(is_this).any(|place| place.prefixes == own) {
            let value = json!({
                "store": spec.name, "url": url, "hash_prefix": own.hash, "schema_prefix": own.schema
            });
            let property = format!("{PROPERTY}{}", Uuid::new_v4().simple());
            statements.push(self.journal(schema).set_property(&property, &value.to_string())?);
        }
        if moved_along && !known.iter().any(|place| is_this(&place)) {
            for place in known.iter().filter(|place| place.store == spec.name && place.url != url) {
                statements.push(self.journal(schema).forget_property(&place.property)?);
                let value = json!({
                    "store": spec.name, "url": url, "hash_prefix": place.prefixes.hash,
                    "schema_prefix": place.prefixes.schema
                });
                let property = format!("{PROPERTY}{}", Uuid::new_v4().simple());
                statements.push(self.journal(schema).set_property(&property, &value.to_string())?);
            }
        }
        let is_kept = statements.is_empty() || !(self.in_transaction() && self.lifecycle().folder.is_some());
        if !statements.is_empty() {
            self.outside(|connection| whole(connection, &statements))?;
        }
        // What a transaction of SQLite writes may be rolled back.
        if is_kept && let Some(key) = self.noted_key(schema, store) {
            self.lifecycle().noted.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        }
        Ok(())
    }

    /// True if the journal is known to remember the place where a store is now.
    pub(super) fn is_noted(&self, schema: &SchemaName, store: &Arc<dyn Store>) -> bool {
        let Some(key) = self.noted_key(schema, store) else { return true };
        self.lifecycle().noted.lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }

    fn noted_key(&self, schema: &SchemaName, store: &Arc<dyn Store>) -> Option<(SchemaName, String, Prefixes)> {
        let spec = self.config().store_spec(Some(store.name()), false).ok()?;
        let prefixes = Prefixes { hash: spec.hash_prefix, schema: spec.schema_prefix };
        Some((schema.clone(), store.url(None), prefixes))
    }
}
