//! Which files of settings are believed: a settings file decides to which server a password is sent, so one that another
//! user put into a shared folder must not count.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names the folders whose files count whoever owns them, separated by colons; `*` for all.
const VARIABLE: &str = "DJ_TRUSTED_FOLDERS";

/// Whose files are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust {
    /// Real paths.
    folders: Vec<PathBuf>,
    all: bool,
}

impl Trust {
    /// Own files, those of the system's administrator, and those in the folders that `variable` names.
    pub(super) fn new(variable: Option<&str>) -> Self {
        let named = || variable.unwrap_or_default().split(':').filter(|name| !name.is_empty());
        let real = |name: &str| std::fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name));
        Trust { folders: named().map(real).collect(), all: named().any(|name| name == "*") }
    }

    /// The name of the variable that widens it.
    pub(super) fn variable() -> &'static str {
        VARIABLE
    }

    /// The text of a file, or why it is not to be read. It is the file that is looked at which is read.
    pub(super) fn read(&self, path: &Path) -> io::Result<Result<String, String>> {
        let mut file = File::open(path)?;
        if let Some(reason) = self.refusal(path, &file.metadata()?) {
            return Ok(Err(reason));
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(Ok(text))
    }

    /// Why a file or folder is not to be read, for a warning; `None` if it is.
    pub(super) fn refusal(&self, path: &Path, found: &Metadata) -> Option<String> {
        let user = rustix::process::geteuid().as_raw();
        // In a folder with the sticky bit, others can add files but cannot replace any.
        let open = found.mode() & 0o002 != 0 && !(found.is_dir() && found.mode() & 0o1000 != 0);
        let fault = match found.uid() {
            owner if owner != user && owner != 0 => format!("it belongs to another user (uid {owner})"),
            _ if open => "every user may write to it".to_owned(),
            _ => return None,
        };
        if self.all || std::fs::canonicalize(path).is_ok_and(|path| self.is_named(&path)) {
            return None;
        }
        let remedy = match open {
            true => format!("chmod o-w {}", path.display()),
            false => {
                let folder = path.parent().filter(|folder| *folder != OsStr::new("")).unwrap_or(Path::new("."));
                format!("if you trust its owner, set {VARIABLE}={}", folder.display())
            }
        };
        Some(format!("{} is not read: {fault}; {remedy}", path.display()))
    }

    fn is_named(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }
}
