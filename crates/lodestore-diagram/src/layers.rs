//! Which nodes are drawn together, and in which layer.

use std::collections::HashSet;

use crate::Diagram;
use crate::simplex::{Bound, solve};

/// Nodes that are drawn as one block, a master with its parts, and the layer of each block.
#[derive(Debug)]
pub(crate) struct Layers {
    /// The nodes of each card, the master first.
    pub(crate) cards: Vec<Vec<usize>>,
    /// The card of each node, and its row there.
    pub(crate) place: Vec<(usize, usize)>,
    /// The layer of each card.
    pub(crate) layer: Vec<usize>,
    /// The number of layers.
    pub(crate) count: usize,
}

impl Layers {
    /// True if the edge is drawn by the parts' being attached to their master.
    pub(crate) fn is_inside(&self, diagram: &Diagram, edge: usize) -> bool {
        let edge = &diagram.edges[edge];
        self.place[edge.parent].0 == self.place[edge.child].0
    }

    /// The group of a card.
    pub(crate) fn group(&self, diagram: &Diagram, card: usize) -> Option<usize> {
        diagram.nodes[self.cards[card][0]].group
    }
}

pub(crate) fn layers(diagram: &Diagram) -> Layers {
    let (cards, place) = cards(diagram);
    let pairs: Vec<(usize, usize)> = diagram
        .edges
        .iter()
        .map(|edge| (place[edge.parent].0, place[edge.child].0))
        .filter(|(parent, child)| parent != child)
        .collect();
    let forward = without_cycles(cards.len(), &pairs);
    let bounds: Vec<Bound> =
        forward.iter().map(|(from, to)| Bound { from: *from, to: *to, length: 1, weight: 1 }).collect();
    let mut layer: Vec<usize> =
        solve(cards.len(), &bounds).into_iter().map(|at| usize::try_from(at).unwrap_or(0)).collect();
    let groups: Vec<Option<usize>> = cards.iter().map(|nodes| diagram.nodes[nodes[0]].group).collect();
    spread(&mut layer, &forward, &groups, &cards);
    let count = layer.iter().max().map_or(0, |last| last + 1);
    Layers { cards, place, layer, count }
}

/// Attaches each part to its master, unless another table comes between them.
fn cards(diagram: &Diagram) -> (Vec<Vec<usize>>, Vec<(usize, usize)>) {
    let count = diagram.nodes.len();
    let mut card: Vec<usize> = (0..count).collect();
    let mut members: Vec<Vec<usize>> = (0..count).map(|node| vec![node]).collect();
    let mut links: Vec<HashSet<(usize, usize)>> = vec![HashSet::new(); count];
    for edge in &diagram.edges {
        links[edge.parent].insert((edge.parent, edge.child));
    }
    for part in 0..count {
        let Some(master) = diagram.nodes[part].master else { continue };
        let (top, own) = (card[master], card[part]);
        let same_group = diagram.nodes[master].group == diagram.nodes[part].group;
        if top == own || !same_group || !links[master].contains(&(master, part)) {
            continue;
        }
        // A part that refers to its siblings is drawn apart, so that the edge between them can be seen.
        let siblings = members[top].iter().any(|node| *node != master && links[*node].contains(&(*node, part)));
        if siblings || is_reached(top, own, &card, &members, &links) || is_reached(own, top, &card, &members, &links) {
            continue;
        }
        let moved = std::mem::take(&mut members[own]);
        moved.iter().for_each(|node| card[*node] = top);
        members[top].extend(moved);
    }
    let mut place = vec![(0, 0); count];
    let cards: Vec<Vec<usize>> = members.into_iter().filter(|nodes| !nodes.is_empty()).collect();
    for (index, nodes) in cards.iter().enumerate() {
        nodes.iter().enumerate().for_each(|(row, node)| place[*node] = (index, row));
    }
    (cards, place)
}

/// True if a path leads from one card to another by way of a third.
fn is_reached(
    from: usize,
    to: usize,
    card: &[usize],
    members: &[Vec<usize>],
    links: &[HashSet<(usize, usize)>],
) -> bool {
    let next = |of: usize| members[of].iter().flat_map(|node| links[*node].iter()).map(|(_, child)| card[*child]);
    let mut waiting: Vec<usize> = next(from).filter(|other| *other != to && *other != from).collect();
    let mut met: HashSet<usize> = waiting.iter().copied().collect();
    while let Some(at) = waiting.pop() {
        for other in next(at) {
            if other == to {
                return true;
            }
            if other != from && met.insert(other) {
                waiting.push(other);
            }
        }
    }
    false
}

/// The pairs, turned round where they would close a cycle.
fn without_cycles(count: usize, pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut next = vec![Vec::new(); count];
    for (index, (from, _)) in pairs.iter().enumerate() {
        next[*from].push(index);
    }
    let mut forward = pairs.to_vec();
    let mut state = vec![State::New; count];
    for start in 0..count {
        if state[start] != State::New {
            continue;
        }
        state[start] = State::Open;
        let mut stack = vec![(start, 0)];
        while let Some((node, at)) = stack.last_mut() {
            let Some(index) = next[*node].get(*at).copied() else {
                state[*node] = State::Done;
                stack.pop();
                continue;
            };
            *at += 1;
            let (from, to) = pairs[index];
            match state[to] {
                State::New => {
                    state[to] = State::Open;
                    stack.push((to, 0));
                }
                State::Open => forward[index] = (to, from),
                State::Done => {}
            }
        }
    }
    forward
}

/// Moves cards that are as well placed in another layer to where there is most room.
fn spread(layer: &mut [usize], forward: &[(usize, usize)], groups: &[Option<usize>], cards: &[Vec<usize>]) {
    let count = layer.iter().max().map_or(0, |last| last + 1);
    let mut used = vec![0; count];
    for (card, at) in layer.iter().enumerate() {
        used[*at] += cards[card].len();
    }
    for card in 0..layer.len() {
        let parents: Vec<usize> = forward.iter().filter(|(_, to)| *to == card).map(|(from, _)| layer[*from]).collect();
        let children: Vec<usize> = forward.iter().filter(|(from, _)| *from == card).map(|(_, to)| layer[*to]).collect();
        if parents.len() != children.len() {
            continue;
        }
        let (first, last) = match (parents.iter().max(), children.iter().min()) {
            (Some(parent), Some(child)) => (parent + 1, child - 1),
            // Unconnected: anywhere among its group.
            _ => {
                let others = (0..layer.len()).filter(|other| *other != card && groups[*other] == groups[card]);
                let others: Vec<usize> = others.map(|other| layer[other]).collect();
                let least = others.iter().min().copied().unwrap_or(0);
                (least, others.iter().max().copied().unwrap_or(least))
            }
        };
        let size = cards[card].len();
        used[layer[card]] -= size;
        // At equal room the present layer, and then the first one, is kept.
        let best = (first..=last).min_by_key(|at| (used[*at], *at != layer[card], *at)).unwrap_or(layer[card]);
        layer[card] = best;
        used[best] += size;
    }
}
