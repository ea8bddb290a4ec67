//! What SQLite lacks and every connection brings along.

use lodestore_sql::sqlite::{compare_decimals, convert_stored};
use lodestore_types::{CoreType, DecimalSum, ErrorKind};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

use super::value::{Given, read};

/// Registers what decimal numbers kept as text need: the collation `decimal`, which orders them, and the aggregates
/// `decimal_sum` and `decimal_avg`. And the operator `REGEXP`, and `lodestore_convert`, which brings a column to another
/// core type.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation(c"decimal", compare_decimals)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_aggregate_function(c"decimal_sum", 1, flags, Decimals(|sum| Some(sum.total())))?;
    connection.create_aggregate_function(c"decimal_avg", 1, flags, Decimals(DecimalSum::mean))?;
    connection.create_aggregate_function(c"decimal_sum", 1, flags, Decimals(|sum| Some(sum.total())))?;
    connection.create_aggregate_function(c"decimal_avg", 1, flags, Decimals(DecimalSum::mean))?;
    for (name, finish) in STATISTICS {
        connection.create_aggregate_function(*name, 1, flags, Spread(*finish))?;
    }
    for (name, left) in [(c"lpad", true), (c"rpad", false)] {
        connection.create_scalar_function(name, 3, flags, move |context| {
            let (Some(text), Some(length), Some(filler)) =
                (text_of(context.get_raw(0)), context.get::<Option<u32>>(1)?, text_of(context.get_raw(2)))
            else {
                return Ok(None);
            };
            let length = length as usize;
            let missing = length.saturating_sub(text.chars().count());
            let padding: String = filler.chars().cycle().take(missing).collect();
            let text: String = text.chars().take(length).collect();
            Ok(Some(if left { padding + &text } else { text + &padding }))
        })?;
    }
    connection.create_scalar_function(c"reverse", 1, flags, |context| {
        Ok(text_of(context.get_raw(0)).map(|text| text.chars().rev().collect::<String>()))
    })?;
    connection.create_scalar_function(c"repeat", 2, flags, |context| {
        let (text, times) = (text_of(context.get_raw(0)), context.get::<Option<i64>>(1)?);
        Ok(text.zip(times).map(|(text, times)| text.repeat(usize::try_from(times).unwrap_or(0))))
    })?;
    connection.create_scalar_function(c"regexp", 2, flags, |context| {
        let pattern = context.get_or_create_aux(0, |pattern| {
            regex_lite::Regex::new(pattern.as_str()?).map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        })?;
        Ok(context
            .get_raw(1)
            .as_str_or_null()
            .map_err(|error| Error::UserFunctionError(error.into()))?
            .map(|text| pattern.is_match(text)))
    })?;
    connection.create_scalar_function(c"lodestore_convert", 3, flags, |context| {
        let from = core_type(context, 1)?;
        let to = core_type(context, 2)?;
        let converted = convert_stored(read(context.get_raw(0)), &from, &to);
        converted.map(Given).map_err(|error| Error::UserFunctionError(error.into()))
    })
}

/// A cell as text; nothing for NULL.
fn text_of(cell: ValueRef<'_>) -> Option<String> {
    match cell {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => Some(String::from_utf8_lossy(text).into_owned()),
    }
}

/// The spread of numbers: how many there were, their mean, and the sum of the squares of what they differ from it.
type Moments = (f64, f64, f64);

/// Computes a statistic from the moments of a group.
type Statistic = fn(Moments) -> Option<f64>;

/// An aggregate function for the spread of the numbers of a group. NULLs do not count.
struct Spread(Statistic);

const STATISTICS: &[(&std::ffi::CStr, Statistic)] = &[
    (c"var_pop", |(count, _, squares)| (count > 0.0).then(|| squares / count)),
    (c"var_samp", |(count, _, squares)| (count > 1.0).then(|| squares / (count - 1.0))),
    (c"stddev_pop", |(count, _, squares)| (count > 0.0).then(|| (squares / count).sqrt())),
    (c"stddev_samp", |(count, _, squares)| (count > 1.0).then(|| (squares / (count - 1.0)).sqrt())),
];

impl Aggregate<Moments, Option<f64>> for Spread {
    fn init(&self, _context: &mut Context<'_>) -> rusqlite::Result<Moments> {
        Ok((0.0, 0.0, 0.0))
    }

