//! Giving objects their place in a store, and writing them there.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use lodestore_codec::hash::{Checksummer, ContentHasher, checksum, hash_and_checksum};
use lodestore_codec::manifest::{Entry, Manifest};
use lodestore_codec::object::timestamp;
use lodestore_codec::path::{ObjectPlace, PartitionPattern, Spelling, hash_path, new_token, object_path};
use lodestore_codec::{Addressing, Chain, Context, NewFolder, NewObject, Placed, PlacedFolder, on_all_cores};
use lodestore_objects::{Put, PutMode, PutOutcome, Store, each, in_parallel, put_all};
use lodestore_types::{
    Error, ErrorKind, FullTableName, Payload, Result, SchemaName, StorePath, TableName, Timestamp, Value,
};
use rayon::prelude::*;
use serde_json::Value as Json;

use crate::Instance;
use crate::config::StoreSpec;
use crate::lifecycle::{Object, next_generation};
use crate::transaction::Fresh;

/// So much of an object is read at a time, where it is compared with what it should be.
pub(crate) const PIECE: u64 = 8 << 20;
/// An object on a network store is read up to this size in bytes; for a larger one its recorded checksum is asked for
/// first.
const CHEAP: u64 = 1 << 20;

/// Random tokens tried for the path of one object.
const TOKENS: usize = 16;

/// Of larger objects the checksum is taken while they are written.
const LARGE: u64 = 4 << 20;

/// A store with its settings.
pub(crate) struct Target {
    pub(crate) spec: StoreSpec,
    pub(crate) store: Arc<dyn Store>,
    /// How it tells names apart.
    pub(crate) spelling: Spelling,
}

impl Target {
    /// The store of this name, or the default one, claimed for the objects of a schema.
    ///
    /// # Errors
    /// `UnknownStore`, `InvalidConfig`; `Storage` if the store cannot be opened or asked; as [`Instance::claim`].
    pub(crate) fn open(instance: &Instance, store: Option<&str>, schema: Option<&SchemaName>) -> Result<Self> {
        let spec = instance.store_spec(store, false)?;
        let store = instance.store(&spec.name)?;
        // First: nothing is written to a store that is not the known one.
        schema.map(|schema| instance.claim(schema, &store)).transpose()?;
        let spelling = instance.spelling(&store)?;
        Ok(Target { spec, store, spelling })
    }
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
    /// True once the store has said that it wrote all of it here: until then another object may be at its path.
    own: Arc<AtomicBool>,
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
            (false, Some(_)) => Fresh::tree(store, path).owned_once(&self.own),
            (false, None) => Fresh::object(store, path).owned_once(&self.own),
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
    target: &Target,
    schema: &str,
    table: &TableName,
    context: &Context,
    extension: &str,
) -> Result<StorePath> {
    let spec = &target.spec;
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
        spelling: target.spelling,
    })
}

/// Like [`fresh_path`], for an object that is written in place: nothing is at the path, nor below it. The random token
/// may be that of an object of the same row.
///
/// # Errors
/// As [`fresh_path`]; `Storage`.
pub(crate) fn free_path(
    target: &Target,
    schema: &str,
    table: &TableName,
    context: &Context,
    extension: &str,
) -> Result<StorePath> {
    for _ in 0..TOKENS {
        let path = fresh_path(target, schema, table, context, extension)?;
        if target.store.head(&path)?.is_none() && target.store.list(Some(&path))?.next().transpose()?.is_none() {
            return Ok(path);
        }
    }
    Err(Error::new(ErrorKind::Storage, "every random token is that of another object")
        .with("store", &target.spec.name)
        .with_hint("increase `token_length` of the store"))
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
            let path = fresh_path(target, table.schema.as_str(), &table.table, context, extension)?;
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
    let Target { spec, store, .. } = target;
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
    Upload { store: store.clone(), path, objects, last: None, shared, own: Arc::default(), column }
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
    let Target { spec, store, .. } = target;
    let path = fresh_path(target, table.schema.as_str(), &table.table, context, &folder.extension)?;
    let part = |(inner, payload): &(String, Payload)| {
        let checksum = Some(checksum(payload)?);
        Ok(Part { path: path.join(inner)?, payload: payload.clone(), checksum })
    };
    let objects = on_all_cores(folder.files.len(), || folder.files.par_iter().map(part).collect::<Result<Vec<_>>>())?;
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
    Ok(Upload { store: store.clone(), path, objects, last: Some(last), shared: false, own: Arc::default(), column })
}

