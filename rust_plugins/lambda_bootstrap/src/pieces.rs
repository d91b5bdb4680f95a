//! Rows on their way to the host: in the answer while they are few, else in pieces, a few ahead of the host.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dativo_plugin::{Error, Result, arrow};
use serde_json::{Value, json};

use crate::checksum;
use crate::cut::{HOST, cut, unsendable};
use crate::request::{Limits, Request};
use crate::staging::Staging;
use crate::watch::{Patience, Watch};

const ENDING: &str = ".arrow";
/// How long a batch waits for others to share its object.
const FLUSH: Duration = Duration::from_secs(1);

/// Arrow IPC streams of one batch, one behind the other.
#[derive(Debug, Default)]
struct Piece {
    data: Vec<u8>,
    rows: usize,
    position: u64,
}

/// The rows of one read.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    staging: Option<&'a Staging>,
    limits: Limits,
    watch: &'a Watch,
    filling: Piece,
    since: Instant,
    put: Vec<Value>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(request: &'a Request, watch: &'a Watch) -> Self {
        let staging = request.staging.as_ref();
        let (limits, filling, since) = (request.limits, Piece::default(), Instant::now());
        Self { staging, limits, watch, filling, since, put: Vec::new() }
    }

    /// Take a batch; waits while the host is behind.
    pub(crate) fn add(&mut self, batch: &RecordBatch, position: u64) -> Result<()> {
        cut(batch, HOST)?.try_for_each(|part| self.take(&part?, position))
    }

    fn take(&mut self, batch: &RecordBatch, position: u64) -> Result<()> {
        self.watch.go_on()?;
        if self.filling.data.is_empty() {
            self.since = Instant::now();
        }
        let mut stream = StreamWriter::try_new(&mut self.filling.data, batch.schema_ref()).map_err(unsendable)?;
        stream.write(batch).and_then(|()| stream.finish()).map_err(unsendable)?;
        self.filling.rows += batch.num_rows();
        self.filling.position = position;
        if self.bytes() >= self.limits.piece_bytes || self.since.elapsed() >= FLUSH { self.flush() } else { Ok(()) }
    }

    /// Give the rows as the answer has them.
    pub(crate) fn end(&mut self) -> Result<Value> {
        self.watch.go_on()?;
        if self.put.is_empty() && self.bytes() * 4 / 3 <= self.limits.inline_bytes {
            let parts = [&self.filling.data].into_iter().filter(|data| !data.is_empty());
            return Ok(json!({ "inline": parts.map(|data| STANDARD.encode(data)).collect::<Vec<_>>() }));
        }
        if !self.filling.data.is_empty() {
            self.flush()?;
        }
        Ok(json!({ "pieces": self.put }))
    }

    fn bytes(&self) -> u64 {
        self.filling.data.len() as u64
    }

    /// Remove what was put, after a failure.
    pub(crate) fn remove(&self) -> Result<()> {
        let mut keys = self.put.iter().filter_map(|piece| piece["key"].as_str());
        keys.try_for_each(|key| self.staging.map_or(Ok(()), |staging| staging.delete(key)))
    }

    fn flush(&mut self) -> Result<()> {
        let staging = self.staging.ok_or_else(|| Error::plugin("the request has no staging for so many rows"))?;
        self.wait_for_host(staging)?;
        let (key, piece) = (name(self.put.len() + 1), std::mem::take(&mut self.filling));
        self.put.push(json!({"key": key, "rows": piece.rows, "bytes": piece.data.len(),
                             "crc32": checksum::of(&piece.data), "position": piece.position}));
        staging.put(&key, &piece.data)
    }

    /// Wait until the host has deleted the piece that lies `ahead` before the next one.
    fn wait_for_host(&self, staging: &Staging) -> Result<()> {
        let Some(before) = (self.put.len() + 1).checked_sub(self.limits.ahead).filter(|&n| n > 0) else {
            return Ok(());
        };
        let patience = Patience::new(self.limits.idle);
        while staging.names()?.contains(&name(before)) {
            patience.wait(self.watch)?;
        }
        Ok(())
    }
}

/// Remove every piece that lies there, whoever knows of it.
pub(crate) fn remove_all(staging: &Staging) -> Result<()> {
    let names = staging.names()?;
    let mut pieces = names.iter().filter(|name| name.ends_with(ENDING) && !name.contains('/'));
    pieces.try_for_each(|name| staging.delete(name))
}

/// Give the name of the n-th piece.
pub(crate) fn name(number: usize) -> String {
    format!("{number:06}{ENDING}")
}
