//! Names of schemas, tables and attributes, checked where they come in.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// What sort of table it is, which its name tells by a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Rows entered by people or their programs.
    Manual,
    /// Small tables of constants, with the code.
    Lookup,
    /// Rows computed with data from outside.
    Imported,
    /// Rows computed from the database alone.
    Computed,
    /// Rows that belong to a row of the master table.
    Part,
}

impl Tier {
    /// The prefix of the table's name.
    pub fn prefix(self) -> &'static str {
        match self {
            Tier::Manual | Tier::Part => "",
            Tier::Lookup => "#",
            Tier::Imported => "_",
            Tier::Computed => "__",
        }
    }

    /// The name of the class in Python.
    pub fn class_name(self) -> &'static str {
        match self {
            Tier::Manual => "Manual",
            Tier::Lookup => "Lookup",
            Tier::Imported => "Imported",
            Tier::Computed => "Computed",
            Tier::Part => "Part",
        }
    }

    /// True for tables that `populate` fills.
    pub fn is_auto_populated(self) -> bool {
        matches!(self, Tier::Imported | Tier::Computed)
    }
}

/// The name of a schema: anything but nothing, dots, slashes, quotes, controls and a leading `~`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaName(String);

impl SchemaName {
    /// Checks `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if it cannot name a schema.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let bad = |c: char| c.is_control() || "./\\`\"".contains(c);
        if name.is_empty() || name.len() > 64 || name.starts_with('~') || name.trim() != name || name.contains(bad) {
            return Err(Error::new(ErrorKind::InvalidName, format!("`{}` cannot name a schema", name.escape_debug()))
                .with_hint("use up to 64 letters, digits, `_` and `-`"));
        }
        Ok(SchemaName(name))
    }

    /// Takes the name of a schema that exists, whatever program made it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if it is empty or holds quotes or control characters.
    pub fn existing(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() || name.contains(|c: char| c.is_control() || c == '`' || c == '"') {
            return Err(Error::new(ErrorKind::InvalidName, format!("`{}` cannot name a schema", name.escape_debug())));
        }
        Ok(SchemaName(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an attribute: lower-case ASCII letters, digits and underscores, at most 64, no digit first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeName(String);

impl AttributeName {
    /// Checks `name`. A leading underscore is allowed: hidden attributes have one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if it cannot name an attribute.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let word = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if name.is_empty() || name.len() > 64 || !word || name.as_bytes()[0].is_ascii_digit() {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!("`{}` cannot name an attribute", name.escape_debug()),
            )
            .with_hint("use up to 64 lower-case letters, digits and underscores, beginning with a letter"));
        }
        Ok(AttributeName(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a table in the database, such as `session`, `#method`, `__spikes` or `session__trial`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(String);

/// The longest table name that both MySQL and PostgreSQL keep.
const MAX_TABLE_NAME: usize = 63;

impl TableName {
    /// The table name for a class name: `SessionTrial` of tier Computed is `__session_trial`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if the class name is not in CamelCase or gets too long.
    pub fn from_class(class_name: &str, tier: Tier) -> Result<Self> {
        TableName::checked(format!("{}{}", tier.prefix(), snake_case(class_name)?))
    }

    /// The name of a part of this table.
    ///
    /// # Errors
    /// As [`TableName::from_class`].
    pub fn part(&self, class_name: &str) -> Result<Self> {
        TableName::checked(format!("{}__{}", self.0, snake_case(class_name)?))
    }

    /// Takes the name of a table that exists, whatever program made it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if it is empty or holds quotes or control characters.
    pub fn existing(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() || name.contains(|c: char| c.is_control() || c == '`' || c == '"') {
            return Err(Error::new(ErrorKind::InvalidName, format!("`{}` cannot name a table", name.escape_debug())));
        }
        Ok(TableName(name))
    }

    fn checked(name: String) -> Result<Self> {
        if name.len() > MAX_TABLE_NAME {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!("table name `{name}` exceeds the maximum length of {MAX_TABLE_NAME}"),
            )
            .with_hint("shorten the class name"));
        }
        Ok(TableName(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tier that the name tells; nothing for hidden tables and names of another kind.
    pub fn tier(&self) -> Option<Tier> {
        let (tier, rest) = match self.0.as_bytes() {
            [b'#', ..] => (Tier::Lookup, &self.0[1..]),
            [b'_', b'_', ..] => (Tier::Computed, &self.0[2..]),
            [b'_', ..] => (Tier::Imported, &self.0[1..]),
            _ => (Tier::Manual, &self.0[..]),
        };
        match rest.split_once("__") {
            None => is_words(rest).then_some(tier),
            Some(_) => rest.split("__").all(is_words).then_some(Tier::Part),
        }
    }

    /// The master's name, for a part.
    pub fn master(&self) -> Option<TableName> {
        (self.tier()? == Tier::Part)
            .then(|| self.0.rsplit_once("__").map(|(master, _)| TableName(master.to_owned())))?
    }

    /// The master of masters: the table in whose class this one stands, or itself.
    pub fn root(&self) -> TableName {
        let mut root = self.clone();
        while let Some(master) = root.master() {
            root = master;
        }
        root
    }

    /// The class whose table this is, such as `Session` or `Session.Trial`; `None` if no class gets this name.
    pub fn class_path(&self) -> Option<String> {
        let path = self.to_class();
        let mut steps = path.split('.');
        let mut name = TableName::from_class(steps.next()?, self.root().tier()?).ok()?;
        for step in steps {
            name = name.part(step).ok()?;
        }
        (name == *self).then_some(path)
    }

    /// The class name, as far as the table name tells: `__session_trial` gives `SessionTrial`,
    /// the part `session__trial` gives `Session.Trial`.
    pub fn to_class(&self) -> String {
        let camel = |words: &str| {
            let mut out = String::new();
            for word in words.split('_').filter(|word| !word.is_empty()) {
                if word.starts_with(|c: char| c.is_ascii_digit()) {
                    out.push('_');
                }
                out.extend(word.chars().take(1).map(|c| c.to_ascii_uppercase()));
                out.push_str(&word[word.chars().next().map_or(0, char::len_utf8)..]);
            }
            out
        };
        let bare = self.0.trim_start_matches(['#', '_', '~']);
        bare.split("__").map(camel).collect::<Vec<_>>().join(".")
    }
}

/// Single-underscore-joined words, each beginning with a letter.
fn is_words(text: &str) -> bool {
    text.split('_').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

fn snake_case(class_name: &str) -> Result<String> {
    let bare = class_name.replace('_', "");
    let camel = bare.starts_with(|c: char| c.is_ascii_uppercase()) && bare.bytes().all(|b| b.is_ascii_alphanumeric());
    if !camel {
        return Err(Error::new(
            ErrorKind::InvalidName,
            format!("`{}` cannot name a table class", class_name.escape_debug()),
        )
        .with_hint("use CamelCase: letters and digits, beginning with a capital letter"));
    }
    let mut name = String::new();
    for (index, c) in bare.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    Ok(name)
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table with its schema, printed as `schema.table`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FullTableName {
    /// The schema.
    pub schema: SchemaName,
    /// The table.
    pub table: TableName,
}

impl FullTableName {
    /// Reads `schema.table`, with or without quotes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if there are not two parts.
    pub fn parse(text: &str) -> Result<Self> {
        let bare: String = text.chars().filter(|c| *c != '`' && *c != '"').collect();
        let (schema, table) = bare.split_once('.').ok_or_else(|| {
            Error::new(ErrorKind::InvalidName, format!("`{}` is not of the form `schema.table`", text.escape_debug()))
        })?;
        Ok(FullTableName { schema: SchemaName::new(schema)?, table: TableName::existing(table)? })
    }
}

impl fmt::Display for FullTableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// The candidate that was probably meant by `name`, if one is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().min(name.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_names_become_table_names() {
        let cases = [
            ("Session", Tier::Manual, "session"),
            ("SessionTrial", Tier::Computed, "__session_trial"),
            ("ProcessedEMG", Tier::Imported, "_processed_e_m_g"),
            ("A1B2", Tier::Manual, "a1_b2"),
            ("Test2D", Tier::Lookup, "#test2_d"),
            ("My_Table", Tier::Manual, "my_table"),
        ];
        for (class, tier, table) in cases {
            let name = TableName::from_class(class, tier).unwrap();
            assert_eq!(name.as_str(), table);
            assert_eq!(name.tier(), Some(tier));
        }
        for bad in ["", "session", "1A", "Ünder", "A b", "A.B"] {
            assert!(TableName::from_class(bad, Tier::Manual).is_err(), "{bad}");
        }
        assert!(TableName::from_class(&"A".repeat(40), Tier::Manual).is_err());
    }

    #[test]
    fn parts_know_their_master() {
        let scan = TableName::from_class("ProcessedScan", Tier::Imported).unwrap();
        let part = scan.part("RoiTrace").unwrap();
        assert_eq!(part.as_str(), "_processed_scan__roi_trace");
        assert_eq!(part.tier(), Some(Tier::Part));
        assert_eq!(part.master(), Some(scan));
        assert_eq!(part.to_class(), "ProcessedScan.RoiTrace");
    }

    #[test]
    fn table_names_become_class_names() {
        let class = |name: &str| TableName::existing(name).unwrap().to_class();
        assert_eq!(class("processed_e_m_g"), "ProcessedEMG");
        assert_eq!(class("#lookup_x"), "LookupX");
        assert_eq!(class("__comp_x"), "CompX");
        assert_eq!(class("a_1b"), "A_1b");
        assert_eq!(TableName::existing("~lineage").unwrap().tier(), None);
        let path = |name: &str| TableName::existing(name).unwrap().class_path();
        assert_eq!(path("__session_trial__e_m_g").as_deref(), Some("SessionTrial.EMG"));
        assert_eq!(path("a_1"), None);
        assert_eq!(path("Odd"), None);
    }

    #[test]
    fn full_names_lose_their_quotes() {
        assert_eq!(FullTableName::parse("`lab`.`#x`").unwrap().to_string(), "lab.#x");
        assert!(FullTableName::parse("lab").is_err());
        assert!(SchemaName::new("a/b").is_err());
        assert!(SchemaName::new("my-lab_2").is_ok());
        assert!(AttributeName::new("Session").is_err());
    }

    #[test]
    fn near_names_are_found() {
        assert_eq!(nearest("subjct_id", ["subject_id", "session"]), Some("subject_id"));
        assert_eq!(nearest("zzz", ["subject_id", "session"]), None);
    }
}
