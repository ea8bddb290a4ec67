//! Writing values as nodes.

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use jiff::civil::{Date, Time};
use lodestore_types::{BigInt, ObjectArray, ObjectArrayKind, StructArray, Value};

use super::codes;
use super::frame::Plain;
use super::refusal::{Packed, Refusal, index_step, key_step, name_step};
use crate::layout::fortran_places;

/// The bytes of an array that are rather shared than copied.
const LARGE: usize = 1 << 20;

/// Appends nodes to a buffer, or only checks whether it could.
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
    /// What follows behind all that was written: the bytes of a large array, shared.
    end: Bytes,
    /// Nothing is written: large values are checked without a copy of them.
    dry: bool,
    /// A node was met that only the `dj0` form has.
    needs_dj0: bool,
    depth: usize,
}

impl Writer {
    /// The plain form of a value: tag and node.
    pub(super) fn plain_form(value: &Value) -> Packed<Plain> {
        let hint = match value {
            // Grows if it is not shared; see `shares_as_end`.
            Value::Array(array) if array.nbytes() >= LARGE => 0,
            value => size_hint(value),
        };
        let out = Vec::with_capacity(hint.saturating_add(64));
        let mut writer = Writer { out, end: Bytes::new(), dry: false, needs_dj0: false, depth: 0 };
        writer.put(codes::MYM);
        writer.node(value)?;
        if writer.needs_dj0 {
            writer.out[..4].copy_from_slice(codes::DJ0);
        }
        Ok(Plain { start: writer.out, end: writer.end })
    }

    /// Refuses what [`Writer::plain_form`] would refuse, except repeated keys.
    pub(super) fn check(value: &Value) -> Packed {
        Writer { out: Vec::new(), end: Bytes::new(), dry: true, needs_dj0: false, depth: 0 }.node(value)
    }

    pub(super) fn node(&mut self, value: &Value) -> Packed {
        self.deeper()?;
        match value {
            Value::Array(array) => self.array(array)?,
            Value::Objects(array) => self.objects(array)?,
            Value::Struct(array) => self.structs(array)?,
            Value::Records(array) => self.records(array)?,
            Value::Json(json) => self.json(json)?,
            other => {
                self.needs_dj0 = true;
                self.simple(other)?;
            }
        }
        self.shallower();
        Ok(())
    }

    pub(super) fn deeper(&mut self) -> Packed {
        self.depth += 1;
        if self.depth > codes::MAX_DEPTH {
            return Err(Refusal::of_value(format!("values are nested deeper than {} levels", codes::MAX_DEPTH)));
        }
        Ok(())
    }

    pub(super) fn shallower(&mut self) {
        self.depth -= 1;
    }

    /// The nodes that only Python knows.
    pub(super) fn simple(&mut self, value: &Value) -> Packed {
        match value {
            Value::Null => self.put(&[codes::NULL]),
            Value::Bool(value) => self.put(&[codes::BOOL, u8::from(*value)]),
            Value::Int(value) => self.integer(BigInt::from_le_bytes(&value.to_le_bytes()).as_le_bytes())?,
            Value::BigInt(value) => self.integer(value.as_le_bytes())?,
            Value::Float(value) => self.float(*value),
            Value::Complex(value) => {
                self.put(&[codes::COMPLEX]);
                self.put(&value.re.to_le_bytes());
                self.put(&value.im.to_le_bytes());
            }
            Value::Decimal(value) => self.counted(codes::DECIMAL, value.as_str().as_bytes()),
            Value::Text(text) => self.counted(codes::TEXT, text.as_bytes()),
            Value::Bytes(bytes) => self.counted(codes::BYTES, bytes),
            Value::Uuid(uuid) => {
                self.put(&[codes::UUID]);
                self.put(uuid.as_bytes());
            }
            Value::Date(date) => self.temporal(Some(*date), None)?,
            Value::Time(time) => self.temporal(None, Some(*time))?,
            Value::DateTime(moment) => self.temporal(Some(moment.date()), Some(moment.time()))?,
            Value::List(items) => self.items(codes::LIST, items)?,
            Value::Tuple(items) => self.items(codes::TUPLE, items)?,
            Value::Set(items) => self.set(items)?,
            Value::Dict(pairs) => self.dict(pairs)?,
            Value::Reference(reference) => {
                return Err(Refusal::of_type(format!(
                    "a reference to the object `{}` cannot be packed into a blob",
                    reference.path
                ))
                .hint("load it first, or store it in an attribute of its own codec"));
            }
            Value::Foreign(object) => {
                return Err(Refusal::of_type(format!("an object {object:?} cannot be packed into a blob")));
            }
            Value::Array(_) | Value::Objects(_) | Value::Struct(_) | Value::Records(_) | Value::Json(_) => {
                return self.node(value);
            }
        }
        Ok(())
    }

