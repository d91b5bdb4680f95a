//! Records that are no rows, as a batch with the column `_dativo_corrupt` of `dativo_ingest/protocols.py`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, StructArray, new_null_array};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow::error::ArrowError;

use crate::block::Corrupt;

const NAME: &str = "_dativo_corrupt";

/// Make a batch of records whose block starts on `line` and at byte `offset`; the ordinary columns are NULL in it.
pub(crate) fn batch(schema: &Schema, records: &[Corrupt], line: u64, offset: u64) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().len();
    let reason = |record: &Corrupt| format!("{} fields, expected {columns}", record.fields);
    let numbers = |of: &dyn Fn(&Corrupt) -> u64| -> ArrayRef {
        Arc::new(records.iter().map(|record| of(record).cast_signed()).collect::<Int64Array>())
    };
    let parts: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(records.iter().map(|record| &record.record))),
        Arc::new(StringArray::from_iter_values(records.iter().map(reason))),
        numbers(&|record| line + record.lines_before),
        numbers(&|record| offset + record.start as u64),
    ];
    let of = |name: &str, kind: DataType| Field::new(name, kind, true);
    let fields = Fields::from(vec![
        of("record", DataType::Utf8),
        of("reason", DataType::Utf8),
        of("line", DataType::Int64),
        of("offset", DataType::Int64),
    ]);
    let empty = schema.fields().iter().map(|field| new_null_array(field.data_type(), records.len()));
    let mut all: Vec<ArrayRef> = empty.collect();
    let mut names: Vec<Arc<Field>> = schema.fields().to_vec();
    names.push(Arc::new(Field::new(NAME, DataType::Struct(fields.clone()), true)));
    all.push(Arc::new(StructArray::try_new(fields, parts, None)?));
    RecordBatch::try_new(Arc::new(Schema::new(names)), all)
}
