//! How much memory the rows of a batch take once each value stands by itself, which is what the host bounds.
//!
//! It counts as `dativo_ingest/worker/unpacked.py` does, so that a batch is cut alike in both languages.

use arrow::array::{Array, AsArray, OffsetSizeTrait, RecordBatch, RunArray};
use arrow::datatypes::{ArrowNativeType, DataType, Int16Type, Int32Type, Int64Type, RunEndIndexType, UnionMode};
use arrow::error::ArrowError;
use dativo_plugin::arrow;

use crate::size::{Counted, sent, shown, total};

/// What the rows of one batch may take: as much as one column of text can hold in Arrow.
pub(crate) const LARGEST_BYTES: u64 = 2 << 30;
/// Bytes of a value that has none of its own: what it becomes may be a number.
const LEAST: u64 = 8;

/// Give the bytes that the rows of a batch take; never too few, rarely too many.
pub(crate) fn unpacked_bytes(batch: &RecordBatch) -> Counted {
    if batch.num_columns() == 0 { Ok(least(batch.num_rows())) } else { total(batch.columns(), plain) }
}

fn least(values: usize) -> u64 {
    LEAST.saturating_mul(values as u64)
}

fn plain(array: &dyn Array) -> Counted {
    let (rows, least) = (array.len(), least(array.len()));
    if let Some(children) = shown(array) {
        return Ok(total(&children, plain)?.saturating_add(least));
    }
    match array.data_type() {
        DataType::Null | DataType::FixedSizeBinary(0) => Ok(least),
        DataType::Utf8View | DataType::BinaryView => Ok(widths(array)?.iter().sum()),
        DataType::Dictionary(_, _) => {
            let named = array.as_any_dictionary();
            repeated(named.values(), rows, |widths| {
                let keys = named.normalized_keys().into_iter().enumerate();
                keys.filter(|&(row, _)| named.keys().is_valid(row)).map(|(_, key)| widths[key]).sum()
            })
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs(array.as_run::<Int16Type>()),
            DataType::Int32 => runs(array.as_run::<Int32Type>()),
            _ => runs(array.as_run::<Int64Type>()),
        },
        DataType::ListView(_) => views::<i32>(array),
        DataType::LargeListView(_) => views::<i64>(array),
        DataType::Union(_, UnionMode::Dense) => Ok(dense(array)?.saturating_add(least)),
        _ => sent(array),
    }
}

fn runs<R: RunEndIndexType>(array: &RunArray<R>) -> Counted {
    repeated(array.values(), array.len(), |widths| {
        let ends = array.run_ends().values().iter().map(|end| end.as_usize() as u64);
        let (sum, _) = ends.zip(widths).fold((0_u64, 0), |(sum, before), (end, each)| {
            (sum.saturating_add(each.saturating_mul(end - before)), end)
        });
        sum
    })
}

/// Count lists that may share their items.
fn views<O: OffsetSizeTrait>(array: &dyn Array) -> Counted {
    let list = array.as_list_view::<O>();
    let items: u64 = list.sizes().iter().map(|size| size.as_usize() as u64).sum();
    Ok(items.saturating_mul(widest(list.values())?).saturating_add(least(array.len())))
}

/// Count the values that the rows of a dense union show; they may all show the same one.
fn dense(array: &dyn Array) -> Counted {
    let (union, DataType::Union(kinds, _)) = (array.as_union(), array.data_type()) else { return Ok(0) };
    let places = union.offsets().map_or(&[][..], |places| places);
    kinds.iter().try_fold(0_u64, |sum, (kind, _)| {
        let of_kind = union.type_ids().iter().zip(places).filter(|(of, _)| **of == kind);
        let shown: Vec<usize> = of_kind.map(|(_, place)| place.as_usize()).collect();
        let taken = repeated(union.child(kind), shown.len(), |widths| shown.iter().map(|&place| widths[place]).sum());
        Ok(sum.saturating_add(taken?))
    })
}

/// Give what values take, each of which stands for many; they are counted one by one only where it matters.
fn repeated(values: &dyn Array, rows: usize, sum: impl FnOnce(&[u64]) -> u64) -> Counted {
    let most = widest(values)?.saturating_mul(rows as u64);
    if most <= LARGEST_BYTES || width(values)?.is_some() || least(rows.max(values.len())) > LARGEST_BYTES {
        return Ok(most);
    }
    Ok(sum(&widths(values)?))
}

/// Give the bytes of the largest value.
fn widest(values: &dyn Array) -> Counted {
    if least(values.len()) > LARGEST_BYTES {
        return Ok(least(values.len()));
    }
    match width(values)? {
        Some(each) => Ok(each.saturating_add(LEAST)),
        None => Ok(widths(values)?.into_iter().max().unwrap_or(0)),
    }
}

/// Give the bytes of each value where all have as many; of those that are lists, all that the lists have.
fn width(values: &dyn Array) -> Result<Option<u64>, ArrowError> {
    use DataType::{
        Binary, BinaryView, Boolean, FixedSizeBinary, LargeBinary, LargeUtf8, Null, Struct, Utf8, Utf8View,
    };
    Ok(match values.data_type() {
        Utf8 | LargeUtf8 | Binary | LargeBinary | Utf8View | BinaryView | Struct(_) => None,
        Null | Boolean => Some(0),
        FixedSizeBinary(each) => Some(u64::from(each.cast_unsigned())),
        kind => Some(kind.primitive_width().map_or_else(|| plain(values), |each| Ok(each as u64))?),
    })
}

