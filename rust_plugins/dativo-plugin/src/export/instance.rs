//! `DativoInstance`: one configured reader or writer, its verbs as slots.

use std::ffi::c_char;
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::border::{answer, give, give_json, json as to_json, request, take_box};
use super::guard::{Guarded, Poison, guard};
use super::reading::give_reading;
use crate::abi::{DativoError, DativoInstance, DativoJson, DativoReading, DativoStatus};
use crate::{
    Cancel, Cursor, DataFile, Error, Progress, Reader, Result, RowStream, Stream, Unit, Window, WriteRequest, Writer,
};

/// What stands behind an instance. `cancel` may be called while another thread is inside the author's code.
pub(crate) struct Shared<T> {
    author: Mutex<Guarded<T>>,
    cancel: Cancel,
    poison: Poison,
}

impl<T> Shared<T> {
    pub(crate) fn new(author: T, cancel: Cancel, poison: Poison) -> Self {
        Self { author: Mutex::new(Guarded::new(author)), cancel, poison }
    }

    fn with<A>(&self, call: impl FnOnce(&mut T) -> Result<A>) -> Result<A> {
        let mut author = self.author.lock().unwrap_or_else(PoisonError::into_inner);
        guard(&self.poison, || call(author.get().ok_or_else(|| Error::plugin("released before"))?))
    }
}

const EMPTY: DativoInstance = DativoInstance {
    size: 0,
    check: None,
    discover: None,
    estimate: None,
    split: None,
    read: None,
    reached: None,
    write: None,
    commit: None,
    abort: None,
    cancel: None,
    private_data: null_mut(),
    release: None,
    reserved: [null_mut(); 4],
};

pub(crate) fn reader_instance<R: Reader>(shared: Shared<R>, size: usize) -> DativoInstance {
    DativoInstance {
        size: size as u64,
        check: Some(check_reader::<R>),
        discover: Some(discover::<R>),
        estimate: Some(estimate::<R>),
        split: Some(split::<R>),
        read: Some(read::<R>),
        reached: Some(reached::<R>),
        cancel: Some(cancel::<R>),
        private_data: Box::into_raw(Box::new(shared)).cast(),
        release: Some(release::<R>),
        ..EMPTY
    }
}

pub(crate) fn writer_instance<W: Writer>(shared: Shared<W>, size: usize) -> DativoInstance {
    DativoInstance {
        size: size as u64,
        check: Some(check_writer::<W>),
        write: Some(write::<W>),
        commit: Some(commit::<W>),
        abort: Some(abort::<W>),
        cancel: Some(cancel::<W>),
        private_data: Box::into_raw(Box::new(shared)).cast(),
        release: Some(release::<W>),
        ..EMPTY
    }
}

/// Give what stands behind an instance.
///
/// # Safety
///
/// The instance was made by this module for the same `T` and is not released.
unsafe fn shared<'a, T>(instance: *mut DativoInstance) -> &'a Shared<T> {
    // SAFETY: the caller says so.
    unsafe { &*(*instance).private_data.cast::<Shared<T>>() }
}

/// Answer a JSON request with JSON.
///
/// # Safety
///
/// As the header says of every slot.
unsafe fn ask<T, Q: DeserializeOwned, A: Serialize>(
    (instance, text, length): (*mut DativoInstance, *const c_char, u64),
    (out, error): (*mut DativoJson, *mut DativoError),
    call: impl FnOnce(&mut T, Q) -> Result<A>,
) -> DativoStatus {
    // SAFETY: the caller says so.
    unsafe {
        let said = shared::<T>(instance).with(|author| to_json(&call(author, request(text, length)?)?));
        answer(said.map(|text| give(out, give_json(text))), error)
    }
}

/// Make the slot of a verb: its name, whose it is, its request, and what of the author's it calls.
macro_rules! slots {
    ($($slot:ident of $role:ident: |$author:ident, $request:ident: $type:ty| $call:expr;)*) => {$(
        unsafe extern "C" fn $slot<T: $role>(
            instance: *mut DativoInstance,
            text: *const c_char,
            length: u64,
            out: *mut DativoJson,
            error: *mut DativoError,
        ) -> DativoStatus {
            // SAFETY: the host keeps to the header.
            unsafe { ask((instance, text, length), (out, error), |$author: &mut T, $request: $type| $call) }
        }
    )*};
}

slots! {
    check_reader of Reader: |reader, _request: Nothing| reader.check();
    check_writer of Writer: |writer, _request: Nothing| writer.check();
    discover of Reader: |reader, _request: Nothing| reader.discover();
    estimate of Reader: |reader, request: OfStream| reader.estimate(&request.stream);
    split of Reader: |reader, request: Split| reader.split(&request.stream, request.since.as_ref());
    reached of Reader: |reader, request: Reached| reader.reached(&request.window);
    commit of Writer: |writer, request: Files| writer.commit(&request.token, &request.files);
    abort of Writer: |writer, request: Files| {
        writer.abort(&request.token, &request.files).map(|()| json!({}))
    };
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
struct OfStream {
    stream: Stream,
}

#[derive(Deserialize)]
struct Split {
    stream: Stream,
    since: Option<Cursor>,
}

#[derive(Deserialize)]
struct Read {
    stream: Stream,
    unit: Unit,
}

#[derive(Deserialize)]
struct Reached {
    window: Window,
}

#[derive(Deserialize)]
struct Files {
    #[serde(default)]
    token: String,
    files: Vec<DataFile>,
}

unsafe extern "C" fn read<R: Reader>(
    instance: *mut DativoInstance,
    text: *const c_char,
    length: u64,
    out: *mut DativoReading,
    error: *mut DativoError,
) -> DativoStatus {
    // SAFETY: the host keeps to the header.
    unsafe {
        let shared = shared::<R>(instance);
        let progress = Progress::new(shared.cancel.child());
        let reading = shared.with(|reader| {
            let asked: Read = request(text, length)?;
            reader.read(&asked.stream, &asked.unit, progress.clone())
        });
        answer(reading.map(|reading| give(out, give_reading(reading, progress, shared.poison.clone()))), error)
    }
}

unsafe extern "C" fn write<W: Writer>(
    instance: *mut DativoInstance,
    text: *const c_char,
    length: u64,
    rows: *mut FFI_ArrowArrayStream,
    out: *mut DativoJson,
    error: *mut DativoError,
) -> DativoStatus {
    // SAFETY: the host keeps to the header. The rows are taken first, so that they are released in any case.
    unsafe {
        let rows = if rows.is_null() { FFI_ArrowArrayStream::empty() } else { FFI_ArrowArrayStream::from_raw(rows) };
        let cancel = shared::<W>(instance).cancel.clone();
        ask((instance, text, length), (out, error), |writer: &mut W, request: WriteRequest| {
            let rows = RowStream::new(RecordBatchStreamReader::try_new(rows)?).cancelled_by(cancel.clone());
            Ok(json!({ "files": writer.write(rows, &request, &cancel)? }))
        })
    }
}

unsafe extern "C" fn cancel<T>(instance: *mut DativoInstance) {
    // SAFETY: the host keeps to the header.
    unsafe { shared::<T>(instance).cancel.cancel() };
}

unsafe extern "C" fn release<T>(instance: *mut DativoInstance) {
    // SAFETY: the host keeps to the header; `private_data` is what this module put there.
    unsafe {
        let instance = &mut *instance;
        if instance.release.take().is_some() {
            drop(take_box::<Shared<T>>(&mut instance.private_data));
        }
    }
}
