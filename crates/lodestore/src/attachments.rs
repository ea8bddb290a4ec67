//! Attachments that are fetched: written as files into the folder for downloads.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lodestore_codec::attach::{LARGEST_COMPRESSED, is_compressed, numbered_name, split};
use lodestore_codec::hash::{Checksummer, ContentHasher, verify_checksum};
use lodestore_codec::local_path;
use lodestore_objects::Store;
use lodestore_types::{Error, ErrorKind, Result, StorePath, Value};
use serde_json::Value as Json;

use crate::Instance;
use crate::local::{Scratch, failed};
use crate::placement::read_pieces;
use crate::reader::{location, missing_object};

/// A name is found in so much of an object's beginning: no file system has longer ones.
const FIRST_BYTES: u64 = 4096;

/// Writes the attachment that a column holds or names, and gives its path.
///
/// The name is the one it had, made safe; a different file of that name stays, and the attachment
/// gets a number. A file of the same content is used as it is.
///
/// # Errors
/// `MissingObject`, `Corrupt`; `Storage` if the file cannot be written.
pub(crate) fn extract(instance: &Instance, folder: Option<&Path>, column: Value) -> Result<Value> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => {
            local_path(&instance.config().get_text("download_path").unwrap_or_else(|| ".".to_owned())).as_ref().into()
        }
    };
    let folder = folder.as_path();
    fs::create_dir_all(folder).map_err(|cause| failed("use the folder for downloads", folder, cause))?;
    let mut scratch = Scratch::new(folder)?;
    let name = match column {
        Value::Bytes(payload) => {
            let (name, content) = split(payload)?;
            scratch.write(&content)?;
            name
        }
        column => download(instance, &column, &mut scratch)?,
    };
    let path = keep(&scratch, folder, &name)?;
    let text = path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::new(ErrorKind::Storage, format!("the folder for downloads `{}` is no Unicode text", folder.display()))
    })?;
    Ok(Value::Text(text))
}

/// Writes the content of an object into `scratch` piece by piece, checks it, and gives its name.
fn download(instance: &Instance, column: &Value, scratch: &mut Scratch) -> Result<String> {
    let (store, path) = location(column)?;
    let store = instance.store(&store)?;
    let locate = |error: Error| error.with("store", store.name()).with("path", &path);
    let size = store.size(&path)?.ok_or_else(|| missing_object(store.name(), &path))?;
    let mut head = Vec::new();
    let keep_head = &mut |piece: &[u8]| {
        head.extend_from_slice(piece);
        Ok(())
    };
    read_pieces(&*store, &path, 0..size.min(FIRST_BYTES), keep_head)?;
    if is_compressed(&head) {
        return download_compressed(&*store, &path, size, column, scratch).map_err(locate);
    }
    let (name, content) = split(Bytes::from(head.clone())).map_err(locate)?;
    let start = (head.len() - content.len()) as u64;
    let (mut checksummer, mut hasher) = (Checksummer::default(), ContentHasher::default());
    checksummer.update(&head[..start as usize]);
    hasher.update(&head[..start as usize]);
    let there = read_pieces(&*store, &path, start..size, &mut |piece| {
        checksummer.update(piece);
        hasher.update(piece);
        scratch.write(piece)
    })?;
    if !there {
        return Err(missing_object(store.name(), &path));
    }
    check(column, &path, checksummer, hasher).map_err(locate)?;
    Ok(name)
}

/// Like [`download`], of what is compressed: that is read whole, since it is not large.
fn download_compressed(
    store: &dyn Store,
    path: &StorePath,
    size: u64,
    column: &Value,
    scratch: &mut Scratch,
) -> Result<String> {
    let mut framed = Vec::new();
    let there = read_pieces(store, path, 0..size.min(LARGEST_COMPRESSED), &mut |piece| {
        framed.extend_from_slice(piece);
        Ok(())
    })?;
    if !there {
        return Err(missing_object(store.name(), path));
    }
    let (mut checksummer, mut hasher) = (Checksummer::default(), ContentHasher::default());
    checksummer.update(&framed);
    hasher.update(&framed);
    check(column, path, checksummer, hasher)?;
    let (name, content) = split(framed.into())?;
    scratch.write(&content)?;
    Ok(name)
}

fn check(column: &Value, path: &StorePath, checksummer: Checksummer, hasher: ContentHasher) -> Result<()> {
    let Value::Json(Json::Object(told)) = column else { return Ok(()) };
    let text = |key: &str| told.get(key).and_then(Json::as_str);
    match (text("checksum"), text("hash")) {
        (Some(expected), _) => verify_checksum(&checksummer.finish(), expected),
        (None, Some(expected)) => {
            let found = hasher.finish();
            if found == expected {
                return Ok(());
            }
            Err(Error::new(
                ErrorKind::Corrupt,
                format!("hash mismatch: expected `{expected}`, got `{found}`, the data at `{path}` may be corrupted"),
            )
            .with_hint("restore the object from a backup, or insert the same file again"))
        }
        (None, None) => Err(Error::new(ErrorKind::Corrupt, "the column's JSON tells no `hash`")),
    }
}

/// Gives the file its name, or a numbered one if a different file has it.
fn keep(scratch: &Scratch, folder: &Path, name: &str) -> Result<PathBuf> {
    let mut number = 0;
    loop {
        let candidate = if number == 0 { name.to_owned() } else { numbered_name(name, number) };
        let target = folder.join(candidate);
        if scratch.publish(&target)? || scratch.equals(&target) {
            return Ok(target);
        }
        number += 1;
    }
}
