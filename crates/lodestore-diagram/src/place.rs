//! Where in its layer each item is drawn.
//!
//! Lengths *along* run with the edges, from layer to layer; lengths *across* run within a layer. Positions minimize the
//! weighted length that edges run across, so that long edges are straight.

use crate::layers::Layers;
use crate::order::{Link, Order};
use crate::simplex::{Bound, solve};
use crate::text::{bold_width, width};
use crate::{Diagram, Direction, Kind};

/// Font sizes of tables, parts and group titles.
pub(crate) const LABEL: f64 = 12.0;
pub(crate) const PART_LABEL: f64 = 10.5;
pub(crate) const TITLE: f64 = 11.0;

/// Between a group's frame and its tables, and the height of its title.
pub(crate) const PAD: f64 = 14.0;
pub(crate) const TITLE_HEIGHT: f64 = 16.0;
/// Between a card's background and its tables.
const CARD_PAD: f64 = 5.0;
/// Between the frames of two groups.
const GROUP_GAP: f64 = 16.0;
/// How far edges between the same tables are moved apart.
const ASIDE: f64 = 7.0;
/// Edges are straight rather than bent by less than half of this, in units.
const SLIGHT: i64 = 40;
/// Positions are solved for in half pixels.
const UNIT: f64 = 2.0;

/// A node's place on its card.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// From the card's centre to the row's.
    pub(crate) across: f64,
    pub(crate) thickness: f64,
    /// From the card's start.
    pub(crate) along: f64,
    pub(crate) length: f64,
}

/// The size of a card.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) thickness: f64,
    pub(crate) length: f64,
    pub(crate) rows: Vec<Row>,
}

/// All positions across: the centre of each item, and the two sides of each group.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) cards: Vec<Card>,
    pub(crate) items: Vec<f64>,
    pub(crate) groups: Vec<(f64, f64)>,
}

/// The width and the height of a node.
pub(crate) fn size(diagram: &Diagram, node: usize) -> (f64, f64) {
    let node = &diagram.nodes[node];
    match node.kind {
        Kind::Part => (width(&node.label, PART_LABEL) + 14.0, 19.0),
        Kind::Imported | Kind::Computed => (width(&node.label, LABEL) + 28.0, 27.0),
        Kind::Collapsed => (width(&node.label, LABEL) + 30.0, 34.0),
        _ => (width(&node.label, LABEL) + 22.0, 27.0),
    }
}

fn card(diagram: &Diagram, nodes: &[usize]) -> Card {
    let vertical = diagram.direction == Direction::LeftToRight;
    let pad = if nodes.len() > 1 { CARD_PAD } else { 0.0 };
    let gap = if vertical { 4.0 } else { 9.0 };
    let mut rows: Vec<Row> = Vec::new();
    let mut at = pad;
    for (index, node) in nodes.iter().enumerate() {
        let (width, height) = size(diagram, *node);
        let (length, thickness) = if vertical { (width, height) } else { (height, width) };
        let indent = if vertical && index > 0 { 16.0 } else { 0.0 };
        rows.push(Row { across: at + thickness / 2.0, thickness, along: pad + indent, length });
        at += thickness + gap;
    }
    let thickness = at - gap + pad;
    let length = rows.iter().map(|row| row.along + row.length).fold(0.0, f64::max) + pad;
    for row in &mut rows {
        row.across -= thickness / 2.0;
        if !vertical {
            row.along = (length - row.length) / 2.0;
        }
    }
    Card { thickness, length, rows }
}

pub(crate) fn place(diagram: &Diagram, layers: &Layers, order: &Order) -> Places {
    let cards: Vec<Card> = layers.cards.iter().map(|nodes| card(diagram, nodes)).collect();
    let mut bounds = separations(diagram, order, &cards);
    let count = order.items.len() + 2 + 2 * diagram.groups.len();
    let kept = bounds.len();
    // A helper for each link is left of both its ends, and as near to them as can be.
    for (index, link) in order.links.iter().enumerate() {
        let helper = count + index;
        for (item, offset) in ends(&cards, order, link) {
            bounds.push(Bound { from: helper, to: item, length: -offset, weight: weight(order, link) });
        }
    }
    let mut at = solve(count + order.links.len(), &bounds);
    at.truncate(count);
    bounds.truncate(kept);
    balance(&mut at, &bounds, &cards, order);
    let start = order.items.len() + 2;
    let pixels = |unit: i64| unit as f64 / UNIT;
    let groups =
        (0..diagram.groups.len()).map(|group| (pixels(at[start + 2 * group]), pixels(at[start + 2 * group + 1])));
    Places {
        groups: groups.collect(),
        items: at[..order.items.len()].iter().map(|unit| pixels(*unit)).collect(),
        cards,
    }
}

