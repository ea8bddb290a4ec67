//! Giving a table another definition.

use lodestore_sql::alteration::{self, conversion_hint, convert, holds_all};
use lodestore_sql::{Alteration, Attribute, Change, DeclareOptions, ForeignKey, Heading, Statement};
use lodestore_types::{Error, ErrorKind, Result, Value};

use crate::instance::run_all;
use crate::{Resolve, Schema, Table};

impl Table {
    /// What would change if the table had this definition: shown by `Display`, carried out by [`Table::alter`].
    ///
    /// Secondary attributes can be added, dropped and changed, indexes and comments as well. An attribute whose comment
    /// begins with the name of another in braces, as in `weight_g : float32  # {weight} in grams`, takes its place.
    /// Hidden attributes stay. References are found as [`Schema::declare`] finds them.
    ///
    /// # Errors
    /// `Unsupported` if the primary key or a foreign key would change; for the rest as [`Schema::declare`].
    ///
    /// ```
    /// # use lodestore::{Instance, Tier, row};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
    /// let session = lab.declare("Session", Tier::Manual, "session : int32\n---\nnote = '' : varchar(10)")?;
    /// session.insert1(row! { "session" => 1, "note" => "quiet" })?;
    ///
    /// let plan = session.alteration("session : int32\n---\nremark = '' : varchar(200)  # {note} of the day")?;
    /// println!("{plan}");
    /// let session = session.alter(&plan)?;
    /// assert_eq!(session.fetch1()?.get("remark"), Some(&"quiet".into()));
    /// # Ok::<(), lodestore::Error>(())
    /// ```
    pub fn alteration(&self, definition: &str) -> Result<Alteration> {
        let schema = Schema::new(self.instance().clone(), self.name().schema.clone());
        let master = self.name().table.master().map(|table| schema.existing(&table)).transpose()?;
        let resolve = |reference: &lodestore_sql::definition::Reference| {
            schema.resolve(&reference.path, master.as_ref().map(Table::name))
        };
        self.alteration_resolving(definition, &resolve)
    }

    /// Like [`Table::alteration`], for callers who know better what a definition refers to.
    ///
    /// # Errors
    /// As [`Table::alteration`], and those of `resolve`.
    pub fn alteration_resolving(&self, definition: &str, resolve: &Resolve<'_>) -> Result<Alteration> {
        let schema = Schema::new(self.instance().clone(), self.name().schema.clone());
        let declaration = schema.compile(self.name(), definition, DeclareOptions::default(), resolve)?;
        let (heading, keys) = self.as_it_is()?;
        let alteration = alteration::alter(self.instance().dialect(), &heading, &keys, &declaration)?;
        Ok(if self.instance().dialect().can_reorder() { alteration } else { alteration.without_moves() })
    }

    /// Carries out what [`Table::alteration`] planned, whole or not at all, and gives the table as it is then. Values
    /// that were read before keep their old heading.
    ///
    /// Objects that the values of a dropped attribute own go once the change is committed, unless other rows name them.
    ///
    /// # Errors
    /// Before anything is changed: `InvalidValue` or `InvalidType` for a value that does not fit its new type,
    /// `MissingAttribute` for an attribute that needs a value in rows that have none, `Duplicate` for rows that a new
    /// unique index would not have, `InvalidRequest` inside a transaction, and if the table has changed since the plan
    /// was made.
    pub fn alter(&self, alteration: &Alteration) -> Result<Table> {
        let name = self.name();
        self.carry_out(alteration).map_err(|error| error.with("table", name))?;
        self.instance().forget_heading(name);
        if self.instance().known_identity(&name.schema)?.is_some() {
            self.instance().record_codecs(&name.schema)?;
        }
        self.instance().table(name)
    }

