//! Days and moments as numbers, as columns of a result and Arrow count them.

use jiff::civil::{Date, DateTime, Time};

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// The days from 1970-01-01 to a day.
pub fn days_from_date(day: Date) -> i32 {
    days(i32::from(day.year()), day.month() as u32, day.day() as u32)
}

/// The day so many days after 1970-01-01; `None` outside of years -9999 to 9999.
pub fn date_from_days(days: i32) -> Option<Date> {
    // Counted in eras of 400 years, which begin in March so that leap days come last.
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Date::new(i16::try_from(year).ok()?, month as i8, day as i8).ok()
}

/// The microseconds from 1970-01-01 00:00 to a moment.
pub fn microseconds_from_datetime(moment: DateTime) -> i64 {
    let clock = moment.time();
    let seconds = i64::from(clock.hour()) * 3600 + i64::from(clock.minute()) * 60 + i64::from(clock.second());
    i64::from(days_from_date(moment.date())) * MICROSECONDS_A_DAY
        + seconds * 1_000_000
        + i64::from(clock.subsec_nanosecond()) / 1000
}

/// The moment so many microseconds after 1970-01-01 00:00; `None` outside of years -9999 to 9999.
pub fn datetime_from_microseconds(microseconds: i64) -> Option<DateTime> {
    let day = date_from_days(i32::try_from(microseconds.div_euclid(MICROSECONDS_A_DAY)).ok()?)?;
    let rest = microseconds.rem_euclid(MICROSECONDS_A_DAY);
    let second = rest / 1_000_000;
    let clock = Time::new(
        (second / 3600) as i8,
        (second / 60 % 60) as i8,
        (second % 60) as i8,
        (rest % 1_000_000 * 1000) as i32,
    );
    Some(DateTime::from_parts(day, clock.ok()?))
}

/// Reads `2024-02-29` as days, fast; `None` for any other form and for days that do not exist.
pub fn days_from_text(text: &[u8]) -> Option<i32> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = text else { return None };
    let year = number(&[a, b, c, d])? as i32;
    let (month, day) = (number(&[e, f])?, number(&[g, h])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    (year > 0 && (1..=last).contains(&day)).then(|| days(year, month, day))
}

/// Reads `2024-02-29 13:14:15.123456` as microseconds, fast; `None` for any other form.
pub fn microseconds_from_text(text: &[u8]) -> Option<i64> {
    let (day, clock) = text.split_at_checked(10)?;
    let days = days_from_text(day)?;
    let (whole, fraction) = clock.split_at_checked(9)?;
    let &[b' ' | b'T', a, b, b':', c, d, b':', e, f] = whole else { return None };
    let (hour, minute, second) = (number(&[a, b])?, number(&[c, d])?, number(&[e, f])?);
    let microsecond = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => number(digits)? * 10u32.pow(6 - digits.len() as u32),
        _ => return None,
    };
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    let sound = hour < 24 && minute < 60 && second < 60;
    sound.then(|| i64::from(days) * MICROSECONDS_A_DAY + seconds * 1_000_000 + i64::from(microsecond))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

fn days(year: i32, month: u32, day: u32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 } as i32;
    let day_of_year = (153 * shifted_month + 2) / 5 + day as i32 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_counted() {
        assert_eq!(days_from_date(Date::constant(1970, 1, 1)), 0);
        assert_eq!(days_from_date(Date::constant(2000, 3, 1)), 11_017);
        let mut day = Date::constant(1, 1, 1);
        let first = days_from_date(day);
        for number in first..=days_from_date(Date::constant(9999, 12, 31)) {
            assert_eq!(date_from_days(number), Some(day));
            assert_eq!(days_from_text(day.to_string().as_bytes()), Some(number));
            day = day.tomorrow().unwrap_or(day);
        }
        assert_eq!(date_from_days(i32::MAX), None);
    }

    #[test]
    fn moments_come_back() {
        for text in ["1969-12-31 23:59:59.999999", "2024-02-29 00:00:00", "0001-01-01 01:02:03.5"] {
            let moment = crate::parse_datetime(text).unwrap();
            let number = microseconds_from_text(text.as_bytes()).unwrap();
            assert_eq!(microseconds_from_datetime(moment), number, "{text}");
            assert_eq!(datetime_from_microseconds(number), Some(moment), "{text}");
        }
    }

    #[test]
    fn other_forms_are_left_to_others() {
        for text in ["2024-2-29", "2023-02-29", "0000-01-01", "2024-13-01", "2024-01-00", "20240101xx", ""] {
            assert_eq!(days_from_text(text.as_bytes()), None, "{text}");
        }
        for text in ["2024-01-01", "2024-01-01 24:00:00", "2024-01-01 00:00:00.", "2024-01-01 00:00:00.1234567"] {
            assert_eq!(microseconds_from_text(text.as_bytes()), None, "{text}");
        }
    }
}
