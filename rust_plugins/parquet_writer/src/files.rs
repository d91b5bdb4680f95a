//! Row groups become files: one after the other, closed at a size, none left behind when the whole fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use dativo_plugin::serde_json::{Map, Value, json};
use dativo_plugin::{DataFile, Result, WriteRequest};
use dativo_storage::Store;
use parquet::arrow::add_encoded_arrow_schema_to_metadata;
use parquet::basic::Type;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;

use crate::failure::unwritable;
use crate::floats;
use crate::footer::Output;
use crate::groups::RowGroup;
use crate::schema::Stored;

/// The files of one `write`. Dropped before [`finish`](Self::finish), it removes them.
pub(crate) struct Files<'a> {
    store: &'a Store,
    stored: &'a Stored,
    stem: String,
    file_size_bytes: u64,
    properties: WriterPropertiesPtr,
    open: Option<Open>,
    finished: Vec<DataFile>,
}

struct Open {
    uri: String,
    writer: SerializedFileWriter<Output>,
}

impl<'a> Files<'a> {
    /// Begin without any file; one is made for the first row group.
    pub(crate) fn new(store: &'a Store, stored: &'a Stored, request: &WriteRequest, file_size_bytes: u64) -> Self {
        let stem = format!("{}{}", request.base, request.name);
        let mut properties = WriterProperties::new();
        add_encoded_arrow_schema_to_metadata(&stored.arrow, &mut properties);
        let (properties, finished) = (Arc::new(properties), Vec::new());
        Self { store, stored, stem, file_size_bytes, properties, open: None, finished }
    }

    /// Write a row group to the open file, and close the file once it is large enough.
    pub(crate) fn append(&mut self, group: RowGroup) -> Result<()> {
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.begin()?,
        };
        let mut writer = file.writer.next_row_group().map_err(unwritable)?;
        for mut chunk in group {
            floats::bound(&mut chunk).map_err(unwritable)?;
            chunk.append_to_row_group(&mut writer).map_err(unwritable)?;
        }
        writer.close().map_err(unwritable)?;
        let full = file.writer.bytes_written() as u64 >= self.file_size_bytes;
        self.open = Some(file);
        if full { self.close() } else { Ok(()) }
    }

    /// Close the last file and give all of them.
    pub(crate) fn finish(mut self) -> Result<Vec<DataFile>> {
        self.close()?;
        Ok(std::mem::take(&mut self.finished))
    }

    fn begin(&self) -> Result<Open> {
        let uri = format!("{}-{:05}.parquet", self.stem, self.finished.len() + 1);
        let (output, schema) = (Output::new(self.store.write(&uri)?), self.stored.parquet.root_schema_ptr());
        let writer = SerializedFileWriter::new(output, schema, Arc::clone(&self.properties)).map_err(unwritable)?;
        Ok(Open { uri, writer })
    }

    fn close(&mut self) -> Result<()> {
        let Some(Open { uri, mut writer }) = self.open.take() else { return Ok(()) };
        let groups = writer.flushed_row_groups();
        let rows = groups.iter().map(|group| group.num_rows().unsigned_abs()).sum();
        let statistics = statistics(groups);
        let columns = writer.schema_descr().num_columns();
        writer.inner_mut().hold();
        let bytes = writer.into_inner().map_err(unwritable)?.finish(columns)?;
        self.finished.push(DataFile { path: uri, rows, bytes, partition: BTreeMap::new(), statistics });
        Ok(())
    }
}

impl Drop for Files<'_> {
    fn drop(&mut self) {
        // The failure that led here matters more than a file that cannot be deleted now; it is an orphan like others.
        for file in &self.finished {
            drop(self.store.delete(&file.path));
        }
    }
}

/// Give what the footer does not tell every reader: the NaN values of each column at the top of the schema.
fn statistics(groups: &[RowGroupMetaData]) -> Map<String, Value> {
    let mut nans: BTreeMap<&str, u64> = BTreeMap::new();
    let columns = groups.iter().flat_map(RowGroupMetaData::columns);
    for column in columns.filter(|column| matches!(column.column_type(), Type::FLOAT | Type::DOUBLE)) {
        if let ([name], Some(facts)) = (column.column_path().parts(), column.statistics()) {
            *nans.entry(name).or_default() += facts.nan_count_opt().unwrap_or(0);
        }
    }
    Map::from_iter([("nan_value_counts".to_owned(), json!(nans))])
}
