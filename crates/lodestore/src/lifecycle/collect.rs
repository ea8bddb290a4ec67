//! Collecting: from what may be garbage to what is, and its end.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use lodestore_codec::manifest::{self, Manifest};
use lodestore_db::Connection;
use lodestore_objects::{Entry, Store, delete_all, each};
use lodestore_types::{Error, ErrorKind, Result, SchemaName, StorePath, Value};
use serde_json::Value as Json;

use super::intent::ROWS_AT_ONCE;
use super::object::{Named, Object, Section, is_like_ours, owners, section};
use super::place::{Place, prefixes};
use super::references::References;
use super::report::{CollectOptions, Collected};
use super::scan::Sizes;
use crate::Instance;

/// So many released objects are looked at together.
const AT_ONCE: usize = 2_000;
/// Where references have no index, automatic clean-up reads so many rows at any time, and so many for each object.
const READ_ANYWAY: i64 = 20_000;
const READ_FOR_EACH: i64 = 1_000;
/// A condemnation is remembered for thirty days: so long may a collector sleep.
const REMEMBERED: i64 = 30 * 86_400;
/// Seconds after which a server has flushed a commit that it flushes late, which it does once a second.
const FLUSHED_AFTER: i64 = 60;
/// The longest path that the journal can condemn.
const LONGEST: usize = lodestore_sql::journal::LONGEST_CONDEMNED;

/// A released object, with all that the journal says of it.
struct Candidate {
    ids: Vec<i64>,
    object: Object,
    section: Section,
    store: Arc<dyn Store>,
    /// Of a folder, what was in it before the last look: nothing that comes later is deleted with it.
    inside: Vec<Entry>,
}

/// The objects that live writers intend.
#[derive(Default)]
pub(super) struct Intended {
    pub(super) paths: BTreeSet<String>,
    /// True if one intends every hash path.
    pub(super) all_hashes: bool,
}

impl Intended {
    /// True if a writer intends the object at a path, what it belongs to, or, if it is a folder, anything in it.
    fn names(&self, path: &str, tree: bool) -> bool {
        let inside = || self.paths.range(format!("{path}/")..format!("{path}0")).next().is_some();
        owners(path).any(|owner| self.paths.contains(owner))
            || (tree && (inside() || self.paths.contains(&format!("{path}{}", manifest::SUFFIX))))
    }
}

/// What is known of a candidate after a look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Named,
    Intended,
    Garbage,
}

impl Instance {
    /// Deletes objects of schemas that no row names any more; a dry run only tells which these are.
    ///
    /// Objects of rows that were deleted or changed, and of inserts that did not come to be, are known from the journal:
    /// the cost grows with their number. A full collection lists the stores as well, and finds what no journal tells of.
    ///
    /// # Errors
    /// `InvalidRequest` inside a transaction; whatever keeps references or stores from being read: then nothing (more) is
    /// deleted. Objects that could not be deleted are told in the report, and stay in the journal.
    pub fn collect(&self, schemas: &[SchemaName], options: &CollectOptions) -> Result<Collected> {
        if self.in_transaction() {
            return Err(Error::new(ErrorKind::InvalidRequest, "objects cannot be collected inside a transaction")
                .with_hint("end the transaction first"));
        }
        if let Some(store) = &options.store {
            self.config().store_spec(Some(store), false)?;
        }
        let mut report = Collected::new(options);
        for schema in schemas {
            let before = report.clone();
            let mut collected = self.collect_one(schema, options, &mut report);
            // A hidden table may be gone, on SQLite that of the comments.
            let may_be_lost = |error: &Error| matches!(error.kind(), ErrorKind::MissingTable | ErrorKind::Corrupt);
            if collected.as_ref().is_err_and(may_be_lost) {
                report = before;
                collected =
                    self.restore_hidden_tables(schema).and_then(|()| self.collect_one(schema, options, &mut report));
            }
            collected.map_err(|error| error.with("schema", schema))?;
        }
        Ok(report)
    }

