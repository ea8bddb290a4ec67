//! Turning arrays between row-major and column-major order, and their bytes round.

/// True if elements of this shape follow each other the same way in both orders.
pub(crate) fn orders_agree(shape: &[usize]) -> bool {
    shape.contains(&0) || shape.iter().filter(|extent| **extent != 1).count() <= 1
}

/// Appends the elements of a row-major array to `out` in column-major order.
///
/// `data` must hold exactly the elements of `shape`. The other way round is the same turn with
/// the reversed shape.
pub(crate) fn reverse_axes(data: &[u8], shape: &[usize], itemsize: usize, out: &mut Vec<u8>) {
    if orders_agree(shape) {
        out.extend_from_slice(data);
        return;
    }
    let start = out.len();
    out.resize(start + data.len(), 0);
    let target = &mut out[start..];
    let axes = Axes::new(shape);
    match itemsize {
        1 => axes.turn::<1>(data, target),
        2 => axes.turn::<2>(data, target),
        4 => axes.turn::<4>(data, target),
        8 => axes.turn::<8>(data, target),
        16 => axes.turn::<16>(data, target),
        _ => axes.turn_any(data, target, itemsize),
    }
}

/// The axes longer than one, with the distance of neighbours along each in both orders.
struct Axes {
    /// Extent, row-major distance, column-major distance; in elements.
    axes: Vec<(usize, usize, usize)>,
}

/// Elements on a side of the square that is turned at once: it stays in the nearest cache.
const TILE: usize = 32;

impl Axes {
    fn new(shape: &[usize]) -> Axes {
        let mut axes: Vec<_> = shape.iter().filter(|extent| **extent != 1).map(|extent| (*extent, 0, 0)).collect();
        let mut distance = 1;
        for axis in axes.iter_mut().rev() {
            axis.1 = distance;
            distance *= axis.0;
        }
        let mut distance = 1;
        for axis in &mut axes {
            axis.2 = distance;
            distance *= axis.0;
        }
        Axes { axes }
    }

    /// Calls `plane(source, target)` with the start of every plane of the first and last axis.
    fn each_plane(&self, mut plane: impl FnMut(usize, usize)) {
        let middle = &self.axes[1..self.axes.len() - 1];
        let mut index = vec![0; middle.len()];
        let (mut source, mut target) = (0, 0);
        loop {
            plane(source, target);
            // Count up, the first of the middle axes fastest: it is the nearest in the target.
            let mut axis = 0;
            loop {
                let Some(&(extent, near, far)) = middle.get(axis) else { return };
                index[axis] += 1;
                source += near;
                target += far;
                if index[axis] < extent {
                    break;
                }
                source -= near * extent;
                target -= far * extent;
                index[axis] = 0;
                axis += 1;
            }
        }
    }

    fn turn<const N: usize>(&self, data: &[u8], out: &mut [u8]) {
        let (source, _) = data.as_chunks::<N>();
        let (target, _) = out.as_chunks_mut::<N>();
        let ((rows, row_step, _), (columns, _, column_step)) = (self.axes[0], self.axes[self.axes.len() - 1]);
        self.each_plane(|from, to| {
            for row in (0..rows).step_by(TILE) {
                let height = TILE.min(rows - row);
                for column in (0..columns).step_by(TILE) {
                    for column in column..columns.min(column + TILE) {
                        let target = &mut target[to + column * column_step + row..][..height];
                        let source = &source[from + row * row_step + column..];
                        for (target, source) in target.iter_mut().zip(source.iter().step_by(row_step)) {
                            *target = *source;
                        }
                    }
                }
            }
        });
    }

    fn turn_any(&self, data: &[u8], out: &mut [u8], itemsize: usize) {
        let ((rows, row_step, _), (columns, _, column_step)) = (self.axes[0], self.axes[self.axes.len() - 1]);
        self.each_plane(|from, to| {
            for row in 0..rows {
                for column in 0..columns {
                    let source = (from + row * row_step + column) * itemsize;
                    let target = (to + column * column_step + row) * itemsize;
                    out[target..target + itemsize].copy_from_slice(&data[source..source + itemsize]);
                }
            }
        });
    }
}

/// Turns the bytes of every `size`-byte number round.
pub(crate) fn swap_bytes(data: &mut [u8], size: usize) {
    match size {
        2 => data.as_chunks_mut::<2>().0.iter_mut().for_each(|number| number.reverse()),
        4 => data.as_chunks_mut::<4>().0.iter_mut().for_each(|number| number.reverse()),
        8 => data.as_chunks_mut::<8>().0.iter_mut().for_each(|number| number.reverse()),
        0 | 1 => {}
        _ => data.chunks_exact_mut(size).for_each(<[u8]>::reverse),
    }
}

/// For each element in row-major order, its place in column-major order.
pub(crate) fn fortran_places(shape: &[usize]) -> impl Iterator<Item = usize> + use<> {
    let steps: Vec<usize> = shape
        .iter()
        .scan(1usize, |step, extent| {
            let this = *step;
            *step = step.saturating_mul(*extent);
            Some(this)
        })
        .collect();
    let shape = shape.to_vec();
    let total = if shape.contains(&0) { 0 } else { shape.iter().product() };
    let mut index = vec![0usize; shape.len()];
    let mut place = 0usize;
    (0..total).map(move |_| {
        let this = place;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += steps[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= steps[axis] * shape[axis];
            index[axis] = 0;
        }
        this
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn turning_agrees_with_the_places(
            shape in prop::collection::vec(1usize..5, 0..5), stretch in 1usize..70, itemsize in 1usize..18
        ) {
            let mut shape = shape;
            if let Some(last) = shape.last_mut() {
                *last *= stretch;
            }
            let count: usize = shape.iter().product();
            let data: Vec<u8> = (0..count * itemsize).map(|i| (i * 31 % 251) as u8).collect();
            let mut turned = vec![9];
            reverse_axes(&data, &shape, itemsize, &mut turned);
            for (row_major, column_major) in fortran_places(&shape).enumerate() {
                let source = &data[row_major * itemsize..][..itemsize];
                prop_assert_eq!(source, &turned[1 + column_major * itemsize..][..itemsize]);
            }
            let reversed: Vec<usize> = shape.iter().rev().copied().collect();
            let mut back = Vec::new();
            reverse_axes(&turned[1..], &reversed, itemsize, &mut back);
            prop_assert_eq!(back, data);
        }
    }

    #[test]
    fn bytes_turn_round() {
        for size in [1, 2, 4, 8, 16] {
            let mut data: Vec<u8> = (0..32).collect();
            swap_bytes(&mut data, size);
            assert_eq!(data[0], size as u8 - 1);
            swap_bytes(&mut data, size);
            assert_eq!(data, (0..32).collect::<Vec<u8>>());
        }
    }
}
