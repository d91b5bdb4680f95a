//! Columns of values of one width, and of booleans.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::column::Column;
use crate::field::Field;
use crate::nulls::{Nulls, Validity};
use crate::number;
use crate::strip::Strip;

/// Values that `read` finds in the bytes from a start to an end.
pub(crate) struct Typed<T: ArrowPrimitiveType, R> {
    kind: DataType,
    values: Vec<T::Native>,
    validity: Validity,
    fits: bool,
    read: R,
}

impl<T, R> Typed<T, R>
where
    T: ArrowPrimitiveType,
    R: Fn(&[u8], usize, usize) -> Option<T::Native> + 'static,
{
    pub(crate) fn boxed(kind: &DataType, rows: usize, read: R) -> Box<dyn Column> {
        let values = Vec::with_capacity(rows);
        Box::new(Self { kind: kind.clone(), values, validity: Validity::default(), fits: true, read })
    }
}

impl<T, R> Column for Typed<T, R>
where
    T: ArrowPrimitiveType,
    R: Fn(&[u8], usize, usize) -> Option<T::Native> + 'static,
{
    fn extend(&mut self, data: &[u8], strip: &Strip, index: usize, nulls: &Nulls) {
        if !self.fits {
            return;
        }
        let empty = T::Native::default();
        for some in strip.column(index).chunks(64) {
            let mut valid = 0;
            self.values.extend(some.iter().enumerate().map(|(row, field)| {
                match value(data, *field, nulls, &self.read) {
                    Found::Value(value) => {
                        valid |= 1 << row;
                        value
                    }
                    Found::Null => empty,
                    Found::Other => {
                        self.fits = false;
                        empty
                    }
                }
            }));
            self.validity.push(valid, some.len());
        }
    }

    fn fits(&self) -> bool {
        self.fits
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, ArrowError> {
        let array = PrimitiveArray::<T>::try_new(self.values.into(), self.validity.finish())?;
        Ok(Arc::new(array.with_data_type(self.kind)))
    }
}

/// Booleans, 64 to a word.
pub(crate) struct Bits {
    words: Vec<u64>,
    validity: Validity,
    fits: bool,
}

impl Bits {
    pub(crate) fn new(rows: usize) -> Self {
        Self { words: Vec::with_capacity(rows.div_ceil(64)), validity: Validity::default(), fits: true }
    }
}

impl Column for Bits {
    fn extend(&mut self, data: &[u8], strip: &Strip, index: usize, nulls: &Nulls) {
        for some in strip.column(index).chunks(64) {
            let (mut valid, mut word) = (0, 0);
            for (row, field) in some.iter().enumerate() {
                match value(data, *field, nulls, &|data, start, end| number::boolean(&data[start..end])) {
                    Found::Value(value) => {
                        valid |= 1 << row;
                        word |= u64::from(value) << row;
                    }
                    Found::Null => {}
                    Found::Other => self.fits = false,
                }
            }
            self.words.push(word);
            self.validity.push(valid, some.len());
        }
    }

    fn fits(&self) -> bool {
        self.fits
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, ArrowError> {
        let values = BooleanBuffer::new(Buffer::from_vec(self.words), 0, self.validity.rows());
        Ok(Arc::new(BooleanArray::new(values, self.validity.finish())))
    }
}

/// What a field of a typed column is.
enum Found<V> {
    Value(V),
    Null,
    Other,
}

#[inline(always)]
fn value<V>(data: &[u8], field: Field, nulls: &Nulls, read: &impl Fn(&[u8], usize, usize) -> Option<V>) -> Found<V> {
    // What had to be put together is never plain.
    if field.is_spilled() {
        return Found::Other;
    }
    let (start, end) = (field.start(), field.end());
    if !field.is_quoted() && nulls.has(&data[start..end]) {
        return Found::Null;
    }
    read(data, start, end).map_or(Found::Other, Found::Value)
}
