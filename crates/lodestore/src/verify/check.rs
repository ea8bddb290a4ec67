//! One object against what its row says of it.

use std::collections::{BTreeMap, HashMap};

use lodestore_codec::hash::{self, Checksummer, ContentHasher};
use lodestore_codec::manifest::{Difference, Entry, Manifest};
use lodestore_codec::npy::{Header, header_of};
use lodestore_objects::{Store, interrupted};
use lodestore_types::{Error, ErrorKind, Reference, Result, StorePath};
use serde_json::Value as Json;

use super::{Depth, FindingKind};
use crate::placement::read_pieces;

/// No header of a `.npy` file is longer.
const LONGEST_HEADER: u64 = 1 << 20;

/// What is wrong with an object, or with a file of a folder.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: FindingKind,
    pub(super) path: String,
    pub(super) problem: String,
    pub(super) expected: Expected,
}

/// What is known of the content that should be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) size: Option<u64>,
    /// `sha256:...`
    pub(super) checksum: Option<String>,
    /// The content hash, by which hash-addressed objects are named.
    pub(super) hash: Option<String>,
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checked {
    pub(super) objects: u64,
    /// The sizes of the objects that are there.
    pub(super) bytes: u64,
    pub(super) faults: Vec<Fault>,
}

impl Checked {
    /// The first thing that is wrong, and whether it is that something is missing.
    pub(crate) fn into_problem(self) -> Option<(bool, String)> {
        let mut faults = self.faults.into_iter().filter(|fault| fault.kind != FindingKind::Unverifiable);
        faults.next().map(|fault| (fault.kind == FindingKind::Missing, fault.problem))
    }
}

impl Expected {
    fn of(reference: &Reference) -> Self {
        let text = |key: &str| reference.metadata.get(key).and_then(Json::as_str).map(str::to_owned);
        Expected { size: reference.size(), checksum: text("checksum"), hash: text("hash") }
    }

    /// True if content that agrees with this is sure to be the right one.
    pub(super) fn is_proof(&self) -> bool {
        self.checksum.is_some() || self.hash.is_some()
    }
}

/// Looks at an object, or at all files of a folder: whether they are there and of the right size, and in a deep look
/// at every byte, as far as the row, or the manifest, tells what they must be.
///
/// # Errors
/// Those of the store: then nothing is known.
pub(crate) fn check(store: &dyn Store, reference: &Reference, depth: Depth, listed: Option<u64>) -> Result<Checked> {
    let is_folder = reference.metadata.get("is_dir").and_then(Json::as_bool) == Some(true);
    match (reference.codec.as_str(), is_folder) {
        ("filepath", true) => check_users_folder(store, reference),
        // A file that is its user's has no checksum: `check_file` compares the size.
        (_, false) => check_file(store, reference, depth, listed),
        (_, true) => check_folder(store, reference, depth),
    }
}

fn check_file(store: &dyn Store, reference: &Reference, depth: Depth, listed: Option<u64>) -> Result<Checked> {
    let path = &reference.path;
    let expected = Expected::of(reference);
    let mut checked = Checked { objects: 1, ..Checked::default() };
    let fault = |kind, problem: String| Fault { kind, path: path.to_string(), problem, expected: expected.clone() };
    let Some(found) = listed.map_or_else(|| store.size(path), |size| Ok(Some(size)))? else {
        // A codec of the user's may keep a folder, and need not say so.
        let folder = check_folder(store, reference, depth)?;
        if reference.metadata.get("is_dir").is_none() && folder.objects > 0 {
            return Ok(folder);
        }
        checked.faults.push(fault(FindingKind::Missing, "the object is not in its store".to_owned()));
        return Ok(checked);
    };
    checked.bytes = found;
    let problem = match expected.size.filter(|size| *size != found) {
        Some(size) => Some(format!("it has {found} bytes, its row says {size}")),
        None if depth == Depth::Deep => content_fault(store, path, found, &expected)?,
        None => None,
    };
    let problem = match problem {
        None if reference.codec == "npy" && !(expected.is_proof() && depth == Depth::Deep) => {
            array_fault(store, reference, found, depth)?
        }
        problem => problem,
    };
    checked.faults.extend(problem.map(|problem| fault(FindingKind::Damaged, problem)));
    Ok(checked)
}

