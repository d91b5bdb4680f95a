//! Ends a verb early: when the host says so or is gone, and before Lambda ends the sandbox.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use dativo_plugin::{Error, Result};

use crate::host::Canceller;
use crate::http::Next;
use crate::request::Request;
use crate::staging::Staging;

/// What is kept of the time to say that it is over, and to remove what was written.
const RESERVE: Duration = Duration::from_secs(3);
const EVERY: Duration = Duration::from_secs(1);

/// Why the verb of an invocation has to end; nothing while it may go on.
#[derive(Debug)]
pub(crate) struct Watch {
    staging: Option<Staging>,
    end: Option<Instant>,
    why: Mutex<Option<Error>>,
}

impl Watch {
    pub(crate) fn new(request: &Request, next: &Next) -> Self {
        let left = next.deadline.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        let left = left.map(|left| left.saturating_sub(RESERVE.min(left / 4)));
        let allowed = request.limits.seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let shortest = left.into_iter().chain(allowed).min();
        let end = shortest.and_then(|left| Instant::now().checked_add(left));
        Self { staging: request.staging.clone(), end, why: Mutex::new(None) }
    }

    /// Fail when the verb has to end.
    pub(crate) fn go_on(&self) -> Result<()> {
        self.why().map_or(Ok(()), Err)
    }

    pub(crate) fn why(&self) -> Option<Error> {
        self.why.lock().ok().and_then(|why| why.clone())
    }

    /// Look once a second, until `done` is closed or the verb has to end; then cancel the plugin.
    pub(crate) fn run(&self, done: &Receiver<()>, cancel: &Canceller<'_>) {
        while let Err(RecvTimeoutError::Timeout) = done.recv_timeout(self.pause()) {
            let Some(error) = self.look() else { continue };
            if let Ok(mut why) = self.why.lock() {
                *why = Some(error);
            }
            cancel.cancel();
            return;
        }
    }

    fn pause(&self) -> Duration {
        self.end.map_or(EVERY, |end| EVERY.min(end.saturating_duration_since(Instant::now())))
    }

    fn look(&self) -> Option<Error> {
        if self.end.is_some_and(|end| end <= Instant::now()) {
            let message =
                "the time of the function is over; raise `timeout_seconds`, or cut the source into more units";
            return Some(Error::new("FUNCTION_TIMEOUT", message).retryable(true));
        }
        // A store that fails once is asked again in a second; the deadline ends what it never answers.
        let names = self.staging.as_ref()?.names().ok()?;
        let over = names.contains("cancel") || !names.contains("owner.json");
        over.then(Error::cancelled)
    }
}
