//! The CRC-32 of zlib, which Python's host has at hand too: it shows what was changed or mixed up on its way.

use crc_fast::{CrcAlgorithm, Digest};

/// Sum up bytes that come one after the other.
#[derive(Debug)]
pub(crate) struct Checksum(Digest);

impl Checksum {
    pub(crate) fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32IsoHdlc))
    }

    pub(crate) fn add(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.finalize()
    }
}

/// Give the sum of bytes that are all here.
pub(crate) fn of(data: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_that_of_zlib_however_the_bytes_come() {
        assert_eq!(of(b"123456789"), 0xcbf4_3926);
        let mut sum = Checksum::new();
        sum.add(b"1234");
        sum.add(b"56789");
        assert_eq!(sum.get(), 0xcbf4_3926);
        assert_eq!(Checksum::new().get(), of(b""));
    }
}
