//! Queries and tables for Python.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::PoisonError;

use lodestore::{
    Affected, DeleteOptions, Duplicates, FetchOptions, FullTableName, InsertOptions, Invalid, OnError, PartIntegrity,
    PreviewOptions, Row,
};
use lodestore::{Error, ErrorKind, Value};
use lodestore::{JoinKind, JoinOptions, Matching, Projection, Top, Universal, Unmatched};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::columns::{Columns, Stream};
use crate::condition::condition_from_python;
use crate::condition::{key_from_python, row_from_python};
use crate::convert::{span_to_python, to_python};
use crate::error::{IntoPyResult, from_py_err, run};
use crate::heading::{Attribute, attributes_of};
use crate::reference::reference_to_python;
use crate::source::Source;
use crate::staged::StagedHandle;

/// What is wrong with a row: its number, the attribute, and why.
type Fault = (usize, Option<String>, String);

/// Rows that a database would give.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Query(pub(crate) lodestore::Query);

#[pymethods]
impl Query {
    fn restrict(&self, py: Python<'_>, condition: &Bound<'_, PyAny>, semantic_check: bool) -> PyResult<Query> {
        let condition = condition_from_python(condition, self.0.instance())?;
        self.0.restrict_opts(condition, matching(semantic_check)).map(Query).into_py(py)
    }

    fn project(&self, py: Python<'_>, attributes: Vec<String>, named: Vec<(String, String)>) -> PyResult<Query> {
        self.0.project_with(&Projection { attributes, named }).map(Query).into_py(py)
    }

    fn join(
        &self,
        py: Python<'_>,
        other: &Query,
        semantic_check: bool,
        left: bool,
        allow_nullable_key: bool,
    ) -> PyResult<Query> {
        let kind = if left { JoinKind::Left } else { JoinKind::Inner };
        let options = JoinOptions { kind, matching: matching(semantic_check), allow_nullable_key };
        self.0.join_opts(&other.0, options).map(Query).into_py(py)
    }

    fn aggregate(
        &self,
        py: Python<'_>,
        group: &Query,
        attributes: Vec<String>,
        named: Vec<(String, String)>,
        keep_unmatched: bool,
    ) -> PyResult<Query> {
        let unmatched = if keep_unmatched { Unmatched::Keep } else { Unmatched::Drop };
        self.0.aggregate(&group.0, &Projection { attributes, named }, unmatched).map(Query).into_py(py)
    }

    fn union(&self, py: Python<'_>, other: &Query) -> PyResult<Query> {
        self.0.union(&other.0).map(Query).into_py(py)
    }

    fn top(&self, py: Python<'_>, limit: Option<u64>, order_by: Option<Vec<String>>, offset: u64) -> PyResult<Query> {
        self.0.top(&Top { limit, order_by, offset }).map(Query).into_py(py)
    }

    /// The last rows in the order that they have, the very last one first.
    fn last(&self, py: Python<'_>, limit: u64) -> PyResult<Query> {
        self.0.last(limit).map(Query).into_py(py)
    }

    /// The distinct values of some attributes.
    fn distinct(&self, py: Python<'_>, names: Vec<String>) -> PyResult<Query> {
        Universal::new(names).of(&self.0).map(Query).into_py(py)
    }

    /// One row for each combination of values of some attributes.
    fn group(&self, py: Python<'_>, names: Vec<String>, named: Vec<(String, String)>) -> PyResult<Query> {
        Universal::new(names).aggregate(&self.0, named).map(Query).into_py(py)
    }

    /// True if these are rows of one table, restricted and projected at most.
    fn is_table(&self) -> bool {
        self.0.expression().base_table().is_some()
    }

    /// All attributes, hidden ones among them.
    fn heading(&self, py: Python<'_>) -> Vec<Attribute> {
        py.detach(|| attributes_of(&self.0))
    }

    /// The heading as text.
    fn heading_text(&self) -> String {
        self.0.heading().to_string()
    }

    /// The comment of the table.
    fn comment(&self) -> String {
        self.0.heading().comment.clone()
    }

    /// The indexes of the table beside its primary key: columns, and whether they are unique.
    fn indexes(&self) -> Vec<(Vec<String>, bool)> {
        self.0.heading().indexes.iter().map(|index| (index.columns.clone(), index.unique)).collect()
    }

