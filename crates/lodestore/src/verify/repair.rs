//! Bringing back what is missing or damaged, from wherever the same content lies.

use std::collections::HashSet;
use std::sync::Arc;

use lodestore_codec::manifest::{Entry, Manifest, SUFFIX};
use lodestore_codec::path::hash_path;
use lodestore_objects::{PutMode, Store, interrupted};
use lodestore_types::{Error, ErrorKind, FileSegment, FullTableName, Result, Segment, StorePath};

use super::check::{Expected, content_fault};
use super::{Finding, FindingKind, VerifyReport};
use crate::Instance;
use crate::config::StoreSpec;
use crate::lifecycle::Object;
use crate::local::Scratch;
use crate::placement::read_pieces;

/// What became of an object that is missing or damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The store.
    pub store: String,
    /// The path in it.
    pub path: String,
    /// Where the same content was found, as `store:path`; nothing if it was not.
    pub source: Option<String>,
    /// Why it could not be brought back.
    pub problem: Option<String>,
}

impl Instance {
    /// Looks for the content of objects that a report calls missing or damaged, and writes it where their rows say:
    /// with `apply`, else it only tells what it would do.
    ///
    /// The content may lie at the same path of another configured store (a copy, a backup), at the place of the same hash in
    /// any schema of any store, or among the objects that no row names. It is used only if its checksum, or content
    /// hash, is what the row tells. Rows are not changed, and files that their users manage are not touched.
    ///
    /// # Errors
    /// `Interrupted`; the database's. What a store refuses is told by what is returned.
    pub fn repair(&self, report: &VerifyReport, apply: bool) -> Result<Vec<Repaired>> {
        let mut met = HashSet::new();
        let is_lost = |finding: &&Finding| {
            matches!(finding.kind, FindingKind::Missing | FindingKind::Damaged) && !finding.is_users
        };
        let mut repaired = Vec::new();
        let mut waiting: Vec<Finding> = report.findings.iter().filter(is_lost).rev().cloned().collect();
        while let Some(finding) = waiting.pop() {
            let (Some(store), Some(path)) = (&finding.store, &finding.path) else { continue };
            // What many rows share is brought back once.
            if !met.insert((store.clone(), path.clone())) {
                continue;
            }
            if interrupted() {
                return Err(Error::new(ErrorKind::Interrupted, "repairing was interrupted"));
            }
            let (source, problem) = match bring_back(self, report, &finding, store, path, apply) {
                Ok(Some(source)) => (Some(source), None),
                Ok(None) => (None, Some("no whole copy was found".to_owned())),
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                Err(error) => (None, Some(error.to_string())),
            };
            if let Some(source) = &source {
                // What else of a folder is lost shows only by its manifest.
                let lost = lost_by_manifest(self, &finding, store, path, source)?;
                waiting.extend(lost.into_iter().rev());
            }
            repaired.push(Repaired { store: store.clone(), path: path.clone(), source, problem });
        }
        Ok(repaired)
    }
}

/// The files of a folder that are missing or damaged, if `path` is the manifest of one, a copy of which is `source`.
fn lost_by_manifest(
    instance: &Instance,
    finding: &Finding,
    store: &str,
    path: &str,
    source: &str,
) -> Result<Vec<Finding>> {
    let (Some(folder), Some((name, from))) = (path.strip_suffix(SUFFIX), source.split_once(':')) else {
        return Ok(Vec::new());
    };
    let Some(bytes) = instance.store(name)?.get(&StorePath::new(from)?)? else { return Ok(Vec::new()) };
    let Ok(manifest) = Manifest::parse(&bytes) else { return Ok(Vec::new()) };
    let target = instance.store(store)?;
    let mut lost = Vec::new();
    for Entry { path: file, size, checksum } in manifest.entries() {
        let path = StorePath::new(format!("{folder}/{file}"))?;
        let expected = Expected { size: Some(*size), checksum: checksum.clone(), ..Expected::default() };
        let kind = match target.size(&path)? {
            None => FindingKind::Missing,
            Some(found) if found != *size => FindingKind::Damaged,
            Some(_) if content_fault(&*target, &path, *size, &expected)?.is_some() => FindingKind::Damaged,
            Some(_) => continue,
        };
        lost.push(Finding { kind, path: Some(path.to_string()), size: Some(*size), expected, ..finding.clone() });
    }
    Ok(lost)
}

