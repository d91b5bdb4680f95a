//! Rows to give: the same ones for the same numbers, of whatever types the contract has.

use std::ptr::NonNull;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int8Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, new_null_array,
};
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dativo_plugin::{Column, Result, Stream};

/// Give the columns of the contract, or two of our own.
pub(crate) fn schema(stream: &Stream) -> Result<SchemaRef> {
    if stream.columns.is_empty() { default_stream().schema() } else { stream.schema() }
}

pub(crate) fn default_stream() -> Stream {
    Stream::new("rows", [Column::new("id", "int64"), Column::new("name", "string")])
}

/// Give the rows of the numbers `first` to `last`; columns of rarer types are NULL.
pub(crate) fn batch(schema: &SchemaRef, first: u64, last: u64) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| column(field.data_type(), first, last)).collect();
    Ok(with_rows(schema, columns, (last - first) as usize)?)
}

fn column(kind: &DataType, first: u64, last: u64) -> ArrayRef {
    match kind {
        DataType::Int64 => Arc::new((first..last).map(u64::cast_signed).collect::<Int64Array>()),
        DataType::Utf8 => Arc::new(StringArray::from_iter_values((first..last).map(|n| format!("name {n}")))),
        DataType::Float64 => Arc::new(Float64Array::from_iter_values((first..last).map(|n| n as f64 / 4.0))),
        DataType::Boolean => Arc::new((first..last).map(|n| Some(n % 2 == 0)).collect::<BooleanArray>()),
        rarer => new_null_array(rarer, (last - first) as usize),
    }
}

/// Give as many NULLs as four gigabytes hold; the kernel only provides the memory once somebody looks at it.
pub(crate) fn huge_batch(schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = (4 << 30) / 8;
    let columns = schema.fields().iter().map(|field| new_null_array(field.data_type(), rows)).collect();
    let nullable: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    Ok(with_rows(&Arc::new(Schema::new(nullable)), columns, rows)?)
}

/// Give rows that all name one long text: few bytes, which become many.
pub(crate) fn same_texts(rows: usize) -> Result<RecordBatch> {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(100_000)]));
    let named: ArrayRef = Arc::new(DictionaryArray::new(Int8Array::from(vec![0; rows]), text));
    Ok(RecordBatch::try_from_iter([("name", named)])?)
}

/// Give a batch whose first column is of another type than the contract says.
pub(crate) fn wrong_type(schema: &SchemaRef, rows: u64) -> Result<RecordBatch> {
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    let wrong = if fields[0].data_type() == &DataType::Boolean { DataType::Float64 } else { DataType::Boolean };
    fields[0] = fields[0].clone().with_data_type(wrong);
    batch(&Arc::new(Schema::new(fields)), 0, rows)
}

/// Give a batch with columns that nobody asked for, and none that somebody did.
pub(crate) fn wrong_columns(rows: u64) -> Result<RecordBatch> {
    let fields = ["surprise", "another surprise"].map(|name| Field::new(name, DataType::Int64, true));
    batch(&Arc::new(Schema::new(fields.to_vec())), 0, rows)
}

/// Memory that each batch overwrites although the host may still have the one before.
pub(crate) struct Reused {
    block: NonNull<i64>,
    rows: usize,
}

// SAFETY: the block is never freed, and what is written to it may be torn: that is the fault.
unsafe impl Send for Reused {}

impl Reused {
    pub(crate) fn new(rows: u64) -> Self {
        let block = vec![0_i64; rows as usize].leak();
        Self { rows: block.len(), block: NonNull::from(block).cast() }
    }

    /// Put the memory in the place of the first column, if that is a number.
    pub(crate) fn over(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        let rows = batch.num_rows().min(self.rows);
        if let Some(numbers) = columns[0].as_any().downcast_ref::<Int64Array>() {
            // SAFETY: the block is as long; that others read it meanwhile is the fault.
            let shared = unsafe {
                std::ptr::copy(numbers.values().as_ptr(), self.block.as_ptr(), rows);
                Buffer::from_custom_allocation(self.block.cast(), rows * size_of::<i64>(), Arc::new(()))
            };
            columns[0] = Arc::new(Int64Array::new(ScalarBuffer::new(shared, 0, rows), None));
        }
        Ok(with_rows(&batch.schema(), columns, rows)?)
    }
}

fn with_rows(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, arrow::error::ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}
