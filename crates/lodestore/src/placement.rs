//! Giving objects their place in a store, and writing them there.

use std::collections::HashSet;
use std::sync::Arc;

use lodestore_codec::hash::{Checksummer, checksum, hash_and_checksum};
use lodestore_codec::manifest::{Entry, Manifest};
use lodestore_codec::object::timestamp;
use lodestore_codec::path::{ObjectPlace, PartitionPattern, hash_path, new_token, object_path};
use lodestore_codec::{Addressing, Chain, Context, NewFolder, NewObject, Placed, PlacedFolder};
use lodestore_objects::{Put, PutMode, PutOutcome, Store, each, put_all};
use lodestore_types::{
    Error, ErrorKind, FullTableName, Payload, Result, SchemaName, StorePath, TableName, Timestamp, Value,
};
use rayon::prelude::*;
use serde_json::Value as Json;

use crate::Instance;
use crate::config::StoreSpec;
use crate::lifecycle::Object;
use crate::transaction::Fresh;

/// So much of an object is read at a time, where it is compared with what it should be.
pub(crate) const PIECE: u64 = 8 << 20;
/// An object that must be fetched over a network is compared in full only up to this size.
const CHEAP: u64 = 1 << 20;

/// Of larger objects the checksum is taken while they are written.
const LARGE: u64 = 4 << 20;

/// A store with its settings.
pub(crate) struct Target {
    pub(crate) spec: StoreSpec,
    pub(crate) store: Arc<dyn Store>,
}

/// Objects with their places, ready to be written, and what their row will say of them.
pub(crate) struct Upload {
    store: Arc<dyn Store>,
    /// The path that the row names.
    path: StorePath,
    objects: Vec<Part>,
    /// Written when all others are: with it a folder is complete.
    last: Option<Part>,
    shared: bool,
    column: Column,
}

/// What a row will say of its object.
enum Column {
    Known(Value),
    /// Told when the checksum is known, which is taken while the object is written.
    Pending(Box<Pending>),
}

struct Pending {
    chain: Chain,
    object: NewObject,
    placed: Placed,
}

impl Column {
    fn new(chain: &Chain, object: &NewObject, placed: &Placed) -> Self {
        Column::Known(Value::Json(Json::Object(chain.column(object, placed))))
    }

    fn told(self) -> Result<Value> {
        match self {
            Column::Known(value) => Ok(value),
            Column::Pending(mut pending) => {
                pending.placed.checksum = checksum(&pending.object.payload)?;
                Ok(Value::Json(Json::Object(pending.chain.column(&pending.object, &pending.placed))))
            }
        }
    }
}

impl Upload {
    /// The checksum of the object, if it is a single one and the checksum is known.
    pub(crate) fn checksum(&self) -> Option<&str> {
        match &self.objects[..] {
            [part] if self.last.is_none() => part.checksum.as_deref(),
            _ => None,
        }
    }

    fn fresh(&self) -> Fresh {
        let (store, path) = (self.store.clone(), self.path.clone());
        match (self.shared, &self.last) {
            (true, _) => Fresh::shared(store, path),
            (false, Some(_)) => Fresh::tree(store, path),
            (false, None) => Fresh::object(store, path),
        }
    }

    /// Puts content at another path than that of its hash alone.
    fn move_to(&mut self, path: StorePath) {
        if let Column::Known(Value::Json(Json::Object(column))) = &mut self.column {
            column.insert("path".into(), path.as_str().into());
        }
        for part in &mut self.objects {
            part.path = path.clone();
        }
        self.path = path;
    }
}

struct Part {
    path: StorePath,
    payload: Payload,
    /// `None` if it is taken while the object is written.
    checksum: Option<String>,
}

