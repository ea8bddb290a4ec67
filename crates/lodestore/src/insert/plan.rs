//! What an insert fills, and whether the rows fit.

use std::collections::HashMap;
use std::sync::Arc;

use lodestore_codec::Chain;
use lodestore_sql::{Attribute, DefaultValue, Heading};
use lodestore_types::{CoreType, Error, ErrorKind, Result, Value};

use crate::filepath::look_up;
use crate::placement::Target;
use crate::{Row, Table};

/// The columns of a table that an insert fills, with codec and store of each that has them.
pub(super) struct Plan<'a> {
    pub(super) attributes: Vec<&'a Attribute>,
    chains: Vec<Coding>,
    pub(super) targets: Vec<Option<Target>>,
    positions: HashMap<&'a str, usize>,
}

/// How a column is encoded.
pub(super) enum Coding {
    /// Not at all.
    Plain,
    By(Box<Chain>),
    /// By a codec that is not known: nothing but NULL goes in.
    Unknown(String),
}

/// The names of a row, with the column that each means; none for a name to leave out.
pub(super) struct Names {
    pub(super) names: Arc<[String]>,
    pub(super) columns: Vec<Option<usize>>,
}

/// A value that was checked, on its way into a column.
pub(super) enum Cell {
    /// Left out: the database fills in the time.
    Unset,
    /// As the column's core type stores it.
    Plain(Value),
    /// For the codec.
    Encode(Value),
}

impl<'a> Plan<'a> {
    pub(super) fn new(table: &Table, heading: &'a Heading) -> Result<Self> {
        let attributes: Vec<&Attribute> = heading.visible().collect();
        let coding = |attribute: &&Attribute| {
            let Some(codec) = attribute.kind.codec.as_deref() else { return Ok(Coding::Plain) };
            match table.instance().chain(codec) {
                Ok(chain) => Ok(Coding::By(Box::new(chain))),
                Err(error) if error.kind() == ErrorKind::UnknownCodec => Ok(Coding::Unknown(codec.to_owned())),
                Err(error) => Err(error.with("attribute", &attribute.name)),
            }
        };
        let chains: Vec<Coding> = attributes.iter().map(coding).collect::<Result<_>>()?;
        let targets = chains.iter().map(|_| None).collect();
        let positions =
            attributes.iter().enumerate().map(|(index, attribute)| (attribute.name.as_str(), index)).collect();
        Ok(Plan { attributes, chains, targets, positions })
    }
}

