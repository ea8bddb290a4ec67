//! Renewing the leases of intents, in the background, as long as their writers are at work.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use lodestore_db::StopFlag;
use lodestore_types::{Result, SchemaName};

use crate::Instance;

/// How often the thread looks whether there is still something to renew.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// The intents to renew. A thread renews them three times in a lease, and ends when there are none.
#[derive(Debug, Default)]
pub(crate) struct Renewals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The process in which the thread runs, if it does: a forked child has none.
    at_work: Option<u32>,
    live: HashMap<String, SchemaName>,
}

impl Renewals {
    /// Renews a batch from now on.
    pub(super) fn add(&self, instance: &Instance, schema: &SchemaName, batch: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if state.at_work.is_some_and(|known| known != process) {
            // Its parent's are its parent's.
            *state = State::default();
        }
        state.live.insert(batch.to_owned(), schema.clone());
        if state.at_work.is_none() {
            let weak = instance.downgrade();
            let named = std::thread::Builder::new().name("lodestore-leases".into());
            // Without a thread leases end in time, which costs an insert and no object.
            if named.spawn(move || keep_renewing(&weak)).is_ok() {
                state.at_work = Some(process);
            }
        }
    }

    /// Renews it no longer.
    pub(super) fn remove(&self, batch: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).live.remove(batch);
    }

    /// What is to be renewed; `None` if that is nothing, and then the thread is to end.
    fn due(&self) -> Option<HashMap<SchemaName, Vec<String>>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.live.is_empty() {
            state.at_work = None;
            return None;
        }
        let mut by_schema: HashMap<SchemaName, Vec<String>> = HashMap::new();
        for (batch, schema) in &state.live {
            by_schema.entry(schema.clone()).or_default().push(batch.clone());
        }
        Some(by_schema)
    }
}

fn keep_renewing(weak: &Weak<crate::instance::Inner>) {
    // Nobody presses Ctrl-C here.
    StopFlag::default().heed();
    let mut waited = 0;
    loop {
        std::thread::sleep(BETWEEN_LOOKS);
        waited += 1;
        // The project may be closed meanwhile.
        let Some(instance) = Instance::upgrade(weak) else { return };
        let Some(due) = instance.lifecycle().renewals.due() else { return };
        if waited < instance.lease() / 3 {
            continue;
        }
        waited = 0;
        for (schema, batches) in due {
            let batches: Vec<&str> = batches.iter().map(String::as_str).collect();
            // What could not be renewed is tried again; if it is too late, the writer is told when it commits.
            let _ = instance.renew(&schema, &batches);
        }
        instance.close();
    }
}

impl Instance {
    /// Renews batches, but for those that a transaction is just settling.
    fn renew(&self, schema: &SchemaName, batches: &[&str]) -> Result<()> {
        if let Some(folder) = &self.lifecycle().folder {
            return folder.touch();
        }
        self.with_connection(|connection| {
            connection.begin()?;
            let renew = |connection: &mut dyn lodestore_db::Connection| -> Result<()> {
                let journal = self.journal(schema);
                for batches in batches.chunks(500) {
                    let ask = journal.lock_intents(batches)?;
                    let rows = connection.query(&ask.sql, &ask.parameters)?;
                    let free: Vec<&str> = rows.iter().filter_map(|row| row[0].as_str()).collect();
                    if !free.is_empty() {
                        let renew = journal.renew(&free)?;
                        connection.execute(&renew.sql, &renew.parameters)?;
                    }
                }
                Ok(())
            };
            match renew(connection) {
                Ok(()) => connection.commit(),
                Err(error) => {
                    connection.rollback()?;
                    Err(error)
                }
            }
        })
    }
}
