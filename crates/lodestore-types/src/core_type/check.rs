//! Bringing a value to the form that a type stores.

use bytes::Bytes;
use jiff::civil::{DateTime, Time};

use super::json::document;
use super::{CoreType, quoted_list};
use crate::{BigInt, Decimal, Error, ErrorKind, Kind, NdArray, Result, Value, parse_date, parse_datetime};

impl CoreType {
    /// Brings `value` to the form this type stores. NULL passes: whether it may stand is not the
    /// type's business. A 0-dimensional array counts as its element.
    ///
    /// Numbers written as text are read, and text is made of numbers, but of nothing else. Floats with a fraction are
    /// refused by integers. A `float32` becomes the nearest one, spelled as briefly as
    /// tells it apart; a `datetime(n)` drops further digits of the second.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidType`] for a value of a wrong type, [`ErrorKind::InvalidValue`] for one
    /// out of range, too long or malformed.
    pub fn check(&self, value: Value) -> Result<Value> {
        let value = match &value {
            Value::Array(array) => array.to_scalar().or_else(|| self.moment(array)).unwrap_or(value),
            _ => value,
        };
        if value.is_null() {
            return Ok(value);
        }
        match self {
            CoreType::Int8 | CoreType::Int16 | CoreType::Int32 | CoreType::Int64 => self.check_integer(value),
            CoreType::Float32 | CoreType::Float64 => self.check_float(value),
            CoreType::Bool => match value {
                Value::Bool(_) => Ok(value),
                Value::Int(0) | Value::Int(1) => Ok(Value::Bool(value == Value::Int(1))),
                Value::Float(number) if number == 0.0 || number == 1.0 => Ok(Value::Bool(number == 1.0)),
                Value::Text(ref text) => match text.trim().to_ascii_lowercase().as_str() {
                    "0" | "false" => Ok(Value::Bool(false)),
                    "1" | "true" => Ok(Value::Bool(true)),
                    _ => Err(self.refuse(&value, "expected True, False, 1 or 0")),
                },
                Value::Int(_) | Value::BigInt(_) | Value::Float(_) => {
                    Err(self.refuse(&value, "expected True, False, 1 or 0"))
                }
                other => Err(self.wrong_type(&other)),
            },
            CoreType::Uuid => match value {
                Value::Uuid(_) => Ok(value),
                Value::Text(ref text) => uuid::Uuid::parse_str(text.trim())
                    .map(Value::Uuid)
                    .map_err(|_| self.refuse(&value, "expected 32 hexadecimal digits, with or without hyphens")),
                Value::Bytes(ref bytes) => {
                    uuid::Uuid::from_slice(bytes).map(Value::Uuid).map_err(|_| self.refuse(&value, "expected 16 bytes"))
                }
                other => Err(self.wrong_type(&other)),
            },
            CoreType::Json => document(&value).map(Value::Json),
            CoreType::Bytes => match value {
                Value::Bytes(_) => Ok(value),
                other => Err(self
                    .wrong_type(&other)
                    .with_hint("declare the attribute as `<blob>` to store arrays and other objects")),
            },
            CoreType::Date => match value {
                Value::Date(_) => Ok(value),
                Value::DateTime(moment) if moment.time() == Time::midnight() => Ok(Value::Date(moment.date())),
                Value::DateTime(_) => Err(self.refuse(&value, "it has a time of day, which a date cannot keep")),
                Value::Text(ref text) => parse_date(text)
                    .or_else(|error| match parse_datetime(text) {
                        Ok(moment) if moment.time() == Time::midnight() => Ok(moment.date()),
                        _ => Err(error),
                    })
                    .map(Value::Date),
                other => Err(self.wrong_type(&other)),
            },
            CoreType::DateTime(digits) => {
                let moment = match value {
                    Value::DateTime(moment) => moment,
                    Value::Date(day) => day.to_datetime(Time::midnight()),
                    Value::Text(ref text) => parse_datetime(text)?,
                    other => return Err(self.wrong_type(&other)),
                };
                Ok(Value::DateTime(truncate(moment, digits.unwrap_or(6))))
            }
            CoreType::Char(length) | CoreType::Varchar(length) => match value {
                Value::Text(ref text) if text.contains('\0') => Err(self.refuse(&value, "it holds a NUL character")),
                Value::Text(ref text) => {
                    let characters = text.chars().count();
                    if characters > *length as usize {
                        return Err(
                            self.refuse(&value, &format!("it has {characters} characters, {length} are allowed"))
                        );
                    }
                    Ok(value)
                }
                // As DataJoint stores them.
                Value::Int(number) => self.check(Value::Text(number.to_string())),
                Value::BigInt(ref number) => self.check(Value::Text(number.to_string())),
                Value::Decimal(ref number) => self.check(Value::Text(number.to_string())),
                Value::Float(number) if number.is_finite() => self.check(Value::Text(format!("{number:?}"))),
                other => Err(self.wrong_type(&other)),
            },
            CoreType::Enum(members) => match value {
                Value::Text(ref text) if members.contains(text) => Ok(value),
                Value::Text(ref text) => {
                    if let Some(member) = member_in_other_case(members, text) {
                        return Ok(Value::Text(member.clone()));
                    }
                    let error = self.refuse(&value, &format!("the members are {}", quoted_list(members)));
                    Err(match crate::nearest(text, members.iter().map(String::as_str)) {
                        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                        None => error,
                    })
                }
                other => Err(self.wrong_type(&other)),
            },
            CoreType::Decimal { precision, scale } => {
                let (precision, scale) = (*precision, *scale);
                let text = match value {
                    Value::Decimal(ref decimal) => decimal.to_fixed(precision, scale)?,
                    Value::Int(number) => number.to_string().parse::<Decimal>()?.to_fixed(precision, scale)?,
                    Value::BigInt(ref number) => number.to_string().parse::<Decimal>()?.to_fixed(precision, scale)?,
                    Value::Bool(flag) => u8::from(flag).to_string().parse::<Decimal>()?.to_fixed(precision, scale)?,
                    // A float is inexact as it comes, so it is rounded where a decimal is refused.
                    Value::Float(number) if number.is_finite() => {
                        format!("{number:.*}", scale as usize).parse::<Decimal>()?.to_fixed(precision, scale)?
                    }
                    Value::Float(_) => return Err(self.refuse(&value, "it is not finite")),
                    Value::Text(ref text) => text.trim().parse::<Decimal>()?.to_fixed(precision, scale)?,
                    other => return Err(self.wrong_type(&other)),
                };
                text.parse().map(Value::Decimal)
            }
        }
    }

