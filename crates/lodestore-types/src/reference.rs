//! Where an object lies: a plain value that can be copied, compared and sent elsewhere.

use serde_json::{Map, Value as Json};

use crate::StorePath;

/// An object that a row owns or names, not yet read.
///
/// It does no I/O by itself: whoever knows the store opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The codec that wrote the object and can read it, such as `npy`.
    pub codec: String,
    /// The name of the store.
    pub store: String,
    /// Where it lies in the store.
    pub path: StorePath,
    /// What the row tells about it: shape and element type, size, checksum ...
    pub metadata: Map<String, Json>,
}

impl Reference {
    /// The object's size in bytes, if its row tells it.
    pub fn size(&self) -> Option<u64> {
        self.metadata.get("size").and_then(Json::as_u64)
    }
}
