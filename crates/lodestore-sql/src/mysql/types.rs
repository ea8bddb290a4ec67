//! How core types are stored, told in comments and defaults, and compared.

use lodestore_types::{
    CoreType, Decimal, Error, ErrorKind, Result, Time, Uuid, Value, json_depth, parse_date, parse_datetime,
};

use super::Server;
use super::table::quote;
use crate::dialect::{JsonForm, JsonPath};
use crate::heading::{split_marker, with_marker};
use crate::{AttributeType, DefaultValue, native};

/// A text as a literal in single quotes: the servers read backslashes in them.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A comment in double quotes, as the peer writes it.
pub(super) fn comment_literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The SQL type of a core type.
fn stored(core: &CoreType) -> String {
    match core {
        CoreType::Int8 | CoreType::Bool => "tinyint".into(),
        CoreType::Int16 => "smallint".into(),
        CoreType::Int32 => "int".into(),
        CoreType::Int64 => "bigint".into(),
        CoreType::Float32 => "float".into(),
        CoreType::Float64 => "double".into(),
        CoreType::Uuid => "binary(16)".into(),
        CoreType::Json => "json".into(),
        CoreType::Bytes => "longblob".into(),
        CoreType::DateTime(None | Some(0)) => "datetime".into(),
        CoreType::Enum(members) => enumeration(members),
        core => core.to_string(),
    }
}

fn enumeration(members: &[String]) -> String {
    format!("enum({})", members.iter().map(|member| literal(member)).collect::<Vec<_>>().join(","))
}

/// The SQL type of a declared column: as the user wrote it, where that is SQL.
pub(super) fn declared(kind: &AttributeType) -> String {
    if let Some(native) = &kind.native {
        return native.clone();
    }
    match &kind.core {
        // Written in double quotes or with backslashes, the servers would not read it as we do.
        CoreType::Enum(members) if kind.declared.contains(['"', '\\']) => enumeration(members),
        CoreType::Char(_)
        | CoreType::Varchar(_)
        | CoreType::Decimal { .. }
        | CoreType::Enum(_)
        | CoreType::DateTime(Some(_))
            if kind.codec.is_none() =>
        {
            kind.declared.clone()
        }
        core => stored(core),
    }
}

/// The SQL type of a column that a foreign key brings along: as the database tells that of the parent.
pub(super) fn inherited(kind: &AttributeType) -> String {
    let Some(native) = &kind.native else { return stored(&kind.core) };
    let lower = native.to_ascii_lowercase();
    if lower == "serial" {
        return "bigint unsigned".into();
    }
    let words: Vec<&str> = lower.split_whitespace().filter(|word| *word != "auto_increment").collect();
    words.join(" ")
}

/// The comment of such a column. The marker of a uuid stays: nothing else tells it from other bytes.
pub(super) fn inherited_comment(kind: &AttributeType, comment: &str) -> String {
    match kind.core {
        CoreType::Uuid => with_marker("uuid", comment),
        _ => comment.to_owned(),
    }
}

/// What a column's type text and comment tell of an attribute: its type and its comment without marker.
pub(super) fn read_type(
    column: &str,
    stored: &str,
    codec: &dyn Fn(&str) -> Result<CoreType>,
) -> (AttributeType, String) {
    let column = without_width(column);
    let fitting = fitting(&column);
    let (Some(declared), comment) = split_marker(stored) else {
        let kind = match CoreType::parse(&column) {
            Ok(Some(core)) => AttributeType { declared: column, core: seconds(core), codec: None, native: None },
            _ => AttributeType { declared: column.clone(), core: fitting, codec: None, native: Some(column) },
        };
        return (kind, stored.to_owned());
    };
    let text = declared.to_owned();
    let kind = if declared.starts_with('<') {
        // Without its codec the attribute can still be seen, joined and deleted; only its values cannot be read.
        let core = codec(declared).unwrap_or(fitting);
        AttributeType { declared: text.clone(), core, codec: Some(text), native: None }
    } else if let Ok(Some(core)) = CoreType::parse(declared) {
        // The servers keep no fractions of a second unless told so.
        let core = if column == "datetime" { seconds(core) } else { core };
        AttributeType { declared: text, core, codec: None, native: None }
    } else {
        AttributeType { declared: column.clone(), core: fitting, codec: None, native: Some(column) }
    };
    (kind, comment.to_owned())
}

