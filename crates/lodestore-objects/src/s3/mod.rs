//! A store in a bucket of Amazon S3, or of a server that speaks its protocol: MinIO, Ceph, R2 and others.
//!
//! **Assumptions.** `If-None-Match: *` keeps a put from replacing an object (S3 since 2024, MinIO, R2, Ceph), and whoever
//! reads or lists after a write sees it (S3 since 2020). An upload in parts that is killed leaves parts that no listing
//! shows: give the bucket a rule that removes incomplete uploads after a few days.

mod config;
mod profile;

pub use config::S3Config;
