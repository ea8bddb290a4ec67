//! From places to lines and boxes.
//!
//! Each layer is a band in which edges run straight, past the cards there; they bend only in the channels between
//! bands. So no edge crosses a label.

use crate::layers::Layers;
use crate::layout::{Curve, Layout, Rect, bezier};
use crate::order::{Link, Order};
use crate::place::{PAD, Places, TITLE, TITLE_HEIGHT, offset};
use crate::text::bold_width;
use crate::{Diagram, Direction};

/// Around the whole drawing.
const MARGIN: f64 = 16.0;

/// A layer: where its cards are, and where the curves on both sides of it end.
#[derive(Debug, Clone, Copy, Default)]
struct Band {
    start: f64,
    end: f64,
    /// Up to here the edges that arrive have bent.
    arrive: f64,
    /// From here on the edges that leave may bend.
    depart: f64,
}

struct Router<'a> {
    diagram: &'a Diagram,
    layers: &'a Layers,
    order: &'a Order,
    places: &'a Places,
    bands: Vec<Band>,
}

pub(crate) fn route(diagram: &Diagram, layers: &Layers, order: &Order, places: &Places) -> Layout {
    let mut router = Router { diagram, layers, order, places, bands: Vec::new() };
    router.bands = router.bands();
    let mut layout = Layout {
        nodes: (0..diagram.nodes.len()).map(|node| router.node(node)).collect(),
        cards: (0..layers.cards.len())
            .filter(|card| layers.cards[*card].len() > 1)
            .map(|card| router.card(card))
            .collect(),
        groups: (0..diagram.groups.len()).map(|group| router.group(group)).collect(),
        ..Layout::default()
    };
    layout.edges = (0..diagram.edges.len()).map(|edge| router.edge(edge, &layout.nodes)).collect();
    layout.titles = titles(diagram, &layout);
    fit(&mut layout);
    layout
}

