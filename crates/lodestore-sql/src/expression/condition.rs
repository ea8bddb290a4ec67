//! Conditions, and what they mean for a given heading.

use lodestore_types::{CoreType, Error, ErrorKind, Result, Value};

use super::Expression;
use super::matching::{Matching, check_matching};
use super::sql_text::SqlText;
use crate::dialect::{JsonForm, JsonPath};
use crate::{Attribute, Heading};

/// A condition on the rows of an expression.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Every row.
    True,
    /// No row.
    False,
    /// SQL text over the attributes.
    Sql(String),
    /// Each named attribute (or path into a JSON attribute, such as `meta.a.b`) equals its value; with wildcards in the path
    /// (`meta.a[*].b`), one of the values there does. NULL means "is
    /// NULL", a list means "one of these". Names that are no attributes are ignored: a mapping of nothing but such
    /// names holds for every row (see [`Condition::ignores`]).
    Map(Vec<(String, Value)>),
    /// All of these; an empty list matches everything.
    All(Vec<Condition>),
    /// At least one of these; an empty list matches nothing.
    Any(Vec<Condition>),
    /// Not this one. As in SQL, what is neither true nor false because of a NULL stays so.
    Not(Box<Condition>),
    /// The attributes shared with the expression occur together in one of its rows. If none is shared: it has rows.
    In(Expression),
    /// The universal set, which restricts nothing.
    Universal,
}

/// A condition resolved against a heading.
#[derive(Debug, Clone)]
pub(super) enum Predicate {
    Constant(bool),
    Sql(SqlText),
    IsNull(Operand),
    Equals(Operand, Value, Option<CoreType>),
    /// The attributes together hold one of these rows of values.
    Among(Vec<(String, CoreType)>, Vec<Vec<Value>>),
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    /// The names occur together in the expression.
    In(Vec<String>, Expression),
    Exists(Expression),
}

impl Predicate {
    /// What it adds to the depth of an expression that it restricts: see [`Expression`].
    pub(super) fn depth(&self) -> usize {
        match self {
            Predicate::All(items) | Predicate::Any(items) => {
                1 + items.iter().map(Predicate::depth).max().unwrap_or_default()
            }
            Predicate::Not(inner) => 1 + inner.depth(),
            Predicate::In(_, expression) | Predicate::Exists(expression) => 3 + expression.depth,
            _ => 0,
        }
    }
}

/// The left side of an equality.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Attribute(String),
    Path { attribute: String, path: String, as_type: Option<String>, form: JsonForm },
}

impl Condition {
    /// The names in mappings that `heading` does not have, which are therefore ignored.
    ///
    /// A deletion should refuse a condition in which a whole mapping is ignored: it would delete more than was meant.
    pub fn ignores(&self, heading: &Heading) -> Vec<&str> {
        match self {
            Condition::Map(entries) => entries
                .iter()
                .map(|(name, _)| name.as_str())
                .filter(|name| heading.get(first_component(name)).is_none())
                .collect(),
            Condition::All(items) | Condition::Any(items) => {
                items.iter().flat_map(|item| item.ignores(heading)).collect()
            }
            Condition::Not(inner) => inner.ignores(heading),
            _ => Vec::new(),
        }
    }

    /// True if a mapping in it has names, and none of them is an attribute: it restricts nothing.
    pub fn is_vacuous(&self, heading: &Heading) -> bool {
        match self {
            Condition::Map(entries) => !entries.is_empty() && self.ignores(heading).len() == entries.len(),
            Condition::All(items) | Condition::Any(items) => items.iter().any(|item| item.is_vacuous(heading)),
            Condition::Not(inner) => inner.is_vacuous(heading),
            _ => false,
        }
    }

