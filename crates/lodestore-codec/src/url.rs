//! URLs of files.

use std::borrow::Cow;

/// The path that a `file://` URL of this machine names, or a path in the home directory (`~/data`); any other text as it
/// is.
pub fn local_path(text: &str) -> Cow<'_, str> {
    let scheme = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("file://"));
    let rest = scheme.and_then(|scheme| text.get(scheme.len()..));
    let path = rest.map(|rest| rest.strip_prefix("localhost").unwrap_or(rest)).filter(|path| path.starts_with('/'));
    match path.and_then(percent_decoded).or_else(|| in_home(text)) {
        Some(path) => Cow::Owned(path),
        None => Cow::Borrowed(text),
    }
}

fn in_home(text: &str) -> Option<String> {
    let rest = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty())?;
    Some(format!("{}{rest}", home.to_str()?.trim_end_matches('/')))
}

/// A text with its percent escapes resolved; nothing if that is no UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        let escape = behind.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        match escape.and_then(|digits| std::str::from_utf8(digits).ok()) {
            Some(digits) => {
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &behind[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_files_are_paths() {
        let cases = [
            ("file:///data/a%20b.bin", "/data/a b.bin"),
            ("FILE://localhost/data/x", "/data/x"),
            ("file:///50%", "/50%"),
            ("/data/a%20b", "/data/a%20b"),
            ("file://host/data", "file://host/data"),
            ("file:///%ff", "file:///%ff"),
            ("s3://bucket/x", "s3://bucket/x"),
            ("é", "é"),
        ];
        for (text, path) in cases {
            assert_eq!(local_path(text), path);
        }
    }

    #[test]
    fn the_home_directory_is_expanded() {
        let home = std::env::home_dir().unwrap();
        let home = home.to_str().unwrap().trim_end_matches('/');
        assert_eq!(local_path("~/data/x"), format!("{home}/data/x"));
        assert_eq!(local_path("~"), home);
        for other in ["~ann/data", "a/~/b", "./~"] {
            assert_eq!(local_path(other), other);
        }
    }
}
