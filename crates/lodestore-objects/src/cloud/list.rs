//! Listing a folder and all below it, read ahead of whoever asks by a page or so.

use std::time::Duration;

use futures_util::StreamExt;
use lodestore_types::{Result, StorePath};
use object_store::path::Path;
use tokio::sync::mpsc::{Receiver, channel};

use super::runtime::{runtime, wait};
use super::store::CloudStore;
use crate::Entry;

/// So many objects are listed ahead.
const AHEAD: usize = 1000;
/// So often in a row a page may break off,
const FAILURES: u32 = 4;
/// and so long, times the failures, is waited before the next attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// A listing; the requests end when it is dropped.
pub(super) struct Listing<'a> {
    store: &'a CloudStore,
    folder: Option<Path>,
    found: Option<Receiver<object_store::Result<object_store::ObjectMeta>>>,
}

impl<'a> Listing<'a> {
    /// Begins to list; no request has been made yet when this returns.
    pub(super) fn begin(store: &'a CloudStore, folder: Option<&StorePath>) -> Result<Self> {
        let (live, folder) = (store.live()?, store.folder_key(folder)?);
        let (sender, found) = channel(AHEAD);
        let prefix = folder.clone();
        runtime()?.spawn(async move {
            let mut last: Option<Path> = None;
            let mut failures = 0;
            loop {
                // A page that breaks off is no end: the listing goes on behind the last object that was told.
                let mut listed = match &last {
                    None => live.client.list(prefix.as_ref()),
                    Some(last) => live.client.list_with_offset(prefix.as_ref(), last),
                };
                loop {
                    match listed.next().await {
                        None => return,
                        Some(Err(object_store::Error::Generic { .. })) if failures < FAILURES => break,
                        Some(item) => {
                            if let Ok(meta) = &item {
                                (last, failures) = (Some(meta.location.clone()), 0);
                            }
                            if sender.send(item).await.is_err() {
                                return;
                            }
                        }
                    }
                }
                failures += 1;
                tokio::time::sleep(PAUSE * failures).await;
            }
        });
        Ok(Listing { store, folder, found: Some(found) })
    }
}

impl Iterator for Listing<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = self.found.as_mut()?;
            // What has arrived already is taken without entering the runtime.
            let item = match found.try_recv() {
                Ok(item) => Some(item),
                Err(_) => match wait(async { Ok(found.recv().await) }) {
                    Ok(item) => item,
                    Err(error) => {
                        self.found = None;
                        return Some(Err(error));
                    }
                },
            };
            match item? {
                // Some programs mark a folder by an empty object of its name: that is not in it.
                Ok(meta) if Some(&meta.location) == self.folder.as_ref() => {}
                Ok(meta) => {
                    // An object whose key no path can hold is none of ours.
                    if let Some(entry) = self.store.entry(&meta) {
                        return Some(Ok(entry));
                    }
                }
                Err(error) => {
                    self.found = None;
                    return Some(Err(self.store.fail("list a folder of the store", &error)));
                }
            }
        }
    }
}
