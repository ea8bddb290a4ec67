//! References as values: a row copied from one table to another takes its objects along.

use lodestore_codec::{Addressing, Encoded, NewFolder, NewObject};
use lodestore_objects::Store;
use lodestore_types::{Error, FileSegment, Payload, Reference, Result, Segment, StorePath};
use serde_json::{Map, Value as Json};

use crate::filepath::check_named;
use crate::reader::missing_object;
use crate::{Instance, ObjectRef};

/// What every codec writes anew for the copy.
const WRITTEN_ANEW: [&str; 7] = ["size", "checksum", "manifest", "ext", "is_dir", "item_count", "timestamp"];

/// A new object of the same content as the one that a reference names. Objects under paths of their own belong to their
/// row, so that the copy of a row needs copies of them.
///
/// # Errors
/// `MissingObject`; `Corrupt` if it is not what its row says; `Storage`.
pub(crate) fn copied(instance: &Instance, reference: &Reference) -> Result<Encoded> {
    check_named(instance, reference, &reference.path)?;
    let store = instance.store(&reference.store)?;
    let metadata = reference.metadata.iter().filter(|(key, _)| !WRITTEN_ANEW.contains(&key.as_str()));
    let metadata: Map<String, Json> = metadata.map(|(key, value)| (key.clone(), value.clone())).collect();
    let extension = match reference.codec.as_str() {
        "npy" => ".npy",
        _ => reference.metadata.get("ext").and_then(Json::as_str).unwrap_or_default(),
    };
    let extension = extension.to_owned();
    let object = ObjectRef::open(instance, reference.clone());
    let locate = |error: Error| error.with("store", &reference.store).with("path", &reference.path);
    if !object.is_folder() {
        let payload = payload_of(&*store, &reference.path).map_err(locate)?;
        return Ok(Encoded::Object(NewObject { addressing: Addressing::Schema { extension }, payload, metadata }));
    }
    object.examine()?;
    let file = |inner: String| {
        let payload = payload_of(&*store, &reference.path.join(&inner)?).map_err(locate)?;
        Ok((inner, payload))
    };
    let files = object.files(None)?.into_keys().map(file).collect::<Result<_>>()?;
    Ok(Encoded::Folder(NewFolder { extension, files, metadata }))
}

/// The content of an object: the file that holds it, or else its bytes.
pub(crate) fn payload_of(store: &dyn Store, path: &StorePath) -> Result<Payload> {
    let missing = || missing_object(store.name(), path);
    let segment: Segment = match store.local_path(path) {
        Some(_) if store.size(path)?.is_none() => return Err(missing()),
        Some(file) => FileSegment::open(file)?.into(),
        None => store.get(path)?.ok_or_else(missing)?.into(),
    };
    Ok(Payload(vec![segment]))
}
