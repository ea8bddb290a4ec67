//! Verification: rows against objects, and objects against rows.
//!
//! [`check`] looks at one object, [`unreferenced`] at what lies in the stores, [`repair`] brings back what can be. Rows are
//! read batch by batch, without their codecs, and objects looked at many at once; memory holds a batch, and 16 bytes
//! for each object where stores are searched or objects shared.

mod check;
mod repair;
mod report;
mod sample;
mod state;
mod unreferenced;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use indexmap::IndexMap;
use lodestore_objects::{Store, each};
use lodestore_types::{Error, ErrorKind, FullTableName, Reference, Result, SchemaName};
use serde_json::{Map, Value as Json, json};

use crate::references::{References, fingerprint, tables_of};
use crate::{Instance, Query, Row, Schema};
pub(crate) use check::check;
use check::{Checked, Fault};
pub use repair::Repaired;
pub use report::{Finding, FindingKind, VerifyReport};
use sample::Sample;
pub use sample::Subset;
use state::Progress;

/// So many objects are looked at together, unless they are large.
const OBJECTS_TOGETHER: usize = 2048;
/// So many bytes of objects are, in a deep look.
const BYTES_TOGETHER: u64 = 1 << 30;

/// How far a look goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Depth {
    /// Whether objects are there, and of the right size.
    #[default]
    Fast,
    /// Every byte, by checksums. Objects of other programs that have none are looked at as far as can be: by their content
    /// hash, by the header of an array.
    Deep,
}

/// What is verified, and how.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// How far a look goes.
    pub depth: Depth,
    /// Only some of the objects, chosen at random.
    pub subset: Option<Subset>,
    /// Whether whole schemas are also searched for objects that no row names. A sample never is.
    pub both_ways: bool,
    /// A file for what was found sound: after an interruption, the same verification goes on from there. It is removed
    /// at the end.
    pub state: Option<PathBuf>,
    /// No more findings than this are kept; all are counted.
    pub keep: usize,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        VerifyOptions { depth: Depth::Fast, subset: None, both_ways: true, state: None, keep: 10_000 }
    }
}

/// How far a verification is.
#[derive(Debug, Clone, Default)]
pub struct VerifyProgress {
    /// The table, as `schema.table`, or the store that is searched.
    pub place: String,
    /// Rows read so far, and how many there are in all tables.
    pub rows: u64,
    /// Rows in all.
    pub of: u64,
    /// Objects looked at so far.
    pub objects: u64,
    /// Their sizes.
    pub bytes: u64,
    /// Things found wrong so far.
    pub findings: u64,
}

/// Told of how far a verification is, now and then.
pub type Watch<'a> = dyn FnMut(&VerifyProgress) + 'a;

impl Instance {
    /// Compares the rows of schemas with the objects in their stores, and these with the rows; without names, of all
    /// schemas. Nothing is changed.
    ///
    /// Everything wrong is told by the report. What another program inserts or deletes meanwhile is looked at again
    /// before it is called wrong.
    ///
    /// # Errors
    /// `MissingTable` for a schema that is not there; the database's; `Interrupted`.
    ///
    /// ```
    /// use lodestore::{Depth, FindingKind, Instance, NdArray, Tier, VerifyOptions, row};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// let project = Instance::embedded(folder.path())?;
    /// let trace = project.schema("lab")?.declare("Trace", Tier::Manual, "id : int32\n---\ndata : <npy@>")?;
    /// trace.insert([row! { "id" => 1, "data" => NdArray::from_f64(&[1.0]) }])?;
    /// let options = VerifyOptions { depth: Depth::Deep, ..VerifyOptions::default() };
    /// assert!(project.verify(&[], &options, &mut |_| {})?.is_sound());
    ///
    /// std::fs::remove_dir_all(folder.path().join("objects/_schema")).unwrap();
    /// let report = project.verify(&["lab"], &options, &mut |_| {})?;
    /// assert_eq!(report.count(FindingKind::Missing), 1);
    /// assert_eq!(report.findings[0].table.as_deref(), Some("lab.trace"));
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    pub fn verify(&self, schemas: &[&str], options: &VerifyOptions, watch: &mut Watch<'_>) -> Result<VerifyReport> {
        let all = self.schemas()?;
        let schemas: Vec<&str> =
            if schemas.is_empty() { all.iter().map(String::as_str).collect() } else { schemas.to_vec() };
        let mut tables = Vec::new();
        for schema in &schemas {
            tables.extend(tables_of(self, schema)?);
        }
        let what = json!(tables.iter().map(FullTableName::to_string).collect::<Vec<_>>());
        let mut verifier = Verifier::new(self, options, what, watch)?;
        let both_ways = options.both_ways && options.subset.is_none();
        verifier.paths = both_ways.then(HashSet::new);
        if both_ways && options.depth == Depth::Fast {
            for schema in &schemas {
                self.each_far(&SchemaName::new(*schema)?, &mut |root, path, size| {
                    verifier.listed.insert(path_number(root, path.as_str()), size);
                })?;
            }
        }
        let mut queries = Vec::new();
        for name in &tables {
            match self.find_table(name) {
                Ok(table) => queries.extend(table.map(|table| (name.to_string(), (*table).clone()))),
                Err(error) => verifier.unreadable(name, &error)?,
            }
        }
        verifier.rows(&queries)?;
        if both_ways {
            unreferenced::search(&mut verifier, &schemas)?;
        }
        verifier.finish()
    }
}

