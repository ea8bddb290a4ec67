//! Reading nodes back into values.
//!
//! The bytes may come from anywhere: every length is compared with what is left before anything
//! is allocated, and nesting is bounded.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::civil::{Date, Time};
use lodestore_types::{
    BigInt, Complex, Decimal, Error, ErrorKind, ObjectArray, ObjectArrayKind, Result, StructArray, Uuid, Value,
};

use super::codes;
use super::write::is_hashable;
use crate::layout::fortran_places;

/// Elements for which memory is taken on the word of a count alone: nested containers could each
/// announce as many as bytes are left.
const PREALLOCATED: usize = 64;

/// Reads one node after the other from a buffer, whose bytes arrays and byte strings share.
pub(super) struct Reader {
    data: Bytes,
    at: usize,
    /// The end of what the innermost length allows.
    end: usize,
    /// Bytes of a count: 8, or 4 in the legacy mode.
    width: usize,
    depth: usize,
}

impl Reader {
    pub(super) fn new(data: Bytes, at: usize, width: usize) -> Reader {
        Reader { end: data.len(), data, at, width, depth: 0 }
    }

    /// The one node that fills the whole buffer.
    pub(super) fn whole(mut self) -> Result<Value> {
        let value = self.node()?;
        if self.at != self.end {
            return Err(corrupt(format!("the value ends at byte {}, the blob at byte {}", self.at, self.end)));
        }
        Ok(value)
    }

    pub(super) fn node(&mut self) -> Result<Value> {
        self.depth += 1;
        if self.depth > codes::MAX_DEPTH {
            return Err(corrupt(format!("values are nested deeper than {} levels", codes::MAX_DEPTH)));
        }
        let at = self.at;
        let value = match self.byte()? {
            codes::ARRAY => self.array()?,
            codes::CELL => self.cell()?,
            codes::STRUCT => self.structs()?,
            codes::RECORDS => self.records()?,
            codes::TUPLE => Value::Tuple(self.items()?),
            codes::LIST => Value::List(self.items()?),
            codes::SET => self.set()?,
            codes::DICT => self.dict()?,
            codes::TEXT => Value::Text(self.text()?),
            codes::BYTES => Value::Bytes(self.counted()?),
            codes::INT => self.integer()?,
            codes::BOOL => Value::Bool(self.byte()? != 0),
            codes::COMPLEX => Value::Complex(Complex { re: self.float()?, im: self.float()? }),
            codes::FLOAT => Value::Float(self.float()?),
            codes::DECIMAL => self.decimal()?,
            codes::TEMPORAL => self.temporal()?,
            codes::UUID => Value::Uuid(Uuid::from_bytes(self.fixed()?)),
            codes::NULL => Value::Null,
            codes::SPARSE => {
                return Err(Error::new(ErrorKind::Unsupported, "MATLAB sparse arrays cannot be read")
                    .with_hint("store the full matrix in MATLAB"));
            }
            code => return Err(corrupt(format!("no value begins with the code 0x{code:02x}, met at byte {at}"))),
        };
        self.depth -= 1;
        Ok(value)
    }

    fn items(&mut self) -> Result<Vec<Value>> {
        let count = self.count()?;
        self.expect_elements(count)?;
        self.sequence(count)
    }

    /// So many nodes, one behind the other. A plain loop: it is on the way of every recursion, and
    /// adaptors would cost stack.
    fn sequence(&mut self, count: usize) -> Result<Vec<Value>> {
        let mut values = Vec::with_capacity(count.min(PREALLOCATED));
        for _ in 0..count {
            values.push(self.sized()?);
        }
        Ok(values)
    }

    fn set(&mut self) -> Result<Value> {
        let items = self.items()?;
        match items.iter().find(|item| !is_hashable(item)) {
            Some(item) => Err(corrupt(format!("a set cannot hold a {}", item.type_name()))),
            None => Ok(Value::Set(items)),
        }
    }