/// What is wrong with the bytes of an object of the right size.
pub(super) fn content_fault(
    store: &dyn Store,
    path: &StorePath,
    size: u64,
    expected: &Expected,
) -> Result<Option<String>> {
    if !expected.is_proof() {
        return Ok(None);
    }
    let (mut checksummer, mut hasher) = (Checksummer::default(), ContentHasher::default());
    let there = read_pieces(store, path, 0..size, &mut |piece| {
        // The checksum says more than the hash: MD5, for which two contents of one hash can be made.
        match expected.checksum {
            Some(_) => checksummer.update(piece),
            None => hasher.update(piece),
        }
        if interrupted() { Err(Error::new(ErrorKind::Interrupted, "verifying was interrupted")) } else { Ok(()) }
    });
    match there {
        Ok(true) => {}
        Ok(false) => return Ok(Some("it disappeared while it was read".to_owned())),
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Some(error.message().to_owned())),
        Err(error) => return Err(error),
    }
    Ok(match (&expected.checksum, &expected.hash) {
        (Some(checksum), _) => mismatch("checksum", checksum, &checksummer.finish()),
        (None, Some(hash)) => mismatch("hash", hash, &hasher.finish()),
        (None, None) => None,
    })
}

fn mismatch(what: &str, expected: &str, found: &str) -> Option<String> {
    let differs = !expected.eq_ignore_ascii_case(found);
    differs.then(|| format!("its {what} is `{found}`, its row says `{expected}`"))
}

/// What is wrong with an array whose row has no checksum, as other programs write them: the header must tell what the
/// row tells, and the size must be that of such an array.
fn array_fault(store: &dyn Store, reference: &Reference, found: u64, depth: Depth) -> Result<Option<String>> {
    let known = match header_of(reference) {
        Ok(known) => known,
        Err(error) => return Ok(Some(format!("its row tells no sound array: {}", error.message()))),
    };
    let elements = known.shape.iter().try_fold(known.dtype.itemsize() as u64, |size, n| size.checked_mul(*n as u64));
    let least = elements.unwrap_or(u64::MAX);
    if found < least {
        return Ok(Some(format!("it has {found} bytes, the array that its row tells has {least}")));
    }
    if depth == Depth::Fast {
        return Ok(None);
    }
    let range = 0..found.min(LONGEST_HEADER);
    let Some(start) = store.get_ranges(&reference.path, std::slice::from_ref(&range))? else {
        return Ok(Some("it disappeared while it was read".to_owned()));
    };
    let header = match Header::parse(&start[0]) {
        Ok(header) => header,
        Err(error) => return Ok(Some(error.message().to_owned())),
    };
    if header.dtype != known.dtype || header.shape != known.shape {
        let (dtype, shape) = (&known.dtype, &known.shape);
        return Ok(Some(format!(
            "it holds an array of {} and shape {:?}, its row says {dtype} and {shape:?}",
            header.dtype, header.shape
        )));
    }
    let expected = header.length as u64 + least;
    Ok((found != expected).then(|| format!("it has {found} bytes, its header speaks of {expected}")))
}

