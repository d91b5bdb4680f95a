//! What host and plugin tell each other during a call: how far it is, and whether to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Error, Result};

/// Whether the host asked to stop. Clones share the answer; any thread may ask.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    asked: Arc<AtomicBool>,
    above: Option<Arc<AtomicBool>>,
}

impl Cancel {
    /// Say whether the host asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.asked.load(Ordering::Relaxed) || self.above.as_ref().is_some_and(|above| above.load(Ordering::Relaxed))
    }

    /// Fail with the code `CANCELLED` if the host asked to stop: `cancel.check()?` in a loop is all that it takes.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Ask to stop; there is no way back.
    pub fn cancel(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Give one that is cancelled together with this one, and can also be by itself.
    pub(crate) fn child(&self) -> Self {
        Self { asked: Arc::default(), above: Some(Arc::clone(&self.asked)) }
    }
}

/// How far one read is. Clones share the position; any thread may move it.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    bytes: Arc<AtomicU64>,
    cancel: Cancel,
}

impl Progress {
    pub(crate) fn new(cancel: Cancel) -> Self {
        Self { bytes: Arc::default(), cancel }
    }

    /// Say how many more bytes of the source have been read.
    pub fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Say how many bytes of the source have been read in all.
    pub fn set(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Give the bytes of the source read so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Give the handle that says whether to stop.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Say whether the host asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Fail with the code `CANCELLED` if the host asked to stop.
    pub fn check(&self) -> Result<()> {
        self.cancel.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_position() {
        let progress = Progress::default();
        progress.clone().add(5);
        progress.add(2);
        assert_eq!(progress.position(), 7);
    }

    #[test]
    fn a_child_is_cancelled_with_its_parent_and_not_the_reverse() {
        let parent = Cancel::default();
        let (one, other) = (parent.child(), parent.child());
        one.cancel();
        assert_eq!((one.is_cancelled(), other.is_cancelled(), parent.is_cancelled()), (true, false, false));
        parent.cancel();
        assert_eq!(other.check().unwrap_err().code(), "CANCELLED");
    }
}
