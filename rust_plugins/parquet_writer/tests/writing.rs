//! What the writer makes of rows, read back with the Parquet crate's own reader.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use dativo_plugin::arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch, RecordBatchIterator, StringArray,
    TimestampSecondArray,
};
use dativo_plugin::arrow::compute::concat_batches;
use dativo_plugin::arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use dativo_plugin::arrow::error::ArrowError;
use dativo_plugin::serde_json::{Value, json};
use dativo_plugin::{Cancel, DataFile, Error, Result, RowStream, WriteRequest, Writer, WriterConfig};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Encoding, Type};
use parquet::file::metadata::ParquetMetaData;
use parquet_writer::ParquetWriter;
use tempfile::{TempDir, tempdir};

fn open(target: Value) -> ParquetWriter {
    let told = json!({"target": target, "file_size_bytes": target.get("file_size_bytes")});
    ParquetWriter::open(WriterConfig::from_json(told).unwrap()).unwrap()
}

fn request(folder: &TempDir) -> WriteRequest {
    WriteRequest { base: format!("file://{}/data/", folder.path().display()), name: "part".into() }
}

fn stream(schema: SchemaRef, batches: Vec<std::result::Result<RecordBatch, ArrowError>>) -> RowStream {
    RowStream::new(RecordBatchIterator::new(batches, schema))
}

fn write(folder: &TempDir, target: Value, batches: &[RecordBatch]) -> Result<Vec<DataFile>> {
    let rows = stream(batches[0].schema(), batches.iter().cloned().map(Ok).collect());
    open(target).write(rows, &request(folder), &Cancel::default())
}

fn plain(uri: &str) -> &Path {
    Path::new(uri.strip_prefix("file://").unwrap())
}

fn read(files: &[DataFile]) -> RecordBatch {
    let readers = files.iter().map(|file| {
        ParquetRecordBatchReaderBuilder::try_new(File::open(plain(&file.path)).unwrap()).unwrap().build().unwrap()
    });
    let batches: Vec<RecordBatch> = readers.flatten().map(|batch| batch.unwrap()).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn footer(file: &DataFile) -> ParquetMetaData {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(plain(&file.path)).unwrap()).unwrap();
    builder.metadata().as_ref().clone()
}