/// The path of a new object of one row, which no other object has.
///
/// # Errors
/// `InvalidName`, `InvalidValue` if schema, key and settings make no path.
pub(crate) fn fresh_path(
    spec: &StoreSpec,
    schema: &str,
    table: &TableName,
    context: &Context,
    extension: &str,
) -> Result<StorePath> {
    let partition = spec.partition_pattern.as_deref().map(PartitionPattern::parse).transpose()?;
    object_path(&ObjectPlace {
        prefix: &spec.schema_prefix,
        partition: partition.as_ref(),
        schema,
        table,
        key: &context.key,
        attribute: &context.attribute,
        token: &new_token(spec.token_length),
        extension,
    })
}

/// Chooses the place of an object. Nothing is written; a file is read once, for its checksum, unless that `may_wait`.
///
/// # Errors
/// `InvalidName` if schema, key and settings make no path; `Storage` if a file cannot be read.
pub(crate) fn place(
    target: &Target,
    table: &FullTableName,
    context: &Context,
    chain: &Chain,
    object: NewObject,
    may_wait: bool,
) -> Result<Upload> {
    match &object.addressing {
        Addressing::Hash => {
            let (hash, checksum) = hash_and_checksum(&object.payload)?;
            place_hashed(target, table, chain, object, hash, checksum)
        }
        Addressing::Schema { extension } => {
            let path = fresh_path(&target.spec, table.schema.as_str(), &table.table, context, extension)?;
            let wait = may_wait && object.payload.size() >= LARGE;
            let checksum = if wait { None } else { Some(checksum(&object.payload)?) };
            Ok(placed_at(target, table, chain, object, path, None, checksum))
        }
    }
}

/// Like [`place`], for content of which hash and checksum are known.
///
/// # Errors
/// `InvalidName` if schema and settings make no path.
pub(crate) fn place_hashed(
    target: &Target,
    table: &FullTableName,
    chain: &Chain,
    object: NewObject,
    hash: String,
    checksum: String,
) -> Result<Upload> {
    let spec = &target.spec;
    let path = hash_path(&spec.hash_prefix, table.schema.as_str(), &spec.subfolding, &hash)?;
    Ok(placed_at(target, table, chain, object, path, Some(hash), Some(checksum)))
}

fn placed_at(
    target: &Target,
    table: &FullTableName,
    chain: &Chain,
    object: NewObject,
    path: StorePath,
    hash: Option<String>,
    checksum: Option<String>,
) -> Upload {
    let Target { spec, store } = target;
    let placed = Placed {
        schema: table.schema.to_string(),
        store: spec.name.clone(),
        path: path.clone(),
        size: object.payload.size(),
        checksum: checksum.clone().unwrap_or_default(),
        hash,
    };
    let shared = object.addressing == Addressing::Hash;
    // The copy of a payload names the same bytes.
    let objects = vec![Part { path: path.clone(), payload: object.payload.clone(), checksum }];
    let column = match &objects[0].checksum {
        Some(_) => Column::new(chain, &object, &placed),
        None => Column::Pending(Box::new(Pending { chain: chain.clone(), object, placed })),
    };
    Upload { store: store.clone(), path, objects, last: None, shared, column }
}

/// Like [`place`], for a folder and the manifest beside it.
///
/// # Errors
/// As [`place`].
pub(crate) fn place_folder(
    target: &Target,
    table: &FullTableName,
    context: &Context,
    chain: &Chain,
    folder: NewFolder,
) -> Result<Upload> {
    let Target { spec, store } = target;
    let path = fresh_path(spec, table.schema.as_str(), &table.table, context, &folder.extension)?;
    let part = |(inner, payload): &(String, Payload)| {
        let checksum = Some(checksum(payload)?);
        Ok(Part { path: path.join(inner)?, payload: payload.clone(), checksum })
    };
    let objects = folder.files.par_iter().map(part).collect::<Result<Vec<_>>>()?;
    let entry = |((inner, payload), part): (&(String, Payload), &Part)| Entry {
        path: inner.clone(),
        size: payload.size(),
        checksum: part.checksum.clone(),
    };
    let entries = folder.files.iter().zip(&objects).map(entry).collect();
    let manifest = Manifest::new(entries, timestamp(Timestamp::now()))?;
    let payload = Payload::from(manifest.to_bytes());
    let manifest_checksum = checksum(&payload)?;
    let last = Part { path: Manifest::path_for(&path)?, checksum: Some(manifest_checksum.clone()), payload };
    let placed = PlacedFolder {
        store: spec.name.clone(),
        path: path.clone(),
        size: manifest.total_size(),
        item_count: manifest.entries().len() as u64,
        manifest: manifest_checksum,
    };
    let column = Column::Known(Value::Json(Json::Object(chain.folder_column(&folder, &placed))));
    Ok(Upload { store: store.clone(), path, objects, last: Some(last), shared: false, column })
}

