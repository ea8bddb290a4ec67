//! Types as definitions for DataJoint before 2.0 spell them.

use lodestore_types::CoreType;

use super::{Definition, Item};

impl Definition {
    /// Writes types that are spelled in an older way as they are written today; says what it changed.
    ///
    /// `attach`, `blob@store`, `filepath@store` and their relatives get their angle brackets, `boolean` becomes `bool`,
    /// and core types their lower case. Everything else stays: who knows no such type will say so.
    pub fn modernize(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for item in &mut self.items {
            if let Item::Attribute(line) = item
                && let Some(modern) = modern_type(&line.type_text)
            {
                told.push(format!(
                    "type `{}` of attribute `{}` is written `{modern}` today",
                    line.type_text, line.name
                ));
                line.type_text = modern;
            }
        }
        told
    }
}

/// The type as it is written today; `None` if it is written so.
fn modern_type(text: &str) -> Option<String> {
    let word_end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (word, rest) = text.split_at(word_end);
    let word = word.to_ascii_lowercase();
    let modern = match (word.as_str(), rest) {
        ("boolean", "") => "bool".to_owned(),
        ("attach", "") => "<attach>".to_owned(),
        ("attach" | "blob" | "filepath", _) if rest.starts_with('@') => format!("<{word}{rest}>"),
        _ if matches!(CoreType::parse(text), Ok(Some(_))) => format!("{word}{}", rest.trim_start()),
        _ => return None,
    };
    (modern != text).then_some(modern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_spellings_become_those_of_today() {
        for (old, modern) in [
            ("boolean", Some("bool")),
            ("attach", Some("<attach>")),
            ("attach@raw", Some("<attach@raw>")),
            ("blob@main", Some("<blob@main>")),
            ("filepath@main", Some("<filepath@main>")),
            ("DATE", Some("date")),
            ("Varchar (20)", Some("varchar(20)")),
            ("ENUM('A','b')", Some("enum('A','b')")),
            ("varchar(20)", None),
            ("longblob", None),
            ("int unsigned", None),
            ("<blob@main>", None),
            ("geometry", None),
        ] {
            assert_eq!(modern_type(old).as_deref(), modern, "{old}");
        }
        let mut definition = Definition::parse("a : int32\n---\nb : attach  # a file").unwrap();
        assert_eq!(definition.modernize(), ["type `attach` of attribute `b` is written `<attach>` today"]);
        assert!(definition.modernize().is_empty());
    }
}
