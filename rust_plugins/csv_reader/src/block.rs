//! One block of whole records as Arrow: the rows that parse, and where the others are.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::column::{Column, column, readable};
use crate::cut::lines_in;
use crate::dialect::Dialect;
use crate::nulls::Nulls;
use crate::strip::{Ragged, Stop, Strip, Walk};

/// Whole records. Behind `length` bytes of text there is the padding.
pub(crate) struct Block {
    pub(crate) data: Vec<u8>,
    pub(crate) length: usize,
    /// Where the first byte is in the unpacked text.
    pub(crate) offset: u64,
    pub(crate) last: bool,
}

impl Block {
    pub(crate) fn text(&self) -> &[u8] {
        &self.data[..self.length]
    }
}

/// What became of a block.
pub(crate) struct Parsed {
    pub(crate) rows: Option<RecordBatch>,
    pub(crate) corrupt: Vec<Corrupt>,
    pub(crate) lines: u64,
}

/// A record of another number of fields; place and line count from the block's start.
pub(crate) struct Corrupt {
    pub(crate) record: String,
    pub(crate) fields: usize,
    pub(crate) lines_before: u64,
    pub(crate) start: usize,
}

/// Why a block is no CSV; places count from the block's start.
pub(crate) enum Failure {
    Unclosed { at: usize },
    Encoding { at: usize },
    Arrow(ArrowError),
    Cancelled,
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

/// How the blocks of one file are parsed; shared by the threads.
pub(crate) struct Plan {
    pub(crate) dialect: Dialect,
    pub(crate) nulls: Nulls,
    schema: SchemaRef,
}

impl Plan {
    /// The columns of the file, each with the type that the contract wants of it, if it knows it.
    pub(crate) fn new(names: &[String], wanted: &Schema, dialect: Dialect, nulls: Nulls) -> Self {
        let kind =
            |name: &String| wanted.field_with_name(name).map_or(DataType::Utf8, |field| readable(field.data_type()));
        let fields: Vec<Field> = names.iter().map(|name| Field::new(name, kind(name), true)).collect();
        Self { dialect, nulls, schema: Arc::new(Schema::new(fields)) }
    }

    pub(crate) fn columns(&self) -> usize {
        self.schema.fields().len()
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Parse a block. A column with a text that its type does not plainly have comes as text.
    pub(crate) fn parse(
        &self,
        block: &Block,
        strip: &mut Strip,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Parsed, Failure> {
        let (columns, ragged) = self.read(&self.schema, block, strip, stopped)?;
        let rows = if columns.iter().all(|column| column.fits()) {
            self.finish(Arc::clone(&self.schema), columns, block)?
        } else {
            let looser = loosened(&self.schema, &columns);
            drop(columns);
            let (columns, _) = self.read(&looser, block, strip, stopped)?;
            self.finish(looser, columns, block)?
        };
        Ok(Parsed { rows, corrupt: corrupt(block, &ragged)?, lines: lines_in(block.text()) })
    }

    #[allow(clippy::type_complexity)]
    fn read(
        &self,
        schema: &Schema,
        block: &Block,
        strip: &mut Strip,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(Vec<Box<dyn Column>>, Vec<Ragged>), Failure> {
        let mut columns: Vec<Box<dyn Column>> = Vec::new();
        let mut walk = Walk::new(&block.data, block.length, self.columns(), self.dialect);
        while walk.fill(strip).map_err(|stop| failure(&stop, block))? {
            if stopped() {
                return Err(Failure::Cancelled);
            }
            if columns.is_empty() {
                columns = self.begun(schema, block, strip);
            }
            for (index, column) in columns.iter_mut().enumerate() {
                column.extend(&block.data, strip, index, &self.nulls);
            }
        }
        Ok((columns, walk.ragged))
    }

    /// Make the columns, with the room that the block will need if it goes on as its first strip.
    fn begun(&self, schema: &Schema, block: &Block, strip: &Strip) -> Vec<Box<dyn Column>> {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64 * 1.05;
        let spans: Vec<usize> =
            (0..self.columns()).map(|i| strip.column(i).iter().map(|field| field.len()).sum()).collect();
        let seen = spans.iter().sum::<usize>() + strip.rows * self.columns();
        let rows = (share(block.length, seen) * strip.rows as f64) as usize;
        let column = |(field, span): (&Arc<Field>, &usize)| {
            column(field.data_type(), rows, (share(block.length, seen) * *span as f64) as usize)
        };
        schema.fields().iter().zip(&spans).map(column).collect()
    }

    fn finish(
        &self,
        schema: SchemaRef,
        columns: Vec<Box<dyn Column>>,
        block: &Block,
    ) -> Result<Option<RecordBatch>, Failure> {
        if columns.is_empty() {
            return Ok(None);
        }
        let arrays: Result<Vec<_>, _> = columns.into_iter().map(Column::finish).collect();
        // The texts of the columns are looked at and not the block, which has nothing else that could be wrong.
        let arrays = arrays.map_err(|error| encoding(block).unwrap_or(Failure::Arrow(error)))?;
        Ok(Some(RecordBatch::try_new(schema, arrays)?))
    }
}

fn loosened(schema: &Schema, columns: &[Box<dyn Column>]) -> SchemaRef {
    let fields = schema.fields().iter().zip(columns).map(|(field, column)| {
        if column.fits() { Arc::clone(field) } else { Arc::new(Field::new(field.name(), DataType::Utf8, true)) }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn failure(stop: &Stop, block: &Block) -> Failure {
    match *stop {
        // Bytes that are no text come first: a quote behind them may only look like one.
        Stop::Unclosed(unclosed) => encoding(block).unwrap_or(Failure::Unclosed { at: unclosed.at }),
        Stop::Broken(_) => encoding(block).unwrap_or(Failure::Encoding { at: 0 }),
    }
}

fn encoding(block: &Block) -> Option<Failure> {
    let wrong = std::str::from_utf8(block.text()).err()?;
    Some(Failure::Encoding { at: wrong.valid_up_to() })
}

fn corrupt(block: &Block, ragged: &[Ragged]) -> Result<Vec<Corrupt>, Failure> {
    let (mut lines, mut seen, mut found) = (0, 0, Vec::with_capacity(ragged.len()));
    for record in ragged {
        lines += lines_in(&block.data[seen..record.start]);
        seen = record.start;
        let text = &block.data[record.start..record.end];
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = std::str::from_utf8(text).map_err(|_| encoding(block).unwrap_or(Failure::Encoding { at: seen }))?;
        found.push(Corrupt {
            record: text.to_owned(),
            fields: record.fields,
            lines_before: lines,
            start: record.start,
        });
    }
    Ok(found)
}
