//! Object stores of Lodestore: whole-or-nothing writes, ranges, listings.
//!
//! A [`Store`] keeps bytes under a checked [`StorePath`](lodestore_types::StorePath). There is one
//! room for each kind of store ([`FileStore`] keeps files in a folder), and [`put_all`] and
//! [`get_all`] work on many objects at once, in whatever stores they lie.
//!
//! ```
//! use lodestore_objects::{FileStore, PutMode, PutOutcome, Store};
//! use lodestore_types::StorePath;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! let store = FileStore::open("main", folder.path())?;
//! let path = StorePath::new("_schema/lab/Session/trace.npy")?;
//! assert_eq!(store.put(&path, &["seven ".into(), "bytes".into()], PutMode::Create)?, PutOutcome::Written);
//! assert_eq!(store.get_ranges(&path, &[6..11])?.unwrap(), ["bytes"]);
//! # Ok::<(), lodestore_types::Error>(())
//! ```

mod batch;
mod file;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use batch::{Get, Put, get_all, put_all};
pub use file::FileStore;
pub use store::{Entry, PutMode, PutOutcome, Store};
