//! Diagrams: what is drawn of tables and their foreign keys.

use std::collections::{HashMap, HashSet};

use lodestore_diagram::{Diagram, Direction, Edge, Group, Kind, Line, Node, Theme};
use lodestore_sql::{Dependency, Outline, read_outlines};
use lodestore_types::{ErrorKind, FullTableName, Result, SchemaName, Tier};

use crate::graph::master_of;
use crate::{Graph, Instance};

/// How tables are shown.
#[derive(Debug, Clone, Default)]
pub struct DiagramOptions {
    /// What tables are called, instead of by the class names that follow from their names.
    pub labels: HashMap<FullTableName, String>,
    /// What schemas are called, instead of by their names.
    pub titles: HashMap<String, String>,
    /// Tables that are shown as one node for each schema.
    pub collapsed: HashSet<FullTableName>,
    /// Where children are drawn; the setting `display.diagram_direction` if nothing is said.
    pub direction: Option<Direction>,
}

impl Instance {
    /// The diagram of some tables and of the foreign keys between them.
    ///
    /// The database is asked three times for each schema, however many tables there are.
    ///
    /// # Errors
    /// The database's.
    pub fn diagram(&self, tables: &[FullTableName], options: &DiagramOptions) -> Result<Diagram> {
        let graph = self.dependencies_of(tables.iter().map(|table| &table.schema))?;
        // Tables that refer to each other in a circle have no such order.
        let tables = graph.topological_order(tables).unwrap_or_else(|_| tables.to_vec());
        let mut outlines = HashMap::new();
        for schema in tables.iter().map(|table| &table.schema).collect::<HashSet<_>>() {
            for outline in self.outlines(schema)? {
                outlines.insert(format!("{schema}.{}", outline.table), outline);
            }
        }
        let direction = options.direction.unwrap_or_else(|| self.diagram_direction());
        Ok(Builder {
            graph: &graph,
            outlines,
            options,
            places: HashMap::new(),
            diagram: Diagram { direction, ..Diagram::default() },
        }
        .build(&tables))
    }

    /// The setting `display.diagram_theme`.
    pub fn diagram_theme(&self) -> Theme {
        self.config().get_text("display.diagram_theme").and_then(|name| Theme::parse(&name)).unwrap_or_default()
    }

    fn diagram_direction(&self) -> Direction {
        match self.config().get_text("display.diagram_direction").as_deref() {
            Some("TB") => Direction::TopToBottom,
            _ => Direction::LeftToRight,
        }
    }

    fn outlines(&self, schema: &SchemaName) -> Result<Vec<Outline>> {
        let [columns, comments] = self.dialect().outline_queries(schema);
        let comments = match self.query(&comments) {
            // The schema was made by another program.
            Err(error) if error.kind() == ErrorKind::MissingTable => Vec::new(),
            rows => rows?,
        };
        read_outlines(&self.query(&columns)?, &comments)
    }
}

struct Builder<'a> {
    graph: &'a Graph,
    outlines: HashMap<String, Outline>,
    options: &'a DiagramOptions,
    /// The node of each table, which tables of a collapsed schema share.
    places: HashMap<FullTableName, usize>,
    diagram: Diagram,
}

