//! What a store of the network says, in the words of Lodestore, and without its secrets.

use std::error::Error as StdError;
use std::fmt;

use lodestore_types::{Error, ErrorKind, MASK};

/// So much of a server's answer is told.
const TOLD: usize = 600;

/// What must not be told.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        // A secret of two or three characters guards nothing, and would mask half of every text.
        let mut secrets: Vec<String> =
            secrets.into_iter().flatten().filter(|secret| secret.len() > 3).map(str::to_owned).collect();
        // One may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Secrets(secrets)
    }

    /// The text without secrets, on one line and not too long.
    pub(crate) fn mask(&self, text: &str) -> String {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for secret in &self.0 {
            text = text.replace(secret.as_str(), MASK);
        }
        match text.char_indices().nth(TOLD) {
            Some((end, _)) => format!("{} ...", &text[..end]),
            None => text,
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// An error of the store while `doing` (an infinitive: `write the object`).
pub(super) fn storage(doing: &str, cause: &object_store::Error, secrets: &Secrets) -> Error {
    let told = whole_story(cause);
    let error = Error::new(ErrorKind::Storage, format!("cannot {doing}: {}", secrets.mask(&told)));
    match hint(cause, &told) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// An error with its causes, none told twice.
fn whole_story(error: &(dyn StdError + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        cause = error.source();
    }
    told
}

fn hint(cause: &object_store::Error, told: &str) -> Option<&'static str> {
    use object_store::Error as E;
    let says = |words: &[&str]| words.iter().any(|word| told.contains(word));
    Some(match cause {
        _ if is_missing_bucket(told) => "make the bucket, or correct its name in the store's settings",
        _ if says(&["ExpiredToken", "TokenRefreshRequired"]) => "the credentials have expired: get new ones",
        _ if says(&["RequestTimeTooSkewed"]) => "the clock of this machine is wrong: set it",
        _ if says(&["SignatureDoesNotMatch", "InvalidAccessKeyId"]) => "check the keys in the store's settings",
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            "check the credentials in the store's settings, and what they permit in the bucket"
        }
        _ if says(&["incorrectly configured region", "PermanentRedirect", "AuthorizationHeaderMalformed"]) => {
            "the bucket lies in another region: name it as `region` in the store's settings"
        }
        _ if says(&["metadata/token", "169.254.169.254", "metadata.google.internal"]) => {
            "no credentials were found: name them in the store's settings, or in the environment"
        }
        _ if says(&["certificate", "UnknownIssuer"]) => "the server's certificate is not trusted by this machine",
        _ if says(&["error sending request", "tcp connect", "dns error", "connection refused"]) => {
            "check the store's endpoint, and that it can be reached from here"
        }
        _ if says(&["empty path segment", "Empty path segment", "illegal character sequence"]) => {
            "another program wrote an object with a name that no path can hold: rename it, or give the store a \
             `location` of its own"
        }
        _ => return None,
    })
}

/// True if the answer tells that there is no such bucket, not only no such object.
pub(super) fn is_missing_bucket(told: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "specified bucket does not exist", "ContainerBeingDeleted"]
        .iter()
        .any(|word| told.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let secrets = Secrets::new([Some("s3cret"), None, Some("s3cret-and-more"), Some("ab")]);
        assert_eq!(secrets.mask("x s3cret-and-more\n  y=s3cret ab"), format!("x {MASK} y={MASK} ab"));
        assert_eq!(format!("{secrets:?}"), MASK);
        assert!(secrets.mask(&"é ".repeat(9999)).len() < 2000);
    }

    #[test]
    fn hints_tell_what_to_try() {
        let generic = |text: &str| object_store::Error::Generic { store: "S3", source: text.to_owned().into() };
        let told = |text: &str| storage("x", &generic(text), &Secrets::default()).hint().unwrap_or("").to_owned();
        assert!(told("<Code>NoSuchBucket</Code>").contains("make the bucket"));
        assert!(told("error sending request").contains("endpoint"));
        assert!(told("PermanentRedirect").contains("region"));
        assert_eq!(told("something else"), "");
    }
}
