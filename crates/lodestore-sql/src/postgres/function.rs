//! Functions and operators of other databases that PostgreSQL calls otherwise, so that common expressions work
//! everywhere.

use lodestore_types::{CoreType, MEAN_DIGITS};

/// An aggregate of an attribute whose type PostgreSQL does not compute with, or not as it should.
pub(super) fn aggregate(function: &str, argument: &str, core: &CoreType) -> Option<String> {
    let (distinct, column) = match argument.get(..9) {
        Some(word) if word.eq_ignore_ascii_case("distinct ") => ("DISTINCT ", argument[9..].trim_start()),
        _ => ("", argument),
    };
    Some(match (function, core) {
        // Left to itself, PostgreSQL divides to sixteen digits in all.
        ("avg", CoreType::Decimal { scale, .. }) => {
            let digits = scale + MEAN_DIGITS;
            format!("round(sum({argument})::numeric(200, {}) / count({argument}), {digits})", digits + 4)
        }
        ("sum" | "avg", CoreType::Bool) => format!("{function}({distinct}({column})::integer)"),
        ("min", CoreType::Bool) => format!("bool_and({argument})"),
        ("max", CoreType::Bool) => format!("bool_or({argument})"),
        ("min" | "max", CoreType::Uuid) => format!("{function}({distinct}({column})::text)::uuid"),
        _ => return None,
    })
}

/// How PostgreSQL spells an operator.
pub(super) fn operator(word: &str, negated: bool) -> Option<&'static str> {
    match (word.to_ascii_lowercase().as_str(), negated) {
        ("regexp" | "rlike", false) => Some("~"),
        ("regexp" | "rlike", true) => Some("!~"),
        _ => None,
    }
}