fn left(folder: &TempDir) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.path().join("data")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn numbers(from: i64, to: i64) -> RecordBatch {
    let words = (from..to).map(|n| (n % 7 != 0).then(|| format!("word {n}")));
    let lists = (from..to).map(|n| (n % 3 != 0).then(|| vec![Some(n as i32), None, Some(-n as i32)]));
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("n", Arc::new(Int64Array::from_iter_values(from..to)), false),
        ("word", Arc::new(StringArray::from_iter(words)), true),
        ("country", Arc::new(StringArray::from_iter_values((from..to).map(|n| ["DE", "FR"][n as usize % 2]))), true),
        ("numbers", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn same_values(found: &RecordBatch, given: &[RecordBatch]) {
    let given = concat_batches(&given[0].schema(), given).unwrap();
    assert_eq!(found.num_rows(), given.num_rows());
    for (at, column) in given.columns().iter().enumerate().take(3) {
        assert_eq!(found.column(at), column);
    }
    let list = |batch: &RecordBatch| batch.column(3).as_any().downcast_ref::<ListArray>().unwrap().clone();
    assert_eq!(list(found).values(), list(&given).values());
    assert_eq!(list(found).offsets(), list(&given).offsets());
}

#[test]
fn rows_come_back_in_order_whatever_the_row_groups_files_and_threads() {
    let batches = [numbers(0, 30_000), numbers(30_000, 30_001), numbers(30_001, 90_000)];
    for threads in [1, 2, 7] {
        for target in [
            json!({"threads": threads}),
            json!({"threads": threads, "row_group_rows": 7_001}),
            json!({"threads": threads, "row_group_bytes": 100_000, "file_size_bytes": 300_000}),
        ] {
            let folder = tempdir().unwrap();
            let files = write(&folder, target, &batches).unwrap();
            same_values(&read(&files), &batches);
            assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 90_000);
        }
    }
}

#[test]
fn a_file_is_rolled_at_its_size_and_named_by_its_ordinal() {
    let folder = tempdir().unwrap();
    let target = json!({"file_size_bytes": 100_000, "compression": "none"});
    let files = write(&folder, target, &[numbers(0, 100_000)]).unwrap();
    assert!(files.len() > 10, "{}", files.len());
    for (at, file) in files.iter().enumerate() {
        assert_eq!(file.path, format!("file://{}/data/part-{:05}.parquet", folder.path().display(), at + 1));
        assert_eq!(file.bytes, fs::metadata(plain(&file.path)).unwrap().len());
        assert!(file.bytes < 250_000);
        assert_eq!(file.rows, footer(file).file_metadata().num_rows() as u64);
    }
    assert_eq!(left(&folder).len(), files.len());
}

#[test]
fn every_codec_gives_the_same_rows() {
    let batches = [numbers(0, 20_000)];
    for codec in ["none", "snappy", "gzip", "lz4", "zstd", "brotli"] {
        for encoding in ["plain", "delta"] {
            let folder = tempdir().unwrap();
            let target = json!({"compression": codec, "encoding": encoding});
            let files = write(&folder, target, &batches).unwrap();
            same_values(&read(&files), &batches);
            let said = footer(&files[0]).row_group(0).column(0).compression().to_string();
            assert!(
                said.starts_with(if codec == "none" { "UNCOMPRESSED" } else { &codec[..3] }.to_uppercase().as_str())
            );
        }
    }
}

#[test]
fn only_columns_that_repeat_have_a_dictionary() {
    let has_one = |target: Value| {
        let folder = tempdir().unwrap();
        let files = write(&folder, target, &[numbers(0, 30_000)]).unwrap();
        let group = footer(&files[0]).row_group(0).clone();
        group.columns().iter().map(|c| c.encodings().any(|e| e == Encoding::RLE_DICTIONARY)).collect::<Vec<_>>()
    };
    assert_eq!(has_one(json!({})), [false, false, true, false]);
    assert_eq!(has_one(json!({"dictionary": "always"})), [true; 4]);
    assert_eq!(has_one(json!({"dictionary": "never"})), [false; 4]);
}

#[test]
fn no_rows_are_no_files() {
    let folder = tempdir().unwrap();
    assert_eq!(write(&folder, json!({}), &[numbers(0, 0)]).unwrap(), []);
    let rows = stream(numbers(0, 0).schema(), vec![]);
    assert_eq!(open(json!({})).write(rows, &request(&folder), &Cancel::default()).unwrap(), []);
    assert!(left(&folder).is_empty());
}

#[test]
fn a_stream_that_fails_leaves_no_file_and_keeps_its_error() {
    let folder = tempdir().unwrap();
    let failure = Error::data("line 7 is no row");
    let batches = vec![Ok(numbers(0, 50_000)), Err(ArrowError::from(failure.clone()))];
    let target = json!({"file_size_bytes": 50_000});
    let error = open(target).write(stream(numbers(0, 0).schema(), batches), &request(&folder), &Cancel::default());
    assert_eq!(error.unwrap_err(), failure);
    assert_eq!(left(&folder), [""; 0]);
}

#[test]
fn cancel_ends_an_endless_stream_and_leaves_no_file() {
    let folder = tempdir().unwrap();
    let cancel = Cancel::default();
    let asked = cancel.clone();
    let endless = (0..).map(move |n| {
        if n == 5 {
            asked.cancel();
        }
        Ok(numbers(n * 1000, (n + 1) * 1000))
    });
    let rows = RowStream::new(RecordBatchIterator::new(endless, numbers(0, 0).schema()));
    let target = json!({"file_size_bytes": 10_000});
    let error = open(target).write(rows, &request(&folder), &cancel).unwrap_err();
    assert_eq!(error.code(), "CANCELLED");
    assert_eq!(left(&folder), [""; 0]);
}

#[test]
fn a_panic_of_the_stream_ends_the_threads() {
    let folder = tempdir().unwrap();
    let broken = (0..2).map(|n| if n == 0 { Ok(numbers(0, 20_000)) } else { panic!("on purpose") });
    let rows = RowStream::new(RecordBatchIterator::new(broken, numbers(0, 0).schema()));
    let request = request(&folder);
    let caught = std::thread::spawn(move || open(json!({})).write(rows, &request, &Cancel::default()).is_ok());
    assert!(caught.join().is_err());
    assert_eq!(left(&folder), [""; 0]);
}

#[test]
fn null_in_a_required_column_is_refused() {
    let folder = tempdir().unwrap();
    let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let nullable = RecordBatch::try_from_iter([("n", Arc::clone(&nulls))]).unwrap();
    let required = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let rows = stream(required, vec![Ok(nullable)]);
    let error = open(json!({})).write(rows, &request(&folder), &Cancel::default()).unwrap_err();
    assert_eq!(error.code(), "WRITE_FAILED");
    assert_eq!(left(&folder), [""; 0]);
}

#[test]
fn field_ids_and_icebergs_physical_types_are_kept() {
    let id = |field: Field, id: u8| field.with_metadata(HashMap::from([("PARQUET:field_id".into(), id.to_string())]));
    let element = id(Field::new("item", DataType::Int32, true), 5);
    let schema = Arc::new(Schema::new(vec![
        id(Field::new("small", DataType::Decimal128(9, 2), true), 1),
        id(Field::new("large", DataType::Decimal128(18, 2), true), 2),
        id(Field::new("huge", DataType::Decimal128(38, 10), true), 3),
        id(Field::new("numbers", DataType::List(Arc::new(element.clone())), true), 4),
    ]));
    let decimal =
        |p, s| -> ArrayRef { Arc::new(Decimal128Array::from(vec![Some(-7)]).with_precision_and_scale(p, s).unwrap()) };
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)])]);
    let (_, offsets, values, nulls) = list.into_parts();
    let list = ListArray::new(Arc::new(element), offsets, values, nulls);
    let columns = vec![decimal(9, 2), decimal(18, 2), decimal(38, 10), Arc::new(list)];
    let folder = tempdir().unwrap();
    let batch = RecordBatch::try_new(schema, columns).unwrap();
    let files = write(&folder, json!({}), &[batch]).unwrap();
    let footer = footer(&files[0]);
    let columns = footer.file_metadata().schema_descr().columns();
    let kinds: Vec<Type> = columns.iter().map(|column| column.physical_type()).collect();
    assert_eq!(kinds, [Type::INT32, Type::INT64, Type::FIXED_LEN_BYTE_ARRAY, Type::INT32]);
    let ids: Vec<i32> = columns.iter().map(|column| column.self_type().get_basic_info().id()).collect();
    assert_eq!(ids, [1, 2, 3, 5]);
    assert_eq!(columns[3].path().string(), "numbers.list.element");
}