    /// The statement that fetching sends, and the values bound to it.
    fn sql<'py>(&self, py: Python<'py>) -> PyResult<(String, Vec<Bound<'py, PyAny>>)> {
        let (sql, parameters) = self.0.sql().into_py(py)?;
        Ok((sql, parameters.iter().map(|value| to_python(py, value)).collect::<PyResult<_>>()?))
    }

    /// The first rows as text, or as HTML without a width.
    fn preview(&self, py: Python<'_>, limit: usize, width: Option<usize>, total: bool) -> PyResult<String> {
        let options = PreviewOptions { limit, width: width.unwrap_or(0), total };
        run(py, || if width.is_some() { self.0.preview_opts(&options) } else { self.0.preview_html(&options) })
    }

    fn len(&self, py: Python<'_>) -> PyResult<u64> {
        run(py, || self.0.len())
    }

    fn is_empty(&self, py: Python<'_>) -> PyResult<bool> {
        run(py, || self.0.is_empty())
    }

    /// All rows as columns.
    #[pyo3(signature = (on_error="raise", squeeze=false, download_path=None))]
    fn columns(
        &self,
        py: Python<'_>,
        on_error: &str,
        squeeze: bool,
        download_path: Option<PathBuf>,
    ) -> PyResult<Columns> {
        let options = options(on_error, squeeze, download_path).into_py(py)?;
        run(py, || self.0.fetch_columns_opts(&options)).map(Columns::new)
    }

    /// The rows in batches of columns.
    #[pyo3(signature = (batch_rows, on_error="raise", squeeze=false, download_path=None))]
    fn stream(
        &self,
        py: Python<'_>,
        batch_rows: usize,
        on_error: &str,
        squeeze: bool,
        download_path: Option<PathBuf>,
    ) -> PyResult<Stream> {
        let options = options(on_error, squeeze, download_path).into_py(py)?;
        run(py, || self.0.stream_opts(batch_rows, &options)).map(Stream::new)
    }

    #[pyo3(signature = (on_error="raise", squeeze=false, download_path=None))]
    fn fetch1<'py>(
        &self,
        py: Python<'py>,
        on_error: &str,
        squeeze: bool,
        download_path: Option<PathBuf>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let options = options(on_error, squeeze, download_path).into_py(py)?;
        let row = run(py, || self.0.fetch1_opts(&options))?;
        let names: Vec<_> = row.names().iter().map(|name| PyString::intern(py, name)).collect();
        self.dict(py, &names, &row)
    }

    /// The place of a new object for an attribute of the one row that this is.
    fn create_object_ref(&self, py: Python<'_>, attribute: &str, extension: &str) -> PyResult<StagedHandle> {
        run(py, || self.0.create_object_ref(attribute, extension)).map(StagedHandle)
    }

    /// Deletes these rows and what depends on them, if `confirm` (where there is one) agrees to what it is shown.
    fn delete(&self, py: Python<'_>, part_integrity: &str, confirm: Option<Py<PyAny>>) -> PyResult<u64> {
        let options = DeleteOptions { part_integrity: part_integrity_from_python(part_integrity).into_py(py)? };
        run(py, || match &confirm {
            Some(confirm) => self.0.delete_if(options, |affected| ask(confirm, affected)),
            None => self.0.delete_opts(options),
        })
    }

    fn delete_quick(&self, py: Python<'_>) -> PyResult<u64> {
        run(py, || self.0.delete_quick())
    }
}

impl Query {
    pub(crate) fn dict<'py>(
        &self,
        py: Python<'py>,
        names: &[Bound<'py, PyString>],
        row: &Row,
    ) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let heading = self.0.heading();
        for ((name, key), value) in names.iter().zip(row.names()).zip(row.values()) {
            let object = match value {
                Value::Text(text) if heading.get(key).is_some_and(|attribute| attribute.kind.is_span()) => {
                    span_to_python(py, text.as_bytes())?
                }
                value => object_of(py, self.0.instance(), value)?,
            };
            dict.set_item(name, object)?;
        }
        Ok(dict)
    }
}

/// One table.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Table(pub(crate) lodestore::Table);

#[pymethods]
impl Table {
    fn name(&self) -> String {
        self.0.name().to_string()
    }

    fn size_on_disk(&self, py: Python<'_>) -> PyResult<u64> {
        run(py, || self.0.size_on_disk())
    }

    fn quoted_name(&self) -> String {
        self.0.quoted_name()
    }

    /// The definition that would make this table again; `names` tells what other tables are called.
    fn describe(&self, py: Python<'_>, names: HashMap<String, String>) -> PyResult<String> {
        run(py, || self.0.describe(&|table| names.get(&table.to_string()).cloned()))
    }

    fn query(&self) -> Query {
        Query((*self.0).clone())
    }

    /// The table as it is now; None if it is as it was.
    fn renewed(&self, py: Python<'_>) -> PyResult<Option<Table>> {
        Ok(run(py, || self.0.renewed())?.map(Table))
    }

