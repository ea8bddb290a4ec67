//! The SQL of the journal: the hidden tables that tell which objects of a schema may be garbage.
//!
//! What the tables mean is told where they are used (`lodestore::lifecycle`). Databases differ in a few words
//! ([`JournalWords`]); the statements are the same.

use std::borrow::Cow;

use lodestore_types::{FullTableName, Result, SchemaName, TableName, Value};

use crate::{Dialect, Statement};

/// The format of the tables. 2 says that there are deleted rows that are kept, and name objects.
pub const JOURNAL_FORMAT: i64 = 2;

/// The greatest step, in seconds, that the recorded time follows the clock by at once: a day.
pub const LONGEST_STEP: i64 = 86_400;

/// No path in a journal is longer, in characters, than what a key may hold on every database.
pub const LONGEST_CONDEMNED: usize = 700;

/// No document of references in a column of bytes takes more bytes.
pub const LARGEST_DOCUMENT: usize = 1 << 16;

/// No path of an object in a column of short text has fewer characters.
pub const SHORTEST_PATH: usize = 32;

/// In which words a database says what a journal needs.
#[derive(Debug, Clone, Copy)]
pub struct JournalWords {
    /// The seconds of the database's clock, a whole number.
    pub now: &'static str,
    /// The type of whole numbers.
    pub number: &'static str,
    /// The definition of a column that counts up and never gives a number twice, and is the primary key.
    pub counted: &'static str,
    /// The type of texts of any length.
    pub text: &'static str,
    /// The type of texts of up to 1024 characters, told apart to the bit.
    pub path: &'static str,
    /// The same for up to 700 characters, for keys.
    pub key: &'static str,
    /// The type of text in a cast.
    pub chars: &'static str,
    /// The type of whole numbers in a cast.
    pub integer: &'static str,
    /// Whether a statement that writes may read another table without locking what it reads.
    pub reads_freely: bool,
    /// What stands behind a table's columns.
    pub behind: &'static str,
    /// The function that gives the greater of two numbers.
    pub greatest: &'static str,
    /// What stands between an insert and the assignments for a row whose key is there.
    pub on_conflict: fn(key: &str) -> String,
    /// The value that an insert had for a column, in these assignments.
    pub proposed: fn(column: &str) -> String,
    /// What stands at the end of a query so that nobody else changes its rows before the transaction ends.
    pub locked: &'static str,
}

/// The journal of a schema, in the words of a database.
#[derive(Debug, Clone, Copy)]
pub struct Journal<'a> {
    dialect: &'a dyn Dialect,
    schema: &'a SchemaName,
    words: JournalWords,
}

/// Which objects a column names, for [`Journal::release_where`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// Single ones.
    Files,
    /// Folders where the document says `is_dir`.
    AsTold,
    /// Perhaps folders: the document does not tell.
    Trees,
}

fn bare(sql: String) -> Statement {
    Statement { sql, parameters: Vec::new() }
}

impl<'a> Journal<'a> {
    /// The journal of a schema.
    pub fn new(dialect: &'a dyn Dialect, schema: &'a SchemaName) -> Self {
        Journal { dialect, schema, words: dialect.journal_words() }
    }

