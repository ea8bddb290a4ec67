//! Functions of other databases that MySQL calls otherwise, so that common expressions work everywhere.

/// What to write instead of `function(arguments)`; nothing if it stands as written.
pub(super) fn translate(function: &str, arguments: &[String]) -> Option<String> {
    let name = function.to_ascii_lowercase();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.is_empty()).collect();
    Some(match (name.as_str(), &arguments[..]) {
        ("string_agg", [value, separator]) => format!("GROUP_CONCAT({value} SEPARATOR {separator})"),
        ("iif", [condition, yes, no]) => format!("IF({condition}, {yes}, {no})"),
        ("total", [value]) => format!("IFNULL(SUM({value}), 0)"),
        ("random", []) => "RAND()".into(),
        ("json_array_length", [document]) => format!("JSON_LENGTH({document})"),
        ("strpos", [text, part]) => format!("LOCATE({part}, {text})"),
        ("bool_and" | "every", [condition]) => format!("MIN({condition})"),
        ("bool_or", [condition]) => format!("MAX({condition})"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_others_are_renamed() {
        let call = |function: &str, arguments: &[&str]| {
            translate(function, &arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(call("STRING_AGG", &["`x`", "'-'"]).unwrap(), "GROUP_CONCAT(`x` SEPARATOR '-')");
        assert_eq!(call("random", &[""]).unwrap(), "RAND()");
        assert_eq!(call("concat", &["a", "b"]), None);
    }
}