/// How much it costs that a link is not straight: most between bends, and more within a group.
fn weight(order: &Order, link: &Link) -> i64 {
    let bends = [link.upper.0, link.lower.0].iter().filter(|item| order.items[**item].card.is_none()).count();
    let within = order.items[link.upper.0].lane == order.items[link.lower.0].lane;
    [1, 2, 8][bends] * if within { 2 } else { 1 }
}

/// By how much a link between the same nodes as others is moved across.
pub(crate) fn offset((rank, count): (usize, usize)) -> f64 {
    (rank as f64 - (count - 1) as f64 / 2.0) * ASIDE
}

/// Both items of a link, and how far from their centres it ends.
fn ends(cards: &[Card], order: &Order, link: &Link) -> [(usize, i64); 2] {
    [link.upper, link.lower].map(|(item, row)| {
        let across = order.items[item].card.map_or(0.0, |card| cards[card].rows[row].across);
        // A bend of such a link is the link's own, and moved instead of it.
        let aside = if order.items[item].card.is_some() { offset(link.aside) } else { 0.0 };
        (item, ((across + aside) * UNIT).round() as i64)
    })
}

/// What keeps items and groups apart: bounds between items, the two sides of everything, and those of each group.
fn separations(diagram: &Diagram, order: &Order, cards: &[Card]) -> Vec<Bound> {
    let vertical = diagram.direction == Direction::LeftToRight;
    let (first, last) = (order.items.len(), order.items.len() + 1);
    let sides = |group: usize| (last + 1 + 2 * group, last + 2 + 2 * group);
    let half = |item: usize| order.items[item].card.map_or(0.0, |card| cards[card].thickness / 2.0);
    let head = if vertical { PAD + TITLE_HEIGHT } else { PAD };
    let mut bounds = vec![bound(first, last, 0.0, 1)];
    for (group, told) in diagram.groups.iter().enumerate() {
        let (left, right) = sides(group);
        let least = if vertical { head + PAD } else { bold_width(&told.title, TITLE) + 2.0 * PAD };
        bounds.push(bound(left, right, least, 4));
        bounds.push(bound(first, left, 0.0, 0));
        bounds.push(bound(right, last, 0.0, 0));
    }
    let mut by_lane: Vec<usize> = (0..diagram.groups.len()).collect();
    by_lane.sort_by_key(|group| order.lanes[*group]);
    for (index, layer) in order.layers.iter().enumerate() {
        let mut boxes = by_lane
            .iter()
            .filter(|group| (order.spans[**group].0..=order.spans[**group].1).contains(&index))
            .peekable();
        // What was passed last: a position, how far it reaches, and what it is.
        let mut previous = (first, 0.0, Thing::Edge);
        let mut open: Option<usize> = None;
        for item in layer {
            let lane = order.items[*item].lane;
            if let Some(group) = open.filter(|group| order.lanes[*group] < lane) {
                previous = leave(&mut bounds, previous, sides(group).1);
                open = None;
            }
            while let Some(group) = boxes.next_if(|group| order.lanes[**group] <= lane) {
                previous = enter(&mut bounds, previous, sides(*group).0, head);
                match order.lanes[*group] == lane {
                    true => open = Some(*group),
                    false => previous = (sides(*group).1, 0.0, Thing::Frame),
                }
            }
            let thing = if order.items[*item].card.is_some() { Thing::Card } else { Thing::Bend };
            let distance = previous.1 + half(*item) + gap(vertical, previous.2, thing);
            bounds.push(bound(previous.0, *item, distance, 0));
            previous = (*item, half(*item), thing);
        }
        if let Some(group) = open {
            previous = leave(&mut bounds, previous, sides(group).1);
        }
        for group in boxes {
            enter(&mut bounds, previous, sides(*group).0, head);
            previous = (sides(*group).1, 0.0, Thing::Frame);
        }
        bounds.push(bound(previous.0, last, previous.1, 0));
    }
    bounds
}

