//! Attributes of headings for Python.

use lodestore::CoreType;
use pyo3::prelude::*;

/// One attribute of a heading.
#[pyclass(frozen, module = "lodestore._lodestore")]
pub(crate) struct Attribute {
    attribute: lodestore::Attribute,
    lazy: bool,
}

/// All attributes of a query's heading.
pub(crate) fn attributes_of(query: &lodestore::Query) -> Vec<Attribute> {
    let attribute =
        |attribute: &lodestore::Attribute| Attribute { lazy: query.is_lazy(attribute), attribute: attribute.clone() };
    query.heading().attributes.iter().map(attribute).collect()
}

#[pymethods]
impl Attribute {
    #[getter]
    fn name(&self) -> &str {
        &self.attribute.name
    }

    /// The type as it was declared.
    #[getter]
    fn r#type(&self) -> &str {
        &self.attribute.kind.declared
    }

    /// The core type that the column holds; None for what only the database knows.
    #[getter]
    fn core(&self) -> Option<String> {
        self.attribute.stored_as().map(ToString::to_string)
    }

    /// The codec with its brackets, or None.
    #[getter]
    fn codec(&self) -> Option<&str> {
        self.attribute.kind.codec.as_deref()
    }

    /// True for the native SQL types that are no core types.
    #[getter]
    fn native(&self) -> bool {
        self.attribute.kind.native.is_some()
    }

    /// True if a value is a reference to an object, which fetching does not read.
    #[getter]
    fn lazy(&self) -> bool {
        self.lazy
    }

    #[getter]
    fn in_key(&self) -> bool {
        self.attribute.in_key
    }

    #[getter]
    fn nullable(&self) -> bool {
        self.attribute.nullable
    }

    /// The default as a definition writes it.
    #[getter]
    fn default(&self) -> Option<String> {
        self.attribute.default_text().map(|text| text.to_string())
    }

    #[getter]
    fn comment(&self) -> &str {
        &self.attribute.comment
    }

    #[getter]
    fn autoincrement(&self) -> bool {
        self.attribute.autoincrement
    }

    #[getter]
    fn hidden(&self) -> bool {
        self.attribute.hidden
    }

    #[getter]
    fn lineage(&self) -> Option<&str> {
        self.attribute.lineage.as_ref().map(|lineage| lineage.as_str())
    }

    /// The SQL that computes it, or the name it had, in a query.
    #[getter]
    fn expression(&self) -> Option<&str> {
        self.attribute.expression.as_deref()
    }

    /// What the column holds: `int`, `bool`, `float`, `decimal`, `text`, `date`, `datetime`, `uuid`, `json`, `bytes`,
    /// or None for what only the database knows.
    #[getter]
    fn content(&self) -> Option<&'static str> {
        Some(match self.attribute.stored_as()? {
            CoreType::Int8 | CoreType::Int16 | CoreType::Int32 | CoreType::Int64 => "int",
            CoreType::Bool => "bool",
            CoreType::Float32 | CoreType::Float64 => "float",
            CoreType::Decimal { .. } => "decimal",
            CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_) => "text",
            CoreType::Date => "date",
            CoreType::DateTime(_) => "datetime",
            CoreType::Uuid => "uuid",
            CoreType::Json => "json",
            CoreType::Bytes => "bytes",
        })
    }

    fn __repr__(&self) -> String {
        let key = if self.attribute.in_key { "*" } else { "" };
        format!("{key}{} : {}", self.attribute.name, self.attribute.kind.declared)
    }
}