/// A `datetime` without digits keeps whole seconds here.
fn seconds(core: CoreType) -> CoreType {
    if core == CoreType::DateTime(None) { CoreType::DateTime(Some(0)) } else { core }
}

/// The type without the display width that MariaDB tells of integers: `int(11) unsigned` is `int unsigned`.
fn without_width(column: &str) -> String {
    let lower = column.to_ascii_lowercase();
    let integer =
        ["tinyint(", "smallint(", "mediumint(", "int(", "bigint(", "year("].iter().any(|w| lower.starts_with(w));
    match (column.find('('), column.find(')')) {
        (Some(open), Some(close)) if integer && open < close => format!("{}{}", &column[..open], &column[close + 1..]),
        _ => column.replace("\\\\", "\\"),
    }
}

/// The core type that holds what a column of this type holds.
fn fitting(column: &str) -> CoreType {
    if let Ok(Some(core)) = CoreType::parse(column) {
        return core;
    }
    if let Some(native) = native::parse(column) {
        return match native.core {
            CoreType::DateTime(None) => CoreType::DateTime(Some(0)),
            core => core,
        };
    }
    match column.split(['(', ' ']).next().unwrap_or_default() {
        "binary" if column == "binary(16)" => CoreType::Uuid,
        "binary" | "varbinary" | "bit" | "geometry" | "point" | "vector" => CoreType::Bytes,
        _ => CoreType::Varchar(u32::MAX),
    }
}

/// What stands behind `DEFAULT`. Numbers stand in quotes, as the peer writes them.
pub(super) fn default_sql(server: Server, default: &DefaultValue, core: &CoreType) -> Result<String> {
    Ok(match default {
        DefaultValue::Null => "NULL".to_owned(),
        // The servers want as many digits here as the column has.
        DefaultValue::Now(_) => match core {
            CoreType::DateTime(Some(digits @ 1..)) => format!("CURRENT_TIMESTAMP({digits})"),
            _ => "CURRENT_TIMESTAMP".to_owned(),
        },
        DefaultValue::Value(value) => match (encode(Server::Mariadb, value.clone(), core)?, core) {
            (Value::Int(number), _) => literal(&number.to_string()),
            (Value::Float(number), _) => literal(&format!("{number:?}")),
            (Value::Decimal(number), _) => literal(number.as_str()),
            (Value::Date(day), _) => literal(&day.to_string()),
            (Value::DateTime(moment), _) => literal(&format!("{} {}", moment.date(), moment.time())),
            // MySQL takes defaults of documents as expressions only.
            // Catalogs keep fewer characters than documents hold. MariaDB's takes them escaped, that of MySQL doubles
            // backslashes, and takes bytes.
            (Value::Text(text), CoreType::Json) if server == Server::Mysql => {
                match text.is_ascii() && !text.contains('\\') {
                    true => format!("({})", literal(&text)),
                    false => format!("(_utf8mb4 {})", hexadecimal(text.as_bytes())),
                }
            }
            (Value::Text(text), CoreType::Json) => literal(&ascii(&text)),
            (Value::Text(text), _) => literal(&text),
            (Value::Bytes(bytes), _) => hexadecimal(&bytes),
            (other, _) => {
                return Err(Error::new(ErrorKind::Unsupported, format!("mysql has no default of value {other}")));
            }
        },
    })
}

/// A document in ASCII alone.
fn ascii(document: &str) -> String {
    let mut units = [0; 2];
    let escaped = |c: char| match c {
        c if c.is_ascii() => c.to_string(),
        c => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    document.chars().map(escaped).collect()
}

/// Refuses what the servers' catalogs would keep as question marks.
pub(super) fn check_catalog_text(what: &str, text: &str) -> Result<()> {
    match text.chars().find(|c| *c > '\u{FFFF}') {
        Some(character) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{what} has the character `{character}` (U+{:X}), which MySQL and MariaDB cannot keep",
                character as u32
            ),
        )
        .with_hint("use characters up to U+FFFF in defaults, enum members and comments; values of rows may have all")),
        None => Ok(()),
    }
}

