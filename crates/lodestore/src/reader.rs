//! From what the database gives to what was declared: cells to values, values through their codecs.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use lodestore_codec::filepath::OWN_FOLDER;
use lodestore_codec::{Chain, Context, Reads, Stored, on_all_cores, reference_of};
use lodestore_db::{Column, ColumnData, ColumnKind, ColumnSpec};
use lodestore_objects::{Get, get_all};
use lodestore_sql::{Attribute, Statement};
use lodestore_types::{CoreType, Error, ErrorKind, NdArray, Reference, Result, StorePath, Value};
use rayon::prelude::*;
use serde_json::Value as Json;

use crate::attachments::extract;
use crate::current::work_for;
use crate::{Columns, FetchOptions, Instance, OnError, Query};

/// Plain values decoded together on one core: fewer are not worth another.
const MANY: usize = 256;

/// How the rows of one query are read.
pub(crate) struct Reader {
    instance: Instance,
    pub statement: Statement,
    pub specs: Arc<[ColumnSpec]>,
    names: Arc<[String]>,
    attributes: Arc<[Attribute]>,
    chains: Vec<Option<Chain>>,
    /// True if what codecs wrote stays as the database gives it.
    undecoded: bool,
    options: FetchOptions,
}

impl Reader {
    pub fn new(query: &Query, options: &FetchOptions) -> Result<Self> {
        let instance = query.instance();
        let attributes: Arc<[Attribute]> = query.heading().visible().cloned().collect();
        let chains = attributes
            .iter()
            .map(|attribute| attribute.kind.codec.as_deref().map(|codec| instance.chain(codec)).transpose())
            .collect::<Result<Vec<_>>>()?;
        Ok(Reader {
            instance: instance.clone(),
            statement: query.expression().select(instance.dialect())?,
            specs: attributes.iter().map(|a| ColumnSpec { name: a.name.clone(), kind: kind_of(a) }).collect(),
            names: attributes.iter().map(|attribute| attribute.name.clone()).collect(),
            attributes,
            chains,
            undecoded: false,
            options: options.clone(),
        })
    }

    /// Reads what codecs wrote as it stands in the database: no codec need be known, and no object is read.
    pub fn undecoded(query: &Query) -> Result<Self> {
        let instance = query.instance();
        let attributes: Arc<[Attribute]> = query.heading().visible().cloned().collect();
        Ok(Reader {
            instance: instance.clone(),
            statement: query.expression().select(instance.dialect())?,
            specs: attributes.iter().map(|a| ColumnSpec { name: a.name.clone(), kind: kind_of(a) }).collect(),
            names: attributes.iter().map(|attribute| attribute.name.clone()).collect(),
            chains: attributes.iter().map(|_| None).collect(),
            attributes,
            undecoded: true,
            options: FetchOptions::default(),
        })
    }

    /// True if some columns need more than the database gave: their objects and copies take memory of their own.
    pub fn decodes(&self) -> bool {
        self.chains.iter().any(Option::is_some)
    }

    /// True if the type of some column is known only when all its values are.
    pub fn is_untyped(&self) -> bool {
        self.attributes.iter().any(is_untyped)
    }

    /// A result without rows.
    pub fn empty(&self) -> Columns {
        self.columns(self.specs.iter().map(|spec| Column::new(spec.kind)).collect())
    }

    fn columns(&self, columns: Vec<Column>) -> Columns {
        Columns {
            instance: self.instance.clone(),
            names: self.names.clone(),
            attributes: self.attributes.clone(),
            rows: columns.first().map_or(0, Column::len),
            columns,
        }
    }

