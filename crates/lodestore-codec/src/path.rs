//! Where objects lie in a store.
//!
//! [`hash_path`] places content by its hash, [`object_path`] by schema, table, key and attribute:
//!
//! ```text
//! _hash/{schema}/[ab/cd/]{hash}
//! _schema/[name=value/...]{schema}/{Class}/{name=value}/.../{attribute}.{token}{extension}
//! ```
//!
//! The paths are for people and for listings: an object is always read by the path that its row
//! tells, never by one that is computed again. Still, different keys never share a folder: see
//! [`key_text`] for how values are spelled.

use lodestore_types::{Error, ErrorKind, Result, StorePath, TableName, Uuid, Value};

use crate::hash::{Checksummer, is_content_hash};
pub use crate::key_text::{Spelling, key_text, spelled};

/// What an object of a row is placed by.
#[derive(Debug, Clone, Copy)]
pub struct ObjectPlace<'a> {
    /// The section of the store for such objects, such as `_schema`.
    pub prefix: &'a str,
    /// Which attributes come first, if the store says so.
    pub partition: Option<&'a PartitionPattern>,
    /// The schema.
    pub schema: &'a str,
    /// The table.
    pub table: &'a TableName,
    /// The primary key in the order of the heading; values as their core types store them.
    pub key: &'a [(String, Value)],
    /// The attribute.
    pub attribute: &'a str,
    /// What makes the path unique, see [`new_token`].
    pub token: &'a str,
    /// The extension, with or without its dot; nothing for none.
    pub extension: &'a str,
    /// How the store tells names apart.
    pub spelling: Spelling,
}

/// The attributes by which a store is partitioned: `subject_id/session_date` or `{subject_id}/{session_date}`.
///
/// Objects of tables that have all of them in their primary key lie below these attributes first;
/// objects of other tables as if there was no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionPattern(Vec<String>);

impl PartitionPattern {
    /// Reads a pattern: names between slashes, or any text with names in braces.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if a name is no attribute's name, or a brace stands alone.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: String| {
            Error::new(ErrorKind::InvalidConfig, format!("partition pattern `{}` {why}", text.escape_debug()))
                .with_hint("write attribute names between slashes: `subject_id/session_date`")
        };
        let mut found: Vec<&str> = Vec::new();
        if text.contains(['{', '}']) {
            let mut rest = text;
            while let Some((before, after)) = rest.split_once('{') {
                let Some((name, behind)) = after.split_once('}').filter(|_| !before.contains('}')) else {
                    return Err(invalid("has a brace without its counterpart".into()));
                };
                found.push(name);
                rest = behind;
            }
            if rest.contains('}') {
                return Err(invalid("has a brace without its counterpart".into()));
            }
        } else {
            found.extend(text.split('/').filter(|name| !name.trim().is_empty()));
        }
        let mut names: Vec<String> = Vec::new();
        for name in found.into_iter().map(str::trim) {
            let word = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if name.is_empty() || !word {
                return Err(invalid(format!("holds `{}`, which is no attribute's name", name.escape_debug())));
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Ok(PartitionPattern(names))
    }

    /// The attributes, outermost first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The place of content with this hash: `{prefix}/{schema}/{folds}/{hash}`.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] if `hash` is no content hash; [`ErrorKind::InvalidConfig`] if
/// `subfolding` cuts a piece of no letters or more letters than there are;
/// [`ErrorKind::InvalidName`] if prefix or schema cannot be part of a path.
pub fn hash_path(prefix: &str, schema: &str, subfolding: &[usize], hash: &str) -> Result<StorePath> {
    if !is_content_hash(hash) {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            format!("invalid content hash (expected 26 characters of lower-case base32): `{}`", hash.escape_debug()),
        ));
    }
    let mut segments = vec![section(prefix), segment(schema, "schema")?];
    let mut rest = hash;
    for fold in subfolding {
        let Some((piece, behind)) = rest.split_at_checked(*fold).filter(|_| *fold > 0) else {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("subfolding {subfolding:?} does not cut the {} letters of a hash", hash.len()),
            )
            .with_hint("use a few small numbers, such as [2, 2]"));
        };
        segments.push(piece);
        rest = behind;
    }
    segments.push(hash);
    join(&segments)
}

