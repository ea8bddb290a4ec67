//! What differs between a table and a definition.

use lodestore_types::{CoreType, Error, ErrorKind, Result};

use super::{Alteration, Change};
use crate::{Attribute, AttributeType, Declaration, DefaultValue, Dialect, ForeignKey, Heading, Index};

/// Compares a table, as the database tells it, with what a definition declares. Hidden attributes stay as they are.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) if the primary key or a foreign key would change,
/// [`InvalidDefinition`](ErrorKind::InvalidDefinition) for a rename that makes no sense.
pub fn alter(
    dialect: &dyn Dialect,
    current: &Heading,
    foreign_keys: &[ForeignKey],
    declaration: &Declaration,
) -> Result<Alteration> {
    let table = declaration.table.clone();
    let mut declaration = declaration.clone();
    // A type in this database's own words is told in these.
    for column in &mut declaration.columns {
        if let Some(old) = current.get_any(&column.name)
            && let Some(native) = &column.kind.native
            && old.kind.native.is_some()
            && dialect.told_native(native) == old.kind.native
        {
            column.kind = old.kind.clone();
        }
    }
    compare(current, foreign_keys, &declaration).map_err(|error| error.with("table", table))
}

fn compare(current: &Heading, foreign_keys: &[ForeignKey], declaration: &Declaration) -> Result<Alteration> {
    check_key(current, declaration)?;
    check_foreign_keys(foreign_keys, declaration)?;
    let hidden = || current.attributes.iter().filter(|attribute| attribute.hidden);
    let mut target = declaration.clone();
    target.columns.retain(|column| !column.hidden);
    // For each column of the definition, the attribute whose values it takes over.
    let mut sources: Vec<Option<&Attribute>> = Vec::new();
    for column in &mut target.columns {
        let source = source_of(column, current, declaration)?;
        if let Some(old) = source {
            if sources.iter().flatten().any(|taken| taken.name == old.name) {
                return Err(Error::new(
                    ErrorKind::InvalidDefinition,
                    format!("two attributes would take the place of `{}`", old.name),
                )
                .with_hint("rename an attribute only once"));
            }
            adopt(column, old, foreign_keys)?;
        }
        sources.push(source);
    }
    let dropped = current.visible().filter(|old| !sources.iter().flatten().any(|source| source.name == old.name));
    let mut changes: Vec<Change> = dropped.cloned().map(Change::Drop).collect();
    changes.extend(attribute_changes(&target.columns, &sources, current));
    if target.comment != current.comment {
        changes.insert(0, Change::Comment(target.comment.clone()));
    }
    target.columns.extend(hidden().cloned());
    target.lineage =
        target.columns.iter().filter_map(|column| Some((column.name.clone(), column.lineage.clone()?))).collect();
    index_changes(current, &target, &mut changes);
    Ok(Alteration {
        table: target.table.clone(),
        current: current.clone(),
        foreign_keys: foreign_keys.to_vec(),
        target,
        changes,
    })
}

fn refused(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, message).with_hint(hint)
}

fn check_key(current: &Heading, declaration: &Declaration) -> Result<()> {
    let new_way = "make a new table with the new key, insert the rows of this one into it, and drop this one";
    let old: Vec<&str> = current.full_primary_key().map(|attribute| attribute.name.as_str()).collect();
    let new: Vec<&str> = declaration.primary_key.iter().map(String::as_str).collect();
    if old != new {
        return Err(refused(
            format!("alter cannot change the primary key from ({}) to ({})", old.join(", "), new.join(", ")),
            new_way,
        ));
    }
    let own = |name: &str| !declaration.foreign_keys.iter().any(|key| key.columns.iter().any(|column| column == name));
    for column in declaration.columns.iter().filter(|column| column.in_key && !column.hidden && own(&column.name)) {
        let Some(old) = current.get(&column.name) else { continue };
        if !is_same_type(&old.kind, &column.kind) || old.autoincrement != column.autoincrement {
            return Err(refused(
                format!(
                    "alter cannot change the key attribute `{}` from `{}` to `{}`",
                    column.name, old.kind.declared, column.kind.declared
                ),
                new_way,
            )
            .with("attribute", &column.name));
        }
        if old.default != column.default {
            return Err(refused(
                format!("alter cannot change the default of the key attribute `{}`", column.name),
                new_way,
            )
            .with("attribute", &column.name));
        }
    }
    Ok(())
}

