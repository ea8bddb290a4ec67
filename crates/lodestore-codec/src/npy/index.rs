//! What is asked of an array: NumPy's indices, resolved against a shape.

use lodestore_types::{Error, ErrorKind, Result};

use super::descr::shape_text;

/// One item of an index, as between the brackets of `array[..]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// One position; negative ones count from the end. The axis goes.
    At(i64),
    /// `start:stop:step`.
    Range {
        /// Where to begin; the end of the axis that the step comes from, if not told.
        start: Option<i64>,
        /// Where to stop, exclusively.
        stop: Option<i64>,
        /// The distance, negative for backwards.
        step: i64,
    },
    /// `...`: all axes that no other item speaks of.
    Ellipsis,
    /// `None`: a new axis of one element.
    NewAxis,
    /// Positions along one axis, in any order and number.
    List(Vec<i64>),
    /// Positions along one axis, arranged in a shape of their own, in row-major order.
    Array {
        /// The shape.
        shape: Vec<usize>,
        /// The positions.
        positions: Vec<i64>,
    },
    /// Where it is true, for as many axes as the mask has; in row-major order.
    Mask {
        /// The shape, which must be that of the axes.
        shape: Vec<usize>,
        /// The truth of each element.
        truth: Vec<bool>,
    },
}

impl Index {
    /// `:`, the whole axis.
    pub const ALL: Index = Index::Range { start: None, stop: None, step: 1 };
}

/// One axis of the result: how many places it has, and where they lie, in elements.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) length: usize,
    pub(super) places: Places,
}

#[derive(Debug, Clone)]
pub(super) enum Places {
    /// One after the other at this distance.
    Step(i64),
    /// Anywhere: the distance of each from the base.
    Table(Vec<i64>),
}

/// An index against a shape: where the result begins, and its axes.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    /// In elements from the start of the array.
    pub(super) base: i64,
    /// In the order of the result. The axes of several lists are one here.
    pub(super) axes: Vec<Axis>,
    /// The shape of the result, with the axes of lists spread out.
    pub(super) shape: Vec<usize>,
    /// True if there is a list among the items.
    pub(super) fancy: bool,
}

impl Selection {
    /// Resolves `items` against an array of `shape` whose neighbours along each axis are `strides` elements apart.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidIndex`], in NumPy's words.
    pub(super) fn resolve(items: &[Index], shape: &[usize], strides: &[i64]) -> Result<Selection> {
        let items = expand(items, shape.len())?;
        let fancy = items.iter().any(|item| matches!(item, Index::List(_) | Index::Array { .. } | Index::Mask { .. }));
        let mut selection = Selection { base: 0, axes: Vec::new(), shape: Vec::new(), fancy };
        let mut lists = Lists::default();
        let mut axis = 0;
        for item in &items {
            let speaks_of = axes_of(item);
            match item {
                Index::NewAxis => selection.push(1, Places::Step(0)),
                Index::Range { start, stop, step } => {
                    let (first, length) = resolve_range(*start, *stop, *step, shape[axis])?;
                    selection.base += first * strides[axis];
                    selection.push(length, Places::Step(step.saturating_mul(strides[axis])));
                }
                Index::At(position) if !fancy => {
                    selection.base += resolve_position(*position, axis, shape[axis])? * strides[axis];
                }
                // Beside a list, a single position is a list of no dimensions.
                Index::At(position) => lists.push(&selection, axis, &[], std::slice::from_ref(position)),
                Index::List(positions) => lists.push(&selection, axis, &[positions.len()], positions),
                Index::Array { shape: own, positions } => lists.push(&selection, axis, own, positions),
                Index::Mask { shape: own, truth } => {
                    check_mask(own, truth, &shape[axis..], axis)?;
                    for (offset, positions) in true_positions(own, truth).into_iter().enumerate() {
                        lists.push(&selection, axis + offset, &[positions.len()], &positions);
                    }
                }
                Index::Ellipsis => {}
            }
            if !matches!(item, Index::At(_) | Index::List(_) | Index::Array { .. } | Index::Mask { .. }) {
                lists.interrupted = !lists.lists.is_empty();
            }
            axis += speaks_of;
        }
        if fancy {
            lists.insert_into(&mut selection, shape, strides)?;
        }
        Ok(selection)
    }

