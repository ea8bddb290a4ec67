//! The one error of Lodestore: its kind, its message, where it happened and what to try.

use std::error::Error as StdError;
use std::fmt;

use crate::mask_urls;

/// The result of everything in Lodestore that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// What sort of trouble an [`Error`] tells of: the thing a caller branches on.
        ///
        /// Kinds are added, never renamed; [`ErrorKind::code`] is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $name,)+ }

        impl ErrorKind {
            /// Every kind, in the order of declaration.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)+];

            /// The stable name of this kind, in kebab-case.
            pub fn code(self) -> &'static str {
                match self { $(ErrorKind::$name => $code,)+ }
            }
        }
    };
}

kinds! {
    /// A table definition that does not parse or does not make sense.
    InvalidDefinition = "invalid-definition",
    /// A schema, table or attribute name, or a store path, that is not allowed.
    InvalidName = "invalid-name",
    /// A value of a right type that the attribute cannot hold: out of range, too long, malformed.
    InvalidValue = "invalid-value",
    /// A value of a type that the attribute cannot hold.
    InvalidType = "invalid-type",
    /// A request that makes no sense: wrong arguments, wrong moment.
    InvalidRequest = "invalid-request",
    /// An index that does not fit an array.
    InvalidIndex = "invalid-index",
    /// A condition on rows that cannot be understood.
    InvalidCondition = "invalid-condition",
    /// Settings that are missing, contradictory or of a wrong type.
    InvalidConfig = "invalid-config",
    /// An attribute that the table does not have.
    UnknownAttribute = "unknown-attribute",
    /// A required attribute that was not given.
    MissingAttribute = "missing-attribute",
    /// A codec that nobody registered.
    UnknownCodec = "unknown-codec",
    /// A store that is not configured.
    UnknownStore = "unknown-store",
    /// A table or schema that does not exist.
    MissingTable = "missing-table",
    /// A row that was asked for by itself and is not there, or is not alone.
    RowCount = "row-count",
    /// A row whose key (or other unique attributes) another row has already.
    Duplicate = "duplicate",
    /// A row that would refer to a row that is not there.
    MissingParent = "missing-parent",
    /// A row, or a table, to which others still refer.
    StillReferenced = "still-referenced",
    /// A foreign key that is not kept, where the database does not say on which side.
    Integrity = "integrity",
    /// SQL that the database does not understand.
    QuerySyntax = "query-syntax",
    /// A right that the user does not have.
    Access = "access",
    /// A database that went away, or stays busy.
    LostConnection = "lost-connection",
    /// Any other complaint of the database.
    Database = "database",
    /// Memory that this machine does not have.
    OutOfMemory = "out-of-memory",
    /// A file that a value names and that is not there.
    MissingFile = "missing-file",
    /// A folder where a file is needed.
    IsFolder = "is-folder",
    /// An object that its row names and its store does not hold.
    MissingObject = "missing-object",
    /// Bytes that are not what they should be: damaged, truncated, of another format.
    Corrupt = "corrupt",
    /// A store that cannot be read or written.
    Storage = "storage",
    /// A combination that this version, or this backend, does not offer.
    Unsupported = "unsupported",
    /// A computation stopped by its user.
    Interrupted = "interrupted",
    /// An error inside code that the user supplied (`make`, a codec).
    User = "user",
    /// A fault of Lodestore itself.
    Internal = "internal",
}

/// What went wrong, where, and what to do about it.
///
/// The message says what happened; the [context](Error::context) says where (table, attribute,
/// store ...); the [hint](Error::hint) says what to try. `Display` prints message and context on
/// one line; [`Error::report`] adds the hint and the causes.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says `message`: lower case, no full stop, names in backticks. Passwords inside URLs are
    /// masked, here and in whatever else is told.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = mask_urls(&message.into()).into_owned();
        Error(Box::new(Inner { kind, message, context: Vec::new(), hint: None, source: None }))
    }

    /// Tells where it happened. A key that was told already (nearer to the event) stays as it is.
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        if !self.0.context.iter().any(|(known, _)| *known == key) {
            self.0.context.push((key, mask_urls(&value.to_string()).into_owned()));
        }
        self
    }

    /// Tells what to try. The first hint stays: it is nearest to the event.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| mask_urls(&hint.into()).into_owned());
        self
    }

    /// Keeps what caused this error.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The kind of trouble.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, without context and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it happened, as pairs such as `("table", "lab.subject")`.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// What to try.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// True if the same call may succeed when it is simply made again.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::LostConnection)
    }

    /// The whole story on several lines: message, context, hint, causes.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        if let Some(hint) = self.hint() {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(&mask_urls(&format!("\ncaused by: {error}")));
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            f.write_str(if index == 0 { " (" } else { ", " })?;
            write!(f, "{key} `{value}`")?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.0.kind.code(), self.report())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_holds_message_and_context_and_report_the_rest() {
        let error = Error::new(ErrorKind::Storage, "cannot write")
            .with("store", "main")
            .with("store", "another")
            .with("path", "_hash/lab/x")
            .with_hint("free some space")
            .with_hint("ignored")
            .with_source(std::io::Error::other("disk full"));
        assert_eq!(error.to_string(), "cannot write (store `main`, path `_hash/lab/x`)");
        assert_eq!(
            error.report(),
            "cannot write (store `main`, path `_hash/lab/x`)\nhint: free some space\ncaused by: disk full"
        );
    }

    #[test]
    fn passwords_in_urls_are_not_told() {
        let url = "https://ann:s3cret@host";
        let error = Error::new(ErrorKind::Storage, format!("cannot reach {url}"))
            .with("endpoint", url)
            .with_hint(format!("try {url}"))
            .with_source(std::io::Error::other(format!("{url} is not there")));
        assert!(!format!("{error} {error:?} {}", error.report()).contains("s3cret"));
        assert_eq!(error.report().matches(crate::MASK).count(), 4);
    }

    #[test]
    fn codes_are_distinct() {
        let mut codes: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
    }
}
