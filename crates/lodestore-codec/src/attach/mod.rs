//! `<attach>`: a file with its name.
//!
//! Takes the path of a file, or name and content as the tuple `(name, bytes)`; decoding gives such a
//! tuple, and whoever calls writes the file again. In the table as `<attach>`, or as a hash-addressed
//! object with `<attach@>`. The stored bytes are the peer's: the name in UTF-8, a NUL, the content; or,
//! where the [context](Context::compress_files) wants it and it is worth it, a frame with the same
//! compressed. A file that stays plain is not read here: it becomes a segment of the payload. [`head`]
//! gives what stands before the content and [`split`] takes it off again.
//!
//! A name that comes out of a store is never trusted: see [`safe_name`].
//!
//! ```
//! use lodestore_codec::attach;
//!
//! assert_eq!(&attach::head("notes.txt")?[..], b"notes.txt\0");
//! assert_eq!(attach::safe_name("../../etc/passwd"), "passwd");
//! assert_eq!(attach::numbered_name("scan.tar.gz", 2), "scan.tar_2.gz");
//! # Ok::<(), lodestore_types::Error>(())
//! ```

mod frame;

use bytes::Bytes;
use lodestore_types::{CoreType, Error, ErrorKind, FileSegment, Payload, Result, Segment, Value};

use crate::codec::{Codec, Context, Encoded, Inner, Stored, TypeSpec};
use crate::local::name_of;
use crate::url::local_path;

pub use frame::{LARGE as LARGEST_COMPRESSED, is_compressed};

/// The longest name that file systems take, in bytes.
const LONGEST_NAME: usize = 255;

/// What a file is called whose name has nothing left.
const NAMELESS: &str = "attachment";

/// The codec `<attach>`.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttachCodec;

impl Codec for AttachCodec {
    fn name(&self) -> &str {
        "attach"
    }

    fn inner(&self, in_store: bool) -> Result<Inner> {
        Ok(match in_store {
            true => Inner::Codec(TypeSpec { codec: "hash".into(), store: Some(String::new()) }),
            false => Inner::Core(CoreType::Bytes),
        })
    }

    fn validate(&self, value: &Value) -> Result<()> {
        parts(value).map(|_| ())
    }

    /// A file that is compressed is read whole.
    fn weight(&self, value: &Value) -> usize {
        let size = match value {
            Value::Text(path) => std::fs::metadata(&*local_path(path)).map_or(0, |metadata| metadata.len()),
            _ => 0,
        };
        let read = if size <= frame::LARGE { usize::try_from(size).unwrap_or_default() } else { 0 };
        value.weight() + read
    }

    fn encode(&self, value: Value, context: &Context) -> Result<Encoded> {
        let (head, content) = parts(&value)?;
        let payload = Payload(vec![head.into(), content]);
        Ok(Encoded::Payload(if context.compress_files { frame::compress(payload)? } else { payload }))
    }

    /// The tuple `(name, bytes)`, with a name that is safe to create.
    fn decode(&self, stored: Stored, _: &Context) -> Result<Value> {
        let Value::Bytes(payload) = stored.value else {
            let found = stored.value.type_name();
            return Err(Error::new(ErrorKind::Corrupt, format!("an attachment is stored as bytes, found {found}")));
        };
        let (name, content) = split(payload)?;
        Ok(Value::Tuple(vec![name.into(), content.into()]))
    }
}

/// What stands before the content, and the content.
fn parts(value: &Value) -> Result<(Bytes, Segment)> {
    match value {
        Value::Text(path) => {
            let path = local_path(path);
            if std::path::Path::new(&*path).is_dir() {
                let message = format!("`<attach>` does not support directories: `{path}`");
                return Err(Error::new(ErrorKind::IsFolder, message)
                    .with_hint("use `<object@>` for folders, or pack it into one file"));
            }
            let file = FileSegment::open(&*path)?;
            return Ok((head(&name_of(&path)?)?, file.into()));
        }
        Value::Tuple(parts) => {
            if let [Value::Text(name), Value::Bytes(content)] = &parts[..] {
                return Ok((head(name)?, content.clone().into()));
            }
        }
        _ => {}
    }
    Err(Error::new(ErrorKind::InvalidType, format!("`<attach>` expects a file path, got {}", value.type_name()))
        .with_hint("give the path of a file"))
}

/// What stands before the content: the name and a NUL.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] if a file of this name could not be written again.
pub fn head(name: &str) -> Result<Bytes> {
    if safe_name(name) != name {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            format!("`{}` cannot be the name of an attachment", name.escape_debug()),
        )
        .with_hint("give a plain file name of up to 255 bytes, without `/`, `\\` and control characters"));
    }
    Ok([name.as_bytes(), b"\0"].concat().into())
}

