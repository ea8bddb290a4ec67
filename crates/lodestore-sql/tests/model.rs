//! The algebra on rows in memory, written as plainly as it can be said: what the queries must agree with.
//!
//! All values are integers or NULL. A truth is `Some(true)`, `Some(false)`, or `None` for what a NULL leaves open.

use std::collections::{BTreeMap, BTreeSet};

pub type Row = Vec<Option<i64>>;

/// A relation: names with whether they belong to the key, and rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    pub names: Vec<(String, bool)>,
    pub rows: Vec<Row>,
}

/// A condition on rows.
#[derive(Debug, Clone)]
pub enum Test {
    Equals(String, Option<i64>),
    Greater(String, i64),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    In(Relation),
}

/// What an aggregation computes.
#[derive(Debug, Clone, Copy)]
pub enum Fold {
    Rows,
    Count,
    Sum,
    Max,
}

impl Relation {
    pub fn at(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|(known, _)| known == name)
    }

    pub fn key(&self) -> Vec<String> {
        self.names.iter().filter(|(_, key)| *key).map(|(name, _)| name.clone()).collect()
    }

    pub fn restrict(&self, test: &Test) -> Relation {
        let rows = self.rows.iter().filter(|row| self.truth(row, test) == Some(true)).cloned().collect();
        Relation { names: self.names.clone(), rows }
    }

    fn truth(&self, row: &Row, test: &Test) -> Option<bool> {
        match test {
            Test::Equals(name, value) => match (self.at(name), value) {
                (None, _) => Some(true),
                (Some(at), None) => Some(row[at].is_none()),
                (Some(at), value) => equal(row[at], *value),
            },
            Test::Greater(name, value) => row[self.at(name)?].map(|found| found > *value),
            Test::All(tests) => all(tests.iter().map(|test| self.truth(row, test))),
            Test::Any(tests) => {
                all(tests.iter().map(|test| self.truth(row, test).map(|truth| !truth))).map(|truth| !truth)
            }
            Test::Not(test) => self.truth(row, test).map(|truth| !truth),
            Test::In(other) => {
                let shared: Vec<(usize, usize)> =
                    other.names.iter().enumerate().filter_map(|(i, (name, _))| Some((self.at(name)?, i))).collect();
                if shared.is_empty() {
                    return Some(!other.rows.is_empty());
                }
                let same = |found: &Row| all(shared.iter().map(|(here, there)| equal(row[*here], found[*there])));
                all(other.rows.iter().map(|found| same(found).map(|truth| !truth))).map(|truth| !truth)
            }
        }
    }

    /// Columns as pairs of new name and old one; the key must be among them.
    pub fn project(&self, columns: &[(String, String)]) -> Relation {
        let places: Vec<usize> = columns.iter().map(|(_, old)| self.at(old).unwrap()).collect();
        let names = columns.iter().zip(&places).map(|((new, _), at)| (new.clone(), self.names[*at].1)).collect();
        let rows = self.rows.iter().map(|row| places.iter().map(|at| row[*at]).collect()).collect();
        Relation { names, rows }.key_first()
    }

    /// One more column: another one plus one.
    pub fn increment(&self, new: &str, old: &str) -> Relation {
        let at = self.at(old).unwrap();
        let mut result = self.clone();
        result.names.push((new.into(), false));
        result.rows.iter_mut().for_each(|row| row.push(row[at].map(|value| value + 1)));
        result
    }

    fn key_first(self) -> Relation {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        order.sort_by_key(|at| !self.names[*at].1);
        let names = order.iter().map(|at| self.names[*at].clone()).collect();
        let rows = self.rows.iter().map(|row| order.iter().map(|at| row[*at]).collect()).collect();
        Relation { names, rows }
    }

    /// All columns of this, then the new ones of the other, for rows that meet; for `left` also rows that meet none.
    fn pairs(&self, other: &Relation, left: bool) -> Relation {
        let new: Vec<usize> = (0..other.names.len()).filter(|at| self.at(&other.names[*at].0).is_none()).collect();
        let shared: Vec<(usize, usize)> =
            other.names.iter().enumerate().filter_map(|(i, (name, _))| Some((self.at(name)?, i))).collect();
        let mut rows = Vec::new();
        for row in &self.rows {
            let before = rows.len();
            for found in &other.rows {
                if shared.iter().all(|(here, there)| equal(row[*here], found[*there]) == Some(true)) {
                    rows.push(row.iter().copied().chain(new.iter().map(|at| found[*at])).collect());
                }
            }
            if left && rows.len() == before {
                rows.push(row.iter().copied().chain(new.iter().map(|_| None)).collect());
            }
        }
        let names = self.names.iter().cloned().chain(new.iter().map(|at| other.names[*at].clone())).collect();
        Relation { names, rows }
    }

    fn determines(&self, other: &Relation) -> bool {
        other.key().iter().all(|name| self.at(name).is_some())
    }

    pub fn join(&self, other: &Relation) -> Relation {
        if self.determines(other) {
            self.pairs(other, false).with_key(&self.key())
        } else if other.determines(self) {
            other.pairs(self, false).with_key(&other.key())
        } else {
            self.pairs(other, false).with_key(&[self.key(), other.key()].concat()).key_first()
        }
    }

    pub fn extend(&self, other: &Relation) -> Relation {
        self.pairs(other, true).with_key(&self.key())
    }

    fn with_key(mut self, key: &[String]) -> Relation {
        self.names.iter_mut().for_each(|(name, in_key)| *in_key = key.contains(name));
        self
    }

    /// Groups of equal values of the key, with what is computed over the rows of each. `whole` makes a group of none.
    fn group(&self, key: &[String], whole: bool, computed: &[(String, Fold, String)]) -> Relation {
        let places: Vec<usize> = key.iter().map(|name| self.at(name).unwrap()).collect();
        let mut groups: BTreeMap<Row, Vec<&Row>> = BTreeMap::new();
        if whole {
            groups.insert(Vec::new(), Vec::new());
        }
        for row in &self.rows {
            groups.entry(places.iter().map(|at| row[*at]).collect()).or_default().push(row);
        }
        let names = key.iter().map(|name| (name.clone(), true)).chain(computed.iter().map(|c| (c.0.clone(), false)));
        let rows = groups.iter().map(|(group, rows)| {
            let values = computed.iter().map(|(_, fold, name)| {
                let at = self.at(name).unwrap();
                let values: Vec<i64> = rows.iter().filter_map(|row| row[at]).collect();
                match fold {
                    Fold::Rows => Some(rows.len() as i64),
                    Fold::Count => Some(values.len() as i64),
                    Fold::Sum => (!values.is_empty()).then(|| values.iter().sum()),
                    Fold::Max => values.iter().max().copied(),
                }
            });
            group.iter().copied().chain(values).collect()
        });
        Relation { names: names.collect(), rows: rows.collect() }
    }

    pub fn aggregate(&self, group: &Relation, keep: bool, computed: &[(String, Fold, String)]) -> Relation {
        self.pairs(group, keep).group(&self.key(), false, computed)
    }

    pub fn universal(&self, key: &[String], computed: &[(String, Fold, String)]) -> Relation {
        self.group(key, key.is_empty(), computed)
    }

    pub fn union(&self, other: &Relation) -> Relation {
        let key = self.key();
        let names: Vec<(String, bool)> = key
            .iter()
            .map(|name| (name.clone(), true))
            .chain(self.names.iter().chain(&other.names).filter(|(_, key)| !key).cloned())
            .collect();
        let arranged = |relation: &Relation| -> Vec<Row> {
            let places: Vec<Option<usize>> = names.iter().map(|(name, _)| relation.at(name)).collect();
            relation.rows.iter().map(|row| places.iter().map(|at| at.and_then(|at| row[at])).collect()).collect()
        };
        let lonely = other.restrict(&Test::Not(Box::new(Test::In(
            self.project(&key.iter().map(|name| (name.clone(), name.clone())).collect::<Vec<_>>()),
        ))));
        let both = match names.len() == key.len() {
            true => [arranged(self), arranged(other)].concat(),
            false => [arranged(&self.pairs(other, true)), arranged(&lonely)].concat(),
        };
        Relation { rows: both.into_iter().collect::<BTreeSet<_>>().into_iter().collect(), names }
    }

    /// The first rows ordered by an attribute (downwards, NULL last) and the key.
    pub fn top(&self, by: Option<&str>, limit: usize, offset: usize) -> Relation {
        let key: Vec<usize> = self.key().iter().map(|name| self.at(name).unwrap()).collect();
        let by = by.map(|name| self.at(name).unwrap());
        let mut rows = self.rows.clone();
        rows.sort_by_key(|row| {
            (by.map(|at| std::cmp::Reverse(row[at])), key.iter().map(|at| row[*at]).collect::<Row>())
        });
        Relation { names: self.names.clone(), rows: rows.into_iter().skip(offset).take(limit).collect() }
    }
}

fn equal(left: Option<i64>, right: Option<i64>) -> Option<bool> {
    Some(left? == right?)
}

fn all(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let truths: Vec<Option<bool>> = truths.collect();
    match () {
        () if truths.contains(&Some(false)) => Some(false),
        () if truths.contains(&None) => None,
        () => Some(true),
    }
}
