//! The dependency graph: tables, and the foreign keys between them.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use lodestore_sql::Dependency;
use lodestore_types::{Error, ErrorKind, FullTableName, Result, SchemaName, TableName};

use crate::{Instance, Table};

/// The foreign keys of some or all schemas of a database, as they are at one moment.
///
/// Tables that neither refer nor are referred to have no place in it, and hidden ones (`~...`) neither.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    foreign_keys: Vec<Dependency>,
}

/// A foreign key, and what part it has in the child's primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The tables, and the columns of both.
    pub dependency: Dependency,
    /// True if all its columns belong to the child's primary key.
    pub primary: bool,
    /// True if a parent's row may have many children: its columns are not exactly the child's primary key.
    pub multi: bool,
}

impl Link {
    /// True if a column has another name in the child than in the parent.
    pub fn is_renamed(&self) -> bool {
        self.dependency.key.columns != self.dependency.key.parent_columns
    }
}

impl Instance {
    /// The foreign keys of all schemas.
    ///
    /// # Errors
    /// The database's.
    pub fn dependencies(&self) -> Result<Graph> {
        Ok(Graph { foreign_keys: self.read_dependencies(None)? })
    }

    /// The foreign keys of the tables of some schemas. Others cost nothing.
    pub(crate) fn dependencies_of<'a>(&self, schemas: impl IntoIterator<Item = &'a SchemaName>) -> Result<Graph> {
        let schemas: BTreeSet<&SchemaName> = schemas.into_iter().collect();
        let mut foreign_keys = Vec::new();
        for schema in schemas {
            foreign_keys.extend(self.read_dependencies(Some(schema))?);
        }
        Ok(Graph { foreign_keys })
    }

    /// The foreign keys of the tables of a schema, of the schemas that refer to it, of those that refer to these, and so
    /// on: all that tables of the schema can be reached from.
    pub(crate) fn dependencies_below(&self, schema: &SchemaName) -> Result<Graph> {
        self.closure(schema, |schema, _| {
            let rows = self.query(&self.dialect().referring_schemas(schema))?;
            // A schema of another program, named as none of ours can be, is in nobody's way.
            Ok(rows.iter().filter_map(|row| SchemaName::new(row[0].as_str()?).ok()).collect())
        })
    }

    /// The foreign keys of the tables of a schema, of the schemas that it refers to, of those that these refer to, and so
    /// on.
    pub(crate) fn dependencies_above(&self, schema: &SchemaName) -> Result<Graph> {
        self.closure(schema, |_, keys| Ok(keys.iter().map(|key| key.key.parent.schema.clone()).collect()))
    }

    /// The foreign keys of a schema and of all that `next` leads to.
    fn closure(
        &self,
        schema: &SchemaName,
        next: impl Fn(&SchemaName, &[Dependency]) -> Result<Vec<SchemaName>>,
    ) -> Result<Graph> {
        let mut schemas = vec![schema.clone()];
        let mut foreign_keys = Vec::new();
        let mut at = 0;
        while let Some(schema) = schemas.get(at).cloned() {
            let keys = self.read_dependencies(Some(&schema))?;
            for name in next(&schema, &keys)? {
                if !schemas.contains(&name) {
                    schemas.push(name);
                }
            }
            foreign_keys.extend(keys);
            at += 1;
        }
        Ok(Graph { foreign_keys })
    }

    /// `tables` with parents before children, as [`Graph::topological_order`].
    ///
    /// # Errors
    /// As [`Graph::topological_order`], and the database's.
    pub fn topological_order(&self, tables: &[FullTableName]) -> Result<Vec<FullTableName>> {
        self.dependencies_of(tables.iter().map(|table| &table.schema))?.topological_order(tables)
    }

    fn read_dependencies(&self, schema: Option<&SchemaName>) -> Result<Vec<Dependency>> {
        self.dialect().read_dependencies(&self.query(&self.dialect().dependencies(schema))?)
    }
}

impl Graph {
    /// All foreign keys, in the order in which their tables were made.
    pub fn foreign_keys(&self) -> &[Dependency] {
        &self.foreign_keys
    }

    /// The foreign keys of a table.
    pub fn parents<'a>(&'a self, table: &'a FullTableName) -> impl Iterator<Item = &'a Dependency> {
        self.foreign_keys.iter().filter(move |key| key.child == *table)
    }

    /// The foreign keys that refer to a table.
    pub fn children<'a>(&'a self, table: &'a FullTableName) -> impl Iterator<Item = &'a Dependency> {
        self.foreign_keys.iter().filter(move |key| key.key.parent == *table)
    }

    /// The table itself, then the tables that refer to it, directly or not, parents before children.
    ///
    /// # Errors
    /// `Unsupported` if they refer to each other in a circle.
    pub fn descendants(&self, table: &FullTableName) -> Result<Vec<FullTableName>> {
        self.in_order(table, self.reach(table, |graph, name| graph.children(name).map(|key| &key.child).collect()))
    }