/// Takes the payload apart: a name that is safe to create, and the content. That of a plain one shares the bytes.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if there is no NUL behind a name, or a compressed payload is damaged.
pub fn split(payload: Bytes) -> Result<(String, Bytes)> {
    let payload = if is_compressed(&payload) { frame::expand(&payload)? } else { payload };
    let Some(end) = payload.iter().position(|byte| *byte == 0) else {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("these {} bytes are no attachment: no NUL ends its name", payload.len()),
        ));
    };
    let name = safe_name(&String::from_utf8_lossy(&payload[..end]));
    Ok((name, payload.slice(end + 1..)))
}

/// The name under which an attachment may be created in a folder: its last segment, whether `/` or
/// `\` parts them, without control characters and never `.`, `..` or nothing; at most 255 bytes,
/// of which the extension stays. A name that is safe stays as it is.
pub fn safe_name(stored: &str) -> String {
    let last = stored.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name: String = last.chars().filter(|c| !c.is_control()).collect();
    if name.len() > LONGEST_NAME {
        let (stem, suffix) = match stem_and_suffix(&name) {
            (_, suffix) if suffix.len() > LONGEST_NAME / 2 => (&name[..], ""),
            parts => parts,
        };
        let mut end = (LONGEST_NAME - suffix.len()).min(stem.len());
        while !stem.is_char_boundary(end) {
            end -= 1;
        }
        name = format!("{}{suffix}", &stem[..end]);
    }
    if name.chars().all(|c| c == '.' || c.is_whitespace()) {
        return NAMELESS.to_owned();
    }
    name
}

/// The name to try when `name` is taken by a different file: `q.tar_1.gz`, `.bashrc_2`.
pub fn numbered_name(name: &str, number: usize) -> String {
    let (stem, suffix) = stem_and_suffix(name);
    format!("{stem}_{number}{suffix}")
}

/// The last extension with its dot; none for names that begin with their only dot.
pub(crate) fn stem_and_suffix(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && dot + 1 < name.len() && !name[..dot].chars().all(|c| c == '.') => name.split_at(dot),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attachment(name: &str, content: &'static [u8]) -> Value {
        Value::Tuple(vec![name.into(), Bytes::from(content).into()])
    }

    #[test]
    fn the_bytes_are_those_of_the_peer() {
        let value = attachment("notes.txt", b"hel\0lo");
        let encode = |value| match AttachCodec.encode(value, &Context::default()).unwrap() {
            Encoded::Payload(payload) => payload.into_bytes().unwrap(),
            other => panic!("{other:?}"),
        };
        let stored = encode(value.clone());
        assert_eq!(stored, "notes.txt\0hel\0lo");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.txt");
        std::fs::write(&file, b"hel\0lo").unwrap();
        assert_eq!(encode(file.to_str().unwrap().into()), stored);
        assert!(AttachCodec.validate(&folder.path().to_str().unwrap().into()).is_err());
        assert_eq!(AttachCodec.validate(&"/none".into()).unwrap_err().kind(), ErrorKind::MissingFile);
        let stored = Stored { value: Value::Bytes(stored), object: None };
        assert_eq!(AttachCodec.decode(stored, &Context::default()).unwrap(), value);
    }

    #[test]
    fn names_from_a_store_stay_in_their_folder() {
        for (stored, safe) in [
            ("notes.txt", "notes.txt"),
            (".bashrc", ".bashrc"),
            ("../../x", "x"),
            ("/etc/passwd", "passwd"),
            ("C:\\Windows\\x.dll", "x.dll"),
            ("..", "attachment"),
            ("a/..", "attachment"),
            ("", "attachment"),
            ("a\nb\u{7f}.txt", "ab.txt"),
            ("2024-01-01 é.txt", "2024-01-01 é.txt"),
        ] {
            assert_eq!(safe_name(stored), safe);
            assert_eq!(split(Bytes::from(format!("{stored}\0x"))).unwrap().0, safe);
        }
        let long = safe_name(&("é".repeat(200) + ".tar.gz"));
        assert!(long.len() <= 255 && long.ends_with("é.gz"));
        // Found by fuzzing: an extension too long to keep took the whole name with it.
        assert_eq!(safe_name(&format!(" .{}", "x".repeat(300))), format!(" .{}", "x".repeat(253)));
        assert_eq!(safe_name(&(" ".repeat(300) + "x")), "attachment");
        assert!(split(Bytes::from("no end")).is_err());
    }

    #[test]
    fn what_would_get_another_name_is_refused() {
        for name in ["", "..", "a/b", "a\\b", "a\0b", "a\n"] {
            assert!(head(name).is_err());
            assert!(AttachCodec.validate(&attachment(name, b"")).is_err());
        }
        assert_eq!(
            AttachCodec.validate(&Value::Null).unwrap_err().message(),
            "`<attach>` expects a file path, got null"
        );
    }

    proptest! {
        #[test]
        fn safe_names_are_safe(stored in prop_oneof![any::<String>(), "[./\\\\a\u{0}]{0,300}"]) {
            let name = safe_name(&stored);
            prop_assert!(!name.is_empty() && name.len() <= 255 && name != "." && name != "..");
            prop_assert!(!name.contains(['/', '\\', '\0']));
            prop_assert_eq!(safe_name(&name), name.clone());
            prop_assert!(head(&name).is_ok());
        }
    }
}
