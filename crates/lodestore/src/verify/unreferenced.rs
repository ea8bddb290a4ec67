//! From objects to rows: what lies in the stores, and no row names it.

use std::collections::HashSet;
use std::sync::Arc;

use lodestore_codec::hash::is_content_hash;
use lodestore_codec::manifest;
use lodestore_codec::path::Spelling;
use lodestore_objects::{Entry, Store, each, interrupted};
use lodestore_types::{Error, ErrorKind, Result, SchemaName, StorePath};

use super::{Finding, FindingKind, Verifier, is_fatal, path_number};
use crate::Instance;
use crate::config::StoreSpec;
use crate::lifecycle::{is_like_ours, prefixes};
use crate::references::{References, tables_of};

/// So many entries are read between two looks whether the user wants to stop.
const PATIENCE: usize = 1000;

/// An object that no row names, as far as is known.
struct Suspect {
    store: Arc<dyn Store>,
    entry: Entry,
    is_foreign: bool,
}

/// Searches all configured stores for objects of these schemas.
///
/// What seems to be left over is looked at a second time: a row may have come to name it since, perhaps of another schema.
/// If some table cannot be read, nothing is called left over.
pub(super) fn search(verifier: &mut Verifier<'_, '_>, schemas: &[&str]) -> Result<()> {
    let instance = verifier.instance;
    let names: Vec<String> = instance.config().store_names().into_iter().map(str::to_owned).collect();
    let mut roots = HashSet::new();
    let mut suspects = Vec::new();
    for name in names {
        verifier.progress.place = format!("store {name}");
        verifier.tell();
        let is_used = verifier.stores.contains_key(&name);
        let Ok(spec) = instance.config().store_spec(Some(&name), false) else { continue };
        let found = match verifier.store(&name) {
            Ok(store) if !roots.insert(store.url(None)) => continue,
            Ok(store) => sections(verifier, &store, &spec, schemas),
            Err(problem) => Err(Error::new(ErrorKind::Storage, problem)),
        };
        match found {
            Ok(found) => suspects.extend(found),
            Err(error) if is_fatal(&error) => return Err(error),
            // A store that nobody uses may well be out of reach.
            Err(_) if !is_used => {}
            Err(error) => {
                let finding = Finding {
                    store: Some(name),
                    hint: "see that the store can be reached; what no row names is not known before".to_owned(),
                    ..Finding::new(FindingKind::Unreadable, error.to_string())
                };
                verifier.find(finding, None);
            }
        }
    }
    verifier.report.both_ways = true;
    if suspects.is_empty() {
        return Ok(());
    }
    // Intents first, then references: whoever settled its intent between the two has committed its row before.
    let looked = Known::of(instance, schemas).and_then(|known| Ok((known, paths_of_all(instance)?)));
    let (known, paths) = match looked {
        Ok(looked) => looked,
        Err(error) if is_fatal(&error) => return Err(error),
        Err(error) => {
            let problem = format!("{} objects may be left over: {error}", suspects.len());
            let finding = Finding {
                hint: "see that all tables can be read; what no row names is not known before".to_owned(),
                ..Finding::new(FindingKind::Unreadable, problem)
            };
            verifier.find(finding, None);
            return Ok(());
        }
    };
    let folding = |suspect: &Suspect| Ok(instance.spelling(&suspect.store)? == Spelling::Folding);
    let folding = suspects.iter().map(folding).collect::<Result<Vec<bool>>>()?;
    let mut folding = folding.into_iter();
    suspects.retain(|suspect| {
        let folds = folding.next().unwrap_or(false);
        let path = &suspect.entry.path;
        // Such a store shows other names of folders than rows have; the last one has the hash or the token.
        let name = |segment: &str| path_number("", &format!("/{}", segment.to_ascii_lowercase()));
        let text = path.as_str().strip_suffix(manifest::SUFFIX).unwrap_or(path.as_str());
        let by_name = || text.split('/').any(|segment| paths.contains(&name(segment)));
        !(is_named(&paths, &suspect.store.url(None), path) || folds && by_name())
    });
    let there = each(&suspects, |suspect| &suspect.store, |suspect| suspect.store.size(&suspect.entry.path))?;
    for (suspect, there) in suspects.into_iter().zip(there) {
        if matches!(there, Ok(None)) {
            continue;
        }
        if known.covers(&suspect.entry.path) {
            verifier.report.pending += 1;
            verifier.report.pending_bytes += suspect.entry.size;
            continue;
        }
        let (kind, problem, hint) = match suspect.is_foreign {
            true => (
                FindingKind::Foreign,
                "Lodestore does not write files of such names",
                "look at the file, and move it out of the section that Lodestore manages",
            ),
            false => (
                FindingKind::Unreferenced,
                "no row names the object",
                "a full collection (`lodestore gc --full`) deletes it, unless a row comes to name it",
            ),
        };
        let finding = Finding {
            store: Some(suspect.store.name().to_owned()),
            path: Some(suspect.entry.path.to_string()),
            size: Some(suspect.entry.size),
            hint: hint.to_owned(),
            ..Finding::new(kind, problem)
        };
        verifier.find(finding, None);
    }
    Ok(())
}

