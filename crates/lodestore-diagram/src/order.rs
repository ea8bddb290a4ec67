//! In which order the items of each layer are drawn, so that few edges cross.
//!
//! An edge over several layers passes a *bend* in each layer between. Edges of one look that leave the same table
//! share their bends, as branches of one trunk. Each group has a *lane*, the same in all layers, and what belongs to
//! no group keeps to the lanes between.

use std::collections::HashMap;

use crate::layers::Layers;
use crate::{Diagram, Line};

/// A card or a bend.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) layer: usize,
    pub(crate) lane: usize,
    /// Nothing for a bend.
    pub(crate) card: Option<usize>,
}

/// A part of an edge from one layer to the next: an item and the row of it, for both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) upper: (usize, usize),
    pub(crate) lower: (usize, usize),
    /// By how much it is moved aside because the same tables are linked more than once: rank, out of so many.
    pub(crate) aside: (usize, usize),
}

/// The items of each layer in order, and how the edges run.
#[derive(Debug)]
pub(crate) struct Order {
    /// Cards have the same index as in [`Layers`]; bends follow them.
    pub(crate) items: Vec<Item>,
    pub(crate) links: Vec<Link>,
    pub(crate) layers: Vec<Vec<usize>>,
    /// For each edge the bends that it passes, first layer first; nothing for edges inside a card.
    pub(crate) bends: Vec<Option<Vec<usize>>>,
    /// For each edge how it is moved aside.
    pub(crate) aside: Vec<(usize, usize)>,
    /// The first and the last layer of each group.
    pub(crate) spans: Vec<(usize, usize)>,
    /// The lane of each group.
    pub(crate) lanes: Vec<usize>,
}

/// Sweeps over all layers for each attempt.
const SWEEPS: usize = 24;

/// What edges must have in common to share bends: the node that they leave, and how they look.
type Trunk = (usize, Line, bool, usize, usize, usize);

pub(crate) fn order(diagram: &Diagram, layers: &Layers) -> Order {
    let spans = spans(diagram, layers);
    let lanes = lanes(diagram, layers, &spans);
    let mut order = items(diagram, layers, spans, lanes);
    let mut best: Option<(usize, Vec<Vec<usize>>)> = None;
    for attempt in [by_index as fn(&Order) -> Vec<Vec<usize>>, depth_first] {
        order.layers = attempt(&order);
        let (crossings, found) = Sweeper::new(&order).run(order.layers.clone());
        if best.as_ref().is_none_or(|(least, _)| crossings < *least) {
            best = Some((crossings, found));
        }
    }
    order.layers = best.map(|(_, layers)| layers).unwrap_or_default();
    order
}

/// The first and the last layer of each group.
fn spans(diagram: &Diagram, layers: &Layers) -> Vec<(usize, usize)> {
    let mut spans = vec![(usize::MAX, 0); diagram.groups.len()];
    for card in 0..layers.cards.len() {
        if let Some(group) = layers.group(diagram, card) {
            let (first, last) = &mut spans[group];
            *first = layers.layer[card].min(*first);
            *last = layers.layer[card].max(*last);
        }
    }
    spans
}

/// The lane of each group: odd numbers, so that there is a lane on both sides.
fn lanes(diagram: &Diagram, layers: &Layers, spans: &[(usize, usize)]) -> Vec<usize> {
    let count = diagram.groups.len();
    let mut ties = vec![vec![0usize; count]; count];
    for edge in &diagram.edges {
        if let (Some(a), Some(b)) = (diagram.nodes[edge.parent].group, diagram.nodes[edge.child].group) {
            ties[a][b] += 1;
            ties[b][a] += 1;
        }
    }
    let cost = |sequence: &[usize]| -> usize {
        let distance = |(i, a): (usize, &usize)| -> usize {
            sequence[i + 1..].iter().enumerate().map(|(j, b)| ties[*a][*b] * (j + 1)).sum()
        };
        sequence.iter().enumerate().map(distance).sum()
    };
    // Upstream groups first, then exchanged and moved while that helps.
    let mut sequence: Vec<usize> = (0..count).collect();
    let weight = |group: usize| -> (usize, usize) {
        let of_group = (0..layers.cards.len()).filter(|card| layers.group(diagram, *card) == Some(group));
        let at: Vec<usize> = of_group.map(|card| layers.layer[card]).collect();
        (at.iter().sum::<usize>() * 100 / at.len().max(1), spans[group].0)
    };
    sequence.sort_by_key(|group| (weight(*group), *group));
    let mut least = cost(&sequence);
    loop {
        let mut found = None;
        for from in 0..count {
            for to in 0..count {
                let mut other = sequence.clone();
                let moved = other.remove(from);
                other.insert(to, moved);
                let cost = cost(&other);
                if cost < least {
                    least = cost;
                    found = Some(other);
                }
            }
        }
        match found {
            Some(better) => sequence = better,
            None => break,
        }
    }
    let mut lanes = vec![0; count];
    sequence.iter().enumerate().for_each(|(place, group)| lanes[*group] = 2 * place + 1);
    lanes
}

