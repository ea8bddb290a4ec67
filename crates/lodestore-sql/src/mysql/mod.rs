//! MySQL and MariaDB: each schema is a database of the server, and tables are named as the peer names them.
//!
//! What is sent is what DataJoint sends, so that both programs share one database: the same column types, the declared
//! type in front of each column's comment (`:varchar(20):the comment`), the origin of attributes in `~lineage`. MySQL
//! and MariaDB part ways in a few places (how JSON is asked, how an upsert names the new row, how indexes tell of
//! expressions), which [`Server`] tells apart.
//!
//! The connection must speak utf8mb4 and set [`SQL_MODE`]: without `STRICT_ALL_TABLES` the server cuts values to fit
//! instead of refusing them, and literals are written for a server that reads backslashes in them.

mod alter;
mod catalog;
mod function;
mod journal;
mod migration;
mod query;
mod queue;
mod scratch;
mod table;
mod types;

#[cfg(test)]
mod tests;

use crate::dialect::{JsonForm, JsonPath};
use crate::heading::with_marker;
use crate::queue::{NamedLock, QueueWords};
use crate::{
    AlterScript, Alteration, Conflict, Content, Declaration, Dependency, Dialect, Heading, JournalWords, Lineage,
    ObjectColumn, Row, Statement, Swap, SwapScript,
};
use lodestore_types::{CoreType, FullTableName, Result, SchemaName, TableName, Value};

/// The `sql_mode` of a session, which is also DataJoint's.
pub const SQL_MODE: &str = "NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,STRICT_ALL_TABLES,\
                            NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY";

/// The dialect of MySQL and MariaDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mysql {
    /// Which of the two.
    pub server: Server,
}

/// The two servers that speak the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// MySQL 8 and later.
    Mysql,
    /// MariaDB 10.6 and later.
    Mariadb,
}

impl Mysql {
    /// The dialect of the server that answers `SELECT VERSION()` with this. The version in the handshake does not tell:
    /// MariaDB calls itself 5.5.5 there.
    pub fn of_version(version: &str) -> Self {
        let maria = version.to_ascii_lowercase().contains("maria");
        Mysql { server: if maria { Server::Mariadb } else { Server::Mysql } }
    }
}

impl Dialect for Mysql {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn quote(&self, identifier: &str) -> String {
        table::quote(identifier)
    }

    fn table(&self, table: &FullTableName) -> String {
        table::name(table)
    }

    fn literal(&self, text: &str) -> String {
        types::literal(text)
    }

    fn call(&self, function: &str, arguments: &[String]) -> Option<String> {
        function::translate(function, arguments)
    }

    fn placeholder(&self, _n: usize) -> String {
        "?".to_owned()
    }

    fn json_path(&self, column: &str, path: &JsonPath<'_>, form: JsonForm) -> String {
        types::json_path(self.server, column, path, form)
    }

    fn json_values(&self, column: &str, path: &JsonPath<'_>, form: JsonForm) -> Result<String> {
        Ok(types::json_values(self.server, column, path, form))
    }

    fn max_parameters(&self) -> usize {
        65535
    }

