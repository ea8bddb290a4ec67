//! The contract of a database's way to say things.
//!
//! A [`Dialect`] renders text and translates values; it never talks to a database. Whoever does runs a
//! [`Statement`] and, where the dialect reads something back, hands it the [`Row`]s.

use std::fmt;

use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName, TableName, Value};

use crate::queue::{NamedLock, QueueWords};
use crate::{
    AlterScript, Alteration, Attribute, Content, Declaration, ForeignKey, Heading, JournalWords, Lineage, ObjectColumn,
    Swap, SwapScript,
};

/// One statement with the values bound to its placeholders, in order.
///
/// The values are in stored form: see [`Dialect::encode`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statement {
    /// The text.
    pub sql: String,
    /// The bound values.
    pub parameters: Vec<Value>,
}

/// One row of a result, in stored form.
pub type Row = Vec<Value>;

/// What an insert does with a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// The statement fails.
    #[default]
    Error,
    /// The row is left out; other faults (a missing parent, another unique index) still fail.
    Skip,
    /// The row that is there takes the new values.
    Replace,
}

/// A foreign key as the database knows it: an edge of the dependency graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The table that refers.
    pub child: FullTableName,
    /// The parent and the columns of both.
    pub key: ForeignKey,
}

/// A database's way to say things. Implementations are few and known, so the trait may grow.
pub trait Dialect: fmt::Debug + Send + Sync {
    /// The name: `sqlite`, `postgres` or `mysql`.
    fn name(&self) -> &'static str;

    /// Quotes an identifier.
    fn quote(&self, identifier: &str) -> String;

    /// The quoted name of a table.
    fn table(&self, table: &FullTableName) -> String;

    /// A text that the user wrote into SQL, as a literal.
    fn literal(&self, text: &str) -> String {
        text_literal(text)
    }

