//! An object that is written before its row goes in.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lodestore_codec::hash::checksum;
use lodestore_codec::path::checked_extension;
use lodestore_codec::{Chain, Context, attach};
use lodestore_objects::{PutMode, Store};
use lodestore_types::{
    Error, ErrorKind, Foreign, ForeignObject, FullTableName, Payload, Reference, Result, StorePath, Value,
};

use super::file::{Content, StagedFile};
use crate::insert::ready_row;
use crate::lifecycle::{Intent, Object};
use crate::placement::{Target, free_path, fresh_path};
use crate::transaction::Fresh;
use crate::{Instance, Row, Table};

/// An object that is written before the row that is to own it goes in: a folder, a file or an array.
///
/// It is written at the place where it will stay. As the value of its attribute it becomes part of a row, by an insert
/// or an update; until then nobody sees it. [Discarded](StagedObject::discard), or dropped before that, it is removed.
/// Clones are the same object.
#[derive(Clone)]
pub struct StagedObject(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// What the journal says of it while no row names it.
    intents: Vec<Arc<Intent>>,
    pub(super) instance: Instance,
    pub(super) target: Target,
    pub(super) table: FullTableName,
    pub(super) attribute: String,
    pub(super) chain: Chain,
    pub(super) key: Vec<(String, Value)>,
    pub(super) kind: Kind,
    /// With its dot; for an attachment its file name.
    pub(super) extension: String,
    pub(super) path: StorePath,
    /// How often others had been given the right to write when this was made.
    epoch: u64,
    process: u32,
    state: Mutex<State>,
}

/// What the attribute takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file or a folder, at a path of its own.
    Object,
    /// An array as one file, at a path of its own.
    Array,
    /// Bytes that are placed by their hash when they are complete.
    Content,
}

#[derive(Default)]
pub(super) struct State {
    /// Files that are open.
    pub(super) open: usize,
    /// True if a file was given up before it was closed, and none was closed since.
    pub(super) given_up: bool,
    /// What this process wrote: size and checksum by path.
    pub(super) written: HashMap<StorePath, (u64, String)>,
    /// What its row says of it, once it is complete.
    pub(super) column: Option<Value>,
    /// Complete content that waits for its place.
    pub(super) content: Option<Content>,
    fate: Fate,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Fate {
    #[default]
    Pending,
    /// A row was sent that names it, and an error came back.
    Refused,
    /// As before, and it cannot be known what the database made of it.
    Uncertain,
    /// A row owns it.
    Stored,
    Discarded,
}

/// Counts the occasions on which others were given the right to write what is staged here: a file system that was sent
/// to another process, a fork. What this process remembers of its own writes proves nothing then.
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// To be called when another process may begin to write objects that are staged in this one: their checksums are then
/// computed from what is in the store.
pub fn staged_is_shared() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
}

/// The objects that are being staged in a project, by store and path.
#[derive(Default)]
pub(crate) struct Stages(Mutex<HashMap<(String, String), Weak<Inner>>>);

impl Stages {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<(String, String), Weak<Inner>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The object that is staged at a path of a store or above it.
    fn above(&self, store: &str, path: &str) -> Option<StagedObject> {
        self.with(|all| {
            let mut path = path;
            loop {
                if let Some(found) = all.get(&(store.to_owned(), path.to_owned())) {
                    return found.upgrade().map(StagedObject);
                }
                path = path.rsplit_once('/').filter(|_| !all.is_empty())?.0;
            }
        })
    }
}

impl Table {
    /// Chooses the place of an object for `attribute` of the row that `key` names, which need not be there yet.
    ///
    /// The attribute is one of `<object@>` or `<npy@>`, or of `<attach@>` or `<hash@>` in a store. `extension` is what the
    /// name of an `<object@>` shall end in, such as `.zarr`; for an `<attach@>` it is the whole name of the file.
    ///
    /// # Errors
    /// `UnknownAttribute`; `InvalidRequest` for an attribute of another type, or if the key is not complete; those of
    /// the store's settings and of paths.
    pub fn stage(&self, attribute: &str, key: &Row, extension: &str) -> Result<StagedObject> {
        self.try_stage(attribute, key, extension)
            .map_err(|error| error.with("table", self.name()).with("attribute", attribute))
    }