/// Writes objects of a schema, many at once, and returns what each row is to say, in order. Before the first one is
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
    let is_pending = |column: &Column| matches!(column, Column::Pending(_));
    let pending: Vec<(usize, Column)> = uploads
        .iter_mut()
        .enumerate()
        .filter(|(_, (_, upload))| is_pending(&upload.column))
        .map(|(at, (_, upload))| (at, std::mem::replace(&mut upload.column, Column::Known(Value::Null))))
        .collect();
    if pending.is_empty() {
        write_uploads(instance, schema, &mut uploads, fresh)?;
        return uploads.into_iter().map(|(_, upload)| upload.column.told()).collect();
    }
    let told = std::thread::scope(|scope| {
        let told = |(at, column): (usize, Column)| Ok((at, column.told()?));
        let told = scope.spawn(move || {
            on_all_cores(pending.len(), || pending.into_par_iter().map(told).collect::<Result<Vec<_>>>())
        });
        write_uploads(instance, schema, &mut uploads, fresh)?;
        told.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a checksum could not be taken")))
    })?;
    let mut columns = uploads.into_iter().map(|(_, upload)| upload.column.told()).collect::<Result<Vec<_>>>()?;
    told.into_iter().for_each(|(at, column)| columns[at] = column);
    Ok(columns)
}

/// Writes objects; content whose path holds other content of the same hash gets the next path.
fn write_uploads(
    instance: &Instance,
    schema: &SchemaName,
    uploads: &mut [(usize, Upload)],
    fresh: &mut Vec<(usize, Fresh)>,
) -> Result<()> {
    let mut waiting: Vec<usize> = (0..uploads.len()).collect();
    while !waiting.is_empty() {
        intend(instance, schema, uploads, waiting.clone(), fresh)?;
        waiting = write(uploads, &waiting)?;
        for at in &waiting {
            let next = next_generation(&uploads[*at].1.path)?;
            uploads[*at].1.move_to(next);
        }
    }
    Ok(())
}