    /// The table itself, then the tables that it refers to, directly or not, nearest first: children before parents.
    ///
    /// # Errors
    /// As [`Graph::descendants`].
    pub fn ancestors(&self, table: &FullTableName) -> Result<Vec<FullTableName>> {
        let found = self.reach(table, |graph, name| graph.parents(name).map(|key| &key.key.parent).collect());
        let mut order = self.sort(&found).map_err(circle)?;
        order.reverse();
        Ok(order)
    }

    /// `tables` with parents before children; parts follow their master where that can be.
    ///
    /// # Errors
    /// `Unsupported` if they refer to each other in a circle.
    pub fn topological_order(&self, tables: &[FullTableName]) -> Result<Vec<FullTableName>> {
        self.sort(tables).map_err(circle)
    }

    /// The foreign keys by which one comes from `from` up to `to`, the fewest; none if there is no way.
    pub(crate) fn way_up(&self, from: &FullTableName, to: &FullTableName) -> Option<Vec<&Dependency>> {
        let mut met = HashSet::from([from]);
        let mut waiting = VecDeque::from([(from, Vec::new())]);
        while let Some((table, way)) = waiting.pop_front() {
            if table == to {
                return Some(way);
            }
            for key in self.foreign_keys.iter().filter(|key| key.child == *table) {
                if met.insert(&key.key.parent) {
                    waiting.push_back((&key.key.parent, [&way[..], &[key]].concat()));
                }
            }
        }
        None
    }

    /// This graph without some of its foreign keys.
    pub(crate) fn without(&self, left_out: &[Dependency]) -> Graph {
        let kept = self.foreign_keys.iter().filter(|key| !left_out.contains(key)).cloned();
        Graph { foreign_keys: kept.collect() }
    }

    /// Like [`Graph::topological_order`]; the tables of a circle if there is one.
    pub(crate) fn sort(&self, tables: &[FullTableName]) -> std::result::Result<Vec<FullTableName>, Vec<FullTableName>> {
        let position: HashMap<&FullTableName, usize> = tables.iter().enumerate().map(|(at, name)| (name, at)).collect();
        let links: Vec<(usize, usize)> = self
            .foreign_keys
            .iter()
            .filter_map(|key| Some((*position.get(&key.key.parent)?, *position.get(&key.child)?)))
            .collect();
        // Parts stand behind their master if the masters, each with its parts, can be put into an order; a part may
        // refer to a table that refers to its master, and then they cannot.
        let groups: Vec<usize> = tables.iter().map(|table| position[outermost(table, &position)]).collect();
        let between: Vec<_> = links.iter().map(|(parent, child)| (groups[*parent], groups[*child])).collect();
        let mut order = arrange(tables.len(), &links);
        if let (Ok(order), Ok(of_groups)) = (&mut order, arrange(tables.len(), &between)) {
            let mut rank = vec![0; tables.len()];
            of_groups.into_iter().enumerate().for_each(|(at, group)| rank[group] = at);
            order.sort_by_key(|table| rank[groups[*table]]);
        }
        let named = |order: Vec<usize>| order.into_iter().map(|table| tables[table].clone()).collect();
        order.map(named).map_err(named)
    }

    fn in_order(&self, first: &FullTableName, tables: Vec<FullTableName>) -> Result<Vec<FullTableName>> {
        let mut order = self.sort(&tables).map_err(circle)?;
        // A master may stand before its part though the part was asked for.
        order.retain(|table| table != first);
        order.insert(0, first.clone());
        Ok(order)
    }

    /// The table and all that `next` leads to, in the order in which they are met.
    fn reach<'a>(
        &'a self,
        table: &'a FullTableName,
        next: impl Fn(&'a Graph, &'a FullTableName) -> Vec<&'a FullTableName>,
    ) -> Vec<FullTableName> {
        let mut found = vec![table];
        let mut met = HashSet::from([table]);
        let mut at = 0;
        while let Some(table) = found.get(at) {
            found.extend(next(self, table).into_iter().filter(|name| met.insert(name)));
            at += 1;
        }
        found.into_iter().cloned().collect()
    }
}

/// The master, for a part.
pub(crate) fn master_of(table: &FullTableName) -> Option<FullTableName> {
    Some(FullTableName { schema: table.schema.clone(), table: table.table.master()? })
}

/// The master of the master and so on, as far as they are known.
fn outermost<'a>(table: &'a FullTableName, known: &HashMap<&'a FullTableName, usize>) -> &'a FullTableName {
    let master = master_of(table).and_then(|master| known.get_key_value(&master).map(|(name, _)| *name));
    master.map_or(table, |master| outermost(master, known))
}