    /// Decodes the columns of a batch of rows, the first of which is the `first` of the query.
    pub fn decode(&self, columns: Vec<Column>, first: usize) -> Result<Columns> {
        let mut columns = columns;
        let rows = columns.first().map_or(0, Column::len);
        let mut keep = vec![true; rows];
        for index in 0..columns.len() {
            let attribute = &self.attributes[index];
            let ColumnData::Values(values) = &mut columns[index].data else { continue };
            let values = std::mem::take(values);
            let kept = (self.options.on_error == OnError::Reference).then(|| values.clone());
            let key_of = |row| self.key_of(&columns, row);
            let decoded = match (attribute.stored_as(), &self.chains[index]) {
                (None, _) => Ok(values.into_iter().map(Ok).collect()),
                _ if self.undecoded && attribute.kind.codec.is_some() => Ok(values.into_iter().map(Ok).collect()),
                (Some(core), None) => Ok(self.plain(values, core)),
                (Some(core), Some(chain)) => self.through(attribute, values, core, chain, &key_of),
            };
            let mut cells = Vec::with_capacity(rows);
            for (row, cell) in
                decoded.map_err(|error| error.with("attribute", &attribute.name))?.into_iter().enumerate()
            {
                let failure = match cell {
                    Ok(value) => {
                        cells.push(value);
                        continue;
                    }
                    Err(error) => error,
                };
                if failure.kind() == ErrorKind::Corrupt {
                    // Another program may have given the attribute another type: the next query asks again.
                    self.instance.forget_headings();
                }
                let fatal = matches!(failure.kind(), ErrorKind::Interrupted | ErrorKind::Internal);
                let reference = kept.as_ref().filter(|_| !fatal).and_then(|kept| self.reference(index, &kept[row]));
                match (self.options.on_error, reference) {
                    (OnError::Skip, _) if !fatal => keep[row] = false,
                    (OnError::Null, _) if !fatal => {}
                    (_, Some(reference)) => {
                        cells.push(Value::Reference(reference));
                        continue;
                    }
                    _ => {
                        let key = self.key_of(&columns, row);
                        let key: Vec<String> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
                        let shown = if key.is_empty() { (first + row).to_string() } else { key.join(", ") };
                        return Err(failure.with("attribute", &attribute.name).with("row", shown));
                    }
                }
                cells.push(Value::Null);
            }
            columns[index].data = ColumnData::Values(cells);
        }
        let mut columns = self.columns(columns);
        if keep.contains(&false) {
            columns.columns.iter_mut().for_each(|column| column.retain(&keep));
            columns.rows = keep.iter().filter(|keep| **keep).count();
        }
        Ok(columns)
    }

    /// The object that a cell as the database has it names, if it names one.
    fn reference(&self, index: usize, cell: &Value) -> Option<Reference> {
        let (core, chain) = (self.attributes[index].stored_as()?, self.chains[index].as_ref()?);
        let store = default_store(&self.instance, chain)?;
        let Ok(Value::Json(document)) = self.instance.dialect().decode(cell.clone(), core) else { return None };
        let mut reference = reference_of(chain.codecs().last()?.name(), document).ok()?;
        if reference.store.is_empty() {
            reference.store = store;
        }
        Some(reference)
    }

    /// The key of a row; empty if the query has none.
    fn key_of(&self, columns: &[Column], row: usize) -> Vec<(String, Value)> {
        let key = self.attributes.iter().zip(columns).filter(|(attribute, _)| attribute.in_key);
        key.map(|(attribute, column)| (attribute.name.clone(), column.value(row))).collect()
    }

    fn plain(&self, values: Vec<Value>, core: &CoreType) -> Vec<Result<Value>> {
        let dialect = self.instance.dialect();
        on_all_cores(values.len() / MANY, || {
            values.into_par_iter().with_min_len(MANY).map(|value| dialect.decode(value, core)).collect()
        })
    }

    fn through(
        &self,
        attribute: &Attribute,
        values: Vec<Value>,
        core: &CoreType,
        chain: &Chain,
        key_of: &(dyn Fn(usize) -> Vec<(String, Value)> + Sync),
    ) -> Result<Vec<Result<Value>>> {
        let stored = self.plain(values, core);
        let store = default_store(&self.instance, chain);
        let shared = Context { attribute: attribute.name.clone(), store, ..Context::default() };
        let context = |row| match chain.wants_key() {
            true => Cow::Owned(Context { key: key_of(row), ..shared.clone() }),
            false => Cow::Borrowed(&shared),
        };
        // An attachment goes piece by piece to where its file shall be, however large it is.
        if let Some(at) = chain.codecs().iter().position(|codec| codec.name() == "attach") {
            let decode = |row: usize, value: Value| {
                if value.is_null() {
                    return Ok(value);
                }
                let folder = self.options.download_path.as_deref();
                let value = extract(&self.instance, folder, value).map_err(|error| error.with("codec", "attach"))?;
                work_for(&self.instance, || chain.decode_above(at, Stored { value, object: None }, &context(row))).0
            };
            let rows = stored.into_iter().enumerate();
            return Ok(rows.map(|(row, value)| value.and_then(|value| decode(row, value))).collect());
        }
        let objects = match chain.reads() {
            Reads::Column => stored.iter().map(|_| Ok(None)).collect(),
            Reads::Object => self.read_objects(&stored)?,
        };
        let decode = |row, value: Value, object| match value {
            Value::Null => Ok(Value::Null),
            value => {
                let (decoded, _) = work_for(&self.instance, || chain.decode(value, object, &context(row)));
                decoded.map(|value| self.squeeze(value))
            }
        };
        Ok(on_all_cores(stored.len(), || {
            let rows = stored.into_par_iter().zip(objects).enumerate();
            rows.map(|(row, (value, object))| decode(row, value?, object?)).collect()
        }))
    }

