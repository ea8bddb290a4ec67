//! The tables that a delete reaches, and the order of its statements.

use std::collections::HashSet;
use std::sync::Arc;

use lodestore_sql::{Dependency, Heading};
use lodestore_types::{Error, ErrorKind, FullTableName, Result};

use super::{DeleteOptions, PartIntegrity};
use crate::Instance;
use crate::graph::{Graph, master_of};

/// What a delete is about.
pub(super) struct Plan {
    /// The tables, parents before children.
    pub(super) nodes: Vec<Node>,
    /// Where the table stands whose rows were asked for.
    pub(super) root: usize,
    /// Foreign keys that lead round in a circle. Rows are untied from each other there before they are deleted.
    pub(super) untied: Vec<Dependency>,
}

/// One of the tables.
pub(super) struct Node {
    pub(super) name: FullTableName,
    pub(super) heading: Arc<Heading>,
    /// What is set aside of its rows: the primary key, then further columns that are referred to.
    pub(super) columns: Vec<String>,
    /// So many of them are the primary key.
    pub(super) key: usize,
    /// The foreign keys that lead here, with the parent.
    pub(super) incoming: Vec<(usize, Dependency)>,
    /// The master, with the foreign keys that lead up to it, if its rows are to go too.
    pub(super) master: Option<(usize, Vec<Dependency>)>,
    /// What its rows must satisfy to be deleted.
    pub(super) guard: Option<Guard>,
    /// True if its rows are told by its parent's: nothing depends on them, and there is but one way to them.
    pub(super) is_leaf: bool,
}

impl Node {
    /// The columns of a foreign key that may be NULL.
    pub(super) fn clearable<'a>(&'a self, key: &'a Dependency) -> impl Iterator<Item = &'a String> {
        let nullable = |name: &&String| self.heading.get_any(name).is_some_and(|attribute| attribute.nullable);
        key.key.columns.iter().filter(nullable)
    }
}

/// What the row of a part must satisfy to be deleted.
pub(super) enum Guard {
    /// Nothing does: no row of the master is to be deleted.
    Never,
    /// Some row of the master goes; nothing tells which one it belongs to.
    WithAny(usize),
    /// The master's row, to which these foreign keys lead, goes too.
    With(usize, Vec<Dependency>),
}

impl Plan {
    /// Sends queries of its own: not to be called while a connection is in use.
    pub(super) fn new(instance: &Instance, root: &FullTableName, options: DeleteOptions) -> Result<Self> {
        let graph = instance.dependencies_below(&root.schema)?;
        let (tables, parts) = reach(instance, &graph, root, options)?;
        let (order, untied) = arrange(&graph, &tables);
        let at = |name: &FullTableName| order.iter().position(|table| table == name);
        let mut nodes = Vec::with_capacity(order.len());
        for name in &order {
            let heading = instance.table(name)?.heading().clone();
            let mut columns: Vec<String> = heading.full_primary_key().map(|attribute| attribute.name.clone()).collect();
            let key = columns.len();
            for column in graph.children(name).flat_map(|key| &key.key.parent_columns) {
                if !columns.contains(column) {
                    columns.push(column.clone());
                }
            }
            let incoming: Vec<(usize, Dependency)> =
                graph.parents(name).filter_map(|key| Some((at(&key.key.parent)?, key.clone()))).collect();
            let master = parts.contains(name).then(|| master_of(name)).flatten();
            let way = |master: &FullTableName| -> Option<Vec<Dependency>> {
                graph.way_up(name, master).map(|way| way.into_iter().cloned().collect())
            };
            let (mut up, mut guard) = (None, None);
            if let Some(master) = master {
                let direct = matches!(&incoming[..], [(_, key)] if key.key.parent == master);
                match (options.part_integrity, at(&master), way(&master)) {
                    (PartIntegrity::Ignore, _, _) => {}
                    // Whoever comes here comes from the master's row.
                    (_, Some(_), Some(_)) if direct && name != root => {}
                    (PartIntegrity::Cascade, Some(at), Some(way)) => up = Some((at, way)),
                    (PartIntegrity::Cascade, _, _) => return Err(no_way_up(name, &master)),
                    (PartIntegrity::Enforce, None, _) => guard = Some(Guard::Never),
                    (PartIntegrity::Enforce, Some(at), None) => guard = Some(Guard::WithAny(at)),
                    (PartIntegrity::Enforce, Some(at), Some(way)) => guard = Some(Guard::With(at, way)),
                }
            }
            let is_leaf = name != root
                && incoming.len() == 1
                && graph.children(name).next().is_none()
                && up.is_none()
                && !matches!(guard, Some(Guard::With(..)));
            if key == 0 && !is_leaf {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "a table without a primary key tells no row from another",
                )
                .with("table", name));
            }
            nodes.push(Node { name: name.clone(), heading, columns, key, incoming, master: up, guard, is_leaf });
        }
        let root = at(root).unwrap_or(0);
        Ok(Plan { nodes, root, untied })
    }

    /// The plan for the rows of a table by themselves, whatever depends on them.
    pub(super) fn alone(instance: &Instance, name: &FullTableName) -> Result<Self> {
        let graph = instance.dependencies_of([&name.schema])?;
        let heading = instance.table(name)?.heading().clone();
        let columns: Vec<String> = heading.full_primary_key().map(|attribute| attribute.name.clone()).collect();
        let untied = graph.parents(name).filter(|key| key.key.parent == *name).cloned().collect();
        let node = Node {
            name: name.clone(),
            heading,
            key: columns.len(),
            columns,
            incoming: Vec::new(),
            master: None,
            guard: None,
            is_leaf: false,
        };
        Ok(Plan { nodes: vec![node], root: 0, untied })
    }

    /// The tables, each with the attributes that are set to NULL before its rows are deleted, because these refer to each
    /// other in a circle.
    pub(super) fn tables(&self) -> Vec<(&FullTableName, Vec<String>)> {
        let late = |node: &Node| {
            let untied = self.untied.iter().filter(|key| key.child == node.name);
            let mut late: Vec<String> = untied.flat_map(|key| node.clearable(key)).cloned().collect();
            late.sort_unstable();
            late.dedup();
            late
        };
        self.nodes.iter().map(|node| (&node.name, late(node))).collect()
    }

    /// True if it is about one table, whose rows nothing depends on.
    pub(super) fn is_alone(&self) -> bool {
        self.nodes.len() == 1 && self.untied.is_empty()
    }

    /// True if rows that were found late may lead to others that stand earlier in the order.
    pub(super) fn goes_round(&self) -> bool {
        !self.untied.is_empty() || self.nodes.iter().any(|node| node.master.is_some())
    }
}

