//! What a plugin answers through the C boundary is what it answers when it is called directly.
#![allow(clippy::undocumented_unsafe_blocks)] // it is a host, see `host`

mod host;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, RecordBatchIterator, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dativo_plugin::abi::{DATIVO_ERROR, DATIVO_NOT_IMPLEMENTED, DativoInstance, DativoPlugin};
use dativo_plugin::export::{NoReader, NoWriter};
use dativo_plugin::{
    Cancel, Check, Column, Cursor, DataFile, Discovery, Error, Estimate, Progress, Reader, ReaderConfig, Reading,
    Result, RowStream, Stream, Unit, Window, WriteRequest, Writer, WriterConfig, arrow,
};
use host::{Instance, Library, empty, start};
use serde_json::{Map, Value, json};

/// Answers with what it was asked.
struct Echo {
    name: String,
}

impl Reader for Echo {
    fn open(config: ReaderConfig) -> Result<Self> {
        Ok(Self { name: config.require("name")? })
    }

    fn check(&mut self) -> Result<Check> {
        Ok(Check::failed(&Error::auth(format!("{} is locked", self.name)).detail("door", "front")))
    }

    fn discover(&mut self) -> Result<Discovery> {
        let stream = Stream::new(&self.name, [Column::new("when", "timestamptz[ms]")]);
        Ok(Discovery { streams: vec![stream], metadata: Map::from_iter([("a".into(), json!([1, null, "ü"]))]) })
    }

    fn estimate(&mut self, stream: &Stream) -> Result<Estimate> {
        Ok(Estimate { rows: Some(stream.columns.len() as u64), bytes: None })
    }

    fn split(&mut self, stream: &Stream, since: Option<&Cursor>) -> Result<Window> {
        let unit = Unit::new(&stream.name, &json!({ "offset": 7 }))?;
        Ok(Window { units: vec![unit], fingerprint: "f".into(), before: since.cloned(), ..Window::default() })
    }

    fn reached(&mut self, window: &Window) -> Result<Option<Cursor>> {
        Ok(window.before.clone())
    }

    fn read(&mut self, _: &Stream, unit: &Unit, progress: Progress) -> Result<Reading> {
        progress.set(41);
        match unit.id.as_str() {
            "none" => Ok(Vec::new().into()),
            "named" => Ok(Reading::from(Vec::new()).with_schema(numbers(&[]).schema())),
            "broken" => Err(Error::rate_limit("too \0 fast", 9)),
            "breaks" => Ok(Reading::new([Ok(numbers(&[1])), Err(Error::data("line 2 is no line"))])),
            "endless" => Ok(Reading::new(std::iter::repeat_with(|| Ok::<_, Error>(numbers(&[1]))))),
            _ => Ok(batches().into()),
        }
    }

    fn schema() -> Value {
        json!({ "required": ["name"] })
    }
}

/// Keeps the texts of what it is given.
struct Sink {
    commits: bool,
}

impl Writer for Sink {
    fn open(config: WriterConfig) -> Result<Self> {
        Ok(Self { commits: config.commits() })
    }

    fn write(&mut self, rows: RowStream, request: &WriteRequest, _: &Cancel) -> Result<Vec<DataFile>> {
        let names = rows
            .schema()
            .fields()
            .iter()
            .map(|field| (field.name().clone(), json!(HashMap::<String, String>::from(field.metadata()))))
            .collect();
        let path = format!("{}{}", request.base, request.name);
        let rows = rows.map(|batch| Ok(batch?.num_rows() as u64)).sum::<Result<u64>>()?;
        Ok(vec![DataFile { path, rows, statistics: names, ..DataFile::default() }])
    }

    fn commit(&mut self, token: &str, files: &[DataFile]) -> Result<Map<String, Value>> {
        Ok(Map::from_iter([(token.into(), json!(files)), ("commits".into(), self.commits.into())]))
    }

    fn abort(&mut self, _: &str, files: &[DataFile]) -> Result<()> {
        if files.is_empty() { Ok(()) } else { Err(Error::access("stays")) }
    }
}

fn numbers(values: &[i64]) -> RecordBatch {
    let id = Field::new("id", DataType::Int64, false).with_metadata([("PARQUET:field_id", "1")]);
    let schema = Schema::new(vec![id]).with_metadata([("made", "here")]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
}

fn texts(values: &[&str]) -> RecordBatch {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8, true)]));
    RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(values.to_vec()))]).unwrap()
}