    fn integer(&mut self, bytes: &[u8]) -> Packed {
        // The peer counts `bit_length // 8 + 1` bytes: one more than needed for -128, -32768 ...
        let padded = bytes.split_last().is_some_and(|(last, rest)| *last == 0x80 && rest.iter().all(|b| *b == 0));
        let count = bytes.len() + usize::from(padded);
        let Ok(short) = u16::try_from(count) else {
            return Err(Refusal::of_value(format!("integers are limited to 65535 bytes, this one has {count}")));
        };
        self.put(&[codes::INT]);
        self.put(&short.to_le_bytes());
        self.put(bytes);
        if padded {
            self.put(&[0xff]);
        }
        Ok(())
    }

    pub(super) fn float(&mut self, value: f64) {
        self.put(&[codes::FLOAT]);
        self.put(&value.to_le_bytes());
    }

    fn temporal(&mut self, date: Option<Date>, time: Option<Time>) -> Packed {
        let day = match date {
            Some(date) if date.year() < 1 => {
                return Err(Refusal::of_value(format!("the year {} is not between 1 and 9999", date.year())));
            }
            Some(date) => i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day()),
            None => -1,
        };
        let clock = match time {
            Some(time) if time.subsec_nanosecond() % 1000 != 0 => {
                return Err(Refusal::of_value(format!("the time {time} is finer than a microsecond"))
                    .hint("round it, or store it as an array of `datetime64[ns]`"));
            }
            Some(time) => {
                let digits = (i64::from(time.hour()) * 100 + i64::from(time.minute())) * 100 + i64::from(time.second());
                digits * 1_000_000 + i64::from(time.subsec_nanosecond() / 1000)
            }
            None => -1,
        };
        self.put(&[codes::TEMPORAL]);
        self.put(&day.to_le_bytes());
        self.put(&clock.to_le_bytes());
        Ok(())
    }

    fn items(&mut self, code: u8, items: &[Value]) -> Packed {
        self.put(&[code]);
        self.count(items.len());
        for (index, item) in items.iter().enumerate() {
            self.sized(|writer| writer.node(item)).map_err(|refusal| refusal.within(|| format!("[{index}]")))?;
        }
        Ok(())
    }

    fn set(&mut self, items: &[Value]) -> Packed {
        self.put(&[codes::SET]);
        self.count(items.len());
        let mut seen = Vec::new();
        for item in items {
            seen.push(self.hashable(item, "a set").map_err(|refusal| refusal.within(|| format!("{{{item}}}")))?);
        }
        self.refuse_twins(&seen, |index| format!("the set holds {} twice", items[index]))
    }

    fn dict(&mut self, pairs: &[(Value, Value)]) -> Packed {
        self.put(&[codes::DICT]);
        self.count(pairs.len());
        let mut seen = Vec::new();
        for (key, value) in pairs {
            seen.push(self.hashable(key, "the keys of a dict").map_err(|refusal| refusal.within(|| key_step(key)))?);
            self.sized(|writer| writer.node(value)).map_err(|refusal| refusal.within(|| key_step(key)))?;
        }
        self.refuse_twins(&seen, |index| format!("the dict holds the key {} twice", pairs[index].0))
    }

    /// Writes what Python can hash, so that it can be put back where it was.
    fn hashable(&mut self, value: &Value, place: &str) -> Packed<Range<usize>> {
        if !is_hashable(value) {
            return Err(Refusal::of_type(format!("{place} cannot hold a {}", value.type_name())));
        }
        let start = self.out.len();
        self.sized(|writer| writer.node(value))?;
        Ok(start..self.out.len())
    }

    /// Of two equal keys, reading would keep one.
    fn refuse_twins(&self, written: &[Range<usize>], message: impl Fn(usize) -> String) -> Packed {
        if self.dry || written.len() < 2 {
            return Ok(());
        }
        let mut seen = HashSet::with_capacity(written.len());
        match written.iter().position(|range| !seen.insert(&self.out[range.clone()])) {
            Some(index) => Err(Refusal::of_value(message(index))),
            None => Ok(()),
        }
    }

    fn objects(&mut self, array: &ObjectArray) -> Packed {
        expect_items(&array.shape, array.items.len())?;
        match array.kind {
            ObjectArrayKind::Cell => {
                self.put(&[codes::CELL]);
                self.dimensions(&array.shape)?;
            }
            ObjectArrayKind::Object => {
                self.needs_dj0 = true;
                self.array_head(&array.shape, codes::OBJECT_ID, false)?;
            }
        }
        for position in row_major_positions(&array.shape) {
            self.sized(|writer| writer.node(&array.items[position]))
                .map_err(|refusal| refusal.within(|| index_step(&array.shape, position)))?;
        }
        Ok(())
    }

    fn structs(&mut self, array: &StructArray) -> Packed {
        expect_items(&array.shape, array.items.len())?;
        self.put(&[codes::STRUCT]);
        self.dimensions(&array.shape)?;
        self.field_names(array.fields.iter().map(String::as_str))?;
        for position in row_major_positions(&array.shape) {
            let item = &array.items[position];
            if item.len() != array.fields.len() {
                return Err(Refusal::of_value(format!(
                    "a struct of {} fields has {} values",
                    array.fields.len(),
                    item.len()
                ))
                .within(|| index_step(&array.shape, position)));
            }
            for (name, value) in array.fields.iter().zip(item) {
                self.sized(|writer| writer.node(value)).map_err(|refusal| {
                    refusal.within(|| name_step(name)).within(|| index_step(&array.shape, position))
                })?;
            }
        }
        Ok(())
    }

    /// Number and names of fields: there is at least one, none repeats, none holds the ending NUL.
    pub(super) fn field_names<'a>(&mut self, names: impl ExactSizeIterator<Item = &'a str>) -> Packed {
        if names.len() == 0 {
            return Err(Refusal::of_type("a structured array without fields cannot be packed"));
        }
        self.put(&(names.len() as u32).to_le_bytes());
        let mut seen = HashSet::new();
        for name in names {
            if name.contains('\0') {
                return Err(Refusal::of_value(format!("the field name {name:?} holds a NUL character")));
            }
            if !seen.insert(name) {
                return Err(Refusal::of_value(format!("the field name `{name}` stands twice")));
            }
            self.put(name.as_bytes());
            self.put(&[0]);
        }
        Ok(())
    }

    pub(super) fn array_head(&mut self, shape: &[usize], id: u32, complex: bool) -> Packed {
        self.put(&[codes::ARRAY]);
        self.dimensions(shape)?;
        self.put(&id.to_le_bytes());
        self.put(&u32::from(complex).to_le_bytes());
        Ok(())
    }

    fn dimensions(&mut self, shape: &[usize]) -> Packed {
        if shape.len() > codes::MAX_NDIM {
            let (found, most) = (shape.len(), codes::MAX_NDIM);
            return Err(Refusal::of_value(format!("an array has at most {most} dimensions, this one has {found}")));
        }
        self.count(shape.len());
        shape.iter().for_each(|extent| self.count(*extent));
        Ok(())
    }

    /// A node (or anything else) with its length in front.
    pub(super) fn sized(&mut self, write: impl FnOnce(&mut Self) -> Packed) -> Packed {
        let at = self.out.len();
        self.count(0);
        write(self)?;
        if !self.dry {
            let length = (self.out.len() - at - 8) as u64;
            self.out[at..at + 8].copy_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    pub(super) fn counted(&mut self, code: u8, bytes: &[u8]) {
        self.put(&[code]);
        self.count(bytes.len());
        self.put(bytes);
    }

    pub(super) fn count(&mut self, count: usize) {
        self.put(&(count as u64).to_le_bytes());
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        if !self.dry {
            self.out.extend_from_slice(bytes);
        }
    }

    /// Shares `data` instead of copying it, if nothing can follow it.
    pub(super) fn shares_as_end(&mut self, data: &Bytes) -> bool {
        let alone = self.depth == 1 && data.len() >= LARGE;
        if alone {
            self.end = data.clone();
        }
        alone
    }

    pub(super) fn is_dry(&self) -> bool {
        self.dry
    }

    pub(super) fn require_dj0(&mut self) {
        self.needs_dj0 = true;
    }
}

/// True for what can be a key in Python.
pub(super) fn is_hashable(value: &Value) -> bool {
    match value {
        Value::List(_) | Value::Dict(_) | Value::Json(_) | Value::Reference(_) | Value::Foreign(_) => false,
        Value::Objects(_) | Value::Struct(_) | Value::Records(_) => false,
        Value::Array(array) => array.shape().is_empty() && array.dtype().as_scalar().is_some(),
        Value::Tuple(items) | Value::Set(items) => items.iter().all(is_hashable),
        _ => true,
    }
}

/// The positions in row-major order of the elements, as they follow each other in column-major order.
pub(super) fn row_major_positions(shape: &[usize]) -> impl Iterator<Item = usize> + use<> {
    let reversed: Vec<usize> = shape.iter().rev().copied().collect();
    fortran_places(&reversed)
}

fn expect_items(shape: &[usize], found: usize) -> Packed {
    let expected = if shape.contains(&0) {
        Some(0)
    } else {
        shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent))
    };
    if expected == Some(found) {
        return Ok(());
    }
    Err(Refusal::of_value(format!("an array of shape {shape:?} cannot have {found} elements")))
}

/// About as many bytes as the large parts of a value take.
fn size_hint(value: &Value) -> usize {
    match value {
        Value::Array(array) => array.nbytes() + 64,
        Value::Bytes(bytes) => bytes.len() + 32,
        Value::Text(text) => text.len() + 32,
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().map(size_hint).sum(),
        Value::Objects(array) => array.items.iter().map(size_hint).sum(),
        Value::Dict(pairs) => pairs.iter().map(|(key, value)| size_hint(key) + size_hint(value)).sum(),
        Value::Records(array) => array.fields.iter().map(|(_, field)| size_hint(field)).sum(),
        _ => 24,
    }
}
