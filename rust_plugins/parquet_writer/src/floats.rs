//! Bounds of float columns as Parquet's common order wants them: never NaN, and zero with the sign that excludes none.
//!
//! The crate makes them for IEEE 754's total order, where NaN bounds mean that there is nothing else. See `footer`.

use std::ops::Neg;

use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::data_type::{DataType, DoubleType, FloatType};
use parquet::errors::Result;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// Correct the bounds of a column chunk; where there is NaN, no page index is better than one with NaN.
pub(crate) fn bound(chunk: &mut ArrowColumnChunk) -> Result<()> {
    let close = chunk.close_mut();
    let facts = match close.metadata.statistics() {
        Some(Statistics::Float(values)) => Statistics::Float(signed::<FloatType>(values)),
        Some(Statistics::Double(values)) => Statistics::Double(signed::<DoubleType>(values)),
        _ => return Ok(()),
    };
    if facts.nan_count_opt().is_some_and(|count| count > 0) {
        close.column_index = None;
    }
    close.metadata = close.metadata.clone().into_builder().set_statistics(facts).build()?;
    Ok(())
}

fn signed<T: DataType>(facts: &ValueStatistics<T::T>) -> ValueStatistics<T::T>
where
    T::T: Copy + Default + PartialOrd + Neg<Output = T::T>,
{
    let zero = T::T::default();
    let bound = |value: Option<&T::T>, zero: T::T| match value {
        Some(value) if *value == zero => Some(zero),
        Some(value) => value.partial_cmp(value).and(Some(*value)), // NaN compares with nothing
        None => None,
    };
    let (least, greatest) = (bound(facts.min_opt(), -zero), bound(facts.max_opt(), zero));
    let made = ValueStatistics::new(least, greatest, facts.distinct_count(), facts.null_count_opt(), false);
    made.with_nan_count(facts.nan_count_opt())
}
