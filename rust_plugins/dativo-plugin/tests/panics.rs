//! A panic, wherever it comes from, is an error with its place; what panicked is not called again.

mod host;

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, RecordBatchIterator};
use arrow::datatypes::{DataType, Field, Schema};
use dativo_plugin::{
    Cancel, Check, Cursor, DataFile, Discovery, Error, Estimate, Progress, Reader, ReaderConfig, Reading, Result,
    RowStream, Stream, Unit, Window, WriteRequest, Writer, WriterConfig, arrow,
};
use host::{Failure, Instance, Library, Outcome, start};
use serde_json::{Map, Value, json};

/// Panics where its configuration says.
struct Fragile {
    at: String,
}

impl Fragile {
    fn touch(&self, place: &str) {
        assert!(self.at != place, "dropped the {place}");
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.touch("drop");
        }
    }
}

impl Reader for Fragile {
    fn open(config: ReaderConfig) -> Result<Self> {
        let this = Self { at: config.require("at")? };
        this.touch("open");
        Ok(this)
    }

    fn check(&mut self) -> Result<Check> {
        self.touch("check");
        Ok(Check::passed(""))
    }

    fn discover(&mut self) -> Result<Discovery> {
        self.touch("discover");
        Ok(Discovery::default())
    }

    fn estimate(&mut self, _: &Stream) -> Result<Estimate> {
        self.touch("estimate");
        Ok(Estimate::default())
    }

    fn split(&mut self, _: &Stream, _: Option<&Cursor>) -> Result<Window> {
        self.touch("split");
        Ok(Window::default())
    }

    fn reached(&mut self, _: &Window) -> Result<Option<Cursor>> {
        self.touch("reached");
        Ok(None)
    }

    fn read(&mut self, _: &Stream, _: &Unit, _: Progress) -> Result<Reading> {
        self.touch("read");
        let inner = Self { at: self.at.clone() };
        Ok(Reading::new((0..3).map(move |number| {
            inner.touch(&format!("batch {number}"));
            Ok::<_, Error>(batch())
        })))
    }
}

impl Writer for Fragile {
    fn open(config: WriterConfig) -> Result<Self> {
        Ok(Self { at: config.require("at")? })
    }

    fn check(&mut self) -> Result<Check> {
        self.touch("check");
        Ok(Check::passed(""))
    }

    fn write(&mut self, rows: RowStream, _: &WriteRequest, _: &Cancel) -> Result<Vec<DataFile>> {
        let _whole: Vec<_> = rows.collect();
        self.touch("write");
        Ok(Vec::new())
    }

    fn commit(&mut self, _: &str, _: &[DataFile]) -> Result<Map<String, Value>> {
        self.touch("commit");
        Ok(Map::new())
    }

    fn abort(&mut self, _: &str, _: &[DataFile]) -> Result<()> {
        self.touch("abort");
        Ok(())
    }
}

fn batch() -> RecordBatch {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).unwrap()
}

fn opened(role: &str, at: &str) -> Outcome<(Library, Instance)> {
    let mut library = Library::load(start::<Fragile, Fragile>);
    let config = json!({ "source": { "at": at }, "target": { "at": at } });
    let instance = library.open(role, &config)?;
    Ok((library, instance))
}

const VERBS: [&str; 10] =
    ["check", "discover", "estimate", "split", "reached", "read", "write", "commit", "abort", "check of a writer"];

fn call(instance: &mut Instance, verb: &str) -> Outcome<Value> {
    let request = json!({ "stream": {}, "unit": {}, "window": {}, "files": [] });
    let slot = match verb {
        "check" | "check of a writer" => instance.0.check,
        "discover" => instance.0.discover,
        "estimate" => instance.0.estimate,
        "split" => instance.0.split,
        "reached" => instance.0.reached,
        "commit" => instance.0.commit,
        "abort" => instance.0.abort,
        "write" => {
            let rows = RecordBatchIterator::new(vec![Ok(batch())], batch().schema());
            return instance.write(Box::new(rows), &json!({ "base": "/", "name": "x" }));
        }
        _ => return instance.read(&json!({}), &json!({}))?.parts().map(|parts| json!(parts.len())),
    };
    instance.ask(slot, &request)
}

fn panicked(failure: &Failure, place: &str) {
    assert_eq!(failure.code, "PLUGIN_PANIC");
    assert!(failure.message.contains(&format!("dropped the {place}")), "{failure:?}");
    assert!(failure.message.contains("tests/panics.rs:"), "{failure:?}");
    assert!(!failure.retryable);
}

#[test]
fn a_panic_in_any_verb_is_an_error_and_poisons_the_instance() {
    for verb in VERBS {
        let writes = ["write", "commit", "abort", "check of a writer"].contains(&verb);
        let place = verb.split(' ').next().unwrap();
        let (_library, mut instance) = opened(if writes { "writer" } else { "reader" }, place).unwrap();
        panicked(&call(&mut instance, verb).unwrap_err(), place);
        let others = if writes { &VERBS[6..] } else { &VERBS[..6] };
        for other in others {
            assert_eq!(call(&mut instance, other).unwrap_err().code, "PLUGIN_POISONED", "{other} after {verb}");
        }
    }
}

#[test]
fn a_panic_in_open_leaves_nothing() {
    panicked(&opened("reader", "open").err().unwrap(), "open");
}

#[test]
fn a_panic_between_batches_ends_the_reading_and_poisons_its_instance() {
    for number in 0..3 {
        let place = format!("batch {number}");
        let (_library, mut instance) = opened("reader", &place).unwrap();
        let mut reading = instance.read(&json!({}), &json!({})).unwrap();
        let before = reading.next();
        let failure = match before {
            Err(failure) => failure,
            Ok(part) => {
                let good: Vec<_> = part.unwrap().take_while(std::result::Result::is_ok).collect();
                assert_eq!(good.len(), number);
                reading.last_error().unwrap()
            }
        };
        panicked(&failure, &place);
        assert_eq!(reading.next().unwrap_err().code, "PLUGIN_PANIC", "the reading remembers");
        assert_eq!(call(&mut instance, "check").unwrap_err().code, "PLUGIN_POISONED");
    }
}

#[test]
fn another_instance_is_none_the_worse() {
    let (mut library, mut broken) = opened("reader", "check").unwrap();
    let mut whole = library.open("reader", &json!({ "source": { "at": "nowhere" } })).unwrap();
    assert!(call(&mut broken, "check").is_err());
    assert_eq!(call(&mut whole, "read").unwrap(), 1);
}

#[test]
fn a_panic_in_a_destructor_does_not_leave_the_library() {
    let (_library, mut instance) = opened("reader", "drop").unwrap();
    let mut reading = instance.read(&json!({}), &json!({})).unwrap();
    drop(reading.next().unwrap());
    drop(reading);
    drop(instance);
}

#[test]
fn a_panic_that_carries_no_text_is_told_too() {
    struct Mute;
    impl Reader for Mute {
        fn open(_: ReaderConfig) -> Result<Self> {
            std::panic::panic_any(Fragile { at: "drop".into() })
        }
        fn read(&mut self, _: &Stream, _: &Unit, _: Progress) -> Result<Reading> {
            unreachable!()
        }
    }
    let failure = Library::load(start::<Mute, Fragile>).open("reader", &json!({})).err().unwrap();
    assert!(failure.message.ends_with(": without a message"), "{failure:?}");
}
