//! Whether the values of an attribute can get another type, and how they are carried.

use lodestore_codec::{Chain, TypeSpec};
use lodestore_sql::{Attribute, AttributeType};
use lodestore_types::{CoreType, Error, ErrorKind, Result};

use crate::lifecycle::Owning;
use crate::{Instance, Table};

/// How a value gets from one type to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// As the bytes that are stored, which both types understand.
    Bytes,
    /// Decoded by the one codec, encoded by the other.
    Value,
}

/// What is to be done to an attribute.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The attribute under its old type, and under its new one.
    pub(super) old: Attribute,
    pub(super) new: Attribute,
    pub(super) old_chain: Chain,
    pub(super) new_chain: Chain,
    pub(super) route: Route,
    /// True if nothing but the store changes: every value names its own, and the column stays.
    pub(super) kept: bool,
}

/// Codecs that know where their object lies by `path` and `store` alone: it may be copied.
const COPIED: [&str; 3] = ["hash", "npy", "object"];
/// Codecs whose values are files, and not what is in them.
const FILES: [&str; 3] = ["attach", "object", "filepath"];

/// A codec type in its one spelling.
pub(super) fn spelled(to: &str) -> Result<String> {
    Ok(TypeSpec::parse(to)?.to_string())
}

impl Plan {
    /// Looks at what was asked for.
    ///
    /// # Errors
    /// As [`crate::Query::migrate`].
    pub(super) fn new(table: &Table, attribute: &str, to: &str, some_rows: bool) -> Result<Self> {
        let old = table.heading().attribute(attribute)?;
        if old.in_key {
            return Err(refused(format!("`{attribute}` belongs to the primary key, which stays as it is"))
                .with_hint("only attributes below the `---` can be migrated"));
        }
        let Some(source) = old.kind.codec.as_deref() else {
            return Err(unsupported(format!("`{attribute}` is a `{}`, which has no codec", old.kind.declared))
                .with_hint("add an attribute of the new type, and copy the values into it with `update1`"));
        };
        let plan = Plan::between(table.instance(), old, source, to)?;
        // The stores must be there before anything is written.
        for chain in [&plan.old_chain, &plan.new_chain] {
            if let Some(store) = chain.store() {
                let of_user = chain.codecs().last().is_some_and(|codec| codec.name() == "filepath");
                table.instance().store_spec(Some(store), of_user)?;
            }
        }
        if some_rows && !plan.kept {
            return Err(refused(format!(
                "some rows cannot become `{}` while the others stay `{source}`",
                spelled(to)?
            ))
            .with_hint("migrate all rows, or name another store for the same codec"));
        }
        Ok(plan)
    }

    /// The plan of a migration that was begun.
    pub(super) fn between(instance: &Instance, declared: &Attribute, source: &str, to: &str) -> Result<Self> {
        let target = spelled(to)?;
        let (old_chain, new_chain) = (instance.chain(source)?, instance.chain(&target)?);
        let of = |text: &str, chain: &Chain| Attribute {
            kind: AttributeType::codec(text, chain.core_type().clone()),
            ..declared.clone()
        };
        let route = route(&old_chain, &new_chain, source, &target)?;
        let names = |chain: &Chain| chain.codecs().iter().map(|codec| codec.name().to_owned()).collect::<Vec<_>>();
        let last = names(&old_chain).pop().unwrap_or_default();
        let kept = names(&old_chain) == names(&new_chain)
            && COPIED.contains(&&*last)
            && old_chain.store().is_some()
            && new_chain.store().is_some();
        let (old, new) = (of(source, &old_chain), of(&target, &new_chain));
        Ok(Plan { old, new, old_chain, new_chain, route, kept })
    }

    /// True if there can be nothing to do: the same type, and no stores in which values may lie.
    pub(super) fn is_idle(&self) -> bool {
        self.old.kind.declared == self.new.kind.declared && !self.kept
    }

    /// What the values of either type own.
    pub(super) fn owning(&self, instance: &Instance, column: &str) -> Option<Owning> {
        let attribute = if column == lodestore_sql::migration::OLD { &self.old } else { &self.new };
        let mut owning = Owning::of(instance, attribute)?;
        column.clone_into(&mut owning.column);
        Some(owning)
    }

    /// The chain on the side of a column of the shadow.
    pub(super) fn chain(&self, column: &str) -> &Chain {
        if column == lodestore_sql::migration::OLD { &self.old_chain } else { &self.new_chain }
    }

    /// The core type on that side.
    pub(super) fn core(&self, column: &str) -> &CoreType {
        self.chain(column).core_type()
    }

    /// By which names values say that they lie in the store of a type; none where the column changes.
    pub(super) fn stores(&self, instance: &Instance, column: &str) -> Result<Vec<String>> {
        let Some(store) = self.chain(column).store().filter(|_| self.kept) else { return Ok(Vec::new()) };
        let name = instance.store_spec(Some(store), false)?.name;
        let default = instance.store_spec(None, false).map(|spec| spec.name);
        Ok(match default {
            // A value that names none means the default store.
            Ok(default) if default == name => vec![name, String::new()],
            _ => vec![name],
        })
    }
}

fn route(old: &Chain, new: &Chain, source: &str, target: &str) -> Result<Route> {
    let names = |chain: &Chain| -> Vec<String> {
        let all = chain.codecs().iter().map(|codec| codec.name().to_owned());
        all.filter(|name| name != "hash").collect()
    };
    let (from, to) = (names(old), names(new));
    let has = |names: &[String], codec: &str| names.iter().any(|name| name == codec);
    if has(&from, "filepath") || has(&to, "filepath") {
        return Err(unsupported(format!(
            "`{source}` cannot become `{target}`: files that a user manages are not moved"
        ))
        .with_hint("move the files by hand, and change the paths with `update1`"));
    }
    let in_place = |chain: &Chain| *chain.core_type() == CoreType::Bytes && chain.store().is_none();
    let last = |chain: &Chain| chain.codecs().last().map(|codec| codec.name().to_owned()).unwrap_or_default();
    let copied = |chain: &Chain| in_place(chain) || COPIED.contains(&&*last(chain));
    if from == to && copied(old) && copied(new) {
        return Ok(Route::Bytes);
    }
    let is_file = |names: &[String]| FILES.iter().any(|codec| has(names, codec));
    if is_file(&from) || is_file(&to) {
        return Err(unsupported(format!("`{source}` holds files and `{target}` does not, or the other way round"))
            .with_hint("read each file, and store what is in it under a new attribute with `update1`"));
    }
    Ok(Route::Value)
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}