    /// An operator that this database spells otherwise, such as `regexp`, or its negation. `None` if it stands as
    /// written.
    fn operator(&self, _word: &str, _negated: bool) -> Option<&'static str> {
        None
    }

    /// A function that this database calls otherwise. `None` if it stands as written.
    fn call(&self, _function: &str, _arguments: &[String]) -> Option<String> {
        None
    }

    /// A moment moved forwards (`+`) or back (`-`) by `count` of a unit, all SQL. `None` if `moment + interval count unit`
    /// stands as written.
    fn shift(&self, _moment: &str, _count: &str, _unit: &str, _sign: char) -> Option<String> {
        None
    }

    /// What stands behind a term of an order. Rows without a value come first, or last if it is descending, on every
    /// database.
    fn direction(&self, descending: bool, _nullable: bool) -> &'static str {
        if descending { " DESC" } else { "" }
    }

    /// How to say `sum`, `avg`, `min` or `max` of an attribute (`argument` is it, quoted, perhaps behind DISTINCT) whose
    /// type this database does not compute with as it should. `None` if the function stands as written.
    ///
    /// A sum of `decimal(p,s)` is a `decimal(65,s)`, a mean a `decimal(65,s+4)` ([`MEAN_DIGITS`](lodestore_types::MEAN_DIGITS)),
    /// rounded away from zero; both are exact.
    fn aggregate(&self, _function: &str, _argument: &str, _core: &CoreType) -> Option<String> {
        None
    }

    /// What to sort by for a column whose text does not sort as its type does. `None` if the column itself does.
    fn order_by(&self, _column: &str, _core: &CoreType) -> Option<String> {
        None
    }

    /// The `n`-th placeholder of a statement, counted from 1.
    fn placeholder(&self, n: usize) -> String;

    /// The value at a path inside a JSON column: of the type that the path asks for, else in the given form.
    fn json_path(&self, column: &str, path: &JsonPath<'_>, form: JsonForm) -> String;

    /// A query for all values at a path with wildcards, in the given form and without NULLs: one column. `json_path` gives
    /// them as one JSON array, NULL if there is none.
    ///
    /// # Errors
    /// [`Unsupported`](lodestore_types::ErrorKind::Unsupported).
    fn json_values(&self, _column: &str, path: &JsonPath<'_>, _form: JsonForm) -> Result<String> {
        let message = format!("{} cannot look for `{}.{}`", self.name(), path.attribute, path.path);
        Err(Error::new(ErrorKind::Unsupported, message).with_hint("name a path without wildcards"))
    }

    /// The most parameters that one statement may have.
    fn max_parameters(&self) -> usize;

    /// Brings a value that [`CoreType::check`] made to the form in which it is bound: one of the classes that
    /// the database itself has. For SQLite those are NULL, integer, float, text and bytes.
    ///
    /// # Errors
    /// [`InvalidType`](lodestore_types::ErrorKind::InvalidType) if the value was not checked against the type.
    fn encode(&self, value: Value, core: &CoreType) -> Result<Value>;

    /// The inverse of [`Dialect::encode`].
    ///
    /// # Errors
    /// [`Corrupt`](lodestore_types::ErrorKind::Corrupt) if the database holds something else.
    fn decode(&self, value: Value, core: &CoreType) -> Result<Value>;

    /// Brings what a query gave for an attribute to its value: computed attributes whose type only the database knows
    /// stay as they come.
    ///
    /// # Errors
    /// Like [`Dialect::decode`].
    fn decode_attribute(&self, value: Value, attribute: &Attribute) -> Result<Value> {
        match attribute.stored_as() {
            Some(core) => self.decode(value, core).map_err(|error| error.with("attribute", &attribute.name)),
            None => Ok(value),
        }
    }

    /// Like [`Dialect::encode`], for a value that is compared with something computed, of no declared type.
    ///
    /// # Errors
    /// [`InvalidType`](lodestore_types::ErrorKind::InvalidType) if the database has nothing to compare it with.
    fn encode_free(&self, value: Value) -> Result<Value>;

    /// What stands behind the placeholder of a value that is compared with something computed, so that the database
    /// knows what it is: a cast, or nothing.
    fn free_cast(&self, _value: &Value) -> &'static str {
        ""
    }

    /// A query for these rows of encoded values, with `?` for each of its parameters and nowhere else: for more rows
    /// than parameters are allowed. `None` if they can only be written out.
    fn rows(&self, _columns: &[CoreType], _rows: &[Row]) -> Option<Statement> {
        None
    }

    /// True if rows that are written out stand behind IN as a list, `(a, b) IN ((1, 2), (3, 4))`; false if they stand
    /// there as a query, `(a, b) IN (VALUES (1, 2), (3, 4))`.
    fn lists_rows(&self) -> bool {
        true
    }

    /// True if a `DELETE` may ask, in its conditions, the table from which it deletes.
    fn deletes_what_it_reads(&self) -> bool {
        true
    }

    /// What makes a fresh database usable, and does nothing to one that is.
    fn prepare_database(&self) -> Vec<Statement>;

    /// Makes a schema, unless it is there.
    fn create_schema(&self, schema: &SchemaName) -> Vec<Statement>;

    /// Drops what is left of a schema when its tables are gone.
    fn drop_schema(&self, schema: &SchemaName) -> Vec<Statement>;

    /// One row if the schema exists, else none.
    fn schema_exists(&self, schema: &SchemaName) -> Statement;

    /// The version of the layout of a schema's hidden tables, one row; none if the schema does not record it. `None` if
    /// the dialect keeps to a layout that other programs share.
    fn schema_format(&self, _schema: &SchemaName) -> Option<Statement> {
        None
    }

    /// The newest of these versions that this dialect knows.
    fn format_version(&self) -> i64 {
        1
    }

    /// The names of all schemas, one a row.
    fn list_schemas(&self) -> Statement;

    /// The names (without schema) of the visible tables of a schema, one a row, in order of creation.
    fn list_tables(&self, schema: &SchemaName) -> Statement;

    /// Makes a table with its indexes, comments and lineage. To be run in one transaction.
    ///
    /// # Errors
    /// [`Unsupported`](lodestore_types::ErrorKind::Unsupported) if the dialect cannot hold it.
    fn declare(&self, declaration: &Declaration) -> Result<Vec<Statement>>;

    /// Carries out an alteration that is not empty. The values that must change were looked at before: they fit.
    ///
    /// # Errors
    /// [`Unsupported`](lodestore_types::ErrorKind::Unsupported) for a change that the dialect cannot make.
    fn alter(&self, alteration: &Alteration) -> Result<AlterScript> {
        let message = format!("this version cannot alter tables of `{}` yet", self.name());
        Err(Error::new(ErrorKind::Unsupported, message).with("table", &alteration.table))
    }

    /// True if an attribute can get another place among those that are there. Where it cannot, a definition whose
    /// attributes stand in another order is no change.
    fn can_reorder(&self) -> bool {
        true
    }

    /// What a heading that is read tells of a native type that was declared as `text`; `None` if this database has none
    /// such.
    fn told_native(&self, text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    /// A query whose single value differs once any program has changed a table. `None` if there is nothing so cheap to
    /// ask: then headings that were read before are believed.
    fn catalog_version(&self) -> Option<Statement> {
        None
    }

    /// What a declaration that failed leaves behind, where a database ends the transaction at each `CREATE`. To be run
    /// after such a failure.
    fn undo_declare(&self, _table: &FullTableName) -> Vec<Statement> {
        Vec::new()
    }

    /// Drops a table with its comments and lineage. To be run in one transaction.
    fn drop_table(&self, table: &FullTableName) -> Vec<Statement>;

    /// One row if the table exists, else none.
    fn table_exists(&self, table: &FullTableName) -> Statement;

    /// A query for the bytes that a table takes in the database, indexes included: one row of one number.
    fn table_size(&self, table: &FullTableName) -> Statement;

    /// A query for who the user is to the database, and for the number of the connection. `None` where nobody logs in.
    fn session(&self) -> Option<Statement> {
        None
    }

    /// The queries whose results [`Dialect::read_heading`] needs, in order. If the first yields no row, the table
    /// does not exist and the others are not to be run. One of the others that fails because a table is missing (the
    /// schema was made by another program) counts as without rows.
    fn heading_queries(&self, table: &FullTableName) -> Vec<Statement>;

    /// Builds the heading of a table from what the database says. `None` if the table does not exist.
    ///
    /// `codec` tells the core type under a codec type. If it fails, the heading loads all the same, with a core type
    /// that fits the column.
    ///
    /// # Errors
    /// [`Corrupt`](lodestore_types::ErrorKind::Corrupt) if the rows are not what the queries give.
    fn read_heading(
        &self,
        table: &FullTableName,
        results: &[Vec<Row>],
        codec: &dyn Fn(&str) -> Result<CoreType>,
    ) -> Result<Option<Heading>>;

    /// Two queries for [`read_outlines`](crate::read_outlines): all visible columns of a schema (table, column, type, a
    /// number that is not 0 in the primary key), and the comments (table, column or `""` for the table, comment). If the
    /// second one fails because a table is missing, there are no comments.
    fn outline_queries(&self, schema: &SchemaName) -> [Statement; 2];

    /// The foreign keys of all visible tables of a schema, or of all schemas, for [`Dialect::read_dependencies`]. Those of
    /// one schema cost as much as it has tables, however many there are in others.
    fn dependencies(&self, schema: Option<&SchemaName>) -> Statement;

    /// The names of the other schemas whose tables refer to tables of this one.
    fn referring_schemas(&self, schema: &SchemaName) -> Statement;

    /// Builds the edges of the dependency graph from the rows of [`Dialect::dependencies`].
    ///
    /// # Errors
    /// [`Corrupt`](lodestore_types::ErrorKind::Corrupt) if the rows are not what the query gives.
    fn read_dependencies(&self, rows: &[Row]) -> Result<Vec<Dependency>>;

    /// One row if the schema records the origins of attributes, else none.
    fn lineage_exists(&self, schema: &SchemaName) -> Statement;

    /// The recorded origins of a schema's attributes: table (without schema), attribute, origin.
    fn lineage(&self, schema: &SchemaName) -> Statement;

    /// Replaces all that [`Dialect::lineage`] tells; makes the place for it if need be. To be run in one transaction.
    fn replace_lineage(&self, schema: &SchemaName, rows: &[(TableName, String, Lineage)]) -> Vec<Statement>;

    /// The text of an insert of `rows` rows: parameters row by row, each in the order of `columns`.
    ///
    /// # Errors
    /// [`UnknownAttribute`](lodestore_types::ErrorKind::UnknownAttribute) if a column is not in the heading.
    fn insert(&self, heading: &Heading, columns: &[&str], rows: usize, conflict: Conflict) -> Result<String>;

    /// The text of an insert of the rows that a query gives, whose columns are named `columns`, in any order; the query's
    /// parameters are those of the statement. `None` if rows can only be read and inserted one after the other.
    ///
    /// # Errors
    /// As [`Dialect::insert`].
    fn insert_from(
        &self,
        _heading: &Heading,
        _columns: &[&str],
        _query: &str,
        _conflict: Conflict,
    ) -> Result<Option<String>> {
        Ok(None)
    }

    /// The text of an update of one row: its parameters are the values of `columns`, then those of the visible primary
    /// key in the order of the heading; `defaults` get what an insert that leaves them out gives.
    ///
    /// # Errors
    /// As [`Dialect::insert`].
    fn update(&self, heading: &Heading, columns: &[&str], defaults: &[&str]) -> Result<String> {
        let Some(table) = &heading.table else {
            return Err(crate::expression::not_a_table("update"));
        };
        let mut number = 0;
        let mut equals = |name: &str| {
            number += 1;
            format!("{} = {}", self.quote(name), self.placeholder(number))
        };
        let mut assignments: Vec<String> = columns.iter().map(|name| equals(name)).collect();
        for name in defaults {
            let attribute = heading.get_any(name).ok_or_else(|| heading.unknown(name))?;
            assignments.push(format!("{} = {}", self.quote(name), self.default_value(attribute)?));
        }
        let key: Vec<String> = heading.primary_key().map(|attribute| equals(&attribute.name)).collect();
        // A table without a key to see has one row at most.
        let condition = if key.is_empty() { String::new() } else { format!(" WHERE {}", key.join(" AND ")) };
        Ok(format!("UPDATE {} SET {}{condition}", self.table(table), assignments.join(", ")))
    }

    /// What an update assigns to an attribute to give it its default.
    ///
    /// # Errors
    /// [`Unsupported`](lodestore_types::ErrorKind::Unsupported) if an update cannot say it.
    fn default_value(&self, _attribute: &Attribute) -> Result<String> {
        Ok("DEFAULT".to_owned())
    }

    /// The quoted name of the `number`-th scratch table of a connection: a list of keys that only this connection sees.
    /// Keys of `table` go into it.
    fn scratch(&self, _table: &FullTableName, number: usize) -> String {
        self.quote(&format!("~scratch{number}"))
    }

    /// Makes a scratch table for values of columns of `table`, unique by the first `key` of them; one of the same name
    /// that was left behind goes. May be run in a transaction, which it neither ends nor outlives.
    fn make_scratch(&self, scratch: &str, table: &FullTableName, columns: &[String], key: usize) -> Vec<Statement> {
        // The table is empty to begin with: not every database lets it be made by a query with parameters.
        let list = |columns: &[String]| columns.iter().map(|name| self.quote(name)).collect::<Vec<_>>().join(", ");
        let index = format!("{}.key", scratch.trim_matches('"'));
        let statements = [
            format!("DROP TABLE IF EXISTS {scratch}"),
            format!(
                "CREATE TEMPORARY TABLE {scratch} AS SELECT {} FROM {} WHERE 1 = 0",
                list(columns),
                self.table(table)
            ),
            format!("CREATE UNIQUE INDEX {} ON {scratch} ({})", self.quote(&index), list(&columns[..key])),
        ];
        statements.map(|sql| Statement { sql, parameters: Vec::new() }).into()
    }

    /// Adds to a scratch table what a query gives for all its columns; keys that are there already are left out, and
    /// not counted.
    fn fill_scratch(&self, scratch: &str, query: Statement) -> Statement {
        // To SQLite, ON behind a query without WHERE would begin the condition of a join.
        let source = format!("({}) AS {}", query.sql, self.quote("$0"));
        let sql = format!("INSERT INTO {scratch} SELECT * FROM {source} WHERE 1 = 1 ON CONFLICT DO NOTHING");
        Statement { sql, ..query }
    }

    /// Drops a scratch table.
    fn drop_scratch(&self, scratch: &str) -> Statement {
        Statement { sql: format!("DROP TABLE {scratch}"), parameters: Vec::new() }
    }

    /// Deletes the rows of `table` whose `columns` together are in `scratch`, under the names of `scratch_columns`, which
    /// are unique there.
    fn delete_by_scratch(
        &self,
        table: &FullTableName,
        columns: &[String],
        scratch: &str,
        scratch_columns: &[String],
    ) -> Statement {
        let row = |columns: &[String]| columns.iter().map(|name| self.quote(name)).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM {scratch})",
            self.table(table),
            row(columns),
            row(scratch_columns)
        );
        Statement { sql, parameters: Vec::new() }
    }

    /// True if two values are the same, or both NULL.
    fn same(&self, left: &str, right: &str) -> String {
        format!("({left} IS NOT DISTINCT FROM {right})")
    }

    /// Sets columns of the rows of `table` to values of the row of `other` for which `condition` holds; all names are
    /// quoted.
    fn update_joined(&self, table: &str, other: &str, values: &[(&str, &str)], condition: &str) -> String {
        let set: Vec<String> = values.iter().map(|(column, value)| format!("{column} = {value}")).collect();
        format!("UPDATE {table} SET {} FROM {other} WHERE {condition}", set.join(", "))
    }

    /// Gives an attribute another type and the values that a shadow holds for it.
    ///
    /// # Errors
    /// [`Unsupported`](lodestore_types::ErrorKind::Unsupported) if the dialect cannot hold it.
    fn swap(&self, swap: &Swap<'_>) -> Result<SwapScript>;

    /// Lets an attribute tell another type, of which its values are already.
    ///
    /// # Errors
    /// As [`Dialect::swap`].
    fn retype(&self, swap: &Swap<'_>) -> Result<Vec<Statement>>;

    /// What this database says of queues.
    fn queue(&self) -> QueueWords;

    /// The moment so many seconds from now by the database's clock, as a `datetime(3)`.
    fn moment(&self, seconds: f64) -> String;

    /// How others are made to wait that ask for the same name. `None` where a transaction that writes is alone.
    fn named_lock(&self, _name: &str) -> Option<NamedLock> {
        None
    }

    /// In which words a journal is kept.
    fn journal_words(&self) -> JournalWords;

    /// What a transaction says so that nobody else adds or changes rows of a table before it ends. `None` where one that
    /// inserts what it finds in the table has said so already.
    fn lock_rows_of(&self, _table: &FullTableName) -> Option<String> {
        None
    }

    /// The text under a key of a JSON column, told apart to the bit; NULL if there is none.
    fn json_word(&self, column: &str, key: &str) -> String;

    /// By what paths in a JSON column are looked up: a key, which has an index where the database can, and how many
    /// characters of a path it holds.
    fn path_key(&self, column: &str) -> (String, usize) {
        (self.json_word(column, "path"), usize::MAX)
    }

    /// About how many rows the tables of a schema have in which paths are looked up without an index. `None` where they
    /// have one.
    fn rows_without_index(&self, _schema: &SchemaName) -> Option<Statement> {
        None
    }

    /// Makes an empty table `kept` for deleted rows of the table that has this heading: with its columns, and their comments
    /// as far as they tell a codec, without its keys; and with the column [`DELETION`](crate::deletions::DELETION). To be
    /// run in one transaction where that can be.
    fn keep_table(&self, kept: &FullTableName, heading: &Heading) -> Result<Vec<Statement>>;

    /// The names of the tables of a schema that keep deleted rows.
    fn kept_tables(&self, schema: &SchemaName) -> Statement;

    /// All schemas that have tables: name, and 0 if the table of their comments is lost.
    fn schemas_with_tables(&self) -> Statement {
        self.list_schemas()
    }

    /// The columns whose values may name objects, for [`ObjectColumn::read`]: in visible tables of all schemas, and in those
    /// that keep deleted rows or values of a migration. Those whose comment has the marker of a codec or names a store; and
    /// those without a marker that hold JSON, long text or bytes. All of them, whether the user may read them or not, as far
    /// as the database tells; `owner` is the schema whose objects are at stake, `schemas` are those of
    /// [`Dialect::schemas_with_tables`].
    fn object_columns(&self, owner: &SchemaName, schemas: &[(SchemaName, bool)]) -> Statement;

    /// A query for the views of all schemas: schema, name. `None` if [`Dialect::object_columns`] leaves views out.
    fn views(&self) -> Option<Statement> {
        None
    }

    /// A condition that holds for all values of a column without a marker that may be documents with a word in them, which
    /// is ASCII; it may hold for others.
    fn mentions(&self, column: &str, content: Content, word: &str) -> String;

    /// The statement that gives a column that lost its comment the marker of a type.
    fn restore_comment(&self, column: &ObjectColumn, declared: &str) -> String;

    /// The statements that let a user read a column, for people.
    fn grant(&self, column: &ObjectColumn) -> String {
        format!("GRANT SELECT ON {}.* TO the_user", self.quote(&column.schema))
    }

    /// A query for a text that no other database has, on this server or on another, not even a copy of this one. `None`
    /// where there is none that one can rely on.
    fn server_identity(&self) -> Option<Statement> {
        None
    }

    /// A query for one row if a crash of the server could undo commits that it has already answered. `None` where it never
    /// does.
    fn late_commits(&self) -> Option<Statement> {
        None
    }

    /// Statements that make all commits so far durable, and whether they run in one transaction.
    fn flush_commits(&self, schema: &SchemaName) -> Result<(Vec<Statement>, bool)> {
        let _ = schema;
        Ok((Vec::new(), false))
    }

    /// A query for the rights of the user, for [`Dialect::missing_right`]. `None` if the catalog hides nothing.
    fn rights(&self) -> Option<Statement> {
        None
    }

    /// The statement that grants what the user lacks, by these rights, to see all tables of all schemas: those that are
    /// listed, and others if there may be any. `None` if nothing is hidden.
    fn missing_right(&self, _rights: &[Row], _schemas: &[SchemaName]) -> Option<String> {
        None
    }

    /// The table that a message of the database names.
    fn table_from_text(&self, text: &str) -> Option<FullTableName>;
}

/// A path into a JSON attribute: `attr.path` or `attr.path:type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonPath<'a> {
    /// The attribute.
    pub attribute: &'a str,
    /// The path below it, such as `a.b[0]`. `*` stands for every member, `[*]` for every element.
    pub path: &'a str,
    /// The SQL type that the value is taken as.
    pub as_type: Option<&'a str>,
}

