//! A batch in pieces that the host takes, cut as `dativo_ingest/worker/batches.py` cuts.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use dativo_plugin::{Error, Result, arrow};

use crate::compact::compacted;
use crate::size::sent_bytes;
use crate::unpacked::{LARGEST_BYTES, unpacked_bytes};

const MB: u64 = 1024 * 1024;
/// What the host takes.
pub(crate) const HOST: Bounds = Bounds { piece: 64 * MB, object: 512 * MB, unpacked: LARGEST_BYTES };

/// How much of a batch may be in one piece, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// A batch that is larger goes in pieces.
    pub(crate) piece: u64,
    /// What is larger is refused.
    pub(crate) object: u64,
    /// What takes more once each value stands by itself is refused; a batch goes in pieces from half of it on, as rows
    /// differ in size.
    pub(crate) unpacked: u64,
}

/// Give a batch as pieces, all of its rows in order; a piece that is too large is refused as the host would.
pub(crate) fn cut(batch: &RecordBatch, bounds: Bounds) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
    let size = size(batch, bounds).map_err(unsendable)?;
    let (all, small) = (batch.num_rows(), size <= bounds.piece);
    let rows = if small { all } else { rows_of_a_piece(all, size, bounds) }.max(1);
    let starts = (0..all.max(1)).step_by(rows);
    Ok(starts.map(move |start| if small { Ok(batch.clone()) } else { piece(batch, start, rows, bounds) }))
}

/// Give the larger of what a batch is sent as, and of what its rows become, in the measure of what is sent.
fn size(batch: &RecordBatch, bounds: Bounds) -> Result<u64, ArrowError> {
    let unpacked = share(unpacked_bytes(batch)?, bounds.piece, bounds.unpacked / 2);
    Ok(sent_bytes(batch)?.max(unpacked))
}

fn rows_of_a_piece(rows: usize, size: u64, bounds: Bounds) -> usize {
    usize::try_from(share(rows as u64, bounds.piece, size)).unwrap_or(usize::MAX)
}