    fn push(&mut self, length: usize, places: Places) {
        self.axes.push(Axis { length, places });
        self.shape.push(length);
    }
}

/// The lists of an index, which are taken together.
#[derive(Default)]
struct Lists {
    /// Axis, own shape, positions.
    lists: Vec<(usize, Vec<usize>, Vec<i64>)>,
    /// Where their common axes stand in the result.
    place: usize,
    /// Something else stood behind a list: the next list will bring the common axes to the front.
    interrupted: bool,
}

impl Lists {
    fn push(&mut self, selection: &Selection, axis: usize, shape: &[usize], positions: &[i64]) {
        if self.lists.is_empty() {
            self.place = selection.axes.len();
        } else if self.interrupted {
            self.place = 0;
        }
        self.lists.push((axis, shape.to_vec(), positions.to_vec()));
    }

    fn insert_into(self, selection: &mut Selection, shape: &[usize], strides: &[i64]) -> Result<()> {
        let common = broadcast(&self.lists)?;
        let count = common.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        let count = count.ok_or_else(|| invalid("the indexing arrays are larger than memory"))?;
        let mut table = vec![0i64; count];
        for (axis, own, positions) in &self.lists {
            let expected: usize = own.iter().product();
            if positions.len() != expected {
                let found = positions.len();
                return Err(invalid(format!("an indexing array of shape {own:?} cannot have {found} elements")));
            }
            if count == 0 && !own.is_empty() {
                // Where nothing is chosen NumPy looks at single positions only.
                continue;
            }
            let resolved = positions
                .iter()
                .map(|position| Ok(resolve_position(*position, *axis, shape[*axis])? * strides[*axis]))
                .collect::<Result<Vec<i64>>>()?;
            for (entry, source) in table.iter_mut().zip(broadcast_positions(own, &common)) {
                *entry += resolved[source];
            }
        }
        let places = match table[..] {
            // One place alone is where the result begins, and no axis has to tell it.
            [only] => {
                selection.base += only;
                Places::Step(0)
            }
            _ => Places::Table(table),
        };
        selection.axes.insert(self.place, Axis { length: count, places });
        selection.shape.splice(self.place..self.place, common);
        Ok(())
    }
}

/// Puts whole axes in the place of the ellipsis, or at the end.
fn expand(items: &[Index], ndim: usize) -> Result<Vec<Index>> {
    let spoken: usize = items.iter().map(axes_of).sum();
    if spoken > ndim {
        return Err(invalid(format!(
            "too many indices for array: array is {ndim}-dimensional, but {spoken} were indexed"
        )));
    }
    let mut ellipses = items.iter().enumerate().filter(|(_, item)| **item == Index::Ellipsis);
    let place = ellipses.next().map_or(items.len(), |(place, _)| place);
    if ellipses.next().is_some() {
        return Err(invalid("an index can only have a single ellipsis ('...')"));
    }
    let mut expanded = items.to_vec();
    // The ellipsis itself stays: it keeps lists apart even where it stands for nothing.
    expanded.splice(place..place, std::iter::repeat_n(Index::ALL, ndim - spoken));
    Ok(expanded)
}

/// How many axes of the array an item speaks of.
fn axes_of(item: &Index) -> usize {
    match item {
        Index::Ellipsis | Index::NewAxis => 0,
        Index::Mask { shape, .. } => shape.len(),
        _ => 1,
    }
}

fn resolve_position(position: i64, axis: usize, size: usize) -> Result<i64> {
    // No array has more elements than an i64 counts.
    let size = size as i64;
    let resolved = if position < 0 { position + size } else { position };
    if (0..size).contains(&resolved) {
        return Ok(resolved);
    }
    Err(invalid(format!("index {position} is out of bounds for axis {axis} with size {size}")))
}

