//! The type marker in a column's comment: `:varchar(20):the comment`.

/// The comment to store for an attribute of a core or codec type.
pub fn with_marker(type_text: &str, comment: &str) -> String {
    format!(":{type_text}:{comment}")
}

/// The type text and the comment of a stored comment; no type if there is no marker.
pub fn split_marker(stored: &str) -> (Option<&str>, &str) {
    match stored.strip_prefix(':').and_then(split_type) {
        Some((type_text, comment)) if !type_text.is_empty() => (Some(type_text), comment),
        _ => (None, stored),
    }
}

/// Splits at the first colon outside of quotes, which the members of an enum have; at the first one if quotes do not end.
fn split_type(rest: &str) -> Option<(&str, &str)> {
    let mut open = None;
    for (at, character) in rest.char_indices() {
        match (open, character) {
            (None, ':') => return Some((&rest[..at], &rest[at + 1..])),
            (None, '\'' | '"') => open = Some(character),
            (Some(quote), _) if quote == character => open = None,
            _ => {}
        }
    }
    rest.split_once(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_come_back() {
        assert_eq!(split_marker(&with_marker("<blob@cold>", "a: b")), (Some("<blob@cold>"), "a: b"));
        for members in ["enum('a:b', 'c')", r#"enum("x: y", 'it''s: z')"#] {
            assert_eq!(split_marker(&with_marker(members, "note: 'quoted'")), (Some(members), "note: 'quoted'"));
        }
        assert_eq!(split_marker(":don't: x"), (Some("don't"), " x"));
        for plain in ["::x", ":foo", "", "text"] {
            assert_eq!(split_marker(plain), (None, plain));
        }
    }
}
