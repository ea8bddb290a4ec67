//! From [`Definition`] back to text.

use std::fmt;

use super::{AttributeLine, DefaultText, Definition, ForeignKeyLine, IndexLine, Item, Reference};

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.comment.is_empty() {
            writeln!(f, "# {}", self.comment)?;
        }
        self.items.iter().try_for_each(|item| writeln!(f, "{item}"))
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Divider => f.write_str("---"),
            Item::Attribute(line) => line.fmt(f),
            Item::ForeignKey(line) => line.fmt(f),
            Item::Index(line) => line.fmt(f),
        }
    }
}

impl fmt::Display for AttributeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = match &self.default {
            Some(default) => format!("{}={default}", self.name),
            None => self.name.clone(),
        };
        if self.comment.is_empty() {
            return write!(f, "{head:<20} : {}", self.type_text);
        }
        // The marks at the end of a comment are dropped when it is read: one that belongs to it needs another behind.
        let guard = if self.comment.ends_with('#') { " #" } else { "" };
        write!(f, "{head:<20} : {:<28} # {}{guard}", self.type_text, self.comment)
    }
}

impl fmt::Display for DefaultText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DefaultText::Null => f.write_str("null"),
            DefaultText::Now(None) => f.write_str("CURRENT_TIMESTAMP"),
            DefaultText::Now(Some(digits)) => write!(f, "CURRENT_TIMESTAMP({digits})"),
            DefaultText::Literal(text) => {
                let number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                if !text.is_empty() && text.chars().all(number) {
                    f.write_str(text)
                } else if text.contains('"') {
                    write!(f, "'{}'", text.replace('\'', "''"))
                } else {
                    write!(f, "\"{text}\"")
                }
            }
        }
    }
}

impl fmt::Display for ForeignKeyLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.options.nullable, self.options.unique) {
            (false, false) => "-> ",
            (true, false) => "-> [nullable] ",
            (false, true) => "-> [unique] ",
            (true, true) => "-> [nullable, unique] ",
        })?;
        self.reference.fmt(f)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.renames.is_empty() {
            return Ok(());
        }
        let renames: Vec<String> = self.renames.iter().map(|(new, old)| format!("{new}=\"{old}\"")).collect();
        write!(f, ".proj({})", renames.join(", "))
    }
}

impl fmt::Display for IndexLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.unique { "unique index (" } else { "index (" })?;
        write!(f, "{})", self.arguments.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ForeignKeyOptions;
    use proptest::prelude::*;

    fn comment() -> impl Strategy<Value = String> {
        // What a comment line can carry: no colon first, no `#` last, no outer blanks.
        "([a-z(\"'][ -~é]{0,12}[a-z.)\"'])?"
    }

    fn name() -> impl Strategy<Value = String> {
        "[a-z][a-z0-9_]{0,8}"
    }

    fn default() -> impl Strategy<Value = Option<DefaultText>> {
        prop_oneof![
            Just(None),
            Just(Some(DefaultText::Null)),
            proptest::option::of(0u8..=6).prop_map(|digits| Some(DefaultText::Now(digits))),
            "[ -~é]{0,12}".prop_map(|text| Some(DefaultText::Literal(text))),
            any::<f64>().prop_map(|number| Some(DefaultText::Literal(number.to_string()))),
        ]
    }

    fn type_text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-z]{1,9}(\\([0-9]{1,3}\\))?",
            "enum\\('[ -&(-~]{1,5}',\"[ !#-~]{1,5}\"\\)",
            "<[a-z @=:#'\"-]{0,8}[a-z@ ]>",
        ]
    }

    fn item() -> impl Strategy<Value = Item> {
        let step = prop_oneof!["[A-Z][A-Za-z0-9_]{0,6}", "`[a-z#~_ -]{1,6}`"];
        prop_oneof![
            Just(Item::Divider),
            (name(), default(), type_text(), comment()).prop_map(|(name, default, type_text, comment)| {
                Item::Attribute(AttributeLine { name, default, type_text, comment })
            }),
            (
                any::<(bool, bool)>(),
                proptest::collection::vec(step, 1..4),
                proptest::collection::vec((name(), name()), 0..3)
            )
                .prop_map(|((nullable, unique), path, renames)| Item::ForeignKey(ForeignKeyLine {
                    options: ForeignKeyOptions { nullable, unique },
                    reference: Reference { path: path.join("."), renames },
                })),
            (any::<bool>(), proptest::collection::vec("[a-z]{1,4}|\\(f\\([a-z], [a-z]\\)\\)", 1..4))
                .prop_map(|(unique, arguments)| Item::Index(IndexLine { unique, arguments })),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(
            comment in comment(), items in proptest::collection::vec(item(), 0..6)
        ) {
            let definition = Definition { comment, items };
            let text = definition.to_string();
            prop_assert_eq!(Definition::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}\n{e}")))?, definition);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\n\té]{0,60}") {
            if let Ok(definition) = Definition::parse(&text) {
                prop_assert_eq!(Definition::parse(&definition.to_string()).unwrap(), definition);
            }
        }
    }

    #[test]
    fn a_comment_that_ends_in_marks_keeps_them() {
        let definition = Definition::parse("a : int8 # one # #\nb : int8 # ## #\u{b}#").unwrap();
        assert_eq!(Definition::parse(&definition.to_string()).unwrap(), definition);
    }
}
