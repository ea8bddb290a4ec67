//! The table of settings.

use lodestore_types::{Error, ErrorKind, Result, nearest};
use serde_json::{Value as Json, json};

/// What a setting may hold. All but the plain ones also take null, which means "not set".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// Text.
    Text,
    /// Text, or nothing.
    OptionalText,
    /// Text that is never shown, or nothing.
    Secret,
    /// True or false; as text also yes, no, on, off, 1, 0.
    Bool,
    /// True or false, or nothing.
    OptionalBool,
    /// True, false, a JSON object, or nothing.
    OptionalBoolOrObject,
    /// A whole number in a range.
    Int(i64, i64),
    /// A whole number in a range, or nothing.
    OptionalInt(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words, or nothing.
    OptionalChoice(&'static [&'static str]),
    /// A JSON object.
    Object,
}

/// A setting: its dotted name, its environment variable and its type.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Such as `database.host`.
    pub name: &'static str,
    /// Such as `DJ_HOST`.
    pub variable: &'static str,
    /// What it may hold.
    pub kind: KeyType,
    default: Default,
}

#[derive(Debug, Clone, Copy)]
enum Default {
    Null,
    Text(&'static str),
    Bool(bool),
    Int(i64),
    Empty,
}

const fn key(name: &'static str, variable: &'static str, kind: KeyType, default: Default) -> Key {
    Key { name, variable, kind, default }
}

/// Every setting but the stores, which `DJ_STORES` and the section `stores` name.
pub const KEYS: &[Key] = {
    use self::Default::{Bool as B, Empty, Int as I, Null, Text as T};
    use KeyType::*;
    &[
        key("database.backend", "DJ_BACKEND", OptionalChoice(&["sqlite", "mysql", "postgresql"]), Null),
        key("database.path", "DJ_DATABASE_PATH", OptionalText, Null),
        key("database.host", "DJ_HOST", Text, T("localhost")),
        key("database.user", "DJ_USER", OptionalText, Null),
        key("database.password", "DJ_PASS", Secret, Null),
        key("database.port", "DJ_PORT", OptionalInt(1, 65535), Null),
        key("database.name", "DJ_DATABASE_NAME", OptionalText, Null),
        key("database.reconnect", "DJ_RECONNECT", Bool, B(true)),
        key("database.statement_timeout", "DJ_STATEMENT_TIMEOUT", OptionalInt(1, 31_536_000), Null),
        key("database.use_tls", "DJ_USE_TLS", OptionalBoolOrObject, Null),
        key("database.database_prefix", "DJ_DATABASE_PREFIX", Text, T("")),
        key("database.create_tables", "DJ_CREATE_TABLES", Bool, B(true)),
        key("connection.charset", "DJ_CHARSET", Text, T("")),
        key("display.limit", "DJ_DISPLAY_LIMIT", Int(0, 1_000_000), I(12)),
        key("display.width", "DJ_DISPLAY_WIDTH", Int(1, 10_000), I(14)),
        key("display.show_tuple_count", "DJ_DISPLAY_SHOW_TUPLE_COUNT", Bool, B(true)),
        key("display.diagram_direction", "DJ_DIAGRAM_DIRECTION", Choice(&["TB", "LR"]), T("LR")),
        key("display.diagram_theme", "DJ_DIAGRAM_THEME", Choice(&["light", "dark", "auto"]), T("auto")),
        key("jobs.auto_refresh", "DJ_JOBS_AUTO_REFRESH", Bool, B(true)),
        key("jobs.keep_completed", "DJ_JOBS_KEEP_COMPLETED", Bool, B(false)),
        key("jobs.stale_timeout", "DJ_JOBS_STALE_TIMEOUT", Int(0, i64::MAX), I(3600)),
        key("jobs.lease_timeout", "DJ_JOBS_LEASE_TIMEOUT", Int(1, 86_400), I(60)),
        key("jobs.default_priority", "DJ_JOBS_DEFAULT_PRIORITY", Int(0, 255), I(5)),
        key("jobs.version_method", "DJ_JOBS_VERSION_METHOD", OptionalChoice(&["git", "none"]), Null),
        key(
            "jobs.allow_new_pk_fields_in_computed_tables",
            "DJ_JOBS_ALLOW_NEW_PK_FIELDS_IN_COMPUTED_TABLES",
            Bool,
            B(false),
        ),
        key("jobs.add_job_metadata", "DJ_JOBS_ADD_JOB_METADATA", Bool, B(false)),
        key("attach.compress", "DJ_ATTACH_COMPRESS", OptionalBool, Null),
        key("gc.automatic", "DJ_GC_AUTOMATIC", Bool, B(true)),
        key("gc.grace", "DJ_GC_GRACE", Int(0, 3_153_600_000), I(0)),
        key("gc.horizon", "DJ_GC_HORIZON", Int(0, 3_153_600_000), I(0)),
        key("gc.undelete", "DJ_GC_UNDELETE", Int(0, 3_153_600_000), I(0)),
        key("gc.age", "DJ_GC_AGE", Int(0, 3_153_600_000), I(86_400)),
        key("gc.lease", "DJ_GC_LEASE", Int(1, 31_536_000), I(600)),
        key("provenance.capture", "DJ_PROVENANCE_CAPTURE", Bool, B(false)),
        key("provenance.source", "DJ_PROVENANCE_SOURCE", Object, Empty),
        key("loglevel", "DJ_LOG_LEVEL", Choice(&["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]), T("INFO")),
        key("safemode", "DJ_SAFEMODE", Bool, B(true)),
        key("ignore_config_file", "DJ_IGNORE_CONFIG_FILE", Bool, B(false)),
        key("legacy", "DJ_LEGACY", Bool, B(false)),
        key("tiers", "DJ_TIERS", Object, Empty),
        key("query_cache", "DJ_QUERY_CACHE", OptionalText, Null),
        key("transfer.requests", "DJ_TRANSFER_REQUESTS", Int(1, 10_000), I(64)),
        key("transfer.memory", "DJ_TRANSFER_MEMORY", Int(16 << 20, 1 << 50), I(256 << 20)),
        key("transfer.part_size", "DJ_TRANSFER_PART_SIZE", Int(5 << 20, 1 << 30), I(8 << 20)),
        key("transfer.retries", "DJ_TRANSFER_RETRIES", Int(0, 1000), I(10)),
        key("transfer.timeout", "DJ_TRANSFER_TIMEOUT", Int(1, 86_400), I(60)),
        key("download_path", "DJ_DOWNLOAD_PATH", Text, T(".")),
        key("read.gap", "DJ_READ_GAP", OptionalInt(0, i64::MAX), Null),
        key("read.part", "DJ_READ_PART", Int(1 << 16, i64::MAX), I(8 << 20)),
        key("read.verify", "DJ_READ_VERIFY", Choice(&["always", "first", "never"]), T("always")),
        key("read.cache", "DJ_READ_CACHE", OptionalText, Null),
        key("read.cache_size", "DJ_READ_CACHE_SIZE", Int(0, i64::MAX), I(10 << 30)),
    ]
};

impl Key {
    /// The setting of this name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], with the nearest name as a hint.
    pub fn find(name: &str) -> Result<&'static Key> {
        KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidConfig, format!("there is no setting `{}`", name.escape_debug()));
            match nearest(name, KEYS.iter().map(|key| key.name)) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    /// What it holds if nobody sets it.
    pub fn default(&self) -> Json {
        match self.default {
            Default::Null => Json::Null,
            Default::Text(text) => text.into(),
            Default::Bool(flag) => flag.into(),
            Default::Int(number) => number.into(),
            Default::Empty => json!({}),
        }
    }

    /// Brings a value to the form in which it is kept: numbers and booleans may come as text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] naming the key, what was found (unless secret) and what was expected.
    pub fn check(&self, value: Json) -> Result<Json> {
        use KeyType::*;
        let expected = match self.kind {
            OptionalText | Secret | OptionalBool | OptionalBoolOrObject | OptionalInt(..) | OptionalChoice(_)
                if value.is_null() =>
            {
                return Ok(value);
            }
            Text | OptionalText | Secret => match &value {
                Json::String(_) => return Ok(value),
                Json::Number(number) if self.kind == Secret => return Ok(number.to_string().into()),
                _ => "text".to_owned(),
            },
            Bool | OptionalBool => match boolean(&value) {
                Some(flag) => return Ok(flag.into()),
                None => "true or false".to_owned(),
            },
            OptionalBoolOrObject => match boolean(&value).map(Json::from).or_else(|| object(&value)) {
                Some(value) => return Ok(value),
                None => "true, false or a JSON object".to_owned(),
            },
            Int(low, high) | OptionalInt(low, high) => {
                let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
                match number.filter(|number| (low..=high).contains(number)) {
                    Some(number) => return Ok(number.into()),
                    None => format!("a whole number from {low} to {high}"),
                }
            }
            Choice(words) | OptionalChoice(words) => match value.as_str().filter(|text| words.contains(text)) {
                Some(_) => return Ok(value),
                None => format!("one of {}", words.join(", ")),
            },
            Object => match object(&value) {
                Some(value) => return Ok(value),
                None => "a JSON object".to_owned(),
            },
        };
        let found = if self.kind == Secret { "something else".to_owned() } else { value.to_string() };
        Err(Error::new(ErrorKind::InvalidConfig, format!("setting `{}` needs {expected}, not {found}", self.name)))
    }
}

/// An object, perhaps spelled as text.
fn object(value: &Json) -> Option<Json> {
    match value {
        Json::Object(_) => Some(value.clone()),
        Json::String(text) => serde_json::from_str::<Json>(text).ok().filter(Json::is_object),
        _ => None,
    }
}

fn boolean(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(flag) => Some(*flag),
        Json::Number(number) => number.as_i64().filter(|number| (0..=1).contains(number)).map(|number| number == 1),
        Json::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}