    fn try_stage(&self, name: &str, key: &Row, extension: &str) -> Result<StagedObject> {
        let heading = self.heading();
        let attribute = heading.attribute(name)?;
        let instance = self.instance();
        let declared = &attribute.kind.declared;
        let refuse = || {
            let message =
                format!("attribute '{name}' is not an <object> type: `{declared}` cannot be written directly");
            Error::new(ErrorKind::InvalidRequest, message)
                .with_hint("only `<object@>`, `<npy@>`, `<attach@>` and `<hash@>` can; give other values in the row")
        };
        let chain = instance.chain(attribute.kind.codec.as_deref().ok_or_else(refuse)?)?;
        let codecs: Vec<&str> = chain.codecs().iter().map(|codec| codec.name()).collect();
        let (kind, extension) = match (&codecs[..], chain.store()) {
            (["object"], Some(_)) => (Kind::Object, checked_extension(extension)?),
            (["npy"], Some(_)) if matches!(extension, "" | ".npy" | "npy") => (Kind::Array, ".npy".to_owned()),
            (["npy"], Some(_)) => {
                let message = format!("an array is stored as `.npy`, not as `{}`", extension.escape_debug());
                return Err(Error::new(ErrorKind::InvalidValue, message));
            }
            (["attach", "hash"], Some(_)) => {
                attach::head(extension).map_err(|error| {
                    error.with_hint("the second argument is the name of the attached file, such as \"report.pdf\"")
                })?;
                (Kind::Content, extension.to_owned())
            }
            (["hash"], Some(_)) => (Kind::Content, String::new()),
            _ => return Err(refuse()),
        };
        let key = self.whole_key(key)?;
        let context = context_of(self.name(), name, &key);
        let target = Target::open(instance, chain.store(), Some(&self.name().schema))?;
        let table = self.name();
        let path = match kind {
            // Nothing is written there.
            Kind::Content => fresh_path(&target, table.schema.as_str(), &table.table, &context, "")?,
            _ => free_path(&target, table.schema.as_str(), &table.table, &context, &extension)?,
        };
        let intents = match kind {
            // Content has no place yet: the insert intends it.
            Kind::Content => Vec::new(),
            _ => {
                let object = Object { store: target.spec.name.clone(), path: path.clone(), tree: true };
                instance.intend(&table.schema, vec![object])?
            }
        };
        let staged = StagedObject(Arc::new(Inner {
            instance: instance.clone(),
            intents,
            target,
            table: table.clone(),
            attribute: name.to_owned(),
            chain,
            key,
            kind,
            extension,
            path,
            epoch: EPOCH.load(Ordering::Relaxed),
            process: std::process::id(),
            state: Mutex::default(),
        }));
        instance.stages().with(|all| all.insert(staged.0.place(), Arc::downgrade(&staged.0)));
        Ok(staged)
    }

    /// The values of the primary key as they are stored.
    fn whole_key(&self, key: &Row) -> Result<Vec<(String, Value)>> {
        let attributes: Vec<_> = self.heading().primary_key().cloned().collect();
        let missing: Vec<&str> = attributes
            .iter()
            .map(|attribute| attribute.name.as_str())
            .filter(|name| key.get(name).is_none_or(Value::is_null))
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "Primary key values must be set in staged.rec before calling store() or open(). Missing: {{{}}}",
                missing.join(", ")
            );
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let names: Vec<String> = attributes.iter().map(|attribute| attribute.name.clone()).collect();
        let key: Row = key
            .iter()
            .filter(|(name, _)| names.iter().any(|known| known == name))
            .map(|(n, v)| (n, v.clone()))
            .collect();
        let heading = lodestore_sql::Heading { attributes, ..(**self.heading()).clone() };
        let (values, _) = ready_row(self, &heading, key)?;
        Ok(names.into_iter().zip(values.into_iter().flatten()).collect())
    }
}

