//! What a schema remembers of its migrations.

use lodestore_db::Connection;
use lodestore_sql::Way;
use lodestore_sql::migration::{SHADOW_PREFIX, list};
use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName, TableName, Uuid, Value};

use super::plan::{Plan, spelled};
use crate::Instance;
use crate::references::fingerprint;

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Values are being carried; rows may have the new ones where only the store changes.
    Copying,
    /// All rows have the new values.
    Switched,
    /// Values are being carried back.
    Reverting,
    /// What is not needed any more was released; what remains is to be cleared away.
    Closing,
    /// It is over.
    Done,
    /// There was nothing to do.
    Unchanged,
}

/// A migration, as the schema has it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) table: FullTableName,
    pub(super) attribute: String,
    pub(super) source: String,
    pub(super) target: String,
    /// What chose the rows; empty for all of them.
    pub(super) rows: String,
    pub(super) state: State,
    /// Who works on it: a name that each program makes for itself.
    owner: String,
}

impl State {
    const ALL: [State; 6] =
        [State::Copying, State::Switched, State::Reverting, State::Closing, State::Done, State::Unchanged];

    pub(super) fn word(self) -> &'static str {
        match self {
            State::Copying => "copying",
            State::Switched => "switched",
            State::Reverting => "reverting",
            State::Closing => "closing",
            State::Done => "done",
            State::Unchanged => "unchanged",
        }
    }

    /// As part of a message.
    pub(super) fn told(self) -> &'static str {
        match self {
            State::Copying => "underway, or was interrupted",
            State::Switched => "not confirmed yet",
            State::Reverting => "being reverted, or that was interrupted",
            _ => "over",
        }
    }
}

impl Record {
    pub(super) fn new(table: &FullTableName, plan: &Plan, rows: String) -> Self {
        // An attribute has one migration at a time: the second to be written down is a duplicate.
        let number = fingerprint(&[&table.to_string(), &plan.old.name]);
        Record {
            id: format!("{number:032x}")[..12].to_owned(),
            table: table.clone(),
            attribute: plan.old.name.clone(),
            source: plan.old.kind.declared.clone(),
            target: plan.new.kind.declared.clone(),
            rows,
            state: State::Copying,
            owner: new_owner(),
        }
    }

    pub(super) fn unchanged(table: &FullTableName, plan: &Plan) -> Self {
        Record { state: State::Unchanged, id: String::new(), ..Record::new(table, plan, String::new()) }
    }

    /// All migrations of a schema.
    pub(super) fn all(instance: &Instance, schema: &SchemaName) -> Result<Vec<Self>> {
        if instance.query(&instance.dialect().table_exists(&list::name(schema)?))?.is_empty() {
            return Ok(Vec::new());
        }
        let rows = instance.query(&list::all(instance.dialect(), schema)?)?;
        rows.iter().map(|row| Record::read(schema, row)).collect()
    }

    /// That of an attribute.
    pub(super) fn of(instance: &Instance, table: &FullTableName, attribute: &str) -> Result<Option<Self>> {
        let all = Record::all(instance, &table.schema)?;
        Ok(all.into_iter().find(|record| record.table == *table && record.attribute == attribute))
    }

    fn read(schema: &SchemaName, row: &[Value]) -> Result<Self> {
        let texts: Vec<&str> = row.iter().filter_map(Value::as_str).collect();
        let strange = || {
            Error::new(ErrorKind::Corrupt, "a migration is written down in a form that is not known here")
                .with("schema", schema)
                .with_hint("a newer Lodestore may have begun it: use that")
        };
        let [id, table, attribute, source, target, rows, state, owner] = texts[..] else { return Err(strange()) };
        Ok(Record {
            id: id.to_owned(),
            table: FullTableName { schema: schema.clone(), table: TableName::existing(table)? },
            attribute: attribute.to_owned(),
            source: source.to_owned(),
            target: target.to_owned(),
            rows: rows.to_owned(),
            state: State::ALL.into_iter().find(|known| known.word() == state).ok_or_else(strange)?,
            owner: owner.to_owned(),
        })
    }

    /// Writes it down.
    pub(super) fn add(&self, instance: &Instance) -> Result<()> {
        let schema = &self.table.schema;
        let create = list::create(instance.dialect(), schema)?;
        instance.with_connection(|connection| connection.execute(&create.sql, &create.parameters))?;
        let values = [
            &*self.id,
            self.table.table.as_str(),
            &self.attribute,
            &self.source,
            &self.target,
            &self.rows,
            self.state.word(),
            &self.owner,
        ];
        let add = list::add(instance.dialect(), schema, values.map(Value::from).into())?;
        let added = instance.write(Vec::new(), |connection| connection.execute(&add.sql, &add.parameters));
        added.map(drop).map_err(|error| match error.kind() {
            ErrorKind::Duplicate => {
                Error::new(ErrorKind::InvalidRequest, "another migration of this attribute has just begun")
                    .with("migration", &self.id)
                    .with_hint("look where it stands: `lodestore migrate --list`")
            }
            _ => error,
        })
    }

    /// True if it is what was asked for.
    pub(super) fn is_for(&self, to: &str, rows: &str) -> Result<bool> {
        Ok(self.target == spelled(to)? && self.rows == rows)
    }

    /// Takes it over from whoever was at it.
    ///
    /// # Errors
    /// `InvalidRequest` if it is over by now.
    pub(super) fn take(&mut self, instance: &Instance) -> Result<()> {
        self.owner = new_owner();
        let take = list::take(instance.dialect(), &self.table.schema, &self.id, &self.owner)?;
        instance.write(Vec::new(), |connection| connection.execute(&take.sql, &take.parameters))?;
        let now = Record::all(instance, &self.table.schema)?.into_iter().find(|record| record.id == self.id);
        self.state = now.ok_or_else(|| self.over())?.state;
        Ok(())
    }

    /// Notes a step in a transaction, which others then wait for.
    ///
    /// # Errors
    /// `InvalidRequest` if another program has taken the migration over.
    pub(super) fn step(
        &self,
        instance: &Instance,
        connection: &mut dyn Connection,
        state: Option<State>,
    ) -> Result<()> {
        let step = list::step(instance.dialect(), &self.table.schema, &self.id, &self.owner, state.map(State::word))?;
        match connection.execute(&step.sql, &step.parameters)? {
            0 => Err(self.over()),
            _ => Ok(()),
        }
    }

    fn over(&self) -> Error {
        Error::new(ErrorKind::InvalidRequest, "another program has taken this migration over, or ended it")
            .with("migration", &self.id)
            .with_hint("look where it stands: `lodestore migrate --list`")
    }

    /// Forgets it.
    pub(super) fn forget(&self, instance: &Instance) -> Result<()> {
        let forget = list::forget(instance.dialect(), &self.table.schema, &self.id)?;
        instance.write(Vec::new(), |connection| connection.execute(&forget.sql, &forget.parameters)).map(drop)
    }

    pub(super) fn shadow_name(&self) -> Result<FullTableName> {
        let table = TableName::existing(format!("{SHADOW_PREFIX}{}", self.id))?;
        Ok(FullTableName { schema: self.table.schema.clone(), table })
    }

    /// Which way it goes on.
    pub(super) fn way(&self) -> Way {
        if self.state == State::Reverting { Way::Back } else { Way::Forward }
    }

    /// True if all rows of the table are meant.
    pub(super) fn is_whole(&self) -> bool {
        self.rows.is_empty()
    }
}

fn new_owner() -> String {
    Uuid::new_v4().simple().to_string()
}