/// The cards, the bends, and the links between them.
fn items(diagram: &Diagram, layers: &Layers, spans: Vec<(usize, usize)>, lanes: Vec<usize>) -> Order {
    let free = free_lanes(diagram, layers, &lanes);
    let mut items: Vec<Item> = (0..layers.cards.len())
        .map(|card| {
            let lane = layers.group(diagram, card).map_or(free[card], |group| lanes[group]);
            Item { layer: layers.layer[card], lane, card: Some(card) }
        })
        .collect();
    let mut links: Vec<Link> = Vec::new();
    let mut bends = Vec::new();
    let aside = aside(diagram);
    let mut trunks: HashMap<Trunk, usize> = HashMap::new();
    for (index, edge) in diagram.edges.iter().enumerate() {
        if layers.is_inside(diagram, index) {
            bends.push(None);
            continue;
        }
        let (mut from, mut to) = (edge.parent, edge.child);
        if layers.layer[layers.place[from].0] > layers.layer[layers.place[to].0] {
            std::mem::swap(&mut from, &mut to);
        }
        let (start, end) = (layers.place[from], layers.place[to]);
        let (first, last) = (items[start.0].layer, items[end.0].layer);
        let passage =
            Passage { from: diagram.nodes[from].group, to: diagram.nodes[to].group, spans: &spans, lanes: &lanes };
        let mut passed = Vec::new();
        let mut previous = start;
        for layer in first + 1..last {
            let lane = passage.lane(layer, items[start.0].lane, items[end.0].lane);
            let trunk = (from, edge.line, edge.renamed.is_empty(), aside[index].0, layer, lane);
            let bend = *trunks.entry(trunk).or_insert_with(|| {
                items.push(Item { layer, lane, card: None });
                items.len() - 1
            });
            add(&mut links, Link { upper: previous, lower: (bend, 0), aside: aside[index] });
            previous = (bend, 0);
            passed.push(bend);
        }
        add(&mut links, Link { upper: previous, lower: end, aside: aside[index] });
        bends.push(Some(passed));
    }
    Order { items, links, layers: Vec::new(), bends, aside, spans, lanes }
}

fn add(links: &mut Vec<Link>, link: Link) {
    if !links.contains(&link) {
        links.push(link);
    }
}

/// For each edge its rank among those that link the same two nodes, and their number.
fn aside(diagram: &Diagram) -> Vec<(usize, usize)> {
    let mut met: HashMap<(usize, usize), usize> = HashMap::new();
    let ranks: Vec<usize> = diagram
        .edges
        .iter()
        .map(|edge| {
            let count = met.entry((edge.parent, edge.child)).or_default();
            *count += 1;
            *count - 1
        })
        .collect();
    ranks.into_iter().zip(&diagram.edges).map(|(rank, edge)| (rank, met[&(edge.parent, edge.child)])).collect()
}

/// Lanes for cards without a group: next to the groups that they are linked with.
fn free_lanes(diagram: &Diagram, layers: &Layers, lanes: &[usize]) -> Vec<usize> {
    let mut near: Vec<Vec<usize>> = vec![Vec::new(); layers.cards.len()];
    for edge in &diagram.edges {
        for (own, other) in [(edge.parent, edge.child), (edge.child, edge.parent)] {
            if let Some(group) = diagram.nodes[other].group {
                near[layers.place[own].0].push(lanes[group]);
            }
        }
    }
    near.into_iter()
        .map(|mut near| {
            near.sort_unstable();
            near.get(near.len() / 2).map_or(0, |lane| lane - 1)
        })
        .collect()
}

