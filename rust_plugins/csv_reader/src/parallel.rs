//! Blocks of one file, parsed by several threads and handed on in order.
//!
//! The threads take turns at the input: who has the turn reads and cuts a block, and parses it while the next one reads.
//! So a block is parsed where it was read, and there is no queue of blocks. How far they may run ahead is bounded.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dativo_plugin::{Cancel, Error, Result};

use crate::block::{Block, Failure, Parsed, Plan};
use crate::input::{Input, Spare};
use crate::strip::Strip;

const LOOK_UP: Duration = Duration::from_millis(50);

/// A block after parsing, and where it was.
pub(crate) struct Done {
    pub(crate) offset: u64,
    pub(crate) result: Result<Parsed, Failed>,
}

/// A block that could not be parsed, with its text.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) block: Block,
}

/// The threads at work on one file. Dropping it ends them.
pub(crate) struct Parallel {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    host: Cancel,
}

struct Shared {
    input: Mutex<Turn>,
    state: Mutex<State>,
    /// Something changed that somebody waits for.
    changed: Condvar,
    plan: Arc<Plan>,
    spare: Spare,
    ahead: u64,
    stop: Cancel,
    host: Cancel,
}

struct Turn {
    input: Input,
    next: u64,
    over: bool,
}

#[derive(Default)]
struct State {
    done: BTreeMap<u64, Result<Done>>,
    delivered: u64,
    /// How many blocks there are, once that is known.
    total: Option<u64>,
}

impl Parallel {
    pub(crate) fn start(
        input: Input,
        plan: Arc<Plan>,
        spare: Spare,
        threads: usize,
        stop: Cancel,
        host: Cancel,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            input: Mutex::new(Turn { input, next: 0, over: false }),
            state: Mutex::default(),
            changed: Condvar::new(),
            plan,
            spare,
            ahead: 2 * threads as u64 + 4,
            stop,
            host: host.clone(),
        });
        let mut parallel = Self { shared, threads: Vec::new(), host };
        for _ in 0..threads {
            let shared = Arc::clone(&parallel.shared);
            let thread = thread::Builder::new().name("csv".into()).spawn(move || shared.work());
            parallel.threads.push(thread.map_err(|error| Error::from(error).context("a thread for the CSV reader"))?);
        }
        Ok(parallel)
    }

    /// Give the next block in the order of the file; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Done>> {
        let mut state = self.shared.state();
        loop {
            let next = state.delivered;
            if let Some(done) = state.done.remove(&next) {
                state.delivered += 1;
                self.shared.changed.notify_all();
                return done.map(Some);
            }
            if state.total == Some(next) {
                return Ok(None);
            }
            self.host.check()?;
            let waited = self.shared.changed.wait_timeout(state, LOOK_UP);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if self.threads.iter().any(JoinHandle::is_finished) {
                drop(state);
                self.bury();
                state = self.shared.state();
            }
        }
    }

    /// Join the threads that ended. One that panicked took its block with it; the SDK reports the panic.
    fn bury(&mut self) {
        let (ended, alive): (Vec<_>, Vec<_>) = self.threads.drain(..).partition(JoinHandle::is_finished);
        self.threads = alive;
        for thread in ended {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for Parallel {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut strip = Strip::new(self.plan.columns());
        while let Some((number, taken)) = self.take() {
            let done = taken.map(|block| self.parse(block, &mut strip));
            self.state().done.insert(number, done);
            self.changed.notify_all();
        }
    }

    fn parse(&self, block: Block, strip: &mut Strip) -> Done {
        let offset = block.offset;
        let result = match self.plan.parse(&block, strip, &|| self.stopped()) {
            Ok(parsed) => {
                self.spare.give(block.data);
                Ok(parsed)
            }
            Err(failure) => Err(Failed { failure, block }),
        };
        Done { offset, result }
    }

    /// Read the next block as soon as there is room for it; none when there is nothing more to do.
    fn take(&self) -> Option<(u64, Result<Block>)> {
        let mut turn = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        while turn.next >= state.delivered + self.ahead && !self.stopped() {
            state = self.changed.wait_timeout(state, LOOK_UP).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        if turn.over || self.stopped() {
            return None;
        }
        let number = turn.next;
        let taken = turn.input.next().transpose();
        turn.next += u64::from(taken.is_some());
        turn.over = !matches!(taken, Some(Ok(_)));
        if turn.over {
            self.state().total = Some(turn.next);
            self.changed.notify_all();
        }
        taken.map(|block| (number, block))
    }

    fn stopped(&self) -> bool {
        self.stop.is_cancelled() || self.host.is_cancelled()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
