//! Why a value cannot be packed, and where inside it the reason lies.

use std::fmt::Write;

use lodestore_types::{Error, ErrorKind, Value};

/// A refusal on its way out: every container that it passes adds the step that led to it.
#[derive(Debug)]
pub(super) struct Refusal {
    kind: ErrorKind,
    reason: String,
    hint: Option<&'static str>,
    /// Innermost first.
    steps: Vec<String>,
}

pub(super) type Packed<T = ()> = Result<T, Box<Refusal>>;

impl Refusal {
    /// A value of a type that blobs do not know.
    pub(super) fn of_type(reason: impl Into<String>) -> Box<Refusal> {
        Box::new(Refusal { kind: ErrorKind::InvalidType, reason: reason.into(), hint: None, steps: Vec::new() })
    }

    /// A value that a blob would not give back.
    pub(super) fn of_value(reason: impl Into<String>) -> Box<Refusal> {
        Box::new(Refusal { kind: ErrorKind::InvalidValue, ..*Refusal::of_type(reason) })
    }

    pub(super) fn hint(mut self: Box<Self>, hint: &'static str) -> Box<Refusal> {
        self.hint = Some(hint);
        self
    }

    pub(super) fn within(mut self: Box<Self>, step: impl FnOnce() -> String) -> Box<Refusal> {
        self.steps.push(step());
        self
    }

    /// The error, for a value that is called `root`: ``results['x'][3]: ...``.
    pub(super) fn into_error(self, root: &str) -> Error {
        let path: String = self.steps.iter().rev().map(String::as_str).collect();
        let error = Error::new(self.kind, format!("{root}{path}: {}", self.reason));
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// The step to an element of an array.
pub(super) fn index_step(shape: &[usize], position: usize) -> String {
    let mut rest = position;
    let mut index: Vec<String> = Vec::new();
    for extent in shape.iter().rev() {
        index.push((rest % extent.max(&1)).to_string());
        rest /= extent.max(&1);
    }
    index.reverse();
    format!("[{}]", index.join(", "))
}

/// The step to the value of a key, as Python would write it.
pub(super) fn key_step(key: &Value) -> String {
    match key {
        Value::Text(text) => name_step(text),
        other => format!("[{other}]"),
    }
}

/// The step to a field or a key of text.
pub(super) fn name_step(name: &str) -> String {
    let mut step = String::from("['");
    for c in name.chars().take(60) {
        match c {
            '\'' | '\\' => step.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(step, "{}", c.escape_debug());
            }
            c => step.push(c),
        }
    }
    step.push_str(if name.chars().nth(60).is_some() { "...']" } else { "']" });
    step
}