/// The way of an edge between groups.
struct Passage<'a> {
    from: Option<usize>,
    to: Option<usize>,
    spans: &'a [(usize, usize)],
    lanes: &'a [usize],
}

impl Passage<'_> {
    /// Where the edge passes a layer: in the box of a group that it comes from or goes to, while there is one, else
    /// next to the box that it goes to.
    fn lane(&self, layer: usize, start: usize, end: usize) -> usize {
        if self.from == self.to {
            return start;
        }
        let inside =
            |group: Option<usize>| group.filter(|group| (self.spans[*group].0..=self.spans[*group].1).contains(&layer));
        match (inside(self.from), inside(self.to)) {
            (Some(group), None) | (None, Some(group)) => self.lanes[group],
            _ if start < end => end - end % 2,
            _ => end + end % 2,
        }
    }
}

/// Each layer's items by lane and index.
fn by_index(order: &Order) -> Vec<Vec<usize>> {
    in_layers(order, 0..order.items.len())
}

/// Each layer's items by lane, and then as a walk from the first layer down meets them.
fn depth_first(order: &Order) -> Vec<Vec<usize>> {
    let mut next = vec![Vec::new(); order.items.len()];
    order.links.iter().for_each(|link| next[link.upper.0].push(link.lower.0));
    let mut met = vec![false; order.items.len()];
    let mut walk = Vec::new();
    let mut starts: Vec<usize> = (0..order.items.len()).collect();
    starts.sort_by_key(|item| order.items[*item].layer);
    for start in starts {
        let mut stack = vec![start];
        while let Some(item) = stack.pop() {
            if !std::mem::replace(&mut met[item], true) {
                walk.push(item);
                stack.extend(next[item].iter().rev());
            }
        }
    }
    in_layers(order, walk)
}

fn in_layers(order: &Order, walk: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
    let count = order.items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
    let mut layers = vec![Vec::new(); count];
    walk.into_iter().for_each(|item| layers[order.items[item].layer].push(item));
    layers.iter_mut().for_each(|layer| layer.sort_by_key(|item| order.items[*item].lane));
    layers
}

/// Reduces crossings by sweeps over the layers.
struct Sweeper<'a> {
    order: &'a Order,
    /// The neighbours in the layer above and in the layer below, each with the row here and there.
    near: [Vec<Vec<(usize, usize, usize)>>; 2],
    /// The place of each item in its layer.
    place: Vec<usize>,
}

impl<'a> Sweeper<'a> {
    fn new(order: &'a Order) -> Self {
        let mut near = [vec![Vec::new(); order.items.len()], vec![Vec::new(); order.items.len()]];
        for Link { upper, lower, .. } in &order.links {
            near[0][lower.0].push((upper.0, lower.1, upper.1));
            near[1][upper.0].push((lower.0, upper.1, lower.1));
        }
        Sweeper { order, near, place: vec![0; order.items.len()] }
    }

    fn run(&mut self, mut layers: Vec<Vec<usize>>) -> (usize, Vec<Vec<usize>>) {
        self.settle(&layers);
        let mut best = (self.crossings(&layers), layers.clone());
        let mut idle = 0;
        for sweep in 0..SWEEPS {
            if best.0 == 0 || idle > 5 {
                break;
            }
            let down = sweep % 2 == 0;
            for step in 1..layers.len() {
                let layer = if down { step } else { layers.len() - 1 - step };
                self.sort(&mut layers[layer], usize::from(!down), sweep % 4 > 1);
            }
            self.transpose(&mut layers);
            let crossings = self.crossings(&layers);
            idle += 1;
            if crossings < best.0 {
                best = (crossings, layers.clone());
                idle = 0;
            }
        }
        best
    }

    fn settle(&mut self, layers: &[Vec<usize>]) {
        for layer in layers {
            layer.iter().enumerate().for_each(|(place, item)| self.place[*item] = place);
        }
    }

