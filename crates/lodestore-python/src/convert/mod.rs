//! Values across the border: Python objects to [`Value`](lodestore::Value)s and back.
//!
//! NumPy is touched only when it is loaded already, or when an array has to be made.

mod cell;
mod column;
mod from_python;
mod numpy;
mod span;
mod to_python;

pub(crate) use cell::CellReader;
pub(crate) use column::Cells;
pub(crate) use from_python::{from_python, json_from_python};
pub(crate) use numpy::{FreshArray, array_to_python, dtype_to_python, parse_dtype as dtype_from_python};
pub(crate) use span::{span_from_python, span_to_python};
pub(crate) use to_python::{json_to_python, to_python};
