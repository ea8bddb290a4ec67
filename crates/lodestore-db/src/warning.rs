//! Warnings to the user, shown by whatever program this library is part of.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

type Show = Box<dyn Fn(&str) + Send + Sync>;

static SHOW: OnceLock<Show> = OnceLock::new();
static SHOWN: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// Names the function that shows warnings, on whatever thread they arise. The first one named stays; a program without
/// one shows none.
pub fn set_warning_hook(show: impl Fn(&str) + Send + Sync + 'static) {
    let _ = SHOW.set(Box::new(show));
}

/// Shows a warning, unless this process has shown it before.
pub(crate) fn warn(message: &str) {
    let first = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(message.to_owned());
    if let Some(show) = SHOW.get().filter(|_| first) {
        show(message);
    }
}
