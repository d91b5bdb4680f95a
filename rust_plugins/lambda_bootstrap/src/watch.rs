//! Ends a verb early: when the host says so or is gone, and before Lambda ends the sandbox.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use dativo_plugin::{Error, Result};

use crate::http::Next;
use crate::request::Request;
use crate::staging::Staging;

/// What is kept of the time to say that it is over, and to remove what was written.
const RESERVE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);
const EVERY: Duration = Duration::from_secs(1);
/// How long a plugin that is cancelled may take to end.
const GRACE: Duration = Duration::from_millis(500);

/// Ends the process for a plugin that does not.
pub(crate) type GiveUp<'a> = dyn Fn(Error) + Sync + 'a;

/// Counts how long this side waits for the other: a host that was killed tells nobody.
#[derive(Debug)]
pub(crate) struct Patience {
    most: Duration,
    since: Instant,
}

impl Patience {
    pub(crate) fn new(most: Duration) -> Self {
        Self { most, since: Instant::now() }
    }

    /// Wait a moment more; fails when the verb has to end, or the host has not moved for too long.
    pub(crate) fn wait(&self, watch: &Watch) -> Result<()> {
        watch.go_on()?;
        if self.since.elapsed() > self.most {
            let message = format!(
                "the host took or sent no rows for idle_seconds = {}: it is gone, or the other end of the job is \
                 slower than that; raise idle_seconds of the place then",
                self.most.as_secs()
            );
            return Err(Error::new("FUNCTION_IDLE", message).retryable(true));
        }
        sleep(PAUSE);
        Ok(())
    }
}

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
        let shortest = left.into_iter().chain(request.limits.seconds).min();
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

    /// Look once a second, until `done` is closed or the verb has to end; then cancel the plugin, and give
    /// it up if it goes on.
    pub(crate) fn run(&self, done: &Receiver<()>, cancel: &(dyn Fn() + Sync), give_up: &GiveUp<'_>) {
        while let Err(RecvTimeoutError::Timeout) = done.recv_timeout(self.pause()) {
            let Some(error) = self.look() else { continue };
            if let Ok(mut why) = self.why.lock() {
                *why = Some(error.clone());
            }
            cancel();
            if done.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
                give_up(error);
            }
            return;
        }
    }

    fn pause(&self) -> Duration {
        self.end.map_or(EVERY, |end| EVERY.min(end.saturating_duration_since(Instant::now())))
    }

    fn look(&self) -> Option<Error> {
        if self.end.is_some_and(|end| end <= Instant::now()) {
            let message = "the function's time ran out before the verb was done, and the same would take as long \
                           again; cut the stream into smaller units, or raise timeout_seconds where the cloud allows \
                           more";
            return Some(Error::new("FUNCTION_TIMEOUT", message));
        }
        // A store that fails once is asked again in a second; the deadline ends what it never answers.
        let names = self.staging.as_ref()?.names().ok()?;
        let over = names.contains("cancel") || !names.contains("owner.json");
        over.then(Error::cancelled)
    }
}
