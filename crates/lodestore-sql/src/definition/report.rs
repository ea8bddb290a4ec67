//! Errors that point into the text of a definition.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use lodestore_types::{Error, ErrorKind};

/// What is wrong with one line: where, and what should stand there.
pub(super) struct Fault {
    /// The byte in the line where it goes wrong.
    pub at: usize,
    /// Such as "expected `:` and a type".
    pub message: String,
    /// What to try.
    pub hint: Option<&'static str>,
}

impl Fault {
    pub fn new(at: usize, message: impl Into<String>) -> Self {
        Fault { at, message: message.into(), hint: None }
    }

    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The error for line `number` (from 1) of a definition, which reads `line` as it was written.
    pub fn into_error(self, line: &str, number: usize) -> Error {
        let start = self.at.min(line.len());
        let end = line[start..].chars().next().map_or(start, |c| start + c.len_utf8());
        let snippet = Snippet::source(line)
            .line_start(number)
            .annotation(AnnotationKind::Primary.span(start..end).label(self.message.as_str()));
        let title = format!("the definition does not parse: {}", self.message);
        let picture = Renderer::plain().render(&[Level::ERROR.no_name().primary_title(&title).element(snippet)]);
        let column = line[..start].chars().count() + 1;
        // The renderer begins with its title, set off by a colon when the level has no name.
        let picture = picture.trim_start_matches(": ").trim_end();
        let error = Error::new(ErrorKind::InvalidDefinition, picture).with("line", number).with("column", column);
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
