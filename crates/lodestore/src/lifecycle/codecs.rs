//! The record of codecs: what type each attribute of a codec was declared as, a second time.
//!
//! Types are stored as markers in the comments of columns, and comments get lost: other tools replace them when they alter
//! a table, and dumps leave them out. Then a column that names objects looks like any other. So every schema with a journal
//! has a hidden table `~codecs`, which no other program knows. It follows the markers; a marker that is gone stays in it.

use std::collections::{BTreeMap, HashMap};

use lodestore_sql::heading::split_marker;
use lodestore_sql::{Dialect, ObjectColumn, Statement};
use lodestore_types::{Error, ErrorKind, Result, SchemaName};

use super::intent::ROWS_AT_ONCE;
use crate::Instance;
use crate::instance::run_all;

impl Instance {
    /// All schemas that have tables, and whether the hidden table of comments is there, if this database has one.
    pub(super) fn schemas_with_tables(&self) -> Result<Vec<(SchemaName, bool)>> {
        let rows = self.query(&self.dialect().schemas_with_tables())?;
        let names = rows
            .iter()
            .filter_map(|row| Some((row[0].as_str()?, row.get(1).and_then(|flag| flag.as_i64()) != Some(0))));
        // A name with quotes in it can be neither ours nor DataJoint's.
        Ok(names.filter_map(|(name, flag)| Some((SchemaName::existing(name).ok()?, flag))).collect())
    }

    /// The recorded codecs of a schema, by `table.attribute`; `None` if it has no record.
    fn recorded_codecs(&self, schema: &SchemaName) -> Result<Option<HashMap<String, String>>> {
        let journal = self.journal(schema);
        if self.query(&self.dialect().table_exists(&journal.name("~codecs")?))?.is_empty() {
            return Ok(None);
        }
        let rows = self.query(&journal.codecs()?)?;
        let pair = |row: &Vec<lodestore_types::Value>| Some((row[0].as_str()?.to_owned(), row[1].as_str()?.to_owned()));
        Ok(Some(rows.iter().filter_map(pair).collect()))
    }

    /// Brings the record of a schema with a journal to what the markers say. What lost its marker stays recorded.
    ///
    /// A user who may not write it leaves that to others.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn record_codecs(&self, schema: &SchemaName) -> Result<()> {
        let record = || -> Result<()> {
            let all = self.schemas_with_tables()?;
            let own: Vec<(SchemaName, bool)> = all.into_iter().filter(|(name, _)| name == schema).collect();
            let rows = self.query(&self.dialect().object_columns(schema, &own))?;
            let columns = rows.iter().map(ObjectColumn::read).collect::<Result<Vec<_>>>()?;
            let columns: BTreeMap<String, Option<String>> = columns
                .into_iter()
                .filter(|column| column.schema == schema.as_str())
                .map(|column| (key(&column), split_marker(&column.comment).0.map(str::to_owned)))
                .collect();
            let recorded = self.recorded_codecs(schema)?;
            let known = recorded.as_ref();
            let new: Vec<(String, String)> = columns
                .iter()
                .filter_map(|(attribute, declared)| Some((attribute.clone(), declared.clone()?)))
                .filter(|(attribute, declared)| known.is_none_or(|known| known.get(attribute) != Some(declared)))
                .collect();
            // A column of a codec that became one of another type, or went.
            let gone: Vec<&str> = known
                .into_iter()
                .flat_map(HashMap::keys)
                .filter(|key| !columns.contains_key(*key))
                .map(String::as_str)
                .collect();
            let journal = self.journal(schema);
            if recorded.is_none() {
                let create = journal.create_codecs()?;
                self.outside(|connection| connection.execute(&create.sql, &create.parameters))?;
            }
            for codecs in new.chunks(ROWS_AT_ONCE) {
                let note = journal.note_codecs(codecs)?;
                self.outside(|connection| connection.execute(&note.sql, &note.parameters))?;
            }
            for attributes in gone.chunks(ROWS_AT_ONCE) {
                let forget = journal.forget_codecs(attributes)?;
                self.outside(|connection| connection.execute(&forget.sql, &forget.parameters))?;
            }
            Ok(())
        };
        match record() {
            Err(error) if error.kind() == ErrorKind::Access => Ok(()),
            outcome => outcome,
        }
    }

    /// Restores what other tools, and dumps, lose of the hidden tables of a schema with a journal: tables that are gone are
    /// made again. What released objects they named is found by a full collection; intents that are gone count as revoked.
    ///
    /// # Errors
    /// The database's.
    pub(super) fn restore_hidden_tables(&self, schema: &SchemaName) -> Result<()> {
        let Some(identity) = self.known_identity(schema)? else { return Ok(()) };
        let journal = self.journal(schema);
        let exists =
            |name: &str| Ok::<_, Error>(!self.query(&self.dialect().table_exists(&journal.name(name)?))?.is_empty());
        let mut statements = Vec::new();
        for name in ["~intents", "~released", "~condemned"] {
            if !exists(name)? {
                statements = journal.create(&identity)?;
            }
        }
        // MySQL's dumps lose it if they are told to leave out what is MySQL's own.
        if self.dialect().name() == "mysql" {
            for name in ["~released", "~deletions"] {
                let table = journal.name(name)?;
                self.forget_heading(&table);
                let Some(heading) = self.heading(&table)? else { continue };
                if heading.get_any("id").is_some_and(|id| !id.autoincrement) {
                    statements.push(journal.count_again(name)?);
                }
            }
        }
        let has_comments = self.schemas_with_tables()?.iter().any(|(name, flag)| name == schema && *flag);
        if !has_comments || !self.schemas()?.iter().any(|name| name == schema.as_str()) {
            statements.extend(self.dialect().create_schema(schema));
            if !has_comments {
                // Lost together, and kept apart: the types of codecs.
                for (attribute, declared) in self.recorded_codecs(schema)?.unwrap_or_default() {
                    let Some((table, name)) = attribute.rsplit_once('.') else { continue };
                    let column = ObjectColumn::named(schema.as_str(), table, name);
                    let sql = self.dialect().restore_comment(&column, &declared);
                    statements.push(Statement { sql, parameters: Vec::new() });
                }
            }
            self.forget_headings();
        }
        self.outside(|connection| run_all(connection, &statements))
    }

    /// Refuses to go on if a column has no marker any more and was recorded as one of a codec.
    pub(super) fn refuse_lost_markers(&self, columns: &[ObjectColumn]) -> Result<()> {
        let mut records: HashMap<&str, HashMap<String, String>> = HashMap::new();
        for column in columns.iter().filter(|column| split_marker(&column.comment).0.is_none()) {
            let Ok(schema) = SchemaName::existing(&*column.schema) else { continue };
            if !records.contains_key(&*column.schema) {
                records.insert(&column.schema, self.recorded_codecs(&schema).unwrap_or_default().unwrap_or_default());
            }
            if let Some(declared) = records[&*column.schema].get(&key(column)) {
                return Err(lost(self.dialect(), column, declared));
            }
        }
        Ok(())
    }
}

fn key(column: &ObjectColumn) -> String {
    format!("{}.{}", column.table, column.name)
}

fn lost(dialect: &dyn Dialect, column: &ObjectColumn, declared: &str) -> Error {
    let message =
        format!("nothing is deleted: a column was declared as `{declared}` and its comment no longer says so");
    Error::new(ErrorKind::Corrupt, message)
        .with("table", format!("{}.{}", column.schema, column.table))
        .with("attribute", &column.name)
        .with_hint(format!(
            "another tool altered the table or restored it without comments; give the column its type back: {}",
            dialect.restore_comment(column, declared)
        ))
}
