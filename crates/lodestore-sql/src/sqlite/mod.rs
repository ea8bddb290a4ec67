//! SQLite: all schemas in one file, each table named `schema.table`.
//!
//! Foreign keys cross schemas because to SQLite there is only one. What SQLite has no types for is kept honest by
//! `CHECK` constraints; what it cannot hold (declared types, comments, lineage) lives in hidden tables: `~schemas`,
//! and for each schema `schema.~comments` and `schema.~lineage`.
//!
//! The connection must register the collation `decimal` as [`compare_decimals`] and the aggregate functions `decimal_sum`
//! and `decimal_avg` as those of [`DecimalSum`](lodestore_types::DecimalSum), the function `lodestore_convert` (value, type
//! from, type to) as [`convert_stored`], switch `foreign_keys` on, and switch off
//! SQLite's habit of taking unknown names in double quotes for text (`SQLITE_DBCONFIG_DQS_DML`): else a misspelt name
//! would be a constant instead of an error.

mod alter;
mod catalog;
mod function;
mod journal;
mod json;
mod migration;
mod query;
mod queue;
mod table;
mod types;

#[cfg(test)]
pub(crate) mod tests;

pub use alter::convert_stored;
pub use types::compare_decimals;

use crate::dialect::{JsonForm, JsonPath, text_literal};
use crate::heading::with_marker;
use crate::queue::QueueWords;
use crate::{
    AlterScript, Alteration, Attribute, Conflict, Content, Declaration, Dependency, Dialect, Heading, JournalWords,
    Lineage, ObjectColumn, Row, Statement, Swap, SwapScript,
};
use lodestore_types::{CoreType, FullTableName, Result, SchemaName, TableName, Value};

/// The dialect of SQLite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sqlite;

/// The version of the layout of the hidden tables.
pub const FORMAT_VERSION: i64 = 1;