/// Writes objects of a schema, many at once, and gives what each row is to say, in order. Before the first one is
/// written, the journal says which they are.
///
/// `fresh` gathers the objects, each with the number that its upload has, also when it fails midway: they are the
/// caller's to discard if their rows do not come to be.
///
/// # Errors
/// `Storage`, and those of the journal; some of the objects may then have been written.
pub(crate) fn write_all(
    instance: &Instance,
    schema: &SchemaName,
    mut uploads: Vec<(usize, Upload)>,
    fresh: &mut Vec<(usize, Fresh)>,
) -> Result<Vec<Value>> {
    intend(instance, schema, &mut uploads, fresh)?;
    let mut columns = Vec::with_capacity(uploads.len());
    let mut met = HashSet::new();
    let mut first = Vec::new();
    let mut then = Vec::new();
    for (_, upload) in uploads {
        columns.push(upload.column);
        let parts = upload.objects.into_iter().map(|part| (false, part));
        for (is_last, part) in parts.chain(upload.last.map(|part| (true, part))) {
            if upload.shared && !met.insert((upload.store.name().to_owned(), part.path.clone())) {
                continue;
            }
            let checksum = part.checksum.filter(|_| upload.shared);
            let put =
                Put { store: upload.store.clone(), path: part.path, payload: part.payload.0, mode: PutMode::Fill };
            if is_last { &mut then } else { &mut first }.push((checksum, put));
        }
    }
    if columns.iter().all(|column| matches!(column, Column::Known(_))) {
        write(first)?;
        write(then)?;
        return columns.into_iter().map(Column::told).collect();
    }
    std::thread::scope(|scope| {
        let told = scope.spawn(|| columns.into_par_iter().map(Column::told).collect::<Result<Vec<Value>>>());
        write(first)?;
        write(then)?;
        told.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a checksum could not be taken")))
    })
}

/// Writes down what is about to be written or relied on; content whose path is condemned gets another.
fn intend(
    instance: &Instance,
    schema: &SchemaName,
    uploads: &mut [(usize, Upload)],
    fresh: &mut Vec<(usize, Fresh)>,
) -> Result<()> {
    let mut stores: Vec<&Arc<dyn Store>> = Vec::new();
    for (_, upload) in &*uploads {
        if !stores.iter().any(|known| Arc::ptr_eq(known, &upload.store)) {
            stores.push(&upload.store);
        }
    }
    stores.into_iter().try_for_each(|store| instance.claim(schema, store))?;
    let mut waiting: Vec<usize> = (0..uploads.len()).collect();
    while !waiting.is_empty() {
        let own: Vec<(usize, Fresh)> = waiting.iter().map(|at| (uploads[*at].0, uploads[*at].1.fresh())).collect();
        let mut met = HashSet::new();
        let objects: Vec<Object> =
            own.iter().filter_map(|(_, fresh)| fresh.as_object()).filter(|object| met.insert(object.clone())).collect();
        // A batch of intents covers many objects: each stands for all of them.
        let intents = instance.intend(schema, objects)?;
        fresh.extend(own.into_iter().enumerate().map(|(at, (number, own))| {
            let intent = &intents[at % intents.len()];
            (number, own.intended(intent))
        }));
        let shared: Vec<&StorePath> = waiting
            .iter()
            .map(|at| &uploads[*at].1)
            .filter(|upload| upload.shared)
            .map(|upload| &upload.path)
            .collect();
        let moved = instance.moved(schema, &shared)?;
        waiting.retain(|at| match moved.get(&uploads[*at].1.path) {
            Some(path) if uploads[*at].1.shared => {
                uploads[*at].1.move_to(path.clone());
                true
            }
            _ => false,
        });
    }
    Ok(())
}