impl Router<'_> {
    fn vertical(&self) -> bool {
        self.diagram.direction == Direction::LeftToRight
    }

    /// Where the layers are.
    fn bands(&self) -> Vec<Band> {
        let count = self.layers.count;
        let mut lengths = vec![0.0f64; count];
        for (card, layer) in self.layers.layer.iter().enumerate() {
            lengths[*layer] = lengths[*layer].max(self.places.cards[card].length);
        }
        let (mut opens, mut closes) = (vec![false; count], vec![false; count]);
        for (group, (first, last)) in self.order.spans.iter().enumerate() {
            if first > last {
                continue;
            }
            (opens[*first], closes[*last]) = (true, true);
            // A title may be longer than the only layer of its group.
            if self.vertical() && first == last {
                lengths[*first] = lengths[*first].max(bold_width(&self.diagram.groups[group].title, TITLE) + 6.0);
            }
        }
        let head = if self.vertical() { PAD } else { PAD + TITLE_HEIGHT };
        let mut bands: Vec<Band> = Vec::new();
        for layer in 0..count {
            let arrive = bands.last().map_or(0.0, |band| band.depart + self.channel(layer));
            let start = arrive + if opens[layer] { head } else { 0.0 };
            let end = start + lengths[layer];
            bands.push(Band { start, end, arrive, depart: end + if closes[layer] { PAD } else { 0.0 } });
        }
        bands
    }

    /// The width of the channel before a layer: more where edges run far across.
    fn channel(&self, layer: usize) -> f64 {
        let links = self.order.links.iter().filter(|link| self.order.items[link.lower.0].layer == layer);
        let mut furthest = 0.0f64;
        let mut bent = 0.0;
        for link in links {
            let across = (self.across(link.upper, link.aside) - self.across(link.lower, link.aside)).abs();
            furthest = furthest.max(across);
            bent += if across > 4.0 { 1.0 } else { 0.0 };
        }
        let least = if self.vertical() { 34.0 } else { 30.0 };
        least + (furthest * 0.10 + bent * 0.6).min(110.0)
    }

    /// Where a link ends at a row of an item.
    fn across(&self, (item, row): (usize, usize), aside: (usize, usize)) -> f64 {
        let centre = self.places.items[item];
        match self.order.items[item].card {
            Some(card) => centre + self.places.cards[card].rows[row].across + offset(aside),
            None => centre,
        }
    }

    /// The first length of a card.
    fn start(&self, card: usize) -> f64 {
        let band = self.bands[self.layers.layer[card]];
        match self.vertical() {
            true => band.start,
            false => (band.start + band.end - self.places.cards[card].length) / 2.0,
        }
    }

    fn rect(&self, along: (f64, f64), across: (f64, f64)) -> Rect {
        let (x, y) = if self.vertical() { (along, across) } else { (across, along) };
        Rect { x: x.0, y: y.0, width: x.1 - x.0, height: y.1 - y.0 }
    }

    fn point(&self, along: f64, across: f64) -> (f64, f64) {
        if self.vertical() { (along, across) } else { (across, along) }
    }

    fn node(&self, node: usize) -> Rect {
        let (card, row) = self.layers.place[node];
        let row = self.places.cards[card].rows[row];
        let (along, across) = (self.start(card) + row.along, self.places.items[card] + row.across);
        self.rect((along, along + row.length), (across - row.thickness / 2.0, across + row.thickness / 2.0))
    }

    fn card(&self, card: usize) -> Rect {
        let (size, centre, along) = (&self.places.cards[card], self.places.items[card], self.start(card));
        self.rect((along, along + size.length), (centre - size.thickness / 2.0, centre + size.thickness / 2.0))
    }

    fn group(&self, group: usize) -> Rect {
        let (first, last) = self.order.spans[group];
        if first > last {
            return Rect::default();
        }
        let head = if self.vertical() { PAD } else { PAD + TITLE_HEIGHT };
        self.rect((self.bands[first].start - head, self.bands[last].end + PAD), self.places.groups[group])
    }

    fn edge(&self, index: usize, nodes: &[Rect]) -> Curve {
        let edge = &self.diagram.edges[index];
        let Some(bends) = &self.order.bends[index] else {
            return self.inside(nodes[edge.parent], nodes[edge.child], edge.parent == edge.child);
        };
        let (mut from, mut to) = (edge.parent, edge.child);
        let turned = self.layers.layer[self.layers.place[from].0] > self.layers.layer[self.layers.place[to].0];
        if turned {
            std::mem::swap(&mut from, &mut to);
        }
        let aside = self.order.aside[index];
        let (start, end) = (self.layers.place[from], self.layers.place[to]);
        let stops: Vec<(usize, usize)> =
            [start].into_iter().chain(bends.iter().map(|bend| (*bend, 0))).chain([end]).collect();
        let row = |place: (usize, usize)| self.places.cards[place.0].rows[place.1];
        let leave = self.start(start.0) + row(start).along + row(start).length;
        let arrive = self.start(end.0) + row(end).along;
        let mut line = vec![(leave, self.across(start, aside))];
        let mut curves = Vec::new();
        for pair in stops.windows(2) {
            let link = Link { upper: pair[0], lower: pair[1], aside };
            let (above, below) = (self.across(link.upper, aside), self.across(link.lower, aside));
            let layer = self.order.items[link.lower.0].layer;
            line.push((self.bands[layer - 1].depart, above));
            curves.push(line.len());
            line.push((self.bands[layer].arrive, below));
        }
        line.push((arrive, self.across(end, aside)));
        self.curve(&line, &curves, turned)
    }

    /// A line through points given along and across, which bends where `curves` says so.
    fn curve(&self, line: &[(f64, f64)], curves: &[usize], turned: bool) -> Curve {
        let point = |(along, across): (f64, f64)| self.point(along, across);
        let mut curve = Curve { start: point(line[0]), ..Curve::default() };
        for (index, pair) in line.windows(2).enumerate() {
            let (from, to) = (pair[0], pair[1]);
            let bends = curves.contains(&(index + 1)) && (from.1 - to.1).abs() > 0.01;
            let half = (to.0 - from.0) / 2.0;
            let piece = match bends {
                true => [point((from.0 + half, from.1)), point((to.0 - half, to.1)), point(to)],
                false => [point(from), point(to), point(to)],
            };
            if curves.last() == Some(&(index + 1)) {
                curve.middle = bezier(point(from), piece[0], piece[1], piece[2], 0.5);
            }
            match curve.pieces.last_mut().filter(|last| !bends && last[0] != last[1] && last[1] == last[2]) {
                // Two straight pieces in one direction are one.
                Some(last) if (from.1 - to.1).abs() <= 0.01 && is_straight(last) => {
                    *last = [last[0], piece[2], piece[2]]
                }
                _ => curve.pieces.push(piece),
            }
        }
        if turned {
            curve = reversed(&curve);
        }
        curve
    }

    /// The line between a master and its part, or from a table to itself.
    fn inside(&self, parent: Rect, child: Rect, itself: bool) -> Curve {
        if itself {
            let (x, y) = (parent.right(), parent.y + parent.height / 2.0);
            let start = (x, y - 5.0);
            return Curve {
                start,
                pieces: vec![[(x + 11.0, y - 9.0), (x + 11.0, y + 9.0), (x, y + 5.0)]],
                middle: (x + 8.3, y),
            };
        }
        let level = child.y + child.height / 2.0;
        let straight = |from: (f64, f64), to: (f64, f64)| [from, to, to];
        match self.vertical() {
            true => {
                let start = (parent.x + 8.0, parent.bottom());
                let corner = (start.0, level);
                let end = (child.x, level);
                Curve { start, pieces: vec![straight(start, corner), straight(corner, end)], middle: corner }
            }
            false => {
                let start = (parent.right(), level);
                Curve { start, pieces: vec![straight(start, (child.x, level))], middle: (child.x - 4.0, level) }
            }
        }
    }
}

