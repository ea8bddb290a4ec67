//! The statements, run against SQLite itself.

use std::sync::Arc;

use lodestore_types::{ErrorKind, SchemaName};
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::*;
use crate::declaration::tests::{codecs, declare_text, table};

/// An in-memory database as the connection must set it up.
pub(crate) struct Database(pub Connection);

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

impl Database {
    pub fn new(schemas: &[&str]) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        connection.create_collation("decimal", compare_decimals).unwrap();
        connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DQS_DML, false).unwrap();
        let database = Database(connection);
        for schema in schemas {
            let schema = SchemaName::new(*schema).unwrap();
            Sqlite.create_schema(&schema).iter().for_each(|statement| database.run(statement).unwrap());
        }
        database
    }

    pub fn run(&self, statement: &Statement) -> rusqlite::Result<()> {
        self.0.execute(&statement.sql, params_from_iter(statement.parameters.iter().map(to_sql))).map(|_| ())
    }

    pub fn query(&self, statement: &Statement) -> Vec<Row> {
        self.try_query(statement).unwrap_or_else(|error| panic!("{error}\n{}", statement.sql))
    }

    pub fn try_query(&self, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
        let mut prepared = self.0.prepare(&statement.sql)?;
        let width = prepared.column_count();
        let rows = prepared.query_map(params_from_iter(statement.parameters.iter().map(to_sql)), |row| {
            (0..width)
                .map(|index| {
                    Ok(match row.get_ref(index)? {
                        ValueRef::Null => Value::Null,
                        ValueRef::Integer(number) => number.into(),
                        ValueRef::Real(number) => number.into(),
                        ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap().into(),
                        ValueRef::Blob(bytes) => Value::from(bytes.to_vec()),
                    })
                })
                .collect::<rusqlite::Result<Row>>()
        })?;
        rows.collect()
    }

    pub fn declare(&self, name: &str, text: &str, parents: &[(&str, &Declaration)]) -> Declaration {
        let declaration = declare_text(name, text, parents).unwrap_or_else(|error| panic!("{error:?}"));
        for statement in Sqlite.declare(&declaration).unwrap() {
            self.run(&statement).unwrap_or_else(|error| panic!("{error}\n{}", statement.sql));
        }
        declaration
    }

    pub fn heading(&self, name: &str) -> Option<Heading> {
        let table = table(name);
        let queries = Sqlite.heading_queries(&table);
        let first = self.query(&queries[0]);
        let rest = if first.is_empty() { Vec::new() } else { queries[1..].iter().map(|q| self.query(q)).collect() };
        let results: Vec<Vec<Row>> = std::iter::once(first).chain(rest).collect();
        Sqlite.read_heading(&table, &results, &codecs).unwrap()
    }

    /// Inserts one row, already in stored form.
    pub fn insert(&self, name: &str, columns: &[&str], row: Row, conflict: Conflict) -> rusqlite::Result<()> {
        let heading = self.heading(name).unwrap();
        let sql = Sqlite.insert(&heading, columns, 1, conflict).unwrap();
        self.run(&Statement { sql, parameters: row })
    }

    fn texts(&self, statement: &Statement) -> Vec<String> {
        self.query(statement).into_iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_heading_reads_back_as_it_was_declared() {
    let database = Database::new(&["lab", "other"]);
    let method = database.declare("lab.#method", "# how\nmethod=\"it's\" : varchar(20) # 'the' \"way\": x", &[]);
    let kinds = "id : int64\n---\na=-5 : int8\nb=1.5 : float32\nc=2.5 : float64\nd=1 : bool\ne=null : uuid\nf : json\n\
                 g : bytes\nh=2020-01-01 : date\ni=CURRENT_TIMESTAMP : datetime\nj=CURRENT_TIMESTAMP(3) : datetime(3)\n\
                 k : char(4)\nl='it''s' : varchar(9)\nm='b' : enum('a', 'b')\nn=1.5 : decimal(10, 2)\n\
                 o='2020-01-01 10:00:00.5' : datetime(2)\np : <blob>\nq=null : <npy@cold> # trace\nr=3 : int unsigned\n\
                 s='{\"a\":1}' : json\n-> [nullable] Method\n-> Method.proj(m2='method')\nindex (a, b)\nunique index (c)\n\
                 index (lower(l), a)\nindex (c)";
    let all = database.declare("other.__all", kinds, &[("Method", &method)]);
    for declaration in [&method, &all] {
        let heading = database.heading(&declaration.table.to_string()).unwrap();
        for (read, made) in heading.attributes.iter().zip(&declaration.columns) {
            assert_eq!(read, made);
        }
        assert_eq!(heading, declaration.heading());
    }
    assert_eq!(database.heading("lab.nothing"), None);
    assert_eq!(database.heading("nowhere.nothing"), None);
    assert_eq!(database.texts(&Sqlite.list_schemas()), ["lab", "other"]);
    assert_eq!(database.texts(&Sqlite.list_tables(&SchemaName::new("lab").unwrap())), ["#method"]);
    assert_eq!(database.query(&Sqlite.schema_exists(&SchemaName::new("la").unwrap())), Vec::<Row>::new());
    for statement in Sqlite.drop_table(&all.table) {
        database.run(&statement).unwrap();
    }
    assert_eq!(database.heading("other.__all"), None);
}

#[test]
fn an_unknown_codec_still_loads() {
    let database = Database::new(&["lab"]);
    let made = database.declare("lab.#t", "id : int8\n---\na : <blob>\nb : <blob@>", &[]);
    let queries = Sqlite.heading_queries(&made.table);
    let results: Vec<Vec<Row>> = queries.iter().map(|query| database.query(query)).collect();
    let refuse = |text: &str| Err(lodestore_types::Error::new(ErrorKind::UnknownCodec, text));
    let heading = Sqlite.read_heading(&made.table, &results, &refuse).unwrap().unwrap();
    let cores: Vec<&CoreType> = heading.secondary().map(|attribute| &attribute.kind.core).collect();
    assert_eq!(cores, [&CoreType::Bytes, &CoreType::Json]);
    assert_eq!(heading.get("b").unwrap().kind.codec.as_deref(), Some("<blob@>"));
}

#[test]
fn dependencies_read_back() {
    let database = Database::new(&["lab", "other"]);
    let parent = database.declare("lab.p", "a : int8\nb : varchar(3)", &[]);
    let text = "-> P\nc : int8\n---\n-> [nullable] P.proj(x='a')\n-> [unique] P.proj(y='a', z='b')";
    let child = database.declare("other.c", text, &[("P", &parent)]);
    let read = Sqlite.read_dependencies(&database.query(&Sqlite.dependencies(None))).unwrap();
    assert!(read.iter().all(|dependency| dependency.child == child.table));
    let keys: Vec<ForeignKey> = read.into_iter().map(|dependency| dependency.key).collect();
    assert_eq!(keys, child.foreign_keys);
    // The foreign key (a, b) is the beginning of the primary key, (y, z) has its unique index, (x, b) needs one.
    let indexes = ask("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name");
    assert_eq!(database.texts(&indexes), ["other.c.idx_x_b", "other.c.idx_y_z"]);
}

use crate::{DefaultValue, ForeignKey};

fn ask(sql: &str) -> Statement {
    Statement { sql: sql.into(), parameters: Vec::new() }
}

#[test]
fn checks_accept_the_edges_and_refuse_what_lies_behind() {
    let fine: &[(&str, &[Value])] = &[
        ("int8", &[Value::Int(-128), Value::Int(127)]),
        ("int16", &[Value::Int(-32768), Value::Int(32767)]),
        ("int32", &[Value::Int(-2147483648), Value::Int(2147483647)]),
        ("int64", &[Value::Int(i64::MIN), Value::Int(i64::MAX)]),
        ("bool", &[Value::Int(0), Value::Int(1)]),
        ("float32", &[Value::Float(3.4028235e38), Value::Float(f64::NEG_INFINITY), Value::Float(1e-46)]),
        ("float64", &[Value::Float(f64::MAX), Value::Float(f64::INFINITY)]),
    ];
    let texts: &[(&str, &[&str])] = &[
        ("uuid", &["00000000-0000-0000-0000-0123456789ab"]),
        ("json", &["{}", "null", "\"x\"", "[1, 2.5]"]),
        ("date", &["0001-01-01", "9999-12-31", "2024-02-29"]),
        ("datetime", &["2024-02-29 23:59:59", "2024-01-01 00:00:00.000001", "2024-01-01 00:00:00.5"]),
        ("datetime(0)", &["2024-02-29 23:59:59"]),
        ("datetime(2)", &["2024-02-29 23:59:59.01"]),
        ("char(2)", &["", "ab", "éü"]),
        ("varchar(3)", &["abc", "日本語"]),
        ("enum('a','it''s')", &["a", "it's"]),
        ("decimal(5,2)", &["0.00", "-0.01", "999.99", "-999.99", "1.50"]),
        ("decimal(2,2)", &["0.99", "-0.01"]),
        ("decimal(3,0)", &["0", "-7", "999"]),
    ];
    let wrong: &[(&str, &[Value])] = &[
        ("int8", &[Value::Int(-129), Value::Int(128), Value::Float(1.5)]),
        ("int16", &[Value::Int(-32769), Value::Int(32768)]),
        ("int32", &[Value::Int(-2147483649), Value::Int(2147483648)]),
        ("bool", &[Value::Int(2), Value::Int(-1)]),
        ("float32", &[Value::Float(3.41e38), Value::Float(f64::MAX)]),
        ("bytes", &[Value::Int(1)]),
    ];
    let wrong_texts: &[(&str, &[&str])] = &[
        ("int8", &["x", ""]),
        ("bytes", &["x"]),
        (
            "uuid",
            &[
                "00000000-0000-0000-0000-0123456789AB",
                "00000000000000000000000123456789ab",
                "",
                "00000000-0000-0000-0000-0123456789ab\0",
                "g0000000-0000-0000-0000-0123456789ab",
            ],
        ),
        ("json", &["", "{", "nul", "{'a':1}"]),
        ("date", &["2023-02-29", "2024-2-1", "0000-01-01", "2024-13-01", "now", "2024-01-01 ", "2024-01-01\0", ""]),
        (
            "datetime",
            &[
                "2023-02-29 00:00:00",
                "2024-01-01",
                "2024-01-01 24:00:00",
                "2024-01-01 00:00:60",
                "2024-01-01T00:00:00",
                "2024-01-01 00:00:00.",
                "2024-01-01 00:00:00.50",
                "2024-01-01 00:00:00.0000001",
                "2024-01-01 00:00:00.5x",
                "2024-01-01 00:00:00Z",
                "0000-01-01 00:00:00",
                "2024-01-01 00:00:00\0",
                "2024-01-01 00:00:00.5\0",
            ],
        ),
        ("datetime(0)", &["2024-01-01 00:00:00.5"]),
        ("datetime(2)", &["2024-01-01 00:00:00.001"]),
        ("char(2)", &["abc", "a\0"]),
        ("varchar(3)", &["abcd", "日本語x", "a\0bcdefg"]),
        ("enum('a','it''s')", &["A", "", "b", "a\0"]),
        (
            "decimal(5,2)",
            &[
                "0", "0.0", "1000.00", "00.00", "-0.00", "+1.00", "1.5", ".50", "1.000", "a.bc", "1,00", "--1.00",
                "1.00\0", "-",
            ],
        ),
        ("decimal(2,2)", &["1.00", "0.100"]),
        ("decimal(3,0)", &["1000", "", "-", "007", "1.", "-0"]),
    ];
    let try_all = |core: &str, values: Vec<Value>, accepted: bool| {
        let database = Database::new(&["lab"]);
        database.declare("lab.#t", &format!("id : int8\n---\nx=null : {core}"), &[]);
        for (id, value) in values.into_iter().enumerate() {
            let result =
                database.insert("lab.#t", &["id", "x"], vec![Value::Int(id as i64), value.clone()], Conflict::Error);
            match result {
                Ok(()) => assert!(accepted, "{core} accepts {value:?}"),
                Err(error) => {
                    assert!(!accepted, "{core} refuses {value:?}: {error}");
                    let text = error.to_string();
                    assert!(text.contains("x:") || text.contains("cannot store"), "{text}");
                }
            }
        }
        database.insert("lab.#t", &["id"], vec![Value::Int(99)], Conflict::Error).unwrap();
    };
    for (core, values) in fine {
        try_all(core, values.to_vec(), true);
    }
    for (core, values) in texts {
        try_all(core, values.iter().map(|text| Value::from(*text)).collect(), true);
    }
    for (core, values) in wrong {
        try_all(core, values.to_vec(), false);
    }
    for (core, values) in wrong_texts {
        try_all(core, values.iter().map(|text| Value::from(*text)).collect(), false);
    }
}

#[test]
fn defaults_are_what_was_declared() {
    let database = Database::new(&["lab"]);
    let text = "id : int8\n---\na=CURRENT_TIMESTAMP(3) : datetime(3)\nb=CURRENT_TIMESTAMP : datetime\nc='it''s' : varchar(9)\n\
                d=-1.5 : float64\ne=2.5 : decimal(4,2)\nf='{\"a\": [1]}' : json\ng=1 : bool\nh=null : int8";
    let made = database.declare("lab.#t", text, &[]);
    database.insert("lab.#t", &["id"], vec![1.into()], Conflict::Error).unwrap();
    let row = database.query(&ask("SELECT a, b, c, d, e, f, g, h FROM \"lab.#t\"")).remove(0);
    for (value, column) in row.into_iter().zip(&made.columns[1..]) {
        let value = Sqlite.decode(value, &column.kind.core).unwrap();
        match column.default.clone().unwrap() {
            DefaultValue::Null => assert!(value.is_null()),
            DefaultValue::Value(default) => assert_eq!(value, default),
            DefaultValue::Now(_) => assert!(matches!(value, Value::DateTime(_)), "{value:?}"),
        }
    }
}

#[test]
fn conflicts_are_handled_as_asked() {
    let database = Database::new(&["lab"]);
    database.declare("lab.#t", "id : int8\n---\nx : int8\nunique index (x)", &[]);
    let insert =
        |id: i64, x: i64, conflict| database.insert("lab.#t", &["id", "x"], vec![id.into(), x.into()], conflict);
    insert(1, 1, Conflict::Error).unwrap();
    insert(1, 2, Conflict::Error).unwrap_err();
    insert(1, 2, Conflict::Skip).unwrap();
    assert_eq!(database.query(&ask("SELECT x FROM \"lab.#t\"")), [vec![Value::Int(1)]]);
    insert(2, 1, Conflict::Skip).unwrap_err();
    insert(1, 3, Conflict::Replace).unwrap();
    assert_eq!(database.query(&ask("SELECT x FROM \"lab.#t\"")), [vec![Value::Int(3)]]);
    database.declare("lab.#one", "", &[]);
    database.insert("lab.#one", &[], vec![], Conflict::Error).unwrap();
    database.insert("lab.#one", &[], vec![], Conflict::Skip).unwrap();
    database.insert("lab.#one", &[], vec![], Conflict::Replace).unwrap();
    database.insert("lab.#one", &[], vec![], Conflict::Error).unwrap_err();
    let unknown = Sqlite.insert(&database.heading("lab.#t").unwrap(), &["y"], 1, Conflict::Error).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownAttribute);
}

