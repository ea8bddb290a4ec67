//! Values from one type to another: made, written, read back.

use std::sync::Arc;

use lodestore_codec::hash::checksum;
use lodestore_codec::{Addressing, Chain, Context, Encoded, NewObject, Reads, on_all_cores, reference_of};
use lodestore_objects::{Get, Store, each, get_all};
use lodestore_sql::Way;
use lodestore_types::{Error, ErrorKind, Payload, Reference, Result, Value};
use rayon::prelude::*;
use serde_json::{Map, Value as Json};

use super::plan::{Plan, Route};
use crate::current::work_for;
use crate::insert::{copied, payload_of};
use crate::placement::{Target, Upload, place, place_folder, write_all};
use crate::reader::{location, missing_object};
use crate::transaction::Fresh;
use crate::verify::{Depth, check};
use crate::{Instance, NpyRef, Table};

/// A value to carry.
pub(super) struct Item {
    /// Its number in the shadow.
    pub(super) number: i64,
    pub(super) key: Vec<(String, Value)>,
    /// The value as its column has it; never NULL.
    pub(super) value: Value,
}

/// Carries the values of an attribute one way.
pub(super) struct Carrier<'a> {
    instance: &'a Instance,
    table: &'a Table,
    plan: &'a Plan,
    way: Way,
    /// Where new objects go.
    target: Option<Target>,
    /// The names by which values say that they are there already.
    there: Vec<String>,
}

/// What became of a value, before objects are written.
enum Made {
    Column(Value),
    Object(Box<Upload>),
}

impl<'a> Carrier<'a> {
    /// # Errors
    /// `UnknownStore`, `InvalidConfig`, `Storage` if the store cannot be opened.
    pub(super) fn new(table: &'a Table, plan: &'a Plan, way: Way) -> Result<Self> {
        let instance = table.instance();
        let open = |store: &str| -> Result<Target> { Target::open(instance, Some(store), Some(&table.name().schema)) };
        let target = plan.chain(way.to()).store().map(open).transpose()?;
        let there = plan.stores(instance, way.to())?;
        Ok(Carrier { instance, table, plan, way, target, there })
    }

    fn chain_from(&self) -> &Chain {
        self.plan.chain(self.way.from())
    }

    fn chain_to(&self) -> &Chain {
        self.plan.chain(self.way.to())
    }

    /// Makes the new values of some rows, in order, and reads back what was written for them. `fresh` gathers the objects,
    /// also when it fails midway.
    ///
    /// # Errors
    /// As [`crate::Query::migrate`], with the key of the row.
    pub(super) fn carry(&self, items: &[Item], fresh: &mut Vec<Fresh>) -> Result<Vec<Value>> {
        self.leave_paths(items)?;
        let made: Vec<(Result<Made>, Vec<Fresh>)> = match self.plan.route {
            Route::Bytes => {
                on_all_cores(items.len(), || items.par_iter().map(|item| (self.copy(item), Vec::new())).collect())
            }
            Route::Value => self.recode(items)?,
        };
        let (made, written): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        // What codecs wrote by themselves counts even if another failed.
        fresh.extend(written.into_iter().flatten());
        let mut values = vec![Value::Null; items.len()];
        let mut uploads = Vec::new();
        for (at, (item, made)) in items.iter().zip(made).enumerate() {
            match made.map_err(|error| located(error, item))? {
                Made::Column(value) => values[at] = value,
                Made::Object(upload) => uploads.push((at, *upload)),
            }
        }
        let awaiting: Vec<usize> = uploads.iter().map(|(at, _)| *at).collect();
        let mut numbered = Vec::new();
        let told = write_all(self.instance, &self.table.name().schema, uploads, &mut numbered);
        fresh.extend(numbered.into_iter().map(|(_, fresh)| fresh));
        for (at, value) in awaiting.iter().zip(told?) {
            values[*at] = value;
        }
        self.read_back(items, &values, &awaiting)?;
        if self.plan.route == Route::Value {
            self.compare(items, &values)?;
        }
        Ok(values)
    }

    /// Sees to it that content which goes to another store gets another path there.
    fn leave_paths(&self, items: &[Item]) -> Result<()> {
        let by_hash = |chain: &Chain| chain.codecs().last().is_some_and(|codec| codec.name() == "hash");
        let Some(target) = self.target.as_ref().filter(|_| by_hash(self.chain_from()) && by_hash(self.chain_to()))
        else {
            return Ok(());
        };
        let mut paths = Vec::new();
        for item in items {
            let reference = self.reference(self.chain_from(), &item.value).map_err(|error| located(error, item))?;
            if reference.store != target.spec.name {
                paths.push(reference.path);
            }
        }
        self.instance.leave_paths(&self.table.name().schema, &paths.iter().collect::<Vec<_>>())
    }

