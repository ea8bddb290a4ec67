//! What SQLite lacks and every connection brings along.

use lodestore_sql::sqlite::compare_decimals;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Error};

/// Registers the collation `decimal`, which orders decimal numbers kept as text, and the operator
/// `REGEXP`.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation(c"decimal", compare_decimals)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(c"regexp", 2, flags, |context| {
        let pattern = context.get_or_create_aux(0, |pattern| {
            regex_lite::Regex::new(pattern.as_str()?).map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        })?;
        Ok(context
            .get_raw(1)
            .as_str_or_null()
            .map_err(|error| Error::UserFunctionError(error.into()))?
            .map(|text| pattern.is_match(text)))
    })
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
    }
}
