//! Functions of other databases that MySQL calls otherwise, so that common expressions work everywhere.

/// What to write instead of `function(arguments)`; nothing if it stands as written.
pub(super) fn translate(function: &str, arguments: &[String]) -> Option<String> {
    let name = function.to_ascii_lowercase();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.is_empty()).collect();
    Some(match (name.as_str(), &arguments[..]) {
        ("string_agg", [value, separator]) => format!("GROUP_CONCAT({value} SEPARATOR {separator})"),
        ("iif", [condition, yes, no]) => format!("IF({condition}, {yes}, {no})"),
        ("total", [value]) => format!("IFNULL(SUM({value}), 0)"),
        ("trunc", [value]) => format!("TRUNCATE({value}, 0)"),
        ("trunc", [value, digits]) => format!("TRUNCATE({value}, {digits})"),
        ("cast", [argument]) => {
            let at = argument.to_ascii_lowercase().rfind(" as ")?;
            cast(argument[..at].trim(), argument[at + 4..].trim())?
        }
        ("random", []) => "RAND()".into(),
        ("json_array_length", [document]) => format!("JSON_LENGTH({document})"),
        ("strpos", [text, part]) => format!("LOCATE({part}, {text})"),
        ("bool_and" | "every", [condition]) => format!("MIN({condition})"),
        ("bool_or", [condition]) => format!("MAX({condition})"),
        _ => return None,
    })
}

/// A value as a type that other databases cast to.
fn cast(value: &str, kind: &str) -> Option<String> {
    let lower = kind.to_ascii_lowercase();
    let (word, rest) = lower.split_at(lower.find([' ', '(']).unwrap_or(lower.len()));
    let target = match word {
        "text" => "CHAR".to_owned(),
        "varchar" => format!("CHAR{rest}"),
        "int" | "integer" | "bigint" | "smallint" | "bool" | "boolean" => "SIGNED".to_owned(),
        "numeric" => format!("DECIMAL{rest}"),
        "real" | "float" => "DOUBLE".to_owned(),
        "double" if !rest.is_empty() => "DOUBLE".to_owned(),
        "timestamp" => "DATETIME".to_owned(),
        _ => return None,
    };
    Some(format!("CAST({value} AS {target})"))
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
