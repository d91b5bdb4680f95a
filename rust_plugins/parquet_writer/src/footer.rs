//! The end of a file, in which floats are said to be ordered as every reader knows.
//!
//! The crate declares IEEE 754's total order for float columns, an addition to Parquet that most readers do not know yet:
//! they then ignore the minima and maxima, and nothing is pruned. Under either order the bounds are the same numbers, for
//! the crate leaves NaN out of them. So only the declaration is changed, in the footer's last field: a list with one
//! union for each leaf column, in Thrift's compact protocol.

use std::io::{self, Write};

use dativo_plugin::{Error, Result};
use dativo_storage::Upload;

/// `ColumnOrder`: the header of the field that is set, a struct; the end of that struct; the end of the union.
const TYPE_DEFINED: [u8; 3] = [0x1c, 0, 0];
const TOTAL: [u8; 3] = [0x2c, 0, 0];

/// What follows the footer: its length in four bytes, and `PAR1`.
const TRAILER: usize = 8;

/// A file being written whose end is held back.
#[derive(Debug)]
pub(crate) struct Output {
    upload: Upload,
    end: Option<Vec<u8>>,
}

impl Output {
    /// Write to an upload.
    pub(crate) fn new(upload: Upload) -> Self {
        Self { upload, end: None }
    }

    /// From now on hold back what is written; the footer must be the last of it.
    pub(crate) fn hold(&mut self) {
        self.end.get_or_insert_default();
    }

    /// Write the end with the order of `columns` leaf columns corrected, make the file visible and give its size.
    pub(crate) fn finish(mut self, columns: usize) -> Result<u64> {
        let mut end = self.end.take().unwrap_or_default();
        if !declare_type_defined(&mut end, columns) {
            return Err(Error::plugin("the Parquet crate wrote a footer that this plugin does not know"));
        }
        self.upload.append(&end)?;
        self.upload.finish()
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.end {
            Some(end) => end.write(data),
            None => self.upload.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.upload.flush()
    }
}

/// Correct the orders, the last thing before the stop byte of the footer. False when something else is there.
fn declare_type_defined(end: &mut [u8], columns: usize) -> bool {
    let Some(stop) = end.len().checked_sub(TRAILER + 1) else { return false };
    let Some(first) = stop.checked_sub(columns * TOTAL.len()) else { return false };
    let (before, orders) = (&end[..first], &end[first..stop]);
    if end[stop] != 0 || !before.ends_with(&list_header(columns)) {
        return false;
    }
    if !orders.chunks(TOTAL.len()).all(|order| order == TYPE_DEFINED || order == TOTAL) {
        return false;
    }
    end[first..stop].chunks_mut(TOTAL.len()).for_each(|order| order.copy_from_slice(&TYPE_DEFINED));
    true
}

/// The header of field 7, a list, as the field after 6; then its size and that its elements are structs.
fn list_header(size: usize) -> Vec<u8> {
    let mut header = vec![0x19];
    if size < 15 {
        header.push((size as u8) << 4 | 0x0c);
        return header;
    }
    header.push(0xfc);
    let mut rest = size;
    while rest >= 0x80 {
        header.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    header.push(rest as u8);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(columns: usize, order: [u8; 3]) -> Vec<u8> {
        [b"...".to_vec(), list_header(columns), order.repeat(columns), vec![0], b"\x10\0\0\0PAR1".to_vec()].concat()
    }

    #[test]
    fn the_orders_of_all_columns_are_corrected_and_nothing_else() {
        for columns in [1, 14, 15, 127, 128, 5000] {
            let mut given = end(columns, TOTAL);
            assert!(declare_type_defined(&mut given, columns), "{columns}");
            assert_eq!(given, end(columns, TYPE_DEFINED));
        }
    }

    #[test]
    fn another_footer_is_not_touched() {
        for given in [end(3, [0x3c, 0, 0]), end(2, TOTAL), b"PAR1".to_vec(), Vec::new()] {
            let mut kept = given.clone();
            assert!(!declare_type_defined(&mut kept, 3));
            assert_eq!(kept, given);
        }
    }
}
