//! The reader: as many rows of five columns as asked, a batch for each call.

use std::ffi::c_char;
use std::ptr::{null, null_mut};

use serde::Serialize;

use crate::border::{give, text};
use crate::options::{Config, Fault, Options};

/// A reader and how many rows and batches it has given.
pub(crate) struct Reader {
    options: Options,
    rows: u64,
    batches: u64,
}

#[derive(Serialize)]
struct Row {
    id: u64,
    name: String,
    amount: f64,
    active: bool,
    created_at: &'static str,
}

impl Row {
    fn new(id: u64) -> Self {
        Self {
            id,
            name: format!("name {id}"),
            amount: f64::from((id % 10_000) as u32) / 100.0,
            active: id.is_multiple_of(2),
            created_at: "2024-05-17T08:30:00",
        }
    }
}

impl Reader {
    /// Give the next batch as text; none at the end, and, as the ABI has it, none on failure.
    fn batch(&mut self) -> Option<Vec<u8>> {
        let faulty = self.batches >= self.options.after;
        self.batches += 1;
        match self.options.fault {
            Fault::Error if faulty => {
                eprintln!("legacy_json: the source went away");
                None
            }
            Fault::InvalidJson if faulty => Some(b"[{\"id\": 1, ".to_vec()),
            Fault::TruncatedUtf8 if faulty => Some(b"[{\"id\": 1, \"name\": \"caf\xc3\"}]".to_vec()),
            Fault::NoList if faulty => Some(b"{\"id\": 1}".to_vec()),
            Fault::NoObject if faulty => Some(b"[1, 2]".to_vec()),
            Fault::Repeat => self.rows_from(0),
            _ => self.rows_from(self.rows),
        }
    }

    fn rows_from(&mut self, first: u64) -> Option<Vec<u8>> {
        let endless = matches!(self.options.fault, Fault::Endless | Fault::Repeat);
        let last = first + self.options.batch_size;
        let last = if endless { last } else { last.min(self.options.rows) };
        if first >= last {
            return None;
        }
        self.rows = last;
        serde_json::to_vec(&(first..last).map(Row::new).collect::<Vec<_>>()).ok()
    }
}

/// Make a reader; NULL when the configuration is none.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn create_reader(config: *const c_char) -> *mut Reader {
    // SAFETY: the host keeps to the ABI.
    match unsafe { text(config) }.and_then(|json| serde_json::from_str::<Config>(json).ok()) {
        Some(config) if config.engine.options.fault != Fault::Create => {
            Box::into_raw(Box::new(Reader { options: config.engine.options, rows: 0, batches: 0 }))
        }
        _ => {
            eprintln!("legacy_json: cannot make a reader of this configuration");
            null_mut()
        }
    }
}

/// Give the next batch.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn extract_batch(reader: *mut Reader) -> *const c_char {
    // SAFETY: the host gives what `create_reader` gave, on one thread at a time.
    unsafe { reader.as_mut() }.and_then(Reader::batch).map_or(null(), give)
}

/// Free a reader.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn free_reader(reader: *mut Reader) {
    if !reader.is_null() {
        // SAFETY: the host gives back what `create_reader` gave.
        drop(unsafe { Box::from_raw(reader) });
    }
}
