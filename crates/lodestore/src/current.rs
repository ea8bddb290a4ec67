//! Whose value a codec is at work on, for codecs that go to a store by themselves.
//!
//! A codec of this crate knows no store. Those of other programs do: they ask for a path, write what
//! they like there, and tell it in the column. So that nothing is left of a row that does not come
//! to be, every path that was given out is remembered with the row's other objects.

use std::cell::RefCell;

use lodestore_codec::Context;
use lodestore_types::{Result, SchemaName, StorePath, TableName};

use crate::Instance;
use crate::placement::{Target, free_path};
use crate::transaction::Fresh;

struct Work {
    instance: Instance,
    given: Vec<Fresh>,
}

thread_local! {
    static WORK: RefCell<Vec<Work>> = const { RefCell::new(Vec::new()) };
}

/// Runs a codec for `instance`; gives also what lies at the paths that it asked for.
pub(crate) fn work_for<T>(instance: &Instance, work: impl FnOnce() -> T) -> (T, Vec<Fresh>) {
    // A panic must not leave this thread at work for ever.
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            WORK.with_borrow_mut(Vec::pop);
        }
    }
    WORK.with_borrow_mut(|all| all.push(Work { instance: instance.clone(), given: Vec::new() }));
    let guard = Guard;
    let outcome = work();
    let given =
        WORK.with_borrow_mut(|all| all.last_mut().map(|work| std::mem::take(&mut work.given))).unwrap_or_default();
    drop(guard);
    (outcome, given)
}

impl Instance {
    /// The project for which a codec is at work on this thread, if one is.
    pub fn at_work() -> Option<Instance> {
        WORK.with_borrow(|all| all.last().map(|work| work.instance.clone()))
    }

    /// The path in a store (`""` for the default one) for a new object of the row that `context`
    /// tells of; no other object has it.
    ///
    /// Asked for by a codec while a row is inserted, whatever lies at that path and below is
    /// removed again if the row does not come to be.
    ///
    /// # Errors
    /// `UnknownStore`, `InvalidConfig`; `Storage`; `InvalidName` or `InvalidValue` if schema, table, key and
    /// extension make no path.
    pub fn new_object_path(&self, store: &str, context: &Context, extension: &str) -> Result<StorePath> {
        let table = TableName::existing(&context.table)?;
        let is_at_work = WORK.with_borrow(|all| !all.is_empty());
        let schema = is_at_work.then(|| SchemaName::new(&context.schema)).transpose()?;
        let target = Target::open(self, Some(store), schema.as_ref())?;
        let path = free_path(&target, &context.schema, &table, context, extension)?;
        if let Some(schema) = schema {
            let fresh = Fresh::tree(target.store, path.clone());
            let intents = self.intend(&schema, fresh.as_object().into_iter().collect())?;
            let given = intents.iter().map(|intent| fresh.clone().intended(intent));
            WORK.with_borrow_mut(|all| all.last_mut().map(|work| work.given.extend(given)));
        }
        Ok(path)
    }
}
