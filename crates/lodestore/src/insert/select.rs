//! Rows of a query into a table: by the database itself where nothing has to be done to them.

use std::sync::Arc;

use lodestore_codec::Chain;
use lodestore_objects::Store;
use lodestore_sql::{Attribute, Conflict, Statement};
use lodestore_types::{CoreType, Error, ErrorKind, Result, StorePath, Value};

use super::check::missing;
use super::{Batch, Duplicates, InsertOptions, Progress, insert};
use crate::transaction::Fresh;
use crate::{Instance, Query, Table};

/// So many rows are read at a time where they pass through this program.
const BATCH_ROWS: usize = 16_384;

/// Inserts what a query gives; gives how many rows went in.
pub(crate) fn insert_query(
    table: &Table,
    query: &Query,
    options: InsertOptions,
    progress: &mut Progress<'_>,
) -> Result<u64> {
    let instance = table.instance();
    if options.chunk_size.is_some() {
        return Err(Error::new(ErrorKind::InvalidRequest, "a query is inserted whole: it has no `chunk_size`"));
    }
    if !instance.is_same(query.instance()) {
        return Err(Error::new(ErrorKind::InvalidRequest, "the query belongs to another connection")
            .with_hint("fetch its rows and insert those: `table.insert(query.to_dicts())`"));
    }
    let mut pairs: Vec<(&Attribute, &Attribute)> = Vec::new();
    for source in query.heading().visible() {
        match table.heading().get(&source.name) {
            Some(target) => pairs.push((source, target)),
            None if options.ignore_extra_fields => {}
            None => {
                let error = table.heading().unknown(&source.name).with("attribute", &source.name);
                return Err(error.with_hint("project it away, or insert with `ignore_extra_fields=True`"));
            }
        }
    }
    for attribute in table.heading().visible() {
        let given = pairs.iter().any(|(_, target)| target.name == attribute.name);
        if !given && attribute.default.is_none() && !attribute.nullable && !attribute.autoincrement {
            return Err(missing(attribute, &Value::Null).with("attribute", &attribute.name));
        }
    }
    let names: Vec<&str> = pairs.iter().map(|(source, _)| source.name.as_str()).collect();
    let rows = query.project(&names)?;
    let schema = query.heading().table.as_ref().map(|table| &table.schema);
    let is_near = schema == Some(&table.name().schema);
    let is_singleton = table.heading().full_primary_key().any(|attribute| attribute.hidden);
    // Rows that are replaced may own objects, which are released row by row.
    let releases = options.duplicates == Duplicates::Replace && !instance.owning(table.heading()).is_empty();
    if !is_singleton
        && !releases
        && !names.is_empty()
        && pairs.iter().all(|(source, target)| is_copied(instance, source, target, is_near))
    {
        let conflict = match options.duplicates {
            Duplicates::Refuse => Conflict::Error,
            Duplicates::Skip => Conflict::Skip,
            Duplicates::Replace => Conflict::Replace,
        };
        let (sql, parameters) = rows.sql()?;
        if let Some(text) = instance.dialect().insert_from(table.heading(), &names, &sql, conflict)? {
            let shared = shared_content(instance, &pairs)?;
            let fresh = match shared.is_empty() {
                true => Vec::new(),
                false => vec![intend_content(table, &shared)?],
            };
            if !is_condemned(table, &shared, &sql, &parameters)? {
                return instance.write(fresh, |connection| connection.execute(&text, &parameters));
            }
            instance.discard(fresh);
        }
    }
    let options = InsertOptions { ignore_extra_fields: true, ..options };
    let batches = rows.stream(BATCH_ROWS)?.map(|columns| {
        let columns = columns?;
        let names = columns.names().to_vec();
        Batch::new(names.into_iter().zip(columns.into_columns()))
    });
    insert(table, batches, options, progress)
}