impl Dialect for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn quote(&self, identifier: &str) -> String {
        format!("\"{}\"", identifier.replace('"', "\"\""))
    }

    fn table(&self, table: &FullTableName) -> String {
        self.quote(&table.to_string())
    }

    fn placeholder(&self, n: usize) -> String {
        format!("?{n}")
    }

    fn json_path(&self, column: &str, path: &JsonPath<'_>, form: JsonForm) -> String {
        json::path(column, path, form)
    }

    fn json_values(&self, column: &str, path: &JsonPath<'_>, form: JsonForm) -> Result<String> {
        Ok(json::values(column, path, form))
    }

    fn call(&self, function: &str, arguments: &[String]) -> Option<String> {
        function::translate(function, arguments)
    }

    fn aggregate(&self, function: &str, argument: &str, core: &CoreType) -> Option<String> {
        function::aggregate(function, argument, core)
    }

    fn shift(&self, moment: &str, count: &str, unit: &str, sign: char) -> Option<String> {
        function::moved(moment, count, unit, sign)
    }

    fn order_by(&self, column: &str, core: &CoreType) -> Option<String> {
        types::order_by(column, core)
    }

    fn max_parameters(&self) -> usize {
        32766
    }

    fn encode(&self, value: Value, core: &CoreType) -> Result<Value> {
        types::encode(value, core)
    }

    fn decode(&self, value: Value, core: &CoreType) -> Result<Value> {
        types::decode(value, core)
    }

    fn encode_free(&self, value: Value) -> Result<Value> {
        types::encode_free(value)
    }

    fn rows(&self, columns: &[CoreType], rows: &[Row]) -> Option<Statement> {
        query::rows(columns.len(), rows)
    }

    fn lists_rows(&self) -> bool {
        false
    }

    fn prepare_database(&self) -> Vec<Statement> {
        table::prepare_database()
    }

    fn create_schema(&self, schema: &SchemaName) -> Vec<Statement> {
        table::create_schema(schema)
    }

    fn drop_schema(&self, schema: &SchemaName) -> Vec<Statement> {
        table::drop_schema(schema)
    }

    fn schema_exists(&self, schema: &SchemaName) -> Statement {
        catalog::schema_exists(schema)
    }

    fn schema_format(&self, schema: &SchemaName) -> Option<Statement> {
        Some(catalog::schema_exists(schema))
    }

    fn format_version(&self) -> i64 {
        FORMAT_VERSION
    }

    fn list_schemas(&self) -> Statement {
        catalog::list_schemas()
    }

    fn list_tables(&self, schema: &SchemaName) -> Statement {
        catalog::list_tables(schema)
    }

    fn declare(&self, declaration: &Declaration) -> Result<Vec<Statement>> {
        table::declare(declaration)
    }

    fn alter(&self, alteration: &Alteration) -> Result<AlterScript> {
        alter::alter(alteration)
    }

    fn catalog_version(&self) -> Option<Statement> {
        Some(catalog::version())
    }

    fn drop_table(&self, table: &FullTableName) -> Vec<Statement> {
        table::drop_table(table)
    }

    fn table_exists(&self, table: &FullTableName) -> Statement {
        catalog::table_exists(table)
    }

    fn table_size(&self, table: &FullTableName) -> Statement {
        catalog::table_size(table)
    }

    fn heading_queries(&self, table: &FullTableName) -> Vec<Statement> {
        catalog::heading_queries(table)
    }

    fn read_heading(
        &self,
        table: &FullTableName,
        results: &[Vec<Row>],
        codec: &dyn Fn(&str) -> Result<CoreType>,
    ) -> Result<Option<Heading>> {
        catalog::read_heading(table, results, codec)
    }

    fn outline_queries(&self, schema: &SchemaName) -> [Statement; 2] {
        catalog::outline_queries(schema)
    }

    fn dependencies(&self, schema: Option<&SchemaName>) -> Statement {
        catalog::dependencies(schema)
    }

    fn referring_schemas(&self, schema: &SchemaName) -> Statement {
        catalog::referring_schemas(schema)
    }

    fn read_dependencies(&self, rows: &[Row]) -> Result<Vec<Dependency>> {
        catalog::read_dependencies(rows)
    }

    fn lineage_exists(&self, schema: &SchemaName) -> Statement {
        catalog::lineage_exists(schema)
    }

    fn lineage(&self, schema: &SchemaName) -> Statement {
        catalog::lineage(schema)
    }

    fn replace_lineage(&self, schema: &SchemaName, rows: &[(TableName, String, Lineage)]) -> Vec<Statement> {
        table::replace_lineage(schema, rows)
    }

    fn insert(&self, heading: &Heading, columns: &[&str], rows: usize, conflict: Conflict) -> Result<String> {
        query::insert(heading, columns, rows, conflict)
    }

    /// SQLite takes no DEFAULT in an update.
    fn default_value(&self, attribute: &Attribute) -> Result<String> {
        match &attribute.default {
            Some(default) => types::default_sql(default, &attribute.kind.core),
            None => Ok("NULL".to_owned()),
        }
    }

    fn insert_from(
        &self,
        heading: &Heading,
        columns: &[&str],
        query: &str,
        conflict: Conflict,
    ) -> Result<Option<String>> {
        query::insert_from(heading, columns, query, conflict).map(Some)
    }

    fn swap(&self, swap: &Swap<'_>) -> Result<SwapScript> {
        migration::swap(swap)
    }

    fn retype(&self, swap: &Swap<'_>) -> Result<Vec<Statement>> {
        Ok(migration::retype(swap))
    }

    fn queue(&self) -> QueueWords {
        queue::WORDS
    }

    fn moment(&self, seconds: f64) -> String {
        queue::moment(seconds)
    }

    fn journal_words(&self) -> JournalWords {
        journal::WORDS
    }

    fn json_word(&self, column: &str, key: &str) -> String {
        journal::json_word(column, key)
    }

    fn keep_table(&self, kept: &FullTableName, heading: &Heading) -> Result<Vec<Statement>> {
        Ok(table::keep_table(kept, heading))
    }

    fn kept_tables(&self, schema: &SchemaName) -> Statement {
        catalog::kept_tables(schema)
    }

    /// What the registry lost is found by its tables.
    fn schemas_with_tables(&self) -> Statement {
        let sql = "SELECT s, max(t = '~comments') FROM (SELECT substr(name, 1, instr(name, '.') - 1) s, substr(name, instr(name, \
                   '.') + 1) t FROM sqlite_schema WHERE type = 'table' AND instr(name, '.') > 1) GROUP BY s";
        Statement { sql: sql.to_owned(), parameters: Vec::new() }
    }

    fn object_columns(&self, _owner: &SchemaName, schemas: &[(SchemaName, bool)]) -> Statement {
        journal::object_columns(schemas)
    }

    fn mentions(&self, column: &str, content: Content, word: &str) -> String {
        journal::mentions(column, content, word)
    }

    fn restore_comment(&self, column: &ObjectColumn, declared: &str) -> String {
        let values =
            [&column.table, &column.name, &with_marker(declared, "")].map(|text| text_literal(text)).join(", ");
        format!("INSERT OR REPLACE INTO \"{}.~comments\" VALUES ({values})", column.schema)
    }

    fn table_from_text(&self, text: &str) -> Option<FullTableName> {
        FullTableName::parse(text).ok()
    }
}