/// Bytes as a literal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// What a default in the catalog means; nothing if it is none that a definition can say.
pub(super) fn read_default(text: &str, extra: &str, core: &CoreType) -> Option<DefaultValue> {
    let lower = text.to_ascii_lowercase();
    if let (CoreType::DateTime(_), Some(rest)) = (core, lower.strip_prefix("current_timestamp")) {
        let digits = rest.trim_matches(['(', ')']).parse().ok().filter(|digits| *digits > 0);
        return Some(DefaultValue::Now(digits));
    }
    let value = match core {
        CoreType::Json => {
            // MySQL tells the expression, MariaDB the literal or, in older versions, the text.
            let text = text.replace("\\'", "'");
            let literal = text.find('\'').zip(text.rfind('\'')).filter(|(open, close)| open < close);
            let quoted = text.starts_with('\'') || extra.contains("DEFAULT_GENERATED");
            let bytes = text.split_once("0x").filter(|_| extra.contains("DEFAULT_GENERATED") && literal.is_none());
            if let Some((_, digits)) = bytes {
                let digits: String = digits.chars().take_while(char::is_ascii_hexdigit).collect();
                let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
                let document: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>()?;
                return Some(DefaultValue::Value(Value::Json(serde_json::from_slice(&document).ok()?)));
            }
            let document = match literal.filter(|_| quoted) {
                Some((open, close)) => text[open + 1..close].replace("''", "'").replace("\\\\", "\\"),
                None => text,
            };
            Value::Json(serde_json::from_str(&document).ok()?)
        }
        _ if extra.contains("DEFAULT_GENERATED") => return None,
        _ => Value::Text(text.to_owned()),
    };
    core.check(value).ok().map(DefaultValue::Value)
}

/// The value at a path of a JSON column, taken as the type that is asked for.
///
/// Not `JSON_VALUE`: that of MySQL gives NULL for texts of more than 512 characters, that of MariaDB for what is no
/// scalar.
pub(super) fn json_path(server: Server, column: &str, path: &JsonPath<'_>, form: JsonForm) -> String {
    if let (true, Some(as_type)) = (path.has_wildcard(), path.as_type) {
        let (value, source) =
            (cast(&truth("v.value", "v.value", as_type), as_type), values_at(column, path, "LONGTEXT"));
        return format!("(SELECT JSON_ARRAYAGG({value}) FROM {source})");
    }
    let place = literal(&format!("$.{}", path.path));
    let extracted = format!("JSON_EXTRACT({column}, {place})");
    let text = match server {
        // NULL in a document is no text `null`.
        Server::Mysql => format!("JSON_UNQUOTE(NULLIF({extracted}, CAST('null' AS JSON)))"),
        Server::Mariadb => format!("JSON_UNQUOTE(NULLIF({extracted}, 'null'))"),
    };
    let Some(as_type) = path.as_type else {
        return match form {
            JsonForm::Text => text,
            JsonForm::Document if server == Server::Mysql => format!("CAST({extracted} AS CHAR)"),
            JsonForm::Document => format!("JSON_COMPACT({extracted})"),
            // A document equals a number by value; text would be cut to the digits at its beginning.
            JsonForm::Native if server == Server::Mysql => extracted,
            JsonForm::Native => format!("IF(JSON_TYPE({extracted}) IN ('INTEGER', 'DOUBLE'), {text}, NULL) + 0"),
        };
    };
    cast(&truth(&text, &extracted, as_type), as_type)
}

/// A text of a document's value, with `true` and `false` as 1 and 0 where a number is asked for. `value` is the value
/// itself, of which a cast of its text would make 0.
fn truth(text: &str, value: &str, as_type: &str) -> String {
    if !is_number(as_type) {
        return text.to_owned();
    }
    let is_truth = match text == value {
        true => format!("{text} IN ('true', 'false')"),
        false => format!("JSON_TYPE({value}) = 'BOOLEAN'"),
    };
    format!("IF({is_truth}, {text} = 'true', {text})")
}

/// The values at a path with wildcards, as a table `v` of one column `value`.
fn values_at(column: &str, path: &JsonPath<'_>, kind: &str) -> String {
    let place = literal(&format!("$.{}", path.path));
    format!("JSON_TABLE(JSON_EXTRACT({column}, {place}), '$[*]' COLUMNS (value {kind} PATH '$')) AS v")
}

