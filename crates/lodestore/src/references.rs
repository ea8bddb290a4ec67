//! What rows name: the JSON of stored attributes, read as it stands in the database, without codecs and objects.

use lodestore_codec::{Chain, TypeSpec, reference_of};
use lodestore_db::ColumnData;
use lodestore_sql::Attribute;
use lodestore_types::{CoreType, Error, ErrorKind, FullTableName, Reference, Result, Value};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use crate::{Columns, Instance, Query, Row, Stream};

/// So many rows are read at a time.
const BATCH_ROWS: usize = 4096;

/// An attribute whose values name objects.
#[derive(Debug, Clone)]
pub(crate) struct StoredAttribute {
    pub(crate) name: String,
    /// The codec that wrote the objects: the innermost one, where it is known.
    pub(crate) codec: String,
    core: CoreType,
    /// The store that a value means if it names none.
    store: String,
}

impl StoredAttribute {
    fn of(instance: &Instance, attribute: &Attribute) -> Option<Self> {
        let declared = attribute.kind.codec.as_deref()?;
        let chain = instance.chain(declared).ok();
        let spec = TypeSpec::parse(declared).ok();
        // A codec that is not known here may be told by its declaration alone.
        let store = chain.as_ref().and_then(Chain::store).map(str::to_owned);
        let store = store.or_else(|| spec.as_ref()?.store.clone())?;
        let resolved = instance.config().store_spec(Some(&store), false).map(|spec| spec.name);
        let codec = match &chain {
            Some(chain) => chain.codecs().last()?.name().to_owned(),
            None => spec?.codec,
        };
        Some(StoredAttribute {
            name: attribute.name.clone(),
            codec,
            core: attribute.kind.core.clone(),
            store: resolved.unwrap_or(store),
        })
    }

    /// The reference that a cell holds; `None` for NULL.
    fn read(&self, instance: &Instance, cell: Value) -> Option<Result<Reference>> {
        let value = match instance.dialect().decode(cell, &self.core) {
            Ok(Value::Null) => return None,
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        // A column of a codec that is not known may be read as text or bytes.
        let document = match value {
            Value::Json(document) => Ok(document),
            Value::Text(text) => serde_json::from_str(&text),
            Value::Bytes(bytes) => serde_json::from_slice(&bytes),
            other => {
                let message = format!("the column holds {}, not the JSON of an object", other.type_name());
                return Some(Err(Error::new(ErrorKind::Corrupt, message)));
            }
        };
        let document = document.map_err(|error| {
            Error::new(ErrorKind::Corrupt, "the column does not hold the JSON of an object").with_source(error)
        });
        Some(document.and_then(|document| reference_of(&*self.codec, document)).map(|mut reference| {
            if reference.store.is_empty() {
                reference.store.clone_from(&self.store);
            }
            reference
        }))
    }
}

/// The attributes of a table, or query, whose values name objects.
pub(crate) fn stored_attributes(query: &Query) -> Vec<StoredAttribute> {
    let instance = query.instance();
    query.heading().visible().filter_map(|attribute| StoredAttribute::of(instance, attribute)).collect()
}

/// The references of a query's rows, batch by batch, in bounded memory.
pub(crate) struct References {
    instance: Instance,
    attributes: Vec<StoredAttribute>,
    rows: Stream,
}

/// What some rows name.
pub(crate) struct Batch {
    /// The number of rows.
    pub(crate) rows: usize,
    columns: Columns,
    /// Attribute, row, and what its cell holds; cells that are NULL are left out.
    pub(crate) cells: Vec<(usize, usize, Result<Reference>)>,
}

impl References {
    /// Begins to read; `None` if the query has no attribute that names objects.
    ///
    /// # Errors
    /// As [`Query::stream`].
    pub(crate) fn of(query: &Query) -> Result<Option<Self>> {
        let attributes = stored_attributes(query);
        if attributes.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        let rows = query.project(&names)?.stream_undecoded(BATCH_ROWS)?;
        Ok(Some(References { instance: query.instance().clone(), attributes, rows }))
    }

    /// The attributes that cells count.
    pub(crate) fn attributes(&self) -> &[StoredAttribute] {
        &self.attributes
    }
}

impl Iterator for References {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut columns = match self.rows.next()? {
            Ok(columns) => columns,
            Err(error) => return Some(Err(error)),
        };
        let mut cells = Vec::new();
        for (number, attribute) in self.attributes.iter().enumerate() {
            let Some(at) = columns.names().iter().position(|name| *name == attribute.name) else { continue };
            let taken = columns.take_column(at);
            let ColumnData::Values(values) = taken.data else { continue };
            for (row, cell) in values.into_iter().enumerate() {
                if let Some(read) = attribute.read(&self.instance, cell) {
                    cells.push((number, row, read));
                }
            }
        }
        Some(Ok(Batch { rows: columns.len(), columns, cells }))
    }
}

impl Batch {
    /// The primary key of a row.
    pub(crate) fn key_row(&self, row: usize) -> Row {
        let attributes = self.columns.attributes().iter().zip(self.columns.columns());
        let key = attributes.filter(|(attribute, _)| attribute.in_key);
        key.map(|(attribute, column)| (attribute.name.clone(), column.value(row))).collect()
    }

    /// The primary key of a row, as JSON.
    pub(crate) fn key(&self, row: usize) -> Map<String, Json> {
        let attributes = self.columns.attributes().iter().zip(self.columns.columns());
        let key = attributes.filter(|(attribute, _)| attribute.in_key);
        key.map(|(attribute, column)| (attribute.name.clone(), json_of(column.value(row)))).collect()
    }
}

fn json_of(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => flag.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Json(document) => document,
        other => other.to_string().into(),
    }
}

/// A number that stands for a text: two of them are equal if their texts are, and otherwise not.
pub(crate) fn fingerprint(parts: &[&str]) -> u128 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The tables of a schema, visible ones.
pub(crate) fn tables_of(instance: &Instance, schema: &str) -> Result<Vec<FullTableName>> {
    let Some(schema) = instance.existing_schema(schema)? else {
        return Err(Error::new(ErrorKind::MissingTable, format!("there is no schema `{schema}`"))
            .with_hint(format!("the schemas are: {}", instance.schemas()?.join(", "))));
    };
    let name = schema.schema_name().clone();
    Ok(schema.tables()?.into_iter().map(|table| FullTableName { schema: name.clone(), table }).collect())
}
