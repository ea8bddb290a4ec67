//! Tiers: values that are old or large enough go to another store, as the setting `tiers` says.

use std::collections::HashSet;

use lodestore_codec::TypeSpec;
use lodestore_codec::manifest::Manifest;
use lodestore_objects::each;
use lodestore_types::{CoreType, Error, ErrorKind, Reference, Result, Timestamp};
use serde_json::{Value as Json, json};

use super::plan::Plan;
use super::record::State;
use super::rules::{Rule, Rules, all};
use super::{MigrateOptions, Migration, start};
use crate::references::{References, fingerprint};
use crate::{Instance, Query, Row, Table};

/// So many rows go by one migration, which holds their keys in memory.
const ROWS_AT_ONCE: usize = 10_000;
/// So many keys make one condition.
const KEYS_AT_ONCE: usize = 200;
/// What the rows of such migrations are told by begins with it.
const TOLD: &str = "tier ";

/// How tier rules are applied.
#[derive(Debug, Clone, Default)]
pub struct TierOptions {
    /// Move values; else it is only told what would move.
    pub apply: bool,
    /// Leave the migrations to be confirmed or reverted, instead of confirming each once it is verified.
    pub keep_old: bool,
}

/// What a rule moves, or would move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierMove {
    /// The rule, as `schema.table.attribute[0]`.
    pub rule: String,
    /// The store to which values go.
    pub to: String,
    /// How many rows have such values.
    pub rows: u64,
    /// How many objects these are.
    pub objects: u64,
    /// Their bytes, as the rows tell them.
    pub bytes: u64,
}

impl TierMove {
    /// All of it.
    pub fn to_json(&self) -> Json {
        json!({
            "rule": self.rule, "to": self.to, "rows": self.rows, "objects": self.objects, "bytes": self.bytes,
        })
    }
}

/// A rule with all that it needs.
struct Ready {
    table: Table,
    attribute: String,
    /// The type with the store to go to, as migrations name it.
    target: String,
    rule: Rule,
    name: String,
    /// The rows that may be old enough.
    rows: Query,
    /// The names by which values say that they are there.
    there: Vec<String>,
}

/// Values for which a rule holds.
#[derive(Default)]
struct Found {
    keys: Vec<Row>,
    bytes: u64,
    objects: HashSet<u128>,
    /// Those that are there already.
    settled: Vec<u128>,
    /// True if there may be more.
    more: bool,
}

impl Instance {
    /// Applies the rules of the setting `tiers`, or tells what each would move. The rules of an attribute are tried in order;
    /// where one moves a value, the others leave it alone.
    ///
    /// Values move as [`Query::migrate`] moves them, and what they were is released as soon as they are verified. What a
    /// killed run left is finished first.
    ///
    /// # Errors
    /// `InvalidConfig` for rules that make no sense, `UnknownAttribute`, `UnknownStore`, `MissingTable`: then nothing moves.
    /// As [`Query::migrate`] for the rest.
    pub fn tier(&self, options: &TierOptions) -> Result<Vec<TierMove>> {
        let rules = all(&self.config())?;
        let mut ready = Vec::new();
        for rules in &rules {
            ready.extend(self.ready(rules).map_err(|error| error.with("tiers", &rules.name))?);
        }
        let migrate = MigrateOptions { confirm: !options.keep_old, ..MigrateOptions::default() };
        if options.apply {
            self.finish_tiers(&migrate)?;
        }
        let mut moves = Vec::new();
        let mut taken: HashSet<u128> = HashSet::new();
        for ready in &ready {
            let mut moved =
                TierMove { rule: ready.name.clone(), to: ready.rule.to.clone(), rows: 0, objects: 0, bytes: 0 };
            let mut objects: HashSet<u128> = HashSet::new();
            let mut settled = HashSet::new();
            loop {
                let found = ready.find(options.apply, &taken)?;
                moved.rows += found.keys.len() as u64;
                moved.bytes += found.bytes;
                objects.extend(&found.objects);
                let marks: Vec<u128> = found.keys.iter().map(|key| ready.mark(key)).collect();
                if options.apply && !found.keys.is_empty() {
                    // Where the old values stay for now, the rows are there already all the same.
                    ready.apply(found.keys, &migrate)?;
                }
                settled.extend(marks.into_iter().chain(found.settled));
                if !found.more {
                    break;
                }
            }
            moved.objects = objects.len() as u64;
            taken.extend(settled);
            moves.push(moved);
        }
        Ok(moves)
    }

    /// Finishes what an earlier run began.
    fn finish_tiers(&self, options: &MigrateOptions) -> Result<()> {
        for mut migration in self.migrations(&[])? {
            let is_tier = migration.record.rows.starts_with(TOLD);
            let is_open = migration.record.state != State::Switched || options.confirm;
            if is_tier && is_open {
                migration.resume(options, &mut |_, _| {})?;
            }
        }
        Ok(())
    }

