//! Reading parts of an array: which bytes of the file to get, and how to put them together.
//!
//! [`plan`] turns an index into byte ranges, few and each worth a request; whoever knows the store
//! gets them; [`Plan::gather`] makes the array that NumPy would have given.
//!
//! ```
//! use lodestore_codec::npy::{Header, Index, PlanOptions, plan};
//! use lodestore_types::NdArray;
//!
//! let array = NdArray::from_f64(&[0.0, 1.0, 2.0, 3.0]);
//! let (header, head) = Header::of(&array);
//! let file = [&head[..], array.data()].concat();
//!
//! let middle = Index::Range { start: Some(1), stop: Some(3), step: 1 };
//! let plan = plan(&header, &[middle], PlanOptions::default())?;
//! let parts: Vec<_> = plan.ranges().iter()
//!     .map(|range| bytes::Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]))
//!     .collect();
//! assert_eq!(plan.gather(&parts)?.to_f64(), Some(vec![1.0, 2.0]));
//! # Ok::<(), lodestore_types::Error>(())
//! ```

use std::ops::Range;

use bytes::Bytes;
use lodestore_types::{DType, Error, ErrorKind, NdArray, Order, Result};

use super::header::Header;
use super::index::{Axis, Index, Places, Selection, invalid};

/// As many places are looked at one by one; a damaged header could announce any number.
const MOST_RUNS: usize = 1 << 20;

/// How [`plan`] weighs requests against bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanOptions {
    /// Bytes that are rather read than skipped by a further request.
    pub largest_gap: u64,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions { largest_gap: 64 * 1024 }
    }
}

/// Which parts of a file an index needs, and what they become.
#[derive(Debug, Clone)]
pub struct Plan {
    dtype: DType,
    ranges: Vec<Range<u64>>,
    shape: Vec<usize>,
    /// The first element, in bytes from the start of the file.
    base: i64,
    /// Outermost first in the order of the result's bytes; distances in bytes.
    axes: Vec<Axis>,
    order: Order,
}

/// Finds the bytes of `header`'s array that `index` speaks of. Axes without an item are taken whole.
///
/// # Errors
/// [`ErrorKind::InvalidIndex`] if the index does not fit the array, in NumPy's words, or picks
/// from a million places apart;
/// [`ErrorKind::Corrupt`] if the array is larger than memory.
pub fn plan(header: &Header, index: &[Index], options: PlanOptions) -> Result<Plan> {
    header.data_size()?;
    let selection = Selection::resolve(index, &header.shape, &strides(&header.shape, header.order))?;
    let itemsize = header.dtype.itemsize() as i64;
    let in_bytes = |axis: Axis| Axis {
        length: axis.length,
        places: match axis.places {
            Places::Step(step) => Places::Step(step.saturating_mul(itemsize)),
            Places::Table(table) => Places::Table(table.into_iter().map(|place| place * itemsize).collect()),
        },
    };
    let base = header.length as i64 + selection.base * itemsize;
    let count = selection.axes.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.length));
    let size = count.and_then(|count| count.checked_mul(header.dtype.itemsize()));
    if size.is_none_or(|size| size > isize::MAX as usize) {
        return Err(invalid(format!("a result of shape {:?} is larger than memory", selection.shape)));
    }
    let mut axes: Vec<Axis> = selection.axes.into_iter().map(in_bytes).collect();
    let ranges = if size == Some(0) { Vec::new() } else { ranges(base, &axes, itemsize, options.largest_gap)? };
    // A column-major array gives column-major parts, unless lists mix its axes.
    let order = if selection.fancy { Order::C } else { header.order };
    if order == Order::Fortran {
        axes.reverse();
    }
    Ok(Plan { dtype: header.dtype.clone(), ranges, shape: selection.shape, base, axes, order })
}

impl Plan {
    /// The parts of the file to read, in ascending order and apart from each other.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// The shape of the result.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The bytes to read.
    pub fn bytes_to_read(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// Puts the result together from the parts that were read, one for each of the [ranges](Plan::ranges).
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if a part is not as long as its range.
    pub fn gather(&self, parts: &[Bytes]) -> Result<NdArray> {
        let sound = parts.len() == self.ranges.len()
            && self.ranges.iter().zip(parts).all(|(range, part)| part.len() as u64 == range.end - range.start);
        if !sound {
            let (asked, found) = (self.bytes_to_read(), parts.iter().map(Bytes::len).sum::<usize>());
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "{asked} bytes were to be read in {} parts, {found} came in {}",
                    self.ranges.len(),
                    parts.len()
                ),
            ));
        }
        let itemsize = self.dtype.itemsize();
        let size = self.shape.iter().product::<usize>() * itemsize;
        if size == 0 {
            return NdArray::new(self.dtype.clone(), self.shape.clone(), self.order, Bytes::new());
        }
        let (block, outer) = self.contiguous_block(itemsize);
        let data = if block == size {
            let part = self.part_at(self.base, 0);
            let start = (self.base - self.ranges[part].start as i64) as usize;
            parts[part].slice(start..start + size)
        } else {
            let mut data = Vec::with_capacity(size);
            self.copy_blocks(parts, block, outer, &mut data);
            data.into()
        };
        NdArray::new(self.dtype.clone(), self.shape.clone(), self.order, data)
    }

    /// The bytes that lie together both in the file and in the result, and the axes around them.
    fn contiguous_block(&self, itemsize: usize) -> (usize, &[Axis]) {
        let mut block = itemsize;
        let mut outer = &self.axes[..];
        while let Some((axis, rest)) = outer.split_last() {
            let together = matches!(axis.places, Places::Step(step) if step == block as i64);
            if axis.length != 1 && !together {
                break;
            }
            block *= axis.length;
            outer = rest;
        }
        (block, outer)
    }

    fn copy_blocks(&self, parts: &[Bytes], block: usize, outer: &[Axis], data: &mut Vec<u8>) {
        let Some((row, around)) = outer.split_last() else { return };
        let mut part = 0;
        each_place(around, |offset| {
            let start = self.base + offset;
            if let Places::Step(step) = row.places {
                let last = start + step * (row.length as i64 - 1);
                part = self.part_at(start.min(last), part);
                let range = &self.ranges[part];
                if start.max(last) < range.end as i64 {
                    let bytes = &parts[part][..];
                    copy_row(bytes, (start - range.start as i64) as usize, step, row.length, block, data);
                    return;
                }
            }
            for place in 0..row.length {
                let at = start + row.place(place);
                part = self.part_at(at, part);
                let from = (at - self.ranges[part].start as i64) as usize;
                data.extend_from_slice(&parts[part][from..from + block]);
            }
        });
    }

    /// The part that holds the byte at `at`; probably the one that was used last.
    fn part_at(&self, at: i64, last: usize) -> usize {
        let at = at as u64;
        match self.ranges[last].contains(&at) {
            true => last,
            false => self.ranges.partition_point(|range| range.end <= at),
        }
    }
}

