//! The host of the bootstrap in AWS Lambda releases what plugins give it, once. Here, for the sanitizer looks at these
//! tests, and the bootstrap itself takes long to build for it.

#[allow(dead_code)]
#[path = "../../lambda_bootstrap/src/host.rs"]
mod lambda;

mod host;

use std::sync::{Arc, OnceLock};

use arrow::array::{Int64Array, RecordBatch, RecordBatchIterator};
use arrow::datatypes::{DataType, Field, Schema};
use dativo_plugin::{
    Cancel, Check, DataFile, Error, Progress, Reader, ReaderConfig, Reading, Result, RowStream, Stream, Unit,
    WriteRequest, Writer, WriterConfig, arrow,
};
use host::start;
use lambda::{Instance, Library};
use serde_json::{Value, json};

struct Numbers;

impl Reader for Numbers {
    fn open(_: ReaderConfig) -> Result<Self> {
        Ok(Self)
    }

    fn check(&mut self) -> Result<Check> {
        Ok(Check::failed(&Error::auth("the door is locked")))
    }

    fn read(&mut self, _: &Stream, unit: &Unit, progress: Progress) -> Result<Reading> {
        match unit.id.as_str() {
            "refused" => Err(Error::rate_limit("too fast", 9).detail("quota", 5)),
            "breaks" => Ok(Reading::new([Ok(batch()), Err(Error::data("line 2 is no line"))])),
            "panics" => panic!("cannot cope"),
            _ => {
                progress.set(7);
                Ok(vec![batch(), batch()].into())
            }
        }
    }
}

impl Writer for Numbers {
    fn open(_: WriterConfig) -> Result<Self> {
        Ok(Self)
    }

    fn write(&mut self, mut rows: RowStream, asked: &WriteRequest, _: &Cancel) -> Result<Vec<DataFile>> {
        // The second batch is left to be released.
        let first = rows.next().transpose()?.map_or(0, |batch| batch.num_rows() as u64);
        Ok(vec![DataFile { path: format!("{}{}", asked.base, asked.name), rows: first, ..DataFile::default() }])
    }
}

fn batch() -> RecordBatch {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).unwrap()
}

/// A table lives as long as its process: here it is made once for all tests, to be no leak.
struct Shared(Library);

// SAFETY: the SDK's tables may be used by several threads.
unsafe impl Send for Shared {}
// SAFETY: the same.
unsafe impl Sync for Shared {}

fn open(role: &str) -> Instance {
    static LIBRARY: OnceLock<Shared> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| Shared(Library::of(start::<Numbers, Numbers>).unwrap()));
    library.0.open(role, &json!({ "stream": { "name": "n" } })).unwrap()
}

/// Read a unit: the rows that came, the position, and the error that ended it.
fn read(unit: &str) -> (usize, u64, Option<Error>) {
    let (instance, mut rows, mut position) = (open("reader"), 0, 0);
    let ended = (|| {
        let mut reading = instance.read(&json!({ "stream": { "name": "n" }, "unit": { "id": unit } }))?;
        while let Some(stream) = reading.next()? {
            for batch in stream {
                rows += batch.map_err(|error| reading.why(&error))?.num_rows();
                position = reading.position();
            }
        }
        Ok(())
    })();
    (rows, position, ended.err())
}

#[test]
fn rows_and_their_position_come_to_the_end() {
    assert!(matches!(read("all"), (6, 7, None)));
}

#[test]
fn an_error_keeps_its_words_wherever_it_comes() {
    let (rows, _, refused) = read("refused");
    let refused = refused.unwrap();
    assert_eq!((rows, refused.code(), refused.retry_after_seconds()), (0, "RATE_LIMIT_EXCEEDED", 9));
    assert_eq!(refused.details()["quota"], 5);
    let (rows, _, broke) = read("breaks");
    assert_eq!((rows, broke.unwrap().message()), (3, "line 2 is no line"));
    assert_eq!(read("panics").2.unwrap().code(), "PLUGIN_PANIC");
}

#[test]
fn answers_and_unread_rows_are_released() {
    let checked = open("reader").ask("check", &json!({})).unwrap().unwrap();
    assert_eq!(checked["passed"], false);
    assert_eq!(open("reader").ask("estimate", &json!({ "stream": { "name": "n" } })).unwrap(), None);
    let schema = batch().schema();
    let rows = RecordBatchIterator::new([Ok(batch()), Ok(batch())], schema);
    let told: Value = open("writer").write(&json!({ "base": "/x/", "name": "a" }), Box::new(rows)).unwrap();
    assert_eq!((&told["files"][0]["path"], &told["files"][0]["rows"]), (&json!("/x/a"), &json!(3)));
    open("writer").canceller().cancel();
}
