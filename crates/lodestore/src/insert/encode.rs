//! Values through their codecs, objects to their stores.

use lodestore_codec::{Context, Encoded, on_all_cores};
use lodestore_db::{Column, ColumnData};
use lodestore_types::{Error, ErrorKind, Result, Value};
use rayon::prelude::*;
use serde_json::Value as Json;

use super::check::{Cells, Checked};
use super::copy::copied;
use super::plan::Plan;
use crate::config::Backend;
use crate::current::work_for;
use crate::filepath::look_up;
use crate::placement::{Upload, place, place_folder, write_all};
use crate::staged::Finished;
use crate::transaction::Fresh;
use crate::{Instance, StagedObject, Table};

/// So many bytes of values are encoded and written together; a greater one goes alone.
const BATCH_BYTES: usize = 128 << 20;

/// Encodes and writes what codecs have to do with, batch by batch; then all cells are plain. `fresh` gathers the objects,
/// each with its row, also when it fails midway. `progress` is told how many rows are done.
pub(super) fn encode_all(
    table: &Table,
    plan: &Plan<'_>,
    checked: &mut Checked,
    fresh: &mut Vec<(usize, Fresh)>,
    progress: &mut dyn FnMut(usize),
) -> Result<()> {
    let mut values: Vec<(usize, Vec<Value>)> = Vec::new();
    for (column, cells) in checked.cells.iter_mut().enumerate() {
        if let Cells::Encode(given) = cells {
            values.push((column, std::mem::take(given)));
        }
    }
    if values.is_empty() {
        return Ok(());
    }
    let key = plan.key();
    let mut jobs: Vec<Job> = Vec::new();
    let mut done: Vec<Vec<Value>> = values.iter().map(|(_, values)| vec![Value::Null; values.len()]).collect();
    let mut waiting = 0;
    for row in 0..checked.rows {
        let key: Vec<(String, Value)> = key
            .iter()
            .filter_map(|column| Some((plan.attributes[*column].name.clone(), checked.plain(*column, row)?)))
            .collect();
        for (place, (column, values)) in values.iter_mut().enumerate() {
            let value = std::mem::take(&mut values[row]);
            if !value.is_null() {
                waiting += plan.chain(*column).map_or_else(|| value.weight(), |chain| chain.weight(&value));
                jobs.push(Job { row, number: checked.numbers[row], place, column: *column, key: key.clone(), value });
            }
        }
        if waiting >= BATCH_BYTES || row + 1 == checked.rows {
            settle(table, plan, std::mem::take(&mut jobs), &mut done, fresh)?;
            waiting = 0;
            progress(row + 1);
        }
    }
    for ((column, _), values) in values.into_iter().zip(done) {
        let column_of_values = Column { data: ColumnData::Values(values), nulls: None };
        checked.cells[column] = Cells::Plain { column: column_of_values, unset: None };
    }
    Ok(())
}

struct Job {
    row: usize,
    /// The number of the row in the whole insert.
    number: usize,
    place: usize,
    column: usize,
    key: Vec<(String, Value)>,
    value: Value,
}

/// Encodes a batch on all cores, writes its objects, and fills in the cells.
fn settle(
    table: &Table,
    plan: &Plan<'_>,
    jobs: Vec<Job>,
    done: &mut [Vec<Value>],
    fresh: &mut Vec<(usize, Fresh)>,
) -> Result<()> {
    let places: Vec<(usize, usize)> = jobs.iter().map(|job| (job.row, job.place)).collect();
    let encoded: Vec<(Result<Outcome>, Vec<Fresh>)> = on_all_cores(jobs.len(), || {
        jobs.into_par_iter().map(|job| work_for(table.instance(), || encode(table, plan, job))).collect()
    });
    // What codecs wrote by themselves counts even if another failed.
    let (encoded, written): (Vec<_>, Vec<_>) = encoded.into_iter().unzip();
    for ((row, _), written) in places.iter().zip(written) {
        fresh.extend(written.into_iter().map(|written| (*row, written)));
    }
    let encoded = encoded.into_iter().collect::<Result<Vec<_>>>()?;
    let mut uploads = Vec::new();
    let mut awaiting = Vec::new();
    for ((row, place), outcome) in places.into_iter().zip(encoded) {
        match outcome {
            Outcome::Column(value) => done[place][row] = value,
            Outcome::Object(upload) => {
                uploads.push((row, *upload));
                awaiting.push((row, place));
            }
        }
    }
    if uploads.is_empty() {
        return Ok(());
    }
    for ((row, place), value) in
        awaiting.into_iter().zip(write_all(table.instance(), &table.name().schema, uploads, fresh)?)
    {
        done[place][row] = value;
    }
    Ok(())
}

enum Outcome {
    Column(Value),
    Object(Box<Upload>),
}

/// On a server DataJoint may read the same rows, and it knows no compressed attachments.
fn compresses_files(instance: &Instance) -> bool {
    match instance.config().get("attach.compress") {
        Ok(Json::Bool(wanted)) => wanted,
        _ => instance.config().backend() == Backend::Sqlite,
    }
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
        compress_files: compresses_files(table.instance()),
    };
    if let Some(staged) = StagedObject::within(&job.value) {
        return match staged.finish(&context).map_err(|error| error.with("row", job.number))? {
            Finished::Column(column) => Ok(Outcome::Column(column)),
            Finished::Upload(upload) => Ok(Outcome::Object(Box::new(upload))),
        };
    }
    let (told, encoded) = match &job.value {
        Value::Reference(reference) => {
            let told = reference.metadata.get("checksum").and_then(|checksum| checksum.as_str()).map(str::to_owned);
            (told, copied(table.instance(), reference))
        }
        _ => (None, chain.encode(job.value, &context)),
    };
    let encoded = encoded.and_then(|encoded| match (encoded, target) {
        (Encoded::Value(value), _) => chain.core_type().check(value).map(Outcome::Column),
        (Encoded::Object(object), Some(target)) => {
            let upload = place(target, table.name(), &context, chain, object, told.is_none())?;
            match (&told, upload.checksum()) {
                (Some(told), Some(found)) if told != found => {
                    Err(Error::new(ErrorKind::Corrupt, "the object to copy is not what its row says: it was damaged"))
                }
                _ => Ok(Outcome::Object(Box::new(upload))),
            }
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
    encoded.map_err(|error| error.with("attribute", &attribute.name).with("row", job.number))
}