impl Axis {
    fn place(&self, index: usize) -> i64 {
        match &self.places {
            Places::Step(step) => step * index as i64,
            Places::Table(table) => table[index],
        }
    }
}

/// Copies `count` blocks that lie `step` bytes apart.
fn copy_row(bytes: &[u8], start: usize, step: i64, count: usize, block: usize, data: &mut Vec<u8>) {
    fn copy<const N: usize>(bytes: &[u8], start: usize, step: i64, count: usize, data: &mut Vec<u8>) {
        let mut at = start as i64;
        for _ in 0..count {
            if let Some(element) = bytes[at as usize..].first_chunk::<N>() {
                data.extend_from_slice(element);
            }
            at += step;
        }
    }
    match block {
        1 => copy::<1>(bytes, start, step, count, data),
        2 => copy::<2>(bytes, start, step, count, data),
        4 => copy::<4>(bytes, start, step, count, data),
        8 => copy::<8>(bytes, start, step, count, data),
        _ => {
            for index in 0..count as i64 {
                let at = (start as i64 + index * step) as usize;
                data.extend_from_slice(&bytes[at..at + block]);
            }
        }
    }
}

/// Calls `visit` with the distance of every combination of places, the last axis fastest.
fn each_place(axes: &[Axis], mut visit: impl FnMut(i64)) {
    let mut index = vec![0usize; axes.len()];
    loop {
        visit(axes.iter().zip(&index).map(|(axis, index)| axis.place(*index)).sum());
        let mut axis = axes.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < axes[axis].length {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// The parts of the file that hold all places; there is at least one place.
fn ranges(base: i64, axes: &[Axis], itemsize: i64, largest_gap: u64) -> Result<Vec<Range<u64>>> {
    // Backwards or forwards, the same bytes: begin at the lowest and go up.
    let mut lowest = base;
    let mut steps: Vec<(i64, usize)> = Vec::new();
    let mut scattered: Vec<Axis> = Vec::new();
    for axis in axes.iter().filter(|axis| axis.length != 1) {
        match &axis.places {
            Places::Step(step) => {
                lowest += (step * (axis.length as i64 - 1)).min(0);
                steps.push((step.abs(), axis.length));
            }
            Places::Table(table) => {
                let mut table = table.clone();
                table.sort_unstable();
                table.dedup();
                scattered.push(Axis { length: table.len(), places: Places::Table(table) });
            }
        }
    }
    steps.sort_unstable();
    // What lies together, or nearly so, is one run; runs are few where gaps are large.
    let mut run = itemsize;
    let mut steps = steps.into_iter().peekable();
    while let Some((step, length)) = steps.next_if(|(step, _)| *step <= run.saturating_add_unsigned(largest_gap)) {
        run += step * (length as i64 - 1);
    }
    scattered.extend(steps.map(|(step, length)| Axis { length, places: Places::Step(step) }));
    let runs = scattered.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.length));
    if runs.is_none_or(|runs| runs > MOST_RUNS) {
        return Err(invalid(format!("the index picks from more than {MOST_RUNS} places that lie far apart"))
            .with_hint("read it in several steps, or load the whole array"));
    }
    let mut starts = Vec::new();
    each_place(&scattered, |offset| starts.push(lowest + offset));
    starts.sort_unstable();
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for start in starts {
        let range = start as u64..(start + run) as u64;
        match ranges.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(largest_gap) => last.end = last.end.max(range.end),
            _ => ranges.push(range),
        }
    }
    Ok(ranges)
}

/// How far neighbours along each axis lie apart, in elements.
fn strides(shape: &[usize], order: Order) -> Vec<i64> {
    let mut strides = vec![0; shape.len()];
    let mut distance = 1i64;
    let mut set = |axis: usize| {
        strides[axis] = distance;
        distance = distance.saturating_mul(shape[axis] as i64);
    };
    match order {
        Order::C => (0..shape.len()).rev().for_each(&mut set),
        Order::Fortran => (0..shape.len()).for_each(&mut set),
    }
    strides
}