/// Foreign keys are the same whatever their order; whether one is unique is a matter of its index.
fn check_foreign_keys(current: &[ForeignKey], declaration: &Declaration) -> Result<()> {
    let is_same = |left: &ForeignKey, right: &ForeignKey| left.parent == right.parent && pairs(left) == pairs(right);
    let told = |key: &ForeignKey| format!("({}) -> `{}`", key.columns.join(", "), key.parent);
    let hint = "write the foreign keys as `describe` tells them, and make a new table for other ones";
    let mut rest: Vec<&ForeignKey> = current.iter().collect();
    for key in &declaration.foreign_keys {
        match rest.iter().position(|known| is_same(known, key)) {
            Some(at) => drop(rest.remove(at)),
            None => return Err(refused(format!("alter cannot add the foreign key {}", told(key)), hint)),
        }
    }
    match rest.first() {
        Some(key) => Err(refused(format!("alter cannot remove the foreign key {}", told(key)), hint)),
        None => Ok(()),
    }
}

fn pairs(key: &ForeignKey) -> Vec<(&String, &String)> {
    let mut pairs: Vec<_> = key.columns.iter().zip(&key.parent_columns).collect();
    pairs.sort();
    pairs
}

/// Whether values are kept alike, however the type is spelled. A type that is spelled alike is kept as this database does.
fn is_same_type(left: &AttributeType, right: &AttributeType) -> bool {
    left.declared == right.declared
        || (left.core == right.core && left.codec == right.codec && left.native == right.native)
}

/// Whether two defaults come to the same in an attribute of this type.
fn is_same_default(left: &Option<DefaultValue>, right: &Option<DefaultValue>, core: &CoreType) -> bool {
    match (left, right, core) {
        (Some(DefaultValue::Now(left)), Some(DefaultValue::Now(right)), CoreType::DateTime(most)) => {
            let most = most.unwrap_or(6);
            left.map_or(most, |digits| digits.min(most)) == right.map_or(most, |digits| digits.min(most))
        }
        _ => left == right,
    }
}

/// The attribute of the table whose values a column of the definition takes over.
fn source_of<'a>(
    column: &mut Attribute,
    current: &'a Heading,
    declaration: &Declaration,
) -> Result<Option<&'a Attribute>> {
    let known = current.get(&column.name);
    let Some((marked, rest)) = rename_marker(&column.comment) else { return Ok(known) };
    let marked = marked.to_owned();
    if known.is_some() && current.get(&marked).is_none() {
        // Renamed already: what remains of the marker is no comment.
        column.comment = rest.to_owned();
        return Ok(known);
    }
    if known.is_some() {
        // Two attributes of the table: the braces are a part of the comment.
        return Ok(known);
    }
    let Some(old) = current.get(&marked) else {
        return Err(Error::new(
            ErrorKind::InvalidDefinition,
            format!("attribute `{}` shall be `{marked}` by another name, which the table does not have", column.name),
        )
        .with_hint(format!("its attributes are {}", current.names().collect::<Vec<_>>().join(", ")))
        .with("attribute", &column.name));
    };
    if declaration.columns.iter().any(|other| other.name == marked) {
        return Err(Error::new(
            ErrorKind::InvalidDefinition,
            format!("`{marked}` cannot become `{}` and stay as well", column.name),
        )
        .with("attribute", &column.name));
    }
    column.comment = rest.to_owned();
    Ok(Some(old))
}

