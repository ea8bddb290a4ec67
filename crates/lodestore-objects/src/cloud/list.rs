//! Listing a folder and all below it, read ahead of whoever asks by a page or so.

use futures_util::StreamExt;
use lodestore_types::{Result, StorePath};
use object_store::path::Path;
use tokio::sync::mpsc::{Receiver, channel};

use super::runtime::{runtime, wait};
use super::store::CloudStore;
use crate::Entry;

/// So many objects are listed ahead.
const AHEAD: usize = 1000;

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
        let mut listed = live.client.list(folder.as_ref());
        runtime()?.spawn(async move {
            while let Some(item) = listed.next().await {
                if sender.send(item).await.is_err() {
                    break;
                }
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
