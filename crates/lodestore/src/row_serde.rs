//! Rows into structures of one's own, by serde.

use lodestore_types::{DType, Error, ErrorKind, Kind, NdArray, Order, Result, Value};
use serde::Serialize;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use serde_json::Value as Json;

use crate::{Query, Row, Table};

impl Query {
    /// All rows as structures of one's own, whose fields are the attributes.
    ///
    /// Integers, floats, bools, texts and bytes are themselves; NULL is `None`; dates, times, uuids and decimals are
    /// their texts, which the types of `jiff`, `chrono`, `uuid` and their like read; JSON documents, lists and arrays
    /// of numbers are structures and sequences.
    ///
    /// ```
    /// use lodestore::{Instance, Tier, row};
    ///
    /// #[derive(serde::Deserialize, Debug, PartialEq)]
    /// struct Subject {
    ///     subject_id: u32,
    ///     weight: Option<f64>,
    /// }
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
    /// let subject = lab.declare("Subject", Tier::Manual, "subject_id : int32\n---\nweight = null : float64")?;
    /// subject.insert([row! { "subject_id" => 1, "weight" => 20.5 }, row! { "subject_id" => 2 }])?;
    /// let subjects: Vec<Subject> = subject.fetch_as()?;
    /// assert_eq!(subjects[0], Subject { subject_id: 1, weight: Some(20.5) });
    /// assert_eq!(subjects[1].weight, None);
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Query::fetch`]; `InvalidType` if a row does not fit.
    pub fn fetch_as<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let rows = self.fetch()?.into_iter().enumerate();
        rows.map(|(number, row)| row.into_structure().map_err(|error| self.locate(error.with("row", number)))).collect()
    }

    /// The one row that there is, as a structure of one's own.
    ///
    /// # Errors
    /// As [`Query::fetch1`] and [`Query::fetch_as`].
    pub fn fetch1_as<T: DeserializeOwned>(&self) -> Result<T> {
        self.fetch1()?.into_structure().map_err(|error| self.locate(error))
    }
}

impl Table {
    /// Inserts structures of one's own, whose fields are the attributes: all of them or none. Gives their number.
    ///
    /// Numbers, bools, texts and `None` are themselves; what serde writes as text (dates, uuids, decimals) is read as the
    /// attribute demands; sequences and structures are JSON documents. Arrays and bytes go into a [`Row`] instead.
    ///
    /// ```
    /// use lodestore::{Instance, Tier};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Subject {
    ///     subject_id: u32,
    ///     weight: Option<f64>,
    /// }
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
    /// let subject = lab.declare("Subject", Tier::Manual, "subject_id : int32\n---\nweight = null : float64")?;
    /// subject.insert_as([Subject { subject_id: 1, weight: Some(20.5) }, Subject { subject_id: 2, weight: None }])?;
    /// assert_eq!(subject.len()?, 2);
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Table::insert`]; `InvalidType` for what is no structure.
    pub fn insert_as<T: Serialize>(&self, structures: impl IntoIterator<Item = T>) -> Result<u64> {
        let rows = structures.into_iter().enumerate().map(|(number, structure)| {
            Row::from_structure(&structure).map_err(|error| self.locate(error.with("row", number)))
        });
        self.insert(rows.collect::<Result<Vec<_>>>()?)
    }
}

impl Row {
    /// A structure of one's own as a row: see [`Table::insert_as`].
    ///
    /// # Errors
    /// `InvalidType` for what is no structure.
    pub fn from_structure<T: Serialize + ?Sized>(structure: &T) -> Result<Row> {
        let unfit = |why: &str| Error::new(ErrorKind::InvalidType, format!("the structure does not make a row: {why}"));
        match serde_json::to_value(structure).map_err(|error| unfit(&error.to_string()))? {
            Json::Object(fields) => Ok(fields.into_iter().map(|(name, field)| (name, value_of(field))).collect()),
            _ => Err(unfit("it has no fields with names")),
        }
    }

    /// This row as a structure of one's own: see [`Query::fetch_as`].
    ///
    /// # Errors
    /// `InvalidType` if it does not fit.
    pub fn into_structure<T: DeserializeOwned>(self) -> Result<T> {
        let names = self.shared_names().clone();
        let fields = names.iter().map(String::as_str).zip(self.into_values().into_iter().map(Cell));
        T::deserialize(MapDeserializer::new(fields)).map_err(|Unfit(why)| {
            Error::new(ErrorKind::InvalidType, format!("the row does not fit the structure: {why}"))
        })
    }
}

/// A field as the value that it is.
fn value_of(field: Json) -> Value {
    match field {
        Json::Null => Value::Null,
        Json::Bool(flag) => flag.into(),
        Json::String(text) => text.into(),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().into(),
        },
        document => Value::Json(document),
    }
}

/// A value on its way into a field.
struct Cell(Value);

/// Why a row does not fit.
#[derive(Debug)]
struct Unfit(String);

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl serde::de::Error for Unfit {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Unfit(message.to_string())
    }
}

impl IntoDeserializer<'_, Unfit> for Cell {
    type Deserializer = Cell;

    fn into_deserializer(self) -> Cell {
        self
    }
}

impl<'de> Deserializer<'de> for Cell {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Int(number) => visitor.visit_i64(number),
            Value::BigInt(number) => visitor.visit_string(number.to_string()),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Decimal(number) => visitor.visit_str(number.as_str()),
            Value::Text(text) => visitor.visit_string(text),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes.into()),
            Value::Uuid(id) => visitor.visit_string(id.to_string()),
            Value::Date(day) => visitor.visit_string(day.to_string()),
            Value::Time(clock) => visitor.visit_string(clock.to_string()),
            Value::DateTime(moment) => visitor.visit_string(moment.to_string()),
            Value::Json(document) => document.deserialize_any(visitor).map_err(Unfit::custom),
            Value::Complex(number) => sequence(visitor, vec![number.re.into(), number.im.into()]),
            Value::Array(array) => sequence(visitor, elements(&array)?),
            Value::Objects(array) => sequence(visitor, array.items),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => sequence(visitor, items),
            Value::Dict(items) => {
                let items = items.into_iter().map(|(key, value)| (Cell(key), Cell(value)));
                visitor.visit_map(MapDeserializer::new(items))
            }
            Value::Reference(reference) => {
                let mut map = reference.metadata;
                for (name, text) in [("codec", &reference.codec), ("store", &reference.store)] {
                    map.insert(name.to_owned(), text.as_str().into());
                }
                map.insert("path".to_owned(), reference.path.to_string().into());
                serde_json::Value::Object(map).deserialize_any(visitor).map_err(Unfit::custom)
            }
            other @ (Value::Struct(_) | Value::Records(_) | Value::Foreign(_)) => {
                Err(Unfit(format!("a {} has no counterpart in serde", other.type_name())))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    /// Enums of serde are read from text, as attributes of type `enum` are.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        match self.0 {
            Value::Text(text) => visitor.visit_enum(text.into_deserializer()),
            Value::Json(document) => document.deserialize_enum(name, variants, visitor).map_err(Unfit::custom),
            other => Err(Unfit(format!("{other} names no variant of `{name}`"))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn sequence<'de, V: Visitor<'de>>(visitor: V, items: Vec<Value>) -> Result<V::Value, Unfit> {
    visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Cell)))
}

/// The elements of an array: numbers, or lists of them for each further dimension.
fn elements(array: &NdArray) -> Result<Vec<Value>, Unfit> {
    let number = matches!(array.dtype(), DType::Scalar(scalar)
        if matches!(scalar.kind, Kind::Bool | Kind::Int | Kind::UInt | Kind::Float));
    if !number {
        return Err(Unfit(format!("an array of {} has no counterpart in serde", array.dtype())));
    }
    // How far apart the elements of each dimension lie.
    let mut strides = vec![array.dtype().itemsize(); array.shape().len()];
    let dimensions = 0..strides.len();
    let order: Vec<usize> = if array.order() == Order::C { dimensions.rev().collect() } else { dimensions.collect() };
    for pair in order.windows(2) {
        strides[pair[1]] = strides[pair[0]] * array.shape()[pair[0]];
    }
    match nested(array, &strides, 0, 0)? {
        Value::List(items) => Ok(items),
        scalar => Ok(vec![scalar]),
    }
}

fn nested(array: &NdArray, strides: &[usize], dimension: usize, start: usize) -> Result<Value, Unfit> {
    let Some(stride) = strides.get(dimension) else {
        let data = array.data().slice(start..start + array.dtype().itemsize());
        let element = NdArray::new(array.dtype().clone(), Vec::new(), Order::C, data).ok();
        return element
            .and_then(|element| element.to_scalar())
            .ok_or_else(|| Unfit(format!("an element of {} has no counterpart in serde", array.dtype())));
    };
    let item = |index| nested(array, strides, dimension + 1, start + index * stride);
    (0..array.shape()[dimension]).map(item).collect::<Result<_, _>>().map(Value::List)
}