fn batches() -> Vec<RecordBatch> {
    vec![numbers(&[1, 2]), numbers(&[3]), texts(&["n/a"]), numbers(&[5]).slice(0, 0), numbers(&[6, 7])]
}

fn library() -> Library {
    Library::load(start::<Echo, Sink>)
}

fn config() -> Value {
    json!({ "source": { "engine": { "options": { "name": "it" } } }, "target": {}, "commits": true })
}

fn reader() -> (Library, Instance) {
    let mut library = library();
    let instance = library.open("reader", &config()).unwrap();
    (library, instance)
}

fn writer() -> (Library, Instance) {
    let mut library = library();
    let instance = library.open("writer", &config()).unwrap();
    (library, instance)
}

fn direct() -> Echo {
    Echo::open(ReaderConfig::from_json(config()).unwrap()).unwrap()
}

fn stream() -> Stream {
    Stream { primary_key: vec!["id".into()], ..Stream::new("orders", [Column::new("id", "int64")]) }
}

fn cursor() -> Cursor {
    Cursor::new(&json!({ "last": "2024-05-17", "seen": [1, 2] })).unwrap()
}

fn same(through: Value, direct: impl serde::Serialize) {
    assert_eq!(through, serde_json::to_value(direct).unwrap());
}

#[test]
fn the_library_says_what_it_is() {
    let roles = json!({ "reader": { "config": { "required": ["name"] } }, "writer": { "config": {} } });
    let sdk = env!("CARGO_PKG_VERSION");
    same(library().spec().unwrap(), json!({ "name": "tested", "version": "1.2.3", "sdk": sdk, "roles": roles }));
    let mut half = Library::load(start::<Echo, NoWriter>);
    assert!(half.spec().unwrap()["roles"].get("writer").is_none());
}

#[test]
fn every_verb_of_a_reader_answers_alike() {
    let (_library, mut there) = reader();
    let slots = there.0.copy();
    let mut here = direct();
    same(there.ask(slots.check, &json!({})).unwrap(), here.check().unwrap());
    same(there.ask(slots.discover, &json!({})).unwrap(), here.discover().unwrap());
    same(there.ask(slots.estimate, &json!({ "stream": stream() })).unwrap(), here.estimate(&stream()).unwrap());
    for since in [None, Some(cursor())] {
        let window = here.split(&stream(), since.as_ref()).unwrap();
        same(there.ask(slots.split, &json!({ "stream": stream(), "since": since })).unwrap(), &window);
        same(there.ask(slots.reached, &json!({ "window": window })).unwrap(), since);
    }
}

#[test]
fn a_reading_is_one_stream_for_each_run_of_one_schema() {
    let (_library, mut there) = reader();
    let mut reading = there.read(&json!(stream()), &json!({ "id": "all" })).unwrap();
    let parts = reading.parts().unwrap();
    let here: Vec<RecordBatch> =
        direct().read(&stream(), &Unit::all(), Progress::default()).unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(parts.iter().map(|part| part.batches.len()).collect::<Vec<_>>(), [2, 1, 2]);
    assert_eq!(
        parts.iter().map(|part| &part.schema).collect::<Vec<_>>(),
        [&here[0].schema(), &here[2].schema(), &here[3].schema()]
    );
    assert_eq!(parts.into_iter().flat_map(|part| part.batches).collect::<Vec<_>>(), here);
    assert_eq!(reading.position(), 41);
    assert!(reading.next().unwrap().is_none(), "the end stays the end");
    assert_eq!(reading.last_error(), None);
}

#[test]
fn a_reading_without_rows_has_a_stream_only_if_its_schema_is_known() {
    let (_library, mut there) = reader();
    assert_eq!(there.read(&json!(stream()), &json!({ "id": "none" })).unwrap().parts().unwrap(), []);
    let parts = there.read(&json!(stream()), &json!({ "id": "named" })).unwrap().parts().unwrap();
    assert_eq!((parts.len(), parts[0].batches.len(), parts[0].schema.field(0).name().as_str()), (1, 0, "id"));
}

