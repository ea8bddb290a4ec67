//! What a delete would delete.

use lodestore_db::Connection;
use lodestore_sql::dialect::{JsonForm, JsonPath};
use lodestore_types::{FullTableName, Result, Value};

use super::cascade::Cascade;
use super::plan::Node;

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
        tables.map(|(at, node)| self.preview_table(connection, at, node)).collect()
    }

    fn preview_table(&self, connection: &mut dyn Connection, at: usize, node: &Node) -> Result<Affected> {
        let mut affected = Affected { table: node.name.clone(), rows: 0, objects: 0, bytes: 0 };
        let size = |column: &String| {
            let path = JsonPath { attribute: column, path: "size", as_type: Some("decimal(20,0)") };
            format!("count({column}), sum({})", self.dialect.json_path(column, &path, JsonForm::Native))
        };
        let owning: Vec<String> = self.owning(node).iter().map(|name| self.dialect.quote(name)).collect();
        if owning.is_empty() {
            affected.rows = self.count(connection, at)?;
            return Ok(affected);
        }
        let sums: Vec<String> = owning.iter().map(size).collect();
        let (sums, table) = (sums.join(", "), self.dialect.table(&node.name));
        let sql = format!("SELECT count(*), {sums} FROM {table} WHERE {}", self.is_doomed(at));
        let rows = connection.query(&sql, &[])?;
        let mut numbers = rows.iter().flatten().map(whole);
        affected.rows = numbers.next().unwrap_or(0);
        while let (Some(objects), Some(bytes)) = (numbers.next(), numbers.next()) {
            affected.objects += objects;
            affected.bytes += bytes;
        }
        Ok(affected)
    }

    /// The attributes whose values own objects in a store.
    fn owning<'a>(&self, node: &'a Node) -> Vec<&'a str> {
        let instance = self.query().instance();
        let owns = |codec: &str| {
            let chain = instance.chain(codec).ok()?;
            chain.store()?;
            chain.codecs().last().filter(|codec| codec.name() != "filepath").map(drop)
        };
        let visible = node.heading.visible();
        let owning = visible.filter(|attribute| attribute.kind.codec.as_deref().and_then(owns).is_some());
        owning.map(|attribute| attribute.name.as_str()).collect()
    }
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