    fn context(&self, item: &Item) -> Context {
        Context {
            schema: self.table.name().schema.to_string(),
            table: self.table.name().table.to_string(),
            attribute: self.plan.old.name.clone(),
            key: item.key.clone(),
            store: self.target.as_ref().map(|target| target.spec.name.clone()),
            compress_files: false,
        }
    }

    /// The reference that a value of a chain holds.
    fn reference(&self, chain: &Chain, value: &Value) -> Result<Reference> {
        let codec = chain.codecs().last().map(|codec| codec.name()).unwrap_or_default();
        let Value::Json(document) = value else {
            return Err(Error::new(ErrorKind::Corrupt, format!("the column holds {value}, not the JSON of an object")));
        };
        let mut reference = reference_of(codec, document.clone())?;
        if reference.store.is_empty() {
            let declared = chain.store().unwrap_or_default();
            reference.store = self.instance.store_spec(Some(declared), false)?.name;
        }
        Ok(reference)
    }

    /// The value of an item whose bytes are taken as they are.
    fn copy(&self, item: &Item) -> Result<Made> {
        let value = &item.value;
        if self.chain_from().store().is_none() {
            let Value::Bytes(bytes) = value else {
                return Err(Error::new(ErrorKind::Corrupt, format!("the column holds {value}, not bytes")));
            };
            return self.place(item, hashed(bytes.clone().into()));
        }
        let (named, _) = location(value)?;
        if self.there.contains(&named) {
            return Ok(Made::Column(value.clone()));
        }
        let reference = self.reference(self.chain_from(), value)?;
        let store = self.instance.store(&reference.store)?;
        let encoded = match reference.codec.as_str() {
            "hash" => hashed(payload_of(&*store, &reference.path)?),
            // A folder is compared with its manifest on the way.
            _ => copied(self.instance, &reference)?,
        };
        if let Encoded::Object(object) = &encoded {
            let told = reference.metadata.get("checksum").and_then(Json::as_str);
            if let Some(told) = told.map(str::to_owned)
                && told != checksum(&object.payload)?
            {
                return Err(damaged(&reference));
            }
            if told.is_none() {
                // Of other programs' objects there may be less to compare with.
                sound(&store, &reference)?;
            }
        }
        self.place(item, encoded)
    }

    /// Where encoded content goes: into the column, or to its place in the store.
    fn place(&self, item: &Item, encoded: Encoded) -> Result<Made> {
        let (chain, context) = (self.chain_to(), self.context(item));
        match (encoded, &self.target) {
            (Encoded::Object(object), None) => {
                chain.core_type().check(Value::Bytes(object.payload.into_bytes()?)).map(Made::Column)
            }
            (Encoded::Object(object), Some(target)) => {
                let upload = place(target, self.table.name(), &context, chain, object, false)?;
                Ok(Made::Object(Box::new(upload)))
            }
            (Encoded::Folder(folder), Some(target)) => {
                let upload = place_folder(target, self.table.name(), &context, chain, folder)?;
                Ok(Made::Object(Box::new(upload)))
            }
            (Encoded::Value(value), _) => chain.core_type().check(value).map(Made::Column),
            (Encoded::Payload(payload), _) => {
                chain.core_type().check(Value::Bytes(payload.into_bytes()?)).map(Made::Column)
            }
            _ => Err(Error::new(ErrorKind::User, "the codec makes an object, and the type names no store")),
        }
    }

    /// Values that the one codec reads and the other writes.
    fn recode(&self, items: &[Item]) -> Result<Vec<(Result<Made>, Vec<Fresh>)>> {
        let values: Vec<&Value> = items.iter().map(|item| &item.value).collect();
        let decoded = self.decode(self.chain_from(), items, &values)?;
        let encode = |(item, decoded): (&Item, Result<Value>)| {
            let encoded = |value| {
                work_for(self.instance, || {
                    self.chain_to().validate(&value)?;
                    self.chain_to().encode(value, &self.context(item))
                })
            };
            match decoded.map(encoded) {
                Ok((encoded, fresh)) => (encoded.and_then(|encoded| self.place(item, encoded)), fresh),
                Err(error) => (Err(error), Vec::new()),
            }
        };
        Ok(on_all_cores(items.len(), || items.par_iter().zip(decoded).map(encode).collect()))
    }