/// The tables that depend on `root`, and, if masters are to go with their parts, the masters and what depends on them;
/// and those of the tables that are parts of a master that exists.
fn reach(
    instance: &Instance,
    graph: &Graph,
    root: &FullTableName,
    options: DeleteOptions,
) -> Result<(Vec<FullTableName>, HashSet<FullTableName>)> {
    let mut tables = vec![root.clone()];
    let mut parts = HashSet::new();
    let mut at = 0;
    while let Some(table) = tables.get(at).cloned() {
        let mut next: Vec<FullTableName> = graph.children(&table).map(|key| key.child.clone()).collect();
        if let Some(master) = master_of(&table)
            && instance.find_table(&master)?.is_some()
        {
            parts.insert(table);
            if options.part_integrity == PartIntegrity::Cascade {
                next.push(master);
            }
        }
        for name in next {
            if !tables.contains(&name) {
                tables.push(name);
            }
        }
        at += 1;
    }
    Ok((tables, parts))
}

/// Parents before children. Where foreign keys lead round in a circle some of them are left out, nullable ones if there
/// are any; so are those by which a table refers to itself.
fn arrange(graph: &Graph, tables: &[FullTableName]) -> (Vec<FullTableName>, Vec<Dependency>) {
    let among = |key: &&Dependency| tables.contains(&key.child) && key.child == key.key.parent;
    let mut untied: Vec<Dependency> = graph.foreign_keys().iter().filter(among).cloned().collect();
    loop {
        let circle = match graph.without(&untied).sort(tables) {
            Ok(order) => return (order, untied),
            Err(circle) => circle,
        };
        let steps = circle.iter().zip(circle.iter().cycle().skip(1));
        let step = |(parent, child): (&FullTableName, &FullTableName)| -> Vec<Dependency> {
            graph.parents(child).filter(|key| key.key.parent == *parent).cloned().collect()
        };
        let mut steps: Vec<Vec<Dependency>> = steps.map(step).collect();
        steps.sort_by_key(|keys| keys.iter().any(|key| !key.key.nullable));
        // A circle has steps, and each of them foreign keys; without, there is nothing to leave out.
        match steps.into_iter().next().filter(|keys| !keys.is_empty()) {
            Some(keys) => untied.extend(keys),
            None => return (tables.to_vec(), untied),
        }
    }
}

fn no_way_up(part: &FullTableName, master: &FullTableName) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("no foreign key leads from the part to its master `{master}`"))
        .with("table", part)
        .with_hint("set `part_integrity` to \"ignore\" to delete from the part alone")
}
