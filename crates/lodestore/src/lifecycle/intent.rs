//! Intents: what a writer is about to write or to rely on, written down before.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use lodestore_db::Connection;
use lodestore_types::{Error, ErrorKind, Result, SchemaName, Uuid};

use super::object::{Named, Object};
use crate::Instance;

/// So many objects are named by one batch of intents at most: a batch is one row of the journal.
const OBJECTS_AT_ONCE: usize = 5_000;
/// So many rows go into the journal by one statement.
pub(super) const ROWS_AT_ONCE: usize = 500;

/// A batch of intents, renewed until it is dropped.
pub(crate) struct Intent {
    /// It may outlive the instance, which may keep it.
    instance: Weak<crate::instance::Inner>,
    schema: SchemaName,
    batch: String,
    named: Named,
    /// True if the transaction that settles it has not ended, or its end is not known.
    struck: AtomicBool,
}

impl Instance {
    /// Writes down which objects of a schema are about to be written or relied on, outside of this thread's
    /// transaction. What comes back is settled by the transaction that inserts the rows, or given up.
    ///
    /// # Errors
    /// As [`Instance::open_journal`]; `Storage`.
    pub(crate) fn intend(&self, schema: &SchemaName, mut objects: Vec<Object>) -> Result<Vec<Arc<Intent>>> {
        let mut intents = Vec::new();
        while !objects.is_empty() {
            let rest = objects.split_off(objects.len().min(OBJECTS_AT_ONCE));
            intents.push(self.write_intent(schema, Named { all_hashes: false, objects })?);
            objects = rest;
        }
        Ok(intents)
    }

    /// Writes down that rows may come to name any hash-addressed object of a schema.
    ///
    /// # Errors
    /// As [`Instance::intend`].
    pub(crate) fn intend_all_hashes(&self, schema: &SchemaName) -> Result<Arc<Intent>> {
        self.write_intent(schema, Named { all_hashes: true, objects: Vec::new() })
    }

    fn write_intent(&self, schema: &SchemaName, named: Named) -> Result<Arc<Intent>> {
        let batch = Uuid::new_v4().simple().to_string();
        match &self.lifecycle().folder {
            Some(folder) => {
                folder.intend(schema, &batch, &named)?;
                if folder.is_leased() {
                    self.lifecycle().renewals.add(self, schema, &batch);
                }
            }
            None => {
                self.open_journal(schema)?;
                let add = self.journal(schema).intend(&batch, named.to_json().to_string())?;
                self.outside(|connection| connection.execute(&add.sql, &add.parameters))?;
                self.lifecycle().renewals.add(self, schema, &batch);
            }
        }
        let struck = AtomicBool::new(false);
        Ok(Arc::new(Intent { instance: self.downgrade(), schema: schema.clone(), batch, named, struck }))
    }

    /// Settles intents in the transaction in which their rows are inserted.
    ///
    /// # Errors
    /// `LostConnection` if a lease was over: the objects may be gone.
    pub(crate) fn settle(&self, connection: &mut dyn Connection, intents: &[Arc<Intent>]) -> Result<()> {
        let lost = |schema: &SchemaName| {
            Error::new(
                ErrorKind::LostConnection,
                "this program was stopped for so long that its objects count as abandoned",
            )
            .with("schema", schema)
            .with_hint("nothing was inserted; insert again, or set `gc.lease` to more seconds")
        };
        if let Some(folder) = &self.lifecycle().folder {
            return match intents.first() {
                Some(intent) if !folder.holds(intents.iter().map(|intent| &*intent.batch)) => Err(lost(&intent.schema)),
                _ => Ok(()),
            };
        }
        for (schema, batches) in by_schema(intents) {
            for batches in batches.chunks(ROWS_AT_ONCE) {
                // From now on the transaction holds them: nobody else can revoke them.
                batches.iter().for_each(|batch| self.lifecycle().renewals.remove(batch));
                let settle = self.journal(schema).settle(batches)?;
                if connection.execute(&settle.sql, &settle.parameters)? != batches.len() as u64 {
                    return Err(lost(schema));
                }
            }
        }
        Ok(())
    }

    /// Renews intents again whose transaction did not settle them: they may be tried again.
    pub(crate) fn keep_renewed(&self, intents: &[Arc<Intent>]) {
        if self.lifecycle().folder.is_none() {
            intents.iter().for_each(|intent| self.lifecycle().renewals.add(self, &intent.schema, &intent.batch));
        }
    }

