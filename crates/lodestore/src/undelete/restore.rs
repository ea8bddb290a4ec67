//! Restoring: rows that were kept go back where they were.

use lodestore_db::Connection;
use lodestore_sql::{Heading, KeptRows};
use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName, Value};

use super::Listed;
use super::content::Part;
use super::keep::shape_of;
use crate::Instance;
use crate::graph::Graph;

impl Instance {
    pub(super) fn undelete(
        &self,
        schema: &SchemaName,
        table: Option<&FullTableName>,
        deletion: Option<&str>,
    ) -> Result<Vec<(FullTableName, u64)>> {
        let listed = self.listed(schema)?;
        let is_it = |listed: &&Listed| match deletion {
            Some(id) => listed.id == id,
            None => !listed.expired && table.is_none_or(|table| listed.content.has(table)),
        };
        let found = listed.iter().find(is_it).ok_or_else(|| self.nothing_to_undelete(deletion))?;
        if found.expired {
            return Err(expired(&found.id));
        }
        let graph = self.dependencies_of(found.content.schemas())?;
        let outcome = self.write(Vec::new(), |connection| {
            for schema in found.content.schemas() {
                let strike = self.deletions_of(schema).strike(&found.id, false)?;
                let struck = connection.execute(&strike.sql, &strike.parameters);
                match struck {
                    Ok(1..) => {}
                    Ok(0) => return Err(expired(&found.id)),
                    Err(error) if error.kind() == ErrorKind::MissingTable => return Err(gone(schema)),
                    Err(error) => return Err(error),
                }
            }
            let mut headings = Vec::new();
            for part in &found.content.tables {
                headings.push(self.put_back(connection, part, &graph, &found.id).map_err(|error| at(error, part))?);
            }
            for (part, heading) in found.content.tables.iter().zip(&headings) {
                self.finish_part(connection, part, heading, &found.id).map_err(|error| at(error, part))?;
            }
            Ok(())
        });
        outcome.map_err(|error| error.with("deletion", &found.id))?;
        // What this transaction deletes from here on is another deletion.
        self.keep_so_far(None);
        Ok(found.content.tables.iter().map(|part| (part.table.clone(), part.rows)).collect())
    }

    /// Inserts the rows of one table, all that they refer to being there.
    fn put_back(&self, connection: &mut dyn Connection, part: &Part, graph: &Graph, id: &str) -> Result<Vec<String>> {
        let dialect = self.dialect();
        let rows = KeptRows { dialect, table: &part.table, kept: &part.kept, deletion: id };
        let Some(heading) = self.heading_now(connection, &part.table)? else { return Err(dropped()) };
        let exists = dialect.table_exists(&part.kept);
        if connection.query(&exists.sql, &exists.parameters)?.is_empty() {
            return Err(dropped());
        }
        let key: Vec<String> = heading.full_primary_key().map(|attribute| attribute.name.clone()).collect();
        if let Some(taken) = connection.query(&rows.taken(&key), &[])?.pop() {
            let told = self.tell(&heading, &key, taken);
            return Err(Error::new(
                ErrorKind::Duplicate,
                format!("a row with the same key has been inserted since: {told}"),
            )
            .with_hint("delete it or give it another key; then undelete again"));
        }
        for foreign in graph.parents(&part.table) {
            let columns = &foreign.key.columns;
            if foreign.key.parent == part.table || columns.iter().any(|column| part.late.contains(column)) {
                continue;
            }
            if let Some(lost) = connection.query(&rows.lost(foreign), &[])?.pop() {
                let parent = &foreign.key.parent;
                let told = self.tell(&heading, columns, lost);
                return Err(Error::new(
                    ErrorKind::MissingParent,
                    format!("a row refers to one of `{parent}` that is not there any more: {told}"),
                )
                .with_hint("undelete, or insert, that row first"));
            }
        }
        let early: Vec<String> = heading
            .attributes
            .iter()
            .map(|attribute| attribute.name.clone())
            .filter(|name| !part.late.contains(name))
            .collect();
        if shape_of(&heading) != part.shape {
            return Err(altered());
        }
        let restored = connection.execute(&rows.restore(&early), &[])?;
        // From here on nobody else can change what the table looks like.
        let heading = self.heading_now(connection, &part.table)?.ok_or_else(dropped)?;
        match shape_of(&heading) == part.shape {
            true if restored == part.rows => Ok(key),
            true => Err(Error::new(
                ErrorKind::Corrupt,
                format!("{restored} rows are kept where the deletion took {}", part.rows),
            )),
            false => Err(altered()),
        }
    }

    /// Has the rows refer to each other again, when all are there, and forgets what was kept of them.
    fn finish_part(&self, connection: &mut dyn Connection, part: &Part, key: &[String], id: &str) -> Result<()> {
        let rows = KeptRows { dialect: self.dialect(), table: &part.table, kept: &part.kept, deletion: id };
        if !part.late.is_empty() {
            connection.execute(&rows.complete(&part.late, key), &[])?;
        }
        connection.execute(&rows.forget(), &[]).map(drop)
    }

    /// Some values of a row, for people.
    fn tell(&self, heading: &Heading, names: &[String], row: Vec<Value>) -> String {
        let told = names.iter().zip(row).map(|(name, value)| {
            let value = match heading.get_any(name) {
                Some(attribute) => self.dialect().decode_attribute(value.clone(), attribute).unwrap_or(value),
                None => value,
            };
            format!("{name}={value}")
        });
        told.collect::<Vec<_>>().join(", ")
    }

    fn nothing_to_undelete(&self, deletion: Option<&str>) -> Error {
        if let Some(id) = deletion {
            return Error::new(ErrorKind::InvalidRequest, format!("there is no deletion `{id}` to undo")).with_hint(
                "it has expired or was undone, or is of another schema; `deletions` lists what can be undone",
            );
        }
        let hint = match self.config().get_int("gc.undelete") {
            0 => "deletes are kept only while the setting `gc.undelete` is greater than 0, for so many seconds",
            _ => "nothing was deleted within the time that the setting `gc.undelete` says, or all of it was undone",
        };
        Error::new(ErrorKind::InvalidRequest, "there is no deletion to undo").with_hint(hint)
    }
}

fn at(error: Error, part: &Part) -> Error {
    let error = match error.kind() {
        ErrorKind::Integrity | ErrorKind::MissingParent if error.hint().is_none() => {
            error.with_hint("undelete, or insert, the row that it refers to first")
        }
        _ => error,
    };
    error.with("table", &part.table)
}

fn expired(id: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("the deletion `{id}` cannot be undone any more"))
        .with_hint("its time is over (`gc.undelete`), or another program has undone it just now")
}

fn altered() -> Error {
    Error::new(ErrorKind::InvalidRequest, "the table has been altered since its rows were deleted")
        .with_hint("alter it back to what it was; nothing came back yet, and nothing is lost before the time is over")
}

fn dropped() -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        "the table has been dropped since its rows were deleted, and with it what was kept of them",
    )
    .with_hint("nothing of this deletion came back; it can only come back as a whole")
}

fn gone(schema: &SchemaName) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!("the schema `{schema}`, which lost rows as well, has been dropped since"),
    )
    .with_hint("a deletion can only come back as a whole")
}
