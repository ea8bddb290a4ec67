//! The lifecycle of objects: how rows and objects stay true to each other, whoever works at once and whenever killed.
//!
//! Four properties are kept. **P1**: the objects of a committed row are there and whole. **P2**: no object is deleted
//! that a committed row, or a row that may still be committed, names. **P3**: when all writers have stopped and their
//! leases are over, a collection leaves exactly the objects that rows name. **P4**: every step may be done again.
//!
//! # What is written down
//!
//! Each schema that has stored attributes has a journal: hidden tables in its own database, made when the first object
//! is to be written. Times are seconds of the database's clock.
//!
//! | table | columns | what a row says |
//! |---|---|---|
//! | `~lifecycle` | `property`, `value` | `format`: 2 if deleted rows were ever kept, else perhaps 1; a greater one is refused; `identity`: by which stores know the schema; `store:{name}`: the marker of a store; `epoch:{marker}`: the tokens of the claim there; `place:...`: where its objects have been written ([`place`]); `clock`, `jump`: the recorded time ([`clock`]) |
//! | `~intents` | `batch`, `renewed`, `revoked`, `objects` | a writer may be about to name these objects (all of a batch in one row, as JSON) |
//! | `~released` | `id`, `store`, `path`, `tree`, `since` | a row that named this object is gone; a log: nothing in it is unique but `id` |
//! | `~condemned` | `path`, `generation`, `since` | no new row may name the content at this hash path, up to this generation |
//! | `~codecs` | `attribute`, `declared` | an attribute (`table.attribute`) was declared with this codec, whatever its comment says now |
//!
//! On SQLite, where nobody else can write while a transaction is open, intents lie in files instead, in the folder
//! `lodestore.db-intents`: one for each process, flushed as each batch is added, and locked by its process as long as
//! that lives. A file that nobody holds is one of the dead.
//!
//! # Objects and their paths
//!
//! No path is used again once its object may be deleted. A schema-addressed path has a random token, so only one row
//! ever names it. A hash-addressed one is `{hash}`, its generation 0; when that was condemned, whoever stores the same
//! content next writes `{hash}.1`, and so on. So a delete that comes late, from a collector that slept for an hour,
//! meets nothing that anyone relies on; collectors need no leases, and writers never wait for them.
//!
//! # A writer
//!
//! 1. **Intend.** Adds the paths that it will write or rely on to the journal, committed outside of the user's
//!    transaction.
//! 2. **Look.** *Then* reads which of its hash paths are condemned; for these it takes the next generation, and
//!    intends that as well, and looks again.
//! 3. **Put.** Writes the objects, where nothing is; one that is there already at its hash path, with the same content, is
//!    relied on. If it has other content of the same hash, the next generation is taken, from step 1 on.
//! 4. **Commit.** In the user's transaction: deletes its own intents, which must all be there and not revoked (else
//!    the insert fails: its lease was over), and inserts the rows. In files, intents are struck after the commit, and the file
//!    must still be there in the transaction: whoever takes it over renames it in a transaction of its own.
//!
//! If the rows do not go in, objects under tokens that the store said it had written are deleted at once, the others are released, and the intents are
//! deleted then. If it is not known whether a commit happened, all of them are released, and looked at like others.
//! A writer that is at work for long renews its intents in the background.
//!
//! # Whoever deletes or changes rows
//!
//! In the same transaction, before the rows go, they are locked and counted, and the paths that they name are added to
//! `~released`. If more rows go than were locked, another program has added some in between: then it begins again. Rows
//! that are replaced may come to be in that moment, so there the table is locked.
//! After the commit a collection of what is released follows at once.
//!
//! Deleted rows that are kept so that they can come back ([`crate::undelete`]) are moved to other tables instead, and name
//! their objects from there. To this protocol a move is no step at all: references are read as of one moment.
//!
//! # A collector
//!
//! 1. **Revoke.** Marks the intents whose lease is over as revoked and releases their objects, in one transaction; those
//!    that were revoked one lease ago are released once more and deleted. (Files: of processes that are gone; released,
//!    then deleted.)
//! 2. **Take** released objects, in the order of their ids, that have been there for the grace period.
//! 3. **Look.** Reads intents, then references: all of them, the list of columns included, in one snapshot of the database,
//!    so that a row that is moved from table to table, or into a table that has just been made, is met. What a row names is struck from the list (by id), what is intended is
//!    left for later.
//! 4. **Condemn** the hash paths among the rest, and commit. (Token paths need not be: nobody can newly name one.)
//! 5. **Look again** at these, and at folders, whose files are listed before: intents first, then references, each as
//!    committed after step 4. An intent in a folder counts for the folder.
//! 6. **Delete** what is still not named, file by file, once the commits seen so far are durable; of a folder the files
//!    that were listed, its manifest last.
//! 7. **Strike** what was deleted or is named, by the ids that were taken.
//!
//! A reference is any text under `path` in a column of a codec, in any schema of the database, whatever store it names; in a
//! column of a codec that is not known here, or of JSON, text or bytes without a type marker, any text at all. If one of these
//! columns cannot be read, or may have rows that this user does not see, if a value has no path, or if a column is recorded in
//! `~codecs` and has no marker any more, nothing is deleted. A full collection also lists the store, and releases what is older
//! than a day by the store's clock and not named; what follows is the same.
//!
//! An insert that the database copies from a query intends *all* hash paths of its schema: no hash-addressed object of
//! it is deleted until its transaction ends. Then, like every writer, it looks at `~condemned`: if one of the rows names
//! content that is condemned, they pass through this program instead, which gives the content its next path.
//!
//! # Why that is safe
//!
//! A writer's intent is committed before it reads `~condemned`; a collector's condemnation is committed before it
//! reads intents. One of the two sees the other. What the collector finds no intent of, has either been committed
//! before (then the references, read later, show it), or given up, or was revoked: then its commit fails. A condemned
//! path is never relied on again, so that nothing can come to name it after the second look.
//!
//! All this is about one database and the store it knows. Before a writer writes and a collector deletes, it makes sure that
//! the store is the known one (`marker.rs`), and that no other database, such as a copy of this one, has claimed it
//! (`claim.rs`).
//!
//! Programs that keep no journal (DataJoint itself) are guarded against by time alone: see `gc.grace`.

mod claim;
mod clock;
mod codecs;
mod collect;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
pub(crate) mod doubt_tests;
mod files;
#[cfg(test)]
mod folder_tests;
mod generation;
mod home;
mod intent;
mod journal;
mod marker;
mod object;
mod owning;
mod place;
mod references;
mod renew;
mod report;
mod scan;
mod spelling;

pub(crate) use generation::next_generation;
pub(crate) use intent::Intent;
pub(crate) use journal::Lifecycle;
pub(crate) use object::{Object, is_like_ours};
pub(crate) use owning::Owning;
pub(crate) use place::prefixes;
pub use report::{CollectOptions, Collected, SectionReport};
pub use scan::Listed;