/// The first position and the number of positions of a slice, as Python reckons.
fn resolve_range(start: Option<i64>, stop: Option<i64>, step: i64, size: usize) -> Result<(i64, usize)> {
    if step == 0 {
        return Err(invalid("slice step cannot be zero"));
    }
    let size = size as i64;
    let (lowest, highest) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let bound = |position: i64| {
        let position = if position < 0 { position.saturating_add(size) } else { position };
        position.clamp(lowest, highest)
    };
    let first = start.map_or(if step > 0 { lowest } else { highest }, bound);
    let end = stop.map_or(if step > 0 { highest } else { lowest }, bound);
    let distance = if step > 0 { end - first } else { first - end };
    let length = if distance <= 0 { 0 } else { ((distance - 1) as u64 / step.unsigned_abs() + 1) as usize };
    Ok((if length == 0 { 0 } else { first }, length))
}

fn check_mask(own: &[usize], truth: &[bool], axes: &[usize], first: usize) -> Result<()> {
    if own.is_empty() {
        return Err(
            invalid("a single truth value cannot be an index").with_hint("index with a mask of one axis or more")
        );
    }
    for (offset, (own, size)) in own.iter().zip(axes).enumerate() {
        if own != size {
            return Err(invalid(format!(
                "boolean index did not match indexed array along axis {}; size of axis is {size} \
                 but size of corresponding boolean axis is {own}",
                first + offset
            )));
        }
    }
    if truth.len() != own.iter().product::<usize>() {
        return Err(invalid(format!("a mask of shape {own:?} cannot have {} elements", truth.len())));
    }
    Ok(())
}

/// For each axis of a mask, the positions of what is true.
fn true_positions(shape: &[usize], truth: &[bool]) -> Vec<Vec<i64>> {
    let mut positions = vec![Vec::new(); shape.len()];
    for (index, _) in truth.iter().enumerate().filter(|(_, truth)| **truth) {
        let mut rest = index;
        for axis in (0..shape.len()).rev() {
            positions[axis].push((rest % shape[axis]) as i64);
            rest /= shape[axis];
        }
    }
    positions
}

/// The common shape of all lists.
fn broadcast(lists: &[(usize, Vec<usize>, Vec<i64>)]) -> Result<Vec<usize>> {
    let ndim = lists.iter().map(|(_, shape, _)| shape.len()).max().unwrap_or(0);
    let mut common = vec![1; ndim];
    for (_, shape, _) in lists {
        for (extent, common) in shape.iter().rev().zip(common.iter_mut().rev()) {
            match (*extent, *common) {
                (_, 1) => *common = *extent,
                (1, _) => {}
                (extent, known) if extent == known => {}
                _ => {
                    // As NumPy does, without the single positions and without blanks.
                    let told = lists.iter().filter(|(_, shape, _)| !shape.is_empty());
                    let shapes: Vec<_> = told.map(|(_, shape, _)| shape_text(shape).replace(", ", ",")).collect();
                    return Err(invalid(format!(
                        "shape mismatch: indexing arrays could not be broadcast together with shapes {}",
                        shapes.join(" ")
                    )));
                }
            }
        }
    }
    Ok(common)
}

/// For each element of the common shape in row-major order, the element of `own` that stands for it.
fn broadcast_positions(own: &[usize], common: &[usize]) -> impl Iterator<Item = usize> {
    let mut steps = vec![0usize; common.len()];
    let mut step = 1;
    for (extent, slot) in own.iter().rev().zip(steps.iter_mut().rev()) {
        *slot = if *extent == 1 { 0 } else { step };
        step *= extent;
    }
    let count: usize = common.iter().product();
    let common = common.to_vec();
    (0..count).map(move |index| {
        let mut rest = index;
        let mut position = 0;
        for axis in (0..common.len()).rev() {
            position += rest % common[axis] * steps[axis];
            rest /= common[axis];
        }
        position
    })
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidIndex, message)
}