/// What to write instead of `function(arguments)`; nothing if it stands as written.
pub(super) fn translate(function: &str, arguments: &[String]) -> Option<String> {
    let name = function.to_ascii_lowercase();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.is_empty()).collect();
    Some(match (name.as_str(), &arguments[..]) {
        ("sysdate" | "current_timestamp", []) => "CURRENT_TIMESTAMP".into(),
        ("curdate" | "current_date", []) => "CURRENT_DATE".into(),
        ("curtime" | "current_time", []) => "CURRENT_TIME".into(),
        ("timestampdiff", [unit, from, to]) => difference(&unit.to_ascii_lowercase(), from, to)?,
        ("datediff", [to, from]) => format!("(({to})::date - ({from})::date)"),
        ("date_add" | "adddate", [moment, interval]) => shift(moment, interval, '+')?,
        ("date_sub" | "subdate", [moment, interval]) => shift(moment, interval, '-')?,
        ("date", [moment]) => format!("({moment})::date"),
        ("unix_timestamp", [moment]) => format!("EXTRACT(EPOCH FROM ({moment})::timestamp)::bigint"),
        ("group_concat", [argument]) => concatenation(argument),
        ("count", [first, _, ..]) if first.to_ascii_lowercase().starts_with("distinct ") => {
            format!("count(DISTINCT ({}))", arguments.join(", ")[9..].trim_start())
        }
        ("lcase", [text]) => format!("lower({text})"),
        ("ucase", [text]) => format!("upper({text})"),
        ("if" | "iif", [condition, yes, no]) => format!("CASE WHEN {condition} THEN {yes} ELSE {no} END"),
        ("ifnull", [value, other]) => format!("COALESCE({value}, {other})"),
        ("isnull", [value]) => format!("(({value}) IS NULL)"),
        ("instr", [text, part]) => format!("strpos({text}, {part})"),
        ("rand", []) => "random()".into(),
        // Only numbers of fixed point are rounded to a number of digits.
        ("round", [value, digits]) => format!("round(({value})::numeric, {digits})"),
        ("truncate", [value, digits]) => format!("trunc(({value})::numeric, {digits})"),
        // MySQL's are those of a whole population.
        ("std" | "stddev" | "stddev_pop", [value]) => statistic("stddev_pop", value),
        ("stddev_samp", [value]) => statistic("stddev_samp", value),
        ("variance" | "var_pop", [value]) => statistic("var_pop", value),
        ("var_samp", [value]) => statistic("var_samp", value),
        ("sum" | "avg", [value]) => {
            let (distinct, value) = split_distinct(value);
            is_truth(value).then(|| format!("{name}({distinct}({value})::integer)"))?
        }
        ("sqrt" | "exp" | "ln" | "log10", [value]) => format!("{name}(({value})::double precision)"),
        ("log", [value]) => format!("ln(({value})::double precision)"),
        ("log2", [value]) => format!("(ln(({value})::double precision) / ln(2.0::double precision))"),
        ("log", [base, value]) => format!("(ln(({value})::double precision) / ln(({base})::double precision))"),
        ("pow" | "power", [base, exponent]) => {
            format!("power(({base})::double precision, ({exponent})::double precision)")
        }
        // PostgreSQL's would leave NULL out.
        ("concat", [_, ..]) => {
            format!("({})", arguments.iter().map(|text| format!("({text})::text")).collect::<Vec<_>>().join(" || "))
        }
        ("locate", [part, text]) => format!("strpos({text}, {part})"),
        ("mid", [text, start, length]) => format!("substr({text}, {start}, {length})"),
        ("lpad" | "rpad", [text, length, filler]) => format!("{name}(({text})::text, {length}, {filler})"),
        ("cast", [argument]) => {
            let (value, kind) = split_word(argument, "as")?;
            cast(value, kind)?
        }
        ("dayofweek", [moment]) => format!("(EXTRACT(DOW FROM ({moment})::timestamp)::integer + 1)"),
        ("weekday", [moment]) => format!("(EXTRACT(ISODOW FROM ({moment})::timestamp)::integer - 1)"),
        ("weekofyear", [moment]) => format!("EXTRACT(WEEK FROM ({moment})::timestamp)::integer"),
        ("dayname", [moment]) => format!("to_char(({moment})::timestamp, 'FMDay')"),
        ("monthname", [moment]) => format!("to_char(({moment})::timestamp, 'FMMonth')"),
        ("last_day", [moment]) => {
            format!("(date_trunc('month', ({moment})::timestamp) + INTERVAL '1 month - 1 day')::date")
        }
        ("date_format", [moment, format]) => {
            format!("to_char(({moment})::timestamp, {})", date_format(format)?)
        }
        ("timestampadd", [unit, count, moment]) => moved(moment, count, unit, '+')?,
        ("hex", [value]) => format!("upper(encode({value}, 'hex'))"),
        ("json_value" | "json_extract", [document, path]) => format!("(({document})::jsonb #>> {})", places(path)?),
        ("json_unquote", [text]) => (*text).to_owned(),
        (unit, [moment]) => part(unit, moment)?,
        _ => return None,
    })
}

/// The two sides of a word that stands between blanks, in any letter case.
fn split_word<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_lowercase().find(&format!(" {word} "))?;
    Some((text[..at].trim(), text[at + word.len() + 2..].trim()))
}

/// `group_concat` with its separator and order, as `string_agg`.
fn concatenation(argument: &str) -> String {
    let (value, separator) = split_word(argument, "separator").unwrap_or((argument, "','"));
    let (value, order) =
        split_word(value, "order").map_or((value, String::new()), |(value, order)| (value, format!(" ORDER {order}")));
    let distinct = value.to_ascii_lowercase().starts_with("distinct ");
    let (word, value) = if distinct { ("DISTINCT ", value[9..].trim_start()) } else { ("", value) };
    format!("string_agg({word}({value})::text, {separator}{order})")
}

/// One part of a moment, as a number.
fn part(unit: &str, moment: &str) -> Option<String> {
    let field = match unit {
        "year" | "quarter" | "month" | "day" | "hour" | "minute" => unit,
        "dayofmonth" => "day",
        "dayofyear" => "doy",
        "second" => return Some(format!("FLOOR(EXTRACT(SECOND FROM ({moment})::timestamp))::integer")),
        _ => return None,
    };
    Some(format!("EXTRACT({} FROM ({moment})::timestamp)::integer", field.to_ascii_uppercase()))
}