fn context_of(table: &FullTableName, attribute: &str, key: &[(String, Value)]) -> Context {
    Context {
        schema: table.schema.to_string(),
        table: table.table.to_string(),
        attribute: attribute.to_owned(),
        key: key.to_vec(),
        store: None,
        compress_files: false,
    }
}

impl StagedObject {
    /// The staged object in a value, if it is one.
    pub(crate) fn within(value: &Value) -> Option<&StagedObject> {
        match value {
            Value::Foreign(object) => object.downcast(),
            _ => None,
        }
    }

    /// The project.
    pub fn instance(&self) -> &Instance {
        &self.0.instance
    }

    /// The store in which it is written.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.target.store
    }

    /// Where it lies in that store. Content that is placed by its hash has its path only when its row is in.
    pub fn path(&self) -> &StorePath {
        &self.0.path
    }

    /// The attribute.
    pub fn attribute(&self) -> &str {
        &self.0.attribute
    }

    /// True once a row owns it.
    pub fn is_stored(&self) -> bool {
        self.state().fate == Fate::Stored
    }

    /// What the row that owns it says of it; `None` before it does, and for content that is placed by its hash.
    pub fn reference(&self) -> Option<Reference> {
        let state = self.state();
        let column = state.column.clone().filter(|_| state.fate == Fate::Stored)?;
        let Value::Json(column) = column else { return None };
        lodestore_codec::reference_of(self.0.chain.codecs()[0].name(), column).ok()
    }

    /// Writes a file of the folder, over one of that name.
    ///
    /// # Errors
    /// `InvalidRequest` if this is no `<object@>`, or is not pending any more; `InvalidName` for a path that leaves the
    /// folder; `Storage`.
    pub fn put(&self, inner: &str, payload: Payload) -> Result<()> {
        self.check_kind(&[Kind::Object], "a folder")?;
        self.write(self.path().join(inner)?, payload)
    }

    /// Opens the object for writing, as one file. It is complete when [finished](StagedFile::finish); opened again, it is
    /// written anew. For an `<npy@>` attribute it must hold one whole `.npy` file then.
    ///
    /// # Errors
    /// `InvalidRequest` if it is not pending any more; `Storage` if no scratch file can be made.
    pub fn create(&self) -> Result<StagedFile> {
        self.check_pending()?;
        StagedFile::new(self.clone()).map_err(|error| self.locate(error))
    }

    /// Writes at a path of the object, and remembers what.
    pub(super) fn write(&self, path: StorePath, payload: Payload) -> Result<()> {
        let checksum = checksum(&payload)?;
        self.write_known(path, payload, checksum)
    }

    /// Like [`StagedObject::write`], of what the checksum is known.
    pub(super) fn write_known(&self, path: StorePath, payload: Payload, checksum: String) -> Result<()> {
        self.check_pending()?;
        let size = payload.size();
        self.store().stage(&path, &payload.0)?;
        self.state().written.insert(path, (size, checksum));
        Ok(())
    }

    /// What this process knows of a file that it wrote: its checksum, if the store holds it in that size.
    pub(super) fn remembered(&self, path: &StorePath, size: u64) -> Option<String> {
        if self.0.epoch != EPOCH.load(Ordering::Relaxed) {
            return None;
        }
        self.state().written.get(path).filter(|(known, _)| *known == size).map(|(_, checksum)| checksum.clone())
    }

    /// Removes it, if no row owns it. If a row was refused and it is not known whether the database took it after all,
    /// that is looked up first; what stays unknown is left to the collector.
    pub fn discard(&self) {
        self.0.discard();
    }

    /// Refuses to be a value of another attribute or another table than its own.
    pub(crate) fn check_place(&self, table: Option<&FullTableName>, attribute: &str) -> Result<()> {
        self.check_pending()?;
        if table == Some(&self.0.table) && attribute == self.0.attribute {
            return Ok(());
        }
        let message = format!("the object was staged for `{}` of `{}`", self.0.attribute, self.0.table);
        Err(Error::new(ErrorKind::InvalidRequest, message).with_hint("stage one for each attribute that gets one"))
    }

    /// Refuses to be a value of another row than its own.
    pub(super) fn check_key(&self, context: &Context) -> Result<()> {
        if self.0.key == context.key {
            return Ok(());
        }
        let shown = |key: &[(String, Value)]| {
            key.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
        };
        let message = format!(
            "the object was staged for the row with {}; the row has {}",
            shown(&self.0.key),
            shown(&context.key)
        );
        Err(Error::new(ErrorKind::InvalidRequest, message)
            .with_hint("do not change the key after `store()` or `open()`"))
    }

    pub(super) fn check_pending(&self) -> Result<()> {
        let what = match self.state().fate {
            Fate::Pending | Fate::Refused | Fate::Uncertain => return Ok(()),
            Fate::Stored => "belongs to a row already, and is not changed any more",
            Fate::Discarded => "was given up",
        };
        let error = Error::new(ErrorKind::InvalidRequest, format!("the staged object {what}"));
        Err(self.locate(error).with_hint("stage another one"))
    }

    pub(super) fn check_kind(&self, kinds: &[Kind], what: &str) -> Result<()> {
        if kinds.contains(&self.0.kind) {
            return Ok(());
        }
        let codec = self.0.chain.codecs()[0].name();
        let message = format!("an attribute of `<{codec}@>` is not written as {what}");
        Err(Error::new(ErrorKind::InvalidRequest, message).with("attribute", &self.0.attribute))
    }

    /// The row that names it is in; if a transaction is open, it goes when that is rolled back.
    fn stored(&self) {
        self.0.instance.add_fresh(self.0.fresh());
        let mut state = self.state();
        state.fate = Fate::Stored;
        state.content = None;
        drop(state);
        self.0.forget();
    }

    /// The row that names it was refused.
    fn refused(&self, error: &Error) {
        let unknown = matches!(error.kind(), ErrorKind::LostConnection | ErrorKind::Interrupted);
        self.state().fate = if unknown { Fate::Uncertain } else { Fate::Refused };
        self.0.instance.keep_renewed(&self.0.intents);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    pub(super) fn locate(&self, error: Error) -> Error {
        error.with("attribute", &self.0.attribute).with("store", self.store().name()).with("path", self.path())
    }
}