    /// What would change if the table had this definition; `resolve` as in `Schema.declare`.
    fn alteration(&self, py: Python<'_>, definition: &str, resolve: &Bound<'_, PyAny>) -> PyResult<Alteration> {
        let schema = run(py, || self.0.instance().existing_schema(self.0.name().schema.as_str()))?;
        // The interpreter is held: the definition's names are looked up in Python.
        let resolve = |reference: &lodestore::TableReference| resolve_reference(schema.as_ref(), resolve, reference);
        self.0.alteration_resolving(definition, &resolve).into_py(py).map(Alteration)
    }

    /// Carries it out, and gives the table as it is then.
    fn alter(&self, py: Python<'_>, alteration: &Alteration) -> PyResult<Table> {
        run(py, || self.0.alter(&alteration.0)).map(Table)
    }

    /// Inserts the rows of a source; gives how many went in. `progress` is called now and then with how many are done.
    #[pyo3(signature = (source, duplicates, ignore_extra_fields, chunk_size=None, progress=None))]
    fn insert(
        &self,
        py: Python<'_>,
        source: &Source,
        duplicates: &str,
        ignore_extra_fields: bool,
        chunk_size: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<u64> {
        let options = InsertOptions { duplicates: duplicates_from_python(duplicates), ignore_extra_fields, chunk_size };
        run(py, || {
            let mut failure = None;
            let mut tell = |rows: u64| {
                if let Some(progress) = progress.as_ref().filter(|_| failure.is_none()) {
                    failure = Python::attach(|py| progress.call1(py, (rows,)).err());
                }
            };
            let outcome = self.0.insert_batches(source.take()?, options, &mut tell);
            match failure {
                // The rows are in: what is wrong with the display is no reason to say otherwise.
                Some(error) if outcome.is_err() => Err(from_py_err(error)),
                _ => outcome,
            }
        })
    }

    /// Inserts the rows of a query; gives how many went in.
    fn insert_query(
        &self,
        py: Python<'_>,
        query: &Query,
        duplicates: &str,
        ignore_extra_fields: bool,
    ) -> PyResult<u64> {
        let duplicates = duplicates_from_python(duplicates);
        let options = InsertOptions { duplicates, ignore_extra_fields, chunk_size: None };
        run(py, || self.0.insert_query(&query.0, options))
    }

    /// What is wrong with the rows of a source: how many were looked at, and number, attribute and text of each fault.
    fn validate(&self, py: Python<'_>, source: &Source, ignore_extra_fields: bool) -> PyResult<(u64, Vec<Fault>)> {
        let mut found = run(py, || self.0.validate_batches(source.take()?, ignore_extra_fields))?;
        let faults = std::mem::take(&mut *source.faults.lock().unwrap_or_else(PoisonError::into_inner));
        found.rows_checked += faults.len() as u64;
        found.errors.extend(faults.into_iter().map(|(row, error)| Invalid::new(row, error)));
        found.errors.sort_by_key(|invalid| invalid.row);
        let told = |invalid: Invalid| (invalid.row, invalid.attribute, invalid.error.message().to_owned());
        Ok((found.rows_checked, found.errors.into_iter().map(told).collect()))
    }

    /// Changes attributes of one of the rows that `query` chooses.
    fn update1(&self, py: Python<'_>, query: &Query, row: &Bound<'_, PyDict>) -> PyResult<()> {
        let of_python = run(py, || self.0.foreign_attributes())?;
        let row = row_from_python(row, self.0.heading(), &of_python)
            .map_err(|error| error.with("table", self.0.name()))
            .into_py(py)?;
        run(py, || query.0.update1(row))
    }

    /// The place of a new object for an attribute of the row that `key` names.
    fn stage(
        &self,
        py: Python<'_>,
        attribute: &str,
        key: &Bound<'_, PyDict>,
        extension: &str,
    ) -> PyResult<StagedHandle> {
        let key = key_from_python(key).into_py(py)?;
        run(py, || self.0.stage(attribute, &key, extension)).map(StagedHandle)
    }

    /// Drops this table and what depends on it, if `confirm` agrees; gives the names of what was dropped.
    fn drop(&self, py: Python<'_>, part_integrity: &str, confirm: Option<Py<PyAny>>) -> PyResult<Vec<String>> {
        let part_integrity = part_integrity_from_python(part_integrity).into_py(py)?;
        let confirm = |affected: &[Affected]| confirm.as_ref().map_or(Ok(true), |confirm| ask(confirm, affected));
        let dropped = run(py, || self.0.drop_if(part_integrity, confirm))?;
        Ok(dropped.iter().map(ToString::to_string).collect())
    }

    fn drop_quick(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.0.drop_quick())
    }