    pub(super) fn resolve(&self, heading: &Heading, matching: Matching) -> Result<Predicate> {
        Ok(match self {
            Condition::True | Condition::Universal => Predicate::Constant(true),
            Condition::False => Predicate::Constant(false),
            Condition::Sql(text) => Predicate::Sql(SqlText::scan(text, heading)?),
            Condition::Map(entries) => mapping(heading, entries)?,
            Condition::All(items) => {
                all(items.iter().map(|item| item.resolve(heading, matching)).collect::<Result<_>>()?)
            }
            Condition::Any(items) => match same_names(items) {
                Some((names, rows)) => among(heading, &names, &rows)?,
                None => any(items.iter().map(|item| item.resolve(heading, matching)).collect::<Result<_>>()?),
            },
            Condition::Not(inner) => not(inner.resolve(heading, matching)?),
            Condition::In(other) => {
                check_matching(heading, &other.heading, matching)?;
                let shared: Vec<String> =
                    other.heading.names().filter(|name| heading.get(name).is_some()).map(str::to_owned).collect();
                // An expression without attributes in common is asked when the query runs: rows may come and go.
                match shared.is_empty() {
                    true => Predicate::Exists(other.clone()),
                    false => Predicate::In(shared, other.clone()),
                }
            }
        })
    }
}

impl From<&str> for Condition {
    fn from(text: &str) -> Self {
        Condition::Sql(text.to_owned())
    }
}

impl From<bool> for Condition {
    fn from(value: bool) -> Self {
        if value { Condition::True } else { Condition::False }
    }
}

impl From<Expression> for Condition {
    fn from(expression: Expression) -> Self {
        Condition::In(expression)
    }
}

/// The names of many mappings that all have the same ones in the same order, and the entries of each.
fn same_names(items: &[Condition]) -> Option<(Vec<&str>, Vec<&Entries>)> {
    fn entries(item: &Condition) -> Option<&Entries> {
        if let Condition::Map(entries) = item { Some(entries) } else { None }
    }
    fn names(entries: &Entries) -> impl Iterator<Item = &str> {
        entries.iter().map(|(name, _)| name.as_str())
    }
    let first = entries(items.first()?)?;
    let rows = items.iter().map(entries).collect::<Option<Vec<_>>>()?;
    let same = rows.len() > 1 && rows.iter().all(|row| names(row).eq(names(first)));
    same.then(|| (names(first).collect(), rows))
}

/// One of many mappings of the same names. What is known of the names is found once for all; a value that is no plain
/// one (NULL, a list) takes its mapping the long way.
fn among(heading: &Heading, names: &[&str], rows: &[&Entries]) -> Result<Predicate> {
    let mut columns = Vec::new();
    let mut plain = true;
    for (index, name) in names.iter().enumerate() {
        let Some(attribute) = heading.get(first_component(name)) else { continue };
        match attribute.stored_as() {
            Some(core) if attribute.name == *name && attribute.kind.codec.is_none() && *core != CoreType::Json => {
                columns.push((index, attribute, core));
            }
            _ => plain = false,
        }
    }
    plain &= !columns.is_empty();
    let mut gathered = Vec::with_capacity(rows.len());
    let mut others = Vec::new();
    for entries in rows {
        let mut row = plain.then(|| Vec::with_capacity(columns.len()));
        let mut never = false;
        for (index, attribute, core) in &columns {
            let value = &entries[*index].1;
            if row.is_none() || matches!(value, Value::List(_) | Value::Tuple(_) | Value::Set(_)) {
                row = None;
                break;
            }
            match comparable(attribute, core, value).map_err(|error| error.with("attribute", &attribute.name))? {
                Comparable::Value(value) => row.as_mut().map_or((), |row| row.push(value)),
                Comparable::Never => never = true,
                Comparable::Null => row = None,
            }
        }
        match row {
            None => others.push(mapping(heading, entries)?),
            Some(row) if !never => gathered.push(row),
            Some(_) => {}
        }
    }
    if gathered.len() > 1 {
        let columns = columns.iter().map(|(_, attribute, core)| (attribute.name.clone(), (*core).clone())).collect();
        others.push(Predicate::Among(columns, gathered));
    } else if let Some(row) = gathered.pop() {
        let equal = |((_, attribute, core), value): (&(usize, &Attribute, &CoreType), Value)| {
            Predicate::Equals(Operand::Attribute(attribute.name.clone()), value, Some((*core).clone()))
        };
        others.push(all(columns.iter().zip(row).map(equal).collect()));
    }
    Ok(any(others))
}

