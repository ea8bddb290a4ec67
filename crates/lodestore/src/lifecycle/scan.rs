//! The full scan: what lies in the stores and no row names.
//!
//! Memory holds a number for each reference and no listing: stores are read as they tell. What a scan finds is only
//! released; whether it is garbage is seen when it is swept, like everything else.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use lodestore_codec::manifest;
use lodestore_codec::path::Spelling;
use lodestore_objects::Store;
use lodestore_sql::journal::LONGEST_STEP;
use lodestore_types::{Error, ErrorKind, Result, SchemaName, StorePath, Timestamp};

use super::object::{Object, Prefixes, Section, owners, section};
use super::place::prefixes;
use super::references::{References, spelled};
use super::report::{CollectOptions, Collected};
use crate::Instance;
use crate::config::StoreSpec;

/// So many objects are released by one transaction.
const AT_ONCE: usize = 5_000;

/// Paths, each as a number that few others have: one that is taken for another is kept.
struct Paths {
    hasher: RandomState,
    known: HashSet<u64>,
}

impl Paths {
    fn new() -> Self {
        Paths { hasher: RandomState::new(), known: HashSet::new() }
    }

    fn add(&mut self, text: &str) {
        self.known.insert(self.hasher.hash_one(text));
    }

    fn has(&self, text: &str) -> bool {
        self.known.contains(&self.hasher.hash_one(text))
    }

    /// True if one of those that name the file at a path is among them.
    fn covers(&self, path: &str) -> bool {
        owners(path).any(|owner| self.has(owner))
    }

    /// Adds the name of an object for a store that shows other names of folders than rows have: the last segment, which
    /// has the hash or the token.
    fn add_name(&mut self, text: &str) {
        if let Some(name) = text.rsplit('/').next() {
            self.add(&format!("/{}", name.to_ascii_lowercase()));
        }
    }

    /// True if a segment of a path, but for the suffix of manifests, is one of those names.
    fn covers_name(&self, path: &str) -> bool {
        let path = path.strip_suffix(manifest::SUFFIX).unwrap_or(path);
        path.split('/').any(|segment| self.has(&format!("/{}", segment.to_ascii_lowercase())))
    }
}

/// The sizes of objects that were listed, by store and path; of a folder, what all in it takes.
#[derive(Default)]
pub(super) struct Sizes(HashMap<(String, String), u64>);

impl Sizes {
    fn add(&mut self, store: &str, path: &str, size: u64) {
        *self.0.entry((store.to_owned(), path.to_owned())).or_default() += size;
    }

    pub(super) fn of(&self, object: &Object) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(object.store.clone(), object.path.to_string())).copied()
    }
}

/// An object in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name of the store.
    pub store: String,
    /// Its path.
    pub path: StorePath,
    /// Its size in bytes.
    pub size: u64,
    /// True if it is content, placed by its hash.
    pub is_hash: bool,
}