/// Sorts `0..count` so that the first of each pair comes before the second, else in order; a circle if that cannot be.
fn arrange(count: usize, pairs: &[(usize, usize)]) -> std::result::Result<Vec<usize>, Vec<usize>> {
    let pairs: HashSet<(usize, usize)> = pairs.iter().filter(|(first, second)| first != second).copied().collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (first, second) in pairs {
        after[first].push(second);
        before[second].push(first);
    }
    let mut missing: Vec<usize> = before.iter().map(Vec::len).collect();
    let mut ready: BTreeSet<usize> = (0..count).filter(|item| missing[*item] == 0).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(item) = ready.pop_first() {
        order.push(item);
        for next in &after[item] {
            missing[*next] -= 1;
            if missing[*next] == 0 {
                ready.insert(*next);
            }
        }
    }
    if order.len() == count {
        return Ok(order);
    }
    // Whoever is left waits for someone who is left: going back from one to the next, one comes round.
    let left = |item: &usize| missing[*item] > 0;
    let mut trail: Vec<usize> = (0..count).filter(left).take(1).collect();
    while let Some(previous) = trail.last().and_then(|item| before[*item].iter().copied().find(left)) {
        if let Some(start) = trail.iter().position(|item| *item == previous) {
            trail.drain(..start);
            break;
        }
        trail.push(previous);
    }
    trail.reverse();
    Err(trail)
}

fn circle(tables: Vec<FullTableName>) -> Error {
    let names: Vec<String> = tables.iter().chain(tables.first()).map(|table| format!("`{table}`")).collect();
    Error::new(
        ErrorKind::Unsupported,
        format!("the foreign keys of tables lead round in a circle: {}", names.join(" -> ")),
    )
    .with_hint("drop one of these foreign keys: dependencies between tables must not be cyclic")
}

impl Table {
    /// The foreign keys of this table, in the order of its definition: one for each, so that a parent may be there twice.
    ///
    /// # Errors
    /// The database's.
    pub fn parents(&self) -> Result<Vec<Link>> {
        let graph = self.instance().dependencies_of([&self.name().schema])?;
        graph.parents(self.name()).map(|key| self.link(key)).collect()
    }

    /// The foreign keys that refer to this table: one for each, so that a child may be there twice.
    ///
    /// # Errors
    /// The database's.
    pub fn children(&self) -> Result<Vec<Link>> {
        let graph = self.instance().dependencies_below(&self.name().schema)?;
        graph.children(self.name()).map(|key| self.link(key)).collect()
    }

    /// This table, then all that it refers to, directly or not, nearest first.
    ///
    /// # Errors
    /// As [`Graph::ancestors`].
    pub fn ancestors(&self) -> Result<Vec<FullTableName>> {
        self.instance().dependencies_above(&self.name().schema)?.ancestors(self.name())
    }

    /// This table, then all that refer to it, directly or not, parents before children.
    ///
    /// # Errors
    /// As [`Graph::descendants`].
    pub fn descendants(&self) -> Result<Vec<FullTableName>> {
        self.instance().dependencies_below(&self.name().schema)?.descendants(self.name())
    }

    /// Its parts, and the parts of these, in the order in which they were made.
    ///
    /// # Errors
    /// The database's.
    pub fn parts(&self) -> Result<Vec<FullTableName>> {
        let FullTableName { schema, table } = self.name();
        let rows = self.instance().query(&self.instance().dialect().list_tables(schema))?;
        let prefix = format!("{table}__");
        let parts = rows.iter().filter_map(|row| row[0].as_str()).filter(|name| name.starts_with(&prefix));
        parts.map(|name| Ok(FullTableName { schema: schema.clone(), table: TableName::existing(name)? })).collect()
    }

