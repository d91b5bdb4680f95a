//! Which texts are NULL, and which rows are.

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

/// Unquoted texts that mean NULL; a quoted value never is.
#[derive(Clone, Debug)]
pub struct Nulls {
    texts: Vec<Vec<u8>>,
    lengths: u64,
}

impl Default for Nulls {
    fn default() -> Self {
        Self::new([""])
    }
}

impl Nulls {
    /// These texts.
    pub fn new<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts: Vec<Vec<u8>> = texts.into_iter().map(|text| text.as_ref().to_vec()).collect();
        let lengths = texts.iter().fold(0, |all, text| all | 1 << text.len().min(63));
        Self { texts, lengths }
    }

    #[inline(always)]
    pub(crate) fn has(&self, text: &[u8]) -> bool {
        // Most texts are as long as none of them.
        self.lengths >> text.len().min(63) & 1 == 1 && (text.is_empty() || self.texts.iter().any(|known| known == text))
    }
}

/// Which rows of a column have a value: 64 to a word, so only the last word may have fewer.
#[derive(Default)]
pub(crate) struct Validity {
    words: Vec<u64>,
    rows: usize,
    valid: usize,
}

impl Validity {
    #[inline(always)]
    pub(crate) fn push(&mut self, word: u64, rows: usize) {
        self.words.push(word);
        self.rows += rows;
        self.valid += word.count_ones() as usize;
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn finish(self) -> Option<NullBuffer> {
        let all = self.valid == self.rows;
        (!all).then(|| NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(self.words), 0, self.rows)))
    }
}
