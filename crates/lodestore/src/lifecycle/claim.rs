//! Claims: which database a schema's objects in a store belong to.
//!
//! Two databases that have a schema of the same name would take each other's objects for garbage. So the first one that
//! writes objects of a schema into a store leaves an object there, `.lodestore/claims/{schema}.json`, that tells the
//! schema's identity; another one is refused before it writes.
//!
//! A copy of the database has the same identity. So the claim also says where the database is at home, and which store
//! this is: a database from elsewhere is refused, unless the store came along with it ([`super::home`]). And it has an
//! *epoch*, a random token that database and store change together, when a program first writes or collects and then three
//! times in a lease while it is at work. Of two copies the one that comes second finds an epoch that it does not know.
//!
//! # How an epoch changes
//!
//! The journal has two tokens, `current` and `next`; the claim has one of them. Whoever changes it
//!
//! 1. makes sure that `next` is not the claim's token: if it is, writes (`next`, a fresh token) into the journal, if there is
//!    none, (`current`, a fresh token); each only if the journal still has what was read;
//! 2. replaces the claim, if it is still what was read, by one with `next`.
//!
//! A program that is killed between the two leaves a `next` that the following one completes, before it changes the epoch
//! itself: only a token that was drawn since then is surely unknown to a copy. Programs that start at the same moment help
//! each other in the same way. No token comes twice, so that a request that arrives late changes nothing. `lodestore-model`
//! explores this.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lodestore_objects::{PutMode, Store};
use lodestore_types::{Error, ErrorKind, Result, SchemaName, StorePath, Timestamp, Uuid};
use serde_json::{Value as Json, json};

use super::home::{Home, seat};
use crate::Instance;

/// A store to which each look is a request is looked at this often at most.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// How often a change of the epoch is begun again because other programs changed it.
const ATTEMPTS: usize = 50;

/// The claims that were seen to be ours, by schema and URL of the store.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashMap<(SchemaName, String), Seen>>);

/// A claim as it was last seen.
#[derive(Debug, Clone)]
struct Seen {
    content: Bytes,
    looked: Instant,
    /// When its epoch was last changed, by whichever program of this database.
    renewed: Option<Instant>,
}

impl Claims {
    fn seen(&self, place: &(SchemaName, String)) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }

    fn see(&self, place: (SchemaName, String), content: Bytes, renewed: Option<Instant>) {
        let seen = Seen { content, looked: Instant::now(), renewed };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, seen);
    }

    pub(super) fn forget(&self, schema: &SchemaName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| known != schema);
    }
}

/// The epoch of a claim as the journal has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Epoch {
    /// Empty for a claim without an epoch, of an earlier version.
    current: String,
    /// What the claim has, or is about to have; empty if nobody has begun to change it.
    next: String,
}

impl Epoch {
    fn parse(text: &str) -> Self {
        let (current, next) = text.split_once(' ').unwrap_or((text, ""));
        Epoch { current: current.to_owned(), next: next.to_owned() }
    }

    fn has(&self, token: &str) -> bool {
        token == self.current || (!token.is_empty() && token == self.next)
    }

    /// What the journal must have before the claim with this token is given the next one.
    fn prepared(&self, token: &str) -> Self {
        let fresh = || Uuid::new_v4().simple().to_string();
        match (self.next.is_empty(), token == self.next) {
            (true, _) => Epoch { current: self.current.clone(), next: fresh() },
            (false, true) => Epoch { current: self.next.clone(), next: fresh() },
            (false, false) => self.clone(),
        }
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.current, self.next)
    }
}

impl Instance {
    /// Makes sure that the objects of a schema in a store are this database's, and that it is the store that the schema
    /// knows; claims the store for the schema if nobody has.
    ///
    /// # Errors
    /// `InvalidConfig` if they belong to another database; `Storage`, also if the store is not the known one; as
    /// [`Instance::open_journal`].
    pub(crate) fn claim(&self, schema: &SchemaName, store: &Arc<dyn Store>) -> Result<()> {
        if self.is_noted(schema, store) {
            return self.secure_claim(schema, store);
        }
        let was_claimed = store.get(&claim_path(schema)?)?.is_some();
        self.secure_claim(schema, store)?;
        self.note_place(schema, store, was_claimed)
    }