    fn link(&self, key: &Dependency) -> Result<Link> {
        let child = self.instance().table(&key.child)?;
        let own: HashSet<&str> = child.heading().full_primary_key().map(|attribute| attribute.name.as_str()).collect();
        let columns: HashSet<&str> = key.key.columns.iter().map(String::as_str).collect();
        Ok(Link { dependency: key.clone(), primary: columns.is_subset(&own), multi: columns != own })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use lodestore_sql::ForeignKey;

    use super::*;
    use crate::lifecycle::doubt_tests::{Beside, doubtful};
    use crate::{Tier, row};

    fn name(text: &str) -> FullTableName {
        FullTableName::parse(&format!("lab.{text}")).unwrap()
    }

    /// A graph of `child -> parent` pairs.
    fn graph(pairs: &[(&str, &str)]) -> Graph {
        let key = |parent: &str| ForeignKey {
            columns: vec!["id".into()],
            parent: name(parent),
            parent_columns: vec!["id".into()],
            nullable: false,
            unique: false,
        };
        let foreign_keys =
            pairs.iter().map(|(child, parent)| Dependency { child: name(child), key: key(parent) }).collect();
        Graph { foreign_keys }
    }

    fn texts(names: &[FullTableName]) -> Vec<&str> {
        names.iter().map(|name| name.table.as_str()).collect()
    }

    #[test]
    fn parents_come_before_children_and_parts_behind_their_master() {
        let graph = graph(&[("b", "a"), ("c", "a"), ("c__p", "c"), ("d", "b"), ("d", "c"), ("c__p__q", "c__p")]);
        assert_eq!(texts(&graph.descendants(&name("a")).unwrap()), ["a", "b", "c", "c__p", "c__p__q", "d"]);
        assert_eq!(texts(&graph.ancestors(&name("d")).unwrap()), ["d", "c", "b", "a"]);
        assert_eq!(texts(&graph.descendants(&name("lonely")).unwrap()), ["lonely"]);
        let tables: Vec<_> = ["d", "c__p", "b", "c", "a"].map(name).into();
        assert_eq!(texts(&graph.topological_order(&tables).unwrap()), ["a", "b", "c", "c__p", "d"]);
    }

    #[test]
    fn a_part_may_depend_on_what_depends_on_its_master() {
        let graph = graph(&[("b", "a"), ("a__p", "a"), ("a__p", "b")]);
        assert_eq!(texts(&graph.descendants(&name("a")).unwrap()), ["a", "b", "a__p"]);
    }

    #[test]
    fn a_part_comes_first_among_its_own_descendants() {
        let graph = graph(&[("a__p", "a"), ("b", "a__p"), ("a__q", "b")]);
        assert_eq!(texts(&graph.descendants(&name("a__p")).unwrap()), ["a__p", "b", "a__q"]);
    }

    #[test]
    fn circles_are_told_and_a_table_may_refer_to_itself() {
        let itself = graph(&[("a", "a"), ("b", "a")]);
        assert_eq!(texts(&itself.descendants(&name("a")).unwrap()), ["a", "b"]);
        let round = graph(&[("b", "a"), ("c", "b"), ("a", "c"), ("d", "a")]);
        let error = round.descendants(&name("a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let circle = error.message().split(": ").nth(1).unwrap();
        assert_eq!(circle.matches("->").count(), 3, "{circle}");
        assert!(!circle.contains("lab.d"), "{circle}");
    }

    #[test]
    fn the_shortest_way_up_is_found() {
        let graph = graph(&[("b", "a"), ("c", "b"), ("c", "a")]);
        let way = graph.way_up(&name("c"), &name("a")).unwrap();
        assert_eq!(way.len(), 1);
        assert_eq!(way[0].key.parent, name("a"));
        assert!(graph.way_up(&name("a"), &name("c")).is_none());
    }

    /// Counts the rows that queries return.
    #[derive(Debug, Default)]
    struct Rows(AtomicUsize);

    impl Beside for Rows {
        fn row(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A delete used to read the foreign keys of all schemas: 430 ms beside 800 tables, and minutes on some servers.
    #[test]
    fn tables_of_other_schemas_cost_a_delete_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let rows = Arc::new(Rows::default());
        let instance = doubtful(folder.path(), rows.clone());
        let lab = instance.schema("lab").unwrap();
        let subject = lab.declare("Subject", Tier::Manual, "subject : int32").unwrap();
        let session = lab.declare("Session", Tier::Manual, "-> Subject\nsession : int32").unwrap();
        // A schema that refers to `lab` counts, and one that refers to that.
        let mut below = session.clone();
        for (schema, class, parent) in [("scans", "Scan", "lab.Session"), ("fits", "Fit", "scans.Scan")] {
            let schema = instance.schema(schema).unwrap();
            below = schema.declare(class, Tier::Manual, &format!("-> {parent}")).unwrap();
        }
        let delete = || {
            subject.insert1(row! { "subject" => 1 }).unwrap();
            session.insert1(row! { "subject" => 1, "session" => 1 }).unwrap();
            instance.table(&name_in("scans.scan")).unwrap().insert1(row! { "subject" => 1, "session" => 1 }).unwrap();
            below.insert1(row! { "subject" => 1, "session" => 1 }).unwrap();
            rows.0.store(0, Ordering::Relaxed);
            assert_eq!(subject.delete().unwrap(), 1);
            assert_eq!(below.len().unwrap(), 0);
            rows.0.load(Ordering::Relaxed)
        };
        delete();
        let alone = delete();
        let other = instance.schema("other").unwrap();
        other.declare("T0", Tier::Manual, "t : int32").unwrap();
        for n in 1..30 {
            other.declare(&format!("T{n}"), Tier::Manual, &format!("-> T{}", n - 1)).unwrap();
        }
        delete();
        assert_eq!(delete(), alone);
    }

    fn name_in(text: &str) -> FullTableName {
        FullTableName::parse(text).unwrap()
    }
}