    /// Of equal keys the last one wins, in the place of the first: as in Python.
    fn dict(&mut self) -> Result<Value> {
        let count = self.count()?;
        self.expect_elements(count.saturating_mul(2))?;
        let mut pairs: Vec<(Value, Value)> = Vec::with_capacity(count.min(PREALLOCATED));
        let mut places: HashMap<Bytes, usize> = HashMap::with_capacity(count.min(PREALLOCATED));
        for _ in 0..count {
            let start = self.at;
            let key = self.sized()?;
            if !is_hashable(&key) {
                return Err(corrupt(format!("the keys of a dict cannot hold a {}", key.type_name())));
            }
            let place = *places.entry(self.data.slice(start..self.at)).or_insert(pairs.len());
            let value = self.sized()?;
            match pairs.get_mut(place) {
                Some(pair) => pair.1 = value,
                None => pairs.push((key, value)),
            }
        }
        Ok(Value::Dict(pairs))
    }

    fn cell(&mut self) -> Result<Value> {
        let shape = self.dimensions()?;
        self.values(ObjectArrayKind::Cell, shape)
    }

    /// The values of an array of objects, which follow each other in column-major order.
    pub(super) fn values(&mut self, kind: ObjectArrayKind, shape: Vec<usize>) -> Result<Value> {
        let count = element_count(&shape)?;
        self.expect_elements(count)?;
        let stored = self.sequence(count)?;
        Ok(Value::Objects(ObjectArray { kind, items: to_row_major(stored, &shape), shape }))
    }

    fn structs(&mut self) -> Result<Value> {
        let shape = self.dimensions()?;
        let fields = self.field_names()?;
        if fields.is_empty() {
            return Ok(nothing());
        }
        let count = element_count(&shape)?;
        self.expect_elements(count.saturating_mul(fields.len()))?;
        let mut stored = Vec::with_capacity(count.min(PREALLOCATED));
        for _ in 0..count {
            stored.push(self.sequence(fields.len())?);
        }
        Ok(Value::Struct(StructArray { items: to_row_major(stored, &shape), shape, fields }))
    }

    pub(super) fn field_names(&mut self) -> Result<Vec<String>> {
        let count = u32::from_le_bytes(self.fixed()?) as usize;
        // Each name takes at least its ending NUL.
        if count > self.left() {
            return Err(self.truncated(count));
        }
        let mut names: Vec<String> = Vec::with_capacity(count);
        let mut seen = std::collections::HashSet::with_capacity(count);
        for _ in 0..count {
            let length = self.data[self.at..self.end].iter().position(|byte| *byte == 0);
            let Some(length) = length else { return Err(corrupt("the name of a field has no end")) };
            let name = utf8(&self.data[self.at..self.at + length])?;
            if !seen.insert(name.clone()) {
                return Err(corrupt(format!("the field name `{}` stands twice", name.escape_debug())));
            }
            names.push(name);
            self.at += length + 1;
        }
        Ok(names)
    }

    fn text(&mut self) -> Result<String> {
        utf8(&self.counted()?)
    }

    fn integer(&mut self) -> Result<Value> {
        let length = u16::from_le_bytes(self.fixed()?);
        Ok(Value::integer(BigInt::from_le_bytes(&self.take(usize::from(length))?)))
    }

    fn decimal(&mut self) -> Result<Value> {
        let text = self.text()?;
        let decimal: Decimal = text.parse().map_err(|error: Error| corrupt(error.message().to_owned()))?;
        Ok(Value::Decimal(decimal))
    }

    fn temporal(&mut self) -> Result<Value> {
        let day = i32::from_le_bytes(self.fixed()?);
        let clock = i64::from_le_bytes(self.fixed()?);
        let date = (day >= 0).then(|| date_of(day).ok_or_else(|| corrupt(format!("{day} is not a date"))));
        let time = (clock >= 0).then(|| time_of(clock).ok_or_else(|| corrupt(format!("{clock} is not a time"))));
        Ok(match (date.transpose()?, time.transpose()?) {
            (Some(date), Some(time)) => Value::DateTime(date.to_datetime(time)),
            (Some(date), None) => Value::Date(date),
            (None, Some(time)) => Value::Time(time),
            (None, None) => Value::Null,
        })
    }

