//! The schema that is stored: what Parquet has no type for, or Iceberg another name, becomes its nearest lossless kin.

use std::sync::Arc;

use dativo_plugin::arrow::array::{ArrayRef, RecordBatch};
use dativo_plugin::arrow::compute::{CastOptions, cast_with_options};
use dativo_plugin::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use dativo_plugin::{Error, Result};
use parquet::arrow::ArrowSchemaConverter;
use parquet::schema::types::SchemaDescPtr;

/// The schema of the files, and how given batches become it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The columns as Arrow has them; `PARQUET:field_id` of each field is kept.
    pub(crate) arrow: SchemaRef,
    /// The same as Parquet has them.
    pub(crate) parquet: SchemaDescPtr,
    changed: Vec<bool>,
}

impl Stored {
    /// Decide how a schema is stored.
    ///
    /// Fails with `TYPE_UNSUPPORTED` when Parquet cannot hold a column.
    pub(crate) fn new(given: &Schema) -> Result<Self> {
        if given.fields().is_empty() {
            return Err(Error::new("TYPE_UNSUPPORTED", "rows without columns cannot be written as Parquet"));
        }
        let fields = given.fields().iter().map(field).collect::<Result<Vec<_>>>()?;
        let changed = fields.iter().zip(given.fields()).map(|(now, was)| now.data_type() != was.data_type()).collect();
        let arrow = Arc::new(Schema::new_with_metadata(fields, given.metadata().clone()));
        let parquet = ArrowSchemaConverter::new().schema_root("table").convert(&arrow);
        let parquet = parquet.map_err(|error| Error::new("TYPE_UNSUPPORTED", error.to_string()))?;
        Ok(Self { arrow, parquet: Arc::new(parquet), changed })
    }

    /// Bring a given batch to the stored types.
    pub(crate) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if !self.changed.contains(&true) && batch.num_columns() == self.changed.len() {
            return Ok(batch.clone());
        }
        let columns = self.arrow.fields().iter().zip(batch.columns()).zip(&self.changed);
        let columns =
            columns.map(|((field, values), changed)| if *changed { cast(field, values) } else { Ok(values.clone()) });
        Ok(RecordBatch::try_new(Arc::clone(&self.arrow), columns.collect::<Result<_>>()?)?)
    }
}

/// The message of Arrow may hold a value, so ours does not.
fn cast(field: &Field, values: &ArrayRef) -> Result<ArrayRef> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, field.data_type(), &strict).map_err(|_| {
        let (name, from, to) = (field.name(), values.data_type(), field.data_type());
        Error::write(format!("column '{name}' holds a value of {from} that does not fit {to}, which Parquet stores"))
    })
}

fn field(given: &FieldRef) -> Result<FieldRef> {
    let kind = stored_type(given.data_type()).ok_or_else(|| {
        let (name, kind) = (given.name(), given.data_type());
        Error::new(
            "TYPE_UNSUPPORTED",
            format!("column '{name}': Parquet has no place for {kind}; convert it or leave it out"),
        )
    })?;
    Ok(Arc::new(given.as_ref().clone().with_data_type(kind)))
}

fn stored_type(kind: &DataType) -> Option<DataType> {
    use DataType::{
        Date32, Date64, Dictionary, FixedSizeList, Float16, Float32, LargeList, List, Map, RunEndEncoded, Struct,
        Time32, Timestamp, Union,
    };
    Some(match kind {
        Union(_, _) => return None,
        Float16 => Float32,
        Date64 => Date32,
        Time32(TimeUnit::Second) => Time32(TimeUnit::Millisecond),
        Timestamp(TimeUnit::Second, zone) => Timestamp(TimeUnit::Millisecond, zone.clone()),
        Dictionary(keys, values) => match stored_type(values)? {
            same if same == **values => Dictionary(keys.clone(), values.clone()),
            other => other,
        },
        RunEndEncoded(_, values) => stored_type(values.data_type())?,
        List(inner) => List(named(inner, "element")?),
        LargeList(inner) => LargeList(named(inner, "element")?),
        FixedSizeList(inner, size) => FixedSizeList(named(inner, "element")?, *size),
        Struct(fields) => Struct(fields.iter().map(|f| named(f, f.name())).collect::<Option<_>>()?),
        Map(entries, sorted) => Map(map_entries(entries)?, *sorted),
        other => other.clone(),
    })
}

fn map_entries(entries: &Field) -> Option<FieldRef> {
    let DataType::Struct(fields) = entries.data_type() else { return None };
    let [key, value] = fields.as_ref() else { return None };
    let kind = DataType::Struct([named(key, "key")?, named(value, "value")?].into_iter().collect());
    Some(Arc::new(entries.clone().with_name("key_value").with_data_type(kind)))
}

fn named(field: &Field, name: &str) -> Option<FieldRef> {
    Some(Arc::new(field.clone().with_name(name).with_data_type(stored_type(field.data_type())?)))
}
