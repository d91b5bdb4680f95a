//! Columns of text: offsets and bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;

use crate::column::Column;
use crate::field::Field;
use crate::nulls::{Nulls, Validity};
use crate::strip::{PADDING, Strip};

/// How much is copied at once: a copy of one size is quicker than one of just the right size.
const SHORT: usize = 32;
const _: () = assert!(SHORT <= PADDING);

pub(crate) struct Text {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    validity: Validity,
}

impl Text {
    /// Room for about so many rows and bytes.
    pub(crate) fn new(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { offsets, bytes: Vec::with_capacity(bytes + SHORT), validity: Validity::default() }
    }

    #[inline(always)]
    fn push(&mut self, data: &[u8], field: Field) {
        let (start, size) = (field.start(), field.len());
        if size <= SHORT {
            let end = self.bytes.len() + size;
            self.bytes.extend_from_slice(&data[start..start + SHORT]);
            self.bytes.truncate(end);
        } else {
            self.bytes.extend_from_slice(&data[start..start + size]);
        }
    }
}

impl Column for Text {
    fn extend(&mut self, data: &[u8], strip: &Strip, index: usize, nulls: &Nulls) {
        for some in strip.column(index).chunks(64) {
            let mut valid = 0;
            for (row, &field) in some.iter().enumerate() {
                if field.is_spilled() {
                    let text = &strip.spill[field.start()..field.end()];
                    if field.is_quoted() || !nulls.has(text) {
                        valid |= 1 << row;
                        self.bytes.extend_from_slice(text);
                    }
                } else if field.is_quoted() || !nulls.has(&data[field.start()..field.end()]) {
                    valid |= 1 << row;
                    self.push(data, field);
                }
                // A block is far shorter than what an offset holds.
                self.offsets.push(self.bytes.len() as i32);
            }
            self.validity.push(valid, some.len());
        }
    }

    fn fits(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef, ArrowError> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(self.bytes), self.validity.finish())?))
    }
}