/// The entries of a mapping.
type Entries = Vec<(String, Value)>;

/// All equalities of a mapping that name attributes.
fn mapping(heading: &Heading, entries: &Entries) -> Result<Predicate> {
    let known = entries.iter().filter_map(|(name, value)| equality(heading, name, value).transpose());
    Ok(all(known.collect::<Result<_>>()?))
}

/// A conjunction without its constants.
fn all(items: Vec<Predicate>) -> Predicate {
    fold(items, true, Predicate::All)
}

/// A disjunction without its constants, and with equalities over the same attributes gathered: a list of keys, the
/// most frequent of them, becomes one look-up instead of thousands.
fn any(items: Vec<Predicate>) -> Predicate {
    match fold(items, false, Predicate::Any) {
        Predicate::Any(items) => fold(gather(items), false, Predicate::Any),
        other => other,
    }
}

fn gather(items: Vec<Predicate>) -> Vec<Predicate> {
    let mut gathered: Vec<Predicate> = Vec::new();
    for item in items {
        let Some((columns, row)) = as_row(&item) else {
            gathered.push(item);
            continue;
        };
        let same = gathered.iter_mut().rev().find_map(|other| match other {
            Predicate::Among(known, rows) if *known == columns => Some(rows),
            _ => None,
        });
        match same {
            Some(rows) => rows.push(row),
            None => gathered.push(Predicate::Among(columns, vec![row])),
        }
    }
    gathered
}

/// Attributes with their types, and a value for each.
type Equalities = (Vec<(String, CoreType)>, Vec<Value>);

/// The attributes and values of a conjunction of equalities.
fn as_row(item: &Predicate) -> Option<Equalities> {
    let pair = |item: &Predicate| match item {
        Predicate::Equals(Operand::Attribute(name), value, Some(core)) => {
            Some(((name.clone(), core.clone()), value.clone()))
        }
        _ => None,
    };
    match item {
        Predicate::All(items) => {
            items.iter().map(pair).collect::<Option<Vec<_>>>().map(|pairs| pairs.into_iter().unzip())
        }
        item => pair(item).map(|(column, value)| (vec![column], vec![value])),
    }
}

fn fold(items: Vec<Predicate>, neutral: bool, make: fn(Vec<Predicate>) -> Predicate) -> Predicate {
    let mut kept = Vec::new();
    for item in items {
        match item {
            Predicate::Constant(value) if value == neutral => {}
            Predicate::Constant(value) => return Predicate::Constant(value),
            item => kept.push(item),
        }
    }
    match kept.len() {
        0 => Predicate::Constant(neutral),
        1 => kept.remove(0),
        _ => make(kept),
    }
}

fn not(item: Predicate) -> Predicate {
    match item {
        Predicate::Constant(value) => Predicate::Constant(!value),
        item => Predicate::Not(Box::new(item)),
    }
}

