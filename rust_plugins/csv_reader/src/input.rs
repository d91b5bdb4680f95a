//! The text of a file, cut into blocks of whole records.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use dativo_plugin::{Error, Result};
use dativo_storage::Source;

use crate::block::Block;
use crate::cut::{Cutter, line_end};
use crate::dialect::Dialect;
use crate::faults::Place;
use crate::strip::PADDING;

/// The most bytes of one record: beyond, a quote is most likely never closed.
pub(crate) const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// Buffers of blocks that were parsed, for the next ones.
#[derive(Clone, Default)]
pub(crate) struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spare {
    fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn give(&self, buffer: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// Unpacked text, read in order.
pub(crate) struct Input {
    reader: Box<dyn Read + Send>,
    name: String,
    dialect: Dialect,
    block_bytes: usize,
    max_record_bytes: usize,
    cutter: Cutter,
    spare: Spare,
    rest: Vec<u8>,
    offset: u64,
    ended: bool,
}

impl Input {
    pub(crate) fn new(
        reader: Box<dyn Read + Send>,
        name: &str,
        dialect: Dialect,
        block_bytes: usize,
        max_record_bytes: usize,
        spare: Spare,
    ) -> Self {
        Self {
            reader,
            name: name.to_owned(),
            dialect,
            block_bytes,
            max_record_bytes,
            cutter: Cutter::default(),
            spare,
            rest: Vec::new(),
            offset: 0,
            ended: false,
        }
    }

    /// Cut the next block; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Block>> {
        let mut data = self.spare.take();
        let (mut length, mut wanted) = (0, self.block_bytes);
        loop {
            length = self.gather(&mut data, length, wanted)?;
            if length < wanted || (self.ended && self.rest.is_empty()) {
                return Ok(self.last(data, length));
            }
            let end = self.cutter.last_end(&data, length, self.dialect);
            if end > 0 {
                self.rest.splice(..0, data[end..length].iter().copied());
                return Ok(Some(self.block(data, end, false)));
            }
            if length > self.max_record_bytes {
                return Err(self.too_long());
            }
            wanted = length * 2;
        }
    }

    /// Fill `data` from `length` up to `wanted` bytes: from what was read already, and then from the file.
    fn gather(&mut self, data: &mut Vec<u8>, length: usize, wanted: usize) -> Result<usize> {
        grow(data, wanted);
        let kept = self.rest.len().min(wanted - length);
        data[length..length + kept].copy_from_slice(&self.rest[..kept]);
        self.rest.drain(..kept);
        let mut length = length + kept;
        while length < wanted && !self.ended {
            let read = self.reader.read(&mut data[length..wanted]).map_err(Source::unwrapped)?;
            self.ended = read == 0;
            length += read;
        }
        Ok(length)
    }

    /// Give what is left; a record without a line end gets one.
    fn last(&mut self, mut data: Vec<u8>, mut length: usize) -> Option<Block> {
        if length == 0 {
            return None;
        }
        if !matches!(data[length - 1], b'\n' | b'\r') {
            data[length] = b'\n';
            length += 1;
        }
        Some(self.block(data, length, true))
    }

    fn block(&mut self, mut data: Vec<u8>, length: usize, last: bool) -> Block {
        grow(&mut data, length + 1);
        data[length..length + PADDING].fill(0);
        let offset = self.offset;
        self.offset += length as u64;
        Block { data, length, offset, last }
    }

    fn too_long(&self) -> Error {
        let message = format!(
            "{}: the record that starts at byte {} is longer than {} bytes; a quote in it is probably never closed. Mend \
             the file, or set `quote_char: null` if quotes mean nothing in it",
            self.name, self.offset, self.max_record_bytes
        );
        Error::new("RECORD_TOO_LONG", message).detail("file", self.name.as_str()).detail("offset", self.offset)
    }

    /// Pass over a byte order mark; one of another encoding than UTF-8 is refused.
    pub(crate) fn skip_mark(&mut self) -> Result<()> {
        self.fill(4)?;
        if self.rest.starts_with(b"\xEF\xBB\xBF") {
            self.rest.drain(..3);
        } else if self.rest.starts_with(b"\xFF\xFE")
            || self.rest.starts_with(b"\xFE\xFF")
            || self.rest == b"\0\0\xFE\xFF"
        {
            return Err(Place::new(&self.name).encoding_not_supported("what its byte order mark says"));
        }
        Ok(())
    }

    /// Pass over lines as they are, quotes or not; give how many there were.
    pub(crate) fn skip_lines(&mut self, count: u64) -> Result<u64> {
        let mut skipped = 0;
        while skipped < count {
            let end = loop {
                match line_end(&self.rest) {
                    // At the end of what is there, \r may be half of \r\n.
                    Some(end) if end < self.rest.len() || self.ended => break end,
                    _ if self.ended => break self.rest.len(),
                    _ => self.fill(self.rest.len() + self.block_bytes)?,
                }
            };
            if end == 0 {
                break;
            }
            self.drop_front(end);
            skipped += 1;
        }
        Ok(skipped)
    }

    /// Look at the text from here on: at least `size` bytes of it, or all that is left.
    pub(crate) fn look(&mut self, size: usize) -> Result<(&[u8], bool)> {
        self.fill(size)?;
        Ok((&self.rest, self.ended))
    }

    pub(crate) fn drop_front(&mut self, size: usize) {
        self.rest.drain(..size);
        self.offset += size as u64;
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    fn fill(&mut self, size: usize) -> Result<()> {
        let mut have = self.rest.len();
        self.rest.resize(have.max(size), 0);
        while have < size && !self.ended {
            let read = self.reader.read(&mut self.rest[have..size]).map_err(Source::unwrapped);
            let read = read.inspect_err(|_| self.rest.truncate(have))?;
            self.ended = read == 0;
            have += read;
        }
        self.rest.truncate(have);
        Ok(())
    }
}

/// Make room for so many bytes and the padding. A buffer that was used before costs nothing.
fn grow(data: &mut Vec<u8>, size: usize) {
    if data.len() < size + PADDING {
        data.resize(size + PADDING, 0);
    }
}