#[test]
fn a_stream_that_is_let_go_early_loses_nothing_of_the_next() {
    let (_library, mut there) = reader();
    let mut reading = there.read(&json!(stream()), &json!({ "id": "all" })).unwrap();
    drop(reading.next().unwrap().unwrap());
    let rest = reading.parts().unwrap();
    assert_eq!(rest.iter().flat_map(|part| &part.batches).map(RecordBatch::num_rows).sum::<usize>(), 6);
}

#[test]
fn an_error_crosses_whole() {
    let (_library, mut there) = reader();
    let error = there.read(&json!(stream()), &json!({ "id": "broken" })).err().unwrap();
    assert_eq!(
        (error.status, error.code.as_str(), error.message.as_str()),
        (DATIVO_ERROR, "RATE_LIMIT_EXCEEDED", "too \u{fffd} fast")
    );
    assert_eq!((error.retryable, error.retry_after_seconds, error.details), (true, 9, Value::Null));
    let error = library().open("reader", &json!({ "source": {} })).err().unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("CONFIGURATION_ERROR", "source.name is missing"));
}

#[test]
fn an_error_between_batches_is_told_in_full_and_stays() {
    let (_library, mut there) = reader();
    let mut reading = there.read(&json!(stream()), &json!({ "id": "breaks" })).unwrap();
    let mut part = reading.next().unwrap().unwrap();
    assert_eq!(part.next().unwrap().unwrap().num_rows(), 1);
    assert!(part.next().unwrap().unwrap_err().to_string().contains("VALIDATION_FAILED: line 2 is no line"));
    assert!(part.next().unwrap().is_err(), "no data comes after an error");
    drop(part);
    let error = reading.last_error().unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("VALIDATION_FAILED", "line 2 is no line"));
    assert_eq!(reading.next().unwrap_err(), error);
}

#[test]
fn a_cancelled_reading_stops_between_batches() {
    for whole in [true, false] {
        let (_library, mut there) = reader();
        let mut reading = there.read(&json!(stream()), &json!({ "id": "endless" })).unwrap();
        let mut part = reading.next().unwrap().unwrap();
        assert!(part.next().unwrap().is_ok());
        if whole {
            there.cancel();
        } else {
            reading.cancel();
        }
        assert!(part.by_ref().take(2).any(|batch| batch.is_err()));
        drop(part);
        assert_eq!(reading.last_error().unwrap().code, "CANCELLED");
        let other = there.read(&json!(stream()), &json!({ "id": "all" })).unwrap().parts();
        assert_eq!(other.is_err(), whole, "one reading or all of the instance");
    }
}

#[test]
fn rows_reach_a_writer_with_their_metadata() {
    let (_library, mut there) = writer();
    let rows = vec![numbers(&[1, 2]), numbers(&[3])];
    let schema = rows[0].schema();
    let rows = Box::new(RecordBatchIterator::new(rows.into_iter().map(Ok), schema));
    let files = there.write(rows, &json!({ "base": "file:///tmp/", "name": "part" })).unwrap();
    let statistics = json!({ "id": { "PARQUET:field_id": "1" } });
    same(
        files,
        json!({ "files": [{
        "path": "file:///tmp/part", "rows": 3, "bytes": 0, "partition": {}, "statistics": statistics,
    }] }),
    );
}

#[test]
fn an_error_of_whoever_makes_the_rows_fails_the_write() {
    let (_library, mut there) = writer();
    let rows = vec![Ok(numbers(&[1])), Err(arrow::error::ArrowError::ComputeError("no more".into()))];
    let rows = Box::new(RecordBatchIterator::new(rows, numbers(&[]).schema()));
    let error = there.write(rows, &json!({ "base": "/", "name": "x" })).unwrap_err();
    assert!(error.message.contains("no more"), "{error:?}");
}

#[test]
fn rows_are_taken_even_when_the_request_is_nonsense_or_the_host_cancels() {
    let (_library, mut there) = writer();
    let rows = || Box::new(RecordBatchIterator::new(vec![Ok(numbers(&[1]))], numbers(&[]).schema()));
    assert_eq!(there.write(rows(), &json!({ "base": 5 })).unwrap_err().code, "VALIDATION_FAILED");
    there.cancel();
    assert_eq!(there.write(rows(), &json!({ "base": "/", "name": "x" })).unwrap_err().code, "CANCELLED");
}

