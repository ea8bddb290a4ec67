//! Values inside JSON documents.

use crate::dialect::{JsonForm, JsonPath, text_literal};

/// The value at a path; with wildcards, all values there as a JSON array, NULL if there is none.
pub(super) fn path(column: &str, path: &JsonPath<'_>, form: JsonForm) -> String {
    if path.has_wildcard() {
        let (found, kind, source) = matches(column, path.path);
        let value = match path.as_type {
            Some(as_type) => cast(&found, as_type),
            // What is true or false, an object or an array to JSON stays so.
            None => format!(
                "CASE WHEN {kind} IN ('true', 'false') THEN json({kind}) WHEN {kind} IN ('object', 'array') THEN json({found}) \
                 ELSE {found} END"
            ),
        };
        return format!("(SELECT nullif(json_group_array({value}), '[]') FROM {source} AND {kind} IS NOT NULL)");
    }
    let place = text_literal(&format!("$.{}", path.path));
    let value = format!("json_extract({column}, {place})");
    formed(&value, &format!("json_type({column}, {place})"), path.as_type, form)
}

/// A query for all values at a path with wildcards.
pub(super) fn values(column: &str, path: &JsonPath<'_>, form: JsonForm) -> String {
    let (found, kind, source) = matches(column, path.path);
    let value = formed(&found, &kind, path.as_type, form);
    format!("SELECT {value} FROM {source} AND {found} IS NOT NULL")
}

/// A value in the form that is asked for.
fn formed(value: &str, kind: &str, as_type: Option<&str>, form: JsonForm) -> String {
    match (as_type, form) {
        (Some(as_type), _) => cast(value, as_type),
        (None, JsonForm::Native) => value.to_owned(),
        // SQLite extracts true and false as 1 and 0, which other databases call by their names.
        (None, JsonForm::Text) => {
            format!("CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST({value} AS TEXT) END")
        }
    }
}

fn cast(value: &str, as_type: &str) -> String {
    let word = as_type.split(['(', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    let target = match word.as_str() {
        "int" | "integer" | "bigint" | "smallint" | "tinyint" | "signed" | "unsigned" | "bool" | "boolean" => "INTEGER",
        "decimal" | "numeric" => "NUMERIC",
        "float" | "double" | "real" => "REAL",
        _ => "TEXT",
    };
    format!("CAST({value} AS {target})")
}

/// What gives each value at a path, what gives its JSON type, and where they come from: a FROM clause with conditions.
fn matches(column: &str, path: &str) -> (String, String, String) {
    let (mut within, mut rest) = (column.to_owned(), format!(".{path}"));
    let (mut tables, mut conditions) = (Vec::new(), Vec::new());
    while let Some(star) = rest.find('*') {
        // Members have names, elements have numbers.
        let (end, next, key) = match rest[..star].strip_suffix('[') {
            Some(before) => (before.len(), star + 2, "integer"),
            None => (star - 1, star + 1, "text"),
        };
        let alias = format!("\"w{}\"", tables.len() + 1);
        tables.push(format!("json_each({within}, {}) AS {alias}", text_literal(&format!("${}", &rest[..end]))));
        conditions.push(format!("typeof({alias}.key) = '{key}'"));
        within = alias;
        rest = rest[next..].to_owned();
        if rest.contains('*') {
            within = document(&within);
        }
    }
    let source = format!("{} WHERE {}", tables.join(", "), conditions.join(" AND "));
    if rest.is_empty() {
        return (format!("{within}.value"), format!("{within}.type"), source);
    }
    let (document, place) = (document(&within), text_literal(&format!("${rest}")));
    (format!("json_extract({document}, {place})"), format!("json_type({document}, {place})"), source)
}

/// A value as something that has values inside: a bare text is no JSON.
fn document(table: &str) -> String {
    format!("CASE WHEN {table}.type IN ('object', 'array') THEN {table}.value END")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str =
        r#"{"a": [{"b": 1, "c": "x"}, {"b": 2.5}, {"c": true}, "y", null], "o": {"p": 3, "q": [4, 5]}, "t": "a"}"#;

    fn ask(sql: &str) -> Vec<Option<String>> {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let mut statement = connection.prepare(&format!("SELECT CAST(value AS TEXT) FROM ({sql})")).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn wildcards_find_all_values() {
        for (text, found, array) in [
            ("m.a[*].b", "1 2.5", "[1,2.5]"),
            ("m.a[*].c", "x true", r#"["x",true]"#),
            ("m.a[*].b:int", "1 2", "[1,2]"),
            ("m.o.*", "3 [4,5]", "[3,[4,5]]"),
            ("m.o.*[*]", "4 5", "[4,5]"),
            ("m.o.q[*]", "4 5", "[4,5]"),
            (
                "m.a[*]",
                r#"{"b":1,"c":"x"} {"b":2.5} {"c":true} y"#,
                r#"[{"b":1,"c":"x"},{"b":2.5},{"c":true},"y",null]"#,
            ),
            ("m.t[*]", "", ""),
            ("m.nothing.*", "", ""),
            ("m.a.*", "", ""),
        ] {
            let parsed = JsonPath::parse(text).unwrap();
            let column = text_literal(DOCUMENT);
            let all = values(&column, &parsed, JsonForm::Text).replacen(" FROM ", " AS value FROM ", 1);
            let texts: Vec<String> = ask(&all).into_iter().flatten().collect();
            assert_eq!(texts.join(" "), found, "{text}");
            let one = ask(&format!("SELECT {} AS value", path(&column, &parsed, JsonForm::Text)));
            let expected = Some(array.to_owned()).filter(|array| !array.is_empty());
            assert_eq!(one, [expected], "{text}");
        }
    }
}
