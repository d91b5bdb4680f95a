//! Where bytes are, 64 at a time: one bit for each, the lowest for the first.

use wide::u8x16;

pub(crate) const WIDTH: usize = 64;

/// A byte to look for.
#[derive(Clone, Copy)]
pub(crate) struct Needle(u8x16);

impl Needle {
    pub(crate) fn new(byte: u8) -> Self {
        Self(u8x16::new([byte; 16]))
    }
}

/// Mark where one of the needles is in the 64 bytes from `at` on.
#[inline(always)]
pub(crate) fn marks<const N: usize>(data: &[u8], at: usize, needles: &[Needle; N]) -> u64 {
    let chunk: &[u8; WIDTH] = data[at..at + WIDTH].try_into().expect("a slice of 64 bytes");
    let (parts, _) = chunk.as_chunks::<16>();
    let mut found = 0;
    for (part, bytes) in parts.iter().enumerate() {
        let lane = u8x16::new(*bytes);
        let mut hits = lane.simd_eq(needles[0].0);
        for needle in &needles[1..] {
            hits |= lane.simd_eq(needle.0);
        }
        found |= u64::from(hits.to_bitmask()) << (16 * part);
    }
    found
}

/// Keep the marks at and behind a byte.
#[inline(always)]
pub(crate) fn from(at: usize) -> u64 {
    !0 << (at % WIDTH)
}

/// Keep the marks before a byte, where `at` is the end of the data.
#[inline(always)]
pub(crate) fn before(at: usize, word: usize) -> u64 {
    let left = at.saturating_sub(word * WIDTH);
    if left >= WIDTH { !0 } else { (1 << left) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_bit() {
        let mut data = vec![b'x'; 3 * WIDTH];
        for at in [0, 15, 16, 63, 64, 100, 127] {
            data[at] = b',';
        }
        let comma = [Needle::new(b',')];
        assert_eq!(marks(&data, 0, &comma), 1 | 1 << 15 | 1 << 16 | 1 << 63);
        assert_eq!(marks(&data, WIDTH, &comma), 1 | 1 << 36 | 1 << 63);
        assert_eq!(marks(&data, WIDTH, &comma) & from(WIDTH + 37) & before(WIDTH + 63, 1), 0);
    }
}