    fn encode(&self, value: Value, core: &CoreType) -> Result<Value> {
        types::encode(self.server, value, core)
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

    fn deletes_what_it_reads(&self) -> bool {
        false
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
        table::declare(self.server, declaration)
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

    fn alter(&self, alteration: &Alteration) -> Result<AlterScript> {
        alter::alter(self.server, alteration)
    }

    fn undo_declare(&self, table: &FullTableName) -> Vec<Statement> {
        vec![table::forget_lost_lineage(table)]
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

    fn session(&self) -> Option<Statement> {
        Some(Statement { sql: "SELECT USER(), CONNECTION_ID()".into(), parameters: Vec::new() })
    }

    fn heading_queries(&self, table: &FullTableName) -> Vec<Statement> {
        catalog::heading_queries(self.server, table)
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
        query::insert(self.server, heading, columns, rows, conflict)
    }

    fn scratch(&self, table: &FullTableName, number: usize) -> String {
        scratch::scratch(table, number)
    }

    fn make_scratch(&self, scratch: &str, table: &FullTableName, columns: &[String], key: usize) -> Vec<Statement> {
        scratch::make(scratch, table, columns, key)
    }

    fn fill_scratch(&self, scratch: &str, query: Statement) -> Statement {
        scratch::fill(scratch, query)
    }

    fn drop_scratch(&self, scratch: &str) -> Statement {
        scratch::drop(scratch)
    }

    fn delete_by_scratch(
        &self,
        table: &FullTableName,
        columns: &[String],
        scratch: &str,
        scratch_columns: &[String],
    ) -> Statement {
        scratch::delete(table, columns, scratch, scratch_columns)
    }

    fn same(&self, left: &str, right: &str) -> String {
        format!("({left} <=> {right})")
    }

    fn update_joined(&self, table: &str, other: &str, values: &[(&str, &str)], condition: &str) -> String {
        let set: Vec<String> = values.iter().map(|(column, value)| format!("{table}.{column} = {value}")).collect();
        format!("UPDATE {table} JOIN {other} ON {condition} SET {}", set.join(", "))
    }

    fn swap(&self, swap: &Swap<'_>) -> Result<SwapScript> {
        migration::swap(self.server, swap)
    }

    fn retype(&self, swap: &Swap<'_>) -> Result<Vec<Statement>> {
        migration::retype(self.server, swap)
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

    fn late_commits(&self) -> Option<Statement> {
        let sql = "SELECT 1 FROM (SELECT 1 AS one) one WHERE @@global.innodb_flush_log_at_trx_commit <> 1";
        Some(Statement { sql: sql.into(), parameters: Vec::new() })
    }

    fn flush_commits(&self, _schema: &SchemaName) -> Result<(Vec<Statement>, bool)> {
        Ok((vec![Statement { sql: "FLUSH LOCAL ENGINE LOGS".into(), parameters: Vec::new() }], false))
    }

    fn journal_words(&self) -> JournalWords {
        journal::WORDS
    }

    fn json_word(&self, column: &str, key: &str) -> String {
        journal::json_word(column, key)
    }

    fn keep_table(&self, kept: &FullTableName, heading: &Heading) -> Result<Vec<Statement>> {
        table::keep_table(kept, heading)
    }

    fn kept_tables(&self, schema: &SchemaName) -> Statement {
        catalog::kept_tables(schema)
    }

    fn object_columns(&self, _owner: &SchemaName, _schemas: &[(SchemaName, bool)]) -> Statement {
        journal::object_columns()
    }

    fn mentions(&self, column: &str, content: Content, word: &str) -> String {
        journal::mentions(column, content, word)
    }

    fn views(&self) -> Option<Statement> {
        Some(journal::views())
    }

    fn restore_comment(&self, column: &ObjectColumn, declared: &str) -> String {
        // MariaDB keeps JSON as text.
        let storage = match declared.contains('@') {
            true => column.storage.replacen("longtext", "json", 1),
            false => column.storage.clone(),
        };
        format!(
            "ALTER TABLE {}.{} MODIFY {} {storage} COMMENT {}",
            self.quote(&column.schema),
            self.quote(&column.table),
            self.quote(&column.name),
            types::comment_literal(&with_marker(declared, ""))
        )
    }

    fn rows_without_index(&self, schema: &SchemaName) -> Option<Statement> {
        Some(journal::rows_of_coded(schema))
    }

    fn rights(&self) -> Option<Statement> {
        Some(journal::rights())
    }

    fn missing_right(&self, rights: &[Row], schemas: &[SchemaName]) -> Option<String> {
        journal::missing_right(rights, schemas)
    }

    fn table_from_text(&self, text: &str) -> Option<FullTableName> {
        FullTableName::parse(&text.replace('`', "")).ok()
    }
}
