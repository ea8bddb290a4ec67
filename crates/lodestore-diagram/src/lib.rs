//! Layered drawings of tables and the foreign keys between them, without I/O.
//!
//! A [`Diagram`] lists nodes, edges and groups. [`Diagram::layout`] positions them in layers, parents before children;
//! [`Diagram::svg`] draws that layout, and [`Diagram::mermaid`] and [`Diagram::dot`] write it for other programs. The
//! same input always gives the same text.
//!
//! ```
//! use lodestore_diagram::{Diagram, Direction, Edge, Kind, Line, Node, Theme};
//!
//! let node = |label: &str, kind| Node { name: format!("lab.{label}"), label: label.into(), kind, ..Node::default() };
//! let diagram = Diagram {
//!     direction: Direction::LeftToRight,
//!     nodes: vec![node("Session", Kind::Manual), node("Mean", Kind::Computed)],
//!     edges: vec![Edge { parent: 0, child: 1, line: Line::OneToOne, renamed: Vec::new() }],
//!     groups: Vec::new(),
//! };
//! let layout = diagram.layout();
//! assert!(layout.nodes[0].right() < layout.nodes[1].x);
//! assert!(diagram.svg(Theme::Auto).starts_with("<svg "));
//! ```
//!
//! The layout follows Sugiyama's method: layers of minimal total edge length (`layers`), an order within each layer
//! that has few crossings (`order`), positions in which long edges are straight (`place`), and curves that bend only
//! between layers, so that no edge crosses a label (`route`). Groups keep a lane of their own in every layer, and
//! therefore become boxes that do not overlap.

mod dot;
mod layers;
mod layout;
mod mermaid;
mod order;
mod paint;
mod place;
mod route;
mod simplex;
mod svg;
mod text;
mod theme;

pub use layout::{Curve, Layout, Rect};
pub use paint::{Colour, Shape, Stroke};
pub use theme::Theme;

/// Tables, the foreign keys between them, and the schemas that they belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagram {
    /// Where children are drawn relative to their parents.
    pub direction: Direction,
    /// The tables, and schemas that are collapsed into one node.
    pub nodes: Vec<Node>,
    /// The foreign keys.
    pub edges: Vec<Edge>,
    /// The schemas that are drawn as boxes.
    pub groups: Vec<Group>,
}

/// Where children are drawn relative to their parents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// To the right of their parents.
    #[default]
    LeftToRight,
    /// Below their parents.
    TopToBottom,
}

/// A table, or a collapsed schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// A name that no other node has, such as `lab.session`.
    pub name: String,
    /// The text in the box.
    pub label: String,
    /// What it is, which determines its shape and colour.
    pub kind: Kind,
    /// Its group, as an index into [`Diagram::groups`].
    pub group: Option<usize>,
    /// The master of a part, as an index into [`Diagram::nodes`]. Parts are drawn attached to their masters.
    pub master: Option<usize>,
    /// True if it adds attributes of its own to the primary key: the label is underlined.
    pub adds_key: bool,
    /// The tooltip, of several lines.
    pub details: String,
}

/// What a node is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A manual table.
    #[default]
    Manual,
    /// A lookup table.
    Lookup,
    /// An imported table.
    Imported,
    /// A computed table.
    Computed,
    /// A part of another table.
    Part,
    /// A table whose name says nothing of its tier.
    Other,
    /// All tables of a schema.
    Collapsed,
}

/// A foreign key, or all foreign keys between collapsed schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The table that is referred to, as an index into [`Diagram::nodes`].
    pub parent: usize,
    /// The table that has the foreign key.
    pub child: usize,
    /// How it is drawn.
    pub line: Line,
    /// Pairs of an attribute of the child and one of the parent whose names differ.
    pub renamed: Vec<(String, String)>,
}

/// What part a foreign key has in the child's primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// It is the whole primary key, so a parent has at most one child: a thick line.
    OneToOne,
    /// It is a part of the primary key: a thin line.
    InKey,
    /// It is, at least in part, outside the primary key: a dashed line.
    Secondary,
}

/// A schema that is drawn as a box with a title.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// A name that no other group has.
    pub name: String,
    /// The text on the box.
    pub title: String,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 7] =
        [Kind::Manual, Kind::Lookup, Kind::Imported, Kind::Computed, Kind::Part, Kind::Other, Kind::Collapsed];

    /// Its name in style sheets and in Mermaid.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Manual => "manual",
            Kind::Lookup => "lookup",
            Kind::Imported => "imported",
            Kind::Computed => "computed",
            Kind::Part => "part",
            Kind::Other => "other",
            Kind::Collapsed => "collapsed",
        }
    }
}

impl Diagram {
    /// Positions all nodes, edges and groups.
    ///
    /// # Panics
    /// If an index of an edge or node is out of range.
    pub fn layout(&self) -> Layout {
        layout::layout(self)
    }

    /// The drawing as shapes in the order in which they are painted, for programs that do not read SVG.
    ///
    /// # Panics
    /// As [`Diagram::layout`].
    pub fn shapes(&self) -> (Layout, Vec<Shape>) {
        let layout = self.layout();
        let shapes = paint::paint(self, &layout);
        (layout, shapes)
    }

    /// The drawing as SVG.
    ///
    /// # Panics
    /// As [`Diagram::layout`].
    pub fn svg(&self, theme: Theme) -> String {
        let (layout, shapes) = self.shapes();
        svg::svg(&layout, &shapes, theme)
    }

    /// The diagram as a flowchart of Mermaid.
    pub fn mermaid(&self) -> String {
        mermaid::mermaid(self)
    }

    /// The diagram in the language DOT of Graphviz; [`Theme::Auto`] counts as light.
    pub fn dot(&self, theme: Theme) -> String {
        dot::dot(self, theme)
    }
}
