use lodestore_db::{Answer, Bulk, ColumnSpec, ColumnVisitor, Connection, Refused, RowVisitor};
use lodestore_types::{Result, Tier, Value};

use super::cascade::Cascade;
use super::{DeleteOptions, PartIntegrity};
use crate::{Instance, Query, Row, Table, row};

/// A connection that counts the statements it is given.
#[derive(Debug)]
struct Counting<'a> {
    inner: &'a mut dyn Connection,
    statements: usize,
}

impl Connection for Counting<'_> {
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        self.statements += 1;
        self.inner.execute(sql, parameters)
    }

    fn statement(&mut self, sql: &str, parameters: &[Value]) -> Result<Answer> {
        self.statements += 1;
        self.inner.statement(sql, parameters)
    }

    fn insert(&mut self, bulk: &Bulk<'_>) -> std::result::Result<u64, Refused> {
        self.statements += 1;
        self.inner.insert(bulk)
    }

    fn query_each(&mut self, sql: &str, parameters: &[Value], visit: &mut RowVisitor<'_>) -> Result<()> {
        self.statements += 1;
        self.inner.query_each(sql, parameters, visit)
    }

    fn query_columns(
        &mut self,
        sql: &str,
        parameters: &[Value],
        columns: &[ColumnSpec],
        batch_rows: usize,
        visit: &mut ColumnVisitor<'_>,
    ) -> Result<()> {
        self.statements += 1;
        self.inner.query_columns(sql, parameters, columns, batch_rows, visit)
    }

    fn begin(&mut self) -> Result<()> {
        self.inner.begin()
    }

    fn begin_snapshot(&mut self) -> Result<()> {
        self.inner.begin_snapshot()
    }

    fn commit(&mut self) -> Result<()> {
        self.inner.commit()
    }

    fn rollback(&mut self) -> Result<()> {
        self.inner.rollback()
    }

    fn in_transaction(&self) -> bool {
        self.inner.in_transaction()
    }
}

/// The number of statements by which rows are deleted, and the number of rows of the table itself.
fn statements(query: &Query, options: DeleteOptions) -> (usize, u64) {
    let plan = query.plan_delete(options).unwrap();
    let cascade = Cascade::new(query, &plan).unwrap();
    let run = |connection: &mut dyn Connection| {
        let mut counting = Counting { inner: connection, statements: 0 };
        cascade.mark(&mut counting)?;
        cascade.check_parts(&mut counting)?;
        let deleted = cascade.delete(&mut counting, None)?;
        cascade.forget(&mut counting)?;
        Ok((counting.statements, deleted))
    };
    query.instance().write(Vec::new(), run).unwrap()
}

/// Five levels under one another: below the first row each has so many rows on the next, below the second one.
fn levels(instance: &Instance, fan_out: [i64; 4]) -> Vec<Table> {
    let lab = instance.schema("lab").unwrap();
    let mut tables = vec![lab.declare("L0", Tier::Manual, "k0 : int32").unwrap()];
    for level in 1..=4 {
        let definition = format!("-> L{}\nk{level} : int32", level - 1);
        tables.push(lab.declare(&format!("L{level}"), Tier::Manual, &definition).unwrap());
    }
    let mut keys: Vec<Row> = vec![row! { "k0" => 1 }, row! { "k0" => 2 }];
    tables[0].insert(keys.clone()).unwrap();
    for (level, count) in fan_out.into_iter().enumerate() {
        let name = format!("k{}", level + 1);
        let below = |key: &Row| if key.get("k0") == Some(&1.into()) { 0..count } else { 0..1 };
        keys = keys.iter().flat_map(|key| below(key).map(|n| key.clone().with(&name, n))).collect();
        tables[level + 1].insert(keys.clone()).unwrap();
    }
    tables
}

#[test]
fn the_number_of_statements_grows_with_tables_and_not_with_rows() {
    let mut counts = Vec::new();
    // Once 10 rows depend on the one that is deleted, once more than 100,000.
    for fan_out in [[1, 2, 1, 3], [10, 10, 10, 100]] {
        let folder = tempfile::tempdir().unwrap();
        let instance = Instance::embedded(folder.path()).unwrap();
        let tables = levels(&instance, fan_out);
        let dependents = tables[1..].iter().map(|table| table.len().unwrap()).sum::<u64>() - 4;
        let one = tables[0].restrict("k0 = 1").unwrap();
        let (statements, deleted) = statements(&one, DeleteOptions::default());
        assert_eq!(deleted, 1);
        let left: u64 = tables[1..].iter().map(|table| table.len().unwrap()).sum();
        assert_eq!(left, 4);
        counts.push((statements, dependents));
    }
    // For each table making, filling and dropping what is set aside, and one DELETE; for the last only that.
    assert_eq!(counts, [(25, 11), (25, 101_110)]);
}

#[test]
fn a_table_by_itself_takes_one_statement() {
    let folder = tempfile::tempdir().unwrap();
    let instance = Instance::embedded(folder.path()).unwrap();
    let table = instance.schema("lab").unwrap().declare("Lonely", Tier::Manual, "id : int32").unwrap();
    table.insert([row! { "id" => 1 }, row! { "id" => 2 }]).unwrap();
    let options = DeleteOptions { part_integrity: PartIntegrity::Cascade };
    assert!(table.plan_delete(options).unwrap().is_alone());
    assert_eq!(table.restrict("id = 1").unwrap().delete_opts(options).unwrap(), 1);
    assert_eq!(table.len().unwrap(), 1);
}
