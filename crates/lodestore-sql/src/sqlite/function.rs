//! Functions of other databases that SQLite calls otherwise, so that common expressions work everywhere.

use lodestore_types::CoreType;

/// What to write instead of `function(arguments)`; nothing if it stands as written.
pub(super) fn translate(function: &str, arguments: &[String]) -> Option<String> {
    let name = function.to_ascii_lowercase();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.is_empty()).collect();
    Some(match (name.as_str(), &arguments[..]) {
        ("now" | "sysdate" | "current_timestamp", []) => "CURRENT_TIMESTAMP".into(),
        ("curdate" | "current_date", []) => "CURRENT_DATE".into(),
        ("curtime" | "current_time", []) => "CURRENT_TIME".into(),
        ("extract", [argument]) => {
            let (unit, from) = split_word(argument, "from")?;
            part(&unit.to_ascii_lowercase(), from)?
        }
        ("timestampdiff", [unit, from, to]) => difference(&unit.to_ascii_lowercase(), from, to)?,
        ("datediff", [to, from]) => format!("CAST(julianday(date({to})) - julianday(date({from})) AS INTEGER)"),
        ("date_add" | "adddate", [moment, interval]) => shift(moment, interval, '+')?,
        ("date_sub" | "subdate", [moment, interval]) => shift(moment, interval, '-')?,
        ("group_concat" | "string_agg", [argument]) => {
            // SQLite takes the separator before the order, and none at all beside DISTINCT.
            let (value, separator) = split_word(argument, "separator")
                .map_or((*argument, String::new()), |(value, separator)| (value, format!(", {separator}")));
            let (value, order) = split_word(value, "order")
                .map_or((value, String::new()), |(value, order)| (value, format!(" ORDER {order}")));
            format!("group_concat({value}{separator}{order})")
        }
        ("char_length" | "character_length", [text]) => format!("length({text})"),
        ("lcase", [text]) => format!("lower({text})"),
        ("ucase", [text]) => format!("upper({text})"),
        ("left", [text, length]) => format!("substr({text}, 1, {length})"),
        ("right", [text, length]) => format!("substr({text}, -({length}))"),
        ("if", [condition, yes, no]) => format!("iif({condition}, {yes}, {no})"),
        ("greatest", [_, _, ..]) => format!("max({})", arguments.join(", ")),
        ("least", [_, _, ..]) => format!("min({})", arguments.join(", ")),
        ("mod", [left, right]) => format!("(({left}) % ({right}))"),
        ("log", [value]) => format!("ln({value})"),
        ("log", [base, value]) => format!("(ln({value}) / ln({base}))"),
        // MySQL's are those of a whole population.
        ("std" | "stddev" | "stddev_pop", [value]) => format!("stddev_pop({value})"),
        ("variance" | "var_pop", [value]) => format!("var_pop({value})"),
        ("truncate", [value, digits]) => format!("(trunc(({value}) * pow(10, {digits})) / pow(10, {digits}))"),
        ("rand" | "random", []) => "(random() / 18446744073709551616.0 + 0.5)".into(),
        // SQLite's would leave NULL out.
        ("concat", [_, ..]) => {
            format!("({})", arguments.iter().map(|text| format!("({text})")).collect::<Vec<_>>().join(" || "))
        }
        ("locate", [part, text]) | ("strpos", [text, part]) => format!("instr({text}, {part})"),
        ("position", [argument]) => {
            let (part, text) = split_word(argument, "in")?;
            format!("instr({text}, {part})")
        }
        ("mid", [text, start, length]) => format!("substr({text}, {start}, {length})"),
        ("substring" | "substr", [argument]) => {
            let (text, place) = split_word(argument, "from")?;
            match split_word(place, "for") {
                Some((start, length)) => format!("substr({text}, {start}, {length})"),
                None => format!("substr({text}, {place})"),
            }
        }
        ("cast", [argument]) => {
            let (value, kind) = split_word(argument, "as")?;
            cast(value, kind)?
        }
        ("dayofweek", [moment]) => format!("(CAST(strftime('%w', {moment}) AS INTEGER) + 1)"),
        ("weekday", [moment]) => format!("((CAST(strftime('%w', {moment}) AS INTEGER) + 6) % 7)"),
        ("weekofyear", [moment]) => format!("CAST(strftime('%V', {moment}) AS INTEGER)"),
        ("quarter", [moment]) => format!("((CAST(strftime('%m', {moment}) AS INTEGER) + 2) / 3)"),
        ("dayname", [moment]) => named(&format!("strftime('%w', {moment})"), 0, DAYS),
        ("monthname", [moment]) => named(&format!("strftime('%m', {moment})"), 1, MONTHS),
        ("last_day", [moment]) => format!("date({moment}, 'start of month', '+1 month', '-1 day')"),
        ("date_format", [moment, format]) => format!("strftime({}, {moment})", date_format(format)?),
        ("timestampadd", [unit, count, moment]) => moved(moment, count, unit, '+')?,
        ("unix_timestamp", [moment]) => format!("CAST(strftime('%s', {moment}) AS INTEGER)"),
        ("json_value", [document, path]) => format!("json_extract({document}, {path})"),
        ("json_unquote", [text]) => (*text).to_owned(),
        (unit, [moment]) => part(unit, moment)?,
        _ => return None,
    })
}

