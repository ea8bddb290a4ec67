//! A schema as the Python code that makes it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use lodestore_sql::{Dependency, ForeignKey};
use lodestore_types::{FullTableName, Result, SchemaName, TableName, Tier};

use crate::Schema;

/// Names that the code itself uses, and words that Python keeps for itself.
const TAKEN: &[&str] = &[
    "dj", "schema", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif",
    "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not",
    "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

impl Schema {
    /// Python code that makes this schema again: a class for each table, with the definition that the database tells,
    /// parents first. Other schemas that it refers to become virtual modules.
    ///
    /// Rows are not part of it, nor the `make` of computed tables, which the database does not know.
    ///
    /// # Errors
    /// The database's.
    pub fn python_code(&self) -> Result<String> {
        let graph = self.instance().dependencies_of([&self.name])?;
        let edges = graph.foreign_keys();
        let mut writer = Writer { schema: self, edges, modules: modules(self, edges), code: String::new() };
        writer.head();
        for step in steps(self, edges)? {
            writer.step(&step)?;
        }
        Ok(writer.code)
    }
}

/// What is written next.
#[derive(Debug, PartialEq)]
enum Step {
    /// A table with the parts that can stand inside its class.
    Class { table: TableName, parts: Vec<TableName> },
    /// A part that refers to tables which come after its master.
    LatePart(TableName),
    /// A table that no class can have.
    Nameless(TableName),
}

/// The tables in an order in which each comes after those that it refers to.
fn steps(schema: &Schema, edges: &[Dependency]) -> Result<Vec<Step>> {
    let own = |name: &FullTableName| name.schema == schema.name;
    let parents: Vec<(&TableName, &TableName)> = edges
        .iter()
        .filter(|edge| own(&edge.child) && own(&edge.key.parent))
        .map(|edge| (&edge.child.table, &edge.key.parent.table))
        .collect();
    order(schema.tables()?, &parents)
}

fn order(tables: Vec<TableName>, parents: &[(&TableName, &TableName)]) -> Result<Vec<Step>> {
    let (mut waiting, nameless): (Vec<TableName>, Vec<TableName>) =
        tables.into_iter().partition(|table| table.class_path().is_some());
    let mut steps: Vec<Step> = nameless.iter().cloned().map(Step::Nameless).collect();
    let mut placed: BTreeSet<TableName> = nameless.into_iter().collect();
    let is_ready = |table: &TableName, placed: &BTreeSet<TableName>, with: &[TableName]| {
        parents.iter().all(|(child, parent)| {
            *child != table || *parent == table || placed.contains(*parent) || with.contains(parent)
        })
    };
    while !waiting.is_empty() {
        let of_master = |master: &TableName| -> Vec<TableName> {
            waiting.iter().filter(|table| table.root() == *master && *table != master).cloned().collect()
        };
        let masters: Vec<TableName> = waiting.iter().filter(|table| table.root() == **table).cloned().collect();
        let whole = masters.iter().find(|master| {
            let mut family = of_master(master);
            family.push((*master).clone());
            family.iter().all(|table| is_ready(table, &placed, &family))
        });
        let step = if let Some(master) = whole {
            Step::Class { table: master.clone(), parts: of_master(master) }
        } else if let Some(part) =
            waiting.iter().find(|table| placed.contains(&table.root()) && is_ready(table, &placed, &[]))
        {
            Step::LatePart(part.clone())
        } else if let Some(master) = masters.iter().find(|master| is_ready(master, &placed, &[])) {
            // A part of it refers to what depends on it: that part comes later.
            let mut family = vec![master.clone()];
            for part in of_master(master) {
                if is_ready(&part, &placed, &family) && part.master().is_some_and(|above| family.contains(&above)) {
                    family.push(part);
                }
            }
            Step::Class { table: master.clone(), parts: family.split_off(1) }
        } else {
            // Tables that refer to each other in a circle, or parts without master: as they come.
            Step::Nameless(waiting[0].clone())
        };
        let done: Vec<TableName> = match &step {
            Step::Class { table, parts } => std::iter::once(table).chain(parts).cloned().collect(),
            Step::LatePart(table) | Step::Nameless(table) => vec![table.clone()],
        };
        waiting.retain(|table| !done.contains(table));
        placed.extend(done);
        steps.push(step);
    }
    Ok(steps)
}

/// The name of the virtual module for each other schema that tables of this one refer to.
fn modules(schema: &Schema, edges: &[Dependency]) -> BTreeMap<SchemaName, String> {
    let others = edges
        .iter()
        .filter(|edge| edge.child.schema == schema.name && edge.key.parent.schema != schema.name)
        .map(|edge| edge.key.parent.schema.clone());
    let mut modules: BTreeMap<SchemaName, String> = BTreeMap::new();
    for other in others {
        if modules.contains_key(&other) {
            continue;
        }
        let mut name: String =
            other.as_str().chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        while TAKEN.contains(&name.as_str()) || modules.values().any(|taken| *taken == name) {
            name.push('_');
        }
        modules.insert(other, name);
    }
    modules
}

struct Writer<'a> {
    schema: &'a Schema,
    edges: &'a [Dependency],
    modules: BTreeMap<SchemaName, String>,
    code: String,
}

