//! A whole file as a stream: a file of the disk, or the ranges of an object, some of them fetched ahead.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf, Bytes};
use dativo_plugin::{Cancel, Error, Result};
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

use crate::bucket::{Bucket, Pin, get};
use crate::refusal::disk;
use crate::runtime::runtime;

const RANGE_BYTES: u64 = 4 * 1024 * 1024;
const RANGES_AHEAD: usize = 4;
const LOOK_UP: Duration = Duration::from_millis(100);

/// A file being read. An error of `Read` carries the SDK's one, which [`Source::unwrapped`] takes out again.
#[derive(Debug)]
pub struct Source {
    uri: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(File),
    Object { ranges: Receiver<Result<Bytes>>, current: Bytes, fetching: JoinHandle<()>, cancel: Cancel },
}

impl Source {
    pub(crate) fn file(uri: &str, file: File) -> Self {
        Self { uri: uri.to_owned(), kind: Kind::File(file) }
    }

    pub(crate) fn object(uri: &str, bucket: Bucket, key: Path, size: u64, pin: Pin, cancel: Cancel) -> Result<Self> {
        let (sender, ranges) = channel(1);
        let name = uri.to_owned();
        let fetching = runtime()?.spawn(async move {
            let starts = stream::iter((0..size).step_by(usize::try_from(RANGE_BYTES).unwrap_or(usize::MAX)));
            let fetched =
                starts.map(|start| get(&*bucket.objects, &name, &key, start..size.min(start + RANGE_BYTES), &pin));
            let mut fetched = fetched.buffered(RANGES_AHEAD);
            while let Some(range) = fetched.next().await {
                if sender.send(range).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { uri: uri.to_owned(), kind: Kind::Object { ranges, current: Bytes::new(), fetching, cancel } })
    }

    /// Take the SDK's error out of one of `Read`; others are told as they are.
    #[must_use]
    pub fn unwrapped(error: io::Error) -> Error {
        error.downcast().unwrap_or_else(Error::from)
    }

    /// Read what is there, at most as much as fits; 0 at the end of the file.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match &mut self.kind {
            Kind::File(file) => loop {
                match file.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => return disk(&self.uri, other),
                }
            },
            Kind::Object { ranges, current, cancel, .. } => {
                while current.is_empty() {
                    match next(ranges, cancel)? {
                        Some(range) => *current = range,
                        None => return Ok(0),
                    }
                }
                let size = current.len().min(buffer.len());
                current.copy_to_slice(&mut buffer[..size]);
                Ok(size)
            }
        }
    }
}

/// Wait for the next range; who cancels does not wait for the network.
fn next(ranges: &mut Receiver<Result<Bytes>>, cancel: &Cancel) -> Result<Option<Bytes>> {
    loop {
        cancel.check()?;
        // The timer belongs to the runtime, so it is made inside.
        match runtime()?.block_on(async { tokio::time::timeout(LOOK_UP, ranges.recv()).await }) {
            Ok(range) => return range.transpose(),
            Err(_) => continue,
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill(buffer).map_err(io::Error::other)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Kind::Object { fetching, .. } = &self.kind {
            fetching.abort();
        }
    }
}