    /// Collects what the journal of a schema has to tell, as far as that goes; what fails, or costs more than it gains, is
    /// left to a later time.
    pub(crate) fn reclaim(&self, schema: &SchemaName) {
        if !matches!(self.is_costly(schema), Ok(true)) {
            let _ = self.try_reclaim(schema);
        }
    }

    /// True if a database that has no index on paths would read many rows for each released object.
    fn is_costly(&self, schema: &SchemaName) -> Result<bool> {
        let Some(ask) = self.dialect().rows_without_index(schema) else { return Ok(false) };
        let count = |ask| Ok::<_, Error>(self.query(&ask)?.first().and_then(|row| row[0].as_i64()).unwrap_or(0));
        let rows = count(ask)?;
        if rows <= READ_ANYWAY || !self.has_journal(schema)? {
            return Ok(false);
        }
        Ok(rows / READ_FOR_EACH > count(self.journal(schema).count_released()?)?)
    }

    fn try_reclaim(&self, schema: &SchemaName) -> Result<()> {
        if !self.in_transaction() && self.config().get_bool("gc.automatic") {
            self.collect(std::slice::from_ref(schema), &CollectOptions::default())?;
        }
        Ok(())
    }

    /// Collects all that the journal of a schema knows, without grace.
    pub(crate) fn collect_all_of(&self, schema: &SchemaName) {
        let options = CollectOptions { grace: Some(0), ..CollectOptions::default() };
        let _ = self.collect(std::slice::from_ref(schema), &options);
    }

    /// Looks, once for each schema, whether others left something to collect: programs that were killed.
    ///
    /// # Errors
    /// `Interrupted`. What else goes wrong is left to the next one who looks.
    pub(crate) fn recover(&self, schema: &SchemaName) -> Result<()> {
        {
            let mut recovered = self.lifecycle().recovered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if recovered.contains(schema) || self.in_transaction() {
                return Ok(());
            }
            recovered.push(schema.clone());
        }
        let has_work = || -> Result<bool> {
            if !self.has_journal(schema)? {
                return Ok(self
                    .lifecycle()
                    .folder
                    .as_ref()
                    .map(|folder| folder.all())
                    .transpose()?
                    .is_some_and(|filed| filed.iter().any(|filed| filed.schema == *schema)));
            }
            self.restore_hidden_tables(schema)?;
            self.record_codecs(schema)?;
            if self.grace() > 0 || self.has_kept(schema)? {
                // A user who may only read cannot.
                let _ = self.follow_clock(schema);
            }
            let ask = self.journal(schema).has_work(self.grace(), self.lease())?;
            Ok(!self.query(&ask)?.is_empty()
                || self.expired(schema)? > 0
                || self
                    .lifecycle()
                    .folder
                    .as_ref()
                    .map(|folder| folder.all())
                    .transpose()?
                    .is_some_and(|all| !all.is_empty()))
        };
        let outcome = has_work().and_then(|has_work| if has_work { self.try_reclaim(schema) } else { Ok(()) });
        outcome.or_else(|error| match error.kind() {
            ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        })
    }

    /// How long, in seconds, released objects are kept.
    pub(crate) fn grace(&self) -> i64 {
        self.config().get_int("gc.grace").max(self.config().get_int("gc.horizon"))
    }

    /// How long, in seconds, an intent counts that is not renewed.
    pub(crate) fn lease(&self) -> i64 {
        self.config().get_int("gc.lease")
    }

    fn collect_one(&self, schema: &SchemaName, options: &CollectOptions, report: &mut Collected) -> Result<()> {
        let has_journal = self.has_journal(schema)?;
        if !options.dry_run {
            self.take_over(schema, has_journal)?;
        }
        if options.full && has_journal && !options.dry_run {
            self.record_codecs(schema)?;
        }
        let grace = options.grace.unwrap_or_else(|| self.grace());
        // Without a period nothing depends on the time.
        let asks_time = has_journal && !options.dry_run && (grace > 0 || options.full || self.has_kept(schema)?);
        if asks_time && self.follow_clock(schema)?.1 {
            self.report_jump(schema, grace, report)?;
        }
        let listed = if options.full { self.scan(schema, options, report)? } else { Sizes::default() };
        if self.has_journal(schema)? {
            report.expired += if options.dry_run { self.expired(schema)? } else { self.expire(schema)? };
            self.sweep(schema, options, &listed, report)?;
        }
        Ok(())
    }

