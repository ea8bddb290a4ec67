//! Random queries give the same rows as the model.

use std::sync::Arc;

use lodestore_sql::definition::Reference;
use lodestore_sql::{Condition, Expression, Heading, Projection, Sqlite, Top, Universal, Unmatched};
use lodestore_types::{FullTableName, Result, Value};
use proptest::prelude::*;

use crate::database::Database;
use crate::model::{Fold, Relation, Test};

/// An expression and what the model says of it.
#[derive(Clone)]
struct Pair {
    expression: Expression,
    relation: Relation,
}

/// Name, definition and rows.
type Table = (&'static str, &'static str, &'static [&'static [Option<i64>]]);

/// Tables with shared keys, a renamed and a nullable foreign key, and one that nothing refers to.
fn world() -> (Database, Vec<Pair>) {
    let database = Database::new("lab");
    let tables: &[Table] = &[
        (
            "a",
            "a : int32\n---\nx=null : int32",
            &[&[Some(1), Some(5)], &[Some(2), None], &[Some(3), Some(7)], &[Some(4), Some(5)]],
        ),
        (
            "b",
            "-> a\nb : int32\n---\ny=null : int32",
            &[
                &[Some(1), Some(1), Some(3)],
                &[Some(1), Some(2), None],
                &[Some(2), Some(1), Some(4)],
                &[Some(3), Some(1), Some(3)],
            ],
        ),
        (
            "c",
            "c : int32\n---\n-> [nullable] a\n-> [nullable] a.proj(other='a')",
            &[
                &[Some(1), Some(1), Some(2)],
                &[Some(2), None, Some(1)],
                &[Some(3), Some(3), None],
                &[Some(4), None, None],
            ],
        ),
        ("d", "-> b\n---\nz : int32", &[&[Some(1), Some(1), Some(9)], &[Some(2), Some(1), Some(8)]]),
        ("e", "e : int32", &[]),
    ];
    let mut pairs: Vec<(String, Pair)> = Vec::new();
    for (name, definition, rows) in tables {
        let full = FullTableName::parse(&format!("lab.{name}")).unwrap();
        let parent = |reference: &Reference| -> Result<Arc<Heading>> {
            Ok(pairs.iter().find(|(name, _)| *name == reference.path).unwrap().1.expression.heading().clone())
        };
        database.declare(&full, definition, &parent);
        let heading = database.heading(&full);
        for row in *rows {
            let row = heading.names().zip(row.iter().map(|value| Value::from(*value))).collect();
            database.insert(&heading, row);
        }
        let names = heading.visible().map(|attribute| (attribute.name.clone(), attribute.in_key)).collect();
        let relation = Relation { names, rows: rows.iter().map(|row| row.to_vec()).collect() };
        let expression = Expression::table(Arc::new(heading)).unwrap();
        pairs.push(((*name).to_owned(), Pair { expression, relation }));
    }
    (database, pairs.into_iter().map(|(_, pair)| pair).collect())
}

