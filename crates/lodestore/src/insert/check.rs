//! Whether values fit their attributes, column by column.

use lodestore_db::{Column, ColumnData, ColumnKind, Strings};
use lodestore_sql::{Attribute, DefaultValue};
use lodestore_types::{CoreType, Error, ErrorKind, Result, Span, Value};

use super::batch::Batch;
use super::plan::{Coding, Plan};
use crate::filepath::look_up;
use crate::{StagedObject, Table};

/// Takes what is wrong with a row; an error in return ends the check.
pub(super) type Refuse<'a> = dyn FnMut(usize, Error) -> Result<()> + 'a;

/// What a column gets, of values that were checked.
pub(super) enum Cells {
    /// Nothing: the database fills it in.
    Unset,
    /// Cells as the column's core type stores them.
    Plain {
        column: Column,
        /// Those that the database fills in.
        unset: Option<Vec<bool>>,
    },
    /// Values for the codec, NULL among them.
    Encode(Vec<Value>),
}

/// Rows of which every value was checked: a column for each attribute of the plan.
pub(super) struct Checked {
    pub(super) cells: Vec<Cells>,
    pub(super) rows: usize,
    /// The number of each row in the whole insert.
    pub(super) numbers: Vec<usize>,
}

impl Checked {
    /// Leaves only the rows to keep.
    pub(super) fn retain(&mut self, keep: &[bool]) {
        fn filter<T>(cells: &mut Vec<T>, keep: &[bool]) {
            let mut flags = keep.iter();
            cells.retain(|_| flags.next().copied().unwrap_or(true));
        }
        for cells in &mut self.cells {
            match cells {
                Cells::Unset => {}
                Cells::Plain { column, unset } => {
                    column.retain(keep);
                    if let Some(unset) = unset {
                        filter(unset, keep);
                    }
                }
                Cells::Encode(values) => filter(values, keep),
            }
        }
        filter(&mut self.numbers, keep);
        self.rows = self.numbers.len();
    }

    /// The objects that were written beforehand for these rows.
    pub(super) fn staged(&self) -> Vec<StagedObject> {
        let encoded = self.cells.iter().filter_map(|cells| match cells {
            Cells::Encode(values) => Some(values),
            _ => None,
        });
        encoded.flatten().filter_map(StagedObject::within).cloned().collect()
    }

    /// The value of a plain cell; nothing for one that the database fills in, or a codec.
    pub(super) fn plain(&self, column: usize, row: usize) -> Option<Value> {
        match &self.cells[column] {
            Cells::Plain { unset: Some(unset), .. } if unset[row] => None,
            Cells::Plain { column, .. } => Some(column.value(row)),
            _ => None,
        }
    }
}

