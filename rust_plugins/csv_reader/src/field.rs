//! One field: where its text is, and one field read byte by byte, for those that are more than plain text.

use crate::dialect::Dialect;

const QUOTED: u64 = 1 << 63;
const SPILLED: u64 = 1 << 62;
const FLAGS: u64 = QUOTED | SPILLED;

/// Where the text of a field is: in the block, or in the spill when it had to be put together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Field(u64);

impl Field {
    #[inline(always)]
    pub(crate) fn plain(start: usize, end: usize) -> Self {
        Self(start as u64 | (end as u64) << 32)
    }

    #[inline(always)]
    pub(crate) fn quoted(start: usize, end: usize) -> Self {
        Self(Self::plain(start, end).0 | QUOTED)
    }

    pub(crate) fn spilled(start: usize, end: usize, quoted: bool) -> Self {
        Self(Self::plain(start, end).0 | SPILLED | if quoted { QUOTED } else { 0 })
    }

    #[inline(always)]
    pub(crate) fn start(self) -> usize {
        (self.0 & 0xFFFF_FFFF) as usize
    }

    #[inline(always)]
    pub(crate) fn end(self) -> usize {
        ((self.0 & !FLAGS) >> 32) as usize
    }

    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.end() - self.start()
    }

    #[inline(always)]
    pub(crate) fn is_quoted(self) -> bool {
        self.0 & QUOTED != 0
    }

    #[inline(always)]
    pub(crate) fn is_spilled(self) -> bool {
        self.0 & SPILLED != 0
    }
}

/// What a field was, read byte by byte.
pub(crate) enum Read {
    /// It ends before the byte at this offset, which is a delimiter or a line end.
    Ended(usize),
    /// The data ends inside the field; `open` when inside quotes or behind an escape.
    Cut { open: bool },
}

/// Read the field that starts at `start` and push its text, without what only marks it.
pub(crate) fn read(data: &[u8], start: usize, dialect: Dialect, text: &mut Vec<u8>) -> Read {
    let mut at = start;
    let mut inside = dialect.quote.is_some() && data.get(at).copied() == dialect.quote;
    at += usize::from(inside);
    while let Some(&byte) = data.get(at) {
        let next = data.get(at + 1).copied();
        if Some(byte) == dialect.escape {
            let Some(next) = next else { return Read::Cut { open: true } };
            text.push(next);
            at += 2;
        } else if inside && Some(byte) == dialect.quote {
            inside = dialect.doubled && next == dialect.quote;
            if inside {
                text.push(byte);
            }
            at += 1 + usize::from(inside);
        } else if !inside && dialect.ends(byte) {
            return Read::Ended(at);
        } else {
            text.push(byte);
            at += 1;
        }
    }
    Read::Cut { open: inside }
}
