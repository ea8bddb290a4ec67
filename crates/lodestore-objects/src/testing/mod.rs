//! The suite that every store passes, and stores that count and fail.

mod conformance;
mod wrappers;

pub use conformance::{Fixture, conformance};
pub use wrappers::{CountingStore, FaultyStore};