/// What the journal says of staged objects.
pub(crate) fn intents_of(staged: &[StagedObject]) -> Vec<Arc<Intent>> {
    staged.iter().flat_map(|staged| staged.0.intents.iter().cloned()).collect()
}

/// Tells staged objects what became of the rows that name them.
pub(crate) fn tell_staged<T>(staged: &[StagedObject], outcome: &Result<T>) {
    for object in staged {
        match outcome {
            Ok(_) => object.stored(),
            Err(error) => object.refused(error),
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> (String, String) {
        (self.target.spec.name.clone(), self.path.to_string())
    }

    fn forget(&self) {
        self.instance.stages().with(|all| all.remove(&self.place()));
    }

    /// What lies under a path of its own. Content is placed by its hash, and is its insert's.
    fn fresh(&self) -> Vec<Fresh> {
        let fresh = || Fresh::tree(self.target.store.clone(), self.path.clone());
        self.intents.iter().map(|intent| fresh().intended(intent)).collect()
    }

    fn discard(&self) {
        let fate = self.state().fate;
        // A forked child has a copy of this, and no say in what becomes of it.
        if matches!(fate, Fate::Stored | Fate::Discarded) || self.process != std::process::id() {
            return;
        }
        let is_gone = match fate {
            Fate::Pending => true,
            // What this thread's transaction took back, nobody else has seen.
            _ if self.instance.in_transaction() => true,
            Fate::Refused => matches!(self.is_named(), Ok(false)),
            // The server may be about to commit what it had received.
            _ => false,
        };
        let named = fate == Fate::Uncertain && !is_gone && matches!(self.is_named(), Ok(true));
        let mut state = self.state();
        state.fate = if named { Fate::Stored } else { Fate::Discarded };
        state.content = None;
        drop(state);
        self.forget();
        match is_gone {
            true => self.instance.discard(self.fresh()),
            // Whether a row names it is seen by whoever collects.
            false => self.instance.give_up(&self.intents, &|_| false),
        }
    }

    /// True if the row in the database names this object.
    fn is_named(&self) -> Result<bool> {
        let key: Row = self.key.iter().cloned().collect();
        let rows = self.instance.table(&self.table)?.restrict(&key)?.project(&[&self.attribute])?.fetch()?;
        let names = |value: Option<&Value>| match value {
            Some(Value::Reference(Reference { store, path, .. })) => {
                *path == self.path && (store.is_empty() || *store == self.target.spec.name)
            }
            _ => false,
        };
        Ok(rows.iter().any(|row| names(row.get(&self.attribute))))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.discard();
    }
}

impl Instance {
    /// True if an object is being staged at this path of a store, or above it.
    pub fn is_staged(&self, store: &str, path: &str) -> bool {
        self.stages().above(store, path).is_some()
    }

    /// Writes an object in one step, over one that is there. What is written at the path of a staged object, or below,
    /// becomes part of that.
    ///
    /// # Errors
    /// `Storage`; `InvalidRequest` if the staged object is not pending any more.
    pub fn put_object(&self, store: &Arc<dyn Store>, path: &StorePath, payload: Payload) -> Result<()> {
        match self.stages().above(store.name(), path.as_str()) {
            Some(staged) => staged.write(path.clone(), payload),
            None => store.put(path, &payload.0, PutMode::Replace).map(drop),
        }
    }
}

impl ForeignObject for StagedObject {
    fn to_value(&self) -> Result<Value> {
        Err(Error::new(ErrorKind::InvalidType, "a staged object can only be the value of its own attribute"))
    }

    fn class_name(&self) -> String {
        "StagedObject".to_owned()
    }
}

impl From<StagedObject> for Value {
    fn from(staged: StagedObject) -> Value {
        Value::Foreign(Foreign::new(staged))
    }
}

impl fmt::Debug for StagedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StagedObject({} in {})", self.0.path, self.0.target.spec.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tier, row};

    fn staged() -> (tempfile::TempDir, Table, StagedObject) {
        let home = tempfile::tempdir().unwrap();
        let lab = Instance::embedded(home.path()).unwrap().schema("lab").unwrap();
        let table = lab.declare("Scan", Tier::Manual, "id : int32\n---\nframes : <object@>").unwrap();
        let staged = table.stage("frames", &row! { "id" => 1 }, "").unwrap();
        staged.put("a", Payload::from(bytes::Bytes::from("x"))).unwrap();
        (home, table, staged)
    }

    /// Puts the row in behind the back of the staged object, as a server does whose answer gets lost.
    fn commit_unseen(table: &Table, staged: &StagedObject) {
        let context = context_of(table.name(), "frames", &staged.0.key);
        let super::super::Finished::Column(Value::Json(column)) = staged.finish(&context).unwrap() else { panic!() };
        let sql = format!("INSERT INTO {} VALUES (1, ?)", table.quoted_name());
        let insert = |connection: &mut dyn lodestore_db::Connection| {
            connection.execute(&sql, &[Value::Text(column.to_string())]).map(drop)
        };
        table.instance().with_connection(insert).unwrap();
    }

    #[test]
    fn an_object_whose_row_is_in_after_all_stays() {
        for kind in [ErrorKind::LostConnection, ErrorKind::Interrupted, ErrorKind::Database] {
            let (_home, table, staged) = staged();
            commit_unseen(&table, &staged);
            staged.refused(&Error::new(kind, "no answer"));
            staged.discard();
            let row = table.fetch1().unwrap();
            crate::ObjectRef::from_value(table.instance(), row.value("frames").unwrap()).unwrap().verify().unwrap();
        }
    }

    #[test]
    fn an_object_whose_row_was_refused_goes() {
        // Of what the server may still be about to commit the collector sees whether a row names it.
        for kind in [ErrorKind::Duplicate, ErrorKind::LostConnection] {
            let (_home, table, staged) = staged();
            staged.refused(&Error::new(kind, "no"));
            staged.discard();
            let section = StorePath::new("_schema").unwrap();
            let left = table.instance().store("").unwrap().list(Some(&section)).unwrap().count();
            assert_eq!(left, 0, "{kind:?}");
            assert!(staged.put("b", Payload::default()).is_err());
        }
    }
}