/// Writes objects; those with a checksum may be there already.
fn write(objects: Vec<(Option<String>, Put)>) -> Result<()> {
    let (shared, puts): (Vec<Option<String>>, Vec<Put>) = objects.into_iter().unzip();
    let mut relied = Vec::new();
    for ((shared, put), outcome) in shared.into_iter().zip(&puts).zip(put_all(&puts)?) {
        if outcome == PutOutcome::AlreadyThere {
            relied.push((put, shared.ok_or_else(|| taken(put))?));
        }
    }
    let whole = each(&relied, |(put, _)| &put.store, |(put, checksum)| is_whole(put, checksum))?;
    let mut anew = Vec::new();
    for ((put, _), whole) in relied.into_iter().zip(whole) {
        if !whole? {
            anew.push(Put { mode: PutMode::Replace, ..put.clone() });
        }
    }
    put_all(&anew).map(drop)
}

/// True if an object of the same hash that is there already is whole: its size always counts, and its content where that
/// costs little.
fn is_whole(put: &Put, expected: &str) -> Result<bool> {
    let size: u64 = put.payload.iter().map(lodestore_types::Segment::size).sum();
    if put.store.local_path(&put.path).is_some() {
        return Ok(put.store.size(&put.path)? == Some(size)
            && stored_checksum(&*put.store, &put.path, size)?.is_some_and(|found| found == expected));
    }
    if size > CHEAP {
        return Ok(put.store.size(&put.path)? == Some(size));
    }
    let Some(found) = put.store.get(&put.path)? else { return Ok(false) };
    Ok(found.len() as u64 == size && checksum(&Payload::from(found))? == expected)
}

/// The checksum of an object in its store, read piece by piece; `None` if it is not there or ends early.
pub(crate) fn stored_checksum(store: &dyn Store, path: &StorePath, size: u64) -> Result<Option<String>> {
    let mut checksummer = Checksummer::default();
    let found = read_pieces(store, path, 0..size, &mut |piece| {
        checksummer.update(piece);
        Ok(())
    });
    match found {
        Ok(true) => Ok(Some(checksummer.finish())),
        Ok(false) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a stretch of an object piece by piece; false if the object is not there.
///
/// # Errors
/// Those of the store and of `piece`; `Corrupt` if the object ends before the stretch does.
pub(crate) fn read_pieces(
    store: &dyn Store,
    path: &StorePath,
    range: std::ops::Range<u64>,
    piece: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<bool> {
    // Over a network several requests at once fetch a piece.
    let length = if store.local_path(path).is_some() { PIECE } else { 8 * PIECE };
    let mut at = range.start;
    loop {
        let end = range.end.min(at + length);
        let Some(parts) = store.get_ranges(path, std::slice::from_ref(&(at..end)))? else { return Ok(false) };
        for part in &parts {
            piece(part)?;
        }
        at = end;
        if at >= range.end {
            return Ok(true);
        }
    }
}

fn taken(put: &Put) -> Error {
    Error::new(ErrorKind::Storage, "the path of a new object is taken by another")
        .with("store", put.store.name())
        .with("path", &put.path)
        .with_hint("insert again: it will get another path; a greater `token_length` makes this rarer")
}
