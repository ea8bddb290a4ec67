//! An Object-Augmented Schema engine: relational tables that own large objects.
//!
//! The database keeps keys, relationships and small values; a store keeps arrays and other large
//! objects; Lodestore keeps the two true to each other: a row is visible only when its objects are
//! whole and durable.
//!
//! ```text
//! Instance -- Schema -- Table --(restrict, join ...)--> Query --(fetch)--> Row
//!    |                    ^                                                |
//!  stores, codecs         +-- insert: check, encode, write objects, commit  +-- NpyRef: read a part
//! ```
//!
//! A pipeline, from nothing:
//!
//! ```
//! use lodestore::{Index, Instance, NdArray, NpyRef, Tier, row};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path();
//! let lab = Instance::embedded(folder)?.schema("lab")?;
//!
//! // Declare: a table is a few lines of text.
//! let session = lab.declare("Session", Tier::Manual, "
//!     ## recordings of a day
//!     session_id : int32
//!     ---
//!     subject : varchar(40)
//!     trace : <npy@>            # lies in the store, as a file anyone can open
//! ")?;
//! let mean = lab.declare("Mean", Tier::Computed, "
//!     -> Session
//!     ---
//!     mean : float64
//! ")?;
//!
//! // Insert: all rows or none, after every value was checked.
//! session.insert([
//!     row! { "session_id" => 1, "subject" => "mouse 7", "trace" => NdArray::from_f64(&[1.0, 2.0, 6.0]) },
//!     row! { "session_id" => 2, "subject" => "mouse 7", "trace" => NdArray::from_f64(&[0.5]) },
//! ])?;
//!
//! // Restrict and fetch: arrays come as references, and are read part by part.
//! let row = session.restrict("session_id = 1")?.fetch1()?;
//! let trace = NpyRef::from_value(session.instance(), row.value("trace")?)?;
//! assert_eq!(trace.shape(), [3]);
//! let part = trace.slice(&[Index::Range { start: Some(1), stop: None, step: 1 }])?;
//! assert_eq!(part.to_f64(), Some(vec![2.0, 6.0]));
//!
//! // Populate: one call for each key that is missing, each a transaction.
//! let report = mean.populate(|key| {
//!     let row = session.restrict(key)?.fetch1()?;
//!     let values = NpyRef::from_value(session.instance(), row.value("trace")?)?.load()?.to_f64().unwrap_or_default();
//!     mean.insert1(key.clone().with("mean", values.iter().sum::<f64>() / values.len() as f64))
//! })?;
//! assert_eq!(report.success_count, 2);
//! assert_eq!(mean.restrict(&row! { "session_id" => 1 })?.fetch1()?.get("mean"), Some(&3.0.into()));
//! # Ok::<(), lodestore::Error>(())
//! ```
//!
//! Queries are restricted, projected, joined, extended, aggregated, united and limited ([`Query`], [`Universal`]); their
//! rows come as [`Row`]s, as structures of one's own ([`Query::fetch_as`]), as typed [`Columns`], or in bounded memory as
//! a [`Stream`].
//!
//! | feature | brings |
//! |---|---|
//! | `arrow` | Arrow record batches of columns and streams, by `arrow-array` |
//! | `mysql` | MySQL and MariaDB, by `mysql` and `rustls` |
//! | `postgres` | PostgreSQL, by `tokio-postgres` and `rustls` |
//!
//! Settings come from the environment, `.secrets/` and `datajoint.json`: see [`config`]. The formats
//! of stored values are specified in `lodestore-codec`, the definition language and what becomes of
//! it in the database in `lodestore-sql`.

mod algebra;
mod alter;
#[cfg(feature = "arrow")]
pub mod arrow;
mod attachments;
mod backend;
mod columns;
mod condition;
pub mod config;
mod current;
mod delete;
mod diagram;
mod drop;
mod fetch;
mod filepath;
mod graph;
mod insert;
mod instance;
mod jobs;
mod lifecycle;
mod lineage;
mod local;
mod migrate;
mod npy;
mod object;
mod placement;
mod populate;
mod preview;
mod private;
mod protocols;
mod query;
mod reader;
mod reading;
mod references;
mod row;
mod row_serde;
mod save;
mod schema;
mod staged;
mod statement;
mod stream;
mod table;
mod transaction;
mod undelete;
mod update;
mod usage;
mod verify;

pub use algebra::Universal;
pub use columns::Columns;
pub use condition::IntoCondition;
pub use delete::{Affected, DeleteOptions, PartIntegrity};
pub use diagram::DiagramOptions;
pub use fetch::{FetchOptions, OnError};
pub use graph::{Graph, Link};
pub use insert::{Batch, Duplicates, InsertOptions, Invalid, Progress, Validation};
pub use instance::{Instance, set_codec_finder};
pub use jobs::{JobCounts, JobStatus, Jobs, RefreshOptions, Refreshed};
pub use lifecycle::{CollectOptions, Collected, Listed, SectionReport};
pub use migrate::{MigrateOptions, MigrateProgress, Migration, TierMove, TierOptions};
pub use npy::{NpyRef, load_all_into};
pub use object::ObjectRef;
pub use populate::{KeyOrder, Make, Parts, PopulateOptions, PopulateReport, Progress as PopulateProgress};
pub use preview::PreviewOptions;
pub use protocols::{Protocol, register_protocol, set_protocol_finder};
pub use query::Query;
pub use reading::ObjectStream;
pub use row::Row;
pub use schema::{Resolve, Schema};
pub use staged::{StagedArray, StagedFile, StagedObject, StagedRow, StagedRows, staged_is_shared};
pub use stream::Stream;
pub use table::Table;
pub use transaction::set_task;
pub use undelete::Deletion;
pub use usage::{Usage, UsageRow};
pub use verify::{Depth, Finding, FindingKind, Repaired, Subset, VerifyOptions, VerifyProgress, VerifyReport, Watch};

pub use lodestore_codec as codec;
pub use lodestore_codec::npy::Index;
pub use lodestore_db::{Answer, Column, ColumnData, ColumnKind, Strings, set_interrupt_check, set_warning_hook};
pub use lodestore_diagram::{self as picture, Diagram};
pub use lodestore_objects as store;
pub use lodestore_sql::definition::Reference as TableReference;
pub use lodestore_sql::{
    Alteration, Attribute, Change, Condition, Dependency, ForeignKey, Heading, JoinKind, JoinOptions, Matching,
    Projection, Top, Unmatched,
};
pub use lodestore_types::*;
