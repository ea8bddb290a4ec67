//! Update: changing one row where it is.
//!
//! The rule is to delete and to insert again, so that what was computed from a row goes with it. An update is for
//! mistakes, and therefore takes one row at a time.

use lodestore_sql::Heading;
use lodestore_types::{Error, ErrorKind, Result, Value};

use crate::insert::ready_row;
use crate::staged::{intents_of, tell_staged};
use crate::{Query, Row, StagedObject, Table};

impl Query {
    /// Changes attributes of one row of the table, named by its primary key in `row`; where these rows are restricted
    /// to one, the key may be left out. NULL stands for the default, as in an insert.
    ///
    /// Every value is checked, and objects are written, before the row is changed; if it is not changed, they are
    /// removed again. Those that the row named before go once the change is committed, unless other rows name them. An
    /// object that the row names already, given as a reference, is left as it is.
    ///
    /// # Errors
    /// `InvalidRequest` if this is more than a restricted table or the key is not complete; `RowCount` if there is no
    /// such row, or more than one; as [`Table::insert`] for the values.
    ///
    /// ```
    /// use lodestore::{Instance, Tier, row};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
    /// let subject = lab.declare("Subject", Tier::Manual, "id : int32\n---\nspecies : varchar(9)\nnote='' : varchar(9)")?;
    /// subject.insert1(row! { "id" => 1, "species" => "mose", "note" => "x" })?;
    /// subject.update1(row! { "id" => 1, "species" => "mouse", "note" => None::<&str> })?;
    /// assert_eq!(subject.fetch1()?, row! { "id" => 1, "species" => "mouse", "note" => "" });
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    pub fn update1(&self, row: Row) -> Result<()> {
        self.change(row).map_err(|error| self.locate(error))
    }

    fn change(&self, row: Row) -> Result<()> {
        self.refuse_vacuous()?;
        let table = self.instance().table(self.expression().table_of_rows("update")?)?;
        let (key, changes): (Vec<_>, Vec<_>) =
            row.iter().map(|(name, value)| (name.to_owned(), value.clone())).partition(|(name, _)| self.is_key(name));
        for (name, _) in &changes {
            self.changeable(name)?;
        }
        let key = self.only_key(key.into_iter().collect(), &table)?;
        let changes: Row = self.without_own_objects(&table, &key, changes)?;
        if changes.names().is_empty() {
            return Ok(());
        }
        let whole = key.iter().chain(changes.iter()).map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let staged: Vec<StagedObject> = changes.values().iter().filter_map(StagedObject::within).cloned().collect();
        let outcome = self.change_row(&table, &key, whole, &staged);
        tell_staged(&staged, &outcome);
        outcome
    }

    /// Sends the values of a row whose key is among them.
    fn change_row(&self, table: &Table, key: &Row, whole: Row, staged: &[StagedObject]) -> Result<()> {
        let heading = part_of(table.heading(), &whole);
        let (values, fresh) = ready_row(table, &heading, whole)?;
        let dialect = self.instance().dialect();
        let mut columns = Vec::new();
        let mut defaults = Vec::new();
        let mut parameters = Vec::new();
        let mut key_parameters = Vec::new();
        for (attribute, value) in heading.attributes.iter().zip(values) {
            match value.map(|value| dialect.encode(value, &attribute.kind.core)).transpose()? {
                Some(value) if attribute.in_key => key_parameters.push(value),
                Some(value) => {
                    columns.push(attribute.name.as_str());
                    parameters.push(value);
                }
                None => defaults.push(attribute.name.as_str()),
            }
        }
        parameters.extend(key_parameters);
        let sql = dialect.update(table.heading(), &columns, &defaults)?;
        let row = table.restrict(key)?;
        let exists = row.expression().exists(dialect)?;
        let mut owning = self.instance().owning(table.heading());
        owning.retain(|owning| heading.get(&owning.column).is_some());
        let released: Vec<String> = owning.iter().map(|owning| owning.column.clone()).collect();
        let old = match owning.is_empty() {
            true => None,
            false => {
                self.instance().prepare_release(&[table.heading()])?;
                Some(row.expression().table_columns(dialect, &released)?)
            }
        };
        let update = |connection: &mut dyn lodestore_db::Connection| {
            let found = connection.query(&exists.sql, &exists.parameters)?;
            match found.first().and_then(|row| row.first()) {
                // How many rows an update changed, databases do not count alike.
                Some(Value::Int(1) | Value::Bool(true)) => {
                    if let Some(old) = &old
                        && self.instance().release_query(connection, table.name(), &owning, old)? == Some(0)
                    {
                        return Err(not_there(key));
                    }
                    connection.execute(&sql, &parameters)
                }
                _ => Err(not_there(key)),
            }
        };
        self.instance().write_for(fresh, &intents_of(staged), update).map(drop).map_err(|error| match error.kind() {
            ErrorKind::Integrity => table.missing_parent(error),
            _ => error,
        })
    }