impl Instance {
    /// Releases objects of a schema that lie in stores for long and that no row names.
    /// Gives the sizes of what is garbage or may be: of objects that the journal knows, and of those.
    pub(super) fn scan(&self, schema: &SchemaName, options: &CollectOptions, report: &mut Collected) -> Result<Sizes> {
        let mut sizes = Sizes::default();
        let references = References::load(self, schema)?;
        let mut named = Paths::new();
        references.each(&mut |text| {
            let path = spelled(text);
            named.add(&path);
            named.add_name(&path);
            Ok(())
        })?;
        let mut known = Paths::new();
        let all_hashes = self.journalled(schema, &mut |path| {
            known.add(path);
            known.add_name(path);
        })?;
        let age = options.age.unwrap_or_else(|| self.config().get_int("gc.age"));
        let recorded = match options.dry_run || !self.has_journal(schema)? {
            true => None,
            false => Some(self.follow_clock(schema)?.0),
        };
        for (spec, store) in self.stores_of(options.store.as_deref(), report)? {
            if !options.dry_run {
                self.open_journal(schema)?;
                self.claim(schema, &store)?;
            } else {
                self.recognise(schema, &store, true)?;
            }
            let now = store.now()?;
            // A clock of the store, or of the database, that has jumped makes nothing old.
            let is_ahead = age > 0 && recorded.is_some_and(|recorded| now.as_second() - recorded > LONGEST_STEP);
            let folds = self.spelling(&store)? == Spelling::Folding;
            let mut found: Vec<Object> = Vec::new();
            self.each_listed(schema, &spec, &store, &mut |entry, place| {
                let of_section = report.section(&place);
                of_section.stored += 1;
                let path = entry.path.as_str();
                if named.covers(path) || (folds && named.covers_name(path)) {
                    of_section.referenced += 1;
                } else if let Some(owner) = owners(path).find(|owner| known.has(owner)) {
                    sizes.add(&spec.name, owner, entry.size);
                } else if folds && known.covers_name(path) {
                    // It is deleted by the name that the journal knows.
                } else if all_hashes && matches!(place, Section::Hash(..)) {
                    // A writer is about to name whatever it finds.
                } else if is_ahead || now.as_second() - entry.modified.as_second() < age {
                    report.young += 1;
                } else if options.dry_run {
                    of_section.orphan(path, entry.size);
                } else {
                    sizes.add(&spec.name, path, entry.size);
                    found.push(Object { store: spec.name.clone(), path: entry.path, tree: false });
                    if found.len() == AT_ONCE {
                        self.release_found(schema, &mut found)?;
                    }
                }
                Ok(())
            })?;
            self.release_found(schema, &mut found)?;
            if !options.dry_run && !is_ahead {
                let age = Duration::from_secs(age.try_into().unwrap_or(0));
                store.sweep_scratch(now.saturating_sub(age).unwrap_or(Timestamp::MIN))?;
            }
        }
        Ok(sizes)
    }

