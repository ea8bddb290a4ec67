//! Keeping leases while jobs are computed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use lodestore_db::StopFlag;

use super::{Jobs, Reservation, Worker};

/// Renews the lease of the job in hand, on a thread and a connection of its own, as long as it is held. Both are used
/// only for jobs that take longer than a third of the lease.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    stop: StopFlag,
    thread: Option<JoinHandle<()>>,
    process: u32,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: Option<Reservation>,
    ended: bool,
}

impl Shared {
    /// Every change of the state is one step, so what a panicking thread held is sound.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    pub fn new(jobs: &Jobs, worker: &Worker) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let stop = StopFlag::default();
        let (own, flag, jobs, worker) = (shared.clone(), stop.clone(), jobs.clone(), worker.clone());
        let keep = move || {
            // It must not ask whether the user pressed Ctrl-C: that may need what a computation holds for hours.
            flag.heed();
            keep(&own, &jobs, &worker);
        };
        // Without a thread the lease holds for its length alone; the job is done once, be it by another worker.
        let thread = std::thread::Builder::new().name("lodestore-lease".into()).spawn(keep).ok();
        Keeper { shared, stop, thread, process: std::process::id() }
    }

    /// Renews the lease of this job from now on.
    pub fn hold(&self, reservation: &Reservation) {
        self.shared.state().held = Some(reservation.clone());
    }

    /// The job is about to be finished, or given back.
    pub fn let_go(&self) {
        self.shared.state().held = None;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // The thread runs in the parent of this process: here it cannot be waited for.
            return std::mem::forget(self.thread.take());
        }
        self.shared.state().ended = true;
        self.stop.stop();
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keep(shared: &Shared, jobs: &Jobs, worker: &Worker) {
    let mut state = shared.state();
    loop {
        let wait = shared.changed.wait_timeout_while(state, worker.lease / 3, |state| !state.ended);
        state = wait.unwrap_or_else(PoisonError::into_inner).0;
        if state.ended {
            break;
        }
        let Some(held) = state.held.clone() else { continue };
        drop(state);
        // What fails now is tried again before the lease is over; a job that was taken over is noticed when it is finished.
        let _ = jobs.renew(worker, &held);
        state = shared.state();
    }
    drop(state);
    // It need not wait until the thread's storage is torn down.
    jobs.instance().close();
}
