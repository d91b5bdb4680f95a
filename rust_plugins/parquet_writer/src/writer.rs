//! The writer as the host calls it.

use dativo_plugin::{Cancel, DataFile, Result, RowStream, WriteRequest, Writer, WriterConfig};
use dativo_storage::Store;

use crate::files::Files;
use crate::options::Options;
use crate::schema::Stored;
use crate::write::write;

/// Writes Parquet files that the job's table commits, or a manifest of its own.
#[derive(Debug)]
pub struct ParquetWriter {
    config: WriterConfig,
    options: Options,
}

impl Writer for ParquetWriter {
    fn open(config: WriterConfig) -> Result<Self> {
        Ok(Self { options: Options::from_config(&config)?, config })
    }

    fn write(&mut self, rows: RowStream, request: &WriteRequest, cancel: &Cancel) -> Result<Vec<DataFile>> {
        let store = Store::open(&request.base, &self.config)?;
        let stored = Stored::new(&rows.schema())?;
        let files = Files::new(&store, &stored, request, self.options.file_size_bytes);
        write(rows, &stored, &self.options, files, cancel)
    }
}
