//! What the type and the default of an attribute line mean.

use lodestore_types::{CoreType, Error, ErrorKind, Result, Value, nearest};

use super::Resolver;
use crate::definition::DefaultText;
use crate::heading::{AttributeType, DefaultValue};
use crate::native;

/// A resolved type, and whether it counts up by itself.
pub(super) struct Resolved {
    pub kind: AttributeType,
    pub autoincrement: bool,
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidDefinition, message)
}

/// Resolves the text of a type through the three layers.
pub(super) fn resolve_type(text: &str, resolver: &Resolver<'_>) -> Result<Resolved> {
    let declared = text.to_owned();
    let portable = |kind: AttributeType| {
        // The marker in the column's comment ends at the first colon outside of quotes.
        if kind.codec.is_some() && kind.declared.contains(':') {
            return Err(
                invalid(format!("type `{text}` holds a colon")).with_hint("colons are not allowed in store names")
            );
        }
        Ok(Resolved { kind, autoincrement: false })
    };
    if text.starts_with('<') {
        let core = (resolver.codec)(text)?;
        return portable(AttributeType { codec: Some(declared.clone()), declared, core, native: None });
    }
    if let Some(core) = CoreType::parse(text)? {
        check_spelling(text, &core)?;
        return portable(AttributeType { declared, core, codec: None, native: None });
    }
    match native::parse(text) {
        Some(native) => Ok(Resolved {
            kind: AttributeType { native: Some(declared.clone()), declared, core: native.core, codec: None },
            autoincrement: native.autoincrement,
        }),
        None => Err(unsupported(text)),
    }
}

/// Core types are written in lower case and without a blank before the parenthesis: the peer reads them back so.
fn check_spelling(text: &str, core: &CoreType) -> Result<()> {
    let word_end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let word = &text[..word_end];
    let blank_allowed = matches!(core, CoreType::DateTime(_) | CoreType::Decimal { .. });
    let blank = text[word_end..].starts_with(char::is_whitespace) && !blank_allowed;
    if word == "jsonb" || blank || word.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(invalid(format!("unknown core type `{text}`")).with_hint(format!("write it as `{core}`")));
    }
    Ok(())
}

/// Names that people try, and what to write instead.
const INSTEAD: &[(&str, &str)] = &[
    ("boolean", "bool"),
    ("uint8", "int16"),
    ("uint16", "int32"),
    ("uint32", "int64"),
    ("uint64", "decimal(20,0)"),
    ("string", "varchar(255)"),
    ("str", "varchar(255)"),
    ("varchar", "varchar(255)"),
    ("char", "char(10)"),
    ("enum", "enum('a','b')"),
    ("binary", "bytes"),
    ("varbinary", "bytes"),
    ("bytea", "bytes"),
    ("attach", "<attach@>"),
    ("filepath", "<filepath@store>"),
    ("external", "<blob@store>"),
    ("npy", "<npy@>"),
    ("array", "<npy@>"),
    ("object", "<object@>"),
    ("timestamptz", "datetime"),
];

fn unsupported(text: &str) -> Error {
    const NAMES: &[&str] = &[
        "float32",
        "float64",
        "int64",
        "int32",
        "int16",
        "int8",
        "bool",
        "uuid",
        "json",
        "bytes",
        "date",
        "datetime",
        "varchar(255)",
        "decimal(10,2)",
    ];
    let word: String = text.chars().take_while(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
    let instead = INSTEAD
        .iter()
        .find_map(|(name, instead)| (*name == word).then_some(*instead))
        .or_else(|| (text.contains('@')).then_some("<blob@store>"))
        .or_else(|| nearest(&text.to_ascii_lowercase(), NAMES.iter().copied()))
        .or_else(|| nearest(&word, NAMES.iter().copied()));
    let error = invalid(format!("unsupported attribute type `{text}`"));
    match instead {
        Some(instead) => error.with_hint(format!("did you mean `{instead}`?")),
        None => error.with_hint(
            "the types are int8 to int64, float32, float64, decimal(p,s), bool, char(n), varchar(n), enum(...), date, \
             datetime, uuid, json, bytes, and codecs such as <blob>",
        ),
    }
}

/// What the default means for an attribute of this type.
pub(super) fn resolve_default(default: &DefaultText, kind: &AttributeType) -> Result<DefaultValue> {
    match default {
        DefaultText::Null => Ok(DefaultValue::Null),
        _ if kind.is_blob() => Err(invalid("the default of a blob can only be null")
            .with_hint(format!("write `=null`, or leave the default of `{}` away", kind.declared))),
        DefaultText::Now(digits) => match &kind.core {
            CoreType::DateTime(most) => Ok(DefaultValue::Now(digits.map(|digits| digits.min(most.unwrap_or(6))))),
            core => Err(invalid(format!("CURRENT_TIMESTAMP does not fit `{core}`"))
                .with_hint("declare the attribute as `datetime`")),
        },
        DefaultText::Literal(text) => {
            let value =
                match &kind.core {
                    CoreType::Json => Value::Json(serde_json::from_str(text).map_err(|source| {
                        invalid(format!("default `{text}` is no JSON document")).with_source(source)
                    })?),
                    _ => Value::Text(text.clone()),
                };
            kind.core.check(value).map(DefaultValue::Value).map_err(|error| {
                let bad = invalid(format!("default `{text}` does not fit `{}`: {}", kind.declared, error.message()));
                match error.hint() {
                    Some(hint) => bad.with_hint(hint),
                    None => bad,
                }
            })
        }
    }
}