impl Builder<'_> {
    fn build(mut self, tables: &[FullTableName]) -> Diagram {
        let mut folded: HashMap<&SchemaName, usize> = HashMap::new();
        for table in tables {
            if !self.options.collapsed.contains(table) {
                let node = self.node(table);
                self.diagram.nodes.push(node);
                self.places.insert(table.clone(), self.diagram.nodes.len() - 1);
                continue;
            }
            let place = *folded.entry(&table.schema).or_insert_with(|| {
                self.diagram.nodes.push(Node {
                    name: table.schema.to_string(),
                    kind: Kind::Collapsed,
                    ..Node::default()
                });
                self.diagram.nodes.len() - 1
            });
            self.places.insert(table.clone(), place);
            let details = &mut self.diagram.nodes[place].details;
            *details += &format!("\n{}", table.table);
        }
        for (schema, place) in folded {
            let node = &mut self.diagram.nodes[place];
            let count = node.details.lines().count() - 1;
            let title = self.options.titles.get(schema.as_str()).map_or(schema.as_str(), String::as_str);
            node.label = format!("{title} ({count} table{})", if count == 1 { "" } else { "s" });
            node.details = format!("schema {schema}{}", node.details);
        }
        let graph = self.graph;
        for key in graph.foreign_keys() {
            if let (Some(parent), Some(child)) = (self.places.get(&key.key.parent), self.places.get(&key.child)) {
                let (parent, child) = (*parent, *child);
                self.edge(key, parent, child);
            }
        }
        self.diagram
    }

    fn group(&mut self, schema: &SchemaName) -> usize {
        let found = self.diagram.groups.iter().position(|group| group.name == schema.as_str());
        found.unwrap_or_else(|| {
            let title = self.options.titles.get(schema.as_str()).cloned().unwrap_or_else(|| schema.to_string());
            self.diagram.groups.push(Group { name: schema.to_string(), title });
            self.diagram.groups.len() - 1
        })
    }

    fn node(&mut self, table: &FullTableName) -> Node {
        let kind = match table.table.tier() {
            Some(Tier::Manual) => Kind::Manual,
            Some(Tier::Lookup) => Kind::Lookup,
            Some(Tier::Imported) => Kind::Imported,
            Some(Tier::Computed) => Kind::Computed,
            Some(Tier::Part) => Kind::Part,
            None => Kind::Other,
        };
        let master = master_of(table).and_then(|master| self.places.get(&master).copied());
        let master = master.filter(|master| self.diagram.nodes[*master].kind != Kind::Collapsed);
        let mut label = self.options.labels.get(table).cloned().unwrap_or_else(|| table.table.to_class());
        // Next to its master a part needs no more than its own name.
        if let Some((_, own)) = label.rsplit_once('.').filter(|_| master.is_some()) {
            label = own.to_owned();
        }
        let keys: Vec<&Dependency> = self.graph.parents(table).collect();
        let refers = |name: &String| keys.iter().any(|key| key.key.columns.contains(name));
        let outline = self.outlines.get(&table.to_string());
        let adds_key =
            outline.is_some_and(|outline| outline.columns.iter().any(|column| column.in_key && !refers(&column.name)));
        let details = self.details(table, outline);
        Node { name: table.to_string(), label, kind, group: Some(self.group(&table.schema)), master, adds_key, details }
    }

    /// The table's full name, its comment, and its attributes with their types.
    fn details(&self, table: &FullTableName, outline: Option<&Outline>) -> String {
        let mut text = table.to_string();
        let Some(outline) = outline else { return text };
        if !outline.comment.is_empty() {
            text += &format!("\n{}", outline.comment);
        }
        text += "\n";
        let mut divided = false;
        let mut columns: Vec<_> = outline.columns.iter().collect();
        columns.sort_by_key(|column| !column.in_key);
        for column in columns {
            if !column.in_key && !divided {
                text += "\n---";
                divided = true;
            }
            text += &format!("\n{} : {}", column.name, self.declared(table, &column.name, 0).unwrap_or(&column.kind));
        }
        text
    }

    /// The declared type of a column, which for a foreign key's column may be known only where it refers to.
    fn declared(&self, table: &FullTableName, name: &str, depth: usize) -> Option<&str> {
        let column = self.outlines.get(&table.to_string())?.columns.iter().find(|column| column.name == name)?;
        if column.is_declared || depth > 100 {
            return Some(&column.kind);
        }
        let above = |key: &Dependency| {
            let at = key.key.columns.iter().position(|own| own == name)?;
            self.declared(&key.key.parent, &key.key.parent_columns[at], depth + 1)
        };
        self.graph.parents(table).filter(|key| key.key.parent != *table).find_map(above)
    }

    fn edge(&mut self, key: &Dependency, parent: usize, child: usize) {
        let is_collapsed = |node: usize| self.diagram.nodes[node].kind == Kind::Collapsed;
        if parent == child && is_collapsed(child) {
            return;
        }
        let primary: HashSet<&str> = match self.outlines.get(&key.child.to_string()) {
            Some(outline) => {
                outline.columns.iter().filter(|column| column.in_key).map(|column| column.name.as_str()).collect()
            }
            None => HashSet::new(),
        };
        let own: HashSet<&str> = key.key.columns.iter().map(String::as_str).collect();
        let line = match own.is_subset(&primary) {
            true if own == primary => Line::OneToOne,
            true => Line::InKey,
            false => Line::Secondary,
        };
        if is_collapsed(parent) || is_collapsed(child) {
            // One line stands for all.
            let line = if is_collapsed(parent) && is_collapsed(child) { Line::OneToOne } else { line };
            match self.diagram.edges.iter_mut().find(|edge| (edge.parent, edge.child) == (parent, child)) {
                Some(edge) if edge.line == Line::Secondary => edge.line = line,
                Some(_) => {}
                None => self.diagram.edges.push(Edge { parent, child, line, renamed: Vec::new() }),
            }
            return;
        }
        let pairs = key.key.columns.iter().zip(&key.key.parent_columns);
        let renamed = pairs.filter(|(own, other)| own != other).map(|(own, other)| (own.clone(), other.clone()));
        self.diagram.edges.push(Edge { parent, child, line, renamed: renamed.collect() });
    }
}
