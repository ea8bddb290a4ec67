//! The SQL of migrations: an attribute's values on their way from one type to another.
//!
//! A migration keeps its rows in a hidden table of its own, the *shadow* of the table: the key, a number, the value under
//! both types, and whether that is done. The comments of both columns tell their types, so that whoever asks which objects
//! are named finds them there.

use lodestore_types::{CoreType, FullTableName, Value};

use crate::{Attribute, AttributeType, Declaration, DefaultValue, Dialect, ForeignKey, Heading, Index, Statement};

/// The columns of a shadow beside the key.
const NUMBER: &str = "_n";
const DONE: &str = "_done";
/// What stands there, beside 0 and 1, within the transaction in which a row is found to have changed.
const STALE: i64 = 2;
/// The value under the type that the attribute had before.
pub const OLD: &str = "_old";
/// The value under the type that it gets.
pub const NEW: &str = "_new";

/// What names of shadows begin with.
pub const SHADOW_PREFIX: &str = "~migrated_";

/// The shadow of a table for one migration.
#[derive(Debug, Clone)]
pub struct Shadow<'a> {
    dialect: &'a dyn Dialect,
    heading: &'a Heading,
    name: FullTableName,
    /// The name of the table and of its shadow, quoted.
    table: String,
    shadow: String,
    /// The attribute, quoted.
    attribute: String,
    key: Vec<String>,
}

/// Which way values go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the new type.
    Forward,
    /// Back to the old one.
    Back,
}

impl Way {
    /// The column of the type that is left.
    pub fn from(self) -> &'static str {
        if self == Way::Forward { OLD } else { NEW }
    }

    /// The column of the type that is reached.
    pub fn to(self) -> &'static str {
        if self == Way::Forward { NEW } else { OLD }
    }
}

/// How an attribute gets another type, the values of which a shadow holds.
#[derive(Debug)]
pub struct Swap<'a> {
    /// The shadow.
    pub shadow: &'a Shadow<'a>,
    /// The way.
    pub way: Way,
    /// The table as it is.
    pub current: &'a Heading,
    /// Its foreign keys.
    pub foreign_keys: &'a [ForeignKey],
    /// The attribute as it shall be.
    pub new: Attribute,
}

/// The statements that carry out a [`Swap`].
#[derive(Debug, Clone, Default)]
pub struct SwapScript {
    /// Sent one by one beforehand, while others read and write.
    pub prepare: Vec<Statement>,
    /// Keeps others from writing. In the transaction, where `statements` are one.
    pub lock: Vec<Statement>,
    /// The change.
    pub statements: Vec<Statement>,
    /// Sent one by one before and after a transaction of `lock` and `statements`, the latter whatever became of it. `None`
    /// if the database ends transactions at definitions: then `statements` is one statement, whole by itself.
    pub around: Option<(Vec<Statement>, Vec<Statement>)>,
    /// What takes the lock away where there is no transaction.
    pub unlock: Vec<Statement>,
    /// The hidden attribute that `prepare` fills, if it does.
    pub spare: Option<String>,
    /// Queries that must give no row before the change, each with what a row means.
    pub obstacles: Vec<(Statement, String)>,
    /// Queries that must give no row behind it.
    pub proofs: Vec<(Statement, String)>,
}

fn bare(sql: String) -> Statement {
    Statement { sql, parameters: Vec::new() }
}

impl<'a> Shadow<'a> {
    /// The shadow `name` of the table with this heading, for one of its attributes.
    pub fn new(dialect: &'a dyn Dialect, heading: &'a Heading, name: FullTableName, attribute: &str) -> Self {
        let table = heading.table.as_ref().map(|table| dialect.table(table)).unwrap_or_default();
        let key = heading.full_primary_key().map(|attribute| attribute.name.clone()).collect();
        Shadow { shadow: dialect.table(&name), attribute: dialect.quote(attribute), dialect, heading, name, table, key }
    }

    /// Its name.
    pub fn name(&self) -> &FullTableName {
        &self.name
    }