impl Plan<'_> {
    /// Checks the rows of a batch, the first of which is the `first` of the insert, and fills in what was left out.
    /// `places` are the columns that the names of the batch mean.
    pub(super) fn check(
        &self,
        batch: Batch,
        first: usize,
        places: &[Option<usize>],
        refuse: &mut Refuse<'_>,
    ) -> Result<Checked> {
        let Batch { columns, rows, numbers, .. } = batch;
        let mut given: Vec<Option<Column>> = self.attributes.iter().map(|_| None).collect();
        for (column, place) in columns.into_iter().zip(places) {
            if let Some(place) = place {
                given[*place] = Some(column);
            }
        }
        let mut cells = Vec::with_capacity(given.len());
        for (index, column) in given.into_iter().enumerate() {
            let name = &self.attributes[index].name;
            cells.push(
                self.check_column(index, column, rows, &mut |row, error| refuse(row, error.with("attribute", name)))?,
            );
        }
        let numbers = numbers.unwrap_or_else(|| (first..first + rows).collect());
        Ok(Checked { cells, rows, numbers })
    }

    fn check_column(
        &self,
        index: usize,
        column: Option<Column>,
        rows: usize,
        refuse: &mut Refuse<'_>,
    ) -> Result<Cells> {
        let attribute = self.attributes[index];
        let Some(column) = column else { return absent(attribute, rows, refuse) };
        match self.coding(index) {
            Coding::Plain => {
                let column = conform(attribute, column, refuse)?;
                fill_in(attribute, column, refuse)
            }
            _ => {
                let mut column = column;
                let mut values = Vec::with_capacity(rows);
                for row in 0..rows {
                    let value = column.take(row);
                    let checked = if value.is_null() { empty(attribute) } else { self.check_encoded(index, value) };
                    values.push(match checked {
                        Ok(value) => value,
                        Err(error) => {
                            refuse(row, error)?;
                            Value::Null
                        }
                    });
                }
                Ok(Cells::Encode(values))
            }
        }
    }

    /// Checks a value for a codec.
    fn check_encoded(&self, index: usize, value: Value) -> Result<Value> {
        let chain = match self.coding(index) {
            Coding::By(chain) => chain,
            Coding::Unknown(codec) => return Err(unknown_codec(codec)),
            Coding::Plain => return Ok(value),
        };
        if let Some(staged) = StagedObject::within(&value) {
            staged.check_place(self.heading.table.as_ref(), &self.attributes[index].name)?;
            return Ok(value);
        }
        let codec = chain.codecs()[0].name();
        if codec == "filepath" {
            // A path of the user's is looked up now, while nothing is written.
            let path = match &value {
                Value::Text(path) => Some(path.as_str()),
                Value::Reference(reference) if reference.codec == "filepath" => Some(reference.path.as_str()),
                _ => None,
            };
            return match (path, &self.targets[index]) {
                (Some(path), Some(target)) => look_up(target, path),
                _ => Err(Error::new(
                    ErrorKind::InvalidType,
                    format!("`<filepath>` expects a path string or Path, got {}", value.type_name()),
                )),
            };
        }
        match &value {
            // It is copied from where it lies.
            Value::Reference(reference) if reference.codec == codec && chain.store().is_some() => Ok(value),
            Value::Reference(reference) => Err(Error::new(
                ErrorKind::InvalidType,
                format!("a reference of `<{}@>` cannot be stored as `<{codec}>`", reference.codec),
            )
            .with_hint("load it first, and insert what it holds")),
            _ => chain.validate(&value).map(|()| value),
        }
    }
}

/// What a column gets of which nothing was given.
fn absent(attribute: &Attribute, rows: usize, refuse: &mut Refuse<'_>) -> Result<Cells> {
    match &default_of(attribute) {
        Some(DefaultValue::Value(value)) => {
            let mut column = Column::new(ColumnKind::of(&attribute.kind.core));
            (0..rows).for_each(|_| column.push(value.clone()));
            Ok(Cells::Plain { column, unset: None })
        }
        Some(_) => Ok(Cells::Unset),
        None if attribute.nullable || attribute.autoincrement => Ok(Cells::Unset),
        None => {
            for row in 0..rows {
                refuse(row, missing(attribute, &Value::Null))?;
            }
            Ok(Cells::Unset)
        }
    }
}

/// What becomes of the NULLs of a column: they stand for its default.
fn fill_in(attribute: &Attribute, column: Column, refuse: &mut Refuse<'_>) -> Result<Cells> {
    if column.null_count() == 0 {
        return Ok(Cells::Plain { column, unset: None });
    }
    let rows = column.len();
    match &default_of(attribute) {
        Some(DefaultValue::Null) => Ok(Cells::Plain { column, unset: None }),
        Some(DefaultValue::Value(value)) => {
            let mut filled = Column::new(ColumnKind::of(&attribute.kind.core));
            for row in 0..rows {
                filled.push(if column.is_null(row) { value.clone() } else { column.value(row) });
            }
            Ok(Cells::Plain { column: filled, unset: None })
        }
        None if attribute.nullable => Ok(Cells::Plain { column, unset: None }),
        None if !attribute.autoincrement => {
            for row in (0..rows).filter(|row| column.is_null(*row)) {
                refuse(row, missing(attribute, &Value::Null))?;
            }
            Ok(Cells::Plain { column, unset: None })
        }
        Some(DefaultValue::Now(_)) | None => {
            let unset = (0..rows).map(|row| column.is_null(row)).collect();
            Ok(Cells::Plain { column, unset: Some(unset) })
        }
    }
}

/// NULL for an attribute of a codec, if it may stand there.
fn empty(attribute: &Attribute) -> Result<Value> {
    match attribute.nullable || attribute.default.is_some() {
        true => Ok(Value::Null),
        false => Err(missing(attribute, &Value::Null)),
    }
}

