//! Positions of everything in a drawing.

use crate::Diagram;
use crate::layers::layers;
use crate::order::order;
use crate::place::place;
use crate::route::route;

/// A drawing in pixels: x grows to the right, y downwards.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// The width of the whole drawing.
    pub width: f64,
    /// The height of the whole drawing.
    pub height: f64,
    /// The box of each node.
    pub nodes: Vec<Rect>,
    /// The background of each master that is drawn with its parts.
    pub cards: Vec<Rect>,
    /// The line of each edge.
    pub edges: Vec<Curve>,
    /// The frame of each group.
    pub groups: Vec<Rect>,
    /// The box of each group's title.
    pub titles: Vec<Rect>,
}

/// A rectangle whose sides are parallel to the axes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rect {
    /// The left side.
    pub x: f64,
    /// The upper side.
    pub y: f64,
    /// The width.
    pub width: f64,
    /// The height.
    pub height: f64,
}

/// A line: from `start` over cubic Bézier curves, each of two control points and an end. A straight piece has its
/// control points on the line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Where it begins: at the parent.
    pub start: (f64, f64),
    /// Its pieces.
    pub pieces: Vec<[(f64, f64); 3]>,
    /// Where a renamed foreign key is marked.
    pub middle: (f64, f64),
}

impl Rect {
    /// The right side.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// The lower side.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// True if it has an area in common with another one.
    pub fn overlaps(&self, other: &Rect) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }

    /// True if the other one is inside it.
    pub fn contains(&self, other: &Rect) -> bool {
        self.x <= other.x && self.y <= other.y && other.right() <= self.right() && other.bottom() <= self.bottom()
    }

    /// This rectangle, larger on all sides.
    pub fn grown(&self, by: f64) -> Rect {
        Rect { x: self.x - by, y: self.y - by, width: self.width + 2.0 * by, height: self.height + 2.0 * by }
    }

    pub(crate) fn holds(&self, (x, y): (f64, f64)) -> bool {
        (self.x..self.right()).contains(&x) && (self.y..self.bottom()).contains(&y)
    }
}

impl Curve {
    /// Points on the line, close to each other.
    pub fn points(&self) -> Vec<(f64, f64)> {
        let mut points = vec![self.start];
        let mut from = self.start;
        for [first, second, to] in &self.pieces {
            let steps = ((to.0 - from.0).hypot(to.1 - from.1) / 2.0).ceil().max(1.0) as usize;
            points.extend((1..=steps).map(|step| bezier(from, *first, *second, *to, step as f64 / steps as f64)));
            from = *to;
        }
        points
    }

    /// Where it ends: at the child.
    pub fn end(&self) -> (f64, f64) {
        self.pieces.last().map_or(self.start, |piece| piece[2])
    }

    /// True if it passes through a rectangle.
    pub fn crosses(&self, rect: &Rect) -> bool {
        self.points().into_iter().any(|point| rect.holds(point))
    }
}

pub(crate) fn bezier(a: (f64, f64), b: (f64, f64), c: (f64, f64), d: (f64, f64), t: f64) -> (f64, f64) {
    let s = 1.0 - t;
    let weights = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
    let sum =
        |of: fn((f64, f64)) -> f64| weights[0] * of(a) + weights[1] * of(b) + weights[2] * of(c) + weights[3] * of(d);
    (sum(|point| point.0), sum(|point| point.1))
}

pub(crate) fn layout(diagram: &Diagram) -> Layout {
    let layers = layers(diagram);
    let order = order(diagram, &layers);
    let places = place(diagram, &layers, &order);
    route(diagram, &layers, &order, &places)
}
