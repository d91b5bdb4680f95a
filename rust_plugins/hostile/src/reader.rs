//! The reader, and all that it can do wrong in plain Rust.

use std::io::{stderr, stdout};
use std::thread::sleep;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use dativo_plugin::{Check, Discovery, Error, Progress, Reader, ReaderConfig, Reading, Result, Stream, Unit};
use serde_json::Value;

use crate::fault::{Fault, Options};
use crate::{crash, data, fault};

pub(crate) struct Hostile {
    options: Options,
}

impl Reader for Hostile {
    fn open(config: ReaderConfig) -> Result<Self> {
        let options = Options::of(&config)?;
        match options.fault {
            Fault::PanicOpen => panic!("open cannot cope"),
            Fault::HangOpen => crash::hang(),
            _ => Ok(Self { options }),
        }
    }

    fn check(&mut self) -> Result<Check> {
        match self.options.fault {
            Fault::PanicCheck => panic!("check cannot cope"),
            Fault::HangCheck => crash::hang(),
            _ => Ok(Check::passed("for now")),
        }
    }

    fn discover(&mut self) -> Result<Discovery> {
        match self.options.fault {
            Fault::PanicDiscover => panic!("discover cannot cope"),
            _ => Ok(Discovery { streams: vec![data::default_stream()], ..Discovery::default() }),
        }
    }

    fn read(&mut self, stream: &Stream, _unit: &Unit, progress: Progress) -> Result<Reading> {
        match self.options.fault {
            Fault::PanicRead => panic!("read cannot cope"),
            Fault::Segfault => crash::segfault(),
            Fault::Abort => std::process::abort(),
            Fault::Exit => std::process::exit(0),
            Fault::StackOverflow => drop(crash::overflow_the_stack(0)),
            Fault::HangRead => crash::hang(),
            Fault::StdoutFlood => crash::flood(stdout().lock(), self.options.megabytes),
            Fault::StderrFlood => crash::flood(stderr().lock(), self.options.megabytes),
            Fault::RateLimit => return Err(Error::rate_limit("come again later", 7)),
            _ => {}
        }
        let schema = data::schema(stream)?;
        let reused = (self.options.fault == Fault::ReusedBuffer).then(|| data::Reused::new(self.options.batch_rows));
        Ok(Reading::new(Batches { schema, options: self.options, progress, reused, rows: 0, batches: 0 }))
    }

    fn schema() -> Value {
        fault::schema()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        match self.options.fault {
            Fault::PanicDrop => panic!("not even the end is quiet"),
            Fault::HangRelease => crash::hang(),
            _ => {}
        }
    }
}

struct Batches {
    schema: SchemaRef,
    options: Options,
    progress: Progress,
    reused: Option<data::Reused>,
    rows: u64,
    batches: u64,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        sleep(Duration::from_millis(self.options.sleep_milliseconds));
        let wrong = if self.batches >= self.options.after { self.options.fault } else { Fault::None };
        self.batches += 1;
        match wrong {
            Fault::PanicStream => panic!("batch {} cannot be had", self.batches),
            Fault::SegfaultStream => crash::segfault(),
            Fault::AbortStream => std::process::abort(),
            Fault::HangStream => crash::hang(),
            Fault::Memory => crash::take_memory(self.options.megabytes),
            Fault::ErrorStream | Fault::NullLastError => {
                Some(Err(Error::connection("the source went away").detail("batch", self.batches)))
            }
            Fault::HugeBatch => self.once(data::huge_batch(&self.schema)),
            Fault::WrongType => self.once(data::wrong_type(&self.schema, self.options.batch_rows)),
            Fault::WrongColumns => self.once(data::wrong_columns(self.options.batch_rows)),
            _ if self.options.same_texts > 0 && self.batches == 1 => {
                self.once(data::same_texts(self.options.same_texts))
            }
            _ => self.rows(),
        }
    }
}

impl Batches {
    fn rows(&mut self) -> Option<Result<RecordBatch>> {
        let last = self.rows + self.options.batch_rows;
        let last = if self.options.fault == Fault::Endless { last } else { last.min(self.options.rows) };
        if self.rows >= last {
            return None;
        }
        let batch = data::batch(&self.schema, self.rows, last);
        self.progress.add((last - self.rows) * 16);
        self.rows = last;
        Some(match &self.reused {
            Some(reused) => batch.and_then(|batch| reused.over(&batch)),
            None => batch,
        })
    }

    fn once(&mut self, batch: Result<RecordBatch>) -> Option<Result<RecordBatch>> {
        self.options.fault = Fault::None;
        self.rows = self.options.rows;
        Some(batch)
    }
}