/// Records in the journal what is about to be written or relied on; content whose path is condemned gets another.
fn intend(
    instance: &Instance,
    schema: &SchemaName,
    uploads: &mut [(usize, Upload)],
    mut waiting: Vec<usize>,
    fresh: &mut Vec<(usize, Fresh)>,
) -> Result<()> {
    let mut stores: Vec<&Arc<dyn Store>> = Vec::new();
    for at in &waiting {
        let store = &uploads[*at].1.store;
        if !stores.iter().any(|known| Arc::ptr_eq(known, store)) {
            stores.push(store);
        }
    }
    stores.into_iter().try_for_each(|store| instance.claim(schema, store))?;
    while !waiting.is_empty() {
        let parted = part_equal_paths(uploads)?;
        waiting.extend(parted);
        waiting.sort_unstable();
        waiting.dedup();
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

/// Moves contents of equal hash that differ to paths of their own; returns which were moved.
fn part_equal_paths(uploads: &mut [(usize, Upload)]) -> Result<Vec<usize>> {
    let mut moved = Vec::new();
    loop {
        let mut by_path: HashMap<(&str, &str), Option<&str>> = HashMap::new();
        let mut again = Vec::new();
        for (at, (_, upload)) in uploads.iter().enumerate().filter(|(_, (_, upload))| upload.shared) {
            let first = by_path.entry((upload.store.name(), upload.path.as_str())).or_insert(upload.checksum());
            if *first != upload.checksum() {
                again.push(at);
            }
        }
        if again.is_empty() {
            return Ok(moved);
        }
        for at in again {
            let next = next_generation(&uploads[at].1.path)?;
            uploads[at].1.move_to(next);
            moved.push(at);
        }
    }
}

/// A part of an upload on its way to its store.
struct Writing {
    upload: usize,
    put: Put,
    outcome: OnceLock<PutOutcome>,
}

/// Writes the objects of some uploads; content may be there already. Returns the uploads whose path holds other content.
fn write(uploads: &[(usize, Upload)], which: &[usize]) -> Result<Vec<usize>> {
    let mut met = HashSet::new();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for at in which {
        let upload = &uploads[*at].1;
        if upload.shared && !met.insert((upload.store.name(), &upload.path)) {
            continue;
        }
        let writing = |part: &Part| Writing {
            upload: *at,
            put: Put {
                store: upload.store.clone(),
                path: part.path.clone(),
                payload: part.payload.0.clone(),
                mode: PutMode::Fill,
                checksum: part.checksum.clone().filter(|_| upload.shared),
            },
            outcome: OnceLock::new(),
        };
        first.extend(upload.objects.iter().map(writing));
        last.extend(upload.last.iter().map(writing));
    }
    // An object is this upload's own if all of its parts were written, and not only perhaps.
    let outcome = put_each(&first).and_then(|()| put_each(&last));
    let mut taken_by_others = HashSet::new();
    for writing in first.iter().chain(&last).filter(|writing| writing.outcome.get() != Some(&PutOutcome::Written)) {
        taken_by_others.insert(writing.upload);
    }
    for at in which.iter().filter(|at| !taken_by_others.contains(at)) {
        uploads[*at].1.own.store(true, Ordering::Relaxed);
    }
    let is_taken = |writing: &&Writing| writing.outcome.get() == Some(&PutOutcome::AlreadyThere);
    if let Some(writing) = first.iter().chain(&last).filter(is_taken).find(|writing| !uploads[writing.upload].1.shared)
    {
        // Files beside those of another folder of the same name are no part of it.
        let own =
            |other: &&Writing| other.upload == writing.upload && other.outcome.get() == Some(&PutOutcome::Written);
        first.iter().chain(&last).filter(own).try_for_each(|other| other.put.store.delete(&other.put.path))?;
        return Err(taken(&writing.put));
    }
    outcome?;
    let relied: Vec<&Writing> = first.iter().filter(is_taken).collect();
    let found = each(&relied, |writing| &writing.put.store, |writing| what_is_there(&writing.put))?;
    let (mut anew, mut other) = (Vec::new(), HashSet::new());
    for (writing, found) in relied.into_iter().zip(found) {
        match found? {
            There::Same => {}
            There::Damaged => anew.push(Put { mode: PutMode::Replace, ..writing.put.clone() }),
            There::Other => drop(other.insert((writing.put.store.name(), &writing.put.path))),
        }
    }
    put_all(&anew)?;
    let is_other = |at: &&usize| {
        let upload = &uploads[**at].1;
        upload.shared && other.contains(&(upload.store.name(), &upload.path))
    };
    Ok(which.iter().filter(is_other).copied().collect())
}

fn put_each(all: &[Writing]) -> Result<()> {
    let at_once = all.iter().map(|writing| writing.put.store.at_once()).max().unwrap_or(0);
    let put = |writing: &Writing| {
        let outcome = writing.put.run()?;
        writing.outcome.get_or_init(|| outcome);
        Ok(())
    };
    in_parallel(all, at_once, put).map(drop)
}

/// What lies at the path of some content.
enum There {
    /// The same content.
    Same,
    /// Not content of this hash: what once lay there is lost, or was never written in full.
    Damaged,
    /// Other content of the same hash, on which rows may rely.
    Other,
}

/// Compares an object that is there already with the content that is to be stored at its path.
fn what_is_there(put: &Put) -> Result<There> {
    let expected = put.checksum.as_deref().ok_or_else(|| taken(put))?;
    let Put { store, path, .. } = put;
    let size: u64 = put.payload.iter().map(lodestore_types::Segment::size).sum();
    let Some(found) = store.size(path)? else { return Ok(There::Damaged) };
    if found == size {
        // Over a network, what the store has recorded of a large object spares reading it.
        let is_costly = store.local_path(path).is_none() && size > CHEAP;
        if is_costly && store.recorded_checksum(path)?.as_deref() == Some(expected) {
            return Ok(There::Same);
        }
        if stored_checksum(&**store, path, size)?.as_deref() == Some(expected) {
            return Ok(There::Same);
        }
    }
    let mut hasher = ContentHasher::default();
    let read = read_pieces(&**store, path, 0..found, &mut |piece| {
        hasher.update(piece);
        Ok(())
    });
    match read {
        Ok(true) if path.file_name().split('.').next() == Some(&hasher.finish()) => Ok(There::Other),
        Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
        _ => Ok(There::Damaged),
    }
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

#[cfg(test)]
mod tests {
    use lodestore_types::Reference;

    use super::*;
    use crate::{NdArray, NpyRef, Tier, row};

    #[test]
    fn an_upload_with_the_token_of_a_live_object_leaves_that_alone() {
        let folder = tempfile::tempdir().unwrap();
        let instance = Instance::embedded(folder.path()).unwrap();
        let definition = "id : int32\n---\ntrace : <npy@>";
        let table = instance.schema("lab").unwrap().declare("Thing", Tier::Manual, definition).unwrap();
        table.insert1(row! { "id" => 1, "trace" => NdArray::from_f64(&[1.0]) }).unwrap();
        let fetch = || table.fetch().unwrap().remove(0).value("trace").unwrap().clone();
        let Value::Reference(Reference { path, .. }) = fetch() else { panic!("a reference") };
        let target = Target::open(&instance, None, None).unwrap();
        let object = || NewObject {
            addressing: Addressing::Schema { extension: ".npy".into() },
            payload: Payload::from(bytes::Bytes::from("other")),
            metadata: serde_json::Map::new(),
        };
        let chain = instance.chain("<npy@>").unwrap();
        let context = Context {
            schema: "lab".into(),
            table: "thing".into(),
            attribute: "trace".into(),
            key: vec![("id".into(), 1.into())],
            store: None,
            compress_files: false,
        };
        let mut uploads: Vec<(usize, Upload)> =
            (0..2).map(|at| (at, place(&target, table.name(), &context, &chain, object(), false).unwrap())).collect();
        uploads[1].1.move_to(path);
        let other = uploads[0].1.path.clone();
        let mut fresh = Vec::new();
        let error = write_all(&instance, &table.name().schema, uploads, &mut fresh).unwrap_err();
        assert!(error.message().contains("is taken by another"), "{error}");
        instance.discard(fresh.into_iter().map(|(_, fresh)| fresh).collect());
        assert_eq!(NpyRef::from_value(&instance, &fetch()).unwrap().load().unwrap().to_f64(), Some(vec![1.0]));
        assert_eq!(target.store.head(&other).unwrap(), None, "what was written is gone");
    }
}