    /// The seconds of the database's clock, as it is.
    pub fn clock(&self) -> &'static str {
        self.words.now
    }

    /// The time that is recorded in the journal, or NULL: see [`Journal::now`].
    fn recorded(&self) -> Result<String> {
        let (table, integer) = (self.table("~lifecycle")?, self.words.integer);
        Ok(format!("(SELECT CAST(value AS {integer}) FROM {table} WHERE property = 'clock')"))
    }

    /// The time to write down: the database's clock, but never before the time that is recorded; except where reading that
    /// would keep collectors waiting until the transaction ends.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn now(&self) -> Result<String> {
        if !self.words.reads_freely {
            return Ok(self.words.now.to_owned());
        }
        Ok(format!("{}({}, coalesce({}, 0))", self.words.greatest, self.words.now, self.recorded()?))
    }

    /// The time to compare with: the database's clock, but if it is ahead of the time that is recorded by more than
    /// [`LONGEST_STEP`], then that.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn past(&self) -> Result<String> {
        let (now, recorded) = (self.words.now, self.recorded()?);
        Ok(format!(
            "CASE WHEN {now} - {recorded} > {LONGEST_STEP} THEN {recorded} ELSE {}({now}, coalesce({recorded}, 0)) END",
            self.words.greatest
        ))
    }

    /// The database's clock, the time that is recorded, and when a jump of the clock was first seen: numbers, the last two
    /// as texts or NULL.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn times(&self) -> Result<Statement> {
        let table = self.table("~lifecycle")?;
        let property = |name| format!("(SELECT value FROM {table} WHERE property = '{name}')");
        Ok(bare(format!("SELECT {}, {}, {}", self.words.now, property("clock"), property("jump"))))
    }

    /// One row if there are released objects whose grace period is over by the database's clock as it is.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn released_by_clock(&self, grace: i64) -> Result<Statement> {
        let (table, now) = (self.table("~released")?, self.words.now);
        Ok(bare(format!("SELECT 1 FROM {table} WHERE since <= {now} - {grace} LIMIT 1")))
    }

    /// The greatest id of released objects that have been there for so many seconds, or NULL.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn released_until(&self, age: i64) -> Result<Statement> {
        let (table, past) = (self.table("~released")?, self.past()?);
        Ok(bare(format!("SELECT max(id) FROM {table} WHERE since <= {past} - {age}")))
    }

    /// A change of the journal that changes nothing, whose commit makes those before it durable.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn touch(&self) -> Result<Statement> {
        Ok(bare(format!("UPDATE {} SET value = value WHERE property = 'format'", self.table("~lifecycle")?)))
    }

    /// The name of one of its tables.
    ///
    /// # Errors
    /// `InvalidName` if `name` is none.
    pub fn name(&self, name: &str) -> Result<FullTableName> {
        Ok(FullTableName { schema: self.schema.clone(), table: TableName::existing(name)? })
    }

    fn table(&self, name: &str) -> Result<String> {
        Ok(self.dialect.table(&self.name(name)?))
    }

    fn column(&self, name: &str) -> String {
        self.dialect.quote(name)
    }

    /// `n` placeholders from the `first` on, in parentheses.
    fn list(&self, first: usize, n: usize) -> String {
        let places: Vec<String> = (first..first + n).map(|place| self.dialect.placeholder(place)).collect();
        format!("({})", places.join(", "))
    }

    /// Makes the tables, as far as they are missing.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn create(&self, identity: &str) -> Result<Vec<Statement>> {
        let JournalWords { number, counted, text, path, key, behind, .. } = self.words;
        let tables = [
            (
                "~intents",
                format!(
                    "batch {key} NOT NULL PRIMARY KEY, renewed {number} NOT NULL, revoked {number}, objects {text} NOT NULL"
                ),
            ),
            (
                "~released",
                format!(
                    "id {counted}, store {path} NOT NULL, path {path} NOT NULL, tree {number} NOT NULL, since {number} NOT NULL, taken {number} NOT NULL DEFAULT 0"
                ),
            ),
            (
                "~condemned",
                format!("path {key} NOT NULL PRIMARY KEY, generation {number} NOT NULL, since {number} NOT NULL"),
            ),
            // Last: where it is, the others are.
            ("~lifecycle", format!("property {key} NOT NULL PRIMARY KEY, value {text} NOT NULL")),
        ];
        let mut statements = Vec::new();
        for (name, columns) in tables {
            statements.push(bare(format!("CREATE TABLE IF NOT EXISTS {} ({columns}){behind}", self.table(name)?)));
        }
        for (property, value) in [("format", JOURNAL_FORMAT.to_string()), ("identity", identity.to_owned())] {
            statements.push(self.put_property(property, &value, "property")?);
        }
        Ok(statements)
    }

    /// Lets the ids of released objects, and of deletions, count up again, where a dump may lose that.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn count_again(&self, table: &str) -> Result<Statement> {
        let counted = self.words.counted.replace(" PRIMARY KEY", "");
        Ok(bare(format!("ALTER TABLE {} MODIFY id {counted}", self.table(table)?)))
    }

    /// Makes the list of codecs if it is missing.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn create_codecs(&self) -> Result<Statement> {
        let JournalWords { text, key, behind, .. } = self.words;
        let table = self.table("~codecs")?;
        Ok(bare(format!(
            "CREATE TABLE IF NOT EXISTS {table} (attribute {key} NOT NULL PRIMARY KEY, declared {text} NOT NULL){behind}"
        )))
    }

    /// Notes the declared types of attributes, each as `table.attribute`.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn note_codecs(&self, codecs: &[(String, String)]) -> Result<Statement> {
        let rows: Vec<String> = (0..codecs.len()).map(|row| self.list(2 * row + 1, 2)).collect();
        let sql = format!(
            "INSERT INTO {} (attribute, declared) VALUES {} {} declared = {}",
            self.table("~codecs")?,
            rows.join(", "),
            (self.words.on_conflict)("attribute"),
            (self.words.proposed)("declared")
        );
        let parameters =
            codecs.iter().flat_map(|(attribute, declared)| [attribute.clone().into(), declared.clone().into()]);
        Ok(Statement { sql, parameters: parameters.collect() })
    }

    /// Forgets the declared types of attributes.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn forget_codecs(&self, attributes: &[&str]) -> Result<Statement> {
        let sql =
            format!("DELETE FROM {} WHERE attribute IN {}", self.table("~codecs")?, self.list(1, attributes.len()));
        Ok(Statement { sql, parameters: texts(attributes) })
    }

    /// The declared types of attributes: `table.attribute`, `declared`.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn codecs(&self) -> Result<Statement> {
        Ok(bare(format!("SELECT attribute, declared FROM {}", self.table("~codecs")?)))
    }

    /// Adds a property; one that is there gets the new value of `changed`, one of the two columns.
    fn put_property(&self, property: &str, value: &str, changed: &str) -> Result<Statement> {
        let sql = format!(
            "INSERT INTO {} (property, value) VALUES {} {} {changed} = {}",
            self.table("~lifecycle")?,
            self.list(1, 2),
            (self.words.on_conflict)("property"),
            (self.words.proposed)(changed)
        );
        Ok(Statement { sql, parameters: vec![property.into(), value.into()] })
    }

    /// Sets a property of the journal.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn set_property(&self, property: &str, value: &str) -> Result<Statement> {
        self.put_property(property, value, "value")
    }

    /// Deletes a property of the journal.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn forget_property(&self, property: &str) -> Result<Statement> {
        let sql = format!("DELETE FROM {} WHERE property = {}", self.table("~lifecycle")?, self.dialect.placeholder(1));
        Ok(Statement { sql, parameters: vec![property.into()] })
    }

    /// Drops the tables.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn drop(&self) -> Result<Vec<Statement>> {
        let names = ["~lifecycle", "~intents", "~released", "~condemned", "~codecs"];
        names.iter().map(|name| Ok(bare(format!("DROP TABLE IF EXISTS {}", self.table(name)?)))).collect()
    }

    /// What is known of the journal: pairs of property and value.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn properties(&self) -> Result<Statement> {
        Ok(bare(format!("SELECT property, value FROM {}", self.table("~lifecycle")?)))
    }

    /// Adds a property; fails if it is there.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn add_property(&self, property: &str, value: &str) -> Result<Statement> {
        let sql = format!("INSERT INTO {} (property, value) VALUES {}", self.table("~lifecycle")?, self.list(1, 2));
        Ok(Statement { sql, parameters: texts(&[property, value]) })
    }

    /// Gives a property another value if it has the one that is expected; counts the rows.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn swap_property(&self, property: &str, expected: &str, value: &str) -> Result<Statement> {
        let sql = format!(
            "UPDATE {} SET value = {} WHERE property = {} AND value = {}",
            self.table("~lifecycle")?,
            self.dialect.placeholder(1),
            self.dialect.placeholder(2),
            self.dialect.placeholder(3)
        );
        Ok(Statement { sql, parameters: texts(&[value, property, expected]) })
    }

    /// Has older programs refuse the journal: they would not see what this one writes.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn raise_format(&self) -> Result<Statement> {
        let sql = format!(
            "UPDATE {} SET value = {} WHERE property = 'format' AND value = '1'",
            self.table("~lifecycle")?,
            self.dialect.literal(&JOURNAL_FORMAT.to_string())
        );
        Ok(bare(sql))
    }

    /// Adds a batch of intents.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn intend(&self, batch: &str, objects: String) -> Result<Statement> {
        let sql = format!(
            "INSERT INTO {} (batch, renewed, objects) VALUES ({}, {}, {})",
            self.table("~intents")?,
            self.dialect.placeholder(1),
            self.clock(),
            self.dialect.placeholder(2)
        );
        Ok(Statement { sql, parameters: vec![batch.into(), objects.into()] })
    }

    /// Deletes batches of intents that were not revoked; counts them.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn settle(&self, batches: &[&str]) -> Result<Statement> {
        let sql = format!(
            "DELETE FROM {} WHERE batch IN {} AND revoked IS NULL",
            self.table("~intents")?,
            self.list(1, batches.len())
        );
        Ok(Statement { sql, parameters: texts(batches) })
    }

    /// Deletes batches of intents, revoked or not.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn forget_intents(&self, batches: &[&str]) -> Result<Statement> {
        let sql = format!("DELETE FROM {} WHERE batch IN {}", self.table("~intents")?, self.list(1, batches.len()));
        Ok(Statement { sql, parameters: texts(batches) })
    }

    /// Those of some batches that nobody else has locked, locked: `batch`.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn lock_intents(&self, batches: &[&str]) -> Result<Statement> {
        let sql = format!(
            "SELECT batch FROM {} WHERE batch IN {} FOR UPDATE SKIP LOCKED",
            self.table("~intents")?,
            self.list(1, batches.len())
        );
        Ok(Statement { sql, parameters: texts(batches) })
    }

    /// Renews the lease of batches.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn renew(&self, batches: &[&str]) -> Result<Statement> {
        let sql = format!(
            "UPDATE {} SET renewed = {} WHERE batch IN {} AND revoked IS NULL",
            self.table("~intents")?,
            self.clock(),
            self.list(1, batches.len())
        );
        Ok(Statement { sql, parameters: texts(batches) })
    }

    /// All intents: `objects`, and 1 if they are revoked.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn intents(&self) -> Result<Statement> {
        let revoked = "CASE WHEN revoked IS NULL THEN 0 ELSE 1 END";
        Ok(bare(format!("SELECT objects, {revoked} FROM {}", self.table("~intents")?)))
    }

    /// The intents whose lease of so many seconds is over and that nobody has locked, locked: `batch`, `objects`, and 1 if
    /// they were revoked a lease ago.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn expired(&self, lease: i64) -> Result<Statement> {
        let (now, table) = (self.clock(), self.table("~intents")?);
        let sql = format!(
            "SELECT batch, objects, CASE WHEN revoked IS NULL THEN 0 ELSE 1 END FROM {table} WHERE (revoked IS NULL AND \
             renewed < {now} - {lease}) OR revoked < {now} - {lease} ORDER BY batch FOR UPDATE SKIP LOCKED"
        );
        Ok(bare(sql))
    }

    /// True if there is something for a collector to do: one row if there is, else none.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn has_work(&self, grace: i64, lease: i64) -> Result<Statement> {
        let (now, released, intents) = (self.clock(), self.table("~released")?, self.table("~intents")?);
        let over = self.over(grace)?;
        Ok(bare(format!(
            "SELECT 1 FROM (SELECT 1 AS one) one WHERE EXISTS (SELECT 1 FROM {released} WHERE {over}) OR EXISTS (SELECT 1 FROM {intents} \
             WHERE (revoked IS NULL AND renewed < {now} - {lease}) OR revoked < {now} - {lease})"
        )))
    }

    /// The condition that a released object has been there for so many seconds. Without a period no clock is asked.
    fn over(&self, grace: i64) -> Result<String> {
        match grace {
            ..=0 => Ok("1 = 1".to_owned()),
            _ => Ok(format!("since <= {} - {grace}", self.past()?)),
        }
    }

    /// Marks batches of intents as revoked.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn revoke(&self, batches: &[&str]) -> Result<Statement> {
        let sql = format!(
            "UPDATE {} SET revoked = {} WHERE batch IN {}",
            self.table("~intents")?,
            self.clock(),
            self.list(1, batches.len())
        );
        Ok(Statement { sql, parameters: texts(batches) })
    }

    /// Adds objects to the released ones: store, path, and whether it may be a folder.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn release(&self, objects: &[(&str, &str, bool)]) -> Result<Statement> {
        let now = self.now()?;
        let rows: Vec<String> = (0..objects.len())
            .map(|row| {
                let place = |n: usize| self.dialect.placeholder(row * 3 + n);
                format!("({}, {}, {}, {now})", place(1), place(2), place(3))
            })
            .collect();
        let sql =
            format!("INSERT INTO {} (store, path, tree, since) VALUES {}", self.table("~released")?, rows.join(", "));
        let parameters =
            objects.iter().flat_map(|(store, path, tree)| [(*store).into(), (*path).into(), i64::from(*tree).into()]);
        Ok(Statement { sql, parameters: parameters.collect() })
    }

    /// Counts the rows of a query of one table, and keeps others from changing them before the transaction ends. `None`
    /// where whoever writes is alone.
    pub fn lock_rows(&self, query: &str) -> Option<String> {
        let locked = Some(self.words.locked).filter(|locked| !locked.is_empty())?;
        Some(format!("SELECT count(*) FROM ({query}{locked}) {}", self.dialect.quote("$1")))
    }

    /// Adds the objects that the values of a column name in the rows of `source`, a table or query, of which `condition`
    /// holds.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn release_where(&self, column: &str, owned: Owned, source: &str, condition: &str) -> Result<String> {
        let column = self.column(column);
        let word = |key: &str| self.dialect.json_word(&column, key);
        let tree: Cow<'_, str> = match owned {
            Owned::Files => "0".into(),
            Owned::Trees => "1".into(),
            Owned::AsTold => {
                let told = format!("CAST({} AS {})", word("is_dir"), self.words.chars);
                format!("CASE WHEN {told} IN ('1', 'true') THEN 1 ELSE 0 END").into()
            }
        };
        Ok(format!(
            "INSERT INTO {} (store, path, tree, since) SELECT DISTINCT coalesce({}, ''), {path}, {tree}, {} FROM {source} \
             WHERE ({condition}) AND {path} IS NOT NULL",
            self.table("~released")?,
            word("store"),
            self.now()?,
            path = word("path"),
        ))
    }

    /// So many of the released objects that have been there for so many seconds, behind an id, in order: `id`, `store`,
    /// `path`, `tree`.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn released(&self, behind: i64, grace: i64, limit: usize) -> Result<Statement> {
        Ok(bare(format!(
            "SELECT id, store, path, tree FROM {} WHERE id > {behind} AND {} ORDER BY id LIMIT {limit}",
            self.table("~released")?,
            self.over(grace)?
        )))
    }

    /// The number of released objects.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn count_released(&self) -> Result<Statement> {
        Ok(bare(format!("SELECT count(*) FROM {}", self.table("~released")?)))
    }

    /// Strikes released objects.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn strike(&self, ids: &[i64]) -> Result<Statement> {
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        Ok(bare(format!("DELETE FROM {} WHERE id IN ({})", self.table("~released")?, ids.join(", "))))
    }

    /// Condemns hash paths up to a generation.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn condemn(&self, paths: &[(&str, i64)]) -> Result<Statement> {
        let now = self.now()?;
        let rows: Vec<String> = (0..paths.len())
            .map(|row| {
                let place = |n: usize| self.dialect.placeholder(row * 2 + n);
                format!("({}, {}, {now})", place(1), place(2))
            })
            .collect();
        let (table, greatest) = (self.table("~condemned")?, self.words.greatest);
        let proposed = self.words.proposed;
        let sql = format!(
            "INSERT INTO {table} (path, generation, since) VALUES {} {} generation = {greatest}({table}.generation, {}), since = \
             {}",
            rows.join(", "),
            (self.words.on_conflict)("path"),
            proposed("generation"),
            proposed("since"),
        );
        let parameters = paths.iter().flat_map(|(path, generation)| [(*path).into(), (*generation).into()]);
        Ok(Statement { sql, parameters: parameters.collect() })
    }

    /// Those of some hash paths that are condemned: `path`, `generation`.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn condemned(&self, paths: &[&str]) -> Result<Statement> {
        let sql = format!(
            "SELECT path, generation FROM {} WHERE path IN {}",
            self.table("~condemned")?,
            self.list(1, paths.len())
        );
        Ok(Statement { sql, parameters: texts(paths) })
    }

    /// One row if there are condemnations older than so many seconds, by the database's clock as it is.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn condemned_by_clock(&self, age: i64) -> Result<Statement> {
        let (table, now) = (self.table("~condemned")?, self.words.now);
        Ok(bare(format!("SELECT 1 FROM {table} WHERE since < {now} - {age} LIMIT 1")))
    }

    /// Forgets condemnations that are older than so many seconds.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn forget_condemned(&self, age: i64) -> Result<Statement> {
        Ok(bare(format!("DELETE FROM {} WHERE since < {} - {age}", self.table("~condemned")?, self.past()?)))
    }
}

fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::from(*text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::{Mysql, Server};
    use crate::{Postgres, Sqlite};

    #[test]
    fn the_same_statements_in_the_words_of_each_database() {
        let schema = SchemaName::new("lab").unwrap();
        let texts = |dialect: &dyn Dialect| {
            let journal = Journal::new(dialect, &schema);
            [
                journal.condemn(&[("_hash/lab/abc", 0)]).unwrap().sql,
                journal.release_where("trace", Owned::Files, &dialect.quote("t"), "1 = 1").unwrap(),
                journal.settle(&["a", "b"]).unwrap().sql,
            ]
        };
        assert_eq!(
            texts(&Sqlite),
            [
                "INSERT INTO \"lab.~condemned\" (path, generation, since) VALUES (?1, ?2, max(CAST(strftime('%s', 'now') AS \
                 INTEGER), coalesce((SELECT CAST(value AS INTEGER) FROM \"lab.~lifecycle\" WHERE property = 'clock'), 0))) ON CONFLICT (path) DO UPDATE SET generation = max(\"lab.~condemned\".generation, \
                 excluded.generation), since = excluded.since",
                "INSERT INTO \"lab.~released\" (store, path, tree, since) SELECT DISTINCT \
                 coalesce(json_extract(\"trace\", '$.store'), ''), json_extract(\"trace\", '$.path'), 0, \
                 max(CAST(strftime('%s', 'now') AS INTEGER), coalesce((SELECT CAST(value AS INTEGER) FROM \
                 \"lab.~lifecycle\" WHERE property = 'clock'), 0)) FROM \"t\" WHERE (1 = 1) AND json_extract(\"trace\", '$.path') IS \
                 NOT NULL",
                "DELETE FROM \"lab.~intents\" WHERE batch IN (?1, ?2) AND revoked IS NULL",
            ]
        );
        assert_eq!(
            texts(&Postgres)[0],
            "INSERT INTO \"lab\".\"~condemned\" (path, generation, since) VALUES ($1, $2, greatest(CAST(floor(extract(epoch FROM \
             clock_timestamp())) AS BIGINT), coalesce((SELECT CAST(value AS BIGINT) FROM \"lab\".\"~lifecycle\" WHERE property = \
             'clock'), 0))) ON CONFLICT (path) DO UPDATE SET generation = \
             greatest(\"lab\".\"~condemned\".generation, excluded.generation), since = excluded.since"
        );
        assert_eq!(
            texts(&Mysql { server: Server::Mariadb })[0],
            "INSERT INTO `lab`.`~condemned` (path, generation, since) VALUES (?, ?, UNIX_TIMESTAMP()) ON DUPLICATE KEY \
             UPDATE generation = greatest(`lab`.`~condemned`.generation, VALUES(generation)), since = VALUES(since)"
        );
    }
}
