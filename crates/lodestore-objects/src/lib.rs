//! Object stores of Lodestore: whole-or-nothing writes, ranges, listings.
//!
//! A [`Store`] keeps bytes under a checked [`StorePath`](lodestore_types::StorePath). There is one
//! room for each kind of store ([`FileStore`] keeps files in a folder, [`MemoryStore`] nothing for
//! long), and [`put_all`], [`get_all`], [`get_ranges_all`] and [`delete_all`] work on many objects
//! at once, in whatever stores they lie.
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

#[cfg(feature = "azure")]
mod azure;
mod batch;
#[cfg(feature = "cloud")]
mod cloud;
mod file;
#[cfg(feature = "gcs")]
mod gcs;
mod interrupt;
mod memory;
#[cfg(feature = "s3")]
mod s3;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(feature = "azure")]
pub use azure::AzureConfig;
pub use batch::{
    Get, GetRanges, Progress, Put, delete_all, each, get_all, get_all_with, get_ranges_all, in_parallel, put_all,
    put_all_with,
};
#[cfg(feature = "cloud")]
pub use cloud::{CloudStore, Transfer};
pub use file::FileStore;
#[cfg(feature = "gcs")]
pub use gcs::GcsConfig;
pub use interrupt::{interrupted, set_interrupt_check};
pub use memory::MemoryStore;
#[cfg(feature = "s3")]
pub use s3::S3Config;
pub use store::{Entries, Entry, Level, PutMode, PutOutcome, Store, other_size};
