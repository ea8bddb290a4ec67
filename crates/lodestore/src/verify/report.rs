//! What a verification found.

use std::fmt;

use serde_json::{Map, Value as Json, json};

use super::check::{Expected, Fault};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// A row names an object that is not there.
    Missing,
    /// An object is not what its row says: its size, its content, or its manifest differ.
    Damaged,
    /// A value, a table or an object could not be read: nothing is known of it.
    Unreadable,
    /// A folder has no manifest and its row records no checksum of one, as other programs leave folders: that nothing is
    /// missing shows in its totals alone.
    Unverifiable,
    /// An object lies where Lodestore keeps objects, and no row names it.
    Unreferenced,
    /// A file lies where Lodestore keeps objects, and Lodestore did not write it.
    Foreign,
}

impl FindingKind {
    /// Every kind, gravest first.
    pub const ALL: [FindingKind; 6] = [
        FindingKind::Missing,
        FindingKind::Damaged,
        FindingKind::Unreadable,
        FindingKind::Unverifiable,
        FindingKind::Unreferenced,
        FindingKind::Foreign,
    ];

    /// The name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            FindingKind::Missing => "missing",
            FindingKind::Damaged => "damaged",
            FindingKind::Unreadable => "unreadable",
            FindingKind::Unverifiable => "unverifiable",
            FindingKind::Unreferenced => "unreferenced",
            FindingKind::Foreign => "foreign",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What sort of thing.
    pub kind: FindingKind,
    /// The table whose row it is about, as `schema.table`.
    pub table: Option<String>,
    /// The attribute.
    pub attribute: Option<String>,
    /// The primary key of the row.
    pub key: Option<Map<String, Json>>,
    /// The store.
    pub store: Option<String>,
    /// The path in the store: for a folder that of the file in it.
    pub path: Option<String>,
    /// The size of the object as it is, where that is known and of interest.
    pub size: Option<u64>,
    /// What is wrong.
    pub problem: String,
    /// What can be done.
    pub hint: String,
    pub(super) expected: Expected,
    /// True for a file that its user manages.
    pub(super) is_users: bool,
}

impl Finding {
    pub(super) fn new(kind: FindingKind, problem: impl Into<String>) -> Self {
        Finding {
            kind,
            table: None,
            attribute: None,
            key: None,
            store: None,
            path: None,
            size: None,
            problem: problem.into(),
            hint: String::new(),
            expected: Expected::default(),
            is_users: false,
        }
    }

    pub(super) fn of_fault(fault: &Fault, store: &str, is_users: bool) -> Self {
        let hint = match (fault.kind, is_users, fault.expected.is_proof()) {
            (FindingKind::Unverifiable, ..) => "insert a copy of the folder: its files are recorded then",
            (FindingKind::Foreign, ..) => "look at the file, and move it out of the object's folder",
            (_, true, _) => "the file is its user's: put it back, or update the row",
            (_, _, true) => "`repair` looks for the same content elsewhere; else restore it from a backup",
            (_, _, false) => "restore it from a backup: its row tells no checksum by which a copy could be known",
        };
        Finding {
            store: Some(store.to_owned()),
            path: Some(fault.path.clone()),
            hint: hint.to_owned(),
            expected: fault.expected.clone(),
            is_users,
            ..Finding::new(fault.kind, &*fault.problem)
        }
    }

    /// As JSON: what is not known is left out.
    pub fn to_json(&self) -> Json {
        let fields = [
            ("kind", Some(json!(self.kind.name()))),
            ("table", self.table.clone().map(Json::from)),
            ("attribute", self.attribute.clone().map(Json::from)),
            ("key", self.key.clone().map(Json::from)),
            ("store", self.store.clone().map(Json::from)),
            ("path", self.path.clone().map(Json::from)),
            ("size", self.size.map(Json::from)),
            ("problem", Some(json!(self.problem))),
            ("hint", Some(json!(self.hint))),
        ];
        Json::Object(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind)?;
        if let Some(table) = &self.table {
            write!(f, " {table}")?;
            if let Some(attribute) = &self.attribute {
                write!(f, ".{attribute}")?;
            }
            if let Some(key) = &self.key {
                write!(f, " {}", Json::Object(key.clone()))?;
            }
        }
        if let (Some(store), Some(path)) = (&self.store, &self.path) {
            write!(f, " {store}:{path}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// What a verification looked at and found.
#[derive(Debug, Clone, Default)]
pub struct VerifyReport {
    /// Tables whose rows were read.
    pub tables: u64,
    /// Values of rows that name objects.
    pub values: u64,
    /// Values that were not looked into, because only a sample was to be.
    pub skipped: u64,
    /// Values whose objects an earlier, interrupted run had found sound.
    pub resumed: u64,
    /// Objects that were looked at, files of folders among them; an object that several rows share counts once.
    pub objects: u64,
    /// Their sizes.
    pub bytes: u64,
    /// True if the stores were searched for objects that no row names.
    pub both_ways: bool,
    /// What is wrong, in the order in which it was found: no more than the options say.
    pub findings: Vec<Finding>,
    counts: [u64; FindingKind::ALL.len()],
    /// Objects that no row names and the journal knows: about to be named, or about to be collected.
    pub pending: u64,
    /// Their sizes.
    pub pending_bytes: u64,
    /// The sizes of unreferenced objects.
    pub unreferenced_bytes: u64,
}

impl VerifyReport {
    /// How many things of a kind are wrong, those that [`VerifyReport::findings`] leaves out among them.
    pub fn count(&self, kind: FindingKind) -> u64 {
        self.counts[kind as usize]
    }

    /// How many things are wrong.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// True if no object is missing or damaged, and everything could be read.
    pub fn is_sound(&self) -> bool {
        [FindingKind::Missing, FindingKind::Damaged, FindingKind::Unreadable].iter().all(|kind| self.count(*kind) == 0)
    }

    pub(super) fn add(&mut self, finding: Finding, keep: usize) {
        self.counts[finding.kind as usize] += 1;
        if finding.kind == FindingKind::Unreferenced {
            self.unreferenced_bytes += finding.size.unwrap_or_default();
        }
        if self.findings.len() < keep {
            self.findings.push(finding);
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Json {
        let counts: Map<String, Json> =
            FindingKind::ALL.iter().map(|kind| (kind.name().to_owned(), self.count(*kind).into())).collect();
        json!({
            "sound": self.is_sound(),
            "tables": self.tables,
            "values": self.values,
            "skipped": self.skipped,
            "resumed": self.resumed,
            "objects": self.objects,
            "bytes": self.bytes,
            "both_ways": self.both_ways,
            "counts": counts,
            "unreferenced_bytes": self.unreferenced_bytes,
            "pending": self.pending,
            "pending_bytes": self.pending_bytes,
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "omitted": self.total() - self.findings.len() as u64,
        })
    }
}
