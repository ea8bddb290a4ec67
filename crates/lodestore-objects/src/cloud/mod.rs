//! What the stores of the network share: everything but where they are and how one proves who one is.
//!
//! A room for each kind of them (`s3/`, `gcs/`, `azure/`) makes a client of the crate `object_store`; what is here makes
//! a [`Store`](crate::Store) of it.
//!
//! **Waiting.** Requests run on a runtime of this room's own (`runtime.rs`), which is made anew in a forked child. A
//! caller waits for its answer in small steps, and looks up whether the user pressed Ctrl-C.
//!
//! **Writing** (`put.rs`, `upload.rs`). A small object is one request, conditional where nothing may be replaced. A large
//! one goes up in parts, several at once, and appears when the last has arrived; where exactly one of several writers
//! must win, it goes to a path of its own first and is copied from there. Each object carries the token of the put that
//! wrote it in its metadata (`writer`): if the answer to a put is lost, the token tells whether it was carried out.
//!
//! **Reading** (`get.rs`). A small object is one request, a large one is read in parts, several at once, straight into
//! the memory that is to hold it. A body that breaks off is taken up where it ended.
//!
//! **Trouble** (`http.rs`). What the server or the network fails to do is tried again, at growing and random distances;
//! a server that asks for patience (503, 429, `Retry-After`) gets it from all requests of the store.

mod config;
mod error;
mod get;
mod http;
mod list;
mod put;
mod runtime;
mod store;
mod upload;

pub use config::Transfer;
pub(crate) use config::{Opening, location};
pub(crate) use error::Secrets;
pub use store::CloudStore;
