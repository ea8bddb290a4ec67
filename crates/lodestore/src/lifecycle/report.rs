//! How objects are collected, and what came of it.

use lodestore_types::Error;

use super::object::{Object, Section};

/// How objects are collected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectOptions {
    /// Only tells what would be deleted.
    pub dry_run: bool,
    /// Lists the stores too, and finds what no journal tells of.
    pub full: bool,
    /// Tells sizes too: it asks for each, which in a bucket is a request.
    pub sizes: bool,
    /// Only objects in the store of this name.
    pub store: Option<String>,
    /// For how many seconds released objects are kept; without it as the settings `gc.grace` and `gc.horizon` say.
    pub grace: Option<i64>,
    /// How many seconds old, by the store's clock, an object must be of which no journal tells; without it as `gc.age` says.
    pub age: Option<i64>,
}

/// What a collection found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// True if nothing was to be deleted.
    pub dry_run: bool,
    /// True if the stores were listed.
    pub full: bool,
    /// Content, by its hash.
    pub hash: SectionReport,
    /// Objects of one row each.
    pub schema: SectionReport,
    /// Released objects that a writer is just about to name.
    pub intended: u64,
    /// Released objects that the journal keeps, for their grace period or for a later time.
    pub waiting: u64,
    /// Listed objects that no row names and that are too young.
    pub young: u64,
    /// Deletions that could not be undone any more: their rows were forgotten, and the objects of these are among the
    /// released. A dry run counts the deletions, and not their objects.
    pub expired: u64,
    /// What could not be deleted, and why; it stays in the journal.
    pub failures: Vec<String>,
}

/// What a collection found in a section of the stores. A folder counts as one object, but file by file where a store
/// was listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SectionReport {
    /// Objects that rows name: those among the candidates, or in a full collection all.
    pub referenced: u64,
    /// Objects that were listed; 0 without listing.
    pub stored: u64,
    /// The paths of objects that nothing names.
    pub orphaned: Vec<String>,
    /// Their size, as far as it is known.
    pub orphaned_bytes: u64,
    /// How many of them were deleted.
    pub deleted: u64,
    /// The size of what was deleted, as far as it is known.
    pub bytes_freed: u64,
}

impl Collected {
    pub(super) fn new(options: &CollectOptions) -> Self {
        Collected { dry_run: options.dry_run, full: options.full, ..Collected::default() }
    }

    pub(super) fn section(&mut self, section: &Section) -> &mut SectionReport {
        match section {
            Section::Hash(..) => &mut self.hash,
            _ => &mut self.schema,
        }
    }

    pub(super) fn fail(&mut self, object: &Object, error: Error) {
        self.failures.push(error.with("store", &object.store).with("path", &object.path).to_string());
    }
}

impl SectionReport {
    pub(super) fn orphan(&mut self, path: &str, bytes: u64) {
        if !self.orphaned.iter().rev().take(1).any(|known| known == path) {
            self.orphaned.push(path.to_owned());
            self.orphaned_bytes += bytes;
        }
    }

    pub(super) fn delete(&mut self, path: &str, bytes: u64) {
        self.orphan(path, bytes);
        self.deleted += 1;
        self.bytes_freed += bytes;
    }
}
