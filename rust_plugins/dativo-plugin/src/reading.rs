//! What `read` gives: record batches, each with its own schema.

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;

use crate::{Error, Result};

type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Record batches in the order of the source, made while the host asks for them.
///
/// The schema may change from batch to batch: a block that does not fit the promised types may come as text, and the
/// host's validation decides value by value.
pub struct Reading {
    /// What the first stream says even when no batch comes.
    pub(crate) schema: Option<SchemaRef>,
    pub(crate) batches: Batches,
}

impl Reading {
    /// A reading of anything that gives batches.
    pub fn new<I, E>(batches: I) -> Self
    where
        I: IntoIterator<Item = std::result::Result<RecordBatch, E>>,
        I::IntoIter: Send + 'static,
        E: Into<Error>,
    {
        Self { schema: None, batches: Box::new(batches.into_iter().map(|batch| batch.map_err(Into::into))) }
    }

    /// A reading that has this schema even when no batch comes.
    #[must_use]
    pub fn with_schema(mut self, schema: SchemaRef) -> Self {
        self.schema = Some(schema);
        self
    }

    /// A reading of an Arrow reader.
    pub fn from_reader(reader: impl RecordBatchReader + Send + 'static) -> Self {
        let schema = reader.schema();
        Self::new(reader).with_schema(schema)
    }
}

impl From<Vec<RecordBatch>> for Reading {
    fn from(batches: Vec<RecordBatch>) -> Self {
        Self::new(batches.into_iter().map(Ok::<_, Error>))
    }
}

/// For tests of a plugin: the batches, as the host would get them.
impl Iterator for Reading {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}
