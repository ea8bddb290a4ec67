//! Values through their codecs, objects to their stores.

use lodestore_codec::{Context, Encoded};
use lodestore_types::{Error, ErrorKind, Result, Value};
use rayon::prelude::*;

use super::plan::{Cell, Plan};
use crate::Table;
use crate::current::work_for;
use crate::filepath::look_up;
use crate::placement::{Upload, place, place_folder, write_all};
use crate::transaction::Fresh;

/// So many bytes of values are encoded and written together; a greater one goes alone.
const BATCH_BYTES: usize = 128 << 20;

/// Encodes and writes what codecs have to do with, batch by batch, and gives rows of plain values;
/// `None` is a column left to the database.
pub(super) fn encode_all(
    table: &Table,
    plan: &Plan<'_>,
    rows: Vec<Vec<Cell>>,
    fresh: &mut Vec<Fresh>,
) -> Result<Vec<Vec<Option<Value>>>> {
    let mut done: Vec<Vec<Option<Value>>> = Vec::with_capacity(rows.len());
    let mut jobs: Vec<Job> = Vec::new();
    let mut waiting = 0;
    for (number, row) in rows.into_iter().enumerate() {
        let key = if plan.has_codecs() { key_of(plan, &row) } else { Vec::new() };
        let mut cells = Vec::with_capacity(row.len());
        for (column, cell) in row.into_iter().enumerate() {
            cells.push(match cell {
                Cell::Unset => None,
                Cell::Plain(value) => Some(value),
                Cell::Encode(value) => {
                    waiting += weight(&value);
                    jobs.push(Job { row: number, column, key: key.clone(), value });
                    None
                }
            });
        }
        done.push(cells);
        if waiting >= BATCH_BYTES {
            settle(table, plan, std::mem::take(&mut jobs), &mut done, fresh)?;
            waiting = 0;
        }
    }
    settle(table, plan, jobs, &mut done, fresh)?;
    Ok(done)
}

struct Job {
    row: usize,
    column: usize,
    key: Vec<(String, Value)>,
    value: Value,
}

/// Encodes a batch on all cores, writes its objects, and fills in the cells.
fn settle(
    table: &Table,
    plan: &Plan<'_>,
    jobs: Vec<Job>,
    done: &mut [Vec<Option<Value>>],
    fresh: &mut Vec<Fresh>,
) -> Result<()> {
    let places: Vec<(usize, usize)> = jobs.iter().map(|job| (job.row, job.column)).collect();
    let encoded: Vec<(Result<Outcome>, Vec<Fresh>)> =
        jobs.into_par_iter().map(|job| work_for(table.instance(), || encode(table, plan, job))).collect();
    // What codecs wrote by themselves counts even if another failed.
    let (encoded, written): (Vec<_>, Vec<_>) = encoded.into_iter().unzip();
    fresh.extend(written.into_iter().flatten());
    let encoded = encoded.into_iter().collect::<Result<Vec<_>>>()?;
    let mut uploads = Vec::new();
    let mut awaiting = Vec::new();
    for ((row, column), outcome) in places.into_iter().zip(encoded) {
        match outcome {
            Outcome::Column(value) => done[row][column] = Some(value),
            Outcome::Object(upload) => {
                uploads.push(*upload);
                awaiting.push((row, column));
            }
        }
    }
    if uploads.is_empty() {
        return Ok(());
    }
    for ((row, column), value) in awaiting.into_iter().zip(write_all(uploads, fresh)?) {
        done[row][column] = Some(value);
    }
    Ok(())
}

enum Outcome {
    Column(Value),
    Object(Box<Upload>),
}

fn encode(table: &Table, plan: &Plan<'_>, job: Job) -> Result<Outcome> {
    let attribute = plan.attributes[job.column];
    let target = plan.targets[job.column].as_ref();
    let Some(chain) = plan.chain(job.column) else { return Ok(Outcome::Column(job.value)) };
    let context = Context {
        schema: table.name().schema.to_string(),
        table: table.name().table.to_string(),
        attribute: attribute.name.clone(),
        key: job.key,
        store: target.map(|target| target.spec.name.clone()),
    };
    let encoded = chain.encode(job.value, &context).and_then(|encoded| match (encoded, target) {
        (Encoded::Value(value), _) => chain.core_type().check(value).map(Outcome::Column),
        (Encoded::Object(object), Some(target)) => {
            place(target, table.name(), &context, chain, object).map(|upload| Outcome::Object(Box::new(upload)))
        }
        (Encoded::Folder(folder), Some(target)) => {
            place_folder(target, table.name(), &context, chain, folder).map(|upload| Outcome::Object(Box::new(upload)))
        }
        (Encoded::Payload(payload), _) => {
            chain.core_type().check(Value::Bytes(payload.into_bytes()?)).map(Outcome::Column)
        }
        (Encoded::UserPath(path), Some(target)) => look_up(target, &path).map(Outcome::Column),
        (Encoded::Object(_) | Encoded::Folder(_) | Encoded::UserPath(_), None) => {
            Err(Error::new(ErrorKind::User, "the codec makes an object, and the attribute names no store"))
        }
    });
    encoded.map_err(|error| error.with("attribute", &attribute.name))
}

fn key_of(plan: &Plan<'_>, row: &[Cell]) -> Vec<(String, Value)> {
    plan.attributes
        .iter()
        .zip(row)
        .filter(|(attribute, _)| attribute.in_key)
        .filter_map(|(attribute, cell)| match cell {
            Cell::Plain(value) => Some((attribute.name.clone(), value.clone())),
            _ => None,
        })
        .collect()
}

/// About how many bytes a value takes, for the size of a batch.
fn weight(value: &Value) -> usize {
    const SMALL: usize = 256;
    match value {
        Value::Array(array) => array.nbytes() + SMALL,
        Value::Bytes(bytes) => bytes.len() + SMALL,
        Value::Text(text) => text.len() + SMALL,
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().map(weight).sum::<usize>() + SMALL,
        Value::Dict(items) => items.iter().map(|(key, item)| weight(key) + weight(item)).sum::<usize>() + SMALL,
        Value::Objects(array) => array.items.iter().map(weight).sum::<usize>() + SMALL,
        Value::Records(array) => array.fields.iter().map(|(_, field)| weight(field)).sum::<usize>() + SMALL,
        Value::Struct(array) => array.items.iter().flatten().map(weight).sum::<usize>() + SMALL,
        _ => SMALL,
    }
}
