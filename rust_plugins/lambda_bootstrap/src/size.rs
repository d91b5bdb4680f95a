//! How many bytes the rows of a batch are sent as.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::datatypes::{DataType, UnionMode};
use arrow::error::ArrowError;
use dativo_plugin::arrow;

pub(crate) type Counted = Result<u64, ArrowError>;

/// Give the bytes that a batch is sent as, but for what describes it.
pub(crate) fn sent_bytes(batch: &RecordBatch) -> Counted {
    total(batch.columns(), sent)
}

pub(crate) fn total(columns: &[ArrayRef], count: fn(&dyn Array) -> Counted) -> Counted {
    columns.iter().try_fold(0_u64, |sum, column| Ok(sum.saturating_add(count(column)?)))
}

/// Count as pyarrow's `nbytes` does: of offsets, as many as there are rows.
pub(crate) fn sent(array: &dyn Array) -> Counted {
    let offset = match array.data_type() {
        DataType::Utf8 | DataType::Binary | DataType::List(_) | DataType::Map(_, _) => 4,
        DataType::LargeUtf8 | DataType::LargeBinary | DataType::LargeList(_) => 8,
        _ => 0,
    };
    let Some(children) = shown(array) else { return Ok((array.to_data().get_slice_memory_size()? - offset) as u64) };
    let kinds = usize::from(matches!(array.data_type(), DataType::Union(_, _)));
    let nulls = array.nulls().map_or(0, |nulls| nulls.len().div_ceil(8));
    Ok(total(&children, sent)?.saturating_add(((offset + kinds) * array.len() + nulls) as u64))
}

/// Give what lies in the rows of an array; none where it lies in no other array, or where rows may share it.
pub(crate) fn shown(array: &dyn Array) -> Option<Vec<ArrayRef>> {
    Some(match array.data_type() {
        DataType::List(_) => vec![items::<i32>(array)],
        DataType::LargeList(_) => vec![items::<i64>(array)],
        DataType::FixedSizeList(_, _) => vec![Arc::clone(array.as_fixed_size_list().values())],
        DataType::Struct(_) => array.as_struct().columns().to_vec(),
        DataType::Map(_, _) => {
            let map = array.as_map();
            vec![within(map.offsets(), |first, length| Arc::new(map.entries().slice(first, length)))]
        }
        DataType::Union(kinds, UnionMode::Sparse) => {
            kinds.iter().map(|(kind, _)| Arc::clone(array.as_union().child(kind))).collect()
        }
        _ => return None,
    })
}

fn items<O: OffsetSizeTrait>(array: &dyn Array) -> ArrayRef {
    let list = array.as_list::<O>();
    within(list.offsets(), |first, length| list.values().slice(first, length))
}

/// Take what lies between the first offset and the last.
pub(crate) fn within<O: OffsetSizeTrait, T>(offsets: &[O], take: impl FnOnce(usize, usize) -> T) -> T {
    let (first, last) = (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize());
    take(first, last - first)
}
