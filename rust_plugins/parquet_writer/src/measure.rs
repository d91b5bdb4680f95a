//! How much memory the values of an array take, and how batches are cut by it.

use dativo_plugin::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use dativo_plugin::arrow::datatypes::DataType;

/// Give the bytes of the values that an array shows. A slice counts for itself, not for the buffers it shares.
pub(crate) fn bytes(array: &dyn Array) -> usize {
    let nulls = array.nulls().map_or(0, |_| array.len().div_ceil(8));
    match array.data_type() {
        DataType::Struct(_) => nulls + array.as_struct().columns().iter().map(|child| bytes(child)).sum::<usize>(),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            nulls + size_of_val(offsets) + inside(list.values(), offsets[0] as usize, offsets[list.len()] as usize)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.value_offsets();
            nulls + size_of_val(offsets) + inside(list.values(), offsets[0] as usize, offsets[list.len()] as usize)
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            let (from, to) = (offsets[0] as usize, offsets[map.len()] as usize);
            let entries = map.entries().columns().iter();
            nulls + size_of_val(offsets) + entries.map(|child| inside(child, from, to)).sum::<usize>()
        }
        // A type that is shared or has no size of its own counts with its buffers.
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_buffer_memory_size()),
    }
}

fn inside(values: &ArrayRef, from: usize, to: usize) -> usize {
    bytes(&values.slice(from, to - from))
}

/// Cut a batch into slices of at most `rows` rows and about `size` bytes.
pub(crate) fn cut(batch: &RecordBatch, rows: usize, size: usize) -> impl Iterator<Item = RecordBatch> + '_ {
    let whole: usize = batch.columns().iter().map(|column| bytes(column)).sum();
    let fitting = (batch.num_rows() * size).checked_div(whole).unwrap_or(rows);
    let step = fitting.clamp(1, rows);
    (0..batch.num_rows()).step_by(step).map(move |at| batch.slice(at, step.min(batch.num_rows() - at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dativo_plugin::arrow::array::{Int64Array, ListArray, StringArray};
    use dativo_plugin::arrow::datatypes::Int32Type;
    use std::sync::Arc;

    #[test]
    fn a_slice_counts_for_itself() {
        let whole = Int64Array::from_iter_values(0..1000);
        assert_eq!(bytes(&whole), 8000);
        assert_eq!(bytes(&whole.slice(10, 10)), 80);
        let words = StringArray::from(vec!["four"; 1000]);
        assert_eq!(bytes(&words.slice(0, 10)), 40 + 11 * 4);
    }

    #[test]
    fn a_slice_of_lists_counts_only_its_own_elements() {
        let lists = (0..1000).map(|_| Some(vec![Some(1), Some(2)]));
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
        assert!(bytes(&lists.slice(0, 10)) < bytes(&lists) / 50);
    }

    #[test]
    fn a_batch_is_cut_by_rows_and_by_bytes_and_loses_none() {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let sizes = |rows, size| cut(&batch, rows, size).map(|b| b.num_rows()).collect::<Vec<_>>();
        assert_eq!(sizes(400, usize::MAX / 1000), [400, 400, 200]);
        assert_eq!(sizes(1000, 4000), [500, 500]);
        assert_eq!(sizes(1000, 1).len(), 1000);
    }
}
