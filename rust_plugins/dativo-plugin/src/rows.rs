//! What `write` is given: record batches of one schema that stop when the host says so.

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use crate::{Cancel, Error, Result};

/// Rows to be written: record batches of one schema.
pub struct RowStream {
    inner: Box<dyn RecordBatchReader + Send>,
    cancel: Cancel,
}

impl RowStream {
    /// Rows of an Arrow reader, as a test of a plugin may make them.
    pub fn new(reader: impl RecordBatchReader + Send + 'static) -> Self {
        Self { inner: Box::new(reader), cancel: Cancel::default() }
    }

    pub(crate) fn cancelled_by(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Give the schema of all batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}

impl Iterator for RowStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.cancel.check() {
            return Some(Err(error));
        }
        Some(self.inner.next()?.map_err(Error::from))
    }
}

/// Crates that take an Arrow reader can be given the rows as one.
impl From<RowStream> for Box<dyn RecordBatchReader + Send> {
    fn from(rows: RowStream) -> Self {
        Box::new(AsArrow(rows))
    }
}

struct AsArrow(RowStream);

impl Iterator for AsArrow {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map_err(ArrowError::from))
    }
}

impl RecordBatchReader for AsArrow {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}