    /// What values of a chain stand for: arrays in stores are read whole.
    fn decode(&self, chain: &Chain, items: &[Item], values: &[&Value]) -> Result<Vec<Result<Value>>> {
        let mut objects = vec![None; values.len()];
        if chain.reads() == Reads::Object {
            let mut gets = Vec::new();
            for (item, value) in items.iter().zip(values) {
                let reference = self.reference(chain, value).map_err(|error| located(error, item))?;
                gets.push(Get { store: self.instance.store(&reference.store)?, path: reference.path });
            }
            for (at, found) in get_all(&gets)?.into_iter().enumerate() {
                let missing = || located(missing_object(gets[at].store.name(), &gets[at].path), &items[at]);
                objects[at] = Some(found.ok_or_else(missing)?);
            }
        }
        let decode = |((item, value), object): ((&Item, &&Value), Option<bytes::Bytes>)| {
            let context = Context { store: chain.store().map(str::to_owned), ..self.context(item) };
            let (decoded, _) = work_for(self.instance, || chain.decode(Value::clone(value), object, &context));
            match decoded? {
                Value::Reference(reference) => {
                    let mut reference = reference;
                    if reference.store.is_empty() {
                        reference.store = self.instance.store_spec(chain.store(), false)?.name;
                    }
                    NpyRef::open(self.instance, reference)?.load().map(Value::Array)
                }
                value => Ok(value),
            }
        };
        Ok(on_all_cores(items.len(), || items.par_iter().zip(values).zip(objects).map(decode).collect()))
    }

    /// Reads every byte of the objects that were written.
    fn read_back(&self, items: &[Item], values: &[Value], written: &[usize]) -> Result<()> {
        let chain = self.chain_to();
        let mut references: Vec<(usize, Arc<dyn Store>, Reference)> = Vec::with_capacity(written.len());
        for at in written {
            let reference = self.reference(chain, &values[*at])?;
            references.push((*at, self.instance.store(&reference.store)?, reference));
        }
        let found = each(&references, |(_, store, _)| store, |(_, store, reference)| sound(store, reference))?;
        for ((at, ..), found) in references.iter().zip(found) {
            found.map_err(|error| located(error, &items[*at]))?;
        }
        Ok(())
    }

    /// Compares what the new values stand for with what the old ones do.
    fn compare(&self, items: &[Item], values: &[Value]) -> Result<()> {
        let old: Vec<&Value> = items.iter().map(|item| &item.value).collect();
        let old = self.decode(self.chain_from(), items, &old)?;
        let new = self.decode(self.chain_to(), items, &values.iter().collect::<Vec<_>>())?;
        let same = |((item, old), new): ((&Item, Result<Value>), Result<Value>)| {
            match is_same(old?, new?) {
                true => Ok(()),
                false => Err(Error::new(
                    ErrorKind::InvalidValue,
                    format!("the value would not be the same as a `{}`", self.plan.new.kind.declared),
                )
                .with_hint("migrate to a codec that can hold it, such as `<blob@>`")),
            }
            .map_err(|error: Error| located(error, item))
        };
        on_all_cores(items.len(), || items.par_iter().zip(old).zip(new).map(same).collect())
    }
}

fn hashed(payload: Payload) -> Encoded {
    Encoded::Object(NewObject { addressing: Addressing::Hash, payload, metadata: Map::new() })
}

/// Looks at every byte of an object.
fn sound(store: &Arc<dyn Store>, reference: &Reference) -> Result<()> {
    match check(&**store, reference, Depth::Deep, None)?.into_problem() {
        None => Ok(()),
        Some((true, _)) => Err(missing_object(&reference.store, &reference.path)),
        Some((false, problem)) => Err(damaged(reference).with("problem", problem)),
    }
}

fn damaged(reference: &Reference) -> Error {
    Error::new(ErrorKind::Corrupt, "an object is not what its row says")
        .with("store", &reference.store)
        .with("path", &reference.path)
        .with_hint("`lodestore verify --repair` looks for a whole copy; then resume the migration, or revert it")
}

/// True if two values are the same to whoever reads them.
fn is_same(left: Value, right: Value) -> bool {
    let plain = |value: Value| match value {
        Value::Foreign(object) => object.to_value().ok(),
        value => Some(value),
    };
    match (plain(left), plain(right)) {
        // Packed, because NaN is not equal to itself, and the order of elements in memory is no part of a value.
        (Some(left), Some(right)) => {
            left == right
                || matches!((lodestore_codec::blob::pack(&left), lodestore_codec::blob::pack(&right)), (Ok(l), Ok(r)) if l == r)
        }
        // What only another language can compare was read back whole, by its checksum.
        _ => true,
    }
}

fn located(error: Error, item: &Item) -> Error {
    let told: Vec<String> = item.key.iter().map(|(name, value)| format!("{name}={value}")).collect();
    error.with("key", told.join(", "))
}