/// Aggregates of decimal numbers, which are kept as text: exact, and compared and sorted as the columns are.
pub(super) fn aggregate(function: &str, argument: &str, core: &CoreType) -> Option<String> {
    let CoreType::Decimal { .. } = core else { return None };
    let name = match function {
        "sum" => "decimal_sum",
        "avg" => "decimal_avg",
        "min" | "max" => function,
        _ => return None,
    };
    // The cast lets it be compared with numbers, as a column of text is.
    Some(format!("CAST({name}({argument}) AS TEXT) COLLATE decimal"))
}

/// The two sides of a word that stands between blanks, in any letter case.
fn split_word<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_lowercase().find(&format!(" {word} "))?;
    Some((text[..at].trim(), text[at + word.len() + 2..].trim()))
}

/// One part of a moment, as a number.
fn part(unit: &str, moment: &str) -> Option<String> {
    let format = match unit {
        "year" => "%Y",
        "month" => "%m",
        "day" | "dayofmonth" => "%d",
        "hour" => "%H",
        "minute" => "%M",
        "second" => "%S",
        "dayofyear" => "%j",
        _ => return None,
    };
    Some(format!("CAST(strftime('{format}', {moment}) AS INTEGER)"))
}

/// Whole units between two moments, cut towards zero.
fn difference(unit: &str, from: &str, to: &str) -> Option<String> {
    let months = |moment: &str| format!("(strftime('%Y', {moment}) * 12 + strftime('%m', {moment}))");
    let within = |moment: &str| format!("strftime('%d %H:%M:%f', {moment})");
    let of_months = |count: u32| {
        // An unfinished month does not count, whichever way the time runs.
        format!(
            "(({0} - {1} - ({to} >= {from} AND {2} < {3}) + ({to} < {from} AND {2} > {3})) / {count})",
            months(to),
            months(from),
            within(to),
            within(from)
        )
    };
    let seconds = match unit {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        "week" => 604_800,
        "month" => return Some(of_months(1)),
        "quarter" => return Some(of_months(3)),
        "year" => return Some(of_months(12)),
        _ => return None,
    };
    Some(format!("((strftime('%s', {to}) - strftime('%s', {from})) / {seconds})"))
}

/// A moment moved by an interval such as `interval 1 day`.
fn shift(moment: &str, interval: &str, sign: char) -> Option<String> {
    let (word, rest) = interval.trim().split_once(' ')?;
    let (count, unit) = rest.trim().rsplit_once(' ')?;
    moved(moment, count, unit, sign).filter(|_| word.eq_ignore_ascii_case("interval"))
}

/// A moment moved by a number of units. A day moved by days stays one.
pub(super) fn moved(moment: &str, count: &str, unit: &str, sign: char) -> Option<String> {
    let (times, unit, is_of_days) = match unit.to_ascii_lowercase().as_str() {
        "second" => (1, "second", false),
        "minute" => (1, "minute", false),
        "hour" => (1, "hour", false),
        "day" => (1, "day", true),
        "week" => (7, "day", true),
        "month" => (1, "month", true),
        "quarter" => (3, "month", true),
        "year" => (1, "year", true),
        _ => return None,
    };
    let count = count.trim();
    let step = match count.trim_matches('\'').parse::<i64>() {
        Ok(number) if number >= 0 => format!("'{sign}{} {unit}'", number.checked_mul(times)?),
        _ => format!("(({sign}({count}) * {times}) || ' {unit}')"),
    };
    // 31 January and a month is the last of February, as elsewhere.
    let step = if matches!(unit, "month" | "year") { format!("{step}, 'floor'") } else { step };
    let whole = format!("rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', {moment}, {step}), '0'), '.')");
    Some(match is_of_days {
        true => format!("CASE WHEN length({moment}) = 10 THEN date({moment}, {step}) ELSE {whole} END"),
        false => whole,
    })
}