#[test]
fn foreign_keys_hold_across_schemas() {
    let database = Database::new(&["lab", "other"]);
    let parent = database.declare("lab.p", "a : decimal(4,1)", &[]);
    let declared = database.declare("other.c", "-> P", &[("P", &parent)]);
    assert_eq!(Arc::new(declared.heading()).get("a").unwrap().lineage.as_ref().unwrap().as_str(), "lab.p.a");
    database.insert("other.c", &["a"], vec!["1.5".into()], Conflict::Error).unwrap_err();
    database.insert("lab.p", &["a"], vec!["1.5".into()], Conflict::Error).unwrap();
    database.insert("other.c", &["a"], vec!["1.5".into()], Conflict::Error).unwrap();
    database.run(&ask("DELETE FROM \"lab.p\"")).unwrap_err();
    database.run(&ask("UPDATE \"lab.p\" SET a = '2.5'")).unwrap();
    assert_eq!(database.query(&ask("SELECT a FROM \"other.c\"")), [vec![Value::from("2.5")]]);
}

#[test]
fn hostile_text_never_leaves_its_quotes() {
    let database = Database::new(&["la;b--'x"]);
    let nasty = "it's \"a\" `b`; DROP TABLE x --";
    let text =
        format!("# {nasty}\nid : int8 # {nasty}\n---\nx='it''s \"a\"; --' : varchar(40)\ny : enum('a''b','\"','`;')");
    let made = database.declare("la;b--'x.#t", &text, &[]);
    let heading = database.heading("la;b--'x.#t").unwrap();
    assert_eq!(heading, made.heading());
    assert_eq!(heading.comment, nasty);
    database.insert("la;b--'x.#t", &["id", "y"], vec![1.into(), "a'b".into()], Conflict::Error).unwrap();
}