/// What a value inside a JSON document is taken as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonForm {
    /// Text: what stands in quotes, digits, `true`; objects and arrays as JSON.
    Text,
    /// What the document says, to be compared with a number.
    Native,
    /// An object or an array, to be compared with another.
    Document,
}

impl<'a> JsonPath<'a> {
    /// Reads a path; `None` if the text is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let (attribute, rest) = text.split_once('.')?;
        let (path, as_type) = match rest.split_once(':') {
            Some((path, as_type)) => (path, Some(as_type.trim())),
            None => (rest, None),
        };
        let sound = !attribute.is_empty()
            && attribute.chars().all(word)
            && !path.is_empty()
            && path.chars().all(|c| word(c) || ".*[]".contains(c))
            // A star is a whole step.
            && path.replace("[*]", "").split('.').all(|step| {
                let (name, places) = step.split_once('[').unwrap_or((step, ""));
                (name == "*" || !name.contains('*')) && !places.contains('*')
            })
            && as_type.is_none_or(|text| !text.is_empty() && text.chars().all(|c| word(c) || "(), ".contains(c)));
        sound.then_some(JsonPath { attribute, path, as_type })
    }

    /// True if it may lead to several values.
    pub fn has_wildcard(&self) -> bool {
        self.path.contains('*')
    }
}

/// A text as an SQL literal. Only for what is fixed at declaration: values of queries are bound.
pub(crate) fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_paths_are_told_from_other_texts() {
        let path = JsonPath::parse("meta.a.b[0]:decimal(10, 2)").unwrap();
        assert_eq!((path.attribute, path.path, path.as_type), ("meta", "a.b[0]", Some("decimal(10, 2)")));
        assert!(JsonPath::parse("meta.a[*].*.b:int").unwrap().has_wildcard() && !path.has_wildcard());
        for text in ["meta.a*", "meta.**", "meta.a[*", "meta.a[1*]"] {
            assert_eq!(JsonPath::parse(text), None, "{text}");
        }
        for text in ["meta", "meta:int", "meta.", ".a", "f(a.b)", "a.b + 1", "a.b'", "a.b:x'"] {
            assert_eq!(JsonPath::parse(text), None, "{text}");
        }
    }
}