#[derive(Clone, Copy, PartialEq)]
enum Thing {
    /// The side of the drawing.
    Edge,
    /// The frame of a group, seen from outside.
    Frame,
    /// The frame of a group, seen from inside, with its padding.
    Inside,
    Card,
    Bend,
}

fn gap(vertical: bool, left: Thing, right: Thing) -> f64 {
    match (left, right) {
        (Thing::Edge | Thing::Inside, _) | (_, Thing::Edge | Thing::Inside) => 0.0,
        (Thing::Frame, Thing::Frame) => GROUP_GAP,
        (Thing::Frame, _) | (_, Thing::Frame) => 10.0,
        (Thing::Card, Thing::Card) if vertical => 11.0,
        (Thing::Card, Thing::Card) => 18.0,
        (Thing::Bend, Thing::Bend) => 8.0,
        _ => 10.0,
    }
}

fn enter(
    bounds: &mut Vec<Bound>,
    (from, reach, thing): (usize, f64, Thing),
    side: usize,
    head: f64,
) -> (usize, f64, Thing) {
    bounds.push(bound(from, side, reach + gap(false, thing, Thing::Frame), 0));
    (side, head, Thing::Inside)
}

fn leave(bounds: &mut Vec<Bound>, (from, reach, _): (usize, f64, Thing), side: usize) -> (usize, f64, Thing) {
    bounds.push(bound(from, side, reach + PAD, 0));
    (side, 0.0, Thing::Frame)
}

fn bound(from: usize, to: usize, length: f64, weight: i64) -> Bound {
    Bound { from, to, length: (length * UNIT).ceil() as i64, weight }
}

/// Moves items to the middle of all places that are equally good: a parent to the middle of two children.
fn balance(at: &mut [i64], bounds: &[Bound], cards: &[Card], order: &Order) {
    let mut near: Vec<Vec<(usize, i64, i64)>> = vec![Vec::new(); order.items.len()];
    for link in &order.links {
        let [(upper, above), (lower, below)] = ends(cards, order, link);
        near[upper].push((lower, below - above, weight(order, link)));
        near[lower].push((upper, above - below, weight(order, link)));
    }
    let mut before = vec![Vec::new(); at.len()];
    let mut after = vec![Vec::new(); at.len()];
    for bound in bounds {
        before[bound.to].push((bound.from, bound.length));
        after[bound.from].push((bound.to, bound.length));
    }
    for sweep in 0..8 {
        for index in 0..order.items.len() {
            let item = if sweep % 2 == 0 { index } else { order.items.len() - 1 - index };
            let mut wanted: Vec<(i64, i64)> =
                near[item].iter().map(|(other, offset, weight)| (at[*other] + offset, *weight)).collect();
            if wanted.is_empty() {
                continue;
            }
            wanted.sort_unstable();
            let total: i64 = wanted.iter().map(|(_, weight)| weight).sum();
            let median = |part: i64| {
                let mut sum = 0;
                wanted.iter().find(|(_, weight)| {
                    sum += weight;
                    2 * sum >= part
                })
            };
            let least = median(total).map_or(at[item], |(place, _)| *place);
            let most = median(total + 1).map_or(at[item], |(place, _)| *place);
            let lowest = before[item].iter().map(|(other, length)| at[*other] + length).max().unwrap_or(i64::MIN);
            let highest = after[item].iter().map(|(other, length)| at[*other] - length).min().unwrap_or(i64::MAX);
            // A bend that is as good anywhere between its neighbours goes straight on, or the edge becomes a staircase.
            let best = match order.items[item].card {
                // A bend so slight would look like a mistake.
                Some(_) if most - least < SLIGHT => (at[near[item][0].0] + near[item][0].1).clamp(least, most),
                Some(_) => (least + most) / 2,
                None => (at[near[item][0].0] + near[item][0].1).clamp(least, most),
            };
            at[item] = best.clamp(lowest, highest.max(lowest));
        }
    }
}