    fn step(&self, context: &mut Context<'_>, (count, mean, squares): &mut Moments) -> rusqlite::Result<()> {
        let number = match context.get_raw(0) {
            ValueRef::Null => return Ok(()),
            ValueRef::Integer(number) => number as f64,
            ValueRef::Real(number) => number,
            // Decimal numbers are kept as text.
            ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0),
            ValueRef::Blob(_) => return Err(Error::UserFunctionError("bytes are no number".into())),
        };
        *count += 1.0;
        let distance = number - *mean;
        *mean += distance / *count;
        *squares += distance * (number - *mean);
        Ok(())
    }

    fn finalize(&self, _context: &mut Context<'_>, moments: Option<Moments>) -> rusqlite::Result<Option<f64>> {
        Ok(moments.and_then(self.0))
    }
}

/// The core type that an argument names; it is read once for a statement.
fn core_type(context: &Context<'_>, argument: std::ffi::c_int) -> rusqlite::Result<std::sync::Arc<CoreType>> {
    context.get_or_create_aux(argument, |text| {
        let text = text.as_str()?;
        let core = CoreType::parse(text)?;
        core.ok_or_else(|| {
            let error = lodestore_types::Error::new(ErrorKind::Internal, format!("`{text}` is no core type"));
            Box::<dyn std::error::Error + Send + Sync>::from(error)
        })
    })
}

/// What is told of the decimal numbers of a group in the end. NULLs do not count.
struct Decimals(fn(&DecimalSum) -> Option<String>);

impl Aggregate<Option<DecimalSum>, Option<String>> for Decimals {
    fn init(&self, _context: &mut Context<'_>) -> rusqlite::Result<Option<DecimalSum>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Option<DecimalSum>) -> rusqlite::Result<()> {
        let added = match context.get_raw(0) {
            ValueRef::Null => return Ok(()),
            ValueRef::Integer(number) => sum.get_or_insert_default().add(&number.to_string()),
            ValueRef::Text(text) => {
                std::str::from_utf8(text).ok().and_then(|text| sum.get_or_insert_default().add(text))
            }
            ValueRef::Real(_) | ValueRef::Blob(_) => None,
        };
        added.ok_or_else(|| Error::UserFunctionError("a value is no decimal number in fixed point".into()))
    }

    fn finalize(
        &self,
        _context: &mut Context<'_>,
        sum: Option<Option<DecimalSum>>,
    ) -> rusqlite::Result<Option<String>> {
        Ok(sum.flatten().as_ref().and_then(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regexp_and_collation_work_in_sql() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<bool>>(0));
        assert_eq!(ask("SELECT 'subject_12' REGEXP '^sub.*[0-9]+$'").unwrap(), Some(true));
        assert_eq!(ask("SELECT NULL REGEXP 'x'").unwrap(), None);
        assert!(ask("SELECT 'x' REGEXP '('").is_err());
        connection
            .execute_batch("CREATE TABLE t (d TEXT COLLATE decimal) STRICT; INSERT INTO t VALUES ('10.00')")
            .unwrap();
        assert_eq!(ask("SELECT d > 9 FROM t").unwrap(), Some(true));
        connection.execute_batch("INSERT INTO t VALUES ('0.10'), (NULL), ('10.0')").unwrap();
        for (sql, expected) in [
            ("decimal_sum(d) FROM t", Some("20.10")),
            ("decimal_sum(DISTINCT d) FROM t", Some("10.10")),
            ("decimal_avg(d) FROM t", Some("6.700000")),
            ("decimal_avg(d) FROM t WHERE d IS NULL", None),
            ("decimal_sum(d) FROM t WHERE 0", None),
        ] {
            let found = connection.query_row(&format!("SELECT {sql}"), [], |row| row.get::<_, Option<String>>(0));
            assert_eq!(found.unwrap().as_deref(), expected, "{sql}");
        }
        assert!(ask("SELECT decimal_sum(1.5)").is_err() && ask("SELECT decimal_sum('x')").is_err());
    }

    #[test]
    fn columns_are_brought_to_other_types() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<String>>(0));
        assert_eq!(ask("SELECT lodestore_convert(5, 'int8', 'decimal(5,2)')").unwrap().as_deref(), Some("5.00"));
        assert_eq!(ask("SELECT lodestore_convert(NULL, 'int8', 'uuid')").unwrap(), None);
        let error = ask("SELECT lodestore_convert('1.50', 'decimal(5,2)', 'int32')").unwrap_err();
        assert!(error.to_string().contains("whole number"), "{error}");
    }
}
