//! An SQLite database in memory, as a connection sets it up.

use std::sync::Arc;

use lodestore_sql::definition::Reference;
use lodestore_sql::sqlite::compare_decimals;
use lodestore_sql::{
    Conflict, Declaration, DeclareOptions, Dialect, Heading, Resolver, Row, Sqlite, Statement, declare,
};
use lodestore_types::{CoreType, DecimalSum, Error, ErrorKind, FullTableName, Result, SchemaName, Value};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, params_from_iter};

pub struct Database(Connection);

/// `decimal_sum`, the one aggregate of a connection that these tests need.
struct Sum;

impl Aggregate<Option<DecimalSum>, Option<String>> for Sum {
    fn init(&self, _context: &mut Context<'_>) -> rusqlite::Result<Option<DecimalSum>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Option<DecimalSum>) -> rusqlite::Result<()> {
        if let Some(number) = context.get::<Option<String>>(0)? {
            sum.get_or_insert_default().add(&number).unwrap();
        }
        Ok(())
    }

    fn finalize(
        &self,
        _context: &mut Context<'_>,
        sum: Option<Option<DecimalSum>>,
    ) -> rusqlite::Result<Option<String>> {
        Ok(sum.flatten().map(|sum| sum.total()))
    }
}

fn to_sql(value: &Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Int(number) => Sql::Integer(*number),
        Value::Float(number) => Sql::Real(*number),
        Value::Text(text) => Sql::Text(text.clone()),
        Value::Bytes(bytes) => Sql::Blob(bytes.to_vec()),
        other => panic!("{other} is not in stored form"),
    }
}

fn to_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap().into(),
        ValueRef::Blob(bytes) => bytes.to_vec().into(),
    }
}

pub fn codecs(text: &str) -> Result<CoreType> {
    match text {
        "<blob>" => Ok(CoreType::Bytes),
        _ => Err(Error::new(ErrorKind::UnknownCodec, format!("no codec {text}"))),
    }
}

impl Database {
    pub fn new(schema: &str) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        connection.create_collation("decimal", compare_decimals).unwrap();
        connection.create_aggregate_function("decimal_sum", 1, FunctionFlags::SQLITE_UTF8, Sum).unwrap();
        connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DQS_DML, false).unwrap();
        let database = Database(connection);
        for statement in Sqlite.create_schema(&SchemaName::new(schema).unwrap()) {
            database.query(&statement).unwrap();
        }
        database
    }

    /// All rows, or what the database says against it.
    pub fn query(&self, statement: &Statement) -> Result<Vec<Row>, String> {
        let run = || {
            let mut prepared = self.0.prepare(&statement.sql)?;
            let width = prepared.column_count();
            let parameters = params_from_iter(statement.parameters.iter().map(to_sql));
            let rows =
                prepared.query_map(parameters, |row| (0..width).map(|i| Ok(to_value(row.get_ref(i)?))).collect())?;
            rows.collect::<rusqlite::Result<Vec<Row>>>()
        };
        run().map_err(|error| format!("{error}\n{}", statement.sql))
    }

    pub fn declare(
        &self,
        table: &FullTableName,
        definition: &str,
        parent: &dyn Fn(&Reference) -> Result<Arc<Heading>>,
    ) -> Declaration {
        let definition = lodestore_sql::Definition::parse(definition).unwrap();
        let tier = table.table.tier().unwrap();
        let resolver = Resolver { codec: &codecs, parent };
        let declaration = declare(&definition, table, tier, DeclareOptions::default(), &resolver).unwrap();
        for statement in Sqlite.declare(&declaration).unwrap() {
            self.query(&statement).unwrap();
        }
        declaration
    }

    pub fn heading(&self, table: &FullTableName) -> Heading {
        let queries = Sqlite.heading_queries(table);
        let results: Vec<Vec<Row>> = queries.iter().map(|query| self.query(query).unwrap()).collect();
        Sqlite.read_heading(table, &results, &codecs).unwrap().unwrap()
    }

    /// Inserts a row of plain values.
    pub fn insert(&self, heading: &Heading, row: Vec<(&str, Value)>) {
        let names: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
        let parameters = row.into_iter().map(|(name, value)| {
            let core = &heading.attribute(name).unwrap().kind.core;
            Sqlite.encode(core.check(value).unwrap(), core).unwrap()
        });
        let parameters = parameters.collect();
        let sql = Sqlite.insert(heading, &names, 1, Conflict::Error).unwrap();
        self.query(&Statement { sql, parameters }).unwrap();
    }
}