    /// Releases what writers intended whose lease is over.
    fn take_over(&self, schema: &SchemaName, has_journal: bool) -> Result<()> {
        let Some(folder) = &self.lifecycle().folder else {
            return if has_journal { self.revoke_expired(schema) } else { Ok(()) };
        };
        for mut abandoned in folder.abandoned(self.lease())? {
            let batches = std::mem::take(&mut abandoned.batches);
            let mut by_schema: HashMap<&SchemaName, Vec<&Object>> = HashMap::new();
            for filed in &batches {
                by_schema.entry(&filed.schema).or_default().extend(&filed.named.objects);
            }
            let mut released = Vec::new();
            for (schema, objects) in by_schema {
                if self.schema_exists(schema)? {
                    self.open_journal(schema)?;
                    released.push((schema, objects));
                }
            }
            let taken = self.write(Vec::new(), |connection| {
                // A writer that lives after all either commits before this transaction, or fails.
                let is_ours = abandoned.take()?;
                for (schema, objects) in released.iter().filter(|_| is_ours) {
                    self.add_released(connection, schema, objects)?;
                }
                Ok(is_ours)
            })?;
            if taken {
                abandoned.forget()?;
            }
        }
        Ok(())
    }

    fn revoke_expired(&self, schema: &SchemaName) -> Result<()> {
        let journal = self.journal(schema);
        let lease = self.lease();
        self.write(Vec::new(), |connection| {
            let ask = journal.expired(lease)?;
            let (mut revoke, mut forget, mut objects) = (Vec::new(), Vec::new(), Vec::new());
            for row in connection.query(&ask.sql, &ask.parameters)? {
                let (Some(batch), Some(text), Some(revoked)) = (row[0].as_str(), row[1].as_str(), row[2].as_i64())
                else {
                    return Err(strange());
                };
                // A writer that slept may have written them after they were released first.
                if revoked == 0 { &mut revoke } else { &mut forget }.push(batch.to_owned());
                objects.extend(named(text)?.objects);
            }
            let texts = |batches: &[String]| batches.iter().map(String::as_str).map(str::to_owned).collect::<Vec<_>>();
            for batches in texts(&revoke).chunks(ROWS_AT_ONCE) {
                let batches: Vec<&str> = batches.iter().map(String::as_str).collect();
                let statement = journal.revoke(&batches)?;
                connection.execute(&statement.sql, &statement.parameters)?;
            }
            for batches in texts(&forget).chunks(ROWS_AT_ONCE) {
                let batches: Vec<&str> = batches.iter().map(String::as_str).collect();
                let statement = journal.forget_intents(&batches)?;
                connection.execute(&statement.sql, &statement.parameters)?;
            }
            self.add_released(connection, schema, &objects.iter().collect::<Vec<_>>())
        })
    }

