//! One file as record batches: blocks in order, each followed by what was corrupt in it.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use dativo_plugin::{Cancel, Error, Result};

use crate::block::{Failure, Parsed, Plan};
use crate::corrupt;
use crate::dialect::Dialect;
use crate::faults::Place;
use crate::header::{self, Names};
use crate::input::{Input, MAX_RECORD_BYTES, Spare};
use crate::nulls::Nulls;
use crate::parallel::{Done, Failed, Parallel};

/// How one file is read.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The bytes that mean something.
    pub dialect: Dialect,
    /// The texts that are NULL.
    pub nulls: Nulls,
    /// Whether the first record names the columns.
    pub header: bool,
    /// The names when there is no header.
    pub columns: Vec<String>,
    /// Lines before the header.
    pub skip_rows: u64,
    /// About how much is parsed at once.
    pub block_bytes: usize,
    /// The most bytes of one record.
    pub max_record_bytes: usize,
    /// How many threads parse.
    pub threads: usize,
    /// The most rows of a batch.
    pub batch_rows: Option<usize>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            nulls: Nulls::default(),
            header: true,
            columns: Vec::new(),
            skip_rows: 0,
            block_bytes: 2 * 1024 * 1024,
            max_record_bytes: MAX_RECORD_BYTES,
            threads: 2,
            batch_rows: None,
        }
    }
}

/// Batches of one file; each has its own schema.
pub struct Batches {
    name: String,
    plan: Arc<Plan>,
    blocks: Option<Parallel>,
    ready: VecDeque<RecordBatch>,
    line: u64,
    batch_rows: usize,
}

impl Batches {
    /// Begin to read plain text. `name` is what messages call the file, `wanted` the columns of the contract, and
    /// whoever asks `host` to stop also stops the threads.
    pub fn new(
        text: Box<dyn Read + Send>,
        name: &str,
        layout: &Layout,
        wanted: &Schema,
        stop: Cancel,
        host: Cancel,
    ) -> Result<Self> {
        let spare = Spare::default();
        let mut input =
            Input::new(text, name, layout.dialect, layout.block_bytes, layout.max_record_bytes, spare.clone());
        input.skip_mark()?;
        let line = 1 + input.skip_lines(layout.skip_rows)?;
        let Names { names, line } = if layout.header {
            header::read(&mut input, name, layout.dialect, line)?
        } else {
            Names { names: given(name, layout, wanted)?, line }
        };
        let plan = Arc::new(Plan::new(&names, wanted, layout.dialect, layout.nulls.clone()));
        let blocks = Parallel::start(input, Arc::clone(&plan), spare, layout.threads, stop, host)?;
        let batch_rows = layout.batch_rows.unwrap_or(usize::MAX);
        Ok(Self { name: name.to_owned(), plan, blocks: Some(blocks), ready: VecDeque::new(), line, batch_rows })
    }

    /// Give the schema of a block that fits.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        self.plan.schema()
    }

    fn advance(&mut self) -> Result<bool> {
        let Some(blocks) = &mut self.blocks else { return Ok(false) };
        let Some(Done { offset, result }) = blocks.next()? else { return Ok(false) };
        let parsed = result.map_err(|failed| self.error(&failed))?;
        self.take(parsed, offset)?;
        Ok(true)
    }

    fn take(&mut self, parsed: Parsed, offset: u64) -> Result<()> {
        if let Some(rows) = parsed.rows {
            let all = rows.num_rows();
            let starts = (0..all).step_by(self.batch_rows);
            self.ready.extend(starts.map(|start| rows.slice(start, self.batch_rows.min(all - start))));
        }
        if !parsed.corrupt.is_empty() {
            self.ready.push_back(corrupt::batch(self.schema(), &parsed.corrupt, self.line, offset)?);
        }
        self.line += parsed.lines;
        Ok(())
    }

    fn error(&self, failed: &Failed) -> Error {
        let text = failed.block.text();
        let place = |at: usize| Place::at(&self.name, self.line + crate::cut::lines_in(&text[..at]));
        let offset = |at: usize| failed.block.offset + at as u64;
        match &failed.failure {
            Failure::Unclosed { at } if failed.block.last => place(*at).unclosed(offset(*at)),
            Failure::Unclosed { at } => place(*at).no_csv("a block was cut inside a record; please report it"),
            Failure::Encoding { at } => place(*at).undecodable(offset(*at), text[*at]),
            Failure::Arrow(error) => place(0).no_csv(&error.to_string()),
            Failure::Cancelled => Error::cancelled(),
        }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => {
                    self.blocks = None;
                    return None;
                }
                Err(error) => {
                    self.blocks = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

fn given(name: &str, layout: &Layout, wanted: &Schema) -> Result<Vec<String>> {
    if !layout.columns.is_empty() {
        return Ok(layout.columns.clone());
    }
    let names: Vec<String> = wanted.fields().iter().map(|field| field.name().clone()).collect();
    if names.is_empty() { Err(Place::new(name).no_names()) } else { Ok(names) }
}
