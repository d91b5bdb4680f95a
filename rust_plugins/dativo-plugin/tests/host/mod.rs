//! A host in Rust: calls a plugin through its tables, as the header says, and releases all that it gets.
//!
//! Its blocks of `unsafe` are safe as far as the plugin keeps to the header, which is what is tested.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks)]

use std::ffi::{CStr, c_char};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use dativo_plugin::abi::{
    Ask, DATIVO_END, DATIVO_OK, DativoError, DativoInstance, DativoJson, DativoPlugin, DativoReading, DativoStatus,
    Init,
};
use dativo_plugin::arrow;
use dativo_plugin::export::{About, init};
use dativo_plugin::{Reader, Writer};
use serde_json::{Value, json};

/// Why a call did not give what was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    pub status: DativoStatus,
    pub code: String,
    pub message: String,
    pub details: Value,
    pub retryable: bool,
    pub retry_after_seconds: i32,
}

pub type Outcome<T> = Result<T, Failure>;

static ABOUT: About = About { name: "tested", version: "1.2.3" };

/// The symbol that `export!` makes, without its name.
pub unsafe extern "C" fn start<R: Reader, W: Writer>(
    version: u32,
    plugin: *mut DativoPlugin,
    error: *mut DativoError,
) -> DativoStatus {
    unsafe { init::<R, W>(&ABOUT, version, plugin, error) }
}

/// All zeroes, which is what every struct of the header is when it is empty.
pub fn empty<T>() -> T {
    unsafe { std::mem::zeroed() }
}

fn settle(status: DativoStatus, mut error: DativoError) -> Outcome<()> {
    if status == DATIVO_OK {
        assert!(error.release.is_none(), "an error beside OK");
        return Ok(());
    }
    let mut failure = Failure { status, ..Failure::default() };
    if let Some(release) = error.release {
        failure = unsafe { read_error(&error, status) };
        unsafe { release(&raw mut error) };
        assert!(error.release.is_none() && error.code.is_null() && error.message.is_null());
    }
    Err(failure)
}

unsafe fn read_error(error: &DativoError, status: DativoStatus) -> Failure {
    let text = |pointer: *mut c_char| unsafe { CStr::from_ptr(pointer) }.to_str().unwrap().to_owned();
    let details =
        if error.details.is_null() { Value::Null } else { serde_json::from_str(&text(error.details)).unwrap() };
    Failure {
        status,
        code: text(error.code),
        message: text(error.message),
        details,
        retryable: error.retryable == 1,
        retry_after_seconds: error.retry_after_seconds,
    }
}

fn take_json(mut answer: DativoJson) -> Value {
    let bytes = unsafe { std::slice::from_raw_parts(answer.data.cast::<u8>(), answer.length as usize) };
    let value = serde_json::from_slice(bytes).unwrap();
    unsafe { answer.release.unwrap()(&raw mut answer) };
    assert!(answer.release.is_none() && answer.data.is_null());
    value
}

/// A library whose table is filled.
pub struct Library(pub DativoPlugin);

impl Library {
    pub fn load(start: Init) -> Self {
        let mut library = Self(empty());
        library.0.size = size_of::<DativoPlugin>() as u64;
        let mut error = empty();
        settle(unsafe { start(1, &raw mut library.0, &raw mut error) }, error).unwrap();
        library
    }

    pub fn spec(&mut self) -> Outcome<Value> {
        let (mut answer, mut error) = (empty(), empty());
        let status = unsafe { self.0.spec.unwrap()(&raw mut self.0, &raw mut answer, &raw mut error) };
        settle(status, error).map(|()| take_json(answer))
    }

    pub fn open(&mut self, role: &str, config: &Value) -> Outcome<Instance> {
        let request = json!({ "role": role, "config": config }).to_string();
        let mut instance: DativoInstance = empty();
        instance.size = size_of::<DativoInstance>() as u64;
        let (text, length, mut error) = (request.as_ptr().cast(), request.len() as u64, empty());
        let open = self.0.open.unwrap();
        let status = unsafe { open(&raw mut self.0, text, length, &raw mut instance, &raw mut error) };
        settle(status, error).map(|()| Instance(instance))
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        unsafe { self.0.release.unwrap()(&raw mut self.0) };
        assert!(self.0.release.is_none());
    }
}