/// A query for all values at a path with wildcards.
pub(super) fn json_values(server: Server, column: &str, path: &JsonPath<'_>, form: JsonForm) -> String {
    let (kind, value) = match (path.as_type, form, server) {
        (Some(as_type), ..) => ("LONGTEXT", cast(&truth("v.value", "v.value", as_type), as_type)),
        (None, JsonForm::Native, _) => ("DOUBLE", "v.value".to_owned()),
        (None, JsonForm::Text, _) => ("LONGTEXT", "v.value".to_owned()),
        (None, JsonForm::Document, Server::Mysql) => ("JSON", "CAST(v.value AS CHAR)".to_owned()),
        (None, JsonForm::Document, Server::Mariadb) => ("JSON", "JSON_COMPACT(v.value)".to_owned()),
    };
    format!("SELECT {value} FROM {} WHERE v.value IS NOT NULL", values_at(column, path, kind))
}

/// The SQL type that a path is taken as, in small letters, without what follows it.
fn type_word(as_type: &str) -> String {
    as_type.split(['(', ' ']).next().unwrap_or_default().to_ascii_lowercase()
}

fn is_number(as_type: &str) -> bool {
    !matches!(
        type_word(as_type).as_str(),
        "varchar" | "text" | "char" | "nchar" | "binary" | "date" | "datetime" | "time" | "timestamp" | "json"
    )
}

fn cast(text: &str, as_type: &str) -> String {
    let word = type_word(as_type);
    let rest = &as_type[word.len()..];
    let target = match word.as_str() {
        "int" | "integer" | "bigint" | "smallint" | "tinyint" | "signed" | "bool" | "boolean" => "SIGNED".to_owned(),
        "unsigned" => "UNSIGNED".to_owned(),
        "numeric" => format!("DECIMAL{rest}"),
        "float" | "double" | "real" => "DOUBLE".to_owned(),
        "varchar" | "text" => format!("CHAR{rest}"),
        _ => as_type.to_owned(),
    };
    format!("CAST({text} AS {target})")
}

/// A path as the peer indexes it.
pub(super) fn indexed_path(path: &JsonPath<'_>) -> String {
    let returning = path.as_type.map_or(String::new(), |as_type| format!(" returning {as_type}"));
    format!("json_value({}, _utf8mb4'$.{}'{returning})", quote(path.attribute), path.path)
}

/// A document as MySQL itself prints it, so that what it prints can be compared with it: shorter names first.
fn printed(document: &serde_json::Value) -> String {
    match document {
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(printed).collect::<Vec<_>>().join(", "))
        }
        serde_json::Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(name, _)| (name.len(), name.as_bytes()));
            let entry = |(name, value): (&String, &serde_json::Value)| {
                format!("{}: {}", serde_json::Value::from(name.as_str()), printed(value))
            };
            format!("{{{}}}", entries.into_iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Levels of arrays and objects that MariaDB takes for JSON.
const MARIADB_LEVELS: usize = 31;

/// The form in which a checked value is bound.
pub(super) fn encode(server: Server, value: Value, core: &CoreType) -> Result<Value> {
    Ok(match (value, core) {
        (Value::Json(document), CoreType::Json) if server == Server::Mysql => Value::Text(printed(&document)),
        (Value::Json(document), CoreType::Json) if json_depth(&document) > MARIADB_LEVELS => {
            let message =
                format!("MariaDB keeps {MARIADB_LEVELS} levels of JSON, this value has {}", json_depth(&document));
            return Err(Error::new(ErrorKind::InvalidValue, message).with_hint("flatten it, or keep it in a `<blob>`"));
        }
        (Value::Null, _) => Value::Null,
        (value @ Value::Int(_), core) if core.integer_range().is_some() => value,
        (Value::Float(number), CoreType::Float32 | CoreType::Float64) if !number.is_finite() => {
            return Err(Error::new(ErrorKind::InvalidValue, format!("mysql cannot store {number} as `{core}`"))
                .with_hint("store None instead, or keep such values in a `<blob>`"));
        }
        // The servers compare a float of 32 bits by its own value, not by its spelling.
        (Value::Float(number), CoreType::Float32) => Value::Float(f64::from(number as f32)),
        (value @ Value::Float(_), CoreType::Float64)
        | (value @ Value::Bytes(_), CoreType::Bytes)
        | (value @ Value::Text(_), CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_))
        | (value @ Value::Date(_), CoreType::Date)
        | (value @ Value::DateTime(_), CoreType::DateTime(_))
        | (value @ Value::Decimal(_), CoreType::Decimal { .. }) => value,
        (value @ Value::Bool(_), CoreType::Bool)
        | (value @ Value::Uuid(_), CoreType::Uuid)
        | (value @ Value::Json(_), CoreType::Json) => encode_free(value)?,
        (other, core) => {
            let message = format!("value {other} of type {} was not checked against `{core}`", other.type_name());
            return Err(Error::new(ErrorKind::InvalidType, message));
        }
    })
}

