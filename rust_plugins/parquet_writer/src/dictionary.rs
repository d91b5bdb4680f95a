//! Which columns a dictionary makes smaller.
//!
//! Parquet writers try a dictionary on every column and give it up when it grows too large. For keys, amounts and free
//! text that costs a third of the encoding time and makes larger files, so the first rows of a row group decide.

use std::collections::HashSet;

use dativo_plugin::Result;
use dativo_plugin::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use dativo_plugin::arrow::compute::concat;
use dativo_plugin::arrow::datatypes::DataType;
use dativo_plugin::arrow::row::{RowConverter, SortField};

/// How many rows decide.
pub(crate) const SAMPLE_ROWS: usize = 10_000;

/// Say of each leaf column, in the order of the Parquet schema, whether the first rows hold each value twice or more.
pub(crate) fn repetitive(first: &[RecordBatch]) -> Result<Vec<bool>> {
    let mut found = Vec::new();
    for column in 0..first.first().map_or(0, RecordBatch::num_columns) {
        let parts: Vec<&dyn Array> = first.iter().map(|batch| batch.column(column).as_ref()).collect();
        leaves(&concat(&parts)?, &mut found)?;
    }
    Ok(found)
}

fn leaves(values: &ArrayRef, found: &mut Vec<bool>) -> Result<()> {
    match values.data_type() {
        DataType::Struct(_) => values.as_struct().columns().iter().try_for_each(|child| leaves(child, found)),
        DataType::List(_) => leaves(values.as_list::<i32>().values(), found),
        DataType::LargeList(_) => leaves(values.as_list::<i64>().values(), found),
        DataType::FixedSizeList(_, _) => leaves(values.as_fixed_size_list().values(), found),
        DataType::Map(_, _) => values.as_map().entries().columns().iter().try_for_each(|child| leaves(child, found)),
        _ => {
            found.push(repeats(values)?);
            Ok(())
        }
    }
}

/// NULL is no value: it takes no place in a dictionary.
fn repeats(values: &ArrayRef) -> Result<bool> {
    let values = values.slice(0, values.len().min(SAMPLE_ROWS));
    let rows = RowConverter::new(vec![SortField::new(values.data_type().clone())])?
        .convert_columns(std::slice::from_ref(&values))?;
    let allowed = values.len() / 2;
    let mut seen = HashSet::new();
    for at in (0..values.len()).filter(|at| values.is_valid(*at)) {
        if seen.insert(rows.row(at)) && seen.len() > allowed {
            return Ok(false);
        }
    }
    Ok(true)
}