/// The columns of the query whose copies will name content that other rows name, and the stores of that.
fn shared_content(instance: &Instance, pairs: &[(&Attribute, &Attribute)]) -> Result<Vec<(String, Arc<dyn Store>)>> {
    let mut found = Vec::new();
    for (source, target) in pairs {
        let chain = target.kind.codec.as_deref().map(|codec| instance.chain(codec)).transpose()?;
        let is_hash = |chain: &&Chain| chain.codecs().last().is_some_and(|codec| codec.name() == "hash");
        if let Some(store) = chain.as_ref().filter(is_hash).and_then(Chain::store) {
            found.push((source.name.clone(), instance.store(&instance.config().store_spec(Some(store), false)?.name)?));
        }
    }
    Ok(found)
}

/// Intends whatever content the rows name.
fn intend_content(table: &Table, shared: &[(String, Arc<dyn Store>)]) -> Result<Fresh> {
    let (instance, schema) = (table.instance(), &table.name().schema);
    shared.iter().try_for_each(|(_, store)| instance.claim(schema, store))?;
    instance.intend_all_hashes(schema).map(Fresh::only)
}

/// True if some of the rows name content that no new row may name: it gets another path when it passes through this
/// program.
fn is_condemned(table: &Table, shared: &[(String, Arc<dyn Store>)], sql: &str, parameters: &[Value]) -> Result<bool> {
    let (instance, schema) = (table.instance(), &table.name().schema);
    let dialect = instance.dialect();
    for (column, _) in shared {
        let path = dialect.json_word(&dialect.quote(column), "path");
        let sql = format!("SELECT DISTINCT {path} FROM ({sql}) {} WHERE {path} IS NOT NULL", dialect.quote("$0"));
        let rows = instance.query(&Statement { sql, parameters: parameters.to_vec() })?;
        let paths: Vec<StorePath> =
            rows.iter().filter_map(|row| row[0].as_str()).filter_map(|path| StorePath::new(path).ok()).collect();
        if !instance.moved(schema, &paths.iter().collect::<Vec<_>>())?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True if what one column holds may stand in another as it is.
fn is_copied(instance: &Instance, source: &Attribute, target: &Attribute, is_near: bool) -> bool {
    let is_text = |core: &CoreType| matches!(core, CoreType::Char(_) | CoreType::Varchar(_));
    let is_alike = source.stored_as().is_some_and(|core| {
        let other = &target.kind.core;
        // A number out of range and a text too long are refused by the database.
        *core == *other
            || (core.integer_range().is_some() && other.integer_range().is_some())
            || (is_text(core) && is_text(other))
    });
    if !is_alike
        || (source.nullable && !target.nullable)
        || source.kind.native.is_some()
        || target.kind.native.is_some()
    {
        return false;
    }
    match (&source.kind.codec, &target.kind.codec) {
        (None, None) => true,
        (Some(source), Some(target)) => {
            let chains = instance.chain(source).ok().zip(instance.chain(target).ok());
            chains.is_some_and(|(source, target)| may_share(instance, &source, &target, is_near))
        }
        _ => false,
    }
}

/// True if both encode alike, and if the object behind a value, if there is one, may belong to two rows.
fn may_share(instance: &Instance, source: &Chain, target: &Chain, is_near: bool) -> bool {
    let names = |chain: &Chain| chain.codecs().iter().map(|codec| codec.name().to_owned()).collect::<Vec<_>>();
    if names(source) != names(target) {
        return false;
    }
    let innermost = names(source).pop().unwrap_or_default();
    let of_user = innermost == "filepath";
    let store = |chain: &Chain| {
        let named = chain.store().map(|store| instance.store_spec(Some(store), of_user));
        named.transpose().map(|spec| spec.map(|spec| spec.name)).ok()
    };
    match (store(source), store(target)) {
        (Some(None), Some(None)) => true,
        // Content is stored once for a schema; objects of other codecs belong to one row each.
        (Some(Some(a)), Some(Some(b))) => a == b && (of_user || (is_near && innermost == "hash")),
        _ => false,
    }
}