/// The part of a mapping's key that names the attribute.
fn first_component(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// One entry of a mapping; nothing if it names no attribute.
fn equality(heading: &Heading, name: &str, value: &Value) -> Result<Option<Predicate>> {
    let Some(attribute) = heading.get(first_component(name)) else { return Ok(None) };
    let Some(path) = JsonPath::parse(name) else {
        if name.contains('.') {
            return Err(Error::new(
                ErrorKind::InvalidCondition,
                format!("`{name}` is no path into `{}`", attribute.name),
            ));
        }
        return compare(attribute, value).map(Some).map_err(|error| error.with("attribute", name));
    };
    if attribute.kind.core != CoreType::Json || attribute.kind.codec.is_some() {
        let message = format!("`{name}` is a path, and `{}` holds `{}`", attribute.name, attribute.kind.declared);
        return Err(Error::new(ErrorKind::InvalidCondition, message).with_hint("paths lead into json attributes"));
    }
    let operand = |form| Operand::Path {
        attribute: path.attribute.to_owned(),
        path: path.path.to_owned(),
        as_type: path.as_type.map(str::to_owned),
        form,
    };
    Ok(Some(match value {
        Value::Null => Predicate::IsNull(operand(JsonForm::Text)),
        Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Set(_) => {
            Predicate::Equals(operand(JsonForm::Document), CoreType::Json.check(value.clone())?, Some(CoreType::Json))
        }
        Value::Bool(flag) if path.as_type.is_none() => {
            Predicate::Equals(operand(JsonForm::Text), Value::Text(flag.to_string()), None)
        }
        Value::Int(_) | Value::Float(_) | Value::Decimal(_) | Value::Bool(_) => {
            Predicate::Equals(operand(JsonForm::Native), value.clone(), None)
        }
        value => Predicate::Equals(operand(JsonForm::Text), value.clone(), None),
    }))
}

fn compare(attribute: &Attribute, value: &Value) -> Result<Predicate> {
    let operand = || Operand::Attribute(attribute.name.clone());
    if value.is_null() {
        return Ok(Predicate::IsNull(operand()));
    }
    if attribute.kind.codec.is_some() {
        let message = format!("values of `{}` cannot be compared", attribute.kind.declared);
        return Err(Error::new(ErrorKind::InvalidCondition, message).with_hint("only None can be asked for"));
    }
    if attribute.kind.core == CoreType::Json
        && matches!(value, Value::List(_) | Value::Tuple(_) | Value::Set(_) | Value::Dict(_))
    {
        // Databases differ in what makes two documents equal: order of keys, blanks, spelling of numbers.
        let name = &attribute.name;
        return Err(Error::new(ErrorKind::InvalidCondition, "whole json documents cannot be compared")
            .with_hint(format!("compare what stands at a path, such as {{'{name}.key': value}}")));
    }
    if let Value::List(items) | Value::Tuple(items) | Value::Set(items) = value {
        return Ok(any(items.iter().map(|item| compare(attribute, item)).collect::<Result<_>>()?));
    }
    let Some(core) = attribute.stored_as() else {
        refuse_nan(value)?;
        return Ok(Predicate::Equals(operand(), value.clone(), None));
    };
    Ok(match comparable(attribute, core, value)? {
        Comparable::Null => Predicate::IsNull(operand()),
        Comparable::Value(value) => Predicate::Equals(operand(), value, Some(core.clone())),
        Comparable::Never => Predicate::Constant(false),
    })
}

/// What a value is to an attribute that it is compared with.
enum Comparable {
    Null,
    Value(Value),
    /// A sound value that no row can have: a number out of range, a text too long.
    Never,
}

fn comparable(attribute: &Attribute, core: &CoreType, value: &Value) -> Result<Comparable> {
    refuse_nan(value)?;
    // A moment is compared to the last digit, though the attribute may keep fewer.
    let checked = match core {
        CoreType::DateTime(_) => CoreType::DateTime(None).check(value.clone()),
        _ => attribute.check(value.clone()),
    };
    match checked {
        Ok(Value::Null) => Ok(Comparable::Null),
        Ok(value) => Ok(Comparable::Value(value)),
        Err(error) if error.kind() == ErrorKind::InvalidValue && is_sound(value, core) => Ok(Comparable::Never),
        Err(error) => Err(error),
    }
}

fn refuse_nan(value: &Value) -> Result<()> {
    match value {
        Value::Float(number) if number.is_nan() => {
            Err(Error::new(ErrorKind::InvalidCondition, "nothing equals NaN").with_hint("None asks for missing values"))
        }
        _ => Ok(()),
    }
}

/// True unless the value is a text that does not parse.
fn is_sound(value: &Value, core: &CoreType) -> bool {
    !matches!(value, Value::Text(_)) || matches!(core, CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_))
}