/// A folder is what its manifest says; the manifest is what its row says, as far as that goes.
fn check_folder(store: &dyn Store, reference: &Reference, depth: Depth) -> Result<Checked> {
    let path = &reference.path;
    let files = files_of(store, path)?;
    let mut checked = Checked { objects: files.len() as u64, bytes: files.values().sum(), faults: Vec::new() };
    let manifest_path = Manifest::path_for(path)?;
    let checksum = reference.metadata.get("manifest").and_then(Json::as_str).map(str::to_owned);
    let expected = Expected { checksum, ..Expected::default() };
    let of_manifest = |kind, problem: &str| Fault {
        kind,
        path: manifest_path.to_string(),
        problem: problem.to_owned(),
        expected: expected.clone(),
    };
    let Some(bytes) = store.get(&manifest_path)? else {
        match expected.checksum {
            Some(_) => checked.faults.push(of_manifest(FindingKind::Missing, "the folder's manifest is missing")),
            None => checked.faults.extend(totals_fault(reference, &checked)),
        }
        return Ok(checked);
    };
    if let Some(told) = &expected.checksum {
        let found = hash::checksum(&bytes.clone().into())?;
        if let Some(problem) = mismatch("checksum", told, &found) {
            checked.faults.push(of_manifest(FindingKind::Damaged, &problem));
            return Ok(checked);
        }
    }
    let manifest = match Manifest::parse(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            checked.faults.push(of_manifest(FindingKind::Damaged, error.message()));
            return Ok(checked);
        }
    };
    for (key, found) in [("item_count", manifest.entries().len() as u64), ("size", manifest.total_size())] {
        if let Some(told) = reference.metadata.get(key).and_then(Json::as_u64).filter(|told| *told != found) {
            let problem = format!("the manifest's `{key}` is {found}, the row says {told}");
            checked.faults.push(of_manifest(FindingKind::Damaged, &problem));
        }
    }
    let mut expected: HashMap<&str, Expected> = HashMap::with_capacity(manifest.entries().len());
    for Entry { path, size, checksum } in manifest.entries() {
        expected.insert(path, Expected { size: Some(*size), checksum: checksum.clone(), hash: None });
    }
    for difference in manifest.compare(files.iter().map(|(path, size)| (path.as_str(), *size))) {
        let (kind, inner) = match &difference {
            Difference::Missing(inner) => (FindingKind::Missing, inner),
            Difference::Size { path, .. } => (FindingKind::Damaged, path),
            Difference::Unknown(inner) => (FindingKind::Foreign, inner),
        };
        checked.faults.push(Fault {
            kind,
            path: format!("{path}/{inner}"),
            problem: difference.to_string(),
            expected: expected.get(inner.as_str()).cloned().unwrap_or_default(),
        });
    }
    if depth == Depth::Deep {
        for entry in manifest.entries().iter().filter(|entry| files.get(&entry.path) == Some(&entry.size)) {
            let expected = &expected[entry.path.as_str()];
            let file = path.join(&entry.path)?;
            let problem = content_fault(store, &file, entry.size, expected)?;
            checked.faults.extend(problem.map(|problem| Fault {
                kind: FindingKind::Damaged,
                path: file.to_string(),
                problem,
                expected: expected.clone(),
            }));
        }
    }
    Ok(checked)
}

/// Without a manifest, as other programs leave folders, there is only what the row counts: it can show that the folder is
/// damaged, and never that it is sound.
fn totals_fault(reference: &Reference, checked: &Checked) -> Option<Fault> {
    let told = |key: &str| reference.metadata.get(key).and_then(Json::as_u64);
    let fault =
        |kind, problem| Some(Fault { kind, path: reference.path.to_string(), problem, expected: Expected::default() });
    if checked.objects == 0 && told("item_count") != Some(0) {
        return fault(FindingKind::Missing, "the folder is not in its store".to_owned());
    }
    let counts = [("item_count", checked.objects), ("size", checked.bytes)];
    let differs = counts.iter().find_map(|(key, found)| {
        let told = told(key).filter(|told| told != found)?;
        Some((key, found, told))
    });
    match differs {
        Some((key, found, told)) => {
            fault(FindingKind::Damaged, format!("its `{key}` is {found}, its row says {told}; it has no manifest"))
        }
        // A codec of the user's may have other means.
        None if reference.codec != "object" => None,
        None => fault(FindingKind::Unverifiable, "the folder cannot be verified: it has no manifest".to_owned()),
    }
}

/// A folder of the user's: it must be there; what is in it is the user's affair.
fn check_users_folder(store: &dyn Store, reference: &Reference) -> Result<Checked> {
    let mut checked = Checked { objects: 1, ..Checked::default() };
    let is_there = store.list(Some(&reference.path))?.next().transpose()?.is_some()
        || store.local_path(&reference.path).is_some_and(|path| path.is_dir());
    if !is_there {
        checked.faults.push(Fault {
            kind: FindingKind::Missing,
            path: reference.path.to_string(),
            problem: "the folder is not in its store".to_owned(),
            expected: Expected::default(),
        });
    }
    Ok(checked)
}

/// The files in a folder of the store, by their paths in it.
fn files_of(store: &dyn Store, folder: &StorePath) -> Result<BTreeMap<String, u64>> {
    let mut files = BTreeMap::new();
    for entry in store.list(Some(folder))? {
        let entry = entry?;
        if let Some(inner) = entry.path.as_str().strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/')) {
            files.insert(inner.to_owned(), entry.size);
        }
    }
    Ok(files)
}
