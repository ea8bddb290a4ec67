//! What a definition says, line by line.

/// A parsed table definition.
///
/// `Display` prints the canonical text, which parses to the same definition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Definition {
    /// The comment of the table: the first line, if it begins with `#`.
    pub comment: String,
    /// The lines that mean something, in order.
    pub items: Vec<Item>,
}

/// One meaningful line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `---`: everything below is secondary.
    Divider,
    /// An attribute.
    Attribute(AttributeLine),
    /// A foreign key.
    ForeignKey(ForeignKeyLine),
    /// An index.
    Index(IndexLine),
}

/// `name = default : type # comment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeLine {
    /// The name: lower-case letters, digits and underscores.
    pub name: String,
    /// The default, if one was written.
    pub default: Option<DefaultText>,
    /// The type exactly as written, without outer blanks.
    pub type_text: String,
    /// The comment, or nothing.
    pub comment: String,
}

/// What stands before the colon of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultText {
    /// `null` in any letter case: the attribute is nullable.
    Null,
    /// `CURRENT_TIMESTAMP` or `CURRENT_TIMESTAMP(n)`: the moment of the insert, with so many digits of a second.
    Now(Option<u8>),
    /// A number, word or quoted text, without its quotes.
    Literal(String),
}

/// `-> [nullable, unique] Reference`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKeyLine {
    /// What stands in brackets.
    pub options: ForeignKeyOptions,
    /// The parent.
    pub reference: Reference,
}

/// The options of a foreign key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForeignKeyOptions {
    /// Rows without a parent are allowed.
    pub nullable: bool,
    /// A parent is referred to by one row at most.
    pub unique: bool,
}

/// The parent of a foreign key, as the definition names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `Subject`, `Scan.Roi`, `lab.Person`, or `` `schema`.`table` `` with backticks.
    pub path: String,
    /// New and old name of each renamed attribute, from `.proj(new='old')`. From `(new) -> Parent` of DataJoint before
    /// 2.0 the old name is empty: it is that of a key attribute of the parent which the table does not have yet.
    pub renames: Vec<(String, String)>,
}

/// `unique index (a, b)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexLine {
    /// No two rows may agree in all of it.
    pub unique: bool,
    /// Attribute names or expressions, as written.
    pub arguments: Vec<String>,
}
