//! Who takes jobs.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lodestore_types::Result;

use crate::Instance;

/// Who takes jobs: what is written beside what it has reserved, and how long that holds without a sign of life.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub host: String,
    pub pid: u32,
    pub user: String,
    /// Stands for the number of the connection where the database has none.
    pub number: i64,
    pub version: String,
    pub lease: Duration,
}

impl Worker {
    /// This thread, at work for the project.
    pub fn new(instance: &Instance) -> Result<Self> {
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let lease = instance.config().get_int("jobs.lease_timeout").max(1);
        let (host, user) = host_and_user();
        Ok(Worker {
            host,
            pid: std::process::id(),
            user,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            version: version(instance),
            lease: Duration::from_secs(lease as u64),
        })
    }
}

/// This machine's name, and who runs the program.
pub(crate) fn host_and_user() -> (String, String) {
    (cut(rustix::system::uname().nodename().to_string_lossy().into_owned()), cut(user()))
}

/// Who runs the program, where there is no server to ask who is connected.
pub(crate) fn user() -> String {
    let told = ["LOGNAME", "USER", "USERNAME"].iter().filter_map(|name| std::env::var(name).ok());
    told.into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// As much of a text as its column holds.
fn cut(text: String) -> String {
    text.chars().filter(|c| *c != '\0').take(255).collect()
}

/// The version of the program by `jobs.version_method`: for `git` the short hash of the commit in the working directory,
/// otherwise nothing.
pub(crate) fn version(instance: &Instance) -> String {
    if instance.config().get_text("jobs.version_method").as_deref() != Some("git") {
        return String::new();
    }
    let told = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    match told {
        Ok(told) if told.status.success() => String::from_utf8_lossy(&told.stdout).trim().chars().take(64).collect(),
        _ => String::new(),
    }
}
