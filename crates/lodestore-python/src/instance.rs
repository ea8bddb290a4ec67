//! Instances and schemas for Python.

use std::collections::HashSet;

use lodestore::{Affected, CollectOptions, Error, ErrorKind, SectionReport};
use lodestore::{FullTableName, SchemaName, TableName, Tier};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::config::Config;
use crate::convert::{from_python, json_to_python, to_python};
use crate::error::{IntoPyResult, run, to_py_err};
use crate::jobs::Jobs;
use crate::query::{Table, ask, resolve_reference};

/// Child, parent, and pairs of a column of the child and one of the parent.
type ForeignKey = (String, String, Vec<(String, String)>);

/// Store, path, size, and whether it is content placed by its hash.
type Listing = (String, String, u64, bool);

/// One project.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Instance(pub(crate) lodestore::Instance);

#[pymethods]
impl Instance {
    #[staticmethod]
    #[pyo3(signature = (config, database=None))]
    fn open(py: Python<'_>, config: &Config, database: Option<&Config>) -> PyResult<Self> {
        let config = config.shared();
        match database.map(Config::copied) {
            None => run(py, move || lodestore::Instance::open_shared(config)),
            Some(database) => run(py, move || lodestore::Instance::open_elsewhere(config, database)),
        }
        .map(Instance)
    }

    #[getter]
    fn place(&self) -> &str {
        self.0.place()
    }

    fn schema(&self, py: Python<'_>, name: &str, create: bool) -> PyResult<Schema> {
        let found = run(py, || if create { self.0.schema(name).map(Some) } else { self.0.existing_schema(name) })?;
        found.map(Schema).ok_or_else(|| {
            let error = Error::new(ErrorKind::MissingTable, format!("Database `{name}` has not yet been declared"));
            to_py_err(py, error.with_hint("set argument create_schema=True to create it"))
        })
    }

    fn schemas(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        run(py, || self.0.schemas())
    }

    fn table(&self, py: Python<'_>, full_name: &str) -> PyResult<Table> {
        run(py, || self.0.table(&FullTableName::parse(full_name)?)).map(Table)
    }

    /// The foreign keys of all schemas: child, parent, and pairs of a column of the child and one of the parent.
    fn foreign_keys(&self, py: Python<'_>) -> PyResult<Vec<ForeignKey>> {
        let graph = run(py, || self.0.dependencies())?;
        let told = graph.foreign_keys().iter().map(|edge| {
            let columns = edge.key.columns.iter().cloned().zip(edge.key.parent_columns.iter().cloned());
            (edge.child.to_string(), edge.key.parent.to_string(), columns.collect())
        });
        Ok(told.collect())
    }

    /// Tables by full name, parents before children, parts behind their masters.
    fn in_order(&self, py: Python<'_>, names: Vec<String>) -> PyResult<Vec<String>> {
        let order = run(py, || {
            let names: Vec<FullTableName> =
                names.iter().map(|name| FullTableName::parse(name)).collect::<lodestore::Result<_>>()?;
            self.0.topological_order(&names)
        })?;
        Ok(order.iter().map(ToString::to_string).collect())
    }

    /// `scoped` promises that it will be ended, whatever happens.
    fn begin(&self, py: Python<'_>, scoped: bool) -> PyResult<()> {
        run(py, || if scoped { self.0.begin_scoped() } else { self.0.begin() })
    }

    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.0.commit())
    }

    fn rollback(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.0.rollback())
    }

    /// Runs a statement of the user's own: names of columns, rows, number of rows.
    #[allow(clippy::type_complexity)]
    fn statement<'py>(
        &self,
        py: Python<'py>,
        sql: &str,
        parameters: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<(Vec<String>, Vec<Bound<'py, PyTuple>>, u64)> {
        let parameters: Vec<_> =
            parameters.iter().map(|value| from_python(value).into_py(py)).collect::<PyResult<_>>()?;
        let answer = run(py, || self.0.statement(sql, parameters))?;
        let row = |row: &Vec<lodestore::Value>| {
            PyTuple::new(py, row.iter().map(|value| to_python(py, value)).collect::<PyResult<Vec<_>>>()?)
        };
        Ok((answer.columns, answer.rows.iter().map(row).collect::<PyResult<_>>()?, answer.count))
    }

    /// The `n`-th placeholder of a statement.
    fn placeholder(&self, n: usize) -> String {
        self.0.placeholder(n)
    }

    fn quote(&self, identifier: &str) -> String {
        self.0.quote(identifier)
    }

    /// `sqlite`, `postgres` or `mysql`.
    #[getter]
    fn dialect(&self) -> &'static str {
        self.0.dialect_name()
    }

    /// Who the user is to the database, and the number of the connection.
    fn session(&self, py: Python<'_>) -> PyResult<Option<(String, i64)>> {
        run(py, || self.0.session())
    }

    /// Deletes objects that no row names, or tells which these are.
    fn collect<'py>(
        &self,
        py: Python<'py>,
        schemas: Vec<String>,
        store: Option<String>,
        dry_run: bool,
        full: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let schemas = schemas.iter().map(SchemaName::new).collect::<Result<Vec<_>, _>>().into_py(py)?;
        let options = CollectOptions { dry_run, full, store, sizes: true, ..CollectOptions::default() };
        let found = run(py, || self.0.collect(&schemas, &options))?;
        let section = |found: &SectionReport| {
            serde_json::json!({
                "referenced": found.referenced,
                "stored": found.stored,
                "orphaned": found.orphaned,
                "orphaned_bytes": found.orphaned_bytes,
                "deleted": found.deleted,
                "bytes_freed": found.bytes_freed,
            })
        };
        let document = serde_json::json!({
            "hash": section(&found.hash),
            "schema": section(&found.schema),
            "intended": found.intended,
            "waiting": found.waiting,
            "young": found.young,
            "expired": found.expired,
            "failures": found.failures,
        });
        json_to_python(py, &document)
    }

    /// The objects of a schema that lie in a store: store, path, size, and whether it is content placed by its hash.
    fn list_objects(&self, py: Python<'_>, schema: &str, store: Option<&str>) -> PyResult<Vec<Listing>> {
        let listed = run(py, || self.0.list_objects(&SchemaName::new(schema)?, store))?;
        Ok(listed.into_iter().map(|entry| (entry.store, entry.path.to_string(), entry.size, entry.is_hash)).collect())
    }

    /// The paths in the sections of a schema that rows name: of content, and of other objects.
    fn referenced_paths(&self, py: Python<'_>, schema: &str) -> PyResult<(HashSet<String>, HashSet<String>)> {
        run(py, || self.0.referenced_paths(&SchemaName::new(schema)?))
    }

    fn in_transaction(&self) -> bool {
        self.0.in_transaction()
    }

    fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// True if that rolled an open transaction back.
    fn close(&self, py: Python<'_>) -> bool {
        py.detach(|| self.0.close())
    }
}