/// Brings a column to the cells of its core type; NULL for what means no value.
fn conform(attribute: &Attribute, column: Column, refuse: &mut Refuse<'_>) -> Result<Column> {
    let core = &attribute.kind.core;
    let nulls = column.nulls.as_deref();
    let is_null = |row: usize| nulls.is_some_and(|nulls| nulls[row]);
    // The cells that are right as they come, at the speed of the machine; whatever is not goes one by one.
    let sound = match (&column.data, core) {
        (ColumnData::Int(numbers), core) if core.integer_range().is_some() => {
            let (low, high) = core.integer_range().unwrap_or((i64::MIN, i64::MAX));
            numbers.iter().enumerate().all(|(row, number)| (low..=high).contains(number) || is_null(row))
        }
        (ColumnData::Float(numbers), CoreType::Float64) => {
            numbers.iter().enumerate().all(|(row, number)| !number.is_nan() || is_null(row))
        }
        (ColumnData::Bool(_), CoreType::Bool)
        | (ColumnData::Bytes(_), CoreType::Bytes)
        | (ColumnData::Uuid(_), CoreType::Uuid) => true,
        (ColumnData::Date(days), CoreType::Date) => days.iter().all(|day| (FIRST_DAY..=LAST_DAY).contains(day)),
        (ColumnData::DateTime(moments), CoreType::DateTime(digits)) => {
            let unit = 10i64.pow(6 - u32::from(digits.unwrap_or(6).min(6)));
            let range = i64::from(FIRST_DAY) * A_DAY..(i64::from(LAST_DAY) + 1) * A_DAY;
            moments.iter().all(|moment| moment % unit == 0 && range.contains(moment))
        }
        (ColumnData::Text(_), _) if attribute.kind.is_span() => false,
        (ColumnData::Text(texts), CoreType::Char(most) | CoreType::Varchar(most)) => are_short(texts, *most as usize),
        (ColumnData::Text(texts), CoreType::Enum(members)) => {
            let is_member = |text: &[u8]| members.iter().any(|member| member.as_bytes() == text);
            texts.iter().enumerate().all(|(row, text)| is_member(text) || is_null(row))
        }
        _ => false,
    };
    if sound {
        return Ok(column);
    }
    let mut column = column;
    let mut done = Column::new(ColumnKind::of(core));
    for row in 0..column.len() {
        let is_null = column.is_null(row);
        let value = column.take(row);
        let checked = match means_nothing(&value, core) {
            // A day that no calendar of ours has.
            _ if value.is_null() && !is_null => Err(Error::new(
                ErrorKind::InvalidValue,
                format!("value does not fit `{core}`: it lies outside of the years 1 to 9999"),
            )),
            true if is_required(attribute) => Err(missing(attribute, &value)),
            true => Ok(Value::Null),
            false => check_value(attribute, value),
        };
        match checked {
            Ok(value) => done.push(value),
            Err(error) => {
                refuse(row, error)?;
                done.push_null();
            }
        }
    }
    Ok(done)
}

/// Brings one value to the form that its attribute stores.
fn check_value(attribute: &Attribute, value: Value) -> Result<Value> {
    match value {
        Value::Text(text) if attribute.kind.is_span() => Ok(Value::Text(text.parse::<Span>()?.to_string())),
        value => attribute.kind.core.check(value),
    }
}

const A_DAY: i64 = 86_400_000_000;
/// 0001-01-01 and 9999-12-31, counted from 1970-01-01.
const FIRST_DAY: i32 = -719_162;
const LAST_DAY: i32 = 2_932_896;

/// True if no text has more than so many characters, or a NUL among them.
fn are_short(texts: &Strings, most: usize) -> bool {
    let short = |text: &[u8]| text.len() <= most || text.iter().filter(|byte| (**byte as i8) >= -0x40).count() <= most;
    texts.iter().all(short) && !texts.bytes.contains(&0)
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

impl Table {
    /// The attributes for which every row must have a value.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        let needs_value = |attribute: &&Attribute| is_required(attribute) && default_of(attribute).is_none();
        self.heading().visible().filter(needs_value).map(|attribute| attribute.name.as_str())
    }
}

/// What stands for a value that is not given: the declared default or, as on MySQL, the first member of an enum that has
/// none.
fn default_of(attribute: &Attribute) -> Option<DefaultValue> {
    match &attribute.kind.core {
        CoreType::Enum(members) if is_required(attribute) && attribute.kind.codec.is_none() => {
            members.first().map(|member| DefaultValue::Value(Value::Text(member.clone())))
        }
        _ => attribute.default.clone(),
    }
}