    /// Chooses the place of a new object for `attribute` of the one row that these are, to write it there. As a value of
    /// [`Query::update1`] it becomes the row's. Like [`Table::stage`], for a row that is there.
    ///
    /// # Errors
    /// As [`Table::stage`]; `RowCount` if this is no row, or more than one.
    pub fn create_object_ref(&self, attribute: &str, extension: &str) -> Result<StagedObject> {
        let stage = || {
            self.refuse_vacuous()?;
            let table = self.instance().table(self.expression().table_of_rows("update")?)?;
            let key = self.only_key(Row::default(), &table)?;
            table.stage(attribute, &key, extension)
        };
        stage().map_err(|error| self.locate(error))
    }

    fn is_key(&self, name: &str) -> bool {
        self.heading().get(name).is_some_and(|attribute| attribute.in_key)
    }

    /// Refuses names that are no attributes of the table by themselves.
    fn changeable(&self, name: &str) -> Result<()> {
        let attribute = self.heading().attribute(name)?;
        match &attribute.expression {
            None => Ok(()),
            Some(source) => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("`{name}` is computed from `{source}` and cannot be changed"),
            )
            .with_hint("update the table itself")),
        }
    }

    /// The whole key of the one row that is meant.
    fn only_key(&self, given: Row, table: &Table) -> Result<Row> {
        let missing: Vec<&str> = self
            .heading()
            .primary_key()
            .map(|attribute| attribute.name.as_str())
            .filter(|name| given.get(name).is_none_or(Value::is_null))
            .collect();
        if !missing.is_empty() && self.expression().is_whole_table() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the primary key is not complete: `{}` is missing", missing.join("`, `")),
            )
            .with_hint("name the row by all of its key, or restrict the table to that row"));
        }
        let known: Row =
            given.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, value.clone())).collect();
        let meant = self.restrict(&known)?.project(&[])?.limit(2)?;
        let rows = match meant.heading().names().next() {
            Some(_) => meant.fetch()?,
            // A table without a key to see has one row at most.
            None => vec![Row::default(); meant.len()? as usize],
        };
        match &rows[..] {
            [row] => Ok(row.clone()),
            [] => Err(not_there(&known)),
            _ => Err(Error::new(ErrorKind::RowCount, "more than one row is meant, and an update changes one")
                .with_hint(format!("name it by {}", key_names(table).join(", ")))),
        }
    }

    /// The changes but for references to objects that the row names already.
    fn without_own_objects(&self, table: &Table, key: &Row, changes: Vec<(String, Value)>) -> Result<Row> {
        let refers = |(_, value): &&(String, Value)| matches!(value, Value::Reference(_));
        let names: Vec<&str> = changes.iter().filter(refers).map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            return Ok(changes.into_iter().collect());
        }
        let current = table.restrict(key)?.project(&names)?.fetch1()?;
        let same = |name: &str, value: &Value| match (value, current.get(name)) {
            (Value::Reference(given), Some(Value::Reference(own))) => {
                given.codec == own.codec && given.store == own.store && given.path == own.path
            }
            _ => false,
        };
        Ok(changes.into_iter().filter(|(name, value)| !same(name, value)).collect())
    }
}

/// The heading of a table with only the attributes that a row has.
fn part_of(heading: &Heading, row: &Row) -> Heading {
    let named = heading.attributes.iter().filter(|attribute| row.get(&attribute.name).is_some());
    Heading { attributes: named.cloned().collect(), ..heading.clone() }
}

fn key_names(table: &Table) -> Vec<&str> {
    table.heading().primary_key().map(|attribute| attribute.name.as_str()).collect()
}

fn not_there(key: &Row) -> Error {
    let shown: Vec<String> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let error = Error::new(ErrorKind::RowCount, "there is no row to update").with_hint("insert it");
    if shown.is_empty() { error } else { error.with("key", shown.join(", ")) }
}

impl Table {
    /// The refusal of a row whose parent is not there, with the tables that it refers to.
    pub(crate) fn missing_parent(&self, error: Error) -> Error {
        let mut missing = Error::new(ErrorKind::MissingParent, error.message());
        for (name, value) in error.context() {
            missing = missing.with(name, value);
        }
        let missing = missing.with_source(error);
        let Ok(parents) = self.parents() else { return missing };
        let mut names: Vec<String> = parents.iter().map(|link| format!("`{}`", link.dependency.key.parent)).collect();
        names.dedup();
        missing.with_hint(format!("insert the parent row first: this table refers to {}", names.join(", ")))
    }
}