/// Whole units between two moments, cut towards zero.
fn difference(unit: &str, from: &str, to: &str) -> Option<String> {
    let (from, to) = (format!("({from})::timestamp"), format!("({to})::timestamp"));
    let months = |count: u32| {
        format!(
            "TRUNC((EXTRACT(YEAR FROM age({to}, {from})) * 12 + EXTRACT(MONTH FROM age({to}, {from}))) / {count})::bigint"
        )
    };
    let seconds = match unit {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        "week" => 604_800,
        "month" => return Some(months(1)),
        "quarter" => return Some(months(3)),
        "year" => return Some(months(12)),
        _ => return None,
    };
    Some(format!("TRUNC(EXTRACT(EPOCH FROM ({to} - {from})) / {seconds})::bigint"))
}

/// A statistic over floats, as on other databases, whatever the numbers are.
fn statistic(function: &str, value: &str) -> String {
    let (distinct, value) = split_distinct(value);
    format!("{function}({distinct}({value})::double precision)")
}

/// The word DISTINCT before the argument of an aggregate, and the rest.
fn split_distinct(argument: &str) -> (&'static str, &str) {
    match argument.get(..9) {
        Some(word) if word.eq_ignore_ascii_case("distinct ") => ("DISTINCT ", argument[9..].trim_start()),
        _ => ("", argument),
    }
}

/// True if an expression is a comparison or a combination of some, which PostgreSQL does not add up.
fn is_truth(expression: &str) -> bool {
    const WORDS: &[&str] = &["and", "between", "in", "is", "like", "not", "or", "xor", "exists", "ilike"];
    let (mut depth, mut cases, mut quote, mut word) = (0, 0, None, String::new());
    for c in expression.chars().chain([' ']) {
        if let Some(open) = quote {
            quote = (c != open).then_some(open);
            continue;
        }
        if c.is_alphanumeric() || c == '_' {
            word.push(c.to_ascii_lowercase());
            continue;
        }
        match std::mem::take(&mut word).as_str() {
            "case" => cases += 1,
            "end" => cases -= 1,
            found if depth == 0 && cases == 0 && WORDS.contains(&found) => return true,
            _ => {}
        }
        match c {
            '\'' | '"' => quote = Some(c),
            '(' => depth += 1,
            ')' => depth -= 1,
            '=' | '<' | '>' | '~' if depth == 0 && cases == 0 => return true,
            _ => {}
        }
    }
    // Around all of it parentheses mean nothing.
    let inside = expression.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    inside.is_some_and(|inside| !inside.contains(['(', ')']) && is_truth(inside))
}

/// A value as a type that MySQL casts to.
fn cast(value: &str, kind: &str) -> Option<String> {
    let kind = kind.to_ascii_lowercase();
    Some(match kind.split([' ', '(']).next()? {
        // Without a length PostgreSQL's has one character.
        "char" | "nchar" if !kind.contains('(') => format!("({value})::text"),
        "char" | "nchar" => format!("({value})::var{}", kind.trim_start_matches('n')),
        "signed" | "unsigned" => format!("({value})::bigint"),
        "double" => format!("({value})::double precision"),
        "datetime" => format!("({value})::timestamp"),
        _ => return None,
    })
}