/// The name in braces at the beginning of a comment, and what follows.
fn rename_marker(comment: &str) -> Option<(&str, &str)> {
    let (name, rest) = comment.strip_prefix('{')?.split_once('}')?;
    let is_word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    (is_word && !name.is_empty()).then(|| (name.trim(), rest.trim_start()))
}

/// Keeps of the old attribute what a definition does not tell.
fn adopt(column: &mut Attribute, old: &Attribute, foreign_keys: &[ForeignKey]) -> Result<()> {
    if foreign_keys.iter().any(|key| key.columns.contains(&old.name)) {
        // Type and comment are those of the parent when the table was made.
        column.kind = old.kind.clone();
        column.comment.clone_from(&old.comment);
    } else if is_same_type(&column.kind, &old.kind) {
        column.kind = old.kind.clone();
    }
    if column.autoincrement != old.autoincrement {
        return Err(refused(
            format!("alter cannot change whether `{}` counts up by itself", column.name),
            "make a new table for that",
        )
        .with("attribute", &column.name));
    }
    if column.nullable {
        column.default = Some(DefaultValue::Null);
    } else if is_same_default(&column.default, &old.default, &column.kind.core) {
        column.default.clone_from(&old.default);
    }
    column.lineage.clone_from(&old.lineage);
    Ok(())
}

/// Added and modified attributes in their new order.
fn attribute_changes(columns: &[Attribute], sources: &[Option<&Attribute>], current: &Heading) -> Vec<Change> {
    let place = |old: &Attribute| current.attributes.iter().position(|other| other.name == old.name).unwrap_or(0);
    let staying = longest_rise(&sources.iter().flatten().map(|old| place(old)).collect::<Vec<_>>());
    let mut changes = Vec::new();
    for (index, (column, source)) in columns.iter().zip(sources).enumerate() {
        let after = index.checked_sub(1).map(|before| columns[before].name.clone());
        match source {
            None => changes.push(Change::Add { attribute: column.clone(), after }),
            Some(old) => {
                let moved = (!staying.contains(&place(old))).then_some(after);
                if moved.is_some() || *column != **old {
                    let (old, new) = (Box::new((*old).clone()), Box::new(column.clone()));
                    changes.push(Change::Modify { old, new, moved });
                }
            }
        }
    }
    changes
}

/// The longest selection of `places` that rises: what can stay where it is when the others move.
fn longest_rise(places: &[usize]) -> Vec<usize> {
    let mut best: Vec<Vec<usize>> = Vec::new();
    for place in places {
        let before = best.iter().filter(|rise| rise.last() < Some(place)).max_by_key(|rise| rise.len());
        let mut rise = before.cloned().unwrap_or_default();
        rise.push(*place);
        best.push(rise);
    }
    best.into_iter().max_by_key(Vec::len).unwrap_or_default()
}

fn index_changes(current: &Heading, target: &Declaration, changes: &mut Vec<Change>) {
    let wanted = target.heading().indexes;
    // An index of an attribute that is renamed stays one of that attribute.
    let renamed = |column: &String| {
        let new = changes.iter().find_map(|change| match change {
            Change::Modify { old, new, .. } if old.name == *column => Some(new.name.clone()),
            _ => None,
        });
        new.unwrap_or_else(|| column.clone())
    };
    let mut rest: Vec<Index> = current
        .indexes
        .iter()
        .map(|index| Index { columns: index.columns.iter().map(renamed).collect(), unique: index.unique })
        .collect();
    let mut added = Vec::new();
    for index in wanted {
        match rest.iter().position(|known| *known == index) {
            Some(at) => drop(rest.remove(at)),
            None => added.push(index),
        }
    }
    changes.extend(rest.into_iter().map(Change::DropIndex));
    changes.extend(added.into_iter().map(Change::AddIndex));
}
