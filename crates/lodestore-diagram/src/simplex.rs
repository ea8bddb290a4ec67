//! Network simplex: integers that satisfy lower bounds on differences and minimize their weighted sum.
//!
//! It is used twice: for the layers of nodes, and for their positions within a layer.

/// `position[to] - position[from] >= length`, and each unit of the difference costs `weight`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) length: i64,
    pub(crate) weight: i64,
}

/// Solves for `count` positions, the smallest of which is 0. The bounds must not form a cycle.
pub(crate) fn solve(count: usize, bounds: &[Bound]) -> Vec<i64> {
    if count == 0 {
        return Vec::new();
    }
    // A root below all others makes the graph connected.
    let mut bounds = bounds.to_vec();
    let position = longest_paths(count, &bounds);
    let lowest = position.iter().copied().min().unwrap_or(0);
    bounds.extend((0..count).map(|to| Bound { from: count, to, length: 0, weight: 0 }));
    let mut position: Vec<i64> = position.iter().map(|at| at - lowest).collect();
    position.push(0);
    let mut simplex = Simplex::new(bounds, position);
    // Degenerate exchanges could repeat for ever; any state is a valid solution.
    let limit = 20 * (count + 50);
    for _ in 0..limit {
        if !simplex.exchange() {
            break;
        }
    }
    simplex.position.truncate(count);
    let lowest = simplex.position.iter().copied().min().unwrap_or(0);
    simplex.position.iter().map(|at| at - lowest).collect()
}

/// The least positions that satisfy the bounds, starting from 0 or from what a negative length permits.
fn longest_paths(count: usize, bounds: &[Bound]) -> Vec<i64> {
    let mut next = vec![Vec::new(); count];
    let mut missing = vec![0usize; count];
    for bound in bounds {
        next[bound.from].push(bound);
        missing[bound.to] += 1;
    }
    let mut position: Vec<Option<i64>> = vec![None; count];
    let mut ready: Vec<usize> = (0..count).rev().filter(|item| missing[*item] == 0).collect();
    while let Some(item) = ready.pop() {
        let at = *position[item].get_or_insert(0);
        for bound in &next[item] {
            let least = at + bound.length;
            position[bound.to] = Some(position[bound.to].map_or(least, |known| known.max(least)));
            missing[bound.to] -= 1;
            if missing[bound.to] == 0 {
                ready.push(bound.to);
            }
        }
    }
    position.into_iter().map(|at| at.unwrap_or(0)).collect()
}

struct Simplex {
    bounds: Vec<Bound>,
    position: Vec<i64>,
    /// The bounds at each node.
    at: Vec<Vec<usize>>,
    /// Those that belong to the spanning tree, all of which are tight.
    tree: Vec<Vec<usize>>,
    /// The bound to the parent in the tree; none for the root.
    up: Vec<Option<usize>>,
    /// Numbers in postorder: a subtree has the numbers from `first` to `last` of its root.
    first: Vec<usize>,
    last: Vec<usize>,
    /// The nodes in postorder.
    numbered: Vec<usize>,
    /// What comes in minus what goes out of each subtree.
    inflow: Vec<i64>,
    /// The same for each node alone.
    own_inflow: Vec<i64>,
}

impl Simplex {
    fn new(bounds: Vec<Bound>, position: Vec<i64>) -> Self {
        let count = position.len();
        let mut own_inflow = vec![0; count];
        let mut at = vec![Vec::new(); count];
        for (index, bound) in bounds.iter().enumerate() {
            at[bound.from].push(index);
            at[bound.to].push(index);
            own_inflow[bound.to] += bound.weight;
            own_inflow[bound.from] -= bound.weight;
        }
        let mut simplex = Simplex {
            bounds,
            position,
            at,
            numbered: Vec::new(),
            tree: vec![Vec::new(); count],
            up: vec![None; count],
            first: vec![0; count],
            last: vec![0; count],
            inflow: vec![0; count],
            own_inflow,
        };
        simplex.span();
        simplex.number();
        simplex
    }

    fn slack(&self, bound: &Bound) -> i64 {
        self.position[bound.to] - self.position[bound.from] - bound.length
    }

    /// Makes a spanning tree of tight bounds, moving nodes where there is none.
    fn span(&mut self) {
        let count = self.position.len();
        let mut inside = vec![false; count];
        let mut members = vec![count - 1];
        inside[count - 1] = true;
        let mut seen = 0;
        loop {
            while let Some(node) = members.get(seen).copied() {
                seen += 1;
                for index in &self.at[node] {
                    let bound = self.bounds[*index];
                    let other = if bound.from == node { bound.to } else { bound.from };
                    if !inside[other] && self.slack(&bound) == 0 {
                        inside[other] = true;
                        members.push(other);
                        self.tree[node].push(*index);
                        self.tree[other].push(*index);
                    }
                }
            }
            if members.len() == count {
                return;
            }
            let leaving = self.bounds.iter().filter(|bound| inside[bound.from] != inside[bound.to]);
            let Some(nearest) = leaving.min_by_key(|bound| self.slack(bound)).copied() else { return };
            let slack = self.slack(&nearest);
            let shift = if inside[nearest.from] { slack } else { -slack };
            members.iter().for_each(|node| self.position[*node] += shift);
            // Bounds between members stay tight; those to others may have become so.
            seen = 0;
        }
    }

