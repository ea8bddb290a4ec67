//! A drawing as shapes, in the order in which they are painted.

use crate::layout::{Curve, Layout, Rect};
use crate::place::{LABEL, PART_LABEL, TITLE};
use crate::theme::{Colours, Palette};
use crate::{Diagram, Kind, Line, Theme};

/// What is painted.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// What follows, up to the next [`Shape::End`], has this tooltip.
    Begin(String),
    /// The end of what has a tooltip.
    End,
    /// A box with rounded corners.
    Box {
        /// Where.
        rect: Rect,
        /// The radius of its corners.
        radius: f64,
        /// Its colours.
        colour: Colour,
        /// Its outline.
        stroke: Stroke,
    },
    /// A line without filling.
    Path {
        /// Where.
        curve: Curve,
        /// Its colour.
        colour: Colour,
        /// How it is drawn.
        stroke: Stroke,
    },
    /// A filled circle.
    Dot {
        /// Its centre.
        centre: (f64, f64),
        /// Its radius.
        radius: f64,
        /// Its colour.
        colour: Colour,
    },
    /// A line of text.
    Text {
        /// The left end of its baseline, or the middle of it.
        at: (f64, f64),
        /// True if `at` is the middle.
        centred: bool,
        /// The size of the font.
        size: f64,
        /// True for heavier letters.
        bold: bool,
        /// True if it is underlined.
        underlined: bool,
        /// Its colour.
        colour: Colour,
        /// The text.
        text: String,
    },
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// Its width.
    pub width: f64,
    /// True if it is dashed.
    pub dashed: bool,
}

/// A colour of the palette, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// The background, and edges.
    Canvas,
    /// The frame of a group.
    Group,
    /// The background of a master with its parts.
    Card,
    /// An edge that renames attributes.
    Renamed,
    /// A node.
    Kind(Kind),
}

impl Colour {
    /// All colours.
    pub(crate) fn all() -> impl Iterator<Item = Colour> {
        [Colour::Canvas, Colour::Group, Colour::Card, Colour::Renamed].into_iter().chain(Kind::ALL.map(Colour::Kind))
    }

    /// Its name in style sheets.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Colour::Canvas => "canvas",
            Colour::Group => "group",
            Colour::Card => "card",
            Colour::Renamed => "renamed",
            Colour::Kind(kind) => kind.name(),
        }
    }

    pub(crate) fn of(self, palette: &Palette) -> Colours {
        match self {
            Colour::Canvas => palette.canvas,
            Colour::Group => palette.group,
            Colour::Card => palette.card,
            Colour::Renamed => Colours { fill: palette.renamed, stroke: palette.renamed, text: palette.renamed },
            Colour::Kind(kind) => palette.of(kind),
        }
    }

    /// Fill, stroke and text in a theme, as `#RRGGBB`. Lines have the colour of text.
    pub fn values(self, theme: Theme) -> [&'static str; 3] {
        let Colours { fill, stroke, text } = self.of(theme.palette());
        [fill, stroke, text]
    }
}

const NONE: Stroke = Stroke { width: 0.0, dashed: false };

pub(crate) fn paint(diagram: &Diagram, layout: &Layout) -> Vec<Shape> {
    let canvas = Rect { x: 0.0, y: 0.0, width: layout.width, height: layout.height };
    let mut shapes = vec![Shape::Box { rect: canvas, radius: 6.0, colour: Colour::Canvas, stroke: NONE }];
    let solid = |width: f64| Stroke { width, dashed: false };
    for (group, frame) in diagram.groups.iter().zip(&layout.groups) {
        shapes.push(Shape::Begin(format!("schema {}", group.name)));
        shapes.push(Shape::Box { rect: *frame, radius: 8.0, colour: Colour::Group, stroke: solid(1.0) });
        shapes.push(Shape::End);
    }
    shapes.extend(layout.cards.iter().map(|rect| Shape::Box {
        rect: *rect,
        radius: 7.0,
        colour: Colour::Card,
        stroke: NONE,
    }));
    // Important lines are painted last.
    let mut edges: Vec<usize> = (0..diagram.edges.len()).collect();
    edges.sort_by_key(|edge| {
        let edge = &diagram.edges[*edge];
        (!edge.renamed.is_empty(), edge.line == Line::OneToOne, edge.line == Line::InKey)
    });
    for edge in edges {
        paint_edge(&mut shapes, diagram, edge, &layout.edges[edge]);
    }
    for (node, rect) in diagram.nodes.iter().zip(&layout.nodes) {
        paint_node(&mut shapes, node, rect);
    }
    for (group, rect) in diagram.groups.iter().zip(&layout.titles) {
        shapes.push(Shape::Text {
            at: (rect.x, rect.y + 11.5),
            centred: false,
            size: TITLE,
            bold: true,
            underlined: false,
            colour: Colour::Group,
            text: group.title.clone(),
        });
    }
    shapes
}

fn paint_edge(shapes: &mut Vec<Shape>, diagram: &Diagram, index: usize, curve: &Curve) {
    let edge = &diagram.edges[index];
    let colour = if edge.renamed.is_empty() { Colour::Canvas } else { Colour::Renamed };
    let stroke = match edge.line {
        Line::OneToOne => Stroke { width: 2.6, dashed: false },
        Line::InKey => Stroke { width: 1.1, dashed: false },
        Line::Secondary => Stroke { width: 1.1, dashed: true },
    };
    shapes.push(Shape::Begin(edge_details(diagram, index)));
    shapes.push(Shape::Path { curve: curve.clone(), colour, stroke });
    if !edge.renamed.is_empty() {
        shapes.push(Shape::Dot { centre: curve.middle, radius: 3.2, colour });
    }
    shapes.push(Shape::End);
}

/// What a foreign key refers to, and the attributes that it renames.
pub(crate) fn edge_details(diagram: &Diagram, index: usize) -> String {
    let edge = &diagram.edges[index];
    let mut text = format!("{} \u{2192} {}", diagram.nodes[edge.child].label, diagram.nodes[edge.parent].label);
    for (own, other) in &edge.renamed {
        text += &format!("\n{own} = {other}");
    }
    text
}

fn paint_node(shapes: &mut Vec<Shape>, node: &crate::Node, rect: &Rect) {
    let colour = Colour::Kind(node.kind);
    let radius = match node.kind {
        Kind::Manual => 5.0,
        Kind::Lookup => 1.0,
        Kind::Imported | Kind::Computed | Kind::Other => rect.height / 2.0,
        Kind::Part | Kind::Collapsed => 4.0,
    };
    let stroke = Stroke { width: if node.kind == Kind::Part { 1.0 } else { 1.4 }, dashed: node.kind == Kind::Other };
    shapes.push(Shape::Begin(if node.details.is_empty() { node.name.clone() } else { node.details.clone() }));
    let mut face = *rect;
    if node.kind == Kind::Collapsed {
        // A sheet behind the first one.
        face = Rect { x: rect.x, y: rect.y + 4.0, width: rect.width - 4.0, height: rect.height - 4.0 };
        let sheet = Rect { x: rect.x + 4.0, y: rect.y, ..face };
        shapes.push(Shape::Box { rect: sheet, radius, colour, stroke });
    }
    shapes.push(Shape::Box { rect: face, radius, colour, stroke });
    let size = if node.kind == Kind::Part { PART_LABEL } else { LABEL };
    shapes.push(Shape::Text {
        at: (face.x + face.width / 2.0, face.y + face.height / 2.0 + size * 0.35),
        centred: true,
        size,
        bold: false,
        underlined: node.adds_key,
        colour,
        text: node.label.clone(),
    });
    shapes.push(Shape::End);
}