/// What lies in a store's sections of these schemas, and was not met in a row.
fn sections(
    verifier: &Verifier<'_, '_>,
    store: &Arc<dyn Store>,
    spec: &StoreSpec,
    schemas: &[&str],
) -> Result<Vec<Suspect>> {
    let root = store.url(None);
    let nothing = HashSet::new();
    let paths = verifier.paths.as_ref().unwrap_or(&nothing);
    let mut suspects = Vec::new();
    let mut search = |folder: Option<StorePath>, is_ours: &dyn Fn(&StorePath) -> Option<bool>| -> Result<()> {
        for (number, entry) in store.list(folder.as_ref())?.enumerate() {
            if number % PATIENCE == 0 && interrupted() {
                return Err(Error::new(ErrorKind::Interrupted, "verifying was interrupted"));
            }
            let entry = entry?;
            let Some(is_ours) = is_ours(&entry.path) else { continue };
            if !is_named(paths, &root, &entry.path) {
                suspects.push(Suspect { store: store.clone(), entry, is_foreign: !is_ours });
            }
        }
        Ok(())
    };
    for schema in schemas {
        let name = SchemaName::new(*schema)?;
        let places = verifier.instance.places(&name)?;
        let prefixes = prefixes(spec, places.iter().filter(|place| place.is_of(spec, &root)));
        search(Some(section(&spec.hash_prefix, Some(schema))?), &|path| Some(is_hash_path(path)))?;
        // What users keep by now under prefixes that the store had is theirs.
        for former in &prefixes[1..] {
            for prefix in [&former.hash, &former.schema] {
                search(Some(section(prefix, Some(schema))?), &|path| is_like_ours(schema, path).then_some(true))?;
            }
        }
    }
    if spec.partition_pattern.is_some() {
        // Partitions come before the schema: all of them are gone through.
        let whole = (!spec.schema_prefix.is_empty()).then(|| section(&spec.schema_prefix, None)).transpose()?;
        search(whole, &|path| {
            let mut segments = path.segments().skip(segments_of(&spec.schema_prefix));
            let schema = segments.by_ref().find(|segment| !segment.contains('='))?;
            schemas.contains(&schema).then(|| segments.count() >= 2)
        })?;
    } else {
        for schema in schemas {
            let above = segments_of(&spec.schema_prefix) + 1;
            let folder = section(&spec.schema_prefix, Some(schema))?;
            search(Some(folder), &|path| Some(path.segments().skip(above).count() >= 2))?;
        }
    }
    Ok(suspects)
}

fn section(prefix: &str, schema: Option<&str>) -> Result<StorePath> {
    let parts: Vec<&str> = [prefix, schema.unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect();
    StorePath::new(parts.join("/"))
}

fn segments_of(prefix: &str) -> usize {
    if prefix.is_empty() { 0 } else { prefix.split('/').count() }
}

/// True for the path of a content hash, perhaps with the number of its generation.
fn is_hash_path(path: &StorePath) -> bool {
    let name = path.file_name();
    match name.split_once('.') {
        Some((hash, generation)) => is_content_hash(hash) && generation.bytes().all(|byte| byte.is_ascii_digit()),
        None => is_content_hash(name),
    }
}

/// True if a row names the object, the folder that it is in, or the folder of which it is the manifest.
fn is_named(paths: &HashSet<u128>, root: &str, path: &StorePath) -> bool {
    let text = path.as_str();
    let folders = text.match_indices('/').map(|(at, _)| &text[..at]);
    let of_manifest = text.strip_suffix(manifest::SUFFIX);
    [text].into_iter().chain(of_manifest).chain(folders).any(|name| paths.contains(&path_number(root, name)))
}

/// What the journals of schemas know: objects about to be named, and objects about to be collected.
struct Known {
    paths: HashSet<u128>,
    /// The sections of content in schemas of which a writer may be about to name any.
    contents: Vec<StorePath>,
}

impl Known {
    fn of(instance: &Instance, schemas: &[&str]) -> Result<Self> {
        let mut known = Known { paths: HashSet::new(), contents: Vec::new() };
        for schema in schemas {
            let name = SchemaName::new(*schema)?;
            // Wherever they lie: a path that two stores have is spared in both.
            let mut add = |path: &str| {
                known.paths.insert(path_number("", path));
            };
            if instance.journalled(&name, &mut add)? {
                let config = instance.config();
                for store in config.store_names() {
                    let spec = config.store_spec(Some(store), false)?;
                    known.contents.push(section(&spec.hash_prefix, Some(schema))?);
                }
            }
        }
        Ok(known)
    }

    fn covers(&self, path: &StorePath) -> bool {
        is_named(&self.paths, "", path) || self.contents.iter().any(|section| path.is_within(section))
    }
}

/// The paths that rows of all schemas name.
///
/// # Errors
/// If one table cannot be read, or one value not understood: then it may name anything.
fn paths_of_all(instance: &Instance) -> Result<HashSet<u128>> {
    let mut paths = HashSet::new();
    for schema in instance.schemas()? {
        // Rows that were deleted, and may come back, name their objects still.
        let kept = instance.kept_tables(&SchemaName::new(schema.as_str())?)?;
        for name in tables_of(instance, &schema)?.into_iter().chain(kept) {
            let Some(table) = instance.find_table(&name)? else { continue };
            let in_table = |error: Error| error.with("table", &name);
            let Some(references) = References::of(&table).map_err(in_table)? else { continue };
            for batch in references {
                for (_, _, reference) in batch.map_err(in_table)?.cells {
                    let reference = reference.map_err(in_table)?;
                    // A row may name a store that is not there: then it names nothing that was listed.
                    if let Ok(store) = instance.store(&reference.store) {
                        paths.insert(path_number(&store.url(None), reference.path.as_str()));
                        let name = reference.path.file_name().to_ascii_lowercase();
                        paths.insert(path_number("", &format!("/{name}")));
                    }
                }
            }
        }
    }
    Ok(paths)
}
