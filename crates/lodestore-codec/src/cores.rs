//! The threads that compute.

use std::sync::{Arc, Mutex, PoisonError};

use lodestore_types::PerProcess;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Not rayon's global pool: that one is gone in a forked child, and cannot be made again.
static POOL: PerProcess<Mutex<Option<Arc<ThreadPool>>>> = PerProcess::new();

/// Runs `work` on a pool with a thread for each core, where rayon's parallel iterators and joins in it are spread over
/// all of them. The pool is that of the process: a forked child has its own.
///
/// `work` has so many `parts`. A single one runs on the caller's thread: it gains nothing from the pool, and if it waits for
/// what another thread inserts (a codec of the user's may), the pool stays free for that. Where no thread can be started,
/// `work` runs in rayon's own pool.
pub fn on_all_cores<R: Send>(parts: usize, work: impl FnOnce() -> R + Send) -> R {
    if parts <= 1 {
        return work();
    }
    let pool = {
        let mut pool = POOL.get().lock().unwrap_or_else(PoisonError::into_inner);
        if pool.is_none() {
            let named = ThreadPoolBuilder::new().thread_name(|number| format!("lodestore-core-{number}"));
            *pool = named.build().ok().map(Arc::new);
        }
        pool.clone()
    };
    match pool {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn work_within_work_runs_in_the_same_pool() {
        let within = || on_all_cores(2, || (rayon::current_thread_index().is_some(), rayon::current_num_threads()));
        let outer: Vec<(bool, usize)> = on_all_cores(64, || (0..64).into_par_iter().map(|_| within()).collect());
        assert!(outer.iter().all(|found| *found == (true, rayon::current_num_threads())));
    }
}
