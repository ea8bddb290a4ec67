//! What `<filepath@>` takes: looked up in its store before anything is written.

use std::fs;
use std::path::Path;

use lodestore_codec::filepath::{OWN_FOLDER, PathRules, column};
use lodestore_objects::Store;
use lodestore_types::{Error, ErrorKind, Reference, Result, StorePath, Timestamp, Value};
use serde_json::Value as Json;

use crate::Instance;
use crate::config::StoreSpec;
use crate::placement::Target;

/// The column for a path of the user: checked, brought to one form, and found in its store.
///
/// # Errors
/// `InvalidValue` if the path leaves the store, also by a link, or lies in a section where it may
/// not; `MissingFile` if nothing is there.
pub(crate) fn look_up(target: &Target, text: &str) -> Result<Value> {
    let Target { spec, store, .. } = target;
    let locate = |error: Error| error.with("store", &spec.name);
    let rules = rules_of(spec, &**store);
    let path = rules.check(text).map_err(locate)?;
    check_links(&rules, &**store, &path, text).map_err(locate)?;
    let size = store.size(&path)?;
    if size.is_none() && store.list(Some(&path))?.next().transpose()?.is_none() && !is_folder(&**store, &path) {
        return Err(Error::new(
            ErrorKind::MissingFile,
            format!("file not found in store `{}`: `{}`", spec.name, text.escape_debug()),
        )
        .with_hint("put the file into the store first, then insert its path"));
    }
    Ok(Value::Json(Json::Object(column(&path, &spec.name, size, Timestamp::now()))))
}

/// Checks where a row points before anything is read there: a row may have been changed by another program, or person.
///
/// No row points into the folder in which a store keeps what it needs itself. A `<filepath@>` points neither into a section
/// that is managed nor, by a link, out of the store: as when it was inserted.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn check_named(instance: &Instance, reference: &Reference, path: &StorePath) -> Result<()> {
    let refuse = |why: &str| {
        Error::new(ErrorKind::Corrupt, format!("the row points to `{path}`, which is no object of a row: {why}"))
            .with_hint("another program has changed the row: restore it, or update its value")
    };
    if path.segments().next() == Some(OWN_FOLDER) {
        return Err(refuse("the folder is the store's own"));
    }
    if reference.codec != "filepath" {
        return Ok(());
    }
    let spec = instance.store_spec(Some(&reference.store), false)?;
    let store = instance.store(&reference.store)?;
    // Where files must lie may have been set after the row was inserted.
    let rules = PathRules { filepath_prefix: None, ..rules_of(&spec, &*store) };
    let checked = rules.check(path.as_str()).and_then(|_| check_links(&rules, &*store, path, path.as_str()));
    checked.map_err(|error| refuse(error.message()))
}

fn rules_of(spec: &StoreSpec, store: &dyn Store) -> PathRules {
    let mut roots = vec![store.url(None)];
    if spec.protocol == "file" {
        roots.push(absolute(&spec.location));
        // The same folder without links, as the store itself spells it.
        roots.extend(fs::canonicalize(&spec.location).ok().and_then(|root| root.to_str().map(str::to_owned)));
    }
    PathRules {
        roots,
        hash_prefix: spec.hash_prefix.clone(),
        schema_prefix: spec.schema_prefix.clone(),
        filepath_prefix: spec.filepath_prefix.clone(),
    }
}

fn absolute(location: &str) -> String {
    std::path::absolute(location).map_or_else(|_| location.to_owned(), |path| path.display().to_string())
}

/// A link may lead out of the store, or into what is managed: where it leads must be allowed too.
fn check_links(rules: &PathRules, store: &dyn Store, path: &StorePath, text: &str) -> Result<()> {
    let Some(local) = store.local_path(path) else { return Ok(()) };
    // What is not there leads nowhere; that it is missing is told later.
    let Ok(real) = fs::canonicalize(&local) else { return Ok(()) };
    if real == local {
        return Ok(());
    }
    let refuse = |why: &str| {
        Err(Error::new(ErrorKind::InvalidValue, format!("`<filepath@>` path {why}: `{}`", text.escape_debug()))
            .with_hint("give a path that stays inside the store without links"))
    };
    let Some(real) = real.to_str() else { return refuse("leads by a link to a name that is no Unicode text") };
    let free = PathRules { filepath_prefix: None, ..rules.clone() };
    match free.check(real) {
        Ok(_) => Ok(()),
        Err(error) if error.message().contains("reserved section") => refuse("leads by a link into a reserved section"),
        Err(_) => refuse("leads by a link outside the store"),
    }
}

/// An empty folder holds no object, and is one all the same where the store has folders.
fn is_folder(store: &dyn Store, path: &StorePath) -> bool {
    store.local_path(path).is_some_and(|local| Path::new(&local).is_dir())
}
