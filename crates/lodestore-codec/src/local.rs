//! Files and folders of this machine that a value names: looked at, not read.

use std::fs;
use std::path::{Path, PathBuf};

use lodestore_types::{Error, ErrorKind, FileSegment, Result, StorePath};

/// What is at a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Local {
    File(FileSegment),
    /// Its files, by their paths in the folder, in order.
    Folder(Vec<(String, FileSegment)>),
}

/// Looks at a file, or at all files of a folder; links are followed.
///
/// # Errors
/// [`ErrorKind::MissingFile`] if nothing is there; [`ErrorKind::InvalidValue`] for what is neither
/// file nor folder, cannot be read, has a name that no store takes, or leads round in a circle.
pub(crate) fn look(path: &str) -> Result<Local> {
    let path = Path::new(path);
    if !path.is_dir() {
        return FileSegment::open(path).map(Local::File);
    }
    let mut files = Vec::new();
    walk(path, "", &mut Vec::new(), &mut files)?;
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Local::Folder(files))
}

/// The last segment of the name of a file or folder, as it is on disk.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] if there is none, or it is no Unicode text.
pub(crate) fn name_of(path: &str) -> Result<String> {
    let path = Path::new(path);
    let named = match path.file_name() {
        Some(name) => Some(name.to_owned()),
        // `.` and `..` have names too.
        None => fs::canonicalize(path).ok().and_then(|path| path.file_name().map(ToOwned::to_owned)),
    };
    named.and_then(|name| name.into_string().ok()).ok_or_else(|| {
        Error::new(ErrorKind::InvalidValue, format!("the path `{}` ends in no name that can be kept", path.display()))
    })
}

/// `above` are the real folders on the way down, by which a circle of links is seen.
fn walk(folder: &Path, within: &str, above: &mut Vec<PathBuf>, files: &mut Vec<(String, FileSegment)>) -> Result<()> {
    let refuse = |path: &Path, why: String| {
        let path = path.display().to_string();
        Err(Error::new(ErrorKind::InvalidValue, format!("`{}` cannot be stored: {why}", path.escape_debug())))
    };
    let real = match fs::canonicalize(folder) {
        Ok(real) => real,
        Err(cause) => return refuse(folder, cause.to_string()),
    };
    if above.contains(&real) {
        return refuse(folder, "it is a link to a folder that holds it".to_owned());
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) => return refuse(folder, cause.to_string()),
    };
    above.push(real);
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(cause) => return refuse(folder, cause.to_string()),
        };
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return refuse(&path, "its name is no Unicode text".to_owned());
        };
        let inner = if within.is_empty() { name.to_owned() } else { format!("{within}/{name}") };
        if let Err(error) = StorePath::new(inner.as_str()) {
            return refuse(&path, error.message().to_owned()).map_err(|error| {
                error.with_hint("rename it: names inside a store have no control characters and no `\\`")
            });
        }
        if path.is_dir() {
            walk(&path, &inner, above, files)?;
        } else {
            files.push((inner, FileSegment::open(path)?));
        }
    }
    above.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_through_links_but_not_in_circles() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("x.zarr");
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/1"), "one").unwrap();
        fs::write(home.path().join("outside"), "two").unwrap();
        std::os::unix::fs::symlink(home.path().join("outside"), folder.join("link")).unwrap();
        let Local::Folder(files) = look(folder.to_str().unwrap()).unwrap() else { panic!() };
        assert_eq!(files.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["a/b/1", "link"]);
        std::os::unix::fs::symlink(&folder, folder.join("a/up")).unwrap();
        let error = look(folder.to_str().unwrap()).unwrap_err();
        assert!(error.message().ends_with("it is a link to a folder that holds it"), "{error}");
        fs::remove_file(folder.join("a/up")).unwrap();
        fs::write(folder.join("a/new\nline"), "").unwrap();
        assert!(look(folder.to_str().unwrap()).is_err());
        assert_eq!(look("/no/such/file").unwrap_err().kind(), ErrorKind::MissingFile);
        assert_eq!(name_of("/x/y.zarr/").unwrap(), "y.zarr");
    }
}