impl Plan<'_> {
    pub(super) fn has_codecs(&self) -> bool {
        self.chains.iter().any(|coding| matches!(coding, Coding::By(_)))
    }

    pub(super) fn chain(&self, column: usize) -> Option<&Chain> {
        match &self.chains[column] {
            Coding::By(chain) => Some(chain),
            _ => None,
        }
    }

    /// Opens the store of each column that has one and gets a value.
    pub(super) fn open_targets(&mut self, table: &Table, rows: &[Row]) -> Result<()> {
        let instance = table.instance();
        for (column, attribute) in self.attributes.iter().enumerate() {
            let Coding::By(chain) = &self.chains[column] else { continue };
            let Some(store) = chain.store() else { continue };
            if rows.iter().all(|row| row.get(&attribute.name).is_none_or(Value::is_null)) {
                continue;
            }
            let of_user = chain.codecs().last().is_some_and(|codec| codec.name() == "filepath");
            let open = || -> Result<Target> {
                let spec = instance.config().store_spec(Some(store), of_user)?;
                let store = instance.store(&spec.name)?;
                Ok(Target { spec, store })
            };
            self.targets[column] = Some(open().map_err(|error| error.with("attribute", &attribute.name))?);
        }
        Ok(())
    }

    /// Which column each name of a row means.
    pub(super) fn find(&self, heading: &Heading, names: &Arc<[String]>, ignore_extra_fields: bool) -> Result<Names> {
        let columns = names
            .iter()
            .map(|name| match self.positions.get(name.as_str()) {
                Some(index) => Ok(Some(*index)),
                None if ignore_extra_fields => Ok(None),
                None => Err(heading.unknown(name).with("attribute", name)),
            })
            .collect::<Result<_>>()?;
        Ok(Names { names: names.clone(), columns })
    }

    /// Checks the values of a row against their attributes and fills in what was left out.
    pub(super) fn check(&self, values: Vec<Value>, indices: &[Option<usize>]) -> Result<Vec<Cell>> {
        let mut given: Vec<Value> = vec![Value::Null; self.attributes.len()];
        for (value, index) in values.into_iter().zip(indices) {
            if let Some(index) = index {
                given[*index] = value;
            }
        }
        given
            .into_iter()
            .enumerate()
            .map(|(column, value)| {
                let attribute = self.attributes[column];
                self.check_cell(column, attribute, value).map_err(|error| error.with("attribute", &attribute.name))
            })
            .collect()
    }

    fn check_cell(&self, column: usize, attribute: &Attribute, value: Value) -> Result<Cell> {
        let core = &attribute.kind.core;
        if value.is_null() {
            return default(attribute, &value);
        }
        match &self.chains[column] {
            Coding::Plain if means_nothing(&value, core) => default(attribute, &value),
            Coding::Plain => core.check(value).map(Cell::Plain),
            Coding::Unknown(codec) => Err(unknown_codec(codec)),
            Coding::By(chain) => {
                chain.validate(&value)?;
                match (&value, &self.targets[column]) {
                    // A path of the user's is looked up now, while nothing is written.
                    (Value::Text(path), Some(target)) if chain.codecs()[0].name() == "filepath" => {
                        look_up(target, path).map(Cell::Encode)
                    }
                    _ if chain.codecs()[0].name() == "filepath" => Err(Error::new(
                        ErrorKind::InvalidType,
                        format!("`<filepath>` expects a path string or Path, got {}", value.type_name()),
                    )),
                    _ => Ok(Cell::Encode(value)),
                }
            }
        }
    }
}

fn unknown_codec(codec: &str) -> Error {
    Error::new(ErrorKind::UnknownCodec, format!("codec `{codec}` is not registered"))
        .with_hint("import the module that defines it; without it the attribute takes no value but NULL")
}

/// In a column of numbers NaN and empty text stand for "no value", as they do in data frames and CSV files.
fn means_nothing(value: &Value, core: &CoreType) -> bool {
    let missing = |value: &Value| match value {
        Value::Float(number) => number.is_nan(),
        Value::Text(text) => text.trim().is_empty(),
        Value::Decimal(number) => number.is_nan(),
        _ => false,
    };
    core.is_numeric()
        && match value {
            Value::Array(array) => array.to_scalar().as_ref().is_some_and(missing),
            value => missing(value),
        }
}

fn default(attribute: &Attribute, given: &Value) -> Result<Cell> {
    match &attribute.default {
        Some(DefaultValue::Value(value)) => Ok(Cell::Plain(value.clone())),
        Some(DefaultValue::Now(_)) => Ok(Cell::Unset),
        Some(DefaultValue::Null) => Ok(Cell::Plain(Value::Null)),
        None if attribute.nullable => Ok(Cell::Plain(Value::Null)),
        None if attribute.autoincrement => Ok(Cell::Unset),
        None => {
            let what = if given.is_null() { "is missing" } else { "has no value" };
            let shown =
                if given.is_null() { String::new() } else { format!(": {given} means none in a column of numbers") };
            Err(Error::new(
                ErrorKind::MissingAttribute,
                format!("the required attribute `{}` {what}{shown}", attribute.name),
            )
            .with_hint(format!(
                "give a value of type `{}`, or declare the attribute with a default",
                attribute.kind.declared
            )))
        }
    }
}
