//! Files and folders that hold a user's data, private from the start.
//!
//! They are for their owner alone. In a folder that a group may write to, and not everybody, they are the group's as far
//! as the process's mask lets them be: so a lab shares a project.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder, and those above it, if they are missing.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    match DirBuilder::new().mode(if is_shared(path) { 0o770 } else { 0o700 }).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        outcome => outcome,
    }
}

/// Makes an empty file if there is none.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(mode(path)).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The permissions of a new file, before the mask.
pub(crate) fn mode(path: &Path) -> u32 {
    if is_shared(path) { 0o660 } else { 0o600 }
}

/// True if the folder above is a group's.
fn is_shared(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o022 == 0o020)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_made_is_private_except_in_a_folder_of_a_group() {
        let home = tempfile::tempdir().unwrap();
        let mode_of = |name: &str| fs::metadata(home.path().join(name)).unwrap().permissions().mode() & 0o777;
        for (folder, group) in [(0o755, 0), (0o777, 0), (0o770, 0o60), (0o775, 0o60)] {
            let outer = home.path().join(format!("{folder:o}"));
            fs::create_dir(&outer).unwrap();
            fs::set_permissions(&outer, Permissions::from_mode(folder)).unwrap();
            make_folder(&outer.join("a")).unwrap();
            make_file(&outer.join("b")).unwrap();
            for name in ["a", "b"] {
                let mode = mode_of(&format!("{folder:o}/{name}"));
                // The mask may take more.
                assert_eq!(mode & 0o007, 0, "{folder:o}/{name}");
                assert_eq!(mode & 0o070 & !group & !0o10, 0, "{folder:o}/{name}");
                assert_eq!(mode & 0o600, 0o600, "{folder:o}/{name}");
            }
            make_folder(&outer.join("a")).unwrap();
            make_file(&outer.join("b")).unwrap();
        }
    }
}