    /// What makes it.
    pub fn declaration(&self, old: &AttributeType, new: &AttributeType) -> Declaration {
        let plain = |name: &str, kind: AttributeType, nullable: bool| Attribute {
            name: name.to_owned(),
            kind,
            in_key: false,
            nullable,
            default: nullable.then_some(DefaultValue::Null),
            autoincrement: false,
            comment: String::new(),
            hidden: true,
            lineage: None,
            expression: None,
        };
        let key = self.heading.full_primary_key().map(|attribute| Attribute {
            default: None,
            autoincrement: false,
            comment: String::new(),
            ..attribute.clone()
        });
        let number = |name: &str, core: CoreType| plain(name, AttributeType::core(core), false);
        let mut columns: Vec<Attribute> = key.collect();
        columns.extend([
            number(NUMBER, CoreType::Int64),
            number(DONE, CoreType::Int8),
            plain(OLD, old.clone(), true),
            plain(NEW, new.clone(), true),
        ]);
        let index =
            |columns: &[&str]| Index { columns: columns.iter().map(|c| (*c).to_owned()).collect(), unique: false };
        Declaration {
            table: self.name.clone(),
            comment: String::new(),
            columns,
            primary_key: self.key.clone(),
            inherited: self.key.clone(),
            foreign_keys: Vec::new(),
            indexes: vec![index(&[NUMBER]), index(&[DONE, NUMBER])],
            lineage: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn quote(&self, name: &str) -> String {
        self.dialect.quote(name)
    }

    /// A column of the shadow, with its table.
    fn own(&self, name: &str) -> String {
        format!("{}.{}", self.shadow, self.quote(name))
    }

    /// The attribute, with its table.
    fn theirs(&self) -> String {
        format!("{}.{}", self.table, self.attribute)
    }

    fn keys(&self) -> String {
        self.key.iter().map(|name| self.quote(name)).collect::<Vec<_>>().join(", ")
    }

    /// True where a row of the table is that of the shadow.
    fn meets(&self) -> String {
        let equal = |name: &String| {
            let name = self.quote(name);
            format!("{}.{name} = {}.{name}", self.table, self.shadow)
        };
        self.key.iter().map(equal).collect::<Vec<_>>().join(" AND ")
    }

    fn list(&self, numbers: &[i64]) -> String {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        format!("{} IN ({})", self.quote(NUMBER), numbers.join(", "))
    }

    fn same(&self, left: &str, right: &str) -> String {
        self.dialect.same(left, right)
    }

    /// Adds rows to do: those of `rows`, a query for key and attribute, whose attribute lies in none of these stores.
    pub fn add(&self, rows: &Statement, stores: &[String]) -> Statement {
        let (rows_sql, mut parameters) = (&rows.sql, rows.parameters.clone());
        let elsewhere = self.elsewhere(&self.attribute, stores, &mut parameters);
        let sql = format!(
            "INSERT INTO {shadow} ({keys}, {n}, {done}) SELECT {keys}, row_number() OVER (ORDER BY {keys}) + (SELECT \
             coalesce(max({n}), 0) FROM {shadow}), 0 FROM ({rows_sql}) {source} WHERE {elsewhere}",
            shadow = self.shadow,
            keys = self.keys(),
            n = self.quote(NUMBER),
            done = self.quote(DONE),
            source = self.quote("$rows"),
        );
        Statement { sql, parameters }
    }

    /// Adds the rows of the table that are not here, of which the same holds.
    pub fn add_missing(&self, stores: &[String]) -> Statement {
        let sql = format!(
            "SELECT {}, {} FROM {} WHERE NOT EXISTS (SELECT 1 FROM {} WHERE {})",
            self.keys(),
            self.attribute,
            self.table,
            self.shadow,
            self.meets()
        );
        self.add(&bare(sql), stores)
    }

    /// True if a value names none of these stores; always if there are none.
    fn elsewhere(&self, column: &str, stores: &[String], parameters: &mut Vec<Value>) -> String {
        if stores.is_empty() {
            return "1 = 1".to_owned();
        }
        let places: Vec<String> = stores
            .iter()
            .map(|store| {
                parameters.push(store.as_str().into());
                self.dialect.placeholder(parameters.len())
            })
            .collect();
        format!("coalesce({}, '') NOT IN ({})", self.dialect.json_word(column, "store"), places.join(", "))
    }

    /// The numbers of some rows to do, in order.
    pub fn next(&self, limit: usize) -> Statement {
        bare(format!(
            "SELECT {n} FROM {} WHERE {} = 0 ORDER BY {n} LIMIT {limit}",
            self.shadow,
            self.quote(DONE),
            n = self.quote(NUMBER)
        ))
    }

    /// What was noted of rows before: to be released before [`Shadow::pin`]. What a row still names outlives that.
    pub fn noted(&self, way: Way, numbers: &[i64]) -> Statement {
        let from = self.quote(way.from());
        bare(format!("SELECT {from} FROM {} WHERE {} AND {from} IS NOT NULL", self.shadow, self.list(numbers)))
    }

    /// Notes the values that rows have now.
    pub fn pin(&self, way: Way, numbers: &[i64]) -> Statement {
        bare(format!(
            "UPDATE {} SET {} = (SELECT {} FROM {} WHERE {}) WHERE {}",
            self.shadow,
            self.quote(way.from()),
            self.theirs(),
            self.table,
            self.meets(),
            self.list(numbers)
        ))
    }

    /// The sizes of noted values of bytes: number, size.
    pub fn sizes(&self, way: Way, numbers: &[i64]) -> Statement {
        let (n, from) = (self.quote(NUMBER), self.quote(way.from()));
        bare(format!("SELECT {n}, octet_length({from}) FROM {} WHERE {} ORDER BY {n}", self.shadow, self.list(numbers)))
    }

    /// The noted values: number, value, key.
    pub fn read(&self, way: Way, numbers: &[i64]) -> Statement {
        let n = self.quote(NUMBER);
        bare(format!(
            "SELECT {n}, {}, {} FROM {} WHERE {} ORDER BY {n}",
            self.quote(way.from()),
            self.keys(),
            self.shadow,
            self.list(numbers)
        ))
    }

    /// Notes that a row is done; parameters are its value and its number.
    pub fn finish(&self, way: Way) -> String {
        format!(
            "UPDATE {} SET {} = {}, {} = 1 WHERE {} = {}",
            self.shadow,
            self.quote(way.to()),
            self.dialect.placeholder(1),
            self.quote(DONE),
            self.quote(NUMBER),
            self.dialect.placeholder(2)
        )
    }

    /// Notes that rows without a value are done.
    pub fn finish_empty(&self, numbers: &[i64]) -> Statement {
        bare(format!("UPDATE {} SET {} = 1 WHERE {}", self.shadow, self.quote(DONE), self.list(numbers)))
    }

    /// True for rows of the shadow that are done and whose row has another value by now. Where values are `kept` in one
    /// column, it may be either.
    fn is_stale(&self, way: Way, kept: bool) -> String {
        let differs = |column: &str| format!("NOT {}", self.same(&self.theirs(), &self.own(column)));
        let mut differs_in = differs(way.from());
        if kept {
            differs_in = format!("{differs_in} AND {}", differs(way.to()));
        }
        format!(
            "{} = 1 AND EXISTS (SELECT 1 FROM {} WHERE {} AND {differs_in})",
            self.own(DONE),
            self.table,
            self.meets()
        )
    }

    /// Marks the rows that are to be done again: what follows must mean the same ones, whatever is written meanwhile.
    pub fn mark_stale(&self, way: Way, kept: bool) -> Statement {
        bare(format!("UPDATE {} SET {} = {STALE} WHERE {}", self.shadow, self.quote(DONE), self.is_stale(way, kept)))
    }

    /// The values of a column, in rows that are marked.
    pub fn stale(&self, column: &str) -> Statement {
        let column = self.quote(column);
        bare(format!(
            "SELECT {column} FROM {} WHERE {column} IS NOT NULL AND {} = {STALE}",
            self.shadow,
            self.quote(DONE)
        ))
    }

    /// Has the marked rows done again.
    pub fn reset(&self) -> Statement {
        bare(format!(
            "UPDATE {} SET {} = NULL, {} = NULL, {done} = 0 WHERE {done} = {STALE}",
            self.shadow,
            self.quote(OLD),
            self.quote(NEW),
            done = self.quote(DONE)
        ))
    }

    /// The values of a column in rows that are not done.
    pub fn undone(&self, column: &str) -> Statement {
        let column = self.quote(column);
        bare(format!("SELECT {column} FROM {} WHERE {column} IS NOT NULL AND {} = 0", self.shadow, self.quote(DONE)))
    }

    /// Forgets what was noted of rows that are not done.
    pub fn unpin(&self) -> Statement {
        bare(format!(
            "UPDATE {} SET {} = NULL, {} = NULL WHERE {} = 0",
            self.shadow,
            self.quote(OLD),
            self.quote(NEW),
            self.quote(DONE)
        ))
    }

    /// Gives the rows of the table their values of the other store, as far as they have not changed since.
    pub fn put(&self, way: Way) -> Statement {
        let (from, to) = (self.own(way.from()), self.own(way.to()));
        let condition = format!(
            "{} AND {} = 1 AND {} AND NOT {}",
            self.meets(),
            self.own(DONE),
            self.same(&self.theirs(), &from),
            self.same(&from, &to)
        );
        bare(self.dialect.update_joined(&self.table, &self.shadow, &[(&self.attribute, &to)], &condition))
    }

    /// One row if some row of the table is not done, or has another value by now: then types are not swapped. `spare` is
    /// where the table has the new values already.
    pub fn unsettled(&self, way: Way, spare: Option<&str>) -> Statement {
        let mut settled = format!(
            "{} AND {} = 1 AND {}",
            self.meets(),
            self.own(DONE),
            self.same(&self.theirs(), &self.own(way.from()))
        );
        if let Some(spare) = spare {
            let spare = format!("{}.{}", self.table, self.quote(spare));
            settled = format!("{settled} AND {}", self.same(&spare, &self.own(way.to())));
        }
        bare(format!(
            "SELECT 1 FROM {} WHERE NOT EXISTS (SELECT 1 FROM {} WHERE {settled}) LIMIT 1",
            self.table, self.shadow
        ))
    }

    /// One row if some row is still to be done.
    pub fn is_open(&self) -> Statement {
        bare(format!("SELECT 1 FROM {} WHERE {} = 0 LIMIT 1", self.shadow, self.quote(DONE)))
    }

    /// How many rows there are, and how many are done.
    pub fn count(&self) -> Statement {
        bare(format!("SELECT count(*), count(CASE WHEN {} = 1 THEN 1 END) FROM {}", self.quote(DONE), self.shadow))
    }

    /// All values of a column.
    pub fn values(&self, column: &str) -> Statement {
        let column = self.quote(column);
        bare(format!("SELECT {column} FROM {} WHERE {column} IS NOT NULL", self.shadow))
    }

    /// Deletes all rows.
    pub fn clear(&self) -> Statement {
        bare(format!("DELETE FROM {}", self.shadow))
    }

    /// The value that a row of the table gets, as an expression.
    pub(crate) fn value_for_row(&self, way: Way) -> String {
        format!("(SELECT {} FROM {} WHERE {})", self.own(way.to()), self.shadow, self.meets())
    }

    /// Gives all rows of the table their values in `column`.
    pub(crate) fn fill(&self, way: Way, column: &str) -> String {
        let column = self.dialect.quote(column);
        let to = self.own(way.to());
        let has = format!("{}.{column}", self.table);
        let condition = format!("{} AND NOT {}", self.meets(), self.same(&has, &to));
        self.dialect.update_joined(&self.table, &self.shadow, &[(&column, &to)], &condition)
    }

    /// The table's name and that of the shadow, quoted.
    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.table, &self.shadow)
    }
}