    fn ready(&self, rules: &Rules) -> Result<Vec<Ready>> {
        let schema = self.existing_schema(&rules.schema)?;
        let table = schema.map(|schema| schema.table(&rules.table)).transpose()?.flatten();
        let Some(table) = table else {
            return Err(Error::new(
                ErrorKind::MissingTable,
                format!("there is no table `{}` in a schema `{}`", rules.table, rules.schema),
            )
            .with_hint("name it as in the database, or as its class"));
        };
        let attribute = table.heading().attribute(&rules.attribute)?.clone();
        let mut ready = Vec::new();
        for (at, rule) in rules.rules.iter().enumerate() {
            let name = format!("{}[{at}]", rules.name);
            let of_rule = || -> Result<Ready> {
                let declared = attribute.kind.codec.as_deref().unwrap_or_default();
                let spec = TypeSpec::parse(declared).ok().filter(|spec| spec.store.is_some());
                let Some(spec) = spec else {
                    return Err(Error::new(
                        ErrorKind::InvalidConfig,
                        format!("`{}` is a `{}`, which lies in no store", attribute.name, attribute.kind.declared),
                    )
                    .with_hint("migrate it to a store first"));
                };
                let target = TypeSpec { store: Some(rule.to.clone()), ..spec }.to_string();
                let plan = Plan::new(&table, &attribute.name, &target, true)?;
                Ok(Ready {
                    rows: rows_of(&table, rule)?,
                    there: plan.stores(self, lodestore_sql::migration::NEW)?,
                    attribute: attribute.name.clone(),
                    table: table.clone(),
                    rule: rule.clone(),
                    name: name.clone(),
                    target,
                })
            };
            ready.push(of_rule().map_err(|error| error.with("rule", &name))?);
        }
        Ok(ready)
    }
}

/// The rows of a table that are old enough, as far as an attribute tells it.
fn rows_of(table: &Table, rule: &Rule) -> Result<Query> {
    let (Some(by), Some(age)) = (&rule.by, rule.older_than) else { return Ok((**table).clone()) };
    let attribute = table.heading().attribute(by)?;
    let moment = Timestamp::from_second(Timestamp::now().as_second().saturating_sub(age)).unwrap_or(Timestamp::MIN);
    // Such as `2026-01-31T12:00:00Z`.
    let moment = moment.to_string();
    let text = match attribute.kind.core {
        CoreType::Date => moment.chars().take(10).collect::<String>(),
        CoreType::DateTime(_) => moment.replace('T', " ").replace('Z', ""),
        _ => {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("`{by}` is a `{}`, which tells no day", attribute.kind.declared),
            )
            .with_hint("name an attribute of type `date` or `datetime`, or leave `by` out"));
        }
    };
    table.restrict(format!("{by} < '{text}'").as_str())
}

impl Ready {
    fn find(&self, for_moving: bool, taken: &HashSet<u128>) -> Result<Found> {
        let instance = self.table.instance();
        let mut found = Found::default();
        let Some(references) = References::of(&self.rows.project(&[&*self.attribute])?)? else { return Ok(found) };
        for batch in references {
            let batch = batch?;
            let mut candidates: Vec<(usize, Reference)> = Vec::new();
            for (_, row, reference) in &batch.cells {
                let Ok(reference) = reference else { continue };
                let large = self.rule.larger_than.is_none_or(|least| reference.size().is_some_and(|size| size > least));
                if large && self.there.contains(&reference.store) {
                    // It got there by this rule: later ones leave it alone.
                    found.settled.push(self.mark(&batch.key_row(*row)));
                } else if large {
                    candidates.push((*row, reference.clone()));
                }
            }
            if self.rule.by.is_none()
                && let Some(age) = self.rule.older_than
            {
                candidates = old_enough(instance, candidates, age)?;
            }
            for (row, reference) in candidates {
                let key = batch.key_row(row);
                if taken.contains(&self.mark(&key)) {
                    continue;
                }
                found.bytes += reference.size().unwrap_or(0);
                found.objects.insert(fingerprint(&[&reference.store, reference.path.as_str()]));
                found.keys.push(key);
            }
            if for_moving && found.keys.len() >= ROWS_AT_ONCE {
                found.more = true;
                break;
            }
        }
        Ok(found)
    }

    /// A number that stands for a value of a row, among those of all rules.
    fn mark(&self, key: &Row) -> u128 {
        let key: Vec<String> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fingerprint(&[&self.table.name().to_string(), &self.attribute, &key.join("\n")])
    }

    fn apply(&self, keys: Vec<Row>, options: &MigrateOptions) -> Result<Migration> {
        let rows = keys.chunks(KEYS_AT_ONCE).map(|keys| self.table.restrict(keys)).collect::<Result<Vec<_>>>()?;
        let told = format!("{TOLD}{}", self.name);
        start(&self.table, &self.attribute, &self.target, Some(rows), told, options, &mut |_, _| {})
            .map_err(|error| error.with("rule", &self.name))
    }
}

/// Those that were written so many seconds ago, by the clocks of their stores.
fn old_enough(instance: &Instance, candidates: Vec<(usize, Reference)>, age: i64) -> Result<Vec<(usize, Reference)>> {
    let mut nows: Vec<(String, i64)> = Vec::new();
    let mut asked = Vec::with_capacity(candidates.len());
    for (row, reference) in candidates {
        let store = instance.store(&reference.store)?;
        let now = match nows.iter().find(|(name, _)| *name == reference.store) {
            Some((_, now)) => *now,
            None => {
                nows.push((reference.store.clone(), store.now()?.as_second()));
                nows[nows.len() - 1].1
            }
        };
        asked.push((row, reference, store, now));
    }
    let is_old = each(
        &asked,
        |(_, _, store, _)| store,
        |(_, reference, store, now)| {
            let folder = reference.metadata.get("is_dir").and_then(Json::as_bool) == Some(true);
            let path = if folder { Manifest::path_for(&reference.path)? } else { reference.path.clone() };
            Ok(store.head(&path)?.is_some_and(|entry| now.saturating_sub(entry.modified.as_second()) > age))
        },
    )?;
    let mut old = Vec::new();
    for ((row, reference, ..), is_old) in asked.into_iter().zip(is_old) {
        if is_old? {
            old.push((row, reference));
        }
    }
    Ok(old)
}