#[test]
fn commit_and_abort_see_the_files() {
    let (_library, mut there) = writer();
    let slots = there.0.copy();
    let files =
        [DataFile { path: "a".into(), rows: 1, partition: [("day".into(), None)].into(), ..DataFile::default() }];
    let done = there.ask(slots.commit, &json!({ "token": "t", "files": files })).unwrap();
    same(done, json!({ "t": files, "commits": true }));
    same(there.ask(slots.abort, &json!({ "token": "t", "files": [] })).unwrap(), json!({}));
    assert_eq!(there.ask(slots.abort, &json!({ "files": files })).unwrap_err().code, "ACCESS_DENIED");
}

#[test]
fn what_is_not_implemented_says_so() {
    struct Least;
    impl Reader for Least {
        fn open(_: ReaderConfig) -> Result<Self> {
            Ok(Self)
        }
        fn read(&mut self, _: &Stream, _: &Unit, _: Progress) -> Result<Reading> {
            Ok(Vec::new().into())
        }
    }
    let mut library = Library::load(start::<Least, NoWriter>);
    assert_eq!(library.open("writer", &json!({})).err().unwrap().status, DATIVO_NOT_IMPLEMENTED);
    let mut least = library.open("reader", &json!({})).unwrap();
    let slots = least.0.copy();
    for slot in [slots.check, slots.discover] {
        assert_eq!(least.ask(slot, &json!({})).unwrap_err().status, DATIVO_NOT_IMPLEMENTED);
    }
    assert_eq!(least.ask(slots.split, &json!({ "stream": {} })).unwrap_err().status, DATIVO_NOT_IMPLEMENTED);
    assert_eq!(least.ask(slots.reached, &json!({ "window": {} })).unwrap_err().status, DATIVO_NOT_IMPLEMENTED);
    assert!(slots.write.is_none() && slots.commit.is_none() && slots.abort.is_none());
}

#[test]
fn nonsense_is_refused_in_words() {
    let (mut library, mut there) = reader();
    let slots = there.0.copy();
    assert_eq!(library.open("baker", &config()).err().unwrap().code, "PLUGIN_ERROR");
    assert_eq!(library.open("reader", &json!([])).err().unwrap().code, "CONFIGURATION_ERROR");
    assert_eq!(there.ask(slots.split, &json!({ "stream": 3 })).unwrap_err().code, "VALIDATION_FAILED");
    let (mut answer, mut error) = (empty(), empty());
    let status =
        unsafe { slots.check.unwrap()(&raw mut there.0, std::ptr::null(), 0, &raw mut answer, &raw mut error) };
    assert_eq!(status, 0, "no request at all is an empty one");
    unsafe { answer.release.unwrap()(&raw mut answer) };
}

#[test]
fn versions_and_sizes_are_negotiated() {
    type Start = dativo_plugin::abi::Init;
    let start: Start = start::<Echo, NoWriter>;
    let call = |version: u32, size: u64| {
        let (mut plugin, mut error): (DativoPlugin, _) = (empty(), empty());
        plugin.size = size;
        let status = unsafe { start(version, &raw mut plugin, &raw mut error) };
        (status, plugin, error)
    };
    let whole = size_of::<DativoPlugin>() as u64;
    assert_eq!(call(0, whole).0, DATIVO_NOT_IMPLEMENTED);
    let (status, newer, _) = call(7, whole + 64);
    assert_eq!((status, newer.version, newer.size), (0, 1, whole), "a newer host, with slots that we do not know");
    let (status, older, mut error) = call(1, 24);
    assert_eq!((status, older.open.is_none()), (DATIVO_ERROR, true), "a host that knows less than version 1");
    unsafe { error.release.unwrap()(&raw mut error) };
    let (status, exact, _) = call(1, whole - 32);
    assert_eq!((status, exact.size), (0, whole - 32), "nothing is written behind what the host knows");
}

#[test]
fn a_plugin_that_only_writes_cannot_be_opened_to_read() {
    let mut library = Library::load(start::<NoReader, Sink>);
    assert_eq!(library.open("reader", &config()).err().unwrap().status, DATIVO_NOT_IMPLEMENTED);
    assert!(library.open("writer", &config()).is_ok());
}

/// The slots, which outlive the borrow of the instance.
trait Copied {
    fn copy(&self) -> DativoInstance;
}

impl Copied for DativoInstance {
    fn copy(&self) -> DativoInstance {
        DativoInstance { private_data: std::ptr::null_mut(), release: None, ..*self }
    }
}