const DAYS: &[&str] = &["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The name that belongs to a number, of those that count from `first`.
fn named(number: &str, first: usize, names: &[&str]) -> String {
    let cases = names.iter().enumerate().map(|(place, name)| format!(" WHEN {} THEN '{name}'", place + first));
    format!("CASE CAST({number} AS INTEGER){} END", cases.collect::<String>())
}

/// A value as a type that MySQL or PostgreSQL cast to.
fn cast(value: &str, kind: &str) -> Option<String> {
    let lower = kind.to_ascii_lowercase();
    let word = lower.split([' ', '(']).next()?;
    Some(match word {
        "char" | "nchar" | "varchar" => {
            let length = lower.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
            match length {
                Some(length) => format!("substr(CAST({value} AS TEXT), 1, {length})"),
                None => format!("CAST({value} AS TEXT)"),
            }
        }
        "signed" | "unsigned" => format!("CAST({value} AS INTEGER)"),
        "double" => format!("CAST({value} AS REAL)"),
        "date" => format!("date({value})"),
        "datetime" | "timestamp" => format!("datetime({value})"),
        _ => return None,
    })
}

/// The pattern of MySQL's `date_format` in SQLite's words; nothing for what it has no word for.
fn date_format(format: &str) -> Option<String> {
    let mut pattern = String::new();
    let mut characters = format.chars();
    while let Some(c) = characters.next() {
        pattern.push(c);
        if c == '%' {
            pattern.push(match characters.next()? {
                same @ ('Y' | 'm' | 'd' | 'H' | 'S' | 'j' | 'T' | 'I' | 'p' | '%') => same,
                'i' => 'M',
                's' => 'S',
                'h' => 'I',
                _ => return None,
            });
        }
    }
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(function: &str, arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let sql = translate(function, &arguments).unwrap_or_else(|| panic!("{function}"));
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let text = format!("SELECT CAST(({sql}) AS TEXT)");
        connection.query_row(&text, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn translations_compute_the_same() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("YEAR", &["'2024-02-29'"], "2024"),
            ("extract", &["month FROM '2024-02-29'"], "2"),
            ("timestampdiff", &["DAY", "'2024-01-01'", "'2024-03-01 12:00:00'"], "60"),
            ("timestampdiff", &["day", "'2024-03-01'", "'2024-02-28'"], "-2"),
            ("timestampdiff", &["month", "'2024-01-31'", "'2024-03-30'"], "1"),
            ("timestampdiff", &["month", "'2024-03-30'", "'2024-01-31'"], "-1"),
            ("timestampdiff", &["year", "'2000-02-29'", "'2024-02-28'"], "23"),
            ("datediff", &["'2024-03-01 01:00:00'", "'2024-02-28 23:00:00'"], "2"),
            ("date_sub", &["'2024-03-01'", "interval 1 day"], "2024-02-29"),
            ("date_sub", &["'2024-03-01 06:00:00'", "interval 1 day"], "2024-02-29 06:00:00"),
            ("left", &["'abc'", "2"], "ab"),
            ("right", &["'abc'", "2"], "bc"),
            ("mod", &["7", "4"], "3"),
            ("greatest", &["1", "3", "2"], "3"),
            ("if", &["1 > 2", "'x'", "'y'"], "y"),
            ("group_concat", &["'a' separator '-'"], "a"),
            ("json_value", &["'{\"a\": 5}'", "'$.a'"], "5"),
        ];
        for (function, arguments, expected) in cases {
            assert_eq!(evaluate(function, arguments), *expected, "{function} {arguments:?}");
        }
        for (argument, expected) in [
            ("n", "3,1,3,2"),
            ("n separator '-'", "3-1-3-2"),
            ("n order by n desc", "3,3,2,1"),
            ("n order by n desc separator '-'", "3-3-2-1"),
            ("DISTINCT n ORDER BY n", "1,2,3"),
        ] {
            let sql = translate("group_concat", &[argument.to_owned()]).unwrap();
            let text = format!("WITH t(n) AS (VALUES (3), (1), (3), (2)) SELECT {sql} FROM t");
            let connection = rusqlite::Connection::open_in_memory().unwrap();
            let found: String = connection.query_row(&text, [], |row| row.get(0)).unwrap();
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(translate("upper", &["x".into()]), None);
    }
}
