//! What a delete would delete.

use lodestore_db::Connection;
use lodestore_sql::Heading;
use lodestore_sql::dialect::{JsonForm, JsonPath};
use lodestore_types::{Error, ErrorKind, FullTableName, Result, Value};

use super::cascade::Cascade;
use crate::Instance;

/// What a table loses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// The table.
    pub table: FullTableName,
    /// The number of its rows that go.
    pub rows: u64,
    /// The number of values in these rows that name an object in a store. An object that several rows share counts for
    /// each of them; files of the user's own (`<filepath@>`) do not count.
    pub objects: u64,
    /// The size of these objects in bytes, as far as the rows tell it.
    pub bytes: u64,
}

impl Cascade<'_> {
    /// What each table loses, parents first.
    pub(super) fn preview(&self, connection: &mut dyn Connection) -> Result<Vec<Affected>> {
        let tables = self.plan.nodes.iter().enumerate();
        tables.map(|(at, node)| survey(self.instance, connection, &node.heading, &self.is_doomed(at))).collect()
    }
}

/// What the rows of a table are that satisfy a condition.
pub(crate) fn survey(
    instance: &Instance,
    connection: &mut dyn Connection,
    heading: &Heading,
    condition: &str,
) -> Result<Affected> {
    let dialect = instance.dialect();
    let table = heading.table.clone().ok_or_else(|| Error::new(ErrorKind::Internal, "a query has no rows to lose"))?;
    let sums = owning(instance, heading).into_iter().map(|name| {
        let column = dialect.quote(name);
        let path = JsonPath { attribute: name, path: "size", as_type: Some("decimal(20,0)") };
        format!(", count({column}), sum({})", dialect.json_path(&column, &path, JsonForm::Native))
    });
    let (sums, from): (String, String) = (sums.collect(), dialect.table(&table));
    let rows = connection.query(&format!("SELECT count(*){sums} FROM {from} WHERE {condition}"), &[])?;
    let mut numbers = rows.iter().flatten().map(whole);
    let mut affected = Affected { table, rows: numbers.next().unwrap_or(0), objects: 0, bytes: 0 };
    while let (Some(objects), Some(bytes)) = (numbers.next(), numbers.next()) {
        affected.objects += objects;
        affected.bytes += bytes;
    }
    Ok(affected)
}

/// The attributes whose values own objects in a store.
fn owning<'a>(instance: &Instance, heading: &'a Heading) -> Vec<&'a str> {
    let owns = |codec: &str| {
        let chain = instance.chain(codec).ok()?;
        chain.store()?;
        chain.codecs().last().filter(|codec| codec.name() != "filepath").map(drop)
    };
    let owning = heading.visible().filter(|attribute| attribute.kind.codec.as_deref().and_then(owns).is_some());
    owning.map(|attribute| attribute.name.as_str()).collect()
}

/// A sum as databases give it: of nothing it is NULL.
fn whole(value: &Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(*number).unwrap_or(0),
        Value::Float(number) => *number as u64,
        Value::Decimal(number) => number.as_str().parse().unwrap_or(0),
        Value::Text(text) => text.parse().unwrap_or(0),
        _ => 0,
    }
}