/// A source of choices.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn number(&mut self, below: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % below.max(1)
    }

    fn flag(&mut self) -> bool {
        self.number(2) == 1
    }

    fn name(&mut self, relation: &Relation) -> String {
        relation.names.get(self.number(relation.names.len())).map_or("a".into(), |(name, _)| name.clone())
    }

    fn condition(&mut self, on: &Relation, pool: &[Pair], depth: usize) -> (Condition, Test) {
        let name = self.name(on);
        match self.number(if depth > 2 { 3 } else { 8 }) {
            0 => {
                let value = [None, Some(1), Some(3), Some(5)][self.number(4)];
                (Condition::Map(vec![(name.clone(), value.into())]), Test::Equals(name, value))
            }
            1 if on.names.is_empty() => (Condition::True, Test::All(Vec::new())),
            1 => {
                let value = self.number(6) as i64;
                (Condition::Sql(format!("{name} > {value}")), Test::Greater(name, value))
            }
            2 => (Condition::Map(vec![("nosuch".into(), 1.into())]), Test::Equals("nosuch".into(), Some(1))),
            3 => {
                let (condition, test) = self.condition(on, pool, depth + 1);
                (Condition::Not(Box::new(condition)), Test::Not(Box::new(test)))
            }
            4 | 5 => {
                let number = self.number(3);
                let (conditions, tests) = (0..number).map(|_| self.condition(on, pool, depth + 1)).unzip();
                match self.flag() {
                    true => (Condition::All(conditions), Test::All(tests)),
                    false => (Condition::Any(conditions), Test::Any(tests)),
                }
            }
            _ => {
                let other = &pool[self.number(pool.len())];
                (Condition::In(other.expression.clone()), Test::In(other.relation.clone()))
            }
        }
    }

    /// One operator over what is there; nothing if it is refused.
    fn operate(&mut self, pool: &[Pair], step: usize) -> Option<Pair> {
        let Pair { expression, relation } = pool[self.number(pool.len())].clone();
        let other = &pool[self.number(pool.len())];
        let (expression, relation) = match self.number(10) {
            0 | 1 => {
                let (condition, test) = self.condition(&relation, pool, 0);
                (expression.restrict(&condition).ok()?, relation.restrict(&test))
            }
            2 | 3 => {
                let renamed = self.name(&relation);
                let new = ["a", "b", "x", "k"][self.number(4)].to_owned();
                let mut columns: Vec<(String, String)> = Vec::new();
                let mut projection = Projection::default();
                for (name, key) in &relation.names {
                    if *name == renamed {
                        columns.push((new.clone(), name.clone()));
                    } else if *key || self.flag() {
                        columns.push((name.clone(), name.clone()));
                        projection.attributes.push(name.clone());
                    }
                }
                projection.attributes.retain(|name| relation.names.iter().any(|(known, key)| known == name && !key));
                (expression.project(&projection.with(&new, &renamed)).ok()?, relation.project(&columns))
            }
            4 => {
                let (new, old) = (format!("n{step}"), self.name(&relation));
                let projection = Projection::keep(["..."]).with(&new, format!("{old} + 1"));
                (expression.project(&projection).ok()?, relation.increment(&new, &old))
            }
            5 => match self.flag() {
                true => (expression.join(&other.expression).ok()?, relation.join(&other.relation)),
                false => (expression.extend(&other.expression).ok()?, relation.extend(&other.relation)),
            },
            6 => {
                let keep = self.flag();
                let unmatched = if keep { Unmatched::Keep } else { Unmatched::Drop };
                let (named, computed) = self.computed(&other.relation, step);
                let projection = Projection { attributes: Vec::new(), named };
                let expression = expression.aggregate(&other.expression, &projection, unmatched).ok()?;
                (expression, relation.aggregate(&other.relation, keep, &computed))
            }
            7 => {
                let mut names: Vec<String> = (0..self.number(3)).map(|_| self.name(&relation)).collect();
                names.dedup();
                let (named, computed) = self.computed(&relation, step);
                let set = Universal::new(names.clone());
                match self.flag() {
                    true => (set.of(&expression).ok()?, relation.universal(&names, &[])),
                    false => (set.aggregate(&expression, &named).ok()?, relation.universal(&names, &computed)),
                }
            }
            8 => (expression.union(&other.expression).ok()?, relation.union(&other.relation)),
            _ => {
                let (limit, offset) = (self.number(4), self.number(3));
                let by = self.flag().then(|| self.name(&relation));
                let terms = by.iter().map(|name| format!("{name} desc")).chain(["KEY".to_owned()]);
                let top = Top::ordered(terms).with_limit(limit as u64).with_offset(offset as u64);
                (expression.top(&top).ok()?, relation.top(by.as_deref(), limit, offset))
            }
        };
        (relation.rows.len() <= 100).then_some(Pair { expression, relation })
    }

    #[expect(clippy::type_complexity, reason = "the same things, said to the query and to the model")]
    fn computed(&mut self, relation: &Relation, step: usize) -> (Vec<(String, String)>, Vec<(String, Fold, String)>) {
        let number = 1 + self.number(2);
        (0..number)
            .map(|index| {
                let (new, name) = (format!("g{step}_{index}"), self.name(relation));
                let (sql, fold) = match self.number(4) {
                    0 => ("count(*)".to_owned(), Fold::Rows),
                    1 => (format!("count({name})"), Fold::Count),
                    2 => (format!("sum({name})"), Fold::Sum),
                    _ => (format!("max({name})"), Fold::Max),
                };
                ((new.clone(), sql), (new, fold, name))
            })
            .unzip()
    }
}

fn agree(database: &Database, pair: &Pair) -> Result<(), String> {
    let names: Vec<(String, bool)> =
        pair.expression.heading().visible().map(|attribute| (attribute.name.clone(), attribute.in_key)).collect();
    let statement = pair.expression.select(&Sqlite).map_err(|error| error.to_string())?;
    let sql = &statement.sql;
    if names != pair.relation.names {
        return Err(format!("{names:?} instead of {:?}\n{sql}", pair.relation.names));
    }
    let rows = database.query(&statement)?;
    let mut found: Vec<Vec<Option<i64>>> =
        rows.iter().map(|row| row.iter().take(names.len()).map(Value::as_i64).collect()).collect();
    let mut wanted = pair.relation.rows.clone();
    found.sort();
    wanted.sort();
    if found != wanted {
        return Err(format!("{found:?} instead of {wanted:?}\n{sql}"));
    }
    let one = |statement: Result<lodestore_sql::Statement>| {
        let statement = statement.map_err(|error| error.to_string())?;
        database.query(&statement).map(|rows| rows[0][0].clone())
    };
    let (count, exists) = (one(pair.expression.count(&Sqlite))?, one(pair.expression.exists(&Sqlite))?);
    if (count, exists) != (Value::from(wanted.len() as i64), Value::from(i64::from(!wanted.is_empty()))) {
        return Err(format!("count or exists differ from {} rows\n{sql}", wanted.len()));
    }
    Ok(())
}

thread_local! {
    static WORLD: (Database, Vec<Pair>) = world();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn queries_agree_with_the_model(choices in proptest::collection::vec(any::<u8>(), 10..90)) {
        WORLD.with(|(database, tables)| {
            let mut pool = tables.clone();
            let mut choices = Choices(choices.iter());
            for step in 0..8 {
                if let Some(pair) = choices.operate(&pool, step) {
                    if let Err(difference) = agree(database, &pair) {
                        return Err(TestCaseError::fail(difference));
                    }
                    pool.push(pair);
                }
            }
            Ok(())
        })?;
    }
}
