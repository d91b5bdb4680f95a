//! `DativoReading`: batches whose schemas may change, as one Arrow stream for each run of one schema.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ffi_stream::FFI_ArrowArrayStream;

use super::border::{answer, give, give_error, take_box};
use super::guard::{Guarded, Poison, guard};
use crate::abi::{DATIVO_END, DATIVO_OK, DativoError, DativoReading, DativoStatus};
use crate::{Error, Progress, Reading, Result};

/// What stands behind a reading and its streams.
struct Source {
    state: Mutex<State>,
    progress: Progress,
    poison: Poison,
}

struct State {
    reading: Guarded<Reading>,
    /// A batch that was pulled and begins the next stream.
    waiting: Option<RecordBatch>,
    failed: Option<Error>,
}

impl Source {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Give the schema of the next stream; none at the end.
    fn next_schema(&self) -> Result<Option<SchemaRef>> {
        let mut state = self.state();
        if let Some(schema) = state.reading.get().and_then(|reading| reading.schema.take()) {
            return Ok(Some(schema));
        }
        let batch = self.pull(&mut state)?;
        let schema = batch.as_ref().map(RecordBatch::schema);
        state.waiting = batch;
        Ok(schema)
    }

    /// Give the next batch if it has this schema.
    fn next_batch(&self, schema: &SchemaRef) -> Result<Option<RecordBatch>> {
        let mut state = self.state();
        let Some(batch) = self.pull(&mut state)? else { return Ok(None) };
        if Arc::ptr_eq(batch.schema_ref(), schema) || batch.schema_ref() == schema {
            return Ok(Some(batch));
        }
        state.waiting = Some(batch);
        Ok(None)
    }

    /// Pull one batch; what has failed stays failed, and what has ended is dropped at once.
    fn pull(&self, state: &mut State) -> Result<Option<RecordBatch>> {
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        if let Some(batch) = state.waiting.take() {
            return Ok(Some(batch));
        }
        let pulled = guard(&self.poison, || {
            self.progress.check()?;
            state.reading.get().and_then(Iterator::next).transpose()
        });
        if !matches!(pulled, Ok(Some(_))) {
            state.reading.discard();
        }
        state.failed = pulled.as_ref().err().cloned();
        pulled
    }
}

/// The batches of one schema, as Arrow's own C stream wants them.
struct Part {
    source: Arc<Source>,
    schema: SchemaRef,
    over: bool,
}

impl Iterator for Part {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.source.next_batch(&self.schema).map_err(ArrowError::from).transpose();
        self.over = next.is_none();
        next
    }
}

impl RecordBatchReader for Part {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

pub(crate) fn give_reading(reading: Reading, progress: Progress, poison: Poison) -> DativoReading {
    let state = State { reading: Guarded::new(reading), waiting: None, failed: None };
    let source = Box::new(Arc::new(Source { state: Mutex::new(state), progress, poison }));
    DativoReading {
        next: Some(next),
        last_error: Some(last_error),
        position: Some(position),
        cancel: Some(cancel),
        private_data: Box::into_raw(source).cast(),
        release: Some(release),
    }
}

/// Give what stands behind a reading.
///
/// # Safety
///
/// The reading was made by this module and is not released.
unsafe fn source<'a>(reading: *mut DativoReading) -> &'a Arc<Source> {
    // SAFETY: the caller says so.
    unsafe { &*(*reading).private_data.cast::<Arc<Source>>() }
}

unsafe extern "C" fn next(
    reading: *mut DativoReading,
    out: *mut FFI_ArrowArrayStream,
    error: *mut DativoError,
) -> DativoStatus {
    // SAFETY: the host keeps to the header.
    unsafe {
        let source = source(reading);
        match source.next_schema() {
            Ok(None) => DATIVO_END,
            Ok(Some(schema)) => {
                let part = Part { source: Arc::clone(source), schema, over: false };
                give(out, FFI_ArrowArrayStream::new(Box::new(part)));
                DATIVO_OK
            }
            Err(why) => answer(Err(why), error),
        }
    }
}

unsafe extern "C" fn last_error(reading: *mut DativoReading, error: *mut DativoError) -> DativoStatus {
    // SAFETY: the host keeps to the header.
    unsafe {
        let failed = source(reading).state().failed.clone();
        failed.map_or(DATIVO_END, |why| {
            give(error, give_error(&why));
            DATIVO_OK
        })
    }
}

unsafe extern "C" fn position(reading: *mut DativoReading) -> u64 {
    // SAFETY: the host keeps to the header.
    unsafe { source(reading).progress.position() }
}

unsafe extern "C" fn cancel(reading: *mut DativoReading) {
    // SAFETY: the host keeps to the header.
    unsafe { source(reading).progress.cancel().cancel() };
}

unsafe extern "C" fn release(reading: *mut DativoReading) {
    // SAFETY: the host keeps to the header; `private_data` is what `give_reading` put there.
    unsafe {
        let reading = &mut *reading;
        if reading.release.take().is_some() {
            drop(take_box::<Arc<Source>>(&mut reading.private_data));
        }
    }
}
