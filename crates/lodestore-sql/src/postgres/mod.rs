//! PostgreSQL: each schema is a schema of one database.
//!
//! What PostgreSQL has types for is kept in them; declared types stand as markers in the comments of columns. Columns
//! that a foreign key brought have no comment, as DataJoint leaves them: what they hold is read from the column that
//! they refer to. Enums are types of their schema, named by what is in them. Lineage lies in the table `~lineage` of
//! each schema. Databases that DataJoint 2.3 made read back as they were declared, and the other way round.

mod alter;
mod catalog;
mod function;
mod journal;
mod migration;
mod query;
mod queue;
mod table;
mod types;

#[cfg(test)]
mod tests;

pub use types::text_form;

use crate::dialect::{JsonForm, JsonPath, text_literal};
use crate::heading::with_marker;
use crate::queue::{NamedLock, QueueWords};
use crate::{
    AlterScript, Alteration, Conflict, Content, Declaration, Dependency, Dialect, Heading, Journal, JournalWords,
    Lineage, ObjectColumn, Row, Statement, Swap, SwapScript,
};
use lodestore_types::{CoreType, FullTableName, Result, SchemaName, TableName, Value};

/// The dialect of PostgreSQL, 13 and later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Postgres;

impl Dialect for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn quote(&self, identifier: &str) -> String {
        format!("\"{}\"", identifier.replace('"', "\"\""))
    }

    fn table(&self, table: &FullTableName) -> String {
        format!("{}.{}", self.quote(table.schema.as_str()), self.quote(table.table.as_str()))
    }

    fn placeholder(&self, n: usize) -> String {
        format!("${n}")
    }

    fn json_path(&self, column: &str, path: &JsonPath<'_>, form: JsonForm) -> String {
        types::json_path(column, path, form)
    }

    fn json_values(&self, column: &str, path: &JsonPath<'_>, form: JsonForm) -> Result<String> {
        Ok(types::json_values(column, path, form))
    }

    fn aggregate(&self, function: &str, argument: &str, core: &CoreType) -> Option<String> {
        function::aggregate(function, argument, core)
    }

    fn operator(&self, word: &str, negated: bool) -> Option<&'static str> {
        function::operator(word, negated)
    }

    fn call(&self, function: &str, arguments: &[String]) -> Option<String> {
        function::translate(function, arguments)
    }

    fn shift(&self, moment: &str, count: &str, unit: &str, sign: char) -> Option<String> {
        function::moved(moment, count, unit, sign)
    }

    fn direction(&self, descending: bool, nullable: bool) -> &'static str {
        // Left to itself, PostgreSQL puts NULL behind everything; unsaid where there is none, so that an index serves.
        match (descending, nullable) {
            (false, false) => "",
            (false, true) => " NULLS FIRST",
            (true, false) => " DESC",
            (true, true) => " DESC NULLS LAST",
        }
    }

    fn max_parameters(&self) -> usize {
        65535
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

    fn free_cast(&self, value: &Value) -> &'static str {
        types::free_cast(value)
    }

    fn rows(&self, columns: &[CoreType], rows: &[Row]) -> Option<Statement> {
        query::rows(columns, rows)
    }

    fn prepare_database(&self) -> Vec<Statement> {
        Vec::new()
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

    fn can_reorder(&self) -> bool {
        false
    }

    fn drop_table(&self, table: &FullTableName) -> Vec<Statement> {
        table::drop_table(table)
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

    fn table_exists(&self, table: &FullTableName) -> Statement {
        catalog::table_exists(table)
    }

    fn table_size(&self, table: &FullTableName) -> Statement {
        catalog::table_size(table)
    }

    fn session(&self) -> Option<Statement> {
        Some(Statement { sql: "SELECT current_user, pg_backend_pid()".into(), parameters: Vec::new() })
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

    fn insert(&self, heading: &Heading, columns: &[&str], rows: usize, conflict: Conflict) -> Result<String> {
        query::insert(heading, columns, rows, conflict)
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

    fn named_lock(&self, name: &str) -> Option<NamedLock> {
        Some(queue::lock(name))
    }

    fn journal_words(&self) -> JournalWords {
        journal::WORDS
    }

    fn lock_rows_of(&self, table: &FullTableName) -> Option<String> {
        Some(format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", self.table(table)))
    }

    fn json_word(&self, column: &str, key: &str) -> String {
        journal::json_word(column, key)
    }

    fn path_key(&self, column: &str) -> (String, usize) {
        journal::path_key(column)
    }

    fn keep_table(&self, kept: &FullTableName, heading: &Heading) -> Result<Vec<Statement>> {
        table::keep_table(kept, heading)
    }

    fn kept_tables(&self, schema: &SchemaName) -> Statement {
        catalog::kept_tables(schema)
    }

    fn object_columns(&self, owner: &SchemaName, _schemas: &[(SchemaName, bool)]) -> Statement {
        journal::object_columns(owner)
    }

    fn mentions(&self, column: &str, content: Content, word: &str) -> String {
        journal::mentions(column, content, word)
    }

    fn restore_comment(&self, column: &ObjectColumn, declared: &str) -> String {
        let name = [&column.schema, &column.table, &column.name].map(|name| self.quote(name)).join(".");
        format!("COMMENT ON COLUMN {name} IS {}", text_literal(&with_marker(declared, "")))
    }

    fn grant(&self, column: &ObjectColumn) -> String {
        let schema = self.quote(&column.schema);
        format!("GRANT USAGE ON SCHEMA {schema} TO the_user; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO the_user")
    }

    fn server_identity(&self) -> Option<Statement> {
        let sql = "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || current_database()::text";
        Some(Statement { sql: sql.into(), parameters: Vec::new() })
    }

    /// With `synchronous_commit = off`, in whatever session.
    fn late_commits(&self) -> Option<Statement> {
        let sql = "SELECT 1 WHERE pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()";
        Some(Statement { sql: sql.into(), parameters: Vec::new() })
    }

    fn flush_commits(&self, schema: &SchemaName) -> Result<(Vec<Statement>, bool)> {
        let waits = Statement { sql: "SET LOCAL synchronous_commit TO on".into(), parameters: Vec::new() };
        Ok((vec![waits, Journal::new(self, schema).touch()?], true))
    }

    fn table_from_text(&self, text: &str) -> Option<FullTableName> {
        FullTableName::parse(text).ok()
    }

    fn told_native(&self, text: &str) -> Option<String> {
        types::told_native(text)
    }
}