#[test]
fn seconds_are_stored_as_milliseconds_and_one_that_does_not_fit_is_refused() {
    let write_one = |seconds: i64| {
        let folder = tempdir().unwrap();
        let column: ArrayRef = Arc::new(TimestampSecondArray::from(vec![seconds]));
        write(&folder, json!({}), &[RecordBatch::try_from_iter([("at", column)]).unwrap()]).map(|files| read(&files))
    };
    assert_eq!(write_one(7).unwrap().schema().field(0).data_type().to_string(), "Timestamp(ms)");
    let error = write_one(i64::MAX).unwrap_err();
    assert_eq!(error.code(), "WRITE_FAILED");
    assert!(!error.message().contains(&i64::MAX.to_string()));
}

#[test]
fn nan_values_are_counted_by_column() {
    let folder = tempdir().unwrap();
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(f64::NAN), None, Some(1.0), Some(-f64::NAN)]));
    let files = write(&folder, json!({}), &[RecordBatch::try_from_iter([("f", floats)]).unwrap()]).unwrap();
    assert_eq!(files[0].statistics["nan_value_counts"], json!({"f": 2}));
}

#[test]
fn a_commit_is_one_manifest_and_a_second_attempt_of_it_leaves_the_first() {
    let folder = tempdir().unwrap();
    let base = folder.path().join("data");
    let told = json!({"output_base": base, "commits": true});
    let mut writer = ParquetWriter::open(WriterConfig::from_json(told).unwrap()).unwrap();
    let mut attempt = |name: &str| {
        let request = WriteRequest { base: format!("{}/", base.display()), name: name.into() };
        let batch = numbers(0, 10);
        writer.write(stream(batch.schema(), vec![Ok(batch)]), &request, &Cancel::default()).unwrap()
    };
    let (first, second) = (attempt("a"), attempt("b"));
    let answer = writer.commit("to/ken", &first).unwrap();
    assert_eq!((&answer["files"], &answer["rows"]), (&json!(1), &json!(10)));
    assert_eq!(writer.commit("to/ken", &second).unwrap(), answer);
    let mut names = left(&folder);
    names.sort();
    assert_eq!(names, ["_dativo_manifest-to_ken.json", "a-00001.parquet"]);
    writer.abort("other", &first).unwrap();
    writer.abort("other", &first).unwrap();
    assert_eq!(left(&folder), ["_dativo_manifest-to_ken.json"]);
}

#[test]
fn a_check_leaves_nothing_behind_not_even_a_folder() {
    let folder = tempdir().unwrap();
    let check = |base: &Path| {
        let told = json!({"output_base": base});
        ParquetWriter::open(WriterConfig::from_json(told).unwrap()).unwrap().check().unwrap()
    };
    assert!(check(&folder.path().join("data/deep")).passed);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(!check(Path::new("/proc/nowhere")).passed);
}