impl Schema {
    /// Like [`Instance::verify`], for this schema.
    ///
    /// # Errors
    /// As [`Instance::verify`].
    pub fn verify(&self, options: &VerifyOptions, watch: &mut Watch<'_>) -> Result<VerifyReport> {
        self.instance().verify(&[self.name()], options, watch)
    }
}

impl Query {
    /// Compares these rows with the objects that they name. Stores are not searched for others.
    ///
    /// # Errors
    /// As [`Instance::verify`].
    pub fn verify(&self, options: &VerifyOptions, watch: &mut Watch<'_>) -> Result<VerifyReport> {
        let (sql, parameters) = self.sql()?;
        let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
        let what = json!({"sql": sql, "parameters": parameters});
        let mut verifier = Verifier::new(self.instance(), options, what, watch)?;
        let place = self.heading().table.as_ref().map_or_else(|| "query".to_owned(), FullTableName::to_string);
        verifier.rows(&[(place, self.clone())])?;
        verifier.finish()
    }
}

/// A verification under way.
struct Verifier<'a, 'w> {
    instance: &'a Instance,
    options: &'a VerifyOptions,
    report: VerifyReport,
    progress: VerifyProgress,
    watch: &'a mut Watch<'w>,
    state: Option<Progress>,
    sample: Sample<Job>,
    waiting: IndexMap<u128, Job>,
    waiting_bytes: u64,
    /// Shared objects that were found sound, and all with what is wrong with them.
    known: HashMap<u128, Arc<[Fault]>>,
    /// The paths that rows name, by store, if stores are to be searched.
    paths: Option<HashSet<u128>>,
    /// The sizes of objects that were listed, where to ask for each would cost a request.
    listed: HashMap<u128, u64>,
    stores: HashMap<String, std::result::Result<Arc<dyn Store>, String>>,
}

/// An object to look at, and the values that name it.
struct Job {
    store: Arc<dyn Store>,
    reference: Reference,
    holders: Vec<Holder>,
}

/// A value of a row.
#[derive(Clone)]
struct Holder {
    table: Arc<str>,
    attribute: Arc<str>,
    row: Row,
    key: Map<String, Json>,
}