    /// A node with its length in front, which it must fill.
    fn sized(&mut self) -> Result<Value> {
        let length = self.count()?;
        if length > self.left() {
            return Err(self.truncated(length));
        }
        let outer = self.end;
        self.end = self.at + length;
        let value = self.node()?;
        if self.at != self.end {
            return Err(corrupt(format!(
                "the value before byte {} is {} bytes shorter than its announced length {length}",
                self.at,
                self.end - self.at
            )));
        }
        self.end = outer;
        Ok(value)
    }

    pub(super) fn dimensions(&mut self) -> Result<Vec<usize>> {
        let count = self.count()?;
        if count > codes::MAX_NDIM {
            return Err(corrupt(format!("an array has at most {} dimensions, this one has {count}", codes::MAX_NDIM)));
        }
        (0..count).map(|_| self.count()).collect()
    }

    /// Fails if so many elements, each with a length and a code, cannot follow.
    fn expect_elements(&self, count: usize) -> Result<()> {
        if count > self.left() / (self.width + 1) {
            return Err(self.truncated(count.saturating_mul(self.width + 1)));
        }
        Ok(())
    }

    fn counted(&mut self) -> Result<Bytes> {
        let length = self.count()?;
        self.take(length)
    }

    fn count(&mut self) -> Result<usize> {
        let count = match self.width {
            4 => u64::from(u32::from_le_bytes(self.fixed()?)),
            _ => u64::from_le_bytes(self.fixed()?),
        };
        usize::try_from(count).map_err(|_| self.truncated(usize::MAX))
    }

    fn float(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.fixed()?))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.fixed::<1>()?[0])
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.data[self.at..self.end].first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// The next bytes, shared.
    pub(super) fn take(&mut self, length: usize) -> Result<Bytes> {
        if length > self.left() {
            return Err(self.truncated(length));
        }
        self.at += length;
        Ok(self.data.slice(self.at - length..self.at))
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.data[self.at..self.end].first().copied()
    }

    pub(super) fn left(&self) -> usize {
        self.end - self.at
    }

    pub(super) fn truncated(&self, needed: usize) -> Error {
        let (at, left) = (self.at, self.left());
        let needed =
            if needed == usize::MAX { "more bytes than memory has".to_owned() } else { format!("{needed} bytes") };
        corrupt(format!("the blob is cut short: {needed} are expected at byte {at}, {left} are there"))
    }
}

pub(super) fn corrupt(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

/// What stands for a structured array without fields, as the peer reads it.
pub(super) fn nothing() -> Value {
    Value::Objects(ObjectArray { kind: ObjectArrayKind::Object, shape: vec![], items: vec![Value::Null] })
}

/// How many elements an array of this shape has.
pub(super) fn element_count(shape: &[usize]) -> Result<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    let count = shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
    count.ok_or_else(|| corrupt(format!("an array of shape {shape:?} is larger than memory")))
}

fn to_row_major<T: Default>(mut stored: Vec<T>, shape: &[usize]) -> Vec<T> {
    if crate::layout::orders_agree(shape) {
        return stored;
    }
    fortran_places(shape).map(|place| std::mem::take(&mut stored[place])).collect()
}

fn utf8(bytes: &[u8]) -> Result<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(corrupt(format!("a text is not UTF-8 from its byte {} on", error.valid_up_to()))),
    }
}

fn date_of(digits: i32) -> Option<Date> {
    let year = i16::try_from(digits / 10_000).ok().filter(|year| *year >= 1)?;
    // Both are below 100.
    Date::new(year, (digits / 100 % 100) as i8, (digits % 100) as i8).ok()
}

fn time_of(digits: i64) -> Option<Time> {
    let (clock, microsecond) = (digits / 1_000_000, (digits % 1_000_000) as i32);
    Time::new((clock / 10_000 % 100) as i8, (clock / 100 % 100) as i8, (clock % 100) as i8, microsecond * 1000).ok()
}