/// The place of an object of a row.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] or [`ErrorKind::InvalidType`] if a value of the key cannot be spelled,
/// or extension or token cannot be part of a file name; [`ErrorKind::InvalidName`] if prefix or
/// schema cannot be part of a path.
pub fn object_path(place: &ObjectPlace<'_>) -> Result<StorePath> {
    let extension = checked_extension(place.extension)?;
    let sound_token = place.token.bytes().all(|byte| TOKEN_LETTERS.contains(&byte));
    if !sound_token || !(SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&place.token.len()) {
        return Err(Error::new(ErrorKind::InvalidValue, format!("`{}` is not a token", place.token.escape_debug())));
    }
    let component = |name: &str, value: &Value| -> Result<String> {
        Ok(format!("{name}={}", spelled(value, place.spelling).map_err(|error| error.with("attribute", name))?))
    };
    let value_of = |name: &str| place.key.iter().find(|(known, _)| known == name).map(|(_, value)| value);

    let partition: Vec<&str> = place
        .partition
        .map(|pattern| pattern.names().collect::<Vec<_>>())
        .filter(|names| names.iter().all(|name| value_of(name).is_some()))
        .unwrap_or_default();
    let mut above = Vec::new();
    for name in &partition {
        above.extend(value_of(name).map(|value| component(name, value)).transpose()?);
    }
    let mut key = Vec::new();
    for (name, value) in place.key.iter().filter(|(name, _)| !partition.contains(&name.as_str())) {
        key.push(component(name, value)?);
    }
    let class = key_text(&Value::Text(place.table.to_class()))?;
    let file = format!("{}.{}{extension}", segment(place.attribute, "attribute")?, place.token);

    let assemble = |above: &[String], key: &[String]| {
        let mut segments = vec![section(place.prefix)];
        segments.extend(above.iter().map(String::as_str));
        segments.extend([segment(place.schema, "schema")?, &class]);
        segments.extend(key.iter().map(String::as_str));
        segments.push(&file);
        Ok::<_, Error>(segments.join("/").trim_start_matches('/').to_owned())
    };
    let mut text = assemble(&above, &key)?;
    if text.len() > LONGEST_PATH {
        // So long a key is told by its checksum alone; the row has it in full.
        text = assemble(&[], &[format!("key={}", digest(&[above, key].concat().join("/")))])?;
    }
    StorePath::new(text)
}

/// The longest path that a store must take.
const LONGEST_PATH: usize = 1024;

const TOKEN_LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const SHORTEST_TOKEN: usize = 4;
const LONGEST_TOKEN: usize = 16;

/// The length of a token where nothing else is configured.
pub const DEFAULT_TOKEN_LENGTH: usize = 8;

/// Random letters, digits, `-` and `_` from a cryptographic source; `length` is brought between 4 and 16.
pub fn new_token(length: usize) -> String {
    let random = [Uuid::new_v4(), Uuid::new_v4()];
    let letters = random
        .iter()
        .flat_map(|uuid| uuid.as_bytes().iter().enumerate())
        // Byte 6 of a random UUID tells its version: not all of its bits are random.
        .filter(|(index, _)| *index != 6)
        .map(|(_, byte)| char::from(TOKEN_LETTERS[usize::from(byte & 63)]));
    letters.take(length.clamp(SHORTEST_TOKEN, LONGEST_TOKEN)).collect()
}

