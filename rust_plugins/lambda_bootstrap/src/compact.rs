//! Views of text and bytes whose array keeps no more than they show: a slice keeps all that the whole array has.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericByteViewArray, GenericListArray, MapArray, OffsetSizeTrait,
    RecordBatch, StructArray,
};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{ByteViewType, DataType, FieldRef};
use arrow::error::ArrowError;
use dativo_plugin::arrow;

use crate::size::within;

/// Give a batch whose views, also those in lists, maps and structs, keep only what they show, where that is less.
pub(crate) fn compacted(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    if !batch.columns().iter().any(|column| views(column.data_type())) {
        return Ok(batch);
    }
    let columns = batch.columns().iter().map(compact).collect::<Result<_, _>>()?;
    RecordBatch::try_new(batch.schema(), columns)
}

/// Whether a type has views where they can be compacted.
fn views(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8View | DataType::BinaryView => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => views(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| views(field.data_type())),
        _ => false,
    }
}

fn compact(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let kind = array.data_type();
    Ok(match kind {
        kind if !views(kind) => Arc::clone(array),
        DataType::Utf8View => own(array.as_string_view())?,
        DataType::BinaryView => own(array.as_binary_view())?,
        DataType::List(item) => list::<i32>(array, item)?,
        DataType::LargeList(item) => list::<i64>(array, item)?,
        DataType::FixedSizeList(item, size) => {
            let (values, nulls) = (compact(array.as_fixed_size_list().values())?, array.nulls().cloned());
            Arc::new(FixedSizeListArray::try_new_with_length(Arc::clone(item), *size, values, nulls, array.len())?)
        }
        DataType::Struct(_) => Arc::new(fields(array.as_struct())?),
        DataType::Map(item, sorted) => {
            let map = array.as_map();
            let entries = within(map.offsets(), |first, length| fields(&map.entries().slice(first, length)))?;
            let (item, offsets) = (Arc::clone(item), from_zero(map.offsets()));
            Arc::new(MapArray::try_new(item, offsets, entries, array.nulls().cloned(), *sorted)?)
        }
        _ => Arc::clone(array),
    })
}

/// Copy what is shown, unless that is more than is kept: views may show the same bytes often.
fn own<V: ByteViewType>(array: &GenericByteViewArray<V>) -> Result<ArrayRef, ArrowError> {
    let (kept, array) = (array.data_buffers().iter().map(Buffer::len).sum(), without_nulls(array)?);
    Ok(Arc::new(if array.total_buffer_bytes_used() < kept { array.gc() } else { array }))
}

/// Empty the views of nulls: they may hold anything.
fn without_nulls<V: ByteViewType>(array: &GenericByteViewArray<V>) -> Result<GenericByteViewArray<V>, ArrowError> {
    let Some(nulls) = array.nulls() else { return Ok(array.clone()) };
    let views: Vec<u128> = array.views().iter().zip(nulls).map(|(view, valid)| if valid { *view } else { 0 }).collect();
    GenericByteViewArray::try_new(views.into(), Arc::clone(array.data_buffers()), Some(nulls.clone()))
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef, item: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let list = array.as_list::<O>();
    let values = within(list.offsets(), |first, length| compact(&list.values().slice(first, length)))?;
    let (item, nulls) = (Arc::clone(item), array.nulls().cloned());
    Ok(Arc::new(GenericListArray::try_new(item, from_zero(list.offsets()), values, nulls)?))
}

fn fields(array: &StructArray) -> Result<StructArray, ArrowError> {
    let columns = array.columns().iter().map(compact).collect::<Result<_, _>>()?;
    StructArray::try_new_with_length(array.fields().clone(), columns, array.nulls().cloned(), array.len())
}

fn from_zero<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> OffsetBuffer<O> {
    OffsetBuffer::new(offsets.iter().map(|&offset| offset - offsets[0]).collect())
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;
    use arrow::buffer::NullBuffer;

    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn what_lies_in_the_place_of_a_null_is_not_looked_at() {
        let texts = StringViewArray::from(vec!["a text that does not lie in its view", "another text that does not"]);
        let (views, nulls) = (vec![texts.views()[0], u128::MAX], NullBuffer::from(vec![true, false]));
        // SAFETY: only what is null shows bytes that are not there.
        let odd =
            unsafe { StringViewArray::new_unchecked(views.into(), Arc::clone(texts.data_buffers()), Some(nulls)) };
        let batch = RecordBatch::try_from_iter([("a", Arc::new(odd) as ArrayRef)]).unwrap();
        let column = compacted(batch).unwrap().column(0).as_string_view().clone();
        assert_eq!(column.iter().collect::<Vec<_>>(), [Some("a text that does not lie in its view"), None]);
        assert_eq!(column.data_buffers()[0].len(), 36);
    }
}
