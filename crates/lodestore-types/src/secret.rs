//! Passwords inside URLs, which must not be shown.

use std::borrow::Cow;

/// What stands for a secret wherever one would be shown.
pub const MASK: &str = "**********";

/// The text with the password of every URL masked: `https://ann:**********@host/path`.
///
/// ```
/// # use lodestore_types::mask_urls;
/// assert_eq!(mask_urls("cannot reach s3://ann:s3cret@host:9000/x"), "cannot reach s3://ann:**********@host:9000/x");
/// assert_eq!(mask_urls("http://host:80/a@b"), "http://host:80/a@b");
/// ```
pub fn mask_urls(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(url.len());
        match password(&url[..end]) {
            Some((start, end)) => {
                masked.push_str(&url[..start]);
                masked.push_str(MASK);
                rest = &url[end..];
            }
            None => rest = url,
        }
    }
    if masked.len() + rest.len() == text.len() && !masked.contains(MASK) {
        return Cow::Borrowed(text);
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

/// Where the password stands in what follows `://`: behind the first colon, up to the `@` before the host. One that
/// holds `/`, `?` or `#` should be encoded, and is found all the same unless it could be a port.
fn password(url: &str) -> Option<(usize, usize)> {
    let authority = url.find(['/', '?', '#']).unwrap_or(url.len());
    let colon = url[..authority].find(':')?;
    let at = match url[..authority].rfind('@') {
        Some(at) => at,
        None if url[colon + 1..authority].bytes().all(|byte| byte.is_ascii_digit()) => return None,
        None => url.rfind('@')?,
    };
    (colon < at).then_some((colon + 1, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passwords_are_masked() {
        let cases = [
            ("no url: a@b", "no url: a@b"),
            ("https://host/x?y=1", "https://host/x?y=1"),
            ("https://ann@host", "https://ann@host"),
            ("https://host:443/a:b@c", "https://host:443/a:b@c"),
            ("https://ann:pw@host", "https://ann:**********@host"),
            (
                "'https://ann:p@w@host' and mysql://bob:x/y#z@h",
                "'https://ann:**********@host' and mysql://bob:**********@h",
            ),
            ("x://ann:@host", "x://ann:**********@host"),
            ("://", "://"),
            ("ünï://ü:ö@ä", "ünï://ü:**********@ä"),
        ];
        for (text, expected) in cases {
            assert_eq!(mask_urls(text), expected);
        }
        assert!(matches!(mask_urls("https://host"), Cow::Borrowed(_)));
    }
}