/// Give the bytes of each value.
fn widths(values: &dyn Array) -> Result<Vec<u64>, ArrowError> {
    if let Some(each) = width(values)? {
        return Ok(vec![each.min(LARGEST_BYTES) + LEAST; values.len()]);
    }
    let own = match values.data_type() {
        DataType::Struct(_) => return together(values.as_struct().columns(), values.len()),
        DataType::Utf8 => lengths(values.as_string::<i32>().offsets()),
        DataType::LargeUtf8 => lengths(values.as_string::<i64>().offsets()),
        DataType::Binary => lengths(values.as_binary::<i32>().offsets()),
        DataType::LargeBinary => lengths(values.as_binary::<i64>().offsets()),
        DataType::Utf8View => values.as_string_view().lengths().map(u64::from).collect(),
        _ => values.as_binary_view().lengths().map(u64::from).collect(),
    };
    Ok(own.iter().enumerate().map(|(row, each)| if values.is_null(row) { LEAST } else { each + LEAST }).collect())
}

/// Give the bytes of each row of some columns.
fn together(columns: &[arrow::array::ArrayRef], rows: usize) -> Result<Vec<u64>, ArrowError> {
    columns.iter().try_fold(vec![LEAST; rows], |mut sums, column| {
        sums.iter_mut().zip(widths(column)?).for_each(|(sum, each)| *sum += each);
        Ok(sums)
    })
}

fn lengths<O: OffsetSizeTrait>(offsets: &[O]) -> Vec<u64> {
    offsets.windows(2).map(|pair| (pair[1] - pair[0]).as_usize() as u64).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryViewArray, DictionaryArray, FixedSizeListArray, Int8Array, Int32Array, Int64Array, ListArray,
        ListViewArray, MapArray, NullArray, RunArray, StringArray, StringViewArray, StructArray, UnionArray,
    };
    use arrow::buffer::{OffsetBuffer, ScalarBuffer};
    use arrow::datatypes::{Field, FieldRef, UnionFields};

    use super::*;

    fn item() -> FieldRef {
        Arc::new(Field::new("item", DataType::Int64, true))
    }

    fn numbers(numbers: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(numbers.to_vec()))
    }

    fn texts(texts: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    fn first_of(values: ArrayRef, rows: usize) -> ArrayRef {
        Arc::new(DictionaryArray::new(Int8Array::from(vec![0; rows]), values))
    }

    /// The same columns and numbers are in `tests/unit/dativo_ingest/worker/test_unpacked.py`: both cut alike.
    #[test]
    fn a_column_is_counted_as_in_python() {
        let long = "x".repeat(65_536);
        let long_bytes = long.len() as u64;
        let fields = vec![Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8, true)];
        let kinds = UnionFields::try_new(
            [0, 1],
            [Field::new("t", DataType::Utf8, true), Field::new("n", DataType::Int64, true)],
        );
        let union = UnionArray::try_new(
            kinds.unwrap(),
            vec![0, 1, 0].into(),
            Some(vec![0, 0, 0].into()),
            vec![texts(&["yes", "no"]), numbers(&[1])],
        );
        let same = ListViewArray::new(
            item(),
            ScalarBuffer::from(vec![0, 0]),
            ScalarBuffer::from(vec![2, 2]),
            numbers(&[1, 2]),
            None,
        );
        let lists = ListArray::new(item(), OffsetBuffer::from_lengths([2, 0, 1]), numbers(&[1, 2, 3]), None);
        let entry = vec![Field::new("key", DataType::Int64, false), Field::new("value", DataType::Int64, true)];
        let entries = StructArray::new(entry.into(), vec![numbers(&[1, 2]), numbers(&[3, 4])], None);
        let entry = Field::new("entries", entries.data_type().clone(), false);
        let map = MapArray::new(Arc::new(entry), OffsetBuffer::from_lengths([0, 1, 1]), entries, None, false);
        let ends = Int32Array::from(vec![40_000, 40_001]);
        let runs = RunArray::try_new(&ends, &StringArray::from(vec!["y", &long])).unwrap();
        let text = "x".repeat(20);
        let columns: [(&str, ArrayRef, u64); 15] = [
            ("numbers", numbers(&[1, 2, 3]), 24),
            ("texts", texts(&[&text, "", "y"]), 33),
            ("nothing", Arc::new(NullArray::new(3)), 24),
            ("views", Arc::new(StringViewArray::from(vec![Some(text.as_str()), None, Some("y")])), 45),
            ("bytes", Arc::new(BinaryViewArray::from(vec![text.as_bytes(), b"y"])), 37),
            (
                "a struct",
                Arc::new(StructArray::new(fields.into(), vec![numbers(&[1, 2]), texts(&["x", "y"])], None)),
                42,
            ),
            ("lists", Arc::new(lists), 48),
            ("lists of a size", Arc::new(FixedSizeListArray::new(item(), 2, numbers(&[1, 2, 3, 4]), None)), 48),
            ("a map", Arc::new(map), 72),
            ("lists of the same", Arc::new(same), 80),
            ("few names", first_of(texts(&["xxxxxxxxx", "y"]), 4), 68),
            ("many names", first_of(texts(&[&long]), 30_000), 30_000 * (long_bytes + 8)),
            ("names of numbers", first_of(numbers(&[1, 2, 3]), 4), 64),
            ("runs", Arc::new(runs), 40_000 * 9 + long_bytes + 8),
            ("a union", Arc::new(union.unwrap()), 62),
        ];
        for (name, column, counted) in columns {
            let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
            assert_eq!(unpacked_bytes(&batch).unwrap(), counted, "{name}");
        }
    }
}