impl Swap<'_> {
    /// The table with its attribute as it shall be.
    pub fn target(&self) -> Declaration {
        let mut heading = self.current.clone();
        for attribute in heading.attributes.iter_mut().filter(|attribute| attribute.name == self.new.name) {
            attribute.clone_from(&self.new);
        }
        Declaration {
            table: heading.table.clone().unwrap_or_else(|| self.shadow.name.clone()),
            comment: heading.comment,
            primary_key: heading.attributes.iter().filter(|a| a.in_key).map(|a| a.name.clone()).collect(),
            inherited: self.foreign_keys.iter().flat_map(|key| key.columns.clone()).collect(),
            foreign_keys: self.foreign_keys.to_vec(),
            indexes: heading.indexes,
            lineage: heading.attributes.iter().filter_map(|a| Some((a.name.clone(), a.lineage.clone()?))).collect(),
            columns: heading.attributes,
            warnings: Vec::new(),
        }
    }

    /// The attribute behind which it stands.
    pub(crate) fn place(&self) -> Option<&str> {
        let at = self.current.attributes.iter().position(|attribute| attribute.name == self.new.name)?;
        Some(&self.current.attributes[at.checked_sub(1)?].name)
    }
}

/// The list of migrations of a schema: a hidden table.
pub mod list {
    use lodestore_types::{FullTableName, Result, SchemaName, TableName, Value};