    /// A position in thousandths, in which the rows of a card follow each other.
    fn port(&self, item: usize, row: usize) -> usize {
        self.place[item] * 1000 + row.min(999)
    }

    /// Sorts a layer by the mean place of each item's neighbours on one side, within lanes.
    fn sort(&mut self, layer: &mut [usize], side: usize, reverse_ties: bool) {
        let keys: Vec<(usize, usize, usize)> = layer
            .iter()
            .enumerate()
            .map(|(place, item)| {
                let near = &self.near[side][*item];
                let sum: usize =
                    near.iter().map(|(other, own_row, row)| self.port(*other, *row).saturating_sub(*own_row)).sum();
                // Without neighbours an item stays where it is.
                let mean = if near.is_empty() { place * 1000 } else { sum / near.len() };
                (self.order.items[*item].lane, mean, if reverse_ties { layer.len() - place } else { place })
            })
            .collect();
        let mut sorted: Vec<usize> = (0..layer.len()).collect();
        sorted.sort_by_key(|at| keys[*at]);
        let items: Vec<usize> = sorted.into_iter().map(|at| layer[at]).collect();
        layer.copy_from_slice(&items);
        items.iter().enumerate().for_each(|(place, item)| self.place[*item] = place);
    }

    /// Exchanges neighbours while that saves crossings.
    fn transpose(&mut self, layers: &mut [Vec<usize>]) {
        for _ in 0..8 {
            let mut better = false;
            for layer in layers.iter_mut() {
                for at in 1..layer.len() {
                    let (left, right) = (layer[at - 1], layer[at]);
                    if self.order.items[left].lane == self.order.items[right].lane
                        && self.between(right, left) < self.between(left, right)
                    {
                        layer.swap(at - 1, at);
                        self.place.swap(left, right);
                        better = true;
                    }
                }
            }
            if !better {
                break;
            }
        }
    }

    /// The crossings of the links of two items of a layer if `left` stands before `right`.
    fn between(&self, left: usize, right: usize) -> usize {
        let of_side = |near: &Vec<Vec<(usize, usize, usize)>>| -> usize {
            let places = |item: usize| near[item].iter().map(|(other, _, row)| self.port(*other, *row));
            places(left).map(|place| places(right).filter(|other| *other < place).count()).sum()
        };
        self.near.iter().map(of_side).sum()
    }

    fn crossings(&self, layers: &[Vec<usize>]) -> usize {
        layers
            .iter()
            .map(|layer| {
                let mut ends: Vec<(usize, usize)> = layer
                    .iter()
                    .flat_map(|item| {
                        self.near[1][*item].iter().map(|link| (self.port(*item, link.1), self.port(link.0, link.2)))
                    })
                    .collect();
                ends.sort_unstable();
                inversions(&ends)
            })
            .sum()
    }
}

/// How many pairs have their second members in the other order than their first ones.
fn inversions(ends: &[(usize, usize)]) -> usize {
    let mut met: Vec<usize> = ends.iter().map(|(_, second)| *second).collect();
    met.sort_unstable();
    met.dedup();
    // A tree of counts, in which each node sums up those before it (Fenwick).
    let mut counts = vec![0usize; met.len() + 1];
    let mut total = 0;
    let mut seen = 0;
    for equal in ends.chunk_by(|a, b| a.0 == b.0) {
        for (_, second) in equal {
            let mut at = met.partition_point(|other| other <= second);
            let mut before = 0;
            while at > 0 {
                before += counts[at];
                at &= at - 1;
            }
            total += seen - before;
        }
        for (_, second) in equal {
            let mut at = met.partition_point(|other| other <= second);
            while at < counts.len() {
                counts[at] += 1;
                at += at & at.wrapping_neg();
            }
            seen += 1;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::inversions;

    #[test]
    fn crossings_are_counted() {
        assert_eq!(inversions(&[(0, 0), (1, 1)]), 0);
        assert_eq!(inversions(&[(0, 1), (1, 0)]), 1);
        assert_eq!(inversions(&[(0, 0), (0, 1), (1, 0), (1, 1)]), 1);
        assert_eq!(inversions(&[(0, 2), (1, 1), (2, 0)]), 3);
    }
}
