//! One `write`: batches in, files out.

use std::sync::Arc;
use std::thread;

use dativo_plugin::arrow::array::RecordBatch;
use dativo_plugin::{Cancel, DataFile, Result};
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory};
use parquet::basic::{Encoding, Type};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;

use crate::dictionary::{SAMPLE_ROWS, repetitive};
use crate::encode::Encoder;
use crate::failure::unwritable;
use crate::files::Files;
use crate::measure::{bytes, cut};
use crate::options::{Dictionary, Layout, Options};
use crate::schema::Stored;

const PIECE_ROWS: usize = 64 * 1024;
const PIECE_BYTES: usize = 8 * 1024 * 1024;

/// Encode all batches on the pool and lay them down in files. No rows, no files.
pub(crate) fn write(
    batches: impl Iterator<Item = Result<RecordBatch>>,
    stored: &Stored,
    options: &Options,
    files: Files<'_>,
    cancel: &Cancel,
) -> Result<Vec<DataFile>> {
    let encoder = Encoder::new(stored.arrow.fields(), cancel);
    thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| encoder.run());
        }
        let _alarm = encoder.alarm();
        let made = Filling { stored, options, encoder: &encoder, files, group: Group::default() }.fill(batches);
        made.inspect_err(|error| encoder.fail(error.clone()))
    })
}

/// The thread that brings the rows, says where row groups begin and end, and writes those that are finished.
struct Filling<'a> {
    stored: &'a Stored,
    options: &'a Options,
    encoder: &'a Encoder,
    files: Files<'a>,
    group: Group,
}

/// The row group that is being filled. Its first rows are held back until there are enough to judge its columns by.
#[derive(Default)]
struct Group {
    first: Vec<RecordBatch>,
    begun: bool,
    rows: usize,
    bytes: usize,
}

impl Filling<'_> {
    fn fill(mut self, batches: impl Iterator<Item = Result<RecordBatch>>) -> Result<Vec<DataFile>> {
        let piece_bytes = PIECE_BYTES.min(self.options.row_group_bytes.div_ceil(4)); // or it would end far beyond
        for batch in batches {
            let batch = self.stored.batch(&batch?)?;
            cut(&batch, PIECE_ROWS, piece_bytes).try_for_each(|piece| self.add(piece))?;
        }
        self.end()?;
        self.encoder.rest().try_for_each(|group| self.files.append(group?))?;
        self.files.finish()
    }

    fn add(&mut self, mut rows: RecordBatch) -> Result<()> {
        while rows.num_rows() > 0 {
            let fitting = rows.num_rows().min(self.options.row_group_rows - self.group.rows);
            let part = rows.slice(0, fitting);
            rows = rows.slice(fitting, rows.num_rows() - fitting);
            self.group.rows += part.num_rows();
            self.group.bytes += part.columns().iter().map(|column| bytes(column)).sum::<usize>();
            self.group.first.push(part);
            if self.group.begun || self.group.rows >= SAMPLE_ROWS {
                self.pass_on()?;
            }
            if self.group.rows >= self.options.row_group_rows || self.group.bytes >= self.options.row_group_bytes {
                self.end()?;
            }
        }
        Ok(())
    }

    /// Give the rows held back to the encoder, and begin the row group if these are its first.
    fn pass_on(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.group.first);
        if !self.group.begun && !waiting.is_empty() {
            self.group.begun = true;
            let writers = column_writers(self.stored, self.options, &waiting)?;
            if let Some(finished) = self.encoder.begin(writers)? {
                self.files.append(finished)?;
            }
        }
        waiting.iter().try_for_each(|part| self.encoder.add(part))
    }

    fn end(&mut self) -> Result<()> {
        self.pass_on()?;
        if self.group.begun {
            self.encoder.end();
        }
        self.group = Group::default();
        Ok(())
    }
}

/// Make the writers of the columns of one row group.
fn column_writers(stored: &Stored, options: &Options, first: &[RecordBatch]) -> Result<Vec<ArrowColumnWriter>> {
    let mut properties = properties(options);
    let columns = stored.parquet.columns();
    if options.dictionary == Dictionary::Auto {
        for (column, repeats) in columns.iter().zip(repetitive(first)?) {
            properties = properties.set_column_dictionary_enabled(column.path().clone(), repeats);
        }
    }
    if options.encoding == Layout::Delta {
        for column in columns {
            properties = properties.set_column_encoding(column.path().clone(), differences(column.physical_type()));
        }
    }
    // The factory takes schema and properties from a file; this one is never written to.
    let schema = stored.parquet.root_schema_ptr();
    let nowhere =
        SerializedFileWriter::new(std::io::sink(), schema, Arc::new(properties.build())).map_err(unwritable)?;
    let factory = ArrowRowGroupWriterFactory::new(&nowhere, Arc::clone(&stored.arrow));
    factory.create_column_writers(0).map_err(unwritable)
}

fn differences(kind: Type) -> Encoding {
    match kind {
        Type::INT32 | Type::INT64 => Encoding::DELTA_BINARY_PACKED,
        Type::BYTE_ARRAY => Encoding::DELTA_BYTE_ARRAY,
        _ => Encoding::PLAIN,
    }
}

fn properties(options: &Options) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(options.compression)
        .set_data_page_size_limit(options.data_page_bytes)
        .set_statistics_enabled(options.statistics)
        .set_dictionary_enabled(options.dictionary == Dictionary::Always)
}