    /// What a time of NumPy is to a type that keeps times.
    fn moment(&self, array: &NdArray) -> Option<Value> {
        if matches!(self, CoreType::Date | CoreType::DateTime(_)) { array.to_datetime() } else { None }
    }

    fn check_integer(&self, value: Value) -> Result<Value> {
        let (low, high) = self.integer_range().unwrap_or((i64::MIN, i64::MAX));
        let number = match value {
            Value::Int(number) => Some(number),
            Value::Bool(flag) => Some(flag.into()),
            Value::BigInt(_) => None,
            Value::Float(number) if number.fract() == 0.0 => {
                // Exact within the range of i64; beyond it, out of range all the same.
                let limit = 2f64.powi(63);
                (-limit..limit).contains(&number).then_some(number as i64)
            }
            Value::Float(number) if number.is_infinite() => None,
            Value::Float(_) => return Err(self.refuse(&value, "it is not a whole number")),
            Value::Decimal(ref decimal) => match decimal.to_fixed(65, 0) {
                Ok(text) => text.parse().ok(),
                Err(_) => return Err(self.refuse(&value, "it is not a whole number")),
            },
            Value::Text(ref text) => {
                let digits = text.trim().strip_prefix(['-', '+']).unwrap_or(text.trim());
                if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
                    text.trim().parse().ok()
                } else {
                    // `1e3` and `2.0` are whole numbers, too.
                    let exact = text.trim().parse::<Decimal>().and_then(|decimal| decimal.to_fixed(65, 0));
                    exact.map_err(|_| self.refuse(&value, "it is not a whole number"))?.parse().ok()
                }
            }
            other => return Err(self.wrong_type(&other)),
        };
        match number {
            Some(number) if (low..=high).contains(&number) => Ok(Value::Int(number)),
            _ => {
                let wider = [CoreType::Int16, CoreType::Int32, CoreType::Int64].into_iter().find(|wider| {
                    number.is_some_and(|number| {
                        wider.integer_range().is_some_and(|(low, high)| (low..=high).contains(&number))
                    })
                });
                let error = Error::new(
                    ErrorKind::InvalidValue,
                    format!("value {value} is out of range for `{self}` ({low} to {high})"),
                );
                Err(match wider {
                    Some(wider) => error.with_hint(format!("declare the attribute as `{wider}`")),
                    None => error,
                })
            }
        }
    }

    fn check_float(&self, value: Value) -> Result<Value> {
        let number = match value {
            Value::Float(number) => number,
            Value::Int(number) => number as f64,
            Value::Bool(flag) => f64::from(u8::from(flag)),
            Value::BigInt(ref number) => parse_float(&number.to_string()),
            Value::Decimal(ref decimal) => parse_float(decimal.as_str()),
            Value::Text(ref text) => text.trim().parse().map_err(|_| self.refuse(&value, "it is not a number"))?,
            other => return Err(self.wrong_type(&other)),
        };
        if *self == CoreType::Float64 {
            return Ok(Value::Float(number));
        }
        let narrow = number as f32;
        if narrow.is_infinite() && number.is_finite() {
            return Err(self.refuse(&value, "it is out of range").with_hint("declare the attribute as `float64`"));
        }
        Ok(Value::Float(parse_float(&narrow.to_string())))
    }

    fn refuse(&self, value: &Value, why: &str) -> Error {
        Error::new(ErrorKind::InvalidValue, format!("value {value} does not fit `{self}`: {why}"))
    }

    fn wrong_type(&self, value: &Value) -> Error {
        if let (Value::Array(array), CoreType::Date | CoreType::DateTime(_)) = (value, self)
            && array.shape().is_empty()
            && array.dtype().as_scalar().is_some_and(|scalar| scalar.kind == Kind::DateTime)
        {
            let why = "it is finer than a microsecond, or lies outside of the years 1 to 9999";
            return Error::new(ErrorKind::InvalidValue, format!("a time does not fit `{self}`: {why}"))
                .with_hint("round it first: `.astype('datetime64[us]')`");
        }
        Error::new(
            ErrorKind::InvalidType,
            format!("value {value} is of type {}, `{self}` needs {}", value.type_name(), self.accepts()),
        )
    }

    fn accepts(&self) -> &'static str {
        match self {
            CoreType::Int8 | CoreType::Int16 | CoreType::Int32 | CoreType::Int64 => "a whole number",
            CoreType::Float32 | CoreType::Float64 | CoreType::Decimal { .. } => "a number",
            CoreType::Bool => "True or False",
            CoreType::Uuid => "a UUID or its text",
            CoreType::Json => "what JSON can hold",
            CoreType::Bytes => "bytes",
            CoreType::Date => "a date or its text",
            CoreType::DateTime(_) => "a datetime or its text",
            CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_) => "text",
        }
    }
}

/// The only member that differs from a text in nothing but letter case.
fn member_in_other_case<'a>(members: &'a [String], text: &str) -> Option<&'a String> {
    let lower = text.to_lowercase();
    let mut found = members.iter().filter(|member| member.to_lowercase() == lower);
    found.next().filter(|_| found.next().is_none())
}

/// Reads a number that another number type printed.
fn parse_float(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

fn truncate(moment: DateTime, digits: u8) -> DateTime {
    let unit = 10i32.pow(9 - u32::from(digits.min(6)));
    let kept = moment.subsec_nanosecond() / unit * unit;
    moment.with().subsec_nanosecond(kept).build().unwrap_or(moment)
}

/// Bytes of a value that are kept as they are.
impl TryFrom<Value> for Bytes {
    type Error = Error;

    fn try_from(value: Value) -> Result<Bytes> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(CoreType::Bytes.wrong_type(&other)),
        }
    }
}

/// The integer that a 64-bit unsigned number is.
impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::integer(BigInt::from(value))
    }
}
