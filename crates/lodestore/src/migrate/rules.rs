//! Tier rules, as the setting `tiers` has them.

use lodestore_types::{Error, ErrorKind, Result, nearest};
use serde_json::Value as Json;

use crate::config::Config;

/// The rules of one attribute, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rules {
    /// As the setting names it: `schema.table.attribute`.
    pub(super) name: String,
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) attribute: String,
    pub(super) rules: Vec<Rule>,
}

/// Which values go to which store.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    /// Seconds.
    pub(super) older_than: Option<i64>,
    /// The attribute that tells the age; without it, the store does.
    pub(super) by: Option<String>,
    /// Bytes.
    pub(super) larger_than: Option<u64>,
    pub(super) to: String,
}

const KEYS: [&str; 4] = ["older_than", "by", "larger_than", "to"];

/// All rules.
///
/// # Errors
/// `InvalidConfig`, naming the rule and what is wrong with it.
pub(super) fn all(config: &Config) -> Result<Vec<Rules>> {
    let Json::Object(told) = config.get("tiers")? else { return Ok(Vec::new()) };
    told.iter().map(|(name, rules)| of_attribute(name, rules).map_err(|error| error.with("setting", "tiers"))).collect()
}

fn of_attribute(name: &str, told: &Json) -> Result<Rules> {
    let parts: Vec<&str> = name.split('.').collect();
    let [schema, table, attribute] = parts[..] else {
        return Err(wrong(format!("`{name}` names no attribute"), "write `schema.table.attribute`"));
    };
    let Json::Array(told) = told else {
        return Err(wrong(format!("the rules of `{name}` are {told}, not a list"), "write a list of objects"));
    };
    let rule = |(at, told): (usize, &Json)| rule(told).map_err(|error| error.with("rule", format!("{name}[{at}]")));
    let rules = told.iter().enumerate().map(rule).collect::<Result<_>>()?;
    Ok(Rules {
        name: name.to_owned(),
        schema: schema.to_owned(),
        table: table.to_owned(),
        attribute: attribute.to_owned(),
        rules,
    })
}

fn rule(told: &Json) -> Result<Rule> {
    let Json::Object(told) = told else {
        return Err(wrong(
            format!("a rule is an object, not {told}"),
            "write such as {\"larger_than\": \"1MB\", \"to\": \"archive\"}",
        ));
    };
    if let Some(unknown) = told.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = nearest(unknown, KEYS).map_or("", |near| near);
        return Err(match hint {
            "" => wrong(format!("a rule has no `{unknown}`"), "its words are older_than, by, larger_than and to"),
            near => wrong(format!("a rule has no `{unknown}`"), &format!("did you mean `{near}`?")),
        });
    }
    let text = |key: &str| match told.get(key) {
        None => Ok(None),
        Some(Json::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(other) => Err(wrong(format!("`{key}` is {other}"), "write a text that is not empty")),
    };
    let number = |key: &str, units: &[(&str, u64)], example: &str| match told.get(key) {
        None => Ok(None),
        Some(Json::Number(number)) if number.as_u64().is_some() => Ok(number.as_u64()),
        Some(Json::String(text)) => match with_unit(text, units) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(format!("`{key}` is \"{text}\""), &format!("write such as {example}"))),
        },
        Some(other) => Err(wrong(format!("`{key}` is {other}"), &format!("write such as {example}"))),
    };
    let age = number("older_than", &AGES, "\"30d\", \"12h\" or a number of seconds")?;
    let rule = Rule {
        older_than: age.map(|age| i64::try_from(age).unwrap_or(i64::MAX / 4)),
        by: text("by")?,
        larger_than: number("larger_than", &SIZES, "\"1MB\", \"64KiB\" or a number of bytes")?,
        to: text("to")?
            .ok_or_else(|| wrong("a rule needs `to`".to_owned(), "name the store, such as \"to\": \"archive\""))?,
    };
    match &rule {
        Rule { older_than: None, larger_than: None, .. } => Err(wrong(
            "a rule without `older_than` and `larger_than` would move everything".to_owned(),
            "migrate the attribute to that store instead",
        )),
        Rule { older_than: None, by: Some(_), .. } => {
            Err(wrong("`by` says what tells the age, and there is no `older_than`".to_owned(), "add `older_than`"))
        }
        _ => Ok(rule),
    }
}

const AGES: [(&str, u64); 6] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800), ("y", 31_536_000)];
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A whole number with its unit.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (text[..end].parse::<u64>().ok()?, text[end..].trim());
    let (_, factor) = units.iter().find(|(known, _)| *known == unit)?;
    number.checked_mul(*factor)
}

fn wrong(message: String, hint: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(rules: Json) -> Result<Vec<Rules>> {
        let mut config = Config::default();
        config.set("tiers", rules)?;
        all(&config)
    }

    #[test]
    fn rules_are_read() {
        let rules = read(json!({"lab.recording.trace": [
            {"older_than": "30d", "by": "session_date", "larger_than": "1MB", "to": "archive"},
            {"larger_than": 5, "to": "b"},
        ]}));
        let rules = &rules.unwrap()[0];
        assert_eq!((&*rules.schema, &*rules.table, &*rules.attribute), ("lab", "recording", "trace"));
        let first = Rule {
            older_than: Some(30 * 86_400),
            by: Some("session_date".into()),
            larger_than: Some(1_000_000),
            to: "archive".into(),
        };
        assert_eq!(rules.rules, [first, Rule { older_than: None, by: None, larger_than: Some(5), to: "b".into() }]);
        assert_eq!(with_unit("64KiB", &SIZES), Some(65_536));
        assert!(read(json!({})).unwrap().is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (rules, said) in [
            (json!({"lab.trace": []}), "names no attribute"),
            (json!({"lab.t.a": {}}), "not a list"),
            (json!({"lab.t.a": [1]}), "is an object"),
            (json!({"lab.t.a": [{"to": "x"}]}), "would move everything"),
            (json!({"lab.t.a": [{"larger_than": "1MB"}]}), "needs `to`"),
            (json!({"lab.t.a": [{"larger_then": 1, "to": "x"}]}), "no `larger_then`"),
            (json!({"lab.t.a": [{"larger_than": "1 parsec", "to": "x"}]}), "1 parsec"),
            (json!({"lab.t.a": [{"older_than": -1, "to": "x"}]}), "is -1"),
            (json!({"lab.t.a": [{"larger_than": 1, "by": "day", "to": "x"}]}), "no `older_than`"),
        ] {
            let error = read(rules).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.message().contains(said) && error.hint().is_some(), "{error}");
        }
    }
}
