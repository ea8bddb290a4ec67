//! References from what a column holds.

use lodestore_types::{Error, ErrorKind, Reference, Result, StorePath, Value};
use serde_json::Value as Json;

use crate::codec::Context;

/// The reference that a document stands for, such as a program keeps to find an object again: a JSON
/// object with `path`, `store` and what else its row told.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if it names no object.
pub fn reference_of(codec: impl Into<String>, document: Json) -> Result<Reference> {
    let codec = codec.into();
    reference_from_column(&codec, Value::Json(document), &Context::default())
}

/// The reference that a column's JSON stands for. A store that is null, empty or not told is the
/// one of `context`: the peer writes an empty name for its default store.
pub(crate) fn reference_from_column(codec: &str, column: Value, context: &Context) -> Result<Reference> {
    let damaged = |why: String| {
        Error::new(ErrorKind::Corrupt, format!("the column does not name an object of `<{codec}@>`: {why}"))
    };
    let Value::Json(Json::Object(mut metadata)) = column else {
        return Err(damaged(format!("it holds {}, not a JSON object", column.type_name())));
    };
    let path = match metadata.remove("path") {
        Some(Json::String(path)) => path,
        Some(other) => return Err(damaged(format!("its `path` is {other}"))),
        None => return Err(damaged("it tells no `path`".to_owned())),
    };
    let path = StorePath::new(path).map_err(|error| damaged(error.message().to_owned()))?;
    let store = match metadata.remove("store") {
        Some(Json::String(store)) if !store.is_empty() => store,
        None | Some(Json::Null | Json::String(_)) => context.store.clone().unwrap_or_default(),
        Some(other) => return Err(damaged(format!("its `store` is {other}"))),
    };
    Ok(Reference { codec: codec.to_owned(), store, path, metadata })
}
