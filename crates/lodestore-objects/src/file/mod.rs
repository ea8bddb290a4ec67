//! A store in a folder of a file system, local or mounted.
//!
//! **Writing.** The bytes go to a scratch file beside their destination, named
//! `.lodestore-<token>.part`, which no listing shows. It is synchronised and then renamed: for
//! [`Create`](crate::PutMode::Create) and `Fill` by a rename that refuses to replace (where the file system has
//! none: by a hard link), for [`Replace`](crate::PutMode::Replace) by a plain one. Then the folder is
//! synchronised, and every folder above it that this store has not yet seen durable. A writer that
//! is killed leaves a scratch file, which [`Store::sweep_scratch`](crate::Store::sweep_scratch) removes.
//!
//! The scratch file lies beside its destination and not in a folder of its own: so it is on the
//! same file system even where a mount or a link splits the store, it needs no right elsewhere, and
//! its presence keeps a concurrent `delete` from pruning the folder.
//!
//! **Links.** The location itself may be a symbolic link. Below it, links are followed for reading
//! (people link their recordings into a store), but nothing is written or deleted through a link
//! that leads out of the location. Listings show links to files and do not enter linked folders.
//!
//! **Assumptions.** Rename within a folder is atomic; a synchronised file and folder survive power
//! loss. Local file systems and NFS keep both.

mod config;
mod error;
mod folder;
mod list;
mod read;
mod scratch;
mod store;

pub use store::FileStore;
