//! The fields of some thousand records of a block, found but not yet read: column after column.

use memchr::memchr;

use crate::dialect::Dialect;
use crate::field::{self, Field, Read};
use crate::marks::{Needle, WIDTH, before, from, marks};

/// Bytes behind the text of a block that may be looked at: a vector's worth, and what a copy of a short text takes.
pub(crate) const PADDING: usize = 2 * WIDTH;
const FIELDS: usize = 32 * 1024;
const LEAST_ROWS: usize = 64;

/// Fields, column after column. All strips of a block have the same number of rows but for the last.
pub(crate) struct Strip {
    fields: Vec<Field>,
    most_rows: usize,
    stride: usize,
    pub(crate) rows: usize,
    /// Texts that had to be put together.
    pub(crate) spill: Vec<u8>,
}

impl Strip {
    /// Room for so many columns; rows come in multiples of 64, so that their validity is whole words.
    pub(crate) fn new(columns: usize) -> Self {
        let most_rows = (FIELDS / columns / LEAST_ROWS * LEAST_ROWS).max(LEAST_ROWS);
        let stride = most_rows + 8; // not a power of two, or the columns would share the lines of the cache
        Self { fields: vec![Field::default(); columns * stride], most_rows, stride, rows: 0, spill: Vec::new() }
    }

    pub(crate) fn column(&self, index: usize) -> &[Field] {
        &self.fields[index * self.stride..][..self.rows]
    }
}

/// A record that has not as many fields as there are columns: where it is in the block, line end included.
#[derive(Debug)]
pub(crate) struct Ragged {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) fields: usize,
}

/// The block ends inside the record or the field that starts here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unclosed {
    pub(crate) at: usize,
}

/// Bytes that are no UTF-8, in a field that is put together so that they might look like it.
pub(crate) struct Broken;

/// Why the walk over a block stops.
pub(crate) enum Stop {
    Unclosed(Unclosed),
    Broken(Broken),
}

/// Walks over the records of a block.
pub(crate) struct Walk<'a> {
    data: &'a [u8],
    length: usize,
    columns: usize,
    dialect: Dialect,
    ends: [Needle; 3],
    at: usize,
    pub(crate) ragged: Vec<Ragged>,
}

impl<'a> Walk<'a> {
    /// Start at the first record of `data[..length]`; behind it there is the padding.
    pub(crate) fn new(data: &'a [u8], length: usize, columns: usize, dialect: Dialect) -> Self {
        let ends = [dialect.delimiter, b'\n', b'\r'].map(Needle::new);
        Self { data, length, columns, dialect, ends, at: 0, ragged: Vec::new() }
    }

    /// Find the fields of the next records; false when there is no further record.
    pub(crate) fn fill(&mut self, strip: &mut Strip) -> Result<bool, Stop> {
        strip.rows = 0;
        strip.spill.clear();
        let (data, delimiter) = (self.data, self.dialect.delimiter);
        let quote = self.dialect.quote.map_or(u16::MAX, u16::from);
        let all_special = self.dialect.escape.is_some();
        let (mut record, mut start) = (self.at, self.at);
        let (mut row, mut columns, mut slot) = (0, 0, 0);
        let mut word = start / WIDTH;
        let mut found = self.ends_in(word) & from(start);
        while let Some(mut end) = self.next_end(&mut word, &mut found) {
            if end < start {
                continue; // the \n of \r\n
            }
            let mut field = Field::plain(start, end);
            if u16::from(data[start]) == quote || all_special {
                (field, end) = self.special(start, &mut strip.spill)?;
                if end >= (word + 1) * WIDTH {
                    word = end / WIDTH;
                    found = self.ends_in(word);
                }
                found &= from(end) & !(1 << (end % WIDTH));
            }
            if let Some(place) = strip.fields.get_mut(slot) {
                *place = field;
            }
            columns += 1;
            start = end + 1;
            if data[end] == delimiter {
                slot += strip.stride;
                continue;
            }
            start += usize::from(data[end] == b'\r' && data[start] == b'\n');
            if columns == self.columns {
                row += 1;
            } else if end > record {
                self.ragged.push(Ragged { start: record, end: start, fields: columns });
            }
            (record, columns, slot) = (start, 0, row);
            if row == strip.most_rows {
                break;
            }
        }
        (strip.rows, self.at) = (row, record);
        // A strip that is not full is the last, and then nothing may be left.
        let open = row < strip.most_rows && record != self.length;
        if open { Err(Stop::Unclosed(Unclosed { at: start })) } else { Ok(row > 0) }
    }

    #[inline(always)]
    fn next_end(&self, word: &mut usize, found: &mut u64) -> Option<usize> {
        while *found == 0 {
            *word += 1;
            if *word * WIDTH >= self.length {
                return None;
            }
            *found = self.ends_in(*word);
        }
        let end = *word * WIDTH + found.trailing_zeros() as usize;
        *found &= *found - 1;
        Some(end)
    }

    #[inline(always)]
    fn ends_in(&self, word: usize) -> u64 {
        let whole = if word * WIDTH < self.length { marks(self.data, word * WIDTH, &self.ends) } else { 0 };
        whole & before(self.length, word)
    }

    /// Read a field that is more than plain text; give it and where it ends.
    fn special(&self, start: usize, spill: &mut Vec<u8>) -> Result<(Field, usize), Stop> {
        let data = &self.data[..self.length];
        let quoted = Some(data[start]) == self.dialect.quote;
        if quoted
            && self.dialect.escape.is_none()
            && let Some(close) = memchr(data[start], &data[start + 1..])
        {
            let close = start + 1 + close;
            if data.get(close + 1).is_some_and(|&byte| self.dialect.ends(byte)) {
                return Ok((Field::quoted(start + 1, close), close + 1));
            }
        }
        let from = spill.len();
        match field::read(data, start, self.dialect, spill) {
            Read::Cut { .. } => Err(Stop::Unclosed(Unclosed { at: start })),
            // Bytes that the quote or the escape held apart could make a character that is not in the file.
            Read::Ended(end) if std::str::from_utf8(&data[start..end]).is_err() => Err(Stop::Broken(Broken)),
            Read::Ended(end) => Ok((Field::spilled(from, spill.len(), quoted), end)),
        }
    }
}