    /// Adds to the released objects for whoever is collecting already.
    pub(super) fn add_released(
        &self,
        connection: &mut dyn Connection,
        schema: &SchemaName,
        objects: &[&Object],
    ) -> Result<()> {
        let rows: Vec<(&str, &str, bool)> =
            objects.iter().map(|object| (object.store.as_str(), object.path.as_str(), object.tree)).collect();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let release = self.journal(schema).release(rows)?;
            connection.execute(&release.sql, &release.parameters)?;
        }
        Ok(())
    }

    /// Goes through the released objects.
    fn sweep(
        &self,
        schema: &SchemaName,
        options: &CollectOptions,
        listed: &Sizes,
        report: &mut Collected,
    ) -> Result<()> {
        let grace = options.grace.unwrap_or_else(|| self.grace());
        let journal = self.journal(schema);
        let mut behind = 0;
        let mut looked = false;
        loop {
            let rows = self.query(&journal.released(behind, grace, AT_ONCE)?)?;
            let Some(last) = rows.last() else { break };
            behind = last[0].as_i64().ok_or_else(strange)?;
            looked = true;
            let candidates = self.candidates(schema, &rows, options, report)?;
            self.settle_fate(schema, candidates, options, listed, report)?;
        }
        if looked && !options.dry_run {
            // A clock that has jumped must not end the memory of what a collector that sleeps may still delete.
            if !self.query(&journal.condemned_by_clock(REMEMBERED)?)?.is_empty() && !self.follow_clock(schema)?.1 {
                let forget = journal.forget_condemned(REMEMBERED)?;
                self.with_connection(|connection| connection.execute(&forget.sql, &forget.parameters))?;
            }
        }
        report.waiting +=
            self.query(&journal.count_released()?)?.first().and_then(|row| row[0].as_i64()).unwrap_or(0) as u64;
        Ok(())
    }

    /// The objects of some rows of the journal, each once; those that are not ours to delete are struck.
    fn candidates(
        &self,
        schema: &SchemaName,
        rows: &[Vec<Value>],
        options: &CollectOptions,
        report: &mut Collected,
    ) -> Result<Vec<Candidate>> {
        let mut found: HashMap<Object, Vec<i64>> = HashMap::new();
        let mut foreign = Vec::new();
        for row in rows {
            let (Some(id), Some(store), Some(path), Some(tree)) =
                (row[0].as_i64(), row[1].as_str(), row[2].as_str(), row[3].as_i64())
            else {
                return Err(strange());
            };
            match StorePath::new(path) {
                Ok(path) => {
                    // Other programs write nothing, or `null`, for the default store.
                    let store = if store == "null" { "" } else { store };
                    let object = Object { store: store.to_owned(), path, tree: tree != 0 };
                    found.entry(object).or_default().push(id);
                }
                Err(_) => foreign.push(id),
            }
        }
        let mut candidates = Vec::new();
        let places = self.places(schema)?;
        for (mut object, ids) in found {
            let opened = || -> Result<_> {
                let spec = self.config().store_spec(Some(&object.store), false)?;
                Ok((self.store(&spec.name)?, spec))
            };
            let (store, spec) = match opened() {
                Ok(opened) => opened,
                Err(error) => {
                    report.fail(&object, error);
                    continue;
                }
            };
            object.store.clone_from(&spec.name);
            if options.store.as_ref().is_some_and(|store| self.resolved(store) != spec.name) {
                continue;
            }
            let root = store.url(None);
            let prefixes = prefixes(&spec, places.iter().filter(|place| place.is_of(&spec, &root)));
            match section(&prefixes, schema.as_str(), &object.path) {
                Section::Foreign if is_like_ours(schema.as_str(), &object.path) => {
                    report.fail(&object, under_a_former_prefix());
                }
                Section::Foreign => foreign.extend(ids),
                Section::Hash(base, _) if base.chars().count() > LONGEST => {
                    let error = Error::new(ErrorKind::Unsupported, "the path is too long for the journal");
                    report.fail(&object, error);
                }
                section => candidates.push(Candidate { ids, object, section, store, inside: Vec::new() }),
            }
        }
        candidates.sort_by(|a, b| a.object.path.cmp(&b.object.path));
        if !options.dry_run {
            self.strike(schema, &foreign)?;
        }
        Ok(candidates)
    }

    fn resolved(&self, store: &str) -> String {
        self.config().store_spec(Some(store), false).map_or_else(|_| store.to_owned(), |spec| spec.name)
    }

    /// Looks, condemns, looks again, deletes and strikes.
    fn settle_fate(
        &self,
        schema: &SchemaName,
        candidates: Vec<Candidate>,
        options: &CollectOptions,
        listed: &Sizes,
        report: &mut Collected,
    ) -> Result<()> {
        let verdicts = self.look(schema, &candidates)?;
        let mut named: Vec<i64> = Vec::new();
        let mut doomed = Vec::new();
        for (candidate, verdict) in candidates.into_iter().zip(verdicts) {
            let of_section = report.section(&candidate.section);
            match verdict {
                Verdict::Named => {
                    of_section.referenced += u64::from(!options.full);
                    named.extend(candidate.ids);
                }
                Verdict::Intended => report.intended += 1,
                Verdict::Garbage => doomed.push(candidate),
            }
        }
        if options.dry_run {
            let sizes = sizes_of(&doomed.iter().collect::<Vec<_>>(), options, listed)?;
            for (candidate, bytes) in doomed.into_iter().zip(sizes) {
                report.section(&candidate.section).orphan(candidate.object.path.as_str(), bytes);
            }
            return Ok(());
        }
        self.strike(schema, &named)?;
        let mut stores: Vec<Arc<dyn Store>> = Vec::new();
        for candidate in &doomed {
            if !stores.iter().any(|store| Arc::ptr_eq(store, &candidate.store)) {
                stores.push(candidate.store.clone());
            }
        }
        stores.iter().try_for_each(|store| self.claim(schema, store))?;
        let doomed = self.condemn(schema, doomed)?;
        let doomed = self.locate_all(schema, doomed, report)?;
        let doomed = self.keep_undurable(schema, doomed)?;
        let mut stores: Vec<Arc<dyn Store>> = Vec::new();
        for candidate in &doomed {
            if !stores.iter().any(|store| Arc::ptr_eq(store, &candidate.store)) {
                stores.push(candidate.store.clone());
            }
        }
        let sizes = sizes_of(&doomed.iter().collect::<Vec<_>>(), options, listed)?;
        self.delete_objects(schema, doomed.into_iter().zip(sizes).collect(), &stores, report)
    }

    /// What intents and rows say of candidates: intents are read first.
    fn look(&self, schema: &SchemaName, candidates: &[Candidate]) -> Result<Vec<Verdict>> {
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let intended = self.intended(schema)?;
        let objects: Vec<&Object> = candidates.iter().map(|candidate| &candidate.object).collect();
        let named = References::of_one_moment(self, schema, &objects)?;
        let verdict = |(at, candidate): (usize, &Candidate)| {
            let is_hash = matches!(candidate.section, Section::Hash(..));
            let is_intended = || intended.names(candidate.object.path.as_str(), candidate.object.tree);
            match named.contains(&at) {
                true => Verdict::Named,
                false if (intended.all_hashes && is_hash) || is_intended() => Verdict::Intended,
                false => Verdict::Garbage,
            }
        };
        Ok(candidates.iter().enumerate().map(verdict).collect())
    }

    /// The objects of a schema that live writers intend.
    pub(super) fn intended(&self, schema: &SchemaName) -> Result<Intended> {
        let mut intended = Intended::default();
        let mut add = |named: Named| {
            intended.all_hashes |= named.all_hashes;
            intended.paths.extend(named.objects.into_iter().map(|object| object.path.to_string()));
        };
        match &self.lifecycle().folder {
            Some(folder) => {
                folder.all()?.into_iter().filter(|filed| filed.schema == *schema).for_each(|filed| add(filed.named));
            }
            None if self.has_journal(schema)? => {
                for row in self.query(&self.journal(schema).intents()?)? {
                    let (Some(text), Some(revoked)) = (row[0].as_str(), row[1].as_i64()) else { return Err(strange()) };
                    // The transaction of one that was revoked fails.
                    if revoked == 0 {
                        add(named(text)?);
                    }
                }
            }
            None => {}
        }
        Ok(intended)
    }

    /// Condemns the hash paths among candidates, looks again at these and at folders, and returns what is garbage still.
    fn condemn(&self, schema: &SchemaName, mut doomed: Vec<Candidate>) -> Result<Vec<Candidate>> {
        // Listed before the second look: whoever writes into a folder has intended that before.
        list_inside(&mut doomed)?;
        let (again, mut rest): (Vec<Candidate>, Vec<Candidate>) = doomed
            .into_iter()
            .partition(|candidate| candidate.object.tree || matches!(candidate.section, Section::Hash(..)));
        let mut paths: HashMap<&str, i64> = HashMap::new();
        for candidate in &again {
            if let Section::Hash(base, generation) = &candidate.section {
                let known = paths.entry(base).or_insert(*generation);
                *known = (*known).max(*generation);
            }
        }
        let paths: Vec<(&str, i64)> = paths.into_iter().collect();
        for paths in paths.chunks(ROWS_AT_ONCE) {
            let condemn = self.journal(schema).condemn(paths)?;
            self.with_connection(|connection| connection.execute(&condemn.sql, &condemn.parameters))?;
        }
        // What is named now is struck when it is met again.
        let verdicts = self.look(schema, &again)?;
        let garbage = again.into_iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Garbage);
        rest.extend(garbage.map(|(candidate, _)| candidate));
        Ok(rest)
    }

    /// Makes the commits that released the objects durable, or leaves out those for which that cannot be known: after a
    /// crash of the server their rows could be back.
    fn keep_undurable(&self, schema: &SchemaName, mut doomed: Vec<Candidate>) -> Result<Vec<Candidate>> {
        let Some(ask) = self.dialect().late_commits().filter(|_| !doomed.is_empty()) else { return Ok(doomed) };
        if self.query(&ask)?.is_empty() {
            return Ok(doomed);
        }
        let (statements, together) = self.dialect().flush_commits(schema)?;
        let run = |connection: &mut dyn Connection| {
            statements.iter().try_for_each(|it| connection.execute(&it.sql, &it.parameters).map(drop))
        };
        let flushed = if together { self.write(Vec::new(), run) } else { self.with_connection(run) };
        match flushed {
            Ok(()) => Ok(doomed),
            Err(error) if error.kind() == ErrorKind::Access => {
                let ask = self.journal(schema).released_until(FLUSHED_AFTER)?;
                let last = self.query(&ask)?.first().and_then(|row| row[0].as_i64()).unwrap_or(0);
                doomed.retain(|candidate| candidate.ids.iter().all(|id| *id <= last));
                Ok(doomed)
            }
            Err(error) => Err(error),
        }
    }

    /// Finds the objects that are not in their store because its `location` was another when they were written: in
    /// another store that is configured for that location, or else they stay in the journal.
    fn locate_all(
        &self,
        schema: &SchemaName,
        doomed: Vec<Candidate>,
        report: &mut Collected,
    ) -> Result<Vec<Candidate>> {
        let places = self.places(schema)?;
        let former = |candidate: &Candidate| -> Vec<&Place> {
            let root = candidate.store.url(None);
            places.iter().filter(|place| place.store == candidate.object.store && place.url != root).collect()
        };
        let (moved, mut found): (Vec<Candidate>, Vec<Candidate>) =
            doomed.into_iter().partition(|candidate| !former(candidate).is_empty());
        let is_there = |store: &Arc<dyn Store>, candidate: &Candidate| -> Result<bool> {
            let path = &candidate.object.path;
            Ok(store.head(path)?.is_some() || (candidate.object.tree && store.list(Some(path))?.next().is_some()))
        };
        let there = each(&moved, |candidate| &candidate.store, |candidate| is_there(&candidate.store, candidate))?;
        for (mut candidate, there) in moved.into_iter().zip(there) {
            if there? {
                found.push(candidate);
                continue;
            }
            let mut unseen = None;
            for place in former(&candidate) {
                let Some(store) = self.store_at(&place.url) else {
                    unseen = Some(place.url.clone());
                    continue;
                };
                if is_there(&store, &candidate)? {
                    self.claim(schema, &store)?;
                    candidate.store = store;
                    list_inside(std::slice::from_mut(&mut candidate))?;
                    unseen = None;
                    break;
                }
            }
            match unseen {
                Some(url) => report.fail(&candidate.object, at_a_former_location(&url)),
                None => found.push(candidate),
            }
        }
        Ok(found)
    }

    /// The store that is configured at this URL.
    fn store_at(&self, url: &str) -> Option<Arc<dyn Store>> {
        let names: Vec<String> = self.config().store_names().into_iter().map(str::to_owned).collect();
        names.iter().filter_map(|name| self.store(name).ok()).find(|store| store.url(None) == url)
    }

    fn delete_objects(
        &self,
        schema: &SchemaName,
        doomed: Vec<(Candidate, u64)>,
        stores: &[Arc<dyn Store>],
        report: &mut Collected,
    ) -> Result<()> {
        let mut gone: Vec<i64> = Vec::new();
        for store in stores {
            let own: Vec<&(Candidate, u64)> =
                doomed.iter().filter(|(candidate, _)| Arc::ptr_eq(&candidate.store, store)).collect();
            let single: Vec<StorePath> = own.iter().map(|(candidate, _)| candidate.object.path.clone()).collect();
            let outcomes = delete_all(store, &single);
            for ((candidate, bytes), outcome) in own.into_iter().zip(outcomes) {
                let outcome = outcome.and_then(|()| match candidate.object.tree {
                    true => delete_tree(store, candidate),
                    false => Ok(()),
                });
                match outcome {
                    Ok(()) => {
                        report.section(&candidate.section).delete(candidate.object.path.as_str(), *bytes);
                        gone.extend(&candidate.ids);
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {
                        self.strike(schema, &gone)?;
                        return Err(error);
                    }
                    Err(error) => report.fail(&candidate.object, error),
                }
            }
        }
        self.strike(schema, &gone)
    }

    fn strike(&self, schema: &SchemaName, ids: &[i64]) -> Result<()> {
        for ids in ids.chunks(AT_ONCE) {
            let strike = self.journal(schema).strike(ids)?;
            self.with_connection(|connection| connection.execute(&strike.sql, &strike.parameters))?;
        }
        Ok(())
    }
}

