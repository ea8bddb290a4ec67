//! Homes: which of several copies of a database this is.
//!
//! A copy of a database has the identities of its schemas, and would take for garbage what only the other's rows name.
//! What tells them apart is not in the database: for an embedded one the file that it is, and where it lies; for
//! PostgreSQL the server's own identifier with the database's name, and the server's address. A copy has neither in common
//! with the original; a database that was moved on one disk, or restored where it was, has one.
//!
//! MySQL and MariaDB tell nothing of the kind that outlives the failover to a replica: there, and for copies that look the
//! same, the epoch of the claim decides ([`super::claim`]).

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use lodestore_objects::Store;
use lodestore_types::StorePath;
use serde_json::{Value as Json, json};

use crate::Instance;

/// What tells a database from its copies, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Home {
    /// What it is.
    itself: Option<String>,
    /// Where it lies.
    place: Option<String>,
}

impl Instance {
    /// The home of this database.
    pub(super) fn home(&self) -> Home {
        if self.lifecycle().folder.is_some() {
            let path = Path::new(self.place());
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let place = path.canonicalize().ok().map(|path| format!("{host}:{}", path.display()));
            return Home { itself: file_number(path), place };
        }
        let Some(ask) = self.dialect().server_identity() else { return Home::default() };
        // A user who may not ask knows no more than nothing.
        let told = self.outside(|connection| connection.query(&ask.sql, &ask.parameters)).unwrap_or_default();
        let itself = told.first().and_then(|row| row.first()?.as_str().map(str::to_owned));
        // Behind a tunnel every server is this machine.
        let address = self.place().rsplit_once('@').map(|(_, address)| address.to_owned());
        let is_near =
            |address: &String| ["localhost", "127.", "::1", "[::1]"].iter().any(|near| address.starts_with(near));
        Home { itself, place: address.filter(|address| !is_near(address)) }
    }
}

impl Home {
    /// False if this is surely not the same database as the other one.
    pub(super) fn may_be(&self, other: &Home) -> bool {
        let same = |one: &Option<String>, two: &Option<String>| one.is_some() && one == two;
        let is_known = |home: &Home| home.itself.is_some() || home.place.is_some();
        same(&self.itself, &other.itself) || same(&self.place, &other.place) || !is_known(self) || !is_known(other)
    }

    /// True if it is known what the database is, and not only where.
    pub(super) fn is_certain(&self) -> bool {
        self.itself.is_some()
    }

    pub(super) fn to_json(&self) -> Json {
        json!({ "itself": self.itself, "place": self.place })
    }

    /// A home that is not told is not known.
    pub(super) fn from_json(json: &Json) -> Self {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        Home { itself: text("itself"), place: text("place") }
    }
}

/// What tells a store from its copies: one that was copied with its database is another one.
pub(super) fn seat(store: &Arc<dyn Store>) -> String {
    let inside = StorePath::new("x").ok().and_then(|path| store.local_path(&path));
    let root = inside.as_deref().and_then(Path::parent).and_then(file_number);
    root.unwrap_or_else(|| store.url(None))
}

/// A number that a copy of the file, or folder, does not have.
fn file_number(path: &Path) -> Option<String> {
    let file = path.metadata().ok()?;
    // Not every file system knows when a file was made.
    let born = file.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    Some(format!("{}:{}", file.ino(), born.map_or(0, |born| born.as_nanos())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_nothing_in_common_with_the_original() {
        let home = |itself: &str, place: &str| Home { itself: Some(itself.into()), place: Some(place.into()) };
        let original = home("1:5", "a:/x");
        assert!(!original.may_be(&home("2:7", "a:/y")));
        assert!(original.may_be(&home("1:5", "a:/y")) && original.may_be(&home("2:7", "a:/x")));
        assert!(original.may_be(&Home::default()) && Home::default().may_be(&original));
        assert_eq!(Home::from_json(&original.to_json()), original);
        assert_eq!(Home::from_json(&Json::Null), Home::default());

        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::write(&one, "x").unwrap();
        let number = file_number(&one).unwrap();
        std::fs::copy(&one, &two).unwrap();
        assert_ne!(file_number(&two).unwrap(), number);
        std::fs::rename(&one, &two).unwrap();
        assert_eq!(file_number(&two).unwrap(), number);
    }
}