/// One schema.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Schema(lodestore::Schema);

#[pymethods]
impl Schema {
    /// The full name of a class's table, or of a part's.
    fn table_name(&self, py: Python<'_>, class_name: &str, tier: &str, master: Option<&str>) -> PyResult<String> {
        let table = match master {
            Some(master) => FullTableName::parse(master).and_then(|master| master.table.part(class_name)),
            None => TableName::from_class(class_name, tier_of(tier)),
        };
        Ok(format!("{}.{}", self.0.name(), table.into_py(py)?))
    }

    /// Makes the table of a class, or finds it. `resolve` gives the full name of a table that the
    /// definition refers to, or None; without it nothing is made, and what is not there is None.
    fn declare(
        &self,
        py: Python<'_>,
        full_name: &str,
        class_name: &str,
        definition: Option<&str>,
        resolve: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Option<Table>> {
        let table = FullTableName::parse(full_name).into_py(py)?.table;
        let Some(resolve) = resolve else {
            return Ok(run(py, || self.0.table(table.as_str()))?.map(Table));
        };
        let Some(definition) = definition else {
            let error = Error::new(ErrorKind::InvalidDefinition, format!("class `{class_name}` has no definition"));
            return Err(to_py_err(py, error.with_hint("give it a class attribute `definition`")));
        };
        let resolve = |reference: &lodestore::TableReference| resolve_reference(Some(&self.0), &resolve, reference);
        // The interpreter is held: the definition's names are looked up in Python.
        let declared = self.0.declare_resolving(&table, definition, &resolve).into_py(py)?;
        if !declared.warnings().is_empty() {
            let logger = py.import("logging")?.call_method1("getLogger", ("lodestore",))?;
            for warning in declared.warnings() {
                logger.call_method1("warning", (format!("{}: {warning}", declared.name()),))?;
            }
        }
        Ok(Some(Table(declared)))
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    /// The queues that there are of the schema's tables.
    fn jobs(&self, py: Python<'_>) -> PyResult<Vec<Jobs>> {
        Ok(run(py, || self.0.jobs())?.into_iter().map(Jobs).collect())
    }

    /// Drops the schema, if `confirm` agrees; tells whether it was dropped.
    fn drop(&self, py: Python<'_>, confirm: Option<Py<PyAny>>) -> PyResult<bool> {
        let confirm = |affected: &[Affected]| confirm.as_ref().map_or(Ok(true), |confirm| ask(confirm, affected));
        run(py, || self.0.drop_if(confirm))
    }

    fn tables(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(run(py, || self.0.tables())?.iter().map(|table| table.as_str().to_owned()).collect())
    }

    /// Name in the database, class path and tier of each table that a class can have, masters before their parts.
    fn classes(&self, py: Python<'_>) -> PyResult<Vec<(String, String, &'static str)>> {
        let mut tables = run(py, || self.0.tables())?;
        tables.retain(|table| table.class_path().is_some());
        tables.sort_by_key(|table| table.to_class().matches('.').count());
        let told = tables
            .iter()
            .filter_map(|table| Some((table.as_str().to_owned(), table.class_path()?, table.tier()?.class_name())));
        Ok(told.collect())
    }

    /// Python code that makes the schema again.
    fn code(&self, py: Python<'_>) -> PyResult<String> {
        run(py, || self.0.python_code())
    }

    fn lineage(&self, py: Python<'_>) -> PyResult<Vec<(String, String)>> {
        run(py, || self.0.lineage())
    }

    fn has_lineage(&self, py: Python<'_>) -> PyResult<bool> {
        run(py, || self.0.has_lineage())
    }

    fn rebuild_lineage(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.0.rebuild_lineage())
    }

    fn has(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        Ok(run(py, || self.0.table(name))?.is_some())
    }

    /// The full name of the table of a class name, or of a name in the database.
    fn find(&self, py: Python<'_>, name: &str) -> PyResult<String> {
        let found = run(py, || self.0.table(name))?;
        found.map(|table| table.name().to_string()).ok_or_else(|| {
            let schema = self.0.name();
            to_py_err(
                py,
                Error::new(ErrorKind::MissingTable, format!("table `{name}` does not exist in schema `{schema}`")),
            )
        })
    }
}

fn tier_of(class_name: &str) -> Tier {
    match class_name {
        "Lookup" => Tier::Lookup,
        "Imported" => Tier::Imported,
        "Computed" => Tier::Computed,
        "Part" => Tier::Part,
        _ => Tier::Manual,
    }
}