fn is_straight(piece: &[(f64, f64); 3]) -> bool {
    piece[0].0 == piece[2].0 || piece[0].1 == piece[2].1
}

fn reversed(curve: &Curve) -> Curve {
    let mut points = vec![curve.start];
    curve.pieces.iter().for_each(|piece| points.extend(piece));
    points.reverse();
    let pieces = points[1..].chunks(3).map(|piece| [piece[0], piece[1], piece[2]]).collect();
    Curve { start: points[0], pieces, middle: curve.middle }
}

/// Titles stand at the upper left of their frames, or further right where an edge would cross them.
fn titles(diagram: &Diagram, layout: &Layout) -> Vec<Rect> {
    let points: Vec<(f64, f64)> = layout.edges.iter().flat_map(Curve::points).collect();
    let title = |(group, frame): (usize, &Rect)| {
        let size = bold_width(&diagram.groups[group].title, TITLE);
        let at = |x: f64| Rect { x, y: frame.y + 5.0, width: size, height: TITLE_HEIGHT };
        let first = frame.x + 10.0;
        let last = (frame.right() - 10.0 - size).max(first);
        let strip = Rect { height: TITLE_HEIGHT + 7.0, ..*frame };
        let passing: Vec<f64> = points.iter().filter(|point| strip.holds(**point)).map(|point| point.0).collect();
        let crossed = |rect: &Rect| passing.iter().filter(|x| (rect.x - 3.0..rect.right() + 3.0).contains(x)).count();
        let steps = ((last - first) / 8.0).floor() as usize;
        let candidates = (0..=steps).map(|step| at(first + step as f64 * 8.0));
        candidates.min_by_key(|rect| crossed(rect)).unwrap_or(at(first))
    };
    layout.groups.iter().enumerate().map(title).collect()
}

/// Moves everything so that the drawing begins at the margin, and measures it.
fn fit(layout: &mut Layout) {
    let (mut least, mut most) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
    let mut include = |(x, y): (f64, f64)| {
        least = (least.0.min(x), least.1.min(y));
        most = (most.0.max(x), most.1.max(y));
    };
    for rect in layout.nodes.iter().chain(&layout.cards).chain(&layout.groups).chain(&layout.titles) {
        include((rect.x, rect.y));
        include((rect.right(), rect.bottom()));
    }
    layout.edges.iter().flat_map(Curve::points).for_each(&mut include);
    if least.0 > most.0 {
        (layout.width, layout.height) = (2.0 * MARGIN, 2.0 * MARGIN);
        return;
    }
    let (dx, dy) = (MARGIN - least.0, MARGIN - least.1);
    let rects = layout.nodes.iter_mut().chain(&mut layout.cards).chain(&mut layout.groups).chain(&mut layout.titles);
    rects.for_each(|rect| (rect.x, rect.y) = (rect.x + dx, rect.y + dy));
    for edge in &mut layout.edges {
        let moved = |(x, y): (f64, f64)| (x + dx, y + dy);
        (edge.start, edge.middle) = (moved(edge.start), moved(edge.middle));
        edge.pieces.iter_mut().for_each(|piece| *piece = piece.map(moved));
    }
    layout.width = most.0 - least.0 + 2.0 * MARGIN;
    layout.height = most.1 - least.1 + 2.0 * MARGIN;
}