    fn release_found(&self, schema: &SchemaName, found: &mut Vec<Object>) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        let objects: Vec<&Object> = found.iter().collect();
        self.write(Vec::new(), |connection| self.add_released(connection, schema, &objects))?;
        found.clear();
        Ok(())
    }

    /// Calls `visit` with the paths of a schema that its journal knows, released and intended ones; true if a writer
    /// intends all content.
    ///
    /// # Errors
    /// As [`Instance::collect`].
    pub(crate) fn journalled(&self, schema: &SchemaName, visit: &mut dyn FnMut(&str)) -> Result<bool> {
        if self.has_journal(schema)? {
            self.released_paths(schema, visit)?;
        }
        let intended = self.intended(schema)?;
        intended.paths.iter().for_each(|path| visit(path));
        Ok(intended.all_hashes)
    }

    fn released_paths(&self, schema: &SchemaName, visit: &mut dyn FnMut(&str)) -> Result<()> {
        let journal = self.journal(schema);
        let mut behind = 0;
        loop {
            // Whatever their age: a grace that began in the future has no released object.
            let rows = self.query(&journal.released(behind, i64::MIN / 4, AT_ONCE)?)?;
            let Some(last) = rows.last() else { return Ok(()) };
            behind = last[0].as_i64().unwrap_or(i64::MAX);
            rows.iter().filter_map(|row| row[2].as_str()).for_each(&mut *visit);
        }
    }

    /// The stores that are configured, or the one that is named, each place once. One that cannot be opened is told.
    fn stores_of(&self, only: Option<&str>, report: &mut Collected) -> Result<Vec<(StoreSpec, Arc<dyn Store>)>> {
        let names: Vec<String> = match only {
            Some(name) => vec![self.config().store_spec(Some(name), false)?.name],
            None => self.config().store_names().into_iter().map(str::to_owned).collect(),
        };
        let mut found: Vec<(StoreSpec, Arc<dyn Store>)> = Vec::new();
        for name in names {
            let open = || Ok::<_, Error>((self.config().store_spec(Some(&name), false)?, self.store(&name)?));
            match open() {
                Ok((spec, store)) => {
                    let same = |other: &StoreSpec| {
                        other.hash_prefix == spec.hash_prefix && other.schema_prefix == spec.schema_prefix
                    };
                    if !found.iter().any(|(other, known)| known.url(None) == store.url(None) && same(other)) {
                        found.push((spec, store));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                Err(error) => report.failures.push(error.with("store", &name).to_string()),
            }
        }
        Ok(found)
    }

    fn each_listed(
        &self,
        schema: &SchemaName,
        spec: &StoreSpec,
        store: &Arc<dyn Store>,
        visit: &mut dyn FnMut(lodestore_objects::Entry, Section) -> Result<()>,
    ) -> Result<()> {
        let root = store.url(None);
        let places = self.places(schema)?;
        let prefixes = prefixes(spec, places.iter().filter(|place| place.is_of(spec, &root)));
        let mut folders: Vec<StorePath> = Vec::new();
        for Prefixes { hash, schema: objects } in &prefixes {
            folders.push(StorePath::new(format!("{hash}/{schema}"))?);
            folders.push(StorePath::new(format!("{objects}/{schema}"))?);
            // A partitioned store puts some of the key in front of the schema.
            let level = store.list_level(Some(&StorePath::new(objects)?))?;
            folders.extend(level.folders.into_iter().filter(|folder| folder.file_name().contains('=')));
        }
        // Each once, and not again as a part of another.
        folders.sort_unstable();
        folders.dedup();
        let all = folders.clone();
        folders.retain(|folder| !all.iter().any(|other| other != folder && folder.is_within(other)));
        for folder in folders {
            for entry in store.list(Some(&folder))? {
                let entry = entry?;
                match section(&prefixes, schema.as_str(), &entry.path) {
                    Section::Foreign => {}
                    place => visit(entry, place)?,
                }
            }
        }
        Ok(())
    }

    /// Calls `visit` with the store's URL, path and size of objects of a schema that lie in stores to which each question is a
    /// request: a listing tells many at once. What cannot be listed is left out.
    ///
    /// # Errors
    /// `Interrupted`.
    pub(crate) fn each_far(&self, schema: &SchemaName, visit: &mut dyn FnMut(&str, &StorePath, u64)) -> Result<()> {
        for (spec, store) in self.stores_of(None, &mut Collected::default())? {
            if store.local_path(&StorePath::new(schema.as_str())?).is_some() {
                continue;
            }
            let root = store.url(None);
            let listed = self.each_listed(schema, &spec, &store, &mut |entry, _| {
                visit(&root, &entry.path, entry.size);
                Ok(())
            });
            listed.or_else(|error| if error.kind() == ErrorKind::Interrupted { Err(error) } else { Ok(()) })?;
        }
        Ok(())
    }

    /// The objects of a schema that lie in the stores, or in one of them.
    ///
    /// # Errors
    /// `UnknownStore`; `Storage` if a store cannot be listed.
    pub fn list_objects(&self, schema: &SchemaName, store: Option<&str>) -> Result<Vec<Listed>> {
        let mut unopened = Collected::default();
        let mut found = Vec::new();
        for (spec, store) in self.stores_of(store, &mut unopened)? {
            self.each_listed(schema, &spec, &store, &mut |entry, place| {
                let is_hash = matches!(place, Section::Hash(..));
                found.push(Listed { store: spec.name.clone(), path: entry.path, size: entry.size, is_hash });
                Ok(())
            })?;
        }
        match unopened.failures.into_iter().next() {
            Some(failure) => Err(Error::new(ErrorKind::Storage, failure)),
            None => Ok(found),
        }
    }

    /// The paths in the sections of a schema that rows name, in any schema of the database: of content, and of other objects.
    ///
    /// # Errors
    /// As [`Instance::collect`].
    pub fn referenced_paths(&self, schema: &SchemaName) -> Result<(HashSet<String>, HashSet<String>)> {
        let references = References::load(self, schema)?;
        let places = self.places(schema)?;
        let specs: Vec<Vec<Prefixes>> = {
            let config = self.config();
            let specs = config.store_names().into_iter().map(|name| config.store_spec(Some(name), false));
            specs.map(|spec| Ok(prefixes(&spec?, places.iter()))).collect::<Result<_>>()?
        };
        let (mut content, mut objects) = (HashSet::new(), HashSet::new());
        references.each(&mut |text| {
            let text = spelled(text);
            let Ok(path) = StorePath::new(&*text) else { return Ok(()) };
            for spec in &specs {
                match section(spec, schema.as_str(), &path) {
                    Section::Hash(..) => drop(content.insert(text.to_string())),
                    Section::Schema => drop(objects.insert(text.to_string())),
                    Section::Foreign => {}
                }
            }
            Ok(())
        })?;
        Ok((content, objects))
    }
}