impl Writer<'_> {
    fn head(&mut self) {
        let name = quoted(self.schema.name());
        self.line(0, &format!("\"\"\"The schema {}.\"\"\"", escaped(self.schema.name())));
        self.line(0, "\nimport lodestore as dj\n");
        self.line(0, &format!("schema = dj.Schema({name})"));
        for (schema, module) in &self.modules.clone() {
            let schema = quoted(schema.as_str());
            self.line(0, &format!("{module} = dj.VirtualModule(\"{module}\", {schema})"));
        }
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Class { table, parts } => {
                self.line(0, "\n\n@schema");
                self.class(table, parts, 0)
            }
            Step::LatePart(part) => {
                self.line(0, "\n");
                self.class(part, &[], 0)?;
                let path = part.to_class();
                let (master, class) = path.rsplit_once('.').unwrap_or(("", &path));
                let outermost = path.split('.').next().unwrap_or_default();
                self.line(0, &format!("\n\n{master}.{class} = {class}\nschema({outermost})"));
                Ok(())
            }
            Step::Nameless(table) => {
                let text = self.definition(table)?;
                self.line(0, &format!("\n\n# The table `{table}` has no class:"));
                text.lines().for_each(|line| self.line(0, &format!("#     {line}")));
                Ok(())
            }
        }
    }

    /// A class with the parts inside it, and theirs inside them.
    fn class(&mut self, table: &TableName, parts: &[TableName], depth: usize) -> Result<()> {
        let tier = table.tier().unwrap_or(Tier::Manual).class_name();
        let path = table.to_class();
        let name = path.rsplit('.').next().unwrap_or_default();
        self.line(depth, &format!("class {name}(dj.{tier}):"));
        let text = self.definition(table)?;
        self.line(depth + 1, "definition = \"\"\"");
        escaped(&text).lines().for_each(|line| self.line(depth + 1, line));
        self.line(depth + 1, "\"\"\"");
        for part in parts.iter().filter(|part| part.master().as_ref() == Some(table)) {
            self.line(0, "");
            self.class(part, parts, depth + 1)?;
        }
        Ok(())
    }

    fn definition(&self, table: &TableName) -> Result<String> {
        let full = FullTableName { schema: self.schema.name.clone(), table: table.clone() };
        let keys: Vec<ForeignKey> =
            self.edges.iter().filter(|edge| edge.child == full).map(|edge| edge.key.clone()).collect();
        let name_of = |parent: &FullTableName| {
            let path = parent.table.class_path()?;
            if parent.schema == full.schema {
                return Some(if Some(&parent.table) == table.master().as_ref() { "master".to_owned() } else { path });
            }
            Some(format!("{}.{path}", self.modules.get(&parent.schema)?))
        };
        Ok(self.schema.existing(table)?.heading().describe(&keys, &name_of))
    }

    fn line(&mut self, depth: usize, text: &str) {
        let indent = if text.is_empty() { 0 } else { 4 * depth };
        // Writing to a String cannot fail.
        let _ = writeln!(self.code, "{:indent$}{text}", "");
    }
}

/// A text as it stands inside Python's triple quotes.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' if out.ends_with("\"\"") => out.push_str("\\\""),
            '\n' => out.push('\n'),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// A text as a Python literal.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tables: &[&str]) -> Vec<TableName> {
        tables.iter().map(|name| TableName::existing(*name).unwrap()).collect()
    }

    #[test]
    fn tables_come_after_those_they_refer_to() {
        let tables = names(&["scan", "scan__roi", "_mask", "#method", "odd__1"]);
        let [scan, roi, mask, method, _] = &tables[..] else { panic!() };
        // A part that waits for a lookup keeps its master waiting.
        let found = order(tables.clone(), &[(roi, scan), (roi, method), (mask, roi)]).unwrap();
        let class = |table: &TableName, parts: &[&TableName]| Step::Class {
            table: table.clone(),
            parts: parts.iter().map(|part| (*part).clone()).collect(),
        };
        assert_eq!(found[1..], [class(method, &[]), class(scan, &[roi]), class(mask, &[])]);
        assert_eq!(found[0], Step::Nameless(tables[4].clone()));
        // A part that refers to what depends on its master comes by itself.
        let found = order(tables[..3].to_vec(), &[(roi, scan), (roi, mask), (mask, scan)]).unwrap();
        assert_eq!(found, [class(scan, &[]), class(mask, &[]), Step::LatePart(roi.clone())]);
    }

    #[test]
    fn texts_survive_the_quotes() {
        assert_eq!(escaped("a\\b \"\"\"\" \u{b}"), "a\\\\b \"\"\\\"\" \\u000b");
    }
}