    use crate::{Dialect, Statement};

    /// Its name.
    const TABLE: &str = "~migrations";
    /// Its columns, in order; all but the last two are texts.
    const COLUMNS: [&str; 9] =
        ["id", "of_table", "attribute", "source", "target", "of_rows", "state", "owner", "steps"];

    /// The full name.
    ///
    /// # Errors
    /// None for a sound schema.
    pub fn name(schema: &SchemaName) -> Result<FullTableName> {
        Ok(FullTableName { schema: schema.clone(), table: TableName::existing(TABLE)? })
    }

    /// What makes the table, unless it is there.
    ///
    /// # Errors
    /// As [`name`].
    pub fn create(dialect: &dyn Dialect, schema: &SchemaName) -> Result<Statement> {
        let words = dialect.journal_words();
        let text = words.text;
        let columns: Vec<String> = COLUMNS[1..8].iter().map(|name| format!("{name} {text} NOT NULL")).collect();
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} (id {} NOT NULL PRIMARY KEY, {}, steps {} NOT NULL){}",
            dialect.table(&name(schema)?),
            words.key,
            columns.join(", "),
            words.number,
            words.behind
        );
        Ok(Statement { sql, parameters: Vec::new() })
    }

    /// Adds a migration; parameters are the columns but for `steps`.
    ///
    /// # Errors
    /// As [`name`].
    pub fn add(dialect: &dyn Dialect, schema: &SchemaName, values: Vec<Value>) -> Result<Statement> {
        let places: Vec<String> = (1..=values.len()).map(|n| dialect.placeholder(n)).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({}, 0)",
            dialect.table(&name(schema)?),
            COLUMNS.join(", "),
            places.join(", ")
        );
        Ok(Statement { sql, parameters: values })
    }

    /// All of them: the columns but for `steps`.
    ///
    /// # Errors
    /// As [`name`].
    pub fn all(dialect: &dyn Dialect, schema: &SchemaName) -> Result<Statement> {
        let sql = format!(
            "SELECT {} FROM {} ORDER BY of_table, attribute, id",
            COLUMNS[..8].join(", "),
            dialect.table(&name(schema)?)
        );
        Ok(Statement { sql, parameters: Vec::new() })
    }

    /// Takes a migration over: from now on this owner works on it, and nobody else.
    ///
    /// # Errors
    /// As [`name`].
    pub fn take(dialect: &dyn Dialect, schema: &SchemaName, id: &str, owner: &str) -> Result<Statement> {
        let sql = format!(
            "UPDATE {} SET owner = {}, steps = steps + 1 WHERE id = {}",
            dialect.table(&name(schema)?),
            dialect.placeholder(1),
            dialect.placeholder(2)
        );
        Ok(Statement { sql, parameters: vec![owner.into(), id.into()] })
    }

    /// Notes a step of its owner, perhaps to another state, and locks the migration until the transaction ends. Changes no
    /// row if somebody else has taken it over.
    ///
    /// # Errors
    /// As [`name`].
    pub fn step(
        dialect: &dyn Dialect,
        schema: &SchemaName,
        id: &str,
        owner: &str,
        state: Option<&str>,
    ) -> Result<Statement> {
        let mut parameters: Vec<Value> = vec![id.into(), owner.into()];
        // Placeholders without numbers count by their place.
        let assigned = match state {
            Some(state) => {
                parameters.insert(0, state.into());
                format!("state = {}, ", dialect.placeholder(1))
            }
            None => String::new(),
        };
        let sql = format!(
            "UPDATE {} SET {assigned}steps = steps + 1 WHERE id = {} AND owner = {}",
            dialect.table(&name(schema)?),
            dialect.placeholder(parameters.len() - 1),
            dialect.placeholder(parameters.len())
        );
        Ok(Statement { sql, parameters })
    }

    /// Forgets a migration.
    ///
    /// # Errors
    /// As [`name`].
    pub fn forget(dialect: &dyn Dialect, schema: &SchemaName, id: &str) -> Result<Statement> {
        let sql = format!("DELETE FROM {} WHERE id = {}", dialect.table(&name(schema)?), dialect.placeholder(1));
        Ok(Statement { sql, parameters: vec![id.into()] })
    }
}

/// A name for the hidden attribute of a swap.
pub fn spare_name(attribute: &str) -> String {
    format!("_to_{attribute}").chars().take(60).collect()
}