    fn secure_claim(&self, schema: &SchemaName, store: &Arc<dyn Store>) -> Result<()> {
        let place = (schema.clone(), store.url(None));
        let path = claim_path(schema)?;
        // What a transaction of SQLite writes may be rolled back, and nobody can write next to it.
        let may_renew = !(self.in_transaction() && self.lifecycle().folder.is_some());
        if self.is_still_ours(&place, store, &path, may_renew)? {
            return Ok(());
        }
        // Without an identity that is certain to stay nothing can be claimed yet; what another claimed is seen all the same.
        let identity = self.open_journal(schema)?;
        let marker = self.recognise(schema, store, false)?.unwrap_or_default();
        let property = format!("epoch:{marker}");
        // A token that somebody had drawn before may be known to a copy as well. Of two that follow each other one is fresh.
        let mut last: Option<String> = None;
        let mut changes = 0;
        for _ in 0..ATTEMPTS {
            let found = store.get(&path)?;
            let recorded = self.property(schema, &property)?;
            let epoch = recorded.as_deref().map(Epoch::parse).unwrap_or_default();
            let Some(content) = found else {
                let Some(identity) = &identity else { return Ok(()) };
                let epoch = match may_renew {
                    true => {
                        let prepared = epoch.prepared("");
                        if prepared != epoch && !self.move_epoch(schema, &property, recorded.as_deref(), &prepared)? {
                            continue;
                        }
                        prepared
                    }
                    false => epoch,
                };
                let token = if epoch.next.is_empty() { &epoch.current } else { &epoch.next };
                store.put(&path, &[self.claim_text(schema, store, identity, token, None).into()], PutMode::Create)?;
                continue;
            };
            let told: Json = serde_json::from_slice(&content).unwrap_or_default();
            let Some(identity) = identity.as_deref().filter(|identity| told["identity"].as_str() == Some(identity))
            else {
                let why = match &identity {
                    // The journal is being made in this transaction, and the store may remember an earlier one.
                    None => "the schema has no identity yet",
                    Some(_) => "the schema has another identity here",
                };
                return Err(refuse_claim(schema, store, &path, &told, why));
            };
            let token = told["epoch"].as_str().unwrap_or_default();
            if !self.is_at_home(store, &told) {
                return Err(refuse_claim(schema, store, &path, &told, "this is a copy of it"));
            }
            if !epoch.has(token) {
                if store.get(&path)?.as_ref() != Some(&content) || self.has_changed(schema, &property, token)? {
                    continue;
                }
                return Err(refuse_claim(
                    schema,
                    store,
                    &path,
                    &told,
                    "this is a copy of it, or an earlier state of it",
                ));
            }
            if last.as_deref().is_some_and(|last| last != token) {
                changes += 1;
            }
            last = Some(token.to_owned());
            if !may_renew || changes > 1 {
                let renewed = may_renew.then(Instant::now);
                self.lifecycle().claims.see(place, content, renewed);
                return Ok(());
            }
            let prepared = epoch.prepared(token);
            if prepared != epoch && !self.move_epoch(schema, &property, recorded.as_deref(), &prepared)? {
                continue;
            }
            let new = self.claim_text(schema, store, identity, &prepared.next, Some(&told));
            if store.swap(&path, &content, new.clone())? && prepared != epoch {
                self.lifecycle().claims.see(place, new, Some(Instant::now()));
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Storage, "the claim of the schema changes all the time")
            .with("store", store.name())
            .with("path", &path)
            .with_hint("try again; if this stays, two copies of the database may use one store"))
    }

    /// True if a claim is what it was when it was last seen to be ours, and its epoch need not be changed yet.
    fn is_still_ours(
        &self,
        place: &(SchemaName, String),
        store: &Arc<dyn Store>,
        path: &StorePath,
        may_renew: bool,
    ) -> Result<bool> {
        let Some(seen) = self.lifecycle().claims.seen(place) else { return Ok(false) };
        let lease = Duration::from_secs(u64::try_from(self.lease()).unwrap_or(0));
        if may_renew && seen.renewed.is_none_or(|at| at.elapsed() > lease / 3) {
            return Ok(false);
        }
        if store.local_path(path).is_none() && seen.looked.elapsed() < BETWEEN_LOOKS {
            return Ok(true);
        }
        let is_same = store.get(path)?.as_ref() == Some(&seen.content);
        if is_same {
            self.lifecycle().claims.see(place.clone(), seen.content, seen.renewed);
        }
        Ok(is_same)
    }