fn is_required(attribute: &Attribute) -> bool {
    attribute.default.is_none() && !attribute.nullable && !attribute.autoincrement
}

/// The refusal of a row without a value for an attribute that needs one.
pub(super) fn missing(attribute: &Attribute, given: &Value) -> Error {
    let what = match given.is_null() {
        true => "is missing".to_owned(),
        false => format!("has no value: {given} means none in a column of numbers"),
    };
    Error::new(ErrorKind::MissingAttribute, format!("the required attribute `{}` {what}", attribute.name)).with_hint(
        format!("give a value of type `{}`, or declare the attribute with a default", attribute.kind.declared),
    )
}

fn unknown_codec(codec: &str) -> Error {
    Error::new(ErrorKind::UnknownCodec, format!("codec `{codec}` is not registered"))
        .with_hint("import the module that defines it; without it the attribute takes no value but NULL")
}

#[cfg(test)]
mod tests {
    use lodestore_types::{parse_date, parse_datetime};

    use super::*;
    use lodestore_sql::AttributeType;

    fn attribute(core: CoreType) -> Attribute {
        Attribute {
            name: "x".into(),
            kind: AttributeType::core(core),
            in_key: false,
            nullable: true,
            default: Some(DefaultValue::Null),
            autoincrement: false,
            comment: String::new(),
            hidden: false,
            lineage: None,
            expression: None,
        }
    }

    /// Whether typed columns are judged as their values are, one by one.
    fn same(core: CoreType, column: Column) {
        let attribute = attribute(core);
        let run = |column: Column| {
            let mut refused = Vec::new();
            let done = conform(&attribute, column, &mut |row, error| {
                refused.push((row, error.to_string()));
                Ok(())
            });
            let done = done.unwrap();
            ((0..done.len()).map(|row| done.value(row)).collect::<Vec<_>>(), refused)
        };
        let values = (0..column.len()).map(|row| column.value(row)).collect();
        assert_eq!(run(column), run(Column { data: ColumnData::Values(values), nulls: None }));
    }

    #[test]
    fn typed_columns_are_judged_as_their_values_are() {
        let nulls = Some(vec![false, true, false]);
        let ints = |cells: [i64; 3]| Column { data: ColumnData::Int(cells.to_vec()), nulls: nulls.clone() };
        let floats = |cells: [f64; 3]| Column { data: ColumnData::Float(cells.to_vec()), nulls: nulls.clone() };
        let texts = |cells: [&str; 3]| Column::from_values(cells.map(Value::from).to_vec());
        for core in [CoreType::Int8, CoreType::Int64, CoreType::Float32, CoreType::Bool, CoreType::Varchar(3)] {
            same(core.clone(), ints([1, 1000, 127]));
            same(core.clone(), ints([1, 0, 128]));
            same(core.clone(), floats([1.0, 0.0, f64::NAN]));
            same(core.clone(), floats([1.5, 0.0, 1e300]));
            same(core.clone(), texts(["1", "", "true"]));
            same(core.clone(), texts(["äöü", "äöüx", "a\0"]));
        }
        same(CoreType::Float64, floats([1.0, f64::NAN, f64::INFINITY]));
        same(CoreType::Enum(vec!["a".into(), "b".into()]), texts(["a", "b", "c"]));
        let days = |texts: [&str; 2]| Column::from_values(texts.map(Value::from).to_vec());
        same(CoreType::Date, days(["2024-02-29", "2023-02-29"]));
        let mut dates = Column::new(ColumnKind::Date);
        let mut moments = Column::new(ColumnKind::DateTime);
        for text in ["0001-01-01", "9999-12-31"] {
            dates.push(parse_date(text).unwrap().into());
            moments.push(parse_datetime(&format!("{text} 23:59:59.999999")).unwrap().into());
        }
        for core in [CoreType::Date, CoreType::DateTime(None), CoreType::DateTime(Some(0)), CoreType::DateTime(Some(3))]
        {
            same(core.clone(), dates.clone());
            same(core, moments.clone());
        }
        assert_eq!(conform(&attribute(CoreType::Date), dates.clone(), &mut |_, error| Err(error)).unwrap(), dates);
    }
}
