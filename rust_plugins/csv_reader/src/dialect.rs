//! How a CSV file is written, byte by byte.

/// The bytes that mean something. A quote opens a field only as its first character; anywhere else it is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Stands between two fields.
    pub delimiter: u8,
    /// Stands around a field; none when quotes mean nothing.
    pub quote: Option<u8>,
    /// Makes text of the byte behind it.
    pub escape: Option<u8>,
    /// Whether two quotes inside quotes are one that is text.
    pub doubled: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b',', quote: Some(b'"'), escape: None, doubled: true }
    }
}

impl Dialect {
    /// Say whether this byte ends a field, outside quotes.
    #[inline]
    pub(crate) fn ends(self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n' || byte == b'\r'
    }
}