/// Give `number * part / whole`.
fn share(number: u64, part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(number) * u128::from(part) / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

fn piece(batch: &RecordBatch, start: usize, rows: usize, bounds: Bounds) -> Result<RecordBatch> {
    let rows = rows.min(batch.num_rows() - start);
    let piece = compacted(batch.slice(start, rows)).map_err(unsendable)?;
    let sent = sent_bytes(&piece).map_err(unsendable)?;
    if sent > bounds.object {
        return Err(beyond("PLUGIN_BAD_RESULT", rows, sent, bounds.object));
    }
    let unpacked = unpacked_bytes(&piece).map_err(unsendable)?;
    if unpacked > bounds.unpacked {
        return Err(beyond("PLUGIN_BAD_DATA", rows, unpacked, bounds.unpacked));
    }
    Ok(piece)
}

fn beyond(code: &str, rows: usize, bytes: u64, most: u64) -> Error {
    let what = if rows == 1 { "a row".to_owned() } else { format!("{rows} rows of a batch") };
    Error::new(code, format!("gave {what} of {bytes} bytes, of which {most} may be; make smaller values or batches"))
}

/// Say that rows are none that can be sent.
pub(crate) fn unsendable(error: ArrowError) -> Error {
    Error::new("PLUGIN_BAD_BATCH", format!("its rows cannot be sent: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Array, ArrayRef, BinaryArray, BinaryViewArray, DictionaryArray, FixedSizeListArray, Int8Array, Int64Array,
        LargeListArray, ListArray, MapArray, StringArray, StringViewArray, StructArray,
    };
    use arrow::buffer::OffsetBuffer;
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Field, FieldRef};
    use arrow_ipc::writer::StreamWriter;

    use super::*;

    const KB: u64 = 1024;
    const SMALL: Bounds = Bounds { piece: 64 * KB, object: 512 * KB, unpacked: 2 * MB };
    const VALUES: usize = 20_000;

    fn batch(column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap()
    }

    fn pieces(batch: &RecordBatch) -> Vec<RecordBatch> {
        cut(batch, SMALL).unwrap().collect::<Result<_>>().unwrap()
    }

    fn stream_bytes(batch: &RecordBatch) -> usize {
        let mut stream = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
        stream.write(batch).and_then(|()| stream.finish()).unwrap();
        stream.into_inner().unwrap().len()
    }

    /// Give texts of which many are short, and some are none.
    fn texts() -> impl Iterator<Item = Option<String>> {
        let long = |row: usize| format!("a text that does not lie in its view: {row}");
        (0..VALUES).map(move |row| (row % 7 > 0).then(|| if row % 3 > 0 { long(row) } else { "short".to_owned() }))
    }

    fn item(values: &ArrayRef, name: &str) -> FieldRef {
        Arc::new(Field::new(name, values.data_type().clone(), true))
    }

    fn list(values: &ArrayRef) -> ArrayRef {
        let offsets = OffsetBuffer::from_lengths(vec![2; VALUES / 2]);
        Arc::new(ListArray::new(item(values, "item"), offsets, Arc::clone(values), None))
    }

    /// Give columns that hold the values: as they are, in lists, maps and structs.
    fn holding(values: &ArrayRef) -> [ArrayRef; 6] {
        let (values, list) = (Arc::clone(values), list(values));
        let long = OffsetBuffer::from_lengths(vec![2; VALUES / 2]);
        let keys: ArrayRef = Arc::new((0..VALUES as i64).collect::<Int64Array>());
        let key = Arc::new(Field::new("key", DataType::Int64, false));
        let entries = StructArray::new(vec![key, item(&values, "value")].into(), vec![keys, Arc::clone(&values)], None);
        let entry = Arc::new(Field::new("entries", entries.data_type().clone(), false));
        let ends = OffsetBuffer::from_lengths(vec![2; VALUES / 2]);
        [
            Arc::new(StructArray::new(vec![item(&list, "list")].into(), vec![Arc::clone(&list)], None)),
            Arc::new(LargeListArray::new(item(&values, "item"), long, Arc::clone(&values), None)),
            Arc::new(FixedSizeListArray::new(item(&values, "item"), 2, Arc::clone(&values), None)),
            Arc::new(MapArray::new(entry, ends, entries, None, false)),
            list,
            values,
        ]
    }

    #[test]
    fn pieces_have_all_rows_in_order_and_are_together_as_large_as_the_whole() {
        let bytes = || texts().map(|text| text.map(String::into_bytes));
        let of: [ArrayRef; 5] = [
            Arc::new(texts().collect::<StringViewArray>()),
            Arc::new(bytes().collect::<BinaryViewArray>()),
            Arc::new(texts().collect::<StringArray>()),
            Arc::new(bytes().collect::<BinaryArray>()),
            Arc::new((0..VALUES as i64).collect::<Int64Array>()),
        ];
        for column in of.iter().flat_map(holding) {
            let (kind, rows) = (column.data_type().clone(), column.len());
            let whole = batch(column);
            for shown in [whole.clone(), whole.slice(rows / 10, rows / 2)] {
                let pieces = pieces(&shown);
                let sizes: Vec<usize> = pieces.iter().map(stream_bytes).collect();
                assert!(pieces.len() > 1, "{kind}");
                assert_eq!(concat_batches(&whole.schema(), &pieces).unwrap(), shown, "{kind}");
                assert!(sizes.iter().sum::<usize>() * 2 < stream_bytes(&whole) * 3, "{kind}: {sizes:?}");
                assert!(sizes.iter().all(|&size| (size as u64) < SMALL.piece * 2), "{kind}: {sizes:?}");
            }
        }
    }

    #[test]
    fn views_of_the_same_bytes_are_not_copied() {
        let long = "x".repeat(10_000);
        let one = StringViewArray::from(vec![long.as_str()]);
        let views = StringViewArray::new(vec![one.views()[0]; 500].into(), Arc::clone(one.data_buffers()), None);
        let pieces = pieces(&batch(Arc::new(views)));
        assert_eq!(pieces.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [104, 104, 104, 104, 84]);
        assert!(pieces.iter().all(|piece| stream_bytes(piece) < 15_000));
    }

    #[test]
    fn a_batch_whose_rows_become_too_much_goes_in_pieces_each_of_which_has_the_dictionary() {
        let words: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(10_000), "y".to_owned()]));
        let keys = Int8Array::from([0, 1].repeat(250));
        let whole = batch(Arc::new(DictionaryArray::new(keys, words)));
        let pieces = pieces(&whole);
        assert_eq!(pieces.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [104, 104, 104, 104, 84]);
        assert_eq!(concat_batches(&whole.schema(), &pieces).unwrap(), whole);
        assert!(pieces.iter().all(|piece| stream_bytes(piece) < 15_000));
    }

    #[test]
    fn a_small_batch_and_one_without_rows_or_columns_go_as_they_are() {
        let numbers = batch(Arc::new(Int64Array::from(vec![1, 2])));
        let none = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()));
        for whole in [numbers.slice(0, 0), numbers, none] {
            assert_eq!(pieces(&whole), [whole]);
        }
    }

    #[test]
    fn a_row_that_is_larger_than_a_piece_goes_alone_and_one_that_is_too_large_is_refused_as_by_the_host() {
        let row = |bytes: u64| "x".repeat(usize::try_from(bytes).unwrap());
        let large = batch(Arc::new(StringArray::from(vec![row(100 * KB); 3])));
        assert!(pieces(&large).iter().all(|piece| piece.num_rows() == 1));

        let refused = |column: ArrayRef| cut(&batch(column), SMALL).unwrap().find_map(Result::err).unwrap();
        for rows in [1, 3] {
            let error = refused(Arc::new(StringArray::from(vec![row(600 * KB); rows])));
            assert_eq!(
                (error.code(), error.message().contains("a row of 614")),
                ("PLUGIN_BAD_RESULT", true),
                "{error}"
            );
        }
        let words: ArrayRef = Arc::new(StringArray::from(vec![row(300 * KB)]));
        let named = DictionaryArray::new(Int8Array::from(vec![0; 8]), words);
        let offsets = OffsetBuffer::from_lengths([8]);
        let named: ArrayRef = Arc::new(named);
        assert_eq!(
            refused(Arc::new(ListArray::new(item(&named, "item"), offsets, named, None))).code(),
            "PLUGIN_BAD_DATA"
        );
    }
}