    fn squeeze(&self, value: Value) -> Value {
        match value {
            Value::Array(array) if self.options.squeeze && array.shape().contains(&1) => {
                let shape = array.shape().iter().copied().filter(|extent| *extent != 1).collect();
                let squeezed = NdArray::new(array.dtype().clone(), shape, array.order(), array.data().clone());
                Value::Array(squeezed.unwrap_or(array))
            }
            value => value,
        }
    }

    /// Reads the objects that columns name, many at once. If that fails, each for itself, to find out which ones cannot
    /// be read.
    fn read_objects(&self, columns: &[Result<Value>]) -> Result<Vec<Result<Option<Bytes>>>> {
        let mut gets = Vec::new();
        let mut which = Vec::new();
        let mut objects: Vec<Result<Option<Bytes>>> = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            objects.push(Ok(None));
            let Ok(column) = column else { continue };
            if column.is_null() {
                continue;
            }
            match location(column) {
                Ok((store, path)) => {
                    gets.push(Get { store: self.instance.store(&store)?, path });
                    which.push(index);
                }
                Err(error) => objects[index] = Err(error),
            }
        }
        let found: Vec<Result<Option<Bytes>>> = match get_all(&gets) {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(_) => self.read_one_by_one(&gets),
        };
        for ((index, get), object) in which.into_iter().zip(&gets).zip(found) {
            objects[index] = match object {
                Ok(None) => Err(missing_object(get.store.name(), &get.path)),
                object => object,
            };
        }
        Ok(objects)
    }

    fn read_one_by_one(&self, gets: &[Get]) -> Vec<Result<Option<Bytes>>> {
        let mut failed = false;
        let read = |get: &Get| match failed && self.options.on_error == OnError::Raise {
            // One failure is all that will be told.
            true => Ok(Some(Bytes::new())),
            false => {
                let object = get.store.get(&get.path);
                failed |= object.is_err();
                object
            }
        };
        gets.iter().map(read).collect()
    }
}

/// True if the type of an attribute's values is known only when they are all there.
pub(crate) fn is_untyped(attribute: &Attribute) -> bool {
    attribute.stored_as().is_none() || attribute.is_wide()
}

/// What the database's cells for an attribute are read as.
fn kind_of(attribute: &Attribute) -> ColumnKind {
    let plain = |_: &&CoreType| attribute.kind.codec.is_none() && !attribute.is_wide();
    let Some(core) = attribute.stored_as().filter(plain) else {
        return ColumnKind::Value;
    };
    ColumnKind::of(core)
}

/// The store that a column means when its JSON names none.
fn default_store(instance: &Instance, chain: &Chain) -> Option<String> {
    let store = chain.store()?;
    Some(instance.store_spec(Some(store), false).map_or_else(|_| store.to_owned(), |spec| spec.name))
}

/// The store (`""` for the default one) and the path that a column's JSON names.
pub(crate) fn location(column: &Value) -> Result<(String, StorePath)> {
    let Value::Json(Json::Object(map)) = column else {
        return Err(Error::new(ErrorKind::Corrupt, format!("the column holds {column}, not the JSON of an object")));
    };
    let path = map
        .get("path")
        .and_then(Json::as_str)
        .ok_or_else(|| Error::new(ErrorKind::Corrupt, "the JSON of the column names no path"))?;
    let store = map.get("store").and_then(Json::as_str).unwrap_or_default();
    let path = StorePath::new(path)?;
    if path.segments().next() == Some(OWN_FOLDER) {
        return Err(Error::new(ErrorKind::Corrupt, format!("the row points to `{path}`, in the store's own folder")));
    }
    Ok((store.to_owned(), path))
}

pub(crate) fn missing_object(store: &str, path: &StorePath) -> Error {
    Error::new(ErrorKind::MissingObject, "the object that a row names is not in its store")
        .with("store", store)
        .with("path", path)
        .with_hint("see that the store is the one that the rows were written to, and that all of it is there")
}
