//! Staged insert: objects are written first, where they will stay, and the rows that own them go in when all is complete.
//!
//! An array of many gigabytes need not be in memory, nor on this machine, before it is stored: a program writes it
//! piece by piece into the store. A [`StagedObject`] is such an object on its way ([`object`]); [`file`](self::file) and
//! [`array`] write it as one file, [`finish`] makes the column of what was written, with a manifest and checksums as every
//! insert has them. [`Table::staged_insert1`] does the whole of it for a row.
//!
//! What is pending is removed on any way out: an error, a panic, Ctrl-C, a transaction that is rolled back. If the answer
//! to a commit was lost, the database is asked whether the row is there before anything is removed.

mod array;
mod file;
mod finish;
mod object;
mod row;

pub use array::StagedArray;
pub use file::StagedFile;
pub(crate) use finish::Finished;
pub(crate) use object::Stages;
pub use object::{StagedObject, staged_is_shared};
pub(crate) use object::{intents_of, tell_staged};
pub use row::{StagedRow, StagedRows};
