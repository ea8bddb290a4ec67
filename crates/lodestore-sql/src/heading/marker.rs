//! The type marker in a column's comment: `:varchar(20):the comment`.

/// The comment to store for an attribute of a core or codec type.
pub fn with_marker(type_text: &str, comment: &str) -> String {
    format!(":{type_text}:{comment}")
}

/// The type text and the comment of a stored comment; no type if there is no marker.
pub fn split_marker(stored: &str) -> (Option<&str>, &str) {
    match stored.strip_prefix(':').and_then(|rest| rest.split_once(':')) {
        Some((type_text, comment)) if !type_text.is_empty() => (Some(type_text), comment),
        _ => (None, stored),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_come_back() {
        assert_eq!(split_marker(&with_marker("<blob@cold>", "a: b")), (Some("<blob@cold>"), "a: b"));
        for plain in ["::x", ":foo", "", "text"] {
            assert_eq!(split_marker(plain), (None, plain));
        }
    }
}