/// The form in which a value is bound that is compared with something computed, of no declared type.
pub(super) fn encode_free(value: Value) -> Result<Value> {
    Ok(match value {
        Value::Bool(flag) => Value::Int(flag.into()),
        Value::Uuid(id) => Value::from(id.as_bytes().to_vec()),
        Value::Json(document) => Value::Text(document.to_string()),
        Value::Null
        | Value::Int(_)
        | Value::Float(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::DateTime(_) => value,
        Value::Array(ref array) if array.to_scalar().is_some() => encode_free(array.to_scalar().unwrap_or_default())?,
        other => {
            let message = format!("a value of type {} cannot be compared", other.type_name());
            return Err(Error::new(ErrorKind::InvalidType, message));
        }
    })
}

/// The inverse of [`encode`].
pub(super) fn decode(value: Value, core: &CoreType) -> Result<Value> {
    let corrupt = |value: &Value| {
        Error::new(ErrorKind::Corrupt, format!("the database holds {value} where `{core}` was declared"))
    };
    Ok(match (value, core) {
        (Value::Null, _) => Value::Null,
        (value @ Value::Int(_), core) if core.integer_range().is_some() => value,
        // A `bigint unsigned` beyond what 64 bits with a sign hold.
        (value @ Value::BigInt(_), CoreType::Int64) => value,
        (Value::Float(number), CoreType::Float32) => CoreType::Float32.check(Value::Float(number))?,
        (value @ Value::Float(_), CoreType::Float64)
        | (value @ Value::Bytes(_), CoreType::Bytes)
        | (value @ Value::Text(_), CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_))
        | (value @ Value::Date(_), CoreType::Date)
        | (value @ Value::DateTime(_), CoreType::DateTime(_))
        | (value @ Value::Decimal(_), CoreType::Decimal { .. })
        | (value @ Value::Json(_), CoreType::Json) => value,
        // Programs in which a tinyint is no bool may have left other numbers.
        (Value::Int(flag), CoreType::Bool) => Value::Bool(flag != 0),
        (Value::Int(number), CoreType::Float32 | CoreType::Float64) => Value::Float(number as f64),
        // Sums and means of what is whole are decimals to the servers.
        (value @ Value::Decimal(_), core) if core.integer_range().is_some() => core.check(value)?,
        (value @ Value::Decimal(_), core @ (CoreType::Float32 | CoreType::Float64)) => core.check(value)?,
        (value @ (Value::Int(_) | Value::Float(_)), core @ CoreType::Decimal { .. }) => core.check(value)?,
        (Value::Bytes(bytes), CoreType::Uuid) => {
            Uuid::from_slice(&bytes).map(Value::Uuid).map_err(|_| corrupt(&Value::Bytes(bytes)))?
        }
        (Value::Date(day), CoreType::DateTime(_)) => Value::DateTime(day.to_datetime(Time::midnight())),
        (Value::DateTime(moment), CoreType::Date) if moment.time() == Time::midnight() => Value::Date(moment.date()),
        (Value::Time(time), CoreType::Varchar(_)) => Value::Text(time.to_string()),
        (Value::Text(text), CoreType::Bytes) => Value::from(text.into_bytes()),
        (
            Value::Bytes(bytes),
            core @ (CoreType::Json | CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_)),
        ) => match std::str::from_utf8(&bytes) {
            Ok(text) => decode(Value::Text(text.to_owned()), core)?,
            Err(_) => return Err(corrupt(&Value::Bytes(bytes))),
        },
        (Value::Text(text), core) => {
            let decoded = match core {
                CoreType::Uuid => Uuid::parse_str(&text).map(Value::Uuid).ok(),
                CoreType::Date => parse_date(&text).map(Value::Date).ok(),
                CoreType::DateTime(_) => parse_datetime(&text).map(Value::DateTime).ok(),
                CoreType::Decimal { .. } => text.parse::<Decimal>().map(Value::Decimal).ok(),
                CoreType::Json => serde_json::from_str(&text).map(Value::Json).ok(),
                _ => None,
            };
            decoded.ok_or_else(|| corrupt(&Value::Text(text)))?
        }
        (other, _) => return Err(corrupt(&other)),
    })
}
