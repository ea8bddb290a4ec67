//! Paths inside a store, checked once and kept in one spelling.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// A path relative to the root of a store: segments joined by `/`, in one canonical form.
///
/// Two paths are the same object exactly if they are equal. No segment is empty, `.` or `..`;
/// none holds a control character or a backslash; none is longer than 255 bytes.
///
/// ```
/// use lodestore_types::StorePath;
///
/// let path = StorePath::new("_hash/lab/abc")?;
/// assert!(path.is_within(&StorePath::new("_hash/lab")?));
/// assert!(!path.is_within(&StorePath::new("_hash/la")?));
/// assert!(StorePath::new("_hash/../outside").is_err());
/// # Ok::<(), lodestore_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(String);

impl StorePath {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if it is not a canonical relative path.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let fault = if text.is_empty() {
            Some("it is empty".to_owned())
        } else if text.len() > 1024 {
            Some("it is longer than 1024 bytes".to_owned())
        } else {
            text.split('/').find_map(segment_fault)
        };
        match fault {
            None => Ok(StorePath(text)),
            Some(fault) => Err(Error::new(
                ErrorKind::InvalidName,
                format!("`{}` is not a path inside a store: {fault}", text.escape_debug()),
            )),
        }
    }

    /// This path with more segments behind it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if `tail` is not a canonical relative path.
    pub fn join(&self, tail: &str) -> Result<Self> {
        StorePath::new(format!("{}/{tail}", self.0))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments from the root down.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// True if this is `folder` itself or lies anywhere below it; whole segments count.
    pub fn is_within(&self, folder: &StorePath) -> bool {
        self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn segment_fault(segment: &str) -> Option<String> {
    match segment {
        "" => Some("it has an empty segment (a leading, trailing or doubled `/`)".to_owned()),
        "." | ".." => Some(format!("`{segment}` is not allowed")),
        _ if segment.len() > 255 => Some("a segment is longer than 255 bytes".to_owned()),
        _ => segment
            .chars()
            .find(|c| c.is_control() || *c == '\\')
            .map(|c| format!("the character {:?} is not allowed", c)),
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_paths_pass() {
        for good in ["a", "a/b.npy", "_schema/lab/Session/id=1/x.Ab-_9.npy", "é/ü", "a b", "...", "%2e%2e"] {
            assert_eq!(StorePath::new(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(256);
        for bad in
            ["", "/a", "a/", "a//b", ".", "a/./b", "..", "a/../b", "a\\b", "a\0b", "a\nb", &long, &"x/".repeat(600)]
        {
            assert_eq!(StorePath::new(bad).unwrap_err().kind(), ErrorKind::InvalidName, "{bad:?}");
        }
    }
}
