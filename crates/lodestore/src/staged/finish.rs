//! From what was written to what the row says of it.
//!
//! What counts is what the store holds when the row goes in. Of what this process wrote itself the checksums are known;
//! what another process wrote is read for its own.

use std::collections::BTreeMap;

use lodestore_codec::hash;
use lodestore_codec::manifest::{Entry, Manifest};
use lodestore_codec::npy::{Header, metadata_of};
use lodestore_codec::object::timestamp;
use lodestore_codec::{Addressing, Context, Encoded, NewFolder, NewObject, Placed, PlacedFolder, on_all_cores};
use lodestore_types::{Error, ErrorKind, Payload, Result, StorePath, Timestamp, Value};
use rayon::prelude::*;
use serde_json::{Map, Value as Json};

use super::object::{Kind, StagedObject};
use crate::placement::{Upload, place_hashed, stored_checksum};

/// So much of a file is read to find the header of its array.
const FIRST_BYTES: u64 = 256;

/// What becomes of a staged object in its row.
pub(crate) enum Finished {
    /// It is where it stays: the column that says so.
    Column(Value),
    /// Content that is to be placed by its hash.
    Upload(Upload),
}

impl StagedObject {
    /// What the row of `context` says of the object, which must be complete.
    ///
    /// # Errors
    /// `InvalidRequest` if nothing was written, if a file is still open, or for another row than its own; `Corrupt` or
    /// `InvalidValue` if what was written is no array where one should be; `Storage`.
    pub(crate) fn finish(&self, context: &Context) -> Result<Finished> {
        let finished = self.try_finish(context).map_err(|error| self.locate(error))?;
        if let Finished::Column(column) = &finished {
            self.state().column = Some(column.clone());
        }
        Ok(finished)
    }

    fn try_finish(&self, context: &Context) -> Result<Finished> {
        self.check_pending()?;
        self.check_key(context)?;
        let state = self.state();
        let fault = match &*state {
            state if state.open > 0 => Some(("is still open", "close it before the row goes in")),
            state if state.given_up => Some(("was opened and not closed", "close it, or write it in a `with` block")),
            _ => None,
        };
        drop(state);
        if let Some((what, hint)) = fault {
            let message = format!("`{}` {what}: it would not be whole", self.attribute());
            return Err(Error::new(ErrorKind::InvalidRequest, message).with_hint(hint));
        }
        if self.0.kind != Kind::Content {
            self.store().make_durable(self.path())?;
        }
        match self.0.kind {
            Kind::Content => self.content(context).map(Finished::Upload),
            Kind::Array => self.array().map(Finished::Column),
            Kind::Object => {
                let store = self.store();
                let files = self.files()?;
                match (store.size(self.path())?, files.is_empty()) {
                    (None, true) => Err(self.never_written()),
                    (Some(size), true) => self.single(size, self.0.extension.clone(), Map::new()).map(Finished::Column),
                    (None, false) => self.folder(files).map(Finished::Column),
                    (Some(_), false) => {
                        Err(Error::new(ErrorKind::InvalidRequest, "it was written both as a file and as a folder"))
                    }
                }
            }
        }
    }

    fn never_written(&self) -> Error {
        let message = format!("`{}` was staged and never written", self.attribute());
        Error::new(ErrorKind::InvalidRequest, message)
            .with_hint("write something to what `store()` or `open()` gave, or do not ask for it")
    }

    /// The files of the folder by their paths in it, with their sizes.
    fn files(&self) -> Result<BTreeMap<String, u64>> {
        let inner = |path: &StorePath| path.as_str()[self.path().as_str().len()..].trim_start_matches('/').to_owned();
        let entries = self.store().list(Some(self.path()))?;
        let files = entries.map(|entry| entry.map(|entry| (inner(&entry.path), entry.size)));
        files.filter(|file| file.as_ref().is_ok_and(|(inner, _)| !inner.is_empty()) || file.is_err()).collect()
    }

    fn checksum(&self, path: &StorePath, size: u64) -> Result<String> {
        if let Some(known) = self.remembered(path, size) {
            return Ok(known);
        }
        let found = stored_checksum(&**self.store(), path, size)?;
        found.ok_or_else(|| Error::new(ErrorKind::InvalidRequest, format!("`{path}` was removed or changed meanwhile")))
    }

    fn single(&self, size: u64, extension: String, metadata: Map<String, Json>) -> Result<Value> {
        let addressing = Addressing::Schema { extension };
        let placed = Placed {
            schema: self.0.table.schema.to_string(),
            store: self.0.target.spec.name.clone(),
            path: self.path().clone(),
            size,
            checksum: self.checksum(self.path(), size)?,
            hash: None,
        };
        let object = NewObject { addressing, payload: Payload::default(), metadata };
        Ok(Value::Json(Json::Object(self.0.chain.column(&object, &placed))))
    }

    fn array(&self) -> Result<Value> {
        let path = self.path();
        let size = self.store().size(path)?.ok_or_else(|| self.never_written())?;
        let start = |length: u64| -> Result<_> {
            let parts =
                self.store().get_ranges(path, std::slice::from_ref(&(0..length.min(size))))?.unwrap_or_default();
            Ok(parts.into_iter().next().unwrap_or_default())
        };
        let first = start(FIRST_BYTES)?;
        let length = Header::length_of(&first)? as u64;
        let header = Header::parse(&if length <= first.len() as u64 { first } else { start(length)? })?;
        let whole = (header.length + header.data_size()?) as u64;
        if size != whole {
            let message = format!("the `.npy` file has {size} bytes, its header tells of {whole}");
            return Err(Error::new(ErrorKind::InvalidValue, message).with_hint("write exactly one array to it"));
        }
        self.single(size, ".npy".to_owned(), metadata_of(&header))
    }

    fn folder(&self, files: BTreeMap<String, u64>) -> Result<Value> {
        let entry = |(inner, size): (String, u64)| {
            let checksum = Some(self.checksum(&self.path().join(&inner)?, size)?);
            Ok(Entry { path: inner, size, checksum })
        };
        let entries = on_all_cores(files.len(), || files.into_par_iter().map(entry).collect::<Result<Vec<_>>>())?;
        let manifest = Manifest::new(entries, timestamp(Timestamp::now()))?;
        let content = manifest.to_bytes();
        let beside = Manifest::path_for(self.path())?;
        self.write(beside.clone(), content.clone().into())?;
        self.store().make_durable(&beside)?;
        let placed = PlacedFolder {
            store: self.0.target.spec.name.clone(),
            path: self.path().clone(),
            size: manifest.total_size(),
            item_count: manifest.entries().len() as u64,
            manifest: hash::checksum(&content.into())?,
        };
        let folder = NewFolder { extension: self.0.extension.clone(), files: Vec::new(), metadata: Map::new() };
        Ok(Value::Json(Json::Object(self.0.chain.folder_column(&folder, &placed))))
    }

    fn content(&self, context: &Context) -> Result<Upload> {
        let state = self.state();
        let content = state.content.as_ref().ok_or_else(|| self.never_written())?;
        let hashing = self.0.chain.codecs().last().map(|codec| codec.encode_payload(content.payload.clone(), context));
        let Some(Encoded::Object(object)) = hashing.transpose()? else {
            return Err(Error::new(ErrorKind::Internal, "the codec made no object of staged content"));
        };
        let (hash, checksum) = (content.hash.clone(), content.checksum.clone());
        place_hashed(&self.0.target, &self.0.table, &self.0.chain, object, hash, checksum)
    }
}
