//! How a store tells names apart: some file systems ignore letter case, or the composition of accents.
//!
//! That is found out by trying once for each store, and recorded in it, as `.lodestore/names.json`.

use std::sync::{Arc, PoisonError};

use lodestore_codec::path::Spelling;
use lodestore_objects::{PutMode, Store};
use lodestore_types::{Result, StorePath, Uuid};
use serde_json::{Value as Json, json};

use crate::Instance;

/// Two names for one file where letter case, or composition, does not count.
const PAIRS: [(&str, &str); 2] = [("Aa", "aA"), ("\u{e9}", "e\u{301}")];

impl Instance {
    /// How a store tells names apart.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) fn spelling(&self, store: &Arc<dyn Store>) -> Result<Spelling> {
        let url = store.url(None);
        // Buckets tell names apart by their bytes.
        if store.local_path(&StorePath::new("x")?).is_none() && url.contains("://") && !url.starts_with("file:") {
            return Ok(Spelling::Exact);
        }
        if let Some(known) = self.lifecycle().spellings.lock().unwrap_or_else(PoisonError::into_inner).get(&url) {
            return Ok(*known);
        }
        let record = StorePath::new(".lodestore/names.json")?;
        let told: Option<Json> = store.get(&record)?.and_then(|found| serde_json::from_slice(&found).ok());
        let spelling = match told.as_ref().and_then(|told| told["fold"].as_bool()) {
            Some(folds) => {
                if folds {
                    Spelling::Folding
                } else {
                    Spelling::Exact
                }
            }
            // Nothing is written to what may be the mount point of a disk that is not mounted.
            None if store.head(&StorePath::new(super::marker::MARKER)?)?.is_none() => return Ok(Spelling::Exact),
            None => {
                let folds = folds(&**store)?;
                store.put(&record, &[json!({ "fold": folds }).to_string().into_bytes().into()], PutMode::Replace)?;
                if folds { Spelling::Folding } else { Spelling::Exact }
            }
        };
        self.lifecycle().spellings.lock().unwrap_or_else(PoisonError::into_inner).insert(url, spelling);
        Ok(spelling)
    }
}

/// True if a store takes names for the same that differ.
fn folds(store: &dyn Store) -> Result<bool> {
    let token = Uuid::new_v4().simple().to_string();
    let mut folds = false;
    for (one, other) in PAIRS {
        let path = |name: &str| StorePath::new(format!(".lodestore/scratch-{token}-{name}"));
        let (one, other) = (path(one)?, path(other)?);
        store.put(&one, &[], PutMode::Replace)?;
        folds |= store.head(&other)?.is_some();
        // Some file systems keep the name in another form than it was given.
        let listed = store.list_level(Some(&StorePath::new(".lodestore")?))?;
        folds |= !listed.objects.iter().any(|entry| entry.path == one);
        store.delete(&one)?;
    }
    Ok(folds)
}
