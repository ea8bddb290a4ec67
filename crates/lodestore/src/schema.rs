//! Schemas: tables under one name, and how a table comes to be.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use lodestore_sql::definition::Reference;
use lodestore_sql::{Declaration, DeclareOptions, Definition, Resolver, declare};
use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Result, SchemaName, TableName, Tier, nearest};

use crate::instance::run_all;
use crate::{Instance, Table};

/// A schema of a database.
#[derive(Clone)]
pub struct Schema {
    instance: Instance,
    pub(crate) name: SchemaName,
}

/// Finds the table that a definition refers to.
pub type Resolve<'a> = dyn Fn(&Reference) -> Result<FullTableName> + 'a;

impl Schema {
    pub(crate) fn new(instance: Instance, name: SchemaName) -> Self {
        Schema { instance, name }
    }

    /// The project it belongs to.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    pub(crate) fn schema_name(&self) -> &SchemaName {
        &self.name
    }

    /// Makes the table of a class, unless it is there already; then nothing is compared or changed.
    ///
    /// A definition refers to tables of this schema by their class names, to others as `schema.Class`.
    ///
    /// # Errors
    /// `InvalidDefinition`, `InvalidName`, `UnknownCodec`, `UnknownStore`, `MissingTable` for what
    /// the definition gets wrong, all before anything is made.
    pub fn declare(&self, class_name: &str, tier: Tier, definition: &str) -> Result<Table> {
        let table = TableName::from_class(class_name, tier)?;
        self.declare_resolving(&table, definition, &|reference| self.resolve(&reference.path, None))
    }

    /// Makes a part of `master`, whose definition can refer to it as `master`.
    ///
    /// # Errors
    /// As [`Schema::declare`].
    pub fn declare_part(&self, master: &Table, class_name: &str, definition: &str) -> Result<Table> {
        let table = master.name().table.part(class_name)?;
        self.declare_resolving(&table, definition, &|reference| self.resolve(&reference.path, Some(master.name())))
    }

    /// Like [`Schema::declare`], for callers who know better what a definition refers to.
    ///
    /// # Errors
    /// As [`Schema::declare`], and those of `resolve`.
    pub fn declare_resolving(&self, table: &TableName, definition: &str, resolve: &Resolve<'_>) -> Result<Table> {
        let name = FullTableName { schema: self.name.clone(), table: table.clone() };
        if let Some(heading) = self.instance.heading(&name)? {
            return Table::new(self.instance.clone(), name, heading);
        }
        let in_table = |error: Error| error.with("table", &name);
        if self.instance.in_transaction() {
            return Err(in_table(
                Error::new(ErrorKind::InvalidRequest, "a table cannot be declared inside a transaction")
                    .with_hint("declare all tables before the transaction (or `populate`) begins"),
            ));
        }
        let options = DeclareOptions {
            job_metadata: self.instance.config().get_bool("jobs.add_job_metadata"),
            provenance: self.instance.config().get_bool("provenance.capture"),
        };
        let declaration = self.compile(&name, definition, options, resolve)?;
        self.make_table(&declaration)?;
        let table = self
            .instance
            .find_table(&name)?
            .ok_or_else(|| in_table(Error::new(ErrorKind::Internal, "the table was made and is not there")))?;
        Ok(table.with_warnings(declaration.warnings))
    }

    /// Makes a declared table, unless it is there by now.
    pub(crate) fn make_table(&self, declaration: &Declaration) -> Result<()> {
        self.instance.making(&self.name, || self.try_to_make_table(declaration))
    }

    fn try_to_make_table(&self, declaration: &Declaration) -> Result<()> {
        let name = &declaration.table;
        let in_table = |error: Error| error.with("table", name);
        let statements = self.instance.dialect().declare(declaration).map_err(in_table)?;
        let names_objects =
            declaration.columns.iter().any(|column| crate::lifecycle::Owning::of(&self.instance, column).is_some());
        if names_objects {
            self.instance.open_journal(&self.name).map_err(in_table)?;
        }
        let exists = self.instance.dialect().table_exists(name);
        let made = self.instance.write(Vec::new(), |connection| {
            // Another process may have made it since we looked.
            if connection.query(&exists.sql, &exists.parameters)?.is_empty() {
                run_all(connection, &statements)?;
            }
            Ok(())
        });
        // Or at the same moment, which servers tell by complaints of many kinds.
        if let Err(error) = made
            && !self.instance.query(&exists).is_ok_and(|rows| !rows.is_empty())
        {
            let undo = self.instance.dialect().undo_declare(name);
            if !undo.is_empty() {
                // What cannot be undone either is overwritten by the next declaration.
                let _ = self.instance.write(Vec::new(), |connection| run_all(connection, &undo));
            }
            return Err(in_table(error));
        }
        self.instance.forget_heading(name);
        if names_objects { self.instance.record_codecs(&self.name) } else { Ok(()) }
    }

    /// What a definition says of a table.
    pub(crate) fn compile(
        &self,
        name: &FullTableName,
        definition: &str,
        options: DeclareOptions,
        resolve: &Resolve<'_>,
    ) -> Result<Declaration> {
        let in_table = |error: Error| error.with("table", name);
        let tier = name.table.tier().unwrap_or(Tier::Manual);
        let (definition, older) = match self.instance.is_legacy() {
            true => {
                let mut definition = Definition::parse_older(definition).map_err(in_table)?;
                let older = definition.modernize();
                (definition, older)
            }
            false => (Definition::parse(definition).map_err(in_table)?, Vec::new()),
        };
        let unusable = RefCell::new(Vec::new());
        let resolver = Resolver {
            codec: &|codec| self.check_codec(codec, &mut unusable.borrow_mut()),
            parent: &|reference| self.parent(resolve, reference),
        };
        let mut declaration = declare(&definition, name, tier, options, &resolver).map_err(in_table)?;
        declaration.warnings.splice(0..0, older);
        declaration.warnings.append(&mut unusable.into_inner());
        Ok(declaration)
    }

    /// The core type under a codec type. A store is looked up when it is used: one that cannot be used so far is a warning.
    fn check_codec(&self, codec: &str, warnings: &mut Vec<String>) -> Result<CoreType> {
        let chain = self.instance.chain(codec)?;
        if let Some(Err(error)) = chain.store().map(|store| self.instance.store_spec(Some(store), false)) {
            warnings.push(format!("values of `{codec}` cannot be stored yet: {}", error.message()));
        }
        Ok(chain.core_type().clone())
    }

    fn parent(&self, resolve: &Resolve<'_>, reference: &Reference) -> Result<Arc<lodestore_sql::Heading>> {
        let name = resolve(reference)?;
        Ok(self.instance.table(&name)?.heading().clone())
    }

    /// The table of a class name, or of the name in the database; `None` if it is not there.
    ///
    /// # Errors
    /// The database's.
    pub fn table(&self, name: &str) -> Result<Option<Table>> {
        match self.find(name)? {
            Some(table) => self.existing(&table).map(Some),
            None => Ok(None),
        }
    }

    /// The table of this name in the database.
    ///
    /// # Errors
    /// `MissingTable` if it is not there; otherwise the database's.
    pub fn existing(&self, table: &TableName) -> Result<Table> {
        self.instance.table(&FullTableName { schema: self.name.clone(), table: table.clone() })
    }

    /// The names of its tables in the database, parents before children, parts behind their masters.
    ///
    /// # Errors
    /// The database's.
    pub fn tables(&self) -> Result<Vec<TableName>> {
        let full = |table| FullTableName { schema: self.name.clone(), table };
        let tables: Vec<FullTableName> = self.names()?.into_iter().map(full).collect();
        // Tables that refer to each other in a circle have no such order.
        let order = self.instance.dependencies_of([&self.name])?.topological_order(&tables).unwrap_or(tables);
        Ok(order.into_iter().map(|name| name.table).collect())
    }

    /// The names of its tables as the database lists them.
    fn names(&self) -> Result<Vec<TableName>> {
        let rows = self.instance.query(&self.instance.dialect().list_tables(&self.name))?;
        rows.iter().filter_map(|row| row[0].as_str()).map(TableName::existing).collect()
    }

    /// The table of this name in the database or, if there is none, of this class name, or of this name without the
    /// prefix that tells the tier.
    fn find(&self, name: &str) -> Result<Option<TableName>> {
        let names = self.names()?;
        let first = |fits: &dyn Fn(&TableName) -> bool| names.iter().find(|table| fits(table)).cloned();
        Ok(first(&|table| table.as_str() == name)
            .or_else(|| first(&|table| table.to_class() == name))
            .or_else(|| first(&|table| table.as_str().trim_start_matches(['#', '_']) == name)))
    }

    /// The table that a definition calls `path`: a class of this schema, `schema.Class` of another,
    /// or, in a part's definition, the master.
    ///
    /// # Errors
    /// `MissingTable` if there is none, with the nearest name as a hint.
    pub fn resolve(&self, path: &str, master: Option<&FullTableName>) -> Result<FullTableName> {
        if let Some(master) = master.filter(|master| path == "master" || path == master.table.to_class()) {
            return Ok(master.clone());
        }
        if path.starts_with('`') {
            let name = FullTableName::parse(path)?;
            self.instance.table(&name)?;
            return Ok(name);
        }
        if let Some(table) = self.find(path)? {
            return Ok(FullTableName { schema: self.name.clone(), table });
        }
        if let Some((schema, rest)) = path.split_once('.')
            && let Some(schema) = self.instance.existing_schema(schema)?
            && let Some(table) = schema.find(rest)?
        {
            return Ok(FullTableName { schema: schema.name, table });
        }
        let tables: Vec<String> = self.names()?.iter().map(TableName::to_class).collect();
        let error =
            Error::new(ErrorKind::MissingTable, format!("foreign key reference `{path}` could not be resolved"));
        Err(match nearest(path, tables.iter().map(String::as_str)) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error.with_hint("declare the parent first; name a table of another schema as `schema.Class`"),
        })
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.name)
    }
}
