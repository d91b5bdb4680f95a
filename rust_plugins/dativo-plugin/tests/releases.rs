//! Whatever a plugin makes is dropped once: when it ends, when it fails, or when the host lets go of it.
#![allow(clippy::undocumented_unsafe_blocks)] // it is a host, see `host`

mod host;

use std::cell::RefCell;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, RecordBatchIterator};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Schema};
use dativo_plugin::{
    Cancel, DataFile, Error, Progress, Reader, ReaderConfig, Reading, Result, RowStream, Stream, Unit, WriteRequest,
    Writer, WriterConfig, arrow,
};
use host::{Library, start};
use serde_json::json;

thread_local! {
    static ALIVE: RefCell<Arc<()>> = RefCell::default();
}

/// One more thing of this test that is alive.
fn alive() -> Arc<()> {
    ALIVE.with_borrow(Arc::clone)
}

fn count() -> usize {
    ALIVE.with_borrow(Arc::strong_count) - 1
}

struct Counted {
    kept: Arc<()>,
}

impl Reader for Counted {
    fn open(_: ReaderConfig) -> Result<Self> {
        Ok(Self { kept: alive() })
    }

    fn read(&mut self, _: &Stream, unit: &Unit, _: Progress) -> Result<Reading> {
        let (kept, fails) = (self.kept.clone(), unit.id == "fails");
        Ok(Reading::new((0..3).map(move |number| {
            let _used = &kept;
            if fails && number == 1 { Err(Error::data("no")) } else { Ok(batch()) }
        })))
    }
}

impl Writer for Counted {
    fn open(_: WriterConfig) -> Result<Self> {
        Ok(Self { kept: alive() })
    }

    fn write(&mut self, mut rows: RowStream, _: &WriteRequest, _: &Cancel) -> Result<Vec<DataFile>> {
        assert_eq!(Arc::strong_count(&self.kept), count() + 1);
        let first = rows.next().transpose()?.map_or(0, |batch| batch.num_rows() as u64);
        Ok(vec![DataFile { rows: first, ..DataFile::default() }])
    }
}

/// A batch whose memory is counted.
fn batch() -> RecordBatch {
    struct Memory(#[allow(dead_code)] Arc<()>, Vec<i64>);
    let memory = Arc::new(Memory(alive(), vec![1, 2, 3]));
    let pointer = std::ptr::NonNull::from(memory.1.as_slice()).cast();
    let buffer = unsafe { Buffer::from_custom_allocation(pointer, 24, memory) };
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::new(buffer.into(), None))]).unwrap()
}

fn library() -> Library {
    Library::load(start::<Counted, Counted>)
}

#[test]
fn an_instance_is_dropped_when_it_is_released() {
    let mut library = library();
    let instance = library.open("reader", &json!({})).unwrap();
    assert_eq!(count(), 1);
    drop(instance);
    assert_eq!(count(), 0);
}

#[test]
fn a_reading_is_dropped_at_its_end_and_its_batches_when_the_host_drops_them() {
    let mut library = library();
    let mut instance = library.open("reader", &json!({})).unwrap();
    let mut reading = instance.read(&json!({}), &json!({})).unwrap();
    assert_eq!(count(), 2);
    let parts = reading.parts().unwrap();
    assert_eq!(count(), 4, "the instance and three batches");
    drop((reading, instance, library));
    assert_eq!(count(), 3, "batches live as long as somebody has them");
    drop(parts);
    assert_eq!(count(), 0);
}

#[test]
fn a_reading_that_fails_is_dropped_at_once() {
    let mut library = library();
    let mut instance = library.open("reader", &json!({})).unwrap();
    let mut reading = instance.read(&json!({}), &json!({ "id": "fails" })).unwrap();
    assert!(reading.parts().is_err());
    assert_eq!(count(), 1, "only the instance");
}

#[test]
fn a_reading_that_the_host_lets_go_of_is_dropped_with_its_last_stream() {
    let mut library = library();
    let mut instance = library.open("reader", &json!({})).unwrap();
    let mut reading = instance.read(&json!({}), &json!({})).unwrap();
    let mut part = reading.next().unwrap().unwrap();
    drop(part.next());
    drop(reading);
    drop(instance);
    assert!(part.next().unwrap().is_ok(), "a stream lives by itself");
    drop(part);
    assert_eq!(count(), 0);
}

#[test]
fn rows_that_a_writer_leaves_are_released() {
    let mut library = library();
    let mut instance = library.open("writer", &json!({})).unwrap();
    let rows = vec![batch(), batch()];
    let schema = rows[0].schema();
    let rows = Box::new(RecordBatchIterator::new(rows.into_iter().map(Ok), schema));
    assert!(instance.write(rows, &json!({ "base": "/", "name": "x" })).is_ok());
    assert_eq!(count(), 1, "only the instance");
}

#[test]
fn a_release_that_comes_twice_does_nothing() {
    let mut library = library();
    let mut instance = library.open("reader", &json!({})).unwrap();
    let release = instance.0.release.unwrap();
    unsafe { release(&raw mut instance.0) };
    unsafe { release(&raw mut instance.0) };
    assert_eq!(count(), 0);
    std::mem::forget(instance);
}