impl<'a, 'w> Verifier<'a, 'w> {
    fn new(instance: &'a Instance, options: &'a VerifyOptions, what: Json, watch: &'a mut Watch<'w>) -> Result<Self> {
        // Another sample each time: so that many small looks see all in the end.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let what = json!({
            "place": instance.place(),
            "rows": what,
            "deep": options.depth == Depth::Deep,
            "subset": options.subset.map(|subset| subset.to_string()),
        });
        let state = options.state.as_deref().map(|path| Progress::open(path, &what, now)).transpose()?;
        let seed = state.as_ref().map_or(now, Progress::seed);
        Ok(Verifier {
            instance,
            options,
            report: VerifyReport::default(),
            progress: VerifyProgress::default(),
            watch,
            state,
            sample: Sample::new(options.subset, seed)?,
            waiting: IndexMap::new(),
            waiting_bytes: 0,
            known: HashMap::new(),
            paths: None,
            listed: HashMap::new(),
            stores: HashMap::new(),
        })
    }

    /// Reads rows, and looks at what they name.
    fn rows(&mut self, queries: &[(String, Query)]) -> Result<()> {
        for (_, query) in queries {
            self.progress.of += query.len().unwrap_or_default();
        }
        for (place, query) in queries {
            self.progress.place.clone_from(place);
            self.tell();
            match self.read(place, query) {
                Err(error) if is_fatal(&error) => return Err(error),
                // What one table refuses, others may tell.
                Err(error) => self.unreadable(place, &error)?,
                Ok(()) => {}
            }
            self.report.tables += 1;
        }
        for (value, job) in self.sample.take() {
            self.wait(value, job)?;
        }
        self.look()
    }

    fn read(&mut self, place: &str, query: &Query) -> Result<()> {
        let Some(references) = References::of(query)? else {
            self.progress.rows += query.len()?;
            return Ok(());
        };
        let table: Arc<str> = place.into();
        let attributes: Vec<Arc<str>> = references.attributes().iter().map(|a| a.name.as_str().into()).collect();
        for batch in references {
            let mut batch = batch?;
            self.progress.rows += batch.rows as u64;
            for (attribute, row, read) in std::mem::take(&mut batch.cells) {
                self.report.values += 1;
                let holder = || Holder {
                    table: table.clone(),
                    attribute: attributes[attribute].clone(),
                    row: batch.key_row(row),
                    key: batch.key(row),
                };
                match read {
                    Ok(reference) => self.value(reference, holder)?,
                    Err(error) => {
                        let finding = Finding {
                            hint: "the row was written by another program, or by hand: update it, or delete it".into(),
                            ..Finding::new(FindingKind::Unreadable, error.message())
                        };
                        self.find(finding, Some(&holder()));
                    }
                }
            }
            self.tell();
        }
        Ok(())
    }

    /// A value that names an object.
    fn value(&mut self, reference: Reference, holder: impl Fn() -> Holder) -> Result<()> {
        let store = match self.store(&reference.store) {
            Ok(store) => store,
            Err(problem) => {
                let finding = Finding {
                    store: Some(reference.store.clone()),
                    path: Some(reference.path.to_string()),
                    hint: "configure the store, or see that it can be reached".to_owned(),
                    ..Finding::new(FindingKind::Unreadable, problem)
                };
                self.find(finding, Some(&holder()));
                return Ok(());
            }
        };
        let root = store.url(None);
        if let Some(paths) = &mut self.paths {
            paths.insert(path_number(&root, reference.path.as_str()));
        }
        let metadata = Json::Object(reference.metadata.clone()).to_string();
        let value = fingerprint(&[&root, &reference.codec, reference.path.as_str(), &metadata]);
        if self.state.as_ref().is_some_and(|state| state.is_sound(value)) {
            self.report.resumed += 1;
            return Ok(());
        }
        if let Some(faults) = self.known.get(&value).cloned() {
            if faults.is_empty() || self.still_names(&holder(), &reference)? {
                for fault in &*faults {
                    self.find(Finding::of_fault(fault, store.name(), reference.codec == "filepath"), Some(&holder()));
                }
            }
            return Ok(());
        }
        if let Some(job) = self.waiting.get_mut(&value) {
            job.holders.push(holder());
            return Ok(());
        }
        let job = || Job { store, reference, holders: vec![holder()] };
        match &mut self.sample {
            Sample::All => {
                let job = job();
                self.wait(value, job)
            }
            sample => match sample.choose(value, job) {
                Some(job) => self.wait(value, job),
                None => Ok(()),
            },
        }
    }

    fn wait(&mut self, value: u128, job: Job) -> Result<()> {
        self.waiting_bytes += job.reference.size().unwrap_or_default();
        self.waiting.insert(value, job);
        let is_much = self.options.depth == Depth::Deep && self.waiting_bytes >= BYTES_TOGETHER;
        if is_much || self.waiting.len() >= OBJECTS_TOGETHER { self.look() } else { Ok(()) }
    }

    /// Looks at the objects that wait for it, many at once.
    fn look(&mut self) -> Result<()> {
        let (depth, jobs) = (self.options.depth, std::mem::take(&mut self.waiting));
        self.waiting_bytes = 0;
        let jobs: Vec<(u128, Job)> = jobs.into_iter().collect();
        let listed = &self.listed;
        let outcomes = each(
            &jobs,
            |(_, job)| &job.store,
            |(_, job)| {
                let at = path_number(&job.store.url(None), job.reference.path.as_str());
                check(&*job.store, &job.reference, depth, listed.get(&at).copied())
            },
        )?;
        let mut sound = Vec::with_capacity(jobs.len());
        for ((value, mut job), outcome) in jobs.into_iter().zip(outcomes) {
            let mut checked = outcome.unwrap_or_else(|error| unknown(&job, &error));
            if !checked.faults.is_empty() {
                checked = self.look_again(&mut job)?;
                if job.holders.is_empty() {
                    continue;
                }
            }
            self.report.objects += checked.objects;
            self.report.bytes += checked.bytes;
            if checked.faults.is_empty() {
                sound.push(value);
            }
            // Only objects that are named by their content are met again.
            if !checked.faults.is_empty() || job.reference.metadata.contains_key("hash") {
                self.known.insert(value, checked.faults.clone().into());
            }
            let is_users = job.reference.codec == "filepath";
            for fault in &checked.faults {
                for holder in &job.holders {
                    self.find(Finding::of_fault(fault, job.store.name(), is_users), Some(holder));
                }
            }
        }
        if let Some(state) = &mut self.state {
            state.add(&sound)?;
        }
        self.tell();
        Ok(())
    }

    /// Looks a second time at an object that seems to be lost or damaged, and then at the values that name it: those of
    /// rows that were deleted or changed meanwhile are left out.
    fn look_again(&self, job: &mut Job) -> Result<Checked> {
        let outcome = check(&*job.store, &job.reference, self.options.depth, None);
        let checked = match outcome {
            Err(error) if is_fatal(&error) => return Err(error),
            outcome => outcome.unwrap_or_else(|error| unknown(job, &error)),
        };
        if !checked.faults.is_empty() {
            let mut holders = Vec::new();
            for holder in std::mem::take(&mut job.holders) {
                if self.still_names(&holder, &job.reference)? {
                    holders.push(holder);
                }
            }
            job.holders = holders;
        }
        Ok(checked)
    }

    /// True if a value names an object as it did when it was first read, or if that cannot be found out.
    fn still_names(&self, holder: &Holder, reference: &Reference) -> Result<bool> {
        let look = || -> Result<bool> {
            let Some(table) = self.instance.find_table(&FullTableName::parse(&holder.table)?)? else {
                return Ok(false);
            };
            let Some(references) = References::of(&table.restrict(&holder.row)?)? else { return Ok(true) };
            let at = references.attributes().iter().position(|attribute| attribute.name == *holder.attribute);
            for batch in references {
                let same = |found: &Result<Reference>| found.as_ref().is_ok_and(|found| found == reference);
                if batch?.cells.iter().any(|(attribute, _, found)| Some(*attribute) == at && same(found)) {
                    return Ok(true);
                }
            }
            Ok(at.is_none())
        };
        match look() {
            Err(error) if is_fatal(&error) => Err(error),
            outcome => Ok(outcome.unwrap_or(true)),
        }
    }

    /// The store of this name, or why it cannot be used; asked once.
    fn store(&mut self, name: &str) -> std::result::Result<Arc<dyn Store>, String> {
        let open = || self.instance.store(name).map_err(|error| error.to_string());
        self.stores.entry(name.to_owned()).or_insert_with(open).clone()
    }

    fn find(&mut self, finding: Finding, holder: Option<&Holder>) {
        let finding = match holder {
            Some(holder) => Finding {
                table: Some(holder.table.to_string()),
                attribute: Some(holder.attribute.to_string()),
                key: Some(holder.key.clone()),
                ..finding
            },
            None => finding,
        };
        self.report.add(finding, self.options.keep);
    }

    /// A table that cannot be read.
    fn unreadable(&mut self, table: impl ToString, error: &Error) -> Result<()> {
        let hint = error.hint().unwrap_or("see that the table can be read").to_owned();
        let finding = Finding {
            table: Some(table.to_string()),
            hint,
            ..Finding::new(FindingKind::Unreadable, error.to_string())
        };
        self.find(finding, None);
        Ok(())
    }

    fn tell(&mut self) {
        self.progress.objects = self.report.objects;
        self.progress.bytes = self.report.bytes;
        self.progress.findings = self.report.total();
        (self.watch)(&self.progress);
    }

    fn finish(mut self) -> Result<VerifyReport> {
        self.report.skipped = self.sample.skipped();
        if let Some(state) = self.state.take() {
            state.finish()?;
        }
        Ok(self.report)
    }
}

/// What is known of an object that cannot be looked at: nothing.
fn unknown(job: &Job, error: &Error) -> Checked {
    let fault = Fault {
        kind: FindingKind::Unreadable,
        path: job.reference.path.to_string(),
        problem: error.to_string(),
        expected: check::Expected::default(),
    };
    Checked { faults: vec![fault], ..Checked::default() }
}

/// A store's path as a number.
fn path_number(root: &str, path: &str) -> u128 {
    fingerprint(&[root, path])
}

fn is_fatal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::LostConnection | ErrorKind::Internal)
}
