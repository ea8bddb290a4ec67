//! One attribute and its type.

use lodestore_types::{CoreType, Result, Value, span_text};

use super::Lineage;

/// What is known of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// The name.
    pub name: String,
    /// The declared type and what is stored for it.
    pub kind: AttributeType,
    /// True if it belongs to the primary key.
    pub in_key: bool,
    /// True if NULL may stand there.
    pub nullable: bool,
    /// What an insert that leaves it out gets. Nullable attributes always have one.
    pub default: Option<DefaultValue>,
    /// True if the database counts it up by itself.
    pub autoincrement: bool,
    /// The comment, without type marker.
    pub comment: String,
    /// True for attributes that the system manages, whose names begin with `_`.
    pub hidden: bool,
    /// Where it was first declared; nothing for native secondary and computed attributes.
    pub lineage: Option<Lineage>,
    /// The SQL that computes it, in a query.
    pub expression: Option<String>,
}

/// The type of an attribute in its three layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeType {
    /// The text as declared: `varchar(20)`, `<blob@cold>`, `int unsigned`.
    pub declared: String,
    /// What the column holds in the end.
    pub core: CoreType,
    /// The codec with its brackets, such as `<blob@cold>`, if it is one.
    pub codec: Option<String>,
    /// The native SQL type, if it is one and no core type.
    pub native: Option<String>,
}

/// What an insert that leaves an attribute out gets.
#[derive(Debug, Clone, PartialEq)]
pub enum DefaultValue {
    /// NULL.
    Null,
    /// The moment of the insert, with so many digits of a second (none if unsaid).
    Now(Option<u8>),
    /// A value of the attribute's core type.
    Value(Value),
}

impl AttributeType {
    /// A core type written as it is printed.
    pub fn core(core: CoreType) -> Self {
        AttributeType { declared: core.to_string(), core, codec: None, native: None }
    }

    /// A codec type over what its column holds.
    pub fn codec(text: impl Into<String>, core: CoreType) -> Self {
        let text = text.into();
        AttributeType { declared: text.clone(), core, codec: Some(text), native: None }
    }

    /// What an expression computes, of a type that only the database knows: the core type means nothing.
    pub fn expression() -> Self {
        let text = "expression".to_owned();
        AttributeType { declared: text.clone(), core: CoreType::Varchar(u32::MAX), codec: None, native: Some(text) }
    }

    /// True for SQL's `time`, whose values are spans of time ([`Span`](lodestore_types::Span)) written as text.
    pub fn is_span(&self) -> bool {
        self.native.as_deref().is_some_and(|native| {
            let word = native.split('(').next().unwrap_or_default().trim();
            word.eq_ignore_ascii_case("time") || native.eq_ignore_ascii_case("time without time zone")
        })
    }

    /// True if values pass through a codec, or are bytes without meaning to the database.
    pub fn is_blob(&self) -> bool {
        self.codec.is_some() || self.core == CoreType::Bytes
    }
}

impl Attribute {
    /// Brings a value to the form in which the attribute stores it. A native `time` also takes times of a day and spans
    /// of time.
    ///
    /// # Errors
    /// As [`CoreType::check`].
    pub fn check(&self, value: Value) -> Result<Value> {
        let is_time = || self.native_word() == "time";
        let value = match value {
            Value::Time(time) if is_time() => Value::Text(time.to_string()),
            Value::Array(array) => match array.to_microseconds().filter(|_| is_time()) {
                Some(microseconds) => Value::Text(span_text(microseconds)),
                None => Value::Array(array),
            },
            value => value,
        };
        self.kind.core.check(value)
    }

    /// True if the database may hold integers that 64 bits with a sign do not.
    pub fn is_wide(&self) -> bool {
        match self.native_word().as_str() {
            "serial" => true,
            "bigint" => self.kind.native.iter().any(|native| native.to_ascii_lowercase().contains("unsigned")),
            _ => false,
        }
    }

    /// The first word of the native type.
    fn native_word(&self) -> String {
        let native = self.kind.native.as_deref().unwrap_or_default();
        native.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_lowercase()
    }

    /// The core type of what the column holds, by which values are encoded and decoded. `None` for computed
    /// attributes of a type that only the database knows: their values are taken as they come.
    pub fn stored_as(&self) -> Option<&CoreType> {
        (self.kind.native.as_deref() != Some("expression")).then_some(&self.kind.core)
    }
}