fn bring_back(
    instance: &Instance,
    report: &VerifyReport,
    finding: &Finding,
    store: &str,
    path: &str,
    apply: bool,
) -> Result<Option<String>> {
    if !finding.expected.is_proof() {
        return Err(Error::new(ErrorKind::Corrupt, "its row tells no checksum by which a copy could be known"));
    }
    let target = instance.store(store)?;
    let path = StorePath::new(path)?;
    for (source, from) in candidates(instance, report, finding, &*target, &path)? {
        let Ok(Some(size)) = source.size(&from) else { continue };
        let fits = finding.expected.size.is_none_or(|expected| expected == size);
        if !fits || content_fault(&*source, &from, size, &finding.expected)?.is_some() {
            continue;
        }
        if apply {
            // The row may go meanwhile: what is written is then garbage that the journal knows.
            let own = finding.table.as_deref().and_then(|table| FullTableName::parse(table).ok());
            let object = || Object { store: target.name().to_owned(), path: path.clone(), tree: false };
            let intents = own.map(|table| instance.intend(&table.schema, vec![object()])).transpose()?;
            let copied = copy(&*source, &from, &*target, &path, size, finding);
            instance.give_up(&intents.unwrap_or_default(), &|_| false);
            copied?;
        }
        return Ok(Some(format!("{}:{from}", source.name())));
    }
    Ok(None)
}

/// Where the content may lie, nearest first.
fn candidates(
    instance: &Instance,
    report: &VerifyReport,
    finding: &Finding,
    target: &dyn Store,
    path: &StorePath,
) -> Result<Vec<(Arc<dyn Store>, StorePath)>> {
    let names: Vec<String> = instance.config().store_names().into_iter().map(str::to_owned).collect();
    let specs: Vec<StoreSpec> =
        names.iter().filter_map(|name| instance.config().store_spec(Some(name), false).ok()).collect();
    // A store that cannot be opened has nothing to give.
    let stores: Vec<(StoreSpec, Arc<dyn Store>)> =
        specs.into_iter().filter_map(|spec| Some((spec.clone(), instance.store(&spec.name).ok()?))).collect();
    let root = target.url(None);
    let mut found: Vec<(Arc<dyn Store>, StorePath)> = Vec::new();
    let mut add = |store: &Arc<dyn Store>, from: StorePath| {
        let is_target = from == *path && store.url(None) == root;
        if !is_target && !found.iter().any(|(known, at)| *at == from && known.url(None) == store.url(None)) {
            found.push((store.clone(), from));
        }
    };
    for (_, store) in &stores {
        add(store, path.clone());
    }
    if let Some(hash) = &finding.expected.hash {
        let own = finding.table.as_deref().and_then(|table| FullTableName::parse(table).ok());
        let mut schemas: Vec<String> = own.map(|table| table.schema.to_string()).into_iter().collect();
        schemas.extend(instance.schemas()?);
        for (spec, store) in &stores {
            for schema in &schemas {
                for subfolding in [&spec.subfolding[..], &[]] {
                    if let Ok(from) = hash_path(&spec.hash_prefix, schema, subfolding, hash) {
                        add(store, from);
                    }
                }
            }
        }
    }
    let left_over = report.findings.iter().filter(|other| {
        other.kind == FindingKind::Unreferenced && finding.expected.size.is_none_or(|size| other.size == Some(size))
    });
    for other in left_over {
        let (Some(name), Some(from)) = (&other.store, &other.path) else { continue };
        if let (Ok(store), Ok(from)) = (instance.store(name), StorePath::new(from.as_str())) {
            add(&store, from);
        }
    }
    Ok(found)
}

/// Writes the content where it belongs, and looks at it again.
fn copy(
    source: &dyn Store,
    from: &StorePath,
    target: &dyn Store,
    to: &StorePath,
    size: u64,
    finding: &Finding,
) -> Result<()> {
    let mut scratch = None;
    let payload: Segment = match source.local_path(from) {
        Some(file) => FileSegment::open(file)?.into(),
        None => {
            let folder = std::env::temp_dir();
            let scratch = scratch.insert(Scratch::new(&folder)?);
            read_pieces(source, from, 0..size, &mut |piece| scratch.write(piece))?;
            FileSegment::open(scratch.path())?.into()
        }
    };
    let mode = match finding.kind {
        FindingKind::Missing => PutMode::Create,
        _ => PutMode::Replace,
    };
    target.put(to, &[payload], mode)?;
    match content_fault(target, to, size, &finding.expected)? {
        None => Ok(()),
        Some(problem) => Err(Error::new(ErrorKind::Storage, format!("it was written, and then {problem}"))),
    }
}
