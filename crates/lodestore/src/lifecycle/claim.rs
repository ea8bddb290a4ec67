//! Claims: which database a schema's objects in a store belong to.
//!
//! Two databases that have a schema of the same name would take each other's objects for garbage. So the first one that
//! writes objects of a schema into a store leaves an object there, `.lodestore/claims/{schema}.json`, that tells the
//! schema's identity; another one is refused before it writes.
//!
//! A copy of the database has the same identity. So the claim tells also where the database is at home, and which store
//! this is: a database from elsewhere is refused, unless the store came along with it ([`super::home`]).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use lodestore_objects::{PutMode, PutOutcome, Store};
use lodestore_types::{Error, ErrorKind, Result, SchemaName, StorePath, Timestamp};
use serde_json::{Value as Json, json};

use super::home::{Home, seat};
use crate::Instance;

/// The claims that were seen to be ours, by schema and URL of the store.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashSet<(SchemaName, String)>>);

impl Claims {
    pub(super) fn forget(&self, schema: &SchemaName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| known != schema);
    }
}

impl Instance {
    /// Sees to it that the objects of a schema in a store are this database's, and says so in the store if nobody has.
    ///
    /// # Errors
    /// `InvalidConfig` if they belong to another database; `Storage`; as [`Instance::open_journal`].
    pub(crate) fn claim(&self, schema: &SchemaName, store: &Arc<dyn Store>) -> Result<()> {
        let place = (schema.clone(), store.url(None));
        if self.lifecycle().claims.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&place) {
            return Ok(());
        }
        // Without an identity that is certain to stay nothing can be claimed yet; what another claimed is seen all the same.
        let identity = self.open_journal(schema)?;
        let path = claim_path(schema)?;
        let claimed = match (&identity, store.get(&path)?) {
            (_, Some(found)) => Some(found),
            (None, None) => None,
            (Some(identity), None) => match self.put_claim(schema, store, identity, PutMode::Create)? {
                PutOutcome::Written => None,
                PutOutcome::AlreadyThere => store.get(&path)?,
            },
        };
        if let Some(found) = claimed {
            let told: Json = serde_json::from_slice(&found).unwrap_or_default();
            let Some(identity) = identity.as_deref().filter(|identity| told["identity"].as_str() == Some(identity))
            else {
                let why = match &identity {
                    // The journal is being made in this transaction, and the store may remember an earlier one.
                    None => "the schema has no identity yet",
                    Some(_) => "the schema has another identity here",
                };
                return Err(refuse_claim(schema, store, &path, &told, why));
            };
            if !self.is_at_home(store, &told) {
                return Err(refuse_claim(schema, store, &path, &told, "this is a copy of it"));
            }
            let home = self.home();
            if home.is_certain() && (told["home"] != home.to_json() || told["store"].as_str() != Some(&seat(store))) {
                // It has been moved, alone or with its store.
                self.put_claim(schema, store, identity, PutMode::Replace)?;
            }
        }
        if identity.is_some() {
            self.lifecycle().claims.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
        }
        Ok(())
    }

    fn put_claim(
        &self,
        schema: &SchemaName,
        store: &Arc<dyn Store>,
        identity: &str,
        mode: PutMode,
    ) -> Result<PutOutcome> {
        let text = json!({
            "identity": identity,
            "schema": schema.as_str(),
            "database": self.place(),
            "home": self.home().to_json(),
            "store": seat(store),
            "since": Timestamp::now().to_string(),
        });
        store.put(&claim_path(schema)?, &[text.to_string().into_bytes().into()], mode)
    }

    /// True if a claim with the identity of this database is its own, and not that of one of which it is a copy.
    fn is_at_home(&self, store: &Arc<dyn Store>, told: &Json) -> bool {
        let is_here = self.home().may_be(&Home::from_json(&told["home"]));
        is_here || told["store"].as_str().is_some_and(|place| place != seat(store))
    }

    /// Takes back the claims of a schema that is gone, in all stores that can be reached.
    pub(crate) fn unclaim(&self, schema: &SchemaName, identity: Option<&str>) {
        self.lifecycle().forget(schema);
        let names: Vec<String> = self.config().store_names().into_iter().map(str::to_owned).collect();
        for store in names.iter().filter_map(|name| self.store(name).ok()) {
            let release = || -> Result<()> {
                let path = claim_path(schema)?;
                let told: Json = match store.get(&path)? {
                    Some(found) => serde_json::from_slice(&found).unwrap_or_default(),
                    None => return Ok(()),
                };
                match told["identity"].as_str() == identity && identity.is_some() && self.is_at_home(&store, &told) {
                    true => store.delete(&path),
                    false => Ok(()),
                }
            };
            // A claim that stays is told, with a remedy, to whoever comes next.
            let _ = release();
        }
    }
}

fn refuse_claim(schema: &SchemaName, store: &Arc<dyn Store>, path: &StorePath, told: &Json, why: &str) -> Error {
    let other = told["database"].as_str().unwrap_or("another database");
    Error::new(
        ErrorKind::InvalidConfig,
        format!("the objects of schema `{schema}` in this store belong to {other} ({why})"),
    )
    .with("store", store.name())
    .with("path", path)
    .with_hint(
        "give this database a store, or a location, of its own, or another name to the schema; if the other database is gone \
         for good and this one has its rows, delete the object at this path",
    )
}

pub(super) fn claim_path(schema: &SchemaName) -> Result<StorePath> {
    StorePath::new(format!(".lodestore/claims/{schema}.json"))
}