/// The extension with its leading dot; nothing stays nothing.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] if it could leave the object's folder or is no extension at all.
pub fn checked_extension(text: &str) -> Result<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let dotted = if text.starts_with('.') { text.to_owned() } else { format!(".{text}") };
    let bad = |c: char| c.is_control() || c.is_whitespace() || "/\\:*?\"<>|%".contains(c);
    if dotted.len() < 2 || dotted.len() > 64 || dotted.ends_with('.') || dotted.contains("..") || dotted.contains(bad) {
        return Err(Error::new(ErrorKind::InvalidValue, format!("`{}` is not a file extension", text.escape_debug()))
            .with_hint("use letters and digits behind a dot, such as `.npy` or `.tar.gz`"));
    }
    Ok(dotted)
}

/// A section's path without outer slashes.
fn section(prefix: &str) -> &str {
    prefix.trim_matches('/')
}

/// A name that is one segment of a path.
fn segment<'a>(name: &'a str, what: &str) -> Result<&'a str> {
    if name.is_empty() || name.contains('/') {
        return Err(Error::new(
            ErrorKind::InvalidName,
            format!("{what} `{}` cannot be one segment of a path", name.escape_debug()),
        ));
    }
    Ok(name)
}

fn join(segments: &[&str]) -> Result<StorePath> {
    StorePath::new(segments.join("/").trim_start_matches('/'))
}

/// The first 128 bits of a checksum, in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    let mut checksummer = Checksummer::default();
    checksummer.update(text.as_bytes());
    let checksum = checksummer.finish();
    checksum.trim_start_matches("sha256:")[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_with_and_without_braces() {
        let names = |text: &str| PartitionPattern::parse(text).unwrap().0;
        assert_eq!(names("subject_id/session_date"), ["subject_id", "session_date"]);
        assert_eq!(names("{subject_id}/{session_date}"), ["subject_id", "session_date"]);
        assert_eq!(names("lab={subject_id}"), ["subject_id"]);
        assert_eq!(names("{a}{b}/{a}"), ["a", "b"]);
        assert_eq!(names(""), Vec::<String>::new());
        for text in ["{a", "a}", "{a}}", "{{a}", "{}", "a b/c", "A", "a/../b", "{a}{"] {
            assert_eq!(PartitionPattern::parse(text).unwrap_err().kind(), ErrorKind::InvalidConfig, "{text}");
        }
    }

    #[test]
    fn extensions_cannot_leave_their_folder() {
        for (text, expected) in [("", ""), ("npy", ".npy"), (".tar.gz", ".tar.gz"), (".zarr", ".zarr")] {
            assert_eq!(checked_extension(text).unwrap(), expected);
        }
        for text in ["/../../x", "..", ".", ".a/b", "a\\b", ".\0", ".a\n", "a..b", ".x.", &"x".repeat(70)] {
            assert!(checked_extension(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn tokens_are_random_letters_of_bounded_length() {
        for (length, expected) in [(0, 4), (4, 4), (8, 8), (16, 16), (99, 16)] {
            assert_eq!(new_token(length).len(), expected);
        }
        assert_ne!(new_token(8), new_token(8));
        let many: String = (0..200).map(|_| new_token(16)).collect();
        assert!(TOKEN_LETTERS.iter().all(|letter| many.contains(char::from(*letter))), "every letter occurs");
    }

    #[test]
    fn a_very_long_key_is_told_by_its_checksum() {
        let table = TableName::existing("session").unwrap();
        let key: Vec<_> = (0..16).map(|i| (format!("attribute_{i}"), Value::from("x".repeat(90)))).collect();
        let place = ObjectPlace {
            prefix: "_schema",
            partition: None,
            schema: "lab",
            table: &table,
            key: &key,
            attribute: "raw",
            token: "TOKENabc",
            extension: "",
            spelling: Spelling::Exact,
        };
        let path = object_path(&place).unwrap();
        let segments: Vec<_> = path.segments().collect();
        assert_eq!(segments[..3], ["_schema", "lab", "Session"]);
        assert!(segments[3].starts_with("key=") && segments.len() == 5);
        for (schema, token, attribute) in [("a/b", "TOKENabc", "x"), ("a", "../..", "x"), ("a", "TOKENabc", "a/b")] {
            assert!(object_path(&ObjectPlace { schema, token, attribute, ..place }).is_err());
        }
    }
}
