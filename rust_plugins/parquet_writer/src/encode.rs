//! Rows become row groups: the columns are encoded and compressed by a small pool of threads.
//!
//! A batch is cut into pieces, one for each leaf column, which wait until a thread takes all pieces of the column with
//! the most bytes. A column is never encoded by two threads at once, so its pieces stay in order. While the last columns
//! of a row group are finished the next one is filled already; a row group knows nothing of its file. Memory is bounded:
//! rows that wait by their bytes, and what is encoded already by the number of row groups.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use dativo_plugin::arrow::array::RecordBatch;
use dativo_plugin::arrow::datatypes::FieldRef;
use dativo_plugin::{Cancel, Error, Result};
use parquet::arrow::arrow_writer::ArrowColumnWriter;

use crate::failure::unwritable;
use crate::groups::{Groups, Outcome, Piece, RowGroup, Task};
use crate::measure::bytes;

const WAITING_BYTES: usize = 48 * 1024 * 1024;
const ROW_GROUPS: usize = 2;

/// Rows on their way into row groups, shared by the thread that brings them and those that encode.
pub(crate) struct Encoder {
    fields: Vec<FieldRef>,
    cancel: Cancel,
    state: Mutex<State>,
    /// Rows came, a row group ended, or all is over.
    work: Condvar,
    /// Memory was freed, a column was finished, or all failed.
    room: Condvar,
}

#[derive(Default)]
struct State {
    groups: Groups,
    waiting: usize,
    closed: bool,
    failure: Option<Error>,
}

impl Encoder {
    /// Make one for columns; nothing runs yet.
    pub(crate) fn new(fields: &[FieldRef], cancel: &Cancel) -> Self {
        let (fields, cancel) = (fields.to_vec(), cancel.clone());
        Self { fields, cancel, state: Mutex::default(), work: Condvar::new(), room: Condvar::new() }
    }

    /// Encode until no rows come any more or something failed. Each thread of the pool calls it.
    pub(crate) fn run(&self) {
        let _alarm = self.alarm();
        while let Some(mut task) = self.task() {
            match self.encode(&mut task) {
                Ok(freed) => self.hand_back(task, freed),
                Err(error) => self.fail(error),
            }
        }
    }

    /// Begin a row group. Gives the oldest one when there would be too many, and waits until it is finished.
    pub(crate) fn begin(&self, writers: Vec<ArrowColumnWriter>) -> Result<Option<RowGroup>> {
        let mut state = self.healthy()?;
        let mut oldest = None;
        while state.groups.len() >= ROW_GROUPS && oldest.is_none() {
            oldest = state.groups.finished();
            if oldest.is_none() {
                state = self.wait(state)?;
            }
        }
        state.groups.begin(writers);
        Ok(oldest)
    }

    /// Add rows to the row group that was begun last; waits while too many wait already.
    pub(crate) fn add(&self, batch: &RecordBatch) -> Result<()> {
        let size = Arc::new(batch.columns().iter().map(|column| bytes(column)).sum());
        let pieces = self.fields.iter().zip(batch.columns()).map(|(field, values)| Piece::of(field, values, &size));
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        let mut state = self.healthy()?;
        while state.waiting > 0 && state.waiting + *size > WAITING_BYTES {
            state = self.wait(state)?;
        }
        state.waiting += *size;
        state.groups.add(pieces.into_iter().flatten());
        drop(size); // the pieces alone hold it now
        drop(state);
        self.work.notify_all();
        Ok(())
    }

    /// End the row group that was begun last.
    pub(crate) fn end(&self) {
        self.lock().groups.end();
        self.work.notify_all();
    }

    /// Give the row groups that are left, oldest first; waits for them. No rows can be added any more.
    pub(crate) fn rest(&self) -> impl Iterator<Item = Result<RowGroup>> + '_ {
        self.lock().closed = true;
        self.work.notify_all();
        std::iter::from_fn(|| self.next_finished().transpose())
    }

    /// Give a guard that tells the others when the thread that holds it panics, or they would wait for ever.
    pub(crate) fn alarm(&self) -> Alarm<'_> {
        Alarm(self)
    }

    /// Stop all threads soon; the first failure is the one that counts.
    pub(crate) fn fail(&self, error: Error) {
        self.lock().failure.get_or_insert(error);
        self.work.notify_all();
        self.room.notify_all();
    }

    fn next_finished(&self) -> Result<Option<RowGroup>> {
        let mut state = self.healthy()?;
        while state.groups.len() > 0 {
            if let Some(group) = state.groups.finished() {
                return Ok(Some(group));
            }
            state = self.wait(state)?;
        }
        Ok(None)
    }

    fn task(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.failure.is_some() {
                return None;
            }
            let task = state.groups.task();
            if task.is_some() || (state.closed && !state.groups.are_awaited()) {
                return task;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Carry out a task and give the bytes of the batches whose last piece this was.
    fn encode(&self, task: &mut Task) -> Result<usize> {
        let mut freed = 0;
        for piece in std::mem::take(&mut task.pieces) {
            self.cancel.check()?;
            freed += piece.encode(&mut task.writer)?;
        }
        Ok(freed)
    }

    fn hand_back(&self, task: Task, freed: usize) {
        let (at, last) = (task.at, task.last);
        let outcome = if last {
            task.writer.close().map(|chunk| Outcome::Finished(Box::new(chunk)))
        } else {
            Ok(Outcome::Open(task.writer))
        };
        match outcome {
            Ok(outcome) => {
                let mut state = self.lock();
                state.waiting -= freed;
                state.groups.hand_back(at, outcome);
            }
            Err(error) => self.fail(unwritable(error)),
        }
        self.work.notify_all();
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn healthy(&self) -> Result<MutexGuard<'_, State>> {
        self.sound(self.lock())
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>> {
        self.sound(self.room.wait(state).unwrap_or_else(PoisonError::into_inner))
    }

    fn sound<'a>(&'a self, state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>> {
        match &state.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(state),
        }
    }
}

/// See [`Encoder::alarm`].
pub(crate) struct Alarm<'a>(&'a Encoder);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(Error::plugin("a thread of the writer panicked"));
        }
    }
}
