//! Reading dates and times as people and databases write them.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

use crate::{Error, ErrorKind, Result, TimeUnit};

/// Reads `2024-02-29`, also with slashes or dots, or without separators: `20240229`.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] if the text has another form or names no day of years 1 to 9999.
pub fn parse_date(text: &str) -> Result<Date> {
    date(text.trim()).ok_or_else(|| malformed(text, "date", "YYYY-MM-DD"))
}

/// Reads `13:14`, `13:14:15` and `13:14:15.123456`.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] if the text has another form or names no time of a day.
pub fn parse_time(text: &str) -> Result<Time> {
    time(text.trim()).ok_or_else(|| malformed(text, "time", "HH:MM:SS[.ffffff]"))
}

/// Reads `2024-02-29 13:14:15.123456`, with `T` for the blank if one likes; a bare date means midnight.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] if the text has another form, a time zone, or names no moment.
pub fn parse_datetime(text: &str) -> Result<DateTime> {
    let trimmed = text.trim();
    if let Some((day, clock)) = trimmed.split_at_checked(8).filter(|_| trimmed.len() == 14 && are_digits(trimmed)) {
        let clock = format!("{}:{}:{}", &clock[..2], &clock[2..4], &clock[4..]);
        let parsed = date(day).zip(time(&clock)).map(|(day, clock)| day.to_datetime(clock));
        return parsed.ok_or_else(|| malformed(text, "datetime", "YYYYMMDDHHMMSS"));
    }
    let parsed = match trimmed.split_once([' ', 'T']) {
        Some((day, clock)) => date(day).zip(time(clock)).map(|(day, clock)| day.to_datetime(clock)),
        None => date(trimmed).map(|day| day.to_datetime(Time::midnight())),
    };
    parsed.ok_or_else(|| malformed(text, "datetime", "YYYY-MM-DD HH:MM:SS[.ffffff], without a time zone"))
}

/// A span of time as servers write it: `-30:00:00.5`; within a day, as a time of that day.
pub fn span_text(microseconds: i64) -> String {
    let (sign, size) = (if microseconds < 0 { "-" } else { "" }, microseconds.unsigned_abs());
    let (seconds, fraction) = (size / 1_000_000, size % 1_000_000);
    let fraction =
        if fraction == 0 { String::new() } else { format!(".{fraction:06}").trim_end_matches('0').to_owned() };
    format!("{sign}{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The moment so many ticks of `unit` after 1970; nothing if it is finer than a microsecond or lies
/// outside the years 1 to 9999.
pub(crate) fn since_1970(ticks: i64, unit: &TimeUnit) -> Option<DateTime> {
    let ticks = i128::from(ticks) * i128::from(unit.count);
    let months = match unit.name.as_str() {
        "Y" => Some(ticks * 12),
        "M" => Some(ticks),
        _ => None,
    };
    if let Some(months) = months {
        let year = i16::try_from(1970 + months.div_euclid(12)).ok().filter(|year| (1..=9999).contains(year))?;
        return Some(Date::new(year, months.rem_euclid(12) as i8 + 1, 1).ok()?.to_datetime(Time::midnight()));
    }
    let per_second = 1_000_000;
    let (multiple, divisor) = match unit.name.as_str() {
        "W" => (7 * 86_400 * per_second, 1),
        "D" => (86_400 * per_second, 1),
        "h" => (3_600 * per_second, 1),
        "m" => (60 * per_second, 1),
        "s" => (per_second, 1),
        "ms" => (1_000, 1),
        "us" => (1, 1),
        "ns" => (1, 1_000),
        "ps" => (1, 1_000_000),
        "fs" => (1, 1_000_000_000),
        "as" => (1, 1_000_000_000_000),
        _ => return None,
    };
    let scaled = ticks * multiple;
    if scaled % divisor != 0 {
        return None;
    }
    let micros = i64::try_from(scaled / divisor).ok()?;
    let epoch = Date::constant(1970, 1, 1).to_datetime(Time::midnight());
    let moment = epoch.checked_add(SignedDuration::from_micros(micros)).ok()?;
    (1..=9999).contains(&moment.year()).then_some(moment)
}

fn malformed(text: &str, what: &str, form: &str) -> Error {
    Error::new(ErrorKind::InvalidValue, format!("{:?} is not a {what}", crate::value::shorten(text)))
        .with_hint(format!("write it as {form}"))
}

fn date(text: &str) -> Option<Date> {
    if let (8, true) = (text.len(), are_digits(text)) {
        return date(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]));
    }
    let separator = ['-', '/', '.'].into_iter().find(|separator| text.contains(*separator))?;
    let mut parts = text.split(separator);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let year = number(year)?;
    if year == 0 { None } else { Date::new(year, number(month)?, number(day)?).ok() }
}

fn time(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9
        || (text.contains('.') && fraction.is_empty())
        || !fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let nanosecond: i32 = format!("{fraction:0<9}").parse().ok()?;
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("00"));
    if parts.next().is_some() || (!fraction.is_empty() && clock.matches(':').count() != 2) {
        return None;
    }
    Time::new(number(hour)?, number(minute)?, number(second)?, nanosecond).ok()
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number<T: std::str::FromStr>(digits: &str) -> Option<T> {
    let plain = matches!(digits.len(), 1 | 2 | 4) && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_texts_are_read() {
        assert_eq!(parse_date("2024-02-29").unwrap(), Date::constant(2024, 2, 29));
        assert_eq!(parse_date("0001-1-1").unwrap(), Date::constant(1, 1, 1));
        for text in ["2024/02/29", "2024/2/29", "2024.02.29", "20240229"] {
            assert_eq!(parse_date(text).unwrap(), Date::constant(2024, 2, 29), "{text}");
        }
        for text in ["20240229010203", "2024/2/29 1:2:3", "20240229T01:02:03"] {
            assert_eq!(parse_datetime(text).unwrap(), Date::constant(2024, 2, 29).at(1, 2, 3, 0), "{text}");
        }
        assert_eq!(parse_time("13:14").unwrap(), Time::constant(13, 14, 0, 0));
        assert_eq!(parse_time("13:14:15.25").unwrap(), Time::constant(13, 14, 15, 250_000_000));
        assert_eq!(parse_datetime("2024-02-29T01:02:03").unwrap(), Date::constant(2024, 2, 29).at(1, 2, 3, 0));
        assert_eq!(parse_datetime("2024-02-29").unwrap(), Date::constant(2024, 2, 29).at(0, 0, 0, 0));
    }

    #[test]
    fn bad_texts_are_refused() {
        for text in [
            "",
            "2024",
            "2024-02-30",
            "24-02-03",
            "2024-13-01",
            "0000-01-01",
            "2024-01-01-",
            "2024-+1-01",
            "2024-01/01",
            "20241301",
            "2024010",
        ] {
            assert!(parse_date(text).is_err(), "{text}");
        }
        for text in ["", "25:00", "12:60", "12:00:60", "12", "12:00:00.", "12:00.5", "12:00:00.1234567890"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        for text in [
            "2024-01-01 12:00:00+00:00",
            "2024-01-01T12:00:00Z",
            "2024-01-01  12:00",
            "noon",
            "20240101250000",
            "202401011200",
        ] {
            assert!(parse_datetime(text).is_err(), "{text}");
        }
    }
}