/// Lists what is in the folders among candidates.
fn list_inside(candidates: &mut [Candidate]) -> Result<()> {
    let trees: Vec<&mut Candidate> = candidates.iter_mut().filter(|candidate| candidate.object.tree).collect();
    let list = |candidate: &&mut Candidate| candidate.store.list(Some(&candidate.object.path))?.collect();
    let listed: Vec<Result<Vec<Entry>>> = each(&trees, |candidate| &candidate.store, list)?;
    for (candidate, inside) in trees.into_iter().zip(listed) {
        candidate.inside = inside?;
    }
    Ok(())
}

/// Deletes what was listed in a folder, and its manifest last.
fn delete_tree(store: &Arc<dyn Store>, candidate: &Candidate) -> Result<()> {
    let inside: Vec<StorePath> = candidate.inside.iter().map(|entry| entry.path.clone()).collect();
    delete_all(store, &inside).into_iter().collect::<Result<()>>()?;
    store.delete(&Manifest::path_for(&candidate.object.path)?)
}

/// The sizes of objects, as far as they are wanted and can be told.
fn sizes_of(candidates: &[&Candidate], options: &CollectOptions, listed: &Sizes) -> Result<Vec<u64>> {
    if !options.sizes {
        return Ok(vec![0; candidates.len()]);
    }
    let size = |candidate: &&Candidate| -> Result<u64> {
        let Candidate { store, object, inside, .. } = candidate;
        if let Some(size) = listed.of(object) {
            return Ok(size);
        }
        let mut size = store.size(&object.path)?.unwrap_or(0);
        // A dry run has not listed it.
        match object.tree && inside.is_empty() {
            true => store.list(Some(&object.path))?.try_for_each(|entry| entry.map(|entry| size += entry.size))?,
            false => size += inside.iter().map(|entry| entry.size).sum::<u64>(),
        }
        Ok(size)
    };
    let sizes = each(candidates, |candidate| &candidate.store, size)?;
    Ok(sizes.into_iter().map(|size| size.unwrap_or(0)).collect())
}

fn under_a_former_prefix() -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        "the object is not in the sections of this store that the schema is known to use",
    )
    .with_hint("set `hash_prefix` and `schema_prefix` as they were when it was written, or delete it by hand")
}

fn at_a_former_location(url: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("the object is not here; the store was at {url} when it was written"))
        .with_hint("configure another store at that location, and collect again")
}

fn named(text: &str) -> Result<Named> {
    let document: Json = serde_json::from_str(text).map_err(|_| strange())?;
    Named::from_json(&document)
}

fn strange() -> Error {
    Error::new(ErrorKind::Corrupt, "the journal holds what no journal holds")
        .with_hint("nothing is deleted; a newer Lodestore may understand it")
}
