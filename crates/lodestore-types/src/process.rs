//! State that belongs to one process, and that a forked child makes anew.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A value of the current process, made when it is first asked for.
///
/// A forked child has none of its parent's threads: pools, runtimes and connections are of no use in it, and a lock that
/// another thread held at the moment of the fork is never released. So each process has a value of its own. Nothing here
/// waits for anyone: a value is found by one atomic load. What a child inherits is left alone, and never dropped.
///
/// ```
/// use std::sync::Mutex;
/// use lodestore_types::PerProcess;
///
/// static SEEN: PerProcess<Mutex<Vec<String>>> = PerProcess::new();
/// SEEN.get().lock().unwrap().push("one".into());
/// assert_eq!(SEEN.get().lock().unwrap().len(), 1);
/// ```
pub struct PerProcess<T> {
    current: AtomicPtr<Made<T>>,
    owned: PhantomData<T>,
}

struct Made<T> {
    process: u32,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// No value yet.
    pub const fn new() -> Self {
        PerProcess { current: AtomicPtr::new(std::ptr::null_mut()), owned: PhantomData }
    }

    /// The value of this process; its default if there is none yet.
    pub fn get(&self) -> &T
    where
        T: Default,
    {
        self.get_or_make(|_| T::default())
    }

    /// The value of this process; if there is none yet, it is made by `make`, which is given the value of the parent
    /// process if there is one. That one may have been changing at the moment of the fork: its locks may only be tried.
    pub fn get_or_make(&self, make: impl FnOnce(Option<&T>) -> T) -> &T {
        let process = std::process::id();
        let found = self.current.load(Ordering::Acquire);
        // SAFETY: the pointer is null or comes from `Box::into_raw` below, and nothing that was shared by it is freed
        // before `self` is dropped.
        let inherited = unsafe { found.as_ref() };
        if let Some(made) = inherited.filter(|made| made.process == process) {
            return &made.value;
        }
        let value = make(inherited.map(|made| &made.value));
        let made = Box::into_raw(Box::new(Made { process, value }));
        match self.current.compare_exchange(found, made, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: as above.
            Ok(_) => unsafe { &(*made).value },
            Err(earlier) => {
                // SAFETY: nobody else knows this one; another thread of this process was faster, and its value is
                // shared as above: it is not null, because nothing puts null there.
                unsafe {
                    drop(Box::from_raw(made));
                    &(*earlier).value
                }
            }
        }
    }
}

impl<T: Send + Sync> Default for PerProcess<T> {
    fn default() -> Self {
        PerProcess::new()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let made = *self.current.get_mut();
        // SAFETY: as in `get_or_make`; nobody borrows from `self` any more.
        if unsafe { made.as_ref() }.is_some_and(|made| made.process == std::process::id()) {
            // SAFETY: as above, and the pointer is not null.
            drop(unsafe { Box::from_raw(made) });
        }
    }
}

impl<T> std::fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PerProcess")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn threads_share_one_value_and_it_is_dropped_once() {
        let counted = Arc::new(());
        let shared: PerProcess<Mutex<Vec<Arc<()>>>> = PerProcess::new();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let value = shared.get_or_make(|inherited| {
                        assert!(inherited.is_none());
                        made.fetch_add(1, Ordering::Relaxed);
                        Mutex::default()
                    });
                    value.lock().unwrap().push(counted.clone());
                });
            }
        });
        assert!(made.load(Ordering::Relaxed) >= 1);
        assert_eq!(shared.get().lock().unwrap().len(), 8);
        drop(shared);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