    fn carry_out(&self, alteration: &Alteration) -> Result<()> {
        let instance = self.instance();
        if alteration.table != *self.name() {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("the plan is for `{}`", alteration.table)));
        }
        if instance.in_transaction() {
            return Err(Error::new(ErrorKind::InvalidRequest, "a table cannot be altered inside a transaction")
                .with_hint("alter it before the transaction (or `populate`) begins"));
        }
        if alteration.is_empty() {
            return Ok(());
        }
        let script = instance.dialect().alter(alteration)?;
        let dropped = without_kept(alteration);
        instance.prepare_release(&[&dropped])?;
        let after = || instance.with_connection(|connection| run_all(connection, &script.after));
        let outcome = instance.with_connection(|connection| run_all(connection, &script.before)).and_then(|()| {
            instance.transaction(|| {
                let (heading, keys) = self.as_it_is()?;
                if heading != alteration.current || keys != alteration.foreign_keys {
                    return self.is_done(alteration, &heading);
                }
                self.check_none(&script.obstacles)?;
                self.check_values(alteration)?;
                instance.with_connection(|connection| {
                    instance.release_all(connection, &dropped)?;
                    run_all(connection, &script.statements).map_err(explain)
                })?;
                self.check_none(&script.proofs)
            })
        });
        // A connection that cannot be brought back to its settings is not used again.
        if after().is_err() {
            instance.close();
        }
        outcome
    }

    /// The table as the database has it at this moment.
    fn as_it_is(&self) -> Result<(Heading, Vec<ForeignKey>)> {
        self.instance().forget_heading(self.name());
        let heading = self.instance().table(self.name())?.heading().as_ref().clone();
        let graph = self.instance().dependencies_of([&self.name().schema])?;
        Ok((heading, graph.parents(self.name()).map(|edge| edge.key.clone()).collect()))
    }

    /// Another program may have changed the table since the plan was made: perhaps in the same way.
    fn is_done(&self, alteration: &Alteration, heading: &Heading) -> Result<()> {
        let target = alteration.target.heading();
        let same = target.attributes == heading.attributes
            && target.comment == heading.comment
            && target.indexes.iter().all(|index| heading.indexes.contains(index))
            && target.indexes.len() == heading.indexes.len();
        if same {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidRequest, "the table has changed since the plan was made; nothing was altered")
            .with_hint("make the plan again and look at it"))
    }

    fn check_none(&self, queries: &[(Statement, String)]) -> Result<()> {
        for (query, meaning) in queries {
            if let Some(row) = self.instance().query(query)?.first() {
                let found = row.first().cloned().unwrap_or_default();
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!("cannot alter the table: {meaning} ({found})"),
                )
                .with_hint("nothing was altered"));
            }
        }
        Ok(())
    }

    /// Looks at all values that must fit something new.
    fn check_values(&self, alteration: &Alteration) -> Result<()> {
        for change in &alteration.changes {
            match change {
                Change::Add { attribute, .. } if attribute.default.is_none() => self.check_empty(attribute)?,
                Change::Modify { old, new, .. } => {
                    self.check_nulls(old, new)
                        .and_then(|()| self.check_types(old, new))
                        .map_err(|error| error.with("attribute", &old.name))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_empty(&self, attribute: &Attribute) -> Result<()> {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", self.quoted_name());
        if self.instance().query(&Statement { sql, parameters: Vec::new() })?.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::MissingAttribute,
            format!("the new attribute `{}` needs a value in the rows that are there", attribute.name),
        )
        .with_hint(format!(
            "give it a default, or declare it as `{}=null : {}`",
            attribute.name, attribute.kind.declared
        ))
        .with("attribute", &attribute.name))
    }

    fn check_nulls(&self, old: &Attribute, new: &Attribute) -> Result<()> {
        if !old.nullable || new.nullable {
            return Ok(());
        }
        let column = self.instance().dialect().quote(&old.name);
        let sql = format!("SELECT count(*) FROM {} WHERE {column} IS NULL", self.quoted_name());
        let rows = self.instance().query(&Statement { sql, parameters: Vec::new() })?;
        match rows.first().and_then(|row| row.first()).and_then(Value::as_i64) {
            Some(0) | None => Ok(()),
            Some(count) => Err(Error::new(
                ErrorKind::MissingAttribute,
                format!("{count} rows have no `{}`, which the definition asks for", old.name),
            )
            .with_hint("give them a value first (`update1`), or keep `=null`")),
        }
    }

    fn check_types(&self, old: &Attribute, new: &Attribute) -> Result<()> {
        let (from, to) = (&old.kind.core, &new.kind.core);
        let stores_differ = match (&old.kind.codec, &new.kind.codec) {
            (None, None) if holds_all(from, to) => return Ok(()),
            (None, None) => false,
            (Some(old), Some(new)) if old == new => return Ok(()),
            (Some(old), Some(new)) if is_codec(old, new) => true,
            _ => return self.check_unused(old, new),
        };
        self.each_value(old, |value| {
            if stores_differ {
                return names_its_store(&value);
            }
            convert(value, to).map(drop)
        })
    }

    /// What codecs wrote is only read by the same codecs.
    fn check_unused(&self, old: &Attribute, new: &Attribute) -> Result<()> {
        self.each_value(old, |_| {
            Err(Error::new(
                ErrorKind::Unsupported,
                format!("values of `{}` cannot become `{}`", old.kind.declared, new.kind.declared),
            )
            .with_hint(conversion_hint(old, new)))
        })
    }

    /// Calls `check` with each value of an attribute that is not NULL; its error tells the row.
    fn each_value(&self, attribute: &Attribute, mut check: impl FnMut(Value) -> Result<()>) -> Result<()> {
        let dialect = self.instance().dialect();
        let heading = self.heading();
        let key: Vec<&Attribute> = heading.primary_key().collect();
        let column = dialect.quote(&attribute.name);
        let columns: Vec<String> =
            key.iter().map(|attribute| dialect.quote(&attribute.name)).chain([column.clone()]).collect();
        let sql = format!("SELECT {} FROM {} WHERE {column} IS NOT NULL", columns.join(", "), self.quoted_name());
        self.instance().with_connection(|connection| {
            connection.query_each(&sql, &[], &mut |mut row| {
                let value = row.pop().unwrap_or_default();
                dialect.decode_attribute(value, attribute).and_then(&mut check).map_err(|error| {
                    let names = key.iter().map(|attribute| attribute.name.as_str());
                    let told: Vec<String> = names.zip(&row).map(|(name, value)| format!("{name}={value}")).collect();
                    error.with("key", told.join(", "))
                })
            })
        })
    }
}

/// The heading with only the attributes whose values go.
fn without_kept(alteration: &Alteration) -> Heading {
    let mut heading = alteration.current.clone();
    let kept: Vec<&str> = alteration.kept().map(|(_, source)| source.name.as_str()).collect();
    heading.attributes.retain(|attribute| !kept.contains(&attribute.name.as_str()));
    heading
}

/// True if two codec types differ in nothing but their store, both having one.
fn is_codec(left: &str, right: &str) -> bool {
    let name = |text: &str| {
        let (name, _) = text.trim_matches(['<', '>']).split_once('@')?;
        Some(name.trim().to_owned())
    };
    name(left).is_some_and(|left| Some(left) == name(right))
}

/// Values that do not say where their object lies would be looked for in the new store.
fn names_its_store(value: &Value) -> Result<()> {
    match value {
        Value::Json(document) if document["store"].as_str().is_some_and(|store| !store.is_empty()) => Ok(()),
        _ => Err(Error::new(ErrorKind::Unsupported, "a value does not say in which store its object lies")
            .with_hint("the attribute must keep the store that its type names")),
    }
}

/// What the database says in the middle of an alteration.
fn explain(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Duplicate => {
            Error::new(ErrorKind::Duplicate, "rows agree in attributes that a new index wants to be unique")
                .with_hint("nothing was altered; look for the rows that agree, or declare `index` without `unique`")
                .with_source(error)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_store_may_differ() {
        assert!(is_codec("<blob@>", "< blob @cold>") && is_codec("<npy@a>", "<npy@b>"));
        for (left, right) in [("<blob>", "<blob@>"), ("<blob>", "<blob>"), ("<npy@>", "<blob@>")] {
            assert!(!is_codec(left, right), "{left} {right}");
        }
        let told = |text: &str| names_its_store(&Value::Json(serde_json::from_str(text).unwrap()));
        assert!(told("{\"store\": \"main\"}").is_ok());
        assert!(told("{\"store\": null}").is_err() && told("{}").is_err() && told("{\"store\": \"\"}").is_err());
    }
}