    /// The foreign keys of this table: of each the parent's name, pairs of columns, and what else there is to know.
    fn parents(&self, py: Python<'_>) -> PyResult<Vec<Link>> {
        let links = run(py, || self.0.parents())?;
        Ok(links.into_iter().map(|link| self.link(&link, &link.dependency.key.parent)).collect())
    }

    /// The foreign keys that refer to this table.
    fn children(&self, py: Python<'_>) -> PyResult<Vec<Link>> {
        let links = run(py, || self.0.children())?;
        Ok(links.into_iter().map(|link| self.link(&link, &link.dependency.child)).collect())
    }

    fn ancestors(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        run(py, || self.0.ancestors()).map(|tables| self.quoted(&tables))
    }

    fn descendants(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        run(py, || self.0.descendants()).map(|tables| self.quoted(&tables))
    }

    fn parts(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        run(py, || self.0.parts()).map(|tables| self.quoted(&tables))
    }

    fn key_source(&self, py: Python<'_>) -> PyResult<Query> {
        run(py, || self.0.key_source()).map(Query)
    }
}

fn duplicates_from_python(word: &str) -> Duplicates {
    match word {
        "replace" => Duplicates::Replace,
        "skip" => Duplicates::Skip,
        _ => Duplicates::Refuse,
    }
}

/// A table's quoted name, pairs of the child's and the parent's column, whether one is renamed, whether all belong to
/// the child's key, and whether a row may have many children.
type Link = (String, Vec<(String, String)>, bool, bool, bool);

impl Table {
    fn link(&self, link: &lodestore::Link, other: &FullTableName) -> Link {
        let key = &link.dependency.key;
        let columns = key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect();
        (self.0.instance().quoted_name(other), columns, link.is_renamed(), link.primary, link.multi)
    }

    fn quoted(&self, tables: &[FullTableName]) -> Vec<String> {
        tables.iter().map(|table| self.0.instance().quoted_name(table)).collect()
    }
}

/// What would change in a table.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Alteration(lodestore::Alteration);

#[pymethods]
impl Alteration {
    /// True if nothing would change.
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }
}

/// The full name of the table that a definition refers to: Python's `resolve` is asked first.
pub(crate) fn resolve_reference(
    schema: Option<&lodestore::Schema>,
    resolve: &Bound<'_, PyAny>,
    reference: &lodestore::TableReference,
) -> lodestore::Result<FullTableName> {
    let found: Option<String> =
        resolve.call1((&reference.path,)).and_then(|found| found.extract()).map_err(from_py_err)?;
    match (found, schema) {
        (Some(name), _) => FullTableName::parse(&name),
        // `master` is among the names that Python looks up.
        (None, Some(schema)) => schema.resolve(&reference.path, None),
        (None, None) => Err(Error::new(ErrorKind::MissingTable, "the schema is not there any more")),
    }
}

/// The Python object of a value that a query of `instance` gave.
pub(crate) fn object_of<'py>(
    py: Python<'py>,
    instance: &lodestore::Instance,
    value: &Value,
) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Reference(reference) => reference_to_python(py, instance, reference),
        value => to_python(py, value),
    }
}

fn part_integrity_from_python(word: &str) -> lodestore::Result<PartIntegrity> {
    Ok(match word {
        "enforce" => PartIntegrity::Enforce,
        "ignore" => PartIntegrity::Ignore,
        "cascade" => PartIntegrity::Cascade,
        other => {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                format!("part_integrity must be 'enforce', 'ignore' or 'cascade', got '{other}'"),
            ));
        }
    })
}

/// What a function of Python's says to a loss: names of tables, with the numbers of rows, objects and bytes.
pub(crate) fn ask(confirm: &Py<PyAny>, affected: &[Affected]) -> lodestore::Result<bool> {
    let shown: Vec<(String, u64, u64, u64)> =
        affected.iter().map(|table| (table.table.to_string(), table.rows, table.objects, table.bytes)).collect();
    Python::attach(|py| confirm.call1(py, (shown,))?.is_truthy(py)).map_err(from_py_err)
}

fn options(on_error: &str, squeeze: bool, download_path: Option<PathBuf>) -> lodestore::Result<FetchOptions> {
    let on_error = match on_error {
        "raise" => OnError::Raise,
        "skip" => OnError::Skip,
        "null" | "none" => OnError::Null,
        "reference" => OnError::Reference,
        other => {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("`on_error` cannot be {other:?}"))
                .with_hint("it is \"raise\", \"skip\", \"null\" or \"reference\""));
        }
    };
    Ok(FetchOptions { at_most: None, on_error, squeeze, download_path })
}

fn matching(semantic_check: bool) -> Matching {
    if semantic_check { Matching::ByLineage } else { Matching::ByName }
}