/// An open reader or writer.
pub struct Instance(pub DativoInstance);

impl Instance {
    pub fn ask(&mut self, slot: Option<Ask>, request: &Value) -> Outcome<Value> {
        let request = request.to_string();
        let (mut answer, mut error) = (empty(), empty());
        let (text, length) = (request.as_ptr().cast(), request.len() as u64);
        let status = unsafe { slot.unwrap()(&raw mut self.0, text, length, &raw mut answer, &raw mut error) };
        settle(status, error).map(|()| take_json(answer))
    }

    pub fn read(&mut self, stream: &Value, unit: &Value) -> Outcome<OpenReading> {
        let request = json!({ "stream": stream, "unit": unit }).to_string();
        let (mut reading, mut error) = (empty(), empty());
        let (text, length) = (request.as_ptr().cast(), request.len() as u64);
        let read = self.0.read.unwrap();
        let status = unsafe { read(&raw mut self.0, text, length, &raw mut reading, &raw mut error) };
        settle(status, error).map(|()| OpenReading(reading))
    }

    pub fn write(&mut self, rows: Box<dyn RecordBatchReader + Send>, request: &Value) -> Outcome<Value> {
        let request = request.to_string();
        let mut rows = FFI_ArrowArrayStream::new(rows);
        let (mut answer, mut error) = (empty(), empty());
        let (text, length) = (request.as_ptr().cast(), request.len() as u64);
        let write = self.0.write.unwrap();
        let status = unsafe { write(&raw mut self.0, text, length, &raw mut rows, &raw mut answer, &raw mut error) };
        assert!(rows.release().is_none(), "the rows are consumed in any case");
        settle(status, error).map(|()| take_json(answer))
    }

    pub fn cancel(&mut self) {
        unsafe { self.0.cancel.unwrap()(&raw mut self.0) };
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        unsafe { self.0.release.unwrap()(&raw mut self.0) };
        assert!(self.0.release.is_none() && self.0.private_data.is_null());
    }
}

/// The batches of one schema.
#[derive(Debug, PartialEq)]
pub struct Part {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

/// A read that has begun.
pub struct OpenReading(pub DativoReading);

impl OpenReading {
    /// Give the next stream; none at the end.
    pub fn next(&mut self) -> Outcome<Option<RecordBatchStreamReader>> {
        let (mut stream, mut error) = (FFI_ArrowArrayStream::empty(), empty());
        let status = unsafe { self.0.next.unwrap()(&raw mut self.0, &raw mut stream, &raw mut error) };
        if status == DATIVO_END {
            return Ok(None);
        }
        settle(status, error).map(|()| Some(RecordBatchStreamReader::try_new(stream).unwrap()))
    }

    pub fn parts(&mut self) -> Outcome<Vec<Part>> {
        let mut parts = Vec::new();
        while let Some(stream) = self.next()? {
            let schema = stream.schema();
            let batches: Result<Vec<_>, _> = stream.collect();
            parts.push(Part { schema, batches: batches.map_err(|_| self.last_error().unwrap())? });
        }
        Ok(parts)
    }

    pub fn last_error(&mut self) -> Option<Failure> {
        let mut error = empty();
        match unsafe { self.0.last_error.unwrap()(&raw mut self.0, &raw mut error) } {
            DATIVO_OK => settle(1, error).err(),
            _ => None,
        }
    }

    pub fn position(&mut self) -> u64 {
        unsafe { self.0.position.unwrap()(&raw mut self.0) }
    }

    pub fn cancel(&mut self) {
        unsafe { self.0.cancel.unwrap()(&raw mut self.0) };
    }
}

impl Drop for OpenReading {
    fn drop(&mut self) {
        unsafe { self.0.release.unwrap()(&raw mut self.0) };
        assert!(self.0.release.is_none() && self.0.private_data.is_null());
    }
}