    /// Gives the epoch in the journal another value, if it still has the one that was read.
    fn move_epoch(&self, schema: &SchemaName, property: &str, recorded: Option<&str>, new: &Epoch) -> Result<bool> {
        let Some(recorded) = recorded else { return self.add_property(schema, property, &new.to_string()) };
        let swap = self.journal(schema).swap_property(property, recorded, &new.to_string())?;
        Ok(self.outside(|connection| connection.execute(&swap.sql, &swap.parameters))? == 1)
    }

    /// True if the journal has a token by now that an open transaction, which sees an earlier moment, does not show.
    fn has_changed(&self, schema: &SchemaName, property: &str, token: &str) -> Result<bool> {
        if !self.in_transaction() {
            return Ok(false);
        }
        let ask = self.journal(schema).properties()?;
        let rows = self.lifecycle().beside(|connection| connection.query(&ask.sql, &ask.parameters))?;
        let found = rows.iter().find(|row| row[0].as_str() == Some(property)).and_then(|row| row[1].as_str());
        Ok(found.is_some_and(|text| Epoch::parse(text).has(token)))
    }

    /// The content of a claim; what is not certain to be better known now stays as it was told.
    fn claim_text(
        &self,
        schema: &SchemaName,
        store: &Arc<dyn Store>,
        identity: &str,
        epoch: &str,
        told: Option<&Json>,
    ) -> Bytes {
        let home = self.home();
        let (home, seat) = match told.filter(|_| !home.is_certain()) {
            Some(told) => (told["home"].clone(), told["store"].clone()),
            None => (home.to_json(), seat(store).into()),
        };
        let since = told.map_or(Json::Null, |told| told["since"].clone());
        let claim = json!({
            "identity": identity,
            "schema": schema.as_str(),
            "database": self.place(),
            "home": home,
            "store": seat,
            "epoch": epoch,
            "since": if since.is_null() { Timestamp::now().to_string().into() } else { since },
        });
        claim.to_string().into_bytes().into()
    }

    /// True if a claim with the identity of this database is its own, and not that of one of which it is a copy.
    fn is_at_home(&self, store: &Arc<dyn Store>, told: &Json) -> bool {
        let is_here = self.home().may_be(&Home::from_json(&told["home"]));
        is_here || told["store"].as_str().is_some_and(|place| place != seat(store))
    }

    /// Takes back the claims of a schema that is about to be dropped, in all stores that are configured: as long as one stays
    /// no other schema of this name can use the store.
    ///
    /// # Errors
    /// `Storage` if one that the schema has used cannot be reached.
    pub(crate) fn unclaim(&self, schema: &SchemaName) -> Result<()> {
        let Some(identity) = self.known_identity(schema)? else { return Ok(()) };
        self.lifecycle().claims.forget(schema);
        let names: Vec<String> = self.config().store_names().into_iter().map(str::to_owned).collect();
        for name in names {
            let release = || -> Result<()> {
                let store = self.store(&name)?;
                let path = claim_path(schema)?;
                let marker = self.recognise(schema, &store, true)?.unwrap_or_default();
                let told: Json = match store.get(&path)? {
                    Some(found) => serde_json::from_slice(&found).unwrap_or_default(),
                    None => return Ok(()),
                };
                let epoch = self.property(schema, &format!("epoch:{marker}"))?;
                let knows = Epoch::parse(&epoch.unwrap_or_default()).has(told["epoch"].as_str().unwrap_or_default());
                match told["identity"].as_str() == Some(&*identity) && knows && self.is_at_home(&store, &told) {
                    true => store.delete(&path),
                    false => Ok(()),
                }
            };
            match release() {
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                Err(error) if self.property(schema, &format!("store:{name}"))?.is_some() => {
                    return Err(Error::new(ErrorKind::Storage, "a store that the schema has used cannot be reached")
                        .with("store", name)
                        .with_hint(
                            "its tables are dropped; drop the schema again when the store is there, or remove the store from                              the configuration if it is gone for good",
                        )
                        .with_source(error));
                }
                _ => {}
            }
        }
        Ok(())
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
         for good and this one has its rows (also after an older backup was restored), delete the object at this path",
    )
}

pub(super) fn claim_path(schema: &SchemaName) -> Result<StorePath> {
    StorePath::new(format!(".lodestore/claims/{schema}.json"))
}