    /// Notes that the transaction which settled intents was committed.
    pub(crate) fn settled(&self, intents: &[Arc<Intent>]) {
        for intent in intents {
            intent.strike();
        }
    }

    /// Gives up intents whose rows did not come to be, or of which that is not known: their objects but for those that
    /// are gone already are released. What cannot be done now is done when their lease is over.
    ///
    /// Not to be called while a transaction is open: it may hold them.
    pub(crate) fn give_up(&self, intents: &[Arc<Intent>], is_gone: &dyn Fn(&Object) -> bool) {
        for intent in intents {
            self.lifecycle().renewals.remove(&intent.batch);
        }
        for (schema, _) in by_schema(intents) {
            let own: Vec<&Arc<Intent>> = intents.iter().filter(|intent| intent.schema == *schema).collect();
            let objects: Vec<&Object> =
                own.iter().flat_map(|intent| &intent.named.objects).filter(|object| !is_gone(object)).collect();
            let batches: Vec<&str> = own.iter().map(|intent| intent.batch.as_str()).collect();
            if self.release_intended(schema, &objects, &batches).is_ok() {
                own.iter().for_each(|intent| intent.strike());
                if !objects.is_empty() {
                    self.reclaim(schema);
                }
            }
        }
    }

    /// Like [`Instance::give_up`], when this program next has written something.
    pub(crate) fn give_up_later(&self, intents: impl Iterator<Item = Arc<Intent>>) {
        let mut late = self.lifecycle().late.lock().unwrap_or_else(PoisonError::into_inner);
        for intent in intents {
            self.lifecycle().renewals.remove(&intent.batch);
            late.push(intent);
        }
    }

    /// Gives up what could not be given up before.
    pub(crate) fn give_up_the_late(&self) {
        let late = std::mem::take(&mut *self.lifecycle().late.lock().unwrap_or_else(PoisonError::into_inner));
        if !late.is_empty() {
            self.give_up(&late, &|_| false);
        }
    }

    fn release_intended(&self, schema: &SchemaName, objects: &[&Object], batches: &[&str]) -> Result<()> {
        let in_files = self.lifecycle().folder.is_some();
        if objects.is_empty() && in_files {
            return Ok(());
        }
        self.open_journal(schema)?;
        self.write(Vec::new(), |connection| {
            self.release_objects(connection, schema, objects.iter().copied())?;
            if !in_files {
                for batches in batches.chunks(ROWS_AT_ONCE) {
                    let forget = self.journal(schema).forget_intents(batches)?;
                    connection.execute(&forget.sql, &forget.parameters)?;
                }
            }
            Ok(())
        })
    }

    /// Adds objects to those that are released.
    pub(crate) fn release_objects<'a>(
        &self,
        connection: &mut dyn Connection,
        schema: &SchemaName,
        objects: impl Iterator<Item = &'a Object>,
    ) -> Result<()> {
        let rows: Vec<(&str, &str, bool)> =
            objects.map(|object| (object.store.as_str(), object.path.as_str(), object.tree)).collect();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let release = self.journal(schema).release(rows)?;
            connection.execute(&release.sql, &release.parameters)?;
        }
        if !rows.is_empty() {
            self.note_released(schema);
        }
        Ok(())
    }
}

fn by_schema(intents: &[Arc<Intent>]) -> HashMap<&SchemaName, Vec<&str>> {
    let mut found: HashMap<&SchemaName, Vec<&str>> = HashMap::new();
    for intent in intents {
        let batches = found.entry(&intent.schema).or_default();
        if !batches.contains(&intent.batch.as_str()) {
            batches.push(&intent.batch);
        }
    }
    found
}

impl Intent {
    /// True if all that it names is gone; then it is struck.
    pub(crate) fn is_gone(&self, gone: &HashSet<Object>) -> bool {
        let is_gone = !self.named.all_hashes && self.named.objects.iter().all(|object| gone.contains(object));
        if is_gone {
            self.strike();
        }
        is_gone
    }

    fn strike(&self) {
        let Some(instance) = Instance::upgrade(&self.instance) else { return };
        instance.lifecycle().renewals.remove(&self.batch);
        if let Some(folder) = &instance.lifecycle().folder
            && !self.struck.swap(true, Ordering::Relaxed)
        {
            // What stays is looked at when this process has ended.
            let _ = folder.strike(&self.batch);
        }
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        if let Some(instance) = Instance::upgrade(&self.instance) {
            instance.lifecycle().renewals.remove(&self.batch);
        }
    }
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intent({}, {} objects)", self.batch, self.named.objects.len())
    }
}
