//! A staged array that is written slab by slab.

use std::io::{Seek, SeekFrom, Write};

use lodestore_codec::npy::{Header, dtype_name, row_major};
use lodestore_types::{DType, Error, ErrorKind, NdArray, Order, Result};

use super::file::StagedFile;
use super::object::{Kind, StagedObject};
use crate::local::failed;

/// An array that grows along its first axis, and becomes the staged object when it is [finished](StagedArray::finish).
pub struct StagedArray {
    file: StagedFile,
    dtype: DType,
    /// The extents but for the first.
    row_shape: Vec<usize>,
    rows: usize,
    header: usize,
}

impl StagedObject {
    /// Begins an array of rows of this shape, for an attribute of `<npy@>`.
    ///
    /// # Errors
    /// As [`StagedObject::create`].
    pub fn create_array(&self, dtype: DType, row_shape: &[usize]) -> Result<StagedArray> {
        self.check_kind(&[Kind::Array], "an array")?;
        let mut file = self.create()?;
        let (header, bytes) = header(&dtype, row_shape, 0)?;
        file.write_all(&bytes).map_err(write_failed)?;
        Ok(StagedArray { file, dtype, row_shape: row_shape.to_vec(), rows: 0, header })
    }
}

impl StagedArray {
    /// The extents of what was written.
    pub fn shape(&self) -> Vec<usize> {
        [&[self.rows], &self.row_shape[..]].concat()
    }

    /// Writes more rows: an array of the same element type, whose extents but for the first are those of a row.
    ///
    /// # Errors
    /// `InvalidValue` for another type or shape; `Storage`.
    pub fn append(&mut self, slab: &NdArray) -> Result<()> {
        let fits = slab.dtype() == &self.dtype && slab.shape().get(1..) == Some(&self.row_shape[..]);
        if !fits {
            let message = format!(
                "a slab of {} and shape {:?} does not continue an array of {} with rows of shape {:?}",
                dtype_name(slab.dtype()),
                slab.shape(),
                dtype_name(&self.dtype),
                self.row_shape
            );
            return Err(Error::new(ErrorKind::InvalidValue, message));
        }
        self.file.write_all(&row_major(slab)).map_err(write_failed)?;
        self.rows += slab.shape()[0];
        Ok(())
    }

    /// Completes the array.
    ///
    /// # Errors
    /// As [`StagedFile::finish`].
    pub fn finish(mut self) -> Result<()> {
        let (length, bytes) = header(&self.dtype, &self.row_shape, self.rows)?;
        if length != self.header {
            return Err(Error::new(ErrorKind::Internal, "the header of a growing array changed its length"));
        }
        self.file.seek(SeekFrom::Start(0)).map_err(write_failed)?;
        self.file.write_all(&bytes).map_err(write_failed)?;
        self.file.finish()
    }
}

/// The header for so many rows, and its length, which is the same for any number of them.
fn header(dtype: &DType, row_shape: &[usize], rows: usize) -> Result<(usize, bytes::Bytes)> {
    let shape = [&[rows], row_shape].concat();
    let (header, bytes) = Header::new(dtype.clone(), shape, Order::C);
    header.data_size()?;
    Ok((header.length, bytes))
}

fn write_failed(cause: std::io::Error) -> Error {
    failed("write", std::path::Path::new("the scratch file of a staged array"), cause)
}
