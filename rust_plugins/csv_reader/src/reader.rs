//! The plugin: what the host calls.

use std::io::{self, Read};
use std::sync::Arc;

use arrow::datatypes::Schema;
use dativo_plugin::{
    Cancel, Check, Column, Cursor, Discovery, Estimate, Progress, Reader, ReaderConfig, Reading, Result, Stream, Unit,
    Window,
};
use dativo_storage::{Source, Store, changed};
use serde_json::Value;

use crate::batches::{Batches, Layout};
use crate::files;
use crate::options::Options;
use crate::unpack::{Compression, unpack};
use crate::window::{self, Found, Spec};

/// Reads the CSV files that a job names. A file is a unit; one that changes while it is read fails the run.
pub struct CsvReader {
    config: ReaderConfig,
    options: Options,
}

impl Reader for CsvReader {
    fn open(config: ReaderConfig) -> Result<Self> {
        Ok(Self { options: Options::new(&config)?, config })
    }

    fn check(&mut self) -> Result<Check> {
        let found = match self.find_all() {
            Ok(found) => found,
            Err(error) => return Ok(Check::failed(&error)),
        };
        if let Some(file) = found.iter().find(|file| file.info.size > 0) {
            let store = Store::open(&file.info.uri, &self.config)?;
            if let Err(error) = store.read_range(&file.info.uri, 0..1, None) {
                return Ok(Check::failed(&error));
            }
        }
        let bytes: u64 = found.iter().map(|file| file.info.size).sum();
        let mut check = Check::passed(format!("{} files, {bytes} bytes", found.len()));
        check.details.insert("files".into(), found.len().into());
        check.details.insert("bytes".into(), bytes.into());
        Ok(check)
    }

    fn discover(&mut self) -> Result<Discovery> {
        let mut objects: Vec<Option<&str>> = Vec::new();
        for spec in &self.options.files {
            if !objects.contains(&spec.object.as_deref()) {
                objects.push(spec.object.as_deref());
            }
        }
        let streams: Result<Vec<Stream>> = objects.into_iter().map(|object| self.stream(object)).collect();
        Ok(Discovery { streams: streams?, ..Discovery::default() })
    }

    fn estimate(&mut self, stream: &Stream) -> Result<Estimate> {
        let found = files::find(&self.config, &self.options, Some(&stream.name))?;
        Ok(Estimate { rows: None, bytes: Some(found.iter().map(|file| file.info.size).sum()) })
    }

    fn split(&mut self, stream: &Stream, since: Option<&Cursor>) -> Result<Window> {
        let found = files::find(&self.config, &self.options, Some(&stream.name))?;
        window::window(&found, since, self.options.incremental)
    }

    fn read(&mut self, stream: &Stream, unit: &Unit, progress: Progress) -> Result<Reading> {
        let spec: Spec = unit.parse()?;
        let store = Store::open(&spec.uri, &self.config)?;
        let stop = Cancel::default();
        let source = store.read(&spec.uri, Some(&spec.etag), &stop)?;
        let wanted = stream.schema()?;
        let batches = self.batches(source, &spec.uri, &wanted, stop, progress)?;
        let schema = Arc::clone(batches.schema());
        Ok(Reading::new(batches.chain(unchanged(store, spec))).with_schema(schema))
    }

    fn reached(&mut self, window: &Window) -> Result<Option<Cursor>> {
        Ok(window.after.clone())
    }

    fn schema() -> Value {
        crate::schema::schema()
    }
}

impl CsvReader {
    fn find_all(&self) -> Result<Vec<Found>> {
        files::find(&self.config, &self.options, None)
    }

    fn batches(&self, source: Source, uri: &str, wanted: &Schema, stop: Cancel, progress: Progress) -> Result<Batches> {
        let name = uri.rsplit('/').next().unwrap_or(uri);
        let host = progress.cancel().clone();
        let kind = self.options.compression.unwrap_or_else(|| Compression::of(name));
        let text = unpack(Counted { source, progress }, name, kind)?;
        Batches::new(text, name, &self.layout(name), wanted, stop, host)
    }

    fn layout(&self, name: &str) -> Layout {
        let options = &self.options;
        Layout {
            dialect: options.dialect(name),
            nulls: options.nulls.clone(),
            header: options.header,
            columns: options.columns.clone(),
            skip_rows: options.skip_rows,
            block_bytes: options.block_bytes,
            threads: options.threads,
            batch_rows: options.batch_rows,
            ..Layout::default()
        }
    }

    /// Give a stream with the columns of its first file, as text: what they hold is for the contract to say.
    fn stream(&self, object: Option<&str>) -> Result<Stream> {
        let found = files::find(&self.config, &self.options, object)?;
        let Some(first) = found.first() else { return Ok(Stream::new(object.unwrap_or("files"), [])) };
        let uri = &first.info.uri;
        let stop = Cancel::default();
        let source = Store::open(uri, &self.config)?.read(uri, None, &stop)?;
        let batches = self.batches(source, uri, &Schema::empty(), stop, Progress::default())?;
        let columns: Vec<Column> =
            batches.schema().fields().iter().map(|field| Column::new(field.name(), "string")).collect();
        let stem = uri.rsplit('/').next().unwrap_or(uri).split('.').next().unwrap_or("files");
        Ok(Stream::new(object.unwrap_or(stem), columns))
    }
}

/// At the end of a file, look whether it is still the one that was planned.
fn unchanged(store: Store, spec: Spec) -> impl Iterator<Item = Result<arrow::array::RecordBatch>> {
    std::iter::once_with(move || match store.find(&spec.uri) {
        Ok(Some(now)) if now.etag == spec.etag => None,
        Ok(_) => Some(Err(changed(&spec.uri))),
        Err(error) => Some(Err(error)),
    })
    .flatten()
}

/// Says how much of the stored file was read.
struct Counted {
    source: Source,
    progress: Progress,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.progress.check().map_err(io::Error::other)?;
        let size = self.source.fill(buffer).map_err(io::Error::other)?;
        self.progress.add(size as u64);
        Ok(size)
    }
}