/// The pattern of `date_format` in PostgreSQL's words; nothing for what it has no word for.
fn date_format(format: &str) -> Option<String> {
    let inside = format.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut pattern = String::new();
    let mut characters = inside.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            // Letters would be patterns.
            pattern.push_str(&if c.is_ascii_alphabetic() { format!("\"{c}\"") } else { c.to_string() });
            continue;
        }
        pattern.push_str(match characters.next()? {
            'Y' => "YYYY",
            'y' => "YY",
            'm' => "MM",
            'c' => "FMMM",
            'M' => "FMMonth",
            'b' => "Mon",
            'd' => "DD",
            'e' => "FMDD",
            'j' => "DDD",
            'a' => "Dy",
            'W' => "FMDay",
            'H' => "HH24",
            'h' | 'I' => "HH12",
            'i' => "MI",
            's' | 'S' => "SS",
            'f' => "US",
            'p' => "AM",
            'T' => "HH24:MI:SS",
            '%' => "%",
            _ => return None,
        });
    }
    Some(format!("'{pattern}'"))
}

/// A moment moved by an interval such as `interval 1 day`.
fn shift(moment: &str, interval: &str, sign: char) -> Option<String> {
    let (word, rest) = interval.trim().split_once(' ')?;
    let (count, unit) = rest.trim().rsplit_once(' ')?;
    moved(moment, count, unit, sign).filter(|_| word.eq_ignore_ascii_case("interval"))
}

/// A moment moved by a number of units.
pub(super) fn moved(moment: &str, count: &str, unit: &str, sign: char) -> Option<String> {
    let unit = unit.to_ascii_lowercase();
    let (times, unit) = match unit.as_str() {
        "microsecond" | "second" | "minute" | "hour" | "day" | "week" | "month" | "year" => (1, unit.as_str()),
        "quarter" => (3, "month"),
        _ => return None,
    };
    let count = count.trim();
    Some(match count.trim_matches('\'').parse::<i64>() {
        Ok(number) if number >= 0 => {
            format!("(({moment})::timestamp {sign} INTERVAL '{} {unit}')", number.checked_mul(times)?)
        }
        _ => format!("(({moment})::timestamp {sign} ({count}) * INTERVAL '{times} {unit}')"),
    })
}

/// A literal such as `'$.a.b[0]'` as an array of keys.
fn places(path: &str) -> Option<String> {
    let inner = path.strip_prefix("'$").and_then(|rest| rest.strip_suffix('\''))?;
    let parts: Vec<&str> = inner.split(['.', '[', ']']).filter(|part| !part.is_empty()).collect();
    let sound = parts.iter().all(|part| part.chars().all(|c| c.is_alphanumeric() || c == '_'));
    sound.then(|| format!("'{{{}}}'", parts.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translations_are_postgres() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("YEAR", &["\"d\""], "EXTRACT(YEAR FROM (\"d\")::timestamp)::integer"),
            ("datediff", &["a", "b"], "((a)::date - (b)::date)"),
            ("date_sub", &["d", "interval 1 day"], "((d)::timestamp - INTERVAL '1 day')"),
            ("group_concat", &["n order by n separator '-'"], "string_agg((n)::text, '-' ORDER by n)"),
            ("GROUP_CONCAT", &["distinct n"], "string_agg(DISTINCT (n)::text, ',')"),
            ("count", &["distinct a", "b"], "count(DISTINCT (a, b))"),
            ("if", &["a > 1", "'x'", "'y'"], "CASE WHEN a > 1 THEN 'x' ELSE 'y' END"),
            ("json_value", &["j", "'$.a[0].b'"], "((j)::jsonb #>> '{a,0,b}')"),
        ];
        for (function, arguments, expected) in cases {
            let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            assert_eq!(translate(function, &arguments).as_deref(), Some(*expected), "{function}");
        }
        for text in ["a = 'F'", "(a > 1)", "a in (1, 2)", "a is null", "not a", "a = 1 and b like 'x'"] {
            assert!(is_truth(text), "{text}");
        }
        for text in ["a", "case when a = 1 then 2 else 0 end", "f(a = 1)", "'a = b'", "a + (b)", "(a) - (b)"] {
            assert!(!is_truth(text), "{text}");
        }
        assert_eq!(translate("upper", &["x".into()]), None);
        assert_eq!(
            (operator("REGEXP", false), operator("rlike", true), operator("like", false)),
            (Some("~"), Some("!~"), None)
        );
    }
}
