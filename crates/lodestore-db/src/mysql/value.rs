//! How values travel to the server and back.

use ::mysql::Value as Raw;
use ::mysql::consts::ColumnType;
use lodestore_types::{Date, DateTime, Decimal, Error, ErrorKind, Result, Time, Value};

/// The number by which the protocol tells that bytes are no text.
const BINARY: u16 = 63;

/// A value on its way into a statement.
pub(super) fn bind(value: &Value) -> Result<Raw> {
    Ok(match value {
        Value::Null => Raw::NULL,
        Value::Int(number) => Raw::Int(*number),
        // The server would take it for a word.
        Value::Float(number) if !number.is_finite() => {
            return Err(unfit(&format!("{number} cannot be stored in MySQL")));
        }
        Value::Float(number) => Raw::Double(*number),
        Value::Text(text) => Raw::Bytes(text.as_bytes().to_vec()),
        Value::Decimal(number) => Raw::Bytes(number.as_str().as_bytes().to_vec()),
        Value::Bytes(bytes) => Raw::Bytes(bytes.to_vec()),
        Value::Date(date) => day(*date),
        Value::DateTime(moment) => moment_of(*moment),
        Value::Time(time) => Raw::Time(
            false,
            0,
            time.hour() as u8,
            time.minute() as u8,
            time.second() as u8,
            (time.subsec_nanosecond() / 1000) as u32,
        ),
        other => return Err(unfit(&format!("a value of type {} cannot be bound to a statement", other.type_name()))),
    })
}

pub(super) fn day(date: Date) -> Raw {
    Raw::Date(date.year() as u16, date.month() as u8, date.day() as u8, 0, 0, 0, 0)
}

pub(super) fn moment_of(moment: DateTime) -> Raw {
    Raw::Date(
        moment.year() as u16,
        moment.month() as u8,
        moment.day() as u8,
        moment.hour() as u8,
        moment.minute() as u8,
        moment.second() as u8,
        (moment.subsec_nanosecond() / 1000) as u32,
    )
}

fn unfit(message: &str) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

/// What the server says of a column of a result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    kind: ColumnType,
    text: bool,
    decimals: u8,
}

impl Meta {
    pub fn of(column: &::mysql::Column) -> Self {
        let kind = column.column_type();
        // JSON is told as binary, and is text.
        let text = column.character_set() != BINARY || kind == ColumnType::MYSQL_TYPE_JSON;
        Meta { kind, text, decimals: column.decimals() }
    }
}

/// A value on its way out of a result.
pub(super) fn read(raw: Raw, meta: Meta) -> Value {
    match raw {
        Raw::NULL => Value::Null,
        Raw::Int(number) => Value::Int(number),
        Raw::UInt(number) => Value::from(number),
        Raw::Float(number) => Value::Float(widen(number)),
        Raw::Double(number) => Value::Float(number),
        // Other programs may have left 0000-00-00, which is no day.
        Raw::Date(year, month, day, ..) if meta.kind == ColumnType::MYSQL_TYPE_DATE => {
            date(year, month, day).map_or_else(|| Value::Text(format!("{year:04}-{month:02}-{day:02}")), Value::Date)
        }
        Raw::Date(year, month, day, hour, minute, second, _) => moment(&raw).map_or_else(
            || Value::Text(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")),
            Value::DateTime,
        ),
        Raw::Time(negative, days, hours, minutes, seconds, micros) => {
            let time = clock(hours, minutes, seconds, micros).filter(|_| !negative && days == 0);
            time.map_or_else(
                || {
                    let (sign, hours) = (if negative { "-" } else { "" }, days * 24 + u32::from(hours));
                    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
                    Value::Text(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}"))
                },
                Value::Time,
            )
        }
        Raw::Bytes(bytes) if is_decimal(meta) => {
            let text = String::from_utf8_lossy(&bytes);
            // Sums of integers are decimals to the server, and whole numbers to everybody else.
            let whole = (meta.decimals == 0).then(|| text.parse().ok()).flatten().map(Value::Int);
            whole.or_else(|| text.parse::<Decimal>().ok().map(Value::Decimal)).unwrap_or_else(|| text.as_ref().into())
        }
        Raw::Bytes(bytes) if meta.text => match String::from_utf8(bytes) {
            Ok(text) => Value::Text(text),
            Err(error) => Value::from(error.into_bytes()),
        },
        Raw::Bytes(bytes) => Value::from(bytes),
    }
}

fn is_decimal(meta: Meta) -> bool {
    matches!(meta.kind, ColumnType::MYSQL_TYPE_NEWDECIMAL | ColumnType::MYSQL_TYPE_DECIMAL)
}

/// The 64-bit float that is spelled like the 32-bit one.
pub(super) fn widen(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

pub(super) fn date(year: u16, month: u8, day: u8) -> Option<Date> {
    Date::new(year as i16, month as i8, day as i8).ok().filter(|day| day.year() > 0)
}

fn clock(hour: u8, minute: u8, second: u8, micros: u32) -> Option<Time> {
    Time::new(hour as i8, minute as i8, second as i8, micros as i32 * 1000).ok()
}

/// The moment that the server tells; nothing if it is none, such as 0000-00-00 00:00:00.
pub(super) fn moment(raw: &Raw) -> Option<DateTime> {
    let Raw::Date(year, month, day, hour, minute, second, micros) = raw else { return None };
    let (date, time) = (date(*year, *month, *day)?, clock(*hour, *minute, *second, *micros)?);
    Some(DateTime::from_parts(date, time))
}