    /// Numbers the tree in postorder, and sums up what flows into each subtree.
    fn number(&mut self) {
        let root = self.position.len() - 1;
        self.up[root] = None;
        self.numbered.clear();
        let mut stack = vec![(root, 0usize)];
        self.first[root] = 0;
        self.inflow[root] = self.own_inflow[root];
        while let Some((node, next)) = stack.last_mut() {
            let node = *node;
            if let Some(index) = self.tree[node].get(*next).copied() {
                *next += 1;
                if self.up[node] == Some(index) {
                    continue;
                }
                let bound = self.bounds[index];
                let child = if bound.from == node { bound.to } else { bound.from };
                self.up[child] = Some(index);
                self.first[child] = self.numbered.len();
                self.inflow[child] = self.own_inflow[child];
                stack.push((child, 0));
                continue;
            }
            self.last[node] = self.numbered.len();
            self.numbered.push(node);
            stack.pop();
            if let Some((parent, _)) = stack.last() {
                self.inflow[*parent] += self.inflow[node];
            }
        }
    }

    fn is_below(&self, node: usize, top: usize) -> bool {
        self.first[top] <= self.last[node] && self.last[node] <= self.last[top]
    }

    /// Exchanges the tree's worst bound for a better one; false if there is none.
    fn exchange(&mut self) -> bool {
        let mut worst: Option<(i64, usize, usize)> = None;
        for (node, up) in self.up.iter().enumerate() {
            let Some(index) = up else { continue };
            // The weight of the bounds that point as this one does, minus that of the others across the cut.
            let cut = if self.bounds[*index].to == node { self.inflow[node] } else { -self.inflow[node] };
            if cut < 0 && worst.is_none_or(|(least, ..)| cut < least) {
                worst = Some((cut, node, *index));
            }
        }
        let Some((_, below, leaving)) = worst else { return false };
        let head_is_below = self.bounds[leaving].to == below;
        let inside = &self.numbered[self.first[below]..=self.last[below]];
        let crosses = |index: &usize| {
            let (from, to) =
                (self.is_below(self.bounds[*index].from, below), self.is_below(self.bounds[*index].to, below));
            from != to && from == head_is_below
        };
        // Every bound across the cut has one end in the subtree.
        let entering = inside.iter().flat_map(|node| self.at[*node].iter()).copied().filter(crosses);
        let Some(entering) = entering.min_by_key(|index| (self.slack(&self.bounds[*index]), *index)) else {
            return false;
        };
        let slack = self.slack(&self.bounds[entering]);
        let shift = if head_is_below { slack } else { -slack };
        inside.iter().for_each(|node| self.position[*node] += shift);
        for (index, is_in) in [(leaving, false), (entering, true)] {
            let Bound { from, to, .. } = self.bounds[index];
            for node in [from, to] {
                match is_in {
                    true => self.tree[node].push(index),
                    false => self.tree[node].retain(|other| *other != index),
                }
            }
        }
        self.number();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(from: usize, to: usize, length: i64, weight: i64) -> Bound {
        Bound { from, to, length, weight }
    }

    #[test]
    fn bounds_hold_and_the_cost_is_least() {
        // A source of one child is drawn next to it.
        let bounds = [bound(0, 1, 1, 1), bound(1, 2, 1, 1), bound(3, 2, 1, 1)];
        assert_eq!(solve(4, &bounds), [0, 1, 2, 1]);
        // The heavy side decides.
        let bounds = [bound(0, 1, 1, 1), bound(1, 2, 1, 5), bound(0, 2, 4, 1)];
        assert_eq!(solve(3, &bounds), [0, 3, 4]);
        assert_eq!(solve(2, &[]), [0, 0]);
        assert_eq!(solve(2, &[bound(0, 1, -3, 1)])[1] + 3, solve(2, &[bound(0, 1, -3, 1)])[0]);
    }

    proptest::proptest! {
        #[test]
        fn no_single_move_is_cheaper(pairs in proptest::collection::vec((0usize..12, 0usize..12, 0i64..5, 0i64..4), 1..40)) {
            let bounds: Vec<Bound> =
                pairs.into_iter().filter(|(a, b, ..)| a != b).map(|(a, b, length, weight)| bound(a.min(b), a.max(b), length, weight)).collect();
            let position = solve(12, &bounds);
            let cost = |at: &[i64]| bounds.iter().map(|b| b.weight * (at[b.to] - at[b.from])).sum::<i64>();
            let holds = |at: &[i64]| bounds.iter().all(|b| at[b.to] - at[b.from] >= b.length);
            proptest::prop_assert!(holds(&position));
            for node in 0..12 {
                for step in [-1, 1] {
                    let mut moved = position.clone();
                    moved[node] += step;
                    proptest::prop_assert!(!holds(&moved) || cost(&moved) >= cost(&position));
                }
            }
        }
    }
}
